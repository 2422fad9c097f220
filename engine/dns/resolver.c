#include "engine/dns/resolver.h"

#include "engine/dns/hosts.h"

#include <ares.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { RESOLVER_TRIES = 2 };

static const uint64_t RESOLVER_TICK_NS = 100 * 1000000ULL;

enum { LOOKUP_OPEN, LOOKUP_READY, LOOKUP_DONE };

/* One call of resolver_start. It lives until it is answered and c-ares has let go of it. */
struct lookup {
    struct resolver *resolver;
    uint64_t cookie, deadline_ns;
    struct lookup *previous, *next; /* in `waiting` or `ready`, as `state` says */
    int state;
    bool held; /* c-ares will still call back */
    struct resolver_answer answer;
};

struct lookup_list {
    struct lookup *first, *last;
};

struct resolver {
    struct resolver_config config;
    ares_channel channel;
    ares_socket_t watched[RESOLVER_WATCHES]; /* ARES_SOCKET_BAD when free */
    struct lookup_list waiting;              /* by deadline: all have the same timeout */
    struct lookup_list ready;                /* to be answered */
    uint32_t open_count;
    uint64_t processed_ns;
};

static void list_append(struct lookup_list *list, struct lookup *lookup) {
    lookup->previous = list->last;
    lookup->next = NULL;
    if (list->last)
        list->last->next = lookup;
    else
        list->first = lookup;
    list->last = lookup;
}

static void list_remove(struct lookup_list *list, struct lookup *lookup) {
    if (lookup->previous)
        lookup->previous->next = lookup->next;
    else
        list->first = lookup->next;
    if (lookup->next)
        lookup->next->previous = lookup->previous;
    else
        list->last = lookup->previous;
}

static const char *status_words(int status) {
    switch (status) {
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return "no such name";
    case ARES_SUCCESS:
    case ARES_ENODATA:
        return "the name has no address";
    case ARES_ETIMEOUT:
        return "no answer from the DNS server";
    case ARES_ESERVFAIL:
        return "the DNS server failed";
    case ARES_EREFUSED:
        return "the DNS server refused";
    case ARES_ECONNREFUSED:
        return "cannot reach the DNS server";
    default:
        return "DNS failed";
    }
}

static void make_ready(struct lookup *lookup, const char *error) {
    struct resolver *resolver = lookup->resolver;

    lookup->answer.error = lookup->answer.count ? NULL : error;
    list_remove(&resolver->waiting, lookup);
    list_append(&resolver->ready, lookup);
    lookup->state = LOOKUP_READY;
}

static void add_address(struct resolver_answer *answer, const struct address *address) {
    for (uint32_t i = 0; i < answer->count; i++)
        if (address_equal(&answer->addresses[i], address))
            return;
    if (answer->count < LIMIT_ADDRESSES)
        answer->addresses[answer->count++] = *address;
}

/* With `family` ADDRESS_NONE all addresses, else those of the family. */
static void add_nodes(struct resolver_answer *answer, const struct ares_addrinfo *result,
                      uint8_t family) {
    struct address address;

    for (const struct ares_addrinfo_node *node = result->nodes; node; node = node->ai_next)
        if (address_from_sockaddr(node->ai_addr, &address) &&
            (family == ADDRESS_NONE || address.family == family))
            add_address(answer, &address);
}

static void on_result(void *cookie, int status, int timeouts, struct ares_addrinfo *result) {
    struct lookup *lookup = cookie;

    (void)timeouts;
    lookup->held = false;
    if (lookup->state == LOOKUP_OPEN && status != ARES_EDESTRUCTION) {
        if (status == ARES_SUCCESS && result) {
            if (lookup->resolver->config.prefer_v4)
                add_nodes(&lookup->answer, result, ADDRESS_V4);
            add_nodes(&lookup->answer, result, ADDRESS_NONE);
        }
        make_ready(lookup, status_words(status));
    } else if (lookup->state == LOOKUP_DONE) {
        free(lookup);
    }
    if (result)
        ares_freeaddrinfo(result);
}

