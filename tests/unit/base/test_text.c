#include "engine/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define BYTES(literal) ((struct slice){(const uint8_t *)(literal), sizeof(literal) - 1})

/* Asserts what is in the buffer, and empties it. */
static void assert_text(struct buffer *out, const char *expected) {
    assert_false(out->failed);
    buffer_add_byte(out, 0);
    assert_string_equal((const char *)out->ptr, expected);
    out->len = 0;
}

static void test_integers(void **state) {
    (void)state;
    static const int64_t NUMBERS[] = {0,         1,       9,        10,       99,        100,
                                      101,       999,     1000,     65535,    123456,    INT64_MAX,
                                      INT64_MIN, -1,      -10,      -99,      -100,      10000,
                                      99999,     1000000, 20260101, -9999999, 4294967296};
    struct buffer out;
    char expected[32];

    buffer_init(&out);
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        snprintf(expected, sizeof expected, "%lld", (long long)NUMBERS[i]);
        text_add_integer(&out, NUMBERS[i]);
        assert_text(&out, expected);
    }
    buffer_deinit(&out);
}

/* Every day of the years 0 to 9999, at an hour that wanders, as the C library has it. */
static void test_times(void **state) {
    (void)state;
    struct buffer out;
    char expected[48];

    buffer_init(&out);
    for (int64_t at = -62167219200; at <= 253402300799; at += 86400 + 11) {
        time_t seconds = (time_t)at;
        struct tm tm;
        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        text_add_time(&out, at);
        assert_text(&out, expected);
    }
    buffer_deinit(&out);
}

static void test_time_ends(void **state) {
    (void)state;
    struct buffer out;

    buffer_init(&out);
    text_add_time(&out, INT64_MIN);
    assert_text(&out, "0000-01-01T00:00:00Z");
    text_add_time(&out, -62167219201);
    assert_text(&out, "0000-01-01T00:00:00Z");
    text_add_time(&out, 253402300800);
    assert_text(&out, "9999-12-31T23:59:59Z");
    text_add_time(&out, INT64_MAX);
    assert_text(&out, "9999-12-31T23:59:59Z");
    text_add_time(&out, 951782399);
    assert_text(&out, "2000-02-28T23:59:59Z");
    text_add_time(&out, 951782400);
    assert_text(&out, "2000-02-29T00:00:00Z");

    text_add_time_ms(&out, 1795233405123);
    assert_text(&out, "2026-11-21T03:56:45.123Z");
    text_add_time_ms(&out, 0);
    assert_text(&out, "1970-01-01T00:00:00.000Z");
    text_add_time_ms(&out, -1);
    assert_text(&out, "1969-12-31T23:59:59.999Z");
    text_add_time_ms(&out, INT64_MAX);
    assert_text(&out, "9999-12-31T23:59:59.999Z");
    text_add_time_ms(&out, INT64_MIN);
    assert_text(&out, "0000-01-01T00:00:00.000Z");
    buffer_deinit(&out);
}

static void test_hex(void **state) {
    (void)state;
    struct buffer out;
    uint8_t bytes[256];
    char expected[2 * sizeof bytes + 1] = "";

    buffer_init(&out);
    text_add_hex(&out, (struct slice){NULL, 0});
    assert_text(&out, "");
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 131 + 7); /* goes through all values */
        snprintf(expected + 2 * i, 3, "%02x", bytes[i]);
        text_add_hex(&out, (struct slice){bytes, i + 1});
        assert_text(&out, expected);
    }
    buffer_deinit(&out);
}

