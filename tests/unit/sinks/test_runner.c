/* The sink's thread with sinks that are slow, full, dead or broken by script. */
#include "sinks/runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What a scripted sink does and what it has seen. Only its thread touches it until the join, but
 * for the atomics. */
struct script {
    uint64_t error_at;     /* the write, counted from 1, that fails; 0 for none */
    enum error error;      /* with this */
    uint32_t failures_max; /* and so many times before it succeeds */
    enum error finish_error;
    uint32_t finish_failures_max;
    bool tick_fails;
    _Atomic bool held; /* no write ends meanwhile */

    uint64_t writes, bytes, records;
    const uint8_t *failed_bytes; /* of the write that has to be repeated */
    bool repeated_otherwise, signals_open;
    uint32_t failures, finish_failures, ticks_failed, finished, closed;
    _Atomic uint64_t attempts, ticks;

    uint32_t gone, troubles, finals, recoveries;
    struct failure last_trouble;
    _Atomic uint32_t troubles_seen;
    uint64_t reported;         /* records of the batches that were said to be written */
    uint32_t done;             /* how often its end was told */
    bool out_of_turn;          /* a batch was reported before it was written, or after the end */
    const uint8_t *last_bytes; /* of the write that succeeded last */
};

struct scripted {
    struct sink head;
    struct script *script;
};

static struct script *script_of(struct sink *sink) {
    return ((struct scripted *)sink)->script;
}

static enum error fail_with(enum error error, struct failure *failure) {
    if (error == ERROR_GONE || error == (enum error)EAGAIN)
        return error;
    return failure_set(failure, error, "scripted: %s", error_text(error));
}

static enum error scripted_write(struct sink *sink, struct slice bytes, uint32_t records,
                                 struct failure *failure) {
    struct script *script = script_of(sink);
    sigset_t blocked;
    atomic_fetch_add(&script->attempts, 1);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    script->signals_open |= !sigismember(&blocked, SIGINT);
    if (script->failed_bytes)
        script->repeated_otherwise |= script->failed_bytes != bytes.ptr;
    if (script->writes + 1 == script->error_at && script->failures < script->failures_max) {
        script->failures++;
        script->failed_bytes = bytes.ptr;
        return fail_with(script->error, failure);
    }
    script->failed_bytes = NULL;
    while (atomic_load(&script->held))
        usleep(100);
    script->writes++;
    script->last_bytes = bytes.ptr;
    script->bytes += bytes.len;
    script->records += records;
    return ERROR_NONE;
}

static enum error scripted_tick(struct sink *sink, struct failure *failure) {
    struct script *script = script_of(sink);
    script->repeated_otherwise |= script->failed_bytes != NULL;
    atomic_fetch_add(&script->ticks, 1);
    if (script->tick_fails && script->ticks_failed++ == 0)
        return fail_with((enum error)ENOSPC, failure);
    return ERROR_NONE;
}

static enum error scripted_finish(struct sink *sink, struct failure *failure) {
    struct script *script = script_of(sink);
    script->finished++;
    if (script->finish_failures < script->finish_failures_max) {
        script->finish_failures++;
        return fail_with(script->finish_error, failure);
    }
    return ERROR_NONE;
}

static void scripted_close(struct sink *sink) {
    script_of(sink)->closed++;
}

static const struct sink_kind scripted_kind = {.name = "scripted",
                                               .size = sizeof(struct scripted),
                                               .write = scripted_write,
                                               .tick = scripted_tick,
                                               .finish = scripted_finish,
                                               .close = scripted_close};

static void on_gone(void *context) {
    ((struct script *)context)->gone++;
}

static void on_trouble(void *context, const struct failure *failure, bool final) {
    struct script *script = context;
    if (final)
        script->finals++;
    else
        script->troubles++;
    script->last_trouble = *failure;
    atomic_fetch_add(&script->troubles_seen, 1);
}

static void on_recovered(void *context) {
    ((struct script *)context)->recoveries++;
}

static void on_written(void *context, const struct sink *sink, const struct batch *batch) {
    struct script *script = context;
    script->reported += batch->records;
    script->out_of_turn |= ((const struct scripted *)sink)->script != script || script->done ||
                           script->closed || script->reported != script->records ||
                           batch->bytes.ptr != script->last_bytes;
}

