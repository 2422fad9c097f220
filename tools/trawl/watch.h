/* `trawl watch` from its settings to its end, by itself or as a part of another program. */
#ifndef TOOLS_TRAWL_WATCH_H
#define TOOLS_TRAWL_WATCH_H

#include "engine/decode/decoder.h"
#include "ingest/ct/feed.h"
#include "tools/trawl/watch_settings.h"
#include "tools/watch/ledger.h"

struct watch_result {
    struct decoder_statistics decoded;
    struct ledger_statistics ledger;
    uint64_t committed, gaps, lost; /* entries of all logs and feeds */
    double seconds;
    uint64_t records_lost, records_refused, records_left_out;
    bool interrupted, sink_failed, reader_left, failed;
    struct buffer outputs,
        outputs_stats; /* in words, and as JSON; watch_result_deinit frees them */
};

/* Follows `sources` until it is interrupted, its reader leaves, or the end that was asked for.
 * Prints what an operator should hear of on standard error. The main thread, for it hears signals.
 */
enum error watch_run(const struct watch_settings *settings, const struct option_list *sources,
                     struct watch_result *result, struct failure *failure)
    __attribute__((warn_unused_result));

void watch_result_deinit(struct watch_result *result);

/* --- As a part of another program --- */

/* The program around it: it gets the alerts, as a database does, and what there is to say. */
struct watch_host {
    const struct ledger_database *database; /* in place of --postgres */
    /* Any thread of the watch; must not block. */
    void (*say)(void *owner, const char *words);
    void (*incident)(void *owner, const struct ct_source *source, enum feed_incident incident,
                     const char *words);
    void (*tick)(void *owner); /* a few times a second, on the thread of watch_follow; may block */
    void *owner;
};

struct watch;

/* Reads and opens all that it needs, and says at once what is wrong with it. Settings, sources and
 * host outlive it. */
enum error watch_open(struct watch **out, const struct watch_settings *settings,
                      const struct option_list *sources, const struct watch_host *host,
                      struct failure *failure) __attribute__((warn_unused_result));
/* Runs until watch_stop, or an end of its own, on the caller's thread; once. Signals are nothing to
 * it. */
enum error watch_follow(struct watch *watch, struct watch_result *result, struct failure *failure)
    __attribute__((warn_unused_result));
/* It ends within seconds, before or after it has begun. Any thread. */
void watch_stop(struct watch *watch);
/* NULL is fine. */
void watch_close(struct watch *watch);

/* For any thread, while it is open: as watch_health and watch_metrics, and its sources. */
bool watch_add_health(const struct watch *watch, struct buffer *out);
void watch_add_metrics(const struct watch *watch, struct buffer *out);
uint32_t watch_source_count(const struct watch *watch);
void watch_source_statistics(const struct watch *watch, uint32_t number,
                             struct feed_statistics *out);

#endif
