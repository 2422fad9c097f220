/* Merkle proofs (RFC 9162 sections 2.1.3 and 2.1.4), and the ways to begin in the middle of a log:
 * a compact range of [0, n) without its n leaves, from a proof or from tiles, to be held against a
 * signed head.
 *
 * Sans-I/O; safe on every thread. JSON is read with memory of its own, freed on return. */
#ifndef ENGINE_CT_PROOF_H
#define ENGINE_CT_PROOF_H

#include "engine/base/buffer.h"
#include "engine/ct/head.h"
#include "engine/ct/range.h"
#include "engine/ct/tile.h"

enum { CT_PROOF_HASHES_MAX = CT_TREE_HEIGHT + 1 }; /* a consistency proof may have one more */

struct ct_proof {
    uint32_t count;
    struct ct_hash hashes[CT_PROOF_HASHES_MAX];
};

/* --- Proofs --- */

/* True when `path` shows that `leaf` is at `index` of the tree of `tree_size` leaves with `root`.
 */
bool ct_inclusion_verify(const struct ct_proof *path, const struct ct_hash *leaf, uint64_t index,
                         uint64_t tree_size, const struct ct_hash *root);

/* True when `proof` shows that the tree of `second` begins with all of the tree of `first`. Sizes
 * may be equal or 0: the proof is empty then, and roots must be the same or that of no leaves. */
bool ct_consistency_verify(const struct ct_proof *proof, const struct ct_head *first,
                           const struct ct_head *second);

/* Answers of RFC 6962, sections 4.4 to 4.6 and 4.8: the array "consistency" or "audit_path".
 * ct_proof_parse_entry also appends the decoded "leaf_input" to `leaf_input`. False when it cannot
 * be read, is over LIMIT_CT_PROOF_BYTES, or there is no memory. */
bool ct_proof_parse_consistency(struct slice json, struct ct_proof *out)
    __attribute__((warn_unused_result));
bool ct_proof_parse_entry(struct slice json, struct ct_proof *out, struct buffer *leaf_input)
    __attribute__((warn_unused_result));

/* --- Beginning in the middle --- */

/* The range [0, index + 1) from the proof that `leaf` is at `index` of the tree of `head`, as
 * get-entry-and-proof gives it: what lies left of the path is the range. With index = tree_size - 1
 * it is the range of the whole tree. False when the proof does not hold. */
bool ct_range_from_proof(const struct ct_proof *path, const struct ct_hash *leaf, uint64_t index,
                         const struct ct_head *head, struct ct_range *out)
    __attribute__((warn_unused_result));

/* The hash tiles at the right edge of a tree, as wide as they are needed, from the top down: those
 * that ct_range_from_tiles needs. Returns their number; none for the empty tree. `tree_size` is at
 * most CT_TREE_SIZE_MAX, as that of every head. */
size_t ct_edge_tiles(uint64_t tree_size, struct ct_tile tiles[CT_TILE_LEVELS]);

/* The range [0, tree_size) of `head` from those tiles' bytes, in that order. Wider tiles than asked
 * for are cut. False when one is too short or the root is not the head's. */
bool ct_range_from_tiles(const struct slice *tiles, const struct ct_head *head,
                         struct ct_range *out) __attribute__((warn_unused_result));

/* The same for a size of which there is no head: nothing shows yet that it is right. */
bool ct_range_of_tiles(const struct slice *tiles, uint64_t tree_size, struct ct_range *out)
    __attribute__((warn_unused_result));

#endif
