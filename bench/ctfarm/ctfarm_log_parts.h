/* What a log is made of. Within the farm only. */
#ifndef BENCH_CTFARM_CTFARM_LOG_PARTS_H
#define BENCH_CTFARM_CTFARM_LOG_PARTS_H

#include "bench/ctfarm/ctfarm_entry.h"

enum { CTFARM_LEVELS = 6 };

struct ctfarm_log {
    struct ctfarm_config config; /* `wishes` are its own copy, by index */
    uint64_t distinct;
    bool has_leaf_index;
    struct ctfarm_pki pki;
    struct ctfarm_key_pool keys;
    struct ctfarm_signer signers[CTFARM_SIDES], list_signer;
    struct ctfarm_wish *wishes;
    /* Hash i of level n stands at i % counts[n]: what comes again is not kept twice. */
    uint8_t *levels[CTFARM_LEVELS];
    uint64_t counts[CTFARM_LEVELS];
};

/* The wish for an index, or NULL. */
const struct ctfarm_wish *ctfarm_log_wish(const struct ctfarm_log *log, uint64_t index);

/* Makes all hashes. False when there is no memory. */
bool ctfarm_tree_build(struct ctfarm_log *log) __attribute__((warn_unused_result));
void ctfarm_tree_free(struct ctfarm_log *log);

/* How the RFC 6962 leaf_index extension of entry `index` looks: 8 bytes. */
void ctfarm_write_leaf_index(struct ctfarm_der *out, uint64_t index);

#endif
