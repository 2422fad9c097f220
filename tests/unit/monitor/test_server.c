/* The whole server over loopback, before a ledger on a small SQLite store and a schedule that is
 * only said to scan. */
#include "tools/monitor/server.h"

#include "engine/base/clock.h"
#include "engine/record/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <yyjson.h>

#define OK(call) assert_int_equal(call, ERROR_NONE)

enum { HANG_MS = 120 * 1000, ANSWER_MAX = 256 * 1024, TOKENS = 4, CLIENT_MS = 300, TRIES = 20 };

static const char ADMIN[] = "admin-token-of-this-test";
static const char OPERATOR[] = "operate-token-of-this-test";
static const char BRANCH[] = "agents-token-of-this-test"; /* its reports have to be signed */
static const char READER[] = "read-token-of-this-test";

struct fixture {
    char folder[64], url[128];
    struct event_hub *hub;
    struct monitor_ledger *ledger;
    struct auth *auth;
    struct api api;
    struct server *server;
    char *answer; /* of the last call: head and body */
    char *body;
    unsigned status;
};

/* --- A schedule --- */

static enum error scan(void *owner, const int64_t *keys, uint32_t count, uint64_t *id,
                       struct failure *failure) {
    (void)owner, (void)keys, (void)count, (void)failure;
    *id = 7;
    return ERROR_NONE;
}

static bool progress(void *owner, uint64_t id, struct api_scan *out) {
    (void)owner;
    *out = (struct api_scan){.total = 2, .done = 2, .finished = true};
    return id == 7;
}

static void wait_for_scan(void *owner, uint64_t id, uint32_t wait_ms) {
    (void)owner, (void)id, (void)wait_ms;
}

static int64_t next_check(void *owner, int64_t key) {
    (void)owner, (void)key;
    return 0;
}

static enum error probe(void *owner, const struct monitor_target *target, uint32_t wait_ms,
                        struct probe_record **out, struct failure *failure) {
    (void)owner, (void)wait_ms;
    *out = probe_record_new(1024);
    if (!*out)
        return failure_set(failure, ERROR_MEMORY, "no memory");
    (*out)->host = arena_copy(&(*out)->head.memory, slice_of(target->host));
    (*out)->port = target->port;
    (*out)->protocol = slice_of("tls");
    (*out)->outcome = OUTCOME_REFUSED;
    (*out)->status = STATUS_ERROR;
    return ERROR_NONE;
}

static uint64_t overdue(void *owner) {
    return *(uint64_t *)owner;
}

static uint64_t overdue_targets;

/* --- Starting --- */

static void make_tokens(struct auth *auth) {
    struct auth_token tokens[TOKENS];
    struct failure failure;

    OK(auth_token_from_text(&tokens[0], "root", ROLE_ADMIN, slice_of(ADMIN), &failure));
    OK(auth_token_from_text(&tokens[1], "olga", ROLE_OPERATE, slice_of(OPERATOR), &failure));
    OK(auth_token_from_text(&tokens[2], "rita", ROLE_READ, slice_of(READER), &failure));
    OK(auth_token_from_text(&tokens[3], "branch", ROLE_OPERATE, slice_of(BRANCH), &failure));
    tokens[3].report_secret = (struct webhook_secret){.bytes = "key", .len = 3};
    auth_replace(auth, tokens, TOKENS);
}

