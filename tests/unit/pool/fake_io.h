/* A network of this process alone, behind the seam: every connection is refused, or never answered.
 * One `struct fake_net` for all workers, as io_context. */
#ifndef TESTS_UNIT_POOL_FAKE_IO_H
#define TESTS_UNIT_POOL_FAKE_IO_H

#include "engine/base/clock.h"
#include "engine/io/io.h"
#include "engine/queue/wake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fake_net {
    bool silent;                        /* connections stay without an answer */
    bool closes_later;                  /* a socket is free one step after it was closed */
    uint32_t opens_max;                 /* how many loops can be opened; 0: any number */
    _Atomic uint32_t opened, open;      /* loops */
    _Atomic uint64_t connects, sockets; /* connections begun; sockets in use */
    _Atomic uint64_t sockets_max;
};

enum fake_state { FAKE_FREE, FAKE_CONNECTING, FAKE_TOLD, FAKE_CLOSING };

struct fake_io {
    struct io head;
    struct fake_net *net;
    struct wake wake;
    _Atomic bool woken;
    uint8_t *states;   /* enum fake_state of each socket */
    uint32_t *pending; /* sockets with something to tell, the oldest first */
    uint32_t pending_count;
};

static const struct io_backend fake_backend;

static inline struct fake_io *fake_of(struct io *io) {
    return (struct fake_io *)io;
}

static inline void fake_times(struct io *io) {
    io->now_ns = clock_monotonic_ns();
    io->unix_ms = clock_unix_ms();
}

static inline enum error fake_open(struct io **out, const struct io_config *config,
                                   struct failure *failure) {
    struct fake_net *net = config->context;
    if (net->opens_max && atomic_fetch_add(&net->opened, 1) >= net->opens_max)
        return failure_set(failure, ERROR_LIMIT, "no more loops");
    struct fake_io *fake = calloc(1, sizeof *fake);
    if (!fake)
        abort();
    fake->net = net;
    fake->head.config = *config;
    fake->states = calloc(config->sockets, sizeof *fake->states);
    fake->pending = calloc(2 * (size_t)config->sockets, sizeof *fake->pending);
    if (!fake->states || !fake->pending)
        abort();
    fake_times(&fake->head);
    atomic_fetch_add(&net->open, 1);
    *out = &fake->head;
    fake->head.backend = &fake_backend;
    return ERROR_NONE;
}

static inline void fake_close(struct io *io) {
    struct fake_io *fake = fake_of(io);
    for (uint32_t i = 0; i < io->config.sockets; i++)
        if (fake->states[i] != FAKE_FREE)
            abort();
    atomic_fetch_sub(&fake->net->open, 1);
    free(fake->states);
    free(fake->pending);
    free(fake);
}

static inline void fake_tell_later(struct fake_io *fake, uint32_t socket) {
    fake->pending[fake->pending_count++] = socket;
}

static inline void fake_connect(struct io *io, uint32_t socket, const struct address *address,
                                uint16_t port) {
    struct fake_io *fake = fake_of(io);
    (void)address, (void)port;
    if (fake->states[socket] != FAKE_FREE)
        abort();
    fake->states[socket] = FAKE_CONNECTING;
    atomic_fetch_add(&fake->net->connects, 1);
    uint64_t now = atomic_fetch_add(&fake->net->sockets, 1) + 1;
    for (uint64_t max = atomic_load(&fake->net->sockets_max);
         now > max && !atomic_compare_exchange_weak(&fake->net->sockets_max, &max, now);)
        continue;
    if (!fake->net->silent)
        fake_tell_later(fake, socket);
}

static inline void fake_send(struct io *io, uint32_t socket, struct slice bytes) {
    (void)io, (void)socket, (void)bytes;
    abort(); /* nothing ever connects */
}

static inline void fake_receive(struct io *io, uint32_t socket) {
    (void)io, (void)socket;
    abort();
}

/* A refusal that is told, or was never to come, leaves nothing in flight. */
static inline bool fake_close_socket(struct io *io, uint32_t socket) {
    struct fake_io *fake = fake_of(io);
    bool waits = fake->states[socket] == FAKE_CONNECTING && !fake->net->silent;
    atomic_fetch_sub(&fake->net->sockets, 1);
    if (!waits && !fake->net->closes_later) {
        fake->states[socket] = FAKE_FREE;
        return true;
    }
    fake->states[socket] = FAKE_CLOSING;
    if (!waits)
        fake_tell_later(fake, socket);
    return false;
}

static inline void fake_watch(struct io *io, uint32_t watch, int fd, bool readable, bool writable) {
    (void)io, (void)watch, (void)fd, (void)readable, (void)writable;
}

static inline void fake_unwatch(struct io *io, uint32_t watch) {
    (void)io, (void)watch;
}

static inline void fake_wake(struct io *io) {
    struct fake_io *fake = fake_of(io);
    atomic_store(&fake->woken, true);
    wake_signal(&fake->wake);
}

static inline void fake_tell(struct fake_io *fake, uint32_t socket) {
    struct io_event event = {.kind = IO_CONNECTED, .index = socket, .error = ECONNREFUSED};
    if (fake->states[socket] == FAKE_CLOSING)
        event = (struct io_event){.kind = IO_CLOSED, .index = socket};
    fake->states[socket] = event.kind == IO_CLOSED ? FAKE_FREE : FAKE_TOLD;
    fake->head.config.handle(fake->head.config.owner, &event);
}

static inline enum error fake_step(struct io *io, uint32_t wait_ms) {
    struct fake_io *fake = fake_of(io);
    uint32_t ticket = wake_ticket(&fake->wake);
    if (fake->pending_count == 0 && wait_ms && !atomic_load(&fake->woken))
        wake_wait(&fake->wake, ticket, wait_ms);
    atomic_store(&fake->woken, false);
    fake_times(io);
    uint32_t count = fake->pending_count;
    for (uint32_t i = 0; i < count; i++) /* what is added meanwhile is for the next step */
        fake_tell(fake, fake->pending[i]);
    fake->pending_count -= count;
    memmove(fake->pending, fake->pending + count, fake->pending_count * sizeof fake->pending[0]);
    return ERROR_NONE;
}

static const struct io_backend fake_backend = {
    .name = "fake",
    .open = fake_open,
    .close = fake_close,
    .connect = fake_connect,
    .send = fake_send,
    .receive = fake_receive,
    .close_socket = fake_close_socket,
    .watch = fake_watch,
    .unwatch = fake_unwatch,
    .wake = fake_wake,
    .step = fake_step,
};

#endif