static void on_done(void *context) {
    struct script *script = context;
    script->done++;
    script->out_of_turn |= script->closed != 1;
}

struct run {
    struct script script;
    struct batch_queue *queue;
    struct sink_runner *runner;
    struct sink_totals totals;
};

enum { PRODUCERS = 2, RING = 4 };

static void start(struct run *run) {
    struct scripted *sink = calloc(1, sizeof *sink);
    struct failure failure;
    struct sink_runner_hooks hooks = {
        .on_gone = on_gone,
        .on_trouble = on_trouble,
        .on_recovered = on_recovered,
        .on_written = on_written,
        .on_done = on_done,
        .context = &run->script,
    };
    assert_non_null(sink);
    sink->head.kind = &scripted_kind;
    sink->head.spec = "scripted";
    sink->script = &run->script;
    run->queue = batch_queue_new(PRODUCERS, RING);
    assert_non_null(run->queue);
    assert_int_equal(sink_runner_start(&run->runner, &sink->head, run->queue, &hooks, &failure), 0);
}

static struct batch *make_batch(uint32_t number) {
    struct batch *batch = batch_new();
    assert_non_null(batch);
    buffer_init(&batch->bytes);
    buffer_add_format(&batch->bytes, "%06u\n", number);
    batch->records = 3;
    return batch;
}

static void push(struct run *run, uint32_t producer, struct batch *batch) {
    while (!batch_queue_push(run->queue, producer, batch))
        usleep(100);
}

static void push_many(struct run *run, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        push(run, i % PRODUCERS, make_batch(i));
}

static void end(struct run *run) {
    for (uint32_t i = 0; i < PRODUCERS; i++)
        batch_queue_close(run->queue, i);
    sink_runner_join(run->runner, &run->totals);
    batch_queue_free(run->queue);
    assert_int_equal(run->script.closed, 1);
    assert_false(run->script.repeated_otherwise);
    assert_false(run->script.signals_open);
    assert_int_equal(run->script.done, 1);
    assert_false(run->script.out_of_turn);
}

static void expect(const struct run *run, uint64_t written, uint64_t lost) {
    assert_int_equal(run->totals.records_written, written);
    assert_int_equal(run->totals.records_lost, lost);
    assert_int_equal(run->script.records, written);
    assert_int_equal(run->script.reported, written); /* what was lost is not said to be written */
    assert_int_equal(run->totals.bytes_written, written / 3 * 7);
}

static void everything_arrives(void **state) {
    (void)state;
    struct run run = {0};
    start(&run);
    push_many(&run, 500);
    end(&run);
    expect(&run, 1500, 0);
    assert_int_equal(run.totals.failure.code, 0);
    assert_int_equal(run.script.finished, 1);
    assert_int_equal(run.script.gone + run.script.troubles + run.script.recoveries, 0);
}

static void nothing_at_all(void **state) {
    (void)state;
    struct run run = {0};
    start(&run);
    end(&run);
    expect(&run, 0, 0);
    assert_int_equal(run.script.finished, 1);
}

/* A slow sink holds the producers back: no more waits than the rings hold. */
static void a_slow_sink(void **state) {
    (void)state;
    struct run run = {.script = {.held = true}};
    struct batch *batch = make_batch(0);
    uint32_t count = 0;
    start(&run);
    while (batch_queue_push(run.queue, 0, batch))
        batch = make_batch(++count);
    assert_in_range(count, RING - 1, RING); /* and one that is being written */
    atomic_store(&run.script.held, false);
    push(&run, 0, batch);
    push_many(&run, 100);
    end(&run);
    expect(&run, 3 * (count + 1 + 100), 0);
}

static void trouble_that_passes(void **state) {
    (void)state;
    struct run run = {.script = {.error_at = 3, .error = (enum error)ENOSPC, .failures_max = 2}};
    start(&run);
    push_many(&run, 10);
    end(&run);
    expect(&run, 30, 0);
    assert_int_equal(atomic_load(&run.script.attempts), 12);
    assert_int_equal(run.script.troubles, 1);
    assert_int_equal(run.script.recoveries, 1);
    assert_int_equal(run.script.finals, 0);
    assert_string_equal(run.script.last_trouble.text, "scripted: No space left on device");
    assert_int_equal(run.totals.failure.code, 0);
}

