/* One worker: a thread with a prober, that takes targets from the work ring and puts encoded
 * records on the queues of the sinks. */
#ifndef ENGINE_POOL_WORKER_H
#define ENGINE_POOL_WORKER_H

#include "engine/pool/pool.h"
#include "engine/queue/ring.h"
#include "engine/queue/wake.h"

#include <pthread.h>

RING_DEFINE(target)

enum {
    WORK_RING_TARGETS = 2048,
    OUTLETS_MAX = 16,
    BATCH_BYTES = 64 * 1024, /* a batch is handed on when it is that large … */
    BATCH_AGE_MS = 50,       /* … or that old */
};

/* What the submitter and the workers share. */
struct work {
    struct target_ring ring;
    struct wake room; /* signalled when a worker has taken targets */
    _Atomic bool finished, stopped;
    _Atomic bool submitting; /* between the look at `stopped` and the push */
};

/* Batches of one outlet on their way: the one being filled, and what found the queue full. */
struct output {
    struct batch *open;
    struct batch **blocked; /* oldest first */
    uint32_t blocked_count, blocked_capacity;
};

struct worker {
    struct prober *prober;
    struct work *work;
    const struct pool_outlet *outlets;
    uint32_t outlet_count, number;
    struct pool_observer observer;
    struct output outputs[OUTLETS_MAX];
    uint64_t flushed_ns;
    pthread_t thread;
    bool started;
    _Atomic bool idle; /* sleeps and wants work */
};

/* The thread: until the work is finished or stopped, and everything is out. */
void *worker_run(void *worker);

/* A finished record: `publish` of the worker's prober. */
void worker_publish(void *worker, struct probe_record *record);

#endif
