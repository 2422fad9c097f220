/* Sockets over the real kernel: what io.h promises holds for every backend. */
#include "tests/unit/io/fixture.h"

#include <errno.h>
#include <fcntl.h>

/* ---------------------------------------------------------------------------------------------
 * One socket
 * ------------------------------------------------------------------------------------------ */

static void test_echo_and_peer_close(void **state) {
    char text[16];
    (void)state;
    need_io();
    int peer = connected(3);
    io_send(f.io, 3, slice_of("hel"));
    io_send(f.io, 3, slice_of(""));
    io_send(f.io, 3, slice_of("lo"));
    io_receive(f.io, 3);
    no_event();
    assert_int_equal(recv(peer, text, 5, MSG_WAITALL), 5);
    assert_int_equal(send(peer, text, 5, 0), 5);
    next_text(3, "hello");
    io_receive(f.io, 3);
    close(peer);
    next_text(3, "");
    assert_true(io_close_socket(f.io, 3));
    no_event();
}

static void test_ipv6(void **state) {
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof in6;
    (void)state;
    need_io();
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&in6, len) != 0) {
        close(listener);
        skip(); /* a machine without IPv6 */
    }
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&in6, &len), 0);
    struct address address = {.family = ADDRESS_V6, .bytes = {[15] = 1}};
    io_connect(f.io, 0, &address, ntohs(in6.sin6_port));
    assert_int_equal(next_event(IO_CONNECTED, 0)->error, 0);
    assert_true(io_close_socket(f.io, 0));
    close(listener);
}

static void test_refused(void **state) {
    (void)state;
    need_io();
    close(f.listener);
    f.listener = open("/dev/null", O_RDONLY | O_CLOEXEC);
    io_connect(f.io, 0, &f.address, f.port);
    assert_int_equal(f.count, 0);
    assert_int_equal(next_event(IO_CONNECTED, 0)->error, ECONNREFUSED);
    assert_true(io_close_socket(f.io, 0));
    no_event();
}

/* TCP to a multicast address fails inside connect(2) and still is told by a step. */
static void test_connect_fails_at_once(void **state) {
    struct address multicast = {.family = ADDRESS_V4, .bytes = {224, 0, 0, 1}};
    (void)state;
    need_io();
    for (int i = 0; i < 3; i++) {
        f.count = 0;
        io_connect(f.io, 1, &multicast, 1);
        assert_int_equal(f.count, 0);
        if (i == 1) {
            close_in_flight(1);
            no_event();
            continue;
        }
        assert_int_not_equal(next_event(IO_CONNECTED, 1)->error, 0);
        assert_true(io_close_socket(f.io, 1));
        no_event();
    }
}

static void test_peer_speaks_first(void **state) {
    (void)state;
    need_io();
    int peer = connected(0);
    write_peer(peer, "220 ");
    no_event();
    write_peer(peer, "ready");
    no_event();
    f.count = 0;
    io_receive(f.io, 0);
    assert_int_equal(f.count, 0);
    long_step(1);
    assert_int_equal(f.log[0].kind, IO_RECEIVED);
    assert_memory_equal(f.text[0], "220 ready", 9);
    io_receive(f.io, 0);
    no_event();
    write_peer(peer, "more");
    next_text(0, "more");
    write_peer(peer, "last");
    close(peer);
    no_event();
    io_receive(f.io, 0);
    next_text(0, "last");
    io_receive(f.io, 0);
    next_text(0, "");
    assert_true(io_close_socket(f.io, 0));
}

static void test_long_flight(void **state) {
    enum { BYTES = 200000 };
    static uint8_t sent[BYTES];
    size_t received = 0;
    (void)state;
    need_io();
    int peer = connected(0);
    for (size_t i = 0; i < BYTES; i++)
        sent[i] = (uint8_t)(i * 31 >> 3);
    for (size_t done = 0; done < BYTES;) { /* all are there, or as many as the kernel takes */
        ssize_t n = send(peer, sent + done, BYTES - done, MSG_DONTWAIT);
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
        } else {
            done += (size_t)n;
            if (done == BYTES)
                shutdown(peer, SHUT_WR);
        }
        while (received < done) {
            io_receive(f.io, 0);
            const struct io_event *event = next_event(IO_RECEIVED, 0);
            assert_int_equal(event->error, 0);
            assert_true(event->bytes.len > 0 && event->bytes.len <= done - received);
            size_t head = event->bytes.len < TEXT_MAX ? event->bytes.len : TEXT_MAX;
            assert_memory_equal(f.text[0], sent + received, head);
            received += event->bytes.len;
        }
    }
    io_receive(f.io, 0);
    next_text(0, "");
    assert_true(io_close_socket(f.io, 0));
    close(peer);
}

