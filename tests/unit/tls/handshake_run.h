/* A handshake of ours and a server in memory that it talks to. */
#ifndef TESTS_UNIT_TLS_HANDSHAKE_RUN_H
#define TESTS_UNIT_TLS_HANDSHAKE_RUN_H

#include "engine/tls/handshake.h"
#include "tests/unit/tls/memory_server.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka.h needs the two above */
#include <cmocka.h>

struct run {
    struct tls_client *client;
    struct tls_handshake handshake;
    struct test_chain chain;
    SSL_CTX *context;
    struct buffer sent, flight;
};

static inline void run_start(struct run *run, const struct tls_client *client) {
    run->sent.len = 0;
    assert_true(
        tls_handshake_start(&run->handshake, client, slice_of("www.example.org"), &run->sent));
}

static inline void run_init_with(struct run *run, const struct tls_client_options *options,
                                 bool rsa, size_t count, size_t padding, uint16_t version,
                                 const char *groups) {
    memset(run, 0, sizeof *run);
    buffer_init(&run->sent);
    buffer_init(&run->flight);
    run->client = tls_client_new(options);
    assert_non_null(run->client);
    test_chain_init(&run->chain, rsa, count, padding);
    run->context = test_server_context(&run->chain, groups, version);
    run_start(run, run->client);
}

static inline void run_init(struct run *run, bool rsa, size_t count, size_t padding,
                            uint16_t version, const char *groups) {
    run_init_with(run, NULL, rsa, count, padding, version, groups);
}

/* Ends the handshake and begins another one. */
static inline void run_again(struct run *run, const struct tls_client *client) {
    tls_handshake_end(&run->handshake);
    run_start(run, client);
}

static inline void run_deinit(struct run *run) {
    assert_int_equal(ERR_peek_error(), 0);
    tls_handshake_end(&run->handshake);
    SSL_CTX_free(run->context);
    test_chain_deinit(&run->chain);
    tls_client_free(run->client);
    buffer_deinit(&run->sent);
    buffer_deinit(&run->flight);
    ERR_clear_error();
}

static inline enum tls_status run_feed(struct run *run, const void *bytes, size_t len,
                                       size_t piece) {
    enum tls_status status = TLS_MORE;
    for (size_t at = 0; at < len && status == TLS_MORE; at += piece)
        status = tls_handshake_feed(
            &run->handshake,
            (struct slice){(const uint8_t *)bytes + at, len - at < piece ? len - at : piece},
            &run->sent);
    return status;
}

static inline enum tls_status run_converse(struct run *run, size_t piece) {
    struct test_server server;
    enum tls_status status = TLS_MORE;
    test_server_init(&server, run->context);
    for (int turn = 0; turn < 8 && status == TLS_MORE; turn++) {
        run->flight.len = 0;
        test_server_answer(&server, &run->sent, &run->flight);
        ERR_clear_error(); /* the server's */
        status = run_feed(run, run->flight.ptr, run->flight.len, piece);
    }
    test_server_deinit(&server);
    return status;
}

static inline void run_assert_chain(const struct run *run) {
    const struct tls_observation *seen = &run->handshake.seen;
    size_t held =
        run->chain.count < LIMIT_CHAIN_CERTIFICATES ? run->chain.count : LIMIT_CHAIN_CERTIFICATES;
    assert_int_equal(seen->certificates_sent, run->chain.count);
    assert_int_equal(seen->certificate_count, held);
    for (size_t i = 0; i < held; i++) {
        const CRYPTO_BUFFER *sent = run->chain.certificates[i];
        assert_true(slice_equal(seen->certificates[i],
                                (struct slice){CRYPTO_BUFFER_data(sent), CRYPTO_BUFFER_len(sent)}));
    }
}

#endif
