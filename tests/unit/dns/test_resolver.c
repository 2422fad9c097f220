#include "engine/base/clock.h"
#include "engine/dns/hosts.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A backend that can only watch. */
struct fake_io {
    struct io io;
    struct pollfd polled[RESOLVER_WATCHES];
};

static void fake_watch(struct io *io, uint32_t watch, int fd, bool readable, bool writable) {
    struct fake_io *fake = (struct fake_io *)io;
    fake->polled[watch] = (struct pollfd){
        .fd = fd, .events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0))};
}

static void fake_unwatch(struct io *io, uint32_t watch) {
    ((struct fake_io *)io)->polled[watch].fd = -1;
}

static const struct io_backend FAKE = {
    .name = "fake", .watch = fake_watch, .unwatch = fake_unwatch};

/* A DNS server on a thread: names of "silent." get no answer, those of "none." NXDOMAIN, the others
 * 192.0.2.7 and 2001:db8::7. */
struct dns_server {
    int fd;
    uint16_t port;
    pthread_t thread;
};

static size_t make_reply(uint8_t *packet, size_t len) {
    static const uint8_t V6[] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
    static const uint8_t V4[] = {192, 0, 2, 7};
    size_t end = 12;

    while (end < len && packet[end])
        end += packet[end] + 1U;
    if (end + 5 > len || memcmp(packet + 13, "silent", 6) == 0)
        return 0;
    bool v6 = packet[end + 2] == 28;
    bool none = memcmp(packet + 13, "none", 4) == 0;
    size_t size = v6 ? sizeof V6 : sizeof V4;
    packet[2] = 0x81;
    packet[3] = none ? 0x83 : 0x80;
    packet[7] = none ? 0 : 1;
    packet[11] = 0;
    len = end + 5;
    if (none)
        return len;
    const uint8_t head[] = {0xc0, 12, 0, v6 ? 28 : 1, 0, 1, 0, 0, 0, 60, 0, (uint8_t)size};
    memcpy(packet + len, head, sizeof head);
    memcpy(packet + len + sizeof head, v6 ? V6 : V4, size);
    return len + sizeof head + size;
}

static void *serve(void *argument) {
    const struct dns_server *server = argument;
    uint8_t packet[1024];

    for (;;) {
        struct sockaddr_in peer;
        socklen_t peer_len = sizeof peer;
        ssize_t got = recvfrom(server->fd, packet, 512, 0, (struct sockaddr *)&peer, &peer_len);
        if (got < 13)
            return NULL; /* stop_server sends a short one */
        size_t len = make_reply(packet, (size_t)got);
        if (len)
            sendto(server->fd, packet, len, 0, (struct sockaddr *)&peer, peer_len);
    }
}

