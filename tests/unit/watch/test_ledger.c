/* The ledger watching: one alert an issuance, whatever happens to state, database and sinks. */
#include "tests/unit/watch/ledger_fixture.h"
#include "tests/unit/watch/saved_positions.h"
#include "tools/watch/inventory.h"

#include <errno.h>

static int setup(void **unused) {
    (void)unused;
    fake = (struct fake_database){.mutex = PTHREAD_MUTEX_INITIALIZER};
    atomic_store(&faulty_write, SQLITE_OK);
    scratch_empty();
    return 0;
}

static struct rig rig_of(const char *name) {
    return (struct rig){.path = name ? scratch_path(name) : NULL, .sink_count = 1};
}

/* --- One alert an issuance --- */

static void test_unknown(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);

    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    commit(&rig, 1, CT_UPDATE_X509);
    commit(&rig, 1, CT_UPDATE_PRECERT); /* another log */
    commit(&rig, 2, CT_UPDATE_X509);
    expect(&rig, 0, "1 suspicious", false);
    expect(&rig, 0, "2 suspicious", false);
    AWAIT(&rig, now.hits == 4 && now.delivered == 2 && now.pending + now.untold == 0);
    struct ledger_statistics now = statistics_of(&rig);
    assert_int_equal(now.repeated, 2);
    assert_int_equal(now.verdicts[CT_VERDICT_SUSPICIOUS], 2);
    assert_int_equal(now.known, 2);
    expect_nothing(&rig, 0);
    OK(rig_end(&rig, false));
    assert_int_equal(atomic_load(&rig.troubles), 0);
}

static void test_restart(void **unused) {
    (void)unused;
    struct rig rig = rig_of("restart.db");

    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    expect(&rig, 0, "1 suspicious", false);
    OK(rig_end(&rig, false));
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_X509);
    commit(&rig, 2, CT_UPDATE_X509);
    expect(&rig, 0, "2 suspicious", false);
    AWAIT(&rig, now.repeated == 1);
    expect_nothing(&rig, 0);
    OK(rig_end(&rig, false));
}

/* What a sink had and had not written when the program was killed, it gets again. */
static void test_kill_before_written(void **unused) {
    (void)unused;
    struct rig rig = rig_of("killed.db");

    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    expect(&rig, 0, "1 suspicious", false);
    batch_free(take(&rig, 0));
    AWAIT(&rig, now.delivered == 1);
    rig_drop(&rig);
    rig_open(&rig);
    expect(&rig, 0, "2 suspicious", false);
    AWAIT(&rig, now.untold == 0);
    expect_nothing(&rig, 0);
    OK(rig_end(&rig, false));
}

static void test_kinds(void **unused) {
    (void)unused;
    static struct slice brand = {(const uint8_t *)"paypal", 6};
    struct rig rig = rig_of(NULL);
    struct ct_record *malformed = record_new(1, CT_UPDATE_X509),
                     *lookalike = record_new(2, CT_UPDATE_X509);

    rig.grace_ms = 3600 * 1000;
    rig_open(&rig);
    malformed->has_certificate = false;
    malformed->verdict = CT_VERDICT_MALFORMED;
    lookalike->matched_entries.count = 0;
    lookalike->brand = brand;
    commit_record(&rig, malformed);
    commit_record(&rig, lookalike);
    expect(&rig, 0, "1 malformed", false);
    expect(&rig, 0, "2 lookalike", false);
    OK(rig_end(&rig, false));
}

/* --- The grace period --- */

static void test_grace(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);
    int64_t begun_ms = clock_unix_ms();

    rig.grace_ms = 300;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    expect(&rig, 0, "1 suspicious", false);
    assert_true(clock_unix_ms() - begun_ms >= 300);
    OK(rig_end(&rig, false));
}

