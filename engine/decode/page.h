/* A page: a run of entries as a Certificate Transparency log or feed gave them, on its way
 *
 *     feed's thread ─▶ [ring] ─▶ a decoder's worker ─▶ mailbox of the feed ─▶ in order ─▶ ledger
 *
 * The thread that fetched it fills the first part and submits it; a worker decodes it in place and
 * fills the second; then it belongs to the feed again, which puts the pages of a log into order.
 * One owner at a time, no locks. */
#ifndef ENGINE_DECODE_PAGE_H
#define ENGINE_DECODE_PAGE_H

#include "engine/base/arena.h"
#include "engine/base/buffer.h"
#include "engine/ct/range.h"
#include "engine/queue/batch_queue.h"
#include "engine/queue/mailbox.h"
#include "engine/record/ct_record.h"

enum { PAGE_OUTLETS_MAX = 16 };

enum page_kind {
    PAGE_TILE,        /* a static-ct data tile, full or partial */
    PAGE_GET_ENTRIES, /* the JSON answer of an RFC 6962 log */
    PAGE_FEED, /* messages of a certstream feed, each with its length before it: u32 host order */
};

/* Where pages come from. Made before the first page, never changed, outlives all pages. */
struct ct_source {
    uint32_t number;   /* its place in the list of what is followed */
    struct slice name; /* "Google 'Argon2026h1' log"; of a feed, its URL */
    struct slice url;  /* without a final slash */
    bool has_log_id;   /* a log of its own, and not a feed of many */
    uint8_t log_id[32];
};

enum page_result {
    PAGE_FRESH = 0, /* not decoded yet */
    PAGE_DECODED,
    PAGE_WANTS_ISSUERS, /* `missing` names issuers that are to be put into the decoder's cache, or
                           marked as not to be had; then the page is submitted again. Once */
    PAGE_BROKEN, /* no page at all, or no memory for it: bad gzip, JSON, framing; `error` says what.
                    Nothing of it counts; fetch it again */
};

/* Which entry of which log a message of a feed brought. */
struct feed_index {
    struct slice log_url;
    uint64_t index;
};

struct page {
    struct mailbox_entry entry; /* first */

    /* --- by the feed --- */
    const struct ct_source *source;
    enum page_kind kind;
    uint64_t first;  /* index of the first entry; of a feed, a running number */
    uint32_t wanted; /* entries of the tile; of the answer, more are cut off and fewer are normal;
                        messages of a feed */
    uint32_t skip;   /* of a tile: entries before `first`, which were taken before */
    bool gzip;       /* body is compressed */
    struct buffer body;
    int64_t received_ms; /* since 1970 */
    struct mailbox *back;
    void *owner; /* of the feed, untouched */

    /* --- by the worker --- */
    enum page_result result;
    char error[160];
    uint32_t entries;           /* decoded; those that could not be parsed are among them */
    struct ct_range range;      /* of their leaf hashes, from `first` on; not for PAGE_FEED */
    struct ct_record **records; /* of entries that matched and of malformed ones, in order, each
                                   with one reference, which is the page's */
    uint32_t record_count, record_capacity;
    struct batch *outputs[PAGE_OUTLETS_MAX]; /* with --all: a record of each entry, encoded for each
                                                outlet; NULL where there is nothing */
    const uint8_t (*missing)[32];            /* in `memory` */
    uint32_t missing_count;
    bool asked_for_issuers; /* it goes on without those that are still missing */
    struct {
        uint32_t certificates, precertificates;
        uint32_t malformed; /* cannot be parsed; all of them are recorded */
        uint32_t unbound;   /* with another precertificate than the tree covers */
        uint32_t misplaced; /* whose leaf_index is not their place */
        uint32_t names;     /* that were matched */
        uint32_t matched;   /* entries that the watch list has */
        uint32_t heartbeats;
    } counts;
    int64_t newest_ms;                     /* the newest timestamp of its entries; 0 without one */
    const struct feed_index *feed_indices; /* of PAGE_FEED, in order; in `memory` */
    uint32_t feed_index_count;
    struct arena memory;
};

/* NULL when there is no memory. */
struct page *page_new(const struct ct_source *source, enum page_kind kind);
/* With its records and outputs, as far as they were not taken. NULL is fine. */
void page_free(struct page *page);

/* Drops what the worker has filled in. */
void page_forget(struct page *page);

/* Takes over the reference; false, with the record put, when there is no memory. */
bool page_add_record(struct page *page, struct ct_record *record);

#endif
