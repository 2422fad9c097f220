/* Comma-separated values whose first row names the columns (RFC 4180), with semicolons or tabs as
 * well: what zmap writes, what trawl writes, what spreadsheets write. Only the cells that say
 * something about a target are kept, so rows may be of any length. As lenient as other readers:
 * quotes inside an unquoted cell are text, and so is what follows a closing quote. */
#include "ingest/format.h"

#include "engine/base/limits.h"

enum {
    COLUMNS_MAX = 1024, /* columns behind it are not looked at; trawl writes about 70 */
    KEPT_BYTES = LIMIT_LINE_BYTES + 1024, /* of all the cells of a row that are kept */
};

enum csv_state { CSV_CELL_START, CSV_PLAIN, CSV_QUOTED, CSV_QUOTE /* closing, or half of two */ };

struct csv {
    enum csv_state state;
    uint8_t separator; /* 0: not known yet */
    bool header_read;
    bool in_row;                   /* something of the row was seen */
    bool overflow;                 /* of kept */
    uint8_t columns[COLUMNS_MAX];  /* enum column of each; COLUMN_COUNT: not looked at */
    uint32_t column_count, column; /* in the header; at hand */
    uint64_t line;                 /* where the row begins */
    uint8_t kept[KEPT_BYTES];
    size_t kept_len, cell_start;
    struct {
        uint16_t start, len;
    } cells[COLUMN_COUNT];
};

_Static_assert(KEPT_BYTES <= UINT16_MAX, "positions fit");

static bool is_separator(uint8_t byte) {
    return byte == ',' || byte == ';' || byte == '\t';
}

/* A header: a cell that names a host, and another one. One name alone could be a host; but not
 * zmap's. */
static bool csv_recognizes(struct slice line) {
    struct slice cell = {line.ptr, 0};
    bool names_host = false, separated = false, quoted = false;
    for (size_t i = 0; i <= line.len; i++) {
        bool ends = i == line.len || is_separator(line.ptr[i]);
        quoted |= !ends && line.ptr[i] == '"';
        if (!ends)
            continue;
        cell.len = (size_t)(line.ptr + i - cell.ptr);
        cell = slice_trim(cell);
        if (cell.len >= 2 && cell.ptr[0] == '"' && cell.ptr[cell.len - 1] == '"')
            cell = (struct slice){cell.ptr + 1, cell.len - 2};
        names_host |= column_is_host(column_of(cell));
        separated |= i < line.len;
        cell = (struct slice){line.ptr + i + 1, 0};
    }
    return names_host && (separated || quoted || slice_is(line, "saddr"));
}

/* True when the cell at hand is one that is kept. */
static bool keeps(const struct csv *csv) {
    return !csv->header_read ||
           (csv->column < csv->column_count && csv->columns[csv->column] < COLUMN_COUNT);
}

static void keep(struct csv *csv, const uint8_t *bytes, size_t len) {
    if (!keeps(csv))
        return;
    if (len > KEPT_BYTES - csv->kept_len) {
        len = KEPT_BYTES - csv->kept_len;
        csv->overflow = true;
    }
    memcpy(csv->kept + csv->kept_len, bytes, len);
    csv->kept_len += len;
}

static void end_cell(struct csv *csv) {
    struct slice cell = {csv->kept + csv->cell_start, csv->kept_len - csv->cell_start};
    if (!csv->header_read) {
        if (csv->column < COLUMNS_MAX) {
            csv->columns[csv->column] = csv->overflow ? COLUMN_COUNT : (uint8_t)column_of(cell);
            csv->column_count = csv->column + 1;
        }
        csv->overflow = false;
        csv->kept_len = 0;
    } else if (keeps(csv)) {
        uint8_t column = csv->columns[csv->column];
        if (!csv->cells[column].len && slice_trim(cell).len) { /* the first of its kind counts */
            csv->cells[column].start = (uint16_t)csv->cell_start;
            csv->cells[column].len = (uint16_t)cell.len;
        }
    }
    csv->cell_start = csv->kept_len;
    csv->column++;
    csv->state = CSV_CELL_START;
}

