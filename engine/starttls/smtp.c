/* SMTP (RFC 5321, 3207) and LMTP (RFC 2033), which differ in one word:
 *
 *     S: 220 …    C: EHLO    S: 250-… 250-STARTTLS 250 …    C: STARTTLS    S: 220 */
#include "engine/starttls/dialogue.h"
#include "engine/starttls/reply.h"

enum { GREETING, CAPABILITIES, GO_AHEAD };

/* An address literal: this client has no name of its own, and the reply does not depend on it. */
static const char CLIENT[] = "[127.0.0.1]";

static enum dialogue_status after_greeting(struct dialogue_state *state, const struct reply *reply,
                                           struct slice line, const char *hello,
                                           struct buffer *out) {
    if (!reply->last)
        return DIALOGUE_MORE;
    if (reply->code != 220)
        return dialogue_refused(state, line);
    buffer_add_text(out, hello);
    buffer_add_text(out, CLIENT);
    buffer_add_text(out, "\r\n");
    state->step = CAPABILITIES;
    return DIALOGUE_MORE;
}

static enum dialogue_status after_capability(struct dialogue_state *state,
                                             const struct reply *reply, struct slice line,
                                             struct buffer *out) {
    if (reply->code != 250)
        return reply->last ? dialogue_refused(state, line) : DIALOGUE_MORE;
    if (slice_equal_nocase(slice_trim(reply->text), slice_of("STARTTLS")))
        state->seen = true;
    if (!reply->last)
        return DIALOGUE_MORE;
    if (!state->seen)
        return dialogue_refused(state, slice_of("STARTTLS is not offered"));
    buffer_add_text(out, "STARTTLS\r\n");
    state->step = GO_AHEAD;
    return DIALOGUE_MORE;
}

static enum dialogue_status take_line(struct dialogue_state *state, struct slice line,
                                      const char *hello, struct buffer *out) {
    struct reply reply;

    if (!reply_parse(line, &reply))
        return DIALOGUE_BROKEN;
    if (state->step == GREETING)
        return after_greeting(state, &reply, line, hello, out);
    if (state->step == CAPABILITIES)
        return after_capability(state, &reply, line, out);
    if (!reply.last)
        return DIALOGUE_MORE;
    return reply.code == 220 ? DIALOGUE_TLS : dialogue_refused(state, line);
}

static enum dialogue_status smtp_line(struct dialogue_state *state, struct slice line,
                                      struct buffer *out) {
    return take_line(state, line, "EHLO ", out);
}

static enum dialogue_status lmtp_line(struct dialogue_state *state, struct slice line,
                                      struct buffer *out) {
    return take_line(state, line, "LHLO ", out);
}

const struct dialogue dialogue_smtp = {
    .name = "smtp",
    .summary = "mail, RFC 3207",
    .port = 25,
    .ports = {587, 2525},
    .aliases = {{"submission", 587}},
    .line = smtp_line,
};

const struct dialogue dialogue_lmtp = {
    .name = "lmtp",
    .summary = "mail delivery, RFC 2033",
    .port = 24,
    .line = lmtp_line,
};
