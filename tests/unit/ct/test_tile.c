/* Where tiles are and how wide: the examples of static-ct-api and what lies around them. */
#include "engine/ct/tile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check_path(struct ct_tile tile, const char *wanted) {
    char path[CT_TILE_PATH_MAX];
    size_t len = ct_tile_path(&tile, path);

    assert_string_equal(path, wanted);
    assert_int_equal(len, strlen(wanted));
}

static void test_paths(void **state) {
    (void)state;
    check_path((struct ct_tile){CT_TILE_HASHES, 0, 256, 1234067}, "tile/0/x001/x234/067");
    check_path((struct ct_tile){CT_TILE_HASHES, 0, 256, 0}, "tile/0/000");
    check_path((struct ct_tile){CT_TILE_HASHES, 5, 1, 0}, "tile/5/000.p/1");
    check_path((struct ct_tile){CT_TILE_HASHES, 1, 255, 999}, "tile/1/999.p/255");
    check_path((struct ct_tile){CT_TILE_HASHES, 2, 17, 1000}, "tile/2/x001/000.p/17");
    check_path((struct ct_tile){CT_TILE_DATA, 0, 256, 1000000}, "tile/data/x001/x000/000");
    check_path((struct ct_tile){CT_TILE_DATA, 0, 112, 273}, "tile/data/273.p/112");
    check_path((struct ct_tile){CT_TILE_DATA, 0, 255, UINT64_MAX},
               "tile/data/x018/x446/x744/x073/x709/x551/615.p/255");
}

static void test_widths(void **state) {
    (void)state;
    assert_int_equal(ct_tile_width(0, 272, 70000), 256);
    assert_int_equal(ct_tile_width(0, 273, 70000), 112);
    assert_int_equal(ct_tile_width(0, 274, 70000), 0);
    assert_int_equal(ct_tile_width(1, 0, 70000), 256);
    assert_int_equal(ct_tile_width(1, 1, 70000), 17);
    assert_int_equal(ct_tile_width(2, 0, 70000), 1);
    assert_int_equal(ct_tile_width(3, 0, 70000), 0);
    assert_int_equal(ct_tile_width(0, 0, 256), 256);
    assert_int_equal(ct_tile_width(0, 1, 256), 0);
    assert_int_equal(ct_tile_width(1, 0, 256), 1);
    assert_int_equal(ct_tile_width(0, 0, 0), 0);
    assert_int_equal(ct_tile_width(5, 0, CT_TREE_SIZE_MAX), 255);
    assert_int_equal(ct_tile_width(0, UINT64_MAX, CT_TREE_SIZE_MAX), 0);
}

static void test_hashes(void **state) {
    static const uint8_t bytes[CT_TILE_BYTES + CT_HASH_BYTES] = {[32] = 7};

    (void)state;
    assert_null(ct_tile_hashes((struct slice){bytes, 31}, 1));
    assert_null(ct_tile_hashes((struct slice){bytes, 33}, 1));
    assert_null(ct_tile_hashes((struct slice){bytes, 32}, 2));
    assert_null(ct_tile_hashes((struct slice){NULL, 0}, 1));
    assert_null(ct_tile_hashes((struct slice){bytes, sizeof bytes}, 256));
    assert_ptr_equal(ct_tile_hashes((struct slice){bytes, 64}, 2), bytes);
    assert_ptr_equal(ct_tile_hashes((struct slice){bytes, CT_TILE_BYTES}, 2), bytes);
    assert_int_equal(ct_tile_hashes((struct slice){bytes, CT_TILE_BYTES}, 256)[1].bytes[0], 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_hashes),
    };

    return cmocka_run_group_tests_name("tile", tests, NULL, NULL);
}
