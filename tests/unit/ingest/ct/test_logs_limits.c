/* What is asked of logs, and how much at once; and the end in the middle of it. */
#include "tests/unit/ingest/ct/logs_run.h"

#include <time.h>

/* --- Issuers --- */

/* The issuers of all malformed entries are asked for, as only these have records here. */
static struct ctfarm_options odd_options(void) {
    struct ctfarm_options options = run_options();

    options.log.odd = 3;
    return options;
}

static void follow_tiles(struct run *run, const struct ctfarm_options *options) {
    run_init(run);
    run_farm(run, options);
    run_decoder(run, 2);
    struct logs_config config = run_config(run);
    config.to_the_end = true;
    run_open(run, &config);
    struct log_spec spec = run_spec(run, CTFARM_STATIC);
    run_add(run, &spec);
    run_start(run);
    RUN_UNTIL_DONE(run);
    run_close(run);
    run_check(run, 0, 0, RUN_ENTRIES);
    assert_true(run->items[0].records > 0);
}

static uint32_t count_authorities(const struct run *run) {
    uint32_t count = 0;
    bool is_root;

    while (ctfarm_authority(ctfarm_log(run->farm), count, &is_root).len)
        count++;
    return count;
}

static void test_issuers_come_once(void **state) {
    struct ctfarm_options options = odd_options();
    struct run run;

    (void)state;
    follow_tiles(&run, &options);
    uint64_t asked = run_count(&run, "issuers");
    assert_in_range(asked, 1, count_authorities(&run));
    run_deinit(&run);
}

/* One that is another's is not taken; the page goes on without. */
static void test_wrong_issuers(void **state) {
    static const char *const faults[] = {"wrong-issuer,times=5", "http-404,on=issuers,times=5"};
    struct ctfarm_options options = odd_options();
    struct run run;

    (void)state;
    options.faults = faults;
    options.fault_count = 2;
    follow_tiles(&run, &options);
    assert_true(run.incidents[FEED_PAGE_BROKEN] > 0);
    assert_non_null(strstr(run.words[FEED_PAGE_BROKEN], "issuer"));
    run_deinit(&run);
}

/* --- Proofs --- */

/* All the way up a long log: what one proof needed the next one need not fetch. */
static void test_hash_tiles_come_once(void **state) {
    enum { LONG = 100000, DISTINCT = 256 };
    struct ctfarm_options options = run_options();
    struct run run;

    (void)state;
    options.log.entries = options.start = LONG;
    options.log.distinct = DISTINCT;
    run_init(&run);
    run_farm(&run, &options);
    run_to_the_end(&run, FEED_FROM_INDEX, 0);
    run_check_both(&run, 0, LONG);
    assert_int_equal(run_count(&run, "data"), (LONG + 255) / 256);
    assert_in_range(run_count(&run, "tiles"), 1, 12);
    assert_in_range(run_count(&run, "proofs"), LONG / 100 / 16 / 2, LONG / 100 / 4);
    run_deinit(&run);
}

/* --- Politeness --- */

enum { PER_OPERATOR = 3 };

static atomic_uint open_now, open_most, answered;
static atomic_llong refused_ns, next_ns;

