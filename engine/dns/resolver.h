/* Names to addresses, by c-ares on the worker's own loop: no thread, no blocking call, no libc
 * resolver. A and AAAA are asked together. /etc/hosts (read once, by resolver_hosts_new) comes
 * first. Belongs to one worker. */
#ifndef ENGINE_DNS_RESOLVER_H
#define ENGINE_DNS_RESOLVER_H

#include "engine/base/limits.h"
#include "engine/io/io.h"

enum { RESOLVER_WATCHES = 16 }; /* watches of the io it needs, from config->first_watch on */

struct resolver_hosts; /* the names of /etc/hosts; read-only, shared by all workers */
struct resolver;

/* `path` NULL for /etc/hosts; a missing file is an empty table. NULL when there is no memory. */
struct resolver_hosts *resolver_hosts_new(const char *path);
void resolver_hosts_free(struct resolver_hosts *hosts);

struct resolver_answer {
    struct address addresses[LIMIT_ADDRESSES]; /* in the order to try */
    uint32_t count;
    const char *error; /* static words when count is 0: "no such name", "DNS server failed" */
};

struct resolver_config {
    struct io *io;
    uint32_t first_watch;
    const struct resolver_hosts *hosts;
    const char *servers; /* "192.0.2.53,[2001:db8::53]:5353"; NULL for those of resolv.conf */
    bool prefer_v4;      /* this machine has no IPv6 route: IPv4 addresses first */
    uint32_t timeout_ms; /* of the whole look-up */
    /* `cookie` as given to resolver_start; never called from within it. `answer` is valid until it
     * returns. */
    void (*answered)(void *owner, uint64_t cookie, const struct resolver_answer *answer);
    void *owner;
};

enum error resolver_open(struct resolver **out, const struct resolver_config *config,
                         struct failure *failure);
/* Look-ups still open end without an answer. */
void resolver_close(struct resolver *resolver);

/* Every call is answered once, in a later resolver_ready or resolver_tick, unless it is forgotten.
 * False when there is no memory. */
bool resolver_start(struct resolver *resolver, struct slice name, uint64_t cookie);

/* How many look-ups are open; callers keep it bounded. */
uint32_t resolver_open_count(const struct resolver *resolver);

/* For IO_READY events of its watches. */
void resolver_ready(struct resolver *resolver, const struct io_event *event);

/* Timeouts, and answers from /etc/hosts: call once a loop. */
void resolver_tick(struct resolver *resolver);

#endif
