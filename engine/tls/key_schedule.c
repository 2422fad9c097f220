#include "engine/tls/key_schedule.h"

#include <openssl/aead.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/hkdf.h>

const struct tls13_suite tls13_suites[TLS13_SUITE_COUNT] = {
    {0x1301, 16, 32, EVP_aead_aes_128_gcm, EVP_sha256},
    {0x1302, 32, 48, EVP_aead_aes_256_gcm, EVP_sha384},
    {0x1303, 32, 32, EVP_aead_chacha20_poly1305, EVP_sha256},
};

const struct tls13_suite *tls13_suite_find(uint16_t id) {
    for (size_t i = 0; i < TLS13_SUITE_COUNT; i++)
        if (tls13_suites[i].id == id)
            return &tls13_suites[i];
    return NULL;
}

/* HKDF-Expand-Label. Labels are ours and at most 12 bytes, contexts are hashes or empty. */
static bool expand_label(const EVP_MD *hash, const uint8_t *secret, const char *label,
                         struct slice context, uint8_t *out, size_t out_len) {
    static const char prefix[] = "tls13 ";
    enum { PREFIX_BYTES = sizeof prefix - 1 };
    uint8_t info[2 + 1 + PREFIX_BYTES + 12 + 1 + TLS13_HASH_MAX];
    size_t label_len = strlen(label), n = 0;

    info[n++] = 0;
    info[n++] = (uint8_t)out_len;
    info[n++] = (uint8_t)(PREFIX_BYTES + label_len);
    memcpy(info + n, prefix, PREFIX_BYTES);
    n += PREFIX_BYTES;
    memcpy(info + n, label, label_len);
    n += label_len;
    info[n++] = (uint8_t)context.len;
    if (context.len)
        memcpy(info + n, context.ptr, context.len);
    n += context.len;
    return HKDF_expand(out, out_len, hash, secret, EVP_MD_size(hash), info, n);
}

static bool derive(const EVP_MD *hash, uint8_t *out) {
    static const uint8_t zero[TLS13_HASH_MAX];
    uint8_t early[EVP_MAX_MD_SIZE], empty[EVP_MAX_MD_SIZE];
    size_t len = EVP_MD_size(hash), early_len;

    return HKDF_extract(early, &early_len, hash, zero, len, zero, len) &&
           EVP_Digest("", 0, empty, NULL, hash, NULL) &&
           expand_label(hash, early, "derived", (struct slice){empty, len}, out, len);
}

bool tls13_derived_init(struct tls13_derived *derived) {
    return derive(EVP_sha256(), derived->sha256) && derive(EVP_sha384(), derived->sha384);
}

bool tls13_hash(const struct tls13_suite *suite, struct slice bytes, uint8_t out[TLS13_HASH_MAX]) {
    return EVP_Digest(bytes.ptr, bytes.len, out, NULL, suite->hash(), NULL);
}

bool tls13_server_keys(const struct tls13_suite *suite, const struct tls13_derived *derived,
                       struct slice secret, const uint8_t transcript[TLS13_HASH_MAX],
                       struct tls13_keys *out) {
    const EVP_MD *hash = suite->hash();
    size_t len = suite->hash_bytes, handshake_len;
    const uint8_t *salt = len == sizeof derived->sha256 ? derived->sha256 : derived->sha384;
    uint8_t handshake[EVP_MAX_MD_SIZE], server[TLS13_HASH_MAX];
    const struct slice empty = {NULL, 0};

    out->sequence = 0;
    return HKDF_extract(handshake, &handshake_len, hash, secret.ptr, secret.len, salt, len) &&
           expand_label(hash, handshake, "s hs traffic", (struct slice){transcript, len}, server,
                        len) &&
           expand_label(hash, server, "key", empty, out->key, suite->key_bytes) &&
           expand_label(hash, server, "iv", empty, out->iv, sizeof out->iv);
}

/* The cipher context is made anew for each record: a flight has one to three, and so a grab holds
 * nothing that needs freeing. */
bool tls13_open(const struct tls13_suite *suite, struct tls13_keys *keys,
                const uint8_t header[TLS_RECORD_HEADER_BYTES], struct slice payload, uint8_t *out,
                size_t *len) {
    EVP_AEAD_CTX context;
    uint8_t nonce[TLS13_IV_BYTES];

    memcpy(nonce, keys->iv, sizeof nonce);
    for (unsigned i = 0; i < 8; i++) /* section 5.3 */
        nonce[TLS13_IV_BYTES - 1 - i] ^= (uint8_t)(keys->sequence >> (8 * i));
    keys->sequence++;
    if (!EVP_AEAD_CTX_init(&context, suite->aead(), keys->key, suite->key_bytes,
                           EVP_AEAD_DEFAULT_TAG_LENGTH, NULL))
        return false;
    bool ok = EVP_AEAD_CTX_open(&context, out, len, payload.len, nonce, sizeof nonce, payload.ptr,
                                payload.len, header, TLS_RECORD_HEADER_BYTES);
    EVP_AEAD_CTX_cleanup(&context);
    if (!ok)
        ERR_clear_error(); /* the thread's next user must not find ours */
    return ok;
}
