/* How one log is followed, without the network: what to ask for next, and what to make of answers.
 * Sans-I/O, so that tests drive it with logs that lie. The thread of the logs asks it what it
 * wants, fetches that, lets pages be decoded, and gives everything back.
 *
 *     head ─▶ target ─▶ pages, several under way ─▶ in order ─▶ tree ─▶ is it the head's?
 *                           ▲                                            │ no     │ yes
 *                           └── wait, fetch again what is not proven ◀───┘        └─▶ pages leave
 *
 * What is promised:
 * - Pages leave in the order of their entries; none is left out, none leaves twice.
 * - A page leaves when it is proven: a head that the log has signed covers it. Far behind the end
 * of a log, where its head is billions of entries away, a Merkle proof ties what was fetched to the
 *   head each time that a part of the window is full.
 * - A head is never trusted for being newer: the tree of all entries is what is compared.
 *
 * The one exception is a log that gives no valid proofs. When it was asked several times and the
 * window is full, pages leave unproven; should the entries turn out to be wrong, all of them that
 * are not proven are fetched again, and leave once more.
 *
 * One thread. Times are milliseconds of any clock that never goes back. */
#ifndef INGEST_CT_FOLLOWER_H
#define INGEST_CT_FOLLOWER_H

#include "engine/ct/head.h"
#include "ingest/ct/feed.h"

struct follower;

enum { FOLLOWER_WINDOW_MIN = 4, FOLLOWER_WINDOW_MAX = 256, FOLLOWER_SAVED_MAX = 16 * 1024 };

struct follower_config {
    bool tiles; /* static-ct; else RFC 6962 */
    enum feed_from from;
    uint64_t from_index;   /* of FEED_FROM_INDEX; a log that is not so long is begun at its end */
    bool to_the_end;       /* of the first head, and no further */
    uint32_t page_entries; /* to ask RFC 6962 logs for at once; a tile is a tile */
    uint32_t window;       /* pages under way or waiting for their turn, within the bounds above */
    uint32_t head_interval_ms; /* between two heads, at the end of the log */
    uint32_t partial_after_ms; /* how long entries may wait for their tile to become full */
    uint32_t retry_ms;         /* the first wait after a failure, on average; 0: a second */
    uint64_t seed;             /* of the jitter of waits */
    void *owner;
    void (*incident)(void *owner, enum feed_incident incident, const char *words);
};

/* `saved` is what follower_moved gave, or empty. What cannot be read is refused, as it would
 * silently leave out entries. */
enum error follower_new(struct follower **out, const struct follower_config *config,
                        struct slice saved, struct failure *failure)
    __attribute__((warn_unused_result));
/* With the pages that wait in it. NULL is fine. */
void follower_free(struct follower *follower);

enum want_kind {
    WANT_HEAD,
    WANT_PROOF, /* the compact range of the entries [0, first), shown to be part of `head` */
    WANT_PAGE,  /* entries [first, first + count); of a tile of `width` entries, behind `skip` ones
                 */
    WANT_TAIL,  /* the hash tile of level 0 that `first` is in, `width` wide */
};

struct follower_want {
    enum want_kind kind;
    uint64_t first;
    uint32_t count, skip, width;
    struct ct_head head; /* that covers it; nothing but a head is asked for without one */
    uint64_t number;     /* of this asking, so that late answers are told from current ones */
};

/* What to ask for now; false when there is nothing until *wake_ms (INT64_MAX: until an answer).
 * Each want is given out once and must be answered by one of the calls below. */
bool follower_next(struct follower *follower, int64_t now_ms, struct follower_want *want,
                   int64_t *wake_ms);

/* --- Answers --- */

/* A head that the log's key has signed. */
void follower_head(struct follower *follower, int64_t now_ms, const struct follower_want *want,
                   const struct ct_head *head);
/* The range that was wanted, proven against the want's head. */
void follower_proof(struct follower *follower, int64_t now_ms, const struct follower_want *want,
                    const struct ct_range *range);
/* The hashes of the tile, at least as many as it was to be wide. */
void follower_tail(struct follower *follower, int64_t now_ms, const struct follower_want *want,
                   const struct ct_hash *hashes);
/* A page that was decoded; it is the follower's now. */
void follower_page(struct follower *follower, int64_t now_ms, const struct follower_want *want,
                   struct page *page);

/* What came instead of an answer. */
enum want_trouble {
    WANT_UNANSWERED, /* nothing: the log is left alone for a while, as a whole */
    WANT_THROTTLED,  /* too many requests, or unavailable: likewise, and slower from then on */
    WANT_REFUSED,    /* an error: this want waits, others go on */
    WANT_BROKEN,     /* something that cannot be used: likewise */
    WANT_FORGED,     /* a head that the log's key has not signed: likewise */
};

/* It is asked for again after a while that doubles each time, or after `retry_after_ms` when that
 * is not negative. */
void follower_failed(struct follower *follower, int64_t now_ms, const struct follower_want *want,
                     enum want_trouble trouble, int64_t retry_after_ms, const char *words);

/* --- Pages in order --- */

/* The next page that may leave, or NULL. It stays the follower's until it is given away: then
 * follower_committed, which does not look at it any more. */
struct page *follower_ready(struct follower *follower);
void follower_committed(struct follower *follower);

/* Whether something moved since it was last asked; then `out->saved` lies in `bytes`. */
bool follower_moved(struct follower *follower, struct log_position *out,
                    uint8_t bytes[FOLLOWER_SAVED_MAX]);

/* How far it is: any time. */
struct follower_progress {
    uint64_t committed, verified, head;
    bool done;     /* the end is reached and verified */
    bool troubled; /* the last answers were failures, or the entries were wrong */
};
struct follower_progress follower_progress(const struct follower *follower);

#endif
