/* A connection to a cluster of NATS servers that comes back by itself, and calls of its JetStream
 * that are repeated while the cluster elects a leader.
 *
 * libnats has threads of its own, which read, write and connect again; they see none of our
 * memory. A link belongs to one thread at a time, which may block in it, and whose signals are
 * blocked: the calls here see to that, so that a thread with others may open one.
 *
 * No server is connected to but those of the URL: what a cluster says about its other members is
 * not followed. */
#ifndef ENGINE_NATS_LINK_H
#define ENGINE_NATS_LINK_H

#include "engine/base/error.h"
#include "engine/base/quote.h"
#include "engine/nats/url.h"

#include <nats/nats.h>

/* How to log in, and what to trust. What is NULL is looked for in the URL, then in the environment:
 * TRAWL_NATS_USER, TRAWL_NATS_PASSWORD, TRAWL_NATS_TOKEN, TRAWL_NATS_CREDS_FILE. */
struct nats_login {
    const char *user;
    const char *password_file, *token_file; /* their first line */
    const char *creds_file;                 /* a JWT and its seed, as nsc writes them */
    const char *ca_file;                    /* roots instead of the system's */
    const char *cert_file, *key_file;       /* of the client */
    bool tls;                               /* as with nats+tls:// */
};

struct nats_link_config {
    const struct nats_url *url;     /* must outlive the link */
    const struct nats_login *login; /* is read at open */
    const char *client;             /* how the connection is called at the server */
    uint64_t timeout_ms;            /* of connecting, and of an answer */
};

enum { NATS_LINK_PATIENCE_MS = 10000 }; /* an election takes about seven seconds */

struct nats_link;

/* Connects. When no server can be reached the link is there all the same, and looks for one in
 * nats_link_ready. Told as failures: what is wrong with the login or with TLS (EACCES), and with
 * files and words (ERROR_USAGE). */
enum error nats_link_open(struct nats_link **out, const struct nats_link_config *config,
                          struct failure *failure) __attribute__((warn_unused_result));

/* What is not yet sent may be lost. NULL is fine. */
void nats_link_close(struct nats_link *link);

/* ERROR_NONE when there is a connection. Else ENOTCONN, or what nats_link_open tells; libnats, or
 * this call once a second, tries again. */
enum error nats_link_ready(struct nats_link *link, struct failure *failure)
    __attribute__((warn_unused_result));

/* The connection, for what libnats does with it; NULL when there never was one. Another one after
 * `generation` has changed: its subscriptions are gone. */
natsConnection *nats_link_connection(struct nats_link *link);
uint64_t nats_link_generation(const struct nats_link *link);

/* Ends a subscription of this link; NULL is fine. Not natsSubscription_Destroy: up to 3.5 libnats
 * crashes when a message comes for a subscription that is freed at that moment (nats.c, 637). */
void nats_link_unsubscribe(struct nats_link *link, natsSubscription *subscription);

/* How often the connection was made: what was under way before may never be answered. */
uint64_t nats_link_connects(struct nats_link *link);

/* The last that the server said is wrong, such as a permission that is missing; "" for nothing. */
struct quote nats_link_complaint(struct nats_link *link);

const char *nats_link_name(const struct nats_link *link);

/* One call of JetStream, repeated while it fails in a way that passes, for `patience_ms` in all;
 * 0 for once. ERROR_NONE when it succeeded. ENOTCONN: there is no connection, or JetStream does not
 * answer. ERROR_UNSUPPORTED: the server has no JetStream. EACCES: the login may not. ENOENT: there
 * is no such thing. ERROR_REFUSED: others; `failure` has the server's words. */
typedef natsStatus nats_call(void *context, jsCtx *js, jsErrCode *code);
enum error nats_link_call(struct nats_link *link, nats_call *call, void *context,
                          uint32_t patience_ms, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
