#include "engine/base/buffer.h"

#include "engine/base/random.h"
#include "tests/unit/base/no_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_adding(void **state) {
    (void)state;
    struct buffer buffer;

    buffer_init(&buffer);
    assert_int_equal(buffer_slice(&buffer).len, 0);
    buffer_add(&buffer, "ab\0", 3);
    buffer_add_byte(&buffer, 'c');
    buffer_add_slice(&buffer, (struct slice){NULL, 0});
    buffer_add_slice(&buffer, slice_of("de"));
    buffer_add_text(&buffer, "");
    buffer_add_text(&buffer, "fg");
    buffer_add(&buffer, NULL, 0);
    assert_true(
        slice_equal(buffer_slice(&buffer), (struct slice){(const uint8_t *)"ab\0cdefg", 8}));
    assert_false(buffer.failed);
    buffer_deinit(&buffer);
    assert_null(buffer.ptr);
    buffer_add_byte(&buffer, 'x'); /* as good as new */
    assert_true(slice_is(buffer_slice(&buffer), "x"));
    buffer_deinit(&buffer);
}

/* Against a plain array, over every kind of growth. */
static void test_growing(void **state) {
    (void)state;
    enum { TOTAL = 1 << 20 };
    uint8_t *expected = malloc(TOTAL);
    struct random random;
    struct buffer buffer;

    random_init(&random, 3);
    random_fill(&random, expected, TOTAL);
    buffer_init(&buffer);
    while (buffer.len < TOTAL) {
        size_t len = random_below(&random, random_below(&random, 8) ? 300 : 70000);
        if (len > TOTAL - buffer.len)
            len = TOTAL - buffer.len;
        if (len == 1) {
            buffer_add_byte(&buffer, expected[buffer.len]);
        } else if (len % 2) {
            uint8_t *at = buffer_reserve(&buffer, len);
            assert_non_null(at);
            assert_true(buffer.capacity - buffer.len >= len);
            memcpy(at, expected + buffer.len, len);
            buffer.len += len;
        } else {
            buffer_add(&buffer, expected + buffer.len, len);
        }
    }
    assert_memory_equal(buffer.ptr, expected, TOTAL);
    assert_true(buffer.capacity < 3 * TOTAL);
    buffer_deinit(&buffer);
    free(expected);
}

/* Around the capacity: the terminator that printf writes must have its place too. */
static void test_format(void **state) {
    (void)state;
    char words[600];

    memset(words, 'w', sizeof words);
    for (int len = 240; len < 270; len++) {
        struct buffer buffer;
        buffer_init(&buffer);
        buffer_add_format(&buffer, "%.*s", len, words);
        assert_int_equal(buffer.len, len);
        assert_true(buffer.capacity > buffer.len);
        buffer_add_format(&buffer, "%s", "");
        buffer_add_format(&buffer, "-%d|%s", 42, "end");
        assert_int_equal(buffer.len, len + 7);
        assert_memory_equal(buffer.ptr + len, "-42|end", 7);
        buffer_deinit(&buffer);
    }
}

/* What was there stays; what follows does nothing, small as it may be. */
static void assert_failed_for_good(struct buffer *buffer) {
    assert_true(buffer->failed);
    buffer_add_byte(buffer, 'x');
    buffer_add_text(buffer, "more");
    buffer_add_format(buffer, "%d", 5);
    assert_null(buffer_reserve(buffer, 1));
    assert_null(buffer_reserve(buffer, 0));
    assert_true(buffer->failed);
    assert_true(slice_is(buffer_slice(buffer), "before"));
    buffer_deinit(buffer);
    assert_false(buffer->failed);
}

static void test_no_memory(void **state) {
    (void)state;
    static const size_t TOO_MUCH[] = {NO_MEMORY_BYTES, SIZE_MAX / 4, SIZE_MAX / 4 + 1, SIZE_MAX};
    struct buffer buffer;

    for (size_t i = 0; i < sizeof TOO_MUCH / sizeof TOO_MUCH[0]; i++) {
        buffer_init(&buffer);
        buffer_add_text(&buffer, "before");
        assert_null(buffer_reserve(&buffer, TOO_MUCH[i]));
        assert_failed_for_good(&buffer);
    }
    buffer_init(&buffer);
    assert_null(buffer_reserve(&buffer, NO_MEMORY_BYTES)); /* the first allocation of all */
    assert_true(buffer.failed);
    assert_null(buffer.ptr);
    buffer_deinit(&buffer);
}

static void test_format_without_memory(void **state) {
    (void)state;
    struct buffer buffer = {.failed = true};

    buffer_add_format(&buffer, "%s", "text");
    assert_int_equal(buffer.len, 0);
    assert_null(buffer.ptr);
    buffer_deinit(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adding),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_format_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
