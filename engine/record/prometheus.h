/* Records of probes in Prometheus' text exposition format 0.0.4: the names that blackbox_exporter
 * has, so that its alerts and dashboards work, and names of our own for what it does not tell.
 * Every sample has the label `target`, and `ip` where a name was probed at several addresses. What
 * an expired or untrusted certificate says is told as of any other. Pure, safe on every thread. */
#ifndef ENGINE_RECORD_PROMETHEUS_H
#define ENGINE_RECORD_PROMETHEUS_H

#include "engine/base/buffer.h"
#include "engine/record/record.h"

struct prometheus_sight {
    const struct probe_record *record;
    struct slice target; /* what the label says */
    enum status verdict; /* of whoever asked */
};

/* All metrics of all records, each metric's samples together. */
void prometheus_add(const struct prometheus_sight *sights, uint32_t count, struct buffer *out);

/* The value of a label without its quotes: safe text, with what the format itself escapes. */
void prometheus_add_value(struct slice text, struct buffer *out);

#endif
