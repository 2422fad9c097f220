/* What of a sweep is done, in a file, so that a sweep that was killed goes on where it was.
 *
 * Targets are numbered from 1 in the order in which the sources give them; the number travels as
 * their ticket. A sink's thread marks the tickets of every batch that it has written. The file is
 * mapped: a mark is one store, and is there when the process is killed in the next instant (after
 * a loss of power it may not be). Whoever goes on probes what is not marked by every sink: nothing
 * is lost, and only what was being written in that instant is written twice.
 *
 * The file does not grow with the sweep. It holds a window of tickets, 32 in a word:
 *
 *     word i   ┌ generation (32 bits) ┬ done (32 bits) ┐   of ticket generation × WINDOW + 32 × i +
 * 1
 *
 * A word goes to its next generation when all its tickets are done in all sinks, so a higher
 * generation says that the lower ones are done. The feeder waits for that: it is at most a window
 * ahead of the slowest target. */
#ifndef TOOLS_TRAWL_CHECKPOINT_H
#define TOOLS_TRAWL_CHECKPOINT_H

#include "engine/base/error.h"
#include "sinks/sink.h"

enum {
    CHECKPOINT_DIGEST_BYTES = 32,
    CHECKPOINT_SINKS_MAX = 16,
    CHECKPOINT_WINDOW = 1 << 22,
};

/* What makes two sweeps the same one. */
struct checkpoint_identity {
    uint8_t digest[CHECKPOINT_DIGEST_BYTES]; /* of the sources and all that selects from them */
    uint64_t seed;  /* in: for a new sweep; out: of the sweep that is gone on with */
    uint64_t run;   /* likewise; names it in the ids of its records */
    uint32_t sinks; /* at most CHECKPOINT_SINKS_MAX */
    /* What is said of a file with another digest: what it is of, and the cure; NULL for what is
     * said of sweeps. */
    const char *otherwise;
};

struct checkpoint;

/* Makes the file, or takes it up when it is there. A file of another sweep, or one that another
 * process uses, is an error. */
enum error checkpoint_open(struct checkpoint **out, const char *path,
                           struct checkpoint_identity *identity, struct failure *failure)
    __attribute__((warn_unused_result));
void checkpoint_close(struct checkpoint *checkpoint);

/* The sweep is complete: its file is removed. */
void checkpoint_remove(struct checkpoint *checkpoint);

/* How many tickets were done when it was opened. */
uint64_t checkpoint_done_before(const struct checkpoint *checkpoint);

/* For the feeder: whether every sink has written it, and whether its word is free for it. */
bool checkpoint_is_done(const struct checkpoint *checkpoint, uint64_t ticket);
bool checkpoint_has_room(const struct checkpoint *checkpoint, uint64_t ticket);

/* Whether sink number `sink` has written it. */
bool checkpoint_is_written(const struct checkpoint *checkpoint, uint32_t sink, uint64_t ticket);

/* For the thread of sink number `sink`: all these tickets are written, up to `position`. */
void checkpoint_mark(struct checkpoint *checkpoint, uint32_t sink, const uint64_t *tickets,
                     size_t count, struct sink_position position);

/* Where a sink stood; `file` is 0 when it has no position. */
struct sink_position checkpoint_position(const struct checkpoint *checkpoint, uint32_t sink);

#endif
