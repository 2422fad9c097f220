#include "tests/unit/monitor/ledger_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static void test_crossing(void **state) {
    (void)state;
    int64_t target = add_target("www.example.org", false);

    give(target, 1, 60);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts"), 0);
    assert_int_equal(count("SELECT status FROM monitor_summary"), STATUS_OK);
    give(target, 1, 6.5); /* the same certificate, later, as it were */
    give(target, 1, 6.5);
    give(target, 1, 6.4);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts WHERE resolved_at IS NULL AND"
                           " event = 'tls_expiry' AND severity = 1"),
                     1);
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE channel = 'loud'"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE channel = 'grave'"), 0);
    assert_int_equal(count("SELECT status FROM monitor_summary"), STATUS_WARNING);
    give(target, 1, 2.5); /* within crit_days */
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE channel = 'grave'"), 1);
    give(target, 1, 0.9);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE channel = 'grave'"), 2);
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts"), 1);
    give(target, 2, 80);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts WHERE resolved_at IS NULL"), 0);
    /* What resolves goes where its alert went. */
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE event = 'tls_renewed'"), 2);
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE body LIKE"
                           " '{\"schema_version\":\"1\",\"event\":\"tls_renewed\",\"ts\":%'"),
                     2);
}

static void test_same_tables(void **state) {
    (void)state;
    int64_t target = add_target("www.example.org", false);

    for (int i = 0; i < 5; i++)
        give(target, 1, 60);
    flush();
    /* A change is a row, a probe is none; the store hears of it once. */
    assert_int_equal(count("SELECT count(*) FROM monitor_history"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_results"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_records"), 1);
    assert_int_equal(count("SELECT count(*) FROM observations"), 1);
    assert_int_equal(count("SELECT count(*) FROM certificates"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_events WHERE kind = 'target'"), 1);
    give(target, 0, 0);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_history WHERE change = 'status,outcome'"),
                     1);
    /* The certificate stays known, its days are not. */
    assert_int_equal(count("SELECT count(*) FROM monitor_summary WHERE status = 4 AND days_left IS"
                           " NULL AND not_after > 0 AND subject = 'www.example.org'"),
                     1);
    struct monitor_ledger_statistics statistics;
    monitor_ledger_statistics(ledger, &statistics);
    assert_int_equal(statistics.results, 6);
    assert_int_equal(statistics.waiting, 0);
    assert_int_equal(statistics.records_stored, 2);
}

static enum error age(struct ledger_write *write, void *context, struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "i",
        .text = "UPDATE monitor_results SET last_check = last_check - $1"
                " WHERE endpoint = '192.0.2.2'"};
    const struct sql_value by = sql_integer(*(const int64_t *)context);
    return database_run(write->database, &statement, &by, NULL, failure);
}

