/* The bucket of jobs, and the queues of each. On the thread of the fleet.
 *
 * A job's results stream is made first and removed last (but for the descriptor, which is made last
 * and stays): what a submit or an end that was killed left behind is found by it, by the next
 * submit of the same id, jobs_end or jobs_forget. */
#ifndef TOOLS_FLEET_JOBS_H
#define TOOLS_FLEET_JOBS_H

#include "engine/nats/pull.h"
#include "tools/fleet/job.h"

enum {
    JOBS_DEDUPE_MS = 10 * 60 * 1000, /* how long queues remember ids */
    /* A page that its collector has held for so long without a word (or for the job's lease when
     * that is shorter) is given out again: also to one that comes after it was killed. */
    JOBS_COLLECT_WAIT_MS = 30 * 1000,
    JOBS_UNDER_WAY_MAX = 16384, /* messages of a queue, with all who take of it */
    /* The queue gives a shard out for ever. Whoever gets one more often than that
     * (nats_pulled_deliveries) does not probe it, since it has killed its workers: the pages say of
     * its targets that they are PAGE_UNREADABLE. */
    JOBS_DELIVERIES_MAX = 64,
};

#define JOBS_COLLECT_LEASE "collect.%s" /* the key of the lease on collecting a job */

struct jobs;

/* Makes the bucket when there is none. NULL is fine for close. */
enum error jobs_open(struct jobs **out, struct fleet *fleet, struct failure *failure)
    __attribute__((warn_unused_result));
void jobs_close(struct jobs *jobs);

/* Everything that a job needs: options, results stream with its
 * consumer, work consumer, and last its descriptor. Fills option_pieces and options_sha256 of
 * `job`, and sets its state to JOB_CUTTING. EEXIST: there is a job of this id. */
enum error jobs_submit(struct jobs *jobs, struct job *job, const struct job_options *options,
                       uint64_t buffer_bytes, struct failure *failure)
    __attribute__((warn_unused_result));

/* ENOENT; or those of job_read. */
enum error jobs_get(struct jobs *jobs, const char *id, struct job *out, struct failure *failure)
    __attribute__((warn_unused_result));
/* ENOENT: the job has ended. ERROR_INPUT: they are not what was submitted. */
enum error jobs_get_options(struct jobs *jobs, const struct job *job, struct job_options *out,
                            struct failure *failure) __attribute__((warn_unused_result));

/* Changes a descriptor by compare-and-swap: `change` may be called again on what somebody else has
 * written, and returns false when nothing is to be changed (a cancelled job stays so). */
enum error jobs_change(struct jobs *jobs, const char *id,
                       bool (*change)(void *owner, struct job *job), void *owner, struct job *out,
                       struct failure *failure) __attribute__((warn_unused_result));

/* All, oldest first; costs next to nothing while nothing has changed. Those that cannot be read, of
 * a newer version perhaps, are told of in `on_odd`, and left out. *out is the caller's to free. */
enum error jobs_list(struct jobs *jobs, struct job **out, uint32_t *count,
                     void (*on_odd)(void *owner, const char *id, const struct failure *failure),
                     void *owner, struct failure *failure) __attribute__((warn_unused_result));

/* Consumers of a job's queues. ENOENT: it has ended. */
enum error jobs_open_work(struct jobs *jobs, const char *id, struct nats_pull **out,
                          struct failure *failure) __attribute__((warn_unused_result));
enum error jobs_open_results(struct jobs *jobs, const char *id, struct nats_pull **out,
                             struct failure *failure) __attribute__((warn_unused_result));

/* What is in the queues of a job; nothing when it has ended. */
struct job_progress {
    uint64_t shards_waiting, shards_under_way, pages_waiting, pages_under_way, result_bytes;
};
enum error jobs_progress(struct jobs *jobs, const char *id, struct job_progress *out,
                         struct failure *failure) __attribute__((warn_unused_result));

/* Which pages of a job did not come; and, between two shards, whether to go on. */
struct jobs_missing {
    bool (*is_missing)(void *owner, uint64_t page);
    bool (*goes_on)(void *owner);
    void *owner;
};
/* Has the shards of those pages done again, which are in the stream until the job ends; *pages: how
 * many pages it will bring. Shards and pages have ids of their own for each attempt, from 1 on, so
 * that an attempt may be made again when it ended in the middle. Takes an exchange with the cluster
 * for each shard of the job. ERROR_STOPPED: it was not to go on. */
enum error jobs_again(struct jobs *jobs, const char *id, uint32_t attempt,
                      const struct jobs_missing *missing, uint64_t *pages, struct failure *failure)
    __attribute__((warn_unused_result));

/* Drops the shards that are done, of a job without an end that will have none done again. ENOENT:
 * it has ended. */
enum error jobs_drop_done(struct jobs *jobs, const char *id, struct failure *failure)
    __attribute__((warn_unused_result));

/* Ends a job: no worker takes of it any more, its queues and options go; the descriptor stays, so
 * that a list shows it, until jobs_forget. `state` is JOB_DONE or JOB_CANCELLED; one that ended
 * before keeps its own. ENOENT as jobs_get; what is left of its queues is removed all the same. */
enum error jobs_end(struct jobs *jobs, const char *id, enum job_state state,
                    struct failure *failure) __attribute__((warn_unused_result));

/* Removes descriptors of jobs that ended and were made before `before_ms`, and what is left of jobs
 * that were never submitted in whole, likewise. */
enum error jobs_forget(struct jobs *jobs, int64_t before_ms, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
