/* The log list while logs are followed: logs come, go and change with it, and a list that is wrong
 * changes nothing. */
#include "ingest/ct/logs_list.h"
#include "tests/unit/ingest/ct/list_server.h"
#include "tests/unit/ingest/ct/logs_run.h"

#include "engine/base/clock.h"

#include <unistd.h>

enum { ENTRIES = 700, DAY_MS = 24 * 3600 * 1000 };

/* --- Which logs are chosen --- */

static const struct log_list_operator somebody;

static struct log_list_log a_log(enum log_list_state state) {
    return (struct log_list_log){
        .run_by = &somebody,
        .description = slice_of("Somebody's 'Elm2026h1' log"),
        .monitoring_url = slice_of("https://log.example/2026h1/"),
        .state = (uint8_t)state,
        .interval_start_ms = INT64_MIN,
        .interval_end_ms = INT64_MAX,
    };
}

static void test_states(void **state) {
    static const bool chosen[LOG_LIST_STATE_COUNT] = {
        [LOG_LIST_QUALIFIED] = true, [LOG_LIST_USABLE] = true, [LOG_LIST_READONLY] = true};
    struct log_choice choice = {0}, pending = {.states = LOG_LIST_BIT(LOG_LIST_PENDING)};

    (void)state;
    for (int i = 0; i < LOG_LIST_STATE_COUNT; i++) {
        struct log_list_log log = a_log((enum log_list_state)i);
        assert_int_equal(log_choice_has(&choice, &log, 0), chosen[i]);
        assert_int_equal(log_choice_has(&pending, &log, 0), i == LOG_LIST_PENDING);
        assert_int_equal(log_spec_of(&log).frozen, i == LOG_LIST_READONLY);
        assert_true(log_spec_of(&log).listed);
    }
}

static bool is_chosen(const struct log_choice *choice, const char *description) {
    struct log_list_log log = a_log(LOG_LIST_USABLE);

    log.description = slice_of(description);
    return log_choice_has(choice, &log, 0);
}

static void test_names(void **state) {
    struct slice names[] = {slice_of("elm"), slice_of("OAK2026")};
    struct log_choice choice = {.names = {names, 2}};

    (void)state;
    assert_true(is_chosen(&choice, "Somebody's 'Elm2026h1' log"));
    assert_true(is_chosen(&choice, "oak2026"));
    assert_true(is_chosen(&choice, "elm"));
    assert_false(is_chosen(&choice, "oak2025"));
    assert_false(is_chosen(&choice, "el m"));
    assert_false(is_chosen(&choice, ""));
}

static void test_what_else_leaves_logs_out(void **state) {
    struct log_list_log log = a_log(LOG_LIST_USABLE);
    struct log_choice choice = {.ended_ms = DAY_MS};

    (void)state;
    log.interval_end_ms = 1000;
    assert_true(log_choice_has(&choice, &log, 1000 + DAY_MS));
    assert_false(log_choice_has(&choice, &log, 1001 + DAY_MS));
    choice.ended_ms = 0;
    assert_true(log_choice_has(&choice, &log, INT64_MAX));
    log.test = true;
    assert_false(log_choice_has(&choice, &log, 0));
    choice.tests = true;
    assert_true(log_choice_has(&choice, &log, 0));
    log.monitoring_url.len = 0;
    assert_false(log_choice_has(&choice, &log, 0));
}

/* --- Lists that change --- */

/* What an earlier run saved of the log that the list does not have yet. */
struct earlier {
    uint8_t log_id[32];
    struct slice saved;
};

static struct slice saved_by_then(void *owner, const uint8_t log_id[32]) {
    const struct earlier *earlier = owner;

    if (memcmp(log_id, earlier->log_id, sizeof earlier->log_id) != 0)
        return (struct slice){NULL, 0};
    return earlier->saved;
}

struct following {
    struct run run;
    struct test_server *server;
    struct log_list_source *source;
    struct buffer key;
    unsigned version;        /* of the list, as its ETag */
    struct earlier *earlier; /* NULL for none */
};

