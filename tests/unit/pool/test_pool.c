/* The workers on a network that refuses everything: targets in = records out, whatever the sinks
 * do and whenever it is stopped. */
#include "engine/pool/pool.h"
#include "engine/probe/local_chain.h"
#include "tests/unit/pool/fake_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { OUTLETS = 2, RING = 4, SLOTS = 16, RECORD_BYTES = 1024 };

static struct failure failure;

/* --- A sink --- */

/* Records as their tickets, with so much behind them that a few fill a batch. */
static void encode_ticket(const struct encoding *encoding, const struct record *record,
                          struct buffer *out) {
    static const char filler[RECORD_BYTES - sizeof(uint64_t)];
    (void)encoding;
    buffer_add(out, &record->ticket, sizeof record->ticket);
    buffer_add(out, filler, sizeof filler);
}

static const struct encoder ticket_encoder = {.name = "tickets", .encode = encode_ticket};

/* Counts, by ticket, what comes out of one queue. */
struct drain {
    struct encoding encoding;
    struct batch_queue *queue;
    pthread_t thread;
    uint64_t targets;
    uint32_t *seen; /* of each ticket; [0]: of records without one */
    uint64_t records, noted;
    bool wrong;
    _Atomic bool held; /* takes nothing meanwhile */
};

static void take_in(struct drain *drain, const struct batch *batch) {
    size_t count, with_ticket = 0;
    const uint64_t *tickets = batch_tickets(batch, &count);
    drain->records += batch->records;
    drain->noted += count;
    drain->wrong |= batch->bytes.len != (size_t)batch->records * RECORD_BYTES;
    for (size_t at = 0; at < batch->bytes.len; at += RECORD_BYTES) {
        uint64_t ticket;
        memcpy(&ticket, batch->bytes.ptr + at, sizeof ticket);
        if (ticket > drain->targets) {
            drain->wrong = true;
            continue;
        }
        drain->seen[ticket]++;
        if (ticket)
            drain->wrong |= with_ticket >= count || tickets[with_ticket++] != ticket;
    }
    drain->wrong |= with_ticket != count;
}

static void *run_drain(void *owner) {
    struct drain *drain = owner;
    for (;;) {
        struct batch *batch;
        if (atomic_load(&drain->held)) {
            usleep(1000);
            continue;
        }
        enum batch_pop popped = batch_queue_pop(drain->queue, 100, &batch);
        if (popped == BATCH_CLOSED)
            return NULL;
        if (popped == BATCH_POPPED) {
            take_in(drain, batch);
            batch_free(batch);
        }
    }
}

/* --- A run --- */

struct run {
    struct fake_net net;
    uint32_t workers, slots;
    uint64_t targets;
    struct pool_observer observer;
    bool held;                /* the sinks take nothing at first */
    bool until_stopped;       /* the submitting thread stays until then */
    uint64_t files;           /* every so many targets one that is of a file; 0: none */
    _Atomic size_t in_flight; /* bytes of those */

    struct pool *pool;
    struct drain drains[OUTLETS];
    struct pool_outlet outlets[OUTLETS];
    pthread_t submitter;
    _Atomic uint64_t accepted;
    _Atomic bool refused; /* a submit was told that it is stopped */
    struct pool_statistics statistics;
};

static struct pool_config config_of(struct run *run) {
    return (struct pool_config){
        .workers = run->workers,
        .probe = {.io = &fake_backend,
                  .io_context = &run->net,
                  .plan = PLAN_GRAB,
                  .slots = run->slots ? run->slots : SLOTS,
                  .conversations = 1,
                  .dns_timeout_ms = 1000,
                  .connect_timeout_ms = 3600000,
                  .handshake_timeout_ms = 3600000,
                  .total_timeout_ms = 3600000,
                  .policy = judge_policy_default()},
        .outlets = run->outlets,
        .outlet_count = OUTLETS,
        .observer = run->observer,
    };
}

