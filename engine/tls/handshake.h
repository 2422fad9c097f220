/* A complete TLS handshake by BoringSSL, TLS 1.0 to 1.3, without a socket. Sans-I/O, see session.h.
 *
 * Nothing is verified here: every certificate is accepted and reported, and engine/x509/trust.h
 * judges it afterwards. The certificates are in `seen` as soon as the server has sent them, also
 * when the handshake fails later. */
#ifndef ENGINE_TLS_HANDSHAKE_H
#define ENGINE_TLS_HANDSHAKE_H

#include "engine/tls/client_options.h"
#include "engine/tls/record_input.h"
#include "engine/tls/session.h"

struct tls_client; /* what all handshakes of a sweep share; made once, read-only, for all threads */
struct ssl_st;
struct ssl_session_st; /* what a session is resumed by; freed by tls_session_free */

/* `options` may be NULL for tls_client_options_default(). NULL when there is no memory. */
struct tls_client *tls_client_new(const struct tls_client_options *options);
void tls_client_free(struct tls_client *client);

/* The same client, but for offering no ALPN: for protocols other than HTTP, and to ask once more
 * where TLS_ALERT_NO_APPLICATION_PROTOCOL (wire.h) was the answer. Belongs to `client`. */
const struct tls_client *tls_client_without_alpn(const struct tls_client *client);

struct tls_handshake {
    struct tls_observation seen; /* certificates live until tls_handshake_end */
    /* The rest is the implementation's. */
    struct ssl_st *ssl;
    struct slice input;    /* whole records that BoringSSL has not read yet; of the current call */
    struct buffer *output; /* of the current call */
    struct tls_record_input partial;
    uint32_t bytes_in;
    enum tls_status status;
    bool began;         /* BoringSSL has got a record */
    bool keeps_session; /* is to leave a session */
    bool finished;      /* the handshake alone is; a ticket of TLS 1.3 may follow */
    bool resumed;       /* the server took the session that it was offered; known at TLS_DONE */
    struct ssl_session_st *session; /* what it has left, or NULL */
    const char *prompt;
    const char *reason; /* static text */
    uint8_t *chain;     /* heap: the certificates, while BoringSSL has not read them; or NULL */
};

/* `sni` may be empty. Appends the ClientHello to `out`. False when there is no memory; the
 * handshake must be ended all the same. The struct must stay where it is until tls_handshake_end.
 */
bool tls_handshake_start(struct tls_handshake *handshake, const struct tls_client *client,
                         struct slice sni, struct buffer *out);

/* A handshake by which to learn whether a server resumes sessions. */
struct tls_resumption {
    uint16_t version;               /* the only one offered */
    bool tickets;                   /* up to TLS 1.2: by RFC 5077, or by session id alone */
    struct ssl_session_st *session; /* to be resumed, of the same server; NULL for a first
                                       handshake, which leaves one */
    /* A protocol to offer by ALPN, and what to say first in it: some servers hold a ticket of TLS
       1.3 back until they have something to say. Static text; NULL for none. */
    const char *protocol, *prompt;
};

/* The same as tls_handshake_start, but that the handshake leaves or resumes a session. In TLS 1.3 a
 * session comes behind the handshake, so that tls_handshake_feed wants more until there is one, or
 * the server says something else. What is to be sent with TLS_DONE ends the connection in order:
 * servers forget the session of one that breaks off. `client` should offer no ALPN. */
bool tls_handshake_start_resumption(struct tls_handshake *handshake,
                                    const struct tls_client *client,
                                    const struct tls_resumption *resumption, struct slice sni,
                                    struct buffer *out);

/* True while only a session of TLS 1.3 is waited for, which comes at once, if at all. */
bool tls_handshake_lingers(const struct tls_handshake *handshake);

/* The session that the handshake has left, now the caller's; NULL when there is none. */
struct ssl_session_st *tls_handshake_take_session(struct tls_handshake *handshake);
void tls_session_free(struct ssl_session_st *session);

/* Bytes as they came, split anywhere; appends what must be sent to `out`. After any other answer
 * than TLS_MORE the same answer comes again. Leaves this thread's BoringSSL error queue empty. */
enum tls_status tls_handshake_feed(struct tls_handshake *handshake, struct slice bytes,
                                   struct buffer *out);

/* Why it failed, in BoringSSL's words ("UNSUPPORTED_PROTOCOL"); NULL when it has not. Static. */
const char *tls_handshake_reason(const struct tls_handshake *handshake);

/* Frees what is held; once for every start. */
void tls_handshake_end(struct tls_handshake *handshake);

#endif
