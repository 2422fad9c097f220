/* The insides of the decoder: one worker, and the way of a page through it.
 *
 *     worker.c     a page, window by window
 *     read_log.c, read_feed.c    bytes to items
 *     examine.c    leaf hashes, certificates, names, what matched
 *     records.c    records of the items that are to have one; fill_entry.c, fill_told.c,
 *                  fill_matches.c    what stands in them
 *
 * A page goes through in windows of some hundred entries, each from its bytes to its records before
 * the next one is looked at: what one step has read the next finds in the cache, many hashes are
 * made at once, and what is needed for a page does not grow with it.
 *
 * Everything belongs to the worker's thread but for `counts`, which others read. */
#ifndef ENGINE_DECODE_WORKER_H
#define ENGINE_DECODE_WORKER_H

#include "engine/ct/entry.h"
#include "engine/ct/feed_message.h"
#include "engine/ct/get_entries.h"
#include "engine/decode/decoder.h"
#include "engine/decode/issuers.h"
#include "engine/match/lookalike.h"
#include "engine/match/watch_list.h"

#include <pthread.h>

enum {
    WINDOW_ITEMS = 256,
    /* What is matched at a time ends early when its certificates have that many names: those of a
       hostile page could have millions. */
    RUN_NAMES = 1 << 16,
    RECORDS_AT_ONCE = 32, /* whose hashes are made together */
};

/* One entry of a page. Slices point into the page's body, or into memory of the window. */
struct item {
    struct slice raw;                   /* as the log or the feed gave it */
    const struct ct_entry *entry;       /* of a log; NULL of a feed */
    const struct feed_message *message; /* of a feed; NULL of a log */
    struct slice der;                   /* of a feed's certificate; empty when it sent none */
    const char *error;                  /* static text: what is wrong; NULL */
    bool is_precertificate;
    bool has_certificate; /* there is one, and it was read to its end */
    bool is_malformed;    /* so that it may be for anybody */
    bool is_unbound;      /* the submitted precertificate is not what was logged */
    bool keeps_raw;       /* its record shows the bytes */
    bool is_recorded;
    uint32_t hits, hit_count;             /* of the watch list */
    uint32_t lookalikes, lookalike_count; /* of the brands */
};

struct worker_counts {
    uint64_t pages, bytes, entries, certificates, precertificates, malformed, unbound, misplaced,
        names, matched, heartbeats;
};

struct decode_worker {
    struct decoder *decoder;
    pthread_t thread;
    bool started;

    /* --- of the page --- */
    struct buffer inflated;
    struct arena page_memory;
    struct slice rest;      /* of the body: behind the window */
    uint32_t messages_left; /* of a feed, in `rest` */
    struct get_entries answer;
    struct watch_reader watched;
    const struct watch_list *watch_list;
    int64_t now_ms;
    struct slice link; /* to the tile `link_tile`, in `page_memory` */
    uint64_t link_tile;

    /* --- of the window --- */
    uint32_t count;              /* items */
    uint32_t run_start, run_end; /* those that are matched together: all of them, mostly */
    struct item items[WINDOW_ITEMS];
    struct ct_entry entries[WINDOW_ITEMS];
    struct ct_hash leaves[WINDOW_ITEMS];
    struct arena window_memory;
    struct match_names names;
    struct watch_hits hits;
    struct lookalike_hits lookalike_hits;

    /* --- of some records --- */
    struct ct_record records[RECORDS_AT_ONCE]; /* those that are only encoded */
    struct arena record_memory;
    size_t usual_output[PAGE_OUTLETS_MAX]; /* bytes of a page's records */

    struct buffer text; /* for anything that takes a moment */
    struct worker_counts counts;
};

struct decoder {
    struct decoder_config config;
    uint32_t parts; /* of records that are only encoded: enum record_part */
    struct issuers *issuers;
    struct watch_current *watched;
    struct page_queue *queue;
    uint32_t worker_count;
    struct decode_worker workers[];
};

/* What outlet `number` wants; NULL for all. */
static inline const struct filter *decoder_filter(const struct decoder *decoder, uint32_t number) {
    return decoder->config.filters ? decoder->config.filters[number] : NULL;
}

/* --- worker.c --- */

/* False when there is no memory; worker_deinit is due all the same. */
bool worker_init(struct decode_worker *worker, struct decoder *decoder);
void worker_deinit(struct decode_worker *worker);

/* Decodes a page, again from its beginning when it has been here before. */
void worker_decode(struct decode_worker *worker, struct page *page);

/* Whether all that the worker does now has got its memory. */
bool worker_has_memory(const struct decode_worker *worker);

/* Says why; returns false. */
bool page_is_broken(struct page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- Reading --- */

/* `begin` finds what the items are read from, `next` fills the window; it has no items at the end
 * of the page. False: the page is broken, and says why. */
bool read_tile_begin(struct decode_worker *worker, struct page *page);
bool read_tile_next(struct decode_worker *worker, struct page *page);
bool read_answer_begin(struct decode_worker *worker, struct page *page);
bool read_answer_next(struct decode_worker *worker, struct page *page);
bool read_feed_begin(struct decode_worker *worker, struct page *page);
bool read_feed_next(struct decode_worker *worker, struct page *page);

/* --- examine.c --- */

/* Leaf hashes of the window, into the page's range. */
bool window_hash(struct decode_worker *worker, struct page *page);

/* Certificates, names, what they match, from `run_start` on; sets `run_end`, and marks the items
 * that are to have a record. False when there is no memory, likewise below. */
bool run_examine(struct decode_worker *worker, struct page *page);

/* Reads what is to be read of an item and says what is wrong with it. `certificate` is filled as
 * far as it can be read; its names may lie in `memory`. */
void item_examine(struct decode_worker *worker, struct page *page, struct item *item,
                  struct arena *memory, struct certificate *certificate);

/* The certificate again, of an item that was examined. */
void item_certificate(struct decode_worker *worker, const struct item *item, struct arena *memory,
                      struct certificate *certificate);

/* --- records.c --- */

/* Records of the marked items, kept in the page or encoded for its outlets. When an issuer is
 * missing, the page says so. */
bool run_record(struct decode_worker *worker, struct page *page);

/* A record on its way, and what it is made of. */
struct draft {
    struct ct_record *record;
    struct arena *memory; /* of its texts */
    bool kept;            /* it outlives the page: nothing may point into the window */
    uint32_t parts;       /* what is wanted: enum record_part */
    uint64_t index;       /* of the entry, or of the message */
    const struct item *item;
    struct item own_item; /* over bytes of the record, when `kept` */
    struct ct_entry own_entry;
    struct certificate certificate;
};

/* Bytes that live as long as the record. */
static inline struct slice draft_keep(const struct draft *draft, struct slice bytes) {
    return draft->kept ? arena_copy(draft->memory, bytes) : bytes;
}

void fill_source(struct decode_worker *worker, const struct page *page, const struct draft *draft);
void fill_told(const struct draft *draft);
void fill_issuance_id(struct decode_worker *worker, const struct draft *draft);
void fill_chain(struct decode_worker *worker, const struct draft *draft);
void fill_matches(struct decode_worker *worker, const struct draft *draft);

#endif
