/* Who has what, over machines: a key of the bucket of leases, held by writing it again and again,
 * by compare-and-swap. No clocks are compared: another takes a lease over when it saw no new
 * revision of its key for as long as the lease says, by its own clock; so a takeover comes within
 * twice that time.
 *
 * Who holds a lease must count on having lost it when its last write was begun longer ago than
 * LEASE_FENCE of its time (lease_is_held): it is stopped in time to do no harm, unless the machine
 * itself stood still, which the next write finds out. An election takes about seven seconds, and
 * lease_keep as long: so times are 20 s and more where a server may die.
 *
 * In the bucket: a line of JSON for people and for the next one, then the owner's value.
 *
 *     {"holder":"host 4711","identity":"00…","token":"1f…","time_ms":30000,"free":false}
 *
 * The value belongs to the owner: a position, say, that the next one goes on from. On the thread of
 * the fleet. */
#ifndef TOOLS_FLEET_LEASE_H
#define TOOLS_FLEET_LEASE_H

#include "engine/nats/kv.h"
#include "tools/fleet/fleet.h"

enum {
    LEASE_KEY_MAX = 128,
    LEASE_HOLDER_MAX = 128,
    LEASE_VALUE_MAX = 256 * 1024,
    LEASE_FENCE = 66, /* percent */
    LEASE_TIME_MAX_MS = 3600 * 1000,
};

struct lease;

struct lease_config {
    struct nats_kv *bucket;
    const char *key;    /* "collect.JOB", "log.NAME.ID" */
    const char *holder; /* for people: host and process */
    uint64_t identity;  /* of one that comes back and need not wait; 0 for none */
    uint64_t time_ms;
};

enum error lease_new(struct lease **out, const struct lease_config *config, struct failure *failure)
    __attribute__((warn_unused_result));
/* Does not give it back. NULL is fine. */
void lease_free(struct lease *lease);

/* Tries to have it; `value` (may be NULL) gets what the last one wrote. EBUSY: somebody has it,
 * `failure` names him; to be called again, a few times within time_ms, until it is free. */
enum error lease_try(struct lease *lease, struct buffer *value, struct failure *failure)
    __attribute__((warn_unused_result));

/* Writes it again, with a new value; to be called a few times within time_ms. ERROR_GONE: somebody
 * else has it. ENOTCONN: try again as long as it is held. */
enum error lease_keep(struct lease *lease, struct slice value, struct failure *failure)
    __attribute__((warn_unused_result));

/* Held, and not too long ago. */
bool lease_is_held(const struct lease *lease);

/* Another may have it at once. ERROR_GONE: one has it already. */
enum error lease_give_back(struct lease *lease, struct slice value, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
