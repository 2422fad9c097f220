/* Telnet (RFC 854) with the option START_TLS (46, draft-altman-telnet-starttls):
 *
 *     S: DO START_TLS    C: WILL START_TLS, SB START_TLS FOLLOWS SE    S: SB START_TLS FOLLOWS SE
 *
 * Either side may begin; the client's WILL goes out at once, for servers that do not ask and for
 * those that must say DONT. Every other option is declined, and text is passed over. */
#include "engine/starttls/dialogue.h"

enum {
    SE = 240,
    SB = 250,
    WILL = 251,
    WONT = 252,
    DO = 253,
    DONT = 254,
    IAC = 255,
    START_TLS = 46,
    FOLLOWS = 1,
};

/* From each side the last before TLS. */
static const uint8_t GO_AHEAD[] = {IAC, SB, START_TLS, FOLLOWS, IAC, SE};

static void say(struct buffer *out, uint8_t verb, uint8_t option) {
    buffer_add(out, (const uint8_t[]){IAC, verb, option}, 3);
}

static void telnet_start(struct dialogue_state *state, struct buffer *out) {
    (void)state;
    say(out, WILL, START_TLS);
}

/* A byte of text, or a command. Within a subnegotiation the mark says that an IAC stands before. */
static size_t telnet_length(struct dialogue_state *state, struct slice bytes) {
    uint8_t last = bytes.ptr[bytes.len - 1];

    if (bytes.ptr[0] != IAC)
        return 1;
    if (bytes.len < 2)
        return 0;
    if (bytes.ptr[1] != SB)
        return bytes.ptr[1] >= WILL && bytes.ptr[1] <= DONT ? 3 : 2;
    if (bytes.len == 2)
        return 0;
    if (state->mark && last == SE)
        return bytes.len;
    state->mark = !state->mark && last == IAC;
    return 0;
}

static enum dialogue_status take_option(struct dialogue_state *state, uint8_t verb, uint8_t option,
                                        struct buffer *out) {
    if (option != START_TLS) {
        /* RFC 1143: a refusal is not answered; nor is anything once FOLLOWS is out. */
        if (!state->seen && (verb == DO || verb == WILL))
            say(out, verb == DO ? WONT : DONT, option);
        return DIALOGUE_MORE;
    }
    if (verb == DONT)
        return dialogue_refused(state, slice_of("START_TLS is not offered"));
    if (verb == DO && !state->seen) {
        state->seen = true;
        buffer_add(out, GO_AHEAD, sizeof GO_AHEAD);
    }
    return DIALOGUE_MORE;
}

static enum dialogue_status telnet_message(struct dialogue_state *state, struct slice message,
                                           struct buffer *out) {
    if (message.len == 3)
        return take_option(state, message.ptr[1], message.ptr[2], out);
    if (!slice_equal(message, (struct slice){GO_AHEAD, sizeof GO_AHEAD}))
        return DIALOGUE_MORE;
    return state->seen ? DIALOGUE_TLS : DIALOGUE_BROKEN;
}

const struct dialogue dialogue_telnet = {
    .name = "telnet",
    .summary = "terminals, START_TLS of draft-altman-telnet-starttls",
    .port = 23,
    .start = telnet_start,
    .length = telnet_length,
    .message = telnet_message,
};