static void serve_signed(struct following *following, struct slice list, bool rightly) {
    char etag[16];

    snprintf(etag, sizeof etag, "\"%u\"", ++following->version);
    list_server_set(ctfarm_log(following->run.farm), list, etag, rightly);
}

static void serve(struct following *following, struct slice list) {
    serve_signed(following, list, true);
}

/* A farm, and a server of its list. */
static void begin(struct following *following) {
    struct run *run = &following->run;
    struct ctfarm_options options;

    ctfarm_options_init(&options);
    options.log.entries = options.start = ENTRIES;
    following->version = 0;
    following->earlier = NULL;
    run_init(run);
    run_farm(run, &options);
    buffer_init(&following->key);
    ctfarm_add_list_key(ctfarm_log(run->farm), &following->key);
    following->server = test_server_start(list_server_handle, NULL);
    struct log_list_source_config source = {
        .where = url_of(following->server, "/log_list.json"),
        .key = buffer_slice(&following->key),
    };
    assert_int_equal(log_list_source_open(&following->source, &source, NULL), ERROR_NONE);
    run_decoder(run, 1);
    struct logs_config logs = run_config(run);
    run_open(run, &logs);
}

/* Follows the logs of the list that the server has, and what becomes of it. */
static void follow(struct following *following, struct slice list) {
    struct http_client_config http = {.connections = 4, .per_host = 2};
    struct failure failure = {0};
    struct log_list *first;

    serve(following, list);
    if (log_list_source_load(following->source, &http, &first, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    struct logs_list_config config = {
        .source = following->source,
        .time_ms = first->time_ms,
        .reload_ms = 20,
        .stale_ms = 1,
        .saved = following->earlier ? saved_by_then : NULL,
        .owner = following->earlier,
    };
    for (uint32_t i = 0; i < first->log_count; i++) {
        struct log_spec spec = log_spec_of(&first->logs[i]);
        spec.from = FEED_FROM_INDEX;
        if (log_choice_has(&config.choice, &first->logs[i], clock_unix_ms()))
            run_add(&following->run, &spec);
    }
    log_list_free(first);
    logs_follow_list(following->run.logs, &config);
    run_start(&following->run);
}

static void follow_both(struct following *following) {
    struct run *run = &following->run;

    begin(following);
    follow(following, ctfarm_list(run->farm));
    RUN_UNTIL(run, run->items[0].verified == ENTRIES && run->items[1].verified == ENTRIES);
}

static void end(struct following *following) {
    run_close(&following->run);
    log_list_source_close(following->source);
    test_server_stop(following->server);
    list_server_clear();
    buffer_deinit(&following->key);
    run_deinit(&following->run);
}

/* Until the list was looked at so many times more, whatever came of it. */
static void wait_for_looks(struct following *following, unsigned more) {
    struct run *run = &following->run;

    pthread_mutex_lock(&list_server.lock);
    unsigned from = list_server.whole + list_server.unchanged;
    pthread_mutex_unlock(&list_server.lock);
    for (unsigned seen = from; seen < from + more;) {
        pthread_mutex_lock(&run->lock);
        run_wait_a_little(run);
        pthread_mutex_unlock(&run->lock);
        pthread_mutex_lock(&list_server.lock);
        seen = list_server.whole + list_server.unchanged;
        pthread_mutex_unlock(&list_server.lock);
    }
}

static void wait_for_change(struct following *following, uint64_t count, const char *words) {
    struct run *run = &following->run;

    RUN_UNTIL(run, run->incidents[FEED_LOG_CHANGED] >= count);
    assert_int_equal(run->incidents[FEED_LOG_CHANGED], count);
    if (!strstr(run->words[FEED_LOG_CHANGED], words))
        fail_msg("%s", run->words[FEED_LOG_CHANGED]);
}

static uint64_t requests_of(const struct run *run, uint32_t number) {
    struct feed_statistics statistics;

    logs_statistics(run->logs, number, &statistics);
    return statistics.requests;
}

static void wait_for_requests(const struct run *run, uint32_t number, uint64_t more) {
    uint64_t before = requests_of(run, number);

    while (requests_of(run, number) < before + more)
        usleep(1000);
}

static void test_logs_go_and_come_back(void **state) {
    struct following following;
    struct run *run = &following.run;

    (void)state;
    follow_both(&following);
    struct slice list = ctfarm_list(run->farm);
    wait_for_looks(&following, 2);
    assert_int_equal(run->incidents[FEED_LOG_CHANGED], 0);

    struct buffer retired = text_with(list, "'Tiles2026'", "usable", "retired");
    serve(&following, buffer_slice(&retired));
    wait_for_change(&following, 1, "not followed any more: retired");
    assert_string_equal(run->sources[FEED_LOG_CHANGED], "Farm 'Tiles2026' log");
    wait_for_requests(run, 0, 5); /* what was under way ends meanwhile */
    uint64_t before = requests_of(run, 1);
    wait_for_requests(run, 0, 15);
    assert_int_equal(requests_of(run, 1), before);

    serve(&following, list);
    wait_for_change(&following, 2, "followed again");
    wait_for_requests(run, 1, 1);
    assert_int_equal(logs_count(run->logs), 2);
    buffer_deinit(&retired);
    end(&following);
}

/* From its first entry, as nobody has seen it. */
static void test_a_new_log(void **state) {
    struct following following;
    struct run *run = &following.run;

    (void)state;
    begin(&following);
    struct slice list = ctfarm_list(run->farm);
    struct buffer pending = text_with(list, "'Tiles2026'", "usable", "pending");
    follow(&following, buffer_slice(&pending));
    wait_for_looks(&following, 2);
    assert_int_equal(logs_count(run->logs), 1);
    serve(&following, list);
    wait_for_change(&following, 1, "a new log");
    RUN_UNTIL(run, run->items[1].verified == ENTRIES);
    run_check(run, 1, 0, ENTRIES);
    assert_int_equal(logs_count(run->logs), 2);
    buffer_deinit(&pending);
    end(&following);
}

static void test_lists_that_are_wrong(void **state) {
    static const char nothing[] =
        "{\"log_list_timestamp\":\"2999-01-01T00:00:00Z\",\"operators\":[]}";
    struct following following;
    struct run *run = &following.run;

    (void)state;
    follow_both(&following);
    struct slice list = ctfarm_list(run->farm);
    struct buffer retired = text_with(list, "'Tiles2026'", "usable", "retired");
    struct buffer older =
        text_with(buffer_slice(&retired), "log_list_timestamp", "\":\"20", "\":\"19");

    serve_signed(&following, buffer_slice(&retired), false);
    RUN_UNTIL(run, run->incidents[FEED_LIST_STALE] > 0);
    assert_string_equal(run->sources[FEED_LIST_STALE], "log list");
    wait_for_looks(&following, 2);
    serve(&following, buffer_slice(&older));
    wait_for_looks(&following, 2);
    serve(&following, slice_of(nothing));
    wait_for_looks(&following, 2);
    serve(&following, slice_of("[]"));
    wait_for_looks(&following, 2);
    pthread_mutex_lock(&run->lock);
    assert_int_equal(run->incidents[FEED_LOG_CHANGED], 0);
    assert_int_equal(run->incidents[FEED_LIST_STALE], 1);
    assert_int_equal(run->incidents[FEED_RECOVERED], 0);
    pthread_mutex_unlock(&run->lock);

    serve(&following, list);
    RUN_UNTIL(run, run->incidents[FEED_RECOVERED] > 0);
    assert_int_equal(run->incidents[FEED_LOG_CHANGED], 0);
    buffer_deinit(&older);
    buffer_deinit(&retired);
    end(&following);
}

static void test_states_that_change(void **state) {
    static const char frozen[] = "\"readonly\":{\"final_tree_head\":{\"tree_size\":1,"
                                 "\"sha256_root_hash\":"
                                 "\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"},";
    struct following following;
    struct run *run = &following.run;

    (void)state;
    follow_both(&following);
    struct slice list = ctfarm_list(run->farm);
    struct buffer readonly = text_with(list, "'Tiles2026'", "\"usable\":{", frozen);
    serve(&following, buffer_slice(&readonly));
    wait_for_change(&following, 1, "read-only");
    serve(&following, list);
    wait_for_change(&following, 2, "takes entries again");
    buffer_deinit(&readonly);
    end(&following);
}

static bool is_at(const struct run *run, uint32_t number, const char *place) {
    struct feed_statistics statistics;

    logs_statistics(run->logs, number, &statistics);
    return memmem(statistics.source->url.ptr, statistics.source->url.len, place, strlen(place));
}

/* Nobody answers at its first URL; at the next, it is read from where it was. */
static void test_a_log_that_moves(void **state) {
    struct following following;
    struct run *run = &following.run;

    (void)state;
    begin(&following);
    struct slice list = ctfarm_list(run->farm);
    struct buffer elsewhere = text_with(list, "'Tiles2026'", "/static/\",\"mmd", "/else/\",\"mmd");
    follow(&following, buffer_slice(&elsewhere));
    wait_for_requests(run, 1, 2);
    assert_true(is_at(run, 1, "/else"));
    assert_int_equal(run->items[1].committed, 0);
    serve(&following, list);
    wait_for_change(&following, 1, "another URL");
    RUN_UNTIL(run, run->items[1].verified == ENTRIES);
    run_check(run, 1, 0, ENTRIES);
    assert_true(is_at(run, 1, "/static"));
    serve(&following, buffer_slice(&elsewhere));
    wait_for_change(&following, 2, "another URL");
    wait_for_requests(run, 1, 2);
    assert_true(is_at(run, 1, "/else"));
    assert_int_equal(logs_count(run->logs), 2);
    buffer_deinit(&elsewhere);
    end(&following);
}

/* A log that comes back into the list is followed from where it was left. */
static void test_a_log_of_an_earlier_run(void **state) {
    struct following following;
    struct run *run = &following.run;
    struct earlier earlier;
    uint8_t saved[FOLLOWER_SAVED_MAX];

    (void)state;
    follow_both(&following);
    struct feed_statistics statistics;
    logs_statistics(run->logs, 1, &statistics);
    memcpy(earlier.log_id, statistics.source->log_id, sizeof earlier.log_id);
    memcpy(saved, run->items[1].saved, run->items[1].saved_len);
    earlier.saved = (struct slice){saved, run->items[1].saved_len};
    end(&following);

    begin(&following);
    struct slice list = ctfarm_list(run->farm);
    struct buffer pending = text_with(list, "'Tiles2026'", "usable", "pending");
    following.earlier = &earlier;
    follow(&following, buffer_slice(&pending));
    wait_for_looks(&following, 1);
    serve(&following, list);
    wait_for_change(&following, 1, "a new log");
    do {
        usleep(1000);
        logs_statistics(run->logs, 1, &statistics);
    } while (statistics.head < ENTRIES || statistics.committed < ENTRIES);
    assert_int_equal(statistics.entries, 0);
    assert_int_equal(run->items[1].pages, 0);
    buffer_deinit(&pending);
    end(&following);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_what_else_leaves_logs_out),
        cmocka_unit_test(test_logs_go_and_come_back),
        cmocka_unit_test(test_a_new_log),
        cmocka_unit_test(test_lists_that_are_wrong),
        cmocka_unit_test(test_states_that_change),
        cmocka_unit_test(test_a_log_that_moves),
        cmocka_unit_test(test_a_log_of_an_earlier_run),
    };
    return cmocka_run_group_tests(tests, run_set_up, NULL);
}
