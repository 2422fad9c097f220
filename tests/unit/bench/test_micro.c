/* How steps are measured, and that every case still runs. */
#include "bench/micro/micro.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

struct counted {
    uint64_t opened, closed, runs, times;
};

static struct counted counted;

static void *open_counted(const void *argument) {
    counted.opened++;
    return argument ? &counted : NULL;
}

static void run_counted(void *state, uint64_t times) {
    assert_ptr_equal(state, &counted);
    counted.runs++;
    counted.times += times;
    for (uint64_t i = 0; i < times * 100; i++)
        micro_keep(&i);
}

static void close_counted(void *state) {
    assert_ptr_equal(state, &counted);
    counted.closed++;
}

static void test_measure(void **state) {
    (void)state;
    struct micro_case one = {"one", "a step", open_counted, run_counted, close_counted, ""};
    struct micro_result result;
    counted = (struct counted){0};
    assert_true(micro_measure(&one, 5, 0.001, &result));
    assert_int_equal(counted.opened, 1);
    assert_int_equal(counted.closed, 1);
    assert_true(counted.runs >= 6);
    assert_true(result.fastest_ns > 0);
    assert_true(result.fastest_ns <= result.middle_ns);
}

static void test_what_cannot_be_prepared(void **state) {
    (void)state;
    struct micro_case one = {"one", "a step", open_counted, run_counted, close_counted, NULL};
    struct micro_result result;
    counted = (struct counted){0};
    assert_false(micro_measure(&one, 5, 0.001, &result));
    assert_int_equal(counted.runs + counted.closed, 0);
}

static void run_all(const struct micro_case *cases) {
    for (; cases->name; cases++) {
        void *state = cases->open(cases->argument);
        if (!state && strncmp(cases->name, "io_uring.", 9) == 0)
            continue; /* this kernel may forbid it */
        if (!state)
            fail_msg("%s cannot be prepared", cases->name);
        cases->run(state, 3);
        cases->run(state, 1);
        cases->close(state);
    }
}

static void test_all_cases(void **state) {
    (void)state;
    run_all(tls_cases);
    run_all(x509_cases);
    run_all(record_cases);
    run_all(sink_cases);
    run_all(queue_cases);
    run_all(io_cases);
    run_all(ct_cases);
    run_all(byte_cases);
    run_all(match_cases);
    run_all(decode_cases);
    run_all(follow_cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measure),
        cmocka_unit_test(test_what_cannot_be_prepared),
        cmocka_unit_test(test_all_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
