/* The store that a command works on, and points in time: as options name them. */
#ifndef TOOLS_TRAWL_STORED_H
#define TOOLS_TRAWL_STORED_H

#include "sinks/store/database.h"

#define STORED_SUMMARY                                                                             \
    "the store: sqlite:PATH, a path, or postgresql://…; else $TRAWL_STORE, or trawl.db"
#define STORED_USUAL "trawl.db"

/* Opens a store that is there, with tables of this version. `given` is --store's value, or NULL.
 * `*out` may be there after an error, too, and is closed by the caller. */
enum error stored_open(struct database **out, const char *given, const char *application,
                       struct failure *failure) __attribute__((warn_unused_result));

/* A day (2026-11-01), a time (2026-11-01T12:00:00Z), or how long before `now_ms` (7d), in
 * milliseconds since 1970. ERROR_USAGE for anything else; `option` names it. */
enum error when_read(const char *option, const char *text, int64_t now_ms, int64_t *out,
                     struct failure *failure) __attribute__((warn_unused_result));

#endif
