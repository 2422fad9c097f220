/* Records of one producer on their way to all outputs, in units: a unit becomes a batch for every
 * output, and is done when each of them has dealt with its batch.
 *
 *     relay_begin ─▶ open batches ─▶ relay_commit ─▶ queue of each output ─▶ its thread
 *     relay_take_done ◀─ the oldest unit that all have dealt with ◀─ relay_dealt_with
 *
 * On the producer's thread, but where it says otherwise. Memory is bounded: the producer begins a
 * unit only while there is room. */
#ifndef TOOLS_TRAWL_RELAY_H
#define TOOLS_TRAWL_RELAY_H

#include "tools/trawl/outputs.h"

enum {
    RELAY_UNITS_MAX = 512,              /* under way */
    RELAY_BYTES_MAX = 64 * 1024 * 1024, /* of them, as the producer counts */
};

struct relay_unit {
    uint64_t ticket; /* of its batches; not 0 */
    void *item;      /* the producer's */
    size_t bytes;
};

struct relay {
    const struct pool_outlet *outlets;
    uint32_t count;
    struct batch *open[OUTPUTS_MAX];     /* not handed to its queue yet */
    _Atomic uint64_t dealt[OUTPUTS_MAX]; /* units; counted by the sinks' threads */
    uint64_t committed, taken;           /* units */
    size_t under_way;                    /* bytes of what was committed and not taken */
    struct relay_unit units[RELAY_UNITS_MAX];
};

/* `outputs` are open, with one producer, and outlive the relay. */
void relay_init(struct relay *relay, const struct outputs *outputs);
/* Also of a relay that is zeroed. */
void relay_deinit(struct relay *relay);

/* Hands over what waits for room in a queue. True when another unit may begin. */
bool relay_has_room(struct relay *relay);

/* Batches to fill, in relay->open; only while there is room. */
enum error relay_begin(struct relay *relay, struct failure *failure)
    __attribute__((warn_unused_result));
/* The unit is whole. ERROR_MEMORY: a batch is not. */
enum error relay_commit(struct relay *relay, struct relay_unit unit, struct failure *failure)
    __attribute__((warn_unused_result));
/* Instead of it: there was nothing. */
void relay_cancel(struct relay *relay);

/* For on_written and on_refused of outputs, on a sink's thread: so many tickets of output `number`.
 */
void relay_dealt_with(struct relay *relay, uint32_t number, size_t tickets);

/* The next unit, in the order of relay_commit, that every output has dealt with. False when there
 * is none. */
bool relay_take_done(struct relay *relay, struct relay_unit *out);
/* The oldest unit, dealt with or not: when all is over. */
bool relay_take_any(struct relay *relay, struct relay_unit *out);

/* Closes the queues, once all is handed over; false while it is not. */
bool relay_end(struct relay *relay);

#endif
