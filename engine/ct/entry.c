#include "engine/ct/entry.h"

#include "engine/hash/sha256.h"

enum {
    ISSUER_KEY_HASH_BYTES = 32,
    FINGERPRINT_BYTES = 32,

    /* CtExtensions, static-ct-api */
    EXTENSION_LEAF_INDEX = 0,
    LEAF_INDEX_BYTES = 5,

    /* MerkleTreeLeaf, RFC 6962 section 3.4 */
    VERSION_1 = 0,
    TIMESTAMPED_ENTRY = 0,
    LEAF_HEADER_BYTES = 2,
};

/* --- The presentation language of TLS: numbers and vectors --- */

static inline uint64_t read_number(const uint8_t *at, size_t bytes) {
    uint64_t number = 0;

    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | at[i];
    return number;
}

static inline bool get_number(struct slice *in, size_t bytes, uint64_t *out) {
    if (in->len < bytes)
        return false;
    *out = read_number(in->ptr, bytes);
    *in = (struct slice){in->ptr + bytes, in->len - bytes};
    return true;
}

/* Takes a vector whose length stands before it in `length_bytes` bytes. */
static inline bool get_vector(struct slice *in, size_t length_bytes, struct slice *out) {
    if (in->len < length_bytes)
        return false;
    size_t len = (size_t)read_number(in->ptr, length_bytes);
    if (len > in->len - length_bytes)
        return false;
    *out = (struct slice){in->ptr + length_bytes, len};
    *in = (struct slice){out->ptr + len, in->len - length_bytes - len};
    return true;
}

/* --- What both forms share --- */

/* The framing of a TimestampedEntry. */
static inline enum ct_entry_error read_timestamped(struct slice *in, struct ct_entry *out) {
    uint64_t type;

    if (!get_number(in, 8, &out->timestamp_ms) || !get_number(in, 2, &type))
        return CT_ENTRY_CUT;
    if (type != CT_X509_ENTRY && type != CT_PRECERT_ENTRY)
        return CT_ENTRY_UNKNOWN_TYPE;
    out->type = (uint16_t)type;
    if (type == CT_PRECERT_ENTRY) {
        if (in->len < ISSUER_KEY_HASH_BYTES)
            return CT_ENTRY_CUT;
        out->issuer_key_hash = in->ptr;
        *in = (struct slice){in->ptr + ISSUER_KEY_HASH_BYTES, in->len - ISSUER_KEY_HASH_BYTES};
    }
    return get_vector(in, 3, &out->signed_entry) && get_vector(in, 2, &out->extensions)
               ? CT_ENTRY_OK
               : CT_ENTRY_CUT;
}

static bool read_extensions(struct ct_entry *out) {
    struct slice rest = out->extensions, data;
    uint64_t type;

    while (rest.len) {
        if (!get_number(&rest, 1, &type) || !get_vector(&rest, 2, &data))
            return false;
        if (type != EXTENSION_LEAF_INDEX)
            continue;
        if (data.len != LEAF_INDEX_BYTES || out->has_leaf_index) {
            out->has_leaf_index = false;
            return false;
        }
        out->leaf_index = read_number(data.ptr, LEAF_INDEX_BYTES);
        out->has_leaf_index = true;
    }
    return true;
}

static inline enum ct_entry_error check_content(struct ct_entry *out) {
    if (out->signed_entry.len == 0 ||
        (out->type == CT_PRECERT_ENTRY && out->precertificate.len == 0))
        return CT_ENTRY_EMPTY_CERTIFICATE;
    return read_extensions(out) ? CT_ENTRY_OK : CT_ENTRY_BAD_EXTENSIONS;
}

/* --- RFC 6962 --- */

/* The MerkleTreeLeaf; what comes after it is content. */
static enum ct_entry_error read_leaf_input(struct slice in, struct ct_entry *out) {
    if (in.len < LEAF_HEADER_BYTES)
        return CT_ENTRY_CUT;
    if (in.ptr[0] != VERSION_1 || in.ptr[1] != TIMESTAMPED_ENTRY)
        return CT_ENTRY_UNKNOWN_VERSION;
    in = slice_from(in, LEAF_HEADER_BYTES);
    enum ct_entry_error error = read_timestamped(&in, out);
    return error == CT_ENTRY_OK && in.len ? CT_ENTRY_TRAILING_BYTES : error;
}

bool ct_chain_next(struct slice *chain, struct slice *der) {
    struct slice rest = *chain;

    if (!get_vector(&rest, 3, der) || der->len == 0)
        return false;
    *chain = rest;
    return true;
}

