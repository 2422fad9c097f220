/* One name to one address by the system's resolver, which may block: for commands with one server,
 * before anything runs. Sweeps use engine/dns. */
#ifndef TOOLS_TRAWL_RESOLVE_H
#define TOOLS_TRAWL_RESOLVE_H

#include "engine/probe/target.h"

/* Sets the target's address to the first that its name has. NULL, or why there is none. */
const char *resolve_name(struct target *target);

#endif
