#include "engine/base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BYTES(literal) ((struct slice){(const uint8_t *)(literal), sizeof(literal) - 1})

static const struct slice NOTHING = {NULL, 0};

static void test_equal(void **state) {
    (void)state;

    assert_true(slice_equal(BYTES("a\0b"), BYTES("a\0b")));
    assert_false(slice_equal(BYTES("a\0b"), BYTES("a\0c")));
    assert_false(slice_equal(BYTES("ab"), BYTES("abc")));
    assert_true(slice_equal(NOTHING, BYTES("")));
    assert_true(slice_equal(NOTHING, NOTHING));
    assert_true(slice_is(BYTES("host"), "host"));
    assert_false(slice_is(BYTES("host\0"), "host"));
    assert_false(slice_is(BYTES("hos"), "host"));
    assert_true(slice_is(NOTHING, ""));
}

static void test_equal_nocase(void **state) {
    (void)state;

    assert_true(slice_equal_nocase(BYTES("Example.ORG"), BYTES("eXAMPLE.org")));
    assert_true(slice_equal_nocase(NOTHING, BYTES("")));
    assert_false(slice_equal_nocase(BYTES("a"), BYTES("ab")));
    /* neighbours of the letters in ASCII, 0x20 apart: no letters themselves */
    assert_false(slice_equal_nocase(BYTES("@"), BYTES("`")));
    assert_false(slice_equal_nocase(BYTES("["), BYTES("{")));
    assert_false(slice_equal_nocase(BYTES("\xc4"), BYTES("\xe4")));
}

static void test_parts(void **state) {
    (void)state;
    struct slice word = BYTES("0123456789");

    assert_true(slice_is(slice_from(word, 0), "0123456789"));
    assert_true(slice_is(slice_from(word, 7), "789"));
    assert_int_equal(slice_from(word, 10).len, 0);
    assert_int_equal(slice_from(word, SIZE_MAX).len, 0);
    assert_int_equal(slice_from(NOTHING, 0).len, 0);
    assert_true(slice_is(slice_first(word, 3), "012"));
    assert_true(slice_is(slice_first(word, SIZE_MAX), "0123456789"));
    assert_int_equal(slice_first(word, 0).len, 0);
    assert_int_equal(slice_first(NOTHING, 5).len, 0);
}

static void test_trim(void **state) {
    (void)state;

    assert_true(slice_is(slice_trim(BYTES(" \t\r\n a b \n\r\t ")), "a b"));
    assert_true(slice_is(slice_trim(BYTES("ab")), "ab"));
    assert_int_equal(slice_trim(BYTES(" \r\n\t ")).len, 0);
    assert_int_equal(slice_trim(NOTHING).len, 0);
    assert_true(slice_equal(slice_trim(BYTES(" \0 ")), BYTES("\0")));
    assert_true(slice_is(slice_trim(BYTES("\v\f\xa0")), "\v\f\xa0"));
}

static void assert_number(struct slice text, uint64_t max, uint64_t expected) {
    uint64_t number = 77;

    assert_true(slice_to_u64(text, max, &number));
    assert_int_equal(number, expected);
}

static void assert_no_number(struct slice text, uint64_t max) {
    uint64_t number = 77;

    assert_false(slice_to_u64(text, max, &number));
    assert_int_equal(number, 77);
}

static void test_numbers(void **state) {
    (void)state;

    assert_number(BYTES("0"), 0, 0);
    assert_number(BYTES("007"), 9, 7);
    assert_number(BYTES("65535"), 65535, 65535);
    assert_number(BYTES("18446744073709551615"), UINT64_MAX, UINT64_MAX);
    assert_number(BYTES("0000000000000000000000000000000000001"), UINT64_MAX, 1);
    assert_no_number(BYTES("65536"), 65535);
    assert_no_number(BYTES("1"), 0);
    assert_no_number(BYTES("18446744073709551616"), UINT64_MAX);
    assert_no_number(BYTES("18446744073709551620"), UINT64_MAX);
    assert_no_number(BYTES("99999999999999999999999"), UINT64_MAX);
    assert_no_number(NOTHING, UINT64_MAX);
    assert_no_number(BYTES("-1"), UINT64_MAX);
    assert_no_number(BYTES("+1"), UINT64_MAX);
    assert_no_number(BYTES(" 1"), UINT64_MAX);
    assert_no_number(BYTES("1 "), UINT64_MAX);
    assert_no_number(BYTES("1\0"), UINT64_MAX);
    assert_no_number(BYTES("0x1"), UINT64_MAX);
    assert_no_number(BYTES("1/"), UINT64_MAX);
    assert_no_number(BYTES("1:"), UINT64_MAX);
    assert_no_number(BYTES("\xd9\xa1"), UINT64_MAX); /* an Arabic one */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),   cmocka_unit_test(test_equal_nocase),
        cmocka_unit_test(test_parts),   cmocka_unit_test(test_trim),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
