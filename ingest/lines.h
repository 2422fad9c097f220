/* Cuts a stream of bytes into lines, in one buffer of fixed size, without descriptors: the owner
 * reads into lines_space and says how much came. Lines are handed out as soon as their newline is
 * there, wherever the reads were split. One owner, one thread. */
#ifndef INGEST_LINES_H
#define INGEST_LINES_H

#include "engine/base/slice.h"

struct lines {
    uint8_t *buffer;
    size_t start, end; /* what was read and not handed out yet */
    size_t searched;   /* no newline between start and here */
    uint64_t number;   /* of the line handed out last, from 1 */
    bool skipping;     /* in the rest of a line that was too long */
    bool finished;
};

enum lines_result {
    LINES_LINE,     /* without its newline; valid until the next call */
    LINES_TOO_LONG, /* its first LIMIT_LINE_BYTES; the rest will be skipped */
    LINES_MORE,     /* read more, or finish */
    LINES_END,
};

/* False when there is no memory. */
bool lines_init(struct lines *lines);
void lines_deinit(struct lines *lines);

/* Where the next bytes go, at least 1, after LINES_MORE. */
uint8_t *lines_space(struct lines *lines, size_t *len);
void lines_add(struct lines *lines, size_t len);

/* No more bytes will come; what stands behind the last newline is the last line. */
void lines_finish(struct lines *lines);

enum lines_result lines_next(struct lines *lines, struct slice *line);

#endif
