/* MessagePack back into JSON: the golden records byte for byte, cut anywhere; every head of the
 * specification; and streams that nobody should send. */
#include "engine/base/limits.h"
#include "engine/record/msgpack_json.h"
#include "engine/record/msgpack_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 1 << 20 };

static struct slice read_golden(const char *path) {
    uint8_t *bytes = malloc(FILE_MAX);
    FILE *file = fopen(path, "r");
    assert_non_null(bytes);
    assert_non_null(file);
    struct slice content = {bytes, fread(bytes, 1, FILE_MAX, file)};
    fclose(file);
    return content;
}

/* In pieces of `step` bytes, dropping lines as they come; all of them in the end. */
static struct buffer decode(struct slice packed, size_t step) {
    struct msgpack_json stream;
    struct buffer lines;
    struct failure failure = {0};
    size_t from = 0;

    msgpack_json_init(&stream);
    buffer_init(&lines);
    for (size_t to = 0; to < packed.len;) {
        to = to + step < packed.len ? to + step : packed.len;
        struct slice rest = {packed.ptr + from, to - from};
        assert_int_equal(msgpack_json_take(&stream, &rest, &failure), 0);
        from = to - rest.len;
        assert_int_equal(stream.offset, from);
        buffer_add(&lines, stream.json.ptr, stream.whole);
        msgpack_json_drop(&stream);
    }
    assert_int_equal(from, packed.len);
    assert_int_equal(stream.record_offset, packed.len);
    assert_int_equal(stream.json.len, 0);
    msgpack_json_deinit(&stream);
    return lines;
}

static void golden_records(void **state) {
    (void)state;
    static const size_t steps[] = {1, 2, 3, 7, 64, 1000, FILE_MAX};
    struct slice packed = read_golden("tests/golden/records/samples.msgpack");
    struct slice json = read_golden("tests/golden/records/samples.jsonl");

    assert_true(packed.len > 1000);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct buffer lines = decode(packed, steps[i]);
        assert_int_equal(lines.len, json.len);
        assert_memory_equal(lines.ptr, json.ptr, json.len);
        buffer_deinit(&lines);
    }
    free((void *)packed.ptr);
    free((void *)json.ptr);
}

