#include "bench/ctfarm/ctfarm.h"

#include "bench/ctfarm/ctfarm_server.h"
#include "bench/ctfarm/ctfarm_tls.h"
#include "engine/base/clock.h"
#include "engine/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, BACKLOG = 1024, TICK_MS = 10, STEP_US = 10000, MEGABYTE = 1 << 20 };

void ctfarm_options_init(struct ctfarm_options *options) {
    *options = (struct ctfarm_options){
        .log = {.seed = 1, .entries = 1000},
        .start = 1000,
        .page_max = CTFARM_TILE,
        .head_every_ms = 500,
        .heartbeat_ms = 30000,
        .ping_ms = 30000,
        .idle_ms = 65000,
        .cache_bytes = 512 * (uint64_t)MEGABYTE,
        .state = "usable",
    };
}

/* --- How the log grows --- */

uint64_t ctfarm_size(struct ctfarm *server) {
    double grown = (double)(server->now_ns - server->base_ns) / 1e9 * server->rate;
    uint64_t all = server->options.log.entries, left = all - server->base_size;
    return grown >= (double)left ? all : server->base_size + (uint64_t)grown;
}

void ctfarm_publish(struct ctfarm *server, bool now) {
    uint64_t size = ctfarm_size(server);
    struct ctfarm_published *head = &server->head;
    if (!now && server->now_ms - head->timestamp_ms < (int64_t)server->options.head_every_ms)
        return;
    if (size != head->size || head->timestamp_ms == 0)
        ctfarm_root(server->log, size, head->root);
    head->size = size;
    head->timestamp_ms = server->now_ms;
}

void ctfarm_set_size(struct ctfarm *server, uint64_t size, double rate) {
    server->base_size = size;
    server->base_ns = server->now_ns;
    server->rate = rate;
    ctfarm_publish(server, true);
}

/* --- The loop --- */

static void read_clocks(struct ctfarm *server) {
    server->now_ns = clock_monotonic_ns();
    server->now_ms = clock_unix_ms();
}

static void accept_all(struct ctfarm *server) {
    for (;;) {
        int on = 1;
        int descriptor = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0)
            return;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ctfarm_connection_open(server, descriptor);
    }
}

static bool tick(struct ctfarm *server) {
    bool timed = false;
    if (server->now_ns < server->tick_ns)
        return true;
    server->tick_ns = server->now_ns + TICK_MS * UINT64_C(1000000);
    for (struct ctfarm_connection *connection = server->connections, *next; connection;
         connection = next) {
        next = connection->next;
        timed = timed || connection->state == CTFARM_FEEDING || connection->dripping;
        ctfarm_connection_tick(server, connection);
    }
    return timed;
}

static void *serve(void *argument) {
    struct ctfarm *server = argument;
    struct epoll_event events[EVENTS];
    for (bool stop = false; !stop;) {
        read_clocks(server);
        bool timed = tick(server);
        int count = epoll_wait(server->events, events, EVENTS, timed ? TICK_MS : -1);
        bool arrivals = false;
        read_clocks(server);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &server->stop)
                stop = true;
            else if (events[i].data.ptr == &server->listener)
                arrivals = true;
            else
                ctfarm_connection_run(server, events[i].data.ptr);
        }
        /* Last, so that no event of this round meets a connection that has taken the place of the
         * one it was meant for. */
        if (arrivals)
            accept_all(server);
    }
    return NULL;
}

/* --- Start --- */

static enum error listen_on(struct ctfarm *server, struct failure *failure) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(server->options.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int on = 1;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server->listener < 0 ||
        setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        bind(server->listener, (struct sockaddr *)&address, sizeof address) ||
        listen(server->listener, BACKLOG) ||
        getsockname(server->listener, (struct sockaddr *)&address, &len)) {
        enum error error = (enum error)errno;
        return failure_set(failure, error, "the farm cannot listen on 127.0.0.1:%u: %s",
                           (unsigned)server->options.port, error_text(error));
    }
    server->port = ntohs(address.sin_port);
    return ERROR_NONE;
}

