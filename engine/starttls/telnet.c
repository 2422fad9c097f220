/* Telnet (RFC 854) with the option START_TLS (46, draft-altman-telnet-starttls):
 *
 *     C: WILL START_TLS, SB START_TLS FOLLOWS SE    S: DO START_TLS, SB START_TLS FOLLOWS SE
 *
 * Either side may begin. The client says all of its part at once: for servers that do not ask and
 * for those that must say DONT; and so that FOLLOWS and ClientHello never arrive together, of which
 * a server that reads ahead (C-Kermit) loses the latter. Nothing may be said after FOLLOWS, so that
 * other options stay unanswered, and text is passed over. */
#include "engine/starttls/dialogue.h"

enum {
    SE = 240,
    SB = 250,
    WILL = 251,
    DO = 253,
    DONT = 254,
    IAC = 255,
    START_TLS = 46,
    FOLLOWS = 1,
};

static const uint8_t OFFER[] = {IAC, WILL, START_TLS};
/* From each side the last before TLS. */
static const uint8_t GO_AHEAD[] = {IAC, SB, START_TLS, FOLLOWS, IAC, SE};

static void telnet_start(struct dialogue_state *state, struct buffer *out) {
    (void)state;
    buffer_add(out, OFFER, sizeof OFFER);
    buffer_add(out, GO_AHEAD, sizeof GO_AHEAD);
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

static enum dialogue_status take_option(struct dialogue_state *state, uint8_t verb,
                                        uint8_t option) {
    if (option == START_TLS && verb == DONT)
        return dialogue_refused(state, slice_of("START_TLS is not offered"));
    if (option == START_TLS && verb == DO)
        state->seen = true;
    return DIALOGUE_MORE;
}

static enum dialogue_status telnet_message(struct dialogue_state *state, struct slice message,
                                           struct buffer *out) {
    (void)out;
    if (message.len == 3)
        return take_option(state, message.ptr[1], message.ptr[2]);
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
