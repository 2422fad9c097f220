#include "engine/base/clock.h"
#include "engine/io/io.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 16384,
    EVENTS_MAX = 512, /* a step; the next one takes the rest */
};

/* What an event belongs to: the top 8 bits of its data. Then come 24 bits of generation and 32 of
 * index. */
enum kind { KIND_SOCKET = 1, KIND_WATCH, KIND_WAKE };

static const uint32_t GENERATION_MASK = 0xffffff;

/* Registered once, for everything, edge-triggered: no further epoll_ctl in a socket's life. */
static const uint32_t SOCKET_EVENTS = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;

enum state { STATE_FREE, STATE_CONNECTING, STATE_CONNECTED };

struct link {
    struct link *next, *previous; /* NULL when in no ring */
};

struct epoll_socket {
    struct link link; /* first: sockets are cast from it */
    uint32_t generation;
    int fd;        /* -1: none could be made */
    int error;     /* of a connect or send, to be told */
    uint8_t state; /* enum state */
    bool receiving;
    bool readable;  /* an edge has come, and a receive has not found the end since */
    bool lingering; /* a short receive does not mean that nothing is left: an end, an error or
                       urgent data waits behind it */
};

struct epoll_watch {
    uint32_t generation;
    int fd, error; /* the error is to be told, once */
    bool registered;
    bool readable, writable;
};

struct epoll {
    struct io io; /* first: backends are cast from it */
    struct epoll_socket *sockets;
    struct epoll_watch *watches;
    struct link pending; /* sockets with something to tell that no event of epoll will announce */
    bool watch_failed;   /* so has a watch */
    int epoll_fd, wake_fd;
    struct epoll_event events[EVENTS_MAX];
    uint8_t buffer[BUFFER_BYTES]; /* all receives: a handler is done with it when it returns */
};

static struct epoll *epoll_of(struct io *io) {
    return (struct epoll *)io;
}

static uint64_t event_data(enum kind kind, uint32_t generation, uint32_t index) {
    return (uint64_t)kind << 56 | (uint64_t)(generation & GENERATION_MASK) << 32 | index;
}

static int control(struct epoll *epoll, int operation, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    if (epoll_ctl(epoll->epoll_fd, operation, fd, &event) == 0)
        return 0;
    return errno == ENOSPC ? ENOMEM : errno; /* fs.epoll.max_user_watches, a share of the memory */
}

static void emit(struct epoll *epoll, const struct io_event *event) {
    epoll->io.config.handle(epoll->io.config.owner, event);
}

/* ---------------------------------------------------------------------------------------------
 * Rings of sockets with something to tell
 * ------------------------------------------------------------------------------------------ */

static void ring_init(struct link *head) {
    head->next = head->previous = head;
}

static void ring_remove(struct link *link) {
    if (!link->next)
        return;
    link->next->previous = link->previous;
    link->previous->next = link->next;
    link->next = link->previous = NULL;
}

static void ring_append(struct link *head, struct link *link) {
    ring_remove(link);
    link->next = head;
    link->previous = head->previous;
    head->previous->next = link;
    head->previous = link;
}

/* ---------------------------------------------------------------------------------------------
 * Sockets
 * ------------------------------------------------------------------------------------------ */

static struct epoll_socket *socket_at(struct epoll *epoll, uint32_t index) {
    assert(index < epoll->io.config.sockets);
    return &epoll->sockets[index];
}

static uint32_t index_of(const struct epoll *epoll, const struct epoll_socket *socket) {
    return (uint32_t)(socket - epoll->sockets);
}