/* A name has lost an address: what was wrong there does not stay for ever. */
static void test_departed(void **state) {
    (void)state;
    int64_t target = add_target("www.example.org", false), hours = INT64_C(2) * 3600 * 1000,
            minutes = INT64_C(20) * 60 * 1000;

    give_record(target, "192.0.2.1", "", make_record("www.example.org", 1, 60));
    give_record(target, "192.0.2.2", "", make_record("www.example.org", 2, 0.5));
    flush();
    assert_int_equal(count("SELECT status FROM monitor_summary"), STATUS_CRITICAL);
    OK(monitor_ledger_call(ledger, age, &hours, NULL)); /* two intervals; the margin is left */
    usleep(100 * 1000);
    assert_int_equal(count("SELECT count(*) FROM monitor_results"), 2);
    OK(monitor_ledger_call(ledger, age, &minutes, NULL));
    for (int i = 0; i < HANG_MS && count("SELECT count(*) FROM monitor_results") == 2; i++)
        usleep(1000);
    assert_int_equal(count("SELECT count(*) FROM monitor_results"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_records"), 1);
    assert_int_equal(count("SELECT status FROM monitor_summary"), STATUS_OK);
    assert_int_equal(count("SELECT endpoints FROM monitor_summary"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts WHERE resolved_at IS NULL"), 0);
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts"), 1);
}

static void test_restart(void **state) {
    (void)state;
    int64_t target = add_target("www.example.org", false);

    give(target, 1, 6.5);
    close_ledger(); /* writes what waits */
    open_ledger();
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts"), 1);
    uint64_t seq = event_hub_seq(hub);
    assert_int_equal(seq, count("SELECT max(seq) FROM monitor_events"));
    assert_true(seq >= 2);
    give(target, 1, 6.4);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox"), 1);
}

enum { KILLED_TARGETS = 40, KILLED_ROUNDS = 3 };

/* This program once more: gives results to targets from `first` on, and says so by a byte on
 * standard output. */
static _Noreturn void run_child(const char *url, const char *first, bool flushes) {
    snprintf(store_url, sizeof store_url, "%s", url);
    open_ledger();
    for (int i = 0; i < KILLED_TARGETS; i++)
        give(atoll(first) + i, (uint8_t)(i + 1), 6.5);
    if (flushes)
        flush();
    (void)!write(STDOUT_FILENO, "x", 1);
    for (;;)
        pause();
}

static void run_and_kill(int64_t first, bool flushes) {
    char key[32], byte;
    int ready[2];

    snprintf(key, sizeof key, "%lld", (long long)first);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ready[1], STDOUT_FILENO);
        close(ready[0]);
        close(ready[1]);
        execl("/proc/self/exe", "test_ledger", store_url, key, flushes ? "flush" : "", NULL);
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
}

/* A process that dies in the middle of its work: what it was told is written is there, whole, and
 * what is given again is not told again. */
static void test_killed(void **state) {
    int64_t first = 0;

    (void)state;
    for (int i = 0; i < KILLED_TARGETS; i++) {
        int64_t key = add_target("www.example.org", false);
        first = first ? first : key;
    }
    for (int round = 0; round < KILLED_ROUNDS; round++) {
        close_ledger();
        run_and_kill(first, round > 0);
        open_ledger();
        int64_t alerts = count("SELECT count(*) FROM monitor_alerts");
        assert_int_equal(alerts, count("SELECT count(*) FROM monitor_results"));
        assert_int_equal(alerts, count("SELECT count(*) FROM monitor_outbox"));
        assert_int_equal(alerts, count("SELECT count(*) FROM monitor_events WHERE kind = 'alert'"));
        if (round > 0)
            assert_int_equal(alerts, KILLED_TARGETS);
    }
}

/* --- Calls --- */

static enum error add_and_fail(struct ledger_write *write, void *context, struct failure *failure) {
    struct monitor_target target;

    target_init(&target, TARGET_FROM_API);
    strcpy(target.host, "gone.example.org");
    OK(tables_add_target(write->database, &target, write->now_ms, failure));
    OK(monitor_write_event(write, "target", slice_of("{}"), failure));
    ++*(int *)context;
    return failure_set(failure, ERROR_USAGE, "no");
}

static void test_failed_call(void **state) {
    struct failure failure;
    int runs = 0;

    (void)state;
    assert_int_equal(monitor_ledger_call(ledger, add_and_fail, &runs, &failure), ERROR_USAGE);
    assert_string_equal(failure.text, "no");
    assert_int_equal(runs, 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_targets"), 0);
    assert_int_equal(count("SELECT count(*) FROM monitor_events"), 0);
    assert_int_equal(event_hub_seq(hub), 0);
}

struct round_trip {
    struct monitor_target target;
    bool found;
};

static enum error patch(struct ledger_write *write, void *context, struct failure *failure) {
    struct round_trip *trip = context;
    return tables_update_target(write->database, &trip->target, write->now_ms, failure);
}

static void assert_same(const struct monitor_target *a, const struct monitor_target *b) {
    assert_int_equal(a->key, b->key);
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->host, b->host);
    assert_int_equal(a->port, b->port);
    assert_string_equal(a->protocol, b->protocol);
    assert_string_equal(a->connect_address, b->connect_address);
    assert_string_equal(a->label, b->label);
    assert_string_equal(a->tags, b->tags);
    assert_int_equal(a->warn_days, b->warn_days);
    assert_int_equal(a->has_thresholds, b->has_thresholds);
    assert_int_equal(a->threshold_count, b->threshold_count);
    for (int i = 0; i < a->threshold_count; i++)
        assert_int_equal(a->thresholds[i], b->thresholds[i]);
    assert_string_equal(a->ca_file, b->ca_file);
    assert_int_equal(a->dane, b->dane);
    assert_int_equal(a->interval_s, b->interval_s);
    assert_int_equal(a->is_cidr, b->is_cidr);
    assert_int_equal(a->source, b->source);
    assert_int_equal(a->enabled, b->enabled);
    assert_int_equal(a->created_ms, b->created_ms);
    assert_int_equal(a->updated_ms, b->updated_ms);
}

static void test_targets(void **state) {
    struct round_trip trip = {0};
    struct monitor_target target, back;
    static const char text[] =
        "{\"host\":\"Mail.Example.org\",\"port\":25,\"label\":\"Mail \\u00e9\",\"tags\":[\"a\","
        "\"b\"],\"thresholds\":[7,30,7],\"warn_days\":20,\"crit_days\":30,\"dane_check\":true,"
        "\"interval_s\":60,\"connect_address\":\"192.0.2.7\",\"starttls\":\"smtp\"}";
    yyjson_doc *json = yyjson_read(text, sizeof text - 1, 0);
    bool found;

    (void)state;
    target_init(&target, TARGET_FROM_API);
    OK(target_read(&target, yyjson_doc_get_root(json), NULL));
    yyjson_doc_free(json);
    OK(monitor_ledger_call(ledger, add, &(struct adding){&target, 1}, NULL));
    OK(tables_find_target(look, slice_of(target.id), &back, &found, NULL));
    assert_true(found);
    assert_same(&back, &target);
    assert_int_equal(back.crit_days, 20);
    assert_int_equal(back.thresholds[0], 30);
    assert_string_equal(back.tags, "[\"a\",\"b\"]");
    trip.target = back;
    trip.target.has_thresholds = false;
    OK(monitor_ledger_call(ledger, patch, &trip, NULL));
    OK(tables_get_target(look, target.key, &back, &found, NULL));
    assert_true(found && !back.has_thresholds);
    OK(tables_find_target(look, slice_of("tls_000000000000"), &back, &found, NULL));
    assert_false(found);
}

static enum error delete(struct ledger_write *write, void *context, struct failure *failure) {
    return tables_delete_target(write->database, *(int64_t *)context, failure);
}

static void test_deleted(void **state) {
    int64_t target = add_target("www.example.org", false);

    (void)state;
    give(target, 1, 2);
    flush();
    OK(monitor_ledger_call(ledger, delete, &target, NULL));
    give(target, 1, 1); /* a probe that was under way */
    flush();
    static const char *const tables[] = {
        "SELECT count(*) FROM monitor_targets", "SELECT count(*) FROM monitor_summary",
        "SELECT count(*) FROM monitor_results", "SELECT count(*) FROM monitor_records",
        "SELECT count(*) FROM monitor_history", "SELECT count(*) FROM monitor_alerts"};
    for (size_t i = 0; i < ARRAY(tables); i++)
        assert_int_equal(count(tables[i]), 0);
    struct monitor_ledger_statistics statistics;
    monitor_ledger_statistics(ledger, &statistics);
    assert_int_equal(statistics.orphans, 1);
}

/* --- Who is told --- */

struct deed {
    int64_t alert;
    struct monitor_mute mute;
    uint64_t changed;
};

static enum error acknowledge(struct ledger_write *write, void *context, struct failure *failure) {
    struct deed *deed = context;
    return tables_acknowledge(write->database, deed->alert, "ann", write->now_ms, &deed->changed,
                              failure);
}

static enum error mute(struct ledger_write *write, void *context, struct failure *failure) {
    struct deed *deed = context;
    return tables_add_mute(write->database, &deed->mute, write->now_ms, failure);
}

static void test_acknowledged(void **state) {
    int64_t target = add_target("www.example.org", false);
    struct deed deed = {0};

    (void)state;
    give(target, 1, 13);
    flush();
    deed.alert = count("SELECT id FROM monitor_alerts");
    OK(monitor_ledger_call(ledger, acknowledge, &deed, NULL));
    assert_int_equal(deed.changed, 1);
    give(target, 1, 6); /* further, but no worse */
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts WHERE acknowledged_by = 'ann'"), 1);
    give(target, 1, 0.5);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts WHERE acknowledged_at IS NULL"), 1);
    deed.alert = 4711;
    OK(monitor_ledger_call(ledger, acknowledge, &deed, NULL));
    assert_int_equal(deed.changed, 0);
}

static void test_muted(void **state) {
    int64_t target = add_target("www.example.org", false);
    struct deed deed = {.mute = {.target = target, .event = "tls_expiry", .who = "ann"}};

    (void)state;
    OK(monitor_ledger_call(ledger, mute, &deed, NULL));
    assert_true(deed.mute.id > 0);
    give(target, 1, 6);
    give(target, 2, 80);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts WHERE muted = 1"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox"), 0);
    give(target, 0, 0);
    give(target, 0, 0);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE event = 'tls_unreachable'"),
                     2);
}

