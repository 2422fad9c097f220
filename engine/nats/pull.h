/* Messages taken from a stream by a durable consumer, each acknowledged by whoever has done its
 * work. What is not acknowledged within the consumer's time is given to somebody else, or again.
 *
 * On the thread of the link; a message may be held for as long as the link lives, and is settled
 * there. */
#ifndef ENGINE_NATS_PULL_H
#define ENGINE_NATS_PULL_H

#include "engine/base/slice.h"
#include "engine/nats/link.h"

struct nats_pull;
struct nats_pulled; /* a message */

struct nats_pull_wish {
    const char *stream, *durable;
    const char *filter;      /* a subject; NULL for all */
    uint64_t ack_wait_ms;    /* how long it may be held without a word; this and the next when it is
                                made */
    uint32_t max_under_way;  /* of all who take together */
    uint32_t max_deliveries; /* 0 for no bound; what is given out more often stays, untaken */
    bool create;             /* when there is none */
};

/* ENOENT: there is no such consumer, or no stream. */
enum error nats_pull_open(struct nats_pull **out, struct nats_link *link,
                          const struct nats_pull_wish *wish, struct failure *failure)
    __attribute__((warn_unused_result));
/* Messages that are held must be let go before; what has come and was not taken is given back. May
 * wait for a tenth of a second. NULL is fine. */
void nats_pull_close(struct nats_pull *pull);

/* Takes up to `wanted` messages, waiting `wait_ms` for the first at most (0: what is there). *count
 * 0 when there is none. ENOENT: the consumer is gone, and will not come back. ENOTCONN: there is no
 * answer at the moment, which may take two seconds to find out; call again. */
enum error nats_pull_take(struct nats_pull *pull, struct nats_pulled **out, uint32_t wanted,
                          uint32_t *count, uint32_t wait_ms, struct failure *failure)
    __attribute__((warn_unused_result));

struct slice nats_pulled_body(const struct nats_pulled *message);
struct slice nats_pulled_subject(const struct nats_pulled *message);
uint64_t nats_pulled_sequence(const struct nats_pulled *message);   /* in the stream */
uint64_t nats_pulled_deliveries(const struct nats_pulled *message); /* this one counted */

/* Still at it: the time begins anew. Not waited for. */
enum error nats_pulled_extend(struct nats_pulled *message);

/* Done; frees it when it succeeded. `sure`: waits until the server has said so, through an
 * election; ENOENT: the consumer is gone. Otherwise what is lost comes again. */
enum error nats_pulled_done(struct nats_pulled *message, bool sure, struct failure *failure)
    __attribute__((warn_unused_result));

/* Gives it back, for somebody to take after `delay_ms`; frees it. Not waited for. */
void nats_pulled_return(struct nats_pulled *message, uint64_t delay_ms);

/* Frees it without a word: it comes again after its time. */
void nats_pulled_forget(struct nats_pulled *message);

/* What the server has of a consumer: for progress and lists. ENOENT: there is none. */
struct nats_consumer_state {
    uint64_t waiting;   /* not yet taken */
    uint64_t under_way; /* taken, not acknowledged */
    uint64_t done;      /* all up to this number of the stream are acknowledged, or not for it */
};
enum error nats_consumer_state(struct nats_link *link, const char *stream, const char *durable,
                               struct nats_consumer_state *out, struct failure *failure)
    __attribute__((warn_unused_result));

/* One that is not there is fine. */
enum error nats_consumer_delete(struct nats_link *link, const char *stream, const char *durable,
                                struct failure *failure) __attribute__((warn_unused_result));

#endif
