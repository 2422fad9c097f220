#include "tests/unit/x509/build_certificate.h"

#include "engine/base/limits.h"

#include <stdio.h>
#include <stdlib.h>

/* --- What is read of a usual certificate --- */

static void test_usual(void **state) {
    (void)state;
    uint8_t space[8192];
    struct certificate_parts parts = usual_parts();
    struct certificate certificate;
    struct slice der = build_certificate(&parts, space);

    assert_int_equal(certificate_decode(der, &certificate), CERTIFICATE_OK);
    assert_slice(certificate.der, der);
    assert_slice(certificate.serial, BYTES("\x05"));
    assert_slice(certificate.subject, parts.subject);
    assert_slice(certificate.issuer, parts.issuer);
    assert_slice(certificate.spki, parts.key);
    assert_slice(certificate.signature_algorithm, parts.algorithm);
    assert_slice(certificate.signature, BYTES("signature"));
    assert_int_equal(certificate.tbs.ptr - der.ptr, 3);
    assert_int_equal(certificate.version, 3);
    assert_int_equal(certificate.not_before, 1735689600); /* date -ud 2025-01-01 +%s */
    assert_int_equal(certificate.not_after, 1767225600);
    assert_int_equal(certificate.key_type, KEY_ED25519);
    assert_int_equal(certificate.key_bits, 256);
    assert_string_equal(certificate_key_type_text(&certificate), "ed25519");
    assert_false(certificate.is_ca);
    assert_false(certificate.has_subject_alt_name);
    assert_false(certificate.is_precertificate);
    assert_false(certificate.extension_unreadable);
    assert_int_equal(certificate.extensions.len, 0);
}

/* --- What stops the decoder, and what it has read until then --- */

static enum certificate_error decode_with(struct certificate_parts parts, struct certificate *out) {
    static uint8_t space[8192]; /* outlives the call, for the slices of `out` */

    return certificate_decode(build_certificate(&parts, space), out);
}

#define ERROR_OF(member, der)                                                                      \
    ({                                                                                             \
        struct certificate_parts changed = usual_parts();                                          \
        changed.member = BYTES(der);                                                               \
        decode_with(changed, &certificate);                                                        \
    })

static void test_errors(void **state) {
    (void)state;
    struct certificate certificate;

    assert_int_equal(ERROR_OF(behind, "x"), CERTIFICATE_BAD_OUTER);
    assert_int_equal(ERROR_OF(version, "\xa0\x03\x02\x01\xff"), CERTIFICATE_BAD_VERSION);
    assert_int_equal(ERROR_OF(version, "\xa0\x04\x02\x02\x01\x00"), CERTIFICATE_BAD_VERSION);
    assert_int_equal(ERROR_OF(serial, ""), CERTIFICATE_BAD_SERIAL);
    assert_int_equal(ERROR_OF(serial, "\x02\x00"), CERTIFICATE_BAD_SERIAL);
    assert_int_equal(ERROR_OF(serial, "\x04\x01\x05"), CERTIFICATE_BAD_SERIAL);
    assert_int_equal(ERROR_OF(issuer, "\x31\x00"), CERTIFICATE_BAD_ISSUER);
    assert_int_equal(ERROR_OF(not_before, "\x17\x0d"
                                          "251301000000Z"),
                     CERTIFICATE_BAD_VALIDITY);
    assert_int_equal(ERROR_OF(not_after, ""), CERTIFICATE_BAD_VALIDITY);
    assert_int_equal(ERROR_OF(not_after, UTC_2026 UTC_2026), CERTIFICATE_BAD_VALIDITY);
    assert_int_equal(ERROR_OF(subject, "\x04\x00"), CERTIFICATE_BAD_SUBJECT);
    assert_slice(certificate.issuer, BYTES(COMMON_NAME_A)); /* what stands before it was read */
    assert_int_equal(certificate.not_after, 1767225600);
    assert_int_equal(ERROR_OF(key, "\x30\x00"), CERTIFICATE_BAD_KEY);
    assert_int_equal(ERROR_OF(key, "\x30\x09" ED25519_ALGORITHM "\x03\x00"), CERTIFICATE_BAD_KEY);
    assert_int_equal(ERROR_OF(ids, "\x04\x00"), CERTIFICATE_BAD_EXTENSIONS);
    assert_int_equal(ERROR_OF(extensions, "\x30\x05\x06\x03\x55\x1d\x13"),
                     CERTIFICATE_BAD_EXTENSIONS);
}

