/* Merkle proofs, and ranges that begin in the middle of a log, against the recursive definitions.
 */
#include "engine/ct/proof.h"
#include "tests/unit/ct/naive_tree.h"

#include <stdio.h>
#include <stdlib.h>

enum { LEAVES = 700 };

static struct ct_hash leaves[LEAVES];

static void test_inclusion(void **state) {
    (void)state;
    for (size_t size = 1; size <= 65; size++) {
        struct ct_hash root = naive_root(leaves, size);
        for (size_t index = 0; index < size; index++) {
            struct ct_proof path = {0};
            naive_path(leaves, index, size, &path);
            assert_true(ct_inclusion_verify(&path, &leaves[index], index, size, &root));
            for (size_t other = 0; other < size + 2; other++)
                if (other != index)
                    assert_false(ct_inclusion_verify(&path, &leaves[index], other, size, &root));
            assert_false(ct_inclusion_verify(&path, &leaves[index + 1], index, size, &root));
            path.hashes[path.count++] = root;
            assert_false(ct_inclusion_verify(&path, &leaves[index], index, size, &root));
        }
    }
}

static void test_consistency(void **state) {
    (void)state;
    for (size_t second = 1; second <= 65; second++) {
        struct ct_head new_head = {.tree_size = second, .root = naive_root(leaves, second)};
        for (size_t first = 1; first <= second; first++) {
            struct ct_head old_head = {.tree_size = first, .root = naive_root(leaves, first)};
            struct ct_proof proof = {0};
            naive_consistency(leaves, first, second, true, &proof);
            assert_true(ct_consistency_verify(&proof, &old_head, &new_head));
            old_head.root.bytes[31] ^= 1;
            assert_false(ct_consistency_verify(&proof, &old_head, &new_head));
            old_head.root.bytes[31] ^= 1;
            struct ct_head other = new_head;
            other.root.bytes[0] ^= 1;
            assert_false(ct_consistency_verify(&proof, &old_head, &other));
            proof.hashes[proof.count++] = leaves[0];
            assert_false(ct_consistency_verify(&proof, &old_head, &new_head));
        }
    }
}

static void test_consistency_edges(void **state) {
    struct ct_proof none = {0};
    struct ct_head empty = {.root = ct_empty_root()};
    struct ct_head one = {.tree_size = 1, .root = leaves[0]};
    struct ct_head two = {.tree_size = 2, .root = naive_root(leaves, 2)};
    struct ct_head odd = {.root = leaves[0]};

    (void)state;
    assert_true(ct_consistency_verify(&none, &empty, &empty));
    assert_true(ct_consistency_verify(&none, &empty, &two));
    assert_false(ct_consistency_verify(&none, &odd, &two)); /* no leaves, but another root */
    assert_false(ct_consistency_verify(&none, &one, &two));
    assert_false(ct_consistency_verify(&none, &two, &one));
    none.hashes[none.count++] = leaves[1];
    assert_true(ct_consistency_verify(&none, &one, &two));
    assert_false(ct_consistency_verify(&none, &one, &one)); /* the same head with a proof */
    assert_false(ct_consistency_verify(&none, &empty, &one));
}

/* From any proof; from that of the last leaf the whole tree. */
static void test_range_from_proof(void **state) {
    static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 64, 65, 255, 256, 257, 600};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i];
        struct ct_head head = {.tree_size = size, .root = naive_root(leaves, size)};
        for (size_t index = 0; index < size; index += 1 + size / 40 * (index + 4 < size)) {
            struct ct_proof path = {0};
            struct ct_range range;
            naive_path(leaves, index, size, &path);
            assert_true(ct_range_from_proof(&path, &leaves[index], index, &head, &range));
            assert_int_equal(range.end, index + 1);
            assert_hash_equal(ct_range_root(&range), naive_root(leaves, index + 1));
            assert_true(ct_range_append(&range, leaves + index + 1, size - index - 1));
            assert_hash_equal(ct_range_root(&range), head.root);
            if (path.count) {
                path.hashes[0].bytes[5] ^= 1;
                assert_false(ct_range_from_proof(&path, &leaves[index], index, &head, &range));
            }
        }
    }
}

/* --- Tiles --- */

/* The tile's hashes, by recursion; a level above 0 makes it roots of whole subtrees. */
static size_t naive_tile(const struct ct_tile *tile, struct ct_hash out[CT_TILE_WIDTH]) {
    size_t step = (size_t)1 << (CT_TILE_HEIGHT * tile->level);

    for (size_t i = 0; i < tile->width; i++)
        out[i] = naive_root(leaves + (tile->index * CT_TILE_WIDTH + i) * step, step);
    return tile->width;
}

