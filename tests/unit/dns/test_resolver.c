#include "engine/base/clock.h"
#include "engine/dns/resolver.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SERVERS = 2 };

static const uint64_t SECOND = 1000000000;

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

/* How a server answers, by the first label of the name that does not begin with an underscore.
 * Others: 192.0.2.7, 192.0.2.8 and 2001:db8::7, 2001:db8::8; as TLSA 3 1 1 aa07, 3 1 1 aa08. The AD
 * flag is that of the question. */
static const struct behaviour {
    const char *label;
    uint8_t rcode;
    bool silent, empty, garbage;
    uint16_t type;     /* only for questions of this type; 0 for all */
    bool second_is_ok; /* only of the first server */
    bool hiccup;       /* only of the first two questions */
    uint8_t ttl;
} BEHAVIOURS[] = {
    {"none", .rcode = 3},
    {"empty", .empty = true},
    {"fail", .rcode = 2},
    {"refuse", .rcode = 5},
    {"notimp", .rcode = 4},
    {"garbage", .garbage = true},
    {"silent", .silent = true},
    {"half", .silent = true, .type = 28},
    {"broken", .rcode = 3, .type = 28},
    {"failover", .rcode = 2, .second_is_ok = true},
    {"silentfirst", .silent = true, .second_is_ok = true},
    {"hiccup", .rcode = 2, .hiccup = true},
    {"fleeting", .ttl = 0},
};

/* Served by the turns of the test: whenever the resolver looks, the answer is there, and so c-ares
 * repeats no question, however slow the machine is. */
struct fake_server {
    int fd, number;
    uint16_t port;
    uint32_t questions, answers;
};

static const struct behaviour *behaviour_of(const struct fake_server *server, const uint8_t *name,
                                            uint16_t type) {
    static const struct behaviour GOOD = {.ttl = 60};

    while (name[0] && name[1] == '_')
        name += name[0] + 1;

    for (size_t i = 0; i < sizeof BEHAVIOURS / sizeof BEHAVIOURS[0]; i++) {
        const struct behaviour *behaviour = &BEHAVIOURS[i];
        size_t len = strlen(behaviour->label);
        if (name[0] == len && memcmp(name + 1, behaviour->label, len) == 0 &&
            (behaviour->type == 0 || behaviour->type == type) &&
            !(behaviour->second_is_ok && server->number > 0) &&
            !(behaviour->hiccup && server->questions > 2))
            return behaviour;
    }
    return &GOOD;
}

static size_t make_reply(const struct fake_server *server, uint8_t *packet, size_t len) {
    static const uint8_t V6[] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
    static const uint8_t V4[] = {192, 0, 2, 7};
    static const uint8_t TLSA[] = {3, 1, 1, 0xaa, 7};
    size_t end = 12;

    while (end < len && packet[end])
        end += packet[end] + 1U;
    if (end + 5 > len)
        return 0;
    uint8_t type = packet[end + 2];
    const struct behaviour *behaviour = behaviour_of(server, packet + 12, type);
    bool records = behaviour->rcode == 0 && !behaviour->empty;
    const uint8_t *data = type == 1 ? V4 : type == 28 ? V6 : TLSA;
    size_t size = type == 1 ? sizeof V4 : type == 28 ? sizeof V6 : sizeof TLSA;
    if (behaviour->silent)
        return 0;
    packet[2] = 0x81;
    packet[3] = (uint8_t)(0x80 | (packet[3] & 0x20) | behaviour->rcode);
    packet[7] = records ? 2 : 0;
    packet[11] = 0;
    len = end + 5;
    for (uint8_t last = 7; records && last <= 8; last++) {
        uint8_t bits = behaviour->garbage ? 0xff : 0xc0;
        const uint8_t head[] = {bits, 12, 0, type, 0, 1, 0, 0, 0, behaviour->ttl, 0, (uint8_t)size};
        memcpy(packet + len, head, sizeof head);
        memcpy(packet + len + sizeof head, data, size);
        len += sizeof head + size;
        packet[len - 1] = last;
    }
    return len;
}

