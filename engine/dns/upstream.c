#include "engine/dns/upstream.h"

/* Newer versions would rather have ares_query_dnsrec, which 1.18 has not; ares_getaddrinfo, which
 * all have, takes a time that grows with the square of the records. */
#define CARES_NO_DEPRECATED
#include "engine/dns/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    CLASS_IN = 1,
    FLAG_AD = 0x20,          /* in the fourth byte of a message */
    UDP_ANSWER_BYTES = 1232, /* that never come in fragments */
    /* Answers to all open look-ups may come at once. The kernel cuts it to net.core.rmem_max. */
    RECEIVE_BUFFER_BYTES = 2 << 20,
};

/* c-ares doubles the time from try to try. From 1.22 on it begins with what the server's recent
 * answers took, at least 250 ms, so that it needs more of them to be as patient, and a bound. */
#ifdef ARES_OPT_MAXTIMEOUTMS
enum { TRIES = 6 };
#else
enum { TRIES = 3 };
#endif

struct upstream {
    struct upstream_config config;
    ares_channel channel;
    uint32_t open_count;
    ares_socket_t watched[UPSTREAM_WATCHES]; /* ARES_SOCKET_BAD when free */
};

static enum dns_result result_of(int status) {
    switch (status) {
    case ARES_ENOTFOUND:
        return DNS_NO_NAME;
    case ARES_SUCCESS:
    case ARES_ENODATA:
        return DNS_NO_RECORD;
    case ARES_ESERVFAIL:
        return DNS_FAILED;
    case ARES_EREFUSED:
    case ARES_ENOTIMP:
        return DNS_REFUSED;
    case ARES_ECONNREFUSED:
        return DNS_UNREACHABLE;
    case ARES_ETIMEOUT:
    case ARES_EDESTRUCTION:
        return DNS_SILENT;
    case ARES_ENOMEM:
        return DNS_NO_MEMORY;
    default:
        return DNS_NONSENSE;
    }
}

static void on_reply(void *cookie, int status, int timeouts, unsigned char *bytes, int len) {
    struct inquiry *inquiry = cookie;
    struct upstream *upstream = inquiry->upstream;
    struct dns_answer answer = {.result = result_of(status)};

    (void)timeouts;
    if (status == ARES_SUCCESS)
        message_read((struct slice){bytes, (size_t)len}, inquiry->type, &answer);
    upstream->open_count--;
    upstream->config.answered(upstream->config.owner, inquiry, &answer);
}

/* Sockets beyond the watches go unwatched: what is asked on them is repeated on others. */
static void on_socket_state(void *owner, ares_socket_t fd, int readable, int writable) {
    struct upstream *upstream = owner;
    uint32_t slot = UPSTREAM_WATCHES;

    for (uint32_t i = 0; i < UPSTREAM_WATCHES; i++) {
        if (upstream->watched[i] == fd) {
            slot = i;
            break;
        }
        if (slot == UPSTREAM_WATCHES && upstream->watched[i] == ARES_SOCKET_BAD)
            slot = i;
    }
    if (slot == UPSTREAM_WATCHES)
        return;
    uint32_t watch = upstream->config.first_watch + slot;
    if (readable || writable) {
        upstream->watched[slot] = fd;
        io_watch(upstream->config.io, watch, fd, readable != 0, writable != 0);
    } else if (upstream->watched[slot] == fd) {
        upstream->watched[slot] = ARES_SOCKET_BAD;
        io_unwatch(upstream->config.io, watch);
    }
}

/* All of it given, so that neither files nor the environment have a say. NOCHECKRESP, as 1.18 would
 * tell SERVFAIL and REFUSED as if nobody were at the port. */
static int open_channel(struct upstream *upstream) {
    char lookups[] = "b"; /* DNS only */
    char no_file[] = "/dev/null";
    uint32_t patience_ms = upstream->config.patience_ms;
    struct ares_options options = {.flags = ARES_FLAG_STAYOPEN | ARES_FLAG_NOSEARCH |
                                            ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP |
                                            ARES_FLAG_EDNS,
                                   .timeout = (int)(patience_ms / 7 % INT32_MAX) + 1, /* 1+2+4 */
                                   .tries = TRIES,
                                   .lookups = lookups,
                                   .resolvconf_path = no_file,
                                   .socket_receive_buffer_size = RECEIVE_BUFFER_BYTES,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = upstream};
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_DOMAINS | ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_RCVBUF |
               ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_MAXTIMEOUTMS
    options.maxtimeout = (int)(patience_ms / 2 % INT32_MAX) + 1;
    mask |= ARES_OPT_MAXTIMEOUTMS;
#endif
#ifdef ARES_OPT_QUERY_CACHE
    options.qcache_max_ttl = 0; /* the resolver has its own */
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    return ares_init_options(&upstream->channel, &options, mask);
}

