#include "engine/probe/conversation.h"

bool conversation_start(struct conversation *conversation, const struct prober_settings *settings,
                        enum plan plan, struct slice sni, struct random *random,
                        struct buffer *out) {
    uint8_t hello_random[TLS_GRAB_RANDOM_BYTES];

    conversation->plan = plan;
    conversation->open = true;
    if (plan == PLAN_HANDSHAKE)
        return tls_handshake_start(&conversation->handshake, settings->client, sni, out);
    random_fill(random, hello_random, sizeof hello_random);
    return tls_grab_start(&conversation->grab, settings->profile, conversation->storage,
                          sizeof conversation->storage, sni, hello_random, out);
}

enum tls_status conversation_feed(struct conversation *conversation, struct slice bytes,
                                  struct buffer *out) {
    return conversation->plan == PLAN_HANDSHAKE
               ? tls_handshake_feed(&conversation->handshake, bytes, out)
               : tls_grab_feed(&conversation->grab, bytes, out);
}

void conversation_end(struct conversation *conversation) {
    if (conversation->open && conversation->plan == PLAN_HANDSHAKE)
        tls_handshake_end(&conversation->handshake);
    conversation->open = false;
}

const struct tls_observation *conversation_seen(const struct conversation *conversation) {
    return conversation->plan == PLAN_HANDSHAKE ? &conversation->handshake.seen
                                                : &conversation->grab.seen;
}

const char *conversation_reason(const struct conversation *conversation) {
    return conversation->plan == PLAN_HANDSHAKE ? tls_handshake_reason(&conversation->handshake)
                                                : NULL;
}
