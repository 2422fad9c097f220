/* Any bytes as tiles of a static-ct-api log and as a saved range. Entries stand one after another
 * and make up the same bytes again; a tile that cannot be read on says where it stopped; a range
 * that can be read is written as it was. */
#include "engine/base/buffer.h"
#include "engine/ct/bind.h"
#include "engine/ct/entry.h"
#include "engine/ct/range.h"
#include "engine/ct/tile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition)
        abort();
}

static void add_number(struct buffer *out, uint64_t number, unsigned bytes) {
    while (bytes--)
        buffer_add_byte(out, (uint8_t)(number >> (8 * bytes)));
}

static void add_vector(struct buffer *out, struct slice bytes, unsigned length_bytes) {
    add_number(out, bytes.len, length_bytes);
    buffer_add_slice(out, bytes);
}

static void check_same(const struct ct_entry *entry, enum ct_entry_error error) {
    struct buffer out;

    buffer_init(&out);
    add_number(&out, entry->timestamp_ms, 8);
    add_number(&out, entry->type, 2);
    if (entry->type == CT_PRECERT_ENTRY)
        buffer_add(&out, entry->issuer_key_hash, 32);
    add_vector(&out, entry->signed_entry, 3);
    add_vector(&out, entry->extensions, 2);
    require(slice_equal(buffer_slice(&out), entry->leaf));
    if (entry->type == CT_PRECERT_ENTRY)
        add_vector(&out, entry->precertificate, 3);
    if (error == CT_ENTRY_OK) {
        add_vector(&out, entry->fingerprints, 2);
        require(slice_equal(buffer_slice(&out), entry->raw));
    }
    buffer_deinit(&out);
}

static void check_data(struct slice tile) {
    struct slice rest = tile;
    struct ct_entry entry;

    while (rest.len) {
        struct slice before = rest;
        enum ct_entry_error error = ct_tile_entry_next(&rest, &entry);
        require(entry.raw.ptr == before.ptr);
        if (ct_entry_error_is_framing(error)) {
            require(rest.ptr == before.ptr && rest.len == before.len && entry.raw.len == rest.len);
            return;
        }
        require(entry.raw.len >= 17 && entry.raw.len + rest.len == before.len);
        require(entry.fingerprints.len % 32 == 0 && entry.leaf_zeros == 3);
        check_same(&entry, error);
        struct certificate certificate;
        if (error == CT_ENTRY_OK && ct_entry_certificate(&entry, &certificate) == CERTIFICATE_OK &&
            entry.type == CT_PRECERT_ENTRY)
            (void)ct_bind(entry.precertificate, entry.signed_entry);
    }
}

static void check_hashes(struct slice tile) {
    struct ct_range range;

    for (unsigned width = 1; width <= CT_TILE_WIDTH; width += 51) {
        const struct ct_hash *hashes = ct_tile_hashes(tile, width);
        require(!hashes || tile.len >= (size_t)width * CT_HASH_BYTES);
        if (!hashes)
            continue;
        ct_range_init(&range, 3 * CT_TILE_WIDTH - 1);
        require(ct_range_append(&range, hashes, width));
        require(range.end == 3 * CT_TILE_WIDTH - 1 + width);
    }
}

static void check_range(struct slice bytes) {
    uint8_t again[CT_RANGE_BYTES_MAX];
    struct ct_range range, whole;

    if (!ct_range_parse(bytes, &range))
        return;
    require(ct_range_write(&range, again) == bytes.len);
    require(memcmp(again, bytes.ptr, bytes.len) == 0);
    ct_range_init(&whole, range.begin);
    require(ct_range_merge(&whole, &range));
    require(ct_range_write(&whole, again) == bytes.len);
    require(memcmp(again, bytes.ptr, bytes.len) == 0);
    if (range.begin == 0)
        (void)ct_range_root(&range);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice bytes = {data, size};

    check_data(bytes);
    check_hashes(bytes);
    check_range(bytes);
    return 0;
}
