#include "ingest/permutation.h"

#include "engine/base/random.h"

#include <assert.h>

void permutation_init(struct permutation *permutation, unsigned __int128 count, uint64_t seed) {
    assert(count >= 1);
    unsigned bits = 2; /* each half needs one */
    while (((unsigned __int128)1 << bits) < count)
        bits++;
    assert(bits <= PERMUTATION_BITS_MAX);

    unsigned low_bits = bits / 2;
    permutation->count = count;
    permutation->low_bits = low_bits;
    permutation->low_mask = (UINT64_C(1) << low_bits) - 1;
    permutation->high_mask = (UINT64_C(1) << (bits - low_bits)) - 1;

    struct random random;
    random_init(&random, seed);
    for (int round = 0; round < PERMUTATION_ROUNDS; round++)
        permutation->keys[round] = random_u64(&random);
}

/* The round function: the finalizer of SplitMix64, every output bit of which depends on every bit
 * of the input. */
static uint64_t mix(uint64_t value, uint64_t key) {
    value += key;
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

unsigned __int128 permutation_at(const struct permutation *permutation, unsigned __int128 index) {
    assert(index < permutation->count);
    const uint64_t *keys = permutation->keys;
    do {
        uint64_t low = (uint64_t)index & permutation->low_mask;
        uint64_t high = (uint64_t)(index >> permutation->low_bits);
        for (int round = 0; round < PERMUTATION_ROUNDS; round += 2) {
            low ^= mix(high, keys[round]) & permutation->low_mask;
            high ^= mix(low, keys[round + 1]) & permutation->high_mask;
        }
        index = (unsigned __int128)high << permutation->low_bits | low;
    } while (index >= permutation->count);
    return index;
}