static void test_restart_within_grace(void **unused) {
    (void)unused;
    struct rig rig = rig_of("grace.db");
    int64_t begun_ms = clock_unix_ms();

    rig.grace_ms = 400;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    AWAIT(&rig, now.hits == 1);
    OK(rig_end(&rig, false));
    rig_open(&rig);
    expect(&rig, 0, "1 suspicious", false);
    assert_true(clock_unix_ms() - begun_ms >= 400);
    OK(rig_end(&rig, false));
}

/* A state in memory goes with the program: what waits gets its verdict before. */
static void test_end_within_grace(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);

    rig.grace_ms = 3600 * 1000;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    AWAIT(&rig, now.pending == 1);
    ledger_stop(rig.ledger);
    expect(&rig, 0, "1 suspicious", false);
    OK(rig_end(&rig, false));
}

/* --- The database --- */

static void test_known(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);

    rig.database = &fake_interface;
    rig.grace_ms = 3600 * 1000;
    fake.knows[1] = true;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    expect(&rig, 0, "1 info", false);
    AWAIT(&rig, now.delivered == 1 && now.untold == 0);
    assert_int_equal(fake_alerts(), 1);
    assert_true(fake_alert(0).delivered);
    assert_int_equal(fake_alert(0).verdict, CT_VERDICT_INFO);
    OK(rig_end(&rig, false));
}

/* It learns of a certificate after it was seen, as long as the grace period lasts. */
static void test_learns(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);

    rig.database = &fake_interface;
    rig.grace_ms = 3600 * 1000;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    AWAIT(&rig, now.pending == 1);
    fake_set(&fake.knows[1], true);
    expect(&rig, 0, "1 info", false);
    OK(rig_end(&rig, false));
}

/* Only the final certificate's fingerprint is known, as certwatch's inventory has it. */
static void test_final_of_pending(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);

    rig.database = &fake_interface;
    rig.grace_ms = 3600 * 1000;
    fake.knows_finals[1] = true;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    AWAIT(&rig, now.pending == 1);
    commit(&rig, 1, CT_UPDATE_X509);
    expect(&rig, 0, "1 info", false);
    AWAIT(&rig, now.untold == 0);
    expect_nothing(&rig, 0);
    OK(rig_end(&rig, false));
}

/* While it is down, hits wait in the state; nothing else does. */
static void test_database_down(void **unused) {
    (void)unused;
    struct rig rig = rig_of("down.db");

    rig.database = &fake_interface;
    fake.is_down = true;
    rig_open(&rig);
    AWAIT(&rig, now.database_failing);
    for (uint8_t number = 1; number <= 200; number++)
        commit(&rig, number, CT_UPDATE_PRECERT);
    AWAIT(&rig, now.pending == 200 && now.pages_waiting == 0);
    expect_nothing(&rig, 0);
    fake_set(&fake.is_down, false);
    for (uint32_t number = 1; number <= 200; number++) {
        char alert[32];
        snprintf(alert, sizeof alert, "%u suspicious", number);
        expect(&rig, 0, alert, false);
    }
    AWAIT(&rig, now.untold == 0 && !now.database_failing);
    assert_int_equal(fake_alerts(), 200);
    for (uint32_t i = 0; i < fake_alerts(); i++)
        assert_true(fake_alert(i).delivered);
    assert_int_equal(atomic_load(&rig.troubles), 1);
    assert_int_equal(atomic_load(&rig.recoveries), 1);
    OK(rig_end(&rig, false));
}

/* Down at the end of the program, and there again at the next start. */
static void test_database_down_over_restart(void **unused) {
    (void)unused;
    struct rig rig = rig_of("down2.db");

    rig.database = &fake_interface;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    struct batch *batch = take(&rig, 0);
    fake_set(&fake.is_down, true);
    answer(&rig, 0, batch, false);
    AWAIT(&rig, now.delivered == 1 && now.database_failing);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    AWAIT(&rig, now.pending == 1);
    OK(rig_end(&rig, false));
    assert_false(fake_alert(0).delivered);
    fake.is_down = false;
    rig_open(&rig);
    expect(&rig, 0, "2 suspicious", false);
    AWAIT(&rig, now.untold == 0);
    expect_nothing(&rig, 0); /* the first is not told again */
    assert_true(fake_alert(0).delivered && fake_alert(1).delivered);
    OK(rig_end(&rig, false));
}

