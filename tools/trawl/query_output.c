#include "engine/base/text.h"
#include "engine/record/json.h"
#include "tools/trawl/query.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FLUSH_BYTES = 64 * 1024,
    CELL_BYTES_MAX = 48, /* of a table; more is cut */
    SHORT_HASH = 16,     /* bytes of a hash in a table, as digits; `cert` takes them */
};

struct query_output {
    const struct query *query;
    bool json;
    uint64_t rows;
    struct buffer text;               /* JSON, or the cells of a table, each ended by a zero */
    size_t widths[QUERY_COLUMNS_MAX]; /* of the table's columns */
};

struct query_output *query_output_new(const struct query *query, bool json) {
    struct query_output *output = calloc(1, sizeof *output);

    if (!output)
        return NULL;
    output->query = query;
    output->json = json;
    buffer_init(&output->text);
    for (size_t i = 0; query->columns[i].name; i++)
        output->widths[i] = strlen(query->columns[i].name);
    return output;
}

void query_output_free(struct query_output *output) {
    if (!output)
        return;
    buffer_deinit(&output->text);
    free(output);
}

static enum error flush(struct query_output *output, struct failure *failure) {
    struct buffer *text = &output->text;

    if (text->failed)
        return failure_set(failure, ERROR_MEMORY, "no memory for the answer");
    size_t written = fwrite(text->ptr, 1, text->len, stdout);
    bool is_done = written == text->len && fflush(stdout) == 0;
    text->len = 0;
    if (is_done)
        return ERROR_NONE;
    if (errno == EPIPE)
        return ERROR_GONE;
    return failure_set(failure, (enum error)errno, "cannot write to standard output: %s",
                       error_text((enum error)errno));
}

/* --- Values --- */

static void add_list(struct buffer *out, struct slice list) {
    buffer_add_byte(out, '[');
    while (list.len) {
        const uint8_t *end = memchr(list.ptr, QUERY_SEPARATOR, list.len);
        size_t len = end ? (size_t)(end - list.ptr) : list.len;
        json_add_text(slice_first(list, len), out);
        list = slice_from(list, len + 1);
        if (list.len)
            buffer_add_byte(out, ',');
    }
    buffer_add_byte(out, ']');
}

/* What looks the same in JSON and in a table, but for quotes. False for texts and lists. */
static bool add_plain(struct buffer *out, const struct query_column *column,
                      const struct sql_value *value) {
    switch (column->kind) {
    case QUERY_NUMBER:
        text_add_integer(out, value->integer);
        return true;
    case QUERY_DAYS:
        buffer_add_format(out, "%.2f", value->real);
        return true;
    case QUERY_TIME:
        text_add_time(out, value->integer);
        return true;
    case QUERY_TIME_MS:
        text_add_time_ms(out, value->integer);
        return true;
    case QUERY_HEX:
        text_add_hex(out, value->bytes);
        return true;
    case QUERY_TEXT:
    case QUERY_LIST:
        return false;
    }
    return false;
}

static void add_json(struct buffer *out, const struct query_column *column,
                     const struct sql_value *value) {
    bool quoted = column->kind != QUERY_NUMBER && column->kind != QUERY_DAYS;

    if (column->kind == QUERY_LIST) {
        add_list(out, value->type == SQL_TEXT ? value->bytes : (struct slice){NULL, 0});
    } else if (value->type == SQL_NULL) {
        buffer_add_text(out, "null");
    } else if (column->kind == QUERY_TEXT) {
        json_add_text(value->bytes, out);
    } else {
        if (quoted)
            buffer_add_byte(out, '"');
        add_plain(out, column, value);
        if (quoted)
            buffer_add_byte(out, '"');
    }
}