static void start(struct fixture *fixture, const struct server_config *given) {
    struct server_config config = *given;
    struct failure failure;

    *fixture = (struct fixture){.folder = "/tmp/trawl-server-XXXXXX"};
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->url, sizeof fixture->url, "sqlite:%s/store.db", fixture->folder);
    static const int32_t days[] = {30, 14, 7, 1};
    static const struct ledger_channel channels[1]; /* none of them counts */
    const struct ledger_config ledger = {
        .url = fixture->url, .threshold_days = days, .threshold_count = 4, .channels = channels};
    OK(monitor_ledger_open(&fixture->ledger, &ledger, &fixture->hub, &failure));
    OK(auth_new(&fixture->auth, &failure));
    make_tokens(fixture->auth);
    overdue_targets = 0;
    fixture->api = (struct api){
        .version = "1.2.3",
        .store_url = fixture->url,
        .auth = fixture->auth,
        .ledger = fixture->ledger,
        .hub = fixture->hub,
        .schedule = {&overdue_targets, scan, progress, wait_for_scan, next_check, probe, overdue},
        .started_ms = clock_unix_ms(),
    };
    config.address = "127.0.0.1:0";
    config.api = &fixture->api;
    OK(server_start(&fixture->server, &config, &failure));
    fixture->answer = malloc(ANSWER_MAX);
    assert_non_null(fixture->answer);
}

static void stop(struct fixture *fixture) {
    char path[128];
    struct failure failure;

    server_stop(fixture->server);
    OK(monitor_ledger_close(fixture->ledger, &failure));
    event_hub_close(fixture->hub);
    auth_free(fixture->auth);
    free(fixture->answer);
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(path, sizeof path, "%s/store.db%s", fixture->folder, ends[i]);
        unlink(path);
    }
    rmdir(fixture->folder);
}

/* --- A client --- */

static int connect_to(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static ssize_t hear_some(int fd, char *out, size_t size) {
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&polled, 1, HANG_MS), 1);
    return recv(fd, out, size, 0);
}

/* Sends it as it is, and reads until the other side closes. */
static unsigned say(struct fixture *fixture, const char *bytes) {
    int fd = connect_to(server_port(fixture->server));
    size_t len = 0;
    ssize_t more;

    (void)!send(fd, bytes, strlen(bytes), MSG_NOSIGNAL);
    while ((more = hear_some(fd, fixture->answer + len, ANSWER_MAX - 1 - len)) > 0)
        len += (size_t)more;
    close(fd);
    fixture->answer[len] = 0;
    char *body = strstr(fixture->answer, "\r\n\r\n");
    fixture->body = body ? body + 4 : fixture->answer + len;
    fixture->status = len > 12 ? (unsigned)strtoul(fixture->answer + 9, NULL, 10) : 0;
    return fixture->status;
}

/* `headers` end with a line end each. */
static unsigned call_with(struct fixture *fixture, const char *method, const char *path,
                          const char *headers, const char *body) {
    struct buffer text;

    buffer_init(&text);
    buffer_add_format(&text, "%s %s HTTP/1.1\r\n%s%sConnection: close\r\n", method, path,
                      strstr(headers, "Host:") ? "" : "Host: localhost\r\n", headers);
    if (body)
        buffer_add_format(&text, "Content-Length: %zu\r\n", strlen(body));
    buffer_add_format(&text, "\r\n%s", body ? body : "");
    buffer_add_byte(&text, 0);
    unsigned status = say(fixture, (const char *)text.ptr);
    buffer_deinit(&text);
    return status;
}

static unsigned call_as(struct fixture *fixture, const char *token, const char *method,
                        const char *path, const char *body) {
    char headers[200];

    snprintf(headers, sizeof headers, "X-API-Key: %s\r\n", token);
    return call_with(fixture, method, path, headers, body);
}

static void assert_call(struct fixture *fixture, const char *token, const char *method,
                        const char *path, const char *body, unsigned status, const char *words) {
    if (call_as(fixture, token, method, path, body) != status || !strstr(fixture->answer, words))
        fail_msg("%s %s gave %s", method, path, fixture->answer);
}

/* A text or number of the answer's object, by its path. */
static const char *text_at(struct fixture *fixture, const char *pointer) {
    static char text[256];
    yyjson_doc *document = yyjson_read(fixture->body, strlen(fixture->body), 0);
    yyjson_val *value = yyjson_doc_ptr_get(document, pointer);

    if (!document)
        fail_msg("no JSON: %s", fixture->answer);
    char *written = value ? yyjson_val_write(value, 0, NULL) : NULL;
    snprintf(text, sizeof text, "%s", written ? written : "nothing");
    free(written);
    yyjson_doc_free(document);
    return text;
}

