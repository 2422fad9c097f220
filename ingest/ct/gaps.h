/* Which indices of each log a feed has shown, to count what it left out. A server that fetches
 * pages side by side, or that merges repetitions, sends indices out of order and with holes that
 * fill later: a hole counts once it lies a good way behind the newest index. So does what came
 * while the feed was not connected.
 *
 * One thread. */
#ifndef INGEST_CT_GAPS_H
#define INGEST_CT_GAPS_H

#include "engine/base/slice.h"

struct gaps;

/* NULL when there is no memory. */
struct gaps *gaps_new(void);
/* NULL is fine. */
void gaps_free(struct gaps *gaps);

/* Notes an entry; returns how many entries turn out to be missing by it. Logs beyond a bound are
 * not looked at. */
uint64_t gaps_note(struct gaps *gaps, struct slice log_url, uint64_t index);

#endif
