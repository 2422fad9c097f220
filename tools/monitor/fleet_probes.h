/* Probes that workers of a fleet do for the monitor: where no connection of its own leads, or so
 * that it need not make them. A thread with a link to the cluster.
 *
 *     schedule ── targets, by label ──▶ shards ──▶ [queue of the label's job] ──▶ workers
 *        ▲                                                                          │
 *        └── records, by number ◀── pages ◀── [results of the job] ◀────────────────┘
 *
 * Each label has a job of its own, without an end, and so has each ca_file with it: the roots
 * travel with the job. A job is made when the monitor starts, and what an earlier start has left is
 * ended then, with all that waits in its queue: targets are due by the store alone.
 *
 * A target is under way until a worker answers, however long that takes: nothing is queued twice
 * while nobody is there, and what is answered at last is new. When nobody has answered for
 * `patience_ms` the label is silent, which is told. */
#ifndef TOOLS_MONITOR_FLEET_PROBES_H
#define TOOLS_MONITOR_FLEET_PROBES_H

#include "engine/base/error.h"
#include "engine/probe/target.h"
#include "engine/record/record.h"

enum {
    FLEET_SITES_MAX = 32,      /* labels, and roots of theirs */
    FLEET_SITE_TARGETS = 1024, /* under way at once: all sites together are half the numbers */
    FLEET_TOLD_AT_ONCE = 64,
};

struct job_options;

/* The owner's side. All are called on the fleet's thread. */
struct fleet_owner {
    void *owner;
    /* A record of the target that was given under this number, `is_last`: there are no more. NULL:
     * it gives none. */
    void (*see)(void *owner, uint64_t number, struct probe_record *record, bool is_last);
    /* These, FLEET_TOLD_AT_ONCE at most, are not probed at the moment, and why; they stay under
     * way. With `label` nobody answers for it, as `silence` says in a sentence. False: that could
     * not be written, try again. */
    bool (*unanswered)(void *owner, const uint64_t *numbers, uint32_t count, const char *why,
                       const char *label, const char *silence);
    /* Somebody answers for the label. False: try again. */
    bool (*answered)(void *owner, const char *label);
    /* There is room again. */
    void (*on_room)(void *owner);
    void (*on_trouble)(void *owner, const struct failure *failure);
};

struct fleet_probes_config {
    const char *via;      /* nats://…, tools/fleet/fleet.h */
    uint64_t lease_ms;    /* a worker that is silent for so long loses its targets */
    uint64_t patience_ms; /* until a label is silent */
    bool must_connect;    /* a cluster that is away is an error, not waited for */
    /* What travels with a job, but for its renderings; on the fleet's thread. `ca_file` as of a
     * target. */
    enum error (*options)(void *owner, const char *ca_file, struct job_options *out,
                          struct failure *failure);
    void *owner;
};

struct fleet_probes;

/* Connects. `identity` is of the store (tables_identity), by which its jobs are known. A cluster
 * that is away is waited for, unless `must_connect`; what is wrong with URL or login is an error.
 */
enum error fleet_probes_open(struct fleet_probes **out, const struct fleet_probes_config *config,
                             const char *identity, const struct fleet_owner *owner,
                             struct failure *failure) __attribute__((warn_unused_result));
/* The jobs are ended. What is under way is given back without a record. NULL is fine. */
void fleet_probes_close(struct fleet_probes *fleet);

/* The rest is for any thread. */

/* The number of the site for a label ("*": any worker) and roots; it is made when there is none.
 * ERROR_LIMIT: too many. */
enum error fleet_site_find(struct fleet_probes *fleet, const char *label, const char *ca_file,
                           uint32_t *site, struct failure *failure)
    __attribute__((warn_unused_result));

/* Which sites targets have: the jobs of the others are ended, and what is under way there is given
 * back. */
void fleet_sites_use(struct fleet_probes *fleet, const bool used[FLEET_SITES_MAX]);

/* The labels of those. The texts live as long as the fleet. */
uint32_t fleet_labels(struct fleet_probes *fleet, const char *out[FLEET_SITES_MAX]);

bool fleet_site_has_room(struct fleet_probes *fleet, uint32_t site);

/* Hands over a target, under a number that is not 0 and not under way. False: no memory. */
bool fleet_site_give(struct fleet_probes *fleet, uint32_t site, uint64_t number,
                     const struct target *target);

struct fleet_statistics {
    uint64_t sites, silent;           /* labels and roots in use; of which nobody answers */
    uint64_t under_way, given;        /* targets; all so far */
    uint64_t answered, passed_over;   /* by workers; twice, or of an earlier start */
    uint64_t rejected, shards, pages; /* records that are none; messages */
};
void fleet_probes_statistics(struct fleet_probes *fleet, struct fleet_statistics *out);

#endif
