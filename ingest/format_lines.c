/* One target a line: what people write, what zmap writes, and most other tools. Blank lines and
 * what follows "#" (at the start or after a blank) are skipped. */
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
        row->text = row->cells[COLUMN_HOST] = line;
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
