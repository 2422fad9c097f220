/* The audit of one slot: questions to a server that has been probed, and the record that waits for
 * the answers. Lives on the heap, only under PLAN_AUDIT. */
#ifndef ENGINE_PROBE_AUDITING_H
#define ENGINE_PROBE_AUDITING_H

#include "engine/base/random.h"
#include "engine/record/record.h"
#include "engine/tls/audit.h"

struct prober_settings;

struct auditing {
    struct tls_audit *audit;
    struct probe_record *record;
    const struct prober_settings *settings;
    struct buffer hello; /* of the next connection */
};

/* Takes the record over, when there is memory; NULL otherwise, and it stays with the caller, but
 * says so. */
struct auditing *auditing_new(struct probe_record *record, struct slice sni,
                              const struct prober_settings *settings);

/* Whether there is something to ask; `hello` is then set. */
bool auditing_next(struct auditing *auditing, struct random *random);

/* Puts what was found into the record, judges that, gives the record back and frees the rest. */
struct probe_record *auditing_end(struct auditing *auditing);

#endif
