/* Entries of logs in the table on a terminal.
 *
 *       VERDICT     NAME                    ISSUER       ENTRY
 *     ✗ suspicious  login.example.org +1    Another CA   Example 'Oak' log 4711
 *     ✓ info        www.example.org         Example CA   Example 'Oak' log 4713 (precertificate)
 *     ! lookalike   examp1e.org             Another CA   Example 'Elm' log 12: example, confusable
 * 95 ? malformed                                        Example 'Elm' log 13: bytes behind the end
 *
 * The names are those that matched, or all of them where nobody asked. */
#include "engine/record/table_cells.h"

#include "engine/base/text.h"
#include "engine/record/ct_record.h"

enum { VERDICT_COLUMNS = 10, FIXED_COLUMNS = 2 + VERDICT_COLUMNS + 3 * GAP_COLUMNS };

struct layout {
    size_t name, issuer, entry; /* columns */
};

static const struct {
    const char *mark, *color;
} MARKS[CT_VERDICTS] = {
    [CT_VERDICT_NONE] = {" ", ""},          [CT_VERDICT_INFO] = {"✓", GREEN},
    [CT_VERDICT_SUSPICIOUS] = {"✗", RED},   [CT_VERDICT_MALFORMED] = {"?", YELLOW},
    [CT_VERDICT_LOOKALIKE] = {"!", YELLOW},
};

static struct layout layout_for(uint16_t terminal_columns) {
    if (terminal_columns == 0)
        return (struct layout){.name = 40, .issuer = 24, .entry = SIZE_MAX};
    size_t columns = terminal_columns < NARROWEST ? NARROWEST : terminal_columns;
    size_t rest = columns - FIXED_COLUMNS;
    struct layout layout = {
        .name = table_at_most(rest * 42 / 100, 48),
        .issuer = table_at_most(rest * 20 / 100, 28),
    };
    layout.entry = rest - layout.name - layout.issuer;
    return layout;
}

void table_ct_begin(const struct encoding *encoding, struct buffer *out) {
    struct layout layout = layout_for(encoding->terminal_columns);

    table_add_color(encoding, BOLD, out);
    buffer_add_text(out, "  ");
    table_add_cell(slice_of("VERDICT"), VERDICT_COLUMNS, out);
    table_add_cell(slice_of("NAME"), layout.name, out);
    table_add_cell(slice_of("ISSUER"), layout.issuer, out);
    buffer_add_text(out, "ENTRY");
    table_add_color(encoding, RESET, out);
    table_end_line(out);
}

/* Where it stands, and what is to be said about it. */
static void add_entry(const struct ct_record *record, size_t columns, struct buffer *out) {
    size_t start = out->len;

    text_add_safe(out, record->source_log);
    if (record->has_index) {
        buffer_add_byte(out, ' ');
        text_add_integer(out, (int64_t)record->index);
    }
    if (record->update == CT_UPDATE_PRECERT)
        buffer_add_text(out, " (precertificate)");
    if (record->brand.len) {
        buffer_add_text(out, ": ");
        text_add_safe(out, record->brand);
        buffer_add_text(out, ", ");
        text_add_safe(out, record->lookalike);
        buffer_add_byte(out, ' ');
        text_add_integer(out, record->lookalike_score);
    }
    if (record->error.len) {
        buffer_add_text(out, ": ");
        text_add_safe(out, record->error);
    }
    table_fit(out, start, columns);
}

/* Of whom it is for. */
static void add_certificate(const struct ct_record *record, const struct layout *layout,
                            struct buffer *out) {
    const struct certificate_fields *certificate = &record->certificate;
    struct slice_list names =
        record->matched_names.count ? record->matched_names : certificate->dns_names;
    struct slice nothing = {NULL, 0};

    table_add_names_cell(names,
                         table_first_of(certificate->subject_cn, certificate->subject, nothing),
                         layout->name, out);
    table_add_cell(
        table_first_of(certificate->issuer_cn, certificate->issuer_o, certificate->issuer),
        layout->issuer, out);
}

void table_ct_line(const struct encoding *encoding, const struct ct_record *record,
                   struct buffer *out) {
    struct layout layout = layout_for(encoding->terminal_columns);

    table_add_color(encoding, MARKS[record->verdict].color, out);
    buffer_add_text(out, MARKS[record->verdict].mark);
    buffer_add_byte(out, ' ');
    table_add_cell(slice_of(ct_verdict_name(record->verdict)), VERDICT_COLUMNS, out);
    table_add_color(encoding, RESET, out);
    if (record->has_certificate)
        add_certificate(record, &layout, out);
    else if (layout.entry != SIZE_MAX)
        layout.entry += layout.name + layout.issuer + 2 * GAP_COLUMNS;
    add_entry(record, layout.entry, out);
    table_end_line(out);
}
