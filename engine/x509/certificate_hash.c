/* Hashes of a certificate and of its RFC 6962 TBS. */
#include "engine/x509/certificate_parts.h"

#include <assert.h>
#include <openssl/sha.h>

static_assert(CERTIFICATE_SHA256_BYTES == SHA256_DIGEST_LENGTH, "SHA-256");
static_assert(CERTIFICATE_SHA1_BYTES == SHA_DIGEST_LENGTH, "SHA-1");

void certificate_sha256(struct slice bytes, uint8_t out[CERTIFICATE_SHA256_BYTES]) {
    SHA256(bytes.ptr, bytes.len, out);
}

void certificate_sha1(struct slice bytes, uint8_t out[CERTIFICATE_SHA1_BYTES]) {
    SHA1(bytes.ptr, bytes.len, out);
}

enum { HEADER_MAX = 5 }; /* tag, length of the length, three bytes: 16 MB */

struct header {
    uint8_t bytes[HEADER_MAX];
    size_t len;
};

static struct header make_header(uint8_t tag, size_t content_len) {
    struct header header = {.bytes = {tag}, .len = 2};

    if (content_len < 0x80) {
        header.bytes[1] = (uint8_t)content_len;
        return header;
    }
    size_t length_bytes = content_len < 0x100 ? 1 : content_len < 0x10000 ? 2 : 3;
    header.bytes[1] = (uint8_t)(0x80 | length_bytes);
    for (size_t i = length_bytes; i; i--)
        header.bytes[header.len++] = (uint8_t)(content_len >> (8 * (i - 1)));
    return header;
}

static bool is_left_out(struct slice extension) {
    struct slice oid;

    return der_get(&extension, &oid, DER_OID) && oid.len == EXTENSION_CT_OID_BYTES &&
           (memcmp(oid.ptr, EXTENSION_SCT_LIST, EXTENSION_CT_OID_BYTES) == 0 ||
            memcmp(oid.ptr, EXTENSION_CT_POISON, EXTENSION_CT_OID_BYTES) == 0);
}

/* Where a TBS made anew goes: into a hash, or into a buffer. */
struct tbs_sink {
    SHA256_CTX *hash;
    struct buffer *bytes; /* when `hash` is NULL */
};

static void put(const struct tbs_sink *sink, const void *bytes, size_t len) {
    if (sink->hash)
        SHA256_Update(sink->hash, bytes, len);
    else
        buffer_add(sink->bytes, bytes, len);
}

/* Walks the extensions that stay: adds up their length, and writes them when `sink` is not NULL.
 * False when they cannot be walked. */
static bool walk_kept(struct slice list, const struct tbs_sink *sink, size_t *kept_len) {
    struct slice extension;

    *kept_len = 0;
    while (list.len) {
        const uint8_t *start = list.ptr;
        if (!der_get(&list, &extension, DER_SEQUENCE))
            return false;
        if (is_left_out(extension))
            continue;
        size_t len = (size_t)(list.ptr - start);
        *kept_len += len;
        if (sink)
            put(sink, start, len);
    }
    return true;
}

static bool write_tbs(const struct certificate *certificate, const struct tbs_sink *sink) {
    struct slice element = certificate->tbs, tbs, list = certificate->extensions;
    size_t kept_len;

    if (!der_get(&element, &tbs, DER_SEQUENCE) ||
        (list.len && !certificate_extension_list(certificate, &list)) ||
        !walk_kept(list, NULL, &kept_len))
        return false;
    if (kept_len == list.len) {
        put(sink, certificate->tbs.ptr, certificate->tbs.len);
        return true;
    }

    /* The extensions end the TBS: what stands before them stays, and when none is left their
     * wrapper goes too (RFC 5280 section 4.1: SIZE (1..MAX)). */
    size_t before_len = (size_t)(certificate->extensions.ptr - tbs.ptr);
    struct header sequence = make_header(DER_SEQUENCE, kept_len);
    struct header wrapper = make_header(DER_CONTEXT_CONSTRUCTED(3), sequence.len + kept_len);
    size_t wrapped_len = kept_len ? wrapper.len + sequence.len + kept_len : 0;
    struct header whole = make_header(DER_SEQUENCE, before_len + wrapped_len);

    put(sink, whole.bytes, whole.len);
    put(sink, tbs.ptr, before_len);
    if (kept_len) {
        put(sink, wrapper.bytes, wrapper.len);
        put(sink, sequence.bytes, sequence.len);
        walk_kept(list, sink, &kept_len);
    }
    return true;
}

bool certificate_tbs_sha256(const struct certificate *certificate,
                            uint8_t out[CERTIFICATE_SHA256_BYTES]) {
    SHA256_CTX hash;

    SHA256_Init(&hash);
    if (!write_tbs(certificate, &(struct tbs_sink){.hash = &hash}))
        return false;
    SHA256_Final(out, &hash);
    return true;
}

bool certificate_tbs_write(const struct certificate *certificate, struct buffer *out) {
    return write_tbs(certificate, &(struct tbs_sink){.bytes = out});
}
