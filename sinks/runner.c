#include "sinks/runner.h"

#include "engine/base/clock.h"
#include "engine/queue/wake.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct sink_runner {
    struct sink *sink;
    struct batch_queue *queue;
    struct sink_runner_hooks hooks;
    pthread_t thread;
    atomic_bool abandoned;
    struct wake abandoned_wake;
    struct sink_totals totals; /* the thread's own until it is joined */
};

/* One of the calls that can be repeated. */
struct operation {
    enum { WRITE, TICK, FINISH } kind;
    const struct batch *batch; /* WRITE */
};

static enum error attempt(struct sink *sink, const struct operation *operation,
                          struct failure *failure) {
    switch (operation->kind) {
    case WRITE:
        return sink->kind->write(sink, buffer_slice(&operation->batch->bytes),
                                 operation->batch->records, failure);
    case TICK:
        return sink->kind->tick(sink, failure);
    case FINISH:
        return sink->kind->finish(sink, failure);
    }
    return ERROR_INTERNAL;
}

/* Ends early when the runner is abandoned. */
static void wait_for_retry(struct sink_runner *runner) {
    uint64_t now = clock_monotonic_ns(), until = now + SINK_RETRY_MS * UINT64_C(1000000);
    for (; now < until; now = clock_monotonic_ns()) {
        uint32_t ticket = wake_ticket(&runner->abandoned_wake);
        if (atomic_load(&runner->abandoned))
            return;
        wake_wait(&runner->abandoned_wake, ticket, (uint32_t)((until - now) / 1000000) + 1);
    }
}

/* Repeats an operation until it succeeds, fails for good, or is given up. */
static enum error persist(struct sink_runner *runner, const struct operation *operation,
                          struct failure *failure) {
    const struct sink_runner_hooks *hooks = &runner->hooks;
    bool troubled = false;
    for (;;) {
        /* Read first: the last attempt comes after the order to give up. */
        bool abandoned = atomic_load(&runner->abandoned);
        enum error error = attempt(runner->sink, operation, failure);
        bool slow = error == (enum error)EAGAIN;
        if (!error && troubled && hooks->on_recovered)
            hooks->on_recovered(hooks->context);
        if (abandoned && slow)
            return failure_set(failure, error, "%.200s: its reader is too slow",
                               runner->sink->spec);
        if (abandoned || (!slow && !sink_error_passes(error)))
            return error;
        if (slow)
            continue;
        if (!troubled && hooks->on_trouble)
            hooks->on_trouble(hooks->context, failure, false);
        troubled = true;
        wait_for_retry(runner);
    }
}

/* Remembers the first error that ended the sink, and tells the owner. */
static void note(struct sink_runner *runner, enum error error, const struct failure *failure) {
    const struct sink_runner_hooks *hooks = &runner->hooks;
    if (!error || runner->totals.failure.code)
        return;
    if (error == ERROR_GONE) {
        runner->totals.failure.code = ERROR_GONE;
        if (hooks->on_gone)
            hooks->on_gone(hooks->context);
        return;
    }
    runner->totals.failure = *failure;
    runner->totals.failure.code = error;
    if (hooks->on_trouble)
        hooks->on_trouble(hooks->context, &runner->totals.failure, true);
}

static bool is_alive(const struct sink_runner *runner) {
    return runner->totals.failure.code == ERROR_NONE;
}

static void run_operation(struct sink_runner *runner, struct operation operation) {
    struct failure failure = {0};
    note(runner, persist(runner, &operation, &failure), &failure);
}

static void take_batch(struct sink_runner *runner, const struct batch *batch) {
    struct sink_totals *totals = &runner->totals;
    if (is_alive(runner))
        run_operation(runner, (struct operation){WRITE, batch});
    if (is_alive(runner)) {
        totals->records_written += batch->records;
        totals->bytes_written += batch->bytes.len;
        if (runner->hooks.on_written)
            runner->hooks.on_written(runner->hooks.context, runner->sink, batch);
    } else {
        totals->records_lost += batch->records;
    }
}

/* A sink that died may still put in order what it has, but nothing waits for it any more. */
static void complete(struct sink_runner *runner) {
    const struct operation finish = {.kind = FINISH};
    struct failure ignored;
    if (is_alive(runner))
        run_operation(runner, finish);
    else if (runner->totals.failure.code != ERROR_GONE)
        (void)attempt(runner->sink, &finish, &ignored);
}

static void *run(void *context) {
    struct sink_runner *runner = context;
    const uint64_t interval = SINK_TICK_MS * UINT64_C(1000000);
    uint64_t next_tick = clock_monotonic_ns() + interval;
    for (;;) {
        struct batch *batch;
        enum batch_pop popped = batch_queue_pop(runner->queue, SINK_TICK_MS, &batch);
        if (popped == BATCH_CLOSED)
            break;
        if (popped == BATCH_POPPED) {
            take_batch(runner, batch);
            batch_free(batch);
        }
        uint64_t now = clock_monotonic_ns();
        if (now >= next_tick && is_alive(runner)) {
            run_operation(runner, (struct operation){.kind = TICK});
            next_tick = clock_monotonic_ns() + interval;
        }
    }
    complete(runner);
    sink_close(runner->sink);
    if (runner->hooks.on_done)
        runner->hooks.on_done(runner->hooks.context);
    return NULL;
}

enum error sink_runner_start(struct sink_runner **out, struct sink *sink, struct batch_queue *queue,
                             const struct sink_runner_hooks *hooks, struct failure *failure) {
    struct sink_runner *runner = calloc(1, sizeof *runner);
    if (!runner)
        return failure_set(failure, ERROR_MEMORY, "no memory for the output %.200s", sink->spec);
    runner->sink = sink;
    runner->queue = queue;
    runner->hooks = *hooks;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&runner->thread, NULL, run, runner);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        free(runner);
        return failure_set(failure, (enum error)result, "cannot start a thread for %.200s: %s",
                           sink->spec, error_text((enum error)result));
    }
    pthread_setname_np(runner->thread, "sink");
    *out = runner;
    return ERROR_NONE;
}

void sink_runner_abandon(struct sink_runner *runner) {
    atomic_store(&runner->abandoned, true);
    wake_signal(&runner->abandoned_wake);
}

void sink_runner_join(struct sink_runner *runner, struct sink_totals *totals) {
    pthread_join(runner->thread, NULL);
    *totals = runner->totals;
    free(runner);
}
