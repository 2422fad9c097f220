/* Certificates that were read from a file: judged as those that a server serves, without a
 * connection. Made on a thread that may block, never changed after; it travels with its target, to
 * which it belongs, and whoever makes the record frees it. */
#ifndef ENGINE_PROBE_LOCAL_CHAIN_H
#define ENGINE_PROBE_LOCAL_CHAIN_H

#include "engine/base/limits.h"
#include "engine/base/slice.h"
#include "engine/record/outcome.h"

#include <stdatomic.h>

struct local_chain {
    struct slice path;    /* of the file: the record's host */
    enum outcome outcome; /* OUTCOME_OK when there are certificates */
    struct slice error;   /* human words; empty when OUTCOME_OK */
    uint32_t count;
    struct slice certificates[LIMIT_CHAIN_CERTIFICATES]; /* DER, leaf first */
    size_t bytes;                                        /* all of it */
    _Atomic size_t *in_flight; /* `bytes` are counted there until it is freed; NULL: nowhere */
};

/* Copies everything into one block. At most LIMIT_CHAIN_CERTIFICATES. NULL when there is no memory.
 */
struct local_chain *local_chain_new(struct slice path, const struct slice *certificates,
                                    uint32_t count);

/* What could not be read, and why. */
struct local_chain *local_chain_new_failed(struct slice path, enum outcome outcome,
                                           struct slice error);

/* On any thread; takes NULL too. */
void local_chain_free(struct local_chain *chain);

#endif
