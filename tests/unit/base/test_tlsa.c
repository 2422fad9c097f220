#include "engine/base/tlsa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_copy(void **state) {
    (void)state;
    uint8_t bytes[] = {1, 2, 3, 4, 5};
    const struct tlsa records[] = {
        {3, 1, 1, {bytes, 2}}, {2, 0, 9, {NULL, 0}}, {255, 0, 0, {bytes, 5}}};
    struct tlsa_set *set = tlsa_set_new(records, 3);

    assert_non_null(set);
    bytes[1] = 99;
    assert_int_equal(set->count, 3);
    assert_int_equal(set->records[0].usage, 3);
    assert_int_equal(set->records[1].matching_type, 9);
    assert_int_equal(set->records[2].usage, 255);
    assert_true(slice_equal(set->records[0].data, slice_of("\1\2")));
    assert_int_equal(set->records[1].data.len, 0);
    assert_true(slice_equal(set->records[2].data, slice_of("\1\2\3\4\5")));
    free(set);

    set = tlsa_set_new(NULL, 0);
    assert_non_null(set);
    assert_int_equal(set->count, 0);
    free(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_copy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
