/* The ledger with every entry: pages to the sinks, and positions that are never ahead of what all
 * sinks have, nor behind it. */
#include "tests/unit/watch/ledger_fixture.h"
#include "tests/unit/watch/saved_positions.h"

#include "engine/base/random.h"

static const struct ct_source logs[] = {
    {.number = 0, .has_log_id = true, .log_id = {1}},
    {.number = 1, .has_log_id = true, .log_id = {2}},
    {.number = 2, .has_log_id = true, .log_id = {3}},
};

static int setup(void **unused) {
    (void)unused;
    atomic_store(&faulty_write, SQLITE_OK);
    scratch_empty();
    return 0;
}

static struct rig rig_of(const char *name, uint32_t sink_count) {
    return (struct rig){.path = scratch_path(name), .sink_count = sink_count, .every_entry = true};
}

/* A page of `count` entries, for each sink a byte an entry: the number of its log. */
static struct page *page_of_log(const struct rig *rig, const struct ct_source *source,
                                uint32_t count) {
    struct page *page = page_of(source);

    page->entries = count;
    for (uint32_t sink = 0; sink < rig->sink_count && count; sink++) {
        struct batch *batch = page->outputs[sink] = batch_new();
        assert_non_null(batch);
        batch->records = count;
        for (uint32_t i = 0; i < count; i++)
            buffer_add_byte(&batch->bytes, (uint8_t)source->number);
    }
    return page;
}

static void pass(struct rig *rig, const struct ct_source *source, uint32_t count) {
    assert_true(ledger_commit(rig->ledger, page_of_log(rig, source, count)));
}

static void position(struct rig *rig, const struct ct_source *source, uint64_t committed) {
    struct log_position position = {committed, committed, committed, slice_of("saved")};

    ledger_position(rig->ledger, source, &position);
}

/* What a restart would find: of each log the position, of each sink the bytes. */
struct found {
    uint64_t logs[3];
    struct saved_sink sinks[SINKS_MAX];
};

static struct found look(const char *path, uint32_t sink_count) {
    static const char *const names[SINKS_MAX] = {"first", "second", "third"};
    struct found found = {0};
    struct watch_state *state;
    struct failure failure;

    OK(watch_state_open(&state, path, &failure));
    for (uint32_t i = 0; i < 3; i++) {
        struct wanted_position wanted =
            find_position(state, (struct slice){logs[i].log_id, sizeof logs[i].log_id});
        found.logs[i] = wanted.position.committed;
        buffer_deinit(&wanted.bytes);
    }
    for (uint32_t i = 0; i < sink_count; i++)
        OK(watch_state_use_sink(state, names[i], &found.sinks[i], &failure));
    watch_state_close(state);
    return found;
}

/* A sink that counts the bytes of each log, as a file would hold them. */
struct counting {
    struct rig *rig;
    uint32_t number;
    uint64_t bytes;
    uint64_t upto[4096][3]; /* entries of each log in the first so many bytes, by batch */
    uint64_t at[4096];
    uint32_t batches;
};

static void count_batch(struct counting *sink, struct batch *batch) {
    struct sink_position place = {.file = 77 + sink->number};
    uint64_t *now = sink->upto[sink->batches + 1];
    size_t count;
    const uint64_t *tickets = batch_tickets(batch, &count);

    assert_true(sink->batches < 4095);
    memcpy(now, sink->upto[sink->batches], sizeof sink->upto[0]);
    for (size_t i = 0; i < batch->bytes.len; i++)
        now[batch->bytes.ptr[i]]++;
    sink->bytes += batch->bytes.len;
    sink->at[++sink->batches] = sink->bytes;
    place.bytes = sink->bytes;
    ledger_written(sink->rig->ledger, sink->number, tickets, count, place, false);
    batch_free(batch);
}

static void take_next(struct counting *sink) {
    count_batch(sink, take(sink->rig, sink->number));
}

/* What is there, or comes in a moment: true when it took one. */
static bool take_one(struct counting *sink, uint32_t wait_ms) {
    struct batch *batch;

    if (batch_queue_pop(sink->rig->queues[sink->number], wait_ms, &batch) != BATCH_POPPED)
        return false;
    count_batch(sink, batch);
    return true;
}

static struct counting *counting_new(struct rig *rig, uint32_t number) {
    struct counting *sink = calloc(1, sizeof *sink);

    assert_non_null(sink);
    sink->rig = rig;
    sink->number = number;
    return sink;
}