/* All that was asked. */
static void serve(struct fake_server *server) {
    uint8_t packet[1024];
    struct sockaddr_in peer;
    socklen_t peer_len = sizeof peer;
    ssize_t got;

    while ((got = recvfrom(server->fd, packet, 512, MSG_DONTWAIT, (struct sockaddr *)&peer,
                           &peer_len)) > 12) {
        server->questions++;
        size_t len = make_reply(server, packet, (size_t)got);
        server->answers += len > 0;
        if (len)
            sendto(server->fd, packet, len, 0, (struct sockaddr *)&peer, peer_len);
    }
}

static void start_server(struct fake_server *server, int number) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof own;

    server->number = number;
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(server->fd >= 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&own, &len), 0);
    server->port = ntohs(own.sin_port);
}

static void stop_server(struct fake_server *server) {
    if (server->fd >= 0)
        close(server->fd);
    server->fd = -1;
}

struct fixture {
    struct fake_io fake;
    struct fake_server servers[SERVERS];
    struct resolver_hosts *hosts;
    struct resolver *resolver;
    uint32_t answers;
    uint32_t with_addresses[2]; /* answers to even and odd cookies */
    uint64_t cookie;
    struct resolver_answer answer;
    struct resolver_tlsa tlsa;
    uint8_t data[2];  /* the last byte of each */
    const char *then; /* started once from within the next answer */
    bool starting;
};

static void start(struct fixture *fixture, const char *name, uint64_t cookie) {
    fixture->starting = true;
    assert_true(resolver_start(fixture->resolver, slice_of(name), cookie));
    fixture->starting = false;
}

static void on_answer(void *owner, uint64_t cookie, const struct resolver_answer *answer) {
    struct fixture *fixture = owner;
    const char *then = fixture->then;

    assert_false(fixture->starting);
    assert_true((answer->count == 0) == (answer->error != NULL));
    fixture->answers++;
    fixture->with_addresses[cookie % 2] += answer->count > 0;
    fixture->cookie = cookie;
    fixture->answer = *answer;
    fixture->then = NULL;
    if (then)
        start(fixture, then, cookie + 1);
}

static void start_tlsa(struct fixture *fixture, const char *name, uint16_t port, uint64_t cookie) {
    fixture->starting = true;
    assert_true(resolver_start_tlsa(fixture->resolver, slice_of(name), port, cookie));
    fixture->starting = false;
}

/* What it starts comes before it looks at the records, which must be there still. */
static void on_tlsa(void *owner, uint64_t cookie, const struct resolver_tlsa *answer) {
    struct fixture *fixture = owner;
    const char *then = fixture->then;

    fixture->then = NULL;
    if (then)
        start_tlsa(fixture, then, 443, cookie + 1);
    fixture->answers++;
    fixture->cookie = cookie;
    fixture->tlsa = *answer;
    assert_true(answer->count <= 2 && !(answer->count && answer->error));
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct tlsa *record = &answer->records[i];
        assert_true(record->usage == 3 && record->selector == 1 && record->matching_type == 1);
        assert_int_equal(record->data.len, 2);
        assert_int_equal(record->data.ptr[0], 0xaa);
        fixture->data[i] = record->data.ptr[1];
    }
}

static void open_resolver(struct fixture *fixture, const char *servers, bool prefer_v4,
                          uint32_t timeout_ms) {
    struct resolver_config config = {.io = &fixture->fake.io,
                                     .hosts = fixture->hosts,
                                     .servers = servers,
                                     .prefer_v4 = prefer_v4,
                                     .timeout_ms = timeout_ms,
                                     .answered = on_answer,
                                     .tlsa_answered = on_tlsa,
                                     .owner = fixture};
    struct failure failure;

    assert_int_equal(resolver_open(&fixture->resolver, &config, &failure), ERROR_NONE);
}

static void open_fixture(struct fixture *fixture, uint32_t servers, bool prefer_v4,
                         uint32_t timeout_ms) {
    char list[64] = "";

    memset(fixture, 0, sizeof *fixture);
    fixture->fake.io.backend = &FAKE;
    fixture->fake.io.now_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < RESOLVER_WATCHES; i++)
        fixture->fake.polled[i].fd = -1;
    for (int i = 0; i < SERVERS; i++)
        start_server(&fixture->servers[i], i);
    fixture->hosts = resolver_hosts_new("/nonexistent");
    assert_non_null(fixture->hosts);
    for (uint32_t i = 0; i < servers; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s127.0.0.1:%u", i ? "," : "",
                 fixture->servers[i].port);
    open_resolver(fixture, list, prefer_v4, timeout_ms);
}