/* Without a state that is kept, the database remembers what was delivered. */
static void test_database_remembers(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);

    rig.database = &fake_interface;
    fake.alerts[0] = (struct fake_alert){1, true, CT_VERDICT_SUSPICIOUS};
    fake.alerts[1] = (struct fake_alert){2, false, CT_VERDICT_SUSPICIOUS};
    fake.alert_count = 2;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    expect(&rig, 0, "2 suspicious", false);
    AWAIT(&rig, now.untold == 0 && now.repeated == 1);
    struct ledger_statistics now = statistics_of(&rig);
    assert_int_equal(now.verdicts[CT_VERDICT_SUSPICIOUS], 1);
    expect_nothing(&rig, 0);
    assert_int_equal(fake_alerts(), 2);
    assert_true(fake_alert(1).delivered);
    OK(rig_end(&rig, false));
}

/* A record that the database can never take does not silence the rest. */
static void test_database_refuses(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);

    rig.database = &fake_interface;
    fake.refuses = true;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    expect(&rig, 0, "1 suspicious", false);
    fake_set(&fake.refuses, false);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    expect(&rig, 0, "2 suspicious", false);
    AWAIT(&rig, now.untold == 0 && !now.database_failing);
    assert_int_equal(fake_alerts(), 1);
    OK(rig_end(&rig, false));
    assert_non_null(strstr(rig.last_trouble, "no such thing"));
}

static void test_prune(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);

    rig.database = &fake_interface;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    expect(&rig, 0, "1 suspicious", false);
    AWAIT(&rig, now.delivered == 1);
    OK(rig_end(&rig, false));
    assert_int_equal(fake.prunes, 2); /* as long as there is more; then not for an hour */
}

/* --- Sinks --- */

/* One that takes nothing holds no other back, and gets all of it in the end. */
static void test_slow_sink(void **unused) {
    (void)unused;
    enum { ALERTS = 250 };
    struct rig rig = rig_of("slow.db");
    char alert[32];

    rig.sink_count = 2;
    rig_open(&rig);
    for (uint32_t number = 1; number <= ALERTS; number++) {
        commit(&rig, (uint8_t)number, CT_UPDATE_PRECERT);
        snprintf(alert, sizeof alert, "%u suspicious", number);
        expect(&rig, 0, alert, false);
    }
    assert_int_equal(statistics_of(&rig).delivered, 0);
    for (uint32_t number = 1; number <= ALERTS; number++) {
        snprintf(alert, sizeof alert, "%u suspicious", number);
        expect(&rig, 1, alert, false);
    }
    AWAIT(&rig, now.delivered == ALERTS && now.untold == 0);
    OK(rig_end(&rig, false));
}

/* What it refuses it is offered again, behind what is new; others are not told twice. */
static void test_refusing_sink(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);

    rig.sink_count = 2;
    rig.database = &fake_interface;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    expect(&rig, 0, "1 suspicious", false);
    struct batch *refused = take(&rig, 1);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    expect(&rig, 0, "2 suspicious", false);
    struct batch *slow = take(&rig, 1); /* meanwhile nothing is offered again */
    answer(&rig, 1, refused, true);
    AWAIT(&rig, now.refused == 1);
    commit(&rig, 3, CT_UPDATE_PRECERT);
    expect(&rig, 0, "3 suspicious", false);
    expect(&rig, 1, "3 suspicious", false);
    answer(&rig, 1, slow, false);
    AWAIT(&rig, now.delivered == 2);
    assert_false(fake_alert(0).delivered);
    expect(&rig, 1, "1 suspicious", false);
    AWAIT(&rig, now.delivered == 3 && now.untold == 0);
    assert_true(fake_alert(0).delivered);
    expect_nothing(&rig, 0);
    OK(rig_end(&rig, false));
}

