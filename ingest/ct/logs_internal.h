/* What the files of the logs' thread share.
 *
 *     logs.c            the thread: what each log wants, what came back, what may leave
 *     log_asks.c        wants to requests, answers to the follower
 *     log_issuers.c     the issuers that pages of static-ct logs want
 *     log_requests.c    requests of an operator's logs, so many at once
 *     logs_list.c       which logs there are
 *     logs_turns.c      which of them are followed here, when others share them */
#ifndef INGEST_CT_LOGS_INTERNAL_H
#define INGEST_CT_LOGS_INTERNAL_H

#include "engine/ct/key.h"
#include "engine/http/client.h"
#include "ingest/ct/edge.h"
#include "ingest/ct/follower.h"
#include "ingest/ct/logs.h"
#include "ingest/ct/logs_list.h"

#include <pthread.h>
#include <stdatomic.h>

enum { OPERATORS_MAX = 256, LOG_PATH_MAX = 128 };

/* --- Requests --- */

struct log_request;
struct followed;

struct log_operator {
    char name[128];
    uint32_t open; /* requests under way or waiting for their turn */
    uint32_t under_way;
    struct log_request *first, *last; /* that wait */
};

/* Why an answer cannot be used. */
struct log_trouble {
    enum want_trouble kind;
    int64_t retry_after_ms; /* -1: it does not say */
    char words[192];
};

/* What came: `trouble` is NULL when it is an answer with a body. */
typedef void log_answered(void *context, uint32_t tag, struct http_answer *answer,
                          const struct log_trouble *trouble);

struct log_request {
    struct followed *log;
    log_answered *done;
    void *context;
    uint32_t tag;
    size_t body_max;
    bool as_it_came; /* a body that is compressed stays so; else it is inflated, to `body_max` */
    char path[LOG_PATH_MAX];           /* behind the URL of the log */
    http_handle under_way;             /* 0: it waits */
    struct log_request *waiting;       /* the next that waits */
    struct log_request *newer, *older; /* of all requests */
};

/* --- Logs --- */

/* The hash tiles of the last proof that held: the next one needs most of them again. */
struct edge_kept {
    struct ct_tile tiles[EDGE_TILES_MAX];
    struct buffer bodies[EDGE_TILES_MAX];
    uint32_t count;
};

/* A log and where it is, as its pages and records show it: not changed, and kept when the log has
 * moved, for they point to it. */
struct log_place {
    struct ct_source source;
    struct log_place *before;
    char text[]; /* of the source */
};

struct followed {
    struct logs *logs;
    struct log_operator *run_by;
    struct log_place *place;
    uint32_t number; /* of its sources */
    bool tiles, frozen;
    bool listed;         /* it came from the log list, and goes with it */
    bool left;           /* nothing is asked any more */
    enum feed_from from; /* where it begins, unless a position was saved */
    uint64_t from_index;
    struct ct_log_key key;
    struct follower *follower; /* NULL: it is not followed here */
    uint64_t term;             /* as of logs_sharing */
    bool ending;               /* its term is over; what was asked for comes back first */
    struct edge_kept edge;
    int64_t wake_ms;         /* nothing to ask for before */
    int64_t mmd_ms, head_ms; /* how old heads may be; the timestamp of the newest, 0: none yet */
    bool told_stale;
    struct feed_statistics statistics; /* written here, read by any thread */
};

/* One want that is being fetched. */
struct ask {
    struct followed *log;
    struct follower_want want;
    struct page *page; /* of WANT_PAGE, once there is one */
    size_t held;       /* bytes of its body that count as not decoded */
    bool full_tile;    /* the partial one was gone */

    struct ct_tile tiles[EDGE_TILES_MAX]; /* of WANT_PROOF of a static-ct log */
    struct buffer bodies[EDGE_TILES_MAX];
    uint32_t tile_count, tiles_left;
    bool failed;
    struct log_trouble trouble; /* of the first that failed */

    uint64_t issuers_waited;   /* a bit for each of page->missing that is being fetched */
    struct ask *next;          /* of pages that wait for the decoder's room */
    struct ask *newer, *older; /* of all asks */
};

struct issuer_fetch {
    struct followed *log;
    uint8_t fingerprint[32];
    struct issuer_fetch *next;
};

struct logs_list {
    struct logs_list_config config;
    struct ct_source source; /* of incidents */
    bool looking, told_stale;
    int64_t next_ms, good_ms;
};

struct logs {
    struct logs_config config;
    struct http_client *http;
    struct mailbox decoded;
    pthread_t thread;
    bool started;
    atomic_bool stopping, done;
    struct followed *items[LOGS_MAX];
    _Atomic uint32_t count;
    uint32_t next; /* log that is asked first for what it wants */
    struct log_operator operators[OPERATORS_MAX];
    uint32_t operator_count;
    struct log_request *requests;               /* all, the newest first */
    struct ask *asks;                           /* all, the newest first */
    struct ask *undelivered, *undelivered_last; /* pages that the decoder had no room for */
    struct issuer_fetch *issuer_fetches;
    uint32_t decoding;     /* pages at the decoder */
    size_t held_bytes;     /* of pages that are not decoded */
    struct logs_list list; /* config.source NULL: none */
};

int64_t logs_now_ms(void);

static inline void feed_count(uint64_t *counter, uint64_t more) {
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

/* --- log_requests.c --- */

/* The operator of this name; those beyond the table share the last one's limit. */
struct log_operator *log_operator_of(struct logs *logs, struct slice name);
bool log_operator_has_room(const struct logs *logs, const struct log_operator *run_by);

/* Asks for it when the operator's turn allows; `done` is called once, from logs_send_requests or
 * http_client_step, unless all is dropped before. False when there is no memory. */
bool log_request(struct followed *log, const struct log_request *request);
/* Begins what may begin now. True when something failed at once. */
bool logs_send_requests(struct logs *logs);
/* Without callbacks. */
void logs_drop_requests(struct logs *logs);

/* --- log_asks.c --- */

/* Begins to fetch what the follower wants. */
void ask_begin(struct followed *log, const struct follower_want *want);

void edge_kept_deinit(struct edge_kept *edge);

/* Hands a page to the decoder, or keeps it until it has room. */
void ask_deliver(struct ask *ask);
/* Those that wait for that. */
void asks_deliver(struct logs *logs);

/* A page came back from the decoder. */
void ask_decoded(struct logs *logs, struct page *page);

/* Ends it without an answer. */
void ask_drop(struct ask *ask);

/* --- log_issuers.c --- */

/* Fetches what the page of this ask misses; then it is delivered again. */
void ask_for_issuers(struct ask *ask);
void logs_drop_issuers(struct logs *logs);

/* --- logs_list.c --- */

/* Begins to look when it is time; returns when that is. */
int64_t logs_list_step(struct logs *logs, int64_t now_ms);

/* --- logs_turns.c --- */

/* Whether it is followed here: begins and ends that. */
bool log_has_turn(struct followed *log);

/* --- logs.c --- */

/* Makes its follower. */
enum error log_begin(struct followed *log, struct slice saved, struct failure *failure);

void log_incident(struct followed *log, enum feed_incident incident, const char *words);
/* From the next request on it is there. False when there is no memory. */
bool log_move(struct followed *log, struct slice url);
struct slice log_url_without_slashes(struct slice url);
/* The one with this id; NULL when there is none. */
struct followed *logs_find(struct logs *logs, const uint8_t id[CT_LOG_ID_BYTES]);

#endif