/* Takes bytes of one cell, or what ends it. Returns how many; sets `row_ends`. */
static size_t take(struct csv *csv, const uint8_t *at, size_t len, bool *row_ends) {
    size_t used = 0;
    if (csv->state == CSV_QUOTED) {
        const uint8_t *quote = memchr(at, '"', len);
        used = quote ? (size_t)(quote - at) : len;
        keep(csv, at, used);
        if (quote)
            csv->state = CSV_QUOTE;
        return used + (quote ? 1 : 0);
    }
    if (*at == '"' && csv->state != CSV_PLAIN) {
        if (csv->state == CSV_QUOTE)
            keep(csv, at, 1);
        csv->state = CSV_QUOTED;
        return 1;
    }
    if (*at == ' ' && csv->state == CSV_CELL_START)
        return 1; /* some write a blank before the quote */
    csv->state = CSV_PLAIN;
    while (used < len && at[used] != '\n' &&
           (csv->separator ? at[used] != csv->separator : !is_separator(at[used])))
        used++;
    keep(csv, at, used);
    if (used == len)
        return used;
    *row_ends = at[used] == '\n';
    if (!*row_ends)
        csv->separator = at[used];
    end_cell(csv);
    return used + 1;
}

static void begin_row(struct csv *csv, uint64_t line) {
    csv->line = line;
    csv->in_row = true;
    csv->overflow = false;
    csv->column = 0;
    csv->kept_len = csv->cell_start = 0;
    memset(csv->cells, 0, sizeof csv->cells);
}

/* The row is complete. ROW_MORE: there was nothing in it. */
static enum row_result end_row(struct csv *csv, struct row *row, struct failure *reason) {
    bool blank = csv->column == 1 && csv->kept_len == 0;
    csv->in_row = false;
    row->line = csv->line;
    if (!csv->header_read) {
        csv->header_read = true;
        if (!csv->separator)
            csv->separator = ','; /* of a single column */
        for (uint32_t i = 0; i < csv->column_count; i++)
            if (column_is_host(csv->columns[i]))
                return ROW_MORE;
        failure_set(reason, ERROR_INPUT,
                    "no column of the first row names a host (host, ip, saddr, domain ...)");
        return ROW_BROKEN;
    }
    if (blank)
        return ROW_MORE;
    for (int i = COLUMN_COUNT; i-- > 0;) {
        struct slice cell = {csv->kept + csv->cells[i].start, csv->cells[i].len};
        row->cells[i] = cell;
        if (column_is_host((enum column)i) && cell.len)
            row->text = cell;
    }
    if (!csv->overflow)
        return ROW_GIVEN;
    failure_set(reason, ERROR_INPUT, "the cells of the row are too long");
    return ROW_BAD;
}

static enum row_result csv_end(struct csv *csv, struct row *row, struct failure *reason) {
    if (!csv->in_row)
        return ROW_END;
    if (csv->state == CSV_QUOTED) {
        row->line = csv->line;
        failure_set(reason, ERROR_INPUT, "a quote of this row is never closed");
        return ROW_BROKEN;
    }
    end_cell(csv);
    enum row_result result = end_row(csv, row, reason);
    return result == ROW_MORE ? ROW_END : result;
}

static enum row_result csv_next(void *state, struct input *input, struct row *row,
                                struct failure *reason) {
    struct csv *csv = state;
    struct slice bytes = input_bytes(input);
    while (bytes.len) {
        bool row_ends = false;
        if (!csv->in_row)
            begin_row(csv, input->line);
        size_t used = 0;
        while (used < bytes.len && !row_ends)
            used += take(csv, bytes.ptr + used, bytes.len - used, &row_ends);
        input_take(input, used);
        bytes = input_bytes(input);
        if (!row_ends)
            break;
        enum row_result result = end_row(csv, row, reason);
        if (result != ROW_MORE)
            return result;
    }
    return input->finished ? csv_end(csv, row, reason) : ROW_MORE;
}

const struct format format_csv = {
    .name = "csv",
    .summary =
        "columns named in the first row: host, ip, port, sni, protocol, ca_file; of zmap, trawl",
    .example = "saddr,sport,success",
    .size = sizeof(struct csv),
    .recognizes = csv_recognizes,
    .next = csv_next,
};
