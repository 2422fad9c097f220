#include "engine/record/value_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BYTES(literal) ((struct slice){(const uint8_t *)(literal), sizeof(literal) - 1})

static void assert_utf8(struct slice text, struct slice expected) {
    uint8_t out[64];

    assert_int_equal(value_text_utf8_length(text), expected.len);
    value_text_write_utf8(out, text);
    assert_memory_equal(out, expected.ptr, expected.len);
}

static void test_utf8(void **state) {
    (void)state;

    assert_utf8(BYTES(""), BYTES(""));
    assert_utf8(BYTES("plain and long enough"), BYTES("plain and long enough"));
    assert_utf8(BYTES("\x00\x1b\xc3\xa4"), BYTES("\x00\x1b\xc3\xa4"));
    assert_utf8(BYTES("1234567\xff"), BYTES("1234567\xef\xbf\xbd"));
    assert_utf8(BYTES("12345678\xe2\x82."), BYTES("12345678\xef\xbf\xbd\xef\xbf\xbd."));
}

static void assert_text(struct value value, const char *expected) {
    struct buffer out;

    buffer_init(&out);
    value_text_add(&value, &out);
    assert_true(slice_is(buffer_slice(&out), expected));
    buffer_deinit(&out);
}

static void test_values(void **state) {
    (void)state;

    assert_text((struct value){.kind = VALUE_ABSENT}, "");
    assert_text((struct value){.kind = VALUE_INTEGER, .integer = -5}, "-5");
    assert_text((struct value){.kind = VALUE_REAL, .real = -0.126}, "-0.13");
    assert_text((struct value){.kind = VALUE_BOOLEAN, .boolean = true}, "true");
    assert_text((struct value){.kind = VALUE_BOOLEAN}, "false");
    assert_text((struct value){.kind = VALUE_TIME}, "1970-01-01T00:00:00Z");
    assert_text((struct value){.kind = VALUE_TIME_MS, .integer = 1}, "1970-01-01T00:00:00.001Z");
    assert_text((struct value){.kind = VALUE_HEX, .bytes = BYTES("\x00\xab")}, "00ab");
    assert_text((struct value){.kind = VALUE_BASE64, .bytes = BYTES("foob")}, "Zm9vYg==");
    struct address address = {.family = ADDRESS_V6, .bytes = {0x20, 1, 0x0d, 0xb8, [15] = 1}};
    assert_text((struct value){.kind = VALUE_ADDRESS, .address = &address}, "2001:db8::1");
    assert_text((struct value){.kind = VALUE_CODE, .integer = 0x0a0b}, "0x0a0b");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
