/* Keeps malformed datagrams from c-ares 1.34, which takes one as a fault of its socket and has all
 * questions that are open on it repeated: a few such answers, to one hostile name, would fail all
 * others. Older versions, which pass over them, need no guard. */
#ifndef ENGINE_DNS_GUARD_H
#define ENGINE_DNS_GUARD_H

#include <ares.h>

/* After its servers are set. */
void guard_channel(ares_channel channel);

#endif
