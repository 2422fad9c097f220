#include "engine/ct/tile.h"

#include <assert.h>
#include <stdio.h>

uint16_t ct_tile_width(unsigned level, uint64_t index, uint64_t tree_size) {
    assert(level < CT_TILE_LEVELS);
    uint64_t hashes = tree_size >> (CT_TILE_HEIGHT * level);
    uint64_t full = hashes / CT_TILE_WIDTH;

    if (index < full)
        return CT_TILE_WIDTH;
    return index == full ? (uint16_t)(hashes % CT_TILE_WIDTH) : 0;
}

/* The index in groups of three digits, all but the last with an x. */
static size_t add_index(char *at, uint64_t index) {
    uint64_t scale = 1;
    size_t len = 0;

    while (index / scale >= 1000)
        scale *= 1000;
    for (; scale; scale /= 1000)
        len += (size_t)snprintf(at + len, 6, "/%s%03u", scale > 1 ? "x" : "",
                                (unsigned)(index / scale % 1000));
    return len;
}

size_t ct_tile_path(const struct ct_tile *tile, char out[CT_TILE_PATH_MAX]) {
    size_t len;

    if (tile->kind == CT_TILE_DATA)
        len = (size_t)snprintf(out, CT_TILE_PATH_MAX, "tile/data");
    else
        len = (size_t)snprintf(out, CT_TILE_PATH_MAX, "tile/%u", tile->level);
    len += add_index(out + len, tile->index);
    if (tile->width < CT_TILE_WIDTH)
        len += (size_t)snprintf(out + len, CT_TILE_PATH_MAX - len, ".p/%u", tile->width);
    return len;
}

const struct ct_hash *ct_tile_hashes(struct slice bytes, unsigned width) {
    if (bytes.len % CT_HASH_BYTES || bytes.len > CT_TILE_BYTES ||
        bytes.len < (size_t)width * CT_HASH_BYTES)
        return NULL;
    return (const struct ct_hash *)(const void *)bytes.ptr;
}
