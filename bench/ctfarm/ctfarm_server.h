/* The farm's thread: its connections, requests and replies. Within the farm only.
 *
 *     loop ── accepts, reads ── connection ── request ── routes ── reply ── connection
 *                                        └── websocket ── pages ──────────┘
 */
#ifndef BENCH_CTFARM_CTFARM_SERVER_H
#define BENCH_CTFARM_CTFARM_SERVER_H

#include "bench/ctfarm/ctfarm.h"
#include "bench/ctfarm/ctfarm_fault.h"
#include "bench/ctfarm/ctfarm_pages.h"

#include <openssl/base.h>
#include <pthread.h>

enum {
    CTFARM_INPUT_BYTES = 16384, /* of a request's head, or of a client's frame */
    CTFARM_PARTS_MAX = 8,       /* pages of one answer */
    CTFARM_PAGE_LIMIT = 1024,   /* entries of one answer: at most five pages */
};

/* --- Requests --- */

struct ctfarm_request {
    struct slice method, path, query, if_none_match, upgrade, websocket_key, user_agent;
    bool close;
};

/* Reads the head of a request at the beginning of `input`. 1: done, `taken` bytes of it; 0: more is
 * needed; -1: it is none. A body is not allowed but for an empty one. */
int ctfarm_request_parse(struct slice input, struct ctfarm_request *out, size_t *taken);

/* A value of the query, percent-decoded into `room`; empty when there is none or no room. */
struct slice ctfarm_query(const struct ctfarm_request *request, const char *key, uint8_t *room,
                          size_t size);
/* False when there is none such number. */
bool ctfarm_query_number(const struct ctfarm_request *request, const char *key, uint64_t *out);

/* --- Replies --- */

struct ctfarm_reply {
    int status;
    const char *type, *cache, *encoding; /* encoding NULL: none */
    uint32_t retry_seconds;              /* 0: no Retry-After */
    char etag[72];                       /* with its quotes; "" for none */
    struct buffer body;                  /* before the parts */
    struct ctfarm_reply_part {
        struct ctfarm_page *page; /* which the reply holds */
        uint32_t from, to;        /* bytes */
    } parts[CTFARM_PARTS_MAX];
    uint32_t part_count;
    const char *tail; /* behind the parts */
};

/* --- Connections --- */

enum ctfarm_connection_state {
    CTFARM_READING, /* a request; or its answer is still being sent */
    CTFARM_STALLED, /* gets no answer */
    CTFARM_FEEDING,
    CTFARM_CLOSING, /* what waits is sent, then it is over */
};

struct ctfarm_connection {
    int descriptor;
    SSL *ssl;
    enum ctfarm_connection_state state;
    bool dripping;
    uint32_t events; /* of epoll, as they are set */
    struct ctfarm_connection *next, *previous;

    uint8_t input[CTFARM_INPUT_BYTES];
    size_t input_len;

    struct buffer own; /* bytes of its own that wait: heads, small bodies, control frames */
    struct ctfarm_reply_part parts[CTFARM_PARTS_MAX];
    uint32_t part, part_count;
    const char *tail;
    size_t own_sent, tail_sent;
    uint64_t filler_left; /* of a body without end */

    struct { /* of a feed */
        enum ctfarm_dialect dialect;
        enum ctfarm_form form;
        uint64_t cursor; /* the next entry */
        int64_t heard_ms, heartbeat_ms, ping_ms;
        bool stalled;
    } feed;
};

/* --- The server --- */

struct ctfarm_published { /* the newest head */
    uint64_t size;
    int64_t timestamp_ms;
    uint8_t root[CTFARM_TREE_HASH];
};

struct ctfarm_counts {
    uint64_t requests, by_class[CTFARM_CLASS_COUNT], entries, bytes, connections, open, most_open;
    uint64_t statuses_4xx, statuses_5xx, without_contact;
    uint64_t feeds, feed_open, messages, missed, pings, pongs, idle_closed;
    char user_agent[256];
};

struct ctfarm {
    struct ctfarm_options options;
    struct ctfarm_log *log;
    struct ctfarm_pages *pages;
    struct ctfarm_faults faults;
    struct ctfarm_counts counts;
    struct buffer list, list_signature, bomb;
    char url[64], feed_url[96], log_urls[CTFARM_SIDES][96], origin[64];
    SSL_CTX *tls;
    uint16_t port;
    pthread_t thread;
    bool running;

