/* What is said on one connection of a slot: first in the clear, where the protocol asks for it,
 * then a grab or a handshake. Owned by the prober, which keeps a bounded number of them. Sans-I/O.
 */
#ifndef ENGINE_PROBE_CONVERSATION_H
#define ENGINE_PROBE_CONVERSATION_H

#include "engine/base/random.h"
#include "engine/probe/auditing.h"
#include "engine/probe/prober.h"
#include "engine/probe/target.h"
#include "engine/starttls/dialogue.h"
#include "engine/tls/grab.h"
#include "engine/tls/handshake.h"

enum conversation_phase {
    CONVERSATION_IDLE,
    CONVERSATION_DIALOGUE, /* in the clear */
    CONVERSATION_TLS,
};

/* What to say; the pointers live as long as the conversation. */
struct conversation_terms {
    const struct prober_settings *settings;
    const struct target *target;
    struct random *random;
    enum plan plan;
    bool without_alpn;
    struct auditing *auditing; /* under PLAN_AUDIT: whose question this connection is for */
};

/* Small; what is large lies apart, in pages that are touched only by those who need it. */
struct conversation {
    struct conversation *next_free;
    uint8_t *storage; /* of a grab, TLS_GRAB_STORAGE_BYTES */
    struct dialogue_state *dialogue;
    struct conversation_terms terms;
    uint8_t phase; /* enum conversation_phase */
    enum dialogue_status dialogue_status;
    enum tls_status tls_status;
    union {
        struct tls_handshake handshake;
        struct tls_grab grab;
    };
};

enum conversation_status { CONVERSATION_MORE, CONVERSATION_OVER };

/* Starts over; appends what is to be sent first to `out`, which may be nothing. */
enum conversation_status conversation_start(struct conversation *conversation,
                                            const struct conversation_terms *terms,
                                            struct buffer *out);

/* Bytes as they came, split anywhere; appends what is to be sent. */
enum conversation_status conversation_feed(struct conversation *conversation, struct slice bytes,
                                           struct buffer *out);

/* True while what is still waited for comes at once, if at all (tls/audit.h). */
bool conversation_lingers(const struct conversation *conversation);

/* Frees what it holds; does nothing when it is idle. */
void conversation_end(struct conversation *conversation);

/* What TLS has shown; NULL before it began, and of an audit's question. */
const struct tls_observation *conversation_seen(const struct conversation *conversation);

/* How it ended, once it is over: an outcome, and words for it, which may quote the server. */
enum outcome conversation_outcome(const struct conversation *conversation);
void conversation_words(const struct conversation *conversation,
                        char words[LIMIT_ERROR_TEXT_BYTES]);

/* True when the server refused in TLS without showing a certificate: another hello may do. */
bool conversation_was_refused(const struct conversation *conversation);

/* True when it was the offer of ALPN that it refused (RFC 7301 section 3.2). */
bool conversation_refused_alpn(const struct conversation *conversation);

#endif
