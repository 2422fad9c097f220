/* From where the options of a connection come. Part of link.c. */
#ifndef ENGINE_NATS_LOGIN_H
#define ENGINE_NATS_LOGIN_H

#include "engine/nats/link.h"

/* Gives `options` what the login says. Secrets are wiped from our memory; libnats keeps its own. */
enum error nats_login_set(natsOptions *options, const struct nats_url *url,
                          const struct nats_login *login, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
