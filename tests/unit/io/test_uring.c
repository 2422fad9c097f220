/* The real kernel, on loopback. Skipped where io_uring is refused. */
#include "engine/io/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKETS = 8, WATCHES = 2, LOG_MAX = 64, STEP_MS = 100, STEPS_MAX = 50 };

struct fixture {
    struct io *io;
    int listener;
    uint16_t port;
    struct address address;
    struct io_event log[LOG_MAX];
    uint8_t bytes[LOG_MAX][64];
    uint32_t count;
};

static struct fixture f;

static void handle(void *owner, const struct io_event *event) {
    assert_ptr_equal(owner, &f);
    assert_true(f.count < LOG_MAX);
    f.log[f.count] = *event;
    size_t len = event->bytes.len < 64 ? event->bytes.len : 64;
    if (len)
        memcpy(f.bytes[f.count], event->bytes.ptr, len);
    f.count++;
}

static int setup(void **state) {
    struct io_config config = {
        .sockets = SOCKETS, .watches = WATCHES, .receives = 8, .handle = handle, .owner = &f};
    struct failure failure;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;

    (void)state;
    f = (struct fixture){.address = {.family = ADDRESS_V4, .bytes = {127, 0, 0, 1}}};
    if (io_open(&f.io, &io_uring_backend, &config, &failure) != ERROR_NONE) {
        print_message("%s\n", failure.text);
        f.io = NULL;
        return 0;
    }
    f.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f.listener, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(f.listener, 128), 0);
    assert_int_equal(getsockname(f.listener, (struct sockaddr *)&in, &len), 0);
    f.port = ntohs(in.sin_port);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (f.io) {
        io_close(f.io);
        close(f.listener);
    }
    return 0;
}

static void need_io(void) {
    if (!f.io)
        skip();
}

/* Steps until one more event has come, and takes it. */
static const struct io_event *next_event(enum io_event_kind kind, uint32_t index) {
    f.count = 0;
    for (int i = 0; i < STEPS_MAX && f.count == 0; i++)
        assert_int_equal(io_step(f.io, STEP_MS), ERROR_NONE);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.log[0].kind, kind);
    assert_int_equal(f.log[0].index, index);
    return &f.log[0];
}

static void no_event(void) {
    f.count = 0;
    assert_int_equal(io_step(f.io, 0), ERROR_NONE);
    assert_int_equal(io_step(f.io, 20), ERROR_NONE);
    assert_int_equal(f.count, 0);
}

static int connected(uint32_t index) {
    io_connect(f.io, index, &f.address, f.port);
    assert_int_equal(next_event(IO_CONNECTED, index)->error, 0);
    int peer = accept(f.listener, NULL, NULL);
    assert_true(peer >= 0);
    return peer;
}

static void test_echo_and_peer_close(void **state) {
    char text[16];
    (void)state;
    need_io();
    int peer = connected(3);
    io_send(f.io, 3, slice_of("hello"));
    io_receive(f.io, 3);
    no_event();
    assert_int_equal(recv(peer, text, sizeof text, 0), 5);
    assert_int_equal(send(peer, text, 5, 0), 5);
    const struct io_event *event = next_event(IO_RECEIVED, 3);
    assert_int_equal(event->error, 0);
    assert_int_equal(event->bytes.len, 5);
    assert_memory_equal(f.bytes[0], "hello", 5);
    io_receive(f.io, 3);
    close(peer);
    event = next_event(IO_RECEIVED, 3);
    assert_int_equal(event->error, 0);
    assert_int_equal(event->bytes.len, 0);
    assert_true(io_close_socket(f.io, 3));
    no_event();
}

static void test_refused(void **state) {
    (void)state;
    need_io();
    close(f.listener);
    f.listener = open("/dev/null", O_RDONLY | O_CLOEXEC);
    io_connect(f.io, 0, &f.address, f.port);
    assert_int_equal(next_event(IO_CONNECTED, 0)->error, ECONNREFUSED);
    assert_true(io_close_socket(f.io, 0));
    no_event();
}

