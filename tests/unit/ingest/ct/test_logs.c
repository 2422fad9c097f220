/* Following logs of the farm over HTTP: both kinds, from every beginning, through every fault; what
 * leaves is held against the farm's tree each time. */
#include "tests/unit/ingest/ct/logs_run.h"

/* --- Beginnings --- */

static void test_from_the_first_entry(void **state) {
    struct ctfarm_options options = run_options();
    struct run run;

    (void)state;
    run_init(&run);
    run_farm(&run, &options);
    run_to_the_end(&run, FEED_FROM_INDEX, 0);
    run_check_both(&run, 0, RUN_ENTRIES);
    for (int i = 0; i < FEED_INCIDENTS; i++)
        assert_int_equal(run.incidents[i], 0);
    run_deinit(&run);
}

static void test_compressed_tiles(void **state) {
    struct ctfarm_options options = run_options();
    struct run run;

    (void)state;
    options.gzip = true;
    run_init(&run);
    run_farm(&run, &options);
    run_to_the_end(&run, FEED_FROM_INDEX, 0);
    run_check_both(&run, 0, RUN_ENTRIES);
    run_deinit(&run);
}

static void test_from_an_index(void **state) {
    static const uint64_t indices[] = {1, 255, 256, 257, 1700, RUN_ENTRIES - 1, RUN_ENTRIES};
    struct ctfarm_options options = run_options();

    (void)state;
    for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) {
        struct run run;
        run_init(&run);
        run_farm(&run, &options);
        run_to_the_end(&run, FEED_FROM_INDEX, indices[i]);
        if (indices[i] < RUN_ENTRIES)
            run_check_both(&run, indices[i], RUN_ENTRIES);
        else
            assert_int_equal(run.items[0].pages + run.items[1].pages, 0);
        assert_int_equal(run.items[0].verified, RUN_ENTRIES);
        assert_int_equal(run.items[1].verified, RUN_ENTRIES);
        run_deinit(&run);
    }
}

static void test_an_empty_log(void **state) {
    struct ctfarm_options options = run_options();
    struct run run;

    (void)state;
    options.start = 0;
    run_init(&run);
    run_farm(&run, &options);
    run_to_the_end(&run, FEED_FROM_NOW, 0);
    assert_int_equal(run.items[0].pages + run.items[1].pages, 0);
    run_deinit(&run);
}

static bool reached(const struct run *run, uint64_t size) {
    return run->items[0].verified == size && run->items[1].verified == size;
}

/* From the newest head on, while the log grows. */
static void test_from_now(void **state) {
    static const char *const sizes[] = {"size=501", "size=512", "size=1100", "size=3000"};
    static const uint64_t numbers[] = {501, 512, 1100, 3000};
    struct ctfarm_options options = run_options();
    struct run run;

    (void)state;
    options.start = 500;
    run_init(&run);
    run_farm(&run, &options);
    run_decoder(&run, 2);
    struct logs_config config = run_config(&run);
    run_open(&run, &config);
    run_add_both(&run, FEED_FROM_NOW, 0);
    run_start(&run);
    RUN_UNTIL(&run, reached(&run, 500));
    for (size_t i = 0; i < 4; i++) {
        run_control(&run, sizes[i]);
        RUN_UNTIL(&run, reached(&run, numbers[i]));
    }
    run_close(&run);
    run_check_both(&run, 500, RUN_ENTRIES);
    run_deinit(&run);
}

/* --- Again --- */

/* Stopped when so many pages have left, and gone on with what was saved. */
static void follow_in_pieces(struct run *run, uint64_t pages) {
    bool over = false;

    while (!over) {
        uint64_t before = run->items[0].pages + run->items[1].pages;
        run_decoder(run, 1);
        struct logs_config config = run_config(run);
        config.to_the_end = true;
        run_open(run, &config);
        for (uint32_t i = 0; i < 2; i++) {
            struct log_spec spec = run_spec(run, (enum ctfarm_side)i);
            struct run_log *log = &run->items[i];
            spec.from = log->saved_len ? FEED_FROM_SAVED : FEED_FROM_INDEX;
            spec.saved = (struct slice){log->saved, log->saved_len};
            run_add(run, &spec);
        }
        run_start(run);
        RUN_UNTIL(run, logs_done(run->logs) ||
                           run->items[0].pages + run->items[1].pages >= before + pages);
        over = logs_done(run->logs);
        run_close(run);
    }
}

