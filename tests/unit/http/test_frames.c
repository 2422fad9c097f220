/* Frames of a WebSocket: the examples of RFC 6455 section 5.7, every way to cut what comes, and all
 * that a server may not do. */
#include "engine/http/frames.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>

/* What came out, as words: pieces joined, "|" behind a message, "<9:...>" for a control frame. */
struct said {
    char text[4096];
    size_t len;
    size_t bytes; /* of all pieces */
};

static void say(struct said *said, const void *bytes, size_t len) {
    assert_true(said->len + len < sizeof said->text);
    if (len)
        memcpy(said->text + said->len, bytes, len);
    said->len += len;
}

static void on_piece(void *owner, struct slice piece, bool end) {
    struct said *said = owner;
    said->bytes += piece.len;
    if (piece.len < 256)
        say(said, piece.ptr, piece.len);
    if (end)
        say(said, "|", 1);
}

static void on_control(void *owner, enum frame_opcode opcode, struct slice payload) {
    char head[8];
    say(owner, head, (size_t)snprintf(head, sizeof head, "<%d:", opcode));
    say(owner, payload.ptr, payload.len);
    say(owner, ">", 1);
}

/* Reads in parts of `part` bytes, each in memory of its own. */
static const char *read_in_parts(struct slice bytes, size_t part, size_t message_max,
                                 struct said *said) {
    struct frames frames;
    const struct frames_reader reader = {said, message_max, on_piece, on_control};
    const char *wrong = NULL;

    *said = (struct said){0};
    frames_init(&frames);
    while (bytes.len && !wrong) {
        struct slice some = slice_first(bytes, part);
        uint8_t *copy = malloc(some.len);
        assert_non_null(copy);
        memcpy(copy, some.ptr, some.len);
        wrong = frames_read(&frames, (struct slice){copy, some.len}, &reader);
        free(copy);
        bytes = slice_from(bytes, some.len);
    }
    return wrong;
}

#define BYTES(literal) ((struct slice){(const uint8_t *)(literal), sizeof(literal) - 1})

static void check_read(struct slice bytes, const char *expected) {
    struct said said;
    for (size_t part = 1; part <= bytes.len; part++) {
        const char *wrong = read_in_parts(bytes, part, 1 << 20, &said);
        if (wrong)
            fail_msg("%s", wrong);
        assert_int_equal(said.len, strlen(expected));
        assert_memory_equal(said.text, expected, said.len);
    }
}

/* Wrong, and with `before` read until then. */
static void check_wrong(struct slice bytes, const char *word, const char *before) {
    struct said said;
    for (size_t part = 1; part <= bytes.len; part++) {
        const char *wrong = read_in_parts(bytes, part, 1000, &said);
        assert_non_null(wrong);
        assert_non_null(strstr(wrong, word));
        assert_int_equal(said.len, strlen(before));
        assert_memory_equal(said.text, before, said.len);
    }
}

static void test_examples(void **state) {
    (void)state;
    check_read(BYTES("\x81\x05Hello"), "Hello|");
    check_read(BYTES("\x01\x03Hel\x80\x02lo"), "Hello|");
    check_read(BYTES("\x89\x05Hello"), "<9:Hello>");
}

static void test_messages(void **state) {
    (void)state;
    check_read(BYTES("\x81\x01"
                     "a\x82\x01"
                     "b\x81\x00\x81\x01"
                     "c"),
               "a|b||c|");
    /* A message in three parts, one of them empty, with control frames between. */
    check_read(BYTES("\x01\x01"
                     "a\x89\x02hi\x00\x00\x8a\x00\x80\x01"
                     "b\x88\x02\x03\xe8"),
               "a<9:hi><10:>b|<8:\x03\xe8>");
    check_read(BYTES("\x01\x00\x80\x00"), "|");
}

static void test_lengths(void **state) {
    static const size_t lengths[] = {125, 126, 127, 65535, 65536, 100000};
    uint8_t *bytes = malloc(100000 + FRAME_HEAD_MAX);
    struct said said;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t len = lengths[i], head = len < 126 ? 2 : len < 65536 ? 4 : 10;
        memset(bytes, 0, head + len);
        bytes[0] = 0x82;
        bytes[1] = (uint8_t)(head == 2 ? len : head == 4 ? 126 : 127);
        for (size_t at = head, rest = len; head > 2 && at > 2; rest >>= 8)
            bytes[--at] = (uint8_t)rest;
        for (size_t part = head + len; part > 1000; part /= 3) {
            assert_null(read_in_parts((struct slice){bytes, head + len}, part, len, &said));
            assert_int_equal(said.bytes, len);
            assert_int_equal(said.text[said.len - 1], '|');
            assert_non_null(read_in_parts((struct slice){bytes, head + len}, part, len - 1, &said));
            assert_int_equal(said.bytes, 0);
        }
    }
    free(bytes);
}

