#include "engine/starttls/dialogue.h"

#include <stdarg.h>
#include <stdio.h>

static bool answers_to(const struct dialogue *dialogue, struct slice name, uint16_t *port) {
    *port = dialogue->port;
    if (slice_equal_nocase(name, slice_of(dialogue->name)))
        return true;
    for (size_t i = 0; i < DIALOGUE_ALIASES && dialogue->aliases[i].name; i++) {
        const struct dialogue_alias *alias = &dialogue->aliases[i];
        if (!slice_equal_nocase(name, slice_of(alias->name)))
            continue;
        if (alias->port)
            *port = alias->port;
        return true;
    }
    return false;
}

int dialogue_by_name(struct slice name, uint16_t *port) {
    for (uint32_t i = 0; i < dialogue_count; i++)
        if (answers_to(dialogues[i], name, port))
            return (int)i;
    return -1;
}

uint8_t dialogue_by_port(uint16_t port) {
    if (!port)
        return 0;
    for (uint32_t i = 1; i < dialogue_count; i++) {
        const struct dialogue *dialogue = dialogues[i];
        if (dialogue->port == port)
            return (uint8_t)i;
        for (size_t k = 0; k < DIALOGUE_PORTS; k++)
            if (dialogue->ports[k] == port)
                return (uint8_t)i;
    }
    return 0;
}

void dialogue_start(struct dialogue_state *state, const struct dialogue *dialogue,
                    struct slice host, struct buffer *out) {
    state->dialogue = dialogue;
    state->host = host;
    state->step = state->mark = 0;
    state->seen = false;
    state->code = state->lines = state->line_len = state->words_len = 0;
    state->skip = state->bytes_in = 0;
    if (dialogue->start)
        dialogue->start(state, out);
}

enum dialogue_status dialogue_refused(struct dialogue_state *state, struct slice words) {
    words = slice_first(words, DIALOGUE_WORDS_BYTES);
    state->words_len = (uint16_t)words.len;
    if (words.len)
        memcpy(state->words, words.ptr, words.len);
    return DIALOGUE_REFUSED;
}

enum dialogue_status dialogue_refused_with(struct dialogue_state *state, struct slice words,
                                           const char *format, ...) {
    char reason[DIALOGUE_WORDS_BYTES / 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    dialogue_refused(state, slice_of(reason));
    words = slice_trim(words);
    if (!words.len)
        return DIALOGUE_REFUSED;
    state->words[state->words_len++] = ':';
    state->words[state->words_len++] = ' ';
    words = slice_first(words, (size_t)DIALOGUE_WORDS_BYTES - state->words_len);
    memcpy(state->words + state->words_len, words.ptr, words.len);
    state->words_len = (uint16_t)(state->words_len + words.len);
    return DIALOGUE_REFUSED;
}

static enum dialogue_status end_line(struct dialogue_state *state, struct buffer *out) {
    struct slice line = {state->line, state->line_len};

    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    state->line_len = 0;
    if (++state->lines > DIALOGUE_LINES_MAX)
        return DIALOGUE_TOO_LARGE;
    return state->dialogue->line(state, line, out);
}

static enum dialogue_status take_line_byte(struct dialogue_state *state, uint8_t byte,
                                           struct buffer *out) {
    if (state->skip) {
        state->skip--;
        return DIALOGUE_MORE;
    }
    if (byte == '\n')
        return end_line(state, out);
    if (state->line_len == DIALOGUE_LINE_BYTES)
        return DIALOGUE_TOO_LARGE;
    state->line[state->line_len++] = byte;
    return DIALOGUE_MORE;
}

static enum dialogue_status take_message_byte(struct dialogue_state *state, uint8_t byte,
                                              struct buffer *out) {
    state->line[state->line_len++] = byte;
    struct slice message = {state->line, state->line_len};
    size_t len = state->dialogue->length(state, message);

    if (len > DIALOGUE_LINE_BYTES || (!len && message.len == DIALOGUE_LINE_BYTES))
        return DIALOGUE_TOO_LARGE;
    if (!len || message.len < len)
        return DIALOGUE_MORE;
    state->line_len = 0;
    state->mark = 0;
    return state->dialogue->message(state, message, out);
}

/* Byte by byte: dialogues are short, and it keeps what comes out independent of how the bytes were
 * split. */
enum dialogue_status dialogue_feed(struct dialogue_state *state, struct slice bytes, size_t *used,
                                   struct buffer *out) {
    enum dialogue_status status = DIALOGUE_MORE;

    for (*used = 0; *used < bytes.len && status == DIALOGUE_MORE; (*used)++) {
        uint8_t byte = bytes.ptr[*used];
        if (++state->bytes_in > DIALOGUE_BYTES_MAX)
            status = DIALOGUE_TOO_LARGE;
        else
            status = state->dialogue->line ? take_line_byte(state, byte, out)
                                           : take_message_byte(state, byte, out);
    }
    return status;
}
