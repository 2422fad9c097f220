/* The health page under clients that are slow, many, or make no sense. */
#include "tools/watch/health.h"

#include "engine/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OK(call) assert_int_equal(call, ERROR_NONE)

enum { HANG_MS = 120 * 1000, CLIENT_MS = 500, TRIES = 20 };

static atomic_bool is_well;

static bool status(void *owner, struct buffer *out) {
    (void)owner;
    buffer_add_text(out, atomic_load(&is_well) ? "{\"ok\":true}" : "{\"ok\":false}");
    return atomic_load(&is_well);
}

static void metrics(void *owner, struct buffer *out) {
    (void)owner;
    buffer_add_text(out, "some_metric 1\n");
}

static struct health *start(const char *address) {
    const struct health_config config = {address, NULL, status, metrics, CLIENT_MS};
    struct failure failure;
    struct health *health;

    atomic_store(&is_well, true);
    OK(health_start(&health, &config, &failure));
    return health;
}

/* --- Clients --- */

static int connect_to(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const void *bytes, size_t len) {
    (void)!send(fd, bytes, len, MSG_NOSIGNAL);
}

static void say_text(int fd, const char *text) {
    say(fd, text, strlen(text));
}

/* All that comes until the other side closes. */
static size_t hear(int fd, char *out, size_t size) {
    size_t len = 0;

    for (;;) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&polled, 1, HANG_MS), 1);
        ssize_t more = recv(fd, out + len, size - 1 - len, 0);
        if (more <= 0)
            break;
        len += (size_t)more;
    }
    out[len] = 0;
    close(fd);
    return len;
}

/* Asked again where this machine stood still for so long that the client was sent away. */
static void assert_answer(uint16_t port, const char *request, const char *first, const char *body) {
    char answer[4096];
    uint64_t begun_ns;
    bool is_right;
    int tries = 0;

    do {
        begun_ns = clock_monotonic_ns();
        int fd = connect_to(port);
        say_text(fd, request);
        hear(fd, answer, sizeof answer);
        is_right = strncmp(answer, first, strlen(first)) == 0 && strstr(answer, body);
    } while (!is_right && ++tries < TRIES &&
             clock_monotonic_ns() - begun_ns >= CLIENT_MS * UINT64_C(1000000));
    if (!is_right)
        fail_msg("%s gave %s", request, answer);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void assert_well(uint16_t port) {
    assert_answer(port, GET("/healthz"), "HTTP/1.1 200", "{\"ok\":true}");
}

/* --- Tests --- */

static void test_pages(void **unused) {
    (void)unused;
    struct health *health = start("127.0.0.1:0");
    uint16_t port = health_port(health);

    assert_true(port != 0);
    assert_well(port);
    assert_answer(port, GET("/metrics"), "HTTP/1.1 200", "some_metric 1\n");
    assert_answer(port, GET("/metrics"), "HTTP/1.1 200", "text/plain; version=0.0.4");
    assert_answer(port, GET("/"), "HTTP/1.1 404", "/healthz");
    assert_answer(port, GET("/healthz/.."), "HTTP/1.1 404", "");
    assert_answer(port, "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
                  "HTTP/1.1 405", "");
    assert_answer(port, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200", "");
    atomic_store(&is_well, false);
    assert_answer(port, GET("/healthz"), "HTTP/1.1 503", "{\"ok\":false}");
    health_stop(health);
    health_stop(NULL);
}

static void test_addresses(void **unused) {
    (void)unused;
    static const char *const bad[] = {
        "",      "8765",        "127.0.0.1",    "127.0.0.1:", "x:y",
        "[::1]", "127.0.0.1:x", "127.0.0.1:-1", "::1:8765",   "127.0.0.1:70000",
    };
    struct failure failure;
    struct health *health;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct health_config config = {bad[i], NULL, status, metrics, 0};
        assert_int_equal(health_start(&health, &config, &failure), ERROR_USAGE);
        assert_true(strlen(failure.text) > 10);
    }
    health = start("localhost:0");
    assert_well(health_port(health));
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%u", health_port(health));
    const struct health_config config = {taken, NULL, status, metrics, 0};
    const struct health_config foreign = {"192.0.2.1:0", NULL, status, metrics, 0};
    struct health *other;
    assert_int_equal(health_start(&other, &config, &failure), EADDRINUSE);
    assert_non_null(strstr(failure.text, taken));
    assert_int_equal(health_start(&other, &foreign, &failure), EADDRNOTAVAIL);
    health_stop(health);
}

static void test_nonsense(void **unused) {
    (void)unused;
    struct health *health = start("127.0.0.1:0");
    uint16_t port = health_port(health);
    static char large[1 << 20], answer[4096];

    memset(large, 'x', sizeof large);
    memcpy(large, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", 36);
    for (int kind = 0; kind < 6; kind++) {
        int fd = connect_to(port);
        switch (kind) {
        case 0: /* a header without end */
            say(fd, large, sizeof large);
            break;
        case 1: /* a target without end */
            say_text(fd, "GET /");
            say(fd, large + 100, sizeof large - 100);
            break;
        case 2:
            say(fd, "\0\1\2\3\xff\xfe\r\n\r\n", 10);
            break;
        case 3:
            say_text(fd, "GET /healthz HTTP/9.9\r\n\r\n");
            break;
        case 4: /* headers without end */
            say_text(fd, "GET /healthz HTTP/1.1\r\n");
            for (int i = 0; i < 20000; i++)
                say_text(fd, "a: b\r\n");
            break;
        case 5: /* a body without end */
            say_text(fd, "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n");
            say(fd, large, sizeof large);
            break;
        }
        shutdown(fd, SHUT_WR);
        hear(fd, answer, sizeof answer);
        assert_null(strstr(answer, "{\"ok\""));
        assert_well(port);
    }
    health_stop(health);
}

/* Many that say nothing: who asks is answered, and they are sent away. */
static void test_crowd(void **unused) {
    (void)unused;
    enum { CROWD = 300 };
    struct health *health = start("127.0.0.1:0");
    uint16_t port = health_port(health);
    static int crowd[CROWD];
    char answer[256];

    for (int i = 0; i < CROWD; i++) {
        crowd[i] = connect_to(port);
        say_text(crowd[i], "GET /hea");
        if (i % 20 == 0)
            assert_well(port);
    }
    assert_well(port);
    for (int i = 0; i < CROWD; i++)
        hear(crowd[i], answer, sizeof answer); /* until it is closed */
    assert_well(port);
    health_stop(health);
}

/* One that says a byte now and then is not waited for. */
static void test_trickle(void **unused) {
    (void)unused;
    struct health *health = start("127.0.0.1:0");
    uint64_t begun_ns = clock_monotonic_ns();
    int fd = connect_to(health_port(health));
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    while (poll(&polled, 1, 100) == 0) {
        assert_true(clock_monotonic_ns() - begun_ns < HANG_MS * UINT64_C(1000000));
        say(fd, "G", 1);
    }
    close(fd);
    assert_well(health_port(health));
    health_stop(health);
}

/* The end does not wait for anybody. */
static void test_stop(void **unused) {
    (void)unused;
    struct health *health = start("127.0.0.1:0");
    char answer[16];
    int fd = connect_to(health_port(health));

    say_text(fd, "GET");
    health_stop(health);
    hear(fd, answer, sizeof answer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),    cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_nonsense), cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_trickle),  cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
