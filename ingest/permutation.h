/* A keyed permutation of [0, count): visits every number once in an order that looks random and
 * depends only on the seed, with no memory but the keys.
 *
 *      index ──▶ Feistel network over the next power of two ──▶ below count? ──▶ image
 *                        ▲                                        │ no
 *                        └────────────────────────────────────────┘
 *
 * Walking the cycle until the value is below `count` again keeps the map one-to-one (Black and
 * Rogaway, "Ciphers with Arbitrary Finite Domains", 2002) and takes less than two steps on average.
 * Any index can be asked at any time, so that a sweep can be cut into shards or resumed. The order
 * hides nothing from an adversary; it only spreads the load.
 *
 * Plain values, constant after init, safe on every thread. */
#ifndef INGEST_PERMUTATION_H
#define INGEST_PERMUTATION_H

#include <stdint.h>

enum { PERMUTATION_ROUNDS = 8, PERMUTATION_BITS_MAX = 120 };

struct permutation {
    unsigned __int128 count;
    uint64_t keys[PERMUTATION_ROUNDS];
    uint64_t low_mask, high_mask;
    unsigned low_bits;
};

/* `count` from 1 to 2^PERMUTATION_BITS_MAX. */
void permutation_init(struct permutation *permutation, unsigned __int128 count, uint64_t seed);

/* The image of `index`, which must be below `count`. */
unsigned __int128 permutation_at(const struct permutation *permutation, unsigned __int128 index);

#endif
