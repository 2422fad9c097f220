/* The sink's thread with a kind that settles later: several batches under way, out of order,
 * refused in part, troubled, never through. */
#include "sinks/runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RING = 16, RECORDS = 10, HELD_MAX = SINK_FLIGHTS_MAX };

/* What the sink does, and what it and its owner have seen. */
struct script {
    uint32_t window;         /* records */
    uint32_t hold;           /* settles nothing before it has so many batches, or all there are */
    bool backwards;          /* the last that was taken first */
    uint32_t refused_every;  /* of each so many-th batch three records are refused */
    uint32_t troubled_calls; /* so many calls of settle tell trouble */
    bool never;              /* settles nothing at all, but half of each batch is written */
    _Atomic bool all_pushed;

    struct sink_delivery *held[HELD_MAX];
    uint32_t held_count, held_before, most_held, taken;
    uint64_t most_records;
    bool wrong_bytes;
    _Atomic uint32_t settles;
    uint32_t finished, closed;

    uint32_t next_told; /* number of the batch that is to be told next */
    uint64_t written, refused;
    uint32_t batches_refused, troubles, finals, recoveries;
    bool out_of_order;
    struct failure last_failure;
};

struct scripted {
    struct sink head;
    struct script *script;
};

static struct script *script_of(struct sink *sink) {
    return ((struct scripted *)sink)->script;
}

static void scripted_take(struct sink *sink, struct sink_delivery *delivery) {
    struct script *script = script_of(sink);
    unsigned number;
    uint64_t records = 0;

    script->wrong_bytes |= sscanf((const char *)delivery->bytes.ptr, "%u", &number) != 1 ||
                           number != script->taken++ || delivery->settled || delivery->written;
    script->held[script->held_count++] = delivery;
    for (uint32_t i = 0; i < script->held_count; i++)
        records += script->held[i]->records;
    if (script->held_count > script->most_held)
        script->most_held = script->held_count;
    if (records > script->most_records)
        script->most_records = records;
}

static void settle_one(struct script *script, struct sink_delivery *delivery) {
    unsigned number;

    if (sscanf((const char *)delivery->bytes.ptr, "%u", &number) != 1)
        abort();
    if (script->refused_every && number % script->refused_every == 0) {
        delivery->refused = 3;
        failure_set(&delivery->failure, ERROR_REFUSED, "no %u", number);
    }
    delivery->written = delivery->records - delivery->refused;
    delivery->settled = true;
}

static enum error scripted_settle(struct sink *sink, uint32_t wait_ms, struct failure *failure) {
    struct script *script = script_of(sink);
    bool all_pushed = atomic_load(&script->all_pushed);
    bool more = script->held_count != script->held_before;

    assert_true(wait_ms <= SINK_PATIENCE_MS + 1);
    atomic_fetch_add(&script->settles, 1);
    if (wait_ms)
        usleep(500);
    if (script->troubled_calls) {
        script->troubled_calls--;
        return failure_set(failure, (enum error)ECONNREFUSED, "nobody there");
    }
    script->held_before = script->held_count;
    if (script->never) {
        for (uint32_t i = 0; i < script->held_count; i++)
            script->held[i]->written = script->held[i]->records / 2;
        return ERROR_NONE;
    }
    if (script->held_count < script->hold && (more || !all_pushed))
        return ERROR_NONE;
    for (uint32_t i = 0; i < script->held_count; i++)
        settle_one(script, script->held[script->backwards ? script->held_count - 1 - i : i]);
    script->held_count = script->held_before = 0;
    return ERROR_NONE;
}

static enum error scripted_finish(struct sink *sink, struct failure *failure) {
    (void)failure;
    script_of(sink)->finished++;
    return ERROR_NONE;
}

static void scripted_close(struct sink *sink) {
    script_of(sink)->closed++;
}

static const struct sink_kind scripted_kind = {.name = "scripted",
                                               .size = sizeof(struct scripted),
                                               .take = scripted_take,
                                               .settle = scripted_settle,
                                               .finish = scripted_finish,
                                               .close = scripted_close};

