/* Percentiles are checked against the sorted values themselves. */
#include "engine/base/histogram.h"

#include "engine/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

static struct histogram histogram, other;

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool within_a_32nd(uint64_t estimate, uint64_t exact) {
    uint64_t off = estimate > exact ? estimate - exact : exact - estimate;
    return off <= exact / 32;
}

static void empty_is_zero(void **state) {
    (void)state;
    histogram_init(&histogram);
    assert_int_equal(histogram_count(&histogram), 0);
    assert_int_equal(histogram_min(&histogram), 0);
    assert_int_equal(histogram_max(&histogram), 0);
    assert_true(histogram_mean(&histogram) == 0);
    assert_int_equal(histogram_percentile(&histogram, 99), 0);
}

static void small_values_are_exact(void **state) {
    (void)state;
    histogram_init(&histogram);
    for (uint64_t value = 1; value <= 50; value++)
        histogram_record(&histogram, value);
    assert_int_equal(histogram_count(&histogram), 50);
    assert_int_equal(histogram_percentile(&histogram, 0), 1);
    assert_int_equal(histogram_percentile(&histogram, 2), 1);
    assert_int_equal(histogram_percentile(&histogram, 50), 25);
    assert_int_equal(histogram_percentile(&histogram, 51), 26);
    assert_int_equal(histogram_percentile(&histogram, 98), 49);
    assert_int_equal(histogram_percentile(&histogram, 100), 50);
    assert_true(histogram_mean(&histogram) == 25.5);
}

/* Every power of two and its neighbours, up to the largest number there is. Each is recorded
 * between two others, so that neither min nor max hides the bucket's own value. */
static void every_size_is_near(void **state) {
    (void)state;
    for (uint32_t bit = 0; bit < 64; bit++)
        for (int off = -1; off <= 1; off++) {
            uint64_t value = (UINT64_C(1) << bit) + (uint64_t)(int64_t)off;
            histogram_init(&histogram);
            histogram_record(&histogram, 0);
            histogram_record(&histogram, value);
            histogram_record(&histogram, UINT64_MAX);
            if (!within_a_32nd(histogram_percentile(&histogram, 50), value))
                fail_msg("%lu became %lu", (unsigned long)value,
                         (unsigned long)histogram_percentile(&histogram, 50));
        }
    assert_int_equal(histogram_percentile(&histogram, 100), UINT64_MAX);
}

static void percentiles_agree_with_sorting(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    static const double percents[] = {0.1, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99};
    struct random random;
    random_init(&random, 7);
    histogram_init(&histogram);
    double sum = 0;
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = random_u64(&random) >> (20 + random_below(&random, 40));
        histogram_record(&histogram, values[i]);
        sum += (double)values[i];
    }
    qsort(values, COUNT, sizeof values[0], compare);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        size_t rank = (size_t)(percents[i] * (double)COUNT / 100 + 0.5);
        assert_true(within_a_32nd(histogram_percentile(&histogram, percents[i]), values[rank - 1]));
    }
    assert_int_equal(histogram_min(&histogram), values[0]);
    assert_int_equal(histogram_max(&histogram), values[COUNT - 1]);
    double mean = histogram_mean(&histogram);
    assert_true(mean > sum / (double)COUNT * 0.999999 && mean < sum / (double)COUNT * 1.000001);
}

static void merging_is_recording_both(void **state) {
    (void)state;
    static struct histogram both;
    struct random random;
    random_init(&random, 9);
    histogram_init(&histogram);
    histogram_init(&other);
    histogram_init(&both);
    for (size_t i = 0; i < 5000; i++) {
        uint64_t value = random_below(&random, 1000000);
        histogram_record(i % 3 ? &histogram : &other, value);
        histogram_record(&both, value);
    }
    histogram_merge(&histogram, &other);
    assert_int_equal(histogram_count(&histogram), 5000);
    assert_int_equal(histogram_min(&histogram), histogram_min(&both));
    assert_int_equal(histogram_max(&histogram), histogram_max(&both));
    assert_true(histogram_mean(&histogram) == histogram_mean(&both));
    for (double percent = 0; percent <= 100; percent += 0.5)
        assert_int_equal(histogram_percentile(&histogram, percent),
                         histogram_percentile(&both, percent));
    histogram_init(&other);
    histogram_merge(&histogram, &other);
    assert_int_equal(histogram_min(&histogram), histogram_min(&both));
}

static void the_sum_does_not_wrap(void **state) {
    (void)state;
    histogram_init(&histogram);
    for (int i = 0; i < 3; i++)
        histogram_record(&histogram, UINT64_MAX);
    assert_true(histogram_mean(&histogram) >= (double)(UINT64_MAX / 3));
    assert_int_equal(histogram_min(&histogram), UINT64_MAX);
}

enum { RECORDED = 200000 };

static void *record_many(void *context) {
    for (uint64_t i = 0; i < RECORDED; i++)
        histogram_record(context, i);
    return NULL;
}

static void a_reader_may_merge_meanwhile(void **state) {
    (void)state;
    static struct histogram live;
    pthread_t writer;
    uint64_t last = 0;
    histogram_init(&live);
    assert_int_equal(pthread_create(&writer, NULL, record_many, &live), 0);
    for (int i = 0; i < 200; i++) {
        histogram_init(&other);
        histogram_merge(&other, &live);
        uint64_t count = histogram_count(&other);
        assert_true(count >= last && count <= RECORDED);
        assert_true(histogram_percentile(&other, 50) <= RECORDED);
        last = count;
    }
    pthread_join(writer, NULL);
    assert_int_equal(histogram_count(&live), RECORDED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_is_zero),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(every_size_is_near),
        cmocka_unit_test(percentiles_agree_with_sorting),
        cmocka_unit_test(merging_is_recording_both),
        cmocka_unit_test(the_sum_does_not_wrap),
        cmocka_unit_test(a_reader_may_merge_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
