/* Compact ranges against the recursive definition of RFC 6962. */
#include "engine/ct/range.h"
#include "tests/unit/ct/naive_tree.h"

#include <stdlib.h>

enum { LEAVES = 1500 };

static struct ct_hash leaves[LEAVES];
static uint64_t seed = 1;

/* xorshift: the same numbers in every run */
static size_t random_below(size_t bound) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % bound);
}

static struct ct_range *make(uint64_t begin, uint64_t end) {
    struct ct_range *range =
        malloc(sizeof *range); /* of its own, so that a sanitizer sees its end */
    assert_non_null(range);
    ct_range_init(range, begin);
    assert_true(ct_range_append(range, leaves + begin, (size_t)(end - begin)));
    return range;
}

/* The one that is asked for, and minimal: each node is the root of the largest aligned subtree. */
static void check(const struct ct_range *range, uint64_t begin, uint64_t end) {
    uint64_t at = begin;

    assert_int_equal(range->begin, begin);
    assert_int_equal(range->end, end);
    for (uint32_t i = 0; i < range->count; i++) {
        uint64_t len = 1;
        while (at % (2 * len) == 0 && at + 2 * len <= end)
            len *= 2;
        assert_true(at + len <= end);
        assert_hash_equal(range->nodes[i], naive_root(leaves + at, (size_t)len));
        at += len;
    }
    assert_int_equal(at, end);
}

static void test_every_size(void **state) {
    struct ct_range one_by_one;

    (void)state;
    ct_range_init(&one_by_one, 0);
    for (size_t size = 0; size <= 600; size++) {
        struct ct_range *range = make(0, size);
        check(range, 0, size);
        check(&one_by_one, 0, size);
        assert_hash_equal(ct_range_root(range), naive_root(leaves, size));
        assert_hash_equal(ct_range_root(&one_by_one), naive_root(leaves, size));
        assert_true(ct_range_append(&one_by_one, leaves + size, 1));
        free(range);
    }
}

static void test_any_begin(void **state) {
    (void)state;
    for (size_t begin = 0; begin < 70; begin++) {
        for (size_t end = begin; end < 70; end++) {
            struct ct_range *range = make(begin, end);
            check(range, begin, end);
            free(range);
        }
    }
    for (unsigned i = 0; i < 50; i++) {
        size_t begin = random_below(LEAVES), end = begin + random_below(LEAVES - begin + 1);
        struct ct_range *range = make(begin, end);
        check(range, begin, end);
        free(range);
    }
}

/* Pieces of any sizes, merged in any order that keeps them neighbours. */
static void test_random_merges(void **state) {
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct ct_range *pieces[LEAVES];
        size_t count = 0, base = random_below(3) ? 0 : random_below(300), at = base;
        size_t end = base + random_below(LEAVES - base), longest = 1 + random_below(300);
        while (at < end) {
            size_t len = random_below(longest) + (random_below(8) != 0);
            if (len > end - at)
                len = end - at;
            pieces[count++] = make(at, at + len);
            at += len;
            if (count == LEAVES)
                break;
        }
        end = at;
        while (count > 1) {
            size_t left = random_below(count - 1);
            assert_true(ct_range_merge(pieces[left], pieces[left + 1]));
            free(pieces[left + 1]);
            memmove(&pieces[left + 1], &pieces[left + 2], (count - left - 2) * sizeof *pieces);
            count--;
        }
        if (count) {
            check(pieces[0], base, end);
            if (base == 0)
                assert_hash_equal(ct_range_root(pieces[0]), naive_root(leaves, end));
            free(pieces[0]);
        }
    }
}

