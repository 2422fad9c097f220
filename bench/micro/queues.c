/* What stands between threads, on one thread: the price without contention. */
#include "bench/micro/micro.h"
#include "engine/probe/target.h"
#include "engine/queue/batch_queue.h"
#include "engine/queue/ring.h"

#include <stdlib.h>

RING_DEFINE(target)

static void *open_ring(const void *argument) {
    struct target_ring *ring = calloc(1, sizeof *ring);
    (void)argument;
    if (!ring || !target_ring_init(ring, 2048))
        abort(); /* no memory */
    return ring;
}

static void close_ring(void *state) {
    target_ring_deinit(state);
    free(state);
}

static void run_ring(void *state, uint64_t times) {
    struct target target = {.port = 443}, taken;

    for (; times; times--) {
        if (!target_ring_push(state, &target) || !target_ring_pop_shared(state, &taken))
            abort();
        micro_keep(&taken);
    }
}

static void *open_batches(const void *argument) {
    (void)argument;
    return batch_queue_new(1, 64);
}

static void close_batches(void *state) {
    batch_queue_free(state);
}

/* The same batch goes round. */
static void run_batches(void *state, uint64_t times) {
    struct batch *batch = batch_new();

    for (; times; times--)
        if (!batch_queue_push(state, 0, batch) || batch_queue_pop(state, 0, &batch) != BATCH_POPPED)
            abort();
    batch_free(batch);
}

const struct micro_case queue_cases[] = {
    {"queue.targets", "a target in and out", open_ring, run_ring, close_ring, NULL},
    {"queue.batches", "a batch in and out", open_batches, run_batches, close_batches, NULL},
    {0},
};