static void test_wrong(void **state) {
    (void)state;
    check_wrong(BYTES("\x81\x01"
                      "a\x81\x85"),
                "mask", "a|");
    check_wrong(BYTES("\xc1\x01"), "extension", "");
    check_wrong(BYTES("\x91\x01"), "extension", "");
    check_wrong(BYTES("\x83\x01"), "kind", "");
    check_wrong(BYTES("\x87\x01"), "kind", "");
    check_wrong(BYTES("\x8b\x01"), "kind", "");
    check_wrong(BYTES("\x8f\x01"), "kind", "");
    check_wrong(BYTES("\x09\x01"), "control", "");
    check_wrong(BYTES("\x89\x7e\x01\x00"), "control", "");
    check_wrong(BYTES("\x80\x01"), "mixed", "");
    check_wrong(BYTES("\x01\x01"
                      "a\x81\x01"),
                "mixed", "a");
    check_wrong(BYTES("\x81\x7e\x00\x7d"), "longer than", "");
    check_wrong(BYTES("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), "longer than", "");
    check_wrong(BYTES("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), "too long", "");
    check_wrong(BYTES("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), "too long", "");
}

/* Parts count together. */
static void test_long_in_parts(void **state) {
    uint8_t bytes[2 * (4 + 600)] = {0x01, 126, 600 >> 8, 600 & 255};
    struct said said;

    (void)state;
    memcpy(bytes + 604, bytes, 4);
    bytes[604] = 0x80;
    assert_null(read_in_parts((struct slice){bytes, sizeof bytes}, 100, 1200, &said));
    assert_int_equal(said.bytes, 1200);
    assert_non_null(read_in_parts((struct slice){bytes, sizeof bytes}, 100, 1199, &said));
    assert_int_equal(said.bytes, 600);
}

static void test_write(void **state) {
    /* RFC 6455 section 5.7: a masked pong of "Hello". */
    static const uint8_t mask[] = {0x37, 0xfa, 0x21, 0x3d};
    static const uint8_t pong[] = {0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                   0x7f, 0x9f, 0x4d, 0x51, 0x58};
    uint8_t out[FRAME_SENT_MAX];
    char longest[FRAME_CONTROL_MAX + 1] = {0};

    (void)state;
    assert_int_equal(frame_write(FRAME_PONG, BYTES("Hello"), mask, out), sizeof pong);
    assert_memory_equal(out, pong, sizeof pong);
    memset(longest, 'x', FRAME_CONTROL_MAX);
    assert_int_equal(frame_write(FRAME_CLOSE, slice_of(longest), mask, out), FRAME_SENT_MAX);
    assert_int_equal(out[1], 0x80 | FRAME_CONTROL_MAX);
    assert_int_equal(frame_write(FRAME_PING, (struct slice){NULL, 0}, mask, out), 6);
}

/* A client's frames, as a server reads them (RFC 6455 section 5.7 has the first), and a server's
 * heads. */
static void test_server(void **state) {
    static const uint8_t hello[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                    0x7f, 0x9f, 0x4d, 0x51, 0x58};
    static const uint8_t bare[] = {0x81, 0x05, 'H', 'e', 'l', 'l', 'o'};
    struct frames frames;
    struct said said;
    const struct frames_reader reader = {&said, 100, on_piece, on_control};
    uint8_t bytes[2 * sizeof hello], head[FRAME_HEAD_MAX];

    (void)state;
    for (size_t part = 1; part <= sizeof bytes; part++) {
        said = (struct said){0};
        memcpy(bytes, hello, sizeof hello);
        memcpy(bytes + sizeof hello, hello, sizeof hello);
        bytes[sizeof hello] = 0x89; /* the second is a ping */
        frames_init_server(&frames);
        for (size_t at = 0; at < sizeof bytes; at += part)
            assert_null(frames_read(
                &frames, slice_first(slice_from((struct slice){bytes, sizeof bytes}, at), part),
                &reader));
        assert_memory_equal(said.text, "Hello|", 6);
        assert_memory_equal(said.text + said.len - 9, "<9:Hello>", 9);
    }
    memcpy(bytes, bare, sizeof bare);
    frames_init_server(&frames);
    assert_non_null(frames_read(&frames, (struct slice){bytes, sizeof bare}, &reader));
    assert_int_equal(frame_write_head(FRAME_TEXT, 125, head), 2);
    assert_memory_equal(head, "\x81\x7d", 2);
    assert_int_equal(frame_write_head(FRAME_TEXT, 126, head), 4);
    assert_memory_equal(head, "\x81\x7e\x00\x7e", 4);
    assert_int_equal(frame_write_head(FRAME_BINARY, 65536, head), 10);
    assert_memory_equal(head, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server),   cmocka_unit_test(test_examples),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_wrong),    cmocka_unit_test(test_long_in_parts),
        cmocka_unit_test(test_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
