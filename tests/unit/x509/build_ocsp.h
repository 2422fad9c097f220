/* OCSP responses made to order, for tests (RFC 6960 section 4.2.1). */
#ifndef TESTS_UNIT_X509_BUILD_OCSP_H
#define TESTS_UNIT_X509_BUILD_OCSP_H

#include "tests/unit/x509/mint.h"

#include <openssl/bytestring.h>
#include <openssl/sha.h>

/* What to make. Zero means: good, signed by the issuer, SHA-1 in the CertID, no next update. */
struct ocsp_order {
    const struct minted *leaf, *issuer;
    const struct minted *signer;   /* NULL: the issuer */
    const struct minted *enclosed; /* a certificate that comes with it */
    int status;                    /* 0 good, 1 revoked, 2 unknown, 3 a tag that is none */
    int reason;                    /* of the revocation; 0 for none */
    bool sha256;                   /* in the CertID */
    bool next_update;
    bool by_key; /* responderID */
    bool other_key;
    int others_before; /* SingleResponses for another serial */
    struct slice scts; /* SignedCertificateTimestampList */
};

static inline void ocsp_add_oid(CBB *out, const char *oid, size_t len) {
    CBB element;
    assert_true(CBB_add_asn1(out, &element, CBS_ASN1_OBJECT) &&
                CBB_add_bytes(&element, (const uint8_t *)oid, len) && CBB_flush(out));
}
#define OCSP_ADD_OID(out, oid) ocsp_add_oid(out, oid, sizeof(oid) - 1)

static inline void ocsp_add_string(CBB *out, CBS_ASN1_TAG tag, const void *bytes, size_t len) {
    CBB element;
    assert_true(CBB_add_asn1(out, &element, tag) && CBB_add_bytes(&element, bytes, len) &&
                CBB_flush(out));
}

static inline void ocsp_add_time(CBB *out, const char *time) {
    ocsp_add_string(out, CBS_ASN1_GENERALIZEDTIME, time, strlen(time));
}

static inline void ocsp_add_hash(CBB *out, bool sha256, const uint8_t *bytes, size_t len) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    if (sha256)
        SHA256(bytes, len, digest);
    else
        SHA1(bytes, len, digest);
    ocsp_add_string(out, CBS_ASN1_OCTETSTRING, digest,
                    sha256 ? SHA256_DIGEST_LENGTH : SHA_DIGEST_LENGTH);
}

static inline void ocsp_add_id(CBB *out, const struct ocsp_order *order, bool other) {
    const X509 *leaf = order->leaf->x509;
    CBB id, algorithm;
    uint8_t *name = NULL, *serial = NULL;
    int name_len = i2d_X509_NAME(X509_get_issuer_name(leaf), &name);
    int serial_len = i2d_ASN1_INTEGER(X509_get0_serialNumber(leaf), &serial);
    const ASN1_BIT_STRING *key =
        X509_get0_pubkey_bitstr((order->other_key ? order->leaf : order->issuer)->x509);
    assert_true(name_len > 0 && serial_len > 0);
    assert_true(CBB_add_asn1(out, &id, CBS_ASN1_SEQUENCE) &&
                CBB_add_asn1(&id, &algorithm, CBS_ASN1_SEQUENCE));
    if (order->sha256)
        OCSP_ADD_OID(&algorithm, "\x60\x86\x48\x01\x65\x03\x04\x02\x01");
    else
        OCSP_ADD_OID(&algorithm, "\x2b\x0e\x03\x02\x1a");
    ocsp_add_hash(&id, order->sha256, name, (size_t)name_len);
    ocsp_add_hash(&id, order->sha256, ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key));
    if (other)
        serial[serial_len - 1] ^= 1;
    assert_true(CBB_add_bytes(&id, serial, (size_t)serial_len) && CBB_flush(out));
    OPENSSL_free(name);
    OPENSSL_free(serial);
}

static inline void ocsp_add_status(CBB *out, const struct ocsp_order *order) {
    CBB status, wrapped;
    if (order->status != 1) {
        ocsp_add_string(out, CBS_ASN1_CONTEXT_SPECIFIC | (CBS_ASN1_TAG)order->status, "", 0);
        return;
    }
    assert_true(CBB_add_asn1(out, &status, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 1));
    ocsp_add_time(&status, "20251230120000Z");
    if (order->reason) {
        const uint8_t reason = (uint8_t)order->reason;
        assert_true(
            CBB_add_asn1(&status, &wrapped, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0));
        ocsp_add_string(&wrapped, CBS_ASN1_ENUMERATED, &reason, 1);
    }
    assert_true(CBB_flush(out));
}

