/* What a sweep says about itself while it runs and when it ends: a line on a terminal, a summary,
 * a JSON document. */
#ifndef TOOLS_TRAWL_PROGRESS_H
#define TOOLS_TRAWL_PROGRESS_H

#include "tools/trawl/sweep.h"

/* Overwrites the progress line on standard error. `total` 0: not known. `waiting`: records in
 * spools. */
void progress_show(const struct pool_statistics *statistics, uint64_t total, double seconds,
                   uint64_t waiting);

/* A few lines on standard error: how many, how fast, what came of it, what is wrong. */
void progress_summary(const struct sweep_result *result);

/* Of that, how many probes ended how; and appended to a document of figures, what became of them.
 */
void progress_outcomes(const struct prober_statistics *probe);
void progress_add_probes(struct buffer *out, const struct prober_statistics *probe);

/* The figures as one JSON object in a file, whole or not at all. */
enum error progress_write_stats(const struct sweep_result *result, const char *path,
                                struct failure *failure);

#endif
