/* One TLS conversation of a slot, by whichever plan: the same calls for a grab and for a handshake.
 * Owned by the prober, which keeps a bounded number of them. Sans-I/O. */
#ifndef ENGINE_PROBE_CONVERSATION_H
#define ENGINE_PROBE_CONVERSATION_H

#include "engine/base/random.h"
#include "engine/probe/prober.h"
#include "engine/tls/grab.h"
#include "engine/tls/handshake.h"

struct conversation {
    struct conversation *next_free;
    enum plan plan;
    bool open;
    union {
        struct tls_handshake handshake;
        struct tls_grab grab;
    };
    uint8_t storage[TLS_GRAB_STORAGE_BYTES]; /* of a grab; pages are touched only when used */
};

/* Starts over with `plan`; appends the hello to `out`. False when there is no memory. */
bool conversation_start(struct conversation *conversation, const struct prober_settings *settings,
                        enum plan plan, struct slice sni, struct random *random,
                        struct buffer *out);
enum tls_status conversation_feed(struct conversation *conversation, struct slice bytes,
                                  struct buffer *out);
/* Frees what it holds; does nothing when it is not open. */
void conversation_end(struct conversation *conversation);

const struct tls_observation *conversation_seen(const struct conversation *conversation);
/* Why it failed, as far as BoringSSL has words for it; NULL otherwise. */
const char *conversation_reason(const struct conversation *conversation);

#endif
