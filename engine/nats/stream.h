/* Streams of JetStream: found, checked, made, emptied, removed. On the thread of the link, which
 * waits. */
#ifndef ENGINE_NATS_STREAM_H
#define ENGINE_NATS_STREAM_H

#include "engine/base/buffer.h"
#include "engine/nats/link.h"

struct nats_stream_wish {
    const char *subject; /* what is to be published there; may be a pattern when it has a name */
    const char *name;    /* NULL for the one that takes the subject */
    bool create;         /* when there is none of that name; what follows is for this */
    uint64_t replicas;   /* 0 for 1 */
    uint64_t max_age_ms; /* 0 for ever */
    uint64_t max_bytes;  /* 0 for no limit; see nats_publisher_config.backlog_max */
    uint64_t dedupe_ms;  /* how long ids are remembered; 0 for the server's two minutes */
    /* What is acknowledged goes; each message for one consumer. One that exists must be so, too. */
    bool work_queue;
    bool keeps; /* the contrary: what is acknowledged stays. One that exists must be so, too */
    bool refuse_when_full;      /* rather than drop the oldest */
    uint64_t max_per_subject;   /* only the newest of each subject; 0 for all */
    uint64_t max_message_bytes; /* 0 for the server's bound */
    bool roll_up;               /* a message may replace all before it */
};

struct nats_stream_state {
    uint64_t messages, bytes, consumers;
    uint64_t last_sequence; /* ever given to a message */
    uint64_t replicas;
    int64_t created_ms; /* since 1970 */
};

/* Makes sure that a stream takes the subject and acknowledges what it takes. ERROR_USAGE says what
 * is not as it should be, and the cure; others are those of nats_link_call. ERROR_LIMIT: it would
 * have to be made, and the cluster has not so many servers at the moment as there are to be
 * replicas; ENOTSUP: the server is alone. One that exists may have other limits. A login that may
 * publish, but not ask about streams, is fine when no stream is named. `state` may be NULL; of a
 * stream that is not named it stays empty. */
enum error nats_stream_prepare(struct nats_link *link, const struct nats_stream_wish *wish,
                               uint32_t patience_ms, struct nats_stream_state *state,
                               struct failure *failure) __attribute__((warn_unused_result));

/* ENOENT: there is none. */
enum error nats_stream_state(struct nats_link *link, const char *name,
                             struct nats_stream_state *out, struct failure *failure)
    __attribute__((warn_unused_result));

/* Calls `each` for all streams that take `subject`, which may be a pattern. */
enum error nats_stream_list(struct nats_link *link, const char *subject,
                            void (*each)(void *owner, const char *name), void *owner,
                            struct failure *failure) __attribute__((warn_unused_result));

/* With all that is in it. One that is not there is fine. */
enum error nats_stream_delete(struct nats_link *link, const char *name, struct failure *failure)
    __attribute__((warn_unused_result));

/* The first message of a subject, which has no quotes in it, with a number of `from` or above: its
 * number, and its body appended to *body. ENOENT: there is none. */
enum error nats_stream_next(struct nats_link *link, const char *name, const char *subject,
                            uint64_t from, uint64_t *sequence, struct buffer *body,
                            struct failure *failure) __attribute__((warn_unused_result));

/* Removes messages of a subject, or of a pattern, with numbers below `before`; 0: all. A stream
 * that is not there is fine. */
enum error nats_stream_purge(struct nats_link *link, const char *name, const char *subject,
                             uint64_t before, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
