/* The Merkle tree of RFC 6962 section 2.1. Kept are the hashes that tiles hold: those of leaves,
 * and the roots of 256, 256^2 ... of them; what lies between is computed when asked for. */
#include "bench/ctfarm/ctfarm_log_parts.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>

enum { LEVEL_BITS = 8 };

static void hash_children(const uint8_t *left, const uint8_t *right, uint8_t *out) {
    uint8_t message[1 + 2 * CTFARM_TREE_HASH] = {1};
    memcpy(message + 1, left, CTFARM_TREE_HASH);
    memcpy(message + 1 + CTFARM_TREE_HASH, right, CTFARM_TREE_HASH);
    SHA256(message, sizeof message, out);
}

static void hash_leaf(struct slice leaf, uint8_t *out) {
    static const uint8_t ZERO = 0;
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, &ZERO, 1);
    SHA256_Update(&context, leaf.ptr, leaf.len);
    SHA256_Final(out, &context);
}

const uint8_t *ctfarm_level_hash(const struct ctfarm_log *log, unsigned level, uint64_t index) {
    return log->levels[level] + index % log->counts[level] * CTFARM_TREE_HASH;
}

/* The root of the complete subtree number `index` of 2^bits leaves. */
static void subtree(const struct ctfarm_log *log, unsigned bits, uint64_t index, uint8_t *out) {
    if (bits % LEVEL_BITS == 0 && bits / LEVEL_BITS < CTFARM_LEVELS) {
        memcpy(out, ctfarm_level_hash(log, bits / LEVEL_BITS, index), CTFARM_TREE_HASH);
        return;
    }
    uint8_t left[CTFARM_TREE_HASH], right[CTFARM_TREE_HASH];
    subtree(log, bits - 1, 2 * index, left);
    subtree(log, bits - 1, 2 * index + 1, right);
    hash_children(left, right, out);
}

/* The largest power of two below `size`, as its exponent. */
static unsigned split_bits(uint64_t size) {
    return 63 - (unsigned)__builtin_clzll(size - 1);
}

/* MTH(D[begin:begin + size]); begin is a multiple of the power of two that size is cut at. */
static void range_root(const struct ctfarm_log *log, uint64_t begin, uint64_t size, uint8_t *out) {
    if ((size & (size - 1)) == 0) {
        unsigned bits = (unsigned)__builtin_ctzll(size);
        subtree(log, bits, begin >> bits, out);
        return;
    }
    uint8_t left[CTFARM_TREE_HASH], right[CTFARM_TREE_HASH];
    uint64_t split = UINT64_C(1) << split_bits(size);
    range_root(log, begin, split, left);
    range_root(log, begin + split, size - split, right);
    hash_children(left, right, out);
}

void ctfarm_root(const struct ctfarm_log *log, uint64_t size, uint8_t out[CTFARM_TREE_HASH]) {
    if (size == 0)
        SHA256(NULL, 0, out);
    else
        range_root(log, 0, size, out);
}

uint32_t ctfarm_inclusion(const struct ctfarm_log *log, uint64_t index, uint64_t size,
                          uint8_t out[CTFARM_PROOF_MAX][CTFARM_TREE_HASH]) {
    uint8_t path[CTFARM_PROOF_MAX][CTFARM_TREE_HASH];
    uint32_t count = 0;
    uint64_t begin = 0;
    while (size > 1) {
        uint64_t split = UINT64_C(1) << split_bits(size);
        if (index < split) {
            range_root(log, begin + split, size - split, path[count++]);
            size = split;
        } else {
            range_root(log, begin, split, path[count++]);
            begin += split;
            index -= split;
            size -= split;
        }
    }
    for (uint32_t i = 0; i < count; i++)
        memcpy(out[i], path[count - 1 - i], CTFARM_TREE_HASH);
    return count;
}

