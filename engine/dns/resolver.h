/* Names to addresses and to TLSA records, by c-ares on the worker's own loop: no thread, no
 * blocking call, no libc resolver. A and AAAA are asked together. /etc/hosts (read once, by
 * resolver_hosts_new) comes first. Belongs to one worker.
 *
 * Look-ups for one name share one question, while it is open and as long as its answer is fresh. A
 * question goes to one server, and on to the next when that fails, refuses or is silent for too
 * long; answers that come late count all the same. */
#ifndef ENGINE_DNS_RESOLVER_H
#define ENGINE_DNS_RESOLVER_H

#include "engine/base/limits.h"
#include "engine/base/tlsa.h"
#include "engine/io/io.h"

enum { RESOLVER_WATCHES = 32 }; /* watches of the io it needs, from config->first_watch on */

struct resolver_hosts; /* the names of /etc/hosts; read-only, shared by all workers */
struct resolver;

/* `path` NULL for /etc/hosts; a missing file is an empty table. NULL when there is no memory. */
struct resolver_hosts *resolver_hosts_new(const char *path);
void resolver_hosts_free(struct resolver_hosts *hosts);

struct resolver_answer {
    /* In the order to try: families in turn, as of RFC 8305 section 4, or IPv4 first. */
    struct address addresses[LIMIT_ADDRESSES];
    uint32_t count;
    const char *error; /* static words when count is 0: "no such name", "the DNS server failed" */
};

/* What is published for a port of a name (RFC 6698). Whether it can be believed is the server's
 * word, which nobody checks here: it has validated the answer, says the AD flag, and what lies
 * between it and us is trusted too. So it should be this machine's own, or near. */
struct resolver_tlsa {
    const struct tlsa *records;
    uint32_t count;
    bool authentic;    /* of `records`, and likewise of their absence */
    const char *error; /* static words when nothing is known; NULL when count is 0 for there are
                          none */
};

struct resolver_config {
    struct io *io;
    uint32_t first_watch;
    const struct resolver_hosts *hosts;
    const char *servers;     /* as of dns_servers_parse; NULL for those of resolv_conf */
    const char *resolv_conf; /* as of dns_servers_read; NULL for /etc/resolv.conf */
    bool prefer_v4;          /* this machine has no IPv6 route: IPv4 addresses first */
    uint32_t timeout_ms;     /* of the whole look-up */
    /* `cookie` as given to resolver_start and resolver_start_tlsa; never called from within them.
     * `answer` is valid until it returns. `tlsa_answered` may be NULL where none are asked for. */
    void (*answered)(void *owner, uint64_t cookie, const struct resolver_answer *answer);
    void (*tlsa_answered)(void *owner, uint64_t cookie, const struct resolver_tlsa *answer);
    void *owner;
};

enum error resolver_open(struct resolver **out, const struct resolver_config *config,
                         struct failure *failure);
/* Look-ups still open end without an answer. */
void resolver_close(struct resolver *resolver);

/* Every call is answered once, in a later resolver_ready or resolver_tick. False when there is no
 * memory. */
bool resolver_start(struct resolver *resolver, struct slice name, uint64_t cookie);

/* The same for the TLSA records of a TCP port of `name`; answered by `tlsa_answered`. */
bool resolver_start_tlsa(struct resolver *resolver, struct slice name, uint16_t port,
                         uint64_t cookie);

/* How many questions the servers are being asked; callers keep it bounded. */
uint32_t resolver_open_count(const struct resolver *resolver);

/* For IO_READY events of its watches. */
void resolver_ready(struct resolver *resolver, const struct io_event *event);

/* Timeouts, and answers that need no server: call once a loop. */
void resolver_tick(struct resolver *resolver);

#endif
