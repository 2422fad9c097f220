/* How often somebody may come: a bucket of tokens for each address, filled again over time. A fixed
 * number of buckets; when an address finds none, it takes that of the one that was gone for
 * longest. IPv6 counts by /64, which one host may have to itself.
 *
 * Pure but for its memory; one thread. */
#ifndef TOOLS_MONITOR_RATES_H
#define TOOLS_MONITOR_RATES_H

#include "engine/base/address.h"

struct rates;

/* `burst` at once, `per_minute` in the long run. NULL when there is no memory. */
struct rates *rates_new(uint32_t burst, uint32_t per_minute);
/* NULL is fine. */
void rates_free(struct rates *rates);

/* Whether there is something left for this address. */
bool rates_has(struct rates *rates, const struct address *address, uint64_t now_ms);

/* Takes one; false when there is none. */
bool rates_take(struct rates *rates, const struct address *address, uint64_t now_ms);

#endif
