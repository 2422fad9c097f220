#include "tests/unit/http/test_server.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

static const char HELLO[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"abc\"\r\n"
                            "Last-Modified: Sat, 21 Nov 2026 03:56:45 GMT\r\n"
                            "content-type: text/plain; charset=utf-8\r\n\r\nhello";

/* Gzip of nothing in particular: it must come through as it is. */
static const uint8_t PACKED[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0, 'x'};

static bool say_redirect(struct test_connection *connection, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool say_redirect(struct test_connection *connection, const char *format, ...) {
    char where[256], text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(where, sizeof where, format, arguments);
    va_end(arguments);
    snprintf(text, sizeof text,
             "HTTP/1.1 302 Found\r\nETag: \"of-redirect\"\r\nRetry-After: 9\r\nLocation: %s\r\n"
             "Content-Length: 4\r\n\r\ngone",
             where);
    return test_say(connection, text);
}

static bool say_endless(struct test_connection *connection, const char *first, const char *more) {
    bool open = test_say(connection, first);

    while (open)
        open = test_say(connection, more);
    return false;
}

static bool drip(struct test_connection *connection) {
    test_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n");
    while (!test_is_gone(connection, 10))
        test_say(connection, "x");
    return false;
}

static bool echo(struct test_connection *connection) {
    char text[SERVER_REQUEST_MAX + 128];
    int len = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                       connection->len, connection->request);
    return test_write(connection, text, (size_t)len);
}

static bool say_retry_date(struct test_connection *connection) {
    char text[256];
    time_t at = time(NULL) + 3600;
    struct tm utc;

    gmtime_r(&at, &utc);
    strftime(text, sizeof text,
             "HTTP/1.1 503 No\r\nRetry-After: %a, %d %b %Y %H:%M:%S GMT\r\n"
             "Content-Length: 0\r\n\r\n",
             &utc);
    return test_say(connection, text);
}

static bool answer(struct test_connection *connection, const char *path) {
    static const struct {
        const char *path, *text;
        bool close;
    } TEXTS[] = {
        {"/hello", HELLO, false},
        {"/missing", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", false},
        {"/declared", "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nx", true},
        {"/partial", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly", true},
        {"/retry", "HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n", false},
        {"/retry-odd", "HTTP/1.1 429 Slow\r\nRetry-After: 1 h\r\nContent-Length: 0\r\n\r\n", false},
        {"/retry-far", "HTTP/1.1 429 S\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n",
         false},
        {"/garbage", "SSH-2.0-OpenSSH_9.2p1\r\n", true},
        {"/silent-end", "", true},
        {"/until-close", "HTTP/1.1 200 OK\r\n\r\nuntil the end", true},
    };
    unsigned number;

    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        if (strcmp(path, TEXTS[i].path) == 0)
            return test_say(connection, TEXTS[i].text) && !TEXTS[i].close;
    if (sscanf(path, "/redirect/%u", &number) == 1)
        return number ? say_redirect(connection, "/redirect/%u", number - 1)
                      : test_say(connection, HELLO);
    if (strcmp(path, "/to-file") == 0)
        return say_redirect(connection, "file:///etc/passwd");
    if (strcmp(path, "/to-other") == 0)
        return say_redirect(connection, "http://127.0.0.9:%u/hello", connection->server->port);
    if (strcmp(path, "/long") == 0)
        return say_endless(connection, "HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef");
    if (strcmp(path, "/headers") == 0)
        return say_endless(connection, "HTTP/1.1 200 OK\r\n", "X-More: 0123456789abcdef\r\n");
    if (strcmp(path, "/interim") == 0)
        return say_endless(connection, "", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    if (strcmp(path, "/drip") == 0)
        return drip(connection);
    if (strcmp(path, "/echo") == 0)
        return echo(connection);
    if (strcmp(path, "/retry-date") == 0)
        return say_retry_date(connection);
    if (strcmp(path, "/gzip") == 0)
        return test_say(connection, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                                    "Content-Length: 13\r\n\r\n") &&
               test_write(connection, PACKED, sizeof PACKED);
    return test_hold(connection); /* "/hold" */
}

static struct got fetch_path(struct http_client *client, const struct test_server *server,
                             const char *path) {
    return fetch(client, &(struct http_request){.url = url_of(server, path), .redirects_max = 3});
}

static void assert_body(struct got *got, const char *expected) {
    assert_int_equal(got->answer.error, ERROR_NONE);
    assert_int_equal(got->answer.body.len, strlen(expected));
    assert_memory_equal(got->answer.body.ptr, expected, strlen(expected));
    buffer_deinit(&got->answer.body);
}

static void assert_failed(struct got *got, enum error error, const char *words) {
    assert_int_equal(got->answer.error, error);
    assert_int_equal(got->answer.status, 0);
    if (!strstr(got->message, words))
        fail_msg("\"%s\" is not in \"%s\"", words, got->message);
    buffer_deinit(&got->answer.body);
}

static void gets_an_answer_with_its_headers(void **state) {
    struct test_server *server = test_server_start(answer, NULL);
    struct http_client *client = open_client(&(struct http_client_config){0});

    (void)state;
    struct got got = fetch_path(client, server, "/hello");
    assert_int_equal(got.answer.status, 200);
    assert_string_equal(got.answer.etag, "\"abc\"");
    assert_string_equal(got.answer.last_modified, "Sat, 21 Nov 2026 03:56:45 GMT");
    assert_string_equal(got.answer.content_type, "text/plain; charset=utf-8");
    assert_int_equal(got.answer.retry_after_ms, -1);
    assert_string_equal(got.message, "");
    assert_body(&got, "hello");

    got = fetch_path(client, server, "/missing");
    assert_int_equal(got.answer.status, 404);
    assert_string_equal(got.answer.etag, "");
    assert_body(&got, "no");

    got = fetch_path(client, server, "/until-close");
    assert_body(&got, "until the end");

    got = fetch_path(client, server, "/gzip");
    assert_int_equal(got.answer.body.len, sizeof PACKED);
    assert_memory_equal(got.answer.body.ptr, PACKED, sizeof PACKED);
    buffer_deinit(&got.answer.body);
    http_client_close(client);
    test_server_stop(server);
}

static void keeps_connections(void **state) {
    struct test_server *server = test_server_start(answer, NULL);
    struct http_client *client = open_client(&(struct http_client_config){.per_host = 2});
    struct got gots[40] = {0};

    (void)state;
    for (unsigned i = 0; i < 40; i++)
        start(client, &(struct http_request){.url = url_of(server, "/hello")}, &gots[i]);
    while (http_client_step(client, 1000))
        ;
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(gots[i].answers, 1);
        assert_body(&gots[i], "hello");
    }
    assert_int_equal(atomic_load(&server->requests_total), 40);
    assert_in_range(atomic_load(&server->connections_total), 1, 2);
    http_client_close(client);
    test_server_stop(server);
}

static void follows_redirects_to_a_depth(void **state) {
    struct test_server *server = test_server_start(answer, NULL);
    struct http_client *client = open_client(&(struct http_client_config){0});

    (void)state;
    struct got got = fetch_path(client, server, "/redirect/3");
    assert_int_equal(got.answer.status, 200);
    assert_string_equal(got.answer.etag, "\"abc\"");
    assert_int_equal(got.answer.retry_after_ms, -1); /* that of the redirect is gone */
    assert_body(&got, "hello");

    got = fetch_path(client, server, "/redirect/4");
    assert_failed(&got, ERROR_LIMIT, "too many redirects");

    got = fetch(client, &(struct http_request){.url = url_of(server, "/redirect/1")});
    assert_int_equal(got.answer.status, 302);
    assert_string_equal(got.answer.etag, "\"of-redirect\"");
    assert_body(&got, "gone");

    got = fetch_path(client, server, "/to-file");
    assert_failed(&got, ERROR_UNSUPPORTED, "file");
    http_client_close(client);
    test_server_stop(server);
}

static bool only_the_first_loopback(void *context, const struct address *address) {
    static const uint8_t FIRST[4] = {127, 0, 0, 1};

    ++*(unsigned *)context;
    return address->family == ADDRESS_V4 && memcmp(address->bytes, FIRST, 4) == 0;
}

static void asks_for_each_address(void **state) {
    unsigned asked = 0;
    struct test_server *server = test_server_start(answer, NULL);
    struct http_client *client = open_client(
        &(struct http_client_config){.allowed = only_the_first_loopback, .context = &asked});
    char url[64];

    (void)state;
    struct got got = fetch_path(client, server, "/hello");
    assert_body(&got, "hello");
    got = fetch_path(client, server, "/to-other");
    assert_failed(&got, (enum error)EACCES, "not allowed");
    snprintf(url, sizeof url, "http://127.0.0.2:%u/hello", server->port);
    got = fetch(client, &(struct http_request){.url = url});
    assert_failed(&got, (enum error)EACCES, "not allowed");
    snprintf(url, sizeof url, "http://[::1]:%u/hello", server->port);
    got = fetch(client, &(struct http_request){.url = url});
    assert_failed(&got, (enum error)EACCES, "not allowed");
    assert_true(asked >= 4);
    assert_int_equal(atomic_load(&server->connections_total), 1);
    http_client_close(client);
    test_server_stop(server);
}

static void bounds_what_comes(void **state) {
    struct test_server *server = test_server_start(answer, NULL);
    struct http_client *client = open_client(&(struct http_client_config){0});
    static const char *const LONG[] = {"/long", "/declared", "/headers", "/interim"};

    (void)state;
    for (size_t i = 0; i < sizeof LONG / sizeof LONG[0]; i++) {
        struct got got = fetch_path(client, server, LONG[i]);
        assert_failed(&got, ERROR_LIMIT, "too long");
    }
    /* Exactly as long as allowed. */
    struct got got =
        fetch(client, &(struct http_request){.url = url_of(server, "/hello"), .body_max = 5});
    assert_body(&got, "hello");
    got = fetch(client,
                &(struct http_request){.url = url_of(server, "/until-close"), .body_max = 12});
    assert_failed(&got, ERROR_LIMIT, "too long");
    http_client_close(client);
    test_server_stop(server);
}

static void bounds_the_time(void **state) {
    struct test_server *server = test_server_start(answer, NULL);
    struct http_client *client = open_client(&(struct http_client_config){.per_host = 1});
    struct got gots[5] = {0};

    (void)state;
    for (unsigned i = 0; i < 5; i++) /* all but the first wait for the one connection */
        start(client,
              &(struct http_request){.url = url_of(server, i % 2 ? "/hold" : "/drip"),
                                     .timeout_ms = 100},
              &gots[i]);
    while (http_client_step(client, 60000))
        ;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(gots[i].answers, 1);
        assert_failed(&gots[i], (enum error)ETIMEDOUT, "timed out");
    }
    http_client_close(client);
    test_server_stop(server);
}

static void tells_how_servers_fail(void **state) {
    struct test_server *server = test_server_start(answer, NULL);
    struct http_client *client = open_client(&(struct http_client_config){0});
    uint16_t dead_port = 0;
    int dead = test_listen("127.0.0.1", &dead_port); /* does not listen */
    char url[64];

    (void)state;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", dead_port);
    struct got got = fetch(client, &(struct http_request){.url = url});
    assert_failed(&got, (enum error)ECONNREFUSED, "Connection refused");
    got = fetch(client, &(struct http_request){.url = "http://nowhere.invalid/"});
    assert_failed(&got, (enum error)EHOSTUNREACH, "no address");
    got = fetch_path(client, server, "/partial");
    assert_failed(&got, (enum error)ECONNRESET, "too early");
    got = fetch_path(client, server, "/silent-end");
    assert_failed(&got, (enum error)ECONNRESET, "too early");
    got = fetch_path(client, server, "/garbage");
    assert_failed(&got, ERROR_UNSUPPORTED, "HTTP/0.9"); /* an answer without a status line */
    http_client_close(client);
    test_server_stop(server);
    close(dead);
}

static void reads_retry_after(void **state) {
    struct test_server *server = test_server_start(answer, NULL);
    struct http_client *client = open_client(&(struct http_client_config){0});

    (void)state;
    struct got got = fetch_path(client, server, "/retry");
    assert_int_equal(got.answer.status, 429);
    assert_int_equal(got.answer.retry_after_ms, 17000);
    got = fetch_path(client, server, "/retry-date");
    assert_int_equal(got.answer.status, 503);
    assert_in_range(got.answer.retry_after_ms, 3000000, 3600000);
    got = fetch_path(client, server, "/retry-odd");
    assert_int_equal(got.answer.retry_after_ms, -1);
    got = fetch_path(client, server, "/retry-far");
    assert_int_equal(got.answer.retry_after_ms, -1);
    http_client_close(client);
    test_server_stop(server);
}

static bool body_says(const struct got *got, const char *text) {
    return memmem(got->answer.body.ptr, got->answer.body.len, text, strlen(text)) != NULL;
}

static void sends_headers_and_bodies(void **state) {
    static const char *const HEADERS[] = {"X-One: 1", "If-None-Match: \"abc\"", NULL};
    struct test_server *server = test_server_start(answer, NULL);
    struct http_client *client =
        open_client(&(struct http_client_config){.user_agent = "trawl/test (+ops@example.org)"});

    (void)state;
    struct got got = fetch(client, &(struct http_request){.method = HTTP_POST,
                                                          .url = url_of(server, "/echo"),
                                                          .headers = HEADERS,
                                                          .body = slice_of("{\"a\":1}"),
                                                          .body_max = 1 << 20});
    assert_true(body_says(&got, "POST /echo HTTP/1.1\r\n"));
    assert_true(body_says(&got, "\r\nUser-Agent: trawl/test (+ops@example.org)\r\n"));
    assert_true(body_says(&got, "\r\nX-One: 1\r\nIf-None-Match: \"abc\"\r\n"));
    assert_true(body_says(&got, "\r\n\r\n{\"a\":1}"));
    assert_false(body_says(&got, "Expect:"));
    assert_false(body_says(&got, "Accept-Encoding"));
    got.answers = 0;
    buffer_deinit(&got.answer.body);

    /* Nothing of it stays for the next, which uses the same handle. */
    got = fetch(client, &(struct http_request){.url = url_of(server, "/echo")});
    assert_true(body_says(&got, "GET /echo HTTP/1.1\r\n"));
    assert_false(body_says(&got, "X-One"));
    assert_false(body_says(&got, "{"));
    buffer_deinit(&got.answer.body);
    http_client_close(client);
    test_server_stop(server);
}

static void refuses_what_is_no_url(void **state) {
    static const char *const BAD[] = {"",
                                      "example.org",
                                      "file:///etc/passwd",
                                      "ftp://127.0.0.1/",
                                      "ldap://127.0.0.1/",
                                      "http://",
                                      "http://127.0.0.1:99999/",
                                      "http://a b/",
                                      "gopher://127.0.0.1/"};
    struct http_client *client = open_client(&(struct http_client_config){0});

    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct failure failure = {.text = ""};
        struct got got = {0};
        http_handle handle;
        assert_int_equal(http_start(client, &(struct http_request){.url = BAD[i]}, keep_answer,
                                    &got, 1, &handle, &failure),
                         ERROR_USAGE);
        assert_true(strlen(failure.text) > 0);
        assert_int_equal(http_client_step(client, 0), 0);
        assert_int_equal(got.answers, 0);
    }
    http_client_close(client);
}

static void cancels(void **state) {
    struct test_server *server = test_server_start(answer, NULL);
    struct http_client *client = open_client(&(struct http_client_config){0});
    struct got held = {0}, other = {0};

    (void)state;
    http_handle handle =
        start(client, &(struct http_request){.url = url_of(server, "/hold")}, &held);
    while (atomic_load(&server->requests_total) == 0)
        assert_int_equal(http_client_step(client, 10), 1);
    http_cancel(client, handle);
    http_cancel(client, handle);
    http_cancel(client, 0);
    http_cancel(client, UINT64_MAX);
    assert_int_equal(http_client_step(client, 0), 0);

    /* The next one has the same place, but not the same handle. */
    start(client, &(struct http_request){.url = url_of(server, "/hello")}, &other);
    http_cancel(client, handle);
    while (http_client_step(client, 1000))
        ;
    assert_int_equal(held.answers, 0);
    assert_int_equal(other.answers, 1);
    assert_body(&other, "hello");
    http_client_close(client);
    test_server_stop(server);
}

/* Two requests that end in one step: the first callback cancels the other and starts a third. */
struct tangle {
    struct http_client *client;
    struct test_server *server;
    http_handle handles[2];
    unsigned answers;
    struct got third;
};

static void cancel_the_other(void *context, uint64_t tag, struct http_answer *answer_) {
    struct tangle *tangle = context;

    assert_int_equal(answer_->status, 200);
    tangle->answers++;
    http_cancel(tangle->client, tangle->handles[tag]);
    http_cancel(tangle->client, tangle->handles[!tag]);
    start(tangle->client, &(struct http_request){.url = url_of(tangle->server, "/hello")},
          &tangle->third);
}

static void callbacks_cancel_and_start(void **state) {
    struct test_server *server = test_server_start(answer, NULL);
    struct tangle tangle = {.client = open_client(&(struct http_client_config){0}),
                            .server = server};

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            http_start(tangle.client,
                       &(struct http_request){.url = url_of(server, "/hello"), .body_max = 100},
                       cancel_the_other, &tangle, i, &tangle.handles[i], NULL),
            ERROR_NONE);
    while (http_client_step(tangle.client, 1000))
        ;
    assert_int_equal(tangle.answers, 1);
    assert_int_equal(tangle.third.answers, 1);
    assert_body(&tangle.third, "hello");
    http_client_close(tangle.client);
    test_server_stop(server);
}

