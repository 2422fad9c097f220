/* All logs together: RFC 6962 and static-ct, followed on one thread over one HTTP client.
 *
 *     follower ── wants ──▶ requests ─▶ HTTP ─▶ pages ─▶ decoder
 *        ▲                                                  │
 *        └──────── decoded pages, heads, proofs ◀───────────┘ ─▶ outlet, in order
 *
 * Operators are treated politely: so many requests at once for all logs of one operator, waits that
 * double after failures, Retry-After as it is told, a User-Agent with a contact.
 *
 * Memory is bounded by the window of each log and by the bytes of all pages that are not decoded
 * yet. When the outlet has no room, pages wait, and nothing is fetched beyond the window.
 *
 * logs_open to logs_start and logs_stop to logs_close are for the owner; the thread calls the
 * outlet. */
#ifndef INGEST_CT_LOGS_H
#define INGEST_CT_LOGS_H

#include "ingest/ct/feed.h"

struct logs;

enum { LOGS_MAX = 512 };

/* One log; copied. */
struct log_spec {
    struct slice name;          /* for people */
    struct slice operator_name; /* whose limits it shares */
    struct slice url;           /* of RFC 6962 before "/ct/v1/", or the monitoring prefix */
    struct slice key;           /* SubjectPublicKeyInfo as DER */
    bool tiles;
    bool listed;    /* it came from the log list (log_spec_of), and goes with it */
    bool frozen;    /* it takes no entries any more: an old head is no fault */
    uint32_t mmd_s; /* maximum merge delay: how old its head may be; 0: a day */
    enum feed_from from;
    uint64_t from_index;
    struct slice saved; /* of the position it had; empty for none */
};

/* Logs that several programs share, each followed by one of them at a time. Called on the logs'
 * thread, often; must not block. */
struct logs_sharing {
    /* The term in which this log is followed here; 0: not now. In a new term it is begun anew; what
     * was not committed in the one before is dropped. `wanted`: false when the log list has dropped
     * it. */
    uint64_t (*term)(void *owner, const struct ct_source *source, bool wanted);
    /* Appends where the log was left by whoever had it before (log_position.saved); nothing: it is
     * begun where its spec says. */
    void (*saved)(void *owner, const struct ct_source *source, struct buffer *out);
    void *owner;
};

struct logs_config {
    struct decoder *decoder;                               /* that makes ranges (hash_tree) */
    const struct feed_outlet *outlet;                      /* outlives the logs */
    const char *user_agent, *ca_file;                      /* as of http_client_config */
    uint32_t per_operator;                                 /* requests at once */
    uint32_t window;                                       /* pages of a log under way or waiting */
    uint32_t page_entries;                                 /* to ask RFC 6962 logs for at once */
    uint32_t head_interval_ms, partial_after_ms, retry_ms; /* as of follower_config */
    bool to_the_end;                    /* each log to its first head, then no further */
    const struct logs_sharing *sharing; /* outlives the logs; NULL: all are followed here */
};

enum error logs_open(struct logs **out, const struct logs_config *config, struct failure *failure)
    __attribute__((warn_unused_result));

/* Adds a log; before the start, or on the logs' thread. One whose key is there already is left
 * alone. */
enum error logs_add(struct logs *logs, const struct log_spec *spec, struct failure *failure)
    __attribute__((warn_unused_result));

struct logs_list_config;

/* Looks for a newer log list from time to time (logs_list.h); before the start. */
void logs_follow_list(struct logs *logs, const struct logs_list_config *config);

enum error logs_start(struct logs *logs, struct failure *failure)
    __attribute__((warn_unused_result));

/* The outlet has room again; any thread. */
void logs_wake(struct logs *logs);

/* Ends the thread: what is under way is dropped, what was committed has been told. The decoder must
 * still run. */
void logs_stop(struct logs *logs);
void logs_close(struct logs *logs);

/* True when all logs are done, with `to_the_end`. Any thread. */
bool logs_done(const struct logs *logs);

uint32_t logs_count(const struct logs *logs);
/* Of log `number`, below logs_count; any thread. */
void logs_statistics(const struct logs *logs, uint32_t number, struct feed_statistics *out);

#endif
