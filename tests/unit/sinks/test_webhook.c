/* A webhook against a server of the test's own: what is sent, in which order, what is tried again,
 * and what becomes of each record. */
#include "tests/unit/http/test_server.h"

#include "engine/base/clock.h"
#include "sinks/sink.h"
#include "sinks/webhook.h"
#include "sinks/webhook_secret.h"
#include "tests/unit/sinks/scratch.h"

#include <errno.h>
#include <signal.h>

enum { SEEN_MAX = 4096 };

/* One request as the server has seen it. */
struct seen {
    char *body;
    char id[96], timestamp[32], signature[96];
};

static struct {
    pthread_mutex_t mutex;
    struct seen seen[SEEN_MAX];
    unsigned count, most, now;
    unsigned failures; /* so many requests are answered badly first */
    unsigned together; /* none is answered before so many came at once */
    const char *bad;
} server_state = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static const char OK[] = "HTTP/1.1 204 Fine\r\n\r\n";

static void forget(void) {
    for (unsigned i = 0; i < server_state.count; i++)
        free(server_state.seen[i].body);
    server_state.count = server_state.most = server_state.now = server_state.failures = 0;
    server_state.together = 0;
    server_state.bad = NULL;
}

static void copy_header(const char *request, const char *name, char *out, size_t size) {
    const char *at = strcasestr(request, name);
    size_t len = at ? strcspn(at + strlen(name), "\r") : 0;

    snprintf(out, size, "%.*s", (int)len, at ? at + strlen(name) : "");
}

static void note(const char *request) {
    struct seen *seen = &server_state.seen[server_state.count++];

    assert_true(server_state.count < SEEN_MAX);
    assert_non_null(strstr(request, "POST /hook?x=1 HTTP/1.1\r\n"));
    assert_non_null(strcasestr(request, "content-type: application/json\r\n"));
    assert_non_null(strcasestr(request, "user-agent: trawl/9\r\n"));
    assert_non_null(strstr(request, "Authorization: Basic dXNlcjpwYXNz\r\n"));
    assert_null(strcasestr(request, "expect:"));
    copy_header(request, "webhook-id: ", seen->id, sizeof seen->id);
    copy_header(request, "webhook-timestamp: ", seen->timestamp, sizeof seen->timestamp);
    copy_header(request, "webhook-signature: ", seen->signature, sizeof seen->signature);
    seen->body = strdup(strstr(request, "\r\n\r\n") + 4);
}

static bool answer(struct test_connection *connection, const char *path) {
    const char *text = OK;

    (void)path;
    pthread_mutex_lock(&server_state.mutex);
    note(connection->request);
    if (++server_state.now > server_state.most)
        server_state.most = server_state.now;
    if (server_state.failures) {
        server_state.failures--;
        text = server_state.bad;
    } else if (strstr(connection->request, "unwanted")) {
        text = "HTTP/1.1 400 Bad\r\nContent-Length: 15\r\n\r\nno such\nfield x";
    }
    do {
        pthread_mutex_unlock(&server_state.mutex);
        usleep(1000);
        pthread_mutex_lock(&server_state.mutex);
    } while (server_state.most < server_state.together);
    server_state.now--;
    pthread_mutex_unlock(&server_state.mutex);
    return text[0] && test_say(connection, text);
}

/* --- A sink on it --- */

struct bench {
    struct test_server *server;
    struct field_selection fields;
    struct webhook_statistics statistics;
    struct sink *sink;
    char spec[512];
};

static enum error open_spec(struct bench *bench, const char *spec, const struct encoder *encoder,
                            struct failure *failure) {
    struct sink_config config = {
        .spec = spec,
        .encoder = encoder,
        .fields = &bench->fields,
        .user_agent = "trawl/9",
        .webhook_statistics = &bench->statistics,
    };
    return sink_open(&bench->sink, &config, failure);
}

