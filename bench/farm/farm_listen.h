/* Endpoints as sockets: free ports, binding, listening. Within the farm only. */
#ifndef BENCH_FARM_FARM_LISTEN_H
#define BENCH_FARM_FARM_LISTEN_H

#include "bench/farm/farm_profile.h"
#include "engine/base/address.h"
#include "engine/base/error.h"

#include <openssl/base.h>

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

#endif
