/* The domains that somebody watches: built once, never changed, shared by all workers. A new list
 * is built beside the old one and takes its place.
 *
 * An entry is one of
 *      example.org         the name and everything below it; "*.example.org" means the same
 *      =www.example.org    this name alone (and a wildcard that covers it)
 *      192.0.2.7, 2001:db8::/32    an address or a CIDR block
 * Names are given as Unicode or as A-labels, in any case, and need two labels at least. A final dot
 * goes. Wildcards elsewhere and empty labels are refused.
 *
 * A name of a certificate matches label by label from the right:
 *      `*`         stands for any one label: "*.example.com" matches the entries example.com and
 *                  sub.example.com, and not a.sub.example.com
 *      `f*o`       stands for any label that begins and ends so
 *      a label that makes no sense (control characters, not IDNA) or "?" stands for any one label
 *
 * A million entries cost little more than ten: a name's suffixes are hashed from the right, one
 * step a label; depths without an entry are passed over; a bit array refuses nearly all of the
 * rest, a table of hashes finds the entry, its text confirms it. Memory accesses of many names
 * overlap, so match whole pages. 50 to 80 bytes an entry. Hashes have a random seed, so that nobody
 * can write names that collide. */
#ifndef ENGINE_MATCH_WATCH_LIST_H
#define ENGINE_MATCH_WATCH_LIST_H

#include "engine/base/error.h"
#include "engine/match/names.h"

struct watch_list;
struct watch_list_builder;

enum {
    WATCH_LIST_ENTRIES_MAX = 1 << 24, /* about 1 GB; all names under .com are ten times as many */
    /* Entries of one name that are listed; "*.com" could match them all. */
    WATCH_HITS_PER_NAME_MAX = 64,
};

/* --- Building --- */

/* NULL when there is no memory. One thread. */
struct watch_list_builder *watch_list_builder_new(void);
void watch_list_builder_free(struct watch_list_builder *builder);

/* Adds an entry, without blanks around it; `line` is where it stands in its file, or 0. ERROR_USAGE
 * says what is wrong with it, without the text and the line: the caller has both. ERROR_LIMIT and
 * ERROR_MEMORY end the building. An entry that is there already counts once; the first text and
 * line stay. */
enum error watch_list_builder_add(struct watch_list_builder *builder, struct slice text,
                                  uint32_t line, struct failure *failure)
    __attribute__((warn_unused_result));

/* The finished list, with one reference for the caller; also an empty one. Takes the builder,
 * whatever comes out. NULL when there is no memory. */
struct watch_list *watch_list_builder_finish(struct watch_list_builder *builder);

/* --- Sharing: safe on every thread --- */

struct watch_list *watch_list_get(struct watch_list *list); /* one more reference */
void watch_list_put(struct watch_list *list);               /* one less; takes NULL too */

/* Where the list hangs that is in use. `set` replaces it at any time, from any thread. A reader
 * belongs to one worker and keeps a reference of its own, which it exchanges when there is
 * something newer; it takes the lock only then. So an old list goes when the last worker has moved
 * on and the last holder of a reference (a page, a record) has let go. */
struct watch_current;
struct watch_reader {
    struct watch_list *list; /* begins as NULL */
    uint64_t generation;     /* begins as 0 */
};

struct watch_current *watch_current_new(struct watch_list *list); /* takes it; NULL: no memory */
void watch_current_free(struct watch_current *current);           /* when no reader is left */
void watch_current_set(struct watch_current *current, struct watch_list *list); /* takes it */

/* The list in use: the reader's own until its next call. */
struct watch_list *watch_reader_list(struct watch_reader *reader, struct watch_current *current);
void watch_reader_deinit(struct watch_reader *reader);

/* --- Matching: pure, safe on every thread --- */

#define WATCH_MORE UINT32_MAX

struct watch_hit {
    uint32_t name;  /* index into the names */
    uint32_t entry; /* index for watch_list_entry. WATCH_MORE: the name matches further entries, or
                       may: the search for those of an odd name has an end */
};

/* In the order of names; of a name the shortest entry first, WATCH_MORE last. */
struct watch_hits {
    struct watch_hit *items;
    uint32_t count, capacity;
    bool failed; /* no memory: hits are missing */
};

void watch_hits_init(struct watch_hits *hits);
void watch_hits_deinit(struct watch_hits *hits);

/* Replaces what `hits` has by what matches `names`. */
void watch_list_match(const struct watch_list *list, const struct match_names *names,
                      struct watch_hits *hits);

/* Whether an entry is `name` (lower-case, no wildcard) or a domain above it. */
bool watch_list_covers(const struct watch_list *list, struct slice name);

/* --- What is in it --- */

struct watch_entry {
    struct slice name; /* lower-case A-labels; of an address its canonical form as written */
    struct slice text; /* as it was written */
    uint32_t line;
    bool exact; /* "=" */
};

/* Slices live as long as the list. */
struct watch_entry watch_list_entry(const struct watch_list *list, uint32_t index);
uint32_t watch_list_count(const struct watch_list *list);
size_t watch_list_bytes(const struct watch_list *list); /* of memory, all in all */

#endif