static void start(struct run *run) {
    for (uint32_t i = 0; i < OUTLETS; i++) {
        struct drain *drain = &run->drains[i];
        drain->encoding.encoder = &ticket_encoder;
        drain->queue = batch_queue_new(run->workers, RING);
        drain->targets = run->targets;
        drain->seen = calloc(run->targets + 1, sizeof *drain->seen);
        assert_true(drain->queue && drain->seen);
        atomic_store(&drain->held, run->held);
        run->outlets[i] = (struct pool_outlet){&drain->encoding, drain->queue, NULL};
    }
    struct pool_config config = config_of(run);
    if (pool_start(&run->pool, &config, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    for (uint32_t i = 0; i < OUTLETS; i++)
        assert_int_equal(pthread_create(&run->drains[i].thread, NULL, run_drain, &run->drains[i]),
                         0);
}

/* Of the same outcome as the others: a file, of which nobody but the worker that tells of it frees
 * anything. */
static struct local_chain *file_of(struct run *run, uint64_t ticket) {
    if (!run->files || ticket % run->files)
        return NULL;
    struct local_chain *chain =
        local_chain_new_failed(slice_of("/file.pem"), OUTCOME_REFUSED, slice_of("refused"));
    assert_non_null(chain);
    chain->in_flight = &run->in_flight;
    atomic_fetch_add(&run->in_flight, chain->bytes);
    return chain;
}

static void *submit_all(void *owner) {
    struct run *run = owner;
    for (uint64_t ticket = 1; ticket <= run->targets; ticket++) {
        struct target target = {.ticket = ticket, .port = 443};
        target.address.family = ADDRESS_V4;
        memcpy(target.address.bytes, &ticket, 4);
        target.local = file_of(run, ticket);
        if (pool_submit(run->pool, &target) != ERROR_NONE) {
            local_chain_free(target.local);
            atomic_store(&run->refused, true);
            break;
        }
        atomic_fetch_add(&run->accepted, 1);
    }
    while (run->until_stopped && !pool_is_stopped(run->pool))
        usleep(100);
    pool_finish(run->pool);
    return NULL;
}

static void submit(struct run *run) {
    assert_int_equal(pthread_create(&run->submitter, NULL, submit_all, run), 0);
}

/* Waits for the end, and checks what holds for every run. */
static void end(struct run *run) {
    pthread_join(run->submitter, NULL);
    pool_join(run->pool);
    pool_statistics(run->pool, &run->statistics);
    pool_free(run->pool);
    const struct prober_statistics *probe = &run->statistics.probe;
    uint64_t cancelled = probe->outcomes[OUTCOME_CANCELLED], accepted = run->accepted;
    for (uint32_t i = 0; i < OUTLETS; i++) {
        struct drain *drain = &run->drains[i];
        pthread_join(drain->thread, NULL);
        batch_queue_free(drain->queue);
        assert_false(drain->wrong);
        assert_int_equal(drain->records, accepted);
        assert_int_equal(drain->noted, accepted - cancelled);
        assert_int_equal(drain->seen[0], cancelled); /* still to be done by who goes on */
        for (uint64_t ticket = 1; ticket <= run->targets; ticket++)
            if (drain->seen[ticket] > 1 || (ticket > accepted && drain->seen[ticket]))
                fail_msg("ticket %llu: %u records", (unsigned long long)ticket,
                         drain->seen[ticket]);
        free(drain->seen);
    }
    assert_int_equal(run->statistics.targets_submitted, accepted);
    assert_int_equal(probe->started, accepted);
    assert_int_equal(probe->finished, accepted);
    assert_int_equal(probe->outcomes[OUTCOME_REFUSED] + cancelled, accepted);
    assert_int_equal(probe->further, 0);
    assert_int_equal(probe->busy, 0);
    assert_int_equal(run->net.sockets, 0);
    assert_int_equal(run->net.open, 0);
    assert_int_equal(run->in_flight, 0);
}

/* --- Targets in = records out --- */

static void every_target_gives_a_record(void **state) {
    (void)state;
    static const uint32_t counts[] = {1, 2, 8};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct run run = {.workers = counts[i], .targets = 20000, .net = {.closes_later = i == 1}};
        start(&run);
        submit(&run);
        end(&run);
        assert_int_equal(run.accepted, run.targets);
        assert_int_equal(run.statistics.probe.outcomes[OUTCOME_REFUSED], run.targets);
        assert_int_equal(run.statistics.probe.connections, run.targets);
        assert_int_equal(run.net.connects, run.targets);
        assert_in_range(run.net.sockets_max, 1, counts[i] * SLOTS);
    }
}

static void files_among_servers(void **state) {
    (void)state;
    static const uint32_t every[] = {1, 2, 1000};
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) {
        struct run run = {.workers = 2, .targets = 10000, .files = every[i]};
        start(&run);
        submit(&run);
        end(&run);
        assert_int_equal(run.accepted, run.targets);
        assert_int_equal(run.net.connects, run.targets - run.targets / every[i]);
    }
}

static void none_at_all(void **state) {
    (void)state;
    struct run run = {.workers = 3};
    start(&run);
    submit(&run);
    end(&run);
    assert_int_equal(run.accepted, 0);
}

