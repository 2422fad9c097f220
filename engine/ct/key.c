#include "engine/ct/key.h"

#include "engine/hash/sha256.h"

#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>

enum {
    /* RFC 5246 section 7.4.1.4.1 */
    HASH_SHA256 = 4,
    SIGNATURE_RSA = 1,
    SIGNATURE_ECDSA = 3,

    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192, /* larger ones only cost time */
};

static bool is_usable(const EVP_PKEY *key) {
    if (EVP_PKEY_id(key) == EVP_PKEY_RSA)
        return EVP_PKEY_bits(key) >= RSA_BITS_MIN && EVP_PKEY_bits(key) <= RSA_BITS_MAX;
    if (EVP_PKEY_id(key) != EVP_PKEY_EC)
        return false;
    int curve = EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)));
    return curve == NID_X9_62_prime256v1 || curve == NID_secp384r1;
}

enum error ct_log_key_init(struct ct_log_key *key, struct slice spki, struct failure *failure) {
    CBS der;

    *key = (struct ct_log_key){0};
    CBS_init(&der, spki.ptr, spki.len);
    EVP_PKEY *public_key = EVP_parse_public_key(&der);
    ERR_clear_error();
    if (!public_key || CBS_len(&der)) {
        EVP_PKEY_free(public_key);
        return failure_set(failure, ERROR_INPUT,
                           "the log's key is no SubjectPublicKeyInfo that can be read");
    }
    if (!is_usable(public_key)) {
        EVP_PKEY_free(public_key);
        return failure_set(failure, ERROR_UNSUPPORTED,
                           "the log's key is neither ECDSA on P-256 or P-384, nor RSA of %d to %d "
                           "bits",
                           RSA_BITS_MIN, RSA_BITS_MAX);
    }
    key->public_key = public_key;
    sha256_one(spki, key->id);
    return ERROR_NONE;
}

void ct_log_key_deinit(struct ct_log_key *key) {
    EVP_PKEY_free(key->public_key);
    *key = (struct ct_log_key){0};
}

enum ct_signature ct_log_key_verify(const struct ct_log_key *key, struct slice digitally_signed,
                                    struct slice message) {
    int wanted = EVP_PKEY_id(key->public_key) == EVP_PKEY_RSA ? SIGNATURE_RSA : SIGNATURE_ECDSA;
    uint8_t hash, algorithm;
    EVP_MD_CTX context;
    CBS in, signature;

    CBS_init(&in, digitally_signed.ptr, digitally_signed.len);
    if (!CBS_get_u8(&in, &hash) || !CBS_get_u8(&in, &algorithm) ||
        !CBS_get_u16_length_prefixed(&in, &signature) || CBS_len(&in))
        return CT_SIGNATURE_UNREADABLE;
    if (hash != HASH_SHA256 || algorithm != wanted)
        return CT_SIGNATURE_ALGORITHM;
    EVP_MD_CTX_init(&context);
    bool good = EVP_DigestVerifyInit(&context, NULL, EVP_sha256(), NULL, key->public_key) &&
                EVP_DigestVerify(&context, CBS_data(&signature), CBS_len(&signature), message.ptr,
                                 message.len);
    EVP_MD_CTX_cleanup(&context);
    ERR_clear_error();
    return good ? CT_SIGNATURE_GOOD : CT_SIGNATURE_WRONG;
}
