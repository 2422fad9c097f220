/* Every backend where descriptors or buffers run short, and the choice among them. Those that the
 * kernel refuses are skipped. */
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
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP_MS = 100, STEPS_MAX = 200 };

static const struct address LOOPBACK = {.family = ADDRESS_V4, .bytes = {127, 0, 0, 1}};
static const struct io_backend *backend; /* the one under test */

static int listen_anywhere(uint16_t *port) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(listener, (struct sockaddr *)&in, len) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&in, &len) != 0)
        abort();
    *port = ntohs(in.sin_port);
    return listener;
}

static void skip_unless_it_works(void) {
    struct io_config config = {.sockets = 1};
    struct failure failure;
    struct io *io;

    if (io_open(&io, backend, &config, &failure) != ERROR_NONE) {
        print_message("%s\n", failure.text);
        skip();
    }
    io_close(io);
}

/* ---------------------------------------------------------------------------------------------
 * Descriptors: in a child with a low limit, where cmocka's assertions do not reach
 * ------------------------------------------------------------------------------------------ */

enum { LIMIT = 256 };

#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void in_child(void (*body)(void)) {
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        /* The hard one, too: liburing raises the soft one by itself. */
        struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = LIMIT};
        NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

struct tally {
    uint32_t connected, failed;
    int error; /* the last */
};

static void count(void *owner, const struct io_event *event) {
    struct tally *tally = owner;

    NEED(event->kind == IO_CONNECTED);
    if (event->error)
        tally->failed++;
    else
        tally->connected++;
    tally->error = event->error ? event->error : tally->error;
}

static struct io *open_counting(uint32_t sockets, struct tally *tally) {
    struct io_config config = {.sockets = sockets, .handle = count, .owner = tally};
    struct failure failure;
    struct io *io;

    *tally = (struct tally){0};
    NEED(io_open(&io, backend, &config, &failure) == ERROR_NONE);
    return io;
}

static void connect_all(struct io *io, uint32_t sockets, uint16_t port, struct tally *tally) {
    for (uint32_t i = 0; i < sockets; i++)
        io_connect(io, i, &LOOPBACK, port);
    for (int i = 0; i < STEPS_MAX && tally->connected + tally->failed < sockets; i++)
        NEED(io_step(io, STEP_MS) == ERROR_NONE);
    NEED(tally->connected + tally->failed == sockets);
}

static void close_all(struct io *io, uint32_t sockets) {
    for (uint32_t i = 0; i < sockets; i++)
        NEED(io_close_socket(io, i));
}

