#include "tests/unit/x509/build_certificate.h"

#include <openssl/sha.h>
#include <stdio.h>

#define POISON                                                                                     \
    "\x30\x13\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03\x01\x01\xff\x04\x02\x05\x00"
#define SCTS  "\x30\x12\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02\x04\x04\x04\x02\x00\x00"
#define CA    "\x30\x0c\x06\x03\x55\x1d\x13\x04\x05\x30\x03\x01\x01\xff"
#define OTHER "\x30\x09\x06\x03\x2a\x03\x04\x04\x02hi"

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex) {
    char text[65];

    for (size_t i = 0; i < len; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, hex);
}

/* FIPS 180-4 examples: "abc" */
static void test_hashes(void **state) {
    (void)state;
    uint8_t hash[CERTIFICATE_SHA256_BYTES];

    certificate_sha256(BYTES("abc"), hash);
    assert_hex(hash, CERTIFICATE_SHA256_BYTES,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    certificate_sha1(BYTES("abc"), hash);
    assert_hex(hash, CERTIFICATE_SHA1_BYTES, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

/* The hash of the joined TBS of a certificate with these extensions. */
static void tbs_hash(struct slice extensions, uint8_t out[CERTIFICATE_SHA256_BYTES]) {
    uint8_t space[8192];
    struct certificate_parts parts = usual_parts();
    struct certificate certificate;

    parts.extensions = extensions;
    assert_int_equal(certificate_decode(build_certificate(&parts, space), &certificate),
                     CERTIFICATE_OK);
    assert_true(certificate_tbs_sha256(&certificate, out));
}

/* The hash of the TBS as it stands. */
static void plain_hash(struct slice extensions, uint8_t out[CERTIFICATE_SHA256_BYTES]) {
    uint8_t space[8192];
    struct certificate_parts parts = usual_parts();
    struct certificate certificate;

    parts.extensions = extensions;
    assert_int_equal(certificate_decode(build_certificate(&parts, space), &certificate),
                     CERTIFICATE_OK);
    SHA256(certificate.tbs.ptr, certificate.tbs.len, out);
}

/* RFC 6962 section 3.2: whatever carries poison or SCTs joins the certificate without them. */
static void test_join(void **state) {
    (void)state;
    static const struct {
        const char *with;
        size_t with_len;
        const char *without;
        size_t without_len;
    } cases[] = {
#define CASE(with, without) {with, sizeof(with) - 1, without, sizeof(without) - 1}
        CASE("", ""),
        CASE(CA, CA),
        CASE(POISON, ""), /* the wrapper goes too */
        CASE(SCTS, ""),
        CASE(POISON SCTS, ""),
        CASE(CA POISON, CA),
        CASE(POISON CA, CA),
        CASE(CA SCTS OTHER, CA OTHER),
        CASE(CA POISON OTHER, CA OTHER),
        CASE(SCTS CA SCTS OTHER SCTS, CA OTHER),
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t joined[CERTIFICATE_SHA256_BYTES], expected[CERTIFICATE_SHA256_BYTES];
        tbs_hash((struct slice){(const uint8_t *)cases[i].with, cases[i].with_len}, joined);
        plain_hash((struct slice){(const uint8_t *)cases[i].without, cases[i].without_len},
                   expected);
        assert_memory_equal(joined, expected, sizeof joined);
    }
}

/* Lengths grow by a byte at 128 and 256 bytes of content, for three nested headers. */
static void test_join_at_every_length(void **state) {
    (void)state;
    uint8_t value[400] = {0}, space[4096], with[4096];

    for (size_t len = 0; len <= sizeof value; len++) {
        uint8_t joined[CERTIFICATE_SHA256_BYTES], expected[CERTIFICATE_SHA256_BYTES];
        struct slice padding =
            build_extension(BYTES("\x2a\x03\x04"), (struct slice){value, len}, space);
        memcpy(with, padding.ptr, padding.len);
        memcpy(with + padding.len, SCTS, sizeof(SCTS) - 1);
        tbs_hash((struct slice){with, padding.len + sizeof(SCTS) - 1}, joined);
        plain_hash(padding, expected);
        assert_memory_equal(joined, expected, sizeof joined);
    }
}

static void test_nothing_to_hash(void **state) {
    (void)state;
    struct certificate certificate;
    uint8_t hash[CERTIFICATE_SHA256_BYTES];

    assert_int_equal(certificate_decode(BYTES("\x30\x00"), &certificate), CERTIFICATE_BAD_OUTER);
    assert_false(certificate_tbs_sha256(&certificate, hash));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_join_at_every_length),
        cmocka_unit_test(test_nothing_to_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
