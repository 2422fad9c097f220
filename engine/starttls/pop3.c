/* POP3 (RFC 2595 section 4), capabilities by RFC 2449; a server that has none is asked directly:
 *
 *     S: +OK …    C: CAPA    S: +OK  STLS  .    C: STLS    S: +OK */
#include "engine/starttls/dialogue.h"
#include "engine/starttls/reply.h"

enum { GREETING, CAPA_ANSWER, CAPABILITIES, GO_AHEAD };

static enum dialogue_status ask_tls(struct dialogue_state *state, struct buffer *out) {
    buffer_add_text(out, "STLS\r\n");
    state->step = GO_AHEAD;
    return DIALOGUE_MORE;
}

static enum dialogue_status capability(struct dialogue_state *state, struct slice line,
                                       struct buffer *out) {
    if (slice_equal_nocase(slice_trim(line), slice_of("STLS")))
        state->seen = true;
    if (!slice_is(line, "."))
        return DIALOGUE_MORE;
    return state->seen ? ask_tls(state, out)
                       : dialogue_refused(state, slice_of("STLS is not offered"));
}

static enum dialogue_status pop3_line(struct dialogue_state *state, struct slice line,
                                      struct buffer *out) {
    if (state->step == CAPABILITIES)
        return capability(state, line, out);
    bool ok = reply_begins(line, "+OK");
    if (!ok && !reply_begins(line, "-ERR"))
        return DIALOGUE_BROKEN;
    if (state->step == CAPA_ANSWER && !ok)
        return ask_tls(state, out);
    if (!ok)
        return dialogue_refused(state, line);
    if (state->step == GO_AHEAD)
        return DIALOGUE_TLS;
    if (state->step == GREETING)
        buffer_add_text(out, "CAPA\r\n");
    state->step++;
    return DIALOGUE_MORE;
}

const struct dialogue dialogue_pop3 = {
    .name = "pop3",
    .summary = "mailboxes, RFC 2595",
    .port = 110,
    .aliases = {{"pop", 0}},
    .line = pop3_line,
};
