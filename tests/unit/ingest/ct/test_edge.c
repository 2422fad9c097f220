/* Ranges out of hash tiles, for all places of a line in trees of many sizes, against trees made by
 * recursion. */
#include "ingest/ct/edge.h"
#include "tests/unit/ct/naive_tree.h"

#include <stdlib.h>

#define LEAVES ((size_t)(256 * 256 + 700))

struct tree {
    struct ct_hash *levels[3];
};

static void tree_init(struct tree *tree) {
    for (unsigned level = 0; level < 3; level++)
        tree->levels[level] = calloc((LEAVES >> (8 * level)) + 1, sizeof(struct ct_hash));
    naive_leaves(tree->levels[0], LEAVES);
    for (unsigned level = 1; level < 3; level++)
        for (size_t i = 0; i < LEAVES >> (8 * level); i++)
            tree->levels[level][i] = naive_root(&tree->levels[level - 1][i * 256], 256);
}

static void tree_deinit(struct tree *tree) {
    for (unsigned level = 0; level < 3; level++)
        free(tree->levels[level]);
}

/* MTH over the tree's leaves, by way of its levels: naive_root of all would take long. */
static struct ct_hash root_of(const struct tree *tree, uint64_t begin, uint64_t end) {
    uint64_t count = end - begin;

    for (unsigned level = 3; level-- > 1;)
        if (count == (uint64_t)1 << (8 * level) && begin % count == 0)
            return tree->levels[level][begin >> (8 * level)];
    if (count <= 256)
        return naive_root(&tree->levels[0][begin], count);
    uint64_t k = naive_split(count);
    return naive_node(root_of(tree, begin, begin + k), root_of(tree, begin + k, end));
}

/* No hash of it may be wrong or missing, but the one that the line goes through. */
static void check_tile_counts(struct slice *bytes, const struct ct_tile *tile, size_t at,
                              uint64_t first, const struct ct_head *head) {
    struct slice whole = bytes[at];
    struct ct_range range;
    uint64_t line = (first >> (8 * tile->level)) - tile->index * 256,
             hash = (first * 7) % tile->width;
    bool through = first & (((uint64_t)1 << (8 * tile->level)) - 1);

    if (hash == line && through)
        hash = hash ? hash - 1 : 1;
    assert_in_range(hash, 0, tile->width - 1);
    uint8_t *changed = malloc(whole.len);
    memcpy(changed, whole.ptr, whole.len);
    changed[hash * CT_HASH_BYTES + first % CT_HASH_BYTES] ^= 1;
    bytes[at].ptr = changed;
    if (edge_range(bytes, first, head, &range))
        fail_msg("first %llu of %llu: tile %llu of level %u, hash %llu", (unsigned long long)first,
                 (unsigned long long)head->tree_size, (unsigned long long)tile->index, tile->level,
                 (unsigned long long)hash);
    free(changed);
    bytes[at] = (struct slice){whole.ptr, whole.len - CT_HASH_BYTES};
    if (!through || line != tile->width - 1u)
        assert_false(edge_range(bytes, first, head, &range));
    bytes[at] = whole;
}

static void check(const struct tree *tree, uint64_t first, uint64_t size) {
    struct ct_head head = {.tree_size = size, .root = root_of(tree, 0, size)};
    struct ct_tile tiles[EDGE_TILES_MAX];
    struct slice bytes[EDGE_TILES_MAX];
    struct ct_range range;
    size_t count = edge_tiles(first, size, tiles);

    assert_in_range(count, 0, EDGE_TILES_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(tiles[i].width, 1, 256);
        assert_int_equal(tiles[i].width, ct_tile_width(tiles[i].level, tiles[i].index, size));
        bytes[i] = (struct slice){tree->levels[tiles[i].level][tiles[i].index * 256].bytes,
                                  (size_t)tiles[i].width * CT_HASH_BYTES};
    }
    if (!edge_range(bytes, first, &head, &range))
        fail_msg("first %llu of %llu", (unsigned long long)first, (unsigned long long)size);
    assert_int_equal(range.begin, 0);
    assert_int_equal(range.end, first);
    if (first)
        assert_hash_equal(ct_range_root(&range), root_of(tree, 0, first));

    for (size_t i = 0; i < count; i++)
        check_tile_counts(bytes, &tiles[i], i, first, &head);
}

static void test_every_line_of_small_trees(void **state) {
    struct tree tree;

    (void)state;
    tree_init(&tree);
    for (uint64_t size = 0; size <= 40; size++)
        for (uint64_t first = 0; first <= size; first++)
            check(&tree, first, size);
    tree_deinit(&tree);
}

static void test_lines_at_all_borders(void **state) {
    static const uint64_t sizes[] = {255,   256,   257,   511,   512,   1000,  65279, 65280, 65281,
                                     65535, 65536, 65537, 65791, 65792, 65793, 66000, LEAVES};
    struct tree tree;

    (void)state;
    tree_init(&tree);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j <= i; j++)
            check(&tree, sizes[j], sizes[i]);
        for (uint64_t first = 0; first <= sizes[i]; first += 1 + sizes[i] / 50)
            check(&tree, first, sizes[i]);
        check(&tree, 0, sizes[i]);
        check(&tree, 1, sizes[i]);
    }
    tree_deinit(&tree);
}

/* A full tile in the place of one that was partial: what is behind is cut. */
static void test_wider_tiles(void **state) {
    struct tree tree;
    struct ct_tile tiles[EDGE_TILES_MAX];
    struct slice bytes[EDGE_TILES_MAX];
    struct ct_range range;

    (void)state;
    tree_init(&tree);
    struct ct_head head = {.tree_size = 700, .root = root_of(&tree, 0, 700)};
    size_t count = edge_tiles(300, 700, tiles);
    for (size_t i = 0; i < count; i++)
        bytes[i] =
            (struct slice){tree.levels[tiles[i].level][tiles[i].index * 256].bytes, CT_TILE_BYTES};
    assert_true(edge_range(bytes, 300, &head, &range));
    assert_hash_equal(ct_range_root(&range), root_of(&tree, 0, 300));
    tree_deinit(&tree);
}

/* The largest trees have tiles on all levels; none is asked for beyond them. */
static void test_sizes_without_end(void **state) {
    const uint64_t sizes[] = {
        0, 1, 255, 256, CT_TREE_SIZE_MAX / 3, CT_TREE_SIZE_MAX - 1, CT_TREE_SIZE_MAX};
    struct ct_tile tiles[EDGE_TILES_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j <= i; j++) {
            size_t count = edge_tiles(sizes[j], sizes[i], tiles);
            for (size_t at = 0; at < count; at++) {
                assert_in_range(tiles[at].level, 0, CT_TILE_LEVELS - 1);
                assert_in_range(tiles[at].width, 1, 256);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line_of_small_trees),
        cmocka_unit_test(test_lines_at_all_borders),
        cmocka_unit_test(test_wider_tiles),
        cmocka_unit_test(test_sizes_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