static bool read_extra_data(struct slice in, struct ct_entry *out) {
    struct slice chain, rest, der;

    if (out->type == CT_PRECERT_ENTRY && !get_vector(&in, 3, &out->precertificate))
        return false;
    if (!get_vector(&in, 3, &chain) || in.len)
        return false;
    for (rest = chain; ct_chain_next(&rest, &der);)
        ;
    if (rest.len)
        return false;
    out->chain = chain;
    return true;
}

enum ct_entry_error ct_entry_parse(struct slice leaf_input, struct slice extra_data,
                                   struct ct_entry *out) {
    *out = (struct ct_entry){.raw = leaf_input, .leaf = leaf_input, .leaf_zeros = 1};
    enum ct_entry_error error = read_leaf_input(leaf_input, out);
    if (error) {
        *out = (struct ct_entry){.raw = leaf_input, .leaf = leaf_input, .leaf_zeros = 1};
        return error;
    }
    bool whole_chain = read_extra_data(extra_data, out);
    error = check_content(out);
    return error || whole_chain ? error : CT_ENTRY_BAD_CHAIN;
}

/* --- static-ct-api --- */

enum ct_entry_error ct_tile_entry_next(struct slice *tile, struct ct_entry *out) {
    struct slice start = *tile, in = start;

    *out = (struct ct_entry){.leaf_zeros = 3};
    enum ct_entry_error error = read_timestamped(&in, out);
    if (error == CT_ENTRY_OK) {
        out->leaf = (struct slice){start.ptr, start.len - in.len};
        if ((out->type == CT_PRECERT_ENTRY && !get_vector(&in, 3, &out->precertificate)) ||
            !get_vector(&in, 2, &out->fingerprints))
            error = CT_ENTRY_CUT;
    }
    if (error) {
        *out = (struct ct_entry){.raw = start};
        return error;
    }
    out->raw = (struct slice){start.ptr, start.len - in.len};
    *tile = in;

    bool whole_chain = out->fingerprints.len % FINGERPRINT_BYTES == 0;
    if (!whole_chain)
        out->fingerprints = (struct slice){NULL, 0};
    error = check_content(out);
    return error || whole_chain ? error : CT_ENTRY_BAD_CHAIN;
}

const char *ct_entry_error_text(enum ct_entry_error error) {
    switch (error) {
    case CT_ENTRY_OK:
        return "no error";
    case CT_ENTRY_CUT:
        return "entry is cut short";
    case CT_ENTRY_UNKNOWN_TYPE:
        return "entry is of an unknown type";
    case CT_ENTRY_UNKNOWN_VERSION:
        return "leaf is of an unknown version or type";
    case CT_ENTRY_TRAILING_BYTES:
        return "bytes behind the end of the leaf";
    case CT_ENTRY_EMPTY_CERTIFICATE:
        return "certificate is empty";
    case CT_ENTRY_BAD_EXTENSIONS:
        return "extensions of the entry cannot be read";
    case CT_ENTRY_BAD_CHAIN:
        return "chain of the entry cannot be read";
    }
    return "unknown error";
}

/* --- What an entry holds --- */

enum certificate_error ct_entry_certificate(const struct ct_entry *entry, struct certificate *out) {
    if (entry->type == CT_X509_ENTRY)
        return certificate_decode(entry->signed_entry, out);
    enum certificate_error error = certificate_decode_tbs(entry->signed_entry, out);
    out->der = entry->precertificate;
    out->is_precertificate = true;
    return error;
}

bool ct_entry_tbs_sha256(const struct ct_entry *entry, const struct certificate *certificate,
                         uint8_t out[CERTIFICATE_SHA256_BYTES]) {
    if (entry->type == CT_X509_ENTRY)
        return certificate_tbs_sha256(certificate, out);
    certificate_sha256(entry->signed_entry, out);
    return true;
}

/* --- Hashing --- */

enum { JOBS = 256 }; /* a tile */

static inline struct sha256_job leaf_job(const struct ct_entry *entry, struct ct_hash *out) {
    return (struct sha256_job){
        .message = entry->leaf, .out = out->bytes, .prefix_len = entry->leaf_zeros};
}

struct ct_hash ct_entry_leaf_hash(const struct ct_entry *entry) {
    struct ct_hash hash;
    struct sha256_job job = leaf_job(entry, &hash);

    sha256_many(&job, 1);
    return hash;
}

void ct_entry_leaf_hashes(const struct ct_entry *entries, size_t count, struct ct_hash *out) {
    struct sha256_job jobs[JOBS];

    while (count) {
        size_t some = count < JOBS ? count : JOBS;
        for (size_t i = 0; i < some; i++)
            jobs[i] = leaf_job(&entries[i], &out[i]);
        sha256_many(jobs, some);
        entries += some, out += some, count -= some;
    }
}