/* RFC 4648 section 10, and a byte of every value. */
static void test_base64(void **state) {
    (void)state;
    static const char *const VECTORS[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    struct buffer out;

    buffer_init(&out);
    for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
        text_add_base64(&out, slice_of(VECTORS[i][0]));
        assert_text(&out, VECTORS[i][1]);
    }
    text_add_base64(&out,
                    BYTES("\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51"
                          "\x55\x97\x61\x96\x9b\x71\xd7\x9f\x82\x18\xa3\x92\x59\xa7\xa2\x9a"
                          "\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3\x5d\xb7\xe3\x9e\xbb\xf3\xdf\xbf"));
    assert_text(&out, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    buffer_deinit(&out);
}

static size_t encode_rune(uint32_t code, uint8_t out[4]) {
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        out[i] = (uint8_t)(0x80 | (code & 0x3f));
    out[0] = (uint8_t)(0xf00 >> len | code);
    return len;
}

static void test_runes(void **state) {
    (void)state;
    uint8_t bytes[4];

    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        size_t len = encode_rune(code, bytes);
        struct text_rune rune = text_rune_first((struct slice){bytes, len});
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        assert_int_equal(rune.valid, !surrogate);
        assert_int_equal(rune.len, surrogate ? 1 : len);
        if (!surrogate)
            assert_int_equal(rune.code, code);
        for (size_t cut = 1; cut < len; cut++)
            assert_false(text_rune_first((struct slice){bytes, cut}).valid);
    }
}

static void test_broken_runes(void **state) {
    (void)state;
    static const struct slice BROKEN[] = {
        {(const uint8_t *)"\x80", 1},
        {(const uint8_t *)"\xbf", 1},
        {(const uint8_t *)"\xc0\x80", 2},
        {(const uint8_t *)"\xc1\xbf", 2},
        {(const uint8_t *)"\xe0\x80\x80", 3},
        {(const uint8_t *)"\xe0\x9f\xbf", 3},
        {(const uint8_t *)"\xf0\x80\x80\x80", 4},
        {(const uint8_t *)"\xf0\x8f\xbf\xbf", 4},
        {(const uint8_t *)"\xf4\x90\x80\x80", 4},
        {(const uint8_t *)"\xf5\x80\x80\x80", 4},
        {(const uint8_t *)"\xff", 1},
        {(const uint8_t *)"\xfe\x80\x80\x80", 4},
        {(const uint8_t *)"\xc3(", 2},
        {(const uint8_t *)"\xe2\x82(", 3},
        {(const uint8_t *)"\xf0\x9f\x98(", 4},
        {(const uint8_t *)"\xf0(\x98\x80", 4},
    };

    for (size_t i = 0; i < sizeof BROKEN / sizeof BROKEN[0]; i++) {
        struct text_rune rune = text_rune_first(BROKEN[i]);
        assert_false(rune.valid);
        assert_int_equal(rune.len, 1);
        assert_false(text_is_utf8(BROKEN[i]));
    }
    assert_true(text_is_utf8(slice_of("a\u00e9\u20ac\U0001f600")));
    assert_true(text_is_utf8(slice_of("")));
}

static void test_unsafe(void **state) {
    (void)state;
    uint32_t count = 0;

    for (uint32_t code = 0; code <= 0x10ffff; code++)
        count += text_rune_is_unsafe(code);
    assert_int_equal(count, 32 + 1 + 32 + 1 + 2 + 2 + 5 + 4);
    assert_false(text_rune_is_unsafe(' '));
    assert_true(text_rune_is_unsafe(0x7f));
    assert_true(text_rune_is_unsafe(0x9b));
    assert_true(text_rune_is_unsafe(0x61c));
    assert_true(text_rune_is_unsafe(0x2029));
    assert_true(text_rune_is_unsafe(0x202e));
    assert_true(text_rune_is_unsafe(0x2066));
}

