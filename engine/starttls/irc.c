/* IRC (the IRCv3 extension `tls`, deprecated but served), before any registration:
 *
 *     C: CAP LS 302  STARTTLS    S: :server CAP * LS :… tls …  :server 670 …
 *
 * Both are asked at once: of servers that know no capabilities some say so (421, or 451 for
 * whatever comes first) and some, InspIRCd among them, pass over the question; and servers that
 * know no STARTTLS may pass over that, so that only their capabilities tell. */
#include "engine/starttls/dialogue.h"
#include "engine/starttls/reply.h"

enum { CAPABILITIES, GO_AHEAD };

static void irc_start(struct dialogue_state *state, struct buffer *out) {
    (void)state;
    buffer_add_text(out, "CAP LS 302\r\nSTARTTLS\r\n");
}

/* The last parameter, which may hold blanks, or all of them when there is none such. */
static struct slice trailing(struct slice parameters) {
    for (size_t i = 0; i < parameters.len; i++)
        if (parameters.ptr[i] == ':' && (i == 0 || parameters.ptr[i - 1] == ' '))
            return slice_from(parameters, i + 1);
    return slice_trim(parameters);
}

/* "* LS :multi-prefix tls", or "* LS * :multi-prefix" when more lines follow. */
static enum dialogue_status capabilities(struct dialogue_state *state, struct slice parameters) {
    struct slice rest = parameters;

    reply_word(&rest); /* who we are: nobody yet */
    if (!slice_equal_nocase(reply_word(&rest), slice_of("LS")))
        return DIALOGUE_MORE;
    struct slice names = trailing(rest);
    for (struct slice name; (name = reply_word(&names)).len;)
        if (slice_is(name, "tls") || reply_begins(name, "tls="))
            state->seen = true;
    if (slice_is(reply_word(&rest), "*") && slice_trim(rest).len)
        return DIALOGUE_MORE;
    if (!state->seen)
        return dialogue_refused(state, slice_of("STARTTLS is not offered"));
    state->step = GO_AHEAD;
    return DIALOGUE_MORE;
}

static enum dialogue_status numeric(struct dialogue_state *state, struct slice command,
                                    struct slice parameters) {
    struct slice rest = parameters;

    if (slice_is(command, "670"))
        return DIALOGUE_TLS;
    if (slice_is(command, "691"))
        return dialogue_refused(state, trailing(parameters));
    if (!slice_is(command, "421") && !slice_is(command, "451"))
        return DIALOGUE_MORE;
    reply_word(&rest); /* who we are */
    if (state->step == GO_AHEAD || slice_equal_nocase(reply_word(&rest), slice_of("STARTTLS")))
        return dialogue_refused(state, trailing(parameters));
    state->step = GO_AHEAD; /* that was CAP */
    return DIALOGUE_MORE;
}

/* Letters, or a number, which servers never say without their name. */
static bool is_command(struct slice word, bool named) {
    for (size_t i = 0; i < word.len; i++) {
        uint8_t letter = word.ptr[i] | 0x20;
        bool digit = word.ptr[i] >= '0' && word.ptr[i] <= '9';
        if (digit ? !named : letter < 'a' || letter > 'z')
            return false;
    }
    return word.len > 0;
}

static enum dialogue_status irc_line(struct dialogue_state *state, struct slice line,
                                     struct buffer *out) {
    struct slice rest = line;

    if (!slice_trim(line).len)
        return DIALOGUE_MORE;    /* RFC 2812 section 2.3.1: empty messages are silently ignored */
    if (reply_begins(rest, "@")) /* tags */
        reply_word(&rest);
    rest = slice_trim(rest);
    bool named = reply_begins(rest, ":"); /* who says it */
    if (named)
        reply_word(&rest);
    struct slice command = reply_word(&rest);
    if (!is_command(command, named))
        return DIALOGUE_BROKEN;
    if (slice_equal_nocase(command, slice_of("ERROR")))
        return dialogue_refused(state, trailing(rest));
    if (slice_equal_nocase(command, slice_of("PING"))) {
        buffer_add_text(out, "PONG :");
        buffer_add_slice(out, trailing(rest));
        buffer_add_text(out, "\r\n");
        return DIALOGUE_MORE;
    }
    if (slice_equal_nocase(command, slice_of("CAP")))
        return state->step == CAPABILITIES ? capabilities(state, rest) : DIALOGUE_MORE;
    return numeric(state, command, rest);
}

const struct dialogue dialogue_irc = {
    .name = "irc",
    .summary = "chat, IRCv3 tls",
    .port = 6667,
    .start = irc_start,
    .line = irc_line,
};
