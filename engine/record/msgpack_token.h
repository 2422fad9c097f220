/* MessagePack, read one token at a time: the head of a value with its number, or with the length of
 * what stands behind it. Nothing is allocated and nothing trusted; msgpack-c's unpacker, which
 * allocates what a stream claims to hold, cannot be bounded. Pure, safe on every thread. */
#ifndef ENGINE_RECORD_MSGPACK_TOKEN_H
#define ENGINE_RECORD_MSGPACK_TOKEN_H

#include "engine/base/slice.h"

enum msgpack_token_kind {
    MSGPACK_TOKEN_INVALID, /* the byte 0xc1, which is never used */
    MSGPACK_TOKEN_NIL,
    MSGPACK_TOKEN_BOOLEAN,
    MSGPACK_TOKEN_INTEGER,
    MSGPACK_TOKEN_NATURAL, /* a positive number that may be above INT64_MAX */
    MSGPACK_TOKEN_REAL,
    MSGPACK_TOKEN_TEXT,
    MSGPACK_TOKEN_BINARY,
    MSGPACK_TOKEN_EXTENSION,
    MSGPACK_TOKEN_LIST,
    MSGPACK_TOKEN_MAP,
};

struct msgpack_token {
    enum msgpack_token_kind kind;
    uint32_t head; /* bytes of the token itself */
    /* TEXT, BINARY, EXTENSION (its type included): bytes behind the head; LIST: items; MAP: pairs
     */
    uint32_t length;
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double real;
    };
};

/* False when `bytes` end before the head does. What stands behind it may be missing. */
bool msgpack_token_read(struct slice bytes, struct msgpack_token *out);

/* Length of the value at the beginning of `bytes`, all that it holds included; 0 when it is not
 * whole, or invalid. */
size_t msgpack_value_length(struct slice bytes);

#endif
