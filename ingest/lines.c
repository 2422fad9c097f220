#include "ingest/lines.h"

#include "engine/base/limits.h"

#include <stdlib.h>

/* Large enough that a read costs nothing beside the parsing, small enough for the second-level
 * cache. */
enum { BUFFER_BYTES = 128 * 1024 };

_Static_assert(BUFFER_BYTES > 2 * LIMIT_LINE_BYTES, "a line fits beside what is being read");

bool lines_init(struct lines *lines) {
    *lines = (struct lines){.buffer = malloc(BUFFER_BYTES)};
    return lines->buffer != NULL;
}

void lines_deinit(struct lines *lines) {
    free(lines->buffer);
    *lines = (struct lines){0};
}

uint8_t *lines_space(struct lines *lines, size_t *len) {
    if (lines->start) { /* only the beginning of one line is left */
        size_t left = lines->end - lines->start;
        memmove(lines->buffer, lines->buffer + lines->start, left);
        lines->searched -= lines->start;
        lines->start = 0;
        lines->end = left;
    }
    *len = BUFFER_BYTES - lines->end;
    return lines->buffer + lines->end;
}

void lines_add(struct lines *lines, size_t len) {
    lines->end += len;
}

void lines_finish(struct lines *lines) {
    lines->finished = true;
}

/* Takes the bytes up to the next newline into `line`, without and past it. False when there is no
 * newline yet, or at the end no bytes. */
static bool take_line(struct lines *lines, struct slice *line) {
    uint8_t *start = lines->buffer + lines->start;
    size_t unsearched = lines->end - lines->searched;
    uint8_t *newline =
        unsearched ? memchr(lines->buffer + lines->searched, '\n', unsearched) : NULL;
    if (!newline && (!lines->finished || lines->start == lines->end)) {
        lines->searched = lines->end;
        return false;
    }
    *line = (struct slice){start, newline ? (size_t)(newline - start) : lines->end - lines->start};
    lines->start += line->len + (newline ? 1 : 0);
    lines->searched = lines->start;
    return true;
}

enum lines_result lines_next(struct lines *lines, struct slice *line) {
    while (take_line(lines, line)) {
        if (lines->skipping) {
            lines->skipping = false;
            continue;
        }
        lines->number++;
        if (line->len <= LIMIT_LINE_BYTES)
            return LINES_LINE;
        line->len = LIMIT_LINE_BYTES;
        return LINES_TOO_LONG;
    }
    if (lines->skipping) {
        lines->start = lines->searched = lines->end;
    } else if (lines->end - lines->start > LIMIT_LINE_BYTES) {
        *line = (struct slice){lines->buffer + lines->start, LIMIT_LINE_BYTES};
        lines->start = lines->searched = lines->end;
        lines->skipping = true;
        lines->number++;
        return LINES_TOO_LONG;
    }
    return lines->finished ? LINES_END : LINES_MORE;
}
