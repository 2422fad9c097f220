/* VNC: RFB 3.3 to 3.8 (RFC 6143 section 7.1) with the security type VeNCrypt (19) of the
 * community's rfbproto:
 *
 *     S: RFB 003.008    C: RFB 003.008    S: types        C: 19
 *     S: VeNCrypt 0.2   C: 0.2            S: 0, subtypes  C: one with certificates    S: 1
 *
 * Integers are big endian. */
#include "engine/starttls/dialogue.h"

enum {
    VERSION,
    TYPES,
    TYPE_3_3, /* the server decides */
    VENCRYPT_VERSION,
    VENCRYPT_ANSWER,
    SUBTYPES,
    GO_AHEAD,
};

enum { VERSION_BYTES = 12, TYPE_VENCRYPT = 19, WORDS_AT = 4 };

/* Subtypes whose TLS has a certificate, best first: X509None, X509Vnc, X509Plain, X509SASL and
 * X509Ident. Those of TLS without one (257 to 259, 263, 266) are anonymous Diffie-Hellman. */
static const uint32_t SUBTYPES_WANTED[] = {260, 261, 262, 264, 267};

static uint32_t read_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A reason: its length and as many bytes, from `start` on. */
static size_t reason_end(struct slice bytes, size_t start) {
    if (bytes.len < start + WORDS_AT)
        return 0;
    uint32_t len = read_u32(bytes.ptr + start);
    return len > DIALOGUE_LINE_BYTES ? (size_t)DIALOGUE_LINE_BYTES + 1 : start + WORDS_AT + len;
}

static size_t vnc_length(struct dialogue_state *state, struct slice bytes) {
    switch (state->step) {
    case VERSION: {
        bool begins = memcmp(bytes.ptr, "RFB ", bytes.len < 4 ? bytes.len : 4) == 0;
        return begins ? VERSION_BYTES : bytes.len;
    }
    case TYPES:
        return bytes.ptr[0] ? (size_t)1 + bytes.ptr[0] : reason_end(bytes, 1);
    case TYPE_3_3:
        if (bytes.len < 4)
            return 0;
        return read_u32(bytes.ptr) ? 4 : reason_end(bytes, 4);
    case VENCRYPT_VERSION:
        return 2;
    case SUBTYPES:
        return (size_t)1 + (size_t)4 * bytes.ptr[0];
    default:
        return 1;
    }
}

/* "RFB 003.008\n". Servers with other numbers (Apple's 3.889, RealVNC's 4 and 5) speak 3.8 too. */
static enum dialogue_status take_version(struct dialogue_state *state, struct slice message,
                                         struct buffer *out) {
    uint64_t major, minor;

    if (message.len != VERSION_BYTES || message.ptr[7] != '.' || message.ptr[11] != '\n' ||
        !slice_to_u64(slice_first(slice_from(message, 4), 3), 999, &major) ||
        !slice_to_u64(slice_first(slice_from(message, 8), 3), 999, &minor) || major < 3)
        return DIALOGUE_BROKEN;
    unsigned int spoken = major > 3 || minor >= 8 ? 8 : minor == 7 ? 7 : 3;
    buffer_add_format(out, "RFB 003.00%u\n", spoken);
    state->step = spoken == 3 ? TYPE_3_3 : TYPES;
    return DIALOGUE_MORE;
}

static enum dialogue_status take_types(struct dialogue_state *state, struct slice message,
                                       struct buffer *out) {
    if (!message.ptr[0])
        return dialogue_refused(state, slice_from(message, 1 + WORDS_AT));
    if (!memchr(message.ptr + 1, TYPE_VENCRYPT, message.ptr[0]))
        return dialogue_refused(state, slice_of("VeNCrypt is not offered"));
    buffer_add_byte(out, TYPE_VENCRYPT);
    state->step = VENCRYPT_VERSION;
    return DIALOGUE_MORE;
}

static enum dialogue_status take_type(struct dialogue_state *state, struct slice message) {
    uint32_t type = read_u32(message.ptr);

    if (!type)
        return dialogue_refused(state, slice_from(message, 4 + WORDS_AT));
    if (type != TYPE_VENCRYPT)
        return dialogue_refused(state, slice_of("VeNCrypt is not offered"));
    state->step = VENCRYPT_VERSION;
    return DIALOGUE_MORE;
}

static enum dialogue_status take_vencrypt(struct dialogue_state *state, struct slice message,
                                          struct buffer *out) {
    uint8_t major = message.ptr[0], minor = message.ptr[1];

    if (major == 0 && minor < 2)
        return dialogue_refused_with(state, (struct slice){NULL, 0}, "VeNCrypt 0.%u is too old",
                                     minor);
    buffer_add(out, "\x00\x02", 2);
    state->step = VENCRYPT_ANSWER;
    return DIALOGUE_MORE;
}

static enum dialogue_status take_subtypes(struct dialogue_state *state, struct slice message,
                                          struct buffer *out) {
    for (size_t i = 0; i < sizeof SUBTYPES_WANTED / sizeof SUBTYPES_WANTED[0]; i++)
        for (size_t at = 1; at + 4 <= message.len; at += 4)
            if (read_u32(message.ptr + at) == SUBTYPES_WANTED[i]) {
                buffer_add(out, message.ptr + at, 4);
                state->step = GO_AHEAD;
                return DIALOGUE_MORE;
            }
    return dialogue_refused(state,
                            slice_of("no subtype of VeNCrypt with a certificate is offered"));
}

static enum dialogue_status vnc_message(struct dialogue_state *state, struct slice message,
                                        struct buffer *out) {
    switch (state->step) {
    case VERSION:
        return take_version(state, message, out);
    case TYPES:
        return take_types(state, message, out);
    case TYPE_3_3:
        return take_type(state, message);
    case VENCRYPT_VERSION:
        return take_vencrypt(state, message, out);
    case VENCRYPT_ANSWER:
        if (message.ptr[0])
            return dialogue_refused(state, slice_of("VeNCrypt 0.2 was refused"));
        state->step = SUBTYPES;
        return DIALOGUE_MORE;
    case SUBTYPES:
        return take_subtypes(state, message, out);
    default:
        return message.ptr[0] == 1 ? DIALOGUE_TLS
                                   : dialogue_refused(state, slice_of("the subtype was refused"));
    }
}

const struct dialogue dialogue_vnc = {
    .name = "vnc",
    .summary = "remote screens, RFC 6143 with VeNCrypt",
    .port = 5900,
    .aliases = {{"rfb", 0}},
    .length = vnc_length,
    .message = vnc_message,
};