static int set_server(struct upstream *upstream) {
    const struct dns_server *server = &upstream->config.server;
    bool v6 = server->address.family == ADDRESS_V6;
    char address[ADDRESS_TEXT_MAX], text[ADDRESS_TEXT_MAX + 16];

    address_format(&server->address, address);
    snprintf(text, sizeof text, "%s%s%s:%u", v6 ? "[" : "", address, v6 ? "]" : "",
             (unsigned)server->port);
    return ares_set_servers_ports_csv(upstream->channel, text);
}

enum error upstream_open(struct upstream **out, const struct upstream_config *config,
                         struct failure *failure) {
    struct upstream *upstream = calloc(1, sizeof *upstream);
    char address[ADDRESS_TEXT_MAX];

    *out = NULL;
    if (!upstream)
        return failure_set(failure, ERROR_MEMORY, "no memory for the DNS resolver");
    upstream->config = *config;
    for (uint32_t i = 0; i < UPSTREAM_WATCHES; i++)
        upstream->watched[i] = ARES_SOCKET_BAD;
    int status = open_channel(upstream);
    if (status != ARES_SUCCESS) {
        upstream->channel = NULL;
        upstream_close(upstream);
        return failure_set(failure, status == ARES_ENOMEM ? ERROR_MEMORY : ERROR_INTERNAL,
                           "cannot set up DNS: %s", ares_strerror(status));
    }
    status = set_server(upstream);
    if (status != ARES_SUCCESS) {
        upstream_close(upstream);
        address_format(&config->server.address, address);
        return failure_set(failure, status == ARES_ENOMEM ? ERROR_MEMORY : ERROR_UNSUPPORTED,
                           "cannot ask the DNS server %s: %s", address, ares_strerror(status));
    }
    guard_channel(upstream->channel);
    *out = upstream;
    return ERROR_NONE;
}

void upstream_close(struct upstream *upstream) {
    if (upstream->channel)
        ares_destroy(upstream->channel); /* calls on_reply and on_socket_state */
    for (uint32_t i = 0; i < UPSTREAM_WATCHES; i++)
        if (upstream->watched[i] != ARES_SOCKET_BAD)
            io_unwatch(upstream->config.io, upstream->config.first_watch + i);
    free(upstream);
}

/* What ares_query would send, with the AD flag. Newer versions choose an id themselves; in 1.18 it
 * need not be the only one of its kind, only hard to guess. */
static int query_authentic(struct upstream *upstream, const char *name, struct inquiry *inquiry) {
    unsigned char *query = NULL;
    unsigned short id;
    int len;

    if (getrandom(&id, sizeof id, 0) != sizeof id)
        return ARES_ENOMEM;
    int status = ares_create_query(name, CLASS_IN, (int)inquiry->type, id, 1, &query, &len,
                                   UDP_ANSWER_BYTES);
    if (status == ARES_SUCCESS) {
        query[3] |= FLAG_AD;
        ares_send(upstream->channel, query, len, on_reply, inquiry);
    }
    ares_free_string(query);
    return status;
}

void upstream_ask(struct upstream *upstream, const char *name, enum dns_type type,
                  struct inquiry *inquiry) {
    *inquiry = (struct inquiry){.upstream = upstream, .type = type};
    upstream->open_count++;
    if (type != DNS_TLSA) {
        ares_query(upstream->channel, name, CLASS_IN, (int)type, on_reply, inquiry);
        return;
    }
    int status = query_authentic(upstream, name, inquiry);
    if (status != ARES_SUCCESS)
        on_reply(inquiry, status, 0, NULL, 0);
}

void upstream_ready(struct upstream *upstream, const struct io_event *event) {
    uint32_t slot = event->index - upstream->config.first_watch;

    if (slot >= UPSTREAM_WATCHES || upstream->watched[slot] == ARES_SOCKET_BAD)
        return;
    ares_socket_t fd = upstream->watched[slot];
    ares_process_fd(upstream->channel, event->readable || event->error ? fd : ARES_SOCKET_BAD,
                    event->writable ? fd : ARES_SOCKET_BAD);
}

void upstream_tick(struct upstream *upstream) {
    if (upstream->open_count)
        ares_process_fd(upstream->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}
