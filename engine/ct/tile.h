/* Tiles of a static-ct-api log: where they are, how wide they are, what is in them.
 *
 * Level 0 holds the leaf hashes, 256 a tile; each tile of level L + 1 holds the roots of 256 full
 * tiles of level L. A data tile holds the entries of one tile of level 0. The rightmost tile of a
 * level is partial in most trees and is asked for by its width.
 *
 * Pure, no allocation, safe on every thread. */
#ifndef ENGINE_CT_TILE_H
#define ENGINE_CT_TILE_H

#include "engine/ct/merkle.h"

enum {
    CT_TILE_WIDTH = 256,
    CT_TILE_HEIGHT = 8,                               /* levels of the tree within a tile */
    CT_TILE_LEVELS = CT_TREE_HEIGHT / CT_TILE_HEIGHT, /* 0 to 5 */
    CT_TILE_BYTES = CT_TILE_WIDTH * CT_HASH_BYTES,

    /* "tile/data", eight groups of "/x000" for 2^64 leaves, ".p/255" and a terminator. */
    CT_TILE_PATH_MAX = 64,
};

enum ct_tile_kind { CT_TILE_HASHES, CT_TILE_DATA };

struct ct_tile {
    uint8_t kind;   /* enum ct_tile_kind */
    uint8_t level;  /* of a hash tile */
    uint16_t width; /* 1 to 256 */
    uint64_t index; /* from the left */
};

/* How many hashes a tile has in a tree of `tree_size` leaves: 0 (there is none) to 256. A data tile
 * is as wide as its tile of level 0. `level` is below CT_TILE_LEVELS. */
uint16_t ct_tile_width(unsigned level, uint64_t index, uint64_t tree_size);

/* "tile/0/x001/x234/067.p/8": to be put behind the monitoring prefix. Terminated; returns its
 * length. */
size_t ct_tile_path(const struct ct_tile *tile, char out[CT_TILE_PATH_MAX]);

/* The first `width` hashes of a hash tile, where they lie; NULL when `bytes` are fewer, more than a
 * full tile, or no whole number of hashes. More than `width` are no error: a partial tile may be
 * gone when the full one is there, which then is fetched instead. */
const struct ct_hash *ct_tile_hashes(struct slice bytes, unsigned width);

#endif
