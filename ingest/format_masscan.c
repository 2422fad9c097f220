/* The list that `masscan -oL` writes:
 *
 *      #masscan
 *      open tcp 443 192.0.2.1 1700000000
 *      banner tcp 443 192.0.2.1 1700000001 http.server nginx       the same port once more: left
 * out # end */
#include "ingest/format.h"

#include "engine/base/error.h"

/* Takes the first word off `rest`. */
static struct slice take_word(struct slice *rest) {
    const uint8_t *blank = rest->len ? memchr(rest->ptr, ' ', rest->len) : NULL;
    struct slice word = blank ? slice_first(*rest, (size_t)(blank - rest->ptr)) : *rest;
    *rest = slice_from(*rest, word.len + 1);
    return word;
}

static bool is_transport(struct slice word) {
    static const char *const transports[] = {"tcp", "udp", "sctp", "icmp", "arp", "oproto"};
    for (size_t i = 0; i < sizeof transports / sizeof *transports; i++)
        if (slice_is(word, transports[i]))
            return true;
    return false;
}

static bool masscan_recognizes(struct slice line) {
    struct slice state = take_word(&line);
    return slice_is(state, "#masscan") ||
           ((slice_is(state, "open") || slice_is(state, "closed") || slice_is(state, "banner")) &&
            is_transport(take_word(&line)));
}

static enum row_result masscan_next(void *unused, struct input *input, struct row *row,
                                    struct failure *reason) {
    (void)unused;
    struct slice line;
    enum row_result result;
    while ((result = format_line(input, row, &line, reason)) == ROW_GIVEN) {
        if (!line.len || line.ptr[0] == '#')
            continue;
        struct slice state = take_word(&line), transport = take_word(&line);
        struct slice port = take_word(&line), address = take_word(&line);
        if (!is_transport(transport) || !address.len) {
            failure_set(reason, ERROR_INPUT,
                        "not a line of masscan's list, such as \"%s\" (its JSON and XML are the "
                        "formats json and nmap)",
                        format_masscan.example);
            return ROW_BAD;
        }
        if (!slice_is(state, "open") || !slice_is(transport, "tcp"))
            continue;
        row->cells[COLUMN_IP] = address;
        row->cells[COLUMN_PORT] = port;
        return ROW_GIVEN;
    }
    return result;
}

const struct format format_masscan = {
    .name = "masscan",
    .summary = "the list of masscan (-oL): its open TCP ports",
    .example = "open tcp 443 192.0.2.1 1700000000",
    .recognizes = masscan_recognizes,
    .next = masscan_next,
};