static void closes_while_under_way(void **state) {
    struct test_server *server = test_server_start(answer, NULL);
    struct http_client *client = open_client(&(struct http_client_config){.per_host = 2});
    struct got gots[8] = {0};

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        start(client,
              &(struct http_request){.url = i == 7 ? "http://slow.invalid/"
                                                   : url_of(server, i % 2 ? "/hold" : "/drip")},
              &gots[i]);
    while (atomic_load(&server->requests_total) < 2)
        http_client_step(client, 10);
    http_client_close(client);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(gots[i].answers, 0);
    test_server_stop(server);
    http_client_close(NULL);
}

static void *wake(void *client) {
    http_client_wake(client);
    return NULL;
}

static void wakes(void **state) {
    struct http_client *client = open_client(&(struct http_client_config){0});
    pthread_t thread;

    (void)state;
    pthread_create(&thread, NULL, wake, client);
    http_client_step(client, UINT32_MAX); /* would hang */
    pthread_join(thread, NULL);
    http_client_close(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_an_answer_with_its_headers),
        cmocka_unit_test(keeps_connections),
        cmocka_unit_test(follows_redirects_to_a_depth),
        cmocka_unit_test(asks_for_each_address),
        cmocka_unit_test(bounds_what_comes),
        cmocka_unit_test(bounds_the_time),
        cmocka_unit_test(tells_how_servers_fail),
        cmocka_unit_test(reads_retry_after),
        cmocka_unit_test(sends_headers_and_bodies),
        cmocka_unit_test(refuses_what_is_no_url),
        cmocka_unit_test(cancels),
        cmocka_unit_test(callbacks_cancel_and_start),
        cmocka_unit_test(closes_while_under_way),
        cmocka_unit_test(wakes),
    };

    signal(SIGPIPE, SIG_IGN);
    if (http_global_init(NULL))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_deinit();
    return failed;
}
