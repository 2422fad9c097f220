/* What makes a kind of server what it is. Within the farm only. */
#ifndef BENCH_FARM_FARM_PROFILE_H
#define BENCH_FARM_FARM_PROFILE_H

#include "bench/farm/farm_kinds.h"

#include <stdbool.h>
#include <stdint.h>

enum farm_behaviour {
    FARM_SERVE = 0, /* TLS as it should be */
    FARM_DRIP,      /* the same, a byte a second */
    FARM_STAY_MUTE, /* nothing, ever */
    FARM_SAY_ALERT, /* the others answer the hello: */
    FARM_SAY_HTTP,
    FARM_SAY_RUBBISH, /* a TLS 1.2 flight whose certificate is none */
    FARM_RESET,
    FARM_CLOSE,
    FARM_REFUSE, /* no connection at all */
};

enum farm_key {
    FARM_KEY_P256 = 0,
    FARM_KEY_P384,
    FARM_KEY_ED25519,
    FARM_KEY_RSA_2048,
    FARM_KEY_RSA_1024,
    FARM_KEY_COUNT
};

enum farm_issuer {
    FARM_BY_ROOT = 0,
    FARM_BY_INTERMEDIATE,
    FARM_BY_HIDDEN_INTERMEDIATE, /* which is not sent */
    FARM_BY_RSA_INTERMEDIATE,
    FARM_BY_STRANGER, /* a root that is sent, but that nobody trusts */
    FARM_BY_ITSELF,
};

enum { FARM_VALID_DAYS = 60, FARM_LIFETIME_DAYS = 90 };

struct farm_profile {
    const char *name, *summary, *expected_outcome, *expected_finding;
    uint16_t share;                    /* of the population, relative to the others; at least 1 */
    uint8_t behaviour, key, issuer;    /* enums above */
    int16_t days_left;                 /* until notAfter; 0 for FARM_VALID_DAYS */
    uint16_t version_min, version_max; /* 0 for TLS 1.2 and TLS 1.3 */
    int group;                         /* NID of the only group; 0 for BoringSSL's default */
    bool wrong_name;                   /* certificate for somebody else */
    bool asks_client;                  /* for a certificate, and goes no further without */
    bool has_scts; /* lists two SCTs, as public certificates do; signed by nobody */
};

const struct farm_profile *farm_profile(enum farm_kind kind);

/* Whether such an endpoint needs a certificate. */
static inline bool farm_profile_has_tls(const struct farm_profile *profile) {
    return profile->behaviour == FARM_SERVE || profile->behaviour == FARM_DRIP;
}

#endif
