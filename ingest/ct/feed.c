#include "ingest/ct/feed.h"

const char *feed_incident_name(enum feed_incident incident) {
    static const char *const names[FEED_INCIDENTS] = {
        [FEED_ROOT_MISMATCH] = "root mismatch",
        [FEED_EQUIVOCATION] = "equivocation",
        [FEED_BAD_SIGNATURE] = "bad signature",
        [FEED_HEAD_SHRANK] = "head shrank",
        [FEED_HEAD_STALE] = "stale head",
        [FEED_PAGE_BROKEN] = "broken answer",
        [FEED_UNREACHABLE] = "unreachable",
        [FEED_RECOVERED] = "recovered",
        [FEED_GAP] = "gap",
        [FEED_LOST] = "lost",
        [FEED_LIST_STALE] = "stale log list",
        [FEED_LOG_CHANGED] = "log changed",
    };
    return names[incident];
}
