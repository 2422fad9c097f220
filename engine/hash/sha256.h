/* SHA-256 (FIPS 180-4) of many messages at once. A Certificate Transparency log is mostly hashing:
 * a leaf hash an entry, fingerprints of certificates, a node for every two hashes of the tree.
 *
 * Messages of one call need not be alike: they are sorted by length and run side by side where the
 * processor has the instructions for it, so that a few hundred in a call are fastest. They are read
 * where they lie.
 *
 * Pure, nothing allocated, safe on every thread. */
#ifndef ENGINE_HASH_SHA256_H
#define ENGINE_HASH_SHA256_H

#include "engine/base/slice.h"

enum { SHA256_BYTES = 32, SHA256_BLOCK_BYTES = 64, SHA256_PREFIX_MAX = 8 };

/* One message: `prefix` and, right behind it, `message`. */
struct sha256_job {
    struct slice message;
    uint8_t *out;                      /* SHA256_BYTES, not inside anything that is being hashed */
    uint8_t prefix_len;                /* 0 for none */
    uint8_t prefix[SHA256_PREFIX_MAX]; /* 00 of an RFC 6962 leaf; 00 00 00 before a tile's entry */
};

/* One way to do it. All give the same hashes. */
struct sha256_backend {
    const char *name; /* "avx512", "sha-ni", "plain" */

    void (*many)(const struct sha256_job *jobs, size_t count);

    /* RFC 6962 section 2.1: `count` nodes of a Merkle tree, each SHA-256 of 01, its left child and
     * its right child. `children` holds 2 * count hashes, one behind another. `nodes` takes `count`
     * hashes and may be the beginning of `children`. */
    void (*nodes)(const uint8_t *children, size_t count, uint8_t *nodes);
};

/* The fastest way that this processor has. Costs nothing, so it need not be kept. */
const struct sha256_backend *sha256_backend_best(void);

/* The ways that this processor has, for tests and measurements, the fastest last; NULL behind it.
 * Index 0 is the plain one, which works on all processors. */
const struct sha256_backend *sha256_backend_at(uint32_t index);

static inline void sha256_many(const struct sha256_job *jobs, size_t count) {
    sha256_backend_best()->many(jobs, count);
}

static inline void sha256_nodes(const uint8_t *children, size_t count, uint8_t *nodes) {
    sha256_backend_best()->nodes(children, count, nodes);
}

/* A single message; for more than a few use sha256_many. */
void sha256_one(struct slice message, uint8_t out[SHA256_BYTES]);

#endif
