#include "sinks/runner.h"

#include "engine/base/clock.h"
#include "engine/queue/wake.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* A batch that a kind with `take` has. */
struct flight {
    struct batch *batch;
    struct sink_delivery delivery;
};

struct sink_runner {
    struct sink *sink;
    struct batch_queue *queue;
    struct sink_runner_hooks hooks;
    pthread_t thread;
    atomic_bool abandoned;
    struct wake abandoned_wake;
    struct flight *flights; /* a ring of SINK_FLIGHTS_MAX; NULL for kinds with `write` */
    uint32_t first_flight, flight_count;
    uint64_t records_in_flight;
    bool troubled, told; /* by what `settle` said last; and the owner knows */
    struct failure trouble;
    uint64_t told_ns;
    uint64_t hurry_until_ns;   /* once the runner is abandoned */
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

/* --- Kinds that write --- */

static void write_all(struct sink_runner *runner) {
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
}

/* --- Kinds that settle later --- */

static void launch(struct sink_runner *runner, struct batch *batch) {
    uint32_t place = (runner->first_flight + runner->flight_count++) % SINK_FLIGHTS_MAX;
    struct flight *flight = &runner->flights[place];

    *flight = (struct flight){
        .batch = batch,
        .delivery = {.bytes = buffer_slice(&batch->bytes), .records = batch->records},
    };
    runner->records_in_flight += batch->records;
    runner->sink->kind->take(runner->sink, &flight->delivery);
}

static void count(struct sink_runner *runner, const struct sink_delivery *delivery) {
    struct sink_totals *totals = &runner->totals;

    totals->records_written += delivery->written;
    totals->records_refused += delivery->refused;
    totals->records_lost += delivery->records - delivery->written - delivery->refused;
    if (delivery->written == delivery->records)
        totals->bytes_written += delivery->bytes.len;
}

static void tell(struct sink_runner *runner, const struct flight *flight) {
    const struct sink_runner_hooks *hooks = &runner->hooks;
    const struct sink_delivery *delivery = &flight->delivery;

    if (delivery->refused && hooks->on_refused)
        hooks->on_refused(hooks->context, runner->sink, flight->batch, delivery->refused,
                          &delivery->failure);
    if (!delivery->refused && hooks->on_written)
        hooks->on_written(hooks->context, runner->sink, flight->batch);
}

/* Takes those that are settled from the front of the ring, or all of them when they are given up.
 */
static void land(struct sink_runner *runner, bool given_up) {
    while (runner->flight_count) {
        struct flight *flight = &runner->flights[runner->first_flight];
        const struct sink_delivery *delivery = &flight->delivery;
        if (!delivery->settled && !given_up)
            return;
        count(runner, delivery);
        if (delivery->settled)
            tell(runner, flight);
        runner->records_in_flight -= delivery->records;
        batch_free(flight->batch);
        runner->first_flight = (runner->first_flight + 1) % SINK_FLIGHTS_MAX;
        runner->flight_count--;
    }
}

/* Tells where a streak of trouble begins and ends, but not over and over of one that flickers. */
static void hear(struct sink_runner *runner, bool troubled) {
    const struct sink_runner_hooks *hooks = &runner->hooks;
    uint64_t now = clock_monotonic_ns();

    runner->troubled = troubled;
    if (troubled && !runner->told && hooks->on_trouble &&
        (!runner->told_ns || now - runner->told_ns > SINK_TROUBLE_MS * UINT64_C(1000000))) {
        hooks->on_trouble(hooks->context, &runner->trouble, false);
        runner->told = true;
        runner->told_ns = now;
    }
    if (!troubled && runner->told) {
        if (hooks->on_recovered)
            hooks->on_recovered(hooks->context);
        runner->told = false;
    }
}

static void settle(struct sink_runner *runner, uint32_t wait_ms) {
    struct sink *sink = runner->sink;
    enum error error = sink->kind->settle(sink, wait_ms, &runner->trouble);

    hear(runner, error != ERROR_NONE);
    land(runner, false);
}

/* What is not settled soon is given up: nobody can say how long it would take. */
static void settle_in_a_hurry(struct sink_runner *runner) {
    uint64_t now = clock_monotonic_ns();

    if (!runner->hurry_until_ns)
        runner->hurry_until_ns = now + SINK_PATIENCE_MS * UINT64_C(1000000);
    if (now < runner->hurry_until_ns) {
        settle(runner, (uint32_t)((runner->hurry_until_ns - now) / 1000000) + 1);
        return;
    }
    struct failure failure = runner->trouble;
    if (!runner->troubled)
        (void)failure_set(&failure, (enum error)EAGAIN, "%.200s: its reader is too slow",
                          runner->sink->spec);
    land(runner, true);
    note(runner, failure.code, &failure);
}

static bool has_room(const struct sink_runner *runner) {
    return runner->flight_count == 0 || (runner->flight_count < SINK_FLIGHTS_MAX &&
                                         runner->records_in_flight < runner->sink->window);
}

static void deliver_all(struct sink_runner *runner) {
    enum batch_pop popped = BATCH_TIMEOUT;
    struct batch *batch;

    while (popped != BATCH_CLOSED || runner->flight_count) {
        bool has_flights = runner->flight_count != 0, looks = has_room(runner);
        if (looks)
            popped = batch_queue_pop(runner->queue, has_flights ? 0 : SINK_TICK_MS, &batch);
        bool got = looks && popped == BATCH_POPPED;
        if (got && is_alive(runner)) {
            launch(runner, batch);
        } else if (got) {
            runner->totals.records_lost += batch->records;
            batch_free(batch);
        }
        if (runner->flight_count == 0)
            continue;
        if (atomic_load(&runner->abandoned))
            settle_in_a_hurry(runner);
        else
            settle(runner, got                               ? 0
                           : looks && popped != BATCH_CLOSED ? SINK_LOOK_MS
                                                             : SINK_PATIENCE_MS);
    }
}

/* --- The thread --- */

static void *run(void *context) {
    struct sink_runner *runner = context;

    if (runner->flights)
        deliver_all(runner);
    else
        write_all(runner);
    complete(runner);
    runner->totals.readers_left = runner->sink->readers_left;
    sink_close(runner->sink);
    if (runner->hooks.on_done)
        runner->hooks.on_done(runner->hooks.context);
    return NULL;
}

static void runner_free(struct sink_runner *runner) {
    free(runner->flights);
    free(runner);
}

static struct sink_runner *runner_new(const struct sink *sink) {
    struct sink_runner *runner = calloc(1, sizeof *runner);

    if (runner && sink->kind->take &&
        !(runner->flights = calloc(SINK_FLIGHTS_MAX, sizeof *runner->flights))) {
        runner_free(runner);
        return NULL;
    }
    return runner;
}

enum error sink_runner_start(struct sink_runner **out, struct sink *sink, struct batch_queue *queue,
                             const struct sink_runner_hooks *hooks, struct failure *failure) {
    struct sink_runner *runner = runner_new(sink);
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
        runner_free(runner);
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
    runner_free(runner);
}