/* All but `left` descriptors are taken; returns how many were. */
static int fill_descriptors(int *taken, int left) {
    int n = 0;

    while (n < LIMIT && (taken[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    NEED(errno == EMFILE);
    while (left-- > 0)
        close(taken[--n]);
    return n;
}

static void run_out(void) {
    enum { SOCKETS = 20, LEFT = 8 };
    struct tally tally;
    uint16_t port;
    int taken[LIMIT];

    listen_anywhere(&port);
    struct io *io = open_counting(SOCKETS, &tally);
    int n = fill_descriptors(taken, LEFT);
    connect_all(io, SOCKETS, port, &tally);
    NEED(tally.connected == (backend->shares_descriptors ? LEFT : SOCKETS));
    NEED(tally.failed == 0 || tally.error == EMFILE);
    close_all(io, SOCKETS);
    NEED(io_step(io, 0) == ERROR_NONE);

    while (n > 0) /* room again, and all is well */
        close(taken[--n]);
    tally = (struct tally){0};
    connect_all(io, SOCKETS, port, &tally);
    NEED(tally.connected == SOCKETS);
    close_all(io, SOCKETS);
    io_close(io);
}

static void test_descriptors_run_out(void **state) {
    (void)state;
    skip_unless_it_works();
    in_child(run_out);
}

static void two_together(void) {
    enum { SOCKETS = LIMIT * 3 / 4 };
    struct tally tallies[2];
    struct io *ios[2];
    uint16_t port;

    listen_anywhere(&port);
    for (int i = 0; i < 2; i++)
        ios[i] = open_counting(SOCKETS, &tallies[i]);
    for (int i = 0; i < 2; i++)
        connect_all(ios[i], SOCKETS, port, &tallies[i]);
    uint32_t connected = tallies[0].connected + tallies[1].connected;
    if (backend->shares_descriptors)
        NEED(connected < LIMIT && connected > SOCKETS && tallies[1].error == EMFILE);
    else
        NEED(connected == 2 * SOCKETS);
    for (int i = 0; i < 2; i++) {
        close_all(ios[i], SOCKETS);
        io_close(ios[i]);
    }
}

static void test_descriptors_are_shared_or_not(void **state) {
    (void)state;
    skip_unless_it_works();
    in_child(two_together);
}

static void open_too_large(void) {
    struct io_config config = {.sockets = LIMIT + 1};
    struct failure failure;
    struct io *io;

    NEED(io_open(&io, backend, &config, &failure) == ERROR_LIMIT && !io);
    NEED(strstr(failure.text, "ulimit -n"));
}

static void open_without_any(void) {
    struct io_config config = {.sockets = 1};
    struct failure failure;
    struct io *io;
    int taken[LIMIT];

    for (int left = 0; left < 2; left++) {
        int n = fill_descriptors(taken, left);
        NEED(io_open(&io, backend, &config, &failure) == ERROR_LIMIT && !io);
        NEED(strstr(failure.text, "ulimit -n"));
        while (n > 0)
            close(taken[--n]);
    }
}

static void test_open_names_the_limit(void **state) {
    (void)state;
    skip_unless_it_works();
    in_child(open_without_any);
    if (!backend->shares_descriptors)
        in_child(open_too_large);
}

/* ---------------------------------------------------------------------------------------------
 * Thousands, with more receives in flight than there are buffers
 * ------------------------------------------------------------------------------------------ */

enum { MANY = 2500, ROUNDS = 2, BYTES = 12 };

struct crowd {
    struct io *io;
    int listener;
    uint16_t port;
    uint32_t answered[MANY]; /* how often each has had its own bytes back */
    uint32_t ended;          /* sockets that are through all rounds */
};

static void ask(struct crowd *crowd, uint32_t index) {
    char text[BYTES + 1];

    snprintf(text, sizeof text, "%05u %06u", (unsigned)index, (unsigned)crowd->answered[index]);
    io_send(crowd->io, index, (struct slice){(uint8_t *)text, BYTES});
    io_receive(crowd->io, index);
}

static void on_answer(struct crowd *crowd, const struct io_event *event) {
    char text[BYTES + 1];
    uint32_t index = event->index;

    snprintf(text, sizeof text, "%05u %06u", (unsigned)index, (unsigned)crowd->answered[index]);
    assert_int_equal(event->bytes.len, BYTES);
    assert_memory_equal(event->bytes.ptr, text, BYTES);
    assert_true(io_close_socket(crowd->io, index));
    if (++crowd->answered[index] < ROUNDS)
        io_connect(crowd->io, index, &LOOPBACK, crowd->port);
    else
        crowd->ended++;
}

static void handle_crowd(void *owner, const struct io_event *event) {
    assert_int_equal(event->error, 0);
    if (event->kind == IO_CONNECTED) {
        ask(owner, event->index);
    } else {
        assert_int_equal(event->kind, IO_RECEIVED);
        on_answer(owner, event);
    }
}

/* Holds MANY connections before it answers any: echoes what each has sent, and closes. */
static void *echo(void *owner) {
    const struct crowd *crowd = owner;
    static int peers[MANY];
    char text[BYTES];

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < MANY; i++)
            peers[i] = accept4(crowd->listener, NULL, NULL, SOCK_CLOEXEC);
        for (int i = 0; i < MANY; i++) {
            if (recv(peers[i], text, BYTES, MSG_WAITALL) == BYTES)
                send(peers[i], text, BYTES, MSG_NOSIGNAL);
            close(peers[i]);
        }
    }
    return NULL;
}

static void test_thousands(void **state) {
    static struct crowd crowd;
    struct io_config config = {
        .sockets = MANY, .receives = 16, .handle = handle_crowd, .owner = &crowd};
    struct failure failure;
    struct rlimit limit;
    pthread_t thread;

    (void)state;
    skip_unless_it_works();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * MANY + 100) {
        print_message("only %llu descriptors\n", (unsigned long long)limit.rlim_cur);
        skip();
    }
    crowd = (struct crowd){.ended = 0};
    crowd.listener = listen_anywhere(&crowd.port);
    assert_int_equal(io_open(&crowd.io, backend, &config, &failure), ERROR_NONE);
    assert_int_equal(pthread_create(&thread, NULL, echo, &crowd), 0);
    for (uint32_t i = 0; i < MANY; i++)
        io_connect(crowd.io, i, &LOOPBACK, crowd.port);
    while (crowd.ended < MANY)
        assert_int_equal(io_step(crowd.io, STEP_MS), ERROR_NONE);
    pthread_join(thread, NULL);
    io_close(crowd.io);
    close(crowd.listener);
}

/* ---------------------------------------------------------------------------------------------
 * The choice
 * ------------------------------------------------------------------------------------------ */

static void test_choice(void **state) {
    struct failure why, best;
    struct io_config config = {.sockets = 1};
    struct io *io;

    (void)state;
    const struct io_backend *chosen = io_backend_choose(&why);
    assert_non_null(chosen);
    if (io_open(&io, io_backends[0], &config, &best) == ERROR_NONE) {
        io_close(io);
        assert_ptr_equal(chosen, io_backends[0]);
        assert_int_equal(why.code, ERROR_NONE);
        assert_string_equal(why.text, "");
    } else {
        assert_ptr_equal(chosen, &io_epoll_backend);
        assert_int_equal(why.code, best.code);
        assert_string_equal(why.text, best.text);
    }
}

static void choose_without_any(void) {
    struct failure why;
    int taken[LIMIT];

    fill_descriptors(taken, 0);
    NEED(io_backend_choose(&why) == NULL);
    NEED(why.code != ERROR_NONE && why.text[0]);
}

static void test_no_choice(void **state) {
    (void)state;
    in_child(choose_without_any);
}

int main(void) {
    const struct CMUnitTest each[] = {
        cmocka_unit_test(test_descriptors_run_out),
        cmocka_unit_test(test_descriptors_are_shared_or_not),
        cmocka_unit_test(test_open_names_the_limit),
        cmocka_unit_test(test_thousands),
    };
    const struct CMUnitTest choice[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_no_choice),
    };
    int failed = 0;
    for (const struct io_backend *const *next = io_backends; *next; next++) {
        backend = *next;
        failed += cmocka_run_group_tests_name(backend->name, each, NULL, NULL);
    }
    return failed + cmocka_run_group_tests_name("choice", choice, NULL, NULL);
}
