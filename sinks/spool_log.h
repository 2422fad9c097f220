/* A queue of frames on disk: a folder of segments, and a position before which all is done with.
 *
 *     position            00000000000003e9.seg  00000000000007d1.seg  …
 *         │               [done][done][  ][  ]  [  ][  ][  ][torn
 *         └─ sequence 1003 ────────────┘ read ──────┘        └ cut at open
 *
 * What was appended is on the disk when the call returns. The position is written without waiting
 * for the disk: killed at any point, at most the frames dropped last come again, and that only when
 * the machine goes down too. Each opening begins a new segment, and so does each error of the disk:
 * nothing is written behind bytes that may not be there.
 *
 * Part of spool.c. One owner, one thread at a time; one process at a time may write (spool.c holds
 * the lock), others may look. */
#ifndef SINKS_SPOOL_LOG_H
#define SINKS_SPOOL_LOG_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "sinks/spool_frame.h"

struct spool_log;

struct spool_frame {
    uint64_t sequence; /* given by append */
    int64_t time_ms;
    uint32_t records;
    uint32_t flags;
    struct slice reason, bytes;
};

struct spool_log_statistics {
    uint64_t frames, records, bytes; /* not dropped yet */
    uint64_t disk_bytes;             /* of all segments */
    int64_t oldest_ms;               /* since 1970; 0: none */
    uint64_t damaged_bytes;          /* met so far, and given out as damaged frames */
    uint64_t torn_bytes;             /* cut at open: what a write that never ended left */
};

/* Makes the folder when it is not there, or, with `look_only`, changes nothing at all. */
enum error spool_log_open(struct spool_log **out, const char *folder, bool look_only,
                          struct failure *failure) __attribute__((warn_unused_result));
/* NULL is fine. */
void spool_log_close(struct spool_log *log);

/* All of them or, with an error, none; what is done with one is the caller's to say. */
enum error spool_log_append(struct spool_log *log, struct spool_frame *frames, size_t count,
                            struct failure *failure) __attribute__((warn_unused_result));

/* The next frame that was not read yet; its slices lie in `bytes`, which is emptied first.
 * ERROR_GONE at the end, without a failure. What cannot be understood any more comes as a frame of
 * its own with the flag SPOOL_DAMAGED, its bytes as they are, and no records unless its head says
 * how many. */
enum error spool_log_read(struct spool_log *log, struct spool_frame *frame, struct buffer *bytes,
                          struct failure *failure) __attribute__((warn_unused_result));

/* Reads again from the first frame that was not dropped. */
void spool_log_rewind(struct spool_log *log);

/* Done with this one and all before it. An error says that this could not be written down; it is
 * tried again with the next. */
enum error spool_log_drop(struct spool_log *log, uint64_t sequence, struct failure *failure);

/* Throws everything away, damage too. */
enum error spool_log_clear(struct spool_log *log, struct failure *failure);

/* Of the last frame that was ever appended; 0: none. */
uint64_t spool_log_last(const struct spool_log *log);

struct spool_log_statistics spool_log_statistics(const struct spool_log *log);

#endif