/* --- What the owner is told --- */

static void note_order(struct script *script, const struct batch *batch) {
    unsigned number;

    script->out_of_order |= sscanf((const char *)batch->bytes.ptr, "%u", &number) != 1 ||
                            number != script->next_told++ || script->closed;
}

static void on_written(void *context, const struct sink *sink, const struct batch *batch) {
    struct script *script = context;

    (void)sink;
    note_order(script, batch);
    script->written += batch->records;
}

static void on_refused(void *context, const struct sink *sink, const struct batch *batch,
                       uint32_t records, const struct failure *failure) {
    struct script *script = context;

    (void)sink;
    note_order(script, batch);
    script->batches_refused++;
    script->refused += records;
    script->written += batch->records - records;
    script->last_failure = *failure;
}

static void on_trouble(void *context, const struct failure *failure, bool final) {
    struct script *script = context;

    script->finals += final;
    script->troubles += !final;
    script->last_failure = *failure;
}

static void on_recovered(void *context) {
    ((struct script *)context)->recoveries++;
}

/* --- A run --- */

struct run {
    struct script script;
    struct batch_queue *queue;
    struct sink_runner *runner;
    struct sink_totals totals;
};

static void start(struct run *run) {
    struct scripted *sink = calloc(1, sizeof *sink);
    struct failure failure;
    struct sink_runner_hooks hooks = {
        .on_trouble = on_trouble,
        .on_recovered = on_recovered,
        .on_written = on_written,
        .on_refused = on_refused,
        .context = &run->script,
    };

    assert_non_null(sink);
    sink->head.kind = &scripted_kind;
    sink->head.spec = "scripted";
    sink->head.window = run->script.window ? run->script.window : 1;
    sink->script = &run->script;
    run->queue = batch_queue_new(1, RING);
    assert_non_null(run->queue);
    assert_int_equal(sink_runner_start(&run->runner, &sink->head, run->queue, &hooks, &failure), 0);
}

static void push_many(struct run *run, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct batch *batch = batch_new();
        assert_non_null(batch);
        buffer_init(&batch->bytes);
        buffer_add_format(&batch->bytes, "%06u\n", i);
        batch->records = RECORDS;
        while (!batch_queue_push(run->queue, 0, batch))
            usleep(100);
    }
    atomic_store(&run->script.all_pushed, true);
}

static void end(struct run *run) {
    batch_queue_close(run->queue, 0);
    sink_runner_join(run->runner, &run->totals);
    batch_queue_free(run->queue);
    assert_int_equal(run->script.closed, 1);
    assert_int_equal(run->script.finished, 1);
    assert_false(run->script.wrong_bytes);
    assert_false(run->script.out_of_order);
}

static void expect(const struct run *run, uint64_t written, uint64_t refused, uint64_t lost) {
    assert_int_equal(run->totals.records_written, written);
    assert_int_equal(run->totals.records_refused, refused);
    assert_int_equal(run->totals.records_lost, lost);
}

static void one_at_a_time(void **state) {
    (void)state;
    struct run run = {0};
    start(&run);
    push_many(&run, 100);
    end(&run);
    expect(&run, 1000, 0, 0);
    assert_int_equal(run.script.most_held, 1);
    assert_int_equal(run.script.written, 1000);
    assert_int_equal(run.totals.bytes_written, 700);
    assert_int_equal(run.totals.failure.code, 0);
}

static void nothing_at_all(void **state) {
    (void)state;
    struct run run = {0};
    start(&run);
    end(&run);
    expect(&run, 0, 0, 0);
    assert_int_equal(atomic_load(&run.script.settles), 0);
}

/* More are taken while others are under way, up to the window, and told in order whatever order
 * they are settled in. */
static void several_out_of_order(void **state) {
    (void)state;
    struct run run = {.script = {.window = 5 * RECORDS, .hold = 5, .backwards = true}};
    start(&run);
    push_many(&run, 203);
    end(&run);
    expect(&run, 2030, 0, 0);
    assert_int_equal(run.script.written, 2030);
    assert_int_equal(run.script.most_held, 5);
    assert_int_equal(run.script.most_records, 5 * RECORDS);
}

