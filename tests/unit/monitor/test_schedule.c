/* The schedule between a store and a network that refuses everything, or never answers: what is
 * asked for is probed, changes are heard of, blocks take their turn, and it ends when it is told.
 */
#include "tools/monitor/schedule.h"

#include "tests/unit/pool/fake_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/monitor/ledger_fixture.h"

enum { SINGLES = 200, BLOCK = 256 };

static struct fake_net net;
static struct schedule *schedule;

static void open_schedule(bool only_on_demand) {
    struct failure failure = {0};
    struct schedule_config config = {
        .url = store_url,
        .ledger = ledger,
        .hub = hub,
        .probe = {.io = &fake_backend,
                  .io_context = &net,
                  .plan = PLAN_GRAB,
                  .run = random_seed(),
                  .slots = 64,
                  .conversations = 1,
                  .dns_timeout_ms = 1000,
                  .connect_timeout_ms = 3600000,
                  .handshake_timeout_ms = 3600000,
                  .total_timeout_ms = 3600000,
                  .policy = judge_policy_default()},
        .workers = 2,
        .interval_ms = 3600 * 1000,
        .only_on_demand = only_on_demand,
        .on_trouble = on_trouble,
    };

    if (schedule_open(&schedule, &config, &failure))
        fail_msg("%s", failure.text);
}

static int begin(void **state) {
    net = (struct fake_net){0};
    return setup(state);
}

static int end(void **state) {
    schedule_close(schedule);
    schedule = NULL;
    return teardown(state);
}

/* Until it is done and written; how many targets it was. */
static uint64_t scan(const int64_t *keys, uint32_t count) {
    struct api_schedule api = schedule_api(schedule);
    struct api_scan progress = {0};
    uint64_t id;

    OK(api.scan(api.owner, keys, count, &id, NULL));
    while (api.progress(api.owner, id, &progress) && !progress.finished)
        api.wait(api.owner, id, HANG_MS);
    api.wait(api.owner, id, HANG_MS);
    assert_int_equal(progress.done, progress.total);
    return progress.total;
}

static uint64_t probes(void) {
    struct schedule_statistics statistics;

    schedule_statistics(schedule, &statistics);
    return statistics.probes;
}

static void wait_for_probes(uint64_t number) {
    while (probes() < number)
        usleep(1000);
}

static void add_singles(int64_t keys[SINGLES]) {
    char host[32];

    for (int i = 0; i < SINGLES; i++) {
        snprintf(host, sizeof host, "127.1.0.%d", i);
        keys[i] = add_target(host, false);
    }
}

static void test_scans(void **state) {
    (void)state;
    int64_t keys[SINGLES];

    add_singles(keys);
    add_target("127.2.0.0/24", true);
    open_schedule(true);
    assert_int_equal(probes(), 0);
    assert_int_equal(scan(NULL, 0), SINGLES + 1);
    assert_int_equal(probes(), SINGLES + BLOCK);
    assert_int_equal(count("SELECT count(*) FROM monitor_results"), SINGLES);
    assert_int_equal(count("SELECT count(*) FROM monitor_summary WHERE outcome = 'refused'"),
                     SINGLES);
    const int64_t some[] = {keys[3], keys[3], keys[5],
                            123456}; /* twice, and one that is not there */
    assert_int_equal(scan(some, 4), 2);
    assert_int_equal(probes(), SINGLES + BLOCK + 2);
    assert_int_equal(schedule_api(schedule).next_check(schedule, keys[0]), 0);
}

/* One for workers, from a start that had some: told, and left alone. */
static void test_no_fleet(void **state) {
    (void)state;
    struct monitor_target target;

    target_init(&target, TARGET_FROM_API);
    strcpy(target.host, "127.1.0.1");
    strcpy(target.via, "lan");
    OK(monitor_ledger_call(ledger, add, &(struct adding){&target, 1}, NULL));
    add_target("127.1.0.2", false);
    open_schedule(true);
    assert_int_equal(trouble.code, ERROR_USAGE);
    assert_non_null(strstr(trouble.text, "--via"));
    assert_int_equal(scan(NULL, 0), 1);
    trouble = (struct failure){0};
}

