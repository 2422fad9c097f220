/* How a watch list lies in memory, for the files that build it and those that search it.
 *
 *      entries   in the order of (depth, bytes from the right): what shares its right-most labels,
 *                and so the children of a domain, lies together
 *      text      names, and texts that differ from them, one after another, without terminators
 *      filter    a bit array of 64-bit words; a hash sets two bits of one word
 *      slots     open addressing, at most half full: part of the hash, and what it leads to
 *      parents   domains that have children among the entries, as ranges of entries
 *
 * An address or block is an entry of depth 0 whose name is family, prefix length and bytes: its
 * "suffixes" are its prefixes. */
#ifndef ENGINE_MATCH_WATCH_INTERNAL_H
#define ENGINE_MATCH_WATCH_INTERNAL_H

#include "engine/match/names_internal.h"
#include "engine/match/watch_list.h"

#include <stdatomic.h>

enum {
    WATCH_DEPTHS = 128, /* 253 characters are at most 127 labels */
    WATCH_ADDRESS_KEY_BYTES = 2 + 16,
    WATCH_TEXT_SLACK = 16, /* bytes that may be read before and behind the texts */
    WATCH_PARENT = 1 << 30,
    WATCH_SAME_TEXT = 0, /* no text lies there */
};

struct watch_item {
    uint32_t name, text; /* offsets; text WATCH_SAME_TEXT: as the name */
    uint32_t line;
    uint16_t text_len; /* the highest bit: the entry is exact */
    uint8_t len, depth;
};
#define WATCH_EXACT 0x8000u

struct watch_slot {
    uint32_t tag;  /* 0: empty */
    uint32_t what; /* an entry, or a parent with WATCH_PARENT set */
};

struct watch_parent {
    uint32_t first, count; /* its children */
};

struct watch_list {
    uint64_t seed[4];
    uint64_t depths[WATCH_DEPTHS / 64];   /* bit d: there are entries of d labels */
    uint64_t prefixes_v4, prefixes_v6[3]; /* bit p: there are blocks of this prefix length */
    uint32_t depth_max;
    uint32_t count, parent_count;
    uint64_t *filter;
    uint64_t filter_mask;
    struct watch_slot *slots;
    uint32_t slot_mask;
    uint32_t depth_start[WATCH_DEPTHS + 1]; /* entries of depth d: [d] up to [d + 1] */
    struct watch_item *entries;
    struct watch_parent *parents;
    uint8_t *text;
    size_t text_len;
    _Atomic uint32_t references;
};

static inline uint64_t watch_fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t watch_hash_start(const struct watch_list *list) {
    return list->seed[0];
}

/* The hash of a suffix, from that of the suffix without its left-most label, and this label. At
 * least 8 bytes from any byte of the label on may be read. */
static inline uint64_t watch_hash_label(const struct watch_list *list, uint64_t hash,
                                        const uint8_t *label, size_t len) {
    size_t rest = len;
    for (; rest > 8; rest -= 8, label += 8)
        hash = watch_fold(hash ^ names_load8(label), list->seed[1]);
    uint64_t word = rest ? names_load8(label) & UINT64_MAX >> (64 - 8 * rest) : 0;
    return watch_fold(hash ^ word, list->seed[2] + len * 2);
}

/* The same name as a parent has another hash. */
static inline uint64_t watch_hash_parent(const struct watch_list *list, uint64_t hash) {
    return watch_fold(hash, list->seed[3]);
}

static inline uint64_t *watch_filter_word(const struct watch_list *list, uint64_t hash) {
    return &list->filter[hash >> 24 & list->filter_mask];
}

static inline uint64_t watch_filter_bits(uint64_t hash) {
    return (uint64_t)1 << (hash & 63) | (uint64_t)1 << (hash >> 6 & 63);
}

static inline uint32_t watch_slot_of(const struct watch_list *list, uint64_t hash) {
    return (uint32_t)(hash >> 32) & list->slot_mask;
}

static inline uint32_t watch_tag_of(uint64_t hash) {
    return (uint32_t)hash | 1;
}

static inline bool watch_has_depth(const struct watch_list *list, uint32_t depth) {
    return list->depths[depth / 64] >> (depth % 64) & 1;
}

static inline struct slice watch_name(const struct watch_list *list, uint32_t index) {
    const struct watch_item *item = &list->entries[index];
    return (struct slice){list->text + item->name, item->len};
}

static inline bool watch_is_exact(const struct watch_item *item) {
    return item->text_len & WATCH_EXACT;
}

/* The part of a child's name behind its first dot. */
struct slice watch_parent_name(const struct watch_list *list, const struct watch_parent *parent);

/* Family, prefix length, and the bits of the address that this leaves. Returns its length. */
size_t watch_address_key(const uint8_t *address, size_t len, uint32_t prefix,
                         uint8_t out[WATCH_ADDRESS_KEY_BYTES + 8]);

/* Collects the hits of one name. */
struct watch_collector {
    struct watch_hits *hits;
    uint32_t name;
    uint32_t count; /* of this name */
    bool more;      /* there may be others */
};

void watch_collect(struct watch_collector *collector, uint32_t entry);

/* All entries that a MATCH_NAME_ODD matches. `steps` is what the search may still cost, and goes
 * down; when it is used up there may be more. */
void watch_match_odd(const struct watch_list *list, struct slice name, uint32_t *steps,
                     struct watch_collector *collector);

#endif