#define ASSERT_AT(fixture, pointer, json) assert_string_equal(text_at(fixture, pointer), json)

/* --- Tests --- */

static const struct server_config usual = {0};

static void test_who_may(void **unused) {
    (void)unused;
    struct fixture fixture;

    start(&fixture, &usual);
    assert_int_equal(call_with(&fixture, "GET", "/api/targets", "", NULL), 401);
    assert_non_null(strstr(fixture.answer, "WWW-Authenticate: Bearer"));
    assert_int_equal(
        call_with(&fixture, "GET", "/api/session", "X-API-Key: a-token-that-is-wrong\r\n", NULL),
        401);
    assert_call(&fixture, READER, "GET", "/api/session", NULL, 200, "\"role\":\"read\"");
    assert_call(&fixture, READER, "HEAD", "/api/session", NULL, 200, "Content-Length");
    assert_string_equal(fixture.body, "");
    assert_call(&fixture, READER, "POST", "/api/tls/scan", "", 403, "operate");
    assert_call(&fixture, OPERATOR, "GET", "/api/audit", NULL, 403, "admin");
    char bearer[100];
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s\r\n", ADMIN);
    assert_int_equal(call_with(&fixture, "GET", "/api/session", bearer, NULL), 200);
    ASSERT_AT(&fixture, "/name", "\"root\"");
    assert_non_null(strstr(fixture.answer, "Content-Security-Policy: default-src 'none'"));
    assert_non_null(strstr(fixture.answer, "X-Content-Type-Options: nosniff"));
    assert_non_null(strstr(fixture.answer, "Cache-Control: no-store"));
    stop(&fixture);
}

static void test_methods(void **unused) {
    (void)unused;
    struct fixture fixture;

    start(&fixture, &usual);
    assert_call(&fixture, ADMIN, "DELETE", "/api/targets", NULL, 405,
                "Allow: GET, HEAD, OPTIONS\r\n");
    assert_call(&fixture, ADMIN, "OPTIONS", "/api/tls/targets", NULL, 204,
                "Allow: GET, POST, HEAD, OPTIONS\r\n");
    assert_call(&fixture, ADMIN, "BREW", "/api/targets", NULL, 405, "Allow:");
    assert_call(&fixture, ADMIN, "GET", "/api/nothing", NULL, 404, "\"error\"");
    assert_call(&fixture, ADMIN, "GET", "/../etc/passwd", NULL, 404, "\"error\"");
    assert_call(&fixture, ADMIN, "GET", "/api/targets?limit=none", NULL, 400, "limit");
    assert_call(&fixture, ADMIN, "GET", "/api/targets?status=green", NULL, 400, "warning");
    assert_call(&fixture, ADMIN, "GET", "/api/targets?q=%zz", NULL, 400, "cannot be read");
    assert_call(&fixture, ADMIN, "GET", "/", NULL, 200, "script-src 'self'");
    assert_non_null(strstr(fixture.answer, "ETag: \""));
    stop(&fixture);
}

