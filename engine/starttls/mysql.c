/* MySQL and MariaDB ("Connection Phase" of either's documentation): the server greets with its
 * capabilities; the client answers with SSLRequest, the beginning of a login, and TLS follows at
 * once. Packets: length (3 bytes, little endian), number, payload. */
#include "engine/starttls/dialogue.h"

enum {
    HEADER_BYTES = 4,
    PROTOCOL_10 = 10,
    ERROR_PACKET = 0xff,
    /* Of a greeting, behind the terminated version: thread 4, salt 8, filler 1, capabilities 2. */
    CAPABILITIES_AT = 13,
    CLIENT_SSL = 0x0800,
};

/* SSLRequest: capabilities LONG_PASSWORD, PROTOCOL_41, SSL, SECURE_CONNECTION and PLUGIN_AUTH, the
 * largest packet (16 MB), character set (45: utf8mb4), and 23 bytes of filler. */
static const uint8_t SSL_REQUEST[32] = {0x01, 0x8a, 0x08, 0x00, 0x00, 0x00, 0x00, 0x01, 0x2d};

static size_t mysql_length(struct dialogue_state *state, struct slice bytes) {
    (void)state;
    if (bytes.len < HEADER_BYTES)
        return 0;
    size_t len = (size_t)bytes.ptr[0] | (size_t)bytes.ptr[1] << 8 | (size_t)bytes.ptr[2] << 16;
    /* A greeting has about a hundred bytes: more are the words of another protocol. */
    return len > DIALOGUE_LINE_BYTES - HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + len;
}

/* A number and words, with or without "#" and five characters of SQL state between. */
static enum dialogue_status take_error(struct dialogue_state *state, struct slice payload) {
    if (payload.len < 3)
        return DIALOGUE_BROKEN;
    struct slice words = slice_from(payload, 3);
    if (words.len >= 6 && words.ptr[0] == '#')
        words = slice_from(words, 6);
    return dialogue_refused_with(state, words, "error %u", payload.ptr[1] | payload.ptr[2] << 8);
}

static enum dialogue_status mysql_message(struct dialogue_state *state, struct slice message,
                                          struct buffer *out) {
    struct slice payload = slice_from(message, HEADER_BYTES);

    if (!payload.len || message.ptr[3])
        return DIALOGUE_BROKEN;
    if (payload.ptr[0] == ERROR_PACKET)
        return take_error(state, payload);
    if (payload.ptr[0] != PROTOCOL_10)
        return payload.ptr[0] == PROTOCOL_10 - 1
                   ? dialogue_refused(state, slice_of("TLS is not offered: protocol 9"))
                   : DIALOGUE_BROKEN;
    const uint8_t *zero = memchr(payload.ptr, 0, payload.len);
    if (!zero)
        return DIALOGUE_BROKEN;
    struct slice rest = slice_from(payload, (size_t)(zero - payload.ptr) + 1);
    if (rest.len < CAPABILITIES_AT + 2)
        return DIALOGUE_BROKEN;
    if (!((rest.ptr[CAPABILITIES_AT] | rest.ptr[CAPABILITIES_AT + 1] << 8) & CLIENT_SSL))
        return dialogue_refused(state, slice_of("TLS is not offered"));
    buffer_add(out, "\x20\x00\x00\x01", HEADER_BYTES);
    buffer_add(out, SSL_REQUEST, sizeof SSL_REQUEST);
    return DIALOGUE_TLS;
}

const struct dialogue dialogue_mysql = {
    .name = "mysql",
    .summary = "databases: MySQL and MariaDB, SSLRequest",
    .port = 3306,
    .aliases = {{"mariadb", 0}},
    .length = mysql_length,
    .message = mysql_message,
};
