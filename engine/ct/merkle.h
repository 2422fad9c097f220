/* The hashes of a Merkle tree (RFC 6962 section 2.1, RFC 9162 section 2.1.1): SHA-256 with a byte
 * in front that tells leaves (00) from nodes (01).
 *
 * Pure, no allocation, safe on every thread. */
#ifndef ENGINE_CT_MERKLE_H
#define ENGINE_CT_MERKLE_H

#include "engine/base/slice.h"

enum {
    CT_HASH_BYTES = 32,

    /* Trees of 2^48 leaves and more are refused: six levels of tiles hold no more (static-ct-api),
       and the largest logs have 2^32. */
    CT_TREE_HEIGHT = 48,
};
#define CT_TREE_SIZE_MAX (((uint64_t)1 << CT_TREE_HEIGHT) - 1)

/* As it stands in tiles, proofs and heads: an array of these may lie over a peer's bytes. */
struct ct_hash {
    uint8_t bytes[CT_HASH_BYTES];
};

static inline bool ct_hash_equal(const struct ct_hash *a, const struct ct_hash *b) {
    return memcmp(a->bytes, b->bytes, CT_HASH_BYTES) == 0;
}

/* Of a leaf's data: SHA-256(00 || data). For the leaves of a log, ct_entry_leaf_hashes
 * (engine/ct/entry.h) hashes many at once. */
struct ct_hash ct_leaf_hash(struct slice data);

/* SHA-256(01 || left || right). */
struct ct_hash ct_node_hash(const struct ct_hash *left, const struct ct_hash *right);

/* The parents of `count` pairs that lie one after another, many at once. `parents` may be
 * `children`. */
void ct_level_hash(const struct ct_hash *children, size_t count, struct ct_hash *parents);

/* Of the tree without leaves: SHA-256 of nothing. */
struct ct_hash ct_empty_root(void);

#endif
