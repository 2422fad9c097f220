/* Searching a watch list. Names are taken a few hundred at a time: first their suffixes are hashed
 * and the words of the filter asked for, then the filter is read and the slots of what is left are
 * asked for, then these are read. So the accesses of many names are under way at once. */
#include "engine/match/watch_list.h"

#include "engine/match/watch_internal.h"

#include <assert.h>
#include <stdlib.h>

enum {
    CANDIDATES = 512,
    HITS_FIRST = 64,
    /* What the search for the odd names of one certificate may cost, in steps of up to 0.5 µs. */
    ODD_STEPS_MAX = 8192,
};

enum candidate_kind { CANDIDATE_SUFFIX, CANDIDATE_CHILDREN, CANDIDATE_ADDRESS, CANDIDATE_ODD };

struct candidate {
    uint64_t hash;
    uint32_t name;
    uint16_t start; /* of the suffix in the name; of an address the prefix length */
    uint8_t kind;   /* enum candidate_kind */
    bool is_whole;  /* the suffix is the name */
};

struct matcher {
    const struct watch_list *list;
    const struct match_names *names;
    struct watch_collector collector;
    uint32_t odd_owner, odd_steps; /* the search of this owner may still cost so much */
    uint32_t count;
    struct candidate candidates[CANDIDATES];
};

void watch_hits_init(struct watch_hits *hits) {
    *hits = (struct watch_hits){0};
}

void watch_hits_deinit(struct watch_hits *hits) {
    free(hits->items);
    *hits = (struct watch_hits){0};
}

static void add_hit(struct watch_hits *hits, struct watch_hit hit) {
    if (hits->count == hits->capacity) {
        uint32_t capacity = hits->capacity ? hits->capacity * 2 : HITS_FIRST;
        struct watch_hit *items = realloc(hits->items, capacity * sizeof *items);
        if (!items) {
            hits->failed = true;
            return;
        }
        hits->items = items;
        hits->capacity = capacity;
    }
    hits->items[hits->count++] = hit;
}

void watch_collect(struct watch_collector *collector, uint32_t entry) {
    if (collector->count == WATCH_HITS_PER_NAME_MAX) {
        collector->more = true;
        return;
    }
    collector->count++;
    add_hit(collector->hits, (struct watch_hit){collector->name, entry});
}

/* The hits of another name begin. */
static void turn_to(struct watch_collector *collector, uint32_t name) {
    if (collector->more)
        add_hit(collector->hits, (struct watch_hit){collector->name, WATCH_MORE});
    *collector = (struct watch_collector){.hits = collector->hits, .name = name};
}

/* --- Hashing --- */

static inline void put_candidate(struct matcher *matcher, struct candidate candidate) {
    __builtin_prefetch(watch_filter_word(matcher->list, candidate.hash));
    matcher->candidates[matcher->count++] = candidate;
}

/* Where the labels of a name begin, from the right. */
struct labels {
    const uint8_t *bytes;
    uint64_t dots; /* those not passed yet; of the first NAMES_DOTS bytes */
    size_t end;    /* of the next label */
};

static inline size_t next_label(struct labels *labels) {
    if (__builtin_expect(labels->end > NAMES_DOTS, 0)) {
        size_t start = labels->end;
        while (start > NAMES_DOTS && labels->bytes[start - 1] != '.')
            start--;
        if (start > NAMES_DOTS)
            return start;
    }
    if (!labels->dots)
        return 0;
    uint32_t dot = 63 - (uint32_t)__builtin_clzll(labels->dots);
    labels->dots ^= (uint64_t)1 << dot;
    return dot + 1;
}

/* All suffixes that are as deep as an entry; of a wildcard also the children of what stands behind
 * it. */
static inline void hash_name(struct matcher *matcher, uint32_t index) {
    const struct watch_list *list = matcher->list;
    const struct match_name *name = &matcher->names->items[index];
    struct labels labels = {matcher->names->bytes + name->offset, name->dots, name->len};
    size_t first = name->kind == MATCH_NAME_WILDCARD ? 2 : 0;
    uint64_t hash = watch_hash_start(list);
    for (uint32_t depth = 1; depth <= list->depth_max; depth++) {
        size_t start = next_label(&labels);
        hash = watch_hash_label(list, hash, labels.bytes + start, labels.end - start);
        if (watch_has_depth(list, depth))
            put_candidate(matcher, (struct candidate){
                                       .hash = hash,
                                       .name = index,
                                       .start = (uint16_t)start,
                                       .kind = CANDIDATE_SUFFIX,
                                       .is_whole = start == 0,
                                   });
        if (start == 0)
            break;
        if (start == first) {
            if (depth < list->depth_max && watch_has_depth(list, depth + 1))
                put_candidate(matcher, (struct candidate){
                                           .hash = watch_hash_parent(list, hash),
                                           .name = index,
                                           .start = (uint16_t)start,
                                           .kind = CANDIDATE_CHILDREN,
                                       });
            break;
        }
        labels.end = start - 1;
    }
}

