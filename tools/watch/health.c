#include "tools/watch/health.h"

#include "engine/base/limits.h"
#include "engine/base/slice.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS_MAX = 64, PER_ADDRESS_MAX = 16, TIMEOUT_S = 10, MEMORY_MAX = 16 * 1024 };

struct health {
    struct health_config config;
    struct MHD_Daemon *daemon;
    uint16_t port;
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

/* Its thread must leave signals to the program. */
static struct MHD_Daemon *start(struct health *health, const struct sockaddr *address) {
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO;
    sigset_t all, before;

    if (address->sa_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = 0;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, health, MHD_OPTION_SOCK_ADDR, address,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_MAX, MHD_OPTION_END);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return daemon;
}

enum error health_start(struct health **out, const struct health_config *config,
                        struct failure *failure) {
    struct addrinfo *addresses = NULL;
    struct health *health;

    enum error error = resolve(config->address, &addresses, failure);
    if (error)
        return error;
    health = calloc(1, sizeof *health);
    if (!health) {
        freeaddrinfo(addresses);
        return failure_set(failure, ERROR_MEMORY, "no memory for the health page");
    }
    health->config = *config;
    health->daemon = start(health, choose(addresses));
    error = errno ? (enum error)errno : ERROR_INTERNAL;
    freeaddrinfo(addresses);
    if (!health->daemon) {
        free(health);
        return failure_set(failure, error, "cannot listen on %.100s: %s", config->address,
                           error_text(error));
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(health->daemon, MHD_DAEMON_INFO_BIND_PORT);
    health->port = info ? info->port : 0;
    *out = health;
    return ERROR_NONE;
}

void health_stop(struct health *health) {
    if (!health)
        return;
    MHD_stop_daemon(health->daemon);
    free(health);
}

uint16_t health_port(const struct health *health) {
    return health->port;
}
