/* The msgpack sockets, with readers that are slow, leave, come back or never come. Records are maps
 * of eight bytes that hold their number. */
#include "sinks/msgpack_socket_address.h"
#include "sinks/sink.h"
#include "tests/unit/sinks/scratch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { RECORD = 8, LARGE = 1 << 17 /* records: more than sockets hold */ };

static const uint8_t HEAD[] = {0x81, 0xa1, 'n', 0xce};

struct bytes {
    uint8_t *ptr;
    size_t len;
};

static struct bytes records_from(uint32_t first, uint32_t count) {
    struct bytes bytes = {malloc((size_t)count * RECORD), (size_t)count * RECORD};
    assert_non_null(bytes.ptr);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = htonl(first + i);
        memcpy(bytes.ptr + (size_t)i * RECORD, HEAD, sizeof HEAD);
        memcpy(bytes.ptr + (size_t)i * RECORD + sizeof HEAD, &number, sizeof number);
    }
    return bytes;
}

static const char *spec_of_path(const char *path, const char *options) {
    static char spec[600];
    snprintf(spec, sizeof spec, "msgpack+unix://%s%s", path, options);
    return spec;
}

/* --- The other side --- */

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return address;
}

static int connect_to(const char *path) {
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int listen_at(const char *path) {
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* What waits there, without waiting for more. */
static size_t take_available(int fd, uint8_t *into, size_t room) {
    size_t len = 0;
    ssize_t got;
    while (len < room && (got = recv(fd, into + len, room - len, MSG_DONTWAIT)) > 0)
        len += (size_t)got;
    return len;
}

/* Exactly these bytes, and no more wait. */
static void expect(int fd, struct bytes wanted) {
    uint8_t *got = malloc(wanted.len + 1);
    assert_non_null(got);
    assert_int_equal(recv(fd, got, wanted.len, MSG_WAITALL), wanted.len);
    assert_memory_equal(got, wanted.ptr, wanted.len);
    assert_int_equal(take_available(fd, got, 1), 0);
    free(got);
}

static void expect_end(int fd) {
    uint8_t byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

/* --- The sink --- */

static struct sink *open_sink(const char *spec) {
    struct sink *sink;
    struct failure failure = {0};
    if (sink_open(&sink, &(struct sink_config){.spec = spec}, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    return sink;
}

static enum error write_to(struct sink *sink, struct bytes bytes, struct failure *failure) {
    return sink->kind->write(sink, (struct slice){bytes.ptr, bytes.len},
                             (uint32_t)(bytes.len / RECORD), failure);
}

static void write_well(struct sink *sink, struct bytes bytes) {
    struct failure failure = {0};
    enum error error = write_to(sink, bytes, &failure);
    if (error)
        fail_msg("%s: %s", error_text(error), failure.text);
}

static void expect_absence(struct sink *sink, struct bytes bytes, const char *words) {
    struct failure failure = {0};
    assert_int_equal(write_to(sink, bytes, &failure), ENOTCONN);
    assert_true(sink_error_passes(ENOTCONN));
    if (!strstr(failure.text, words))
        fail_msg("%s", failure.text);
}

/* As the runner does, while somebody is away or slow. */
static void persist(struct sink *sink, struct bytes bytes) {
    struct failure failure = {0};
    enum error error;
    while ((error = write_to(sink, bytes, &failure)) != ERROR_NONE) {
        assert_true(error == (enum error)EAGAIN || sink_error_passes(error));
        usleep(10000);
    }
}

static void end(struct sink *sink) {
    struct failure failure;
    assert_int_equal(sink->kind->finish(sink, &failure), 0);
    sink_close(sink);
}

/* --- Listening --- */

static void all_readers_get_all(void **state) {
    (void)state;
    const char *path = scratch_path("several");
    struct sink *sink = open_sink(spec_of_path(path, "#listen,wait=2"));
    struct bytes first = records_from(0, 100), second = records_from(100, 50);
    assert_string_equal(sink->encoding.encoder->name, "msgpack");
    expect_absence(sink, first, "0 of 2 readers");
    int a = connect_to(path);
    expect_absence(sink, first, "1 of 2 readers");
    int b = connect_to(path);
    write_well(sink, first);
    int c = connect_to(path); /* has missed the first ones */
    write_well(sink, second);
    struct bytes both = records_from(0, 150);
    expect(a, both);
    expect(b, both);
    expect(c, second);
    free(both.ptr);
    assert_int_equal(sink->readers_left, 0);
    end(sink);
    expect_end(a);
    expect_end(b);
    expect_end(c);
    assert_int_equal(access(path, F_OK), -1);
    free(first.ptr);
    free(second.ptr);
}

static void a_slow_reader_holds_back(void **state) {
    (void)state;
    const char *path = scratch_path("slow");
    struct sink *sink = open_sink(spec_of_path(path, "#listen"));
    struct bytes bytes = records_from(0, LARGE);
    int slow = connect_to(path), quick = connect_to(path);
    uint8_t *got[2] = {malloc(bytes.len), malloc(bytes.len)};
    size_t len[2] = {0, 0};
    uint32_t waits = 0;
    struct failure failure = {0};
    assert_true(got[0] && got[1]);
    for (enum error error; (error = write_to(sink, bytes, &failure)) != ERROR_NONE; waits++) {
        assert_int_equal(error, EAGAIN);
        assert_string_equal(failure.text, "");
        size_t some = bytes.len / 8 < bytes.len - len[0] ? bytes.len / 8 : bytes.len - len[0];
        len[0] += take_available(slow, got[0] + len[0], some);
        len[1] += take_available(quick, got[1] + len[1], bytes.len - len[1]);
    }
    assert_true(waits > 2);
    len[0] += take_available(slow, got[0] + len[0], bytes.len - len[0]);
    len[1] += take_available(quick, got[1] + len[1], bytes.len - len[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(len[i], bytes.len);
        assert_memory_equal(got[i], bytes.ptr, bytes.len);
        free(got[i]);
    }
    end(sink);
    expect_end(slow);
    expect_end(quick);
    free(bytes.ptr);
}

/* One of two is dropped in the midst of a batch; the other gets every byte once. */
static void a_reader_leaves(void **state) {
    (void)state;
    const char *path = scratch_path("leaves");
    struct sink *sink = open_sink(spec_of_path(path, "#listen,wait=2"));
    struct bytes bytes = records_from(0, LARGE);
    int leaves = connect_to(path), stays = connect_to(path);
    uint8_t *got = malloc(bytes.len);
    size_t len = 0;
    struct failure failure = {0};
    assert_non_null(got);
    assert_int_equal(write_to(sink, bytes, &failure), EAGAIN);
    close(leaves);
    while (write_to(sink, bytes, &failure) != ERROR_NONE)
        len += take_available(stays, got + len, bytes.len - len);
    len += take_available(stays, got + len, bytes.len - len);
    assert_int_equal(len, bytes.len);
    assert_memory_equal(got, bytes.ptr, bytes.len);
    assert_int_equal(sink->readers_left, 1);
    end(sink);
    expect_end(stays);
    free(got);
    free(bytes.ptr);
}

/* The next reader begins with the first record that was not wholly handed to the kernel. */
static void expect_rest(struct sink *sink, int fd, struct bytes bytes, size_t sent) {
    size_t from = sent / RECORD * RECORD, len = 0;
    uint8_t *got = malloc(bytes.len);
    struct failure failure = {0};
    assert_non_null(got);
    for (enum error error; (error = write_to(sink, bytes, &failure)) != ERROR_NONE;) {
        assert_true(error == (enum error)EAGAIN || error == (enum error)ENOTCONN);
        len += take_available(fd, got + len, bytes.len - len);
    }
    len += take_available(fd, got + len, bytes.len - len);
    assert_int_equal(len, bytes.len - from);
    assert_memory_equal(got, bytes.ptr + from, len);
    free(got);
}

static void the_last_reader_leaves(void **state) {
    (void)state;
    const char *path = scratch_path("last");
    struct sink *sink = open_sink(spec_of_path(path, "#listen"));
    struct bytes bytes = records_from(0, LARGE);
    uint8_t *got = malloc(bytes.len);
    struct failure failure = {0};
    assert_non_null(got);
    int first = connect_to(path);
    assert_int_equal(write_to(sink, bytes, &failure), EAGAIN);
    size_t sent = take_available(first, got, bytes.len);
    assert_true(sent > 0 && sent < bytes.len);
    close(first);
    expect_absence(sink, bytes, "the reader left");
    expect_absence(sink, bytes, "no reader is there");
    int second = connect_to(path);
    expect_rest(sink, second, bytes, sent);
    assert_int_equal(sink->readers_left, 1);
    end(sink);
    expect_end(second);
    free(got);
    free(bytes.ptr);
}

/* Talkative readers are not listened to; one whose turn has not come waits for it. */
static void readers_one_at_a_time(void **state) {
    (void)state;
    const char *path = scratch_path("one");
    struct sink *sink = open_sink(spec_of_path(path, "#listen,readers=1"));
    struct bytes first = records_from(0, 10), second = records_from(10, 10);
    struct failure failure = {0};
    int a = connect_to(path), b = connect_to(path);
    assert_int_equal(write(a, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    write_well(sink, first);
    expect(a, first);
    assert_int_equal(write(a, "more", 4), 4);
    assert_int_equal(sink->kind->tick(sink, &failure), 0);
    close(a);
    assert_int_equal(sink->kind->tick(sink, &failure), 0);
    expect_absence(sink, second, "the reader left");
    write_well(sink, second);
    expect(b, second);
    end(sink);
    expect_end(b);
    free(first.ptr);
    free(second.ptr);
}

static mode_t mode_of(const char *path) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    return status.st_mode & 0777;
}

static void expect_refused(const char *spec, const char *words) {
    struct failure failure = {0};
    struct sink *sink;
    assert_int_equal(sink_open(&sink, &(struct sink_config){.spec = spec}, &failure), ERROR_USAGE);
    assert_null(sink);
    if (!strstr(failure.text, words))
        fail_msg("%s: %s", spec, failure.text);
}

static void socket_files(void **state) {
    (void)state;
    const char *path = scratch_path("file");
    mode_t before = umask(0);
    end(open_sink(spec_of_path(path, "")));
    struct sink *sink = open_sink(spec_of_path(path, "#listen"));
    assert_int_equal(mode_of(path), 0600);
    expect_refused(spec_of_path(path, "#listen"), "somebody listens there");
    end(sink);
    umask(077);
    sink = open_sink(spec_of_path(path, "#listen,mode=0666"));
    assert_int_equal(mode_of(path), 0666);
    umask(before);
    /* Somebody else has taken its place. */
    assert_int_equal(unlink(path), 0);
    int other = listen_at(path);
    end(sink);
    assert_int_equal(access(path, F_OK), 0);
    close(other);
    /* It was left behind. */
    end(open_sink(spec_of_path(path, "#listen")));
    assert_int_equal(access(path, F_OK), -1);
    fclose(fopen(path, "w"));
    expect_refused(spec_of_path(path, "#listen"), "is no socket");
    expect_refused(spec_of_path(path, ""), "is no socket");
    assert_int_equal(access(path, F_OK), 0);
}

/* --- Connecting --- */

static void connects_again(void **state) {
    (void)state;
    const char *path = scratch_path("again");
    struct sink *sink = open_sink(spec_of_path(path, ""));
    struct bytes first = records_from(0, 10), second = records_from(10, 10);
    expect_absence(sink, first, "No such file");
    expect_absence(sink, first, "No such file"); /* in the pause, without another attempt */
    int listener = listen_at(path);
    persist(sink, first);
    int reader = accept(listener, NULL, NULL);
    expect(reader, first);
    close(reader);
    close(listener);
    expect_absence(sink, second, "the reader left");
    expect_absence(sink, second, "refused");
    assert_int_equal(unlink(path), 0);
    listener = listen_at(path);
    persist(sink, second);
    reader = accept(listener, NULL, NULL);
    expect(reader, second);
    end(sink);
    expect_end(reader);
    close(listener);
    free(first.ptr);
    free(second.ptr);
}

static void connects_in_the_midst(void **state) {
    (void)state;
    const char *path = scratch_path("midst");
    int listener = listen_at(path);
    struct sink *sink = open_sink(spec_of_path(path, ""));
    struct bytes bytes = records_from(0, LARGE);
    uint8_t *got = malloc(bytes.len);
    struct failure failure = {0};
    assert_non_null(got);
    assert_int_equal(sink->kind->tick(sink, &failure), 0); /* connects before there is anything */
    int reader = accept(listener, NULL, NULL);
    assert_int_equal(write_to(sink, bytes, &failure), EAGAIN);
    size_t sent = take_available(reader, got, bytes.len);
    assert_true(sent > 0 && sent < bytes.len);
    close(reader);
    expect_absence(sink, bytes, "the reader left");
    assert_int_equal(write_to(sink, bytes, &failure), EAGAIN);
    reader = accept(listener, NULL, NULL);
    expect_rest(sink, reader, bytes, sent);
    end(sink);
    expect_end(reader);
    close(listener);
    free(got);
    free(bytes.ptr);
}

/* --- TCP, both ways --- */

/* Bound, so that the port is nobody else's; it may be bound again by who listens there. */
static int tcp_socket(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

static void over_tcp(void **state) {
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    struct bytes bytes = records_from(0, 1000);
    char spec[100];
    int own_port = tcp_socket(&address), listener = tcp_socket(&address);
    assert_int_equal(listen(listener, 8), 0);
    snprintf(spec, sizeof spec, "msgpack+tcp://127.0.0.1:%u", ntohs(address.sin_port));
    struct sink *sink = open_sink(spec);
    persist(sink, bytes);
    int reader = accept(listener, NULL, NULL);
    expect(reader, bytes);
    end(sink);
    expect_end(reader);
    close(listener);
    snprintf(spec, sizeof spec, "msgpack+tcp://127.0.0.1:%u#listen", ntohs(address.sin_port));
    sink = open_sink(spec);
    reader = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(reader, (struct sockaddr *)&address, size), 0);
    persist(sink, bytes);
    end(sink);
    expect(reader, bytes);
    expect_end(reader);
    close(own_port);
    free(bytes.ptr);
}

/* What the kernel may do to one who tries again and again while nobody listens. */
static void a_socket_that_finds_itself(void **state) {
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(msgpack_address_connected(fd), ECONNREFUSED);
    close(fd);
}

/* --- What is no such URL --- */

static void refused_specs(void **state) {
    (void)state;
    static const struct {
        const char *spec, *words;
    } specs[] = {
        {"msgpack+", "must be unix:///PATH or tcp://HOST:PORT"},
        {"msgpack+udp://127.0.0.1:9", "must be unix:///PATH or tcp://HOST:PORT"},
        {"msgpack+unix://", "absolute path"},
        {"msgpack+unix://run/x.sock", "absolute path"},
        {"msgpack+unix:///run/", "absolute path"},
        {"msgpack+tcp://127.0.0.1", "a host and a port"},
        {"msgpack+tcp://:9000", "a host and a port"},
        {"msgpack+tcp://127.0.0.1:0", "a host and a port"},
        {"msgpack+tcp://127.0.0.1:70000", "a host and a port"},
        {"msgpack+tcp://127.0.0.1:9000/x", "a host and a port"},
        {"msgpack+tcp://::1:9000", "in brackets"},
        {"msgpack+unix:///run/x.sock#lisen", "did you mean listen?"},
        {"msgpack+unix:///run/x.sock#readers=4", "come with #listen"},
        {"msgpack+unix:///run/x.sock#listen,readers=65", "readers"},
        {"msgpack+unix:///run/x.sock#listen,readers=2,wait=3", "#wait cannot be more"},
        {"msgpack+unix:///run/x.sock#listen,mode=9", "in octal"},
        {"msgpack+unix:///run/x.sock#listen,mode=1777", "in octal"},
        {"msgpack+tcp://127.0.0.1:9000#listen,mode=0600", "in octal"},
    };
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
        expect_refused(specs[i].spec, specs[i].words);
    char path[200];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    expect_refused(spec_of_path(path, ""), "at most 107 bytes");
    struct failure failure = {0};
    struct sink *sink;
    struct sink_config config = {.spec = "msgpack+unix:///tmp/x.sock", .encoder = &json_encoder};
    assert_int_equal(sink_open(&sink, &config, &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "--format json"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_readers_get_all),
        cmocka_unit_test(a_slow_reader_holds_back),
        cmocka_unit_test(a_reader_leaves),
        cmocka_unit_test(the_last_reader_leaves),
        cmocka_unit_test(readers_one_at_a_time),
        cmocka_unit_test(socket_files),
        cmocka_unit_test(connects_again),
        cmocka_unit_test(connects_in_the_midst),
        cmocka_unit_test(over_tcp),
        cmocka_unit_test(a_socket_that_finds_itself),
        cmocka_unit_test(refused_specs),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
