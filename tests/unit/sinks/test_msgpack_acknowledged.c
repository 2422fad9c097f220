/* The msgpack socket whose reader acknowledges: what is settled, what comes again after a reader
 * left, and who is thrown out. Records are maps of eight bytes that hold their number. */
#include "sinks/msgpack_socket_acks.h"
#include "sinks/sink.h"
#include "tests/unit/sinks/scratch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { RECORD = 8, RECORDS = 10, LARGE = 1 << 16 };

static const uint8_t HEAD[] = {0x81, 0xa1, 'n', 0xce};

/* --- Both sides --- */

struct rig {
    struct sink *sink;
    const char *path;
    uint8_t *bytes[3];
    struct sink_delivery deliveries[3];
    uint32_t count, next_number;
};

static void take_records(struct rig *rig, uint32_t records) {
    struct sink_delivery *delivery = &rig->deliveries[rig->count];
    uint8_t *bytes = malloc((size_t)records * RECORD);

    assert_non_null(bytes);
    for (uint32_t i = 0; i < records; i++) {
        uint32_t number = htonl(rig->next_number++);
        memcpy(bytes + (size_t)i * RECORD, HEAD, sizeof HEAD);
        memcpy(bytes + (size_t)i * RECORD + sizeof HEAD, &number, sizeof number);
    }
    rig->bytes[rig->count++] = bytes;
    *delivery =
        (struct sink_delivery){.bytes = {bytes, (size_t)records * RECORD}, .records = records};
    rig->sink->kind->take(rig->sink, delivery);
}

