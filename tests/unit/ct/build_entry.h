/* Log entries for tests, written field by field, in both forms. */
#ifndef TESTS_UNIT_CT_BUILD_ENTRY_H
#define TESTS_UNIT_CT_BUILD_ENTRY_H

#include "engine/base/buffer.h"
#include "engine/ct/entry.h"

struct entry_parts {
    uint64_t timestamp_ms;
    uint16_t type;
    struct slice signed_entry, extensions, precertificate, fingerprints;
    struct slice chain[4]; /* empty ones are left out */
};

static const uint8_t ENTRY_KEY_HASH[32] = "the issuer's key, hashed by SHA";

static inline void entry_add_number(struct buffer *out, uint64_t number, unsigned bytes) {
    while (bytes--)
        buffer_add_byte(out, (uint8_t)(number >> (8 * bytes)));
}

static inline void entry_add_vector(struct buffer *out, struct slice bytes, unsigned length_bytes) {
    entry_add_number(out, bytes.len, length_bytes);
    buffer_add_slice(out, bytes);
}

static inline void entry_add_timestamped(struct buffer *out, const struct entry_parts *parts) {
    entry_add_number(out, parts->timestamp_ms, 8);
    entry_add_number(out, parts->type, 2);
    if (parts->type == CT_PRECERT_ENTRY)
        buffer_add(out, ENTRY_KEY_HASH, sizeof ENTRY_KEY_HASH);
    entry_add_vector(out, parts->signed_entry, 3);
    entry_add_vector(out, parts->extensions, 2);
}

static inline void entry_add_tile(struct buffer *out, const struct entry_parts *parts) {
    entry_add_timestamped(out, parts);
    if (parts->type == CT_PRECERT_ENTRY)
        entry_add_vector(out, parts->precertificate, 3);
    entry_add_vector(out, parts->fingerprints, 2);
}

static inline void entry_add_leaf_input(struct buffer *out, const struct entry_parts *parts) {
    buffer_add(out, "\0\0", 2);
    entry_add_timestamped(out, parts);
}

static inline void entry_add_extra_data(struct buffer *out, const struct entry_parts *parts) {
    struct buffer chain;

    buffer_init(&chain);
    for (size_t i = 0; i < sizeof parts->chain / sizeof *parts->chain; i++)
        if (parts->chain[i].len)
            entry_add_vector(&chain, parts->chain[i], 3);
    if (parts->type == CT_PRECERT_ENTRY)
        entry_add_vector(out, parts->precertificate, 3);
    entry_add_vector(out, buffer_slice(&chain), 3);
    buffer_deinit(&chain);
}

#endif