    int listener, events, stop;
    struct ctfarm_connection *connections;
    uint64_t now_ns; /* monotonic */
    int64_t now_ms;  /* unix */
    uint64_t tick_ns;

    uint64_t base_size; /* how the log grows: from here, since then, at this rate */
    uint64_t base_ns;
    double rate;
    struct ctfarm_published head, frozen; /* frozen: of the stale ones; size 0 until asked for */
    int64_t second;                       /* the current one, and how many requests it had */
    uint32_t requests_second;
};

/* Entries that there are by now, and a new head when it is time. */
uint64_t ctfarm_size(struct ctfarm *server);
void ctfarm_publish(struct ctfarm *server, bool now);
void ctfarm_set_size(struct ctfarm *server, uint64_t size, double rate);

/* ctfarm_connection.c */
void ctfarm_connection_open(struct ctfarm *server, int descriptor);
void ctfarm_connection_close(struct ctfarm *server, struct ctfarm_connection *connection,
                             bool reset);
/* Reads, answers and sends as far as it goes now. The connection may be gone afterwards. */
void ctfarm_connection_run(struct ctfarm *server, struct ctfarm_connection *connection);
/* What time brings: drops, heartbeats, growth of the log. */
void ctfarm_connection_tick(struct ctfarm *server, struct ctfarm_connection *connection);
/* Whether all that it was given is sent. */
bool ctfarm_connection_sent(const struct ctfarm_connection *connection);

/* ctfarm_routes.c: answers one request: what is to be sent lies in the connection then. False when
 * the connection was closed. */
bool ctfarm_answer(struct ctfarm *server, struct ctfarm_connection *connection,
                   const struct ctfarm_request *request);
/* Puts a reply into a connection and takes what it holds. */
void ctfarm_reply_send(struct ctfarm *server, struct ctfarm_connection *connection,
                       struct ctfarm_reply *reply);
void ctfarm_reply_error(struct ctfarm_reply *reply, int status, const char *text);
/* Adds entries first to last - 1, which one page holds. */
bool ctfarm_reply_page(struct ctfarm *server, struct ctfarm_reply *reply, enum ctfarm_form form,
                       uint64_t first, uint64_t end, const struct ctfarm_occasion *occasion);
void ctfarm_add_stats(struct ctfarm *server, struct buffer *out);

/* ctfarm_rfc6962.c, ctfarm_static.c: `path` is what follows the log's prefix. */
void ctfarm_rfc6962_occasion(const struct ctfarm_request *request, struct slice path,
                             struct ctfarm_occasion *out);
void ctfarm_rfc6962_answer(struct ctfarm *server, const struct ctfarm_request *request,
                           struct slice path, const struct ctfarm_occasion *occasion,
                           struct ctfarm_reply *reply);
void ctfarm_static_occasion(const struct ctfarm_request *request, struct slice path,
                            struct ctfarm_occasion *out);
void ctfarm_static_answer(struct ctfarm *server, const struct ctfarm_request *request,
                          struct slice path, const struct ctfarm_occasion *occasion,
                          struct ctfarm_reply *reply);
/* The head to show now, which may be a wrong one. */
struct ctfarm_published ctfarm_head_shown(struct ctfarm *server,
                                          const struct ctfarm_occasion *occasion,
                                          bool *bad_signature);

/* ctfarm_websocket.c */
bool ctfarm_feed_path(struct slice path, enum ctfarm_dialect dialect, enum ctfarm_dialect *out,
                      enum ctfarm_detail *detail);
void ctfarm_feed_begin(struct ctfarm *server, struct ctfarm_connection *connection,
                       const struct ctfarm_request *request);
/* Takes frames from the input. */
void ctfarm_feed_input(struct ctfarm *server, struct ctfarm_connection *connection);
/* Gives the connection the next messages when it has sent all others; false when it was closed. */
bool ctfarm_feed_pump(struct ctfarm *server, struct ctfarm_connection *connection);
bool ctfarm_feed_tick(struct ctfarm *server, struct ctfarm_connection *connection);

/* ctfarm_list.c */
bool ctfarm_list_make(struct ctfarm *server);

#endif
