/* The NATS sink where no server is: what it is told is read and checked, and it waits for one. */
#include "sinks/sink.h"
#include "tests/unit/sinks/scratch.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Nobody listens there, as long as it is held. */
static int hold_port(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void expect_refusal(const char *spec, const struct encoder *encoder, const char *words) {
    struct sink *sink;
    struct failure failure = {0};
    struct sink_config config = {.spec = spec, .encoder = encoder};

    assert_int_equal(sink_open(&sink, &config, &failure), ERROR_USAGE);
    assert_null(sink);
    if (!strstr(failure.text, words) || strstr(failure.text, "secret"))
        fail_msg("%s: %s", spec, failure.text);
}

static void refusals(void **state) {
    (void)state;
    expect_refusal("nats://u:secret@127.0.0.1", NULL, "the subject");
    expect_refusal("nats://u:secret@127.0.0.1/a.>", NULL, "the subject");
    expect_refusal("nats://u:secret@/a", NULL, "HOST:PORT");
    expect_refusal("nats://u:secret@127.0.0.1/a#windwo=1", NULL, "did you mean window?");
    expect_refusal("nats://u:secret@127.0.0.1/a#window=0", NULL, "window");
    expect_refusal("nats://u:secret@127.0.0.1/a#create", NULL, "#stream=NAME");
    expect_refusal("nats://u:secret@127.0.0.1/a#stream=x,dedupe=1m", NULL, "come with #create");
    expect_refusal("nats://u:secret@127.0.0.1/a#stream=x.y", NULL, "#stream");
    expect_refusal("nats://u:secret@127.0.0.1/a", &csv_encoder, "json or msgpack");
    expect_refusal("nats://u:secret@127.0.0.1/a#token-file=/nonexistent", NULL, "No such file");
    expect_refusal("nats://u:secret@127.0.0.1/a#creds-file=/dev/null", NULL, "one of them");
    expect_refusal("nats://u:secret@127.0.0.1/a#tls,cert-file=/dev/null", NULL, "go together");
    expect_refusal("nats://127.0.0.1/a#user=u,password-file=/dev/null", NULL, "there is nothing");
    expect_refusal("nats://127.0.0.1/a#password-file=/etc/hostname", NULL, "needs a #user");
    setenv("TRAWL_NATS_USER", "u", 1);
    expect_refusal("nats://127.0.0.1/a", NULL, "TRAWL_NATS_PASSWORD");
    setenv("TRAWL_NATS_TOKEN", "secret", 1);
    setenv("TRAWL_NATS_CREDS_FILE", "/nonexistent", 1);
    expect_refusal("nats://127.0.0.1/a", NULL, "#creds-file");
    unsetenv("TRAWL_NATS_USER");
    unsetenv("TRAWL_NATS_TOKEN");
    unsetenv("TRAWL_NATS_CREDS_FILE");
}

static void nobody(void **state) {
    struct failure failure = {0};
    struct sink *sink;
    uint16_t port;
    char spec[100], name[100];
    int fd = hold_port(&port);
    (void)state;

    snprintf(spec, sizeof spec, "nats://u:secret@127.0.0.1:%u/a.b#window=7", port);
    snprintf(name, sizeof name, "nats://127.0.0.1:%u/a.b", port);
    assert_int_equal(sink_open(&sink, &(struct sink_config){.spec = spec}, &failure), 0);
    assert_string_equal(sink->spec, name);
    assert_ptr_equal(sink->encoding.encoder, &json_encoder);
    assert_int_equal(sink->window, 7);
    assert_true(sink->kind->spools);
    struct sink_delivery delivery = {.bytes = slice_of("{\"id\":\"1\"}\n"), .records = 1};
    sink->kind->take(sink, &delivery);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sink->kind->settle(sink, 10, &failure), ENOTCONN);
        assert_true(sink_error_passes(failure.code));
        assert_non_null(strstr(failure.text, name));
    }
    assert_false(delivery.settled);
    assert_int_equal(delivery.written + delivery.refused, 0);
    assert_int_equal(sink->kind->finish(sink, &failure), 0);
    sink_close(sink);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