static void close_fixture(struct fixture *fixture) {
    resolver_close(fixture->resolver);
    for (uint32_t i = 0; i < RESOLVER_WATCHES; i++)
        assert_int_equal(fixture->fake.polled[i].fd, -1);
    resolver_hosts_free(fixture->hosts);
    for (int i = 0; i < SERVERS; i++)
        stop_server(&fixture->servers[i]);
}

static uint32_t questions(const struct fixture *fixture, int server) {
    return fixture->servers[server].questions;
}

static void turn(struct fixture *fixture) {
    for (int i = 0; i < SERVERS; i++)
        if (fixture->servers[i].fd >= 0)
            serve(&fixture->servers[i]);
    poll(fixture->fake.polled, RESOLVER_WATCHES, 10);
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

/* Turns the loop until there are `answers`; a minute means that it hangs. */
static void run(struct fixture *fixture, uint32_t answers) {
    uint64_t end = clock_monotonic_ns() + 60 * SECOND;

    while (fixture->answers < answers) {
        turn(fixture);
        assert_true(clock_monotonic_ns() < end);
    }
    assert_int_equal(fixture->answers, answers);
}

/* The resolver's clock, which stands still otherwise; not that of c-ares. */
static void pass_seconds(struct fixture *fixture, uint64_t seconds) {
    fixture->fake.io.now_ns += seconds * SECOND;
}

static void look_up(struct fixture *fixture, const char *name) {
    uint32_t answers = fixture->answers + 1;

    start(fixture, name, answers);
    run(fixture, answers);
    assert_int_equal(fixture->cookie, answers);
    assert_int_equal(resolver_open_count(fixture->resolver), 0);
}

static void look_up_error(struct fixture *fixture, const char *name, const char *error) {
    look_up(fixture, name);
    assert_int_equal(fixture->answer.count, 0);
    assert_string_equal(fixture->answer.error, error);
}

/* The families of the answer, as '4' and '6', in their order; the first of each ends with 7. */
static void expect_families(const struct fixture *fixture, const char *families) {
    const struct resolver_answer *answer = &fixture->answer;

    assert_int_equal(answer->count, strlen(families));
    for (uint32_t i = 0, seen[2] = {0}; i < answer->count; i++) {
        bool v6 = families[i] == '6';
        assert_int_equal(answer->addresses[i].family, v6 ? ADDRESS_V6 : ADDRESS_V4);
        assert_int_equal(answer->addresses[i].bytes[v6 ? 15 : 3], 7 + seen[v6]++);
    }
}

static void test_both_families(void **state) {
    (void)state;
    struct fixture fixture;

    open_fixture(&fixture, 1, false, 20000);
    look_up(&fixture, "both.example");
    expect_families(&fixture, "6464");
    look_up(&fixture, "broken.example"); /* NXDOMAIN for AAAA, though the name exists */
    expect_families(&fixture, "44");
    close_fixture(&fixture);

    open_fixture(&fixture, 1, true, 20000);
    look_up(&fixture, "both.example");
    expect_families(&fixture, "4466");
    close_fixture(&fixture);
}

static void test_words(void **state) {
    (void)state;
    struct fixture fixture;

    open_fixture(&fixture, 1, false, 20000);
    look_up_error(&fixture, "none.example", "no such name");
    look_up_error(&fixture, "empty.example", "the name has no address");
    look_up_error(&fixture, "fail.example", "the DNS server failed");
    look_up_error(&fixture, "refuse.example", "the DNS server refused");
    look_up_error(&fixture, "notimp.example", "the DNS server refused");
    look_up_error(&fixture, "garbage.example", "the DNS server's answer makes no sense");
    close_fixture(&fixture);

    open_fixture(&fixture, 1, false, 20000);
    look_up(&fixture, "hiccup.example"); /* one failure is none */
    expect_families(&fixture, "6464");
    close_fixture(&fixture);
}

static void test_silence(void **state) {
    (void)state;
    struct fixture fixture;

    open_fixture(&fixture, 1, false, 20000);
    start(&fixture, "silent.example", 1);
    turn(&fixture);
    pass_seconds(&fixture, 21);
    run(&fixture, 1);
    assert_string_equal(fixture.answer.error, "no answer from the DNS server in time");
    close_fixture(&fixture);

    open_fixture(&fixture, 1, false, 20000);
    start(&fixture, "half.example", 1);
    int seconds = 0;
    for (; fixture.answers == 0; seconds++) { /* a quarter of the time, no more */
        turn(&fixture);
        pass_seconds(&fixture, 1);
    }
    assert_in_range(seconds, 5, 10);
    expect_families(&fixture, "44");
    start(&fixture, "silent.other.example", 1); /* closed while open: no answer */
    uint32_t answers = fixture.answers;
    close_fixture(&fixture);
    assert_int_equal(fixture.answers, answers);
}

/* One hostile name must not fail the others: c-ares 1.34 starts anew after a malformed message. */
static void test_garbage_beside(void **state) {
    (void)state;
    struct fixture fixture;
    char name[64];

    open_fixture(&fixture, 1, false, 20000);
    for (uint64_t i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "%s.x%u.example", i % 2 ? "garbage" : "good", (unsigned)i);
        start(&fixture, name, i);
    }
    run(&fixture, 100);
    assert_int_equal(fixture.with_addresses[0], 50);
    assert_int_equal(fixture.with_addresses[1], 0);
    close_fixture(&fixture);
}