/* Dates, a serial number or a key that make no sense do not hide what stands behind them. */
static void test_goes_on(void **state) {
    struct certificate certificate;

    (void)state;
    assert_int_equal(ERROR_OF(not_after, UTC_2026 UTC_2026), CERTIFICATE_BAD_VALIDITY);
    assert_true(certificate.whole && !certificate.has_validity);
    assert_int_equal(certificate.not_before | certificate.not_after, 0);
    assert_slice(certificate.subject, BYTES(COMMON_NAME_A));
    assert_true(certificate.spki.len != 0);
    assert_int_equal(ERROR_OF(serial, "\x02\x00"), CERTIFICATE_BAD_SERIAL);
    assert_true(certificate.whole && certificate.has_validity);
    assert_int_equal(ERROR_OF(key, "\x30\x00"), CERTIFICATE_BAD_KEY);
    assert_true(certificate.whole);
    assert_int_equal(ERROR_OF(serial, ""), CERTIFICATE_BAD_SERIAL);
    assert_false(certificate.whole);
    assert_int_equal(ERROR_OF(ids, "\x04\x00"), CERTIFICATE_BAD_EXTENSIONS);
    assert_false(certificate.whole);
    /* the first that is wrong is the one that counts */
    struct certificate_parts parts = usual_parts();
    parts.not_before = BYTES("\x17\x00");
    parts.extensions = BYTES("\x30\x05\x06\x03\x55\x1d\x13");
    assert_int_equal(decode_with(parts, &certificate), CERTIFICATE_BAD_VALIDITY);
    assert_false(certificate.whole);
}

static void test_every_prefix_fails(void **state) {
    (void)state;
    uint8_t space[8192];
    struct certificate_parts parts = usual_parts();
    struct certificate certificate;

    parts.extensions = BYTES("\x30\x0c\x06\x03\x55\x1d\x13\x04\x05\x30\x03\x01\x01\xff");
    struct slice der = build_certificate(&parts, space);
    assert_int_equal(certificate_decode(der, &certificate), CERTIFICATE_OK);
    assert_true(certificate.is_ca);
    for (size_t len = 0; len < der.len; len++) {
        uint8_t *exact = malloc(len + 1); /* so that a sanitizer sees what is read behind it */
        memcpy(exact, der.ptr, len);
        assert_int_equal(certificate_decode((struct slice){exact, len}, &certificate),
                         CERTIFICATE_BAD_OUTER);
        free(exact);
    }
}

static void test_too_large(void **state) {
    (void)state;
    struct certificate certificate;
    uint8_t *large = calloc(1, LIMIT_CERTIFICATE_BYTES + 1);

    assert_int_equal(
        certificate_decode((struct slice){large, LIMIT_CERTIFICATE_BYTES + 1}, &certificate),
        CERTIFICATE_TOO_LARGE);
    free(large);
}

/* --- Oddities that are taken --- */

static void test_oddities(void **state) {
    (void)state;
    struct certificate certificate;

    assert_int_equal(ERROR_OF(version, ""), CERTIFICATE_OK);
    assert_int_equal(certificate.version, 1);
    assert_int_equal(ERROR_OF(version, "\xa0\x03\x02\x01\x00"), CERTIFICATE_OK);
    assert_int_equal(certificate.version, 1);
    assert_int_equal(ERROR_OF(serial, "\x02\x02\xff\x80"), CERTIFICATE_OK); /* padded, negative */
    assert_slice(certificate.serial, BYTES("\xff\x80"));
    assert_int_equal(ERROR_OF(serial, "\x02\x81\x01\x07"), CERTIFICATE_OK); /* length not minimal */
    assert_slice(certificate.serial, BYTES("\x07"));
    assert_int_equal(ERROR_OF(issuer, "\x30\x00"), CERTIFICATE_OK);
    assert_int_equal(ERROR_OF(ids, "\x81\x02\x00x\x82\x02\x00y"), CERTIFICATE_OK);
    assert_int_equal(ERROR_OF(ids, "\xa1\x03\x03\x01\x00"), CERTIFICATE_OK);
    assert_int_equal(ERROR_OF(extensions, "\x30\x0c\x06\x03\x2a\x03\x04\x01\x01\xff\x04\x02hi"),
                     CERTIFICATE_OK); /* unknown and critical */
    assert_false(certificate.extension_unreadable);
    assert_int_equal(ERROR_OF(key, "\x30\x0d\x30\x06\x06\x04\x2a\x03\x04\x05\x03\x03\x00no"),
                     CERTIFICATE_OK);
    assert_int_equal(certificate.key_type, KEY_UNKNOWN);
    assert_string_equal(certificate_key_type_text(&certificate), "unknown");
}

