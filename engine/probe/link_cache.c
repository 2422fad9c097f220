#include "engine/probe/link_cache.h"

#include "engine/x509/certificate.h"

#include <stdlib.h>

enum { PLACES = 256 };

/* `bytes` holds the certificate, then the texts that the link points to. */
struct entry {
    struct buffer bytes;
    struct chain_link link;
};

struct link_cache {
    struct entry entries[PLACES];
};

struct link_cache *link_cache_new(void) {
    return calloc(1, sizeof(struct link_cache));
}

void link_cache_free(struct link_cache *cache) {
    for (size_t i = 0; cache && i < PLACES; i++)
        buffer_deinit(&cache->entries[i].bytes);
    free(cache);
}

/* By its last bytes, which are the signature's. */
static struct entry *place_of(struct link_cache *cache, struct slice der) {
    uint32_t tail = 0;

    if (der.len >= sizeof tail)
        memcpy(&tail, der.ptr + der.len - sizeof tail, sizeof tail);
    return &cache->entries[(tail ^ tail >> 16) % PLACES];
}

/* Slices are set when the buffer has stopped moving. */
static bool fill(struct entry *entry, struct slice der) {
    struct buffer *bytes = &entry->bytes;
    struct chain_link *link = &entry->link;
    struct certificate certificate;

    buffer_deinit(bytes);
    buffer_init(bytes);
    *link = (struct chain_link){0};
    buffer_add_slice(bytes, der);
    certificate_sha256(der, link->fingerprint_sha256);
    link->readable = certificate_decode(der, &certificate) == CERTIFICATE_OK;
    if (link->readable) {
        link->not_after = certificate.not_after;
        certificate_name_text(certificate.subject, bytes);
        link->subject.len = bytes->len - der.len;
        certificate_name_text(certificate.issuer, bytes);
        link->issuer.len = bytes->len - der.len - link->subject.len;
    }
    if (bytes->failed) {
        buffer_deinit(bytes);
        *link = (struct chain_link){0};
        return false;
    }
    link->der = slice_first(buffer_slice(bytes), der.len);
    link->subject.ptr = bytes->ptr + der.len;
    link->issuer.ptr = link->subject.ptr + link->subject.len;
    return true;
}

const struct chain_link *link_cache_get(struct link_cache *cache, struct slice der) {
    struct entry *entry = place_of(cache, der);

    if (entry->link.der.len && slice_equal(entry->link.der, der))
        return &entry->link;
    return fill(entry, der) ? &entry->link : NULL;
}
