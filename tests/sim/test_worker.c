/* A worker of the pool through simulated sweeps, with sinks that are quick, slow or stuck for a
 * while, and whose queues are soon full: every record reaches every sink once and in order, and the
 * worker ends. On one thread: the sinks have their turn while the worker waits.
 *
 *     sim.worker                    seeds 1 to SEEDS_DEFAULT
 *     sim.worker --seeds 1-10000    those
 *     sim.worker --seed 7 --trace   that one, event by event */
#include "engine/pool/worker.h"
#include "engine/probe/caps.h"
#include "tests/sim/check.h"
#include "tests/sim/play.h"
#include "tests/sim/seeds.h"
#include "tests/sim/sim_memory.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    SEEDS_DEFAULT = 800,
    SINKS_MAX = 3,
    QUEUE_BATCHES = 4,
    WAIT_MS = 8, /* the worker's, at most, while there is work */
    RECORDS_MAX = SCENARIO_TARGETS_MAX * SCENARIO_NAME_ADDRESSES_MAX,
};

struct sink {
    const struct encoder *encoder; /* NULL: only counts */
    struct batch_queue *queue;
    uint32_t records, tickets;
    uint32_t patience;      /* permille of its turns in which it takes a batch */
    uint64_t stuck_from_ns; /* it takes none until … */
    uint64_t stuck_to_ns;
    bool closed;
};

struct sweep {
    const struct scenario *scenario;
    struct sim_world world;
    struct check check;
    struct work work;
    struct worker worker;
    struct sink sinks[SINKS_MAX];
    struct field_selection fields;
    struct encoding encodings[SINKS_MAX];
    struct pool_outlet outlets[SINKS_MAX];
    uint32_t sink_count, record_count, ticket_count;
    uint64_t tickets[RECORDS_MAX]; /* in the order of the records */
};

#define MUST(sweep, condition, ...) SIM_MUST(&(sweep)->world, condition, __VA_ARGS__)

/* --- Sinks ---------------------------------------------------------------------------------- */

static uint32_t count_lines(struct slice bytes) {
    uint32_t lines = 0;

    for (size_t i = 0; i < bytes.len; i++)
        lines += bytes.ptr[i] == '\n';
    return lines;
}

static void take_batch(struct sweep *sweep, struct sink *sink, struct batch *batch) {
    size_t count;
    const uint64_t *tickets = batch_tickets(batch, &count);

    sim_note(&sweep->world, "batch", (uint64_t)(sink - sweep->sinks), batch->records, count);
    MUST(sweep, batch->records > 0, "a batch without a record");
    MUST(sweep, !sink->encoder || count_lines(buffer_slice(&batch->bytes)) == batch->records,
         "a batch has not a line for each of its %u records", batch->records);
    MUST(sweep, sink->encoder || batch->bytes.len == 0, "bytes for a sink that only counts");
    sink->records += batch->records;
    for (size_t i = 0; i < count; i++, sink->tickets++)
        MUST(sweep,
             sink->tickets < sweep->ticket_count && tickets[i] == sweep->tickets[sink->tickets],
             "ticket %" PRIu64 " out of turn", tickets[i]);
    batch_free(batch);
}

/* One look at its queue; false when there was nothing. */
static bool pop(struct sweep *sweep, struct sink *sink) {
    struct batch *batch;
    enum batch_pop popped = batch_queue_pop(sink->queue, 0, &batch);

    MUST(sweep, !sink->closed || popped == BATCH_CLOSED, "a batch behind the end");
    if (popped == BATCH_POPPED)
        take_batch(sweep, sink, batch);
    sink->closed = popped == BATCH_CLOSED;
    return popped == BATCH_POPPED;
}

/* While the worker waits. */
static void on_stepped(void *owner) {
    struct sweep *sweep = owner;
    uint64_t now_ns = sweep->world.now_ns;

    for (uint32_t i = 0; i < sweep->sink_count; i++) {
        struct sink *sink = &sweep->sinks[i];
        bool stuck = now_ns >= sink->stuck_from_ns && now_ns < sink->stuck_to_ns;
        if (!stuck && sim_chance(&sweep->world.random, sink->patience))
            pop(sweep, sink);
    }
    if (now_ns >= sweep->scenario->cancel_ns && !sweep->check.cancelled) {
        sim_note(&sweep->world, "stop", 0, 0, 0);
        sweep->check.cancelled = true;
        atomic_store(&sweep->work.stopped, true);
    }
}

static void see(void *owner, uint32_t number, const struct probe_record *record) {
    struct sweep *sweep = owner;

    MUST(sweep, number == 0 && sweep->record_count < RECORDS_MAX, "a record too many");
    check_record(&sweep->check, record);
    sweep->record_count++;
    if (record->head.ticket)
        sweep->tickets[sweep->ticket_count++] = record->head.ticket;
}

/* --- A sweep -------------------------------------------------------------------------------- */

