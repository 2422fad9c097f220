/* Any bytes as frames of a WebSocket: however they are cut, the same messages come out of them, and
 * no message is longer than it may be. */
#include "engine/base/buffer.h"
#include "engine/http/frames.h"

#include <stdlib.h>

enum { MESSAGE_MAX = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
    struct buffer bytes; /* pieces, then a mark behind each message and each control frame */
    size_t message_len;
};

static void require(bool condition) {
    if (!condition)
        abort();
}

static void on_piece(void *owner, struct slice piece, bool end) {
    struct heard *heard = owner;

    heard->message_len += piece.len;
    require(heard->message_len <= MESSAGE_MAX);
    buffer_add_slice(&heard->bytes, piece);
    if (end) {
        buffer_add_text(&heard->bytes, "|message|");
        heard->message_len = 0;
    }
}

static void on_control(void *owner, enum frame_opcode opcode, struct slice payload) {
    struct heard *heard = owner;

    require(payload.len <= FRAME_CONTROL_MAX);
    require(opcode == FRAME_CLOSE || opcode == FRAME_PING || opcode == FRAME_PONG);
    buffer_add_byte(&heard->bytes, (uint8_t)opcode);
    buffer_add_slice(&heard->bytes, payload);
    buffer_add_text(&heard->bytes, "|control|");
}

/* In parts of `part` bytes, each in memory of its own. */
static const char *hear(struct slice bytes, size_t part, struct heard *heard) {
    const struct frames_reader reader = {heard, MESSAGE_MAX, on_piece, on_control};
    struct frames frames;
    const char *wrong = NULL;

    frames_init(&frames);
    *heard = (struct heard){0};
    buffer_init(&heard->bytes);
    while (bytes.len && !wrong) {
        struct slice some = slice_first(bytes, part);
        uint8_t *copy = malloc(some.len);
        require(copy != NULL);
        memcpy(copy, some.ptr, some.len);
        wrong = frames_read(&frames, (struct slice){copy, some.len}, &reader);
        free(copy);
        bytes = slice_from(bytes, some.len);
    }
    return wrong;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct heard whole, cut;

    if (size == 0)
        return 0;
    struct slice bytes = {data + 1, size - 1};
    const char *wrong = hear(bytes, bytes.len, &whole);
    require(hear(bytes, (size_t)data[0] % 8 + 1, &cut) == wrong);
    require(slice_equal(buffer_slice(&whole.bytes), buffer_slice(&cut.bytes)));
    buffer_deinit(&whole.bytes);
    buffer_deinit(&cut.bytes);
    return 0;
}