static void test_broken_extensions_count_as_absent(void **state) {
    (void)state;
    struct certificate certificate;

    assert_int_equal(ERROR_OF(extensions, "\x30\x09\x06\x03\x55\x1d\x13\x04\x02\x30\x05"),
                     CERTIFICATE_OK);
    assert_true(certificate.extension_unreadable);
    assert_false(certificate.is_ca);

    assert_int_equal(ERROR_OF(extensions, "\x30\x09\x06\x03\x55\x1d\x11\x04\x02\x31\x00"),
                     CERTIFICATE_OK);
    assert_true(certificate.extension_unreadable);
    assert_true(certificate.has_subject_alt_name); /* no falling back to the common name */
    assert_int_equal(certificate.subject_alt_name.len, 0);

    /* The second of two counts for nothing. */
    assert_int_equal(ERROR_OF(extensions, "\x30\x0c\x06\x03\x55\x1d\x13\x04\x05\x30\x03\x01\x01\xff"
                                          "\x30\x09\x06\x03\x55\x1d\x13\x04\x02\x30\x00"),
                     CERTIFICATE_OK);
    assert_true(certificate.extension_unreadable);
    assert_true(certificate.is_ca);
}

static void test_extensions(void **state) {
    (void)state;
    struct certificate certificate;

    assert_int_equal(ERROR_OF(extensions, "\x30\x0b\x06\x03\x55\x1d\x0f\x04\x04\x03\x02\x05\xa0"
                                          "\x30\x13\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08"
                                          "\x2b\x06\x01\x05\x05\x07\x03\x01"
                                          "\x30\x12\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02"
                                          "\x04\x04\x04\x02\x00\x00"),
                     CERTIFICATE_OK);
    assert_false(certificate.extension_unreadable);
    assert_slice(certificate.key_usage, BYTES("\x05\xa0"));
    assert_slice(certificate.extended_key_usage, BYTES("\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"));
    assert_slice(certificate.sct_list, BYTES("\x00\x00"));
    assert_false(certificate.is_precertificate);

    assert_int_equal(ERROR_OF(extensions, "\x30\x13\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03"
                                          "\x01\x01\xff\x04\x02\x05\x00"),
                     CERTIFICATE_OK);
    assert_true(certificate.is_precertificate);
}

/* --- Times --- */

static struct slice build_time(const char *text, bool generalized, uint8_t out[64]) {
    size_t len = strlen(text);

    out[0] = generalized ? 0x18 : 0x17;
    out[1] = (uint8_t)len;
    memcpy(out + 2, text, len);
    return (struct slice){out, len + 2};
}

static void test_times(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool generalized;
        int64_t seconds; /* date -ud ... +%s */
    } times[] = {
        {"700101000000Z", false, 0},
        {"491231235959Z", false, 2524607999},
        {"500101000000Z", false, -631152000},
        {"2501010000Z", false, 1735689600},
        {"250101000000+0130", false, 1735684200},
        {"250101000000-0800", false, 1735718400},
        {"250101000000", false, 1735689600},
        {"240229120000Z", false, 1709208000},
        {"20240229120000Z", true, 1709208000},
        {"20250101000000.25Z", true, 1735689600},
        {"202501010000Z", true, 1735689600},
        {"99991231235959Z", true, 253402300799},
        {"00000101000000Z", true, -62167219200},
        {"19000301000000Z", true, -2203891200},
    };
    static const struct {
        const char *text;
        bool generalized;
    } bad[] = {
        {"", false},
        {"", true},
        {"25010100", false},
        {"250229000000Z", false},
        {"250431000000Z", false},
        {"250001000000Z", false},
        {"250101240000Z", false},
        {"250101006000Z", false},
        {"250101000060Z", false},
        {"250101000000ZZ", false},
        {"250101000000.5Z", false},
        {"250101000000+01", false},
        {"250101000000+9900", false},
        {"25010100000 Z", false},
        {"-50101000000Z", false},
        {"20250101000000Z", false},
        {"250101000000Z", true},
        {"20250101000000.Z", true},
        {"21000229000000Z", true},
    };
    struct certificate certificate;
    uint8_t der[64];

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct certificate_parts parts = usual_parts();
        parts.not_after = build_time(times[i].text, times[i].generalized, der);
        assert_int_equal(decode_with(parts, &certificate), CERTIFICATE_OK);
        assert_int_equal(certificate.not_after, times[i].seconds);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct certificate_parts parts = usual_parts();
        parts.not_before = build_time(bad[i].text, bad[i].generalized, der);
        assert_int_equal(decode_with(parts, &certificate), CERTIFICATE_BAD_VALIDITY);
    }
}

/* --- Certificates made by `openssl req -x509`, see tests/fuzz/corpus/certificate --- */

static struct slice read_corpus(const char *name, uint8_t space[8192]) {
    char path[256];

