#include "tools/fleet/run_internal.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    PARCEL_BATCHES = 16, /* of each worker of the pool, on their way to the courier */
    AT_ONCE_MAX = 16,    /* shards that it asks for, so that others have theirs */
    DOUBLING_MS = 400,
    DOUBLINGS_MAX = 20,
    MEASURE_MS = 500, /* between two looks at how fast it goes */
};

/* ---------------------------------------------------------------------------------------------
 * Beginning and end
 * ------------------------------------------------------------------------------------------- */

static void wake_feeder(void *owner) {
    wake_signal(&((struct run *)owner)->wake);
}

static enum error start_pool(struct run *run, struct failure *failure) {
    struct pool_config config = {
        .workers = run->config.workers,
        .probe = run->config.probe,
        .outlets = &run->outlet,
        .outlet_count = 1,
    };

    run->outlet = (struct pool_outlet){.encoding = &run->encoding.head, .queue = run->parcels};
    config.probe.run = run->config.job->run;
    config.probe.pace_ns = &run->pace_ns;
    return pool_start(&run->pool, &config, failure);
}

static enum error start(struct run *run, struct failure *failure) {
    const struct run_config *config = &run->config;
    char client[64];
    enum error error = parcel_encoding_init(&run->encoding, config->options, failure);

    if (error)
        return error;
    run->parcels = batch_queue_new(config->workers, PARCEL_BATCHES);
    if (!run->parcels)
        return failure_set(failure, ERROR_MEMORY, "no memory for records");
    snprintf(client, sizeof client, "trawl worker %.40s", config->worker);
    if ((error = fleet_open_again(&run->fleet, config->fleet, client, failure)) ||
        (error = start_pool(run, failure)) ||
        (error = thread_start(&run->courier, "courier", run_courier, run, failure)))
        return error;
    run->courier_started = true;
    error = thread_start(&run->feeder, "feeder", run_feeder, run, failure);
    run->feeder_started = !error;
    return error;
}

enum error run_start(struct run **out, const struct run_config *config, struct failure *failure) {
    struct run *run = calloc(1, sizeof *run);

    *out = NULL;
    if (!run)
        return failure_set(failure, ERROR_MEMORY, "no memory for a job");
    run->config = *config;
    run->capacity = (uint64_t)config->probe.slots * config->workers;
    atomic_store(&run->share, UINT32_MAX);
    atomic_store(&run->pace_ns, config->probe.connect_interval_ns);
    mailbox_init(&run->intakes, wake_feeder, run);
    mailbox_init(&run->letters, NULL, NULL);
    mailbox_init(&run->done, NULL, NULL);
    enum error error = start(run, failure);
    if (error) {
        run_finish(run, true);
        run_close(run);
        return error;
    }
    *out = run;
    return ERROR_NONE;
}

void run_finish(struct run *run, bool now) {
    if (now) {
        atomic_store(&run->stopped, true);
        if (run->pool)
            pool_stop(run->pool);
    }
    atomic_store(&run->finishing, true);
    wake_signal(&run->wake);
}

void run_fail(struct run *run, const struct failure *failure) {
    if (!atomic_exchange(&run->stopped, true))
        run->config.on_trouble(run->config.owner, failure, true);
    run_finish(run, true);
}

void run_fail_memory(struct run *run) {
    struct failure failure;

    (void)failure_set(&failure, ERROR_MEMORY, "no memory for the pages of a shard");
    run_fail(run, &failure);
}

bool run_is_over(struct run *run) {
    bool over = atomic_load(&run->over); /* before the look at what it has left */

    if (!run->taken)
        run->taken = mailbox_take_all(&run->done);
    return over && !run->taken;
}

void run_free_intake(struct intake *intake) {
    buffer_deinit(&intake->body);
    free(intake);
}

void run_free_piece(struct piece *piece) {
    assembly_free(piece->assembly);
    free(piece);
}

/* What nobody has taken. */
static void empty_mailboxes(struct run *run) {
    struct mailbox_entry *entry, *next;

    for (entry = mailbox_take_all(&run->intakes); entry; entry = next) {
        next = entry->next;
        run_free_intake((struct intake *)entry);
    }
    for (entry = mailbox_take_all(&run->letters); entry; entry = next) {
        next = entry->next;
        if (((struct letter *)entry)->kind == LETTER_PIECE)
            run_free_piece((struct piece *)entry);
        else
            free(entry);
    }
    for (bool stored; run_take_done(run, &stored);)
        ;
}

void run_close(struct run *run) {
    if (!run)
        return;
    if (run->feeder_started)
        pthread_join(run->feeder, NULL);
    if (run->pool)
        pool_join(run->pool);
    if (run->courier_started)
        pthread_join(run->courier, NULL);
    if (run->pool)
        pool_free(run->pool);
    empty_mailboxes(run);
    mailbox_deinit(&run->intakes);
    mailbox_deinit(&run->letters);
    mailbox_deinit(&run->done);
    fleet_close(run->fleet);
    batch_queue_free(run->parcels);
    parcel_encoding_deinit(&run->encoding);
    free(run);
}