/* The same certificate by an agent is no news, another one is. */
static void test_agents(void **state) {
    int64_t target = add_target("www.example.org", false);
    struct probe_record *record = make_record("www.example.org", 1, 6);

    (void)state;
    record_get(&record->head);
    give_record(target, "", "", record);
    flush();
    record->id[0]++;
    give_record(target, "", "inner", record);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts"), 2);
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox"), 1);
    assert_int_equal(count("SELECT endpoints FROM monitor_summary"), 2);
    give_record(target, "", "inner", make_record("www.example.org", 2, 0.5));
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE channel = 'grave'"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_summary WHERE agent = 'inner' AND"
                           " status = 3"),
                     1);
    give(target, 1, 6);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_summary WHERE agent = 'inner'"), 1);
}

static void test_block(void **state) {
    int64_t target = add_target("192.0.2.0/29", true);

    (void)state;
    for (int i = 0; i < 8; i++) {
        char address[32];
        snprintf(address, sizeof address, "192.0.2.%d", i);
        give_record(target, address, "",
                    make_record(address, i < 2 ? (uint8_t)(i + 1) : 0, i ? 60 : 20));
    }
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_results"), 2);
    assert_int_equal(count("SELECT endpoints FROM monitor_summary"), 2);
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts"), 1); /* 20 of 30 days */
    give_record(target, "192.0.2.1", "", make_record("192.0.2.1", 2, 1.5));
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_summary WHERE status = 3 AND"
                           " endpoint = '192.0.2.1'"),
                     1);
}

