/* The generator against what its authors' reference code gives: SplitMix64 for the seed 1234567 and
 * xoshiro256** from the state {1, 2, 3, 4}, both as published with other implementations. */
#include "engine/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_seeding(void **state) {
    (void)state;
    static const uint64_t SPLIT_MIX[4] = {6457827717110365317u, 3203168211198807973u,
                                          9817491932198370423u, 4593380528125082431u};
    struct random random;

    random_init(&random, 1234567);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(random.state[i], SPLIT_MIX[i]);
}

static void test_numbers(void **state) {
    (void)state;
    static const uint64_t XOSHIRO[] = {
        11520,
        0,
        1509978240,
        1215971899390074240,
        1216172134540287360,
        607988272756665600,
        16172922978634559625u,
        8476171486693032832,
        10595114339597558777u,
        2904607092377533576,
    };
    struct random random = {{1, 2, 3, 4}};

    for (size_t i = 0; i < sizeof XOSHIRO / sizeof XOSHIRO[0]; i++)
        assert_int_equal(random_u64(&random), XOSHIRO[i]);
}

static void test_seeds(void **state) {
    (void)state;
    struct random one, same, other;

    random_init(&one, 0);
    random_init(&same, 0);
    random_init(&other, 1);
    for (int i = 0; i < 1000; i++) {
        uint64_t number = random_u64(&one);
        assert_int_equal(number, random_u64(&same));
        assert_int_not_equal(number, random_u64(&other));
    }
    assert_int_not_equal(random_seed(), random_seed());
}

/* The definition, with the sides of the inequality spelled out: the first number that is not of the
 * surplus, scaled. */
static uint64_t below_by_definition(struct random *random, uint64_t bound) {
    uint64_t surplus = (UINT64_MAX % bound + 1) % bound; /* 2^64 mod bound */

    for (;;) {
        unsigned __int128 product = (unsigned __int128)random_u64(random) * bound;
        if ((uint64_t)product >= surplus)
            return (uint64_t)(product >> 64);
    }
}

static void test_below(void **state) {
    (void)state;
    static const uint64_t BOUNDS[] = {1,
                                      2,
                                      3,
                                      6,
                                      1000,
                                      UINT32_MAX,
                                      (UINT64_C(1) << 63) - 1,
                                      UINT64_C(1) << 63,
                                      (UINT64_C(1) << 63) + 1, /* every other number is surplus */
                                      UINT64_MAX};
    struct random random, same;

    random_init(&random, 11);
    random_init(&same, 11);
    for (size_t i = 0; i < sizeof BOUNDS / sizeof BOUNDS[0]; i++)
        for (int n = 0; n < 2000; n++) {
            uint64_t number = random_below(&random, BOUNDS[i]);
            assert_true(number < BOUNDS[i]);
            assert_int_equal(number, below_by_definition(&same, BOUNDS[i]));
        }
}

/* A die: chi-square with 5 degrees of freedom is below 20.5 in 999 of 1000; the seed is fixed. */
static void test_uniform(void **state) {
    (void)state;
    enum { SIDES = 6, THROWS = 60000 };
    double counts[SIDES] = {0}, expected = (double)THROWS / (double)SIDES, chi_square = 0;
    struct random random;

    random_init(&random, 2026);
    for (int i = 0; i < THROWS; i++)
        counts[random_below(&random, SIDES)]++;
    for (int i = 0; i < SIDES; i++)
        chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
    assert_true(chi_square < 20.5);
}

static void test_fill(void **state) {
    (void)state;

    for (size_t len = 0; len <= 40; len++) {
        struct random random, same;
        uint8_t filled[48], expected[48];
        random_init(&random, len);
        random_init(&same, len);
        for (size_t i = 0; i < sizeof expected; i += 8) {
            uint64_t word = random_u64(&same);
            memcpy(expected + i, &word, 8);
        }
        memset(expected + len, 0xee, sizeof expected - len);
        memset(filled, 0xee, sizeof filled);
        random_fill(&random, filled, len);
        assert_memory_equal(filled, expected, sizeof filled);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeding), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_seeds),   cmocka_unit_test(test_below),
        cmocka_unit_test(test_uniform), cmocka_unit_test(test_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
