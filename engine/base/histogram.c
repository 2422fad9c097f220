#include "engine/base/histogram.h"

/* The only writer may load and store apart: no locked instruction, and readers see whole values. */
static uint64_t get(const _Atomic uint64_t *at) {
    return atomic_load_explicit(at, memory_order_relaxed);
}

static void set(_Atomic uint64_t *at, uint64_t value) {
    atomic_store_explicit(at, value, memory_order_relaxed);
}

/* Values under HISTOGRAM_STEPS have a bucket each. Above, the bucket is the power of two and the
 * HISTOGRAM_STEPS_BITS bits behind the leading one:
 *
 *    value   1 b b b b b x x x x x        exponent = number of x
 *              └──────┘
 *    index = (exponent + 1) * STEPS + bbbbb
 */
static uint32_t bucket_of(uint64_t value) {
    if (value < HISTOGRAM_STEPS)
        return (uint32_t)value;
    uint32_t exponent = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_STEPS_BITS;
    return exponent * HISTOGRAM_STEPS + (uint32_t)(value >> exponent);
}

/* The middle of a bucket, which halves the error. */
static uint64_t value_of(uint32_t bucket) {
    if (bucket < 2 * HISTOGRAM_STEPS)
        return bucket;
    uint32_t exponent = bucket / HISTOGRAM_STEPS - 1;
    uint64_t low = (uint64_t)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << exponent;
    return low + ((UINT64_C(1) << exponent) >> 1);
}

static void widen(struct histogram *histogram, uint64_t min, uint64_t max) {
    if (min < get(&histogram->min))
        set(&histogram->min, min);
    if (max > get(&histogram->max))
        set(&histogram->max, max);
}

static void add_to_sum(struct histogram *histogram, uint64_t more) {
    uint64_t sum;
    if (__builtin_add_overflow(get(&histogram->sum), more, &sum))
        sum = UINT64_MAX;
    set(&histogram->sum, sum);
}

void histogram_init(struct histogram *histogram) {
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        set(&histogram->buckets[i], 0);
    set(&histogram->sum, 0);
    set(&histogram->min, UINT64_MAX);
    set(&histogram->max, 0);
}

void histogram_record(struct histogram *histogram, uint64_t value) {
    _Atomic uint64_t *bucket = &histogram->buckets[bucket_of(value)];
    set(bucket, get(bucket) + 1);
    add_to_sum(histogram, value);
    widen(histogram, value, value);
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        set(&into->buckets[i], get(&into->buckets[i]) + get(&from->buckets[i]));
    add_to_sum(into, get(&from->sum));
    widen(into, get(&from->min), get(&from->max));
}

uint64_t histogram_count(const struct histogram *histogram) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += get(&histogram->buckets[i]);
    return count;
}

/* An empty histogram has the largest min and the smallest max. */
uint64_t histogram_min(const struct histogram *histogram) {
    uint64_t min = get(&histogram->min);
    return min == UINT64_MAX ? get(&histogram->max) : min;
}

uint64_t histogram_max(const struct histogram *histogram) {
    return get(&histogram->max);
}

double histogram_mean(const struct histogram *histogram) {
    uint64_t count = histogram_count(histogram);
    return count ? (double)get(&histogram->sum) / (double)count : 0;
}

/* The smallest rank that covers `percent` of `count`, 1 at least. Ranks that only rounding puts
 * above a whole number (99.9 % of 1000) are not rounded up. */
static uint64_t rank_of(double percent, uint64_t count) {
    if (!(percent > 0))
        return 1;
    if (percent >= 100)
        return count;
    double exact = percent / 100 * (double)count;
    uint64_t rank = (uint64_t)exact;
    if (exact - (double)rank > 1e-9 * exact)
        rank++;
    return rank < 1 ? 1 : rank > count ? count : rank;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent) {
    uint64_t count = histogram_count(histogram);
    if (count == 0)
        return 0;
    uint64_t min = histogram_min(histogram), max = histogram_max(histogram);
    uint64_t rank = rank_of(percent, count);
    if (rank == count)
        return max;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += get(&histogram->buckets[i]);
        if (seen >= rank) {
            uint64_t value = value_of(i);
            return value < min ? min : value > max ? max : value;
        }
    }
    return max;
}
