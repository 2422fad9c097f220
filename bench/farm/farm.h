/* A farm of TLS servers of every kind, good and bad, on loopback addresses: what `trawl demo`
 * sweeps, what the system tests check against, and what the benchmarks load. It makes its
 * certificates at start, so that expiry dates are always right.
 *
 * One thread of its own serves all endpoints; farm_start and farm_stop belong to the owner, all
 * else may be read by any thread while the farm runs. Several farms may run in one process. Serves
 * nothing outside 127.0.0.0/8.
 *
 *     struct farm *farm;
 *     enum error error = farm_start(&farm, &(struct farm_options){.endpoints = 512}, &failure);
 *     for (uint32_t i = 0; i < farm_count(farm); i++)
 *         ... farm_endpoint(farm, i) ...
 *     farm_stop(farm);
 */
#ifndef BENCH_FARM_FARM_H
#define BENCH_FARM_FARM_H

#include "bench/farm/farm_kinds.h"
#include "engine/base/address.h"
#include "engine/base/error.h"

struct farm;

struct farm_options {
    uint32_t endpoints;   /* how many in all, at least one of each kind: good ones occur most often;
                             mixed over the addresses, the same way every time */
    uint32_t kinds;       /* which kinds: bits FARM_KIND_BIT(kind); 0 for all */
    struct address first; /* in 127.0.0.0/8; endpoint i has address first + i; ADDRESS_NONE picks
                             127.77.0.1 */
    uint16_t port;        /* the same for all; 0 picks one outside the ephemeral range that is free
                             on all addresses */
    uint32_t connections; /* served at once, others wait in the kernel's queue; 0 picks 4096. Cut to
                             half of the descriptors that the process has left */
};

struct farm_endpoint {
    struct address address;
    uint16_t port;
    enum farm_kind kind;
    const char *name; /* "good-ecdsa-17.farm.test", owned by the farm: what its certificate is for,
                         but for FARM_WRONG_NAME */
};

/* Makes keys and certificates, listens, starts the thread. An address that is taken, too few
 * descriptors and wrong options are errors whose failure names the cause; nothing is left behind
 * then. Takes one descriptor an endpoint, and one a connection later: raise the soft limit of
 * descriptors before, where it is the usual 1024. */
enum error farm_start(struct farm **out, const struct farm_options *options,
                      struct failure *failure) __attribute__((warn_unused_result));

/* Ends the thread, closes everything, frees the farm. NULL is fine. */
void farm_stop(struct farm *farm);

uint32_t farm_count(const struct farm *farm);
struct farm_endpoint farm_endpoint(const struct farm *farm, uint32_t index);

/* The farm's root, for --ca-file: PEM, owned by the farm. */
struct slice farm_root_pem(const struct farm *farm);

/* The same into a file, which is made or made anew. */
enum error farm_write_root(const struct farm *farm, const char *path, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