/* Sockets beyond the watches go unwatched: what is asked on them times out. */
static void on_socket_state(void *owner, ares_socket_t fd, int readable, int writable) {
    struct resolver *resolver = owner;
    uint32_t slot = RESOLVER_WATCHES;

    for (uint32_t i = 0; i < RESOLVER_WATCHES; i++) {
        if (resolver->watched[i] == fd) {
            slot = i;
            break;
        }
        if (slot == RESOLVER_WATCHES && resolver->watched[i] == ARES_SOCKET_BAD)
            slot = i;
    }
    if (slot == RESOLVER_WATCHES)
        return;
    uint32_t watch = resolver->config.first_watch + slot;
    if (readable || writable) {
        resolver->watched[slot] = fd;
        io_watch(resolver->config.io, watch, fd, readable != 0, writable != 0);
    } else if (resolver->watched[slot] == fd) {
        resolver->watched[slot] = ARES_SOCKET_BAD;
        io_unwatch(resolver->config.io, watch);
    }
}

static enum error open_channel(struct resolver *resolver, struct failure *failure) {
    char lookups[] = "b"; /* DNS only: /etc/hosts is ours */
    struct ares_options options = {.flags = ARES_FLAG_STAYOPEN | ARES_FLAG_NOSEARCH,
                                   .tries = RESOLVER_TRIES,
                                   .lookups = lookups,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = resolver};
    /* No search domains either, in case a version does not mind NOSEARCH in ares_getaddrinfo. */
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_SOCK_STATE_CB | ARES_OPT_DOMAINS;
    const char *servers = resolver->config.servers;

    /* c-ares doubles the time for the second try. */
    options.timeout = (int)(resolver->config.timeout_ms / 3 % INT32_MAX);
    if (options.timeout == 0)
        options.timeout = 1;
#ifdef ARES_OPT_QUERY_CACHE
    options.qcache_max_ttl = 0; /* no cache: a sweep asks each name once */
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    int status = ares_init_options(&resolver->channel, &options, mask);
    if (status != ARES_SUCCESS) {
        resolver->channel = NULL;
        return failure_set(failure, status == ARES_ENOMEM ? ERROR_MEMORY : ERROR_INTERNAL,
                           "cannot set up DNS: %s; is /etc/resolv.conf sound?",
                           ares_strerror(status));
    }
    if (!servers)
        return ERROR_NONE;
    status = *servers ? ares_set_servers_ports_csv(resolver->channel, servers) : ARES_EBADSTR;
    if (status == ARES_ENOMEM)
        return failure_set(failure, ERROR_MEMORY, "no memory for the DNS servers");
    if (status != ARES_SUCCESS)
        return failure_set(failure, ERROR_USAGE,
                           "cannot read the DNS servers '%s': give addresses such as "
                           "192.0.2.53 or [2001:db8::53]:5353, with commas between them",
                           servers);
    return ERROR_NONE;
}

enum error resolver_open(struct resolver **out, const struct resolver_config *config,
                         struct failure *failure) {
    struct resolver *resolver = calloc(1, sizeof *resolver);

    *out = NULL;
    if (!resolver)
        return failure_set(failure, ERROR_MEMORY, "no memory for the DNS resolver");
    resolver->config = *config;
    for (uint32_t i = 0; i < RESOLVER_WATCHES; i++)
        resolver->watched[i] = ARES_SOCKET_BAD;
    enum error error = open_channel(resolver, failure);
    if (error) {
        resolver_close(resolver);
        return error;
    }
    *out = resolver;
    return ERROR_NONE;
}

static void free_list(struct lookup_list *list) {
    for (struct lookup *lookup = list->first, *next; lookup; lookup = next) {
        next = lookup->next;
        free(lookup);
    }
}

