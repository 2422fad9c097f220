/* The sources of `trawl watch`: which logs and feeds its arguments and lists mean. */
#ifndef TOOLS_TRAWL_WATCH_FEEDS_H
#define TOOLS_TRAWL_WATCH_FEEDS_H

#include "ingest/ct/logs.h"
#include "tools/trawl/watch_settings.h"
#include "tools/watch/state.h"

struct watch_feeds;

struct watch_feeds_config {
    const struct watch_settings *settings;
    const struct option_list *sources; /* wss:// and https:// URLs */
    const char *user_agent;
    struct decoder *decoder;
    const struct feed_outlet *outlet;
    struct watch_state *state;          /* for the saved positions; only until this is open */
    const struct logs_sharing *sharing; /* NULL: all logs are followed here */
};

enum error watch_feeds_open(struct watch_feeds **out, const struct watch_feeds_config *config,
                            struct failure *failure) __attribute__((warn_unused_result));
enum error watch_feeds_start(struct watch_feeds *feeds, struct failure *failure)
    __attribute__((warn_unused_result));
/* There is room again; any thread. */
void watch_feeds_wake(struct watch_feeds *feeds);
/* All of `--to-the-end` is read. */
bool watch_feeds_done(const struct watch_feeds *feeds);
void watch_feeds_stop(struct watch_feeds *feeds);
/* NULL is fine. */
void watch_feeds_close(struct watch_feeds *feeds);

uint32_t watch_feeds_count(const struct watch_feeds *feeds);
void watch_feeds_statistics(const struct watch_feeds *feeds, uint32_t number,
                            struct feed_statistics *out);

#endif
