/* The proof that static-ct logs have in their hash tiles: the compact range of the first entries,
 * shown to be part of a larger tree.
 *
 *          ●           head            [0, first) is left of the line, [first, size) is right of
 * it. ○  |  ○                        The tiles on the line hold the hashes on both sides, those at
 *     ○   ○|○   ○     hash tiles       the right edge of the tree the rest: together they make the
 *    ○ ○ ○ |○ ○ ○ ○                    root.
 *         first      size
 *
 * Sans-I/O, no allocation. */
#ifndef INGEST_CT_EDGE_H
#define INGEST_CT_EDGE_H

#include "engine/ct/head.h"
#include "engine/ct/range.h"
#include "engine/ct/tile.h"

enum { EDGE_TILES_MAX = 2 * CT_TILE_LEVELS };

/* The hash tiles that are needed, as wide as they are in the tree of `size` entries; `first` is at
 * most that, which is at most CT_TREE_SIZE_MAX. Returns their number. */
size_t edge_tiles(uint64_t first, uint64_t size, struct ct_tile tiles[EDGE_TILES_MAX]);

/* The range [0, first), made of those tiles' bytes in that order. Wider tiles than asked for are
 * cut. False when one is too short, or they do not make the head's root. */
bool edge_range(const struct slice *tiles, uint64_t first, const struct ct_head *head,
                struct ct_range *out) __attribute__((warn_unused_result));

#endif
