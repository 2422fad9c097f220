#include "engine/record/value_text.h"

#include <math.h>

static const uint8_t REPLACEMENT[] = {0xef, 0xbf, 0xbd}; /* U+FFFD */

bool value_text_hundredths(double real, int64_t *hundredths) {
    static const double EXACT = 9e15; /* below 2^53 */

    if (!isfinite(real))
        return false;
    double scaled = real * 100;
    *hundredths = scaled > EXACT    ? (int64_t)EXACT
                  : scaled < -EXACT ? -(int64_t)EXACT
                                    : (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    return true;
}

static void add_real(double real, struct buffer *out) {
    int64_t hundredths;

    if (!value_text_hundredths(real, &hundredths))
        return;
    if (hundredths < 0) {
        buffer_add_byte(out, '-');
        hundredths = -hundredths;
    }
    text_add_integer(out, hundredths / 100);
    uint8_t decimals[3] = {'.', (uint8_t)('0' + hundredths / 10 % 10),
                           (uint8_t)('0' + hundredths % 10)};
    buffer_add(out, decimals, sizeof decimals);
}

static void add_address(const struct address *address, struct buffer *out) {
    uint8_t *at = buffer_reserve(out, ADDRESS_TEXT_MAX);
    if (at)
        out->len += address_format(address, (char *)at);
}

/* "0x1301": two bytes, as IANA's tables show codes. */
static void add_code(int64_t code, struct buffer *out) {
    uint8_t bytes[2] = {(uint8_t)(code >> 8), (uint8_t)code};

    buffer_add(out, "0x", 2);
    text_add_hex(out, (struct slice){bytes, sizeof bytes});
}

void value_text_add(const struct value *value, struct buffer *out) {
    switch (value->kind) {
    case VALUE_ABSENT:
    case VALUE_TEXT:
        break;
    case VALUE_INTEGER:
        text_add_integer(out, value->integer);
        break;
    case VALUE_REAL:
        add_real(value->real, out);
        break;
    case VALUE_BOOLEAN:
        buffer_add_text(out, value->boolean ? "true" : "false");
        break;
    case VALUE_TIME:
        text_add_time(out, value->integer);
        break;
    case VALUE_TIME_MS:
        text_add_time_ms(out, value->integer);
        break;
    case VALUE_HEX:
        text_add_hex(out, value->bytes);
        break;
    case VALUE_BASE64:
        text_add_base64(out, value->bytes);
        break;
    case VALUE_ADDRESS:
        add_address(value->address, out);
        break;
    case VALUE_CODE:
        add_code(value->integer, out);
        break;
    }
}

/* Steps over what is ASCII, eight bytes at a time as long as it can. */
static struct slice after_ascii(struct slice text) {
    const uint64_t top_bits = 0x8080808080808080u;
    uint64_t eight;

    while (text.len >= sizeof eight) {
        memcpy(&eight, text.ptr, sizeof eight);
        if (eight & top_bits)
            break;
        text.ptr += sizeof eight;
        text.len -= sizeof eight;
    }
    while (text.len && *text.ptr < 0x80) {
        text.ptr++;
        text.len--;
    }
    return text;
}

size_t value_text_utf8_length(struct slice text) {
    size_t len = text.len;

    while ((text = after_ascii(text)).len) {
        struct text_rune rune = text_rune_first(text);
        if (!rune.valid)
            len += sizeof REPLACEMENT - 1;
        text.ptr += rune.len;
        text.len -= rune.len;
    }
    return len;
}

void value_text_write_utf8(uint8_t *at, struct slice text) {
    while (text.len) {
        struct text_rune rune = text_rune_first(text);
        const uint8_t *from = rune.valid ? text.ptr : REPLACEMENT;
        size_t len = rune.valid ? rune.len : sizeof REPLACEMENT;
        memcpy(at, from, len);
        at += len;
        text.ptr += rune.len;
        text.len -= rune.len;
    }
}