/* Alerts that come to their verdict later than others do not get lost between them. */
static void test_order_of_verdicts(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);

    rig.database = &fake_interface;
    rig.grace_ms = 3600 * 1000;
    fake.knows[2] = fake.knows[3] = true;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    commit(&rig, 3, CT_UPDATE_PRECERT);
    expect(&rig, 0, "2 info", false);
    expect(&rig, 0, "3 info", false);
    fake_set(&fake.knows[1], true);
    expect(&rig, 0, "1 info", false);
    AWAIT(&rig, now.untold == 0);
    OK(rig_end(&rig, false));
}

/* The sinks of the next run are others, in another order. */
static void test_other_sinks(void **unused) {
    (void)unused;
    struct rig rig = rig_of("sinks.db");

    rig.sink_count = 2;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    expect(&rig, 0, "1 suspicious", false);
    batch_free(take(&rig, 1));
    OK(rig_end(&rig, false));
    rig.sink_count = 1;
    rig_open(&rig); /* "first" has it already */
    AWAIT(&rig, now.untold == 0);
    expect_nothing(&rig, 0);
    OK(rig_end(&rig, false));
}

/* All that was settled goes to the sinks before the end, however many there are. */
static void test_end_hands_out(void **unused) {
    (void)unused;
    enum { ALERTS = 200 };
    struct rig rig = rig_of(NULL);

    rig_open(&rig);
    for (uint32_t number = 1; number <= ALERTS; number++)
        commit(&rig, (uint8_t)number, CT_UPDATE_PRECERT);
    AWAIT(&rig, now.hits == ALERTS);
    ledger_stop(rig.ledger);
    for (uint32_t number = 1; number <= ALERTS; number++)
        answer(&rig, 0, take(&rig, 0), false);
    struct batch *batch;
    enum batch_pop popped;
    while ((popped = batch_queue_pop(rig.queues[0], WAIT_MS, &batch)) == BATCH_TIMEOUT)
        ;
    assert_int_equal(popped, BATCH_CLOSED);
    OK(rig_end(&rig, false));
}

/* A sink that never takes anything does not keep the program from ending. */
static void test_end_without_sink(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL), kept = rig_of("stuck.db");

    rig_open(&rig);
    for (uint32_t number = 1; number <= 200; number++)
        commit(&rig, (uint8_t)number, CT_UPDATE_PRECERT);
    AWAIT(&rig, now.hits == 200);
    assert_int_equal(rig_end(&rig, true), ERROR_INPUT); /* and says what is forgotten */
    assert_non_null(strstr(rig.failure.text, "200 alerts"));
    rig_open(&kept);
    commit(&kept, 1, CT_UPDATE_PRECERT);
    AWAIT(&kept, now.hits == 1);
    OK(rig_end(&kept, true));
}

/* --- The state --- */

static void save_position(struct rig *rig, const struct ct_source *source, uint64_t committed) {
    struct log_position position = {committed, committed, committed, slice_of("saved")};

    ledger_position(rig->ledger, source, &position);
}

static uint64_t saved_position(const char *path, const struct ct_source *source) {
    struct watch_state *state;
    struct failure failure;

    OK(watch_state_open(&state, path, &failure));
    struct wanted_position wanted =
        find_position(state, (struct slice){source->log_id, sizeof source->log_id});
    buffer_deinit(&wanted.bytes);
    watch_state_close(state);
    return wanted.found ? wanted.position.committed : UINT64_MAX;
}

