/* `trawl watch` from its settings to its end. */
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
    uint64_t records_lost, records_refused;
    bool interrupted, sink_failed, reader_left, failed;
};

/* Follows `sources` until it is interrupted, its reader leaves, or the end that was asked for.
 * Prints what an operator should hear of on standard error. */
enum error watch_run(const struct watch_settings *settings, const struct option_list *sources,
                     struct watch_result *result, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
