/* What `trawl watch` says about itself: a line on a terminal, a summary, a JSON document. */
#ifndef TOOLS_TRAWL_WATCH_PROGRESS_H
#define TOOLS_TRAWL_WATCH_PROGRESS_H

#include "tools/trawl/watch.h"
#include "tools/trawl/watch_feeds.h"

/* Overwrites the progress line on standard error. `waiting`: records in spools. */
void watch_progress_show(const struct watch_result *result, const struct watch_feeds *feeds,
                         double seconds, uint64_t waiting);

/* A few lines on standard error. */
void watch_summary(const struct watch_result *result);

/* The figures as one JSON object, in a file. */
enum error watch_write_stats(const struct watch_result *result, const char *path,
                             struct failure *failure);

#endif