/* {"v": VALUE} */
static void every_head(void **state) {
    (void)state;
#define CASE(bytes, json) {{(const uint8_t *)(bytes), sizeof(bytes) - 1}, json}
    static const struct {
        struct slice value;
        const char *json;
    } cases[] = {
        CASE("\x00", "0"),
        CASE("\x7f", "127"),
        CASE("\xff", "-1"),
        CASE("\xe0", "-32"),
        CASE("\xc0", "null"),
        CASE("\xc2", "false"),
        CASE("\xc3", "true"),
        CASE("\xcc\xff", "255"),
        CASE("\xcd\xff\xfe", "65534"),
        CASE("\xce\xff\xff\xff\xff", "4294967295"),
        CASE("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", "9223372036854775807"),
        CASE("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
        CASE("\xd0\x80", "-128"),
        CASE("\xd1\x80\x00", "-32768"),
        CASE("\xd2\x80\x00\x00\x00", "-2147483648"),
        CASE("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808"),
        CASE("\xd3\x00\x00\x00\x00\x00\x00\x00\x05", "5"),
        CASE("\xca\x3f\xc0\x00\x00", "1.50"),
        CASE("\xcb\x40\x09\x1e\xb8\x51\xeb\x85\x1f", "3.14"),
        CASE("\xcb\xc0\x08\x00\x00\x00\x00\x00\x00", "-3.00"),
        CASE("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "null"),
        CASE("\xca\x7f\xc0\x00\x00", "null"),
        CASE("\xa0", "\"\""),
        CASE("\xa3"
             "a\"b",
             "\"a\\\"b\""),
        CASE("\xd9\x01\x1b", "\"\\u001b\""),
        CASE("\xda\x00\x02\xc3\xa9", "\"\xc3\xa9\""),
        CASE("\xdb\x00\x00\x00\x01\xff", "\"\xef\xbf\xbd\""),
        CASE("\xc4\x01\x00", "\"AA==\""),
        CASE("\xc5\x00\x02\x00\x00", "\"AAA=\""),
        CASE("\xc6\x00\x00\x00\x00", "\"\""),
        CASE("\x90", "[]"),
        CASE("\x93\x01\x90\x80", "[1,[],{}]"),
        CASE("\xdc\x00\x02\xc0\xc3", "[null,true]"),
        CASE("\xdd\x00\x00\x00\x01\x02", "[2]"),
        CASE("\x82\xa1"
             "a\x01\xa1"
             "b\x81\xa1"
             "c\x90",
             "{\"a\":1,\"b\":{\"c\":[]}}"),
        CASE("\xde\x00\x01\xa1"
             "a\x01",
             "{\"a\":1}"),
        CASE("\xdf\x00\x00\x00\x01\xa1"
             "a\x01",
             "{\"a\":1}"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t packed[64] = {0x81, 0xa1, 'v'};
        char expected[128];
        size_t len = 3 + cases[i].value.len;
        memcpy(packed + 3, cases[i].value.ptr, cases[i].value.len);
        snprintf(expected, sizeof expected, "{\"v\":%s}\n", cases[i].json);
        for (size_t step = 1; step <= len; step++) {
            struct buffer line = decode((struct slice){packed, len}, step);
            buffer_add_byte(&line, 0);
            assert_string_equal((char *)line.ptr, expected);
            buffer_deinit(&line);
        }
        assert_int_equal(msgpack_value_length((struct slice){packed, sizeof packed}), len);
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(msgpack_value_length((struct slice){packed, cut}), 0);
    }
#undef CASE
}

static void expect_refused(struct slice packed, enum error code, uint64_t offset,
                           const char *words) {
    struct msgpack_json stream;
    struct failure failure = {0};

    msgpack_json_init(&stream);
    assert_int_equal(msgpack_json_take(&stream, &packed, &failure), code);
    assert_int_equal(stream.offset, offset);
    assert_non_null(strstr(failure.text, words));
    msgpack_json_deinit(&stream);
}

static void hostile_streams(void **state) {
    (void)state;
#define BYTES(bytes) ((struct slice){(const uint8_t *)(bytes), sizeof(bytes) - 1})
    expect_refused(BYTES("{\"host\":1}"), ERROR_INPUT, 0, "not a record");
    expect_refused(BYTES("\x80\x80\x90"), ERROR_INPUT, 2, "not a record");
    expect_refused(BYTES("\xc1"), ERROR_INPUT, 0, "0xc1");
    expect_refused(BYTES("\x81\xa1"
                         "a\xc1"),
                   ERROR_INPUT, 3, "0xc1");
    expect_refused(BYTES("\x81\x01\x01"), ERROR_INPUT, 1, "a key");
    expect_refused(BYTES("\x81\xa1"
                         "a\xd4\x01\x00"),
                   ERROR_INPUT, 3, "extension");
    expect_refused(BYTES("\x81\xa1"
                         "a\xc9\xff\xff\xff\xff\x00"),
                   ERROR_INPUT, 3, "extension");
    /* Sizes that nobody could keep are refused by the claim alone. */
    expect_refused(BYTES("\xdf\xff\xff\xff\xff"), ERROR_LIMIT, 0, "more than 32 MB");
    expect_refused(BYTES("\x81\xa1"
                         "a\xdd\xff\xff\xff\xff"),
                   ERROR_LIMIT, 3, "more than 32 MB");
    expect_refused(BYTES("\x81\xa1"
                         "a\xdb\xff\xff\xff\xff"),
                   ERROR_LIMIT, 3, "more than 32 MB");
    expect_refused(BYTES("\x81\xdb\x02\x00\x00\x00"), ERROR_LIMIT, 1, "more than 32 MB");
#undef BYTES
    uint8_t deep[200];
    memset(deep, 0x91, sizeof deep);
    memcpy(deep,
           "\x81\xa1"
           "a",
           3);
    expect_refused((struct slice){deep, sizeof deep}, ERROR_LIMIT, 3 + MSGPACK_JSON_DEPTH - 1,
                   "too deep");
}

/* Values that take a byte each, without an end: the record itself is bounded. */
static void a_record_without_end(void **state) {
    (void)state;
    static const uint8_t head[] = {0x81, 0xa1, 'a', 0xdd, 1, 0xff, 0xff, 0xe0};
    struct msgpack_json stream;
    struct failure failure = {0};
    uint8_t lists[1024];
    enum error error;

    memset(lists, 0x90, sizeof lists);
    for (size_t i = 0; i < sizeof lists; i += 2)
        lists[i] = 0x91; /* [[]], two bytes for one item */
    msgpack_json_init(&stream);
    struct slice rest = {head, sizeof head};
    assert_int_equal(msgpack_json_take(&stream, &rest, &failure), 0);
    do {
        rest = (struct slice){lists, sizeof lists};
        error = msgpack_json_take(&stream, &rest, &failure);
    } while (error == ERROR_NONE);
    assert_int_equal(error, ERROR_LIMIT);
    assert_int_equal(stream.offset, LIMIT_UNPACKED_RECORD_BYTES);
    msgpack_json_deinit(&stream);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_records),
        cmocka_unit_test(every_head),
        cmocka_unit_test(hostile_streams),
        cmocka_unit_test(a_record_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
