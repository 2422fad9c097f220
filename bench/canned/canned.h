/* A server that says the same to everybody, as fast as it can, so that what is measured is the
 * scanner: canned TLS flights (flight.h), halves of them, silence, refusal. Each sort of server has
 * a port of its own on all of 127.0.0.0/8, so one listener is as many hosts as a sweep wants; it is
 * bound to the loopback device, and nobody outside can reach it.
 *
 * One thread of its own serves all; canned_start and canned_stop belong to the owner, all else may
 * be called by any thread in between. */
#ifndef BENCH_CANNED_CANNED_H
#define BENCH_CANNED_CANNED_H

#include "engine/base/error.h"

#include <stdint.h>

enum canned_sort {
    CANNED_TLS12_ECDSA, /* P-256 leaf and intermediate */
    CANNED_TLS12_RSA,   /* RSA-2048 leaf and intermediate */
    CANNED_TLS13_ECDSA,
    CANNED_TLS13_RSA,
    CANNED_TLS12_HALF, /* stops in the middle of the flight, until the client closes */
    CANNED_TLS13_HALF,
    CANNED_SILENT,   /* answers no connection request at all */
    CANNED_REFUSING, /* refuses them */
    CANNED_SORT_COUNT,
};

struct canned_endpoint {
    const char *name; /* "tls12-ecdsa" */
    uint16_t port;
    uint32_t
        flight_bytes; /* what it sends to a hello with a session id of 32 bytes; 0 for nothing */
};

struct canned;

/* Makes certificates and flights, listens, starts the thread. Takes a descriptor a connection:
 * raise the soft limit before, where it is the usual 1024. */
enum error canned_start(struct canned **out, struct failure *failure)
    __attribute__((warn_unused_result));
/* Ends the thread and closes everything. NULL is fine. */
void canned_stop(struct canned *canned);

struct canned_endpoint canned_endpoint(const struct canned *canned, enum canned_sort sort);

/* Connections that have got half a flight and are open still. */
uint32_t canned_stalled(const struct canned *canned);

#endif