static void test_range_from_tiles(void **state) {
    static const size_t sizes[] = {0, 1, 2, 255, 256, 257, 511, 512, 600, 700};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct ct_head head = {.tree_size = sizes[i], .root = naive_root(leaves, sizes[i])};
        struct ct_tile tiles[CT_TILE_LEVELS];
        struct ct_hash hashes[CT_TILE_LEVELS][CT_TILE_WIDTH] = {0};
        struct slice bytes[CT_TILE_LEVELS];
        struct ct_range range;
        size_t count = ct_edge_tiles(head.tree_size, tiles);
        for (size_t at = 0; at < count; at++) {
            assert_int_equal(tiles[at].width,
                             ct_tile_width(tiles[at].level, tiles[at].index, head.tree_size));
            bytes[at] = (struct slice){hashes[at][0].bytes,
                                       naive_tile(&tiles[at], hashes[at]) * CT_HASH_BYTES};
        }
        assert_true(ct_range_from_tiles(bytes, &head, &range));
        assert_int_equal(range.end, sizes[i]);
        assert_hash_equal(ct_range_root(&range), head.root);
        if (count == 0)
            continue;

        bytes[count - 1].len -= CT_HASH_BYTES; /* too short */
        assert_false(ct_range_from_tiles(bytes, &head, &range));
        bytes[count - 1].len = CT_TILE_BYTES; /* the full one, since the partial one is gone */
        assert_true(ct_range_from_tiles(bytes, &head, &range));
        hashes[count - 1][0].bytes[3] ^= 1;
        assert_false(ct_range_from_tiles(bytes, &head, &range));
    }
}

/* The example of static-ct-api: 70,000 leaves. */
static void test_edge_tiles(void **state) {
    struct ct_tile tiles[CT_TILE_LEVELS];

    (void)state;
    assert_int_equal(ct_edge_tiles(70000, tiles), 3);
    assert_int_equal(tiles[0].level, 2);
    assert_int_equal(tiles[0].width, 1);
    assert_int_equal(tiles[0].index, 0);
    assert_int_equal(tiles[1].level, 1);
    assert_int_equal(tiles[1].width, 17);
    assert_int_equal(tiles[1].index, 1);
    assert_int_equal(tiles[2].level, 0);
    assert_int_equal(tiles[2].width, 112);
    assert_int_equal(tiles[2].index, 273);
    assert_int_equal(ct_edge_tiles(CT_TREE_SIZE_MAX, tiles), CT_TILE_LEVELS);
}

/* --- JSON --- */

static struct slice text(const char *words) {
    return slice_of(words);
}

#define HASH_A "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="

static void test_json(void **state) {
    struct ct_proof proof;
    struct buffer leaf;

    (void)state;
    buffer_init(&leaf);
    assert_true(ct_proof_parse_consistency(text("{\"consistency\":[]}"), &proof));
    assert_int_equal(proof.count, 0);
    assert_true(ct_proof_parse_consistency(
        text("{\"x\":1,\"consistency\":[\"" HASH_A "\",\"" HASH_A "\"]}"), &proof));
    assert_int_equal(proof.count, 2);
    assert_int_equal(proof.hashes[1].bytes[31], 'A');

    assert_false(ct_proof_parse_consistency(text("{}"), &proof));
    assert_false(ct_proof_parse_consistency(text("[]"), &proof));
    assert_false(ct_proof_parse_consistency(text(""), &proof));
    assert_false(ct_proof_parse_consistency(text("{\"consistency\":\"\"}"), &proof));
    assert_false(ct_proof_parse_consistency(text("{\"consistency\":[1]}"), &proof));
    assert_false(ct_proof_parse_consistency(text("{\"consistency\":[\"QUFB\"]}"), &proof));
    assert_false(ct_proof_parse_consistency(
        text("{\"consistency\":[\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\"]}"), &proof));

    assert_true(ct_proof_parse_entry(
        text("{\"leaf_input\":\"QUI=\",\"extra_data\":\"\",\"audit_path\":[\"" HASH_A "\"]}"),
        &proof, &leaf));
    assert_int_equal(proof.count, 1);
    assert_true(slice_is(buffer_slice(&leaf), "AB"));
    assert_false(
        ct_proof_parse_entry(text("{\"leaf_input\":\"QU=\",\"audit_path\":[]}"), &proof, &leaf));
    assert_false(ct_proof_parse_entry(text("{\"audit_path\":[]}"), &proof, &leaf));
    assert_int_equal(leaf.len, 2);
    buffer_deinit(&leaf);
}

static void test_json_too_long(void **state) {
    struct ct_proof proof;
    struct buffer json;

    (void)state;
    buffer_init(&json);
    buffer_add_text(&json, "{\"consistency\":[");
    for (unsigned i = 0; i < CT_PROOF_HASHES_MAX; i++)
        buffer_add_format(&json, "%s\"" HASH_A "\"", i ? "," : "");
    size_t len = json.len;
    buffer_add_text(&json, "]}");
    assert_true(ct_proof_parse_consistency(buffer_slice(&json), &proof));
    assert_int_equal(proof.count, CT_PROOF_HASHES_MAX);
    json.len = len;
    buffer_add_text(&json, ",\"" HASH_A "\"]}");
    assert_false(ct_proof_parse_consistency(buffer_slice(&json), &proof));
    buffer_deinit(&json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inclusion),
        cmocka_unit_test(test_consistency),
        cmocka_unit_test(test_consistency_edges),
        cmocka_unit_test(test_range_from_proof),
        cmocka_unit_test(test_range_from_tiles),
        cmocka_unit_test(test_edge_tiles),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_too_long),
    };

    naive_leaves(leaves, LEAVES);
    return cmocka_run_group_tests_name("proof", tests, NULL, NULL);
}
