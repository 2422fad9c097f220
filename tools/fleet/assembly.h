/* The pages of a shard while its targets are probed, in whatever order they end. Pure; one thread.
 *
 *     parcels, by number ─▶ entry of the target ─▶ all of a page are done ─▶ messages, ready
 *     tickets of targets ─▶ done ──────────────────┘ */
#ifndef TOOLS_FLEET_ASSEMBLY_H
#define TOOLS_FLEET_ASSEMBLY_H

#include "tools/fleet/page.h"
#include "tools/fleet/parcel.h"
#include "tools/fleet/shard.h"

struct assembly;

struct assembly_config {
    const char *job, *worker;   /* outlive it */
    uint64_t first;             /* of the shard: one more than a multiple of PAGE_TARGETS */
    uint32_t count, renderings; /* targets, SHARD_TARGETS_MAX at most */
    size_t message_max;         /* bytes of a message, without what NATS adds as headers */
    uint32_t attempt;           /* of the shard */
};

struct assembly *assembly_new(const struct assembly_config *config); /* NULL: no memory */
void assembly_free(struct assembly *assembly);

/* A record of a target of this shard; one of a target that is done is passed over. */
void assembly_add(struct assembly *assembly, const struct parcel *parcel);
/* A target is done, by its number; PAGE_PROBED when its records were added: without one the
 * assembly has failed, as nothing may be lost. With another fate there are no records. */
void assembly_done(struct assembly *assembly, uint64_t number, enum page_fate fate);

/* The next message that is complete; it replaces what *body holds, which is the caller's. False
 * when there is none. */
bool assembly_take(struct assembly *assembly, struct buffer *body, char id[PAGE_ID_BYTES]);

/* Every target is done and every message was taken. */
bool assembly_is_complete(const struct assembly *assembly);
/* Memory was short, or a target has no record: its shard is to be given up. */
bool assembly_failed(const struct assembly *assembly);

#endif
