/* Logs shared out over watchers by NATS: `trawl watch --via`. Each log has a lease (tools/fleet),
 * whose value is how far it was dealt with; whoever holds it follows the log.
 *
 *     thread of the logs ── term, saved, may_commit ─▶ ┌─────┐
 *                        ── positions ────────────────▶ │ via │ ◀── its own thread: leases, members
 *     thread of the ledger ── what is safe ───────────▶ └─────┘      (the fleet's link)
 *
 * A lease is written a few times within its time, by compare-and-swap, with the newest position
 * before which everything is told. A watcher that is silent for longer than the lease says has
 * stopped by itself before (what comes then is not committed), and its logs go to others, who begin
 * at that position; what was told behind it is known by its claims (watch_claims.h). */
#ifndef TOOLS_TRAWL_WATCH_VIA_H
#define TOOLS_TRAWL_WATCH_VIA_H

#include "ingest/ct/logs.h"
#include "tools/fleet/fleet.h"
#include "tools/trawl/watch_members.h"
#include "tools/watch/state.h"

struct watch_via;

struct watch_via_config {
    const char *via, *group; /* as of --via and --watch-group */
    uint64_t lease_ms;
    bool every_entry; /* a log is given back when all of it is written, however long that takes */
    /* For an operator; on the thread of via. */
    void (*say)(void *owner, const char *words);
    /* A log came or went: logs_wake. On the thread of via. */
    void (*changed)(void *owner);
    void *owner;
};

/* Connects; what is wrong is told at once, in a line. */
enum error watch_via_open(struct watch_via **out, const struct watch_via_config *config,
                          struct failure *failure) __attribute__((warn_unused_result));
enum error watch_via_start(struct watch_via *via, struct failure *failure)
    __attribute__((warn_unused_result));
/* No more logs are taken; leases are still kept. Any thread. */
void watch_via_end(struct watch_via *via);
/* Gives all back, each with its last safe position, and ends the thread. */
void watch_via_stop(struct watch_via *via);
/* NULL is fine. */
void watch_via_close(struct watch_via *via);

/* As long as `via`. */
const struct logs_sharing *watch_via_sharing(const struct watch_via *via);
const struct fleet *watch_via_fleet(const struct watch_via *via);
struct watch_members *watch_via_members(const struct watch_via *via);

/* --- On the logs' thread --- */

/* Whether what this log has brought is still this one's affair. */
bool watch_via_may_commit(struct watch_via *via, const struct ct_source *source);
/* A position that the ledger will be told of next. */
void watch_via_position(struct watch_via *via, const struct ct_source *source,
                        const struct log_position *position);

/* --- On the ledger's --- */

void watch_via_safe(struct watch_via *via, const struct ct_source *source,
                    const struct saved_position *position);

/* --- Any thread --- */

struct watch_via_statistics {
    uint32_t members;            /* watchers that live, this one with them */
    uint32_t wanted, held;       /* logs there are; that this one follows */
    uint64_t taken, lost, given; /* leases so far */
    bool is_connected;           /* the cluster has heard of this one just now */
};
void watch_via_statistics(struct watch_via *via, struct watch_via_statistics *out);

#endif
