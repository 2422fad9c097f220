/* IMAP (RFC 9051 and 3501 section 6.2.1):
 *
 *     S: * OK [CAPABILITY … STARTTLS …] …                 the list, or it is asked for:
 *     C: a CAPABILITY    S: * CAPABILITY … STARTTLS …    S: a OK
 *     C: b STARTTLS      S: b OK */
#include "engine/starttls/dialogue.h"
#include "engine/starttls/reply.h"

enum { GREETING, CAPABILITIES, GO_AHEAD };

static enum dialogue_status ask_tls(struct dialogue_state *state, struct buffer *out) {
    buffer_add_text(out, "b STARTTLS\r\n");
    state->step = GO_AHEAD;
    return DIALOGUE_MORE;
}

/* "IMAP4rev1 STARTTLS LOGINDISABLED", up to a closing bracket where one was opened. */
static bool offers_tls(struct slice capabilities) {
    for (struct slice word; (word = reply_word(&capabilities)).len;) {
        const uint8_t *bracket = memchr(word.ptr, ']', word.len);
        if (bracket)
            word.len = (size_t)(bracket - word.ptr);
        if (slice_equal_nocase(word, slice_of("STARTTLS")))
            return true;
        if (bracket)
            return false;
    }
    return false;
}

/* `line` is what follows "* ". */
static enum dialogue_status greeting(struct dialogue_state *state, struct slice line,
                                     struct buffer *out) {
    struct slice rest = line, condition = reply_word(&rest);

    if (slice_equal_nocase(condition, slice_of("BYE")))
        return dialogue_refused(state, line);
    if (slice_equal_nocase(condition, slice_of("PREAUTH")))
        return dialogue_refused_with(state, line, "STARTTLS is not possible once authenticated");
    if (!slice_equal_nocase(condition, slice_of("OK")))
        return DIALOGUE_BROKEN;
    rest = slice_trim(rest);
    if (reply_begins(rest, "[CAPABILITY ") && offers_tls(slice_from(rest, 12)))
        return ask_tls(state, out);
    buffer_add_text(out, "a CAPABILITY\r\n");
    state->step = CAPABILITIES;
    return DIALOGUE_MORE;
}

static enum dialogue_status untagged(struct dialogue_state *state, struct slice line) {
    struct slice rest = line, name = reply_word(&rest);

    if (slice_equal_nocase(name, slice_of("BYE")))
        return dialogue_refused(state, line);
    if (slice_equal_nocase(name, slice_of("CAPABILITY")))
        state->seen = offers_tls(rest);
    return DIALOGUE_MORE;
}

/* The answer to a command of ours: OK, NO or BAD and words. */
static enum dialogue_status tagged(struct dialogue_state *state, struct slice line,
                                   struct buffer *out) {
    struct slice rest = line, condition = reply_word(&rest);
    bool ok = slice_equal_nocase(condition, slice_of("OK"));

    if (!ok && !slice_equal_nocase(condition, slice_of("NO")) &&
        !slice_equal_nocase(condition, slice_of("BAD")))
        return DIALOGUE_BROKEN;
    if (!ok)
        return dialogue_refused(state, line);
    if (state->step == GO_AHEAD)
        return DIALOGUE_TLS;
    return state->seen ? ask_tls(state, out)
                       : dialogue_refused(state, slice_of("STARTTLS is not offered"));
}

static enum dialogue_status imap_line(struct dialogue_state *state, struct slice line,
                                      struct buffer *out) {
    static const char *const TAGS[] = {[CAPABILITIES] = "a ", [GO_AHEAD] = "b "};

    if (reply_begins(line, "* "))
        return state->step == GREETING ? greeting(state, slice_from(line, 2), out)
                                       : untagged(state, slice_from(line, 2));
    if (state->step == GREETING || !reply_begins(line, TAGS[state->step]))
        return DIALOGUE_BROKEN;
    return tagged(state, slice_from(line, 2), out);
}

const struct dialogue dialogue_imap = {
    .name = "imap",
    .summary = "mailboxes, RFC 9051",
    .port = 143,
    .aliases = {{"imap4", 0}},
    .line = imap_line,
};
