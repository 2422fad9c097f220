#include "engine/http/frames.h"

enum {
    BIT_LAST = 0x80,
    BITS_RESERVED = 0x70,
    BIT_CONTROL = 8,
    BIT_MASKED = 0x80,
    LENGTH_BITS = 0x7f,
    LENGTH_16 = 126, /* the length is in the 2 bytes that follow */
    LENGTH_64 = 127, /* in the 8 that follow */
};

void frames_init(struct frames *frames) {
    *frames = (struct frames){0};
}

void frames_init_server(struct frames *frames) {
    *frames = (struct frames){.of_client = true};
}

/* --- Heads --- */

/* Up to the end of the length. */
static uint32_t length_end(uint8_t second) {
    uint8_t length = second & LENGTH_BITS;
    return length == LENGTH_64 ? 10 : length == LENGTH_16 ? 4 : 2;
}

static uint32_t head_size(const struct frames *frames) {
    bool has_mask = frames->of_client && frames->head[1] & BIT_MASKED;
    return length_end(frames->head[1]) + (has_mask ? FRAME_MASK_BYTES : 0);
}

/* False when a shorter form would have done. */
static bool read_length(const uint8_t *head, uint64_t *out) {
    uint64_t length = 0;
    uint32_t size = length_end(head[1]);

    for (uint32_t i = 2; i < size; i++)
        length = length << 8 | head[i];
    *out = size == 2 ? head[1] & LENGTH_BITS : length;
    return size == 2 || (size == 4 ? length >= LENGTH_16 : length > UINT16_MAX);
}

static const char *begin_control(const struct frames *frames) {
    if (frames->opcode > FRAME_PONG)
        return "the other side sent a frame of a kind that there is not";
    if (!frames->last || frames->left > FRAME_CONTROL_MAX)
        return "the other side sent a control frame that is cut or too long";
    return NULL;
}

static const char *begin_data(struct frames *frames, size_t message_max) {
    bool continues = frames->opcode == FRAME_CONTINUATION;

    if (frames->opcode > FRAME_BINARY)
        return "the other side sent a frame of a kind that there is not";
    if (continues != frames->in_message)
        return "the other side mixed up the parts of its messages";
    if (frames->left > message_max || frames->message_len + frames->left > message_max)
        return "the other side sent a message that is too long";
    frames->message_len += frames->left;
    frames->in_message = true;
    return NULL;
}

static const char *begin_frame(struct frames *frames, size_t message_max) {
    const uint8_t *head = frames->head;

    if (head[0] & BITS_RESERVED)
        return "the other side uses an extension that nobody offered";
    if (frames->of_client && !(head[1] & BIT_MASKED))
        return "the other side does not mask its frames";
    if (!frames->of_client && head[1] & BIT_MASKED)
        return "the other side masks its frames";
    if (!read_length(head, &frames->left))
        return "the other side sent a length that is longer than it need be";
    frames->last = head[0] & BIT_LAST;
    frames->opcode = (enum frame_opcode)(head[0] & 0x0f);
    frames->in_payload = true;
    frames->unmasked = 0;
    frames->control_len = 0;
    return frames->opcode & BIT_CONTROL ? begin_control(frames) : begin_data(frames, message_max);
}

/* As many bytes of it as there are; true when it is complete. */
static bool take_head(struct frames *frames, struct slice *bytes) {
    while (bytes->len && (frames->head_len < 2 || frames->head_len < head_size(frames))) {
        frames->head[frames->head_len++] = bytes->ptr[0];
        *bytes = slice_from(*bytes, 1);
    }
    return frames->head_len >= 2 && frames->head_len == head_size(frames);
}

/* --- Payloads --- */

static void take_control(struct frames *frames, struct slice piece,
                         const struct frames_reader *reader) {
    if (piece.len)
        memcpy(frames->control + frames->control_len, piece.ptr, piece.len);
    frames->control_len += (uint32_t)piece.len;
    if (frames->left == 0)
        reader->on_control(reader->owner, frames->opcode,
                           (struct slice){frames->control, frames->control_len});
}

static void take_data(struct frames *frames, struct slice piece,
                      const struct frames_reader *reader) {
    bool end = frames->left == 0 && frames->last;

    if (end) {
        frames->in_message = false;
        frames->message_len = 0;
    }
    if (piece.len || end)
        reader->on_piece(reader->owner, piece, end);
}

/* In the caller's memory, which frames_init_server says is its own. */
static void unmask(struct frames *frames, struct slice piece) {
    const uint8_t *mask = frames->head + length_end(frames->head[1]);
    uint8_t *at = (uint8_t *)(uintptr_t)piece.ptr;

    for (size_t i = 0; i < piece.len; i++)
        at[i] ^= mask[frames->unmasked++ % FRAME_MASK_BYTES];
}

static void take_payload(struct frames *frames, struct slice *bytes,
                         const struct frames_reader *reader) {
    struct slice piece =
        slice_first(*bytes, frames->left < bytes->len ? (size_t)frames->left : bytes->len);

    if (frames->of_client)
        unmask(frames, piece);
    *bytes = slice_from(*bytes, piece.len);
    frames->left -= piece.len;
    if (frames->left == 0) {
        frames->in_payload = false;
        frames->head_len = 0;
    }
    if (frames->opcode & BIT_CONTROL)
        take_control(frames, piece, reader);
    else
        take_data(frames, piece, reader);
}

const char *frames_read(struct frames *frames, struct slice bytes,
                        const struct frames_reader *reader) {
    const char *wrong = NULL;

    while (!wrong && (bytes.len || (frames->in_payload && frames->left == 0))) {
        if (frames->in_payload)
            take_payload(frames, &bytes, reader);
        else if (take_head(frames, &bytes))
            wrong = begin_frame(frames, reader->message_max);
    }
    return wrong;
}

/* --- Writing --- */

size_t frame_write(enum frame_opcode opcode, struct slice payload,
                   const uint8_t mask[FRAME_MASK_BYTES], uint8_t out[FRAME_SENT_MAX]) {
    size_t len = payload.len < FRAME_CONTROL_MAX ? payload.len : FRAME_CONTROL_MAX;

    out[0] = (uint8_t)(BIT_LAST | opcode);
    out[1] = (uint8_t)(BIT_MASKED | len);
    memcpy(out + 2, mask, FRAME_MASK_BYTES);
    for (size_t i = 0; i < len; i++)
        out[2 + FRAME_MASK_BYTES + i] = payload.ptr[i] ^ mask[i % FRAME_MASK_BYTES];
    return 2 + FRAME_MASK_BYTES + len;
}

size_t frame_write_head(enum frame_opcode opcode, size_t len, uint8_t out[FRAME_HEAD_MAX]) {
    uint32_t bytes = len < LENGTH_16 ? 0 : len <= UINT16_MAX ? 2 : 8;

    out[0] = (uint8_t)(BIT_LAST | opcode);
    out[1] = (uint8_t)(bytes == 0 ? len : bytes == 2 ? LENGTH_16 : LENGTH_64);
    for (uint32_t i = 0; i < bytes; i++)
        out[2 + i] = (uint8_t)((uint64_t)len >> 8 * (bytes - 1 - i));
    return 2 + bytes;
}
