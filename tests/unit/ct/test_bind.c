/* Precertificates and the TBS that a log made of them. */
#include "engine/ct/bind.h"
#include "tests/unit/x509/build_certificate.h"

#define SAN                                                                                        \
    "\x30\x10\x06\x03\x55\x1d\x11\x04\x09\x30\x07\x82\x05"                                         \
    "a.com"
#define KEY_USAGE "\x30\x0b\x06\x03\x55\x1d\x0f\x04\x04\x03\x02\x07\x80"
#define AKI_A                                                                                      \
    "\x30\x0f\x06\x03\x55\x1d\x23\x04\x08\x30\x06\x80\x04"                                         \
    "aaaa"
#define AKI_B                                                                                      \
    "\x30\x10\x06\x03\x55\x1d\x23\x04\x09\x30\x07\x80\x05"                                         \
    "bbbbb"
#define POISON_OID "\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03"
#define POISON     "\x30\x13" POISON_OID "\x01\x01\xff\x04\x02\x05\x00"
#define LONG                                                                                       \
    "\x30\x81\x97\x06\x03\x2a\x03\x04\x04\x81\x8f"                                                 \
    "0123456789012345678901234567890123456789012345678901234567890123456789012"                    \
    "3456789012345678901234567890123456789012345678901234567890123456789012"
#define COMMON_NAME_BB                                                                             \
    "\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02"                                         \
    "bb"

/* Builds both, each with its extensions, and binds them. */
static enum ct_binding bind_parts(struct certificate_parts precert,
                                  struct certificate_parts logged) {
    static uint8_t der[8192], logged_der[8192];
    struct certificate certificate;

    assert_int_equal(certificate_decode(build_certificate(&logged, logged_der), &certificate),
                     CERTIFICATE_OK);
    return ct_bind(build_certificate(&precert, der), certificate.tbs);
}

static enum ct_binding bind_extensions(struct slice precert, struct slice logged) {
    struct certificate_parts parts[2] = {usual_parts(), usual_parts()};

    parts[0].extensions = precert;
    parts[1].extensions = logged;
    return bind_parts(parts[0], parts[1]);
}

#define BIND(precert, logged) bind_extensions(BYTES(precert), BYTES(logged))

static void test_bound(void **state) {
    (void)state;
    assert_int_equal(BIND(POISON SAN KEY_USAGE, SAN KEY_USAGE), CT_BOUND);
    assert_int_equal(BIND(SAN POISON KEY_USAGE, SAN KEY_USAGE), CT_BOUND);
    assert_int_equal(BIND(SAN KEY_USAGE POISON, SAN KEY_USAGE), CT_BOUND);
    assert_int_equal(BIND(POISON, ""), CT_BOUND); /* the list of extensions is gone too */
    /* Lengths that need more bytes with the poison than without. */
    assert_int_equal(BIND(LONG POISON, LONG), CT_BOUND);
    assert_int_equal(BIND(SAN SAN SAN SAN SAN SAN POISON, SAN SAN SAN SAN SAN SAN), CT_BOUND);
    assert_int_equal(BIND(SAN SAN SAN SAN SAN SAN SAN POISON, SAN SAN SAN SAN SAN SAN SAN),
                     CT_BOUND);
    /* What the poison holds is not looked at. */
    assert_int_equal(BIND(SAN "\x30\x14" POISON_OID "\x01\x01\xff\x04\x03\x0c\x01x", SAN),
                     CT_BOUND);
}

static void test_poison(void **state) {
    (void)state;
    assert_int_equal(BIND(SAN, SAN), CT_UNBOUND_NO_POISON);
    assert_int_equal(BIND("", ""), CT_UNBOUND_NO_POISON);
    assert_int_equal(BIND(SAN "\x30\x10" POISON_OID "\x04\x02\x05\x00", SAN),
                     CT_UNBOUND_POISON_NOT_CRITICAL);
    assert_int_equal(BIND(SAN "\x30\x13" POISON_OID "\x01\x01\x00\x04\x02\x05\x00", SAN),
                     CT_UNBOUND_POISON_NOT_CRITICAL);
    assert_int_equal(BIND(POISON SAN POISON, SAN), CT_UNBOUND_UNREADABLE);
    assert_int_equal(BIND(POISON SAN POISON, SAN POISON), CT_UNBOUND_UNREADABLE);
    assert_int_equal(BIND(SAN POISON, SAN POISON), CT_UNBOUND_DIFFERENT); /* still in the TBS */
}

static void test_different(void **state) {
    struct certificate_parts precert = usual_parts(), logged = usual_parts();

    (void)state;
    assert_int_equal(BIND(SAN POISON, KEY_USAGE), CT_UNBOUND_DIFFERENT);
    assert_int_equal(BIND(SAN POISON, SAN KEY_USAGE), CT_UNBOUND_DIFFERENT);
    assert_int_equal(BIND(SAN KEY_USAGE POISON, SAN), CT_UNBOUND_DIFFERENT);
    assert_int_equal(BIND(SAN KEY_USAGE POISON, KEY_USAGE SAN), CT_UNBOUND_DIFFERENT);
    assert_int_equal(BIND(SAN POISON, ""), CT_UNBOUND_DIFFERENT);
    assert_int_equal(BIND(POISON, SAN), CT_UNBOUND_DIFFERENT);

    precert.extensions = BYTES(SAN POISON);
    logged.extensions = BYTES(SAN);
    assert_int_equal(bind_parts(precert, logged), CT_BOUND);
    logged.serial = BYTES("\x02\x01\x06");
    assert_int_equal(bind_parts(precert, logged), CT_UNBOUND_DIFFERENT);
    logged = usual_parts();
    logged.extensions = BYTES(SAN);
    logged.not_after = BYTES(UTC_2025);
    assert_int_equal(bind_parts(precert, logged), CT_UNBOUND_DIFFERENT);
    logged.not_after = BYTES(UTC_2026);
    logged.subject = BYTES(COMMON_NAME_BB);
    assert_int_equal(bind_parts(precert, logged), CT_UNBOUND_DIFFERENT);
}

