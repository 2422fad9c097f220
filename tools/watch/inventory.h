/* The certificates that are known to be ours: read from files and folders, looked up by the ledger.
 *
 *     certs/                   certificates below it: .pem .crt .cer .der .p7b .p7c, and records
 *     fullchain.pem            certificates, all of them: PEM, DER or PKCS#7
 *     sweep.jsonl              records of an earlier `trawl scan`: .jsonl .ndjson .json
 *
 * A certificate is known when its precertificate TBS, its fingerprint or, if that is asked for, its
 * key is. 48 bytes of memory a certificate, 64 with keys. One thread; reading blocks. */
#ifndef TOOLS_WATCH_INVENTORY_H
#define TOOLS_WATCH_INVENTORY_H

#include "engine/base/error.h"
#include "engine/record/ct_record.h"

struct inventory;

struct inventory_config {
    const char *const *paths; /* outlive it */
    uint32_t path_count;
    bool by_key; /* a new certificate for a known key is known */
    /* A file that cannot be read, or only in part; others go on. On the caller's thread. */
    void (*say)(void *owner, const char *words);
    void *owner;
};

/* A path that is not there, or a file among the paths that holds no certificate, is an error. */
enum error inventory_open(struct inventory **out, const struct inventory_config *config,
                          struct failure *failure) __attribute__((warn_unused_result));
/* NULL is fine. */
void inventory_close(struct inventory *inventory);

/* Reads again what has changed on disk, when it has stayed the same from one call to the next: what
 * is still being written is only half of it. Where something cannot be read, all that was known
 * stays so, too. */
enum error inventory_refresh(struct inventory *inventory, bool *changed, struct failure *failure)
    __attribute__((warn_unused_result));

bool inventory_knows(const struct inventory *inventory, const struct ct_record *record,
                     enum ct_known_by *by);

/* How many certificates there are. */
uint64_t inventory_count(const struct inventory *inventory);

#endif
