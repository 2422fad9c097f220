/* The certificates behind leaves, as records show them: a few hundred issuers stand behind nearly
 * all servers, so each is hashed and decoded once. Belongs to one prober. */
#ifndef ENGINE_PROBE_LINK_CACHE_H
#define ENGINE_PROBE_LINK_CACHE_H

#include "engine/record/record.h"

struct link_cache;

/* NULL when there is no memory. */
struct link_cache *link_cache_new(void);
/* Takes NULL too. */
void link_cache_free(struct link_cache *cache);

/* The link of this certificate, whose slices live until the next call; NULL when there is no
 * memory. What another certificate in the same place had is forgotten. */
const struct chain_link *link_cache_get(struct link_cache *cache, struct slice der);

#endif
