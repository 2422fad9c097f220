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

static bool is_left_out(struct slice oid) {
    return oid.len == EXTENSION_CT_OID_BYTES &&
           (memcmp(oid.ptr, EXTENSION_SCT_LIST, EXTENSION_CT_OID_BYTES) == 0 ||
            memcmp(oid.ptr, EXTENSION_CT_POISON, EXTENSION_CT_OID_BYTES) == 0);
}

static bool is_authority_key(struct slice oid) {
    return slice_equal(oid, (struct slice)OID("\x55\x1d\x23")); /* 2.5.29.35 */
}

/* Takes the next extension, with its header. */
static bool next_extension(struct slice *list, struct slice *element, struct slice *oid) {
    struct slice content;

    if (!der_get_element(list, element, DER_SEQUENCE))
        return false;
    struct slice in = *element;
    if (!der_get(&in, &content, DER_SEQUENCE) || !der_get(&content, oid, DER_OID))
        *oid = (struct slice){NULL, 0};
    return true;
}

/* Where a TBS made anew goes: into a hash, or into a buffer. */
struct tbs_sink {
    SHA256_CTX *hash;
    struct buffer *bytes; /* when `hash` is NULL */
};

static void put(const struct tbs_sink *sink, struct slice bytes) {
    if (sink->hash)
        SHA256_Update(sink->hash, bytes.ptr, bytes.len);
    else
        buffer_add_slice(sink->bytes, bytes);
}

static void put_header(const struct tbs_sink *sink, const struct header *header) {
    put(sink, (struct slice){header->bytes, header->len});
}

/* What a TBS made anew has in place of what the certificate has. */
struct tbs_change {
    struct slice issuer;
    bool any_authority_key;
    struct slice authority_key; /* the whole extension; empty to leave it out */
};

/* Walks the extensions that stay: adds up their length, and writes them when `sink` is not NULL.
 * False when they cannot be walked. */
static bool walk_kept(struct slice list, const struct tbs_change *change,
                      const struct tbs_sink *sink, size_t *kept_len) {
    struct slice extension, oid;
    bool changed = false;

    *kept_len = 0;
    while (list.len) {
        if (!next_extension(&list, &extension, &oid))
            return false;
        if (is_left_out(oid))
            continue;
        if (change->any_authority_key && is_authority_key(oid)) {
            extension = change->authority_key;
            changed = true;
        }
        *kept_len += extension.len;
        if (sink)
            put(sink, extension);
    }
    if (change->any_authority_key && !changed) {
        *kept_len += change->authority_key.len;
        if (sink)
            put(sink, change->authority_key);
    }
    return true;
}

static bool write_tbs(const struct certificate *certificate, const struct tbs_change *change,
                      const struct tbs_sink *sink) {
    struct slice element = certificate->tbs, tbs, list = certificate->extensions;
    size_t kept_len;

    if (!der_get(&element, &tbs, DER_SEQUENCE) ||
        (list.len && !certificate_extension_list(certificate, &list)) ||
        !walk_kept(list, change, NULL, &kept_len))
        return false;
    if (kept_len == list.len && !change->any_authority_key) {
        put(sink, certificate->tbs);
        return true;
    }

    /* The extensions end the TBS: what stands before them stays, but for the issuer, and when none
     * is left their wrapper goes too (RFC 5280 section 4.1: SIZE (1..MAX)). */
    const uint8_t *end =
        certificate->extensions.len ? certificate->extensions.ptr : tbs.ptr + tbs.len;
    const uint8_t *issuer_end = certificate->issuer.ptr + certificate->issuer.len;
    struct slice before = {tbs.ptr, (size_t)(certificate->issuer.ptr - tbs.ptr)};
    struct slice behind = {issuer_end, (size_t)(end - issuer_end)};
    struct header sequence = make_header(DER_SEQUENCE, kept_len);
    struct header wrapper = make_header(DER_CONTEXT_CONSTRUCTED(3), sequence.len + kept_len);
    size_t wrapped_len = kept_len ? wrapper.len + sequence.len + kept_len : 0;
    struct header whole =
        make_header(DER_SEQUENCE, before.len + change->issuer.len + behind.len + wrapped_len);

    put_header(sink, &whole);
    put(sink, before);
    put(sink, change->issuer);
    put(sink, behind);
    if (kept_len) {
        put_header(sink, &wrapper);
        put_header(sink, &sequence);
        walk_kept(list, change, sink, &kept_len);
    }
    return true;
}

bool certificate_tbs_sha256(const struct certificate *certificate,
                            uint8_t out[CERTIFICATE_SHA256_BYTES]) {
    const struct tbs_change nothing = {.issuer = certificate->issuer};
    SHA256_CTX hash;

    SHA256_Init(&hash);
    if (!write_tbs(certificate, &nothing, &(struct tbs_sink){.hash = &hash}))
        return false;
    SHA256_Final(out, &hash);
    return true;
}

bool certificate_tbs_write(const struct certificate *certificate, struct buffer *out) {
    const struct tbs_change nothing = {.issuer = certificate->issuer};

    return write_tbs(certificate, &nothing, &(struct tbs_sink){.bytes = out});
}

bool certificate_tbs_write_final(const struct certificate *precertificate,
                                 const struct certificate *signer, struct buffer *out) {
    struct tbs_change change = {.issuer = signer->issuer, .any_authority_key = true};
    struct slice list, extension, oid;

    if (!certificate_extension_list(signer, &list))
        list = (struct slice){NULL, 0};
    while (next_extension(&list, &extension, &oid))
        if (is_authority_key(oid))
            change.authority_key = extension;
    return write_tbs(precertificate, &change, &(struct tbs_sink){.bytes = out});
}
