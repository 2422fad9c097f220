#include "engine/x509/sct.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>

enum {
    VERSION_1 = 0,
    CERTIFICATE_TIMESTAMP = 0, /* SignatureType */
    ENTRY_CERTIFICATE = 0,     /* LogEntryType */
    ENTRY_PRECERTIFICATE = 1,
    HASH_SHA256 = 4,
    ALGORITHM_RSA = 1,
    ALGORITHM_ECDSA = 3,
};

static struct slice slice_of_cbs(const CBS *cbs) {
    return (struct slice){CBS_data(cbs), CBS_len(cbs)};
}

bool sct_list_open(struct slice *list) {
    CBS all, items;

    CBS_init(&all, list->ptr, list->len);
    if (!CBS_get_u16_length_prefixed(&all, &items) || CBS_len(&all))
        return false;
    *list = slice_of_cbs(&items);
    return true;
}

static bool read_version_1(CBS *item, struct sct *out) {
    CBS id, extensions, signature;

    if (!CBS_get_bytes(item, &id, SCT_LOG_ID_BYTES) || !CBS_get_u64(item, &out->timestamp_ms) ||
        !CBS_get_u16_length_prefixed(item, &extensions) || !CBS_get_u8(item, &out->hash) ||
        !CBS_get_u8(item, &out->algorithm) || !CBS_get_u16_length_prefixed(item, &signature) ||
        CBS_len(item))
        return false;
    out->log_id = slice_of_cbs(&id);
    out->extensions = slice_of_cbs(&extensions);
    out->signature = slice_of_cbs(&signature);
    return true;
}

bool sct_next(struct slice *list, struct sct *out) {
    CBS rest, item;

    *out = (struct sct){0};
    CBS_init(&rest, list->ptr, list->len);
    if (!CBS_get_u16_length_prefixed(&rest, &item) || !CBS_get_u8(&item, &out->version) ||
        (out->version == VERSION_1 && !read_version_1(&item, out)))
        return false;
    *list = slice_of_cbs(&rest);
    return true;
}

/* What the log signed: the structure of section 3.2. */
static bool write_signed(const struct sct *sct, enum sct_source source,
                         const struct certificate *leaf, const struct certificate *issuer,
                         CBB *out) {
    struct buffer tbs;
    CBB entry, extensions;

    buffer_init(&tbs);
    bool ok = CBB_add_u8(out, VERSION_1) && CBB_add_u8(out, CERTIFICATE_TIMESTAMP) &&
              CBB_add_u64(out, sct->timestamp_ms);
    if (source == SCT_EMBEDDED) {
        uint8_t key_hash[CERTIFICATE_SHA256_BYTES];
        certificate_sha256(issuer->spki, key_hash);
        ok = ok && certificate_tbs_write(leaf, &tbs) && !tbs.failed &&
             CBB_add_u16(out, ENTRY_PRECERTIFICATE) &&
             CBB_add_bytes(out, key_hash, sizeof key_hash);
    } else {
        ok = ok && CBB_add_u16(out, ENTRY_CERTIFICATE);
    }
    struct slice signed_entry = source == SCT_EMBEDDED ? buffer_slice(&tbs) : leaf->der;
    ok = ok && CBB_add_u24_length_prefixed(out, &entry) &&
         CBB_add_bytes(&entry, signed_entry.ptr, signed_entry.len) &&
         CBB_add_u16_length_prefixed(out, &extensions) &&
         CBB_add_bytes(&extensions, sct->extensions.ptr, sct->extensions.len) && CBB_flush(out);
    buffer_deinit(&tbs);
    return ok;
}

static bool verify_signature(const struct sct *sct, struct slice spki, struct slice bytes) {
    EVP_MD_CTX context;
    CBS cbs;

    CBS_init(&cbs, spki.ptr, spki.len);
    EVP_PKEY *key = EVP_parse_public_key(&cbs);
    int wanted = sct->algorithm == ALGORITHM_ECDSA ? EVP_PKEY_EC
                 : sct->algorithm == ALGORITHM_RSA ? EVP_PKEY_RSA
                                                   : EVP_PKEY_NONE;
    EVP_MD_CTX_init(&context);
    bool valid =
        key && sct->hash == HASH_SHA256 && EVP_PKEY_id(key) == wanted &&
        EVP_DigestVerifyInit(&context, NULL, EVP_sha256(), NULL, key) &&
        EVP_DigestVerify(&context, sct->signature.ptr, sct->signature.len, bytes.ptr, bytes.len);
    EVP_MD_CTX_cleanup(&context);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return valid;
}

const struct sct_log *sct_find_log(const struct sct *sct, const struct sct_log *logs,
                                   size_t log_count) {
    for (size_t i = 0; i < log_count; i++)
        if (slice_equal(sct->log_id, (struct slice){logs[i].id, SCT_LOG_ID_BYTES}))
            return &logs[i];
    return NULL;
}

enum sct_verdict sct_verify(const struct sct *sct, enum sct_source source,
                            const struct certificate *leaf, const struct certificate *issuer,
                            const struct sct_log *logs, size_t log_count) {
    const struct sct_log *log = sct_find_log(sct, logs, log_count);
    enum sct_verdict verdict = SCT_UNCHECKED;
    CBB bytes;

    if (!log)
        return SCT_UNKNOWN_LOG;
    if (source == SCT_EMBEDDED && !issuer)
        return SCT_UNCHECKED;
    if (CBB_init(&bytes, leaf->der.len + 128) && write_signed(sct, source, leaf, issuer, &bytes))
        verdict =
            verify_signature(sct, log->spki, (struct slice){CBB_data(&bytes), CBB_len(&bytes)})
                ? SCT_VALID
                : SCT_INVALID;
    CBB_cleanup(&bytes);
    return verdict;
}

const char *sct_source_name(enum sct_source source) {
    static const char *const names[] = {
        [SCT_EMBEDDED] = "embedded", [SCT_IN_OCSP] = "ocsp", [SCT_IN_TLS] = "tls"};
    return names[source];
}

const char *sct_verdict_name(enum sct_verdict verdict) {
    static const char *const names[] = {[SCT_UNKNOWN_LOG] = "unknown_log",
                                        [SCT_VALID] = "valid",
                                        [SCT_INVALID] = "invalid",
                                        [SCT_UNCHECKED] = "unchecked"};
    return names[verdict];
}
