/* One io over loopback with a listener beside it, for the tests of every backend: `backend` names
 * the one under test. Tests that the kernel refuses are skipped. */
#ifndef TESTS_UNIT_IO_FIXTURE_H
#define TESTS_UNIT_IO_FIXTURE_H

#include "engine/io/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKETS = 32, WATCHES = 4, LOG_MAX = 128, TEXT_MAX = 64, STEP_MS = 100, STEPS_MAX = 50 };

struct fixture {
    struct io *io;
    int listener;
    uint16_t port;
    struct address address;
    void (*react)(const struct io_event *event); /* what the handler does further */
    struct io_event log[LOG_MAX];
    char text[LOG_MAX][TEXT_MAX]; /* the first bytes of each event */
    uint32_t count;
};

static const struct io_backend *backend; /* the one under test */
static struct fixture f;

static inline void handle(void *owner, const struct io_event *event) {
    assert_ptr_equal(owner, &f);
    assert_true(f.count < LOG_MAX);
    size_t len = event->bytes.len < TEXT_MAX ? event->bytes.len : TEXT_MAX;
    if (len)
        memcpy(f.text[f.count], event->bytes.ptr, len);
    f.log[f.count++] = *event;
    if (f.react)
        f.react(event);
}

static inline int listen_on(int backlog, uint16_t *port) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(listener, backlog), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return listener;
}

static inline int setup(void **state) {
    struct io_config config = {
        .sockets = SOCKETS, .watches = WATCHES, .receives = 8, .handle = handle, .owner = &f};
    struct failure failure;

    (void)state;
    f = (struct fixture){.address = {.family = ADDRESS_V4, .bytes = {127, 0, 0, 1}}};
    if (io_open(&f.io, backend, &config, &failure) != ERROR_NONE) {
        print_message("%s\n", failure.text);
        f.io = NULL;
        return 0;
    }
    f.listener = listen_on(128, &f.port);
    return 0;
}

static inline int teardown(void **state) {
    (void)state;
    if (f.io) {
        io_close(f.io);
        close(f.listener);
    }
    return 0;
}

static inline void need_io(void) {
    if (!f.io)
        skip();
}

/* Steps until `count` events have come since the log was emptied, and no more than those. */
static inline void step_until(uint32_t count) {
    for (int i = 0; i < STEPS_MAX && f.count < count; i++)
        assert_int_equal(io_step(f.io, STEP_MS), ERROR_NONE);
    assert_int_equal(f.count, count);
}

/* Steps until one more event has come, and takes it. */
static inline const struct io_event *next_event(enum io_event_kind kind, uint32_t index) {
    f.count = 0;
    step_until(1);
    assert_int_equal(f.log[0].kind, kind);
    assert_int_equal(f.log[0].index, index);
    return &f.log[0];
}

static inline void no_event(void) {
    f.count = 0;
    assert_int_equal(io_step(f.io, 0), ERROR_NONE);
    assert_int_equal(io_step(f.io, 20), ERROR_NONE);
    assert_int_equal(f.count, 0);
}

/* Waits longer than any patience, but for what makes it end. */
static inline void long_step(uint32_t count) {
    uint64_t start = f.io->now_ns;
    f.count = 0;
    assert_int_equal(io_step(f.io, 100000), ERROR_NONE);
    assert_true(f.io->now_ns - start < UINT64_C(50000000000));
    assert_int_equal(f.count, count);
}

static inline void next_text(uint32_t index, const char *text) {
    const struct io_event *event = next_event(IO_RECEIVED, index);
    assert_int_equal(event->error, 0);
    assert_int_equal(event->bytes.len, strlen(text));
    assert_memory_equal(f.text[0], text, strlen(text));
}

/* Returns the other end. */
static inline int connected(uint32_t index) {
    io_connect(f.io, index, &f.address, f.port);
    assert_int_equal(next_event(IO_CONNECTED, index)->error, 0);
    int peer = accept4(f.listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    return peer;
}

static inline void write_peer(int peer, const char *text) {
    assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void reset(int peer) {
    struct linger linger = {.l_onoff = 1};
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(peer);
}

/* Closes with something in flight, which takes io_uring a completion and epoll none. */
static inline void close_in_flight(uint32_t index) {
    bool closed = io_close_socket(f.io, index);
    assert_true(closed == (backend != &io_uring_backend));
    if (!closed)
        next_event(IO_CLOSED, index);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