static void slowness_is_no_trouble(void **state) {
    (void)state;
    struct run run = {.script = {.error_at = 2, .error = (enum error)EAGAIN, .failures_max = 50}};
    start(&run);
    push_many(&run, 4);
    end(&run);
    expect(&run, 12, 0);
    assert_int_equal(atomic_load(&run.script.attempts), 54);
    assert_int_equal(run.script.troubles + run.script.recoveries + run.script.finals, 0);
}

static void the_reader_leaves(void **state) {
    (void)state;
    struct run run = {.script = {.error_at = 3, .error = ERROR_GONE, .failures_max = 1}};
    start(&run);
    push_many(&run, 200);
    end(&run);
    expect(&run, 6, 594);
    assert_int_equal(run.script.gone, 1);
    assert_int_equal(run.script.finals, 0);
    assert_int_equal(run.script.finished, 0);
    assert_int_equal(atomic_load(&run.script.attempts), 3);
    assert_int_equal(run.totals.failure.code, ERROR_GONE);
}

static void a_final_error(void **state) {
    (void)state;
    struct run run = {.script = {.error_at = 5,
                                 .error = (enum error)EFBIG,
                                 .failures_max = 1,
                                 .finish_error = (enum error)ENOSPC,
                                 .finish_failures_max = 9}};
    start(&run);
    push_many(&run, 200);
    end(&run);
    expect(&run, 12, 588);
    assert_int_equal(run.script.finals, 1);
    assert_int_equal(run.script.troubles, 0);
    assert_int_equal(run.script.finished, 1); /* put in order once, not waited for */
    assert_int_equal(run.totals.failure.code, EFBIG);
    assert_string_equal(run.totals.failure.text, "scripted: File too large");
}

static void given_up(void **state) {
    (void)state;
    struct run run = {
        .script = {.error_at = 2, .error = (enum error)ENOSPC, .failures_max = UINT32_MAX}};
    start(&run);
    push_many(&run, 4);
    while (atomic_load(&run.script.troubles_seen) == 0)
        usleep(1000);
    sink_runner_abandon(run.runner);
    sink_runner_abandon(run.runner);
    push_many(&run, 96);
    end(&run);
    expect(&run, 3, 297);
    assert_int_equal(run.script.troubles, 1);
    assert_int_equal(run.script.finals, 1);
    assert_int_equal(run.script.recoveries, 0);
    assert_int_equal(run.totals.failure.code, ENOSPC);
}

static void a_reader_that_never_takes_is_given_up(void **state) {
    (void)state;
    struct run run = {
        .script = {.error_at = 1, .error = (enum error)EAGAIN, .failures_max = UINT32_MAX}};
    start(&run);
    push_many(&run, 2);
    while (atomic_load(&run.script.attempts) < 3)
        usleep(1000);
    sink_runner_abandon(run.runner);
    end(&run);
    expect(&run, 0, 6);
    assert_int_equal(run.totals.failure.code, EAGAIN);
    assert_string_equal(run.totals.failure.text, "scripted: its reader is too slow");
}

/* A sink that is well is written to the end, in a hurry too. */
static void abandoning_loses_nothing_that_can_be_written(void **state) {
    (void)state;
    struct run run = {0};
    start(&run);
    sink_runner_abandon(run.runner);
    push_many(&run, 50);
    end(&run);
    expect(&run, 150, 0);
    assert_int_equal(run.totals.failure.code, 0);
}

static void completing_waits_for_room(void **state) {
    (void)state;
    struct run run = {.script = {.finish_error = (enum error)ENOSPC, .finish_failures_max = 1}};
    start(&run);
    push_many(&run, 2);
    end(&run);
    expect(&run, 6, 0);
    assert_int_equal(run.script.finished, 2);
    assert_int_equal(run.script.troubles, 1);
    assert_int_equal(run.script.recoveries, 1);
    assert_int_equal(run.totals.failure.code, 0);
}

