/* NNTP (RFC 4642), capabilities by RFC 3977; a server that has none is asked directly:
 *
 *     S: 200 …    C: CAPABILITIES    S: 101  … STARTTLS … .    C: STARTTLS    S: 382 */
#include "engine/starttls/dialogue.h"
#include "engine/starttls/reply.h"

enum { GREETING, CAPABILITIES_ANSWER, CAPABILITIES, GO_AHEAD };

static enum dialogue_status ask_tls(struct dialogue_state *state, struct buffer *out) {
    buffer_add_text(out, "STARTTLS\r\n");
    state->step = GO_AHEAD;
    return DIALOGUE_MORE;
}

static enum dialogue_status capability(struct dialogue_state *state, struct slice line,
                                       struct buffer *out) {
    if (slice_equal_nocase(slice_trim(line), slice_of("STARTTLS")))
        state->seen = true;
    if (!slice_is(line, "."))
        return DIALOGUE_MORE;
    return state->seen ? ask_tls(state, out)
                       : dialogue_refused(state, slice_of("STARTTLS is not offered"));
}

static enum dialogue_status nntp_line(struct dialogue_state *state, struct slice line,
                                      struct buffer *out) {
    struct reply reply;

    if (state->step == CAPABILITIES)
        return capability(state, line, out);
    if (!reply_parse(line, &reply))
        return DIALOGUE_BROKEN;
    if (state->step == GO_AHEAD)
        return reply.code == 382 ? DIALOGUE_TLS : dialogue_refused(state, line);
    if (state->step == CAPABILITIES_ANSWER) {
        if (reply.code != 101)
            return ask_tls(state, out);
        state->step = CAPABILITIES;
        return DIALOGUE_MORE;
    }
    if (reply.code != 200 && reply.code != 201) /* posting allowed, or not */
        return dialogue_refused(state, line);
    buffer_add_text(out, "CAPABILITIES\r\n");
    state->step = CAPABILITIES_ANSWER;
    return DIALOGUE_MORE;
}

const struct dialogue dialogue_nntp = {
    .name = "nntp",
    .summary = "news, RFC 4642",
    .port = 119,
    .ports = {433},
    .aliases = {{"news", 0}, {"nnsp", 433}},
    .line = nntp_line,
};
