/* From the ledger over the outbox to a webhook's server, which answers as the test says. */
#include "tests/unit/http/test_server.h"
#include "tests/unit/monitor/ledger_fixture.h"
#include "tools/monitor/outbox.h"

#include <openssl/hmac.h>
#include <signal.h>

enum { SEEN_MAX = 64, WAIT_MS = 5 };

static struct {
    pthread_mutex_t mutex;
    unsigned count;
    char bodies[SEEN_MAX][2048];
    char ids[SEEN_MAX][64], times[SEEN_MAX][32], signatures[SEEN_MAX][64];
    const char *bad; /* an answer, to so many requests whose body holds `bad_for` */
    const char *bad_for;
    unsigned bad_left;
} seen = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void copy_header(const char *request, const char *name, char *out, size_t size) {
    const char *at = strcasestr(request, name);
    size_t len = at ? strcspn(at + strlen(name), "\r") : 0;

    snprintf(out, size, "%.*s", (int)len, at ? at + strlen(name) : "");
}

static bool answer(struct test_connection *connection, const char *path) {
    const char *text = "HTTP/1.1 204 Fine\r\n\r\n", *request = connection->request;

    (void)path;
    pthread_mutex_lock(&seen.mutex);
    assert_true(seen.count < SEEN_MAX);
    assert_non_null(strcasestr(request, "x-own: yes\r\n"));
    snprintf(seen.bodies[seen.count], sizeof seen.bodies[0], "%s", strstr(request, "\r\n\r\n") + 4);
    copy_header(request, "webhook-id: ", seen.ids[seen.count], sizeof seen.ids[0]);
    copy_header(request, "webhook-timestamp: ", seen.times[seen.count], sizeof seen.times[0]);
    copy_header(request, "webhook-signature: ", seen.signatures[seen.count],
                sizeof seen.signatures[0]);
    seen.count++;
    if (seen.bad_left && strstr(request, seen.bad_for)) {
        seen.bad_left--;
        text = seen.bad;
    }
    pthread_mutex_unlock(&seen.mutex);
    return test_say(connection, text);
}

/* --- An outbox on it --- */

static struct outbox *outbox;
static struct test_server *server;
static char hook_url[64], secret_path[128];
static const char *const headers[] = {"X-Own: yes", NULL};
static struct channel_config channel;

static void open_outbox(void) {
    struct outbox_config config = {.url = store_url,
                                   .ledger = ledger,
                                   .channels = &channel,
                                   .channel_count = 1,
                                   .first_pause_ms = 1};
    struct failure failure = {0};

    channel = (struct channel_config){.kind = &channel_webhook,
                                      .name = "loud",
                                      .url = hook_url,
                                      .secret_file = secret_path,
                                      .headers = headers};
    if (outbox_open(&outbox, &config, &failure))
        fail_msg("%s", failure.text);
}

static int outbox_setup(void **state) {
    signal(SIGPIPE, SIG_IGN);
    if (http_global_init(NULL) || setup(state))
        return -1;
    snprintf(secret_path, sizeof secret_path, "%s", scratch_path("secret"));
    FILE *file = fopen(secret_path, "w");
    fputs("open sesame\n", file);
    fclose(file);
    memset(&seen.count, 0, sizeof seen - offsetof(typeof(seen), count));
    server = test_server_start(answer, NULL);
    snprintf(hook_url, sizeof hook_url, "http://127.0.0.1:%u/hook", server->port);
    return 0;
}

static int outbox_teardown(void **state) {
    outbox_close(outbox);
    outbox = NULL;
    int error = teardown(state);
    test_server_stop(server);
    http_global_deinit();
    return error;
}

static void wait_until(const char *text, int64_t expected) {
    for (int waited = 0; count(text) != expected; waited += WAIT_MS) {
        if (waited > HANG_MS)
            fail_msg("%s never was %d", text, (int)expected);
        usleep(WAIT_MS * 1000);
    }
}

#define DELIVERED "SELECT count(*) FROM monitor_outbox WHERE channel = 'loud' AND delivered_at > 0"
#define DEAD      "SELECT count(*) FROM monitor_outbox WHERE channel = 'loud' AND dead = 1"

/* --- Tests --- */