void resolver_close(struct resolver *resolver) {
    if (!resolver)
        return;
    if (resolver->channel)
        ares_destroy(resolver->channel); /* calls on_result and on_socket_state */
    for (uint32_t i = 0; i < RESOLVER_WATCHES; i++)
        if (resolver->watched[i] != ARES_SOCKET_BAD)
            io_unwatch(resolver->config.io, resolver->config.first_watch + i);
    free_list(&resolver->waiting);
    free_list(&resolver->ready);
    free(resolver);
}

/* Whether the name is an address, which c-ares 1.18 asks the server for all the same, or one of
 * /etc/hosts. */
static bool answer_at_once(struct lookup *lookup, struct slice name) {
    const struct resolver_config *config = &lookup->resolver->config;
    struct address found[LIMIT_ADDRESSES];
    uint32_t count = config->hosts ? hosts_find(config->hosts, name, found) : 0;

    if (address_parse(name, &found[0]))
        count = 1;
    for (uint32_t i = 0; i < count && config->prefer_v4; i++)
        if (found[i].family == ADDRESS_V4)
            add_address(&lookup->answer, &found[i]);
    for (uint32_t i = 0; i < count; i++)
        add_address(&lookup->answer, &found[i]);
    return count > 0;
}

bool resolver_start(struct resolver *resolver, struct slice name, uint64_t cookie) {
    static const struct ares_addrinfo_hints HINTS = {
        .ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char text[LIMIT_HOST_NAME_BYTES + 2]; /* a dot at the end does not count */
    struct lookup *lookup = calloc(1, sizeof *lookup);

    if (!lookup)
        return false;
    lookup->resolver = resolver;
    lookup->cookie = cookie;
    lookup->deadline_ns = resolver->config.io->now_ns + resolver->config.timeout_ms * 1000000ULL;
    lookup->state = LOOKUP_OPEN;
    list_append(&resolver->waiting, lookup);
    resolver->open_count++;
    if (name.len == 0 || name.len >= sizeof text || memchr(name.ptr, 0, name.len)) {
        make_ready(lookup, "no such name");
        return true;
    }
    if (answer_at_once(lookup, name)) {
        make_ready(lookup, NULL);
        return true;
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = 0;
    lookup->held = true;
    ares_getaddrinfo(resolver->channel, text, NULL, &HINTS, on_result, lookup);
    return true;
}

uint32_t resolver_open_count(const struct resolver *resolver) {
    return resolver->open_count;
}

/* Those ready now; what becomes ready meanwhile has its turn in the next call. */
static void deliver(struct resolver *resolver) {
    struct lookup *last = resolver->ready.last;

    for (bool more = last != NULL; more;) {
        struct lookup *lookup = resolver->ready.first;
        more = lookup != last;
        list_remove(&resolver->ready, lookup);
        resolver->open_count--;
        resolver->config.answered(resolver->config.owner, lookup->cookie, &lookup->answer);
        lookup->state = LOOKUP_DONE; /* not before: `answered` may make c-ares call back */
        if (!lookup->held)
            free(lookup);
    }
}

void resolver_ready(struct resolver *resolver, const struct io_event *event) {
    uint32_t slot = event->index - resolver->config.first_watch;

    if (slot >= RESOLVER_WATCHES || resolver->watched[slot] == ARES_SOCKET_BAD)
        return;
    ares_socket_t fd = resolver->watched[slot];
    ares_process_fd(resolver->channel, event->readable || event->error ? fd : ARES_SOCKET_BAD,
                    event->writable ? fd : ARES_SOCKET_BAD);
    deliver(resolver);
}

void resolver_tick(struct resolver *resolver) {
    uint64_t now_ns = resolver->config.io->now_ns;

    if (now_ns - resolver->processed_ns >= RESOLVER_TICK_NS) {
        resolver->processed_ns = now_ns;
        ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    while (resolver->waiting.first && resolver->waiting.first->deadline_ns <= now_ns)
        make_ready(resolver->waiting.first, status_words(ARES_ETIMEOUT));
    deliver(resolver);
}
