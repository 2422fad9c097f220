/* Streams of JetStream: found, checked, made. On the thread of the link, which waits. */
#ifndef ENGINE_NATS_STREAM_H
#define ENGINE_NATS_STREAM_H

#include "engine/nats/link.h"

struct nats_stream_wish {
    const char *subject; /* what is to be published there */
    const char *name;    /* NULL for the one that takes the subject */
    bool create;         /* when there is none of that name; what follows is for this */
    uint64_t replicas;   /* 0 for 1 */
    uint64_t max_age_ms; /* 0 for ever */
    uint64_t max_bytes;  /* 0 for no limit */
    uint64_t dedupe_ms;  /* how long ids are remembered; 0 for the server's two minutes */
};

/* Makes sure that a stream takes the subject and acknowledges what it takes. ERROR_USAGE says what
 * is not as it should be, and the cure; others are those of nats_link_call. A login that may
 * publish, but not ask about streams, is fine when no stream is named. */
enum error nats_stream_prepare(struct nats_link *link, const struct nats_stream_wish *wish,
                               uint32_t patience_ms, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
