#include "sinks/msgpack_socket_address.h"

#include "engine/base/quote.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PREFIX[] = "msgpack+", UNIX[] = "unix://", TCP[] = "tcp://";

enum {
    BACKLOG = 64,
    HOST_MAX = 256,
    /* A peer whose machine is gone is noticed while nothing is sent. */
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_PROBES = 3,
};

static bool starts_with(struct slice text, const char *prefix) {
    struct slice wanted = slice_of(prefix);
    return slice_equal_nocase(slice_first(text, wanted.len), wanted);
}

bool msgpack_address_takes(struct slice spec) {
    return starts_with(spec, PREFIX);
}

/* --- Reading --- */

static enum error read_path(struct msgpack_address *address, const char *path,
                            struct failure *failure) {
    struct msgpack_endpoint *endpoint = &address->endpoints[0];
    size_t len = strlen(path);

    if (path[0] != '/' || path[len - 1] == '/')
        return failure_set(failure, ERROR_USAGE,
                           "%.200s: write the absolute path of a socket: "
                           "msgpack+unix:///run/trawl.sock",
                           address->name);
    if (len >= sizeof endpoint->local.sun_path)
        return failure_set(failure, ERROR_USAGE, "%.200s: paths of sockets have at most %zu bytes",
                           address->name, sizeof endpoint->local.sun_path - 1);
    endpoint->local.sun_family = AF_UNIX;
    memcpy(endpoint->local.sun_path, path, len + 1);
    endpoint->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    address->path = path;
    address->count = 1;
    return ERROR_NONE;
}

static enum error resolve(struct msgpack_address *address, const char *host, const char *port,
                          struct failure *failure) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
    int result = getaddrinfo(host, port, &hints, &found);

    if (result != 0)
        return failure_set(failure, ERROR_USAGE, "%.200s: cannot find the host: %s", address->name,
                           gai_strerror(result));
    for (struct addrinfo *info = found; info && address->count < MSGPACK_ENDPOINTS_MAX;
         info = info->ai_next) {
        struct msgpack_endpoint *endpoint = &address->endpoints[address->count++];
        memcpy(&endpoint->inet, info->ai_addr, info->ai_addrlen);
        endpoint->len = info->ai_addrlen;
    }
    freeaddrinfo(found);
    return ERROR_NONE;
}

static enum error read_host(struct msgpack_address *address, const char *text,
                            struct failure *failure) {
    const char *colon = strrchr(text, ':');
    char host[HOST_MAX];
    uint64_t port;

    if (!colon || !slice_to_u64(slice_of(colon + 1), UINT16_MAX, &port) || port == 0)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s: write a host and a port: msgpack+tcp://127.0.0.1:9000",
                           address->name);
    bool brackets = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    const char *begin = text + brackets, *end = colon - brackets;
    bool is_host = end > begin && (brackets || !memchr(begin, ':', (size_t)(end - begin))) &&
                   !memchr(begin, '/', (size_t)(end - begin));
    if (!is_host || end - begin >= HOST_MAX)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s: write a host and a port, an IPv6 address in brackets: "
                           "msgpack+tcp://[::1]:9000",
                           address->name);
    snprintf(host, sizeof host, "%.*s", (int)(end - begin), begin);
    return resolve(address, host, colon + 1, failure);
}

enum error msgpack_address_init(struct msgpack_address *out, const char *spec,
                                struct failure *failure) {
    *out = (struct msgpack_address){.name = strdup(spec)};
    if (!out->name)
        return failure_set(failure, ERROR_MEMORY, "no memory for %.200s", spec);
    out->options = strchr(out->name, '#');
    if (out->options)
        *out->options++ = 0;
    struct slice rest = slice_from(slice_of(out->name), sizeof PREFIX - 1);
    const char *text = out->name + sizeof PREFIX - 1;
    if (starts_with(rest, UNIX))
        return read_path(out, text + sizeof UNIX - 1, failure);
    if (starts_with(rest, TCP))
        return read_host(out, text + sizeof TCP - 1, failure);
    return failure_set(failure, ERROR_USAGE,
                       "what follows msgpack+ must be unix:///PATH or tcp://HOST:PORT, not %s",
                       quote_of(rest).text);
}

void msgpack_address_deinit(struct msgpack_address *address) {
    free(address->name);
    address->name = NULL;
}

enum error msgpack_address_check_path(const struct msgpack_address *address,
                                      struct failure *failure) {
    struct stat status;

    if (address->path && stat(address->path, &status) == 0 && !S_ISSOCK(status.st_mode))
        return failure_set(failure, ERROR_USAGE, "%.200s is there already, and is no socket",
                           address->path);
    return ERROR_NONE;
}

