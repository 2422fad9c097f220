/* A fast random generator with a seed (xoshiro256**), for orders, jitter and hello randoms of a
 * grab. Not for keys. One owner, one thread at a time; the same seed gives the same numbers on
 * every machine. */
#ifndef ENGINE_BASE_RANDOM_H
#define ENGINE_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_init(struct random *random, uint64_t seed);

/* A seed from the kernel. */
uint64_t random_seed(void);

uint64_t random_u64(struct random *random);

/* Uniform in [0, bound); bound must not be 0. */
uint64_t random_below(struct random *random, uint64_t bound);

void random_fill(struct random *random, void *out, size_t len);

#endif
