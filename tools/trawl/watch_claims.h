/* Who tells what, when several watchers share logs: a key for each issuance in a bucket. Whoever is
 * about to tell it claims it first; when everybody has it, it is marked as told. So an issuance is
 * told once, through however many logs and watchers it comes, also after a takeover. A claim of a
 * watcher that is gone is anybody's.
 *
 *     bucket  NAME-told    GROUP.ISSUANCE-ID    "claimed WATCHER", then "told WATCHER"
 *
 * To the ledger it is a database (struct ledger_database), before the one that there may be. On the
 * ledger's thread, with a link of its own. */
#ifndef TOOLS_TRAWL_WATCH_CLAIMS_H
#define TOOLS_TRAWL_WATCH_CLAIMS_H

#include "tools/trawl/watch_via.h"
#include "tools/watch/ledger.h"

struct watch_claims;

struct watch_claims_config {
    struct watch_via *via; /* outlives the claims */
    const char *group;
    uint64_t retention_ms;               /* as of --retention */
    const struct ledger_database *inner; /* outlives them too; NULL for none */
};

enum error watch_claims_open(struct watch_claims **out, const struct watch_claims_config *config,
                             struct failure *failure) __attribute__((warn_unused_result));
/* NULL is fine. */
void watch_claims_close(struct watch_claims *claims);

struct ledger_database watch_claims_database(struct watch_claims *claims);

#endif
