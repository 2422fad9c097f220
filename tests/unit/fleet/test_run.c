/* How many shards a worker asks for. */
#include "tools/fleet/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { AT_ONCE = 16 };

/* The first worker to come leaves a small job to others, and has more a moment later. */
static void begins_with_few(void **state) {
    (void)state;
    struct run_pace pace = {.shard = 64};
    assert_int_equal(run_shards_wanted(&pace), 1);
    pace.in_hand = 64; /* all begun, and none done, as when all time out */
    assert_int_equal(run_shards_wanted(&pace), 0);
    pace.age_ms = 500;
    assert_int_equal(run_shards_wanted(&pace), 1);
    for (pace.age_ms = 0; pace.age_ms < 10000; pace.age_ms += 20) {
        uint64_t before = pace.in_hand;
        pace.in_hand += run_shards_wanted(&pace) * UINT64_C(64);
        assert_true(pace.in_hand <= (before ? 2 * before : 128) || before > 1024);
    }
    assert_true(pace.in_hand > 16384);
}

/* What was done lets it have as much at once. */
static void grows_with_what_is_done(void **state) {
    (void)state;
    struct run_pace pace = {.shard = 64, .a_second = 100000, .done = 640, .in_hand = 64};
    assert_int_equal(run_shards_wanted(&pace), 10);
    pace.done = 6400;
    assert_int_equal(run_shards_wanted(&pace), AT_ONCE);
}

static void keeps_a_second_ahead(void **state) {
    (void)state;
    struct run_pace pace = {
        .shard = 1024, .age_ms = 3600000, .done = 1 << 30, .in_hand = 5000, .a_second = 1000};
    pace.left = 1001;
    assert_int_equal(run_shards_wanted(&pace), 0);
    pace.left = 1000;
    assert_int_equal(run_shards_wanted(&pace), 1);
    pace.left = 0;
    assert_int_equal(run_shards_wanted(&pace), 1);
    pace.a_second = 10239;
    assert_int_equal(run_shards_wanted(&pace), 10);
    pace.a_second = 1000000;
    assert_int_equal(run_shards_wanted(&pace), AT_ONCE);
    pace.left = 1000001;
    assert_int_equal(run_shards_wanted(&pace), 0);
}

/* A pace, or connections that all wait, leave what is not begun to others. */
static void takes_no_more_than_it_begins(void **state) {
    (void)state;
    struct run_pace pace = {.shard = 1 << 17, .age_ms = UINT64_MAX / 2, .in_hand = 1 << 17};
    pace.left = (1 << 17) - 100;
    pace.a_second = 10;
    assert_int_equal(run_shards_wanted(&pace), 0);
    pace.left = 10;
    assert_int_equal(run_shards_wanted(&pace), 1);
    pace.a_second = 0; /* nothing goes on */
    assert_int_equal(run_shards_wanted(&pace), 0);
    pace.left = 0;
    assert_int_equal(run_shards_wanted(&pace), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_with_few),
        cmocka_unit_test(grows_with_what_is_done),
        cmocka_unit_test(keeps_a_second_ahead),
        cmocka_unit_test(takes_no_more_than_it_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