static void test_delivered(void **state) {
    int64_t target = add_target("www.example.org", false);
    uint8_t mac[32];
    unsigned mac_len;
    char text[4096], expected[64] = "v1,";

    (void)state;
    open_outbox();
    give(target, 1, 5);
    flush();
    outbox_wake(outbox);
    wait_until(DELIVERED, 1);
    assert_int_equal(seen.count, 1);
    assert_non_null(strstr(seen.bodies[0], "{\"schema_version\":\"1\",\"event\":\"tls_expiry\","));
    assert_non_null(strstr(seen.bodies[0], "\"host\":\"www.example.org\",\"port\":443"));
    assert_non_null(strstr(seen.bodies[0], "\"priority\":\"high\""));
    assert_non_null(strstr(seen.bodies[0], seen.ids[0]));
    /* Standard Webhooks: id, time and body with dots between. */
    snprintf(text, sizeof text, "%s.%s.%s", seen.ids[0], seen.times[0], seen.bodies[0]);
    assert_non_null(
        HMAC(EVP_sha256(), "open sesame", 11, (uint8_t *)text, strlen(text), mac, &mac_len));
    EVP_EncodeBlock((uint8_t *)expected + 3, mac, sizeof mac);
    assert_string_equal(seen.signatures[0], expected);
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE channel = 'grave'"), 0);
}

/* What fails is tried again with the same id; what resolves waits for what it resolves. */
static void test_tried_again(void **state) {
    int64_t target = add_target("www.example.org", false), other = add_target("b.example", false);

    (void)state;
    seen.bad = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    seen.bad_for = "tls_expiry";
    seen.bad_left = 3;
    give(target, 1, 5);
    give(target, 2, 80);
    give(other, 3, 60);
    give(other, 4, 80); /* a renewal, of another alert */
    flush();
    open_outbox();
    wait_until(DELIVERED, 3);
    const char *id = NULL;
    unsigned expiry = 0, renewed = 0;
    for (unsigned i = 0; i < seen.count; i++)
        if (strstr(seen.bodies[i], "tls_expiry")) {
            assert_int_equal(renewed, 0);
            id = id ? id : seen.ids[i];
            assert_string_equal(seen.ids[i], id);
            expiry++;
        } else if (strstr(seen.bodies[i], "\"state\":\"resolved\"")) {
            renewed++;
        }
    assert_int_equal(expiry, 4);
    assert_int_equal(renewed, 1);
    assert_int_equal(count("SELECT attempts FROM monitor_outbox WHERE event = 'tls_expiry'"), 4);
}

struct deed {
    int64_t id;
    uint64_t changed;
};

static enum error replay(struct ledger_write *write, void *context, struct failure *failure) {
    struct deed *deed = context;
    return tables_replay(write->database, deed->id, write->now_ms, &deed->changed, failure);
}

static void test_dead_and_replayed(void **state) {
    int64_t target = add_target("www.example.org", false);
    struct deed deed = {0};
    struct outbox_statistics statistics[LEDGER_CHANNELS];

    (void)state;
    seen.bad = "HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\nno one";
    seen.bad_for = "tls_expiry";
    seen.bad_left = 1;
    open_outbox();
    give(target, 1, 5);
    flush();
    outbox_wake(outbox);
    wait_until(DEAD, 1);
    assert_int_equal(count("SELECT count(*) FROM monitor_outbox WHERE last_error LIKE"
                           " 'HTTP 404%no one%'"),
                     1);
    deed.id = count("SELECT id FROM monitor_outbox WHERE dead = 1");
    OK(monitor_ledger_call(ledger, replay, &deed, NULL));
    assert_int_equal(deed.changed, 1);
    outbox_wake(outbox);
    wait_until(DELIVERED, 1);
    assert_int_equal(outbox_statistics(outbox, statistics), 1);
    assert_int_equal(statistics[0].delivered, 1);
    assert_int_equal(statistics[0].dead, 1);
}

/* A server that never answers does not hold up the end, and its notice waits. */
static bool hold(struct test_connection *connection, const char *path) {
    (void)path;
    return test_hold(connection);
}

static void test_stopped(void **state) {
    int64_t target = add_target("www.example.org", false);

    (void)state;
    test_server_stop(server);
    server = test_server_start(hold, NULL);
    snprintf(hook_url, sizeof hook_url, "http://127.0.0.1:%u/hook", server->port);
    give(target, 1, 5);
    flush();
    open_outbox();
    while (atomic_load(&server->requests_total) == 0)
        usleep(WAIT_MS * 1000);
    outbox_close(outbox);
    outbox = NULL;
    assert_int_equal(count("SELECT attempts FROM monitor_outbox"), 0);
    assert_int_equal(count(DELIVERED) + count(DEAD), 0);
}

#define OUTBOX_TEST(name) cmocka_unit_test_setup_teardown(name, outbox_setup, outbox_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        OUTBOX_TEST(test_delivered),
        OUTBOX_TEST(test_tried_again),
        OUTBOX_TEST(test_dead_and_replayed),
        OUTBOX_TEST(test_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