/* A receive stops before urgent data, and what lies behind comes all the same. */
static void test_urgent_data(void **state) {
    char all[16] = "";
    (void)state;
    need_io();
    int peer = connected(0);
    write_peer(peer, "ab");
    assert_int_equal(send(peer, "!", 1, MSG_OOB), 1);
    write_peer(peer, "cd");
    no_event();
    while (strlen(all) < 4) {
        io_receive(f.io, 0);
        const struct io_event *event = next_event(IO_RECEIVED, 0);
        assert_true(event->error == 0 && event->bytes.len > 0 && event->bytes.len <= 4);
        strncat(all, f.text[0], event->bytes.len);
    }
    assert_string_equal(all, "abcd");
    io_receive(f.io, 0);
    no_event();
    write_peer(peer, "ef");
    next_text(0, "ef");
    assert_true(io_close_socket(f.io, 0));
    close(peer);
}

static void test_half_close(void **state) {
    char text[16];
    (void)state;
    need_io();
    int peer = connected(4);
    io_receive(f.io, 4);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    next_text(4, "");
    io_receive(f.io, 4); /* the end stays the end */
    next_text(4, "");
    io_send(f.io, 4, slice_of("still here"));
    no_event();
    assert_int_equal(recv(peer, text, sizeof text, 0), 10);
    assert_true(io_close_socket(f.io, 4));
    no_event();
    assert_int_equal(recv(peer, text, sizeof text, 0), 0);
    close(peer);
}

static void test_reset_while_receiving(void **state) {
    (void)state;
    need_io();
    int peer = connected(2);
    io_receive(f.io, 2);
    write_peer(peer, "half a rec");
    next_text(2, "half a rec");
    io_receive(f.io, 2);
    no_event();
    reset(peer);
    assert_int_equal(next_event(IO_RECEIVED, 2)->error, ECONNRESET);
    assert_true(io_close_socket(f.io, 2));
    no_event();
}

static void test_send_failed(void **state) {
    (void)state;
    need_io();
    reset(connected(1));
    f.count = 0;
    for (int i = 0; i < STEPS_MAX && f.count == 0; i++) { /* the reset may be under way */
        io_send(f.io, 1, slice_of("x"));
        assert_int_equal(f.count, 0);
        assert_int_equal(io_step(f.io, STEP_MS), ERROR_NONE);
    }
    assert_int_equal(f.count, 1);
    assert_int_equal(f.log[0].kind, IO_SEND_FAILED);
    assert_int_equal(f.log[0].index, 1);
    assert_int_not_equal(f.log[0].error, 0);
    io_send(f.io, 1, slice_of("x"));
    assert_true(io_close_socket(f.io, 1)); /* its failure comes too late to be told */
    no_event();
}

/* Nobody reads: the buffers fill up, and what had been sent whole before arrives. */
static void test_send_until_full(void **state) {
    static uint8_t block[16384], got[65536];
    size_t sent = 0, arrived = 0;
    (void)state;
    need_io();
    int peer = connected(1);
    io_receive(f.io, 1);
    for (f.count = 0; f.count == 0 && sent < (64 << 20); sent += sizeof block) {
        memset(block, (int)(sent / sizeof block), sizeof block);
        io_send(f.io, 1, (struct slice){block, sizeof block});
        assert_int_equal(io_step(f.io, 0), ERROR_NONE);
    }
    step_until(1);
    assert_int_equal(f.log[0].kind, IO_SEND_FAILED);
    assert_int_equal(f.log[0].error, EAGAIN);
    no_event();
    close_in_flight(1);
    no_event();
    for (ssize_t n; (n = recv(peer, got, sizeof got, 0)) > 0; arrived += (size_t)n)
        for (size_t i = 0; i < (size_t)n; i += 997)
            assert_int_equal(got[i], (uint8_t)((arrived + i) / sizeof block));
    assert_true(arrived >= sent - sizeof block && arrived < sent);
    close(peer);
}

/* ---------------------------------------------------------------------------------------------
 * Closing
 * ------------------------------------------------------------------------------------------ */

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
            write_peer(peer, "data"); /* races with the close */
        close_in_flight(2);
        no_event();
        assert_true(recv(peer, &byte, 1, 0) <= 0);
        close(peer);
    }
}

static void test_close_while_connecting(void **state) {
    (void)state;
    need_io();
    io_connect(f.io, 0, &f.address, f.port);
    close_in_flight(0);
    no_event();
    io_connect(f.io, 0, &f.address, f.port);
    assert_int_equal(next_event(IO_CONNECTED, 0)->error, 0);
    assert_true(io_close_socket(f.io, 0));
}

/* A listener with a full queue does not answer. */
static void test_close_while_unanswered(void **state) {
    enum { COUNT = 6 };
    uint16_t port;
    (void)state;
    need_io();
    int listener = listen_on(0, &port);
    for (uint32_t i = 0; i < COUNT; i++)
        io_connect(f.io, i, &f.address, port);
    for (int i = 0; i < 3 || (i < STEPS_MAX && f.count == 0); i++)
        assert_int_equal(io_step(f.io, 20), ERROR_NONE);
    assert_true(f.count > 0 && f.count < COUNT);
    bool told[COUNT] = {false};
    for (uint32_t i = 0; i < f.count; i++)
        told[f.log[i].index] = true;
    for (uint32_t i = 0; i < COUNT; i++) {
        if (told[i])
            assert_true(io_close_socket(f.io, i));
        else
            close_in_flight(i);
    }
    no_event();
    close(listener);
}