static enum error open_epoll(struct ctfarm *server, struct failure *failure) {
    struct epoll_event stop = {.events = EPOLLIN, .data.ptr = &server->stop},
                       arrivals = {.events = EPOLLIN, .data.ptr = &server->listener};
    server->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->events = epoll_create1(EPOLL_CLOEXEC);
    if (server->stop < 0 || server->events < 0 ||
        epoll_ctl(server->events, EPOLL_CTL_ADD, server->stop, &stop) ||
        epoll_ctl(server->events, EPOLL_CTL_ADD, server->listener, &arrivals)) {
        enum error error = (enum error)errno;
        return failure_set(failure, error, "the farm cannot use epoll: %s", error_text(error));
    }
    return ERROR_NONE;
}

static void name_urls(struct ctfarm *server) {
    const char *s = server->options.tls ? "s" : "";
    unsigned port = server->port;
    snprintf(server->url, sizeof server->url, "http%s://127.0.0.1:%u", s, port);
    snprintf(server->feed_url, sizeof server->feed_url, "ws%s://127.0.0.1:%u/full-stream", s, port);
    snprintf(server->log_urls[CTFARM_RFC6962], sizeof server->log_urls[0], "%s/rfc6962/",
             server->url);
    snprintf(server->log_urls[CTFARM_STATIC], sizeof server->log_urls[0], "%s/static/",
             server->url);
    snprintf(server->origin, sizeof server->origin, "127.0.0.1:%u/static", port);
}

/* Timestamps run so that the newest entry of the start is from now, and later ones from when they
 * will come. */
static void set_times(struct ctfarm_options *options, int64_t now_ms) {
    if (options->log.step_us == 0)
        options->log.step_us =
            options->rate > 0 ? (uint64_t)(1e6 / options->rate) : (uint64_t)STEP_US;
    uint64_t distinct = options->log.distinct ? options->log.distinct : options->log.entries;
    uint64_t before = options->start < distinct ? options->start : distinct;
    if (options->log.first_ms == 0)
        options->log.first_ms = now_ms - (int64_t)(before * options->log.step_us / 1000);
}

static enum error check(const struct ctfarm_options *options, struct failure *failure) {
    if (options->start > options->log.entries)
        return failure_set(failure, ERROR_USAGE, "a log cannot start with more than all entries");
    if (!(options->rate >= 0) || options->page_max == 0 || options->page_max > CTFARM_PAGE_LIMIT)
        return failure_set(failure, ERROR_USAGE,
                           "rates are not negative, pages have 1 to %d entries",
                           (int)CTFARM_PAGE_LIMIT);
    return ERROR_NONE;
}

static void warm(struct ctfarm *server) {
    const struct ctfarm_options *options = &server->options;
    enum ctfarm_form feed = ctfarm_form_feed(options->dialect, CTFARM_FULL);
    enum ctfarm_form tiles = options->gzip ? CTFARM_FORM_GZIP : CTFARM_FORM_DATA;
    for (uint64_t i = 0; i < options->log.entries / CTFARM_TILE; i++) {
        if (options->warm_entries)
            ctfarm_page_put(ctfarm_page_get(server->pages, CTFARM_FORM_ENTRIES, i));
        if (options->warm_tiles)
            ctfarm_page_put(ctfarm_page_get(server->pages, tiles, i));
        if (options->warm_feed)
            ctfarm_page_put(ctfarm_page_get(server->pages, feed, i));
    }
}

static enum error add_faults(struct ctfarm *server, struct failure *failure) {
    ctfarm_faults_init(&server->faults, server->options.log.seed);
    for (size_t i = 0; i < server->options.fault_count; i++) {
        enum error error =
            ctfarm_faults_add(&server->faults, slice_of(server->options.faults[i]), failure);
        if (error)
            return error;
    }
    return ERROR_NONE;
}

