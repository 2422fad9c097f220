/* What connections cost at least: the bare loops that trawl is compared with. Each does one thing
 * to every address and nothing more: no deadlines, no addresses parsed, no names, no records.
 *
 *     tcp        connect, close
 *     hello      connect, send a hello made beforehand, receive the flight to its end, close
 *     handshake  connect, BoringSSL's SSL_do_handshake to its end, close; nothing verified
 *
 * All run on the same loop (loop.c): one thread, one io_uring, no cancels, two completions a
 * connection where the flight comes in one piece. A server that falls silent hangs them. */
#ifndef BENCH_FLOORS_FLOORS_H
#define BENCH_FLOORS_FLOORS_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

enum { FLOOR_INPUT_BYTES = 8192, FLOOR_OUTPUT_BYTES = 2048 };

struct floor_config {
    uint32_t first, count; /* addresses, as numbers in host order; a large prime apart, round by
                              round */
    uint64_t total;        /* connections to make */
    uint32_t in_flight;    /* at once */
    uint16_t port;
    uint32_t flight_bytes; /* hello: where the flight ends */
};

struct ssl_st;

/* One connection. `output` is sent before anything else is done with the slot. */
struct floor_slot {
    uint32_t received;
    struct ssl_st *ssl;
    struct slice output; /* set by the callbacks below; empty for nothing to send */
    uint8_t output_bytes[FLOOR_OUTPUT_BYTES];
    uint8_t input[FLOOR_INPUT_BYTES];
};

/* What comes next: FLOOR_REFUSED is the loop's own. */
enum floor_step { FLOOR_RECEIVE, FLOOR_DONE, FLOOR_REFUSED, FLOOR_FAILED, FLOOR_STEP_COUNT };

struct floor_kind {
    const char *name;
    /* The shared state; NULL when it cannot be made. */
    void *(*open)(const struct floor_config *config);
    void (*close)(void *state);
    enum floor_step (*connected)(void *state, struct floor_slot *slot);
    enum floor_step (*received)(void *state, struct floor_slot *slot, size_t len);
};

extern const struct floor_kind tcp_floor, hello_floor, handshake_floor;

struct floor_result {
    uint64_t ended[FLOOR_STEP_COUNT]; /* connections, by how they ended */
};

/* Runs it to its end. */
enum error floor_run(const struct floor_kind *kind, const struct floor_config *config,
                     struct floor_result *result, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
