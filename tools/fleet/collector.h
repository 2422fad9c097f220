/* The pages of a job, each once and whole, for whoever writes them down. On the thread of the
 * fleet.
 *
 *     results ─▶ collector ── page ──▶ the owner's outputs
 *                 │     ▲                        │ all of them have written it
 *                 │     └── collector_settle ◀───┘ ─▶ acknowledged
 *                 └─▶ known already? is_known: a bit a page, kept by the owner
 *
 * Parts of a page are kept until it is whole. What comes twice is acknowledged and passed over.
 * What is held for long is extended, so that a slow output is no reason for the queue to send it
 * again. One collector at a time: a lease on the job (lease.h), which another takes over when it
 * was silent; its value is how many pages were collected, by all of them. */
#ifndef TOOLS_FLEET_COLLECTOR_H
#define TOOLS_FLEET_COLLECTOR_H

#include "tools/fleet/jobs.h"
#include "tools/fleet/page.h"

enum {
    COLLECTOR_WORKERS_MAX = 256, /* told apart; the others count as the last */
    COLLECTOR_LEASE_MS = 30000,  /* at most */
};

/* How long a collector of this job may be silent: as long as its workers. */
static inline uint64_t collector_lease_ms(const struct job *job) {
    return job->lease_ms < COLLECTOR_LEASE_MS ? job->lease_ms : COLLECTOR_LEASE_MS;
}

struct collector;

struct collector_config {
    struct fleet *fleet;
    struct jobs *jobs;
    const struct job *job;
    uint32_t renderings;
    /* What proves that it is the same collector that comes back, and need not wait until its lease
     * has run out: some bytes that nobody else has; 0 for none. */
    uint64_t identity;
    /* Whether all outputs have this page, from an earlier run perhaps. */
    bool (*is_known)(void *owner, uint64_t page);
    /* In collector_open, a few times a second, while another has the job, who may be dead: `who`
     * says who. False to give up. */
    bool (*on_wait)(void *owner, const struct failure *who);
    /* A message that is no page of this job. */
    void (*on_odd)(void *owner, const struct failure *failure);
    void *owner;
};

/* EBUSY: another collects this job, or on_wait gave up; `failure` says who and what to do. It takes
 * as long as the lease of a dead one does, when `identity` is another. */
enum error collector_open(struct collector **out, const struct collector_config *config,
                          struct failure *failure) __attribute__((warn_unused_result));
/* Gives the lease back, and what is not settled to the next one. NULL is fine. */
void collector_close(struct collector *collector);

/* A whole page, in the order of its targets; valid until collector_settle of it. */
struct collected_page {
    uint64_t page;
    uint32_t count;
    const struct page_target *targets;
    size_t bytes; /* of its messages */
    void *token;
};

/* The next page, waiting `wait_ms` at most; *found false when there is none. ENOENT: the job has
 * ended. ERROR_STOPPED: somebody else has the lease. Others pass, and say what is wrong at the
 * moment. */
enum error collector_next(struct collector *collector, struct collected_page *out, bool *found,
                          uint32_t wait_ms, struct failure *failure)
    __attribute__((warn_unused_result));
/* Instead of it, while the owner has no room for pages: keeps the lease, and what is held. */
enum error collector_keep(struct collector *collector, struct failure *failure)
    __attribute__((warn_unused_result));

/* All outputs have it, or (not `written`) it is given up for now, and comes again. */
void collector_settle(struct collector *collector, void *token, bool written);

/* A worker, as its pages tell. */
struct collector_worker {
    char name[PAGE_WORKER_BYTES]; /* safe to print */
    uint64_t targets;             /* of pages that were written */
};
struct collector_statistics {
    uint64_t pages, targets, records, bytes; /* written; records of the first rendering */
    uint64_t duplicates, malformed;          /* messages */
    uint64_t pages_before; /* at least, by collectors of this job before this one */
    bool others; /* among those was one with another identity: what it has does not come again */
    uint32_t messages_held; /* of pages that are not whole yet */
    uint64_t last_ns;       /* when a message came; clock_monotonic_ns */
    uint64_t fates[PAGE_FATES], outcomes[OUTCOME_COUNT], statuses[STATUS_COUNT];
    const struct collector_worker *workers; /* until the next call */
    uint32_t worker_count;
};
void collector_statistics(const struct collector *collector, struct collector_statistics *out);

#endif