static void one_by_one(void **state) {
    (void)state;
    struct run run = {.workers = 2, .slots = 1, .targets = 100};
    start(&run);
    submit(&run);
    end(&run);
    assert_int_equal(run.accepted, 100);
    assert_in_range(run.net.sockets_max, 1, 2);
}

/* --- Stop --- */

static void wait_for_connects(struct run *run, uint64_t count) {
    while (atomic_load(&run->net.connects) < count)
        usleep(200);
}

/* In flight, in the ring, and not yet taken: the first two become records, the third is refused. */
static void stopped_in_the_midst(void **state) {
    (void)state;
    static const uint32_t counts[] = {1, 2, 8};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct run run = {.workers = counts[i],
                          .targets = 1000000,
                          .net = {.silent = true, .closes_later = i == 2}};
        start(&run);
        submit(&run);
        wait_for_connects(&run, counts[i] * SLOTS);
        assert_false(pool_is_stopped(run.pool));
        pool_stop(run.pool);
        pool_stop(run.pool);
        assert_true(pool_is_stopped(run.pool));
        end(&run);
        assert_true(run.refused);
        assert_true(run.accepted >= counts[i] * SLOTS && run.accepted < run.targets);
        assert_int_equal(run.statistics.probe.outcomes[OUTCOME_CANCELLED], run.accepted);
        assert_int_equal(run.net.connects, counts[i] * SLOTS);
    }
}

static void *stop_now(void *pool) {
    pool_stop(pool);
    return NULL;
}

/* Whatever it is doing at that moment. Threads that stop and submit race. */
static void stopped_at_any_moment(void **state) {
    (void)state;
    enum { RUNS = 400 };
    for (uint32_t i = 0; i < RUNS; i++) {
        struct run run = {.workers = 1 + i % 3,
                          .targets = 100000,
                          .files = i % 4 ? 3 : 0,
                          .net = {.closes_later = i & 1}};
        pthread_t stopper;
        start(&run);
        submit(&run);
        wait_for_connects(&run, i * i % 1500);
        assert_int_equal(pthread_create(&stopper, NULL, stop_now, run.pool), 0);
        pool_stop(run.pool);
        pthread_join(stopper, NULL);
        end(&run);
        assert_true(run.refused || run.accepted == run.targets);
    }
}

/* --- Stopped in the middle of a submit --- */

/* The submitting thread is held by a signal wherever it is, while the workers end. */
static int held[2], released[2]; /* pipes: a byte when it is held, a byte to go on */

static void hold(int number) {
    char byte = (char)number;
    ssize_t len = write(held[1], &byte, 1);
    while (len == 1 && read(released[0], &byte, 1) != 1)
        continue;
}

static void stopped_while_it_submits(void **state) {
    (void)state;
    enum { RUNS = 200, TIME_TO_END_MS = 5 };
    char byte = 0;
    struct sigaction action = {.sa_handler = hold}, before;
    assert_true(pipe(held) == 0 && pipe(released) == 0);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    for (uint32_t i = 0; i < RUNS; i++) {
        struct run run = {.workers = 1, .targets = 100000, .until_stopped = true};
        start(&run);
        submit(&run);
        wait_for_connects(&run, 1 + i);
        assert_int_equal(pthread_kill(run.submitter, SIGUSR1), 0);
        assert_int_equal(read(held[0], &byte, 1), 1);
        pool_stop(run.pool);
        usleep(TIME_TO_END_MS * 1000); /* a worker that would leave it behind can do so */
        assert_int_equal(write(released[1], &byte, 1), 1);
        end(&run);
    }
    sigaction(SIGUSR1, &before, NULL);
    for (int i = 0; i < 2; i++) {
        close(held[i]);
        close(released[i]);
    }
}

static void stopped_before_anything(void **state) {
    (void)state;
    struct run run = {.workers = 2, .targets = 10};
    start(&run);
    pool_stop(run.pool);
    submit(&run);
    end(&run);
    assert_int_equal(run.accepted, 0);
    assert_true(run.refused);
}

/* --- A sink that takes nothing --- */

/* What may be taken of the sources while no sink takes a record: what fits into the rings, and what
 * a worker does between two looks. */
static uint64_t taken_at_most(const struct run *run) {
    const uint64_t of_batch = 65536 / RECORD_BYTES + 1, at_once = 256;
    return 2048 + run->workers * (of_batch * (RING - 1 + 2) + SLOTS + at_once);
}

