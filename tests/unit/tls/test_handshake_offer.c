/* What a handshake offers: ALPN, versions and groups, by default and by option. */
#include "tests/unit/tls/handshake_run.h"

#include "engine/tls/wire.h"

/* A server that knows the protocols of `arg`, in the form of the wire, and insists on one. */
static int choose_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                       unsigned in_len, void *arg) {
    struct slice *known = arg;
    (void)ssl;
    return SSL_select_next_proto((uint8_t **)out, out_len, known->ptr, (unsigned)known->len, in,
                                 in_len) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* The protocol that a server with these picks from what we offer by default; "" when it refuses. */
static void check_alpn(const char *known, const char *expected) {
    for (size_t i = 0; i < 2; i++) {
        struct slice list = slice_of(known);
        struct run run;
        run_init(&run, false, 1, 0, versions[i], NULL);
        SSL_CTX_set_alpn_select_cb(run.context, choose_alpn, &list);
        enum tls_status status = run_converse(&run, SIZE_MAX);
        const struct tls_observation *seen = &run.handshake.seen;
        if (*expected) {
            assert_int_equal(status, TLS_DONE);
            assert_true(slice_is((struct slice){seen->alpn, seen->alpn_len}, expected));
        } else {
            assert_int_equal(status, TLS_ALERT);
            assert_int_equal(seen->alert, TLS_ALERT_NO_APPLICATION_PROTOCOL);
            assert_int_equal(seen->alpn_len, 0);
            run_again(&run, tls_client_without_alpn(run.client));
            assert_int_equal(run_converse(&run, SIZE_MAX), TLS_DONE);
            assert_int_equal(seen->alpn_len, 0);
        }
        run_deinit(&run);
    }
}

static void alpn(void **state) {
    (void)state;
    check_alpn("\x02h2\x08http/1.1", "h2");
    check_alpn("\x08http/1.1\x02h2", "http/1.1");
    check_alpn("\x08http/1.0\x08http/1.1", "http/1.1");
    check_alpn("\x04smtp", "");
}

/* Without its having been offered: wrong, but seen, and no reason to fail. */
static int choose_anything(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                           unsigned in_len, void *arg) {
    (void)ssl;
    (void)in;
    (void)in_len;
    *out = arg;
    *out_len = (uint8_t)strlen(arg);
    return SSL_TLSEXT_ERR_OK;
}

static void alpn_not_offered(void **state) {
    static char name[] = "a protocol with a name of more than 32 bytes";
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct run run;
        run_init(&run, false, 1, 0, versions[i], NULL);
        SSL_CTX_set_alpn_select_cb(run.context, choose_anything, name);
        assert_int_equal(run_converse(&run, SIZE_MAX), TLS_DONE);
        assert_int_equal(run.handshake.seen.alpn_len, 32);
        assert_memory_equal(run.handshake.seen.alpn, name, 32);
        run_deinit(&run);
    }
}

static struct tls_client_options options_with(const char *groups, const char *alpn_names) {
    struct tls_client_options options = tls_client_options_default();
    assert_int_equal(tls_client_options_groups(&options, slice_of(groups), NULL), ERROR_NONE);
    assert_int_equal(tls_client_options_alpn(&options, slice_of(alpn_names), NULL), ERROR_NONE);
    return options;
}

/* Two hellos differ in ALPN only; without any there is one client. */
static void client_without_alpn(void **state) {
    struct tls_client_options options = options_with("X25519", "");
    struct tls_client *none = tls_client_new(&options);
    (void)state;
    assert_ptr_equal(tls_client_without_alpn(none), none);
    tls_client_free(none);

    options = options_with("X25519", "acme-tls/1");
    struct run run;
    run_init_with(&run, &options, false, 1, 0, TLS1_3_VERSION, NULL);
    assert_non_null(memmem(run.sent.ptr, run.sent.len, "acme-tls/1", 10));
    const struct tls_client *without = tls_client_without_alpn(run.client);
    assert_ptr_not_equal(without, run.client);
    assert_ptr_equal(tls_client_without_alpn(without), without);
    run_again(&run, without);
    assert_null(memmem(run.sent.ptr, run.sent.len, "acme-tls/1", 10));
    assert_int_equal(run_converse(&run, SIZE_MAX), TLS_DONE);
    run_deinit(&run);
    tls_client_free(NULL);
}

