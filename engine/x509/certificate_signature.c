/* Signature algorithms: their names, which of them are weak, and whether a signature verifies with
 * a key. Chains are verified in trust.h; here are a certificate's own signature, and those of CRLs,
 * OCSP responses and their like. */
#include "engine/x509/certificate_parts.h"

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/dsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

struct signature_algorithm {
    struct slice oid;
    const char *name;
    int key; /* the EVP_PKEY type that BoringSSL verifies it with; EVP_PKEY_NONE: not at all */
    const EVP_MD *(*digest)(void);
    bool weak;
};

#define PKCS1(last)       OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01" last) /* 1.2.840.113549.1.1 */
#define ECDSA(last)       OID("\x2a\x86\x48\xce\x3d\x04" last)         /* 1.2.840.10045.4 */
#define NIST(last)        OID("\x60\x86\x48\x01\x65\x03\x04\x03" last) /* 2.16.840.1.101.3.4.3 */
#define OIW(last)         OID("\x2b\x0e\x03\x02" last)                 /* 1.3.14.3.2 */
#define PSS_OID           PKCS1("\x0a")
#define UNVERIFIABLE      EVP_PKEY_NONE, NULL, false
#define UNVERIFIABLE_WEAK EVP_PKEY_NONE, NULL, true

static const struct signature_algorithm algorithms[] = {
    {PKCS1("\x0b"), "sha256WithRSAEncryption", EVP_PKEY_RSA, EVP_sha256, false},
    {ECDSA("\x03\x02"), "ecdsa-with-SHA256", EVP_PKEY_EC, EVP_sha256, false},
    {ECDSA("\x03\x03"), "ecdsa-with-SHA384", EVP_PKEY_EC, EVP_sha384, false},
    {PKCS1("\x0c"), "sha384WithRSAEncryption", EVP_PKEY_RSA, EVP_sha384, false},
    {PKCS1("\x0d"), "sha512WithRSAEncryption", EVP_PKEY_RSA, EVP_sha512, false},
    {PKCS1("\x05"), "sha1WithRSAEncryption", EVP_PKEY_RSA, EVP_sha1, true},
    {PSS_OID, "rsassaPss", EVP_PKEY_RSA, NULL, false}, /* digest and weakness: its parameters */
    {OID("\x2b\x65\x70"), "ED25519", EVP_PKEY_ED25519, NULL, false}, /* 1.3.101.112 */
    {OID("\x2b\x65\x71"), "ED448", UNVERIFIABLE},                    /* 1.3.101.113 */
    {ECDSA("\x03\x04"), "ecdsa-with-SHA512", EVP_PKEY_EC, EVP_sha512, false},
    {ECDSA("\x03\x01"), "ecdsa-with-SHA224", EVP_PKEY_EC, EVP_sha224, false},
    {ECDSA("\x01"), "ecdsa-with-SHA1", EVP_PKEY_EC, EVP_sha1, true},
    {PKCS1("\x02"), "md2WithRSAEncryption", UNVERIFIABLE_WEAK},
    {PKCS1("\x03"), "md4WithRSAEncryption", UNVERIFIABLE_WEAK},
    {PKCS1("\x04"), "md5WithRSAEncryption", EVP_PKEY_RSA, EVP_md5, true},
    {PKCS1("\x0e"), "sha224WithRSAEncryption", EVP_PKEY_RSA, EVP_sha224, false},
    {PKCS1("\x0f"), "sha512-224WithRSAEncryption", UNVERIFIABLE},
    {PKCS1("\x10"), "sha512-256WithRSAEncryption", UNVERIFIABLE},
    {OIW("\x03"), "md5WithRSA", EVP_PKEY_RSA, EVP_md5, true},
    {OIW("\x0f"), "shaWithRSAEncryption", UNVERIFIABLE_WEAK},
    {OIW("\x1d"), "sha1WithRSA", EVP_PKEY_RSA, EVP_sha1, true},
    {OIW("\x1b"), "dsaWithSHA1-old", EVP_PKEY_DSA, EVP_sha1, true},
    {OID("\x2a\x86\x48\xce\x38\x04\x03"), "dsaWithSHA1", EVP_PKEY_DSA, EVP_sha1, true},
    {NIST("\x01"), "dsa_with_SHA224", EVP_PKEY_DSA, EVP_sha224, false},
    {NIST("\x02"), "dsa_with_SHA256", EVP_PKEY_DSA, EVP_sha256, false},
    {NIST("\x03"), "dsa_with_SHA384", EVP_PKEY_DSA, EVP_sha384, false},
    {NIST("\x04"), "dsa_with_SHA512", EVP_PKEY_DSA, EVP_sha512, false},
    {NIST("\x05"), "dsa_with_SHA3-224", UNVERIFIABLE},
    {NIST("\x06"), "dsa_with_SHA3-256", UNVERIFIABLE},
    {NIST("\x07"), "dsa_with_SHA3-384", UNVERIFIABLE},
    {NIST("\x08"), "dsa_with_SHA3-512", UNVERIFIABLE},
    {NIST("\x09"), "ecdsa_with_SHA3-224", UNVERIFIABLE},
    {NIST("\x0a"), "ecdsa_with_SHA3-256", UNVERIFIABLE},
    {NIST("\x0b"), "ecdsa_with_SHA3-384", UNVERIFIABLE},
    {NIST("\x0c"), "ecdsa_with_SHA3-512", UNVERIFIABLE},
    {NIST("\x0d"), "RSA-SHA3-224", UNVERIFIABLE},
    {NIST("\x0e"), "RSA-SHA3-256", UNVERIFIABLE},
    {NIST("\x0f"), "RSA-SHA3-384", UNVERIFIABLE},
    {NIST("\x10"), "RSA-SHA3-512", UNVERIFIABLE},
    {NIST("\x11"), "ML-DSA-44", UNVERIFIABLE},
    {NIST("\x12"), "ML-DSA-65", UNVERIFIABLE},
    {NIST("\x13"), "ML-DSA-87", UNVERIFIABLE},
    {NIST("\x14"), "SLH-DSA-SHA2-128s", UNVERIFIABLE},
    {NIST("\x15"), "SLH-DSA-SHA2-128f", UNVERIFIABLE},
    {NIST("\x16"), "SLH-DSA-SHA2-192s", UNVERIFIABLE},
    {NIST("\x17"), "SLH-DSA-SHA2-192f", UNVERIFIABLE},
    {NIST("\x18"), "SLH-DSA-SHA2-256s", UNVERIFIABLE},
    {NIST("\x19"), "SLH-DSA-SHA2-256f", UNVERIFIABLE},
    {NIST("\x1a"), "SLH-DSA-SHAKE-128s", UNVERIFIABLE},
    {NIST("\x1b"), "SLH-DSA-SHAKE-128f", UNVERIFIABLE},
    {NIST("\x1c"), "SLH-DSA-SHAKE-192s", UNVERIFIABLE},
    {NIST("\x1d"), "SLH-DSA-SHAKE-192f", UNVERIFIABLE},
    {NIST("\x1e"), "SLH-DSA-SHAKE-256s", UNVERIFIABLE},
    {NIST("\x1f"), "SLH-DSA-SHAKE-256f", UNVERIFIABLE},
    {OID("\x2b\x24\x03\x03\x01\x02"), "ripemd160WithRSA", UNVERIFIABLE}, /* 1.3.36.3.3.1.2 */
    {OID("\x2a\x86\x48\x86\xf7\x0d\x02\x05"), "md5", /* 1.2.840.113549.2.5, a misnomer */
     UNVERIFIABLE_WEAK},
    {OID("\x2a\x81\x1c\xcf\x55\x01\x83\x75"), "SM2-with-SM3", /* 1.2.156.10197.1.501 */
     UNVERIFIABLE},
    {OID("\x2a\x85\x03\x02\x02\x03"), /* 1.2.643.2.2.3 */
     "GOST R 34.11-94 with GOST R 34.10-2001", UNVERIFIABLE},
    {OID("\x2a\x85\x03\x07\x01\x01\x03\x02"), /* 1.2.643.7.1.1.3.2 */
     "GOST R 34.10-2012 with GOST R 34.11-2012 (256 bit)", UNVERIFIABLE},
    {OID("\x2a\x85\x03\x07\x01\x01\x03\x03"), /* 1.2.643.7.1.1.3.3 */
     "GOST R 34.10-2012 with GOST R 34.11-2012 (512 bit)", UNVERIFIABLE},
};