static void open_rig(struct rig *rig, const char *name, const char *options) {
    struct failure failure = {0};
    char spec[600];

    *rig = (struct rig){.path = scratch_path(name)};
    snprintf(spec, sizeof spec, "msgpack+unix://%s%s", rig->path, options);
    if (sink_open(&rig->sink, &(struct sink_config){.spec = spec}, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    assert_ptr_equal(rig->sink->kind, &msgpack_acknowledged_sink);
}

static void close_rig(struct rig *rig) {
    struct failure failure;

    assert_int_equal(rig->sink->kind->finish(rig->sink, &failure), 0);
    sink_close(rig->sink);
    for (uint32_t i = 0; i < rig->count; i++)
        free(rig->bytes[i]);
}

static enum error settle(struct rig *rig, struct failure *failure) {
    return rig->sink->kind->settle(rig->sink, 50, failure);
}

static void settle_well(struct rig *rig) {
    struct failure failure = {0};
    enum error error = settle(rig, &failure);

    if (error)
        fail_msg("%s: %s", error_text(error), failure.text);
}

static void settle_badly(struct rig *rig, const char *words) {
    struct failure failure = {0};

    assert_int_equal(settle(rig, &failure), ENOTCONN);
    if (!strstr(failure.text, words))
        fail_msg("%s", failure.text);
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return address;
}

static int connect_to(const struct rig *rig) {
    struct sockaddr_un address = address_of(rig->path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* These records come, and no more. */
static void expect(int fd, uint32_t first, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint8_t record[RECORD];
        uint32_t number;
        assert_int_equal(recv(fd, record, RECORD, MSG_WAITALL), RECORD);
        memcpy(&number, record + sizeof HEAD, sizeof number);
        assert_int_equal(ntohl(number), first + i);
    }
    uint8_t byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
}

static void say(int fd, const void *bytes, size_t len) {
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static void acknowledge(int fd, uint8_t count) {
    const uint8_t ack[] = {0xcc, count};
    say(fd, ack, sizeof ack);
}

static void expect_settled(const struct rig *rig, uint32_t count) {
    for (uint32_t i = 0; i < rig->count; i++) {
        assert_int_equal(rig->deliveries[i].settled, i < count);
        assert_int_equal(rig->deliveries[i].written, i < count ? rig->deliveries[i].records : 0);
    }
}

/* --- Listening --- */

static void batches_are_settled_when_acknowledged(void **state) {
    struct rig rig;

    (void)state;
    open_rig(&rig, "settled", "#listen,ack");
    take_records(&rig, RECORDS);
    take_records(&rig, RECORDS);
    settle_badly(&rig, "no reader is there");
    int reader = connect_to(&rig);
    settle_well(&rig);
    expect(reader, 0, 2 * RECORDS);
    expect_settled(&rig, 0);
    acknowledge(reader, RECORDS - 1);
    settle_well(&rig);
    expect_settled(&rig, 0);
    acknowledge(reader, RECORDS);
    settle_well(&rig);
    expect_settled(&rig, 1);
    say(reader, "\xcd", 1); /* cut in the midst */
    settle_well(&rig);
    say(reader, "\x00", 1);
    settle_well(&rig);
    say(reader, "\x14", 1);
    settle_well(&rig);
    expect_settled(&rig, 2);
    take_records(&rig, RECORDS);
    settle_well(&rig);
    expect(reader, 2 * RECORDS, RECORDS);
    acknowledge(reader, 3 * RECORDS);
    settle_well(&rig);
    expect_settled(&rig, 3);
    close(reader);
    close_rig(&rig);
}

static void the_next_reader_gets_what_is_left(void **state) {
    struct rig rig;

    (void)state;
    open_rig(&rig, "next", "#ack,listen");
    take_records(&rig, RECORDS);
    take_records(&rig, RECORDS);
    int reader = connect_to(&rig), next = connect_to(&rig);
    settle_well(&rig);
    expect(reader, 0, 2 * RECORDS);
    acknowledge(reader, RECORDS + 3);
    close(reader);
    settle_badly(&rig, "the reader left; 7 records");
    expect_settled(&rig, 1);
    settle_well(&rig);
    expect(next, RECORDS + 3, RECORDS - 3);
    acknowledge(next, 2); /* it counts from its own beginning */
    settle_well(&rig);
    close(next);
    settle_badly(&rig, "the reader left; 5 records");
    next = connect_to(&rig);
    settle_well(&rig);
    expect(next, RECORDS + 5, RECORDS - 5);
    acknowledge(next, RECORDS - 5);
    settle_well(&rig);
    expect_settled(&rig, 2);
    assert_int_equal(rig.sink->readers_left, 2);
    close(next);
    close_rig(&rig);
}

/* The kernel does not take it all at once: a record that was handed over in part does not count. */
static void large_batches(void **state) {
    uint8_t *bytes = malloc((size_t)LARGE * RECORD);
    struct rig rig;
    size_t got = 0;

    (void)state;
    assert_non_null(bytes);
    open_rig(&rig, "large", "#listen,ack");
    take_records(&rig, LARGE);
    int reader = connect_to(&rig);
    settle_well(&rig);
    while (got < (size_t)LARGE * RECORD) {
        ssize_t piece = recv(reader, bytes + got, (size_t)LARGE * RECORD - got, MSG_DONTWAIT);
        got += piece > 0 ? (size_t)piece : 0;
        uint32_t whole = htonl((uint32_t)(got / RECORD));
        uint8_t ack[] = {0xce, 0, 0, 0, 0};
        memcpy(ack + 1, &whole, sizeof whole);
        say(reader, ack, sizeof ack);
        settle_well(&rig);
    }
    settle_well(&rig);
    assert_memory_equal(bytes, rig.bytes[0], got);
    expect_settled(&rig, 1);
    close(reader);
    close_rig(&rig);
    free(bytes);
}

static void liars_are_thrown_out(void **state) {
    static const struct {
        const char *bytes;
        size_t len;
        const char *words;
    } cases[] = {
        {"\x0b", 1, "acknowledged 11 of 10 records"},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, "acknowledged 18446744073709551615 of 10"},
        {"\x05\x04", 2, "acknowledged 4 records after 5"},
        {"\xff", 1, "no acknowledgement"},
        {"\xa3yes", 4, "no acknowledgement"},
        {"\xc1", 1, "no acknowledgement"},
    };
    struct rig rig;

    (void)state;
    open_rig(&rig, "liars", "#listen,ack");
    take_records(&rig, RECORDS);
    for (size_t i = 0, done = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int liar = connect_to(&rig);
        settle_well(&rig);
        expect(liar, (uint32_t)done, (uint32_t)(RECORDS - done));
        if (i == 2)
            done = 5; /* what it said before that counts */
        say(liar, cases[i].bytes, cases[i].len);
        settle_badly(&rig, i < 3 ? cases[i].words : "no acknowledgement");
        uint8_t byte;
        assert_int_not_equal(recv(liar, &byte, 1, 0), 1);
        close(liar);
    }
    expect_settled(&rig, 0);
    close_rig(&rig);
}

/* --- Connecting --- */

static void it_connects_again(void **state) {
    struct rig rig;

    (void)state;
    open_rig(&rig, "server", "#ack,window=5");
    assert_int_equal(rig.sink->window, 5);
    take_records(&rig, RECORDS);
    settle_badly(&rig, "cannot connect to");
    struct sockaddr_un address = address_of(rig.path);
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server, 8), 0);
    struct failure failure;
    while (settle(&rig, &failure) != ERROR_NONE)
        ;
    int reader = accept(server, NULL, NULL);
    settle_well(&rig);
    expect(reader, 0, RECORDS);
    acknowledge(reader, 4);
    settle_well(&rig);
    close(reader);
    settle_badly(&rig, "the reader left; 6 records");
    settle_well(&rig); /* at once: the last was good for something */
    reader = accept(server, NULL, NULL);
    settle_well(&rig);
    expect(reader, 4, RECORDS - 4);
    acknowledge(reader, RECORDS - 4);
    settle_well(&rig);
    expect_settled(&rig, 1);
    close(reader);
    close(server);
    close_rig(&rig);
}

/* Who keeps what comes back gets all that is not acknowledged, after a while. */
static void without_a_reader_it_is_given_back(void **state) {
    struct sink_leftovers leftovers[2] = {{.again_records = 0}, {.again_records = 0}};
    struct failure failure;
    struct rig rig;

    (void)state;
    open_rig(&rig, "back", "#listen,ack");
    take_records(&rig, RECORDS);
    take_records(&rig, RECORDS);
    rig.deliveries[0].leftovers = &leftovers[0];
    rig.deliveries[1].leftovers = &leftovers[1];
    int reader = connect_to(&rig);
    settle_well(&rig);
    expect(reader, 0, 2 * RECORDS);
    acknowledge(reader, 4);
    settle_well(&rig);
    close(reader);
    while (!rig.deliveries[1].settled)
        assert_int_equal(settle(&rig, &failure), ENOTCONN);
    assert_int_equal(rig.deliveries[0].written, 4);
    assert_int_equal(leftovers[0].again_records, RECORDS - 4);
    assert_memory_equal(leftovers[0].again.ptr, rig.bytes[0] + (size_t)4 * RECORD,
                        leftovers[0].again.len);
    assert_int_equal(leftovers[0].again.len, (RECORDS - 4) * RECORD);
    assert_int_equal(leftovers[1].again_records, RECORDS);
    assert_int_equal(leftovers[1].again.len, RECORDS * RECORD);
    buffer_deinit(&leftovers[0].again);
    buffer_deinit(&leftovers[1].again);
    close_rig(&rig);
}

static void specs(void **state) {
    static const char *const wrong[][2] = {
        {"#ack,readers=2", "unknown option \"readers\""},
        {"#ack,mode=0660", "comes with #listen"},
        {"#ack,listen,mode=9", "in octal"},
        {"#ack,window=0", "window"},
    };
    struct failure failure;
    struct sink *sink;
    char spec[600];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(spec, sizeof spec, "msgpack+unix://%s%s", scratch_path("wrong"), wrong[i][0]);
        assert_int_equal(sink_open(&sink, &(struct sink_config){.spec = spec}, &failure),
                         ERROR_USAGE);
        if (!strstr(failure.text, wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], failure.text);
    }
    assert_false(msgpack_acknowledged_sink.takes(slice_of("msgpack+unix:///x#listen,window=1")));
    assert_false(msgpack_acknowledged_sink.takes(slice_of("msgpack+unix:///ack")));
    assert_false(msgpack_acknowledged_sink.takes(slice_of("results.jsonl#ack")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_settled_when_acknowledged),
        cmocka_unit_test(the_next_reader_gets_what_is_left),
        cmocka_unit_test(large_batches),
        cmocka_unit_test(liars_are_thrown_out),
        cmocka_unit_test(it_connects_again),
        cmocka_unit_test(without_a_reader_it_is_given_back),
        cmocka_unit_test(specs),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
