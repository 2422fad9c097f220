/* HTTP requests, many at once, over libcurl's multi interface.
 *
 * A client belongs to one thread, which calls http_client_step in a loop; answers come as callbacks
 * from there. Threads that fetch own one each: that of issuers and CRLs, that of Certificate
 * Transparency logs, that of a webhook. No worker ever sees one. Only http_client_wake may be
 * called by another thread. The program calls http_global_init once, before its threads, and
 * ignores SIGPIPE.
 *
 * Everything a server sends is bounded: body, redirects and times by the request, header lines in
 * their length and number. A body comes as it was sent: who asks for gzip inflates it, with a cap
 * of its own. */
#ifndef ENGINE_HTTP_CLIENT_H
#define ENGINE_HTTP_CLIENT_H

#include "engine/base/address.h"
#include "engine/base/buffer.h"
#include "engine/base/error.h"

struct http_client;

struct http_client_config {
    const char *user_agent; /* with a contact, where operators ask for one; NULL: "trawl" */
    const char *ca_file;    /* roots of https instead of the system's; NULL for those */
    uint32_t connections;   /* at once, over all hosts */
    uint32_t per_host;      /* at once, to one host; HTTP/2 streams share a connection */
    /* Whether a connection to this address may be made; asked for each, also behind a redirect, so
     * that a name cannot lead where nobody meant to go. NULL: all. */
    bool (*allowed)(void *context, const struct address *address);
    void *context;
};

enum http_method { HTTP_GET, HTTP_POST };

/* Copied by http_start but for `body`, which must stay until the answer or the cancelling. */
struct http_request {
    enum http_method method;
    const char *url;            /* http:// or https://, nothing else is followed either */
    const char *const *headers; /* "Name: value", NULL-terminated; NULL for none */
    struct slice body;          /* of HTTP_POST */
    size_t body_max;            /* a longer answer fails with ERROR_LIMIT */
    uint32_t connect_timeout_ms;
    uint32_t timeout_ms;   /* of the whole, waiting for a connection included; 0: none */
    uint8_t redirects_max; /* 0: an answer that redirects is the answer */
};

/* What came back; everything is gone after the callback but for a `body` that was taken
 * (copied out, and left empty). */
struct http_answer {
    enum error error;    /* why there is no complete answer */
    const char *message; /* the same for people: "Connection refused"; "" without an error */
    uint16_t status;     /* 200 and so on; 0 when there was no complete answer */
    struct buffer body;
    char etag[128], last_modified[64], content_type[64]; /* "" where there is none, or too long */
    int64_t retry_after_ms; /* from now; seconds and dates are understood; -1 where there is none */
    uint64_t total_us;
};

typedef void http_done(void *context, uint64_t tag, struct http_answer *answer);

/* A handle to cancel by; 0 is none. */
typedef uint64_t http_handle;

enum error http_global_init(struct failure *failure) __attribute__((warn_unused_result));
void http_global_deinit(void);

enum error http_client_open(struct http_client **out, const struct http_client_config *config,
                            struct failure *failure) __attribute__((warn_unused_result));
/* Drops what is under way, without callbacks. NULL is fine. */
void http_client_close(struct http_client *client);

/* Whether http_start would take it; nothing is asked of the network. */
enum error http_check_url(const char *url, struct failure *failure)
    __attribute__((warn_unused_result));

/* Begins a request. `done` is called exactly once from a later http_client_step unless it is
 * cancelled; it may start and cancel others. On an error (a URL that is none, no memory) nothing
 * was begun. */
enum error http_start(struct http_client *client, const struct http_request *request,
                      http_done *done, void *context, uint64_t tag, http_handle *handle,
                      struct failure *failure) __attribute__((warn_unused_result));

/* No callback follows. A handle that is over already is fine. */
void http_cancel(struct http_client *client, http_handle handle);

/* Waits at most `wait_ms` for something to do, and does it. Returns how many are under way. */
uint32_t http_client_step(struct http_client *client, uint32_t wait_ms);

/* Ends the wait of http_client_step; from any thread. */
void http_client_wake(struct http_client *client);

#endif