/* SUBPROOF of RFC 6962 section 2.1.2. */
uint32_t ctfarm_consistency(const struct ctfarm_log *log, uint64_t first, uint64_t second,
                            uint8_t out[CTFARM_PROOF_MAX][CTFARM_TREE_HASH]) {
    uint8_t path[CTFARM_PROOF_MAX][CTFARM_TREE_HASH];
    uint32_t count = 0;
    uint64_t begin = 0, size = second;
    bool whole = true;
    while (first != size) {
        uint64_t split = UINT64_C(1) << split_bits(size);
        if (first <= split) {
            range_root(log, begin + split, size - split, path[count++]);
            size = split;
        } else {
            range_root(log, begin, split, path[count++]);
            begin += split;
            first -= split;
            size -= split;
            whole = false;
        }
    }
    if (!whole)
        range_root(log, begin, size, path[count++]);
    for (uint32_t i = 0; i < count; i++)
        memcpy(out[i], path[count - 1 - i], CTFARM_TREE_HASH);
    return count;
}

bool ctfarm_find_leaf(const struct ctfarm_log *log, const uint8_t hash[CTFARM_TREE_HASH],
                      uint64_t *index) {
    for (*index = 0; *index < log->counts[0]; ++*index)
        if (memcmp(ctfarm_level_hash(log, 0, *index), hash, CTFARM_TREE_HASH) == 0)
            return true;
    return false;
}

/* --- Building --- */

struct share {
    const struct ctfarm_log *log;
    uint8_t *hashes;
    uint64_t begin, end;
    bool failed;
};

static void *hash_share(void *argument) {
    struct share *share = argument;
    struct ctfarm_entry *entry = ctfarm_entry_new();
    share->failed = !entry;
    for (uint64_t i = share->begin; i < share->end && entry; i++) {
        ctfarm_entry_make(share->log, i, false, entry);
        hash_leaf(ctfarm_entry_leaf(entry), share->hashes + i * CTFARM_TREE_HASH);
    }
    ctfarm_entry_free(entry);
    return NULL;
}

/* On two threads when there is enough to do. */
static bool hash_leaves(struct ctfarm_log *log) {
    enum { WORTH_A_THREAD = 4096 };
    uint64_t count = log->counts[0], half = count < WORTH_A_THREAD ? 0 : count / 2;
    struct share first = {.log = log, .hashes = log->levels[0], .end = half};
    struct share second = {.log = log, .hashes = log->levels[0], .begin = half, .end = count};
    pthread_t thread;
    bool threaded = half && pthread_create(&thread, NULL, hash_share, &first) == 0;
    if (!threaded)
        hash_share(&first);
    hash_share(&second);
    if (threaded)
        pthread_join(thread, NULL);
    return !first.failed && !second.failed;
}

bool ctfarm_tree_build(struct ctfarm_log *log) {
    for (unsigned level = 0; level < CTFARM_LEVELS; level++) {
        uint64_t all = log->config.entries >> (LEVEL_BITS * level);
        uint64_t different = log->distinct >> (LEVEL_BITS * level);
        bool repeats = log->distinct < log->config.entries;
        uint64_t count = repeats && different < all ? different : all;
        if (repeats && count == 0 && all)
            count = 1; /* each is the root of the same leaves */
        log->counts[level] = count;
        if (count == 0)
            break;
        log->levels[level] = malloc(count * CTFARM_TREE_HASH);
        if (!log->levels[level] || (level == 0 && !hash_leaves(log)))
            return false;
        for (uint64_t i = 0; level > 0 && i < count; i++) {
            uint8_t left[CTFARM_TREE_HASH], right[CTFARM_TREE_HASH];
            subtree(log, LEVEL_BITS * level - 1, 2 * i, left);
            subtree(log, LEVEL_BITS * level - 1, 2 * i + 1, right);
            hash_children(left, right, log->levels[level] + i * CTFARM_TREE_HASH);
        }
    }
    return true;
}

void ctfarm_tree_free(struct ctfarm_log *log) {
    for (unsigned level = 0; level < CTFARM_LEVELS; level++)
        free(log->levels[level]);
}
