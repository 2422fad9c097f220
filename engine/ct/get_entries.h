/* A page of entries as a log sends it (RFC 6962 section 4.6):
 *
 *     {"entries":[{"leaf_input":"AAAAAAF…","extra_data":"AAfo…"}, …]}
 *
 * The base64 is decoded on the way, once, straight into the memory of the caller. A page is good as
 * a whole or not at all: what a log garbled is fetched again, never skipped. What is in an entry is
 * engine/ct/entry.h's to say.
 *
 * Any spelling that JSON allows is understood: blanks, members in another order, unknown ones,
 * escapes. The spelling of all known logs is read in one pass; any other by a JSON parser.
 *
 * Sans-I/O and pure, safe on every thread. */
#ifndef ENGINE_CT_GET_ENTRIES_H
#define ENGINE_CT_GET_ENTRIES_H

#include "engine/base/arena.h"

struct get_entries_entry {
    struct slice leaf_input; /* MerkleTreeLeaf */
    struct slice extra_data; /* the chain; empty when it is missing or null */
};

struct get_entries {
    const struct get_entries_entry *entries; /* in the order of the log */
    uint32_t count;                          /* 0 is a page without entries */
};

enum get_entries_result {
    GET_ENTRIES_OK = 0,
    GET_ENTRIES_NOT_JSON,  /* an error page, or cut off */
    GET_ENTRIES_BAD_SHAPE, /* no list of entries, an entry without its leaf, a member twice */
    GET_ENTRIES_BAD_BASE64,
    GET_ENTRIES_TOO_LARGE, /* over LIMIT_GET_ENTRIES_BYTES, or over `entries_max` */
    GET_ENTRIES_NO_MEMORY,
};

/* Entries and their bytes are put into `arena`: three quarters of the page, and 32 bytes an entry.
 * `entries_max`: more are refused; LIMIT_GET_ENTRIES when in doubt. `out` is empty unless all went
 * well. */
enum get_entries_result get_entries_parse(struct slice page, uint32_t entries_max,
                                          struct arena *arena, struct get_entries *out)
    __attribute__((warn_unused_result));

/* "the answer is not JSON" and the like. */
const char *get_entries_result_text(enum get_entries_result result);

/* The two ways that get_entries_parse goes, for tests and measurements. The quick one returns
 * GET_ENTRIES_NOT_JSON for anything that it leaves to the other. */
enum get_entries_result get_entries_parse_quick(struct slice page, uint32_t entries_max,
                                                struct arena *arena, struct get_entries *out)
    __attribute__((warn_unused_result));
enum get_entries_result get_entries_parse_any(struct slice page, uint32_t entries_max,
                                              struct arena *arena, struct get_entries *out)
    __attribute__((warn_unused_result));

#endif
