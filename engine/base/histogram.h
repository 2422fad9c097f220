/* How values spread: durations in microseconds, sizes. Log-linear: 32 buckets to every power of
 * two, so that any percentile is off by at most 1/32 of its value, from 0 to 2^64 - 1, in 15 KB and
 * without allocation.
 *
 * One thread records; other threads may merge or read at the same time and see a recent state,
 * never a torn one. Progress and summaries merge the histograms of all workers into one of their
 * own. */
#ifndef ENGINE_BASE_HISTOGRAM_H
#define ENGINE_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    HISTOGRAM_STEPS_BITS = 5, /* 2^5 buckets to a power of two */
    HISTOGRAM_STEPS = 1 << HISTOGRAM_STEPS_BITS,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_STEPS_BITS + 1) * HISTOGRAM_STEPS,
};

struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum; /* stays at its maximum instead of wrapping */
    _Atomic uint64_t min, max;
};

void histogram_init(struct histogram *histogram);

void histogram_record(struct histogram *histogram, uint64_t value);

/* Adds what `from` holds; `from` may be recorded into meanwhile. The caller is the one writer of
 * `into`. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* All of these are 0 for an empty histogram. */
uint64_t histogram_count(const struct histogram *histogram);
uint64_t histogram_min(const struct histogram *histogram);
uint64_t histogram_max(const struct histogram *histogram);
double histogram_mean(const struct histogram *histogram);

/* The value that `percent` of all values do not exceed (nearest rank): 50 for the median, 99.9, 100
 * for the largest. Out of [0, 100] is clamped. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

#endif
