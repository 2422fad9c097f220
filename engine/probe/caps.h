/* How many connections one host, and one network around it, may have at once: counted over all
 * workers, so that a sweep of one network does not become a flood of it. Shared by every worker;
 * lock-free.
 *
 * Addresses are counted in hashed cells. Two that share a cell share a cap: that delays, and never
 * lets through what is too much. */
#ifndef ENGINE_PROBE_CAPS_H
#define ENGINE_PROBE_CAPS_H

#include "engine/base/address.h"

struct caps;

/* Connections at once to one address, and to one network: /24 for IPv4, /48 for IPv6; 0 for no cap.
 * NULL when there is no memory. */
struct caps *caps_new(uint32_t per_host, uint32_t per_network);
void caps_free(struct caps *caps);

/* Counts one connection to `address`; false, and not counted, when that would be one too many. */
bool caps_take(struct caps *caps, const struct address *address);
void caps_give(struct caps *caps, const struct address *address);

#endif