/* The sink's file, cut at its saved position, holds exactly the entries before the positions. */
static void assert_agrees(const struct counting *sink, const struct found *found) {
    uint64_t cut = found->sinks[sink->number].bytes;
    uint32_t batch = 0;

    while (batch <= sink->batches && sink->at[batch] != cut)
        batch++;
    assert_true(batch <= sink->batches); /* the end of a batch */
    for (int i = 0; i < 3; i++)
        assert_int_equal(sink->upto[batch][i], found->logs[i]);
}

/* --- One thing after another --- */

static void test_position_waits_for_sinks(void **unused) {
    (void)unused;
    struct rig rig = rig_of("waits.db", 2);

    rig_open(&rig);
    struct counting *fast = counting_new(&rig, 0), *slow = counting_new(&rig, 1);
    pass(&rig, &logs[0], 5);
    position(&rig, &logs[0], 5);
    take_next(fast);
    take_next(slow);
    pass(&rig, &logs[0], 7);
    position(&rig, &logs[0], 12);
    take_next(fast);
    OK(rig_end(&rig, true)); /* the slow one has not written the second page */
    struct found found = look(rig.path, 2);
    assert_true(found.logs[0] == 5 || found.logs[0] == 0);
    assert_agrees(fast, &found);
    assert_agrees(slow, &found);
    free(fast);
    free(slow);
}

static void test_end_saves_all(void **unused) {
    (void)unused;
    struct rig rig = rig_of("end.db", 1);

    rig_open(&rig);
    struct counting *sink = counting_new(&rig, 0);
    pass(&rig, &logs[0], 5);
    pass(&rig, &logs[1], 6);
    position(&rig, &logs[0], 5);
    position(&rig, &logs[1], 6);
    take_next(sink);
    take_next(sink);
    OK(rig_end(&rig, false));
    struct found found = look(rig.path, 1);
    assert_int_equal(found.logs[0], 5);
    assert_int_equal(found.logs[1], 6);
    assert_int_equal(found.sinks[0].bytes, 11);
    assert_int_equal(found.sinks[0].file, 77);
    assert_agrees(sink, &found);
    free(sink);
}

/* A page without its position at the end is as if it had not been. */
static void test_page_without_position(void **unused) {
    (void)unused;
    struct rig rig = rig_of("ahead.db", 1);

    rig_open(&rig);
    struct counting *sink = counting_new(&rig, 0);
    pass(&rig, &logs[0], 5);
    pass(&rig, &logs[1], 3);
    position(&rig, &logs[0], 5);
    take_next(sink);
    take_next(sink);
    OK(rig_end(&rig, false));
    struct found found = look(rig.path, 1);
    assert_agrees(sink, &found);
    assert_int_equal(found.logs[1], 0);
    free(sink);
}

/* What a feed brings has no position: the sinks' alone are saved. */
static void test_feed(void **unused) {
    (void)unused;
    struct rig rig = rig_of("feed.db", 1);

    rig_open(&rig);
    struct counting *sink = counting_new(&rig, 0);
    pass(&rig, &feed_source, 4);
    take_next(sink);
    pass(&rig, &feed_source, 0); /* heartbeats */
    OK(rig_end(&rig, false));
    assert_int_equal(look(rig.path, 1).sinks[0].bytes, 4);
    free(sink);
}

/* A sink that takes nothing fills its queue and then the inbox: memory is bounded. Its abandoning
 * ends the ledger. */
static void test_stuck_sink(void **unused) {
    (void)unused;
    struct rig rig = rig_of("stuck.db", 2);
    uint32_t taken = 0;

    rig.pages_max = 16;
    rig_open(&rig);
    struct counting *other = counting_new(&rig, 0);
    for (bool is_stuck = false; !is_stuck;) { /* the other is a page ahead of what is stuck */
        struct page *page = page_of_log(&rig, &logs[0], 1);
        if (ledger_commit(rig.ledger, page)) {
            taken++;
            continue;
        }
        page_free(page);
        is_stuck = other->batches == RING_BATCHES;
        if (!is_stuck)
            take_next(other);
    }
    assert_int_equal(taken, RING_BATCHES - 1 + 16);
    assert_false(take_one(other, WAIT_MS));
    OK(rig_end(&rig, true));
    free(other);
}

/* The room in a full queue wakes the ledger: all goes through however slow the sink is. */
static void test_slow_sink(void **unused) {
    (void)unused;
    enum { PAGES = 500 };
    struct rig rig = rig_of("slow.db", 1);

    rig.pages_max = 8;
    rig_open(&rig);
    struct counting *sink = counting_new(&rig, 0);
    for (uint32_t passed = 0; passed < PAGES;) {
        struct page *page = page_of_log(&rig, &logs[0], 1);
        if (ledger_commit(rig.ledger, page)) {
            position(&rig, &logs[0], ++passed);
            continue;
        }
        page_free(page);
        take_next(sink);
    }
    ledger_stop(rig.ledger);
    while (sink->batches < PAGES)
        take_next(sink);
    OK(rig_end(&rig, false));
    struct found found = look(rig.path, 1);
    assert_int_equal(found.logs[0], PAGES);
    assert_agrees(sink, &found);
    free(sink);
}

