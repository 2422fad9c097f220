#include "engine/x509/ocsp.h"

#include "engine/x509/certificate_parts.h"

#include <openssl/sha.h>

enum {
    SUCCESSFUL = 0,
    ENUMERATED = 0x0a,
    CERTIFICATES_MAX = 4, /* that come with a response; real ones have one or two */
    RESPONSES_MAX = 64,   /* in a response; real ones have one */
};

/* What is signed, and by whom. */
struct basic_response {
    struct signature signature; /* of tbsResponseData with its header */
    struct slice certificates;  /* content of SEQUENCE OF Certificate; empty when there are none */
    struct slice responses;     /* content of SEQUENCE OF SingleResponse */
};

/* GeneralizedTime, as RFC 6960 has them all. */
static bool get_time(struct slice *in, int64_t *out) {
    struct slice content;
    return der_get(in, &content, DER_GENERALIZED_TIME) &&
           der_time(DER_GENERALIZED_TIME, content, out);
}

/* [n] EXPLICIT GeneralizedTime OPTIONAL */
static bool get_optional_time(struct slice *in, uint8_t tag, int64_t *out) {
    struct slice wrapped;
    return der_get_optional(in, &wrapped, tag) && (!wrapped.len || get_time(&wrapped, out));
}

/* OCSPResponse ::= SEQUENCE { responseStatus ENUMERATED, [0] { OID, OCTET STRING } OPTIONAL } */
static enum ocsp_result open_response(struct slice der, struct ocsp_answer *out,
                                      struct slice *basic) {
    static const struct slice id_basic = OID("\x2b\x06\x01\x05\x05\x07\x30\x01\x01");
    struct slice response, status, wrapped, bytes, oid;

    if (!der_get(&der, &response, DER_SEQUENCE) || der.len ||
        !der_get(&response, &status, ENUMERATED) || status.len != 1)
        return OCSP_MALFORMED;
    out->response_status = status.ptr[0];
    if (out->response_status != SUCCESSFUL)
        return OCSP_UNSUCCESSFUL;
    if (!der_get(&response, &wrapped, DER_CONTEXT_CONSTRUCTED(0)) ||
        !der_get(&wrapped, &bytes, DER_SEQUENCE) || !der_get(&bytes, &oid, DER_OID) ||
        !slice_equal(oid, id_basic) || !der_get(&bytes, basic, DER_OCTET_STRING))
        return OCSP_MALFORMED;
    return OCSP_READ;
}

/* BasicOCSPResponse, and of its ResponseData what stands before the responses. */
static bool open_basic(struct slice der, struct ocsp_answer *answer, struct basic_response *out) {
    struct slice basic, wrapped, data, element, ignored;
    uint8_t tag;

    if (!der_get(&der, &basic, DER_SEQUENCE) || der.len ||
        !der_get_element(&basic, &out->signature.bytes, DER_SEQUENCE) ||
        !der_get_element(&basic, &out->signature.algorithm, DER_SEQUENCE) ||
        !der_get_bits(&basic, &out->signature.value) ||
        !der_get_optional(&basic, &wrapped, DER_CONTEXT_CONSTRUCTED(0)) ||
        (wrapped.len && !der_get(&wrapped, &out->certificates, DER_SEQUENCE)))
        return false;
    element = out->signature.bytes;
    return der_get(&element, &data, DER_SEQUENCE) &&
           der_get_optional(&data, &ignored, DER_CONTEXT_CONSTRUCTED(0)) && /* version */
           der_get_any(&data, &ignored, &tag) &&                            /* responderID */
           get_time(&data, &answer->produced_at) && der_get(&data, &out->responses, DER_SEQUENCE);
}

/* Whether `hash`, made with the algorithm of `oid`, is that of `bytes`. */
static bool hash_is(struct slice oid, struct slice hash, struct slice bytes) {
    static const struct slice sha1 = OID("\x2b\x0e\x03\x02\x1a");
    static const struct slice sha256 = OID("\x60\x86\x48\x01\x65\x03\x04\x02\x01");
    uint8_t digest[SHA256_DIGEST_LENGTH];

    if (slice_equal(oid, sha1)) {
        certificate_sha1(bytes, digest);
        return slice_equal(hash, (struct slice){digest, CERTIFICATE_SHA1_BYTES});
    }
    certificate_sha256(bytes, digest);
    return slice_equal(oid, sha256) &&
           slice_equal(hash, (struct slice){digest, CERTIFICATE_SHA256_BYTES});
}

/* CertID ::= SEQUENCE { hashAlgorithm, issuerNameHash, issuerKeyHash, serialNumber } */
static bool names_certificate(struct slice id, const struct certificate *leaf,
                              const struct certificate *issuer) {
    struct slice algorithm, oid, name_hash, key_hash, serial, key;

    return der_get(&id, &algorithm, DER_SEQUENCE) && der_get(&algorithm, &oid, DER_OID) &&
           der_get(&id, &name_hash, DER_OCTET_STRING) &&
           der_get(&id, &key_hash, DER_OCTET_STRING) && der_get(&id, &serial, DER_INTEGER) &&
           slice_equal(serial, leaf->serial) && hash_is(oid, name_hash, leaf->issuer) &&
           (!issuer || (certificate_public_key(issuer, &key) && hash_is(oid, key_hash, key)));
}

/* RevokedInfo ::= SEQUENCE { revocationTime, [0] EXPLICIT CRLReason OPTIONAL } */
static bool read_revoked(struct slice info, struct ocsp_answer *out) {
    struct slice wrapped, reason;

    if (!get_time(&info, &out->revoked_at) ||
        !der_get_optional(&info, &wrapped, DER_CONTEXT_CONSTRUCTED(0)))
        return false;
    if (!wrapped.len)
        return true;
    if (!der_get(&wrapped, &reason, ENUMERATED) || reason.len != 1)
        return false;
    out->revocation_reason = reason.ptr[0];
    return true;
}

