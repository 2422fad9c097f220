/* Frames of a WebSocket (RFC 6455 section 5), as a client reads and writes them. Sans-I/O: bytes go
 * in as they come, of any size; pieces of messages come out as slices of those bytes, without a
 * copy. A feed sends hundreds of MB a second, so nothing is looked at that need not be: text is not
 * checked to be UTF-8, which is for whoever reads it.
 *
 * Everything a server may do wrong is an end: masked frames, reserved bits and opcodes, messages
 * within messages, control frames that are long or cut, lengths that are not the shortest.
 *
 * One owner, one thread at a time. */
#ifndef ENGINE_HTTP_FRAMES_H
#define ENGINE_HTTP_FRAMES_H

#include "engine/base/slice.h"

enum { FRAME_CONTROL_MAX = 125, FRAME_HEAD_MAX = 10, FRAME_MASK_BYTES = 4 };
enum { FRAME_SENT_MAX = 2 + FRAME_MASK_BYTES + FRAME_CONTROL_MAX };

enum frame_opcode {
    FRAME_CONTINUATION = 0,
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10,
};

/* Who takes what is read; either may be called many times within one frames_read. */
struct frames_reader {
    void *owner;
    size_t message_max; /* bytes; a longer message is an end */
    /* A piece of a message of text or bytes; `end` with the last, which may be empty. */
    void (*on_piece)(void *owner, struct slice piece, bool end);
    void (*on_control)(void *owner, enum frame_opcode opcode, struct slice payload);
};

struct frames {
    uint8_t head[FRAME_HEAD_MAX], control[FRAME_CONTROL_MAX];
    uint32_t head_len, control_len;
    bool in_payload, last, in_message; /* of a frame; it is its message's last; between two */
    enum frame_opcode opcode;
    uint64_t left;      /* of the payload */
    size_t message_len; /* as far as it was announced */
};

/* At the beginning of a connection; zeros do as well. */
void frames_init(struct frames *frames);

/* Reads all of `bytes`. NULL, or what is wrong, static words about the server; nothing may be read
 * after that. */
const char *frames_read(struct frames *frames, struct slice bytes,
                        const struct frames_reader *reader) __attribute__((warn_unused_result));

/* Writes a control frame of a client, masked with `mask`, which must be random. How long it is. */
size_t frame_write(enum frame_opcode opcode, struct slice payload,
                   const uint8_t mask[FRAME_MASK_BYTES], uint8_t out[FRAME_SENT_MAX]);

#endif
