/* Entries as they go over the wire, 256 at a time, made when asked for and kept while there is
 * room: a server sends parts of them without touching them again. Within the farm only. One owner,
 * one thread at a time. */
#ifndef BENCH_CTFARM_CTFARM_PAGES_H
#define BENCH_CTFARM_CTFARM_PAGES_H

#include "bench/ctfarm/ctfarm_feed.h"

enum ctfarm_form {
    CTFARM_FORM_ENTRIES, /* {"leaf_input":"...","extra_data":"..."}, each with a comma behind it */
    CTFARM_FORM_DATA,    /* a data tile */
    CTFARM_FORM_GZIP,    /* the same, compressed; only complete tiles */
    CTFARM_FORM_FEED,    /* WebSocket frames; and those of other dialects and details */
    CTFARM_FORM_COUNT = CTFARM_FORM_FEED + (int)CTFARM_DIALECTS * (int)CTFARM_DETAILS
};

static inline enum ctfarm_form ctfarm_form_feed(enum ctfarm_dialect dialect,
                                                enum ctfarm_detail detail) {
    return (enum ctfarm_form)((int)CTFARM_FORM_FEED + (int)dialect * (int)CTFARM_DETAILS +
                              (int)detail);
}

struct ctfarm_page {
    uint32_t references;
    uint32_t count;                    /* entries */
    uint32_t offsets[CTFARM_TILE + 1]; /* entry i begins at offsets[i] and ends at the next */
    struct buffer bytes;
    struct ctfarm_page **slot; /* where the cache has it; NULL when it has not */
    struct ctfarm_page *newer, *older;
};

struct ctfarm_pages;

/* `budget`: how many bytes of pages are kept. `tiled`, `url`, `name`: of the feeds, which are not
 * copied. NULL when there is no memory. */
struct ctfarm_pages *ctfarm_pages_new(const struct ctfarm_log *log, uint64_t budget, bool tiled,
                                      const char *url, const char *name);
/* All pages must have been put. */
void ctfarm_pages_free(struct ctfarm_pages *pages);

/* Page `number`: entries from 256 * number on, as many as there are. NULL when there is no memory.
 * To be put. */
struct ctfarm_page *ctfarm_page_get(struct ctfarm_pages *pages, enum ctfarm_form form,
                                    uint64_t number);
/* The same with another entry than the tree knows at `tampered`; not kept. */
struct ctfarm_page *ctfarm_page_get_tampered(struct ctfarm_pages *pages, enum ctfarm_form form,
                                             uint64_t number, uint64_t tampered);
/* A page of other bytes, which it takes. */
struct ctfarm_page *ctfarm_page_of(struct buffer *bytes);
void ctfarm_page_put(struct ctfarm_page *page);

/* Compresses; false when there is no memory. */
bool ctfarm_gzip(struct slice bytes, struct buffer *out);

/* The room of the pages for single entries, for who needs one in passing. */
struct ctfarm_entry *ctfarm_pages_entry(struct ctfarm_pages *pages);

/* Appends a WebSocket frame that a server sends: header and payload. */
void ctfarm_add_frame(struct buffer *out, uint8_t opcode, struct slice payload);

#endif
