#include "engine/pool/pool.h"

#include "engine/base/random.h"
#include "engine/pool/worker.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

struct pool {
    struct work work;
    struct prober_settings probe;
    _Atomic uint64_t submitted;
    uint32_t worker_count;
    struct worker workers[];
};

/* The cgroup's quota in cores, rounded up; 0 when there is none. */
static uint32_t quota_cores(void) {
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    unsigned long quota, period;
    uint32_t cores = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%lu %lu", &quota, &period) == 2 && period)
        cores = (uint32_t)((quota + period - 1) / period);
    fclose(file);
    return cores;
}

uint32_t pool_default_workers(void) {
    cpu_set_t set;
    uint32_t cores = 1, quota = quota_cores();

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = (uint32_t)CPU_COUNT(&set);
    return quota && quota < cores ? quota : cores;
}

static enum error open_workers(struct pool *pool, const struct pool_config *config,
                               struct failure *failure) {
    for (uint32_t i = 0; i < pool->worker_count; i++) {
        struct worker *worker = &pool->workers[i];
        worker->work = &pool->work;
        worker->number = i;
        worker->outlets = config->outlets;
        worker->outlet_count = config->outlet_count;
        worker->observer = config->observer;
        struct prober_config prober = {
            .settings = &pool->probe,
            .seed = random_seed(),
            .publish = worker_publish,
            .owner = worker,
        };
        enum error error = prober_open(&worker->prober, &prober, failure);
        if (error != ERROR_NONE)
            return error;
    }
    return ERROR_NONE;
}

/* Hashes that no outlet writes or chooses by need not be made. Who observes records sees all of
 * them. */
static uint32_t unseen_parts(const struct pool_config *config) {
    uint32_t seen = config->probe.all_addresses ? PART_FINGERPRINT_SHA256 : 0; /* are compared */

    if (config->observer.see)
        return 0;
    for (uint32_t i = 0; i < config->outlet_count; i++) {
        const struct pool_outlet *outlet = &config->outlets[i];
        seen |= encoding_parts(outlet->encoding);
        seen |= outlet->filter ? filter_parts(outlet->filter) : 0;
    }
    return PART_HASHES & ~seen;
}

static enum error start_threads(struct pool *pool, struct failure *failure) {
    for (uint32_t i = 0; i < pool->worker_count; i++) {
        struct worker *worker = &pool->workers[i];
        int error = pthread_create(&worker->thread, NULL, worker_run, worker);
        if (error)
            return failure_set(failure, (enum error)error, "a worker thread cannot be started: %s",
                               error_text((enum error)error));
        worker->started = true;
    }
    return ERROR_NONE;
}

enum error pool_start(struct pool **out, const struct pool_config *config,
                      struct failure *failure) {
    uint32_t workers = config->workers ? config->workers : pool_default_workers();
    struct pool *pool = calloc(1, sizeof *pool + workers * sizeof pool->workers[0]);

    if (!pool || config->outlet_count > OUTLETS_MAX) {
        free(pool);
        return failure_set(failure, ERROR_LIMIT, "no memory, or more than %d outputs", OUTLETS_MAX);
    }
    pool->worker_count = workers;
    pool->probe = config->probe;
    pool->probe.unseen_parts = unseen_parts(config);
    enum error error = ERROR_MEMORY;
    if (target_ring_init(&pool->work.ring, WORK_RING_TARGETS))
        error = open_workers(pool, config, failure);
    else
        failure_set(failure, ERROR_MEMORY, "no memory for the work ring");
    if (error == ERROR_NONE)
        error = start_threads(pool, failure);
    if (error != ERROR_NONE) {
        pool_stop(pool);
        pool_join(pool);
        pool_free(pool);
        return error;
    }
    *out = pool;
    return ERROR_NONE;
}

static void wake_idle(struct pool *pool) {
    for (uint32_t i = 0; i < pool->worker_count; i++)
        if (atomic_exchange(&pool->workers[i].idle, false)) {
            prober_wake(pool->workers[i].prober);
            return;
        }
}

/* Workers that were stopped end when the ring is empty and nothing is being pushed: what is pushed
 * gives a record. */
static enum error try_submit(struct pool *pool, struct target *target, bool *pushed) {
    struct work *work = &pool->work;

    atomic_store(&work->submitting, true);
    bool stopped = atomic_load(&work->stopped);
    *pushed = !stopped && target_ring_push(&work->ring, target);
    atomic_store(&work->submitting, false);
    return stopped ? ERROR_STOPPED : ERROR_NONE;
}

enum error pool_submit(struct pool *pool, const struct target *target) {
    struct target copy = *target;

    for (;;) {
        uint32_t ticket = wake_ticket(&pool->work.room);
        bool pushed;
        if (try_submit(pool, &copy, &pushed) != ERROR_NONE)
            return ERROR_STOPPED;
        if (pushed)
            break;
        wake_idle(pool);
        wake_wait(&pool->work.room, ticket, 100);
    }
    atomic_fetch_add_explicit(&pool->submitted, 1, memory_order_relaxed);
    wake_idle(pool);
    return ERROR_NONE;
}

static void wake_all(struct pool *pool) {
    for (uint32_t i = 0; i < pool->worker_count; i++)
        if (pool->workers[i].started)
            prober_wake(pool->workers[i].prober);
    wake_signal(&pool->work.room);
}

void pool_finish(struct pool *pool) {
    atomic_store(&pool->work.finished, true);
    wake_all(pool);
}

void pool_stop(struct pool *pool) {
    atomic_store(&pool->work.stopped, true);
    wake_all(pool);
}

bool pool_is_stopped(const struct pool *pool) {
    return atomic_load(&pool->work.stopped);
}

void pool_join(struct pool *pool) {
    for (uint32_t i = 0; i < pool->worker_count; i++)
        if (pool->workers[i].started)
            pthread_join(pool->workers[i].thread, NULL);
}

void pool_free(struct pool *pool) {
    for (uint32_t i = 0; i < pool->worker_count; i++)
        prober_close(pool->workers[i].prober);
    target_ring_deinit(&pool->work.ring);
    free(pool);
}

void pool_statistics(const struct pool *pool, struct pool_statistics *out) {
    *out = (struct pool_statistics){
        .targets_submitted = atomic_load_explicit(&pool->submitted, memory_order_relaxed)};
    for (uint32_t i = 0; i < pool->worker_count; i++)
        prober_statistics_add(pool->workers[i].prober, &out->probe);
}
