/* What the parts of the farm share; nobody else includes it.
 *
 *     farm.c         options, sharing out of the kinds, start and stop
 *     farm_kinds.c   the table of kinds: adding one is a line there and one in farm.h
 *     farm_pki.c     roots, intermediate, leaf certificates
 *     farm_keys.c    fixed RSA test keys
 *     farm_listen.c  ports and listening sockets
 *     farm_server.c  the thread: accepting, TLS, misbehaving */
#ifndef BENCH_FARM_FARM_INTERNAL_H
#define BENCH_FARM_FARM_INTERNAL_H

#include "bench/farm/farm.h"
#include "engine/base/buffer.h"

#include <openssl/ssl.h>

/* --- Kinds --- */

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
    FARM_BY_STRANGER,            /* a root that is sent, but that nobody trusts */
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
};

const struct farm_profile *farm_profile(enum farm_kind kind);

/* Whether such an endpoint needs a certificate. */
static inline bool farm_profile_has_tls(const struct farm_profile *profile) {
    return profile->behaviour == FARM_SERVE || profile->behaviour == FARM_DRIP;
}

/* --- Certificates --- */

enum { FARM_CHAIN_MAX = 2 };

struct farm_pki; /* keys and authorities; used by the starting thread only */

/* `unix_seconds`: the time that validity is counted from. NULL when a library call fails. */
struct farm_pki *farm_pki_new(int64_t unix_seconds);
void farm_pki_free(struct farm_pki *pki);

/* Appends the root as PEM. */
bool farm_pki_root_pem(const struct farm_pki *pki, struct buffer *out);

/* A server context with a new certificate for `name` and `address`, as the profile wants it. NULL
 * when a library call fails. */
SSL_CTX *farm_pki_context(struct farm_pki *pki, const struct farm_profile *profile,
                          const char *name, const struct address *address);

/* PEM of fixed keys: making RSA keys takes longer than starting the rest of a farm. */
extern const char farm_test_key_rsa_2048[], farm_test_key_rsa_1024[];

/* --- Sockets --- */

struct farm_listener {
    const struct farm_profile *profile;
    struct address address;
    enum farm_kind kind;
    int descriptor;   /* -1 when there is none; bound but not listening for FARM_REFUSE */
    SSL_CTX *context; /* NULL when the profile has no TLS */
    char name[FARM_NAME_MAX];
};

/* Binds all addresses to `port`, or to the first port that is free on all when it is 0, and
 * listens. Gives the port in `chosen`. On an error no descriptor is left open. */
enum error farm_listen(struct farm_listener *listeners, uint32_t count, uint16_t port,
                       uint16_t *chosen, struct failure *failure)
    __attribute__((warn_unused_result));
void farm_listen_close(struct farm_listener *listeners, uint32_t count);

/* --- The thread --- */

struct farm_server;

/* Starts serving; `listeners` must live until farm_server_stop and belong to the thread. */
enum error farm_server_start(struct farm_server **out, const struct farm_listener *listeners,
                             uint32_t count, uint32_t connections, struct failure *failure)
    __attribute__((warn_unused_result));
/* Ends the thread and closes its connections. */
void farm_server_stop(struct farm_server *server);

#endif