/* --- At random --- */

static _Atomic uint64_t safe[3]; /* of each log, as it was told */

static void on_safe(void *owner, const struct ct_source *source,
                    const struct saved_position *position) {
    (void)owner;
    atomic_store(&safe[source->number], position->committed);
}

/* Takes what comes until the position of some log is safe. */
static void take_until_safe(struct counting *const *counting, uint32_t count) {
    uint64_t until_ns = clock_monotonic_ns() + HANG_MS * UINT64_C(1000000);

    atomic_store(&faulty_write, SQLITE_OK);
    while (atomic_load(&safe[0]) + atomic_load(&safe[1]) + atomic_load(&safe[2]) == 0) {
        assert_true(clock_monotonic_ns() < until_ns);
        for (uint32_t i = 0; i < count; i++)
            take_one(counting[i], 1);
    }
}

/* Logs, feeds and sinks at any speed, and an end without warning: what is saved agrees, and is no
 * less than what was told. Every second one has saved something. */
static void crash_at_random(uint64_t seed) {
    enum { STEPS = 600, SINKS = 3 };
    struct rig rig = rig_of("random.db", SINKS);
    struct counting *counting[SINKS];
    struct random random;
    uint64_t committed[3] = {0};

    random_init(&random, seed);
    unlink(rig.path);
    unlink(scratch_path("random.db-wal"));
    rig.on_safe = on_safe;
    for (int i = 0; i < 3; i++)
        atomic_store(&safe[i], 0);
    rig_open(&rig);
    for (uint32_t i = 0; i < SINKS; i++)
        counting[i] = counting_new(&rig, i);
    uint32_t steps = 50 + (uint32_t)random_below(&random, STEPS);
    for (uint32_t step = 0; step < steps; step++) {
        uint32_t log = (uint32_t)random_below(&random, 3),
                 pages = 1 + (uint32_t)random_below(&random, 3);
        for (uint32_t i = 0; i < pages; i++) {
            uint32_t count = 1 + (uint32_t)random_below(&random, 5);
            struct page *page = page_of_log(&rig, &logs[log], count);
            if (!ledger_commit(rig.ledger, page)) {
                page_free(page);
                break;
            }
            committed[log] += count;
        }
        position(&rig, &logs[log], committed[log]);
        for (uint32_t i = 0; i < SINKS; i++)
            while (random_below(&random, i + 2) == 0 && take_one(counting[i], 0))
                ;
        if (random_below(&random, 20) == 0)
            usleep(2000);
        if (seed % 2 && step == steps / 2)
            take_until_safe(counting, SINKS);
        if (random_below(&random, 40) == 0) {
            atomic_store(&faulty_after, (int)random_below(&random, 4));
            atomic_store(&faulty_write, random_below(&random, 2) ? SQLITE_FULL : SQLITE_OK);
        }
    }
    atomic_store(&faulty_write, SQLITE_OK);
    if (random_below(&random, 2)) {
        ledger_stop(rig.ledger);
        ledger_abandon(rig.ledger);
        OK(ledger_finish(rig.ledger, &rig.failure));
    }
    rig_drop(&rig);
    struct found found = look(rig.path, SINKS);
    for (uint32_t i = 0; i < SINKS; i++) {
        assert_agrees(counting[i], &found);
        free(counting[i]);
    }
    for (int i = 0; i < 3; i++)
        assert_true(found.logs[i] >= atomic_load(&safe[i]));
}

static void test_crashes(void **unused) {
    (void)unused;
    for (uint64_t seed = 1; seed <= 40; seed++)
        crash_at_random(seed);
}

static int group_setup(void **unused) {
    faulty_install();
    return scratch_setup(unused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_position_waits_for_sinks, setup),
        cmocka_unit_test_setup(test_end_saves_all, setup),
        cmocka_unit_test_setup(test_page_without_position, setup),
        cmocka_unit_test_setup(test_feed, setup),
        cmocka_unit_test_setup(test_stuck_sink, setup),
        cmocka_unit_test_setup(test_slow_sink, setup),
        cmocka_unit_test_setup(test_crashes, setup),
    };
    return cmocka_run_group_tests(tests, group_setup, scratch_teardown);
}
