/* The ways to do sha256.h, internal to engine/hash.
 *
 * A kernel compresses blocks of several messages in lockstep; which message is in which lane is
 * for sha256_lanes.c to say. Kernels stand in files of their own, are never inlined, and leave the
 * upper halves of the vector registers clean: SHA-NI instructions, which BoringSSL uses, are slower
 * a hundred times while those are dirty. */
#ifndef ENGINE_HASH_SHA256_BACKENDS_H
#define ENGINE_HASH_SHA256_BACKENDS_H

#include "engine/hash/sha256.h"

enum { SHA256_WORDS = 8, SHA256_ROUNDS = 64, SHA256_LANES_MAX = 16 };

extern const uint32_t sha256_constants[SHA256_ROUNDS]; /* K of the standard; at 16 bytes */

/* The state of all lanes: word by word, within a word lane by lane. */
struct sha256_lanes_state {
    _Alignas(64) uint32_t words[SHA256_WORDS][SHA256_LANES_MAX];
};

struct sha256_kernel {
    uint32_t lanes;      /* at most SHA256_LANES_MAX */
    uint32_t lanes_pays; /* with fewer messages than this, one after another is faster */
    /* `count` blocks that follow one another from at[lane] on, for each lane; moves at[lane]. */
    void (*compress)(struct sha256_lanes_state *state, const uint8_t **at, size_t count);
};

void sha256_lanes_many(const struct sha256_kernel *kernel, const struct sha256_job *jobs,
                       size_t count);
void sha256_lanes_nodes(const struct sha256_kernel *kernel, const uint8_t *children, size_t count,
                        uint8_t *nodes);

void sha256_plain_many(const struct sha256_job *jobs, size_t count);
void sha256_plain_nodes(const uint8_t *children, size_t count, uint8_t *nodes);

#if defined(__x86_64__)
extern const struct sha256_kernel sha256_kernel_avx512; /* for cpu.avx512 only */
extern const struct sha256_kernel sha256_kernel_shani;  /* for cpu.sha only */
#endif

#endif
