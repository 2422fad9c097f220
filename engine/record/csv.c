/* CSV (RFC 4180) with a header line of the fields' names, one line a record, LF at its end.
 *
 * Lists are joined by spaces; a space inside an item is written as \u{20}. A list of objects is a
 * JSON array in its cell. Text is made safe as on a terminal (text_add_safe), so no cell holds a
 * newline. Certificates are written by strangers and CSV is opened in spreadsheets: text that one
 * would take for a formula (it starts with =, +, - or @) gets an apostrophe in front. Who wants the
 * text untouched takes JSON. */
#include "engine/record/encoder.h"
#include "engine/record/json.h"
#include "engine/record/value_text.h"

static void add_item(const struct value *value, bool word, struct buffer *out) {
    if (value->kind == VALUE_TEXT && word)
        text_add_safe_word(out, value->bytes);
    else if (value->kind == VALUE_TEXT)
        text_add_safe(out, value->bytes);
    else
        value_text_add(value, out);
}

static void add_cell_content(const struct picked_field *picked, const struct record *record,
                             struct buffer *out) {
    const struct field *field = picked->field;
    struct value value;

    if (!field->count) {
        field->get(record, 0, &value);
        add_item(&value, false, out);
        return;
    }
    uint32_t count = field->count(record);
    if (field->members) {
        if (count > 0)
            json_add_list(picked, record, count, out);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add_byte(out, ' ');
        field->get(record, i, &value);
        add_item(&value, true, out);
    }
}

static bool is_formula(const struct field *field, const uint8_t *cell, size_t len) {
    return field->kind == VALUE_TEXT && len > 0 && memchr("=+-@", cell[0], 4) != NULL;
}

/* Puts quotes around what was written from `start` on where RFC 4180 asks for them, and doubles
 * those inside. */
static void quote_cell(struct buffer *out, size_t start, bool formula) {
    size_t len = out->len - start, quotes = 0;
    bool quoted = len && (memchr(out->ptr + start, ',', len) || memchr(out->ptr + start, '"', len));

    for (size_t i = start; quoted && i < out->len; i++)
        quotes += out->ptr[i] == '"';
    size_t more = quotes + (quoted ? 2 : 0) + formula;
    if (more == 0 || !buffer_reserve(out, more))
        return;
    /* from the end, so that nothing is overwritten before it has moved */
    uint8_t *from = out->ptr + out->len, *to = from + more;
    if (quoted)
        *--to = '"';
    for (size_t i = 0; i < len; i++) {
        *--to = *--from;
        if (*from == '"')
            *--to = '"';
    }
    if (formula)
        *--to = '\'';
    if (quoted)
        *--to = '"';
    out->len += more;
}

static void begin(const struct encoding *encoding, struct buffer *out) {
    const struct field_selection *selection = encoding->fields;

    for (uint32_t i = 0; i < selection->count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        buffer_add_text(out, selection->fields[i].field->name);
    }
    buffer_add_byte(out, '\n');
}

static void encode(const struct encoding *encoding, const struct record *record,
                   struct buffer *out) {
    const struct field_selection *selection = encoding->fields;
    size_t line = out->len;

    for (uint32_t i = 0; i < selection->count; i++) {
        const struct picked_field *picked = &selection->fields[i];
        if (i > 0)
            buffer_add_byte(out, ',');
        size_t start = out->len;
        add_cell_content(picked, record, out);
        if (out->failed)
            return;
        if (picked->field->kind == VALUE_TEXT || picked->field->count)
            quote_cell(out, start, is_formula(picked->field, out->ptr + start, out->len - start));
    }
    if (selection->count == 1 && out->len == line)
        buffer_add(out, "\"\"", 2); /* an empty line would be no record */
    buffer_add_byte(out, '\n');
}

const struct encoder csv_encoder = {
    .name = "csv",
    .suffix = ".csv",
    .summary = "CSV with a header line; lists joined by spaces",
    .takes_fields = true,
    .begin = begin,
    .encode = encode,
};
