/* What `trawl watch` shows at /metrics and /healthz: certwatch's names, which dashboards know, and
 * our own. */
#ifndef TOOLS_TRAWL_WATCH_METRICS_H
#define TOOLS_TRAWL_WATCH_METRICS_H

#include "tools/trawl/outputs.h"
#include "tools/trawl/watch.h"
#include "tools/trawl/watch_feeds.h"
#include "tools/trawl/watch_lists.h"
#include "tools/trawl/watch_via.h"

struct watch_view {
    const struct decoder *decoder;
    const struct ledger *ledger;
    const struct watch_feeds *feeds;
    const struct outputs *outputs;
    const struct watch_lists *lists;
    struct watch_via *via; /* NULL for none */
    int64_t started_ms;    /* since 1970 */
};

/* Any thread. */
void watch_metrics(const struct watch_view *view, struct buffer *out);

/* Appends {"ok":…,"watch_entries":…,"last_ct_event_at":…,…}; false when all is not well: no source
 * is connected, none has brought an entry for ten minutes, or state, database, watch list or
 * cluster cannot be used. A watcher without logs, as others have them all, is well. */
bool watch_health(const struct watch_view *view, struct buffer *out);

#endif
