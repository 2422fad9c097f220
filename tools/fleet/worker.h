/* A worker of a fleet: takes shards of all jobs that its labels allow, in turn, so that each has
 * its share; keeps their leases; acknowledges them when their pages are stored. On the caller's
 * thread, which has the link and must have its signals blocked; each run has threads of its own.
 *
 *     bucket of jobs ─▶ services ─▶ runs, WORKER_RUNS_MAX at once ─▶ shards: take, extend, done
 *
 * A job that this version cannot read, or whose options it refuses, is left to others and told
 * once. When more jobs have work than there are places, each has one for a while. A cluster that is
 * away is told once and waited for; what is under way goes on. */
#ifndef TOOLS_FLEET_WORKER_H
#define TOOLS_FLEET_WORKER_H

#include "engine/base/option.h"
#include "tools/fleet/jobs.h"
#include "tools/fleet/run.h"

enum { WORKER_RUNS_MAX = 4 };

struct worker;

/* Makes what a run needs of a job's options, and frees it: tools/trawl. */
struct worker_maker {
    /* Fills `probe`, `workers`, `ports` and `excluded` of `out`, which is zeroed.
     * ERROR_UNSUPPORTED, ERROR_INPUT, ERROR_USAGE: never with these options; others may pass. */
    enum error (*make)(void *owner, const struct job_options *options, struct run_config *out,
                       void **token, struct failure *failure);
    void (*unmake)(void *owner, void *token);
    void *owner;
};

struct worker_config {
    struct fleet *fleet;
    const char *name;                 /* in pages */
    const struct option_list *labels; /* jobs with one of them, and … */
    bool only_labels;                 /* … not those without */
    struct worker_maker maker;
    uint32_t concurrency;  /* targets under way in all runs together */
    uint64_t rate;         /* connections a second, likewise; 0 for no bound */
    uint64_t idle_exit_ms; /* ends when there was nothing to do for so long; 0 for never */
    void (*say)(void *owner, const char *text); /* on any thread */
    void *owner;                                /* all these outlive the worker */
};

enum error worker_open(struct worker **out, const struct worker_config *config,
                       struct failure *failure) __attribute__((warn_unused_result));
/* Gives back what it has, as by worker_finish(worker, true). NULL is fine. */
void worker_close(struct worker *worker);

/* A round: waits `wait_ms` at most when there is nothing to do, and as long as the cluster takes to
 * answer. False when it is over: after idle_exit_ms, or worker_finish. */
bool worker_step(struct worker *worker, uint32_t wait_ms);
/* Takes no more; what is begun is done. `now`: gives it back. */
void worker_finish(struct worker *worker, bool now);

struct worker_statistics {
    uint32_t runs, shards_in_hand;
    uint64_t jobs, shards_done, shards_given_back; /* jobs: runs that were begun */
    uint64_t pages_stored, bytes_stored, targets_done;
    struct prober_statistics probe; /* of all runs, those that are over too */
};
void worker_statistics(const struct worker *worker, struct worker_statistics *out);

#endif
