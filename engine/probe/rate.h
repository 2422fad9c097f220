/* A pace for connections: at most one an interval, with a burst as long as a loop may sleep. One
 * owner, one thread, no clock of its own (the generic cell rate algorithm, ITU-T I.371). */
#ifndef ENGINE_PROBE_RATE_H
#define ENGINE_PROBE_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum { RATE_BURST_MS = 20 };

struct rate {
    uint64_t interval_ns; /* 0: no limit */
    uint64_t due_ns;      /* when the next one may go at the earliest */
};

static inline bool rate_allows(const struct rate *rate, uint64_t now_ns) {
    return rate->due_ns <= now_ns || !rate->interval_ns;
}

/* Counts one, allowed or not; what was not allowed is made up for later. Returns when it was due,
 * which is `now_ns` without a limit: latencies are measured from there, lest a generator that is
 * late hides the wait. */
static inline uint64_t rate_take(struct rate *rate, uint64_t now_ns) {
    const uint64_t burst_ns = RATE_BURST_MS * UINT64_C(1000000);
    uint64_t due_ns = rate->due_ns;

    if (!rate->interval_ns)
        return now_ns;
    if (due_ns + burst_ns < now_ns)
        due_ns = now_ns - burst_ns;
    rate->due_ns = due_ns + rate->interval_ns;
    return due_ns < now_ns ? due_ns : now_ns;
}

#endif
