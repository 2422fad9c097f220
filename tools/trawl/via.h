/* One sweep that a fleet does, from end to end: the sources are cut into shards for the workers of
 * a cluster (--via), what comes back goes to the outputs.
 *
 *     sources ─▶ cutter ─▶ (cluster, workers) ─▶ collector ─▶ relay ─▶ outputs, a thread each
 *                                                    ▲                    │ checkpoint: pages
 *                                                    └── acknowledged ◀───┘
 *
 * The one who asks may go away, and come back with --attach: a page is acknowledged when every
 * output has it, and the checkpoint knows which. */
#ifndef TOOLS_TRAWL_VIA_H
#define TOOLS_TRAWL_VIA_H

#include "tools/trawl/sweep.h"

/* As sweep_run, with settings->via; without `specs` when settings->attach names a job. */
enum error via_run(const struct scan_settings *settings, const struct option_list *specs,
                   struct sweep_result *result, struct failure *failure)
    __attribute__((warn_unused_result));

/* The checkpoint of a job that was begun without --checkpoint: a path to be freed; NULL when there
 * is no home. */
char *via_checkpoint_path(const char *job);

#endif
