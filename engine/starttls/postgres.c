/* PostgreSQL (documentation, "Message Flow", "SSL Session Encryption"): SSLRequest, then one byte:
 * S for TLS, N for none; or E and an error, such as that it cannot start a process. */
#include "engine/starttls/dialogue.h"

enum { ERROR_HEADER_BYTES = 5 };

static void postgres_start(struct dialogue_state *state, struct buffer *out) {
    (void)state;
    buffer_add(out, "\x00\x00\x00\x08\x04\xd2\x16\x2f", 8); /* length, request 1234.5679 */
}

/* An error that has a length in front of its fields. Where the server has not got so far as to know
 * the protocol's version, it is of the oldest one: E, text, zero. */
static bool has_fields(struct slice bytes) {
    return bytes.ptr[1] == 0;
}

static size_t postgres_length(struct dialogue_state *state, struct slice bytes) {
    (void)state;
    if (bytes.ptr[0] != 'E')
        return 1;
    if (bytes.len < 2)
        return 0;
    if (!has_fields(bytes))
        return bytes.ptr[bytes.len - 1] == 0 ? bytes.len : 0;
    if (bytes.len < ERROR_HEADER_BYTES)
        return 0;
    return 1 + ((size_t)bytes.ptr[2] << 16 | (size_t)bytes.ptr[3] << 8 | bytes.ptr[4]);
}

/* The field M (message) of an error: a letter and a terminated string each. */
static struct slice error_text(struct slice fields) {
    while (fields.len && fields.ptr[0]) {
        const uint8_t *end = memchr(fields.ptr, 0, fields.len);
        if (!end)
            break;
        size_t len = (size_t)(end - fields.ptr);
        if (fields.ptr[0] == 'M')
            return slice_from(slice_first(fields, len), 1);
        fields = slice_from(fields, len + 1);
    }
    return (struct slice){NULL, 0};
}

static enum dialogue_status postgres_message(struct dialogue_state *state, struct slice message,
                                             struct buffer *out) {
    (void)out;
    switch (message.ptr[0]) {
    case 'S':
        return DIALOGUE_TLS;
    case 'N':
        return dialogue_refused(state, slice_of("TLS is not offered"));
    case 'E':
        break;
    default:
        return DIALOGUE_BROKEN;
    }
    if (!has_fields(message))
        return dialogue_refused_with(state, slice_from(slice_first(message, message.len - 1), 1),
                                     "error");
    if (message.len < ERROR_HEADER_BYTES)
        return DIALOGUE_BROKEN;
    return dialogue_refused_with(state, error_text(slice_from(message, ERROR_HEADER_BYTES)),
                                 "error");
}

const struct dialogue dialogue_postgres = {
    .name = "postgres",
    .summary = "databases: PostgreSQL, SSLRequest",
    .port = 5432,
    .aliases = {{"postgresql", 0}, {"pgsql", 0}},
    .start = postgres_start,
    .length = postgres_length,
    .message = postgres_message,
};