/* `parameters` gets what stands behind the OID. NULL when the algorithm is not in the table. */
static const struct signature_algorithm *find_algorithm(struct slice identifier, struct slice *oid,
                                                        struct slice *parameters) {
    *oid = (struct slice){NULL, 0};
    *parameters = (struct slice){NULL, 0};
    if (!der_get(&identifier, parameters, DER_SEQUENCE) || !der_get(parameters, oid, DER_OID))
        return NULL;
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (slice_equal(algorithms[i].oid, *oid))
            return &algorithms[i];
    }
    return NULL;
}

struct slice certificate_signature_algorithm_text(const struct certificate *certificate,
                                                  char scratch[64]) {
    struct slice oid, parameters;
    const struct signature_algorithm *algorithm =
        find_algorithm(certificate->signature_algorithm, &oid, &parameters);

    if (algorithm)
        return slice_of(algorithm->name);
    size_t len = der_oid_text(oid, scratch, 64);
    return len ? (struct slice){(const uint8_t *)scratch, len} : slice_of("unknown");
}

/* --- RSASSA-PSS, RFC 4055 section 3.1 --- */

struct pss_parameters {
    const EVP_MD *digest, *mask_digest;
    int salt_len;
};

/* Reads the AlgorithmIdentifier of a digest. */
static bool read_digest(struct slice in, const EVP_MD **digest) {
    static const struct {
        struct slice oid;
        const EVP_MD *(*digest)(void);
    } digests[] = {
        {OIW("\x1a"), EVP_sha1},
        {OID("\x60\x86\x48\x01\x65\x03\x04\x02\x01"), EVP_sha256}, /* 2.16.840.1.101.3.4.2.1 */
        {OID("\x60\x86\x48\x01\x65\x03\x04\x02\x02"), EVP_sha384},
        {OID("\x60\x86\x48\x01\x65\x03\x04\x02\x03"), EVP_sha512},
        {OID("\x60\x86\x48\x01\x65\x03\x04\x02\x04"), EVP_sha224},
    };
    struct slice algorithm, oid;

    if (!der_get(&in, &algorithm, DER_SEQUENCE) || !der_get(&algorithm, &oid, DER_OID))
        return false;
    for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
        if (slice_equal(digests[i].oid, oid)) {
            *digest = digests[i].digest();
            return true;
        }
    }
    return false;
}

