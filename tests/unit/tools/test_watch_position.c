/* Positions in leases: what was written comes back; what others wrote does no harm. */
#include "tools/trawl/watch_position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static enum error read_text(const char *text, struct failure *failure) {
    struct watch_position position;

    watch_position_init(&position);
    enum error error = watch_position_read(&position, slice_of(text), failure);
    watch_position_deinit(&position);
    return error;
}

static void test_round_trip(void **unused) {
    (void)unused;
    struct watch_position position, again;
    struct failure failure;
    struct buffer value;

    watch_position_init(&position);
    watch_position_init(&again);
    buffer_init(&value);
    position.committed = UINT64_MAX;
    position.verified = 1;
    for (unsigned i = 0; i < 16 * 1024; i++)
        buffer_add_byte(&position.saved, (uint8_t)(i * 7));
    watch_position_write(&position, &value);
    assert_int_equal(watch_position_read(&again, buffer_slice(&value), &failure), ERROR_NONE);
    assert_true(again.committed == UINT64_MAX);
    assert_int_equal(again.verified, 1);
    assert_true(slice_equal(buffer_slice(&again.saved), buffer_slice(&position.saved)));
    buffer_deinit(&value);
    watch_position_deinit(&position);
    watch_position_deinit(&again);
}

static void test_odd(void **unused) {
    (void)unused;
    static const char *const odd[] = {
        "x",
        "{}",
        "[1]",
        "{\"version\":1,\"committed\":1,\"verified\":1}",
        "{\"version\":1,\"committed\":-1,\"verified\":1,\"saved\":\"\"}",
        "{\"version\":1,\"committed\":1,\"verified\":1,\"saved\":\"?\"}",
        "{\"version\":1,\"committed\":1,\"verified\":1,\"saved\":7}",
    };
    struct failure failure;

    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        assert_int_equal(read_text(odd[i], &failure), ERROR_INPUT);
    assert_int_equal(read_text("{\"version\":2}", &failure), ERROR_UNSUPPORTED);
    assert_int_equal(read_text("", &failure), ERROR_NONE); /* nobody was there before */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