static void bench_open(struct bench *bench, const char *options) {
    struct failure failure = {.text = ""};

    forget();
    bench->server = test_server_start(answer, NULL);
    snprintf(bench->spec, sizeof bench->spec,
             "webhook+http://user:pass@127.0.0.1:%u/hook?x=1#backoff=1ms,%s", bench->server->port,
             options);
    if (open_spec(bench, bench->spec, NULL, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    assert_ptr_equal(bench->sink->encoding.encoder, &webhook_encoder);
    assert_null(strstr(bench->sink->spec, "pass"));
    assert_null(strstr(bench->sink->spec, "hook?"));
}

static void bench_close(struct bench *bench) {
    struct failure failure;

    assert_int_equal(bench->sink->kind->finish(bench->sink, &failure), ERROR_NONE);
    sink_close(bench->sink);
    test_server_stop(bench->server);
}

static struct sink_delivery delivery_of(const char *lines, uint32_t records) {
    return (struct sink_delivery){.bytes = slice_of(lines), .records = records};
}

/* Hands them over and waits until all are settled; the last trouble that was told. */
static struct failure deliver(struct bench *bench, struct sink_delivery *deliveries, size_t count) {
    const struct sink_kind *kind = bench->sink->kind;
    struct failure failure = {0}, last = {0};
    size_t settled = 0;

    for (size_t i = 0; i < count; i++)
        kind->take(bench->sink, &deliveries[i]);
    while (settled < count) {
        if (kind->settle(bench->sink, 5, &failure) != ERROR_NONE)
            last = failure;
        for (settled = 0; settled < count && deliveries[settled].settled;)
            settled++;
    }
    return last;
}

/* --- What is sent --- */

static void a_record_a_message(void **state) {
    (void)state;
    struct bench bench = {0};
    bench_open(&bench, "");
    struct sink_delivery deliveries[] = {
        delivery_of("{\"a\":1,\"id\":\"one-x\"}\n{\"a\":2,\"id\":\"two-x\"}\n", 2),
        delivery_of("", 0),
        delivery_of("{\"b\":\"\\\"id\\\":\\\"no\\\"}\"}\n", 1),
        delivery_of("{\"id\":\"\"}\n", 1),
    };
    deliver(&bench, deliveries, 4);
    assert_int_equal(deliveries[0].written, 2);
    assert_int_equal(deliveries[2].written, 1);
    assert_int_equal(server_state.count, 4);
    assert_string_equal(server_state.seen[0].body, "{\"a\":1,\"id\":\"one-x\"}");
    assert_string_equal(server_state.seen[0].id, "one-x");
    assert_string_equal(server_state.seen[1].body, "{\"a\":2,\"id\":\"two-x\"}");
    assert_string_equal(server_state.seen[1].id, "two-x");
    /* A line without the member has a hash in its place: sha256sum says so. */
    assert_string_equal(server_state.seen[2].id, "6e4caff5bb5385e6a8a978f71a119b16");
    assert_int_equal(strlen(server_state.seen[3].id), 32);
    assert_string_equal(server_state.seen[0].signature, "");
    assert_true(llabs(atoll(server_state.seen[0].timestamp) - clock_unix_ms() / 1000) < 3600);
    bench_close(&bench);
}

static void arrays(void **state) {
    (void)state;
    struct bench bench = {0};
    bench_open(&bench, "batch=3,batch-wait=10ms");
    struct sink_delivery deliveries[] = {
        delivery_of("{\"a\":1,\"id\":\"x\"}\n", 1),
        delivery_of("{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n{\"a\":5}\n", 4),
        delivery_of("{\"a\":6}\n{\"a\":7}\n", 2),
    };
    deliver(&bench, deliveries, 3);
    assert_int_equal(server_state.count, 3);
    assert_string_equal(server_state.seen[0].body, "[{\"a\":1,\"id\":\"x\"},{\"a\":2},{\"a\":3}]");
    assert_string_equal(server_state.seen[1].body, "[{\"a\":4},{\"a\":5},{\"a\":6}]");
    assert_string_equal(server_state.seen[2].body, "[{\"a\":7}]"); /* after waiting for more */
    assert_int_equal(strlen(server_state.seen[0].id), 32);
    assert_string_not_equal(server_state.seen[0].id, server_state.seen[1].id);
    assert_int_equal(bench.statistics.delivered, 3);
    assert_int_equal(bench.statistics.records_delivered, 7);
    bench_close(&bench);
}

/* An array is sent when it is full, or has waited long enough; a minute is not over here. */
static void arrays_wait(void **state) {
    (void)state;
    struct bench bench = {0};
    struct failure failure;
    bench_open(&bench, "batch=3,batch-wait=60s");
    struct sink_delivery deliveries[] = {delivery_of("1\n2\n", 2), delivery_of("3\n", 1)};
    bench.sink->kind->take(bench.sink, &deliveries[0]);
    assert_int_equal(bench.sink->kind->settle(bench.sink, 20, &failure), ERROR_NONE);
    assert_false(deliveries[0].settled);
    assert_int_equal(atomic_load(&bench.server->requests_total), 0);
    deliver(&bench, &deliveries[1], 1);
    assert_true(deliveries[0].settled);
    assert_int_equal(server_state.count, 1);
    assert_string_equal(server_state.seen[0].body, "[1,2,3]");
    bench_close(&bench);
}

/* --- What fails --- */

static void tried_again(void **state) {
    (void)state;
    struct bench bench = {0};
    bench_open(&bench, "");
    server_state.failures = 3;
    server_state.bad = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    struct sink_delivery delivery = delivery_of("{\"id\":\"x\",\"a\":1,\"id\":\"x\"}\n{}\n", 2);
    struct failure trouble = deliver(&bench, &delivery, 1);
    assert_int_equal(delivery.written, 2);
    assert_int_equal(delivery.refused, 0);
    assert_int_equal(server_state.count, 5);
    for (int i = 0; i < 4; i++) { /* the same message each time */
        assert_string_equal(server_state.seen[i].id, "x");
        assert_string_equal(server_state.seen[i].body, server_state.seen[0].body);
    }
    assert_non_null(strstr(trouble.text, "answers HTTP 503"));
    assert_int_equal(bench.statistics.attempts, 5);
    assert_int_equal(bench.statistics.delivered, 2);
    assert_int_equal(bench.statistics.refused, 0);
    bench_close(&bench);
}

static void given_up(void **state) {
    (void)state;
    static const struct {
        const char *bad, *words;
        enum error code;
    } CASES[] = {
        {"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\nboom", "answers HTTP 500: \"boom\"",
         (enum error)EAGAIN},
        {"HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", "answers HTTP 429",
         (enum error)EAGAIN},
        {"", "the connection ended too early", (enum error)ECONNRESET},
        {"SSH-2.0-x\r\n\r\n", "HTTP/0.9", ERROR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct bench bench = {0};
        bench_open(&bench, "retries=2");
        server_state.failures = 3;
        server_state.bad = CASES[i].bad;
        struct sink_delivery delivery = delivery_of("{\"a\":1}\n{\"a\":2}\n", 2);
        deliver(&bench, &delivery, 1);
        assert_int_equal(delivery.written, 1);
        assert_int_equal(delivery.refused, 1);
        assert_int_equal(delivery.failure.code, CASES[i].code);
        assert_non_null(strstr(delivery.failure.text, CASES[i].words));
        assert_non_null(strstr(delivery.failure.text, ", given up after 3 attempts"));
        assert_null(strstr(delivery.failure.text, "pass"));
        assert_int_equal(bench.statistics.delivered, 1);
        assert_int_equal(bench.statistics.refused, 1);
        assert_int_equal(bench.statistics.records_refused, 1);
        bench_close(&bench);
    }
}

static void refused_at_once(void **state) {
    (void)state;
    static const char *const BAD[] = {"400 Bad", "401 No", "404 No", "410 Gone", "301 Moved"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct bench bench = {0};
        char text[128];
        snprintf(text, sizeof text, "HTTP/1.1 %s\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
                 BAD[i]);
        bench_open(&bench, "");
        server_state.failures = 1;
        server_state.bad = text;
        struct sink_delivery delivery = delivery_of("{\"a\":1}\n{\"a\":2}\n", 2);
        struct failure trouble = deliver(&bench, &delivery, 1);
        assert_int_equal(trouble.code, 0);
        assert_int_equal(server_state.count, 2);
        assert_int_equal(delivery.written, 1);
        assert_int_equal(delivery.refused, 1);
        assert_int_equal(delivery.failure.code, ERROR_REFUSED);
        bench_close(&bench);
    }
}

/* Whose record it was is known in arrays, too. */
static void refused_in_part(void **state) {
    (void)state;
    struct bench bench = {0};
    bench_open(&bench, "batch=2,batch-wait=1ms");
    struct sink_delivery deliveries[] = {
        delivery_of("{\"a\":1}\n", 1),
        delivery_of("{\"a\":2}\n{\"a\":\"unwanted\"}\n{\"a\":4}\n{\"a\":5}\n", 4),
    };
    deliver(&bench, deliveries, 2);
    assert_int_equal(deliveries[0].written, 1);
    assert_int_equal(deliveries[1].written, 2);
    assert_int_equal(deliveries[1].refused, 2); /* the array that it was in */
    assert_non_null(strstr(deliveries[1].failure.text, "answers HTTP 400: \"no such\""));
    assert_int_equal(server_state.count, 3);
    bench_close(&bench);
}

static void retry_after_is_kept(void **state) {
    (void)state;
    struct bench bench = {0};
    bench_open(&bench, "");
    server_state.failures = 1;
    server_state.bad = "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    struct sink_delivery delivery = delivery_of("{\"a\":1}\n", 1);
    uint64_t begun_ns = clock_monotonic_ns();
    deliver(&bench, &delivery, 1);
    assert_int_equal(delivery.written, 1);
    assert_true(clock_monotonic_ns() - begun_ns >= UINT64_C(1000000000));
    bench_close(&bench);
}

static void nobody_there(void **state) {
    (void)state;
    struct bench bench = {0};
    struct failure failure = {0};
    uint16_t port = 0;
    int fd = test_listen("127.0.0.1", &port); /* and does not listen */
    char spec[128];
    snprintf(spec, sizeof spec, "webhook+http://127.0.0.1:%u/#retries=1,backoff=1ms", port);
    assert_int_equal(open_spec(&bench, spec, NULL, &failure), 0);
    struct sink_delivery delivery = delivery_of("{}\n{}\n{}\n", 3);
    struct failure trouble = deliver(&bench, &delivery, 1);
    assert_int_equal(delivery.refused, 3);
    assert_int_equal(trouble.code, ECONNREFUSED);
    assert_non_null(strstr(delivery.failure.text, "Connection refused, given up after 2 attempts"));
    assert_int_equal(bench.statistics.attempts, 6);
    sink_close(bench.sink);
    close(fd);
}

static void no_answer(void **state) {
    (void)state;
    struct bench bench = {0};
    struct failure failure = {0};
    uint16_t port = 0;
    int fd = test_listen("127.0.0.1", &port);
    char spec[128];
    assert_int_equal(listen(fd, 8), 0);
    snprintf(spec, sizeof spec, "webhook+http://127.0.0.1:%u/#retries=0,timeout=20ms", port);
    assert_int_equal(open_spec(&bench, spec, NULL, &failure), 0);
    struct sink_delivery delivery = delivery_of("{}\n", 1);
    deliver(&bench, &delivery, 1);
    assert_int_equal(delivery.failure.code, ETIMEDOUT);
    assert_non_null(strstr(delivery.failure.text, "timed out, given up after 1 attempts"));
    sink_close(bench.sink);
    close(fd);
}

static void private_addresses(void **state) {
    (void)state;
    struct bench bench = {0};
    bench_open(&bench, "deny-private");
    struct sink_delivery delivery = delivery_of("{}\n", 1);
    deliver(&bench, &delivery, 1);
    assert_int_equal(delivery.failure.code, ERROR_REFUSED);
    assert_non_null(strstr(delivery.failure.text, "the address is not allowed"));
    assert_int_equal(server_state.count, 0);
    assert_int_equal(atomic_load(&bench.server->connections_total), 0);
    bench_close(&bench);
}

/* --- Many at once --- */

static void in_order(void **state) {
    (void)state;
    enum { COUNT = 100 };
    struct bench bench = {0};
    struct sink_delivery deliveries[COUNT];
    char lines[COUNT][32];
    bench_open(&bench, "");
    server_state.failures = 2;
    server_state.bad = "HTTP/1.1 502 Oh\r\nContent-Length: 0\r\n\r\n";
    for (int i = 0; i < COUNT; i++) {
        snprintf(lines[i], sizeof lines[i], "%d\n", i);
        deliveries[i] = delivery_of(lines[i], 1);
    }
    deliver(&bench, deliveries, COUNT);
    assert_int_equal(server_state.count, COUNT + 2);
    assert_int_equal(server_state.most, 1);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(atoi(server_state.seen[i + 2].body), i);
    assert_int_equal(atomic_load(&bench.server->connections_total), 1);
    bench_close(&bench);
}

static void several_at_once(void **state) {
    (void)state;
    enum { COUNT = 200, FAILURES = 10 }; /* which may all be of one message */
    struct bench bench = {0};
    struct sink_delivery deliveries[COUNT];
    char lines[COUNT][32];
    bool got[COUNT] = {0};
    bench_open(&bench, "concurrency=8,retries=10");
    server_state.failures = FAILURES;
    server_state.together = 2;
    server_state.bad = "HTTP/1.1 502 Oh\r\nContent-Length: 0\r\n\r\n";
    for (int i = 0; i < COUNT; i++) {
        snprintf(lines[i], sizeof lines[i], "%d\n", i);
        deliveries[i] = delivery_of(lines[i], 1);
    }
    deliver(&bench, deliveries, COUNT);
    assert_int_equal(server_state.count, COUNT + FAILURES);
    assert_in_range(server_state.most, 2, 8);
    for (unsigned i = FAILURES; i < server_state.count; i++)
        got[atoi(server_state.seen[i].body)] = true;
    for (int i = 0; i < COUNT; i++)
        assert_true(got[i] && deliveries[i].written == 1);
    bench_close(&bench);
}

/* Nothing is waited for; the bytes may go at once. */
static void dropped_under_way(void **state) {
    (void)state;
    struct bench bench = {0};
    struct failure failure;
    uint16_t port = 0;
    int fd = test_listen("127.0.0.1", &port);
    char spec[128];
    assert_int_equal(listen(fd, 8), 0);
    snprintf(spec, sizeof spec, "webhook+http://127.0.0.1:%u/#concurrency=4", port);
    assert_int_equal(open_spec(&bench, spec, NULL, &failure), 0);
    char *bytes = strdup("{}\n{}\n{}\n{}\n{}\n{}\n");
    struct sink_delivery *delivery = calloc(1, sizeof *delivery);
    *delivery = delivery_of(bytes, 6);
    bench.sink->kind->take(bench.sink, delivery);
    bench.sink->kind->settle(bench.sink, 5, &failure);
    assert_false(delivery->settled);
    free(bytes);
    free(delivery);
    assert_int_equal(bench.sink->kind->finish(bench.sink, &failure), ERROR_NONE);
    sink_close(bench.sink);
    close(fd);
}

/* --- Signatures --- */

/* The example that the libraries of Standard Webhooks are tested with. */
static void signature_of_the_standard(void **state) {
    (void)state;
    struct webhook_secret secret = {.len = 0};
    char signature[WEBHOOK_SIGNATURE_MAX];
    setenv("TRAWL_TEST_SECRET", " whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 1);
    assert_int_equal(webhook_secret_read(&secret, NULL, "TRAWL_TEST_SECRET", NULL), 0);
    webhook_sign(&secret, slice_of("msg_p5jXN8AQM9LWM0D4loKWxJek"), 1614265330,
                 slice_of("{\"test\": 2432232314}"), signature);
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    webhook_secret_forget(&secret);
    assert_int_equal(secret.len, 0);
    assert_int_equal(secret.bytes[0], 0);
}

/* The same example, as it is received. */
static void verified(void **state) {
    (void)state;
    static const struct {
        const char *id, *timestamp, *signatures, *body, *words; /* NULL: it holds */
        int64_t now_s;
    } cases[] = {
#define ID        "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIME      "1614265330"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define BODY      "{\"test\": 2432232314}"
        {ID, TIME, SIGNATURE, BODY, NULL, 1614265330},
        {ID, TIME, SIGNATURE, BODY, NULL, 1614265330 + 300},
        {ID, TIME, SIGNATURE, BODY, NULL, 1614265330 - 300},
        {ID, TIME, "v1,AAAA v1a,x  " SIGNATURE " v1,", BODY, NULL, 1614265330},
        {ID, TIME, SIGNATURE, BODY, "301 seconds ago", 1614265330 + 301},
        {ID, TIME, SIGNATURE, BODY, "301 seconds in the future", 1614265330 - 301},
        {ID, TIME, SIGNATURE, BODY " ", "not made with the secret", 1614265330},
        {ID "x", TIME, SIGNATURE, BODY, "not made with the secret", 1614265330},
        {ID, "1614265331", SIGNATURE, BODY, "not made with the secret", 1614265330},
        {ID, TIME, SIGNATURE "=", BODY, "not made with the secret", 1614265330},
        {ID, TIME, " ", BODY, "not made with the secret", 1614265330},
        {ID, "-1", SIGNATURE, BODY, "no number", 1614265330},
        {ID, "9223372036854775808", SIGNATURE, BODY, "no number", 1614265330},
        {"", TIME, SIGNATURE, BODY, "not signed", 1614265330},
        {ID, "", SIGNATURE, BODY, "not signed", 1614265330},
        {ID, TIME, "", BODY, "not signed", 1614265330},
    };
    struct webhook_secret secret = {.len = 0};
    setenv("TRAWL_TEST_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1);
    assert_int_equal(webhook_secret_read(&secret, NULL, "TRAWL_TEST_SECRET", NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct failure failure = {.text = ""};
        const struct webhook_claim claim = {slice_of(cases[i].id), slice_of(cases[i].timestamp),
                                            slice_of(cases[i].signatures)};
        enum error error =
            webhook_verify(&secret, &claim, cases[i].now_s, slice_of(cases[i].body), &failure);
        assert_int_equal(error, cases[i].words ? ERROR_INPUT : ERROR_NONE);
        if (cases[i].words && !strstr(failure.text, cases[i].words))
            fail_msg("case %zu: %s", i, failure.text);
    }
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void secrets(void **state) {
    (void)state;
    struct webhook_secret secret = {.len = 0};
    struct failure failure = {0};
    const char *path = scratch_path("secret");
    char *longer = malloc(5000);
    write_file(path, "a b c\n");
    assert_int_equal(webhook_secret_read(&secret, path, NULL, &failure), 0);
    assert_int_equal(secret.len, 5);
    assert_memory_equal(secret.bytes, "a b c", 5);
    static const char *const BAD[] = {"", " \n", "whsec_", "whsec_QUJ", "whsec_Q!JD"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        write_file(path, BAD[i]);
        assert_int_equal(webhook_secret_read(&secret, path, NULL, &failure), ERROR_USAGE);
        assert_non_null(strstr(failure.text, path));
        assert_null(strstr(failure.text, "QUJ"));
    }
    assert_non_null(longer);
    memset(longer, 'x', 4999);
    longer[4999] = 0;
    write_file(path, longer);
    assert_int_equal(webhook_secret_read(&secret, path, NULL, &failure), ERROR_USAGE);
    free(longer);
    assert_int_equal(webhook_secret_read(&secret, scratch_path("none"), NULL, &failure),
                     ERROR_USAGE);
    assert_int_equal(webhook_secret_read(&secret, scratch, NULL, &failure), ERROR_USAGE);
    assert_int_equal(webhook_secret_read(&secret, NULL, "TRAWL_TEST_UNSET", &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "TRAWL_TEST_UNSET"));
}

static void signed_messages(void **state) {
    (void)state;
    struct bench bench = {0};
    struct webhook_secret secret = {.bytes = "key", .len = 3};
    char signature[WEBHOOK_SIGNATURE_MAX];
    setenv("TRAWL_TEST_SECRET", "key", 1);
    bench_open(&bench, "secret-env=TRAWL_TEST_SECRET");
    struct sink_delivery delivery = delivery_of("{\"a\":1,\"id\":\"i-1\"}\n", 1);
    deliver(&bench, &delivery, 1);
    webhook_sign(&secret, slice_of("i-1"), atoll(server_state.seen[0].timestamp),
                 slice_of(server_state.seen[0].body), signature);
    assert_string_equal(server_state.seen[0].signature, signature);
    bench_close(&bench);
}

/* --- What is wrong with a spec --- */

static void wrong_specs(void **state) {
    (void)state;
    static const struct {
        const char *spec, *words;
    } CASES[] = {
        {"webhook+", "must be a URL"},
        {"webhook+x", "must be a URL"},
        {"webhook+ftp://h/x", "must be a URL"},
        {"webhook+https://", "must be a URL"},
        {"webhook+https://h:99999/", "must be a URL"},
        {"webhook+https://h/#batsh=1", "unknown option \"batsh\" behind #; did you "
                                       "mean batch?"},
        {"webhook+https://h/#zzzzzzzz", "there are batch, batch-wait, concurrency"},
        {"webhook+https://h/#batch", "#batch needs a value: #batch=N"},
        {"webhook+https://h/#batch=0", "#batch: 0 is out of range"},
        {"webhook+https://h/#batch=x", "#batch: \"x\" is not a whole number"},
        {"webhook+https://h/#timeout=1y", "#timeout: \"1y\" is not a time"},
        {"webhook+https://h/#concurrency=65", "#concurrency: 65 is out of range"},
        {"webhook+https://h/#batch=1,retries=11", "#retries: 11 is out of range"},
        {"webhook+https://h/#ca-file=%2Fnone%2Fx", "#ca-file: /none/x: No such file"},
        {"webhook+https://h/#ca-file=%zz", "#ca-file: a % must be written as %25"},
        {"webhook+https://h/#ca-file=%00", "#ca-file: a % must be written as %25"},
        {"webhook+https://h/#ca-file=%4", "#ca-file: a % must be written as %25"},
        {"webhook+https://h/#deny-private=maybe", "not true or false"},
        {"webhook+https://h/#secret-file=a,secret-env=b", "one of them"},
        {"webhook+https://h/#secret-file=/none/x", "cannot be read from /none/x"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct bench bench = {0};
        struct failure failure = {.text = ""};
        assert_int_equal(open_spec(&bench, CASES[i].spec, NULL, &failure), ERROR_USAGE);
        if (!strstr(failure.text, CASES[i].words))
            fail_msg("%s: %s", CASES[i].spec, failure.text);
    }
}

static void nothing_secret_is_told(void **state) {
    (void)state;
    static const char *const SPECS[] = {
        "webhook+gopher://user:sesame@h/sesame?sesame",
        "webhook+https://user:sesame@h:99999/sesame",
        "webhook+https://user:sesame@h/sesame?sesame#batch=0",
        "webhook+https://user:sesame@h/sesame?sesame#secret-file=/none",
    };
    for (size_t i = 0; i < sizeof SPECS / sizeof SPECS[0]; i++) {
        struct bench bench = {0};
        struct failure failure = {.text = ""};
        assert_int_equal(open_spec(&bench, SPECS[i], NULL, &failure), ERROR_USAGE);
        if (strstr(failure.text, "sesame"))
            fail_msg("%s", failure.text);
    }
}

static void formats(void **state) {
    (void)state;
    struct bench bench = {0};
    struct failure failure = {.text = ""};
    const char *spec = "webhook+https://127.0.0.1:1/";
    assert_int_equal(open_spec(&bench, spec, &json_encoder, &failure), 0);
    assert_ptr_equal(bench.sink->encoding.encoder, &json_encoder);
    sink_close(bench.sink);
    assert_int_equal(open_spec(&bench, spec, &webhook_encoder, &failure), 0);
    sink_close(bench.sink);
    assert_int_equal(open_spec(&bench, spec, &csv_encoder, &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "not csv"));
}

static void durations(void **state) {
    (void)state;
    struct bench bench = {0};
    uint64_t sum = 0;
    bench_open(&bench, "");
    struct sink_delivery delivery = delivery_of("{}\n{}\n{\"a\":\"unwanted\"}\n", 3);
    deliver(&bench, &delivery, 1);
    struct webhook_statistics statistics = webhook_statistics_read(&bench.statistics);
    for (size_t i = 0; i <= WEBHOOK_BUCKETS; i++)
        sum += statistics.buckets[i];
    assert_int_equal(sum, 3);
    assert_true(statistics.duration_us >= 3000);
    assert_int_equal(statistics.delivered, 2);
    assert_int_equal(statistics.refused, 1);
    for (size_t i = 1; i < WEBHOOK_BUCKETS; i++)
        assert_true(webhook_bucket_us[i] > webhook_bucket_us[i - 1]);
    bench_close(&bench);
}

static int set_up(void **state) {
    signal(SIGPIPE, SIG_IGN);
    return http_global_init(NULL) == ERROR_NONE ? scratch_setup(state) : -1;
}

static int tear_down(void **state) {
    forget();
    http_global_deinit();
    return scratch_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_a_message),
        cmocka_unit_test(arrays),
        cmocka_unit_test(arrays_wait),
        cmocka_unit_test(tried_again),
        cmocka_unit_test(given_up),
        cmocka_unit_test(refused_at_once),
        cmocka_unit_test(refused_in_part),
        cmocka_unit_test(retry_after_is_kept),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(no_answer),
        cmocka_unit_test(private_addresses),
        cmocka_unit_test(in_order),
        cmocka_unit_test(several_at_once),
        cmocka_unit_test(dropped_under_way),
        cmocka_unit_test(signature_of_the_standard),
        cmocka_unit_test(verified),
        cmocka_unit_test(secrets),
        cmocka_unit_test(signed_messages),
        cmocka_unit_test(wrong_specs),
        cmocka_unit_test(nothing_secret_is_told),
        cmocka_unit_test(formats),
        cmocka_unit_test(durations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
