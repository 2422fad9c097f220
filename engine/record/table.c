/* The table on a terminal: one line a record as it comes, so the columns' widths are fixed from the
 * terminal's width alone.
 *
 *       HOST                      DAYS  ISSUER         NAME           WHAT IS WRONG
 *     ✓ www.example.org:443         89  Example CA     example.org +1
 *     ✗ old.example.org:443        -12  Example CA     old.example.org  expired
 *     ✗ silent.example.org:443       -  timeout: no answer
 *
 * A record without a certificate has its words in the place of issuer and name. Entries of logs
 * have columns of their own (table_ct.c). Text is safe (text_add_safe) and cut with an ellipsis
 * where it does not fit. */
#include "engine/record/table_cells.h"

#include "engine/base/text.h"
#include "engine/record/ct_record.h"
#include "engine/record/endpoint.h"

#include <math.h>
#include <stdio.h>

enum {
    DAYS_COLUMNS = 6,
    FIXED_COLUMNS = 2 + DAYS_COLUMNS + 3 * GAP_COLUMNS, /* the mark, days, gaps without a name */
    NAME_FROM = 100, /* columns from which the name is shown as well */
    PORT_TEXT_MAX = sizeof ":65535",
};

struct layout {
    size_t host, issuer, name, words; /* columns; name 0 where it is not shown */
};

static const struct {
    const char *mark, *color;
} MARKS[STATUS_COUNT] = {
    [STATUS_UNKNOWN] = {"?", DIM},  [STATUS_OK] = {"✓", GREEN},  [STATUS_WARNING] = {"!", YELLOW},
    [STATUS_CRITICAL] = {"✗", RED}, [STATUS_ERROR] = {"✗", RED},
};

static struct layout layout_for(uint16_t terminal_columns) {
    if (terminal_columns == 0)
        return (struct layout){.host = 40, .issuer = 24, .name = 32, .words = SIZE_MAX};
    size_t columns = terminal_columns < NARROWEST ? NARROWEST : terminal_columns;
    size_t rest = columns - FIXED_COLUMNS;
    struct layout layout = {
        .host = table_at_most(columns < NAME_FROM ? rest * 36 / 100 : rest * 28 / 100, 48),
        .issuer = table_at_most(columns < NAME_FROM ? rest * 20 / 100 : rest * 18 / 100, 28),
    };
    if (columns >= NAME_FROM) {
        rest -= GAP_COLUMNS;
        layout.name = table_at_most(rest * 24 / 100, 40);
    }
    layout.words = rest - layout.host - layout.issuer - layout.name;
    return layout;
}

/* --- Cells --- */

/* The port is always whole; the host is cut to what it leaves. */
static void add_host_cell(const struct probe_record *probe, size_t columns, struct buffer *out) {
    char port[PORT_TEXT_MAX];
    size_t port_len = (size_t)snprintf(port, sizeof port, ":%u", probe->port), start = out->len;

    endpoint_add_host(probe, out);
    size_t width = table_fit(out, start, columns - port_len);
    buffer_add(out, port, port_len);
    table_add_spaces(columns - width - port_len + GAP_COLUMNS, out);
}

static void add_days_cell(const struct probe_record *probe, struct buffer *out) {
    size_t start = out->len;

    if (!probe->has_days_left || !isfinite(probe->days_left))
        buffer_add_byte(out, '-');
    else if (probe->days_left >= 100000)
        buffer_add_text(out, ">99999");
    else if (probe->days_left < -9999)
        buffer_add_text(out, "<-9999");
    else
        text_add_integer(out, (int64_t)floor(probe->days_left));
    if (out->failed)
        return;
    /* to the right edge: spaces go in front */
    size_t len = out->len - start;
    table_add_spaces(DAYS_COLUMNS - len, out);
    if (out->failed)
        return;
    memmove(out->ptr + start + DAYS_COLUMNS - len, out->ptr + start, len);
    memset(out->ptr + start, ' ', DAYS_COLUMNS - len);
}

static void add_name_cell(const struct certificate_fields *certificate, size_t columns,
                          struct buffer *out) {
    struct slice_list names = certificate->dns_names;
    struct slice other =
        table_first_of(certificate->subject_cn, certificate->subject, (struct slice){NULL, 0});

    table_add_names_cell(names, other, columns, out);
}

/* --- What is wrong --- */

/* A name of the records as words: "name_mismatch" as "name mismatch". */
static void add_words(struct slice name, struct buffer *out) {
    size_t start = out->len;

    text_add_safe(out, name);
    for (size_t i = start; i < out->len; i++)
        if (out->ptr[i] == '_')
            out->ptr[i] = ' ';
}

static bool has_finding(const struct probe_record *probe, enum finding finding) {
    return probe->findings >> finding & 1;
}