static enum error add_line(struct query_output *output, const struct sql_value *values,
                           struct failure *failure) {
    const struct query_column *columns = output->query->columns;

    for (size_t i = 0; columns[i].name; i++) {
        buffer_add_format(&output->text, "%s\"%s\":", i ? "," : "{", columns[i].name);
        add_json(&output->text, &columns[i], &values[i]);
    }
    buffer_add_text(&output->text, "}\n");
    return output->text.len < FLUSH_BYTES ? ERROR_NONE : flush(output, failure);
}

/* --- Tables --- */

static void add_cell(struct query_output *output, size_t at, const struct sql_value *value) {
    const struct query_column *column = &output->query->columns[at];
    struct sql_value shown = *value;
    struct buffer *out = &output->text;
    size_t start = out->len, width;

    if (column->kind == QUERY_TIME_MS && value->type == SQL_INTEGER)
        text_add_time(out, value->integer / 1000);
    else if (value->type == SQL_NULL)
        buffer_add_byte(out, '-');
    else if (column->kind == QUERY_HEX) {
        shown.bytes = slice_first(value->bytes, SHORT_HASH / 2);
        add_plain(out, column, &shown);
    } else if (!add_plain(out, column, value)) {
        for (struct slice rest = value->bytes; rest.len;) { /* lists parted by spaces */
            const uint8_t *end = memchr(rest.ptr, QUERY_SEPARATOR, rest.len);
            size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
            text_add_safe(out, slice_first(rest, len));
            rest = slice_from(rest, len + 1);
            if (rest.len)
                buffer_add_byte(out, ' ');
        }
    }
    if (out->failed)
        return;
    struct slice cell = {out->ptr + start, out->len - start};
    out->len = start + text_fit(cell, CELL_BYTES_MAX, &width);
    if (width > output->widths[at])
        output->widths[at] = width;
    buffer_add_byte(out, 0);
}

static void pad(struct buffer *out, size_t width, size_t wanted, bool is_last) {
    for (; !is_last && width < wanted + 2; width++)
        buffer_add_byte(out, ' ');
}

static bool is_last_shown(const struct query_column *column) {
    do
        column++;
    while (column->name && column->json_only);
    return column->name == NULL;
}

static void add_head(const struct query_output *output, struct buffer *out) {
    const struct query_column *columns = output->query->columns;

    for (size_t i = 0; columns[i].name; i++) {
        if (columns[i].json_only)
            continue;
        for (const char *c = columns[i].name; *c; c++)
            buffer_add_byte(out, *c == '_' ? ' ' : (uint8_t)toupper((unsigned char)*c));
        pad(out, strlen(columns[i].name), output->widths[i], is_last_shown(&columns[i]));
    }
    buffer_add_byte(out, '\n');
}

static void add_table(struct query_output *output, struct buffer *out) {
    const struct query_column *columns = output->query->columns;
    const char *cell = (const char *)output->text.ptr;

    add_head(output, out);
    for (uint64_t row = 0; row < output->rows; row++) {
        for (size_t i = 0; columns[i].name; i++) {
            size_t width;
            if (columns[i].json_only)
                continue;
            text_fit(slice_of(cell), SIZE_MAX, &width);
            buffer_add_text(out, cell);
            pad(out, width, output->widths[i], is_last_shown(&columns[i]));
            cell += strlen(cell) + 1;
        }
        buffer_add_byte(out, '\n');
    }
}

/* --- Rows --- */

enum error query_output_row(void *context, const struct sql_value *values, uint32_t count,
                            struct failure *failure) {
    struct query_output *output = context;

    (void)count;
    output->rows++;
    if (output->json)
        return add_line(output, values, failure);
    for (size_t i = 0; output->query->columns[i].name; i++)
        if (!output->query->columns[i].json_only)
            add_cell(output, i, &values[i]);
    return ERROR_NONE;
}

enum error query_output_end(struct query_output *output, uint64_t *rows, struct failure *failure) {
    struct buffer table;

    *rows = output->rows;
    if (!output->json && output->rows && !output->text.failed) {
        buffer_init(&table);
        add_table(output, &table);
        buffer_deinit(&output->text);
        output->text = table;
    }
    return flush(output, failure);
}
