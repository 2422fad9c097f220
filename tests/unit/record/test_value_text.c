#include "engine/record/value_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BYTES(literal) ((struct slice){(const uint8_t *)(literal), sizeof(literal) - 1})

static void assert_same_address(const struct address *address) {
    char expected[ADDRESS_TEXT_MAX], got[ADDRESS_TEXT_MAX];
    size_t len = address_format(address, expected);

    assert_int_equal(value_text_write_address(address, got), len);
    assert_memory_equal(got, expected, len);
}

/* The fast way for IPv4 must not differ from the usual one. */
static void test_addresses(void **state) {
    (void)state;
    struct address address = {.family = ADDRESS_V4};

    for (unsigned octet = 0; octet < 256; octet++) {
        for (size_t i = 0; i < 4; i++)
            address.bytes[i] = (uint8_t)(octet + i * 64);
        assert_same_address(&address);
    }
    assert_true(address_parse(slice_of("2001:db8::1"), &address));
    assert_same_address(&address);
    assert_true(address_parse(slice_of("fe80::1%7"), &address));
    assert_same_address(&address);
}

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
    assert_text((struct value){.kind = VALUE_CODE, .integer = 0x0a0b}, "0x0a0b");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
