/* The pace of connections, against what the generic cell rate algorithm promises: its own
 * definition of a window, counted here by hand. */
#include "engine/probe/rate.h"

#include "engine/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t MS = 1000000, SECOND = 1000000000;

static void no_limit(void **state) {
    struct rate rate = {0};

    (void)state;
    for (uint64_t now_ns = 0; now_ns < 1000; now_ns++) {
        assert_true(rate_allows(&rate, now_ns / 10));
        assert_int_equal(rate_take(&rate, now_ns / 10), now_ns / 10);
    }
    assert_true(rate_allows(&rate, 0));
}

/* Takes all that is allowed, at every `step_ns` for `total_ns`; returns how many. */
static uint64_t take_all(struct rate *rate, uint64_t from_ns, uint64_t step_ns, uint64_t total_ns) {
    uint64_t count = 0;

    for (uint64_t now_ns = from_ns; now_ns < from_ns + total_ns; now_ns += step_ns)
        for (; rate_allows(rate, now_ns); count++)
            rate_take(rate, now_ns);
    return count;
}

/* Whatever the interval and however coarse the loop, if it does not sleep longer than the burst. */
static void long_run_is_exact(void **state) {
    static const uint64_t INTERVALS_NS[] = {1000,   7777,    100 * 1000, 333333,
                                            3 * MS, 19 * MS, 250 * MS};
    static const uint64_t STEPS_NS[] = {100 * 1000, 1 * MS, 8 * MS, 20 * MS};

    (void)state;
    for (size_t i = 0; i < sizeof INTERVALS_NS / sizeof INTERVALS_NS[0]; i++)
        for (size_t k = 0; k < sizeof STEPS_NS / sizeof STEPS_NS[0]; k++) {
            struct rate rate = {.interval_ns = INTERVALS_NS[i]};
            uint64_t start_ns = 5 * SECOND, burst = RATE_BURST_MS * MS / INTERVALS_NS[i] + 1;
            take_all(&rate, start_ns, STEPS_NS[k], SECOND); /* the first burst */
            uint64_t count = take_all(&rate, start_ns + SECOND, STEPS_NS[k], 20 * SECOND);
            uint64_t exact = 20 * SECOND / INTERVALS_NS[i];
            assert_in_range(count, exact - burst, exact + 1);
            if (STEPS_NS[k] < RATE_BURST_MS * MS / 2) /* nothing is ever lost */
                assert_in_range(count, exact - STEPS_NS[k] / INTERVALS_NS[i] - 1, exact + 1);
        }
}

/* After any silence there is a burst as long as a loop may sleep, and no more. */
static void burst_is_bounded(void **state) {
    struct rate rate = {.interval_ns = MS};

    (void)state;
    assert_int_equal(take_all(&rate, 3600 * SECOND, 1, 1), RATE_BURST_MS + 1);
    assert_false(rate_allows(&rate, 3600 * SECOND));
    assert_false(rate_allows(&rate, 3600 * SECOND + MS - 1));
    assert_true(rate_allows(&rate, 3600 * SECOND + MS));
}

/* One at a time; the burst only lets the second come so much earlier. */
static void slow_pace(void **state) {
    struct rate rate = {.interval_ns = SECOND};

    (void)state;
    assert_int_equal(take_all(&rate, 10 * SECOND, 1, 1), 1);
    assert_false(rate_allows(&rate, 11 * SECOND - RATE_BURST_MS * MS - 1));
    assert_true(rate_allows(&rate, 11 * SECOND - RATE_BURST_MS * MS));
    assert_int_equal(take_all(&rate, 10 * SECOND, MS, 10 * SECOND), 10);
}

/* No window of time sees more than its share and a burst. All pairs are looked at. */
static void no_window_has_more(void **state) {
    enum { TAKEN = 400 };
    uint64_t taken_ns[TAKEN];
    struct random random;

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        random_init(&random, seed);
        struct rate rate = {.interval_ns = 1 + random_below(&random, 30 * MS)};
        uint64_t now_ns = random_below(&random, SECOND);
        for (size_t i = 0; i < TAKEN; now_ns += random_below(&random, 50 * MS))
            while (i < TAKEN && rate_allows(&rate, now_ns)) {
                rate_take(&rate, now_ns);
                taken_ns[i++] = now_ns;
            }
        for (size_t from = 0; from < TAKEN; from++)
            for (size_t to = from; to < TAKEN; to++) {
                uint64_t window_ns = taken_ns[to] - taken_ns[from] + RATE_BURST_MS * MS;
                assert_true(to - from <= window_ns / rate.interval_ns);
            }
    }
}

/* What is taken without leave is made up for, and what comes late is told when it was due. */
static void debts_are_paid(void **state) {
    struct rate rate = {.interval_ns = 10 * MS};

    (void)state;
    assert_int_equal(rate_take(&rate, SECOND), SECOND - RATE_BURST_MS * MS);
    for (int i = 0; i < 7; i++)
        rate_take(&rate, SECOND);
    assert_false(rate_allows(&rate, SECOND + 59 * MS));
    assert_true(rate_allows(&rate, SECOND + 60 * MS));
    assert_int_equal(rate_take(&rate, SECOND + 65 * MS), SECOND + 60 * MS);
    assert_int_equal(rate_take(&rate, SECOND + 65 * MS), SECOND + 65 * MS); /* early: due now */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit),           cmocka_unit_test(long_run_is_exact),
        cmocka_unit_test(burst_is_bounded),   cmocka_unit_test(slow_pace),
        cmocka_unit_test(no_window_has_more), cmocka_unit_test(debts_are_paid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
