/* The I/O seam: wake-ups, and connections that the kernel refuses. */
#include "engine/io/io.h"
#include "bench/micro/micro.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKETS = 256 };

struct connecting {
    struct io *io;
    int bound; /* to the port, without listening: the kernel refuses */
    uint16_t port;
    struct address address;
    uint64_t started, wanted, ended;
};

static void connect_next(struct connecting *connecting, uint32_t socket) {
    if (connecting->started == connecting->wanted)
        return;
    connecting->started++;
    io_connect(connecting->io, socket, &connecting->address, connecting->port);
}

static void on_event(void *owner, const struct io_event *event) {
    struct connecting *connecting = owner;

    if (event->kind != IO_CONNECTED || !io_close_socket(connecting->io, event->index))
        abort(); /* nothing else is under way */
    connecting->ended++;
    connect_next(connecting, event->index);
}

static bool bind_port(struct connecting *connecting) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;

    connecting->bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connecting->bound < 0 || bind(connecting->bound, (struct sockaddr *)&any, len) ||
        getsockname(connecting->bound, (struct sockaddr *)&any, &len))
        return false;
    connecting->port = ntohs(any.sin_port);
    connecting->address = (struct address){.family = ADDRESS_V4, .bytes = {127, 0, 0, 1}};
    return true;
}

static void close_io(void *state) {
    struct connecting *connecting = state;
    if (connecting->io)
        io_close(connecting->io);
    if (connecting->bound >= 0)
        close(connecting->bound);
    free(connecting);
}

static void *open_io(const void *argument) {
    struct connecting *connecting = calloc(1, sizeof *connecting);
    if (!connecting)
        return NULL;
    struct io_config config = {
        .sockets = SOCKETS, .receives = SOCKETS, .handle = on_event, .owner = connecting};
    connecting->bound = -1;
    if (io_open(&connecting->io, argument, &config, NULL) || !bind_port(connecting)) {
        close_io(connecting);
        return NULL;
    }
    return connecting;
}

static void run_connect(void *state, uint64_t times) {
    struct connecting *connecting = state;

    connecting->started = connecting->ended = 0;
    connecting->wanted = times;
    for (uint32_t socket = 0; socket < SOCKETS; socket++)
        connect_next(connecting, socket);
    while (connecting->ended < times)
        if (io_step(connecting->io, 1000))
            abort();
    if (io_step(connecting->io, 0)) /* the last closes */
        abort();
}

static void run_wake(void *state, uint64_t times) {
    struct connecting *connecting = state;

    for (; times; times--) {
        io_wake(connecting->io);
        if (io_step(connecting->io, 1000))
            abort();
    }
}

const struct micro_case io_cases[] = {
    {"io_uring.connect", "a refused connection", open_io, run_connect, close_io, &io_uring_backend},
    {"io_uring.wake", "a wake-up and a step", open_io, run_wake, close_io, &io_uring_backend},
    {"epoll.connect", "a refused connection", open_io, run_connect, close_io, &io_epoll_backend},
    {"epoll.wake", "a wake-up and a step", open_io, run_wake, close_io, &io_epoll_backend},
    {0},
};
