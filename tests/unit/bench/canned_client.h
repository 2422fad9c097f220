/* What the tests of canned servers share: BoringSSL as the client that reads their flights. */
#ifndef TESTS_UNIT_BENCH_CANNED_CLIENT_H
#define TESTS_UNIT_BENCH_CANNED_CLIENT_H

#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>

/* Goes on with any certificate, so that what stops the handshake is the signature. */
static inline enum ssl_verify_result_t accept_any(SSL *ssl, uint8_t *alert) {
    (void)ssl;
    (void)alert;
    return ssl_verify_ok;
}

static inline SSL_CTX *canned_client_new(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_with_buffers_method());
    SSL_CTX_set_custom_verify(context, SSL_VERIFY_PEER, accept_any);
    return context;
}

/* The SSL library's reason, which comes behind those of the libraries below it; empties the queue.
 */
static inline int take_reason(void) {
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    ERR_clear_error();
    return reason;
}

#endif