/* A full disk: the ledger waits, says so once, goes on, and counts nothing twice. */
static void full_disk(int result) {
    static const struct ct_source log = {.has_log_id = true, .log_id = {7}};
    struct rig rig = rig_of("full.db");

    rig.pages_max = 8;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    expect(&rig, 0, "1 suspicious", false);
    AWAIT(&rig, now.delivered == 1);
    atomic_store(&faulty_after, 0);
    atomic_store(&faulty_write, result);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    save_position(&rig, &log, 100);
    AWAIT(&rig, now.state_failing);
    for (uint8_t number = 3; number < 10; number++) /* until the inbox is full */
        commit(&rig, number, CT_UPDATE_PRECERT);
    struct page *page = page_of(&feed_source);
    assert_false(ledger_commit(rig.ledger, page));
    page_free(page);
    unsigned failures = atomic_load(&faulty_failures);
    AWAIT(&rig, atomic_load(&faulty_failures) > failures + 1); /* it tries again */
    atomic_store(&faulty_write, SQLITE_OK);
    for (uint32_t number = 2; number < 10; number++) {
        char alert[32];
        snprintf(alert, sizeof alert, "%u suspicious", number);
        expect(&rig, 0, alert, false);
    }
    AWAIT(&rig, now.delivered == 9 && !now.state_failing);
    struct ledger_statistics now = statistics_of(&rig);
    assert_int_equal(now.hits, 9);
    assert_int_equal(now.repeated, 0);
    assert_int_equal(now.verdicts[CT_VERDICT_SUSPICIOUS], 9);
    assert_true(atomic_load(&rig.rooms) > 0);
    assert_int_equal(atomic_load(&rig.troubles), 1);
    assert_int_equal(atomic_load(&rig.recoveries), 1);
    OK(rig_end(&rig, false));
    assert_int_equal(saved_position(rig.path, &log), 100);
}

static void test_full_disk(void **unused) {
    (void)unused;
    full_disk(SQLITE_FULL);
}

static void test_broken_disk(void **unused) {
    (void)unused;
    full_disk(SQLITE_IOERR_WRITE);
}

static void test_read_only_disk(void **unused) {
    (void)unused;
    full_disk(SQLITE_READONLY);
}

/* Stopped while the disk is full: it ends, and says so; the position stays behind the hit. */
static void test_end_with_full_disk(void **unused) {
    (void)unused;
    static const struct ct_source log = {.has_log_id = true, .log_id = {9}};
    struct rig rig = rig_of("end.db");

    rig_open(&rig);
    save_position(&rig, &log, 100);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    expect(&rig, 0, "1 suspicious", false);
    AWAIT(&rig, now.delivered == 1);
    atomic_store(&faulty_after, 0);
    atomic_store(&faulty_write, SQLITE_FULL);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    save_position(&rig, &log, 200);
    AWAIT(&rig, now.state_failing);
    assert_int_equal(rig_end(&rig, false), ENOSPC);
    assert_non_null(strstr(rig.failure.text, "the disk is full"));
    atomic_store(&faulty_write, SQLITE_OK);
    assert_int_equal(saved_position(rig.path, &log), 100);
    rig_open(&rig);
    AWAIT(&rig, now.known == 1 && now.untold == 0);
    OK(rig_end(&rig, false));
}

/* The hits of a page and the position behind it are saved together, or not at all. */
static void test_position_behind_hits(void **unused) {
    (void)unused;
    static const struct ct_source log = {.has_log_id = true, .log_id = {3}};
    struct rig rig = rig_of("position.db");

    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    save_position(&rig, &log, 10);
    save_position(&rig, &log, 20);
    AWAIT(&rig, now.hits == 1);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    save_position(&rig, &log, 30);
    AWAIT(&rig, now.hits == 2);
    OK(rig_end(&rig, true));
    assert_int_equal(saved_position(rig.path, &log), 30);
    rig_open(&rig);
    expect(&rig, 0, "1 suspicious", false);
    expect(&rig, 0, "2 suspicious", false);
    OK(rig_end(&rig, false));
}