    snprintf(path, sizeof path, "tests/fuzz/corpus/certificate/%s.der", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s: run from the root of the repository", path);
    size_t len = fread(space, 1, 8192, file);
    fclose(file);
    return (struct slice){space, len};
}

static void test_self_signed(void **state) {
    (void)state;
    static const struct {
        const char *name, *key_type, *algorithm;
        uint16_t bits;
        bool weak, verifiable;
    } files[] = {
        {"rsa_self_signed", "rsa", "sha256WithRSAEncryption", 1024, false, true},
        {"rsa_sha1_self_signed", "rsa", "sha1WithRSAEncryption", 1024, true, true},
        {"rsa_pss_self_signed", "rsa", "rsassaPss", 1024, false, true},
        {"rsa_pss_key_self_signed", "rsa-pss", "rsassaPss", 1024, false, true},
        {"ec_p256_self_signed", "ec-p256", "ecdsa-with-SHA256", 256, false, true},
        {"ec_p384_self_signed", "ec-p384", "ecdsa-with-SHA384", 384, false, true},
        {"ec_p521_self_signed", "ec-p521", "ecdsa-with-SHA512", 521, false, true},
        {"ec_explicit_self_signed", "ec", "ecdsa-with-SHA256", 256, false, false},
        {"ed25519_self_signed", "ed25519", "ED25519", 256, false, true},
        {"ed448_self_signed", "ed448", "ED448", 456, false, false},
        {"dsa_self_signed", "dsa", "dsa_with_SHA256", 1024, false, true},
    };
    uint8_t space[8192];
    char scratch[64];
    struct certificate certificate;

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct slice der = read_corpus(files[i].name, space);
        assert_int_equal(certificate_decode(der, &certificate), CERTIFICATE_OK);
        assert_string_equal(certificate_key_type_text(&certificate), files[i].key_type);
        assert_int_equal(certificate.key_bits, files[i].bits);
        assert_slice(certificate_signature_algorithm_text(&certificate, scratch),
                     slice_of(files[i].algorithm));
        assert_int_equal(certificate_signature_is_weak(&certificate), files[i].weak);
        assert_int_equal(certificate_is_self_signed(&certificate), files[i].verifiable);

        /* One bit of the serial, and the signature is somebody else's. */
        space[certificate.serial.ptr - space] ^= 1;
        assert_int_equal(certificate_decode(der, &certificate), CERTIFICATE_OK);
        assert_false(certificate_is_self_signed(&certificate));
    }
}

static void test_same_names_are_not_enough(void **state) {
    (void)state;
    uint8_t space[8192], other_space[8192];
    struct certificate certificate, other;

    assert_int_equal(certificate_decode(read_corpus("rsa_self_signed", space), &certificate),
                     CERTIFICATE_OK);
    assert_int_equal(certificate_decode(read_corpus("ec_p256_self_signed", other_space), &other),
                     CERTIFICATE_OK);
    assert_slice(certificate.subject, other.subject);
    certificate.spki = other.spki; /* of another kind than the signature */
    certificate.key_type = other.key_type;
    assert_false(certificate_is_self_signed(&certificate));
}

static void test_unknown_signature_algorithm(void **state) {
    (void)state;
    struct certificate certificate;
    char scratch[64];

    assert_int_equal(ERROR_OF(algorithm, "\x30\x05\x06\x03\x2a\x03\x04"), CERTIFICATE_OK);
    assert_slice(certificate_signature_algorithm_text(&certificate, scratch), slice_of("1.2.3.4"));
    /* A UUID as an arc, X.667 */
    assert_int_equal(ERROR_OF(algorithm,
                              "\x30\x16\x06\x14\x69\x83\xf0\x9d\xa7\xeb\xcf\xde\xe0\xc7\xa1\xa7"
                              "\xb2\xc0\x94\x8c\xc8\xf9\xd7\x76"),
                     CERTIFICATE_OK);
    assert_slice(certificate_signature_algorithm_text(&certificate, scratch),
                 slice_of("2.25.329800735698586629295641978511506172918"));
    /* An arc of 2^130 */
    assert_int_equal(ERROR_OF(algorithm,
                              "\x30\x16\x06\x14\x69\x90\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
                              "\x80\x80\x80\x80\x80\x80\x80\x00"),
                     CERTIFICATE_OK);
    assert_slice(certificate_signature_algorithm_text(&certificate, scratch), slice_of("unknown"));
    assert_int_equal(ERROR_OF(algorithm, "\x30\x05\x06\x03\x2a\x03\x84"), CERTIFICATE_OK);
    assert_slice(certificate_signature_algorithm_text(&certificate, scratch), slice_of("unknown"));
    assert_int_equal(ERROR_OF(algorithm, "\x30\x00"), CERTIFICATE_OK);
    assert_slice(certificate_signature_algorithm_text(&certificate, scratch), slice_of("unknown"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_every_prefix_fails),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_oddities),
        cmocka_unit_test(test_broken_extensions_count_as_absent),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_self_signed),
        cmocka_unit_test(test_same_names_are_not_enough),
        cmocka_unit_test(test_unknown_signature_algorithm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