static enum error raise_ct(struct ledger_write *write, void *context, struct failure *failure) {
    const struct monitor_notice notice = {.topic = ALERT_CT,
                                          .event = EVENT_CT_UNKNOWN_CERTIFICATE,
                                          .step = ALERT_TELL,
                                          .severity = SEVERITY_CRITICAL,
                                          .subject = "00ff",
                                          .title = slice_of("A certificate that nobody knows"),
                                          .message = slice_of("for www.example.org"),
                                          .details = slice_of(",\"serial\":\"00\"")};
    return monitor_raise(write, &notice, context, failure);
}

static enum error raise_feed(struct ledger_write *write, void *context, struct failure *failure) {
    const struct monitor_notice notice = {.topic = ALERT_FEED,
                                          .event = *(bool *)context ? EVENT_FEED_STALE
                                                                    : EVENT_FEED_FRESH,
                                          .step = *(bool *)context ? ALERT_OPEN : ALERT_RESOLVE,
                                          .severity = SEVERITY_WARNING,
                                          .subject = "certstream",
                                          .title = slice_of("The feed is silent")};
    return monitor_raise(write, &notice, context, failure);
}

static void test_raised(void **state) {
    static const bool steps[] = {false, true, true, false, false, true};
    static const bool expected[] = {false, true, false, true, false, true};
    bool raised;

    (void)state;
    for (int i = 0; i < 3; i++) {
        OK(monitor_ledger_call(ledger, raise_ct, &raised, NULL));
        assert_int_equal(raised, i == 0);
    }
    assert_int_equal(
        count("SELECT count(*) FROM monitor_outbox WHERE body LIKE '%\"serial\":\"00\"}'"), 2);
    for (size_t i = 0; i < ARRAY(steps); i++) {
        raised = steps[i];
        OK(monitor_ledger_call(ledger, raise_feed, &raised, NULL));
        assert_int_equal(raised, expected[i]);
    }
}

/* --- Workers --- */

struct silence {
    const int64_t *keys;
    const char *label, *words;
};

static enum error tell_workers(struct ledger_write *write, void *context, struct failure *failure) {
    const struct silence *silence = context;
    enum error error = silence->words ? monitor_write_unanswered(write, silence->keys, 2,
                                                                 "no worker answers", failure)
                                      : ERROR_NONE;

    return error ? error : monitor_write_workers(write, silence->label, silence->words, failure);
}

static enum error tell_labels(struct ledger_write *write, void *context, struct failure *failure) {
    return monitor_write_labels(write, context, 1, failure);
}

/* Nobody probes a target: it is not known how it is, and no alert says that it is unreachable. One
 * alert a label, until somebody answers or no target has it any more. */
