#include "engine/x509/trust_internal.h"

#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pool.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

static bool curve_is_accepted(int nid) {
    return nid == NID_X9_62_prime256v1 || nid == NID_secp384r1 || nid == NID_secp521r1;
}

/* A key that BoringSSL cannot use: DSA and other curves are a matter of strength, anything else (a
 * broken key, an algorithm that is too new) is not. */
static enum trust_error unusable_key_fault(X509 *x509) {
    X509_ALGOR *algorithm = NULL;
    const ASN1_OBJECT *object = NULL;
    const void *value = NULL;
    int type = 0;
    if (!X509_PUBKEY_get0_param(NULL, NULL, NULL, &algorithm, X509_get_X509_PUBKEY(x509)))
        return TRUST_OTHER;
    X509_ALGOR_get0(&object, &type, &value, algorithm);
    int nid = OBJ_obj2nid(object);
    if (nid == NID_dsa)
        return TRUST_WEAK_KEY;
    if (nid == NID_X9_62_id_ecPublicKey && type == V_ASN1_OBJECT &&
        !curve_is_accepted(OBJ_obj2nid(value)))
        return TRUST_WEAK_KEY;
    return TRUST_OTHER;
}

static enum trust_error key_fault(X509 *x509, const EVP_PKEY *key) {
    if (!key)
        return unusable_key_fault(x509);
    switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA:
        return EVP_PKEY_bits(key) >= 2048 ? TRUST_OK : TRUST_WEAK_KEY;
    case EVP_PKEY_EC:
        return curve_is_accepted(
                   EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key))))
                   ? TRUST_OK
                   : TRUST_WEAK_KEY;
    case EVP_PKEY_ED25519:
        return TRUST_OK;
    case EVP_PKEY_DSA:
        return TRUST_WEAK_KEY;
    default:
        return TRUST_OTHER;
    }
}

static enum trust_error signature_fault(const X509 *x509) {
    switch (X509_get_signature_nid(x509)) {
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption:
    case NID_rsassaPss: /* BoringSSL takes SHA-256 and better only */
    case NID_ecdsa_with_SHA256:
    case NID_ecdsa_with_SHA384:
    case NID_ecdsa_with_SHA512:
    case NID_ED25519:
        return TRUST_OK;
    case NID_md2WithRSAEncryption:
    case NID_md4WithRSAEncryption:
    case NID_md5WithRSAEncryption:
    case NID_sha1WithRSAEncryption:
    case NID_sha1WithRSA:
    case NID_sha224WithRSAEncryption:
    case NID_ripemd160WithRSA:
    case NID_ecdsa_with_SHA1:
    case NID_ecdsa_with_SHA224:
    case NID_dsaWithSHA1:
    case NID_dsaWithSHA1_2:
    case NID_dsa_with_SHA224:
    case NID_dsa_with_SHA256:
        return TRUST_WEAK_SIGNATURE;
    default:
        return TRUST_OTHER;
    }
}

static struct slice extension_value(const X509 *x509, int nid) {
    int at = X509_get_ext_by_NID(x509, nid, -1);
    if (at < 0)
        return (struct slice){NULL, 0};
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(x509, at));
    return (struct slice){ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)};
}

static X509 *parse(struct slice der, bool copy) {
    CRYPTO_BUFFER *buffer = copy
                                ? CRYPTO_BUFFER_new(der.ptr, der.len, NULL)
                                : CRYPTO_BUFFER_new_from_static_data_unsafe(der.ptr, der.len, NULL);
    X509 *x509 = buffer ? X509_parse_from_buffer(buffer) : NULL;
    CRYPTO_BUFFER_free(buffer);
    return x509;
}

static bool read_facts(struct trust_certificate *certificate) {
    X509 *x509 = certificate->x509;
    if (!ASN1_TIME_to_posix(X509_get0_notBefore(x509), &certificate->not_before) ||
        !ASN1_TIME_to_posix(X509_get0_notAfter(x509), &certificate->not_after))
        return false;
    uint32_t flags = X509_get_extension_flags(x509);
    certificate->unreadable = (flags & EXFLAG_INVALID) != 0;
    certificate->self_issued = (flags & EXFLAG_SI) != 0;
    certificate->has_unknown_critical = (flags & EXFLAG_CRITICAL) != 0;
    certificate->path_length = certificate->unreadable ? -1 : X509_get_pathlen(x509);
    certificate->is_ca = X509_check_ca(x509) != 0;
    certificate->serves_as_issuer = X509_check_purpose(x509, X509_PURPOSE_SSL_SERVER, 1) == 1;
    certificate->serves_as_leaf = X509_check_purpose(x509, X509_PURPOSE_SSL_SERVER, 0) == 1;
    certificate->name_constraints = extension_value(x509, NID_name_constraints);
    certificate->subject_alt_name = extension_value(x509, NID_subject_alt_name);
    certificate->key = X509_get_pubkey(x509);
    certificate->key_fault = key_fault(x509, certificate->key);
    certificate->signature_fault = signature_fault(x509);
    return true;
}

bool trust_memory_was_out(void) {
    bool out = false;
    for (uint32_t error = ERR_get_error(); error; error = ERR_get_error())
        out = out || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
    return out;
}

/* Without memory BoringSSL marks a good certificate as malformed, or its key as unusable, and does
 * not look again. */
struct trust_certificate *trust_certificate_new(struct slice der,
                                                const uint8_t digest[TRUST_DIGEST_BYTES], bool copy,
                                                bool *no_memory) {
    struct trust_certificate *certificate = calloc(1, sizeof *certificate);
    if (!certificate) {
        *no_memory = true;
        return NULL;
    }
    ERR_clear_error();
    certificate->references = 1;
    memcpy(certificate->digest, digest, TRUST_DIGEST_BYTES);
    certificate->x509 = der.len <= LIMIT_CERTIFICATE_BYTES ? parse(der, copy) : NULL;
    bool readable = certificate->x509 && read_facts(certificate);
    bool memory_was_out = trust_memory_was_out();
    if (memory_was_out || !readable) {
        *no_memory = *no_memory || memory_was_out;
        trust_certificate_put(certificate);
        return NULL;
    }
    return certificate;
}

void trust_certificate_put(struct trust_certificate *certificate) {
    if (!certificate || --certificate->references > 0)
        return;
    EVP_PKEY_free(certificate->key);
    X509_free(certificate->x509);
    free(certificate);
}
