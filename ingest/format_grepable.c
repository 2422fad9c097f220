/* The lines that `nmap -oG` and `masscan -oG` write:
 *
 *      # Nmap 7.93 scan initiated ...
 *      Host: 192.0.2.1 (name)<TAB>Status: Up
 *      Host: 192.0.2.1 (name)<TAB>Ports: 443/open/tcp//https///, 80/closed/tcp//http///<TAB>...
 *
 * A line can have all 65535 ports, so it is read in pieces, between tabs, commas and newlines. A
 * host that is up but has no line of ports (from `nmap -sn`) stands for the ports of the sweep. The
 * name is from reverse DNS: no name to ask for. */
#include "ingest/format.h"

#include "engine/base/address.h"

enum { PIECE_BYTES = 256 };

struct grepable {
    uint8_t piece[PIECE_BYTES]; /* what there is of the piece at hand, cut when longer */
    size_t len;
    char host[ADDRESS_TEXT_MAX];
    char alone[ADDRESS_TEXT_MAX]; /* a host that is up, without ports so far; empty for none */
    uint64_t alone_line;
    uint8_t mark;  /* what ended the piece; 0 for the end of the input */
    bool complete; /* the piece, which was not looked at yet */
    bool in_line;  /* the first piece of the line is behind us */
    bool in_ports; /* pieces are ports */
    bool ignoring; /* up to the end of the line */
    bool ended;
};

static bool grepable_recognizes(struct slice line) {
    return format_starts(line, "# Nmap ") || format_starts(line, "# Masscan ") ||
           format_starts(line, "Host: ") || format_starts(line, "Timestamp: ");
}

static void set_text(char out[ADDRESS_TEXT_MAX], struct slice text) {
    text = slice_first(text, ADDRESS_TEXT_MAX - 1);
    if (text.len)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

/* Gives the host that no line of ports followed. */
static enum row_result give_alone(struct grepable *state, struct row *row) {
    set_text(state->host, slice_of(state->alone)); /* which stays valid for the row */
    state->alone[0] = '\0';
    row->text = row->cells[COLUMN_IP] = slice_of(state->host);
    row->line = state->alone_line;
    return ROW_GIVEN;
}

/* "443/open/tcp//https///" */
static enum row_result take_port(struct grepable *state, struct slice piece, struct row *row) {
    struct slice parts[3];
    for (int i = 0; i < 3; i++) {
        const uint8_t *slash = piece.len ? memchr(piece.ptr, '/', piece.len) : NULL;
        if (!slash)
            return ROW_MORE;
        parts[i] = slice_first(piece, (size_t)(slash - piece.ptr));
        piece = slice_from(piece, parts[i].len + 1);
    }
    if (!slice_is(parts[1], "open") || !slice_is(parts[2], "tcp"))
        return ROW_MORE;
    row->text = row->cells[COLUMN_IP] = slice_of(state->host);
    row->cells[COLUMN_PORT] = parts[0];
    return ROW_GIVEN;
}

/* What follows "Host: ", up to the blank before the name. */
static void take_host(struct grepable *state, struct slice rest) {
    const uint8_t *blank = rest.len ? memchr(rest.ptr, ' ', rest.len) : NULL;
    set_text(state->host, blank ? slice_first(rest, (size_t)(blank - rest.ptr)) : rest);
}

static enum row_result reject_line(struct grepable *state, struct slice piece, struct row *row,
                                   struct failure *reason) {
    state->ignoring = true;
    row->text = piece;
    if (format_starts(piece, "Nmap scan report for ")) {
        failure_set(reason, ERROR_INPUT,
                    "this is what nmap writes for people (-oN): let it write XML (-oX)");
        return ROW_BROKEN;
    }
    failure_set(reason, ERROR_INPUT, "not a line of grepable output");
    return ROW_BAD;
}

/* Looks at one piece; ROW_MORE: there is no row in it. */
static enum row_result take_piece(struct grepable *state, struct row *row, struct failure *reason) {
    struct slice piece = slice_trim((struct slice){state->piece, state->len});
    bool first = !state->in_line;
    if (state->ignoring || (first && !piece.len))
        return ROW_MORE;
    state->in_line = true;
    if (first && piece.ptr[0] == '#') {
        state->ignoring = true;
    } else if (format_starts(piece, "Host: ")) {
        take_host(state, slice_from(piece, 6));
        state->in_ports = false;
    } else if (format_starts(piece, "Ports: ") || slice_is(piece, "Ports:")) {
        state->in_ports = true;
        state->alone[0] = '\0';
        return take_port(state, slice_trim(slice_from(piece, 6)), row);
    } else if (format_starts(piece, "Status: ")) {
        if (!slice_is(piece, "Status: Down"))
            set_text(state->alone, slice_of(state->host));
        state->alone_line = row->line;
    } else if (state->in_ports) {
        return take_port(state, piece, row);
    } else if (first && !format_starts(piece, "Timestamp: ")) {
        return reject_line(state, piece, row, reason);
    }
    return ROW_MORE;
}

/* True when the piece at hand begins the line of another host than the one without ports. */
static bool ends_alone(const struct grepable *state) {
    struct slice piece = slice_trim((struct slice){state->piece, state->len});
    size_t len = strlen(state->alone);
    return len && !state->in_line && piece.len &&
           !(piece.len > len + 6 && format_starts(piece, "Host: ") && piece.ptr[len + 6] == ' ' &&
             memcmp(piece.ptr + 6, state->alone, len) == 0);
}

/* Collects bytes up to the end of a piece; false when there must be more of them. */
static bool collect(struct grepable *state, struct input *input) {
    struct slice bytes = input_bytes(input);
    size_t len = 0;
    while (len < bytes.len && bytes.ptr[len] != '\n' && bytes.ptr[len] != '\t' &&
           bytes.ptr[len] != ',')
        len++;
    size_t room = PIECE_BYTES - state->len, kept = len < room ? len : room;
    if (kept)
        memcpy(state->piece + state->len, bytes.ptr, kept);
    state->len += kept;
    state->complete = len < bytes.len || input->finished;
    state->mark = len < bytes.len ? bytes.ptr[len++] : 0;
    input_take(input, len);
    return state->complete;
}

static void end_piece(struct grepable *state) {
    state->complete = false;
    state->len = 0;
    state->ended = state->mark == 0;
    if (state->mark != ',')
        state->in_ports = false;
    if (state->mark == '\n')
        state->in_line = state->ignoring = false;
}

static enum row_result grepable_next(void *format_state, struct input *input, struct row *row,
                                     struct failure *reason) {
    struct grepable *state = format_state;
    while (!state->ended) {
        row->line = input->line;
        if (!state->complete && !collect(state, input))
            return ROW_MORE;
        if (ends_alone(state))
            return give_alone(state, row);
        enum row_result result = take_piece(state, row, reason);
        end_piece(state);
        if (result != ROW_MORE)
            return result;
    }
    return state->alone[0] ? give_alone(state, row) : ROW_END;
}

const struct format format_grepable = {
    .name = "grepable",
    .summary = "grepable output of nmap and masscan (-oG): open TCP ports, or hosts that are up",
    .example = "Host: 192.0.2.1 ()  Ports: 443/open/tcp//https///",
    .size = sizeof(struct grepable),
    .recognizes = grepable_recognizes,
    .next = grepable_next,
};
