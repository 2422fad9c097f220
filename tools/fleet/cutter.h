/* From sources to shards: a thread that pulls sources, one after another, and puts shards of them
 * into the stream of work. Blocks travel as they are named, also those of lists, so that a sweep of
 * all addresses is some hundred thousand small messages; other rows as a target each.
 *
 * The size of a shard follows from how much there is to do, where that is known
 * (cut_shard_targets); what comes slowly, from a pipe, becomes a shard at least every second.
 * Shards are published under ids ("JOB.sFIRST"), so that none is there twice.
 *
 * Between two shards the job's descriptor is brought up to date, a few times a second at most: a
 * cutter that is killed leaves a job of which it is known how much of it is queued, and from there
 * cutter_start goes on when it is given such a job, and sources that give the same targets again.
 * Those of a pipe come only once.
 *
 * A job that somebody has ended ends its cutter. */
#ifndef TOOLS_FLEET_CUTTER_H
#define TOOLS_FLEET_CUTTER_H

#include "engine/base/option.h"
#include "ingest/source.h"
#include "tools/fleet/jobs.h"

struct cutter;

struct cutter_config {
    const struct fleet *fleet; /* the cutter opens a link of its own */
    const char *job;           /* an id; submitted before */
    const struct option_list *specs;
    const struct source_context *sources; /* its seed is the job's; all these outlive the cutter */
    uint32_t shard_targets;               /* 0: cut_shard_targets of `total` */
    uint64_t total;                       /* 0 when it is not known */
    /* On the cutter's thread: lines that are no targets, or cannot travel; what the cluster does
     * not take at the moment, and sources that could not be read; `final`: it has given up. */
    void (*on_bad_line)(void *owner, const struct failure *failure);
    void (*on_trouble)(void *owner, const struct failure *failure, bool final);
    void *owner;
};

struct cutter_totals {
    uint64_t targets, pages, shards; /* in the queue, also by an earlier cutter */
    uint64_t bad_lines;
    bool is_done; /* all is in the queue, and the job's descriptor says so */
    bool failed;  /* a source could not be opened or read to its end: told */
};

enum error cutter_start(struct cutter **out, const struct cutter_config *config,
                        struct failure *failure) __attribute__((warn_unused_result));
/* For any thread. */
void cutter_totals(const struct cutter *cutter, struct cutter_totals *out);
/* Ends it soon, also in the middle; with a signal on source_context.stop_fd. */
void cutter_stop(struct cutter *cutter);
/* Waits for its end and frees it. */
void cutter_join(struct cutter *cutter, struct cutter_totals *totals);

#endif
