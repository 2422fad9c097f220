/* HTTP/1.1 as far as clients of logs speak it. */
#include "bench/ctfarm/ctfarm_server.h"

/* Takes a line without its end; false when there is no whole one. */
static bool take_line(struct slice *rest, struct slice *line) {
    const uint8_t *end = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
    if (!end)
        return false;
    *line = slice_trim(slice_first(*rest, (size_t)(end - rest->ptr)));
    *rest = slice_from(*rest, (size_t)(end - rest->ptr) + 1);
    return true;
}

static struct slice take_word(struct slice *line) {
    const uint8_t *end = line->len ? memchr(line->ptr, ' ', line->len) : NULL;
    struct slice word = end ? slice_first(*line, (size_t)(end - line->ptr)) : *line;
    *line = slice_from(*line, word.len + 1);
    return word;
}

static bool parse_first_line(struct slice line, struct ctfarm_request *out) {
    out->method = take_word(&line);
    out->path = take_word(&line);
    if (out->path.len == 0 || out->path.ptr[0] != '/' || line.len < 8 ||
        memcmp(line.ptr, "HTTP/1.", 7) != 0)
        return false;
    out->close = line.ptr[7] == '0';
    const uint8_t *mark = memchr(out->path.ptr, '?', out->path.len);
    if (mark) {
        out->query = slice_from(out->path, (size_t)(mark - out->path.ptr) + 1);
        out->path = slice_first(out->path, (size_t)(mark - out->path.ptr));
    }
    return true;
}

static bool parse_header(struct slice line, struct ctfarm_request *out) {
    const uint8_t *colon = memchr(line.ptr, ':', line.len);
    if (!colon)
        return false;
    struct slice name = slice_first(line, (size_t)(colon - line.ptr));
    struct slice value = slice_trim(slice_from(line, name.len + 1));
    if (slice_equal_nocase(name, slice_of("if-none-match")))
        out->if_none_match = value;
    else if (slice_equal_nocase(name, slice_of("upgrade")))
        out->upgrade = value;
    else if (slice_equal_nocase(name, slice_of("sec-websocket-key")))
        out->websocket_key = value;
    else if (slice_equal_nocase(name, slice_of("user-agent")))
        out->user_agent = value;
    else if (slice_equal_nocase(name, slice_of("connection")))
        out->close = out->close || slice_equal_nocase(value, slice_of("close"));
    else if (slice_equal_nocase(name, slice_of("content-length")))
        return slice_is(value, "0");
    return !slice_equal_nocase(name, slice_of("transfer-encoding"));
}

int ctfarm_request_parse(struct slice input, struct ctfarm_request *out, size_t *taken) {
    struct slice rest = input, line;
    *out = (struct ctfarm_request){0};
    if (!take_line(&rest, &line))
        return 0;
    if (!parse_first_line(line, out))
        return -1;
    while (take_line(&rest, &line)) {
        if (line.len == 0) {
            *taken = input.len - rest.len;
            return 1;
        }
        if (!parse_header(line, out))
            return -1;
    }
    return 0;
}

static int hex_digit(uint8_t c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static struct slice percent_decode(struct slice text, uint8_t *room, size_t size) {
    size_t len = 0;
    for (size_t i = 0; i < text.len && len < size; i++) {
        int high = text.ptr[i] == '%' && i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
        room[len++] = low >= 0 ? (uint8_t)(high << 4 | low) : text.ptr[i];
        i += low >= 0 ? 2 : 0;
    }
    return (struct slice){room, len};
}

struct slice ctfarm_query(const struct ctfarm_request *request, const char *key, uint8_t *room,
                          size_t size) {
    size_t key_len = strlen(key);
    for (struct slice rest = request->query; rest.len;) {
        const uint8_t *end = memchr(rest.ptr, '&', rest.len);
        struct slice pair = end ? slice_first(rest, (size_t)(end - rest.ptr)) : rest;
        rest = slice_from(rest, pair.len + 1);
        if (pair.len > key_len && memcmp(pair.ptr, key, key_len) == 0 && pair.ptr[key_len] == '=')
            return percent_decode(slice_from(pair, key_len + 1), room, size);
    }
    return (struct slice){0};
}

bool ctfarm_query_number(const struct ctfarm_request *request, const char *key, uint64_t *out) {
    uint8_t room[24];
    return slice_to_u64(ctfarm_query(request, key, room, sizeof room), UINT64_MAX, out);
}