static void test_shared_questions(void **state) {
    (void)state;
    struct fixture fixture;

    open_fixture(&fixture, 1, false, 20000);
    for (uint64_t i = 0; i < 200; i++)
        start(&fixture, i % 2 ? "many.example" : "MANY.Example.", i);
    assert_int_equal(resolver_open_count(fixture.resolver), 1);
    run(&fixture, 200);
    assert_int_equal(questions(&fixture, 0), 2); /* A and AAAA */
    look_up(&fixture, "many.example");
    assert_int_equal(questions(&fixture, 0), 2);
    pass_seconds(&fixture, 61); /* its TTL is 60 */
    look_up(&fixture, "many.example");
    assert_int_equal(questions(&fixture, 0), 4);
    expect_families(&fixture, "6464");
    close_fixture(&fixture);
}

static void test_kept_answers(void **state) {
    (void)state;
    struct fixture fixture;
    char name[64];

    open_fixture(&fixture, 1, false, 20000);
    look_up(&fixture, "fleeting.example"); /* TTL 0 */
    look_up(&fixture, "fleeting.example");
    assert_int_equal(questions(&fixture, 0), 4);
    look_up_error(&fixture, "none.example", "no such name");
    look_up_error(&fixture, "none.example", "no such name");
    assert_int_equal(questions(&fixture, 0), 6);
    pass_seconds(&fixture, 6);
    look_up_error(&fixture, "none.example", "no such name");
    assert_int_equal(questions(&fixture, 0), 8);
    for (unsigned i = 0; i < 1100; i++) { /* more than are kept: the oldest go */
        snprintf(name, sizeof name, "x%u.example", i);
        look_up(&fixture, name);
    }
    assert_int_equal(questions(&fixture, 0), 2208);
    look_up(&fixture, "x1099.example");
    assert_int_equal(questions(&fixture, 0), 2208);
    look_up(&fixture, "x0.example");
    assert_int_equal(questions(&fixture, 0), 2210);
    close_fixture(&fixture);
}

/* `answered` may start look-ups, also of the name that it is told about. */
static void test_start_while_answered(void **state) {
    (void)state;
    static const char *const NAMES[] = {"both.example", "fleeting.example", "localhost",
                                        "none.example"};
    struct fixture fixture;

    open_fixture(&fixture, 1, false, 20000);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        fixture.then = NAMES[i];
        start(&fixture, NAMES[i], 10 * i);
        run(&fixture, fixture.answers + 2);
        assert_int_equal(fixture.cookie, 10 * i + 1);
    }
    close_fixture(&fixture);
}