size_t watch_address_key(const uint8_t *address, size_t len, uint32_t prefix,
                         uint8_t out[WATCH_ADDRESS_KEY_BYTES + 8]) {
    memset(out, 0, WATCH_ADDRESS_KEY_BYTES + 8);
    out[0] = (uint8_t)len;
    out[1] = (uint8_t)prefix;
    memcpy(out + 2, address, (prefix + 7) / 8);
    if (prefix % 8)
        out[2 + prefix / 8] &= (uint8_t)(0xff << (8 - prefix % 8));
    return 2 + len;
}

static bool has_prefix(const struct watch_list *list, size_t len, uint32_t prefix) {
    return len == 4 ? list->prefixes_v4 >> prefix & 1
                    : list->prefixes_v6[prefix / 64] >> (prefix % 64) & 1;
}

static void hash_address(struct matcher *matcher, uint32_t index) {
    struct slice address = match_names_text(matcher->names, index);
    uint8_t key[WATCH_ADDRESS_KEY_BYTES + 8];
    for (uint32_t prefix = 0; prefix <= address.len * 8; prefix++) {
        if (!has_prefix(matcher->list, address.len, prefix))
            continue;
        size_t len = watch_address_key(address.ptr, address.len, prefix, key);
        uint64_t hash = watch_hash_start(matcher->list);
        put_candidate(matcher, (struct candidate){
                                   .hash = watch_hash_label(matcher->list, hash, key, len),
                                   .name = index,
                                   .start = (uint16_t)prefix,
                                   .kind = CANDIDATE_ADDRESS,
                               });
    }
}

/* --- Looking up --- */

struct slice watch_parent_name(const struct watch_list *list, const struct watch_parent *parent) {
    struct slice child = watch_name(list, parent->first);
    const uint8_t *dot = memchr(child.ptr, '.', child.len);
    return slice_from(child, (size_t)(dot - child.ptr) + 1);
}

/* Calls of this must agree with the hash. UINT32_MAX when there is none. */
static uint32_t find(const struct watch_list *list, uint64_t hash, bool is_parent,
                     struct slice wanted) {
    uint32_t tag = watch_tag_of(hash);
    for (uint32_t at = watch_slot_of(list, hash);; at = (at + 1) & list->slot_mask) {
        const struct watch_slot *slot = &list->slots[at];
        if (!slot->tag)
            return UINT32_MAX;
        if (slot->tag != tag || (slot->what & WATCH_PARENT) != (is_parent ? WATCH_PARENT : 0))
            continue;
        uint32_t what = slot->what & ~(uint32_t)WATCH_PARENT;
        struct slice name =
            is_parent ? watch_parent_name(list, &list->parents[what]) : watch_name(list, what);
        if (slice_equal(name, wanted))
            return what;
    }
}

static void look_up_suffix(struct matcher *matcher, const struct candidate *candidate) {
    const struct watch_list *list = matcher->list;
    struct slice suffix =
        slice_from(match_names_text(matcher->names, candidate->name), candidate->start);
    uint32_t entry = find(list, candidate->hash, false, suffix);
    if (entry != UINT32_MAX && (candidate->is_whole || !watch_is_exact(&list->entries[entry])))
        watch_collect(&matcher->collector, entry);
}

static void look_up_children(struct matcher *matcher, const struct candidate *candidate) {
    const struct watch_list *list = matcher->list;
    struct slice suffix =
        slice_from(match_names_text(matcher->names, candidate->name), candidate->start);
    uint32_t parent = find(list, candidate->hash, true, suffix);
    if (parent == UINT32_MAX)
        return;
    const struct watch_parent *range = &list->parents[parent];
    for (uint32_t i = 0; i < range->count && !matcher->collector.more; i++)
        watch_collect(&matcher->collector, range->first + i);
}

static void look_up_address(struct matcher *matcher, const struct candidate *candidate) {
    struct slice address = match_names_text(matcher->names, candidate->name);
    uint8_t key[WATCH_ADDRESS_KEY_BYTES + 8];
    size_t len = watch_address_key(address.ptr, address.len, candidate->start, key);
    uint32_t entry = find(matcher->list, candidate->hash, false, (struct slice){key, len});
    if (entry != UINT32_MAX)
        watch_collect(&matcher->collector, entry);
}

static void look_up_odd(struct matcher *matcher, const struct candidate *candidate) {
    uint32_t owner = matcher->names->items[candidate->name].owner;
    if (matcher->odd_owner != owner) {
        matcher->odd_owner = owner;
        matcher->odd_steps = ODD_STEPS_MAX;
    }
    watch_match_odd(matcher->list, match_names_text(matcher->names, candidate->name),
                    &matcher->odd_steps, &matcher->collector);
}

