/* The formats that lists of targets come in: each turns bytes into rows, with memory that does not
 * grow with the input, whatever the input is. Used by the one thread that pulls the source.
 *
 * Adding a format: one file with a `const struct format`, one line in each table of formats.c. */
#ifndef INGEST_FORMAT_H
#define INGEST_FORMAT_H

#include "ingest/input.h"
#include "ingest/row.h"

enum row_result {
    ROW_GIVEN,  /* `row` is set, valid until the next call */
    ROW_MORE,   /* nothing in what was read so far: read more, or finish */
    ROW_BAD,    /* not a row: `reason` says why; text and line of `row` say where; go on calling */
    ROW_BROKEN, /* the same, and what follows cannot be understood */
    ROW_END,
};

struct format {
    const char *name;    /* "csv" */
    const char *summary; /* one line for `trawl list inputs` */
    const char *example; /* how a row looks */
    /* Bytes of its state, which begins zeroed. */
    size_t size;
    /* True when an input whose first line with something in it is `line` (cut when it is very long)
     * is of this format. Formats are asked in table order. */
    bool (*recognizes)(struct slice line);
    /* Takes bytes or lines from the input up to the end of a row. `row` is zeroed. */
    enum row_result (*next)(void *state, struct input *input, struct row *row,
                            struct failure *reason);
    /* NULL when there is nothing to free. */
    void (*deinit)(void *state);
};

/* NULL-terminated, in the order in which they are asked; source_formats has the same names behind
 * "auto". The last one recognizes everything. */
extern const struct format *const formats[];
extern const struct format format_json, format_nmap, format_masscan, format_grepable, format_csv,
    format_lines;

/* Begins with these characters. */
static inline bool format_starts(struct slice text, const char *bytes) {
    return slice_equal(slice_first(text, strlen(bytes)), slice_of(bytes));
}

/* The next line for a format that reads lines, without blanks at its ends, also as text of `row`.
 * ROW_GIVEN when there is one. */
enum row_result format_line(struct input *input, struct row *row, struct slice *line,
                            struct failure *reason);

#endif
