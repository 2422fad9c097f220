/* Two clocks: one that only moves forward, for deadlines and durations; one that knows the date,
 * for certificates. The engine's state machines are given times; only loops and threads of the
 * tools read a clock. */
#ifndef ENGINE_BASE_CLOCK_H
#define ENGINE_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some point in the past (CLOCK_MONOTONIC). */
uint64_t clock_monotonic_ns(void);

/* Milliseconds since 1970-01-01T00:00:00Z (CLOCK_REALTIME). */
int64_t clock_unix_ms(void);

#endif
