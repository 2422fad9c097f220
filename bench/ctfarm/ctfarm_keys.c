#include "bench/ctfarm/ctfarm_keys.h"

#include "engine/base/random.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

const char *ctfarm_key_name(enum ctfarm_key_type type) {
    static const char *const NAMES[CTFARM_KEY_TYPES] = {"ec-p256", "ec-p384", "rsa-2048",
                                                        "rsa-4096", "ed25519"};
    return NAMES[type];
}

/* --- Signing --- */

static EC_KEY *derive(enum ctfarm_key_type type, uint64_t seed, const char *label) {
    const EC_GROUP *group = EC_GROUP_new_by_curve_name(
        type == CTFARM_KEY_P384 ? NID_secp384r1 : NID_X9_62_prime256v1); /* lives for ever */
    char secret[96];
    int len = snprintf(secret, sizeof secret, "%016llx %s", (unsigned long long)seed, label);
    return EC_KEY_derive_from_secret(group, (const uint8_t *)secret, (size_t)len);
}

/* Takes the key in any case. */
static bool signer_init(struct ctfarm_signer *signer, enum ctfarm_key_type type, EVP_PKEY *key) {
    CBB der;
    *signer = (struct ctfarm_signer){.type = type, .key = key};
    if (!key)
        return false;
    if (!CBB_init(&der, 512) || !EVP_marshal_public_key(&der, key) ||
        !CBB_finish(&der, &signer->spki, &signer->spki_len)) {
        CBB_cleanup(&der);
        ctfarm_signer_deinit(signer);
        return false;
    }
    SHA256(signer->spki, signer->spki_len, signer->spki_sha256);
    return true;
}

bool ctfarm_signer_init_ec(struct ctfarm_signer *signer, enum ctfarm_key_type type, uint64_t seed,
                           const char *label) {
    EVP_PKEY *key = EVP_PKEY_new();
    EC_KEY *ec = derive(type, seed, label);
    if (!key || !ec || !EVP_PKEY_set1_EC_KEY(key, ec)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EC_KEY_free(ec);
    return signer_init(signer, type, key);
}

bool ctfarm_signer_init_pem(struct ctfarm_signer *signer, enum ctfarm_key_type type,
                            const char *pem) {
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return signer_init(signer, type, key);
}

void ctfarm_signer_deinit(struct ctfarm_signer *signer) {
    EVP_PKEY_free(signer->key);
    OPENSSL_free(signer->spki);
    *signer = (struct ctfarm_signer){0};
}

/* Below the order of either curve, as it begins with a zero bit, and different for each message.
 * Public keys serve as well as private ones where nothing is secret. */
static size_t make_nonce(const struct ctfarm_signer *signer, const uint8_t digest[32],
                         uint8_t nonce[SHA512_DIGEST_LENGTH]) {
    SHA512_CTX context;
    SHA512_Init(&context);
    SHA512_Update(&context, signer->spki_sha256, sizeof signer->spki_sha256);
    SHA512_Update(&context, digest, 32);
    SHA512_Final(nonce, &context);
    nonce[0] &= 0x7f;
    return signer->type == CTFARM_KEY_P384 ? 48 : 32;
}

static size_t sign_ec(const struct ctfarm_signer *signer, struct slice message, uint8_t *out) {
    uint8_t digest[SHA256_DIGEST_LENGTH], nonce[SHA512_DIGEST_LENGTH], *bytes = NULL;
    size_t len = 0;
    SHA256(message.ptr, message.len, digest);
    size_t nonce_len = make_nonce(signer, digest, nonce);
    ECDSA_SIG *signature = ECDSA_sign_with_nonce_and_leak_private_key_for_testing(
        digest, sizeof digest, EVP_PKEY_get0_EC_KEY(signer->key), nonce, nonce_len);
    if (signature && ECDSA_SIG_to_bytes(&bytes, &len, signature) && len <= CTFARM_SIGNATURE_MAX)
        memcpy(out, bytes, len);
    else
        len = 0;
    OPENSSL_free(bytes);
    ECDSA_SIG_free(signature);
    return len;
}

static size_t sign_rsa(const struct ctfarm_signer *signer, struct slice message, uint8_t *out) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t len = CTFARM_SIGNATURE_MAX;
    bool signed_it = context &&
                     EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signer->key) &&
                     EVP_DigestSign(context, out, &len, message.ptr, message.len);
    EVP_MD_CTX_free(context);
    return signed_it ? len : 0;
}

static bool is_rsa(const struct ctfarm_signer *signer) {
    return signer->type == CTFARM_KEY_RSA_2048 || signer->type == CTFARM_KEY_RSA_4096;
}

size_t ctfarm_sign(const struct ctfarm_signer *signer, struct slice message,
                   uint8_t out[CTFARM_SIGNATURE_MAX]) {
    return is_rsa(signer) ? sign_rsa(signer, message, out) : sign_ec(signer, message, out);
}