static void test_safe(void **state) {
    (void)state;
    struct buffer out;

    buffer_init(&out);
    text_add_safe(&out, BYTES("plain ~ \xc3\xa4\xe4\xbe\x8b\xf0\x9f\x98\x80"));
    assert_text(&out, "plain ~ \xc3\xa4\xe4\xbe\x8b\xf0\x9f\x98\x80");
    text_add_safe(&out, BYTES("\x1b[2J\n\r\t\x00\x7f"));
    assert_text(&out, "\\u{1b}[2J\\u{a}\\u{d}\\u{9}\\u{0}\\u{7f}");
    text_add_safe(&out, BYTES("a\xc2\x9b"
                              "b\xe2\x80\xae"
                              "c\xe2\x80\xa8\xd8\x9c"));
    assert_text(&out, "a\\u{9b}b\\u{202e}c\\u{2028}\\u{61c}");
    text_add_safe(&out, BYTES("\xff\xc3"));
    assert_text(&out, "\\xff\\xc3");
    text_add_safe_word(&out, BYTES("two words\n"));
    assert_text(&out, "two\\u{20}words\\u{a}");
    text_add_safe(&out, (struct slice){NULL, 0});
    assert_text(&out, "");
    buffer_deinit(&out);
}

static void assert_fit(const char *text, size_t columns, size_t bytes, size_t width) {
    size_t found;

    assert_int_equal(text_fit(slice_of(text), columns, &found), bytes);
    assert_int_equal(found, width);
}

static void test_fit(void **state) {
    (void)state;

    assert_fit("", 5, 0, 0);
    assert_fit("abc", 5, 3, 3);
    assert_fit("abcdef", 5, 5, 5);
    assert_fit("abc", 0, 0, 0);
    assert_fit("\xc3\xa4"
               "b",
               1, 2, 1);
    assert_fit("\xe4\xbe\x8b\xe4\xbe\x8b", 3, 3, 2); /* two wide ones in three columns */
    assert_fit("e\xcc\x81x", 1, 3, 1);               /* a combining accent goes with its letter */
}

static void assert_distance(const char *a, const char *b, uint32_t expected) {
    assert_int_equal(text_distance(slice_of(a), slice_of(b)), expected);
    assert_int_equal(text_distance(slice_of(b), slice_of(a)), expected);
}

/* Distances that the literature has; "ca" to "abc" tells optimal string alignment (3) from
 * Damerau's distance without its restriction (2). */
static void test_distances(void **state) {
    (void)state;
    char word[80];

    assert_distance("", "", 0);
    assert_distance("", "abc", 3);
    assert_distance("same", "same", 0);
    assert_distance("kitten", "sitting", 3);
    assert_distance("saturday", "sunday", 3);
    assert_distance("intention", "execution", 5);
    assert_distance("rate", "rates", 1);
    assert_distance("rate", "rtae", 1);
    assert_distance("ab", "ba", 1);
    assert_distance("ca", "abc", 3);
    assert_distance("host", "HOST", 4);
    memset(word, 'x', sizeof word);
    struct slice longest = {(const uint8_t *)word, 63}, longer = {(const uint8_t *)word, 64};
    assert_int_equal(text_distance(longest, longest), 0);
    assert_int_equal(text_distance(longest, slice_of("")), 63);
    assert_int_equal(text_distance(longer, longer), UINT32_MAX);
    assert_int_equal(text_distance(slice_of(""), longer), UINT32_MAX);
}

static void test_near(void **state) {
    (void)state;

    assert_true(text_is_near(slice_of("prt"), slice_of("port")));
    assert_false(text_is_near(slice_of("prt"), slice_of("ports")));
    assert_true(text_is_near(slice_of("qiuet"), slice_of("quiet")));
    assert_true(text_is_near(slice_of("tiemuot"), slice_of("timeout")));
    assert_false(text_is_near(slice_of("rate"), slice_of("tear")));
    assert_false(text_is_near((struct slice){(const uint8_t *)"", 0}, slice_of("rate")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),     cmocka_unit_test(test_times),
        cmocka_unit_test(test_time_ends),    cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64),       cmocka_unit_test(test_runes),
        cmocka_unit_test(test_broken_runes), cmocka_unit_test(test_unsafe),
        cmocka_unit_test(test_safe),         cmocka_unit_test(test_fit),
        cmocka_unit_test(test_distances),    cmocka_unit_test(test_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