static void start_server(struct dns_server *server) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof own;

    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(server->fd >= 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&own, &len), 0);
    server->port = ntohs(own.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop_server(struct dns_server *server) {
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_port = htons(server->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    sendto(server->fd, "", 1, 0, (struct sockaddr *)&own, sizeof own);
    pthread_join(server->thread, NULL);
    close(server->fd);
}

struct fixture {
    struct fake_io fake;
    struct dns_server server;
    struct resolver_hosts *hosts;
    struct resolver *resolver;
    uint32_t answers;
    uint64_t cookie;
    struct resolver_answer answer;
    bool starting;
};

static void on_answer(void *owner, uint64_t cookie, const struct resolver_answer *answer) {
    struct fixture *fixture = owner;
    assert_false(fixture->starting);
    fixture->answers++;
    fixture->cookie = cookie;
    fixture->answer = *answer;
}

static void open_fixture(struct fixture *fixture, bool prefer_v4, uint32_t timeout_ms) {
    char servers[64];
    struct failure failure;

    memset(fixture, 0, sizeof *fixture);
    fixture->fake.io.backend = &FAKE;
    fixture->fake.io.now_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < RESOLVER_WATCHES; i++)
        fixture->fake.polled[i].fd = -1;
    start_server(&fixture->server);
    fixture->hosts = resolver_hosts_new("/nonexistent");
    assert_non_null(fixture->hosts);
    snprintf(servers, sizeof servers, "127.0.0.1:%u", fixture->server.port);
    struct resolver_config config = {.io = &fixture->fake.io,
                                     .hosts = fixture->hosts,
                                     .servers = servers,
                                     .prefer_v4 = prefer_v4,
                                     .timeout_ms = timeout_ms,
                                     .answered = on_answer,
                                     .owner = fixture};
    assert_int_equal(resolver_open(&fixture->resolver, &config, &failure), ERROR_NONE);
}

static void close_fixture(struct fixture *fixture) {
    resolver_close(fixture->resolver);
    for (uint32_t i = 0; i < RESOLVER_WATCHES; i++)
        assert_int_equal(fixture->fake.polled[i].fd, -1);
    resolver_hosts_free(fixture->hosts);
    stop_server(&fixture->server);
}

static void start(struct fixture *fixture, const char *name, uint64_t cookie) {
    fixture->starting = true;
    assert_true(resolver_start(fixture->resolver, slice_of(name), cookie));
    fixture->starting = false;
}

/* Turns the loop until there are `answers`; five seconds are too long. */
static void run(struct fixture *fixture, uint32_t answers) {
    uint64_t end = clock_monotonic_ns() + 5000000000ULL;

    while (fixture->answers < answers) {
        poll(fixture->fake.polled, RESOLVER_WATCHES, 10);
        fixture->fake.io.now_ns = clock_monotonic_ns();
        assert_true(fixture->fake.io.now_ns < end);
        for (uint32_t i = 0; i < RESOLVER_WATCHES; i++) {
            const struct pollfd *polled = &fixture->fake.polled[i];
            struct io_event event = {.kind = IO_READY,
                                     .index = i,
                                     .readable = polled->revents & (POLLIN | POLLERR),
                                     .writable = polled->revents & POLLOUT};
            if (polled->fd >= 0 && polled->revents)
                resolver_ready(fixture->resolver, &event);
        }
        resolver_tick(fixture->resolver);
    }
    assert_int_equal(fixture->answers, answers);
}

static void test_both_families(void **state) {
    (void)state;
    struct fixture fixture;

    open_fixture(&fixture, true, 3000);
    start(&fixture, "both.example", 42);
    assert_int_equal(resolver_open_count(fixture.resolver), 1);
    run(&fixture, 1);
    assert_int_equal(resolver_open_count(fixture.resolver), 0);
    assert_int_equal(fixture.cookie, 42);
    assert_null(fixture.answer.error);
    assert_int_equal(fixture.answer.count, 2);
    assert_int_equal(fixture.answer.addresses[0].family, ADDRESS_V4);
    assert_int_equal(fixture.answer.addresses[0].bytes[3], 7);
    assert_int_equal(fixture.answer.addresses[1].family, ADDRESS_V6);
    assert_int_equal(fixture.answer.addresses[1].bytes[15], 7);
    for (uint64_t i = 0; i < 200; i++)
        start(&fixture, "many.example", i);
    run(&fixture, 201);
    close_fixture(&fixture);
}

static void test_no_such_name(void **state) {
    (void)state;
    struct fixture fixture;

    open_fixture(&fixture, false, 3000);
    start(&fixture, "none.example", 1);
    run(&fixture, 1);
    assert_int_equal(fixture.answer.count, 0);
    assert_string_equal(fixture.answer.error, "no such name");
    start(&fixture, "", 2);
    run(&fixture, 2);
    assert_string_equal(fixture.answer.error, "no such name");
    close_fixture(&fixture);
}

static void test_silence(void **state) {
    (void)state;
    struct fixture fixture;

    open_fixture(&fixture, false, 300);
    uint64_t begin = clock_monotonic_ns();
    start(&fixture, "silent.example", 1);
    run(&fixture, 1);
    assert_true(clock_monotonic_ns() - begin < 1000000000ULL);
    assert_string_equal(fixture.answer.error, "no answer from the DNS server");
    start(&fixture, "silent.example", 2); /* closed while open: no answer */
    close_fixture(&fixture);
    assert_int_equal(fixture.answers, 1);
}

static void test_local_names(void **state) {
    (void)state;
    struct fixture fixture;

    open_fixture(&fixture, false, 3000);
    start(&fixture, "LocalHost.", 1);
    run(&fixture, 1);
    assert_int_equal(fixture.answer.count, 2);
    start(&fixture, "192.0.2.9", 2);
    run(&fixture, 2);
    assert_int_equal(fixture.answer.count, 1);
    close_fixture(&fixture);
}

static void test_server_lists(void **state) {
    (void)state;
    struct fake_io fake = {.io.backend = &FAKE};
    struct resolver_config config = {.io = &fake.io, .timeout_ms = 1000, .answered = on_answer};
    struct resolver *resolver;
    struct failure failure;

    config.servers = "192.0.2.53,[2001:db8::53]:5353";
    assert_int_equal(resolver_open(&resolver, &config, &failure), ERROR_NONE);
    resolver_close(resolver);
    config.servers = "not an address";
    assert_int_equal(resolver_open(&resolver, &config, &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "not an address"));
    config.servers = "";
    assert_int_equal(resolver_open(&resolver, &config, &failure), ERROR_USAGE);
    config.servers = NULL;
    assert_int_equal(resolver_open(&resolver, &config, &failure), ERROR_NONE);
    resolver_close(resolver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_families), cmocka_unit_test(test_no_such_name),
        cmocka_unit_test(test_silence),       cmocka_unit_test(test_local_names),
        cmocka_unit_test(test_server_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
