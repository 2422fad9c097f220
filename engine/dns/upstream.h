/* One DNS server, asked through c-ares on the worker's loop; the only place that sees c-ares. It
 * asks for records of one type at a time, repeats a question that got lost, and takes one that was
 * truncated to TCP. Which server is asked, and for how long, is for the resolver to say. Belongs to
 * one worker. */
#ifndef ENGINE_DNS_UPSTREAM_H
#define ENGINE_DNS_UPSTREAM_H

#include "engine/dns/message.h"
#include "engine/dns/servers.h"
#include "engine/io/io.h"

enum { UPSTREAM_WATCHES = 4 }; /* a socket each for UDP and TCP, and two being replaced */

struct upstream;

/* A question to one server. The caller's storage, until it is answered. */
struct inquiry {
    struct upstream *upstream;
    enum dns_type type;
};

struct upstream_config {
    struct io *io;
    uint32_t first_watch;
    struct dns_server server;
    uint32_t patience_ms; /* how long a question is repeated; some versions take longer */
    /* Called from every function here; it must not call them. */
    void (*answered)(void *owner, struct inquiry *inquiry, const struct dns_answer *answer);
    void *owner;
};

/* ERROR_UNSUPPORTED for a link-local address that this version of c-ares cannot ask. */
enum error upstream_open(struct upstream **out, const struct upstream_config *config,
                         struct failure *failure);
/* Answers what is open with DNS_SILENT. */
void upstream_close(struct upstream *upstream);

/* `name` is terminated and ends with a dot: as it is, without search domains. Answered once. For
 * TLSA records the server is told that its AD flag will be read (RFC 6840 section 5.7). */
void upstream_ask(struct upstream *upstream, const char *name, enum dns_type type,
                  struct inquiry *inquiry);

/* For IO_READY events of its watches. */
void upstream_ready(struct upstream *upstream, const struct io_event *event);

/* Repeats and gives up what is due; call it about ten times a second. */
void upstream_tick(struct upstream *upstream);

#endif
