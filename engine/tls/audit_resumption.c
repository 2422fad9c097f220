/* Whether a server resumes sessions. A first handshake leaves one, the next connection offers it,
 * and the server takes it or begins anew. By id and by ticket are asked for apart from each other:
 * a server that gives tickets takes no notice of ids. */
#include "engine/tls/audit_internal.h"

/* 0 when the server speaks none that the question is about. BoringSSL has no SSL 3.0. */
static uint16_t version_of(const struct tls_audit *audit, unsigned manner) {
    unsigned index = manner == AUDIT_BY_PSK ? 0 : audit_newest_classic(audit);

    if (index >= audit_version_index(TLS_VERSION_SSL30) || !audit_is_offered(audit, index))
        return 0;
    return audit->result.versions[index].version;
}

static uint8_t *fact_of(struct tls_audit_result *result, unsigned manner) {
    return manner == AUDIT_BY_ID       ? &result->resumes_id
           : manner == AUDIT_BY_TICKET ? &result->resumes_ticket
                                       : &result->resumes_tls13;
}

bool audit_is_resumption(const struct tls_audit *audit) {
    return audit_questions[audit->question].ask == audit_ask_resumption;
}

bool audit_ask_resumption(struct tls_audit *audit, unsigned manner) {
    return audit->client && !audit->done && version_of(audit, manner);
}

static bool speaks(const struct tls_audit *audit, const char *protocol) {
    for (size_t i = 0; i < audit->result.protocol_count; i++)
        if (slice_is(audit->result.protocols[i], protocol))
            return true;
    return false;
}

bool audit_begin_resumption(struct tls_audit *audit, struct buffer *hello) {
    unsigned manner = audit_questions[audit->question].index;
    bool web = speaks(audit, "http/1.1");
    const struct tls_resumption wish = {
        .version = version_of(audit, manner),
        .tickets = manner == AUDIT_BY_TICKET,
        .session = audit->session,
        .protocol = web ? "http/1.1" : NULL,
        .prompt = web ? "HEAD / HTTP/1.0\r\n\r\n" : NULL,
    };

    tls_handshake_end(&audit->handshake); /* of a connection that was not made */
    return tls_handshake_start_resumption(&audit->handshake, audit->client, &wish, audit->sni,
                                          hello);
}

/* A handshake that fails says nothing. One that leaves no session says no, unless the server is
 * silent behind it: then it may hold a ticket back. */
void audit_learn_resumption(struct tls_audit *audit, unsigned manner) {
    struct tls_handshake *handshake = &audit->handshake;
    uint8_t *fact = fact_of(&audit->result, manner);

    audit->done = true;
    if (audit->session) {
        if (handshake->finished)
            *fact = handshake->resumed ? TLS_AUDIT_YES : TLS_AUDIT_NO;
    } else if (handshake->finished) {
        audit->session = tls_handshake_take_session(handshake);
        audit->done = !audit->session;
        if (audit->done && !audit->timed_out)
            *fact = TLS_AUDIT_NO;
    }
    if (audit->done)
        audit_drop_resumption(audit);
    else
        tls_handshake_end(handshake);
}

void audit_drop_resumption(struct tls_audit *audit) {
    tls_handshake_end(&audit->handshake);
    tls_session_free(audit->session);
    audit->session = NULL;
}
