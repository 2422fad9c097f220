/* Microsoft SQL Server, MS-TDS sections 2.2.6.5 (PRELOGIN) and 3.2.5.1: both sides say in a
 * PRELOGIN packet what they want encrypted, then TLS travels in PRELOGIN packets until the
 * handshake is done. Packets: type, status, length (big endian, with this header), channel 2,
 * number, window. */
#include "engine/starttls/dialogue.h"

enum {
    HEADER_BYTES = 8,
    PACKET_BYTES_MAX = 4096, /* until the login agrees on another */
    PACKET_PRELOGIN = 0x12,
    PACKET_RESPONSE = 0x04,
    STATUS_LAST = 0x01, /* of the message's packets */
    OPTION_ENCRYPTION = 0x01,
    OPTION_BYTES = 5,
    OPTIONS_END = 0xff,
    ENCRYPT_NOT_SUPPORTED = 0x02,
};

/* The values of ENCRYPTION: 0 only the login, 1 all, 3 all or nothing; each begins with TLS. */
enum { ENCRYPT_VALUE_MAX = 3 };

static const uint8_t PRELOGIN[] = {
    PACKET_PRELOGIN,
    STATUS_LAST,
    0,
    26,
    0,
    0,
    0,
    0, /* header: 26 bytes in all */
    0x00,
    0,
    11,
    0,
    6, /* VERSION: at 11, 6 bytes */
    OPTION_ENCRYPTION,
    0,
    17,
    0,
    1,           /* at 17, 1 byte */
    OPTIONS_END, /* and the values: */
    15,
    0,
    0,
    0,
    0,
    0, /* of no client in particular */
    1, /* all shall be encrypted */
};

static void mssql_start(struct dialogue_state *state, struct buffer *out) {
    (void)state;
    buffer_add(out, PRELOGIN, sizeof PRELOGIN);
}

static bool is_ours(const uint8_t *header) {
    return header[0] == PACKET_RESPONSE || header[0] == PACKET_PRELOGIN;
}

static size_t mssql_length(struct dialogue_state *state, struct slice bytes) {
    (void)state;
    if (!is_ours(bytes.ptr))
        return 1;
    if (bytes.len < HEADER_BYTES)
        return 0;
    size_t len = (size_t)(bytes.ptr[2] << 8 | bytes.ptr[3]);
    return len < HEADER_BYTES ? HEADER_BYTES : len;
}

static enum dialogue_status take_encryption(struct dialogue_state *state, uint8_t value) {
    if (value > ENCRYPT_VALUE_MAX)
        return DIALOGUE_BROKEN;
    return value == ENCRYPT_NOT_SUPPORTED ? dialogue_refused(state, slice_of("TLS is not offered"))
                                          : DIALOGUE_TLS;
}

static enum dialogue_status mssql_message(struct dialogue_state *state, struct slice message,
                                          struct buffer *out) {
    struct slice payload = slice_from(message, HEADER_BYTES);
    (void)out;

    if (!payload.len || !(message.ptr[1] & STATUS_LAST))
        return DIALOGUE_BROKEN;
    for (struct slice options = payload; options.len; options = slice_from(options, OPTION_BYTES)) {
        const uint8_t *option = options.ptr;
        if (option[0] == OPTIONS_END)
            return dialogue_refused(state, slice_of("TLS is not offered"));
        if (options.len < OPTION_BYTES)
            break;
        struct slice value = slice_first(slice_from(payload, (size_t)(option[1] << 8 | option[2])),
                                         (size_t)(option[3] << 8 | option[4]));
        if (option[0] == OPTION_ENCRYPTION)
            return value.len ? take_encryption(state, value.ptr[0]) : DIALOGUE_BROKEN;
    }
    return DIALOGUE_BROKEN;
}

static void mssql_wrap(struct slice tls, struct buffer *out) {
    enum { PAYLOAD_BYTES_MAX = PACKET_BYTES_MAX - HEADER_BYTES };

    for (uint8_t number = 0; tls.len; number++) {
        struct slice part = slice_first(tls, PAYLOAD_BYTES_MAX);
        size_t len = HEADER_BYTES + part.len;
        tls = slice_from(tls, part.len);
        uint8_t header[HEADER_BYTES] = {PACKET_PRELOGIN,
                                        tls.len ? 0 : STATUS_LAST,
                                        (uint8_t)(len >> 8),
                                        (uint8_t)len,
                                        0,
                                        0,
                                        number,
                                        0};
        buffer_add(out, header, sizeof header);
        buffer_add_slice(out, part);
    }
}

/* TLS records begin with 20 to 24, packets do not: so it shows when a server, done with its part of
 * the handshake, has gone on bare. */
static bool is_bare(uint8_t byte) {
    return byte >= 20 && byte <= 24;
}

/* `line` has the unfinished header, `skip` what the packet still holds; `seen`: no more packets. */
static bool mssql_unwrap(struct dialogue_state *state, struct slice bytes, struct buffer *tls) {
    while (bytes.len) {
        if (!state->skip && !state->line_len && is_bare(bytes.ptr[0]))
            state->seen = true;
        size_t len = state->seen ? bytes.len : state->skip;
        if (len) {
            struct slice part = slice_first(bytes, len);
            buffer_add_slice(tls, part);
            state->skip -= state->seen ? 0 : (uint32_t)part.len;
            bytes = slice_from(bytes, part.len);
            continue;
        }
        state->line[state->line_len++] = bytes.ptr[0];
        bytes = slice_from(bytes, 1);
        if (!is_ours(state->line))
            return false;
        if (state->line_len < HEADER_BYTES)
            continue;
        uint32_t packet = (uint32_t)(state->line[2] << 8 | state->line[3]);
        if (packet < HEADER_BYTES)
            return false;
        state->skip = packet - HEADER_BYTES;
        state->line_len = 0;
    }
    return true;
}

const struct dialogue dialogue_mssql = {
    .name = "mssql",
    .summary = "databases: Microsoft SQL Server, MS-TDS",
    .port = 1433,
    .aliases = {{"tds", 0}, {"ms-sql-s", 0}, {"sqlserver", 0}},
    .start = mssql_start,
    .length = mssql_length,
    .message = mssql_message,
    .wrap = mssql_wrap,
    .unwrap = mssql_unwrap,
};