static void test_other_pages(void **unused) {
    (void)unused;
    struct fixture fixture;
    char headers[512], cookie[200];
    static const char *const ours[] = {"scout.example.org", NULL};

    start(&fixture, &(struct server_config){.names = ours});
    uint16_t port = server_port(fixture.server);
    snprintf(headers, sizeof headers, "Host: evil.example:%u\r\nX-API-Key: %s\r\n", port, ADMIN);
    assert_int_equal(call_with(&fixture, "GET", "/api/session", headers, NULL), 403);
    snprintf(headers, sizeof headers, "Host: Scout.example.org\r\nX-API-Key: %s\r\n", ADMIN);
    assert_int_equal(call_with(&fixture, "GET", "/api/session", headers, NULL), 200);
    snprintf(headers, sizeof headers, "Host: a\r\nHost: b\r\nX-API-Key: %s\r\n", ADMIN);
    assert_int_equal(call_with(&fixture, "GET", "/api/session", headers, NULL), 400);
    snprintf(headers, sizeof headers, "Origin: http://evil.example\r\nX-API-Key: %s\r\n", ADMIN);
    assert_int_equal(call_with(&fixture, "GET", "/api/session", headers, NULL), 403);

    char login[200];
    snprintf(login, sizeof login, "{\"token\":\"%s\"}", OPERATOR);
    assert_int_equal(call_with(&fixture, "POST", "/api/session", "", login), 200);
    ASSERT_AT(&fixture, "/role", "\"operate\"");
    const char *set = strstr(fixture.answer, "Set-Cookie: ");
    assert_non_null(set);
    assert_non_null(strstr(set, "HttpOnly; SameSite=Strict"));
    snprintf(cookie, sizeof cookie, "Cookie: %.*s\r\n", (int)strcspn(set + 12, ";"), set + 12);
    assert_int_equal(call_with(&fixture, "GET", "/api/session", cookie, NULL), 200);
    /* what changes something must come from a page of ours */
    assert_int_equal(call_with(&fixture, "POST", "/api/tls/scan", cookie, NULL), 403);
    snprintf(headers, sizeof headers, "Origin: http://localhost:9\r\n%s", cookie);
    assert_int_equal(call_with(&fixture, "POST", "/api/tls/scan", headers, NULL), 403);
    snprintf(headers, sizeof headers, "Host: localhost:9\r\nOrigin: http://localhost:9\r\n%s",
             cookie);
    assert_int_equal(call_with(&fixture, "POST", "/api/tls/scan", headers, NULL), 200);
    snprintf(headers, sizeof headers, "Sec-Fetch-Site: same-origin\r\n%s", cookie);
    assert_int_equal(call_with(&fixture, "POST", "/api/mutes", headers, "{}"), 400);
    assert_non_null(strstr(fixture.body, "application/json"));
    stop(&fixture);
}

static void test_targets(void **unused) {
    (void)unused;
    struct fixture fixture;
    char path[100], id[32];

    start(&fixture, &usual);
    assert_call(&fixture, OPERATOR, "POST", "/api/tls/targets",
                "{\"host\":\"WWW.Example.org\",\"port\":8443,\"warn_days\":10,\"crit_days\":20,"
                "\"label\":\"sh\\u00f6p\",\"tags\":[\"a_b\",\"c\"]}",
                200, "{\"ok\":true,\"id\":\"tls_");
    snprintf(id, sizeof id, "%.16s", strstr(fixture.body, "tls_"));
    assert_call(&fixture, OPERATOR, "POST", "/api/tls/targets", "{\"host\":\"\"}", 400,
                "invalid target — host required, port 1-65535");
    assert_call(&fixture, OPERATOR, "POST", "/api/tls/targets", "{\"host\":\"x\",\"port\":70000}",
                400, "invalid target — host required, port 1-65535");
    assert_call(&fixture, OPERATOR, "POST", "/api/tls/targets", "{\"host\":", 400, "not JSON");
    /* members of another kind than they should be */
    assert_call(&fixture, OPERATOR, "POST", "/api/tls/targets", "{\"host\":[7]}", 400,
                "invalid target");
    assert_call(&fixture, OPERATOR, "POST", "/api/mutes", "{\"reason\":{\"a\":1},\"event\":[1,2]}",
                200, "ok");
    assert_call(&fixture, OPERATOR, "POST", "/api/session", "{\"token\":[1]}", 401, "unknown");
    assert_call(&fixture, READER, "GET", "/api/tls/targets", NULL, 200, "\"www.example.org\"");
    ASSERT_AT(&fixture, "/0/crit_days", "10"); /* at most warn_days */
    ASSERT_AT(&fixture, "/0/status", "\"unknown\"");
    ASSERT_AT(&fixture, "/0/days_left", "null");
    ASSERT_AT(&fixture, "/0/chain", "[]");
    assert_call(&fixture, READER, "GET", "/api/targets?q=EXAMPLE&tag=a_b", NULL, 200, id);
    ASSERT_AT(&fixture, "/counts/unknown", "1");
    ASSERT_AT(&fixture, "/next", "null");
    assert_call(&fixture, READER, "GET", "/api/targets?tag=axb", NULL, 200, "\"targets\":[]");
    snprintf(path, sizeof path, "/api/tls/targets/%s", id);
    assert_call(&fixture, OPERATOR, "PATCH", path, "{\"port\":443}", 200, "{\"ok\":true}");
    assert_call(&fixture, OPERATOR, "PUT", path, "{\"label\":\"x\"}", 200, "{\"ok\":true}");
    snprintf(path, sizeof path, "/api/targets/%s", id);
    assert_call(&fixture, READER, "GET", path, NULL, 200, "\"results\":[]");
    ASSERT_AT(&fixture, "/port", "443");
    ASSERT_AT(&fixture, "/label", "\"x\"");
    assert_call(&fixture, READER, "GET", "/api/targets/tls_000000000000", NULL, 404,
                "target not found");
    snprintf(path, sizeof path, "/api/tls/targets/%s", id);
    assert_call(&fixture, OPERATOR, "DELETE", path, NULL, 200, "{\"ok\":true}");
    assert_call(&fixture, OPERATOR, "DELETE", path, NULL, 404, "target not found");
    assert_call(&fixture, OPERATOR, "POST", "/api/tls/scan", NULL, 200, "\"scanned\":2");
    assert_call(&fixture, ADMIN, "GET", "/api/audit", NULL, 200, "\"tls_scan\"");
    ASSERT_AT(&fixture, "/audit/0/who", "\"olga\"");
    ASSERT_AT(&fixture, "/audit/5/action", "\"tls_add\"");
    stop(&fixture);
}

