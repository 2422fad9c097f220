/* The audit of one slot: questions to a server that has been probed, and the record that waits for
 * the answers. Lives on the heap, only under PLAN_AUDIT. */
#ifndef ENGINE_PROBE_AUDITING_H
#define ENGINE_PROBE_AUDITING_H

#include "engine/base/random.h"
#include "engine/record/record.h"
#include "engine/tls/audit.h"

struct auditing {
    struct tls_audit *audit;
    struct probe_record *record;
    struct buffer hello; /* of the next connection */
};

/* Takes the record over, when there is memory; NULL, and it stays with the caller, otherwise. */
struct auditing *auditing_new(struct probe_record *record, struct slice sni);

/* Whether there is something to ask; `hello` is then set. */
bool auditing_next(struct auditing *auditing, struct random *random);

/* Puts what was found into the record, gives it back and frees the rest. */
struct probe_record *auditing_end(struct auditing *auditing);

#endif
