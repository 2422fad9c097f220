/* The workers of a sweep: one thread a core, each with its own loop, slots, timers and resolver.
 *
 *     pool_submit ─▶ [work ring] ─▶ worker 0 … n ─▶ [batch queue] ─▶ sinks
 *
 * One thread submits (the source's), any thread may ask for statistics or a stop. Every target that
 * pool_submit took gives at least one record: targets in = records out, but for the further
 * addresses of a name under `all_addresses`, which are counted apart. */
#ifndef ENGINE_POOL_POOL_H
#define ENGINE_POOL_POOL_H

#include "engine/base/error.h"
#include "engine/probe/prober.h"
#include "engine/queue/batch_queue.h"
#include "engine/record/encoder.h"
#include "engine/record/filter.h"

struct pool;

/* Where records go: the encoding of one sink and the queue to its thread. */
struct pool_outlet {
    const struct encoding *encoding; /* encoder NULL: records are only counted */
    struct batch_queue *queue;       /* made for pool_workers() producers */
    const struct filter *filter;     /* only what it matches is encoded; NULL for all */
};

/* Sees every record, on the thread of the worker that made it. */
struct pool_observer {
    void (*see)(void *owner, uint32_t worker, const struct probe_record *record);
    void *owner;
};

struct pool_config {
    uint32_t workers;             /* 0: pool_default_workers() */
    struct prober_settings probe; /* copied; what it points to outlives the pool */
    const struct pool_outlet *outlets;
    uint32_t outlet_count;
    struct pool_observer observer; /* `see` NULL for none */
};

/* One for each core this process may use, by affinity and by cgroup quota. */
uint32_t pool_default_workers(void);

/* Opens every worker's loop, then starts the threads. */
enum error pool_start(struct pool **out, const struct pool_config *config, struct failure *failure)
    __attribute__((warn_unused_result));

/* Waits while the work ring is full. ERROR_STOPPED after pool_stop; the target is then not taken,
 * and what belongs to it is still the caller's. */
enum error pool_submit(struct pool *pool, const struct target *target);

/* No more targets: the workers end when all is done. */
void pool_finish(struct pool *pool);

/* End now: targets in flight and in the ring become records with the outcome `cancelled`. From any
 * thread, any number of times. */
void pool_stop(struct pool *pool);

bool pool_is_stopped(const struct pool *pool);

/* Waits for all workers to end and their queues to be closed. */
void pool_join(struct pool *pool);
void pool_free(struct pool *pool);

/* Sums over all workers; a snapshot, for any thread. */
struct pool_statistics {
    uint64_t targets_submitted;
    struct prober_statistics probe;
};
void pool_statistics(const struct pool *pool, struct pool_statistics *out);

#endif
