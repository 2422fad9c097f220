/* The BoringSSL handshake against BoringSSL's server in memory. */
#include "tests/unit/tls/handshake_run.h"

static void check_version(uint16_t version, bool rsa, size_t piece) {
    static const uint8_t scts[] = {0, 8, 0, 2, 1, 2, 0, 2, 3, 4}, ocsp[] = {1};
    struct run run;
    run_init(&run, rsa, 3, 0, version, "P-384");
    assert_true(SSL_CTX_set_signed_cert_timestamp_list(run.context, scts, sizeof scts));
    assert_true(SSL_CTX_set_ocsp_response(run.context, ocsp, sizeof ocsp));
    assert_int_equal(run_converse(&run, piece), TLS_DONE);
    const struct tls_observation *seen = &run.handshake.seen;
    run_assert_chain(&run);
    assert_int_equal(seen->version, version);
    assert_int_not_equal(seen->cipher, 0);
    assert_int_equal(seen->group, SSL_CURVE_SECP384R1);
    assert_int_equal(seen->sct_count, 2);
    assert_true(seen->ocsp_stapled);
    assert_true(seen->key_proven);
    assert_false(seen->client_certificate_requested);
    assert_null(tls_handshake_reason(&run.handshake));
    run_deinit(&run);
}

static void test_versions(void **state) {
    (void)state;
    for (uint16_t version = TLS1_VERSION; version <= TLS1_3_VERSION; version++)
        for (size_t piece = 1; piece < 100000; piece *= 300) {
            check_version(version, true, piece);
            if (version >= TLS1_2_VERSION)
                check_version(version, false, piece);
        }
}

static void test_client_certificate(void **state) {
    (void)state;
    for (uint16_t version = TLS1_VERSION; version <= TLS1_3_VERSION; version++) {
        struct run run;
        run_init(&run, true, 2, 0, version, NULL);
        SSL_CTX_set_custom_verify(run.context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                                  NULL);
        enum tls_status status = run_converse(&run, 7);
        /* TLS 1.3 is finished for the client before the server minds. */
        assert_int_equal(status, version == TLS1_3_VERSION ? TLS_DONE : TLS_ALERT);
        run_assert_chain(&run);
        assert_true(run.handshake.seen.client_certificate_requested);
        assert_true(run.handshake.seen.key_proven);
        assert_int_equal(run.handshake.seen.version, version);
        assert_int_equal(run.handshake.seen.alert_received, version != TLS1_3_VERSION);
        run_deinit(&run);
    }
}

static void test_too_many_certificates(void **state) {
    (void)state;
    struct run run;
    run_init(&run, true, 20, 0, TLS1_3_VERSION, NULL);
    assert_int_equal(run_converse(&run, 1000), TLS_DONE);
    run_assert_chain(&run);
    run_deinit(&run);
    run_init(&run, true, 30, 5000, TLS1_2_VERSION, NULL);
    assert_int_equal(run_converse(&run, 1000), TLS_TOO_LARGE);
    run_deinit(&run);
}

static void check_bytes(const void *bytes, size_t len, enum tls_status expected) {
    for (size_t piece = 1; piece <= len; piece++) {
        struct run run;
        run_init(&run, false, 1, 0, TLS1_3_VERSION, NULL);
        assert_int_equal(run_feed(&run, bytes, len, piece), expected);
        assert_non_null(tls_handshake_reason(&run.handshake));
        assert_int_equal(tls_handshake_feed(&run.handshake, slice_of("x"), &run.sent), expected);
        if (expected == TLS_ALERT) {
            assert_true(run.handshake.seen.alert_received);
            assert_int_equal(run.handshake.seen.alert, ((const uint8_t *)bytes)[6]);
        }
        run_deinit(&run);
    }
}

static void test_not_tls_and_alerts(void **state) {
    (void)state;
    check_bytes("HTTP/1.1 400", 12, TLS_NOT_TLS);
    check_bytes("\x16HTTP", 5, TLS_NOT_TLS);
    check_bytes("\x15\3\1\0\2\2\x28", 7, TLS_ALERT);
    check_bytes("\x15\3\3\0\2\2\x70", 7, TLS_ALERT);
    check_bytes("\x15\3\3\0\2\1\0", 7, TLS_ALERT);
    check_bytes("\x17\3\3\0\2\1\0", 7, TLS_BROKEN);
    check_bytes("\x16\3\3\0\4\x0b\0\0\0", 9, TLS_BROKEN);
}

/* A ServerHello of SSL 3.0. */
static void test_refused_version(void **state) {
    (void)state;
    uint8_t hello[5 + 4 + 38] = {0x16, 3, 0, 0, 42, 2, 0, 0, 38, 3, 0};
    hello[45] = 0x0a;
    struct run run;
    run_init(&run, false, 1, 0, TLS1_3_VERSION, NULL);
    assert_int_equal(run_feed(&run, hello, sizeof hello, 1), TLS_REFUSED);
    assert_int_equal(run.handshake.seen.version, SSL3_VERSION);
    assert_int_equal(run.handshake.seen.cipher, 0x0a);
    assert_string_equal(tls_handshake_reason(&run.handshake), "UNSUPPORTED_PROTOCOL");
    run_deinit(&run);
}

/* Bytes that are no certificate are reported all the same. */
static void test_unparsable(void **state) {
    (void)state;
    static const uint8_t rubbish[] = {0, 0, 6, 0, 0, 3, 1, 2, 3};
    static const uint8_t hello_start[] = {0x16, 3, 3, 0, 42 + 13, 2, 0, 0, 38, 3, 3};
    uint8_t flight[5 + 42 + 13] = {0};
    memcpy(flight, hello_start, sizeof hello_start);
    flight[44] = 0xc0;
    flight[45] = 0x2f;
    flight[47] = 11;
    flight[50] = 9;
    memcpy(flight + 51, rubbish, sizeof rubbish);
    struct run run;
    run_init(&run, false, 1, 0, TLS1_3_VERSION, NULL);
    assert_int_equal(run_feed(&run, flight, sizeof flight, 1), TLS_REFUSED);
    assert_int_equal(run.handshake.seen.certificate_count, 1);
    assert_int_equal(run.handshake.seen.certificates[0].len, 3);
    assert_int_equal(run.handshake.seen.version, TLS1_2_VERSION);
    run_deinit(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_too_many_certificates),
        cmocka_unit_test(test_not_tls_and_alerts),
        cmocka_unit_test(test_refused_version),
        cmocka_unit_test(test_unparsable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
