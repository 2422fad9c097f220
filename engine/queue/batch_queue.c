#include "engine/queue/batch_queue.h"

#include "engine/queue/ring.h"
#include "engine/queue/wake.h"

struct batch_slot {
    struct batch *batch;
};

RING_DEFINE(batch_slot)

struct lane {
    struct batch_slot_ring ring;
    _Atomic bool closed;
    _Atomic bool starved; /* its producer waits for room */
    _Atomic uint64_t full_total;
};

struct batch_queue {
    struct wake filled;
    struct wake *room; /* NULL when no producer sleeps */
    uint32_t producers, capacity, turn;
    struct lane lanes[];
};

struct batch *batch_new(void) {
    struct batch *batch = malloc(sizeof *batch);
    if (batch)
        *batch = (struct batch){0};
    return batch;
}

void batch_free(struct batch *batch) {
    if (!batch)
        return;
    buffer_deinit(&batch->bytes);
    buffer_deinit(&batch->tickets);
    free(batch);
}

struct batch_queue *batch_queue_new(uint32_t producers, uint32_t capacity) {
    struct batch_queue *queue =
        aligned_alloc(64, (sizeof *queue + producers * sizeof queue->lanes[0] + 63) / 64 * 64);
    bool ok = queue != NULL;
    if (!ok)
        return NULL;
    memset(queue, 0, sizeof *queue + producers * sizeof queue->lanes[0]);
    queue->capacity = capacity;
    for (; ok && queue->producers < producers; queue->producers++)
        ok = batch_slot_ring_init(&queue->lanes[queue->producers].ring, capacity);
    if (ok)
        return queue;
    batch_queue_free(queue);
    return NULL;
}

void batch_queue_free(struct batch_queue *queue) {
    struct batch_slot slot;

    if (!queue)
        return;
    for (uint32_t i = 0; i < queue->producers; i++) {
        struct lane *lane = &queue->lanes[i];
        while (lane->ring.slots && batch_slot_ring_pop_one(&lane->ring, &slot))
            batch_free(slot.batch);
        batch_slot_ring_deinit(&lane->ring);
    }
    free(queue);
}

void batch_queue_wake_on_room(struct batch_queue *queue, struct wake *wake) {
    queue->room = wake;
}

/* A second look after the lane is marked: the pop in between would have had nobody to wake. */
static bool push_or_starve(const struct batch_queue *queue, struct lane *lane,
                           struct batch_slot *slot) {
    if (batch_slot_ring_push(&lane->ring, slot))
        return true;
    atomic_fetch_add_explicit(&lane->full_total, 1, memory_order_relaxed);
    if (!queue->room)
        return false;
    atomic_store(&lane->starved, true);
    return batch_slot_ring_push(&lane->ring, slot);
}

bool batch_queue_push(struct batch_queue *queue, uint32_t producer, struct batch *batch) {
    struct batch_slot slot = {batch};

    if (!push_or_starve(queue, &queue->lanes[producer], &slot))
        return false;
    wake_signal(&queue->filled);
    return true;
}

void batch_queue_close(struct batch_queue *queue, uint32_t producer) {
    atomic_store(&queue->lanes[producer].closed, true);
    wake_signal(&queue->filled);
}

/* Looks at every lane once, first at the one behind the last that gave. A lane's `closed` is read
 * before its ring, so that a closed and empty lane stays empty. */
static enum batch_pop try_pop(struct batch_queue *queue, struct batch **out) {
    bool all_closed = true;
    struct batch_slot slot;

    for (uint32_t i = 0; i < queue->producers; i++) {
        uint32_t at = (queue->turn + i) % queue->producers;
        struct lane *lane = &queue->lanes[at];
        bool closed = atomic_load(&lane->closed);
        if (batch_slot_ring_pop_one(&lane->ring, &slot)) {
            queue->turn = (at + 1) % queue->producers;
            if (queue->room && atomic_exchange(&lane->starved, false))
                wake_signal(queue->room);
            *out = slot.batch;
            return BATCH_POPPED;
        }
        all_closed = all_closed && closed;
    }
    return all_closed ? BATCH_CLOSED : BATCH_TIMEOUT;
}

enum batch_pop batch_queue_pop(struct batch_queue *queue, uint32_t wait_ms, struct batch **out) {
    uint32_t ticket = wake_ticket(&queue->filled);
    enum batch_pop result = try_pop(queue, out);

    if (result != BATCH_TIMEOUT || wait_ms == 0)
        return result;
    wake_wait(&queue->filled, ticket, wait_ms);
    return try_pop(queue, out);
}

struct batch_queue_metrics batch_queue_metrics(const struct batch_queue *queue) {
    struct batch_queue_metrics metrics = {0};

    for (uint32_t i = 0; i < queue->producers; i++) {
        const struct lane *lane = &queue->lanes[i];
        metrics.waiting += batch_slot_ring_size(&lane->ring);
        metrics.capacity += queue->capacity - 1;
        metrics.full_total += atomic_load_explicit(&lane->full_total, memory_order_relaxed);
    }
    return metrics;
}
