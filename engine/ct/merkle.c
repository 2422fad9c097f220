#include "engine/ct/merkle.h"

#include "engine/hash/sha256.h"

#include <assert.h>

static_assert(sizeof(struct ct_hash) == SHA256_BYTES, "SHA-256");

struct ct_hash ct_leaf_hash(struct slice data) {
    struct ct_hash hash;
    struct sha256_job job = {.message = data, .out = hash.bytes, .prefix_len = 1}; /* 00 */

    sha256_many(&job, 1);
    return hash;
}

struct ct_hash ct_node_hash(const struct ct_hash *left, const struct ct_hash *right) {
    struct ct_hash children[2] = {*left, *right}, parent;

    ct_level_hash(children, 1, &parent);
    return parent;
}

void ct_level_hash(const struct ct_hash *children, size_t count, struct ct_hash *parents) {
    sha256_nodes(children->bytes, count, parents->bytes);
}

struct ct_hash ct_empty_root(void) {
    struct ct_hash root;

    sha256_one((struct slice){NULL, 0}, root.bytes);
    return root;
}
