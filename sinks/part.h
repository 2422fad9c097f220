/* One stream of output on a descriptor: a regular file, a pipe, a terminal, a device; plain or
 * gzip. The file sink writes one part, or with rotation one after another. One owner, one thread.
 *
 * Every call can be repeated after an error that may pass, and takes up where it stopped:
 *
 *     bytes ──▶ deflate ──▶ pending ──▶ write(2)      gzip
 *     bytes ──────────────────────────▶ write(2)      plain (pending holds the head alone)
 *
 * Errors are errno values, or EAGAIN when a reader was slow for SINK_PATIENCE_MS, ERROR_GONE when
 * it has left, ERROR_INTERNAL when the disk lost what it had taken (fsync). */
#ifndef SINKS_PART_H
#define SINKS_PART_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"

#include <zlib.h>

struct part {
    int fd; /* -1 for none */
    bool owned, regular, character, compressed;
    bool unflushed; /* gzip: something was put in since the last flush */
    bool ended;     /* gzip: the trailer is made */
    uint64_t bytes; /* on the descriptor, with what the file held before */
    size_t taken;   /* of the bytes of the part_write that did not finish */
    struct buffer pending;
    size_t pending_written;
    z_stream stream;
};

/* Begins on `fd`, which is the part's from then on, whatever is returned, when `owned`. `head` is
 * written before anything else, with the first write or flush. */
enum error part_begin(struct part *part, int fd, bool owned, bool compressed, struct slice head)
    __attribute__((warn_unused_result));

/* Not begun, or done with. */
static inline bool part_is_closed(const struct part *part) {
    return part->fd < 0;
}

enum error part_write(struct part *part, struct slice bytes) __attribute__((warn_unused_result));

/* Hands on everything so that a reader can decode all that was written. */
enum error part_flush(struct part *part) __attribute__((warn_unused_result));

/* Ends the stream and makes it safe on the disk. A plain file of our own is cut back to the end of
 * the last part_write that finished; of gzip, the bytes of a given up part_write stay in the stream
 * as a whole. */
enum error part_finish(struct part *part) __attribute__((warn_unused_result));

/* Closes the descriptor when it is owned, and frees. Fine on a part that was never begun but has fd
 * -1. */
void part_close(struct part *part);

#endif