static enum error make_content(struct ctfarm *server, struct failure *failure) {
    enum error error = ctfarm_log_new(&server->log, &server->options.log, failure);
    if (error)
        return error;
    const char *source = server->options.tiled_feed ? server->log_urls[CTFARM_STATIC]
                                                    : server->log_urls[CTFARM_RFC6962];
    server->pages = ctfarm_pages_new(
        server->log, server->options.cache_bytes, server->options.tiled_feed, source,
        server->options.tiled_feed ? "Farm 'Tiles2026' log" : "Farm 'Classic2026' log");
    if (server->options.tls)
        server->tls = ctfarm_tls_context(server->log, server->now_ms / 1000);
    if (!server->pages || !ctfarm_list_make(server) || (server->options.tls && !server->tls))
        return failure_set(failure, ERROR_MEMORY, "no memory for the farm");
    warm(server);
    return ERROR_NONE;
}

/* Signals are for the threads of the farm's owner. */
static enum error start_thread(struct ctfarm *server, struct failure *failure) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = pthread_create(&server->thread, NULL, serve, server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (reason)
        return failure_set(failure, (enum error)reason, "the farm cannot start its thread: %s",
                           error_text((enum error)reason));
    server->running = true;
    return ERROR_NONE;
}

enum error ctfarm_start(struct ctfarm **out, const struct ctfarm_options *options,
                        struct failure *failure) {
    enum error error = check(options, failure);
    struct ctfarm *server = error ? NULL : calloc(1, sizeof *server);
    if (!server)
        return error ? error : failure_set(failure, ERROR_MEMORY, "no memory for the farm");
    server->options = *options;
    server->listener = server->events = server->stop = -1;
    read_clocks(server);
    set_times(&server->options, server->now_ms);
    error = add_faults(server, failure);
    if (!error)
        error = listen_on(server, failure);
    name_urls(server);
    if (!error)
        error = make_content(server, failure);
    if (!error)
        error = open_epoll(server, failure);
    read_clocks(server); /* the log grows from now on */
    if (!error) {
        ctfarm_set_size(server, options->start, options->rate);
        error = start_thread(server, failure);
    }
    if (error) {
        ctfarm_stop(server);
        return error;
    }
    *out = server;
    return ERROR_NONE;
}

void ctfarm_stop(struct ctfarm *server) {
    if (!server)
        return;
    uint64_t one = 1;
    while (server->running && write(server->stop, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    if (server->running)
        pthread_join(server->thread, NULL);
    while (server->connections)
        ctfarm_connection_close(server, server->connections, false);
    const int descriptors[] = {server->listener, server->events, server->stop};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    ctfarm_pages_free(server->pages);
    ctfarm_log_free(server->log);
    SSL_CTX_free(server->tls);
    buffer_deinit(&server->list);
    buffer_deinit(&server->list_signature);
    buffer_deinit(&server->bomb);
    free(server);
}

/* --- Facts --- */

uint16_t ctfarm_port(const struct ctfarm *server) {
    return server->port;
}

const struct ctfarm_log *ctfarm_log(const struct ctfarm *server) {
    return server->log;
}

const char *ctfarm_url(const struct ctfarm *server) {
    return server->url;
}

const char *ctfarm_feed_url(const struct ctfarm *server) {
    return server->feed_url;
}

const char *ctfarm_log_url(const struct ctfarm *server, enum ctfarm_side side) {
    return server->log_urls[side];
}

const char *ctfarm_origin(const struct ctfarm *server) {
    return server->origin;
}

struct slice ctfarm_list(const struct ctfarm *server) {
    return buffer_slice(&server->list);
}

void ctfarm_add_pem(struct slice der, struct buffer *out) {
    enum { LINE = 48 };
    buffer_add_text(out, "-----BEGIN CERTIFICATE-----\n");
    for (; der.len; der = slice_from(der, LINE)) {
        text_add_base64(out, slice_first(der, LINE));
        buffer_add_byte(out, '\n');
    }
    buffer_add_text(out, "-----END CERTIFICATE-----\n");
}

void ctfarm_add_ca_pem(const struct ctfarm *server, struct buffer *out) {
    bool is_root;
    struct slice der;
    for (uint32_t i = 0; (der = ctfarm_authority(server->log, i, &is_root)).len; i++)
        if (is_root)
            ctfarm_add_pem(der, out);
}
