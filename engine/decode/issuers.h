/* The certificates behind those in logs: a few hundred issuers, shared by all workers, each decoded
 * once. What is in it stays until the end, so records point into it. Safe on every thread, without
 * locks: entries are only added. */
#ifndef ENGINE_DECODE_ISSUERS_H
#define ENGINE_DECODE_ISSUERS_H

#include "engine/record/record.h"

struct issuers;

/* NULL when there is no memory. */
struct issuers *issuers_new(void);
/* Takes NULL too. */
void issuers_free(struct issuers *issuers);

/* The issuer with this SHA-256; NULL when nobody has added it. One that is not to be had has a
 * fingerprint and nothing else. */
const struct chain_link *issuers_find(const struct issuers *issuers, const uint8_t sha256[32]);

/* The issuer with these bytes, added unless it is there. NULL when the table is full or there is no
 * memory: logs name some hundreds, an attacker may name any number. */
const struct chain_link *issuers_of(struct issuers *issuers, struct slice der);

/* Notes that it cannot be had. */
void issuers_add_missing(struct issuers *issuers, const uint8_t sha256[32]);

#endif