static void test_refused(void **state) {
    struct ct_range left, right, before;

    (void)state;
    ct_range_init(&left, 0);
    assert_true(ct_range_append(&left, leaves, 10));
    ct_range_copy(&before, &left);
    ct_range_init(&right, 11);
    assert_false(ct_range_merge(&left, &right)); /* a gap */
    ct_range_init(&right, 9);
    assert_true(ct_range_append(&right, leaves + 9, 5));
    assert_false(ct_range_merge(&left, &right));                  /* an overlap */
    assert_false(ct_range_append_subtree(&left, 2, &leaves[0]));  /* 10 is no multiple of 4 */
    assert_false(ct_range_append_subtree(&left, 64, &leaves[0])); /* nor a shift that C knows */
    check(&left, 0, 10);
    assert_int_equal(before.count, left.count);

    ct_range_init(&right, CT_TREE_SIZE_MAX - 1);
    assert_false(ct_range_append(&right, leaves, 2));
    assert_true(ct_range_append(&right, leaves, 1));
    assert_false(ct_range_append_subtree(&right, 0, leaves));
    assert_int_equal(right.end, CT_TREE_SIZE_MAX);
}

static void test_subtrees(void **state) {
    struct ct_range range;

    (void)state;
    ct_range_init(&range, 0);
    for (size_t at = 0; at + 64 <= LEAVES; at += 64) {
        struct ct_hash root = naive_root(leaves + at, 64);
        assert_true(ct_range_append_subtree(&range, 6, &root));
        check(&range, 0, at + 64);
    }
}

/* The range with the most nodes that there can be: it fits, on disk too. */
static void test_worst_case(void **state) {
    uint8_t bytes[CT_RANGE_BYTES_MAX];
    struct ct_range range, again;

    (void)state;
    ct_range_init(&range, 1);
    for (unsigned level = 0; level < CT_TREE_HEIGHT - 1; level++)
        assert_true(ct_range_append_subtree(&range, level, &leaves[level]));
    for (unsigned level = CT_TREE_HEIGHT - 1; level--;)
        assert_true(ct_range_append_subtree(&range, level, &leaves[level]));
    assert_int_equal(range.end, CT_TREE_SIZE_MAX);
    assert_int_equal(range.count, 2 * (CT_TREE_HEIGHT - 1));
    size_t len = ct_range_write(&range, bytes);
    assert_true(ct_range_parse((struct slice){bytes, len}, &again));
    assert_int_equal(again.count, range.count);
    assert_memory_equal(again.nodes, range.nodes, range.count * sizeof *range.nodes);
}

static void test_kept(void **state) {
    uint8_t bytes[CT_RANGE_BYTES_MAX];

    (void)state;
    for (size_t size = 0; size < 100; size += 7) {
        struct ct_range *range = make(size / 3, size), again;
        size_t len = ct_range_write(range, bytes);
        assert_int_equal(len, 16 + range->count * CT_HASH_BYTES);
        assert_true(ct_range_parse((struct slice){bytes, len}, &again));
        check(&again, size / 3, size);
        assert_false(ct_range_parse((struct slice){bytes, len - 1}, &again));
        assert_false(ct_range_parse((struct slice){bytes, len + 1}, &again));
        bytes[15] ^= 1; /* another end with another number of nodes, or before the begin */
        if ((size & 3) != 1)
            assert_false(ct_range_parse((struct slice){bytes, len + 31}, &again));
        free(range);
    }
    static const uint8_t backwards[16] = {0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t too_large[16] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    static const uint8_t nothing[16] = {0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 9};
    struct ct_range range;
    assert_false(ct_range_parse((struct slice){backwards, 16}, &range));
    assert_false(ct_range_parse((struct slice){too_large, 16}, &range));
    assert_true(ct_range_parse((struct slice){nothing, 16}, &range));
    check(&range, 9, 9);
}

static void test_empty_root(void **state) {
    static const uint8_t wanted[CT_HASH_BYTES] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
                                                  0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
                                                  0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
                                                  0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
    struct ct_hash root = ct_empty_root();

    (void)state;
    assert_memory_equal(root.bytes, wanted, sizeof wanted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),    cmocka_unit_test(test_any_begin),
        cmocka_unit_test(test_random_merges), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_subtrees),      cmocka_unit_test(test_worst_case),
        cmocka_unit_test(test_kept),          cmocka_unit_test(test_empty_root),
    };

    naive_leaves(leaves, LEAVES);
    return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