static int make_socket(int family) {
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void epoll_connect(struct io *io, uint32_t index, const struct address *address,
                          uint16_t port) {
    struct epoll *epoll = epoll_of(io);
    struct epoll_socket *socket = socket_at(epoll, index);
    struct sockaddr_storage peer;
    uint32_t len = address_to_sockaddr(address, port, &peer);

    assert(socket->state == STATE_FREE);
    socket->state = STATE_CONNECTING;
    socket->fd = make_socket(peer.ss_family);
    /* Registered after connect: before it, a socket counts as hung up. */
    if (socket->fd < 0 ||
        (connect(socket->fd, (struct sockaddr *)&peer, len) < 0 && errno != EINPROGRESS))
        socket->error = errno;
    else
        socket->error = control(epoll, EPOLL_CTL_ADD, socket->fd, SOCKET_EVENTS,
                                event_data(KIND_SOCKET, socket->generation, index));
    if (socket->error)
        ring_append(&epoll->pending, &socket->link);
}

static void epoll_send(struct io *io, uint32_t index, struct slice bytes) {
    struct epoll *epoll = epoll_of(io);
    struct epoll_socket *socket = socket_at(epoll, index);

    assert(socket->state == STATE_CONNECTED && bytes.len <= IO_SEND_MAX);
    if (bytes.len == 0 || socket->error)
        return;
    ssize_t sent = send(socket->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    if (sent == (ssize_t)bytes.len)
        return;
    socket->error = sent < 0 ? errno : EAGAIN;
    ring_append(&epoll->pending, &socket->link);
}

static void epoll_receive(struct io *io, uint32_t index) {
    struct epoll *epoll = epoll_of(io);
    struct epoll_socket *socket = socket_at(epoll, index);

    assert(socket->state == STATE_CONNECTED && !socket->receiving);
    socket->receiving = true;
    if (socket->readable)
        ring_append(&epoll->pending, &socket->link);
}

/* Events of its past that epoll_wait has fetched already no longer match its generation. */
static bool epoll_close_socket(struct io *io, uint32_t index) {
    struct epoll *epoll = epoll_of(io);
    struct epoll_socket *socket = socket_at(epoll, index);

    assert(socket->state != STATE_FREE);
    ring_remove(&socket->link);
    if (socket->fd >= 0)
        close(socket->fd);
    *socket = (struct epoll_socket){
        .fd = -1,
        .generation = (socket->generation + 1) & GENERATION_MASK,
    };
    return true;
}

static void tell_connected(struct epoll *epoll, struct epoll_socket *socket) {
    struct io_event event = {
        .kind = IO_CONNECTED, .index = index_of(epoll, socket), .error = socket->error};

    socket->state = STATE_CONNECTED;
    socket->error = 0;
    emit(epoll, &event);
}

static void tell_send_failed(struct epoll *epoll, struct epoll_socket *socket) {
    struct io_event event = {
        .kind = IO_SEND_FAILED, .index = index_of(epoll, socket), .error = socket->error};

    socket->error = 0;
    emit(epoll, &event);
}

/* A receive shorter than the buffer has found the end: what comes later is a new edge. */
static void receive(struct epoll *epoll, struct epoll_socket *socket) {
    struct io_event event = {.kind = IO_RECEIVED, .index = index_of(epoll, socket)};
    ssize_t result = recv(socket->fd, epoll->buffer, BUFFER_BYTES, 0);

    if (result < 0 && errno == EAGAIN) {
        socket->readable = false;
        return;
    }
    if (result < 0)
        event.error = errno;
    else if (result > 0)
        event.bytes = (struct slice){epoll->buffer, (size_t)result};
    socket->readable = socket->lingering || result == BUFFER_BYTES;
    socket->receiving = false;
    emit(epoll, &event);
}

/* Tells one thing, the most urgent; the handler may have closed the socket when it returns. */
static void attend(struct epoll *epoll, struct epoll_socket *socket) {
    bool receives = socket->receiving && socket->readable;

    ring_remove(&socket->link);
    if (socket->state == STATE_CONNECTING) {
        tell_connected(epoll, socket);
    } else if (socket->error) {
        if (receives)
            ring_append(&epoll->pending, &socket->link);
        tell_send_failed(epoll, socket);
    } else if (receives) {
        receive(epoll, socket);
    }
}

/* How a connect has ended, as the kernel's own connect would say. */
static int connect_error(const struct epoll_socket *socket, uint32_t events) {
    int error = 0;
    socklen_t len = sizeof error;

    if (!(events & (EPOLLERR | EPOLLHUP)))
        return 0;
    if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    return error || !(events & EPOLLHUP) ? error : ECONNABORTED;
}

static void socket_event(struct epoll *epoll, uint32_t generation, uint32_t index,
                         uint32_t events) {
    struct epoll_socket *socket = socket_at(epoll, index);

    if (socket->generation != generation)
        return;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
        socket->lingering = true;
    if (events & EPOLLIN || socket->lingering)
        socket->readable = true;
    if (socket->state == STATE_CONNECTING) {
        if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
            return;
        socket->error = connect_error(socket, events);
    }
    attend(epoll, socket);
}

/* ---------------------------------------------------------------------------------------------
 * Watches and waking
 * ------------------------------------------------------------------------------------------ */

static void epoll_unwatch(struct io *io, uint32_t index) {
    struct epoll *epoll = epoll_of(io);

    assert(index < io->config.watches);
    struct epoll_watch *watch = &epoll->watches[index];
    if (watch->registered)
        control(epoll, EPOLL_CTL_DEL, watch->fd, 0, 0);
    watch->generation = (watch->generation + 1) & GENERATION_MASK;
    watch->registered = false;
    watch->error = 0;
}

static void epoll_watch(struct io *io, uint32_t index, int fd, bool readable, bool writable) {
    struct epoll *epoll = epoll_of(io);

    epoll_unwatch(io, index);
    struct epoll_watch *watch = &epoll->watches[index];
    watch->fd = fd;
    watch->readable = readable;
    watch->writable = writable;
    watch->error = control(epoll, EPOLL_CTL_ADD, fd,
                           (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0),
                           event_data(KIND_WATCH, watch->generation, index));
    watch->registered = watch->error == 0;
    epoll->watch_failed |= watch->error != 0;
}

static void tell_ready(struct epoll *epoll, uint32_t index, uint32_t events, int error) {
    const struct epoll_watch *watch = &epoll->watches[index];
    bool failed = error || (events & (EPOLLERR | EPOLLHUP));

    emit(epoll, &(struct io_event){.kind = IO_READY,
                                   .index = index,
                                   .error = error,
                                   .readable = watch->readable && (failed || (events & EPOLLIN)),
                                   .writable = watch->writable && (failed || (events & EPOLLOUT))});
}

static void watch_event(struct epoll *epoll, uint32_t generation, uint32_t index, uint32_t events) {
    assert(index < epoll->io.config.watches);
    if (epoll->watches[index].generation == generation)
        tell_ready(epoll, index, events, 0);
}

static void tell_failed_watches(struct epoll *epoll) {
    if (!epoll->watch_failed)
        return;
    epoll->watch_failed = false;
    for (uint32_t i = 0; i < epoll->io.config.watches; i++) {
        int error = epoll->watches[i].error;
        epoll->watches[i].error = 0;
        if (error)
            tell_ready(epoll, i, 0, error);
    }
}

/* Every write is an edge, so that nobody need read. */
static void epoll_wake(struct io *io) {
    uint64_t one = 1;
    while (write(epoll_of(io)->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

/* ---------------------------------------------------------------------------------------------
 * The step
 * ------------------------------------------------------------------------------------------ */

static void dispatch(struct epoll *epoll, uint64_t data, uint32_t events) {
    uint32_t generation = (uint32_t)(data >> 32) & GENERATION_MASK;
    uint32_t index = (uint32_t)data;

    switch ((enum kind)(data >> 56)) {
    case KIND_SOCKET:
        socket_event(epoll, generation, index, events);
        return;
    case KIND_WATCH:
        watch_event(epoll, generation, index, events);
        return;
    case KIND_WAKE:
        return;
    }
    assert(false && "an event of nobody's");
}

/* Moves what is pending to `due`: what handlers add meanwhile waits for the next step. */
static void take_pending(struct epoll *epoll, struct link *due) {
    ring_init(due);
    if (epoll->pending.next == &epoll->pending)
        return;
    *due = epoll->pending;
    due->next->previous = due->previous->next = due;
    ring_init(&epoll->pending);
}

static enum error epoll_step(struct io *io, uint32_t wait_ms) {
    struct epoll *epoll = epoll_of(io);
    bool waits = epoll->pending.next == &epoll->pending && !epoll->watch_failed;
    int timeout = !waits ? 0 : wait_ms < INT_MAX ? (int)wait_ms : INT_MAX;
    int count = epoll_wait(epoll->epoll_fd, epoll->events, EVENTS_MAX, timeout);
    int error = count < 0 ? errno : 0;
    struct link due;

    io->now_ns = clock_monotonic_ns();
    io->unix_ms = clock_unix_ms();
    if (error && error != EINTR)
        return (enum error)error;
    take_pending(epoll, &due);
    tell_failed_watches(epoll);
    for (int i = 0; i < count; i++)
        dispatch(epoll, epoll->events[i].data.u64, epoll->events[i].events);
    while (due.next != &due)
        attend(epoll, (struct epoll_socket *)due.next);
    return ERROR_NONE;
}

/* ---------------------------------------------------------------------------------------------
 * Opening and closing
 * ------------------------------------------------------------------------------------------ */

static enum error refuse(struct failure *failure, int error, const char *what) {
    if (error == EMFILE || error == ENFILE)
        return failure_set(failure, ERROR_LIMIT,
                           "too few file descriptors (%s: %s): raise the limit with ulimit -n or "
                           "lower the number of connections",
                           what, error_text((enum error)error));
    return failure_set(failure, (enum error)error, "epoll cannot be set up (%s): %s", what,
                       error_text((enum error)error));
}

static void destroy(struct epoll *epoll) {
    if (epoll->epoll_fd >= 0)
        close(epoll->epoll_fd);
    if (epoll->wake_fd >= 0)
        close(epoll->wake_fd);
    free(epoll->watches);
    free(epoll->sockets);
    free(epoll);
}

static enum error make(struct epoll *epoll, struct failure *failure) {
    uint32_t sockets = epoll->io.config.sockets, watches = epoll->io.config.watches;

    epoll->sockets = calloc(sockets ? sockets : 1, sizeof *epoll->sockets);
    epoll->watches = calloc(watches ? watches : 1, sizeof *epoll->watches);
    if (!epoll->sockets || !epoll->watches)
        return failure_set(failure, ERROR_MEMORY, "no memory for %u sockets", sockets);
    for (uint32_t i = 0; i < sockets; i++)
        epoll->sockets[i].fd = -1;
    epoll->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll->epoll_fd < 0)
        return refuse(failure, errno, "epoll_create1");
    epoll->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (epoll->wake_fd < 0)
        return refuse(failure, errno, "eventfd");
    int error = control(epoll, EPOLL_CTL_ADD, epoll->wake_fd, EPOLLIN | EPOLLET,
                        event_data(KIND_WAKE, 0, 0));
    return error ? refuse(failure, error, "epoll_ctl") : ERROR_NONE;
}

static enum error epoll_open(struct io **out, const struct io_config *config,
                             struct failure *failure) {
    struct epoll *epoll = calloc(1, sizeof *epoll);

    *out = NULL;
    if (!epoll)
        return failure_set(failure, ERROR_MEMORY, "no memory for epoll");
    epoll->io.backend = &io_epoll_backend;
    epoll->io.config = *config;
    epoll->io.now_ns = clock_monotonic_ns();
    epoll->io.unix_ms = clock_unix_ms();
    epoll->epoll_fd = epoll->wake_fd = -1;
    ring_init(&epoll->pending);
    enum error error = make(epoll, failure);
    if (error) {
        destroy(epoll);
        return error;
    }
    *out = &epoll->io;
    return ERROR_NONE;
}

static void epoll_close(struct io *io) {
    struct epoll *epoll = epoll_of(io);

    for (uint32_t i = 0; i < io->config.sockets; i++)
        assert(epoll->sockets[i].state == STATE_FREE);
    destroy(epoll);
}

const struct io_backend io_epoll_backend = {
    .name = "epoll",
    .shares_descriptors = true,
    .open = epoll_open,
    .close = epoll_close,
    .connect = epoll_connect,
    .send = epoll_send,
    .receive = epoll_receive,
    .close_socket = epoll_close_socket,
    .watch = epoll_watch,
    .unwatch = epoll_unwatch,
    .wake = epoll_wake,
    .step = epoll_step,
};
