#include "sinks/msgpack_socket_link.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CONNECT_MS = 5000,
    PAUSE_MIN_MS = 1000, /* after an attempt that failed; then twice as long each time */
    PAUSE_MAX_MS = 8000,
    MODE_USUAL = 0600,
    MODE_MAX = 0777,
};

static const uint64_t MS = 1000000; /* nanoseconds */

enum error msgpack_link_init(struct msgpack_link *link, const char *spec, struct failure *failure) {
    *link = (struct msgpack_link){.listener = {.fd = -1}, .connecting = -1};
    link->pause_ms = PAUSE_MIN_MS;
    return msgpack_address_init(&link->address, spec, failure);
}

enum error msgpack_link_open(struct msgpack_link *link, bool listens, const char *mode_option,
                             struct failure *failure) {
    unsigned long mode = MODE_USUAL;
    char *end = NULL;

    link->listens = listens;
    if (mode_option) {
        mode = strtoul(mode_option, &end, 8);
        if (*end || end == mode_option || mode > MODE_MAX || !link->address.path)
            return failure_set(failure, ERROR_USAGE,
                               "#mode takes the permissions of a Unix socket in octal, such as "
                               "0660");
    }
    return listens ? msgpack_address_listen(&link->address, (mode_t)mode, &link->listener, failure)
                   : msgpack_address_check_path(&link->address, failure);
}

void msgpack_link_close(struct msgpack_link *link) {
    if (link->connecting >= 0)
        close(link->connecting);
    link->connecting = -1;
    msgpack_address_unlisten(&link->address, &link->listener);
    msgpack_address_deinit(&link->address);
}

int msgpack_link_accept(struct msgpack_link *link) {
    return msgpack_address_accept(&link->listener);
}

int msgpack_link_wait_ms(uint64_t until_ns) {
    uint64_t now = clock_monotonic_ns();
    return until_ns > now ? (int)((until_ns - now + MS - 1) / MS) : 0;
}

void msgpack_link_was_good(struct msgpack_link *link) {
    link->pause_ms = PAUSE_MIN_MS;
}

void msgpack_link_was_bad(struct msgpack_link *link, enum error cause) {
    link->cause = cause;
    link->not_before_ns = clock_monotonic_ns() + link->pause_ms * MS;
    link->pause_ms = link->pause_ms < PAUSE_MAX_MS ? link->pause_ms * 2 : PAUSE_MAX_MS;
}

/* This address does not answer: on to the next one, after the last one to a pause. */
static void miss(struct msgpack_link *link, enum error cause) {
    if (link->connecting >= 0)
        close(link->connecting);
    link->connecting = -1;
    link->cause = cause;
    link->endpoint = (link->endpoint + 1) % link->address.count;
    if (link->endpoint == 0)
        msgpack_link_was_bad(link, cause);
}

static int hit(struct msgpack_link *link) {
    int fd = link->connecting;

    link->connecting = -1;
    link->endpoint = 0;
    return fd;
}

/* Both: the socket, or -1. */
static int begin_to_connect(struct msgpack_link *link) {
    enum error error = msgpack_address_connect(&link->address, link->endpoint, &link->connecting);

    link->connect_until_ns = clock_monotonic_ns() + CONNECT_MS * MS;
    if (error == ERROR_NONE)
        return hit(link);
    if (error != (enum error)EINPROGRESS)
        miss(link, error);
    return -1;
}

static int go_on_connecting(struct msgpack_link *link, uint64_t until_ns) {
    struct pollfd item = {.fd = link->connecting, .events = POLLOUT};
    uint64_t sooner = until_ns < link->connect_until_ns ? until_ns : link->connect_until_ns;

    if (poll(&item, 1, msgpack_link_wait_ms(sooner)) == 1) {
        enum error error = msgpack_address_connected(item.fd);
        if (error == ERROR_NONE)
            return hit(link);
        miss(link, error);
    } else if (clock_monotonic_ns() >= link->connect_until_ns) {
        miss(link, (enum error)ETIMEDOUT);
    }
    return -1;
}

enum error msgpack_link_connect(struct msgpack_link *link, uint64_t until_ns, int *fd) {
    bool looked = false;

    for (*fd = -1; *fd < 0; looked = true) {
        uint64_t now = clock_monotonic_ns();
        if (link->connecting < 0 && now < link->not_before_ns)
            return (enum error)ENOTCONN;
        if (link->connecting < 0)
            *fd = begin_to_connect(link);
        else if (looked && now >= until_ns)
            return (enum error)EAGAIN;
        else
            *fd = go_on_connecting(link, until_ns);
    }
    return ERROR_NONE;
}