static void test_pages_of_targets(void **unused) {
    (void)unused;
    struct fixture fixture;
    char body[100], path[200];
    uint32_t seen = 0;

    start(&fixture, &usual);
    for (int i = 0; i < 7; i++) {
        snprintf(body, sizeof body, "{\"host\":\"h%d.example.org\"}", i % 4);
        assert_call(&fixture, ADMIN, "POST", "/api/tls/targets", body, 200, "ok");
    }
    snprintf(path, sizeof path, "/api/targets?limit=3");
    for (int page = 0; page < 3; page++) {
        assert_call(&fixture, ADMIN, "GET", path, NULL, 200, "targets");
        for (const char *at = fixture.body; (at = strstr(at, "\"id\":")); at++)
            seen++;
        const char *next = text_at(&fixture, "/next");
        if (page < 2)
            snprintf(path, sizeof path, "/api/targets?limit=3&cursor=%.*s", (int)strlen(next) - 2,
                     next + 1);
        else
            assert_string_equal(next, "null");
    }
    assert_int_equal(seen, 7);
    assert_call(&fixture, ADMIN, "GET", "/api/targets?cursor=1", NULL, 400, "cursor");
    stop(&fixture);
}

/* Every route that only reads answers JSON, or text, on a store with nothing in it. */
static void test_empty_store(void **unused) {
    (void)unused;
    static const char *const paths[] = {
        "/api/tls/targets",
        "/api/targets",
        "/api/certificates?q=a&issuer=b&expiring_within=30",
        "/api/certificates?status=expired&all=true",
        "/api/alerts?state=all&acknowledged=false&q=x",
        "/api/alerts?state=resolved",
        "/api/mutes",
        "/api/expiry?days=30",
        "/api/ct?verdict=info",
        "/api/agents",
        "/api/outbox",
        "/api/outbox?state=waiting",
        "/api/health",
        "/healthz",
        "/api/audit?limit=5",
        "/api/scans/7",
        "/api/openapi.json",
        "/api/sslscout/certificates?expiring_within=30&host=internal",
        "/api/sslscout/alerts?unread=true",
    };
    struct fixture fixture;

    start(&fixture, &usual);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_call(&fixture, ADMIN, "GET", paths[i], NULL, 200, "application/json");
        (void)text_at(&fixture, "");
    }
    assert_call(&fixture, ADMIN, "GET", "/metrics", NULL, 200, "trawl_monitor_store_ok 1\n");
    assert_call(&fixture, ADMIN, "GET", "/probe?target=127.0.0.1:1&module=smtp_starttls", NULL, 200,
                "probe_success{target=\"127.0.0.1:1\"} 0\n");
    assert_call(&fixture, ADMIN, "GET", "/probe", NULL, 400, "target is missing");
    assert_call(&fixture, ADMIN, "GET", "/probe?target=169.254.169.254", NULL, 400, "error");
    assert_call(&fixture, ADMIN, "POST", "/api/alerts/1/acknowledge", NULL, 404, "alert not found");
    assert_call(&fixture, ADMIN, "POST", "/api/outbox/1/replay", NULL, 404, "notice not found");
    assert_call(&fixture, ADMIN, "DELETE", "/api/mutes/x", NULL, 404, "mute not found");
    assert_call(&fixture, ADMIN, "GET", "/api/certificates/abc", NULL, 404,
                "certificate not found");
    assert_call(&fixture, ADMIN, "POST", "/api/mutes",
                "{\"event\":\"tls_expiry\",\"reason\":\"x\"}", 200, "\"id\":");
    assert_call(&fixture, ADMIN, "GET", "/api/mutes", NULL, 200, "tls_expiry");
    overdue_targets = 3;
    assert_call(&fixture, ADMIN, "GET", "/healthz", NULL, 503, "\"overdue_targets\":3");
    ASSERT_AT(&fixture, "/ok", "false");
    stop(&fixture);
}

