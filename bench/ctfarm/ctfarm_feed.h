/* Messages of certstream servers. Within the farm only. Pure, safe on every thread. */
#ifndef BENCH_CTFARM_CTFARM_FEED_H
#define BENCH_CTFARM_CTFARM_FEED_H

#include "bench/ctfarm/ctfarm_log.h"

enum ctfarm_dialect { CTFARM_GO, CTFARM_CALIDOG, CTFARM_RUST, CTFARM_DIALECTS };
enum ctfarm_detail { CTFARM_FULL, CTFARM_LITE, CTFARM_DOMAINS, CTFARM_DETAILS };

struct ctfarm_feed_style {
    enum ctfarm_dialect dialect;
    enum ctfarm_detail detail;
    bool tiled;             /* as from a static-ct log, which certstream-server-go knows less of */
    const char *url, *name; /* of the log */
};

/* Appends the message for entry `index` without a newline. False for what such servers cannot parse
 * and leave out. */
bool ctfarm_feed_add(const struct ctfarm_entry *entry, uint64_t index,
                     const struct ctfarm_feed_style *style, struct buffer *out);

void ctfarm_feed_add_heartbeat(enum ctfarm_dialect dialect, int64_t unix_ms, struct buffer *out);

#endif