static void test_index_is_used_again(void **state) {
    (void)state;
    need_io();
    for (int i = 0; i < 1000; i++) {
        int peer = connected(5);
        io_receive(f.io, 5);
        if (i & 1) {
            write_peer(peer, "y");
            next_text(5, "y");
            assert_true(io_close_socket(f.io, 5));
        } else {
            close_in_flight(5);
        }
        close(peer);
    }
    no_event();
}

/* What a closed socket had waiting to be told goes with it, and its number is used at once. */
static void test_close_with_something_to_tell(void **state) {
    bool failed[3] = {false};
    (void)state;
    need_io();
    for (uint32_t i = 0; i < 3; i++)
        reset(connected(i));
    for (uint32_t i = 0; i < 3; i++)
        io_send(f.io, i, slice_of("x"));
    assert_true(io_close_socket(f.io, 1));
    io_connect(f.io, 1, &f.address, f.port);
    f.count = 0;
    step_until(3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(f.log[i].kind, f.log[i].index == 1 ? IO_CONNECTED : IO_SEND_FAILED);
        assert_int_equal(f.log[i].error == 0, f.log[i].index == 1);
        failed[f.log[i].index] = true;
    }
    for (uint32_t i = 0; i < 3; i++)
        assert_true(failed[i] && io_close_socket(f.io, i));
    no_event();
}

/* The first of many events that have come at once closes all the other sockets and connects them
 * again under the same numbers: what was told of the old ones must not reach the new ones. */
static bool replaced;
static uint16_t new_port;

static void replace_others(const struct io_event *event) {
    if (event->kind == IO_CLOSED)
        io_connect(f.io, event->index, &f.address, new_port);
    if (replaced)
        return;
    replaced = true;
    for (uint32_t i = 0; i < SOCKETS; i++)
        if (i != event->index && io_close_socket(f.io, i))
            io_connect(f.io, i, &f.address, new_port);
}

static bool all_connected(void) {
    uint32_t connects = 0;
    for (uint32_t i = 0; i < f.count; i++)
        connects += f.log[i].kind == IO_CONNECTED;
    return connects == SOCKETS - 1;
}

/* `error` is how the new ones end. */
static void replace_all(bool receiving, int error) {
    int peers[SOCKETS];
    bool told[SOCKETS] = {false};

    for (uint32_t i = 0; i < SOCKETS; i++) {
        peers[i] = connected(i);
        if (receiving || i == 0)
            io_receive(f.io, i);
    }
    no_event();
    for (uint32_t i = 0; i < SOCKETS; i++)
        write_peer(peers[i], "old");
    replaced = false;
    f.count = 0;
    f.react = replace_others;
    for (int i = 0; i < STEPS_MAX && !all_connected(); i++)
        assert_int_equal(io_step(f.io, STEP_MS), ERROR_NONE);
    f.react = NULL;
    assert_int_equal(f.log[0].kind, IO_RECEIVED);
    told[f.log[0].index] = true;
    for (uint32_t i = 1; i < f.count; i++) {
        if (f.log[i].kind == IO_CLOSED)
            continue;
        assert_int_equal(f.log[i].kind, IO_CONNECTED);
        assert_int_equal(f.log[i].error, error);
        assert_false(told[f.log[i].index]);
        told[f.log[i].index] = true;
    }
    for (uint32_t i = 0; i < SOCKETS; i++) {
        assert_true(told[i] && io_close_socket(f.io, i));
        close(peers[i]);
    }
    no_event();
}

static void test_replaced_in_the_handler(void **state) {
    (void)state;
    need_io();
    int listener = listen_on(128, &new_port);
    replace_all(true, 0);
    replace_all(false, 0);
    close(listener); /* whoever connects now is refused */
    replace_all(true, ECONNREFUSED);
    replace_all(false, ECONNREFUSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_echo_and_peer_close),
        TEST(test_ipv6),
        TEST(test_refused),
        TEST(test_connect_fails_at_once),
        TEST(test_peer_speaks_first),
        TEST(test_long_flight),
        TEST(test_urgent_data),
        TEST(test_half_close),
        TEST(test_reset_while_receiving),
        TEST(test_send_failed),
        TEST(test_send_until_full),
        TEST(test_close_while_receiving),
        TEST(test_close_while_connecting),
        TEST(test_close_while_unanswered),
        TEST(test_index_is_used_again),
        TEST(test_close_with_something_to_tell),
        TEST(test_replaced_in_the_handler),
    };
    int failed = 0;
    for (const struct io_backend *const *next = io_backends; *next; next++) {
        backend = *next;
        failed += cmocka_run_group_tests_name(backend->name, tests, NULL, NULL);
    }
    return failed;
}