/* AlgorithmIdentifier { id-mgf1, AlgorithmIdentifier of a digest } */
static bool read_mask_digest(struct slice in, const EVP_MD **digest) {
    static const struct slice mgf1 = PKCS1("\x08");
    struct slice algorithm, oid;

    return der_get(&in, &algorithm, DER_SEQUENCE) && der_get(&algorithm, &oid, DER_OID) &&
           slice_equal(oid, mgf1) && read_digest(algorithm, digest);
}

static bool read_salt_len(struct slice in, int *salt_len) {
    struct slice number;

    if (!der_get(&in, &number, DER_INTEGER) || der_integer_bits(number) > 12)
        return false;
    *salt_len = 0;
    for (size_t i = 0; i < number.len; i++)
        *salt_len = *salt_len << 8 | number.ptr[i];
    return true;
}

/* All members are optional; what is absent has a default. */
static bool read_pss(struct slice in, struct pss_parameters *out) {
    struct slice content, digest, mask, salt;

    *out = (struct pss_parameters){EVP_sha1(), EVP_sha1(), 20};
    return der_get(&in, &content, DER_SEQUENCE) &&
           der_get_optional(&content, &digest, DER_CONTEXT_CONSTRUCTED(0)) &&
           der_get_optional(&content, &mask, DER_CONTEXT_CONSTRUCTED(1)) &&
           der_get_optional(&content, &salt, DER_CONTEXT_CONSTRUCTED(2)) &&
           (digest.len == 0 || read_digest(digest, &out->digest)) &&
           (mask.len == 0 || read_mask_digest(mask, &out->mask_digest)) &&
           (salt.len == 0 || read_salt_len(salt, &out->salt_len));
}