static void test_send_failed(void **state) {
    struct linger linger = {.l_onoff = 1};
    (void)state;
    need_io();
    int peer = connected(1);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(peer);
    io_send(f.io, 1, slice_of("x"));
    assert_int_not_equal(next_event(IO_SEND_FAILED, 1)->error, 0);
    io_send(f.io, 1, slice_of("x"));
    assert_true(io_close_socket(f.io, 1)); /* its failure comes too late to be told */
    no_event();
}

static void test_close_while_receiving(void **state) {
    char byte;
    (void)state;
    need_io();
    for (int round = 0; round < 4; round++) {
        int peer = connected(2);
        io_receive(f.io, 2);
        if (round & 1)
            no_event();
        if (round & 2)
            assert_int_equal(send(peer, "data", 4, 0), 4); /* races with the close */
        assert_false(io_close_socket(f.io, 2));
        next_event(IO_CLOSED, 2);
        no_event();
        assert_true(recv(peer, &byte, 1, 0) <= 0);
        close(peer);
    }
}

static void test_close_while_connecting(void **state) {
    (void)state;
    need_io();
    io_connect(f.io, 0, &f.address, f.port);
    assert_false(io_close_socket(f.io, 0));
    next_event(IO_CLOSED, 0);
    no_event();
}

static void test_index_is_used_again(void **state) {
    (void)state;
    need_io();
    for (int i = 0; i < 1000; i++) {
        int peer = connected(5);
        io_receive(f.io, 5);
        if (i & 1) {
            assert_int_equal(send(peer, "y", 1, 0), 1);
            assert_int_equal(next_event(IO_RECEIVED, 5)->bytes.len, 1);
            assert_true(io_close_socket(f.io, 5));
        } else {
            assert_false(io_close_socket(f.io, 5));
            next_event(IO_CLOSED, 5);
        }
        close(peer);
    }
    no_event();
}

static void test_watch(void **state) {
    int ends[2];
    char byte;
    (void)state;
    need_io();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    io_watch(f.io, 1, ends[1], false, true);
    assert_true(next_event(IO_READY, 1)->writable);
    io_watch(f.io, 1, ends[0], true, false);
    no_event();
    assert_int_equal(write(ends[1], "z", 1), 1);
    assert_true(next_event(IO_READY, 1)->readable);
    assert_true(next_event(IO_READY, 1)->readable); /* still */
    assert_int_equal(read(ends[0], &byte, 1), 1);
    io_unwatch(f.io, 1);
    assert_int_equal(write(ends[1], "z", 1), 1);
    no_event();
    close(ends[0]);
    close(ends[1]);
}

static void *wake_later(void *io) {
    usleep(20000);
    io_wake(io);
    return NULL;
}

static void test_wake(void **state) {
    pthread_t thread;
    (void)state;
    need_io();
    no_event();
    for (int i = 0; i < 3; i++) {
        uint64_t start = f.io->now_ns;
        assert_int_equal(pthread_create(&thread, NULL, wake_later, f.io), 0);
        assert_int_equal(io_step(f.io, 10000), ERROR_NONE);
        assert_true(f.io->now_ns - start < UINT64_C(5000000000));
        pthread_join(thread, NULL);
    }
}

static void *step_elsewhere(void *io) {
    io_connect(io, 0, &f.address, f.port);
    next_event(IO_CONNECTED, 0);
    assert_true(io_close_socket(io, 0));
    no_event();
    return NULL;
}

static void test_opened_on_another_thread(void **state) {
    pthread_t thread;
    (void)state;
    need_io();
    assert_int_equal(pthread_create(&thread, NULL, step_elsewhere, f.io), 0);
    pthread_join(thread, NULL);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_echo_and_peer_close),
        TEST(test_refused),
        TEST(test_send_failed),
        TEST(test_close_while_receiving),
        TEST(test_close_while_connecting),
        TEST(test_index_is_used_again),
        TEST(test_watch),
        TEST(test_wake),
        TEST(test_opened_on_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