static void completing_fails(void **state) {
    (void)state;
    struct run run = {.script = {.finish_error = ERROR_INTERNAL, .finish_failures_max = 1}};
    start(&run);
    push_many(&run, 2);
    end(&run);
    expect(&run, 6, 0);
    assert_int_equal(run.script.finals, 1);
    assert_int_equal(run.totals.failure.code, ERROR_INTERNAL);
}

/* The reader is found gone only at the end: quiet all the same. */
static void gone_at_the_end(void **state) {
    (void)state;
    struct run run = {.script = {.finish_error = ERROR_GONE, .finish_failures_max = 1}};
    start(&run);
    end(&run);
    assert_int_equal(run.script.gone, 1);
    assert_int_equal(run.script.finals, 0);
    assert_int_equal(run.totals.failure.code, ERROR_GONE);
}

/* Ticks come without records and with them, and their errors are waited out like a write's. */
static void ticks(void **state) {
    (void)state;
    struct run run = {.script = {.tick_fails = true}};
    start(&run);
    while (atomic_load(&run.script.ticks) < 2)
        usleep(1000);
    uint64_t before = atomic_load(&run.script.ticks);
    for (uint32_t i = 0; atomic_load(&run.script.ticks) == before; i++) {
        push(&run, 0, make_batch(i));
        usleep(1000);
    }
    end(&run);
    assert_int_equal(run.totals.failure.code, 0);
    assert_int_equal(run.script.troubles, 1);
    assert_int_equal(run.script.recoveries, 1);
}

static void hooks_may_be_missing(void **state) {
    (void)state;
    struct sink_config config = {.spec = "null"};
    struct sink_runner_hooks hooks = {0};
    struct failure failure;
    struct sink *sink;
    struct sink_runner *runner;
    struct sink_totals totals;
    struct run run = {.queue = batch_queue_new(PRODUCERS, RING)};
    assert_non_null(run.queue);
    assert_int_equal(sink_open(&sink, &config, &failure), 0);
    assert_int_equal(sink_runner_start(&runner, sink, run.queue, &hooks, &failure), 0);
    push_many(&run, 20);
    for (uint32_t i = 0; i < PRODUCERS; i++)
        batch_queue_close(run.queue, i);
    sink_runner_join(runner, &totals);
    batch_queue_free(run.queue);
    assert_int_equal(totals.records_written, 60);
}

/* Two workers that push as fast as they can, as in a sweep. */
struct worker {
    struct run *run;
    uint32_t producer;
    pthread_t thread;
};

enum { EACH = 5000 };

static void *work(void *context) {
    struct worker *worker = context;
    for (uint32_t i = 0; i < EACH; i++) {
        struct batch *batch = batch_new();
        if (!batch)
            abort();
        buffer_add_text(&batch->bytes, "record\n");
        batch->records = 3;
        push(worker->run, worker->producer, batch);
    }
    batch_queue_close(worker->run->queue, worker->producer);
    return NULL;
}

static void real_workers(void **state) {
    (void)state;
    struct run run = {0};
    struct worker workers[PRODUCERS];
    start(&run);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        workers[i] = (struct worker){.run = &run, .producer = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++)
        pthread_join(workers[i].thread, NULL);
    sink_runner_join(run.runner, &run.totals);
    batch_queue_free(run.queue);
    expect(&run, PRODUCERS * EACH * 3, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_arrives),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(a_slow_sink),
        cmocka_unit_test(trouble_that_passes),
        cmocka_unit_test(slowness_is_no_trouble),
        cmocka_unit_test(the_reader_leaves),
        cmocka_unit_test(a_final_error),
        cmocka_unit_test(given_up),
        cmocka_unit_test(a_reader_that_never_takes_is_given_up),
        cmocka_unit_test(abandoning_loses_nothing_that_can_be_written),
        cmocka_unit_test(completing_waits_for_room),
        cmocka_unit_test(completing_fails),
        cmocka_unit_test(gone_at_the_end),
        cmocka_unit_test(ticks),
        cmocka_unit_test(hooks_may_be_missing),
        cmocka_unit_test(real_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
