#include "tools/watch/listener.h"

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/slice.h"
#include "engine/base/thread.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOK_MS = 200, OPTIONS_MAX = 12 };

/* One who is connected. */
struct client {
    int fd;
    bool sent_away;
    uint64_t until_ms; /* 0: no end */
};

struct listener {
    struct listener_config config;
    struct MHD_Daemon *daemon;
    int events, wake; /* the daemon's epoll, and an eventfd: a daemon without a thread of its own
                         does not hear of connections that are resumed */
    uint16_t port;
    pthread_t thread;
    atomic_bool is_stopping, is_quiescing;
    bool is_quiet;          /* the listening socket is closed */
    struct client *clients; /* in the order in which they came */
    _Atomic uint32_t client_count;
};

/* --- Clients --- */

static uint64_t now_ms(void) {
    return clock_monotonic_ns() / 1000000;
}

static int fd_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

static void remove_client(struct listener *listener, int fd) {
    uint32_t kept = 0, count = atomic_load(&listener->client_count);

    for (uint32_t i = 0; i < count; i++)
        if (listener->clients[i].fd != fd)
            listener->clients[kept++] = listener->clients[i];
    atomic_store(&listener->client_count, kept);
}

static void note_client(void *owner, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode what) {
    struct listener *listener = owner;
    int fd = fd_of(connection);
    uint32_t count = atomic_load(&listener->client_count);

    (void)context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        remove_client(listener, fd);
    } else if (count < listener->config.connections_max) {
        listener->clients[count] =
            (struct client){.fd = fd, .until_ms = now_ms() + listener->config.client_ms};
        atomic_store(&listener->client_count, count + 1);
    }
}

/* The library closes them when it looks at them next. */
static void send_away(struct client *client) {
    if (!client->sent_away)
        shutdown(client->fd, SHUT_RDWR);
    client->sent_away = true;
}

static void look_after_clients(struct listener *listener) {
    uint32_t count = atomic_load(&listener->client_count);
    uint32_t crowded = listener->config.connections_max - listener->config.connections_max / 8;
    uint32_t surplus = count > crowded ? count - crowded : 0;
    uint64_t now = now_ms();

    for (uint32_t i = 0; i < count; i++) {
        struct client *client = &listener->clients[i];
        if (!client->until_ms || (!surplus && now < client->until_ms))
            continue;
        send_away(client);
        surplus -= surplus > 0;
    }
}

void listener_give_time(struct listener *listener, struct MHD_Connection *connection, uint32_t ms) {
    uint32_t count = atomic_load(&listener->client_count);
    int fd = fd_of(connection);

    for (uint32_t i = 0; i < count; i++)
        if (listener->clients[i].fd == fd)
            listener->clients[i].until_ms = ms ? now_ms() + ms : 0;
}

struct address listener_peer(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct address address = {0};

    if (info && info->client_addr)
        address_from_sockaddr(info->client_addr, &address);
    return address;
}

uint32_t listener_clients(const struct listener *listener) {
    return atomic_load(&listener->client_count);
}

uint16_t listener_port(const struct listener *listener) {
    return listener->port;
}

/* --- The thread --- */

void listener_quiesce(struct listener *listener) {
    atomic_store(&listener->is_quiescing, true);
    listener_wake(listener);
}

