/* Canned flights as two clients see them: the engine's grab takes the certificates out, and
 * BoringSSL reads all there is until it meets the signature that nobody made. */
#include "bench/canned/flight.h"

#include "engine/tls/grab.h"
#include "engine/tls/wire.h"
#include "tests/unit/bench/canned_client.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#include <openssl/bio.h>
#include <stdlib.h>

static const struct kind {
    uint16_t version;
    enum farm_kind chain;
    bool rsa;
} KINDS[] = {{TLS_VERSION_TLS12, FARM_GOOD_ECDSA, false},
             {TLS_VERSION_TLS12, FARM_GOOD_RSA_CHAIN, true},
             {TLS_VERSION_TLS13, FARM_GOOD_ECDSA, false},
             {TLS_VERSION_TLS13, FARM_GOOD_RSA_CHAIN, true}};
enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS };

static struct farm_chain chain;
static struct flight flight;
static struct buffer answer;

static void make(const struct kind *kind) {
    assert_true(farm_chains_init(&chain, 1, kind->chain, NULL));
    assert_true(flight_init(&flight, kind->version, &chain, kind->rsa));
    buffer_init(&answer);
}

static void drop(void) {
    buffer_deinit(&answer);
    flight_deinit(&flight);
    farm_chains_deinit(&chain, 1);
}

static void check_grab(const struct kind *kind, bool random_share) {
    static uint8_t storage[TLS_GRAB_STORAGE_BYTES];
    static const uint8_t random[TLS_GRAB_RANDOM_BYTES] = {7, 7, 7};
    struct tls_grab_profile *profile =
        tls_grab_profile_new(&(struct tls_grab_options){.random_share = random_share});
    struct tls_grab grab;
    struct buffer hello;

    buffer_init(&hello);
    assert_true(tls_grab_start(&grab, profile, storage, sizeof storage, slice_of("a.test"), random,
                               &hello));
    answer.len = 0;
    assert_true(flight_answer(&flight, buffer_slice(&hello), &answer));
    assert_int_equal(answer.len, flight_bytes(&flight));
    assert_int_equal(tls_grab_feed(&grab, buffer_slice(&answer), &hello), TLS_DONE);
    assert_int_equal(grab.seen.version, kind->version);
    assert_int_equal(grab.seen.certificate_count, chain.count);
    for (uint32_t i = 0; i < chain.count; i++)
        assert_true(slice_equal(grab.seen.certificates[i], chain.certificates[i]));
    buffer_deinit(&hello);
    tls_grab_profile_free(profile);
}

static void test_grab_reads_them(void **state) {
    (void)state;
    for (int i = 0; i < KIND_COUNT; i++) {
        make(&KINDS[i]);
        check_grab(&KINDS[i], false);
        check_grab(&KINDS[i], true);
        drop();
    }
}

static SSL *client_hello(SSL_CTX *context, struct buffer *hello) {
    SSL *ssl = SSL_new(context);
    const uint8_t *bytes;
    size_t len;

    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    assert_int_equal(SSL_do_handshake(ssl), -1);
    assert_int_equal(SSL_get_error(ssl, -1), SSL_ERROR_WANT_READ);
    assert_true(BIO_mem_contents(SSL_get_wbio(ssl), &bytes, &len));
    buffer_add(hello, bytes, len);
    return ssl;
}

static void test_boringssl_stops_at_the_signature(void **state) {
    (void)state;
    SSL_CTX *context = canned_client_new();
    for (int i = 0; i < KIND_COUNT; i++) {
        struct buffer hello;
        make(&KINDS[i]);
        buffer_init(&hello);
        SSL *ssl = client_hello(context, &hello);
        assert_true(flight_answer(&flight, buffer_slice(&hello), &answer));
        assert_true(BIO_write(SSL_get_rbio(ssl), answer.ptr, (int)answer.len) > 0);
        assert_int_equal(SSL_do_handshake(ssl), -1);
        assert_int_equal(SSL_get_error(ssl, -1), SSL_ERROR_SSL);
        assert_int_equal(take_reason(), SSL_R_BAD_SIGNATURE);
        const STACK_OF(CRYPTO_BUFFER) *seen = SSL_get0_peer_certificates(ssl);
        assert_int_equal(sk_CRYPTO_BUFFER_num(seen), chain.count);
        assert_int_equal(CRYPTO_BUFFER_len(sk_CRYPTO_BUFFER_value(seen, 0)),
                         chain.certificates[0].len);
        SSL_free(ssl);
        buffer_deinit(&hello);
        drop();
    }
    SSL_CTX_free(context);
}

/* Hellos that a flight has no answer to; every beginning of a good one is among them. */
static void test_no_answer(void **state) {
    (void)state;
    struct buffer hello;
    SSL_CTX *context = canned_client_new();

    buffer_init(&hello);
    make(&KINDS[2]);
    SSL_free(client_hello(context, &hello));
    for (size_t len = 0; len < hello.len; len++) {
        uint8_t *copy = malloc(len ? len : 1);
        memcpy(copy, hello.ptr, len);
        assert_false(flight_answer(&flight, (struct slice){copy, len}, &answer));
        free(copy);
    }
    assert_int_equal(answer.len, 0);
    assert_false(flight_answer(&flight, slice_of("GET / HTTP/1.1\r\n\r\n"), &answer));
    hello.len = 0;
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION); /* no share */
    SSL_free(client_hello(context, &hello));
    assert_false(flight_answer(&flight, buffer_slice(&hello), &answer));
    drop();
    SSL_CTX_free(context);
    buffer_deinit(&hello);
}

static void test_no_chain_no_flight(void **state) {
    (void)state;
    assert_false(farm_chains_init(&chain, 1, FARM_SILENT, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grab_reads_them),
        cmocka_unit_test(test_boringssl_stops_at_the_signature),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_no_chain_no_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
