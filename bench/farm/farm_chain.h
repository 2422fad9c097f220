/* Certificates that further endpoints of a farm would send, without the endpoints: for flights made
 * beforehand, and for benches of what reads certificates. */
#ifndef BENCH_FARM_FARM_CHAIN_H
#define BENCH_FARM_FARM_CHAIN_H

#include "bench/farm/farm_kinds.h"
#include "engine/base/address.h"
#include "engine/base/buffer.h"

enum { FARM_CHAIN_MAX = 2 };

struct farm_chain {
    struct slice certificates[FARM_CHAIN_MAX]; /* DER, leaf first */
    uint32_t count;
    struct buffer bytes; /* that they point into */
};

/* Makes `count` chains for `<kind>-<i>.farm.test` and 127.0.0.1 under one root, which is appended
 * to `root_pem` unless that is NULL. Unlike those of endpoints, the leaves list two SCTs, so that
 * they are as long as what public authorities issue. False for a kind that has no certificate and
 * when a library call fails; nothing is left behind then. */
bool farm_chains_init(struct farm_chain *chains, uint32_t count, enum farm_kind kind,
                      struct buffer *root_pem) __attribute__((warn_unused_result));
void farm_chains_deinit(struct farm_chain *chains, uint32_t count);

#endif