static void test_stopped_anywhere(void **state) {
    struct ctfarm_options options = run_options();

    (void)state;
    for (uint64_t pages = 1; pages < 20; pages += 6) {
        struct run run;
        run_init(&run);
        run_farm(&run, &options);
        follow_in_pieces(&run, pages);
        run_check_both(&run, 0, RUN_ENTRIES);
        run_deinit(&run);
    }
}

static void test_a_position_that_is_none(void **state) {
    struct ctfarm_options options = run_options();
    struct run run;
    struct failure failure = {0};

    (void)state;
    options.log.entries = options.start = 10;
    run_init(&run);
    run_farm(&run, &options);
    run_decoder(&run, 1);
    struct logs_config config = run_config(&run);
    run_open(&run, &config);
    struct log_spec spec = run_spec(&run, CTFARM_STATIC);
    spec.from = FEED_FROM_SAVED;
    spec.saved = slice_of("\1nothing that can be read");
    assert_int_equal(logs_add(run.logs, &spec, &failure), ERROR_INPUT);
    assert_non_null(strstr(failure.text, "tiles: "));
    spec.saved = (struct slice){NULL, 0};
    spec.key = slice_of("no key");
    assert_int_not_equal(logs_add(run.logs, &spec, &failure), ERROR_NONE);
    assert_int_equal(logs_count(run.logs), 0);
    run_close(&run);
    run_deinit(&run);
}

/* --- Faults --- */

/* Follows both logs through faults that are over some time. */
static void follow_through(const char *const *faults, size_t count, bool gzip, uint64_t from,
                           struct run *run) {
    struct ctfarm_options options = run_options();

    options.faults = faults;
    options.fault_count = count;
    options.gzip = gzip;
    run_init(run);
    run_farm(run, &options);
    run_to_the_end(run, FEED_FROM_INDEX, from);
    run_check_both(run, from, RUN_ENTRIES);
    for (size_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(faults[i], ","), faults[i]);
        if (run_count(run, name) == 0)
            fail_msg("%s never happened", faults[i]);
    }
    run_deinit(run);
}

static void test_servers_that_fail(void **state) {
    static const char *const faults[] = {"http-500,p=0.5,times=8", "http-503,p=0.5,times=8",
                                         "http-429,p=0.5,times=8", "http-404,p=0.5,times=4",
                                         "html,p=0.5,times=8",     "reset,p=0.5,times=8",
                                         "cut,p=0.5,times=8"};
    struct run run;

    (void)state;
    follow_through(faults, sizeof faults / sizeof *faults, false, 0, &run);
}

static void test_pages_that_are_wrong(void **state) {
    static const char *const faults[] = {"bad-framing,p=0.5,times=8", "short-page,p=0.5"};
    struct run run;

    (void)state;
    follow_through(faults, sizeof faults / sizeof *faults, false, 0, &run);
    assert_true(run.incidents[FEED_PAGE_BROKEN] > 0);
}

/* The proofs of where it begins. */
static void test_hash_tiles_that_are_wrong(void **state) {
    static const char *const faults[] = {"wrong-tile,times=3", "http-500,on=proofs,times=2"};
    struct run run;

    (void)state;
    follow_through(faults, 2, false, 1700, &run);
    assert_true(run.incidents[FEED_PAGE_BROKEN] > 0);
}