/* Whether another finding says already why the chain is not trusted. */
static bool trust_error_is_finding(const struct probe_record *probe) {
    for (enum finding f = 0; f < FINDING_COUNT; f++)
        if (has_finding(probe, f) && slice_is(probe->trust.error, finding_name(f)))
            return true;
    return false;
}

/* "Connection refused" needs no "refused" before it. */
static bool error_says_outcome(const struct probe_record *probe) {
    const char *name = outcome_name(probe->outcome);
    return probe->error.len && memmem(probe->error.ptr, probe->error.len, name, strlen(name));
}

static void add_outcome(const struct probe_record *probe, struct buffer *out) {
    if (error_says_outcome(probe)) {
        text_add_safe(out, probe->error);
        return;
    }
    add_words(slice_of(outcome_name(probe->outcome)), out);
    if (probe->error.len) {
        buffer_add_text(out, ": ");
        text_add_safe(out, probe->error);
    } else if (probe->stage != STAGE_DONE) {
        buffer_add_text(out, " (");
        buffer_add_text(out, stage_name(probe->stage));
        buffer_add_byte(out, ')');
    }
}

static void add_findings(const struct probe_record *probe, bool separate, struct buffer *out) {
    for (enum finding f = 0; f < FINDING_COUNT; f++) {
        if (!has_finding(probe, f) || (f == FINDING_UNTRUSTED && trust_error_is_finding(probe)))
            continue;
        if (separate)
            buffer_add_text(out, ", ");
        separate = true;
        add_words(slice_of(finding_name(f)), out);
        if (f == FINDING_UNTRUSTED && probe->trust.error.len) {
            buffer_add_text(out, ": ");
            add_words(probe->trust.error, out);
        }
    }
}

static void add_what_is_wrong(const struct probe_record *probe, size_t columns,
                              struct buffer *out) {
    size_t start = out->len;

    if (probe->outcome != OUTCOME_OK)
        add_outcome(probe, out);
    add_findings(probe, probe->outcome != OUTCOME_OK, out);
    table_fit(out, start, columns);
}

/* --- Lines --- */

static void begin(const struct encoding *encoding, struct buffer *out) {
    struct layout layout = layout_for(encoding->terminal_columns);

    if (encoding->fields->kind == &ct_record_kind) {
        table_ct_begin(encoding, out);
        return;
    }
    table_add_color(encoding, BOLD, out);
    buffer_add_text(out, "  ");
    table_add_cell(slice_of("HOST"), layout.host, out);
    table_add_spaces(DAYS_COLUMNS - strlen("DAYS"), out);
    table_add_cell(slice_of("DAYS"), strlen("DAYS"), out);
    table_add_cell(slice_of("ISSUER"), layout.issuer, out);
    if (layout.name)
        table_add_cell(slice_of("NAME"), layout.name, out);
    buffer_add_text(out, "WHAT IS WRONG");
    table_add_color(encoding, RESET, out);
    table_end_line(out);
}

static void encode(const struct encoding *encoding, const struct record *record,
                   struct buffer *out) {
    const struct probe_record *probe = probe_record_of(record);
    struct layout layout = layout_for(encoding->terminal_columns);
    size_t words = layout.words;

    if (!probe) {
        table_ct_line(encoding, ct_record_of(record), out);
        return;
    }
    const char *color = MARKS[probe->status].color;
    table_add_color(encoding, color, out);
    buffer_add_text(out, MARKS[probe->status].mark);
    table_add_color(encoding, RESET, out);
    buffer_add_byte(out, ' ');
    add_host_cell(probe, layout.host, out);
    table_add_color(encoding, color, out);
    add_days_cell(probe, out);
    table_add_color(encoding, RESET, out);
    table_add_spaces(GAP_COLUMNS, out);
    if (probe->has_certificate) {
        const struct certificate_fields *certificate = &probe->certificate;
        table_add_cell(
            table_first_of(certificate->issuer_cn, certificate->issuer_o, certificate->issuer),
            layout.issuer, out);
        if (layout.name)
            add_name_cell(certificate, layout.name, out);
    } else if (words != SIZE_MAX) {
        words += layout.issuer + GAP_COLUMNS + (layout.name ? layout.name + GAP_COLUMNS : 0);
    }
    if (probe->outcome != OUTCOME_OK || probe->findings) {
        table_add_color(encoding, probe->status == STATUS_OK ? "" : color, out);
        add_what_is_wrong(probe, words, out);
        table_add_color(encoding, RESET, out);
    }
    table_end_line(out);
}

const struct encoder table_encoder = {
    .name = "table",
    .summary = "a table for the terminal",
    .parts = PART_SUBJECT | PART_ISSUER | PART_NAMES,
    .begin = begin,
    .encode = encode,
};
