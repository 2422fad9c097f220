#include "bench/micro/micro.h"

#include <stdlib.h>
#include <time.h>

enum { BATCHES_MAX = 64 };

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double batch(const struct micro_case *one, void *state, uint64_t times) {
    double before = cpu_seconds();
    one->run(state, times);
    return cpu_seconds() - before;
}

static int by_size(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* How often a batch repeats the step, to take about `seconds`. */
static uint64_t find_times(const struct micro_case *one, void *state, double seconds) {
    uint64_t times = 1;
    double took = batch(one, state, times);

    while (took < seconds / 2 && times < UINT64_MAX / 16) {
        double factor = took > seconds / 16 ? seconds / took : 8;
        times = (uint64_t)((double)times * factor) + 1;
        took = batch(one, state, times);
    }
    return times;
}

bool micro_measure(const struct micro_case *one, uint32_t batches, double batch_seconds,
                   struct micro_result *out) {
    double seconds[BATCHES_MAX];
    void *state = one->open(one->argument);

    if (!state)
        return false;
    if (batches > BATCHES_MAX)
        batches = BATCHES_MAX;
    uint64_t times = find_times(one, state, batch_seconds);
    for (uint32_t i = 0; i < batches; i++)
        seconds[i] = batch(one, state, times);
    one->close(state);
    qsort(seconds, batches, sizeof *seconds, by_size);
    *out = (struct micro_result){.fastest_ns = seconds[0] / (double)times * 1e9,
                                 .middle_ns = seconds[batches / 2] / (double)times * 1e9};
    return true;
}
