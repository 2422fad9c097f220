/* certwatch's database: PostgreSQL tables that others own and read.
 *
 *     public.intent_current(fqdn)    the names to watch            read
 *     public.certs                   the known certificates        read
 *     public.alerts                  what was found                written, pruned
 *
 * tools/certwatch.sql makes them where they are missing. A column tbs_sha256 in certs or alerts is
 * used when it is there: it is what joins a precertificate to its certificate. Without it, a
 * precertificate is known by its serial number and validity.
 *
 * A connection belongs to one thread and blocks it; one that broke is made anew at the next call.
 * So the ledger and who reads the list have one each. */
#ifndef TOOLS_WATCH_CERTWATCH_H
#define TOOLS_WATCH_CERTWATCH_H

#include "engine/match/watch_list.h"
#include "tools/watch/ledger.h"

struct certwatch;

enum certwatch_use { CERTWATCH_LIST, CERTWATCH_LEDGER };

/* Connects, and looks whether the tables are there. `dsn` is libpq's, with its password; messages
 * never show it. */
enum error certwatch_open(struct certwatch **out, const char *dsn, enum certwatch_use use,
                          struct failure *failure) __attribute__((warn_unused_result));
/* Whoever waits for an answer waits no longer, and gets an error; any thread. NULL is fine. */
void certwatch_stop(struct certwatch *certwatch);
/* NULL is fine. */
void certwatch_close(struct certwatch *certwatch);

/* For the ledger: valid as long as the connection. Without `notes_delivery` nobody is told what was
 * delivered, since nothing is: records are only shown. */
struct ledger_database certwatch_database(struct certwatch *certwatch, bool notes_delivery);

/* The names to watch. `bad` counts those that are no entry; they are left out. An empty table is
 * ERROR_INPUT: whoever has a list keeps it. */
enum error certwatch_read_list(struct certwatch *certwatch, struct watch_list **out, uint32_t *bad,
                               struct failure *failure) __attribute__((warn_unused_result));

#endif
