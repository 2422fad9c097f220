/* Certificates for tests, put together from DER that the test spells out. Each part stands with its
 * tag and length; what a test does not name is usual. Signatures are not valid. */
#ifndef TESTS_UNIT_X509_BUILD_CERTIFICATE_H
#define TESTS_UNIT_X509_BUILD_CERTIFICATE_H

#include "engine/x509/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/bytestring.h>

#define BYTES(literal) ((struct slice){(const uint8_t *)(literal), sizeof(literal) - 1})

#define UTC_2025                                                                                   \
    "\x17\x0d"                                                                                     \
    "250101000000Z"
#define UTC_2026                                                                                   \
    "\x17\x0d"                                                                                     \
    "260101000000Z"
#define COMMON_NAME_A                                                                              \
    "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01"                                         \
    "a"
#define ED25519_ALGORITHM "\x30\x05\x06\x03\x2b\x65\x70"
#define ED25519_KEY                                                                                \
    "\x30\x2a" ED25519_ALGORITHM "\x03\x21\x00"                                                    \
    "0123456789abcdef0123456789abcdef"

struct certificate_parts {
    struct slice version, serial, algorithm, issuer, not_before, not_after, subject, key, ids;
    struct slice extensions; /* Extension after Extension, without their wrappers */
    struct slice behind;     /* the whole certificate */
};

static inline struct certificate_parts usual_parts(void) {
    return (struct certificate_parts){
        .version = BYTES("\xa0\x03\x02\x01\x02"),
        .serial = BYTES("\x02\x01\x05"),
        .algorithm = BYTES(ED25519_ALGORITHM),
        .issuer = BYTES(COMMON_NAME_A),
        .not_before = BYTES(UTC_2025),
        .not_after = BYTES(UTC_2026),
        .subject = BYTES(COMMON_NAME_A),
        .key = BYTES(ED25519_KEY),
    };
}

static inline void add_part(CBB *out, struct slice part) {
    assert_true(CBB_add_bytes(out, part.ptr, part.len));
}

/* Returns the certificate in `out`, which is as long as it must be for these tests. */
static inline struct slice build_certificate(const struct certificate_parts *parts,
                                             uint8_t out[8192]) {
    CBB whole, outer, tbs, validity, wrapper, list, signature;
    size_t len;

    assert_true(CBB_init_fixed(&whole, out, 8192));
    assert_true(CBB_add_asn1(&whole, &outer, CBS_ASN1_SEQUENCE));
    assert_true(CBB_add_asn1(&outer, &tbs, CBS_ASN1_SEQUENCE));
    add_part(&tbs, parts->version);
    add_part(&tbs, parts->serial);
    add_part(&tbs, parts->algorithm);
    add_part(&tbs, parts->issuer);
    assert_true(CBB_add_asn1(&tbs, &validity, CBS_ASN1_SEQUENCE));
    add_part(&validity, parts->not_before);
    add_part(&validity, parts->not_after);
    add_part(&tbs, parts->subject);
    add_part(&tbs, parts->key);
    add_part(&tbs, parts->ids);
    if (parts->extensions.len) {
        assert_true(
            CBB_add_asn1(&tbs, &wrapper, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3));
        assert_true(CBB_add_asn1(&wrapper, &list, CBS_ASN1_SEQUENCE));
        add_part(&list, parts->extensions);
    }
    add_part(&outer, parts->algorithm);
    assert_true(CBB_add_asn1(&outer, &signature, CBS_ASN1_BITSTRING));
    add_part(&signature, BYTES("\0signature"));
    assert_true(CBB_flush(&whole));
    add_part(&whole, parts->behind);
    assert_true(CBB_finish(&whole, NULL, &len));
    return (struct slice){out, len};
}

/* One extension of content `value`, in the first bytes of `out`. */
static inline struct slice build_extension(struct slice oid, struct slice value,
                                           uint8_t out[4096]) {
    CBB whole, extension, id, octets;
    size_t len;

    assert_true(CBB_init_fixed(&whole, out, 4096));
    assert_true(CBB_add_asn1(&whole, &extension, CBS_ASN1_SEQUENCE));
    assert_true(CBB_add_asn1(&extension, &id, CBS_ASN1_OBJECT));
    add_part(&id, oid);
    assert_true(CBB_add_asn1(&extension, &octets, CBS_ASN1_OCTETSTRING));
    add_part(&octets, value);
    assert_true(CBB_finish(&whole, NULL, &len));
    return (struct slice){out, len};
}

#define assert_slice(actual, expected)                                                             \
    do {                                                                                           \
        struct slice actual_slice = (actual), expected_slice = (expected);                         \
        assert_int_equal(actual_slice.len, expected_slice.len);                                    \
        if (expected_slice.len)                                                                    \
            assert_memory_equal(actual_slice.ptr, expected_slice.ptr, expected_slice.len);         \
    } while (0)

#endif
