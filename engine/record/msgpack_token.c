#include "engine/record/msgpack_token.h"

/* Heads from 0xc0 to 0xdf: a byte, then a number of that many bytes, big-endian. */
static const struct {
    uint8_t kind, number_bytes, more;
} HEADS[32] = {
    {MSGPACK_TOKEN_NIL, 0, 0},        {MSGPACK_TOKEN_INVALID, 0, 0},
    {MSGPACK_TOKEN_BOOLEAN, 0, 0},    {MSGPACK_TOKEN_BOOLEAN, 0, 0},
    {MSGPACK_TOKEN_BINARY, 1, 0},     {MSGPACK_TOKEN_BINARY, 2, 0},
    {MSGPACK_TOKEN_BINARY, 4, 0},     {MSGPACK_TOKEN_EXTENSION, 1, 0},
    {MSGPACK_TOKEN_EXTENSION, 2, 0},  {MSGPACK_TOKEN_EXTENSION, 4, 0},
    {MSGPACK_TOKEN_REAL, 4, 0},       {MSGPACK_TOKEN_REAL, 8, 0},
    {MSGPACK_TOKEN_NATURAL, 1, 0},    {MSGPACK_TOKEN_NATURAL, 2, 0},
    {MSGPACK_TOKEN_NATURAL, 4, 0},    {MSGPACK_TOKEN_NATURAL, 8, 0},
    {MSGPACK_TOKEN_INTEGER, 1, 0},    {MSGPACK_TOKEN_INTEGER, 2, 0},
    {MSGPACK_TOKEN_INTEGER, 4, 0},    {MSGPACK_TOKEN_INTEGER, 8, 0},
    {MSGPACK_TOKEN_EXTENSION, 0, 1},  {MSGPACK_TOKEN_EXTENSION, 0, 2},
    {MSGPACK_TOKEN_EXTENSION, 0, 4},  {MSGPACK_TOKEN_EXTENSION, 0, 8},
    {MSGPACK_TOKEN_EXTENSION, 0, 16}, {MSGPACK_TOKEN_TEXT, 1, 0},
    {MSGPACK_TOKEN_TEXT, 2, 0},       {MSGPACK_TOKEN_TEXT, 4, 0},
    {MSGPACK_TOKEN_LIST, 2, 0},       {MSGPACK_TOKEN_LIST, 4, 0},
    {MSGPACK_TOKEN_MAP, 2, 0},        {MSGPACK_TOKEN_MAP, 4, 0},
};

static uint64_t big_endian(const uint8_t *bytes, size_t count) {
    uint64_t number = 0;

    while (count--)
        number = number << 8 | *bytes++;
    return number;
}

static double real_of(uint64_t bits, size_t bytes) {
    float single;
    double real;

    if (bytes == sizeof single) {
        uint32_t low = (uint32_t)bits;
        memcpy(&single, &low, sizeof single);
        return (double)single;
    }
    memcpy(&real, &bits, sizeof real);
    return real;
}

/* Heads that hold their number themselves. */
static struct msgpack_token small_token(uint8_t byte) {
    struct msgpack_token token = {.head = 1};

    if (byte < 0x80 || byte >= 0xe0) {
        token.kind = MSGPACK_TOKEN_INTEGER;
        token.integer = (int8_t)byte;
    } else if (byte < 0xa0) {
        token.kind = byte < 0x90 ? MSGPACK_TOKEN_MAP : MSGPACK_TOKEN_LIST;
        token.length = byte & 15;
    } else {
        token.kind = MSGPACK_TOKEN_TEXT;
        token.length = byte & 31;
    }
    return token;
}

bool msgpack_token_read(struct slice bytes, struct msgpack_token *out) {
    if (bytes.len == 0)
        return false;
    uint8_t byte = bytes.ptr[0];
    if (byte < 0xc0 || byte >= 0xe0) {
        *out = small_token(byte);
        return true;
    }
    size_t size = HEADS[byte & 31].number_bytes;
    if (bytes.len < 1 + size)
        return false;
    uint64_t number = big_endian(bytes.ptr + 1, size);
    *out = (struct msgpack_token){.kind = HEADS[byte & 31].kind, .head = (uint32_t)(1 + size)};
    switch (out->kind) {
    case MSGPACK_TOKEN_BOOLEAN:
        out->boolean = byte & 1;
        break;
    case MSGPACK_TOKEN_INTEGER: /* its sign is that of its first byte */
        out->integer = (int64_t)(number << (64 - 8 * size)) >> (64 - 8 * size);
        break;
    case MSGPACK_TOKEN_NATURAL:
        out->natural = number;
        break;
    case MSGPACK_TOKEN_REAL:
        out->real = real_of(number, size);
        break;
    case MSGPACK_TOKEN_EXTENSION: {
        uint64_t length = number + HEADS[byte & 31].more + 1;
        out->length = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX;
        break;
    }
    default:
        out->length = (uint32_t)number;
    }
    return true;
}

size_t msgpack_value_length(struct slice bytes) {
    uint64_t left = 1;
    size_t at = 0;

    while (left--) {
        struct msgpack_token token;
        if (!msgpack_token_read(slice_from(bytes, at), &token) ||
            token.kind == MSGPACK_TOKEN_INVALID)
            return 0;
        at += token.head;
        if (token.kind == MSGPACK_TOKEN_LIST || token.kind == MSGPACK_TOKEN_MAP)
            left += (uint64_t)token.length * (token.kind == MSGPACK_TOKEN_MAP ? 2 : 1);
        else
            at += token.length;
        if (at > bytes.len)
            return 0;
    }
    return at;
}
