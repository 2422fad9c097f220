#include "engine/record/msgpack_json.h"

#include "engine/base/limits.h"
#include "engine/record/json.h"
#include "engine/record/msgpack_token.h"
#include "engine/record/value_text.h"

void msgpack_json_init(struct msgpack_json *stream) {
    *stream = (struct msgpack_json){0};
    buffer_init(&stream->json);
}

void msgpack_json_deinit(struct msgpack_json *stream) {
    buffer_deinit(&stream->json);
}

void msgpack_json_drop(struct msgpack_json *stream) {
    struct buffer *json = &stream->json;

    if (stream->whole) {
        json->len -= stream->whole;
        memmove(json->ptr, json->ptr + stream->whole, json->len);
    }
    stream->whole = 0;
}

static bool is_container(const struct msgpack_token *token) {
    return token->kind == MSGPACK_TOKEN_LIST || token->kind == MSGPACK_TOKEN_MAP;
}

/* --- What a stream may hold --- */

static enum error refuse(enum error code, const char *why, struct failure *failure) {
    return failure_set(failure, code, "%s", why);
}

static enum error check_place(const struct msgpack_json *stream, const struct msgpack_token *token,
                              struct failure *failure) {
    if (token->kind == MSGPACK_TOKEN_INVALID)
        return refuse(ERROR_INPUT, "not MessagePack: the byte 0xc1", failure);
    if (stream->depth == 0)
        return token->kind == MSGPACK_TOKEN_MAP
                   ? ERROR_NONE
                   : refuse(ERROR_INPUT, "not a record: each is a MessagePack map", failure);
    const struct msgpack_json_level *level = &stream->levels[stream->depth - 1];
    if (level->map && level->left % 2 == 0 && token->kind != MSGPACK_TOKEN_TEXT)
        return refuse(ERROR_INPUT, "a key of a map that is no text", failure);
    if (token->kind == MSGPACK_TOKEN_EXTENSION)
        return refuse(ERROR_INPUT, "a value of an extension type, which records never have",
                      failure);
    return ERROR_NONE;
}

/* Every value takes a byte at least, so what is still to come is bounded by the bytes, too. */
static enum error check_size(const struct msgpack_json *stream, const struct msgpack_token *token,
                             struct failure *failure) {
    uint64_t record = stream->offset - stream->record_offset + token->head + token->length;

    if (is_container(token) && stream->depth == MSGPACK_JSON_DEPTH)
        return refuse(ERROR_LIMIT, "nested too deep for a record", failure);
    if (record > LIMIT_UNPACKED_RECORD_BYTES)
        return failure_set(failure, ERROR_LIMIT, "a record of more than %d MB",
                           LIMIT_UNPACKED_RECORD_BYTES >> 20);
    return ERROR_NONE;
}

/* --- JSON --- */

/* The comma before a value, if it needs one, and what tells a value from its key. */
static void begin_value(struct msgpack_json *stream) {
    if (stream->depth == 0)
        return;
    struct msgpack_json_level *level = &stream->levels[stream->depth - 1];
    if (level->map && level->left % 2 == 1)
        buffer_add_byte(&stream->json, ':');
    else if (level->begun)
        buffer_add_byte(&stream->json, ',');
    level->begun = true;
    level->left--;
}

static void add_natural(uint64_t natural, struct buffer *out) {
    if (natural <= INT64_MAX)
        text_add_integer(out, (int64_t)natural);
    else
        buffer_add_format(out, "%llu", (unsigned long long)natural);
}

static void add_real(double real, struct buffer *out) {
    struct value value = {.kind = VALUE_REAL, .real = real};
    int64_t hundredths;

    if (value_text_hundredths(real, &hundredths))
        value_text_add(&value, out);
    else
        buffer_add_text(out, "null");
}

static void add_scalar(const struct msgpack_token *token, struct slice content,
                       struct buffer *out) {
    switch (token->kind) {
    case MSGPACK_TOKEN_NIL:
        buffer_add_text(out, "null");
        return;
    case MSGPACK_TOKEN_BOOLEAN:
        buffer_add_text(out, token->boolean ? "true" : "false");
        return;
    case MSGPACK_TOKEN_INTEGER:
        text_add_integer(out, token->integer);
        return;
    case MSGPACK_TOKEN_NATURAL:
        add_natural(token->natural, out);
        return;
    case MSGPACK_TOKEN_REAL:
        add_real(token->real, out);
        return;
    case MSGPACK_TOKEN_TEXT:
        json_add_text(content, out);
        return;
    case MSGPACK_TOKEN_BINARY:
        buffer_add_byte(out, '"');
        text_add_base64(out, content);
        buffer_add_byte(out, '"');
        return;
    case MSGPACK_TOKEN_LIST:
    case MSGPACK_TOKEN_MAP:
    case MSGPACK_TOKEN_EXTENSION:
    case MSGPACK_TOKEN_INVALID:
        return;
    }
}

static void open_container(struct msgpack_json *stream, const struct msgpack_token *token) {
    bool map = token->kind == MSGPACK_TOKEN_MAP;

    stream->levels[stream->depth++] = (struct msgpack_json_level){
        .left = (uint64_t)token->length * (map ? 2 : 1),
        .map = map,
    };
    buffer_add_byte(&stream->json, map ? '{' : '[');
}

static void close_containers(struct msgpack_json *stream) {
    while (stream->depth && stream->levels[stream->depth - 1].left == 0)
        buffer_add_byte(&stream->json, stream->levels[--stream->depth].map ? '}' : ']');
    if (stream->depth)
        return;
    buffer_add_byte(&stream->json, '\n');
    stream->whole = stream->json.len;
    stream->record_offset = stream->offset;
}

/* *taken is false when `bytes` end before the token does. */
static enum error take_token(struct msgpack_json *stream, struct slice *bytes, bool *taken,
                             struct failure *failure) {
    struct msgpack_token token;
    enum error error;

    *taken = false;
    if (!msgpack_token_read(*bytes, &token))
        return ERROR_NONE;
    if ((error = check_place(stream, &token, failure)) ||
        (error = check_size(stream, &token, failure)))
        return error;
    size_t content = is_container(&token) ? 0 : token.length;
    if (bytes->len - token.head < content)
        return ERROR_NONE;
    begin_value(stream);
    if (is_container(&token))
        open_container(stream, &token);
    else
        add_scalar(&token, slice_first(slice_from(*bytes, token.head), content), &stream->json);
    *bytes = slice_from(*bytes, token.head + content);
    stream->offset += token.head + content;
    close_containers(stream);
    *taken = true;
    return stream->json.failed ? refuse(ERROR_MEMORY, "no memory for a record", failure)
                               : ERROR_NONE;
}

enum error msgpack_json_take(struct msgpack_json *stream, struct slice *bytes,
                             struct failure *failure) {
    enum error error;
    bool taken;

    do
        error = take_token(stream, bytes, &taken, failure);
    while (!error && taken);
    return error;
}

enum error msgpack_json_take_record(struct msgpack_json *stream, struct slice *bytes, bool *whole,
                                    struct failure *failure) {
    enum error error;
    bool taken;

    do {
        error = take_token(stream, bytes, &taken, failure);
        *whole = !error && taken && stream->depth == 0;
    } while (!error && taken && !*whole);
    return error;
}
