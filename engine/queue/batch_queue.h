/* Finished records on their way from the workers to one sink: a bounded ring per worker, joined at
 * the consumer. Each ring has one producer (its worker) and one consumer (the sink's thread).
 *
 * Policy when full: wait. A push that finds its ring full fails, and the worker keeps the batch and
 * takes no new targets until a later push succeeds. Closing is the end of the stream: the consumer
 * gets BATCH_CLOSED once every producer has closed its ring and all rings are empty. */
#ifndef ENGINE_QUEUE_BATCH_QUEUE_H
#define ENGINE_QUEUE_BATCH_QUEUE_H

#include "engine/base/buffer.h"

struct batch_queue;
struct wake; /* wake.h */

/* Whole records, encoded for the sink; `bytes` is empty for a sink that only counts. One owner at a
 * time: the worker, then the queue, then the sink. */
struct batch {
    struct buffer bytes;
    uint32_t records;
    uint32_t left_out;     /* further records, which the sink's filter does not want */
    struct buffer tickets; /* uint64_t each, of the work that is done when this is written */
};

/* NULL when there is no memory. */
struct batch *batch_new(void);
void batch_free(struct batch *batch);

/* Notes a ticket; 0 is none. */
static inline void batch_add_ticket(struct batch *batch, uint64_t ticket) {
    if (ticket)
        buffer_add(&batch->tickets, &ticket, sizeof ticket);
}

static inline const uint64_t *batch_tickets(const struct batch *batch, size_t *count) {
    *count = batch->tickets.len / sizeof(uint64_t);
    return (const uint64_t *)(const void *)batch->tickets.ptr;
}

/* `capacity` of each ring: a power of two, at least 4. NULL when there is no memory. */
struct batch_queue *batch_queue_new(uint32_t producers, uint32_t capacity);
/* Frees what is still in it, too. */
void batch_queue_free(struct batch_queue *queue);

/* For a producer that sleeps when its ring is full: `wake` is signalled by the pop that makes room
 * again, once for each push that found none. Before the first push; `wake` outlives the queue. */
void batch_queue_wake_on_room(struct batch_queue *queue, struct wake *wake);

/* False when the producer's ring is full; the batch then stays with the caller. Never blocks. */
bool batch_queue_push(struct batch_queue *queue, uint32_t producer, struct batch *batch);

/* No push may follow. */
void batch_queue_close(struct batch_queue *queue, uint32_t producer);

enum batch_pop { BATCH_POPPED, BATCH_TIMEOUT, BATCH_CLOSED };

/* For the consumer alone; waits at most `wait_ms`. Takes from the rings in turn. */
enum batch_pop batch_queue_pop(struct batch_queue *queue, uint32_t wait_ms, struct batch **out);

/* How many batches wait; how often a push found no room. For any thread. */
struct batch_queue_metrics {
    uint64_t waiting, capacity, full_total;
};
struct batch_queue_metrics batch_queue_metrics(const struct batch_queue *queue);

#endif
