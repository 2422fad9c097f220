/* FTP (RFC 4217):
 *
 *     S: 220 …    C: AUTH TLS    S: 234
 *
 * A reply of several lines begins with "220-" and ends with "220 "; what stands between may look
 * like anything (RFC 959 section 4.2), so that banners must not be taken for replies. */
#include "engine/starttls/dialogue.h"
#include "engine/starttls/reply.h"

enum { GREETING, GO_AHEAD };

/* One whole reply; `line` is its last. */
static enum dialogue_status take_reply(struct dialogue_state *state, const struct reply *reply,
                                       struct slice line, struct buffer *out) {
    if (reply->code >= 100 && reply->code < 200) /* "120 ready in a minute", and then more */
        return DIALOGUE_MORE;
    if (state->step == GO_AHEAD) /* 334: servers older than the RFC, which mean the same */
        return reply->code == 234 || reply->code == 334 ? DIALOGUE_TLS
                                                        : dialogue_refused(state, line);
    if (reply->code != 220)
        return dialogue_refused(state, line);
    buffer_add_text(out, "AUTH TLS\r\n");
    state->step = GO_AHEAD;
    return DIALOGUE_MORE;
}

static enum dialogue_status ftp_line(struct dialogue_state *state, struct slice line,
                                     struct buffer *out) {
    struct reply reply;
    bool valid = reply_parse(line, &reply);

    if (state->code) {
        if (!valid || reply.code != state->code || !reply.last)
            return DIALOGUE_MORE;
    } else if (!valid) {
        return DIALOGUE_BROKEN;
    } else if (!reply.last) {
        state->code = reply.code;
        return DIALOGUE_MORE;
    }
    state->code = 0;
    return take_reply(state, &reply, line, out);
}

const struct dialogue dialogue_ftp = {
    .name = "ftp",
    .summary = "files, RFC 4217",
    .port = 21,
    .line = ftp_line,
};
