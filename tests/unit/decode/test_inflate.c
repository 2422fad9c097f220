#include "engine/decode/inflate.h"

#include "tests/unit/decode/fixture.h"

static struct buffer gzip_of(const char *text, size_t times) {
    struct buffer plain, out;

    buffer_init(&plain);
    buffer_init(&out);
    for (size_t i = 0; i < times; i++)
        buffer_add_text(&plain, text);
    assert_true(ctfarm_gzip(buffer_slice(&plain), &out));
    buffer_deinit(&plain);
    return out;
}

static void assert_error(struct slice bytes, size_t most, const char *wanted) {
    struct buffer out;

    buffer_init(&out);
    const char *error = inflate_gzip(bytes, most, &out);
    if (!error || strcmp(error, wanted) != 0)
        fail_msg("\"%s\" is not \"%s\"", error ? error : "", wanted);
    buffer_deinit(&out);
}

static void test_members(void **state) {
    struct buffer one = gzip_of("first ", 1), two = gzip_of("second", 1), nothing = gzip_of("", 0);
    struct buffer out;

    (void)state;
    assert_true(is_gzip(buffer_slice(&one)));
    assert_false(is_gzip(slice_of("\x1f\x8b")));
    assert_false(is_gzip(slice_of("first")));
    buffer_add_slice(&one, buffer_slice(&nothing));
    buffer_add_slice(&one, buffer_slice(&two));
    buffer_init(&out);
    buffer_add_text(&out, "before ");
    assert_null(inflate_gzip(buffer_slice(&one), 1000, &out));
    assert_text(buffer_slice(&out), "before first second");
    buffer_deinit(&out);
    buffer_deinit(&one);
    buffer_deinit(&two);
    buffer_deinit(&nothing);
}

static void test_errors(void **state) {
    struct buffer whole = gzip_of("all the same ", 100000);
    struct slice bytes = buffer_slice(&whole);

    (void)state;
    for (size_t len = 0; len < bytes.len; len += 1 + bytes.len / 50)
        assert_error(slice_first(bytes, len), 1 << 22, "cut off");
    assert_error(bytes, 1000, "inflates to more than any page");
    assert_error(bytes, 1299999, "inflates to more than any page");
    assert_error(slice_of("no gzip at all, but long enough"), 1000, "broken");
    whole.ptr[whole.len - 6] ^= 1; /* of the checksum */
    assert_error(bytes, 1 << 22, "broken");
    whole.ptr[whole.len - 6] ^= 1;
    buffer_add_text(&whole, "rubbish behind it");
    assert_error(buffer_slice(&whole), 1 << 22, "broken");
    buffer_deinit(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