/* --- Connecting --- */

static void set_options(int fd) {
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_NODELAY, 1}, /* batches are large already, or urgent */
    };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
}

static int open_socket(const struct msgpack_endpoint *endpoint) {
    int fd = socket(endpoint->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && endpoint->any.sa_family != AF_UNIX)
        set_options(fd);
    return fd;
}

enum error msgpack_address_connect(const struct msgpack_address *address, uint32_t number,
                                   int *fd) {
    const struct msgpack_endpoint *endpoint = &address->endpoints[number];

    *fd = open_socket(endpoint);
    if (*fd < 0)
        return (enum error)errno;
    enum error error = connect(*fd, &endpoint->any, endpoint->len) == 0
                           ? msgpack_address_connected(*fd)
                           : (enum error)errno;
    if (error && error != (enum error)EINPROGRESS) {
        close(*fd);
        *fd = -1;
    }
    return error;
}

static bool is_itself(int fd) {
    struct sockaddr_storage ours = {0}, theirs = {0};
    socklen_t our_size = sizeof ours, their_size = sizeof theirs;

    return getsockname(fd, (struct sockaddr *)&ours, &our_size) == 0 &&
           getpeername(fd, (struct sockaddr *)&theirs, &their_size) == 0 &&
           ours.ss_family != AF_UNIX && our_size == their_size &&
           memcmp(&ours, &theirs, our_size) == 0;
}

enum error msgpack_address_connected(int fd) {
    int cause = 0;
    socklen_t size = sizeof cause;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &size) != 0)
        return (enum error)errno;
    return cause == 0 && is_itself(fd) ? (enum error)ECONNREFUSED : (enum error)cause;
}

/* --- Listening --- */

/* Removes a socket file that a process left behind when it was killed. */
static enum error clear_path(const struct msgpack_address *address, struct failure *failure) {
    struct stat status;
    int fd;

    enum error error = msgpack_address_check_path(address, failure);
    if (error || lstat(address->path, &status) != 0)
        return error;
    error = msgpack_address_connect(address, 0, &fd);
    if (fd >= 0)
        close(fd);
    if (error != (enum error)ECONNREFUSED)
        return failure_set(failure, ERROR_USAGE, "%.200s: somebody listens there already",
                           address->path);
    if (unlink(address->path) != 0)
        return failure_set(failure, (enum error)errno,
                           "%.200s: cannot remove the socket that a process left behind: %s",
                           address->path, error_text((enum error)errno));
    return ERROR_NONE;
}

/* The mode of the socket before bind is that of its file: nobody slips in between. The umask may
 * have taken something away, which chmod gives back. */
static bool bind_path(int fd, const struct msgpack_address *address, mode_t mode,
                      struct msgpack_listener *out) {
    const struct msgpack_endpoint *endpoint = &address->endpoints[0];
    struct stat status;

    if (fchmod(fd, mode) != 0 || bind(fd, &endpoint->any, endpoint->len) != 0 ||
        chmod(address->path, mode) != 0 || lstat(address->path, &status) != 0)
        return false;
    out->device = status.st_dev;
    out->inode = status.st_ino;
    return true;
}

static bool bind_port(int fd, const struct msgpack_address *address) {
    const struct msgpack_endpoint *endpoint = &address->endpoints[0];
    int yes = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
           bind(fd, &endpoint->any, endpoint->len) == 0;
}

enum error msgpack_address_listen(const struct msgpack_address *address, mode_t mode,
                                  struct msgpack_listener *out, struct failure *failure) {
    enum error error = address->path ? clear_path(address, failure) : ERROR_NONE;

    *out = (struct msgpack_listener){.fd = -1};
    if (error)
        return error;
    int fd = open_socket(&address->endpoints[0]);
    if (fd >= 0 && (address->path ? bind_path(fd, address, mode, out) : bind_port(fd, address)) &&
        listen(fd, BACKLOG) == 0) {
        out->fd = fd;
        return ERROR_NONE;
    }
    error = (enum error)errno;
    if (fd >= 0)
        close(fd);
    return failure_set(failure, error, "%.200s: cannot listen: %s", address->name,
                       error_text(error));
}

void msgpack_address_unlisten(const struct msgpack_address *address,
                              struct msgpack_listener *listener) {
    struct stat status;

    if (listener->fd < 0)
        return;
    if (address->path && lstat(address->path, &status) == 0 && status.st_ino == listener->inode &&
        status.st_dev == listener->device)
        unlink(address->path);
    close(listener->fd);
    listener->fd = -1;
}

int msgpack_address_accept(const struct msgpack_listener *listener) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        set_options(fd); /* fails on Unix sockets, where none of it is needed */
    return fd;
}
