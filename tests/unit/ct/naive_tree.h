/* Merkle trees as RFC 6962 section 2.1 defines them, by recursion and with a hash of their own:
 * what the tests hold the engine's trees to. */
#ifndef TESTS_UNIT_CT_NAIVE_TREE_H
#define TESTS_UNIT_CT_NAIVE_TREE_H

#include "engine/ct/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/sha.h>

/* Leaf hashes that are all different. */
static inline void naive_leaves(struct ct_hash *out, size_t count) {
    for (uint64_t i = 0; i < count; i++)
        SHA256((const uint8_t *)&i, sizeof i, out[i].bytes);
}

static inline struct ct_hash naive_node(struct ct_hash left, struct ct_hash right) {
    struct ct_hash out;
    SHA256_CTX hash;

    SHA256_Init(&hash);
    SHA256_Update(&hash, "\1", 1);
    SHA256_Update(&hash, left.bytes, CT_HASH_BYTES);
    SHA256_Update(&hash, right.bytes, CT_HASH_BYTES);
    SHA256_Final(out.bytes, &hash);
    return out;
}

/* "The largest power of two smaller than n." */
static inline size_t naive_split(size_t n) {
    size_t k = 1;

    while (k * 2 < n)
        k *= 2;
    return k;
}

/* MTH(D[n]), of leaves that are hashed already. */
static inline struct ct_hash naive_root(const struct ct_hash *leaves, size_t n) {
    struct ct_hash empty;

    if (n == 0) {
        SHA256(NULL, 0, empty.bytes);
        return empty;
    }
    if (n == 1)
        return *leaves;
    size_t k = naive_split(n);
    return naive_node(naive_root(leaves, k), naive_root(leaves + k, n - k));
}

/* PATH(m, D[n]), section 2.1.1 */
static inline void naive_path(const struct ct_hash *leaves, size_t m, size_t n,
                              struct ct_proof *out) {
    if (n <= 1)
        return;
    size_t k = naive_split(n);
    if (m < k) {
        naive_path(leaves, m, k, out);
        out->hashes[out->count++] = naive_root(leaves + k, n - k);
    } else {
        naive_path(leaves + k, m - k, n - k, out);
        out->hashes[out->count++] = naive_root(leaves, k);
    }
}

/* SUBPROOF(m, D[n], b), section 2.1.2 */
static inline void naive_consistency(const struct ct_hash *leaves, size_t m, size_t n, bool whole,
                                     struct ct_proof *out) {
    if (m == n) {
        if (!whole)
            out->hashes[out->count++] = naive_root(leaves, n);
        return;
    }
    size_t k = naive_split(n);
    if (m <= k) {
        naive_consistency(leaves, m, k, whole, out);
        out->hashes[out->count++] = naive_root(leaves + k, n - k);
    } else {
        naive_consistency(leaves + k, m - k, n - k, false, out);
        out->hashes[out->count++] = naive_root(leaves, k);
    }
}

#define assert_hash_equal(a, b)                                                                    \
    do {                                                                                           \
        struct ct_hash hash_a = (a), hash_b = (b);                                                 \
        assert_memory_equal(hash_a.bytes, hash_b.bytes, CT_HASH_BYTES);                            \
    } while (0)

#endif