/* A server outside the limits is refused by one side or the other, and none inside. */
static void version_limits(void **state) {
    (void)state;
    for (uint16_t min = TLS1_VERSION; min <= TLS1_3_VERSION; min++)
        for (uint16_t max = min; max <= TLS1_3_VERSION; max++)
            for (uint16_t there = TLS1_VERSION; there <= TLS1_3_VERSION; there++) {
                struct tls_client_options options = tls_client_options_default();
                struct run run;
                options.version_min = min;
                options.version_max = max;
                run_init_with(&run, &options, true, 1, 0, there, NULL);
                enum tls_status status = run_converse(&run, SIZE_MAX);
                if (there >= min && there <= max)
                    assert_int_equal(status, TLS_DONE);
                else
                    assert_true(status == TLS_ALERT || status == TLS_REFUSED);
                run_deinit(&run);
            }
}

/* Whether the group is among the first hello's shares; another costs a HelloRetryRequest. */
static void check_group(const char *offered, const char *server, uint16_t expected, int turns) {
    struct tls_client_options options = options_with(offered, "");
    struct run run;
    struct test_server memory_server;
    enum tls_status status = TLS_MORE;
    int turn = 0;
    run_init_with(&run, &options, false, 1, 0, TLS1_3_VERSION, server);
    test_server_init(&memory_server, run.context);
    while (status == TLS_MORE && turn < 8) {
        run.flight.len = 0;
        test_server_answer(&memory_server, &run.sent, &run.flight);
        ERR_clear_error(); /* the server's */
        status = tls_handshake_feed(&run.handshake, buffer_slice(&run.flight), &run.sent);
        turn++;
    }
    test_server_deinit(&memory_server);
    assert_int_equal(status, expected ? TLS_DONE : TLS_ALERT);
    assert_int_equal(run.handshake.seen.group, expected);
    assert_int_equal(turn, turns);
    run_deinit(&run);
}

static void groups(void **state) {
    (void)state;
    check_group("X25519,P-256", "P-256:X25519", TLS_GROUP_X25519, 1);
    check_group("P-256", "P-256:X25519", TLS_GROUP_P256, 1);
    check_group("P-384,X25519", "X25519:P-384", TLS_GROUP_P384, 1);
    check_group("X25519,P-384", "P-384", TLS_GROUP_P384, 2);
    check_group("P-521", "P-521", TLS_GROUP_P521, 1);
    check_group("X25519", "P-256", 0, 1);
    check_group("p-256 , x25519", "X25519", TLS_GROUP_X25519, 2);
}

/* The default has one share, of X25519, so that a hello costs one key and fits one packet. */
static void default_hello(void **state) {
    static const uint8_t key_share[] = {0, 51, 0, 38, 0, 36, 0, 29, 0, 32};
    struct run run;
    (void)state;
    run_init(&run, false, 1, 0, TLS1_3_VERSION, NULL);
    assert_non_null(memmem(run.sent.ptr, run.sent.len, key_share, sizeof key_share));
    assert_non_null(memmem(run.sent.ptr, run.sent.len, "\x02h2\x08http/1.1", 12));
    assert_true(run.sent.len < 600);
    run_deinit(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alpn),
        cmocka_unit_test(alpn_not_offered),
        cmocka_unit_test(client_without_alpn),
        cmocka_unit_test(version_limits),
        cmocka_unit_test(groups),
        cmocka_unit_test(default_hello),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
