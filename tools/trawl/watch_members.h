/* The watchers that share logs: each writes a key of the leases' bucket again and again, and sees
 * by the others' keys who lives. No clocks are compared: who has not written for some time, by the
 * looker's own clock and as it has looked all the time, is gone.
 *
 * All on the thread of the fleet but for what is for any thread. */
#ifndef TOOLS_TRAWL_WATCH_MEMBERS_H
#define TOOLS_TRAWL_WATCH_MEMBERS_H

#include "engine/nats/kv.h"
#include "tools/trawl/watch_share.h"

enum { WATCH_MEMBERS_MAX = 1024 };

struct watch_members;

struct watch_members_config {
    struct nats_kv *bucket;
    const char *prefix; /* of the keys, with a dot at its end */
    const char *holder; /* for people: host and process */
    uint64_t lease_ms;
};

enum error watch_members_new(struct watch_members **out, const struct watch_members_config *config,
                             struct failure *failure) __attribute__((warn_unused_result));
/* NULL is fine. */
void watch_members_free(struct watch_members *members);

/* Shows the others that this one lives, and what it has. */
enum error watch_members_beat(struct watch_members *members, uint32_t held, uint32_t wanted,
                              struct failure *failure) __attribute__((warn_unused_result));
/* Looks who else lives. */
enum error watch_members_look(struct watch_members *members, struct failure *failure)
    __attribute__((warn_unused_result));
/* It lives no more. */
void watch_members_leave(struct watch_members *members);

/* Those that live, for watch_share_of: this one first. Returns how many. */
uint32_t watch_members_list(struct watch_members *members,
                            struct watch_member out[WATCH_MEMBERS_MAX]);

/* --- Any thread --- */

/* What others know this one by. */
uint64_t watch_members_self(const struct watch_members *members);
/* Whether others still count on this one: they do for twice as long. */
bool watch_members_is_counted(const struct watch_members *members);
/* Whether another is gone, and what it had begun is anybody's. One that is not known is watched
 * from now on. */
bool watch_members_is_gone(struct watch_members *members, uint64_t id);
uint32_t watch_members_count(struct watch_members *members); /* that live, this one with them */

#endif
