#include "engine/x509/trust_internal.h"

#include <assert.h>
#include <stdlib.h>

enum { WAYS = 8 };

bool trust_cache_init(struct trust_cache *cache, size_t entries) {
    assert(entries >= WAYS && (entries & (entries - 1)) == 0);
    cache->sets = entries / WAYS;
    cache->entries = calloc(entries, sizeof *cache->entries);
    return cache->entries != NULL;
}

void trust_cache_deinit(struct trust_cache *cache) {
    free(cache->entries);
    cache->entries = NULL;
}

static struct trust_cache_entry *set_of(const struct trust_cache *cache, const uint8_t *key) {
    uint64_t number;
    memcpy(&number, key, sizeof number);
    return cache->entries + (number & (cache->sets - 1)) * WAYS;
}

/* A set is in the order of use, the latest first. */
union trust_cache_value *trust_cache_find(struct trust_cache *cache,
                                          const uint8_t key[TRUST_DIGEST_BYTES]) {
    struct trust_cache_entry *set = set_of(cache, key);
    for (size_t i = 0; i < WAYS && set[i].used; i++) {
        if (memcmp(set[i].key, key, TRUST_DIGEST_BYTES) != 0)
            continue;
        if (i > 0) {
            struct trust_cache_entry found = set[i];
            memmove(set + 1, set, i * sizeof *set);
            set[0] = found;
        }
        return &set[0].value;
    }
    return NULL;
}

bool trust_cache_add(struct trust_cache *cache, const uint8_t key[TRUST_DIGEST_BYTES],
                     union trust_cache_value value, union trust_cache_value *evicted) {
    struct trust_cache_entry *set = set_of(cache, key);
    struct trust_cache_entry last = set[WAYS - 1];
    memmove(set + 1, set, (WAYS - 1) * sizeof *set);
    memcpy(set[0].key, key, TRUST_DIGEST_BYTES);
    set[0].used = true;
    set[0].value = value;
    *evicted = last.value;
    return last.used;
}
