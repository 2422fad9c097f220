/* ManageSieve (RFC 5804). The greeting is a list of capabilities; it and each response end with OK,
 * NO or BYE:
 *
 *     S: "IMPLEMENTATION" "…"   S: "STARTTLS"   S: OK    C: STARTTLS    S: OK
 *
 * A string is quoted, or a literal: {5} and CR LF, so many bytes, and the line goes on. */
#include "engine/starttls/dialogue.h"
#include "engine/starttls/reply.h"

enum { GREETING, GO_AHEAD };

/* What the coming line goes on with, kept in `code`. */
enum { NOTHING, CAPABILITY, ANSWER_OK, REFUSAL };

static enum dialogue_status take_ok(struct dialogue_state *state, struct buffer *out) {
    if (state->step == GO_AHEAD)
        return DIALOGUE_TLS;
    if (!state->seen)
        return dialogue_refused(state, slice_of("STARTTLS is not offered"));
    buffer_add_text(out, "STARTTLS\r\n");
    state->step = GO_AHEAD;
    return DIALOGUE_MORE;
}

/* "{5}" at the end, or "{5+}", which only clients should say. */
static bool ends_in_literal(struct slice line, uint64_t *len) {
    size_t start = line.len;

    if (!line.len || line.ptr[line.len - 1] != '}')
        return false;
    while (start && line.ptr[start - 1] != '{')
        start--;
    struct slice number = slice_first(slice_from(line, start), line.len - 1 - start);
    if (number.len && number.ptr[number.len - 1] == '+')
        number.len--;
    return start && slice_to_u64(number, UINT32_MAX, len);
}

/* What a line is about by its first word; 0 when it is no response. */
static uint16_t kind_of(struct slice line) {
    size_t len = 0;

    if (line.len && (line.ptr[0] == '"' || line.ptr[0] == '{'))
        return CAPABILITY;
    while (len < line.len && line.ptr[len] != ' ' && line.ptr[len] != '(')
        len++;
    struct slice word = slice_first(line, len);
    if (slice_equal_nocase(word, slice_of("OK")))
        return ANSWER_OK;
    bool no = slice_equal_nocase(word, slice_of("NO")) || slice_equal_nocase(word, slice_of("BYE"));
    return no ? REFUSAL : NOTHING;
}

static enum dialogue_status sieve_line(struct dialogue_state *state, struct slice line,
                                       struct buffer *out) {
    uint64_t literal_len;
    bool goes_on = ends_in_literal(line, &literal_len);
    bool begun = state->code != NOTHING;
    uint16_t kind = begun ? state->code : kind_of(line);

    if (kind == NOTHING || (kind == CAPABILITY && state->step != GREETING))
        return DIALOGUE_BROKEN;
    if (kind == REFUSAL) { /* in words that a literal holds, its first line */
        state->code = REFUSAL;
        return goes_on && !begun ? DIALOGUE_MORE : dialogue_refused(state, line);
    }
    if (kind == CAPABILITY && !begun && reply_begins(line, "\"STARTTLS\""))
        state->seen = true;
    state->code = goes_on ? kind : NOTHING;
    if (goes_on)
        state->skip = (uint32_t)literal_len;
    else if (kind == ANSWER_OK)
        return take_ok(state, out);
    return DIALOGUE_MORE;
}

const struct dialogue dialogue_sieve = {
    .name = "sieve",
    .summary = "mail filters, RFC 5804",
    .port = 4190,
    .aliases = {{"managesieve", 0}},
    .line = sieve_line,
};