static void test_bodies(void **unused) {
    (void)unused;
    struct fixture fixture;
    char *large = calloc(1, 100 * 1024);

    assert_non_null(large);
    start(&fixture, &usual);
    memset(large, ' ', 100 * 1024 - 1);
    assert_call(&fixture, ADMIN, "POST", "/api/mutes", large, 413, "65536");
    assert_int_equal(say(&fixture, "POST /api/mutes HTTP/1.1\r\nHost: localhost\r\n"
                                   "X-API-Key: admin-token-of-this-test\r\nConnection: close\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n"
                                   "5\r\n{\"eve\r\n7\r\nnt\":\"\"}\r\n0\r\n\r\n"),
                     200);
    memset(large, '[', 64);
    large[64] = 0;
    assert_call(&fixture, ADMIN, "POST", "/api/mutes", large, 400, "deep");
    assert_call(&fixture, ADMIN, "POST", "/api/mutes", "[]", 400, "not a JSON object");
    assert_call(&fixture, ADMIN, "GET", "/api/mutes", "x", 413, "0 bytes");
    free(large);
    stop(&fixture);
}

static void test_rates(void **unused) {
    (void)unused;
    struct fixture fixture;

    start(&fixture, &(struct server_config){.requests_per_minute = 12});
    unsigned status = 200;
    for (int i = 0; i < 1000 && status == 200; i++)
        status = call_as(&fixture, READER, "GET", "/api/session", NULL);
    assert_int_equal(status, 429);
    assert_non_null(strstr(fixture.answer, "Retry-After: "));
    stop(&fixture);
    start(&fixture, &usual);
    status = 401;
    for (int i = 0; i < 100 && status == 401; i++)
        status = call_as(&fixture, "guess-guess-guess-guess", "GET", "/api/session", NULL);
    assert_int_equal(status, 429);
    assert_call(&fixture, ADMIN, "GET", "/api/session", NULL, 429, "wrong tokens");
    stop(&fixture);
}

/* --- WebSockets --- */