static void look_up_tlsa(struct fixture *fixture, const char *name, uint16_t port) {
    uint32_t answers = fixture->answers + 1;

    start_tlsa(fixture, name, port, answers);
    run(fixture, answers);
    assert_int_equal(fixture->cookie, answers);
    assert_int_equal(resolver_open_count(fixture->resolver), 0);
}

static void look_up_tlsa_error(struct fixture *fixture, const char *name, const char *error) {
    look_up_tlsa(fixture, name, 443);
    assert_int_equal(fixture->tlsa.count, 0);
    if (error)
        assert_string_equal(fixture->tlsa.error, error);
    else
        assert_null(fixture->tlsa.error);
}

static void test_tlsa(void **state) {
    (void)state;
    struct fixture fixture;

    open_fixture(&fixture, 1, false, 20000);
    look_up_tlsa(&fixture, "Good.Example.", 443);
    assert_int_equal(fixture.tlsa.count, 2);
    assert_true(fixture.tlsa.authentic); /* so the question had the flag */
    assert_memory_equal(fixture.data, "\7\10", 2);
    look_up_tlsa(&fixture, "good.example", 443);
    assert_int_equal(questions(&fixture, 0), 1);
    look_up_tlsa(&fixture, "good.example", 65535);
    assert_int_equal(questions(&fixture, 0), 2);
    assert_int_equal(fixture.tlsa.count, 2);
    look_up(&fixture, "_443._tcp.good.example"); /* a host of that name is another question */
    expect_families(&fixture, "6464");
    assert_int_equal(questions(&fixture, 0), 4);
    pass_seconds(&fixture, 61);
    look_up_tlsa(&fixture, "good.example", 443);
    assert_int_equal(questions(&fixture, 0), 5);

    for (uint64_t i = 0; i < 50; i++) /* with others, whose answers come in between */
        start_tlsa(&fixture, i % 2 ? "many.example" : "more.example", 25, i);
    start(&fixture, "many.example", 50);
    run(&fixture, fixture.answers + 51);
    assert_int_equal(questions(&fixture, 0), 9);
    close_fixture(&fixture);
}

static void test_tlsa_words(void **state) {
    (void)state;
    struct fixture fixture;
    char name[LIMIT_HOST_NAME_BYTES + 2];

    open_fixture(&fixture, 1, false, 20000);
    look_up_tlsa_error(&fixture, "none.example", NULL);
    assert_true(fixture.tlsa.authentic);
    look_up_tlsa_error(&fixture, "empty.example", NULL);
    look_up_tlsa_error(&fixture, "fail.example", "the DNS server failed");
    look_up_tlsa_error(&fixture, "refuse.example", "the DNS server refused");
    look_up_tlsa_error(&fixture, "garbage.example", "the DNS server's answer makes no sense");
    look_up_tlsa(&fixture, "hiccup.example", 443);
    uint32_t asked = questions(&fixture, 0);
    memset(name, 'a', sizeof name); /* no room for the port in front of it */
    for (size_t i = 63; i < LIMIT_HOST_NAME_BYTES; i += 64)
        name[i] = '.';
    for (size_t len = LIMIT_HOST_NAME_BYTES - 9; len <= LIMIT_HOST_NAME_BYTES + 1; len++) {
        char cut[sizeof name + 1];
        snprintf(cut, sizeof cut, "%.*s", (int)len, name);
        look_up_tlsa_error(&fixture, cut, NULL);
    }
    assert_int_equal(questions(&fixture, 0), asked);
    start_tlsa(&fixture, "silent.example", 443, 1);
    turn(&fixture);
    pass_seconds(&fixture, 21);
    run(&fixture, fixture.answers + 1);
    assert_string_equal(fixture.tlsa.error, "no answer from the DNS server in time");
    start_tlsa(&fixture, "silent.other.example", 443, 1); /* closed while open */
    close_fixture(&fixture);

    open_fixture(&fixture, 2, false, 20000);
    look_up_tlsa(&fixture, "failover.example", 443);
    assert_int_equal(fixture.tlsa.count, 2);
    close_fixture(&fixture);
}