struct slice ctfarm_signer_algorithm(const struct ctfarm_signer *signer) {
    static const uint8_t ECDSA_SHA256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                           0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
    static const uint8_t RSA_SHA256[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                         0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00};
    return is_rsa(signer) ? (struct slice){RSA_SHA256, sizeof RSA_SHA256}
                          : (struct slice){ECDSA_SHA256, sizeof ECDSA_SHA256};
}

uint8_t ctfarm_signer_tls(const struct ctfarm_signer *signer) {
    return is_rsa(signer) ? 1 : 3;
}

/* --- Public keys --- */

static bool point_init(struct ctfarm_spki *out, enum ctfarm_key_type type, uint64_t seed,
                       const char *label) {
    struct ctfarm_signer signer;
    if (!ctfarm_signer_init_ec(&signer, type, seed, label))
        return false;
    bool fits = signer.spki_len <= sizeof out->bytes;
    if (fits)
        memcpy(out->bytes, signer.spki, signer.spki_len);
    out->len = (uint8_t)signer.spki_len;
    ctfarm_signer_deinit(&signer);
    return fits;
}

bool ctfarm_key_pool_init(struct ctfarm_key_pool *pool, uint64_t seed) {
    bool made = (pool->points = calloc(CTFARM_POINTS + CTFARM_POINTS_P384, sizeof *pool->points));
    for (int i = 0; made && i < CTFARM_POINTS + CTFARM_POINTS_P384; i++) {
        char label[32];
        snprintf(label, sizeof label, "point %d", i);
        made = point_init(&pool->points[i], i < CTFARM_POINTS ? CTFARM_KEY_P256 : CTFARM_KEY_P384,
                          seed, label);
    }
    if (!made)
        ctfarm_key_pool_deinit(pool);
    return made;
}

void ctfarm_key_pool_deinit(struct ctfarm_key_pool *pool) {
    free(pool->points);
    pool->points = NULL;
}

static void write_rsa(size_t bytes, uint64_t number, struct ctfarm_der *out) {
    static const uint8_t EXPONENT[] = {0x02, 0x03, 0x01, 0x00, 0x01};
    static const uint8_t ALGORITHM[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                        0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    uint8_t modulus[513] = {0};
    struct random random;
    size_t mark = ctfarm_der_mark(out);

    random_init(&random, number);
    random_fill(&random, modulus + 1, bytes);
    modulus[1] |= 0x80;
    modulus[bytes] |= 1;
    ctfarm_der_bytes(out, EXPONENT, sizeof EXPONENT);
    ctfarm_der_value(out, CTFARM_DER_INTEGER, (struct slice){modulus, bytes + 1});
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
    ctfarm_der_byte(out, 0);
    ctfarm_der_wrap(out, CTFARM_DER_BIT_STRING, mark);
    ctfarm_der_bytes(out, ALGORITHM, sizeof ALGORITHM);
    ctfarm_der_wrap(out, CTFARM_DER_SEQUENCE, mark);
}

static void write_ed25519(uint64_t number, struct ctfarm_der *out) {
    static const uint8_t HEAD[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                   0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    uint8_t key[32];
    struct random random;
    random_init(&random, number);
    random_fill(&random, key, sizeof key);
    ctfarm_der_bytes(out, key, sizeof key);
    ctfarm_der_bytes(out, HEAD, sizeof HEAD);
}

void ctfarm_key_write(const struct ctfarm_key_pool *pool, enum ctfarm_key_type type,
                      uint64_t number, struct ctfarm_der *out) {
    const struct ctfarm_spki *point = NULL;
    switch (type) {
    case CTFARM_KEY_RSA_2048:
        write_rsa(256, number, out);
        break;
    case CTFARM_KEY_RSA_4096:
        write_rsa(512, number, out);
        break;
    case CTFARM_KEY_ED25519:
        write_ed25519(number, out);
        break;
    case CTFARM_KEY_P384:
        point = &pool->points[CTFARM_POINTS + number % CTFARM_POINTS_P384];
        break;
    case CTFARM_KEY_P256:
    case CTFARM_KEY_TYPES:
        point = &pool->points[number % CTFARM_POINTS];
        break;
    }
    if (point)
        ctfarm_der_bytes(out, point->bytes, point->len);
}

bool ctfarm_key_write_own(uint64_t seed, uint64_t number, struct ctfarm_der *out) {
    struct ctfarm_spki point;
    char label[48];
    snprintf(label, sizeof label, "own %llu", (unsigned long long)number);
    if (!point_init(&point, CTFARM_KEY_P256, seed, label))
        return false;
    ctfarm_der_bytes(out, point.bytes, point.len);
    return true;
}
