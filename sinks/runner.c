#include "sinks/runner.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/queue/wake.h"

#include <errno.h>
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
    uint64_t hurry_until_ns;                /* once the runner is abandoned */
    uint64_t round_ns, full_total, held_ns; /* when the round began; the queue's then; all in all */
    struct sink_totals totals;              /* the thread's own until it is joined */
};

/* The totals for those who look on. */
static void publish(const struct sink_runner *runner) {
    struct sink_statistics *statistics = runner->hooks.statistics;

    if (!statistics)
        return;
    __atomic_store_n(&statistics->taken, runner->totals.records_written, __ATOMIC_RELAXED);
    __atomic_store_n(&statistics->refused, runner->totals.records_refused, __ATOMIC_RELAXED);
    __atomic_store_n(&statistics->lost, runner->totals.records_lost, __ATOMIC_RELAXED);
    __atomic_store_n(&statistics->held_ns, runner->held_ns, __ATOMIC_RELAXED);
}

/* Called once a round: a round in which a producer found its queue full has held it back. */
static void note_round(struct sink_runner *runner) {
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t full_total = batch_queue_metrics(runner->queue).full_total;

    if (full_total != runner->full_total)
        runner->held_ns += now_ns - runner->round_ns;
    runner->full_total = full_total;
    runner->round_ns = now_ns;
    publish(runner);
}

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
        runner->sink->hurry = abandoned;
        enum error error = attempt(runner->sink, operation, failure);
        bool slow = error == (enum error)EAGAIN;
        if (!error && troubled && hooks->on_recovered)
            hooks->on_recovered(hooks->context);
        if (abandoned && slow && runner->sink->spool)
            return ERROR_NONE; /* what is left is on disk */
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
            runner->totals.records_left_out += batch->left_out;
            take_batch(runner, batch);
            batch_free(batch);
        }
        note_round(runner);
        uint64_t now = runner->round_ns;
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
    if (batch->bytes.len == 0) { /* the filter left nothing but tickets */
        flight->delivery.settled = true;
        flight->delivery.written = batch->records;
    }
    runner->records_in_flight += batch->records;
    if (!flight->delivery.settled)
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

    sink->hurry = atomic_load(&runner->abandoned);
    enum error error = sink->kind->settle(sink, wait_ms, &runner->trouble);

    hear(runner, error != ERROR_NONE);
    land(runner, false);
}

/* What is not settled soon is given up: nobody can say how long it would take. */
static void settle_in_a_hurry(struct sink_runner *runner) {
    uint64_t now = clock_monotonic_ns();

    if (!runner->hurry_until_ns)
        runner->hurry_until_ns = now + SINK_PATIENCE_MS * UINT64_C(1000000);
    bool in_time = now < runner->hurry_until_ns;
    if (in_time || runner->sink->spool) /* what has just come can be kept all the same */
        settle(runner, in_time ? (uint32_t)((runner->hurry_until_ns - now) / 1000000) + 1 : 0);
    if (in_time || runner->flight_count == 0)
        return;
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

/* The next batch, when there is room for one. A sink that keeps what waits has work of its own. */
static enum batch_pop take_next(struct sink_runner *runner, struct batch **batch) {
    bool idle = runner->flight_count == 0 && !runner->sink->busy;
    enum batch_pop popped = batch_queue_pop(runner->queue, idle ? SINK_TICK_MS : 0, batch);

    if (popped != BATCH_POPPED)
        return popped;
    runner->totals.records_left_out += (*batch)->left_out;
    if (is_alive(runner)) {
        launch(runner, *batch);
    } else {
        runner->totals.records_lost += (*batch)->records;
        batch_free(*batch);
    }
    return popped;
}

static void deliver_all(struct sink_runner *runner) {
    enum batch_pop popped = BATCH_TIMEOUT;
    struct batch *batch;

    while (popped != BATCH_CLOSED || runner->flight_count) {
        bool looks = has_room(runner);
        if (looks)
            popped = take_next(runner, &batch);
        note_round(runner);
        if (runner->flight_count == 0 && !runner->sink->spool)
            continue;
        if (runner->flight_count && atomic_load(&runner->abandoned))
            settle_in_a_hurry(runner);
        else
            settle(runner, looks && popped == BATCH_POPPED   ? 0
                           : looks && popped != BATCH_CLOSED ? SINK_LOOK_MS
                                                             : SINK_PATIENCE_MS);
    }
}

/* --- The thread --- */

static void *run(void *context) {
    struct sink_runner *runner = context;

    runner->round_ns = clock_monotonic_ns();
    if (runner->flights)
        deliver_all(runner);
    else
        write_all(runner);
    complete(runner);
    publish(runner);
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
    enum error error = thread_start(&runner->thread, "sink", run, runner, failure);
    if (error != ERROR_NONE) {
        runner_free(runner);
        return error;
    }
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