static inline void ocsp_add_scts(CBB *out, struct slice scts) {
    CBB wrapped, list, extension, value;
    assert_true(CBB_add_asn1(out, &wrapped, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 1) &&
                CBB_add_asn1(&wrapped, &list, CBS_ASN1_SEQUENCE) &&
                CBB_add_asn1(&list, &extension, CBS_ASN1_SEQUENCE));
    OCSP_ADD_OID(&extension, "\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x05");
    assert_true(CBB_add_asn1(&extension, &value, CBS_ASN1_OCTETSTRING));
    ocsp_add_string(&value, CBS_ASN1_OCTETSTRING, scts.ptr, scts.len);
    assert_true(CBB_flush(out));
}

static inline void ocsp_add_single(CBB *out, const struct ocsp_order *order, bool other) {
    CBB single, wrapped;
    assert_true(CBB_add_asn1(out, &single, CBS_ASN1_SEQUENCE));
    ocsp_add_id(&single, order, other);
    ocsp_add_status(&single, order);
    ocsp_add_time(&single, "20251231000000Z");
    if (order->next_update) {
        assert_true(
            CBB_add_asn1(&single, &wrapped, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0));
        ocsp_add_time(&wrapped, "20260107000000Z");
    }
    if (order->scts.len)
        ocsp_add_scts(&single, order->scts);
    assert_true(CBB_flush(out));
}

/* tbsResponseData; to be freed with OPENSSL_free */
static inline struct slice ocsp_data(const struct ocsp_order *order) {
    CBB whole, data, responder, responses;
    uint8_t *name = NULL, *der;
    size_t len;
    int name_len = i2d_X509_NAME(X509_get_subject_name(order->issuer->x509), &name);
    assert_true(CBB_init(&whole, 512) && CBB_add_asn1(&whole, &data, CBS_ASN1_SEQUENCE));
    assert_true(
        CBB_add_asn1(&data, &responder,
                     CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | (order->by_key ? 2u : 1u)));
    if (order->by_key)
        ocsp_add_string(&responder, CBS_ASN1_OCTETSTRING, "12345678901234567890", 20);
    else
        assert_true(CBB_add_bytes(&responder, name, (size_t)name_len));
    assert_true(CBB_flush(&data));
    ocsp_add_time(&data, "20251231010000Z");
    assert_true(CBB_add_asn1(&data, &responses, CBS_ASN1_SEQUENCE));
    for (int i = 0; i < order->others_before; i++)
        ocsp_add_single(&responses, order, true);
    ocsp_add_single(&responses, order, false);
    assert_true(CBB_finish(&whole, &der, &len));
    OPENSSL_free(name);
    return (struct slice){der, len};
}

/* Signed with ECDSA and SHA-256; the signer's key must be of P-256. */
static inline struct slice ocsp_make(const struct ocsp_order *order) {
    const struct minted *signer = order->signer ? order->signer : order->issuer;
    struct slice data = ocsp_data(order);
    uint8_t signature[256], *der;
    size_t signature_len = sizeof signature, len;
    EVP_MD_CTX context;
    CBB whole, response, wrapped, bytes, octets, basic, algorithm, bits, certificates, list;

    EVP_MD_CTX_init(&context);
    assert_true(EVP_DigestSignInit(&context, NULL, EVP_sha256(), NULL, signer->key) &&
                EVP_DigestSign(&context, signature, &signature_len, data.ptr, data.len));
    EVP_MD_CTX_cleanup(&context);
    assert_true(CBB_init(&whole, 1024) && CBB_add_asn1(&whole, &response, CBS_ASN1_SEQUENCE));
    ocsp_add_string(&response, CBS_ASN1_ENUMERATED, "\0", 1);
    assert_true(
        CBB_add_asn1(&response, &wrapped, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) &&
        CBB_add_asn1(&wrapped, &bytes, CBS_ASN1_SEQUENCE));
    OCSP_ADD_OID(&bytes, "\x2b\x06\x01\x05\x05\x07\x30\x01\x01");
    assert_true(CBB_add_asn1(&bytes, &octets, CBS_ASN1_OCTETSTRING) &&
                CBB_add_asn1(&octets, &basic, CBS_ASN1_SEQUENCE) &&
                CBB_add_bytes(&basic, data.ptr, data.len) &&
                CBB_add_asn1(&basic, &algorithm, CBS_ASN1_SEQUENCE));
    OCSP_ADD_OID(&algorithm, "\x2a\x86\x48\xce\x3d\x04\x03\x02");
    assert_true(CBB_add_asn1(&basic, &bits, CBS_ASN1_BITSTRING) && CBB_add_u8(&bits, 0) &&
                CBB_add_bytes(&bits, signature, signature_len));
    if (order->enclosed)
        assert_true(CBB_add_asn1(&basic, &certificates,
                                 CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) &&
                    CBB_add_asn1(&certificates, &list, CBS_ASN1_SEQUENCE) &&
                    CBB_add_bytes(&list, order->enclosed->der.ptr, order->enclosed->der.len));
    assert_true(CBB_finish(&whole, &der, &len));
    OPENSSL_free((void *)data.ptr);
    return (struct slice){der, len};
}

#endif