static void test_signing_certificate(void **state) {
    struct certificate_parts precert = usual_parts(), logged = usual_parts();

    (void)state;
    logged.issuer = BYTES(COMMON_NAME_BB);
    precert.extensions = BYTES(AKI_A SAN POISON);
    logged.extensions = BYTES(AKI_B SAN);
    assert_int_equal(bind_parts(precert, logged), CT_BOUND_BUT_ISSUER);
    logged.extensions = BYTES(AKI_A SAN);
    assert_int_equal(bind_parts(precert, logged), CT_BOUND_BUT_ISSUER);
    precert.extensions = BYTES(SAN POISON AKI_B);
    logged.extensions = BYTES(SAN AKI_A);
    assert_int_equal(bind_parts(precert, logged), CT_BOUND_BUT_ISSUER);
    precert.extensions = BYTES(POISON);
    logged.extensions = BYTES("");
    assert_int_equal(bind_parts(precert, logged), CT_BOUND_BUT_ISSUER);

    precert.extensions = BYTES(AKI_A SAN POISON);
    logged.extensions = BYTES(SAN); /* gone instead of changed */
    assert_int_equal(bind_parts(precert, logged), CT_UNBOUND_DIFFERENT);
    logged.extensions = BYTES(SAN AKI_B);
    assert_int_equal(bind_parts(precert, logged), CT_UNBOUND_DIFFERENT);
    logged.extensions = BYTES(AKI_B KEY_USAGE);
    assert_int_equal(bind_parts(precert, logged), CT_UNBOUND_DIFFERENT);
    logged.extensions = BYTES(AKI_B SAN);
    logged.subject = BYTES(COMMON_NAME_BB);
    assert_int_equal(bind_parts(precert, logged), CT_UNBOUND_DIFFERENT);
    logged.subject = BYTES(COMMON_NAME_A);
    logged.serial = BYTES("\x02\x01\x06");
    assert_int_equal(bind_parts(precert, logged), CT_UNBOUND_DIFFERENT);
}

/* Cut or changed anywhere: never bound, nothing read outside. */
static void test_broken(void **state) {
    uint8_t der[8192], logged_der[8192], copy[8192];
    struct certificate_parts precert = usual_parts(), logged = usual_parts();
    struct certificate certificate, whole;

    (void)state;
    precert.extensions = BYTES(AKI_A SAN POISON KEY_USAGE);
    logged.extensions = BYTES(AKI_A SAN KEY_USAGE);
    struct slice precert_der = build_certificate(&precert, der);
    assert_int_equal(certificate_decode(precert_der, &whole), CERTIFICATE_OK);
    assert_int_equal(certificate_decode(build_certificate(&logged, logged_der), &certificate),
                     CERTIFICATE_OK);
    for (size_t len = 0; len < precert_der.len; len++)
        assert_int_equal(ct_bind(slice_first(precert_der, len), certificate.tbs),
                         CT_UNBOUND_UNREADABLE);
    for (size_t len = 0; len < certificate.tbs.len; len++)
        assert_int_equal(ct_bind(precert_der, slice_first(certificate.tbs, len)),
                         CT_UNBOUND_UNREADABLE);
    memcpy(copy, certificate.tbs.ptr, certificate.tbs.len);
    for (size_t at = 0; at < certificate.tbs.len; at++) {
        copy[at] ^= 1;
        assert_int_not_equal(ct_bind(precert_der, (struct slice){copy, certificate.tbs.len}),
                             CT_BOUND);
        copy[at] ^= 1;
    }
    assert_int_equal(ct_bind((struct slice){NULL, 0}, certificate.tbs), CT_UNBOUND_UNREADABLE);
}

static void test_signing_usage(void **state) {
    static const char precert_signing[] = "\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x04";
    static const char both[] = "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"
                               "\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x04";
    struct certificate issuer = {0};

    (void)state;
    assert_false(ct_is_precert_signing(&issuer));
    issuer.extended_key_usage = BYTES(precert_signing);
    assert_true(ct_is_precert_signing(&issuer));
    issuer.extended_key_usage = BYTES(both);
    assert_true(ct_is_precert_signing(&issuer));
    issuer.extended_key_usage = slice_first(BYTES(both), 10);
    assert_false(ct_is_precert_signing(&issuer));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),     cmocka_unit_test(test_poison),
        cmocka_unit_test(test_different), cmocka_unit_test(test_signing_certificate),
        cmocka_unit_test(test_broken),    cmocka_unit_test(test_signing_usage),
    };

    return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}
