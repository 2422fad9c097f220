/* Watches, waking and threads: what io.h promises holds for every backend. */
#include "tests/unit/io/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

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
    f.count = 0;
    assert_int_equal(io_step(f.io, 0), ERROR_NONE); /* one that was under way may come yet */
    no_event();
    assert_int_equal(write(ends[1], "z", 1), 1);
    assert_true(next_event(IO_READY, 1)->readable);
    io_unwatch(f.io, 1);
    no_event();
    io_unwatch(f.io, 1); /* once more does nothing */
    close(ends[0]);
    close(ends[1]);
}

static void test_watch_both_ways(void **state) {
    int ends[2];
    (void)state;
    need_io();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    io_watch(f.io, 0, ends[0], true, true);
    const struct io_event *event = next_event(IO_READY, 0);
    assert_true(event->writable && !event->readable);
    write_peer(ends[1], "z");
    do
        event = next_event(IO_READY, 0);
    while (!event->readable);
    assert_true(event->writable);
    io_watch(f.io, 0, ends[0], true, false); /* fewer */
    event = next_event(IO_READY, 0);
    assert_true(event->readable && !event->writable);
    io_unwatch(f.io, 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_watch_ends(void **state) {
    int ends[2];
    (void)state;
    need_io();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    io_watch(f.io, 3, ends[0], true, false);
    close(ends[1]);
    const struct io_event *event = next_event(IO_READY, 3);
    assert_true(event->readable && event->error == 0);
    io_unwatch(f.io, 3);
    close(ends[0]);
    io_watch(f.io, 3, ends[0], true, false); /* nobody's now */
    event = next_event(IO_READY, 3);
    assert_true(event->readable && event->error == EBADF);
    no_event();
    io_watch(f.io, 3, ends[0], true, false);
    io_unwatch(f.io, 3);
    no_event();
}

static int spare[2];

static void watch_spare_instead(const struct io_event *event) {
    uint32_t other = event->index ^ 1;
    io_watch(f.io, other, spare[0], true, false);
    f.react = NULL;
}

/* Two are ready at once, and the handler of the first gives the other watch something else. */
static void test_watch_replaced_in_the_handler(void **state) {
    int ends[2][2];
    (void)state;
    need_io();
    assert_int_equal(pipe2(spare, O_CLOEXEC), 0);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(pipe2(ends[i], O_CLOEXEC), 0);
        assert_int_equal(write(ends[i][1], "z", 1), 1);
        io_watch(f.io, i, ends[i][0], true, false);
    }
    f.react = watch_spare_instead;
    f.count = 0;
    step_until(1);
    uint32_t first = f.log[0].index;
    io_unwatch(f.io, first);
    no_event();
    assert_int_equal(write(spare[1], "z", 1), 1);
    assert_true(next_event(IO_READY, first ^ 1)->readable);
    io_unwatch(f.io, first ^ 1);
    for (uint32_t i = 0; i < 2; i++) {
        close(spare[i]);
        close(ends[i][0]);
        close(ends[i][1]);
    }
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
        assert_int_equal(pthread_create(&thread, NULL, wake_later, f.io), 0);
        long_step(0);
        pthread_join(thread, NULL);
    }
    io_wake(f.io); /* before the wait: the wait ends at once */
    long_step(0);
    io_wake(f.io);
    io_wake(f.io);
    long_step(0);
}

static void *wake_often(void *io) {
    for (int i = 0; i < 2000; i++)
        io_wake(io);
    return NULL;
}

static void test_woken_often(void **state) {
    pthread_t threads[2];
    char text[4];
    (void)state;
    need_io();
    int peer = connected(0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wake_often, f.io), 0);
    for (int i = 0; i < 200; i++) {
        io_send(f.io, 0, slice_of("ping"));
        io_receive(f.io, 0);
        assert_int_equal(io_step(f.io, 0), ERROR_NONE);
        assert_int_equal(recv(peer, text, 4, MSG_WAITALL), 4);
        write_peer(peer, "pong");
        f.count = 0;
        for (int j = 0; j < 10000 && f.count == 0; j++)
            assert_int_equal(io_step(f.io, STEP_MS), ERROR_NONE);
        assert_int_equal(f.count, 1);
        assert_memory_equal(f.text[0], "pong", 4);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(io_close_socket(f.io, 0));
    close(peer);
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
    const struct CMUnitTest tests[] = {
        TEST(test_watch),
        TEST(test_watch_both_ways),
        TEST(test_watch_ends),
        TEST(test_watch_replaced_in_the_handler),
        TEST(test_wake),
        TEST(test_woken_often),
        TEST(test_opened_on_another_thread),
    };
    int failed = 0;
    for (const struct io_backend *const *next = io_backends; *next; next++) {
        backend = *next;
        failed += cmocka_run_group_tests_name(backend->name, tests, NULL, NULL);
    }
    return failed;
}