static void make_sinks(struct sweep *sweep) {
    static const struct encoder *const ENCODERS[] = {NULL, &json_encoder};
    struct random random;
    struct failure failure;

    MUST(sweep,
         field_selection_init(&sweep->fields, &probe_record_kind, NULL, &failure) == ERROR_NONE,
         "no fields");
    random_init(&random, ~sweep->scenario->seed);
    sweep->sink_count = (uint32_t)sim_between(&random, 1, SINKS_MAX);
    for (uint32_t i = 0; i < sweep->sink_count; i++) {
        struct sink *sink = &sweep->sinks[i];
        sink->encoder = ENCODERS[random_below(&random, 2)];
        sink->queue = batch_queue_new(1, QUEUE_BATCHES);
        sink->patience = (uint32_t)sim_scaled(&random, 8, 1000);
        if (sim_chance(&random, 400)) {
            sink->stuck_from_ns = random_below(&random, 100 * SIM_MS);
            sink->stuck_to_ns = sink->stuck_from_ns + sim_scaled(&random, SIM_MS, SIM_SECOND);
        }
        sweep->encodings[i] = (struct encoding){.encoder = sink->encoder, .fields = &sweep->fields};
        sweep->outlets[i] = (struct pool_outlet){&sweep->encodings[i], sink->queue, NULL};
    }
}

static void end_sinks(struct sweep *sweep) {
    for (uint32_t i = 0; i < sweep->sink_count; i++) {
        struct sink *sink = &sweep->sinks[i];
        while (pop(sweep, sink))
            continue;
        MUST(sweep, sink->closed, "sink %u is not at the end of its stream", i);
        MUST(sweep, sink->records == sweep->record_count && sink->tickets == sweep->ticket_count,
             "sink %u got %u of %u records", i, sink->records, sweep->record_count);
        batch_queue_free(sink->queue);
    }
    field_selection_deinit(&sweep->fields);
}

static void run(struct sweep *sweep, const struct prober_settings *settings) {
    struct prober_config config = {settings, sweep->scenario->seed, worker_publish, &sweep->worker};
    struct failure failure;
    bool made = target_ring_init(&sweep->work.ring, 256);

    MUST(sweep, made && prober_open(&sweep->worker.prober, &config, &failure) == ERROR_NONE,
         "the prober cannot be opened");
    sweep->check.prober = sweep->worker.prober;
    for (uint32_t i = 0; i < sweep->scenario->target_count; i++) {
        struct target target = sweep->scenario->targets[i];
        MUST(sweep, target_ring_push(&sweep->work.ring, &target), "the work ring is full");
        check_started(&sweep->check, i);
    }
    atomic_store(&sweep->work.finished, true);
    worker_run(&sweep->worker);
    check_ended(&sweep->check);
    prober_close(sweep->worker.prober);
    target_ring_deinit(&sweep->work.ring);
}

static uint64_t play_sweep(const struct theatre *theatre, const struct scenario *scenario,
                           bool print, bool leaks) {
    uint64_t blocks = sim_memory.blocks;
    struct sweep *sweep = calloc(1, sizeof *sweep);

    sim_memory_reset();
    sweep->scenario = scenario;
    sim_world_init(&sweep->world, scenario, &theatre->pki, &sweep->check, print);
    sweep->world.stepped = on_stepped;
    sweep->world.owner = sweep;
    struct prober_settings settings = theatre_settings(theatre, scenario, &sweep->world);
    check_init(&sweep->check, &sweep->world, settings.excluded);
    sweep->check.starts_unseen = true;
    make_sinks(sweep);
    sweep->worker.work = &sweep->work;
    sweep->worker.outlets = sweep->outlets;
    sweep->worker.outlet_count = sweep->sink_count;
    sweep->worker.observer = (struct pool_observer){see, sweep};
    run(sweep, &settings);
    end_sinks(sweep);
    check_deinit(&sweep->check);
    caps_free(settings.caps);
    uint64_t trace = sweep->world.trace;
    free(sweep);
    if (leaks && sim_memory.blocks != blocks) {
        fprintf(stderr, "%" PRId64 " blocks more than before\n",
                (int64_t)(sim_memory.blocks - blocks));
        exit(1);
    }
    return trace;
}

static void try(const struct theatre *theatre, struct scenario *scenario, bool print) {
    /* Without memory for its batches a worker ends the program. */
    scenario->trouble.refuse_at = scenario->trouble.refuse_step = 0;
    scenario->trouble.scarce_from_ns = scenario->trouble.scarce_to_ns = 0;
    scenario->wait_ms = WAIT_MS;
    uint64_t trace = play_sweep(theatre, scenario, print, false);
    seeds_same_trace(scenario, trace, play_sweep(theatre, scenario, print, true));
}

int main(int count, char **words) {
    return seeds_main(count, words, SEEDS_DEFAULT, NULL, 0, try);
}