static void test_gzip_that_is_wrong(void **state) {
    static const char *const faults[] = {"broken-gzip,times=4", "gzip-bomb,times=1"};
    struct run run;

    (void)state;
    follow_through(faults, sizeof faults / sizeof *faults, true, 0, &run);
    assert_true(run.incidents[FEED_PAGE_BROKEN] > 0);
}

static void test_heads_that_are_wrong(void **state) {
    static const char *const faults[] = {"bad-signature,times=3", "equivocate,times=2",
                                         "shrink,times=2"};
    struct run run;

    (void)state;
    follow_through(faults, sizeof faults / sizeof *faults, false, 0, &run);
    assert_true(run.incidents[FEED_BAD_SIGNATURE] > 0);
}

/* An entry that is not in the tree never leaves. */
static void test_a_wrong_leaf(void **state) {
    static const char *const faults[] = {"wrong-leaf,at=1234,times=6"};
    struct run run;

    (void)state;
    follow_through(faults, 1, false, 0, &run);
    assert_true(run.incidents[FEED_ROOT_MISMATCH] > 0);
    assert_true(run.incidents[FEED_RECOVERED] > 0);
    assert_non_null(strstr(run.words[FEED_ROOT_MISMATCH], "going back to "));
}

static void test_partial_tiles_that_are_gone(void **state) {
    struct ctfarm_options options = run_options();
    struct run run;

    (void)state;
    options.start = 500;
    run_init(&run);
    run_farm(&run, &options);
    run_decoder(&run, 2);
    struct logs_config config = run_config(&run);
    config.to_the_end = true;
    run_open(&run, &config);
    struct log_spec spec = run_spec(&run, CTFARM_STATIC);
    spec.from_index = 100;
    run_add(&run, &spec);
    /* The farm has no full tile as long as the log is short: first the follower waits. */
    run_control(&run, "fault=partial-gone");
    run_start(&run);
    RUN_UNTIL(&run, run.items[0].range.end == 0 && run.incidents[FEED_UNREACHABLE] > 0);
    run_control(&run, "size=3000");
    RUN_UNTIL_DONE(&run);
    run_close(&run);
    run_check(&run, 0, 100, run.items[0].range.end);
    assert_in_range(run.items[0].verified, 500, RUN_ENTRIES);
    run_deinit(&run);
}

static void test_a_stale_head(void **state) {
    static const char *const faults[] = {"stale,on=heads"};
    struct ctfarm_options options = run_options();
    struct run run;

    (void)state;
    options.faults = faults;
    options.fault_count = 1;
    run_init(&run);
    run_farm(&run, &options);
    run_decoder(&run, 1);
    struct logs_config config = run_config(&run);
    run_open(&run, &config);
    run_add_both(&run, FEED_FROM_NOW, 0);
    run_start(&run);
    RUN_UNTIL(&run, run.incidents[FEED_HEAD_STALE] == 2);
    run_control(&run, "clear=1");
    RUN_UNTIL(&run, run.incidents[FEED_RECOVERED] == 2);
    run_close(&run);
    assert_int_equal(run.incidents[FEED_HEAD_STALE], 2); /* told once each */
    run_deinit(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_the_first_entry),
        cmocka_unit_test(test_compressed_tiles),
        cmocka_unit_test(test_from_an_index),
        cmocka_unit_test(test_an_empty_log),
        cmocka_unit_test(test_from_now),
        cmocka_unit_test(test_stopped_anywhere),
        cmocka_unit_test(test_a_position_that_is_none),
        cmocka_unit_test(test_servers_that_fail),
        cmocka_unit_test(test_pages_that_are_wrong),
        cmocka_unit_test(test_hash_tiles_that_are_wrong),
        cmocka_unit_test(test_gzip_that_is_wrong),
        cmocka_unit_test(test_heads_that_are_wrong),
        cmocka_unit_test(test_a_wrong_leaf),
        cmocka_unit_test(test_partial_tiles_that_are_gone),
        cmocka_unit_test(test_a_stale_head),
    };
    return cmocka_run_group_tests(tests, run_set_up, NULL);
}