/* Records live until everybody has been told, whatever is started meanwhile. */
static void test_tlsa_while_answered(void **state) {
    (void)state;
    static const char *const NAMES[] = {"both.example", "fleeting.example", "none.example"};
    struct fixture fixture;

    open_fixture(&fixture, 1, false, 20000);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        fixture.then = NAMES[i];
        start_tlsa(&fixture, NAMES[i], 443, 10 * i);
        run(&fixture, fixture.answers + 2);
        assert_int_equal(fixture.cookie, 10 * i + 1);
        assert_int_equal(fixture.tlsa.count, i < 2 ? 2 : 0);
    }
    close_fixture(&fixture);
}

static void test_next_server(void **state) {
    (void)state;
    struct fixture fixture;

    open_fixture(&fixture, 2, false, 20000);
    look_up(&fixture, "good.example");
    assert_int_equal(questions(&fixture, 1), 0);
    look_up(&fixture, "failover.example");
    expect_families(&fixture, "6464");
    look_up_error(&fixture, "fail.example", "the DNS server failed");
    look_up_error(&fixture, "none.example", "no such name");
    close_fixture(&fixture);

    /* A silent server is waited for once: then the other is asked first. */
    open_fixture(&fixture, 2, false, 20000);
    start(&fixture, "silentfirst.example", 1);
    turn(&fixture);
    pass_seconds(&fixture, 11);
    run(&fixture, 1);
    expect_families(&fixture, "6464");
    look_up(&fixture, "good.example");
    assert_int_equal(fixture.servers[0].answers, 0);
    close_fixture(&fixture);
}

static void test_dead_servers(void **state) {
    (void)state;
    struct fixture fixture;

    open_fixture(&fixture, 2, false, 20000);
    stop_server(&fixture.servers[0]);
    look_up(&fixture, "good.example");
    expect_families(&fixture, "6464");
    assert_int_equal(questions(&fixture, 1), 2);
    stop_server(&fixture.servers[1]);
    look_up_error(&fixture, "other.example", "cannot reach the DNS server");
    close_fixture(&fixture);
}

static void test_no_question(void **state) {
    (void)state;
    struct fixture fixture;
    char longest[254], label[65 + 8];

    memset(longest, 'a', sizeof longest);
    for (size_t i = 63; i < sizeof longest; i += 64)
        longest[i] = '.';
    longest[253] = 0;
    open_fixture(&fixture, 1, false, 20000);
    look_up(&fixture, longest);
    expect_families(&fixture, "6464");
    look_up(&fixture, "_dmarc.under_score.*.example");
    expect_families(&fixture, "6464");
    uint32_t asked = questions(&fixture, 0);

    look_up_error(&fixture, "", "no such name");
    look_up_error(&fixture, ".", "no such name");
    look_up_error(&fixture, "a..example", "no such name");
    look_up_error(&fixture, ".example", "no such name");
    snprintf(label, sizeof label, "x%.63s.example", longest);
    look_up_error(&fixture, label, "no such name");
    char too_long[sizeof longest + 1];
    snprintf(too_long, sizeof too_long, "x%s", longest);
    look_up_error(&fixture, too_long, "no such name");
    look_up(&fixture, "LocalHost.");
    assert_int_equal(fixture.answer.count, 2);
    look_up(&fixture, "192.0.2.7");
    expect_families(&fixture, "4");
    look_up(&fixture, "2001:db8::7");
    expect_families(&fixture, "6");
    assert_int_equal(questions(&fixture, 0), asked);
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
    config.servers = NULL;
    config.resolv_conf = "/nonexistent/resolv.conf";
    assert_int_equal(resolver_open(&resolver, &config, &failure), ERROR_NONE);
    resolver_close(resolver);
    config.resolv_conf = NULL;
    assert_int_equal(resolver_open(&resolver, &config, &failure), ERROR_NONE);
    resolver_close(resolver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_families),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_garbage_beside),
        cmocka_unit_test(test_shared_questions),
        cmocka_unit_test(test_kept_answers),
        cmocka_unit_test(test_start_while_answered),
        cmocka_unit_test(test_tlsa),
        cmocka_unit_test(test_tlsa_words),
        cmocka_unit_test(test_tlsa_while_answered),
        cmocka_unit_test(test_next_server),
        cmocka_unit_test(test_dead_servers),
        cmocka_unit_test(test_no_question),
        cmocka_unit_test(test_server_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
