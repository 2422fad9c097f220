/* Memory that is taken piece by piece and given back all at once. One owner, one thread at a time.
 *
 * The first chunk holds what is usual, so that one allocation serves a whole record; more chunks
 * follow when a peer sends more than is usual. Callers bound what they put in
 * (engine/base/limits.h).
 *
 * Running out of memory is remembered in `failed`: check once at the end. */
#ifndef ENGINE_BASE_ARENA_H
#define ENGINE_BASE_ARENA_H

#include "engine/base/slice.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    bool failed;                /* something that was asked for is missing */
};

/* `first_bytes`: how much the first chunk holds. False when there is no memory. */
bool arena_init(struct arena *arena, size_t first_bytes);
void arena_deinit(struct arena *arena);

/* Gives back all that was taken; keeps the largest chunk for what comes. Forgets a failure. */
void arena_reset(struct arena *arena);

/* `len` bytes aligned for any type, not cleared; NULL when there is no memory. */
void *arena_take(struct arena *arena, size_t len);

/* Copies; an empty slice when there is no memory or nothing to copy. */
struct slice arena_copy(struct arena *arena, struct slice bytes);

#endif
