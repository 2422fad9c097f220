#include "engine/base/buffer.h"
#include "engine/base/limits.h"
#include "ingest/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Takes all lines that are complete, each as "LINE|", or "LENGTH!" when it is too long. */
static enum input_result drain(struct input *input, struct buffer *out) {
    struct slice line;
    enum input_result result;
    while ((result = input_line(input, &line)) == INPUT_LINE || result == INPUT_TOO_LONG) {
        if (result == INPUT_LINE)
            buffer_add_slice(out, line);
        else
            buffer_add_format(out, "%zu", line.len);
        buffer_add_byte(out, result == INPUT_LINE ? '|' : '!');
    }
    return result;
}

static void feed(struct input *input, struct slice bytes) {
    size_t space;
    uint8_t *to = input_space(input, &space);
    assert_true(space >= bytes.len);
    if (bytes.len)
        memcpy(to, bytes.ptr, bytes.len);
    input_add(input, bytes.len);
}

static void assert_lines(const char *text, const char *expected) {
    struct slice whole = slice_of(text);
    for (size_t at = 0; at <= whole.len; at++) {
        struct input input;
        struct buffer out;
        buffer_init(&out);
        assert_true(input_init(&input));
        feed(&input, slice_first(whole, at));
        assert_int_equal(drain(&input, &out), INPUT_MORE);
        feed(&input, slice_from(whole, at));
        assert_int_equal(drain(&input, &out), INPUT_MORE);
        input_finish(&input);
        assert_int_equal(drain(&input, &out), INPUT_END);
        assert_int_equal(drain(&input, &out), INPUT_END);
        assert_true(slice_equal(buffer_slice(&out), slice_of(expected)));
        buffer_deinit(&out);
        input_deinit(&input);
    }
}

static void split_at_every_byte(void **state) {
    (void)state;
    assert_lines("", "");
    assert_lines("\n", "|");
    assert_lines("a", "a|");
    assert_lines("a\n", "a|");
    assert_lines("one\ntwo\r\n\n\nlast", "one|two\r|||last|");
}

static void handed_out_at_once(void **state) {
    (void)state;
    struct input input;
    struct slice line;
    assert_true(input_init(&input));
    feed(&input, slice_of("first\nsec"));
    assert_int_equal(input_line(&input, &line), INPUT_LINE);
    assert_true(slice_is(line, "first"));
    assert_int_equal(input.number, 1);
    assert_int_equal(input_line(&input, &line), INPUT_MORE);
    feed(&input, slice_of("ond\n"));
    assert_int_equal(input_line(&input, &line), INPUT_LINE);
    assert_true(slice_is(line, "second"));
    assert_int_equal(input.number, 2);
    input_deinit(&input);
}

/* Lines around the limit, in pieces of every kind of size: a long one is one event, its number
 * counts once, and the next line is in step. */
static void long_lines(void **state) {
    (void)state;
    enum { L = LIMIT_LINE_BYTES };
    static const size_t sizes[] = {L - 1, L, L + 1, 2 * L, 200000, 0, L + 1, L, 1000000};
    static const size_t steps[] = {1, 7, L - 1, L, L + 1, 60000};
    struct buffer text, expected;
    buffer_init(&text);
    buffer_init(&expected);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t n = 0; n < sizes[i]; n++)
            buffer_add_byte(&text, 'x');
        if (sizes[i] <= L)
            buffer_add(&expected, text.ptr + text.len - sizes[i], sizes[i]);
        else
            buffer_add_format(&expected, "%d", L);
        buffer_add_byte(&expected, sizes[i] <= L ? '|' : '!');
        if (i + 1 < sizeof sizes / sizeof *sizes)
            buffer_add_byte(&text, '\n');
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct input input;
        struct buffer out;
        buffer_init(&out);
        assert_true(input_init(&input));
        for (size_t at = 0; at < text.len; at += steps[i]) {
            feed(&input, slice_first(slice_from(buffer_slice(&text), at), steps[i]));
            assert_int_equal(drain(&input, &out), INPUT_MORE);
        }
        input_finish(&input);
        assert_int_equal(drain(&input, &out), INPUT_END);
        assert_int_equal(input.number, sizeof sizes / sizeof *sizes);
        assert_true(slice_equal(buffer_slice(&out), buffer_slice(&expected)));
        buffer_deinit(&out);
        input_deinit(&input);
    }
    buffer_deinit(&text);
    buffer_deinit(&expected);
}

static void zero_bytes_are_bytes(void **state) {
    (void)state;
    struct input input;
    struct slice line;
    assert_true(input_init(&input));
    feed(&input, (struct slice){(const uint8_t *)"a\0b\n\0", 5});
    input_finish(&input);
    assert_int_equal(input_line(&input, &line), INPUT_LINE);
    assert_true(slice_equal(line, (struct slice){(const uint8_t *)"a\0b", 3}));
    assert_int_equal(input_line(&input, &line), INPUT_LINE);
    assert_int_equal(line.len, 1);
    assert_int_equal(input_line(&input, &line), INPUT_END);
    input_deinit(&input);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_at_every_byte),
        cmocka_unit_test(handed_out_at_once),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(zero_bytes_are_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