static void become_quiet(struct listener *listener) {
    listener->is_quiet = true;
    MHD_socket fd = MHD_quiesce_daemon(listener->daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
}

void listener_wake(struct listener *listener) {
    (void)!write(listener->wake, &(uint64_t){1}, sizeof(uint64_t));
}

/* Until something happens, at most LOOK_MS. */
static void await(struct listener *listener) {
    struct pollfd items[] = {{.fd = listener->events, .events = POLLIN},
                             {.fd = listener->wake, .events = POLLIN}};
    MHD_UNSIGNED_LONG_LONG soon_ms = 0;
    uint64_t ignored;

    bool is_soon = MHD_get_timeout(listener->daemon, &soon_ms) == MHD_YES && soon_ms < LOOK_MS;
    if (poll(items, 2, is_soon ? (int)soon_ms : LOOK_MS) > 0 && items[1].revents)
        (void)!read(listener->wake, &ignored, sizeof ignored);
}

static void *run(void *context) {
    struct listener *listener = context;

    while (!atomic_load(&listener->is_stopping)) {
        if (atomic_load(&listener->is_quiescing) && !listener->is_quiet)
            become_quiet(listener);
        await(listener);
        if (MHD_run(listener->daemon) != MHD_YES)
            poll(NULL, 0, LOOK_MS);
        look_after_clients(listener);
        if (listener->config.tick)
            listener->config.tick(listener->config.owner);
    }
    return NULL;
}

/* --- Starting --- */

/* "host:port", "[v6]:port"; ":port" is every address. The port's text is in `text` itself. */
static enum error split(const char *text, char name[LIMIT_HOST_NAME_BYTES + 1], const char **port,
                        struct failure *failure) {
    const char *colon = strrchr(text, ':');
    struct slice host = {(const uint8_t *)text, colon ? (size_t)(colon - text) : 0};
    uint64_t number;

    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = (struct slice){host.ptr + 1, host.len - 2};
    else if (host.len && memchr(host.ptr, ':', host.len))
        colon = NULL; /* an address of IPv6 without brackets */
    if (!colon || !slice_to_u64(slice_of(colon + 1), UINT16_MAX, &number) ||
        host.len > LIMIT_HOST_NAME_BYTES)
        return failure_set(failure, ERROR_USAGE,
                           "'%.100s' is not an address and port such as 127.0.0.1:8765", text);
    if (host.len)
        memcpy(name, host.ptr, host.len);
    name[host.len] = 0;
    *port = colon + 1;
    return ERROR_NONE;
}

enum error listener_check_address(const char *address, struct failure *failure) {
    char name[LIMIT_HOST_NAME_BYTES + 1];
    const char *port;

    return split(address, name, &port, failure);
}

static enum error resolve(const char *text, struct addrinfo **out, struct failure *failure) {
    static const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    char name[LIMIT_HOST_NAME_BYTES + 1];
    const char *port;

    enum error error = split(text, name, &port, failure);
    if (error)
        return error;
    int code = getaddrinfo(name[0] ? name : NULL, port, &hints, out);
    if (code)
        return failure_set(failure, ERROR_USAGE, "cannot listen on %.100s: %s", text,
                           gai_strerror(code));
    return ERROR_NONE;
}

/* Of several addresses of a name one of IPv4: what clients of "localhost" try. */
static const struct sockaddr *choose(const struct addrinfo *addresses) {
    for (const struct addrinfo *at = addresses; at; at = at->ai_next)
        if (at->ai_family == AF_INET)
            return at->ai_addr;
    return addresses->ai_addr;
}

static enum error bind_to(int fd, const struct sockaddr *address, socklen_t len) {
    const int on = 1;
    bool done = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                bind(fd, address, len) == 0 && listen(fd, SOMAXCONN) == 0;
    return done ? ERROR_NONE : (enum error)errno;
}

enum error listener_bind(const char *address, int *out, struct failure *failure) {
    struct addrinfo *addresses = NULL;
    enum error error = resolve(address, &addresses, failure);

    if (error)
        return error;
    const struct sockaddr *chosen = choose(addresses);
    socklen_t len =
        chosen->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(chosen->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    error = fd < 0 ? (enum error)errno : bind_to(fd, chosen, len);
    freeaddrinfo(addresses);
    if (!error) {
        *out = fd;
        return ERROR_NONE;
    }
    if (fd >= 0)
        close(fd);
    return failure_set(failure, error, "cannot listen on %.100s: %s", address, error_text(error));
}

/* The library takes the PEM texts as pointers that it does not write through. */
static void *pem_pointer(const char *text) {
    union {
        const char *text;
        void *pointer;
    } both = {text};
    return both.pointer;
}

static struct MHD_Daemon *listen_on(struct listener *listener, int fd) {
    const struct listener_config *config = &listener->config;
    struct MHD_OptionItem options[OPTIONS_MAX];
    unsigned flags = MHD_USE_EPOLL | config->flags; /* and no thread of its own */
    int count = 0;

    if (config->certificate) {
        flags |= MHD_USE_TLS;
        options[count++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, pem_pointer(config->certificate)};
        options[count++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, pem_pointer(config->key)};
    }
    options[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    return MHD_start_daemon(flags, 0, NULL, NULL, config->handle, config->owner,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)config->connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            config->memory_max, MHD_OPTION_NOTIFY_CONNECTION, note_client, listener,
                            MHD_OPTION_NOTIFY_COMPLETED, config->completed, config->owner,
                            MHD_OPTION_URI_LOG_CALLBACK, config->uri, config->owner,
                            MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static uint16_t port_of(int fd) {
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;

    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0)
        return 0;
    return ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                             : ((struct sockaddr_in *)&bound)->sin_port);
}

/* The socket is always ours: what the library says when it cannot bind one differs with its
 * version. From its start on it is the library's, also when that fails. */
static enum error open_socket(struct listener *listener, struct failure *failure) {
    const char *where = listener->config.address;
    int fd = listener->config.socket;
    enum error error = fd ? ERROR_NONE : listener_bind(where, &fd, failure);

    if (error)
        return error;
    listener->port = port_of(fd);
    listener->daemon = listen_on(listener, fd);
    if (!listener->daemon && listener->config.certificate)
        return failure_set(
            failure, ERROR_USAGE,
            "cannot listen on %.100s: the certificate and the key do not go together, "
            "or are not PEM",
            where);
    if (!listener->daemon)
        return failure_set(failure, ERROR_INTERNAL, "cannot listen on %.100s: %s", where,
                           error_text(ERROR_INTERNAL));
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    listener->events = info ? info->epoll_fd : -1;
    return ERROR_NONE;
}

static enum error start(struct listener *listener, struct failure *failure) {
    listener->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (listener->wake < 0)
        return failure_set(failure, (enum error)errno, "eventfd: %s",
                           error_text((enum error)errno));
    enum error error = open_socket(listener, failure);
    if (error)
        return error;
    error = thread_start(&listener->thread, listener->config.name, run, listener, failure);
    if (error)
        MHD_stop_daemon(listener->daemon);
    return error;
}

static void release(struct listener *listener) {
    if (listener->wake >= 0)
        close(listener->wake);
    free(listener->clients);
    free(listener);
}

enum error listener_start(struct listener **out, const struct listener_config *config,
                          struct failure *failure) {
    struct listener *listener = calloc(1, sizeof *listener);
    enum error error;

    if (listener)
        listener->clients = calloc(config->connections_max, sizeof *listener->clients);
    if (!listener || !listener->clients) {
        free(listener);
        return failure_set(failure, ERROR_MEMORY, "no memory to listen on %.100s", config->address);
    }
    listener->config = *config;
    *out = listener; /* callbacks may come before this returns, and look for it */
    if ((error = start(listener, failure))) {
        release(listener);
        *out = NULL;
    }
    return error;
}

void listener_stop(struct listener *listener) {
    if (!listener)
        return;
    atomic_store(&listener->is_stopping, true);
    listener_wake(listener);
    pthread_join(listener->thread, NULL);
    MHD_stop_daemon(listener->daemon);
    release(listener);
}
