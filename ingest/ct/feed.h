/* Feeds of log entries, each followed for as long as the program runs.
 *
 *     logs        all RFC 6962 and static-ct logs together: one thread, one HTTP client
 *     certstream  one thread a URL
 *
 *     thread of the feed ─▶ decoder ─▶ mailbox ─▶ thread of the feed ─▶ outlet: pages in order
 *
 * Both speak to whoever follows them through a `struct feed_outlet`. */
#ifndef INGEST_CT_FEED_H
#define INGEST_CT_FEED_H

#include "engine/base/error.h"
#include "engine/decode/decoder.h"

/* Something that an operator should hear of. `words` of the outlet's call say it for people. */
enum feed_incident {
    FEED_ROOT_MISMATCH, /* the entries do not make the tree that the head promises */
    FEED_EQUIVOCATION,  /* two heads of the same size with different roots */
    FEED_BAD_SIGNATURE, /* a head that the log's key did not sign */
    FEED_HEAD_SHRANK,   /* an older head came; normal between front ends, kept apart */
    FEED_HEAD_STALE,    /* no newer head for longer than the log promises */
    FEED_PAGE_BROKEN,   /* an answer that is none: JSON, gzip, framing */
    FEED_UNREACHABLE,   /* no answer for some time */
    FEED_RECOVERED,     /* the log or feed answers again, the root is right again */
    FEED_GAP,           /* certstream: indices were left out by the server */
    FEED_LOST,          /* certstream: entries that we could not keep */
    FEED_LIST_STALE,    /* the log list could not be reloaded for a day */
    FEED_LOG_CHANGED,   /* a log came, went, or changed its state */
    FEED_INCIDENTS,
};

const char *feed_incident_name(enum feed_incident incident);

/* How far a log was followed. `saved` is all that is needed to go on from there (collapsed trees,
 * the head), for a store that does not look into it; it is checked when it comes back. */
struct log_position {
    uint64_t committed; /* entries handed to the outlet, from the start on */
    uint64_t verified;  /* of these, those that a signed head covers */
    uint64_t head;      /* tree size of the newest good head */
    struct slice saved;
};

/* Called on the feed's thread; must not block. */
struct feed_outlet {
    void *owner;
    /* Takes a decoded page, the next of its source: of a log, no entry is missing before it and
     * none comes twice. False when there is no room: the page stays with the feed, which tries
     * again after feed_wake. A log then waits; certstream counts what it cannot keep as lost. */
    bool (*commit)(void *owner, struct page *page);
    /* Comes after the commit of the pages that it speaks of; valid during the call. */
    void (*position)(void *owner, const struct ct_source *source,
                     const struct log_position *position);
    void (*incident)(void *owner, const struct ct_source *source, enum feed_incident incident,
                     const char *words);
};

/* Where to begin a log. */
enum feed_from {
    FEED_FROM_SAVED, /* where it was left; at the end when nothing was saved */
    FEED_FROM_NOW,   /* at the end of the newest head */
    FEED_FROM_INDEX, /* at an index, 0 for all there is */
};

/* Counts of one source; for any thread. */
struct feed_statistics {
    const struct ct_source *source;
    bool connected; /* the last request was answered; the WebSocket is open */
    bool elsewhere; /* a log that another program follows at the moment (logs_sharing) */
    uint64_t entries, pages, requests, bytes, failures, throttled, gaps, lost; /* of a WebSocket the
        requests are its messages */
    uint64_t committed, verified, head;                                        /* of a log */
    int64_t last_entry_ms; /* when the last page was committed, since 1970; 0 for never */
    int64_t newest_ms;     /* the newest timestamp among its entries */
};

#endif
