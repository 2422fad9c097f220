/* One sweep from end to end: sources on a thread of their own, the pool's workers, a thread a sink,
 * and this thread, which shows progress and hears signals. */
#ifndef TOOLS_TRAWL_SWEEP_H
#define TOOLS_TRAWL_SWEEP_H

#include "engine/fetch/fetcher.h"
#include "engine/pool/pool.h"
#include "tools/fleet/fleet.h"
#include "tools/trawl/command.h"
#include "tools/trawl/scan_settings.h"

/* What is known only of a sweep that a fleet did (--via). */
struct sweep_fleet {
    char job[JOB_ID_BYTES]; /* "" for a sweep of this machine */
    bool failed;            /* not all could be collected: told */
    uint64_t pages, bytes, duplicates, malformed;
    uint64_t again;                      /* pages that were lost, and probed again */
    uint64_t unreadable, oversize, lost; /* targets without a record */
    struct buffer workers, stats;        /* in words, and as JSON */
};

/* How a sweep ended. */
struct sweep_result {
    struct pool_statistics statistics;
    struct fetcher_statistics fetched;
    uint64_t bad_lines, records_lost, records_refused, records_left_out, readers_left;
    uint64_t excluded, done_before; /* targets that were not probed */
    double seconds;
    bool interrupted, source_failed, sink_failed, reader_left;
    struct buffer outputs,
        outputs_stats; /* in words, and as JSON; sweep_result_deinit frees them */
    struct sweep_fleet fleet;
};

/* Runs it; `specs` are the arguments that name targets. An error means that it could not begin. */
enum error sweep_run(const struct scan_settings *settings, const struct option_list *specs,
                     struct sweep_result *result, struct failure *failure)
    __attribute__((warn_unused_result));

/* Appends all that decides which targets there are and in which order, and where their records go:
 * what a checkpoint belongs to. */
void sweep_describe(const struct scan_settings *settings, const struct option_list *specs,
                    struct buffer *out);

void sweep_result_deinit(struct sweep_result *result);

enum exit_code sweep_exit_code(const struct sweep_result *result);

#endif
