/* Frames of a WebSocket (RFC 6455 section 5), as a client reads and writes them, or a server.
 * Sans-I/O: bytes go in as they come, of any size; pieces of messages come out as slices of those
 * bytes, without a copy. A feed sends hundreds of MB a second, so nothing is looked at that need
 * not be: text is not checked to be UTF-8, which is for whoever reads it.
 *
 * Everything the other side may do wrong is an end: masked frames of a server, bare ones of a
 * client, reserved bits and opcodes, messages within messages, control frames that are long or cut,
 * lengths that are not the shortest.
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
    uint8_t head[FRAME_HEAD_MAX + FRAME_MASK_BYTES], control[FRAME_CONTROL_MAX];
    uint32_t head_len, control_len;
    bool of_client;                    /* who sends these frames */
    bool in_payload, last, in_message; /* of a frame; it is its message's last; between two */
    enum frame_opcode opcode;
    uint64_t left;      /* of the payload */
    size_t message_len; /* as far as it was announced */
    uint32_t unmasked;  /* bytes of the payload, modulo 2^32 */
};

/* At the beginning of a connection; zeros do as well. */
void frames_init(struct frames *frames);

/* The same for the frames of a client: they must be masked, and are unmasked in place, so that what
 * frames_read is given must be memory that may change. */
void frames_init_server(struct frames *frames);

/* Reads all of `bytes`. NULL, or what is wrong, static words about the other side; nothing may be
 * read after that. */
const char *frames_read(struct frames *frames, struct slice bytes,
                        const struct frames_reader *reader) __attribute__((warn_unused_result));

/* Writes a control frame of a client, masked with `mask`, which must be random. How long it is. */
size_t frame_write(enum frame_opcode opcode, struct slice payload,
                   const uint8_t mask[FRAME_MASK_BYTES], uint8_t out[FRAME_SENT_MAX]);

/* Writes the head of a server's frame with a payload of `len` bytes, which follows as it is. How
 * long the head is. */
size_t frame_write_head(enum frame_opcode opcode, size_t len, uint8_t out[FRAME_HEAD_MAX]);

#endif