static enum error change(struct ledger_write *write, void *context, struct failure *failure) {
    struct monitor_target *target = context;
    return target->enabled ? tables_update_target(write->database, target, write->now_ms, failure)
                           : tables_delete_target(write->database, target->key, failure);
}

/* What is new is probed at once, what was not due waits, what is gone is forgotten. */
static void test_changes(void **state) {
    (void)state;
    struct schedule_statistics statistics;
    struct monitor_target target;
    bool found;

    int64_t key = add_target("127.1.0.1", false);
    open_schedule(false);
    struct api_schedule api = schedule_api(schedule);
    wait_for_probes(1);
    int64_t second = add_target("127.1.0.2", false);
    schedule_reload(schedule);
    wait_for_probes(2);
    OK(tables_get_target(look, second, &target, &found, NULL));
    target.port = 8443;
    usleep(2000); /* its time is that of its last change */
    OK(monitor_ledger_call(ledger, change, &target, NULL));
    schedule_reload(schedule);
    wait_for_probes(3);
    while (api.next_check(schedule, key) <= clock_unix_ms())
        usleep(1000);
    assert_in_range(api.next_check(schedule, key) - clock_unix_ms(), 3000 * 1000, 3961 * 1000);
    schedule_set_interval(schedule, 60 * 1000);
    assert_in_range(api.next_check(schedule, key) - clock_unix_ms(), 1, 60 * 1000);
    target.enabled = false;
    OK(monitor_ledger_call(ledger, change, &target, NULL));
    schedule_reload(schedule);
    assert_int_equal(scan(NULL, 0), 1);
    schedule_statistics(schedule, &statistics);
    assert_int_equal(statistics.targets, 1);
    assert_int_equal(statistics.overdue, 0);
    assert_int_equal(probes(), 4);
}

/* What was probed lately is not probed again at the next start. */
static void test_restart(void **state) {
    (void)state;
    int64_t key = add_target("127.1.0.1", false);

    open_schedule(false);
    wait_for_probes(1);
    flush();
    schedule_close(schedule);
    open_schedule(false);
    int64_t next = schedule_api(schedule).next_check(schedule, key);
    assert_in_range(next - clock_unix_ms(), 3000 * 1000, 3961 * 1000);
    assert_int_equal(probes(), 0);
}

static void test_probe(void **state) {
    (void)state;
    struct monitor_target target;
    struct probe_record *record = NULL;

    target_init(&target, TARGET_FROM_API);
    snprintf(target.host, sizeof target.host, "127.3.0.1");
    snprintf(target.protocol, sizeof target.protocol, "smtp");
    open_schedule(false);
    struct api_schedule api = schedule_api(schedule);
    OK(api.probe(schedule, &target, HANG_MS, &record, NULL));
    assert_int_equal(record->outcome, OUTCOME_REFUSED);
    record_put(&record->head);
    assert_int_equal(count("SELECT count(*) FROM monitor_results"), 0);
    schedule_close(schedule);
    net.silent = true; /* nobody waits for it any more when it ends */
    open_schedule(false);
    assert_int_equal(schedule_api(schedule).probe(schedule, &target, 10, &record, NULL), ETIMEDOUT);
    assert_null(record);
}

/* Ends in the midst of a large block, of scans and of probes that never end. */
static void test_stop(void **state) {
    (void)state;
    int64_t keys[SINGLES];
    uint64_t id;

    net.silent = true;
    add_target("127.8.0.0/16", true);
    add_singles(keys);
    open_schedule(false);
    struct api_schedule api = schedule_api(schedule);
    OK(api.scan(schedule, NULL, 0, &id, NULL));
    while (atomic_load(&net.connects) < 100)
        usleep(1000);
    schedule_close(schedule);
    schedule = NULL;
    flush();
    assert_int_equal(count("SELECT count(*) FROM monitor_results"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scans, begin, end),
        cmocka_unit_test_setup_teardown(test_no_fleet, begin, end),
        cmocka_unit_test_setup_teardown(test_changes, begin, end),
        cmocka_unit_test_setup_teardown(test_restart, begin, end),
        cmocka_unit_test_setup_teardown(test_probe, begin, end),
        cmocka_unit_test_setup_teardown(test_stop, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
