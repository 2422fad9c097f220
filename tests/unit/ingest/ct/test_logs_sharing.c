/* Logs that are followed in terms: begun where they were left, ended at any moment, and nothing of
 * an ended term leaves. */
#include "tests/unit/ingest/ct/logs_run.h"

/* What the one who shares them out says of the two logs; under the run's lock. */
struct sharing {
    struct run *run;
    uint64_t terms[2], seen[2];
    bool wanted[2];
};

static uint64_t term_of(void *owner, const struct ct_source *source, bool wanted) {
    struct sharing *sharing = owner;

    pthread_mutex_lock(&sharing->run->lock);
    uint64_t term = sharing->terms[source->number];
    sharing->seen[source->number] = term;
    sharing->wanted[source->number] = wanted;
    pthread_cond_broadcast(&sharing->run->changed);
    pthread_mutex_unlock(&sharing->run->lock);
    return term;
}

static void saved_of(void *owner, const struct ct_source *source, struct buffer *out) {
    struct sharing *sharing = owner;

    pthread_mutex_lock(&sharing->run->lock);
    const struct run_log *log = &sharing->run->items[source->number];
    buffer_add(out, log->saved, log->saved_len);
    pthread_mutex_unlock(&sharing->run->lock);
}

static void set_term(struct sharing *sharing, uint32_t number, uint64_t term) {
    pthread_mutex_lock(&sharing->run->lock);
    sharing->terms[number] = term;
    pthread_mutex_unlock(&sharing->run->lock);
    logs_wake(sharing->run->logs);
}

static bool is_elsewhere(const struct run *run, uint32_t number) {
    struct feed_statistics statistics;

    logs_statistics(run->logs, number, &statistics);
    return statistics.elsewhere;
}

static void begin(struct run *run, struct sharing *sharing, struct logs_sharing *shared,
                  const struct ctfarm_options *options) {
    run_init(run);
    *sharing = (struct sharing){.run = run};
    *shared = (struct logs_sharing){term_of, saved_of, sharing};
    run_farm(run, options);
    run_decoder(run, 2);
    struct logs_config config = run_config(run);
    config.sharing = shared;
    run_open(run, &config);
    run_add_both(run, FEED_FROM_INDEX, 0);
    run_start(run);
}

static void end(struct run *run) {
    run_close(run);
    run_deinit(run);
}

/* Both logs change hands again and again: each entry leaves once all the same. */
static void test_terms(void **state) {
    struct ctfarm_options options = run_options();
    struct logs_sharing shared;
    struct sharing sharing;
    struct run run;
    uint64_t term = 0, pages = 0;

    (void)state;
    begin(&run, &sharing, &shared, &options);
    RUN_UNTIL(&run, is_elsewhere(&run, 0) && is_elsewhere(&run, 1));
    assert_int_equal(run.items[0].pages + run.items[1].pages, 0);
    while (pages < 6) {
        uint32_t number = (uint32_t)(term % 2);
        set_term(&sharing, number, ++term);
        pages = run.items[number].pages + 1 + term % 3;
        RUN_UNTIL(&run,
                  run.items[number].pages >= pages || run.items[number].verified == RUN_ENTRIES);
        set_term(&sharing, number, 0);
        RUN_UNTIL(&run, sharing.seen[number] == 0);
        uint64_t left = run.items[number].pages;
        set_term(&sharing, 1 - number, ++term); /* the other goes on meanwhile */
        RUN_UNTIL(&run, sharing.seen[1 - number] == term);
        assert_int_equal(run.items[number].pages, left);
        set_term(&sharing, 1 - number, 0);
        pages = left;
    }
    set_term(&sharing, 0, ++term);
    set_term(&sharing, 1, ++term);
    RUN_UNTIL(&run, run.items[0].verified == RUN_ENTRIES && run.items[1].verified == RUN_ENTRIES);
    assert_false(is_elsewhere(&run, 0) || is_elsewhere(&run, 1));
    run_check_both(&run, 0, RUN_ENTRIES);
    end(&run);
}

/* From one term to the next, without a pause. */
static void test_another_term(void **state) {
    struct ctfarm_options options = run_options();
    struct logs_sharing shared;
    struct sharing sharing;
    struct run run;

    (void)state;
    begin(&run, &sharing, &shared, &options);
    for (uint64_t term = 1; term < 20; term++) {
        set_term(&sharing, 0, term);
        set_term(&sharing, 1, term);
        RUN_UNTIL(&run, sharing.seen[0] == term && sharing.seen[1] == term);
    }
    RUN_UNTIL(&run, run.items[0].verified == RUN_ENTRIES && run.items[1].verified == RUN_ENTRIES);
    run_check_both(&run, 0, RUN_ENTRIES);
    end(&run);
}

/* A position that cannot be read is told, and nothing is left out by beginning elsewhere. */
static void test_odd_position(void **state) {
    struct ctfarm_options options = run_options();
    struct logs_sharing shared;
    struct sharing sharing;
    struct run run;

    (void)state;
    begin(&run, &sharing, &shared, &options);
    pthread_mutex_lock(&run.lock);
    run.items[0].saved_len = 3;
    pthread_mutex_unlock(&run.lock);
    set_term(&sharing, 0, 1);
    RUN_UNTIL(&run, run.incidents[FEED_UNREACHABLE] >= 1);
    assert_int_equal(run.items[0].pages, 0);
    end(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_another_term),
        cmocka_unit_test(test_odd_position),
    };
    return cmocka_run_group_tests(tests, run_set_up, NULL);
}