static void a_full_queue_stops_the_intake(void **state) {
    (void)state;
    for (int stop = 0; stop < 2; stop++) {
        struct run run = {.workers = 2, .targets = 100000, .held = true};
        start(&run);
        submit(&run);
        struct batch_queue *queue = run.drains[0].queue;
        for (uint32_t full = 0; full < 100;) { /* both workers find it full again and again */
            struct batch_queue_metrics metrics = batch_queue_metrics(queue);
            full = metrics.waiting == metrics.capacity && metrics.full_total > 100 ? full + 1 : 0;
            usleep(1000);
        }
        uint64_t accepted = atomic_load(&run.accepted);
        assert_in_range(accepted, 2, taken_at_most(&run));
        if (stop)
            pool_stop(run.pool);
        for (uint32_t i = 0; i < OUTLETS; i++)
            atomic_store(&run.drains[i].held, false);
        end(&run);
        if (!stop)
            assert_int_equal(run.accepted, run.targets);
    }
}

/* One sink that is slow holds the other back, too, but never loses a record of it. */
static void one_of_two_is_held(void **state) {
    (void)state;
    struct run run = {.workers = 2, .targets = 50000, .held = true};
    start(&run);
    atomic_store(&run.drains[0].held, false);
    submit(&run);
    while (batch_queue_metrics(run.drains[1].queue).full_total < 100)
        usleep(1000);
    assert_in_range(atomic_load(&run.accepted), 2, taken_at_most(&run));
    atomic_store(&run.drains[1].held, false);
    end(&run);
    assert_int_equal(run.accepted, run.targets);
}

/* --- The observer --- */

enum { OBSERVED_WORKERS = 3 };

struct observed {
    struct {
        uint64_t records, tickets;
        pthread_t thread;
        bool other_thread, wrong;
    } workers[OBSERVED_WORKERS];
    _Atomic bool wrong_worker;
};

static void see(void *owner, uint32_t worker, const struct probe_record *record) {
    struct observed *observed = owner;
    if (worker >= OBSERVED_WORKERS) {
        atomic_store(&observed->wrong_worker, true);
        return;
    }
    if (observed->workers[worker].records++ == 0)
        observed->workers[worker].thread = pthread_self();
    observed->workers[worker].other_thread |=
        !pthread_equal(observed->workers[worker].thread, pthread_self());
    observed->workers[worker].tickets += record->head.ticket;
    observed->workers[worker].wrong |= record->outcome != OUTCOME_REFUSED || record->port != 443;
}

static void an_observer_sees_all(void **state) {
    (void)state;
    struct observed observed = {0};
    struct run run = {.workers = OBSERVED_WORKERS, .targets = 30000, .observer = {see, &observed}};
    uint64_t records = 0, tickets = 0;
    start(&run);
    submit(&run);
    end(&run);
    for (uint32_t i = 0; i < OBSERVED_WORKERS; i++) {
        records += observed.workers[i].records;
        tickets += observed.workers[i].tickets;
        assert_false(observed.workers[i].other_thread);
        assert_false(observed.workers[i].wrong);
    }
    assert_false(observed.wrong_worker);
    assert_int_equal(records, run.targets);
    assert_int_equal(tickets, run.targets * (run.targets + 1) / 2);
}

/* --- Start --- */

static void what_cannot_be_opened_leaves_nothing(void **state) {
    (void)state;
    for (uint32_t opens = 1; opens < 4; opens++) {
        struct run run = {.workers = 4, .net = {.opens_max = opens}};
        struct pool_config config = config_of(&run);
        struct pool *pool = NULL;
        config.outlet_count = 0;
        assert_int_equal(pool_start(&pool, &config, &failure), ERROR_LIMIT);
        assert_string_equal(failure.text, "no more loops");
        assert_null(pool);
        assert_int_equal(run.net.open, 0);
    }
}

static void default_workers(void **state) {
    (void)state;
    assert_in_range(pool_default_workers(), 1, sysconf(_SC_NPROCESSORS_ONLN));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_target_gives_a_record),
        cmocka_unit_test(files_among_servers),
        cmocka_unit_test(none_at_all),
        cmocka_unit_test(one_by_one),
        cmocka_unit_test(stopped_in_the_midst),
        cmocka_unit_test(stopped_at_any_moment),
        cmocka_unit_test(stopped_while_it_submits),
        cmocka_unit_test(stopped_before_anything),
        cmocka_unit_test(a_full_queue_stops_the_intake),
        cmocka_unit_test(one_of_two_is_held),
        cmocka_unit_test(an_observer_sees_all),
        cmocka_unit_test(what_cannot_be_opened_leaves_nothing),
        cmocka_unit_test(default_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
