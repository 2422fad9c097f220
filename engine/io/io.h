/* The seam between the engine's state machines and the kernel: a small set of asynchronous
 * operations with completions. Behind it stands io_uring (uring.c), or epoll (epoll.c) where
 * io_uring is forbidden; another backend is one more table of functions.
 *
 * A `struct io` belongs to the thread that made it; only io_wake may be called from others.
 * Sockets and watches are numbered by the caller, 0 to config->sockets - 1 and 0 to
 * config->watches - 1. A socket is free, then connecting, connected, closing, and free again:
 *
 *     io_connect ── IO_CONNECTED ── io_send, io_receive ── IO_RECEIVED … ── io_close ── IO_CLOSED
 *
 * At most one connect or receive is in flight on a socket. Events are delivered from io_step, one
 * after another; the handler may call every function here but io_step. */
#ifndef ENGINE_IO_IO_H
#define ENGINE_IO_IO_H

#include "engine/base/address.h"
#include "engine/base/error.h"

enum io_event_kind {
    IO_CONNECTED,   /* answers io_connect */
    IO_RECEIVED,    /* answers io_receive; no bytes and no error: the peer has closed */
    IO_SEND_FAILED, /* bytes given to io_send could not be handed to the kernel whole: EAGAIN when
                       the send buffer was full. May stand for several sends of one step */
    IO_CLOSED,      /* answers an io_close that returned false; the socket is free now */
    IO_READY,       /* a watched descriptor can be read or written; watched on until io_unwatch */
};

struct io_event {
    enum io_event_kind kind;
    uint32_t index;          /* of the socket, or of the watch for IO_READY */
    int error;               /* an errno value, 0 for none */
    struct slice bytes;      /* IO_RECEIVED: valid until the handler returns */
    bool readable, writable; /* IO_READY */
};

struct io_config {
    uint32_t sockets, watches;
    uint32_t receives; /* about how many receives are in flight at once: sizes the buffers */
    void (*handle)(void *owner, const struct io_event *event);
    void *owner;
    void *context; /* what a backend without a kernel runs on; NULL for the others */
};

/* Bytes of one io_send: small beside a socket's send buffer. */
enum { IO_SEND_MAX = 16 * 1024 };

struct io;

struct io_backend {
    const char *name;
    /* True: sockets take descriptors of the process, whose limit (RLIMIT_NOFILE) all its `struct
     * io` and everything else share. False: they take none, and each `struct io` may have as many
     * sockets as that limit says, whatever the others have. */
    bool shares_descriptors;
    enum error (*open)(struct io **out, const struct io_config *config, struct failure *failure);
    void (*close)(struct io *io);
    void (*connect)(struct io *io, uint32_t socket, const struct address *address, uint16_t port);
    void (*send)(struct io *io, uint32_t socket, struct slice bytes);
    void (*receive)(struct io *io, uint32_t socket);
    bool (*close_socket)(struct io *io, uint32_t socket);
    void (*watch)(struct io *io, uint32_t watch, int fd, bool readable, bool writable);
    void (*unwatch)(struct io *io, uint32_t watch);
    void (*wake)(struct io *io);
    enum error (*step)(struct io *io, uint32_t wait_ms);
};

extern const struct io_backend io_uring_backend, io_epoll_backend;

/* All of them, the best first, then NULL. */
extern const struct io_backend *const io_backends[];

/* The first that works here, by trying: a few system calls. `why` tells why a better one was passed
 * over, in words that may be followed by what is used instead; its code is ERROR_NONE when the best
 * works. NULL when none does. */
const struct io_backend *io_backend_choose(struct failure *why);

/* The common head of every backend's own struct. */
struct io {
    const struct io_backend *backend;
    struct io_config config;
    uint64_t now_ns; /* monotonic, read once a step */
    int64_t unix_ms; /* since 1970, read with it */
};

/* `failure` says what the kernel refused and what to do about it. */
static inline enum error io_open(struct io **out, const struct io_backend *backend,
                                 const struct io_config *config, struct failure *failure) {
    return backend->open(out, config, failure);
}

/* Every socket must be free. */
static inline void io_close(struct io *io) {
    io->backend->close(io);
}

/* Makes a TCP socket and connects it. Lack of descriptors, ports or memory comes as the errno of
 * IO_CONNECTED (EMFILE, ENFILE, EADDRNOTAVAIL, ENOBUFS, ENOMEM); the socket must be closed all the
 * same. */
static inline void io_connect(struct io *io, uint32_t socket, const struct address *address,
                              uint16_t port) {
    io->backend->connect(io, socket, address, port);
}

/* Copies `bytes`: at most IO_SEND_MAX. */
static inline void io_send(struct io *io, uint32_t socket, struct slice bytes) {
    io->backend->send(io, socket, bytes);
}

static inline void io_receive(struct io *io, uint32_t socket) {
    io->backend->receive(io, socket);
}

/* Ends whatever is in flight and closes. True when the socket is free at once, as it always is with
 * nothing in flight; false when IO_CLOSED will say so. No other event comes for the socket in
 * between. */
static inline bool io_close_socket(struct io *io, uint32_t socket) {
    return io->backend->close_socket(io, socket);
}

/* Watches a descriptor of somebody else's; a second call for the same watch replaces the first.
 * Only one watch at a time on a descriptor, and none on a file; unwatch before it is closed. What
 * cannot be watched is told once, with its errno. */
static inline void io_watch(struct io *io, uint32_t watch, int fd, bool readable, bool writable) {
    io->backend->watch(io, watch, fd, readable, writable);
}

static inline void io_unwatch(struct io *io, uint32_t watch) {
    io->backend->unwatch(io, watch);
}

/* Ends the wait of io_step, from any thread. */
static inline void io_wake(struct io *io) {
    io->backend->wake(io);
}

/* Submits what was asked for, waits at most `wait_ms` for the first completion, and hands out those
 * that have come. Of very many, some are left to the next step, which then does not wait. */
static inline enum error io_step(struct io *io, uint32_t wait_ms) {
    return io->backend->step(io, wait_ms);
}

#endif
