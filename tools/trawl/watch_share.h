/* How many logs a watcher takes and gives back, when several share them: so that all end with about
 * as many, without moving more than is needed. Pure. */
#ifndef TOOLS_TRAWL_WATCH_SHARE_H
#define TOOLS_TRAWL_WATCH_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct watch_member {
    uint64_t id;
    uint32_t held;   /* logs that it follows */
    uint32_t wanted; /* logs that it would follow alone */
};

struct watch_share {
    uint32_t take, give; /* logs at most; one of them is 0 */
};

/* For members[self], of those that live. */
struct watch_share watch_share_of(const struct watch_member *members, uint32_t count,
                                  uint32_t self);

#endif
