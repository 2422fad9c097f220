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

#include "engine/base/address.h"
#include "engine/base/error.h"

/* Unless a kind says otherwise, a server speaks TLS 1.2 and 1.3 and its certificate is valid, for
 * the endpoint's name and address, and leads to the farm's root. farm_kind_summary has the words.
 */
enum farm_kind {
    FARM_GOOD_ECDSA,
    FARM_GOOD_RSA,
    FARM_GOOD_P384,
    FARM_GOOD_ED25519,
    FARM_TLS12_ONLY,
    FARM_TLS13_ONLY,
    FARM_TLS13_P256_ONLY,
    FARM_TLS13_P384_ONLY,
    FARM_TLS10_ONLY,
    FARM_EXPIRED,
    FARM_EXPIRES_IN_3_DAYS,
    FARM_EXPIRES_IN_12_DAYS,
    FARM_NOT_YET_VALID,
    FARM_SELF_SIGNED,
    FARM_WRONG_NAME,
    FARM_UNTRUSTED,
    FARM_MISSING_INTERMEDIATE,
    FARM_WEAK_KEY,
    FARM_CLIENT_CERTIFICATE,
    FARM_CLIENT_CERTIFICATE_TLS13,
    FARM_UNPARSABLE,
    FARM_ALERT,
    FARM_NOT_TLS,
    FARM_SILENT,
    FARM_DRIPPING,
    FARM_REFUSING,
    FARM_RESETTING,
    FARM_CLOSING,
    FARM_KIND_COUNT,
};

enum { FARM_NAME_MAX = 64 }; /* bytes of an endpoint's name with its terminator */

struct farm;

struct farm_options {
    uint32_t endpoints;   /* how many in all, at least FARM_KIND_COUNT: every kind occurs, good ones
                             most often, mixed over the addresses, the same way every time */
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

/* "good-ecdsa": stable, the first part of an endpoint's name. */
const char *farm_kind_name(enum farm_kind kind);
/* One line for a person. */
const char *farm_kind_summary(enum farm_kind kind);
/* The outcome that a scan with the default plan should report: a name of engine/record/outcome.h.
 */
const char *farm_kind_expected_outcome(enum farm_kind kind);
/* The finding that the record must carry when the farm's root is trusted and the thresholds are the
 * default ones: a name of engine/record/outcome.h, "" when there is none. Others may follow from
 * it. */
const char *farm_kind_expected_finding(enum farm_kind kind);

#endif