/* The SCT list among singleExtensions (RFC 6962 section 3.3). What cannot be read is passed over:
 * the certificate's status stands for itself. */
static void read_extensions(struct slice extensions, struct ocsp_answer *out) {
    static const struct slice id_scts = OID("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x05");
    struct slice list, extension, oid, critical, value;

    if (!der_get(&extensions, &list, DER_SEQUENCE))
        return;
    while (der_get(&list, &extension, DER_SEQUENCE))
        if (der_get(&extension, &oid, DER_OID) && slice_equal(oid, id_scts) &&
            der_get_optional(&extension, &critical, DER_BOOLEAN) &&
            der_get(&extension, &value, DER_OCTET_STRING))
            der_get(&value, &out->sct_list, DER_OCTET_STRING);
}

/* SingleResponse behind its CertID: status, thisUpdate, [0] nextUpdate, [1] extensions */
static bool read_single(struct slice in, struct ocsp_answer *out) {
    struct slice status, extensions;
    uint8_t tag;

    if (!der_get_any(&in, &status, &tag))
        return false;
    switch (tag) {
    case DER_CONTEXT(0):
        out->status = OCSP_GOOD;
        break;
    case DER_CONTEXT_CONSTRUCTED(1):
        out->status = OCSP_REVOKED;
        if (!read_revoked(status, out))
            return false;
        break;
    case DER_CONTEXT(2):
        out->status = OCSP_UNKNOWN;
        break;
    default:
        return false;
    }
    if (!get_time(&in, &out->this_update) ||
        !get_optional_time(&in, DER_CONTEXT_CONSTRUCTED(0), &out->next_update) ||
        !der_get_optional(&in, &extensions, DER_CONTEXT_CONSTRUCTED(1)))
        return false;
    read_extensions(extensions, out);
    return true;
}

static enum ocsp_result find_single(struct slice responses, const struct certificate *leaf,
                                    const struct certificate *issuer, struct ocsp_answer *out) {
    struct slice single, id;

    for (size_t i = 0; i < RESPONSES_MAX && responses.len; i++) {
        if (!der_get(&responses, &single, DER_SEQUENCE) || !der_get(&single, &id, DER_SEQUENCE))
            return OCSP_MALFORMED;
        if (names_certificate(id, leaf, issuer))
            return read_single(single, out) ? OCSP_READ : OCSP_MALFORMED;
    }
    return OCSP_OTHER_CERTIFICATE;
}

/* Section 4.2.2.2: issued by the very issuer, for this purpose. */
static bool may_respond(const struct certificate *responder, const struct certificate *issuer,
                        int64_t now) {
    static const struct slice id_signing = OID("\x2b\x06\x01\x05\x05\x07\x03\x09");
    struct slice purposes = responder->extended_key_usage, purpose;
    struct signature signature = certificate_signature(responder);
    bool named = false;

    while (der_get(&purposes, &purpose, DER_OID))
        named |= slice_equal(purpose, id_signing);
    return named && slice_equal(responder->issuer, issuer->subject) &&
           now >= responder->not_before && now <= responder->not_after &&
           signature_verify(&signature, issuer);
}

static enum ocsp_signature check_signature(const struct basic_response *basic,
                                           const struct certificate *issuer, int64_t now,
                                           bool *delegated) {
    struct slice rest = basic->certificates, der;
    struct certificate responder;

    if (!issuer)
        return OCSP_SIGNATURE_UNCHECKED;
    if (signature_verify(&basic->signature, issuer))
        return OCSP_SIGNATURE_VALID;
    for (size_t i = 0; i < CERTIFICATES_MAX && der_get_element(&rest, &der, DER_SEQUENCE); i++)
        if (certificate_decode(der, &responder) == CERTIFICATE_OK &&
            signature_verify(&basic->signature, &responder) &&
            may_respond(&responder, issuer, now)) {
            *delegated = true;
            return OCSP_SIGNATURE_VALID;
        }
    return OCSP_SIGNATURE_INVALID;
}

enum ocsp_result ocsp_read(struct slice der, const struct certificate *leaf,
                           const struct certificate *issuer, int64_t now, struct ocsp_answer *out) {
    struct basic_response basic = {0};
    struct slice bytes;

    *out = (struct ocsp_answer){0};
    enum ocsp_result result = open_response(der, out, &bytes);
    if (result != OCSP_READ)
        return result;
    if (!open_basic(bytes, out, &basic))
        return OCSP_MALFORMED;
    result = find_single(basic.responses, leaf, issuer, out);
    if (result == OCSP_READ)
        out->signature = (uint8_t)check_signature(&basic, issuer, now, &out->delegated);
    return result;
}

const char *ocsp_status_name(enum ocsp_status status) {
    static const char *const names[] = {
        [OCSP_GOOD] = "good", [OCSP_REVOKED] = "revoked", [OCSP_UNKNOWN] = "unknown"};
    return names[status];
}

const char *ocsp_signature_name(enum ocsp_signature signature) {
    static const char *const names[] = {[OCSP_SIGNATURE_UNCHECKED] = "unchecked",
                                        [OCSP_SIGNATURE_VALID] = "valid",
                                        [OCSP_SIGNATURE_INVALID] = "invalid"};
    return names[signature];
}

const char *ocsp_result_name(enum ocsp_result result) {
    static const char *const names[] = {[OCSP_READ] = "read",
                                        [OCSP_MALFORMED] = "malformed",
                                        [OCSP_UNSUCCESSFUL] = "unsuccessful",
                                        [OCSP_OTHER_CERTIFICATE] = "other_certificate"};
    return names[result];
}