static void more_than_a_ring_of_flights(void **state) {
    (void)state;
    struct run run = {.script = {.window = UINT32_MAX, .hold = HELD_MAX, .backwards = true}};
    start(&run);
    push_many(&run, 3 * SINK_FLIGHTS_MAX);
    end(&run);
    expect(&run, 3 * SINK_FLIGHTS_MAX * RECORDS, 0, 0);
}

/* What is refused stops nobody. */
static void refused_in_part(void **state) {
    (void)state;
    struct run run = {.script = {.window = 40, .refused_every = 4}};
    start(&run);
    push_many(&run, 100);
    end(&run);
    expect(&run, 925, 75, 0);
    assert_int_equal(run.script.batches_refused, 25);
    assert_int_equal(run.script.refused, 75);
    assert_int_equal(run.script.written, 925);
    assert_string_equal(run.script.last_failure.text, "no 96");
    assert_int_equal(run.script.troubles + run.script.finals, 0);
    assert_int_equal(run.totals.failure.code, 0);
}

static void trouble_is_told_once(void **state) {
    (void)state;
    struct run run = {.script = {.troubled_calls = 20}};
    start(&run);
    push_many(&run, 10);
    end(&run);
    expect(&run, 100, 0, 0);
    assert_int_equal(run.script.troubles, 1);
    assert_int_equal(run.script.recoveries, 1);
    assert_int_equal(run.script.finals, 0);
    assert_string_equal(run.script.last_failure.text, "nobody there");
}

/* What is under way when the run is given up is lost, but for what was written of it. */
static void given_up(void **state) {
    (void)state;
    struct run run = {.script = {.window = 3 * RECORDS, .never = true}};
    start(&run);
    push_many(&run, 10);
    uint32_t before = atomic_load(&run.script.settles); /* between two it takes another batch */
    while (atomic_load(&run.script.settles) < before + 10)
        usleep(1000);
    sink_runner_abandon(run.runner);
    end(&run);
    expect(&run, 3 * RECORDS / 2, 0, 100 - 3 * RECORDS / 2);
    assert_int_equal(run.script.next_told, 0);
    assert_int_equal(run.script.finals, 1);
    assert_int_equal(run.totals.failure.code, EAGAIN);
    assert_string_equal(run.totals.failure.text, "scripted: its reader is too slow");
}

static void given_up_in_trouble(void **state) {
    (void)state;
    struct run run = {.script = {.troubled_calls = UINT32_MAX}};
    start(&run);
    push_many(&run, 10);
    while (atomic_load(&run.script.settles) < 10)
        usleep(1000);
    sink_runner_abandon(run.runner);
    end(&run);
    expect(&run, 0, 0, 100);
    assert_int_equal(run.totals.failure.code, ECONNREFUSED);
    assert_string_equal(run.totals.failure.text, "nobody there");
}

static void hooks_may_be_missing(void **state) {
    (void)state;
    struct run run = {.script = {.refused_every = 2, .troubled_calls = 3}};
    struct sink_runner_hooks hooks = {0};
    struct scripted *sink = calloc(1, sizeof *sink);

    assert_non_null(sink);
    sink->head = (struct sink){.kind = &scripted_kind, .spec = "scripted", .window = 1};
    sink->script = &run.script;
    run.queue = batch_queue_new(1, RING);
    assert_int_equal(sink_runner_start(&run.runner, &sink->head, run.queue, &hooks, NULL), 0);
    push_many(&run, 10);
    end(&run);
    expect(&run, 85, 15, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(several_out_of_order),
        cmocka_unit_test(more_than_a_ring_of_flights),
        cmocka_unit_test(refused_in_part),
        cmocka_unit_test(trouble_is_told_once),
        cmocka_unit_test(given_up),
        cmocka_unit_test(given_up_in_trouble),
        cmocka_unit_test(hooks_may_be_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
