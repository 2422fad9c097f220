/* The floors of entries do the work that they stand for: their hashes are those of the log. */
#include "bench/floors/entries.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void run(const char *name, uint32_t count, uint64_t total) {
    const struct entries_floor *floor = entries_floor_find(name);
    struct failure failure = {0};

    assert_non_null(floor);
    if (entries_floor_run(floor, count, total, &failure) != ERROR_NONE)
        fail_msg("%s: %s", name, failure.text);
}

static void test_all(void **state) {
    static const char *const names[] = {"tiles", "get-entries", "feed"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        run(names[i], 1, 1);
        run(names[i], 600, 1000); /* two pages, begun anew; the last one not full */
    }
}

static void test_unknown(void **state) {
    (void)state;
    assert_null(entries_floor_find("tile"));
    assert_null(entries_floor_find(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
