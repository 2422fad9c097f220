/* One job, served by a worker: shards in, pages out.
 *
 *     run_give ─▶ [shards] ─▶ feeder ─▶ pool ─▶ [parcels] ─▶ courier ─▶ assembly ─▶ publisher
 *        ▲                      └── targets without a probe ──▲  │ its pages are all stored
 *        └───────────────── run_take_done ◀──────────────────────┘
 *
 * The feeder's thread reads targets of shards, one shard behind the other without a pause between,
 * and submits them; the courier's has a link of its own, fills pages and publishes them. When the
 * cluster takes no more pages the courier takes no more parcels, and the pool waits. The pool and
 * what is probed how come from who makes the run (tools/trawl).
 *
 * But for run_finish, all is for the one thread that started it. */
#ifndef TOOLS_FLEET_RUN_H
#define TOOLS_FLEET_RUN_H

#include "engine/base/address_set.h"
#include "engine/pool/pool.h"
#include "ingest/source.h"
#include "tools/fleet/job.h"
#include "tools/fleet/shard.h"

enum { RUN_SHARDS_MAX = 256 }; /* in hand at once */

struct run;

struct run_config {
    const struct fleet *fleet; /* the courier opens a link of its own */
    const struct job *job;
    const struct job_options *options;
    const char *worker;           /* its name, in pages */
    struct prober_settings probe; /* `run` and `pace_ns` are set by the run */
    uint32_t workers;             /* threads of the pool */
    const struct port_list *ports;
    const struct address_set *excluded; /* by the job: no record; NULL for none */
    /* On one of its threads: what is wrong for some seconds now, or for good: then it ends, as by
     * run_finish. */
    void (*on_trouble)(void *owner, const struct failure *failure, bool final);
    /* On one of its threads: it wants shards, or has some done. */
    void (*on_news)(void *owner);
    void *owner; /* all these outlive the run */
};

/* ERROR_USAGE: the options name a format, field or condition that is unknown here. */
enum error run_start(struct run **out, const struct run_config *config, struct failure *failure)
    __attribute__((warn_unused_result));

/* How many more shards it would like to have: so many that its pool never waits for one, and no
 * more, so that others have theirs. To be asked several times a second. */
uint32_t run_wants(struct run *run);

/* How that counts. Pure. */
struct run_pace {
    uint64_t left;     /* targets in hand that are not begun … */
    uint64_t in_hand;  /* … or not done */
    uint64_t done;     /* so far */
    uint64_t a_second; /* begun at last */
    uint64_t age_ms;   /* since its first shard */
    uint32_t shard;    /* targets of one */
};
uint32_t run_shards_wanted(const struct run_pace *pace);

/* Hands over a shard; `token`, not NULL, is the caller's. `body` is copied. Not `probed`: its pages
 * say that its targets are unreadable. ERROR_INPUT, ERROR_UNSUPPORTED: it is no shard. */
enum error run_give(struct run *run, struct slice body, bool probed, void *token,
                    struct failure *failure) __attribute__((warn_unused_result));

/* The token of a shard whose pages are all stored (`stored`), or that was given up; NULL when there
 * is none. */
void *run_take_done(struct run *run, bool *stored);

/* The worker's share of several runs: how many targets may be under way in it, and how long each
 * thread waits at least between two connections (0: as the job says). */
void run_set_share(struct run *run, uint32_t targets, uint64_t connect_interval_ns);

struct run_statistics {
    uint64_t shards_in_hand, targets_done, pages_stored, bytes_stored;
    struct prober_statistics probe;
};
void run_statistics(const struct run *run, struct run_statistics *out);

/* No more shards: those that are begun are done and stored, the others given up; then run_is_over.
 * `now`: all are given up. Any thread, any number of times. */
void run_finish(struct run *run, bool now);
bool run_is_over(struct run *run);
/* Waits for its end, after run_finish; tokens that were not taken are lost. NULL is fine. */
void run_close(struct run *run);

#endif
