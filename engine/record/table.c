/* The table on a terminal: one line a record as it comes, so the columns' widths are fixed from the
 * terminal's width alone.
 *
 *       HOST                      DAYS  ISSUER         NAME           WHAT IS WRONG
 *     ✓ www.example.org:443         89  Example CA     example.org +1
 *     ✗ old.example.org:443        -12  Example CA     old.example.org  expired
 *     ✗ silent.example.org:443       -  timeout: no answer
 *
 * A record without a certificate has its words in the place of issuer and name. Text is safe
 * (text_add_safe) and cut with an ellipsis where it does not fit. */
#include "engine/record/encoder.h"
#include "engine/record/endpoint.h"

#include "engine/base/text.h"

#include <math.h>
#include <stdio.h>

enum {
    DAYS_COLUMNS = 6,
    GAP_COLUMNS = 2,
    FIXED_COLUMNS = 2 + DAYS_COLUMNS + 3 * GAP_COLUMNS, /* the mark, days, gaps without a name */
    NARROWEST = 60,
    NAME_FROM = 100, /* columns from which the name is shown as well */
    PORT_TEXT_MAX = sizeof ":65535",
};

struct layout {
    size_t host, issuer, name, words; /* columns; name 0 where it is not shown */
};

static const char BOLD[] = "\033[1m", DIM[] = "\033[2m", RED[] = "\033[31m", GREEN[] = "\033[32m",
                  YELLOW[] = "\033[33m", RESET[] = "\033[0m";

static const struct {
    const char *mark, *color;
} MARKS[STATUS_COUNT] = {
    [STATUS_UNKNOWN] = {"?", DIM},  [STATUS_OK] = {"✓", GREEN},  [STATUS_WARNING] = {"!", YELLOW},
    [STATUS_CRITICAL] = {"✗", RED}, [STATUS_ERROR] = {"✗", RED},
};

static size_t at_most(size_t columns, size_t most) {
    return columns < most ? columns : most;
}

static struct layout layout_for(uint16_t terminal_columns) {
    if (terminal_columns == 0)
        return (struct layout){.host = 40, .issuer = 24, .name = 32, .words = SIZE_MAX};
    size_t columns = terminal_columns < NARROWEST ? NARROWEST : terminal_columns;
    size_t rest = columns - FIXED_COLUMNS;
    struct layout layout = {
        .host = at_most(columns < NAME_FROM ? rest * 36 / 100 : rest * 28 / 100, 48),
        .issuer = at_most(columns < NAME_FROM ? rest * 20 / 100 : rest * 18 / 100, 28),
    };
    if (columns >= NAME_FROM) {
        rest -= GAP_COLUMNS;
        layout.name = at_most(rest * 24 / 100, 40);
    }
    layout.words = rest - layout.host - layout.issuer - layout.name;
    return layout;
}

/* --- Cells --- */

static void add_spaces(size_t count, struct buffer *out) {
    uint8_t *at = buffer_reserve(out, count);
    if (!at)
        return;
    memset(at, ' ', count);
    out->len += count;
}

static void add_color(const struct encoding *encoding, const char *color, struct buffer *out) {
    if (encoding->color)
        buffer_add_text(out, color);
}

/* Cuts the safe text that was written from `start` on to so many columns; returns how many it
 * takes. */
static size_t fit(struct buffer *out, size_t start, size_t columns) {
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

static void add_cell(struct slice text, size_t columns, struct buffer *out) {
    size_t start = out->len;

    text_add_safe(out, text);
    size_t width = fit(out, start, columns);
    add_spaces(columns - width + GAP_COLUMNS, out);
}

/* The port is always whole; the host is cut to what it leaves. */
static void add_host_cell(const struct probe_record *probe, size_t columns, struct buffer *out) {
    char port[PORT_TEXT_MAX];
    size_t port_len = (size_t)snprintf(port, sizeof port, ":%u", probe->port), start = out->len;

    endpoint_add_host(probe, out);
    size_t width = fit(out, start, columns - port_len);
    buffer_add(out, port, port_len);
    add_spaces(columns - width - port_len + GAP_COLUMNS, out);
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
    add_spaces(DAYS_COLUMNS - len, out);
    if (out->failed)
        return;
    memmove(out->ptr + start + DAYS_COLUMNS - len, out->ptr + start, len);
    memset(out->ptr + start, ' ', DAYS_COLUMNS - len);
}

static struct slice first_of(struct slice a, struct slice b, struct slice c) {
    return a.len ? a : b.len ? b : c;
}

static void add_name_cell(const struct certificate_fields *certificate, size_t columns,
                          struct buffer *out) {
    struct slice_list names = certificate->dns_names;
    struct slice first = names.count ? names.items[0] : (struct slice){NULL, 0};
    size_t start = out->len;

    text_add_safe(out, first_of(first, certificate->subject_cn, certificate->subject));
    if (names.count > 1) {
        buffer_add_text(out, " +");
        text_add_integer(out, names.count - 1);
    }
    size_t width = fit(out, start, columns);
    add_spaces(columns - width + GAP_COLUMNS, out);
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
    fit(out, start, columns);
}

/* --- Lines --- */

static void end_line(struct buffer *out) {
    while (!out->failed && out->len > 0 && out->ptr[out->len - 1] == ' ')
        out->len--;
    buffer_add_byte(out, '\n');
}

static void begin(const struct encoding *encoding, struct buffer *out) {
    struct layout layout = layout_for(encoding->terminal_columns);

    add_color(encoding, BOLD, out);
    buffer_add_text(out, "  ");
    add_cell(slice_of("HOST"), layout.host, out);
    add_spaces(DAYS_COLUMNS - strlen("DAYS"), out);
    add_cell(slice_of("DAYS"), strlen("DAYS"), out);
    add_cell(slice_of("ISSUER"), layout.issuer, out);
    if (layout.name)
        add_cell(slice_of("NAME"), layout.name, out);
    buffer_add_text(out, "WHAT IS WRONG");
    add_color(encoding, RESET, out);
    end_line(out);
}

static void encode(const struct encoding *encoding, const struct record *record,
                   struct buffer *out) {
    const struct probe_record *probe = probe_record_of(record);
    struct layout layout = layout_for(encoding->terminal_columns);
    size_t words = layout.words;

    if (!probe)
        return;
    const char *color = MARKS[probe->status].color;
    add_color(encoding, color, out);
    buffer_add_text(out, MARKS[probe->status].mark);
    add_color(encoding, RESET, out);
    buffer_add_byte(out, ' ');
    add_host_cell(probe, layout.host, out);
    add_color(encoding, color, out);
    add_days_cell(probe, out);
    add_color(encoding, RESET, out);
    add_spaces(GAP_COLUMNS, out);
    if (probe->has_certificate) {
        const struct certificate_fields *certificate = &probe->certificate;
        add_cell(first_of(certificate->issuer_cn, certificate->issuer_o, certificate->issuer),
                 layout.issuer, out);
        if (layout.name)
            add_name_cell(certificate, layout.name, out);
    } else if (words != SIZE_MAX) {
        words += layout.issuer + GAP_COLUMNS + (layout.name ? layout.name + GAP_COLUMNS : 0);
    }
    if (probe->outcome != OUTCOME_OK || probe->findings) {
        add_color(encoding, probe->status == STATUS_OK ? "" : color, out);
        add_what_is_wrong(probe, words, out);
        add_color(encoding, RESET, out);
    }
    end_line(out);
}

const struct encoder table_encoder = {
    .name = "table",
    .summary = "a table for the terminal",
    .begin = begin,
    .encode = encode,
};