static void test_workers(void **state) {
    const int64_t keys[] = {add_target("www.example.org", false),
                            add_target("new.example.org", false)};
    struct silence silence = {keys, "lan", "Nobody has answered."};
    const char *labels[] = {"*"};

    (void)state;
    give(keys[0], 1, 6);
    flush();
    int64_t before = count("SELECT count(*) FROM monitor_alerts");
    OK(monitor_ledger_call(ledger, tell_workers, &silence, NULL));
    OK(monitor_ledger_call(ledger, tell_workers, &silence, NULL));
    assert_int_equal(count("SELECT count(*) FROM monitor_summary WHERE outcome = 'unanswered'"
                           " AND status = 0 AND error = 'no worker answers'"),
                     2);
    assert_int_equal(count("SELECT count(*) FROM monitor_summary WHERE not_after > 0"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts"), before + 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE event = 'workers_silent'"),
                     2);
    silence.label = "*";
    OK(monitor_ledger_call(ledger, tell_workers, &silence, NULL));
    OK(monitor_ledger_call(ledger, tell_labels, labels, NULL));
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts WHERE topic = 'workers'"
                           " AND endpoint = '*' AND resolved_at IS NULL"),
                     1);
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts WHERE topic = 'workers'"
                           " AND endpoint = 'lan' AND resolved_at IS NOT NULL"),
                     1);
    silence.words = NULL;
    OK(monitor_ledger_call(ledger, tell_workers, &silence, NULL));
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts WHERE topic = 'workers'"
                           " AND resolved_at IS NULL"),
                     0);
    give(keys[0], 1, 6);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_summary WHERE outcome = 'ok'"
                           " AND error = ''"),
                     1);
}

/* --- Many --- */

static void test_many(void **state) {
    enum { TARGETS = 5000 };
    struct monitor_target *targets = calloc(TARGETS, sizeof *targets);

    (void)state;
    for (int i = 0; i < TARGETS; i++) {
        target_init(&targets[i], TARGET_FROM_API);
        snprintf(targets[i].host, sizeof targets[i].host, "h%d.example.org", i);
    }
    OK(monitor_ledger_call(ledger, add, &(struct adding){targets, TARGETS}, NULL));
    for (int round = 0; round < 2; round++) {
        struct probe_record **records = calloc(TARGETS, sizeof *records);
        for (int i = 0; i < TARGETS; i++) {
            records[i] = make_record(targets[i].host, (uint8_t)(1 + i % 250), 60);
            records[i]->certificate.fingerprint_sha256[1] = (uint8_t)(i / 250);
        }
        uint64_t begin_ns = clock_monotonic_ns();
        for (int i = 0; i < TARGETS; i++)
            give_record(targets[i].key, "", "", records[i]);
        flush();
        print_message("round %d: %.1f us a result\n", round,
                      (double)(clock_monotonic_ns() - begin_ns) / 1e3 / (double)TARGETS);
        free(records);
    }
    assert_int_equal(count("SELECT count(*) FROM monitor_summary WHERE status = 1"), TARGETS);
    assert_int_equal(count("SELECT count(*) FROM observations"), TARGETS);
    struct monitor_ledger_statistics statistics;
    monitor_ledger_statistics(ledger, &statistics);
    assert_int_equal(statistics.results, 2 * TARGETS);
    assert_true(statistics.transactions < TARGETS / 10);
    free(targets);
}

/* Bytes that no database takes as text. */
static void test_hostile_texts(void **state) {
    int64_t target = add_target("www.example.org", false);
    struct probe_record *record = make_record("www.example.org", 1, 6);

    (void)state;
    record->error = (struct slice){(const uint8_t *)"a\0b\xff\xed\xa0\x80'\"", 9};
    record->certificate.subject = record->certificate.subject_cn = record->error;
    record->certificate.issuer = record->certificate.issuer_cn = record->error;
    give_record(target, "", "", record);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts WHERE title <> ''"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_results WHERE subject LIKE 'a%b%'"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_records WHERE json_valid(record)"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts WHERE json_valid(details)"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE json_valid(body)"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_events WHERE NOT json_valid(body)"), 0);
    assert_int_equal(trouble.code, ERROR_NONE);
}

/* A state that nobody can read begins anew; what is open stays one alert. */
static void test_lost_state(void **state) {
    static const struct sql_statement spoil = {.text = "UPDATE monitor_results SET state = x'00'"};
    int64_t target = add_target("www.example.org", false);

    (void)state;
    give(target, 1, 6);
    flush();
    OK(database_run(look, &spoil, NULL, NULL, NULL));
    give(target, 1, 5.9);
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_alerts"), 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox"), 1);
    struct monitor_ledger_statistics statistics;
    monitor_ledger_statistics(ledger, &statistics);
    assert_int_equal(statistics.unread_states, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(test_crossing),   TEST(test_same_tables), TEST(test_departed),
        TEST(test_restart),    TEST(test_killed),      TEST(test_failed_call),
        TEST(test_targets),    TEST(test_deleted),     TEST(test_acknowledged),
        TEST(test_muted),      TEST(test_agents),      TEST(test_block),
        TEST(test_raised),     TEST(test_many),        TEST(test_hostile_texts),
        TEST(test_lost_state), TEST(test_workers),
    };
    if (argc == 4)
        run_child(argv[1], argv[2], argv[3][0] != '\0');
    return cmocka_run_group_tests(tests, NULL, NULL);
}
