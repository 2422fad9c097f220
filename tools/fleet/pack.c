#include "tools/fleet/pack.h"

#include "engine/record/msgpack_token.h"

#include <inttypes.h>

static int append(void *data, const char *bytes, size_t len) {
    buffer_add(data, bytes, len);
    return 0; /* running out of memory is remembered by the buffer */
}

void pack_begin(msgpack_packer *packer, struct buffer *out) {
    msgpack_packer_init(packer, out, append);
}

void pack_text(msgpack_packer *packer, struct slice text) {
    msgpack_pack_str_with_body(packer, text.ptr, text.len);
}

void pack_bytes(msgpack_packer *packer, struct slice bytes) {
    msgpack_pack_bin_with_body(packer, bytes.ptr, bytes.len);
}

/* Takes the head of a value; of bytes these stay in `rest`. */
static struct msgpack_token take_head(struct unpack *in) {
    struct msgpack_token token = {.kind = MSGPACK_TOKEN_INVALID};

    if (in->failed || !msgpack_token_read(in->rest, &token)) {
        in->failed = true;
        return (struct msgpack_token){.kind = MSGPACK_TOKEN_INVALID};
    }
    in->rest = slice_from(in->rest, token.head);
    return token;
}

uint32_t unpack_list(struct unpack *in, uint32_t minimum, uint32_t maximum) {
    struct msgpack_token token = take_head(in);

    if (token.kind != MSGPACK_TOKEN_LIST || token.length < minimum || token.length > maximum)
        in->failed = true;
    return in->failed ? 0 : token.length;
}

uint64_t unpack_number(struct unpack *in, uint64_t minimum, uint64_t maximum) {
    struct msgpack_token token = take_head(in);
    uint64_t number = token.kind == MSGPACK_TOKEN_NATURAL ? token.natural : (uint64_t)token.integer;

    if (token.kind == MSGPACK_TOKEN_INTEGER)
        in->failed |= token.integer < 0;
    else
        in->failed |= token.kind != MSGPACK_TOKEN_NATURAL;
    in->failed |= number < minimum || number > maximum;
    return in->failed ? 0 : number;
}

struct slice unpack_bytes(struct unpack *in, size_t minimum, size_t maximum) {
    struct msgpack_token token = take_head(in);

    in->failed |= token.kind != MSGPACK_TOKEN_TEXT && token.kind != MSGPACK_TOKEN_BINARY;
    in->failed |= token.length < minimum || token.length > maximum || token.length > in->rest.len;
    if (in->failed)
        return (struct slice){0};
    struct slice bytes = slice_first(in->rest, token.length);
    in->rest = slice_from(in->rest, token.length);
    return bytes;
}

static enum error is_none(const char *what, struct failure *failure) {
    return failure_set(failure, ERROR_INPUT, "what should be a %s is none", what);
}

enum error unpack_begin(struct unpack *in, struct slice message, uint32_t values, uint64_t version,
                        const char *what, struct failure *failure) {
    *in = (struct unpack){.rest = message};
    uint32_t items = unpack_list(in, 1, UINT32_MAX);
    uint64_t found = unpack_number(in, 1, UINT64_MAX);

    if (in->failed || found < version || (found == version && items != values))
        return is_none(what, failure);
    if (found == version)
        return ERROR_NONE;
    return failure_set(failure, ERROR_UNSUPPORTED,
                       "a %s of version %" PRIu64 " is of a newer trawl: this one knows version "
                       "%" PRIu64 ", and has to be brought up to date",
                       what, found, version);
}

enum error unpack_end(const struct unpack *in, const char *what, struct failure *failure) {
    return in->failed || in->rest.len ? is_none(what, failure) : ERROR_NONE;
}