/* An alert that nobody can read is dropped with a word, and not in the way. */
static void test_unreadable_alert(void **unused) {
    (void)unused;
    struct rig rig = rig_of("broken.db");

    rig_open(&rig);
    for (uint8_t number = 1; number <= 3; number++)
        commit(&rig, number, CT_UPDATE_PRECERT);
    AWAIT(&rig, now.hits == 3);
    OK(rig_end(&rig, true));
    sqlite3 *database;
    assert_int_equal(sqlite3_open(rig.path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database,
                                  "PRAGMA locking_mode = EXCLUSIVE; UPDATE issuance SET record ="
                                  " x'0123' WHERE id = 2",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(database);
    rig_open(&rig);
    expect(&rig, 0, "1 suspicious", false);
    expect(&rig, 0, "3 suspicious", false);
    AWAIT(&rig, now.untold == 0);
    OK(rig_end(&rig, false));
    assert_non_null(strstr(rig.last_trouble, "cannot be read"));
}

/* --- The inventory --- */

/* Of another size for each `count`: the times of files are coarse. */
static void write_inventory(const char *path, uint8_t count) {
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (uint8_t number = 1; number <= count; number++) {
        fputs("{\"certificate\":{\"tbs_sha256\":\"", file);
        for (int i = 0; i < 32; i++)
            fprintf(file, "%02x", number);
        fputs("\"}}\n", file);
    }
    fclose(file);
}

/* A certificate that comes into the inventory while it waits is known at once. */
static void test_inventory_learns(void **unused) {
    (void)unused;
    struct rig rig = rig_of(NULL);
    const char *path = scratch_path("known.jsonl");
    const char *const paths[] = {path};
    const struct inventory_config config = {.paths = paths, .path_count = 1};
    struct failure failure;

    write_inventory(path, 1);
    OK(inventory_open(&rig.inventory, &config, &failure));
    rig.grace_ms = 3600 * 1000;
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    expect(&rig, 0, "1 info", false);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    AWAIT(&rig, now.pending == 1);
    write_inventory(path, 2);
    expect(&rig, 0, "2 info", false);
    OK(rig_end(&rig, false));
    inventory_close(rig.inventory);
}

static int group_setup(void **unused) {
    faulty_install();
    return scratch_setup(unused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_unknown, setup),
        cmocka_unit_test_setup(test_restart, setup),
        cmocka_unit_test_setup(test_kill_before_written, setup),
        cmocka_unit_test_setup(test_kinds, setup),
        cmocka_unit_test_setup(test_grace, setup),
        cmocka_unit_test_setup(test_restart_within_grace, setup),
        cmocka_unit_test_setup(test_end_within_grace, setup),
        cmocka_unit_test_setup(test_known, setup),
        cmocka_unit_test_setup(test_learns, setup),
        cmocka_unit_test_setup(test_final_of_pending, setup),
        cmocka_unit_test_setup(test_database_down, setup),
        cmocka_unit_test_setup(test_database_down_over_restart, setup),
        cmocka_unit_test_setup(test_database_remembers, setup),
        cmocka_unit_test_setup(test_database_refuses, setup),
        cmocka_unit_test_setup(test_prune, setup),
        cmocka_unit_test_setup(test_slow_sink, setup),
        cmocka_unit_test_setup(test_refusing_sink, setup),
        cmocka_unit_test_setup(test_order_of_verdicts, setup),
        cmocka_unit_test_setup(test_other_sinks, setup),
        cmocka_unit_test_setup(test_end_hands_out, setup),
        cmocka_unit_test_setup(test_end_without_sink, setup),
        cmocka_unit_test_setup(test_full_disk, setup),
        cmocka_unit_test_setup(test_broken_disk, setup),
        cmocka_unit_test_setup(test_read_only_disk, setup),
        cmocka_unit_test_setup(test_end_with_full_disk, setup),
        cmocka_unit_test_setup(test_position_behind_hits, setup),
        cmocka_unit_test_setup(test_unreadable_alert, setup),
        cmocka_unit_test_setup(test_inventory_learns, setup),
    };
    return cmocka_run_group_tests(tests, group_setup, scratch_teardown);
}
