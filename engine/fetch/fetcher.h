/* Issuers and CRLs over HTTP, for all workers: one thread that asks for each URL once, however many
 * want it, and remembers what came, for as long as it holds and memory allows.
 *
 *     worker ── fetch_question ──▶ [mailbox] ─▶ fetcher ── http_client, what it remembers
 *       ▲                                         │
 *       └── [the worker's mailbox], wakes it ◀────┘
 *
 * URLs come from certificates, so from anybody: only http:// and https:// are followed, sizes,
 * times, redirects and URLs of a certificate are bounded, and no connection is made to excluded,
 * link-local, multicast and unspecified addresses nor to those of cloud metadata. */
#ifndef ENGINE_FETCH_FETCHER_H
#define ENGINE_FETCH_FETCHER_H

#include "engine/base/address_set.h"
#include "engine/fetch/question.h"

struct fetcher;

struct fetcher_config {
    const char *user_agent;              /* as of http_client_config */
    const struct address_set *excluded;  /* never connected to; NULL: none. Must outlive it … */
    const struct address_set *forbidden; /* … and neither is this */
    const char *const *crl_files;        /* CRLs of this machine, asked first; may be NULL */
    uint32_t crl_file_count;
    bool fetch_crls;     /* false: those of `crl_files` are all there are */
    uint32_t timeout_ms; /* of one request for issuers; CRLs, which are larger, get more */
};

/* Counted by the fetcher, read by others; all only grow but for `memory_bytes`. */
struct fetcher_statistics {
    uint64_t questions;    /* asked */
    uint64_t remembered;   /* URLs that were known, or on their way, when they were asked for */
    uint64_t requests;     /* HTTP requests that ended */
    uint64_t failures;     /* of them, those that gave nothing of use */
    uint64_t bytes;        /* of their answers */
    uint64_t memory_bytes; /* of what is remembered */
};

/* Reads the files and starts the thread. After http_global_init. */
enum error fetcher_open(struct fetcher **out, const struct fetcher_config *config,
                        struct failure *failure) __attribute__((warn_unused_result));

/* Whoever asked must have left. NULL is fine. */
void fetcher_close(struct fetcher *fetcher);

/* Hands the question over; it comes back in question->asker. Any thread. */
void fetcher_ask(struct fetcher *fetcher, struct fetch_question *question);

/* When this returns, all questions of `asker` have come back, whatever they were about, and neither
 * it nor what it wakes is touched again. Waits for the fetcher's thread; nobody may ask for `asker`
 * meanwhile. */
void fetcher_leave(struct fetcher *fetcher, struct mailbox *asker);

/* Any thread. */
struct fetcher_statistics fetcher_statistics(const struct fetcher *fetcher);

#endif
