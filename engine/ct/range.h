/* A compact range of a Merkle tree: what must be known of the leaves [begin, end) to go on hashing
 * without them. It is the list of the largest complete, aligned subtrees that make up the range,
 * from left to right:
 *
 *                 ●                 [0, 7) = the roots of [0, 4), [4, 6) and [6, 7)
 *          ●             ○
 *       ○     ○       ●     ○       Ranges that touch merge into one; that of [0, n) folds into
 *      0 1   2 3     4 5   6(7)     the root of a tree of n leaves.
 *
 * So each page of a log becomes a range on whichever thread decodes it, and the sequencer merges
 * them in order at the cost of a few hashes.
 *
 * Caller's storage, no allocation; one thread at a time on the same range. */
#ifndef ENGINE_CT_RANGE_H
#define ENGINE_CT_RANGE_H

#include "engine/ct/merkle.h"

enum {
    CT_RANGE_NODES_MAX = 2 * CT_TREE_HEIGHT, /* up one side of the tree and down the other */
    CT_RANGE_BYTES_MAX = 2 * 8 + CT_RANGE_NODES_MAX * CT_HASH_BYTES,
};

struct ct_range {
    uint64_t begin, end; /* leaves; end <= CT_TREE_SIZE_MAX */
    uint32_t count;      /* of nodes; follows from begin and end */
    struct ct_hash nodes[CT_RANGE_NODES_MAX];
};

/* The empty range at `begin`, at most CT_TREE_SIZE_MAX. */
void ct_range_init(struct ct_range *range, uint64_t begin);

/* Copies what is in use: the struct is made for the worst case. */
void ct_range_copy(struct ct_range *to, const struct ct_range *from);

/* Appends leaf hashes at the end, many nodes hashed at once. False, with nothing changed, when the
 * tree would be too large. */
bool ct_range_append(struct ct_range *range, const struct ct_hash *leaves, size_t count)
    __attribute__((warn_unused_result));

/* Appends the root of the complete subtree over the 2^level leaves that come next. False, with
 * nothing changed, when the end is not a multiple of 2^level, or the tree would be too large. */
bool ct_range_append_subtree(struct ct_range *range, unsigned level, const struct ct_hash *root)
    __attribute__((warn_unused_result));

/* Appends `right`, which must begin where `range` ends; false, with nothing changed, when it does
 * not. */
bool ct_range_merge(struct ct_range *range, const struct ct_range *right)
    __attribute__((warn_unused_result));

/* The root of the tree of `range->end` leaves; the range must begin at 0. */
struct ct_hash ct_range_root(const struct ct_range *range);

/* --- Kept on disk --- */

/* begin and end as u64, big-endian, then the nodes. Returns its length. */
size_t ct_range_write(const struct ct_range *range, uint8_t out[CT_RANGE_BYTES_MAX]);

/* Reads exactly that; false when begin and end make no range, or the number of nodes is not what
 * they need. The hashes can only be checked against a head. */
bool ct_range_parse(struct slice bytes, struct ct_range *out) __attribute__((warn_unused_result));

#endif
