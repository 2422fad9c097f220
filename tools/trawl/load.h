/* The engine as a load generator: one target again and again, its latencies in histograms.
 *
 * Closed loop (no rate): a fixed number of connections, each followed by the next. A server that
 * stalls also stalls the generator, which then does not ask: what users would have waited meanwhile
 * is not in the figures (coordinated omission).
 *
 * Open loop (a rate): connections are due at fixed times whatever the server does, and latency
 * counts from when one was due. */
#ifndef TOOLS_TRAWL_LOAD_H
#define TOOLS_TRAWL_LOAD_H

#include "engine/base/histogram.h"
#include "engine/pool/pool.h"
#include "tools/trawl/console.h"

struct load_config {
    uint32_t workers;
    struct prober_settings probe;
    struct target target;
    uint64_t duration_ms, warmup_ms; /* the warm-up comes before and is not counted */
    uint64_t count;                  /* connections at most, without the warm-up's; 0: no limit */
    uint64_t rate;                   /* connections a second; 0: closed loop */
    const struct console *console;
};

/* Microseconds, of the connections that ended with OUTCOME_OK. */
struct load_latency {
    struct histogram connect, handshake, total;
};

struct load_result {
    struct load_latency latency;
    uint64_t outcomes[OUTCOME_COUNT]; /* of those that ended in time */
    uint64_t done;
    double seconds, cpu_seconds; /* while counted */
    bool interrupted;
};

/* Waits for the end, or a signal. `result` is large: not for the stack. */
enum error load_run(const struct load_config *config, struct load_result *result,
                    struct failure *failure) __attribute__((warn_unused_result));

#endif
