/* An entry and what it was made of. Within the farm only. */
#ifndef BENCH_CTFARM_CTFARM_ENTRY_H
#define BENCH_CTFARM_CTFARM_ENTRY_H

#include "bench/ctfarm/ctfarm_issuance.h"

/* Four times the largest certificate: TBS, certificate, precertificate, leaf. */
enum { CTFARM_ENTRY_ROOM = 768 * 1024 };

struct ctfarm_entry {
    uint64_t index;
    int64_t timestamp_ms;
    bool precert, tampered;
    struct slice tbs;         /* without poison and SCT list */
    struct slice certificate; /* final, or the precertificate as submitted */
    struct slice leaf;        /* MerkleTreeLeaf */
    const struct ctfarm_ca *chain[CTFARM_CHAIN_MAX];
    uint32_t chain_count;
    struct ctfarm_issuance issuance;
    uint8_t room[CTFARM_ENTRY_ROOM];
};

/* True when it can be parsed as what it claims to be. */
bool ctfarm_entry_is_parsable(const struct ctfarm_entry *entry);

#endif
