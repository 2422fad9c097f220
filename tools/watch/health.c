#include "tools/watch/health.h"

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/slice.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A client has some seconds in all, however it spends them; when there are too many, the one that
 * has been there for longest goes. */
enum {
    CONNECTIONS_MAX = 64,
    CROWDED = CONNECTIONS_MAX - 8,
    LIFETIME_MS = 5000,
    MEMORY_MAX = 16 * 1024,
    LOOK_MS = 200,
};

/* One who asks for a page. */
struct client {
    int fd;
    uint64_t since_ms; /* 0: it was sent away already */
};

struct health {
    struct health_config config;
    struct MHD_Daemon *daemon;
    uint16_t port;
    pthread_t thread;
    atomic_bool is_stopping;
    struct client clients[CONNECTIONS_MAX]; /* in the order in which they came */
    uint32_t client_count;
};

/* --- Pages --- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              struct buffer *body) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body->len, body->ptr, MHD_RESPMEM_MUST_COPY);

    buffer_deinit(body);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_words(struct MHD_Connection *connection, unsigned status,
                                    const char *words) {
    struct buffer body;

    buffer_init(&body);
    buffer_add_text(&body, words);
    return answer(connection, status, "text/plain; charset=utf-8", &body);
}

static enum MHD_Result handle(void *owner, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state) {
    const struct health_config *config = &((struct health *)owner)->config;
    struct buffer body;

    (void)version, (void)upload, (void)state;
    if (*upload_size)
        return MHD_NO;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer_words(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    buffer_init(&body);
    if (strcmp(url, "/healthz") == 0) {
        bool ok = config->status(config->owner, &body);
        return answer(connection, ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                      "application/json", &body);
    }
    if (strcmp(url, "/metrics") == 0) {
        config->metrics(config->owner, &body);
        return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &body);
    }
    return answer_words(connection, MHD_HTTP_NOT_FOUND, "there are /healthz and /metrics\n");
}

/* --- Clients --- */

static uint64_t now_ms(void) {
    return clock_monotonic_ns() / 1000000;
}

static int fd_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

static void remove_client(struct health *health, int fd) {
    uint32_t kept = 0;

    for (uint32_t i = 0; i < health->client_count; i++)
        if (health->clients[i].fd != fd)
            health->clients[kept++] = health->clients[i];
    health->client_count = kept;
}

static void note_client(void *owner, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode what) {
    struct health *health = owner;
    int fd = fd_of(connection);

    (void)context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED)
        remove_client(health, fd);
    else if (health->client_count < CONNECTIONS_MAX)
        health->clients[health->client_count++] = (struct client){fd, now_ms()};
}

/* The library closes them when it looks at them next. */
static void send_away(struct client *client) {
    if (client->since_ms)
        shutdown(client->fd, SHUT_RDWR);
    client->since_ms = 0;
}

static void look_after_clients(struct health *health) {
    for (uint32_t i = 0; i < health->client_count; i++)
        if (now_ms() - health->clients[i].since_ms > LIFETIME_MS)
            send_away(&health->clients[i]);
    for (uint32_t i = 0; i + CROWDED < health->client_count; i++)
        send_away(&health->clients[i]);
}

static void *run(void *context) {
    struct health *health = context;

    while (!atomic_load(&health->is_stopping)) {
        if (MHD_run_wait(health->daemon, LOOK_MS) != MHD_YES)
            poll(NULL, 0, LOOK_MS);
        look_after_clients(health);
    }
    return NULL;
}

/* --- Starting --- */

/* "host:port", "[v6]:port"; ":port" is every address. */
static enum error resolve(const char *text, struct addrinfo **out, struct failure *failure) {
    static const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    const char *colon = strrchr(text, ':');
    struct slice host = {(const uint8_t *)text, colon ? (size_t)(colon - text) : 0};
    char name[LIMIT_HOST_NAME_BYTES + 1];
    uint64_t port;

    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = (struct slice){host.ptr + 1, host.len - 2};
    else if (host.len && memchr(host.ptr, ':', host.len))
        colon = NULL; /* an address of IPv6 without brackets */
    if (!colon || !slice_to_u64(slice_of(colon + 1), UINT16_MAX, &port) || host.len >= sizeof name)
        return failure_set(failure, ERROR_USAGE,
                           "'%.100s' is not an address and port such as 127.0.0.1:8765", text);
    memcpy(name, host.ptr, host.len);
    name[host.len] = 0;
    int error = getaddrinfo(host.len ? name : NULL, colon + 1, &hints, out);
    if (error)
        return failure_set(failure, ERROR_USAGE, "cannot listen on %.100s: %s", text,
                           gai_strerror(error));
    return ERROR_NONE;
}

/* Of several addresses of a name one of IPv4: what clients of "localhost" try. */
static const struct sockaddr *choose(const struct addrinfo *addresses) {
    for (const struct addrinfo *at = addresses; at; at = at->ai_next)
        if (at->ai_family == AF_INET)
            return at->ai_addr;
    return addresses->ai_addr;
}

static struct MHD_Daemon *listen_at(struct health *health, const struct sockaddr *address) {
    unsigned flags = MHD_USE_AUTO; /* and no thread of its own */

    if (address->sa_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    errno = 0;
    return MHD_start_daemon(flags, 0, NULL, NULL, handle, health, MHD_OPTION_SOCK_ADDR, address,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_MAX,
                            MHD_OPTION_NOTIFY_CONNECTION, note_client, health, MHD_OPTION_END);
}

static enum error start_thread(struct health *health, struct failure *failure) {
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&health->thread, NULL, run, health);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return failure_set(failure, (enum error)error, "the health page cannot be started: %s",
                           error_text((enum error)error));
    pthread_setname_np(health->thread, "health");
    return ERROR_NONE;
}

static enum error start(struct health *health, struct failure *failure) {
    const char *where = health->config.address;
    struct addrinfo *addresses = NULL;

    enum error error = resolve(where, &addresses, failure);
    if (error)
        return error;
    health->daemon = listen_at(health, choose(addresses));
    error = errno ? (enum error)errno : ERROR_INTERNAL;
    freeaddrinfo(addresses);
    if (!health->daemon)
        return failure_set(failure, error, "cannot listen on %.100s: %s", where, error_text(error));
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(health->daemon, MHD_DAEMON_INFO_BIND_PORT);
    health->port = info ? info->port : 0;
    error = start_thread(health, failure);
    if (error)
        MHD_stop_daemon(health->daemon);
    return error;
}

enum error health_start(struct health **out, const struct health_config *config,
                        struct failure *failure) {
    struct health *health = calloc(1, sizeof *health);

    if (!health)
        return failure_set(failure, ERROR_MEMORY, "no memory for the health page");
    health->config = *config;
    enum error error = start(health, failure);
    if (error) {
        free(health);
        return error;
    }
    *out = health;
    return ERROR_NONE;
}

void health_stop(struct health *health) {
    if (!health)
        return;
    atomic_store(&health->is_stopping, true);
    pthread_join(health->thread, NULL);
    MHD_stop_daemon(health->daemon);
    free(health);
}

uint16_t health_port(const struct health *health) {
    return health->port;
}
