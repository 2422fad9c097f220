#include "engine/record/table_cells.h"

#include "engine/base/text.h"

size_t table_at_most(size_t columns, size_t most) {
    return columns < most ? columns : most;
}

void table_add_spaces(size_t count, struct buffer *out) {
    uint8_t *at = buffer_reserve(out, count);
    if (!at)
        return;
    memset(at, ' ', count);
    out->len += count;
}

void table_add_color(const struct encoding *encoding, const char *color, struct buffer *out) {
    if (encoding->color)
        buffer_add_text(out, color);
}

size_t table_fit(struct buffer *out, size_t start, size_t columns) {
    size_t width;

    if (out->failed)
        return 0;
    struct slice text = slice_from(buffer_slice(out), start);
    if (text_fit(text, columns, &width) == text.len)
        return width;
    out->len = start + text_fit(text, columns - 1, &width);
    buffer_add_text(out, "…");
    return width + 1;
}

/* Ends the cell that began at `start`. */
static void end_cell(size_t start, size_t columns, struct buffer *out) {
    size_t width = table_fit(out, start, columns);
    table_add_spaces(columns - width + GAP_COLUMNS, out);
}

void table_add_cell(struct slice text, size_t columns, struct buffer *out) {
    size_t start = out->len;

    text_add_safe(out, text);
    end_cell(start, columns, out);
}

void table_add_names_cell(struct slice_list names, struct slice other, size_t columns,
                          struct buffer *out) {
    size_t start = out->len;

    text_add_safe(out, names.count && names.items[0].len ? names.items[0] : other);
    if (names.count > 1) {
        buffer_add_text(out, " +");
        text_add_integer(out, names.count - 1);
    }
    end_cell(start, columns, out);
}

struct slice table_first_of(struct slice a, struct slice b, struct slice c) {
    return a.len ? a : b.len ? b : c;
}

void table_end_line(struct buffer *out) {
    while (!out->failed && out->len > 0 && out->ptr[out->len - 1] == ' ')
        out->len--;
    buffer_add_byte(out, '\n');
}
