/* What the webhooks of a process have done, for its metrics: certwatch_webhook_total and
 * certwatch_webhook_duration_seconds. The owner of the sinks has one and gives it to each
 * (sink_config); they count in it on their own threads, and any thread may read it. */
#ifndef SINKS_WEBHOOK_H
#define SINKS_WEBHOOK_H

#include <stdint.h>

enum { WEBHOOK_BUCKETS = 9 };

/* Upper ends of the buckets, in microseconds: 0.05 s to 30 s. */
extern const uint64_t webhook_bucket_us[WEBHOOK_BUCKETS];

struct webhook_statistics {
    uint64_t delivered,
        refused;       /* messages: records, or arrays of them; refused when given up too */
    uint64_t attempts; /* requests that were answered, or failed */
    uint64_t records_delivered, records_refused;
    /* How long messages took that are delivered or refused, their repetitions included. Each counts
     * in one bucket; the last is for what took longer than all. */
    uint64_t buckets[WEBHOOK_BUCKETS + 1];
    uint64_t duration_us;
};

/* A snapshot. */
struct webhook_statistics webhook_statistics_read(const struct webhook_statistics *from);

#endif