bool signature_algorithm_is_weak(struct slice identifier) {
    struct slice oid, parameters;
    const struct signature_algorithm *algorithm = find_algorithm(identifier, &oid, &parameters);
    struct pss_parameters pss;

    if (!algorithm || algorithm->key != EVP_PKEY_RSA || algorithm->digest)
        return algorithm && algorithm->weak;
    return read_pss(parameters, &pss) && pss.digest == EVP_sha1();
}

bool certificate_signature_is_weak(const struct certificate *certificate) {
    return signature_algorithm_is_weak(certificate->signature_algorithm);
}

/* --- Verifying --- */

/* The key of an RSA certificate is read past its AlgorithmIdentifier, because BoringSSL takes only
 * rsaEncryption there, not id-RSASSA-PSS. */
static EVP_PKEY *parse_key(const struct certificate *certificate) {
    struct slice rsa_key;
    CBS cbs;

    if (certificate->key_type != KEY_RSA && certificate->key_type != KEY_RSA_PSS) {
        CBS_init(&cbs, certificate->spki.ptr, certificate->spki.len);
        return EVP_parse_public_key(&cbs);
    }
    if (!certificate_public_key(certificate, &rsa_key))
        return NULL;
    CBS_init(&cbs, rsa_key.ptr, rsa_key.len);
    RSA *rsa = RSA_parse_public_key(&cbs);
    if (!rsa)
        return NULL;
    EVP_PKEY *key = EVP_PKEY_new();
    if (!key || !EVP_PKEY_assign_RSA(key, rsa)) {
        RSA_free(rsa);
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static bool verify_dsa(const struct signature *signature, const EVP_MD *md, DSA *dsa) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_len;
    int valid = 0;

    return EVP_Digest(signature->bytes.ptr, signature->bytes.len, digest, &digest_len, md, NULL) &&
           DSA_check_signature(&valid, digest, digest_len, signature->value.ptr,
                               signature->value.len, dsa) &&
           valid;
}

static bool set_pss(EVP_PKEY_CTX *context, const struct pss_parameters *pss) {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context, pss->mask_digest) &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, pss->salt_len);
}

static bool verify(const struct signature *signature, const struct signature_algorithm *algorithm,
                   struct slice parameters, EVP_PKEY *key) {
    const EVP_MD *digest = algorithm->digest ? algorithm->digest() : NULL;
    bool is_pss = algorithm->key == EVP_PKEY_RSA && !digest;
    struct pss_parameters pss = {0};
    EVP_PKEY_CTX *key_context; /* belongs to `context` */
    EVP_MD_CTX context;

    if (EVP_PKEY_id(key) != algorithm->key)
        return false;
    if (algorithm->key == EVP_PKEY_DSA)
        return verify_dsa(signature, digest, EVP_PKEY_get0_DSA(key));
    if (is_pss) {
        if (!read_pss(parameters, &pss))
            return false;
        digest = pss.digest;
    }
    EVP_MD_CTX_init(&context);
    bool valid = EVP_DigestVerifyInit(&context, &key_context, digest, NULL, key) &&
                 (!is_pss || set_pss(key_context, &pss)) &&
                 EVP_DigestVerify(&context, signature->value.ptr, signature->value.len,
                                  signature->bytes.ptr, signature->bytes.len);
    EVP_MD_CTX_cleanup(&context);
    return valid;
}

bool signature_verify(const struct signature *signature, const struct certificate *signer) {
    struct slice oid, parameters;
    const struct signature_algorithm *algorithm =
        find_algorithm(signature->algorithm, &oid, &parameters);

    if (!algorithm || algorithm->key == EVP_PKEY_NONE)
        return false;
    EVP_PKEY *key = parse_key(signer);
    bool valid = key && verify(signature, algorithm, parameters, key);
    EVP_PKEY_free(key);
    ERR_clear_error(); /* the thread's queue is not left with what a peer's key provoked */
    return valid;
}

struct signature certificate_signature(const struct certificate *certificate) {
    return (struct signature){.algorithm = certificate->signature_algorithm,
                              .bytes = certificate->tbs,
                              .value = certificate->signature};
}

bool certificate_is_self_signed(const struct certificate *certificate) {
    struct signature own = certificate_signature(certificate);

    return slice_equal(certificate->subject, certificate->issuer) &&
           signature_verify(&own, certificate);
}
