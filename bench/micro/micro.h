/* What single steps cost, by CPU time. A case prepares its state, repeats its step as often as it
 * is told, and tidies up; micro.c finds how many repetitions make a measurable batch, measures
 * several batches, and gives the fastest and the middle one.
 *
 * Cases stand in tables, one a file; adding one is a function and a row. */
#ifndef BENCH_MICRO_MICRO_H
#define BENCH_MICRO_MICRO_H

#include <stdbool.h>
#include <stdint.h>

struct micro_case {
    const char *name; /* "encode.json" */
    const char *step; /* what one repetition is: "a record" */
    /* What `run` works on; NULL when it cannot be made. `argument` is the case's own. */
    void *(*open)(const void *argument);
    void (*run)(void *state, uint64_t times);
    void (*close)(void *state);
    const void *argument;
};

/* NULL-terminated tables of cases that end with a NULL name. */
extern const struct micro_case tls_cases[], x509_cases[], record_cases[], sink_cases[],
    queue_cases[], io_cases[], ct_cases[], byte_cases[], match_cases[], decode_cases[],
    follow_cases[];

struct micro_result {
    double fastest_ns, middle_ns; /* of one repetition */
};

/* CPU time of the whole process: helper threads count. False when `open` fails. */
bool micro_measure(const struct micro_case *one, uint32_t batches, double batch_seconds,
                   struct micro_result *out);

/* Keeps the compiler from leaving out what makes a value. */
static inline void micro_keep(const void *value) {
    __asm__ volatile("" : : "g"(value) : "memory");
}

#endif
