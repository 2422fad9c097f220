#include "ingest/ct/edge.h"

/* Where a size is in the tiles of a level. */
static uint64_t at_level(uint64_t size, unsigned level) {
    return size >> (CT_TILE_HEIGHT * level);
}

/* The lowest level at which both lie in the same tile. */
static unsigned meeting_level(uint64_t first, uint64_t size) {
    unsigned level = 0;

    while (at_level(first, level + 1) != at_level(size, level + 1))
        level++;
    return level;
}

/* The tile on the line of a level; false when none of its hashes is needed. The hash that the line
 * goes through is made of those below it, and a whole tile right of the line is one hash above. */
static bool tile_on_line(uint64_t first, uint64_t size, unsigned level, unsigned meeting,
                         struct ct_tile *out) {
    uint64_t each = (uint64_t)1 << (CT_TILE_HEIGHT * level), index = at_level(first, level + 1);
    uint64_t begin = index * CT_TILE_WIDTH, right = at_level(first + each - 1, level);
    uint16_t width = ct_tile_width(level, index, size);
    bool has_left = at_level(first, level) != begin;
    bool has_right =
        right - begin < width && (level == meeting || (level < meeting && first != begin * each));

    *out = (struct ct_tile){CT_TILE_HASHES, (uint8_t)level, width, index};
    return has_left || has_right;
}

/* The tile at the edge of a level. */
static bool tile_at_edge(uint64_t size, unsigned level, struct ct_tile *out) {
    uint64_t index = at_level(size, level + 1);

    *out =
        (struct ct_tile){CT_TILE_HASHES, (uint8_t)level, ct_tile_width(level, index, size), index};
    return out->width != 0;
}

/* From the bottom up those on the line; then from the top down those at the edge, as far as they
 * are others. */
size_t edge_tiles(uint64_t first, uint64_t size, struct ct_tile tiles[EDGE_TILES_MAX]) {
    unsigned meeting = meeting_level(first, size);
    struct ct_tile tile;
    size_t count = 0;

    for (unsigned level = 0; level < CT_TILE_LEVELS; level++)
        if (tile_on_line(first, size, level, meeting, &tile))
            tiles[count++] = tile;
    for (unsigned level = meeting; level--;)
        if (tile_at_edge(size, level, &tile))
            tiles[count++] = tile;
    return count;
}

/* Hashes [from, to) of a tile behind the range. */
static bool append(struct ct_range *range, unsigned level, struct slice bytes, unsigned from,
                   unsigned to) {
    const struct ct_hash *hashes = ct_tile_hashes(bytes, to);

    for (unsigned i = from; i < to; i++)
        if (!hashes || !ct_range_append_subtree(range, CT_TILE_HEIGHT * level, &hashes[i]))
            return false;
    return true;
}

/* [first, size) behind [0, first): up the line, and down the edge. */
static bool complete(const struct slice *bytes, const struct ct_tile *tiles, size_t count,
                     uint64_t size, struct ct_range *range) {
    unsigned meeting = meeting_level(range->end, size);

    for (size_t i = 0; i < count; i++) {
        unsigned level = tiles[i].level;
        uint64_t begin = tiles[i].index * CT_TILE_WIDTH, at = at_level(range->end, level);
        /* What was appended below ends where the next hash of this level begins. */
        if (level > meeting || at - begin >= tiles[i].width ||
            at << (CT_TILE_HEIGHT * level) != range->end)
            continue;
        if (!append(range, level, bytes[i], (unsigned)(at - begin), tiles[i].width))
            return false;
    }
    return range->end == size;
}

bool edge_range(const struct slice *bytes, uint64_t first, const struct ct_head *head,
                struct ct_range *out) {
    struct ct_tile tiles[EDGE_TILES_MAX];
    size_t count = edge_tiles(first, head->tree_size, tiles);
    struct ct_range whole;

    ct_range_init(out, 0);
    for (size_t i = count; i--;) {
        uint64_t at = at_level(first, tiles[i].level);
        if (tiles[i].index == at_level(first, tiles[i].level + 1) &&
            !append(out, tiles[i].level, bytes[i], 0, (unsigned)(at % CT_TILE_WIDTH)))
            return false;
    }
    if (out->end != first)
        return false;
    ct_range_copy(&whole, out);
    if (!complete(bytes, tiles, count, head->tree_size, &whole))
        return false;
    struct ct_hash root = ct_range_root(&whole);
    return ct_hash_equal(&root, &head->root);
}