static void look_up(struct matcher *matcher, const struct candidate *candidate) {
    if (matcher->collector.name != candidate->name)
        turn_to(&matcher->collector, candidate->name);
    switch ((enum candidate_kind)candidate->kind) {
    case CANDIDATE_SUFFIX:
        look_up_suffix(matcher, candidate);
        break;
    case CANDIDATE_CHILDREN:
        look_up_children(matcher, candidate);
        break;
    case CANDIDATE_ADDRESS:
        look_up_address(matcher, candidate);
        break;
    case CANDIDATE_ODD:
        look_up_odd(matcher, candidate);
        break;
    }
}

/* The candidates that the filter lets pass stay, and their slots are asked for. */
static void filter(struct matcher *matcher) {
    const struct watch_list *list = matcher->list;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < matcher->count; i++) {
        struct candidate candidate = matcher->candidates[i];
        uint64_t bits = watch_filter_bits(candidate.hash);
        bool passes = (*watch_filter_word(list, candidate.hash) & bits) == bits;
        matcher->candidates[kept] = candidate;
        kept += passes || candidate.kind == CANDIDATE_ODD;
        if (passes)
            __builtin_prefetch(&list->slots[watch_slot_of(list, candidate.hash)]);
    }
    matcher->count = kept;
}

static void flush(struct matcher *matcher) {
    filter(matcher);
    for (uint32_t i = 0; i < matcher->count; i++)
        look_up(matcher, &matcher->candidates[i]);
    matcher->count = 0;
}

void watch_list_match(const struct watch_list *list, const struct match_names *names,
                      struct watch_hits *hits) {
    struct matcher matcher;
    matcher.list = list;
    matcher.names = names;
    matcher.collector = (struct watch_collector){.hits = hits};
    matcher.odd_steps = ODD_STEPS_MAX;
    matcher.odd_owner = 0;
    matcher.count = 0;
    hits->count = 0;
    hits->failed = false;
    if (!list->count)
        return;
    for (uint32_t i = 0; i < names->count; i++) {
        if (matcher.count > CANDIDATES - WATCH_DEPTHS - 2)
            flush(&matcher);
        if (names->items[i].kind <= MATCH_NAME_WILDCARD)
            hash_name(&matcher, i);
        else if (names->items[i].kind == MATCH_NAME_ADDRESS)
            hash_address(&matcher, i);
        else
            put_candidate(&matcher, (struct candidate){.name = i, .kind = CANDIDATE_ODD});
    }
    flush(&matcher);
    turn_to(&matcher.collector, 0);
}

bool watch_list_covers(const struct watch_list *list, struct slice name) {
    uint8_t bytes[MATCH_NAME_BYTES_MAX + 8];
    uint64_t hash = watch_hash_start(list);
    size_t end = name.len;
    if (!list->count || name.len > MATCH_NAME_BYTES_MAX || !name.len)
        return false;
    memcpy(bytes, name.ptr, name.len);
    memset(bytes + name.len, 0, 8);
    for (uint32_t depth = 1; depth <= list->depth_max && end != SIZE_MAX; depth++) {
        struct slice label = names_label_before((struct slice){bytes, name.len}, &end);
        size_t start = (size_t)(label.ptr - bytes);
        hash = watch_hash_label(list, hash, label.ptr, label.len);
        uint32_t entry = watch_has_depth(list, depth)
                             ? find(list, hash, false, slice_from(name, start))
                             : UINT32_MAX;
        if (entry != UINT32_MAX && (start == 0 || !watch_is_exact(&list->entries[entry])))
            return true;
    }
    return false;
}

/* --- What is in it --- */

uint32_t watch_list_count(const struct watch_list *list) {
    return list->count;
}

struct watch_entry watch_list_entry(const struct watch_list *list, uint32_t index) {
    assert(index < list->count);
    const struct watch_item *item = &list->entries[index];
    struct slice name = watch_name(list, index), text = name;
    if (item->text != WATCH_SAME_TEXT)
        text = (struct slice){list->text + item->text, item->text_len & ~WATCH_EXACT};
    return (struct watch_entry){
        .name = item->depth ? name : text,
        .text = text,
        .line = item->line,
        .exact = watch_is_exact(item),
    };
}

size_t watch_list_bytes(const struct watch_list *list) {
    return sizeof *list + list->count * sizeof *list->entries +
           list->parent_count * sizeof *list->parents + (list->filter_mask + 1) * sizeof(uint64_t) +
           ((size_t)list->slot_mask + 1) * sizeof *list->slots + list->text_len +
           2 * WATCH_TEXT_SLACK;
}

struct watch_list *watch_list_get(struct watch_list *list) {
    atomic_fetch_add_explicit(&list->references, 1, memory_order_relaxed);
    return list;
}

void watch_list_put(struct watch_list *list) {
    if (!list || atomic_fetch_sub_explicit(&list->references, 1, memory_order_acq_rel) != 1)
        return;
    free(list->filter);
    free(list->slots);
    free(list->entries);
    free(list->parents);
    free(list->text);
    free(list);
}
