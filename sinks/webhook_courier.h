/* The courier of a webhook: makes messages of the records it is given, sends them, repeats what
 * fails, and says of each batch what became of it. Part of webhook.c.
 *
 *     batches ─▶ lines ─▶ message: one record, or an array of several
 *                              │
 *          ┌──▶ DUE ──▶ UNDER_WAY ──▶ 2xx: written
 *          │                 ├──────▶ 3xx, 4xx, not allowed: refused
 *          └── a pause ◀─────┴──────▶ 429, 5xx, no answer: again, and refused after the last
 * attempt
 *
 * With one message at a time, records arrive in order: what is behind a message waits until it is
 * through. Belongs to the sink's thread. */
#ifndef SINKS_WEBHOOK_COURIER_H
#define SINKS_WEBHOOK_COURIER_H

#include "sinks/sink.h"
#include "sinks/webhook.h"
#include "sinks/webhook_secret.h"

struct address_set;
struct courier;

/* All that it points to outlives the courier. */
struct courier_config {
    const char *name; /* for messages: "https://hooks.example.org", nothing secret */
    const char *url;
    const char *user_agent, *ca_file;    /* NULL: as struct http_client_config */
    const struct webhook_secret *secret; /* of no bytes: nothing is signed */
    struct webhook_statistics *statistics;
    uint64_t batch; /* records of an array at most; 0: no arrays, a record a message */
    uint64_t batch_wait_ms;
    uint64_t concurrency; /* messages at once */
    uint64_t timeout_ms;  /* of an attempt */
    uint64_t retries;
    uint64_t backoff_ms; /* the first pause; each further one is four times as long */
    bool deny_private;   /* connect to public addresses only */
    bool lines_have_ids; /* each line ends with the member `id` (engine/record/webhook.c) */
};

enum error courier_open(struct courier **out, const struct courier_config *config,
                        struct failure *failure) __attribute__((warn_unused_result));
/* Drops what is under way, and touches no delivery. NULL is fine. */
void courier_close(struct courier *courier);

/* Where a webhook with `deny_private` may not connect to; the caller frees the set, after a failure
 * too. */
enum error webhook_private_addresses(struct address_set **out, struct failure *failure)
    __attribute__((warn_unused_result));

/* As the calls of struct sink_kind. */
void courier_take(struct courier *courier, struct sink_delivery *delivery);
enum error courier_settle(struct courier *courier, uint32_t wait_ms, struct failure *failure);

#endif
