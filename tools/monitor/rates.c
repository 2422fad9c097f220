#include "tools/monitor/rates.h"

#include "engine/base/random.h"

#include <stdlib.h>

enum { SETS = 256, WAYS = 4, V6_PREFIX_BYTES = 8 };

struct bucket {
    struct address address; /* without the host's part */
    double left;
    uint64_t at_ms;
};

struct rates {
    double burst, per_ms;
    uint64_t seed; /* nobody can know who shares a bucket with whom */
    struct bucket buckets[SETS][WAYS];
};

struct rates *rates_new(uint32_t burst, uint32_t per_minute) {
    struct rates *rates = calloc(1, sizeof *rates);

    if (!rates)
        return NULL;
    rates->burst = burst;
    rates->per_ms = per_minute / 60000.0;
    rates->seed = random_seed();
    return rates;
}

void rates_free(struct rates *rates) {
    free(rates);
}

static struct address network_of(const struct address *address) {
    struct address network = {.family = address->family};
    size_t len = address->family == ADDRESS_V6 ? V6_PREFIX_BYTES : address_length(address);

    memcpy(network.bytes, address->bytes, len);
    return network;
}

static uint32_t set_of(const struct rates *rates, const struct address *network) {
    uint64_t words[2];

    memcpy(words, network->bytes, sizeof words);
    uint64_t hash = (words[0] ^ rates->seed) * 0x9e3779b97f4a7c15u;
    hash = (hash ^ hash >> 32 ^ words[1]) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 32) % SETS;
}

static struct bucket *find(struct rates *rates, const struct address *address, uint64_t now_ms) {
    struct address network = network_of(address);
    struct bucket *set = rates->buckets[set_of(rates, &network)], *oldest = set;

    for (int i = 0; i < WAYS; i++) {
        if (set[i].at_ms && address_equal(&set[i].address, &network))
            return &set[i];
        if (set[i].at_ms < oldest->at_ms)
            oldest = &set[i];
    }
    *oldest = (struct bucket){network, rates->burst, now_ms};
    return oldest;
}

static struct bucket *fill(struct rates *rates, const struct address *address, uint64_t now_ms) {
    struct bucket *bucket = find(rates, address, now_ms);

    bucket->left += (double)(now_ms - bucket->at_ms) * rates->per_ms;
    if (bucket->left > rates->burst)
        bucket->left = rates->burst;
    bucket->at_ms = now_ms;
    return bucket;
}

bool rates_has(struct rates *rates, const struct address *address, uint64_t now_ms) {
    return fill(rates, address, now_ms)->left >= 1;
}

bool rates_take(struct rates *rates, const struct address *address, uint64_t now_ms) {
    struct bucket *bucket = fill(rates, address, now_ms);

    if (bucket->left < 1)
        return false;
    bucket->left -= 1;
    return true;
}
