/* Where a log was left, as it lies in its lease: JSON, so that an operator can look with any client
 * of NATS. Pure. */
#ifndef TOOLS_TRAWL_WATCH_POSITION_H
#define TOOLS_TRAWL_WATCH_POSITION_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"

struct watch_position {
    uint64_t committed, verified; /* as struct log_position */
    struct buffer saved;          /* empty: nobody has followed the log yet */
};

void watch_position_init(struct watch_position *position);
void watch_position_deinit(struct watch_position *position);

/* Appends it. */
void watch_position_write(const struct watch_position *position, struct buffer *out);
/* Fills one that is empty; an empty value is a log that nobody has followed yet. ERROR_UNSUPPORTED:
 * of a newer version, with the cure; ERROR_INPUT: none. */
enum error watch_position_read(struct watch_position *out, struct slice value,
                               struct failure *failure) __attribute__((warn_unused_result));

#endif
