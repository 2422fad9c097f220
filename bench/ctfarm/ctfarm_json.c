#include "bench/ctfarm/ctfarm_json.h"

#include "engine/base/text.h"

static const char UPPER[] = "0123456789ABCDEF";

static void add_byte(struct buffer *out, uint8_t byte) {
    if (byte == '"' || byte == '\\') {
        buffer_add_byte(out, '\\');
        buffer_add_byte(out, byte);
    } else if (byte >= 0x20 && byte < 0x7f) {
        buffer_add_byte(out, byte);
    } else {
        buffer_add_format(out, "\\u00%02x", byte);
    }
}

/* Up to the first byte that needs care; most texts have none. */
static size_t plain_length(struct slice text) {
    size_t len = 0;
    while (len < text.len && text.ptr[len] >= 0x20 && text.ptr[len] < 0x7f &&
           text.ptr[len] != '"' && text.ptr[len] != '\\')
        len++;
    return len;
}

void ctfarm_json_bytes(struct buffer *out, struct slice bytes) {
    buffer_add_byte(out, '"');
    while (bytes.len) {
        size_t plain = plain_length(bytes);
        buffer_add(out, bytes.ptr, plain);
        bytes = slice_from(bytes, plain);
        if (bytes.len) {
            add_byte(out, bytes.ptr[0]);
            bytes = slice_from(bytes, 1);
        }
    }
    buffer_add_byte(out, '"');
}

void ctfarm_json_text(struct buffer *out, struct slice text) {
    buffer_add_byte(out, '"');
    while (text.len) {
        size_t plain = plain_length(text);
        buffer_add(out, text.ptr, plain);
        text = slice_from(text, plain);
        if (text.len == 0)
            break;
        struct text_rune rune = text_rune_first(text);
        if (!rune.valid)
            buffer_add_text(out, "\\ufffd");
        else if (rune.len == 1)
            add_byte(out, text.ptr[0]);
        else
            buffer_add(out, text.ptr, rune.len);
        text = slice_from(text, rune.len);
    }
    buffer_add_byte(out, '"');
}

void ctfarm_json_hex(struct buffer *out, struct slice bytes) {
    buffer_add_byte(out, '"');
    text_add_hex(out, bytes);
    buffer_add_byte(out, '"');
}

void ctfarm_json_colons(struct buffer *out, struct slice bytes) {
    uint8_t *at = buffer_reserve(out, 3 * bytes.len + 2);
    if (!at)
        return;
    uint8_t *start = at;
    *at++ = '"';
    for (size_t i = 0; i < bytes.len; i++) {
        if (i)
            *at++ = ':';
        *at++ = (uint8_t)UPPER[bytes.ptr[i] >> 4];
        *at++ = (uint8_t)UPPER[bytes.ptr[i] & 15];
    }
    *at++ = '"';
    out->len += (size_t)(at - start);
}