static long long now_ns(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Answers nothing useful, some time later, and not before as many as may be were open at once. */
static bool be_slow(struct test_connection *connection, const char *path) {
    unsigned open = atomic_fetch_add(&open_now, 1) + 1, most = atomic_load(&open_most);

    (void)path;
    while (open > most && !atomic_compare_exchange_weak(&open_most, &most, open))
        continue;
    bool gone;
    do
        gone = test_is_gone(connection, 20);
    while (!gone && atomic_load(&open_most) < PER_OPERATOR);
    atomic_fetch_sub(&open_now, 1);
    atomic_fetch_add(&answered, 1);
    return !gone && test_say(connection, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

/* Logs of keys that are nobody's, all at one server by other names. */
static void add_strangers(struct run *run, const struct test_server *server, const char *run_by,
                          uint32_t count, struct ctfarm_log **keys) {
    for (uint32_t i = 0; i < count; i++) {
        struct ctfarm_config config = {.seed = 100 + i, .entries = 1};
        struct failure failure = {0};
        char url[128], name[32];
        if (ctfarm_log_new(&keys[i], &config, &failure) != ERROR_NONE)
            fail_msg("%s", failure.text);
        snprintf(url, sizeof url, "http://127.0.0.%u:%u/log%u/", i + 1, server->port, i);
        snprintf(name, sizeof name, "log %u", i);
        struct log_spec spec = {
            .name = slice_of(name),
            .operator_name = slice_of(run_by),
            .url = slice_of(url),
            .key = ctfarm_log_key(keys[i], CTFARM_RFC6962),
        };
        run_add(run, &spec);
    }
}

/* Hosts that differ: it is the operator that counts. */
static void test_so_many_requests_of_an_operator(void **state) {
    enum { LOGS = 8 };
    struct test_server *server = test_server_start(be_slow, NULL);
    struct ctfarm_log *keys[LOGS];
    struct run run;

    (void)state;
    run_init(&run);
    run_decoder(&run, 1);
    struct logs_config config = run_config(&run);
    config.per_operator = PER_OPERATOR;
    run_open(&run, &config);
    add_strangers(&run, server, "Somebody", LOGS, keys);
    assert_int_equal(logs_count(run.logs), LOGS);
    run_start(&run);
    RUN_UNTIL(&run, atomic_load(&answered) >= 5 * LOGS);
    run_close(&run);
    test_server_stop(server);
    assert_int_equal(atomic_load(&open_most), PER_OPERATOR);
    for (uint32_t i = 0; i < LOGS; i++)
        ctfarm_log_free(keys[i]);
    run_deinit(&run);
}

static bool say_later(struct test_connection *connection, const char *path) {
    (void)path;
    if (atomic_load(&refused_ns) == 0) {
        atomic_store(&refused_ns, now_ns());
        return test_say(connection, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n"
                                    "Content-Length: 0\r\n\r\n");
    }
    if (atomic_load(&next_ns) == 0)
        atomic_store(&next_ns, now_ns());
    return test_say(connection, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static void test_retry_after(void **state) {
    struct test_server *server = test_server_start(say_later, NULL);
    struct ctfarm_log *keys[1];
    struct feed_statistics statistics;
    struct run run;

    (void)state;
    run_init(&run);
    run_decoder(&run, 1);
    struct logs_config config = run_config(&run);
    run_open(&run, &config);
    add_strangers(&run, server, "Somebody", 1, keys);
    run_start(&run);
    RUN_UNTIL(&run, atomic_load(&next_ns) != 0);
    logs_statistics(run.logs, 0, &statistics);
    assert_int_equal(statistics.throttled, 1);
    run_close(&run);
    test_server_stop(server);
    assert_true(atomic_load(&next_ns) - atomic_load(&refused_ns) >= 1000000000LL);
    ctfarm_log_free(keys[0]);
    run_deinit(&run);
}

static void test_user_agent(void **state) {
    struct ctfarm_options options = run_options();
    struct run run;

    (void)state;
    run_init(&run);
    run_farm(&run, &options);
    run_to_the_end(&run, FEED_FROM_NOW, 0);
    struct buffer stats = run_ask_farm(&run, "/stats", false);
    assert_non_null(strstr((const char *)stats.ptr, RUN_CONTACT));
    assert_non_null(strstr((const char *)stats.ptr, "\"without_contact\":0"));
    buffer_deinit(&stats);
    run_deinit(&run);
}

/* --- Back-pressure --- */

/* Without room no more is fetched than the window holds; with room all comes. */
static void test_an_outlet_without_room(void **state) {
    enum { WINDOW = 8, PAGE = 20 };
    struct ctfarm_options options = run_options();
    struct run run;

    (void)state;
    run_init(&run);
    run_farm(&run, &options);
    run_decoder(&run, 2);
    run.room = 0;
    struct logs_config config = run_config(&run);
    config.window = WINDOW;
    config.page_entries = PAGE;
    config.to_the_end = true;
    run_open(&run, &config);
    struct log_spec spec = run_spec(&run, CTFARM_RFC6962);
    run_add(&run, &spec);
    run_start(&run);
    while (run_count(&run, "entries") < WINDOW * PAGE) /* the first of that name: of answers */
        continue;
    for (int i = 0; i < 5; i++) {
        struct timespec wait = {.tv_nsec = 40 * 1000000L};
        nanosleep(&wait, NULL);
        logs_wake(run.logs);
    }
    assert_int_equal(run_count(&run, "entries"), WINDOW * PAGE);
    for (uint64_t pages = 1; pages <= 3; pages++) {
        pthread_mutex_lock(&run.lock);
        run.room = 1;
        pthread_mutex_unlock(&run.lock);
        logs_wake(run.logs);
        RUN_UNTIL(&run, run.items[0].pages == pages);
    }
    pthread_mutex_lock(&run.lock);
    run.room = UINT64_MAX;
    pthread_mutex_unlock(&run.lock);
    logs_wake(run.logs);
    RUN_UNTIL_DONE(&run);
    run_close(&run);
    run_check(&run, 0, 0, RUN_ENTRIES);
    run_deinit(&run);
}

/* --- The end --- */

/* At once, or with pages at the decoder, answers under way, requests that wait. */
static void test_stopped_in_the_middle(void **state) {
    struct ctfarm_options options = run_options();
    struct run run;

    (void)state;
    run_init(&run);
    run_farm(&run, &options);
    for (uint64_t requests = 0; requests < 40; requests += 3) {
        memset(run.items, 0, sizeof run.items);
        run_decoder(&run, 1);
        struct logs_config config = run_config(&run);
        config.window = 64;
        config.page_entries = 256;
        run_open(&run, &config);
        run_add_both(&run, FEED_FROM_INDEX, 0);
        uint64_t before = run_count(&run, "requests");
        run_start(&run);
        while (requests && run_count(&run, "requests") < before + requests)
            continue;
        run_close(&run);
    }
    run_deinit(&run);
}

static void test_closed_without_a_start(void **state) {
    struct ctfarm_options options = run_options();
    struct run run;

    (void)state;
    options.log.entries = options.start = 10;
    run_init(&run);
    run_farm(&run, &options);
    run_decoder(&run, 1);
    struct logs_config config = run_config(&run);
    run_open(&run, &config);
    run_add_both(&run, FEED_FROM_NOW, 0);
    run_add_both(&run, FEED_FROM_NOW, 0);
    assert_int_equal(logs_count(run.logs), 2); /* each key once */
    logs_wake(run.logs);
    run_close(&run);
    run_deinit(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_issuers_come_once),
        cmocka_unit_test(test_wrong_issuers),
        cmocka_unit_test(test_hash_tiles_come_once),
        cmocka_unit_test(test_so_many_requests_of_an_operator),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_user_agent),
        cmocka_unit_test(test_an_outlet_without_room),
        cmocka_unit_test(test_stopped_in_the_middle),
        cmocka_unit_test(test_closed_without_a_start),
    };
    return cmocka_run_group_tests(tests, run_set_up, NULL);
}
