/* Messages on their way into a stream: many at once, each under an id by which the server knows
 * what it has already, each until the server says that it is stored. What is not acknowledged in
 * time, or was under way when the connection broke, is sent again under its id.
 *
 *     add ─▶ window ─▶ server ─▶ acknowledgements ─▶ done
 *               ▲                       │ none, or an error that may pass
 *               └───────────────────────┘ then the oldest alone, until it is taken
 *
 * An id that the server knows, but has stored nothing under (it has refused it), is given up: the
 * message is sent as "ID.again1" and so on.
 *
 * On the thread of the link. */
#ifndef ENGINE_NATS_PUBLISHER_H
#define ENGINE_NATS_PUBLISHER_H

#include "engine/nats/link.h"

enum { NATS_ID_MAX = 64 }; /* with its terminator */

struct nats_publisher_config {
    struct nats_link *link;
    const char *subject, *stream; /* that must take it, or NULL for any; must outlive this */
    uint32_t window;              /* messages under way */
    uint64_t timeout_ms;          /* of an acknowledgement */
    /* Bytes in `stream` from which on nothing more is sent until somebody has taken of them; 0 for
     * no bound. A bound of the server's own (max_bytes) is not to be used for queues of work on
     * several nodes: in 2.9 each judges by what it has at that moment, and some keep what others
     * refuse. This one may be overrun by an eighth, and by as much for each other publisher. */
    uint64_t backlog_max;
    /* Called in nats_publisher_step, once for each message. `refusal` is NULL when it is stored,
     * also when it was stored before; else says why the server will never take it
     * (ERROR_REFUSED), or is the cause given to nats_publisher_give_back. */
    void (*done)(void *context, void *item, struct slice body, const struct failure *refusal);
    void *context;
};

struct nats_publisher;

enum error nats_publisher_open(struct nats_publisher **out,
                               const struct nats_publisher_config *config, struct failure *failure)
    __attribute__((warn_unused_result));

/* What is not done is dropped, without a call. NULL is fine. */
void nats_publisher_close(struct nats_publisher *publisher);

bool nats_publisher_has_room(const struct nats_publisher *publisher);

/* Only while there is room. `body` stays with the caller and unchanged until `done`; `id` is
 * copied. */
void nats_publisher_add(struct nats_publisher *publisher, struct slice body, const char *id,
                        void *item);

/* Is done with all that is not stored, in order, because of `cause`. What of it was stored all the
 * same, the server removes when it is sent again under its id. */
void nats_publisher_give_back(struct nats_publisher *publisher, const struct failure *cause);

/* Sends what is to be sent and takes what was acknowledged; waits for it for `wait_ms` at most.
 * The error says what keeps messages from being stored: ENOTCONN without a connection, without
 * JetStream or a stream; ETIMEDOUT; EIO when the server cannot store them; EACCES; EAGAIN when
 * there is enough in the stream. */
enum error nats_publisher_step(struct nats_publisher *publisher, uint32_t wait_ms,
                               struct failure *failure) __attribute__((warn_unused_result));

#endif
