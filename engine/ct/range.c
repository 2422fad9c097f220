#include "engine/ct/range.h"

#include <assert.h>

enum {
    LEVEL_AT_ONCE = 8, /* leaves are hashed in subtrees of up to 2^8: a tile */
    NUMBER_BYTES = 8,
};

/* The level of the largest complete subtree that starts at `start` and ends at `end` or before. */
static unsigned level_at(uint64_t start, uint64_t end) {
    unsigned fits = 63 - (unsigned)__builtin_clzll(end - start);
    unsigned aligned = start ? (unsigned)__builtin_ctzll(start) : 63;

    return fits < aligned ? fits : aligned;
}

static uint32_t count_nodes(uint64_t begin, uint64_t end) {
    uint32_t count = 0;

    for (uint64_t at = begin; at < end; at += (uint64_t)1 << level_at(at, end))
        count++;
    return count;
}

static bool has_room(const struct ct_range *range, uint64_t leaves) {
    return leaves <= CT_TREE_SIZE_MAX - range->end;
}

void ct_range_init(struct ct_range *range, uint64_t begin) {
    assert(begin <= CT_TREE_SIZE_MAX);
    range->begin = range->end = begin;
    range->count = 0;
}

void ct_range_copy(struct ct_range *to, const struct ct_range *from) {
    to->begin = from->begin;
    to->end = from->end;
    to->count = from->count;
    memcpy(to->nodes, from->nodes, from->count * sizeof *from->nodes);
}

/* Puts a subtree behind the last one. As long as it is a right child and its sibling is in the
 * range, which then is the last node, both become their parent. */
static void push(struct ct_range *range, unsigned level, struct ct_hash node) {
    uint64_t start = range->end, leaves = (uint64_t)1 << level;

    range->end += leaves;
    for (; start & leaves && start - leaves >= range->begin; leaves *= 2) {
        node = ct_node_hash(&range->nodes[--range->count], &node);
        start -= leaves;
    }
    assert(range->count < CT_RANGE_NODES_MAX);
    range->nodes[range->count++] = node;
}

/* The root of a complete subtree, hashed level by level. */
static struct ct_hash subtree_root(const struct ct_hash *leaves, unsigned level) {
    struct ct_hash nodes[1 << (LEVEL_AT_ONCE - 1)];

    if (level == 0)
        return *leaves;
    ct_level_hash(leaves, (size_t)1 << (level - 1), nodes);
    while (--level)
        ct_level_hash(nodes, (size_t)1 << (level - 1), nodes);
    return nodes[0];
}

bool ct_range_append(struct ct_range *range, const struct ct_hash *leaves, size_t count) {
    if (!has_room(range, count))
        return false;
    while (count) {
        unsigned level = level_at(range->end, range->end + count);
        if (level > LEVEL_AT_ONCE)
            level = LEVEL_AT_ONCE;
        push(range, level, subtree_root(leaves, level));
        leaves += (size_t)1 << level;
        count -= (size_t)1 << level;
    }
    return true;
}

bool ct_range_append_subtree(struct ct_range *range, unsigned level, const struct ct_hash *root) {
    if (level >= CT_TREE_HEIGHT || !has_room(range, (uint64_t)1 << level) ||
        range->end & (((uint64_t)1 << level) - 1))
        return false;
    push(range, level, *root);
    return true;
}

bool ct_range_merge(struct ct_range *range, const struct ct_range *right) {
    uint64_t at = right->begin;

    if (range->end != at)
        return false;
    for (uint32_t i = 0; i < right->count; i++) {
        unsigned level = level_at(at, right->end);
        push(range, level, right->nodes[i]);
        at += (uint64_t)1 << level;
    }
    return true;
}

struct ct_hash ct_range_root(const struct ct_range *range) {
    assert(range->begin == 0);
    if (range->count == 0)
        return ct_empty_root();
    struct ct_hash root = range->nodes[range->count - 1];
    for (uint32_t i = range->count - 1; i; i--)
        root = ct_node_hash(&range->nodes[i - 1], &root);
    return root;
}

/* --- Kept on disk --- */

static uint8_t *write_number(uint8_t *at, uint64_t number) {
    for (unsigned i = 0; i < NUMBER_BYTES; i++)
        at[i] = (uint8_t)(number >> (8 * (NUMBER_BYTES - 1 - i)));
    return at + NUMBER_BYTES;
}

static uint64_t read_number(const uint8_t *at) {
    uint64_t number = 0;

    for (unsigned i = 0; i < NUMBER_BYTES; i++)
        number = number << 8 | at[i];
    return number;
}

size_t ct_range_write(const struct ct_range *range, uint8_t out[CT_RANGE_BYTES_MAX]) {
    uint8_t *at = write_number(write_number(out, range->begin), range->end);
    size_t nodes_len = range->count * sizeof *range->nodes;

    memcpy(at, range->nodes, nodes_len);
    return 2 * NUMBER_BYTES + nodes_len;
}

bool ct_range_parse(struct slice bytes, struct ct_range *out) {
    *out = (struct ct_range){0};
    if (bytes.len < 2 * NUMBER_BYTES)
        return false;
    uint64_t begin = read_number(bytes.ptr), end = read_number(bytes.ptr + NUMBER_BYTES);
    if (begin > end || end > CT_TREE_SIZE_MAX)
        return false;
    uint32_t count = count_nodes(begin, end);
    struct slice nodes = slice_from(bytes, 2 * NUMBER_BYTES);
    if (nodes.len != count * sizeof *out->nodes)
        return false;
    out->begin = begin;
    out->end = end;
    out->count = count;
    if (count)
        memcpy(out->nodes, nodes.ptr, nodes.len);
    return true;
}