static int open_websocket(struct fixture *fixture, const char *path) {
    static const char form[] = "GET %s HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\n"
                               "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    int fd = connect_to(server_port(fixture->server));
    char request[512];
    size_t len = 0;

    snprintf(request, sizeof request, form, path, READER);
    (void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
    fixture->answer[0] = 0;
    while (!strstr(fixture->answer, "\r\n\r\n")) { /* byte by byte: frames follow */
        assert_int_equal(hear_some(fd, fixture->answer + len, 1), 1);
        fixture->answer[++len] = 0;
    }
    assert_int_equal(strncmp(fixture->answer, "HTTP/1.1 101", 12), 0);
    /* RFC 6455 section 1.3 */
    assert_non_null(
        strstr(fixture->answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    return fd;
}

static void hear_all(int fd, uint8_t *out, size_t len) {
    for (size_t at = 0; at < len;) {
        ssize_t more = hear_some(fd, (char *)out + at, len - at);
        assert_true(more > 0);
        at += (size_t)more;
    }
}

/* A frame's opcode; its payload is a text. */
static int hear_frame(int fd, char *out, size_t size) {
    uint8_t head[4];
    size_t len;

    hear_all(fd, head, 2);
    len = head[1];
    if (len == 126) {
        hear_all(fd, head + 2, 2);
        len = (size_t)head[2] << 8 | head[3];
    }
    assert_true(len < size);
    hear_all(fd, (uint8_t *)out, len);
    out[len] = 0;
    return head[0] & 0x0f;
}

static void test_websocket(void **unused) {
    (void)unused;
    struct fixture fixture;
    char text[4096];

    start(&fixture, &usual);
    assert_call(&fixture, READER, "GET", "/api/events", NULL, 400, "Upgrade: websocket");
    int fd = open_websocket(&fixture, "/api/events");
    assert_call(&fixture, ADMIN, "POST", "/api/tls/targets", "{\"host\":\"a.example\"}", 200, "ok");
    assert_int_equal(hear_frame(fd, text, sizeof text), 1);
    assert_non_null(strstr(text, "\"kind\":\"target\""));
    assert_non_null(strstr(text, "\"host\":\"a.example\""));
    assert_int_equal(strncmp(text, "{\"seq\":1,\"at\":\"", 15), 0);
    /* a masked ping is answered with what it said */
    static const uint8_t ping[] = {0x89, 0x82, 1, 2, 3, 4, 'h' ^ 1, 'i' ^ 2};
    assert_int_equal(send(fd, ping, sizeof ping, MSG_NOSIGNAL), sizeof ping);
    assert_int_equal(hear_frame(fd, text, sizeof text), 10);
    assert_string_equal(text, "hi");
    /* bare frames of a client are an error (section 5.1) */
    static const uint8_t bare[] = {0x89, 0x00};
    assert_int_equal(send(fd, bare, sizeof bare, MSG_NOSIGNAL), sizeof bare);
    assert_int_equal(hear_frame(fd, text, sizeof text), 8);
    assert_int_equal((uint8_t)text[0] << 8 | (uint8_t)text[1], 1002);
    assert_int_equal(hear_some(fd, text, sizeof text), 0);
    close(fd);
    /* again from the beginning, and live from there on */
    fd = open_websocket(&fixture, "/api/events?since=0");
    assert_int_equal(hear_frame(fd, text, sizeof text), 1);
    assert_int_equal(strncmp(text, "{\"seq\":1,\"at\":\"", 15), 0);
    assert_call(&fixture, ADMIN, "POST", "/api/tls/targets", "{\"host\":\"b.example\"}", 200, "ok");
    assert_int_equal(hear_frame(fd, text, sizeof text), 1);
    assert_int_equal(strncmp(text, "{\"seq\":2,\"at\":\"", 15), 0);
    int other = open_websocket(&fixture, "/api/events");
    server_stop(fixture.server);
    fixture.server = NULL;
    assert_int_equal(hear_frame(fd, text, sizeof text), 8); /* going away */
    assert_int_equal((uint8_t)text[0] << 8 | (uint8_t)text[1], 1001);
    close(fd);
    close(other);
    stop(&fixture);
}

/* A report of `token`'s holder, signed with `key` at `time`. */
static unsigned report_signed(struct fixture *fixture, const char *token, const char *key,
                              int64_t time) {
    static const char body[] = "{\"agent\":\"b\",\"certificates\":[]}";
    struct webhook_secret secret = {.len = strlen(key)};
    char signature[WEBHOOK_SIGNATURE_MAX], headers[400];

    memcpy(secret.bytes, key, secret.len);
    webhook_sign(&secret, slice_of("b-1-2"), time, slice_of(body), signature);
    snprintf(headers, sizeof headers,
             "X-API-Key: %s\r\nWebhook-Id: b-1-2\r\nwebhook-timestamp: %" PRId64
             "\r\nwebhook-signature: v1,no %s\r\n",
             token, time, signature);
    return call_with(fixture, "POST", "/api/sslscout/report", headers, body);
}

static void test_signed_reports(void **unused) {
    (void)unused;
    struct fixture fixture;
    const char *unsigned_body = "{\"agent\":\"b\",\"certificates\":[]}",
               *path = "/api/sslscout/report";
    int64_t now_s = clock_unix_ms() / 1000;

    start(&fixture, &usual);
    assert_call(&fixture, BRANCH, "POST", path, unsigned_body, 403, "not signed");
    assert_int_equal(report_signed(&fixture, BRANCH, "kez", now_s), 403);
    assert_non_null(strstr(fixture.body, "not made with the secret"));
    assert_int_equal(report_signed(&fixture, BRANCH, "key", now_s - 3600), 403);
    assert_non_null(strstr(fixture.body, "seconds ago"));
    assert_call(&fixture, ADMIN, "GET", "/api/agents", NULL, 200, "\"agents\":[]");
    assert_int_equal(report_signed(&fixture, BRANCH, "key", now_s), 200);
    assert_call(&fixture, ADMIN, "GET", "/api/agents", NULL, 200, "\"name\":\"b\"");
    assert_call(&fixture, OPERATOR, "POST", path, unsigned_body, 200, "certificates_processed");
    assert_int_equal(report_signed(&fixture, OPERATOR, "any", 0), 200);
    stop(&fixture);
}

/* Asks again where this machine stood still for so long that it was sent away itself. */
static void assert_served(struct fixture *fixture) {
    uint64_t begun_ns;
    unsigned status;
    int tries = 0;

    do {
        begun_ns = clock_monotonic_ns();
        status = call_as(fixture, READER, "GET", "/api/session", NULL);
    } while (status != 200 && ++tries < TRIES &&
             clock_monotonic_ns() - begun_ns >= CLIENT_MS * UINT64_C(1000000));
    if (status != 200 || !strstr(fixture->answer, "rita"))
        fail_msg("status %u: %s", status, fixture->answer);
}

/* Clients that say nothing, or half of it, keep nobody else out and go after their time. */
static void test_slow_clients(void **unused) {
    (void)unused;
    struct fixture fixture;
    int fds[12];

    start(&fixture, &(struct server_config){.connections_max = 16, .client_ms = CLIENT_MS});
    for (int i = 0; i < 12; i++) {
        fds[i] = connect_to(server_port(fixture.server));
        (void)!send(fds[i], "GET / HTTP/1.1\r\nHo", 18, MSG_NOSIGNAL);
    }
    assert_served(&fixture);
    for (int i = 0; i < 12; i++) {
        char byte;
        (void)hear_some(fds[i], &byte, 1); /* it is told, or closed */
        close(fds[i]);
    }
    assert_served(&fixture);
    stop(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_may),          cmocka_unit_test(test_methods),
        cmocka_unit_test(test_other_pages),      cmocka_unit_test(test_targets),
        cmocka_unit_test(test_pages_of_targets), cmocka_unit_test(test_empty_store),
        cmocka_unit_test(test_bodies),           cmocka_unit_test(test_rates),
        cmocka_unit_test(test_websocket),        cmocka_unit_test(test_slow_clients),
        cmocka_unit_test(test_signed_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