/* ---------------------------------------------------------------------------------------------
 * Shards in and out
 * ------------------------------------------------------------------------------------------- */

/* What it begins in a second lies ready. But it takes one shard first, and has at most twice as
 * many a moment later, or as were done so far, so that the first worker to ask does not take a
 * small job alone. */
uint32_t run_shards_wanted(const struct run_pace *pace) {
    uint64_t doublings = pace->age_ms / DOUBLING_MS, ahead = pace->a_second + 1;
    uint64_t window =
        ((uint64_t)pace->shard << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX)) +
        pace->done;

    if (pace->left >= ahead || pace->in_hand >= window)
        return 0;
    uint64_t missing = ahead - pace->left, room = window - pace->in_hand;
    uint64_t wanted = ((missing < room ? missing : room) + pace->shard - 1) / pace->shard;
    return wanted < AT_ONCE_MAX ? (uint32_t)wanted : AT_ONCE_MAX;
}

static void measure(struct run *run, uint64_t now_ns, uint64_t begun) {
    uint64_t span_ns = now_ns - run->measured_ns;

    if (span_ns < MEASURE_MS * UINT64_C(1000000))
        return;
    run->a_second = (begun - run->begun_then) * UINT64_C(1000000000) / span_ns;
    run->measured_ns = now_ns;
    run->begun_then = begun;
}

uint32_t run_wants(struct run *run) {
    uint64_t now_ns = clock_monotonic_ns();
    struct pool_statistics pool;

    if (atomic_load(&run->finishing))
        return 0;
    pool_statistics(run->pool, &pool);
    uint64_t begun = pool.probe.started + atomic_load(&run->targets_left_out);
    uint64_t done = atomic_load_explicit(&run->targets_done, memory_order_relaxed);
    measure(run, now_ns, begun);
    struct run_pace pace = {
        .left = run->targets_given > begun ? run->targets_given - begun : 0,
        .in_hand = run->targets_given - done,
        .done = done,
        .a_second = run->a_second,
        .age_ms = run->first_ns ? (now_ns - run->first_ns) / UINT64_C(1000000) : 0,
        .shard = run->shard_targets ? run->shard_targets : PAGE_TARGETS,
    };
    uint32_t wanted = run_shards_wanted(&pace), room = RUN_SHARDS_MAX - run->shards_in_hand;
    return wanted < room ? wanted : room;
}

static struct intake *new_intake(struct slice body) {
    struct intake *intake = calloc(1, sizeof *intake);

    if (!intake)
        return NULL;
    buffer_add_slice(&intake->body, body);
    if (intake->body.failed) {
        run_free_intake(intake);
        return NULL;
    }
    return intake;
}

enum error run_give(struct run *run, struct slice body, bool probed, void *token,
                    struct failure *failure) {
    struct intake *intake = new_intake(body);
    struct piece *piece = calloc(1, sizeof *piece);
    enum error error = ERROR_MEMORY;

    if (intake && piece)
        error = shard_read(&intake->reader, buffer_slice(&intake->body), failure);
    else
        (void)failure_set(failure, ERROR_MEMORY, "no memory for a shard");
    if (error) {
        if (intake)
            run_free_intake(intake);
        free(piece);
        return error;
    }
    intake->probed = probed;
    piece->letter.kind = LETTER_PIECE;
    piece->token = token;
    piece->first = intake->reader.first;
    piece->count = intake->reader.count;
    piece->attempt = intake->reader.attempt;
    run->shards_in_hand++;
    if (!run->first_ns)
        run->first_ns = run->measured_ns = clock_monotonic_ns();
    run->shard_targets = piece->count;
    run->targets_given += piece->count;
    mailbox_put(&run->letters,
                &piece->letter.entry); /* before anything of it comes from the pool */
    mailbox_put(&run->intakes, &intake->entry);
    return ERROR_NONE;
}

void *run_take_done(struct run *run, bool *stored) {
    if (!run->taken)
        run->taken = mailbox_take_all(&run->done);
    struct piece *piece = (struct piece *)run->taken;
    if (!piece)
        return NULL;
    void *token = piece->token;
    *stored = piece->stored;
    run->taken = run->taken->next;
    run->shards_in_hand--;
    run_free_piece(piece);
    return token;
}

void run_set_share(struct run *run, uint32_t targets, uint64_t connect_interval_ns) {
    uint64_t own_ns = run->config.probe.connect_interval_ns;

    atomic_store_explicit(&run->share, targets, memory_order_relaxed);
    atomic_store_explicit(&run->pace_ns,
                          connect_interval_ns > own_ns ? connect_interval_ns : own_ns,
                          memory_order_relaxed);
}

void run_statistics(const struct run *run, struct run_statistics *out) {
    struct pool_statistics pool;

    pool_statistics(run->pool, &pool);
    *out = (struct run_statistics){
        .shards_in_hand = run->shards_in_hand,
        .targets_done = atomic_load_explicit(&run->targets_done, memory_order_relaxed),
        .pages_stored = atomic_load_explicit(&run->pages_stored, memory_order_relaxed),
        .bytes_stored = atomic_load_explicit(&run->bytes_stored, memory_order_relaxed),
        .probe = pool.probe,
    };
}
