#include "ingest/input.h"

#include "engine/base/limits.h"

#include <stdlib.h>

/* Large enough that a read costs nothing beside the parsing, small enough for the second-level
 * cache. */
enum { BUFFER_BYTES = 128 * 1024 };

_Static_assert((int)BUFFER_BYTES > 2 * (int)LIMIT_LINE_BYTES,
               "a line fits beside what is being read");

bool input_init(struct input *input) {
    *input = (struct input){.buffer = malloc(BUFFER_BYTES), .line = 1};
    return input->buffer != NULL;
}

void input_deinit(struct input *input) {
    free(input->buffer);
    *input = (struct input){0};
}

uint8_t *input_space(struct input *input, size_t *len) {
    if (input->start) { /* only the beginning of something is left */
        size_t left = input->end - input->start;
        memmove(input->buffer, input->buffer + input->start, left);
        input->searched -= input->start;
        input->start = 0;
        input->end = left;
    }
    *len = BUFFER_BYTES - input->end;
    return input->buffer + input->end;
}

void input_add(struct input *input, size_t len) {
    input->end += len;
}

void input_finish(struct input *input) {
    input->finished = true;
}

void input_take(struct input *input, size_t len) {
    const uint8_t *at = input->buffer + input->start, *end = at + len;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        input->line++;
        at++;
    }
    input->start += len;
    if (input->searched < input->start)
        input->searched = input->start;
}

/* Takes the bytes up to the next newline into `line`, without and past it. False when there is no
 * newline yet, or at the end no bytes. */
static bool take_line(struct input *input, struct slice *line) {
    uint8_t *start = input->buffer + input->start;
    size_t unsearched = input->end - input->searched;
    uint8_t *newline =
        unsearched ? memchr(input->buffer + input->searched, '\n', unsearched) : NULL;
    if (!newline && (!input->finished || input->start == input->end)) {
        input->searched = input->end;
        return false;
    }
    *line = (struct slice){start, newline ? (size_t)(newline - start) : input->end - input->start};
    input->start += line->len + (newline ? 1 : 0);
    input->searched = input->start;
    input->number = input->line++;
    return true;
}

enum input_result input_line(struct input *input, struct slice *line) {
    while (take_line(input, line)) {
        if (input->skipping) {
            input->skipping = false;
            continue;
        }
        if (line->len <= LIMIT_LINE_BYTES)
            return INPUT_LINE;
        line->len = LIMIT_LINE_BYTES;
        return INPUT_TOO_LONG;
    }
    if (input->skipping) {
        input->start = input->searched = input->end;
    } else if (input->end - input->start > LIMIT_LINE_BYTES) {
        *line = (struct slice){input->buffer + input->start, LIMIT_LINE_BYTES};
        input->start = input->searched = input->end;
        input->skipping = true;
        input->number = input->line;
        return INPUT_TOO_LONG;
    }
    return input->finished ? INPUT_END : INPUT_MORE;
}
