/* One target a line: what people write, what zmap writes, and most other tools. Behind it, roots of
 * its own may be named: " ca-file=PATH", up to the end of the line. Blank lines and what follows
 * "#" (at the start or after a blank) are skipped. */
#include "ingest/format.h"

/* The line without comment. URLs may hold "#": a comment has a blank before it. */
static struct slice without_comment(struct slice line) {
    size_t from = 0;
    const uint8_t *hash;
    while (from < line.len && (hash = memchr(line.ptr + from, '#', line.len - from))) {
        size_t at = (size_t)(hash - line.ptr);
        if (at == 0 || line.ptr[at - 1] == ' ' || line.ptr[at - 1] == '\t')
            return slice_trim(slice_first(line, at));
        from = at + 1;
    }
    return line;
}

/* Cuts the roots off the line; empty when it names none. */
static struct slice take_roots(struct slice *line) {
    static const char mark[] = " ca-file=";
    const uint8_t *at = memmem(line->ptr, line->len, mark, sizeof mark - 1);
    if (!at)
        return (struct slice){0};
    struct slice roots = slice_from(*line, (size_t)(at - line->ptr) + sizeof mark - 1);
    if (!roots.len)
        return roots; /* the line cannot be understood, and is told so */
    *line = slice_trim(slice_first(*line, (size_t)(at - line->ptr)));
    return roots;
}

static bool lines_recognizes(struct slice line) {
    (void)line;
    return true;
}

static enum row_result lines_next(void *state, struct input *input, struct row *row,
                                  struct failure *reason) {
    (void)state;
    struct slice line;
    enum row_result result;
    while ((result = format_line(input, row, &line, reason)) == ROW_GIVEN) {
        line = without_comment(line);
        if (!line.len)
            continue;
        row->text = line;
        row->cells[COLUMN_CA_FILE] = take_roots(&line);
        row->cells[COLUMN_HOST] = line;
        return ROW_GIVEN;
    }
    return result;
}

const struct format format_lines = {
    .name = "lines",
    .summary = "one target a line, of any form but a list; # starts a comment",
    .example = "example.com:8443",
    .recognizes = lines_recognizes,
    .next = lines_next,
};
