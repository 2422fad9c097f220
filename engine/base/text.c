#include "engine/base/text.h"
#include "engine/base/base64.h"

#include <endian.h>

enum { SECONDS_PER_DAY = 86400, TIME_TEXT_BYTES = 20 };

/* 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what RFC 3339 can write. */
static const int64_t TIME_MIN = -62167219200, TIME_MAX = 253402300799;

static const char DIGIT_PAIRS[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

static const char HEX_DIGITS[] = "0123456789abcdef";

void text_add_integer(struct buffer *out, int64_t number) {
    char digits[20]; /* of UINT64_MAX */
    size_t start = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    while (rest >= 100) {
        start -= 2;
        memcpy(digits + start, DIGIT_PAIRS + rest % 100 * 2, 2);
        rest /= 100;
    }
    if (rest >= 10) {
        start -= 2;
        memcpy(digits + start, DIGIT_PAIRS + rest * 2, 2);
    } else {
        digits[--start] = (char)('0' + rest);
    }
    uint8_t *at = buffer_reserve(out, 1 + sizeof digits);
    if (!at)
        return;
    if (number < 0)
        *at++ = '-';
    memcpy(at, digits + start, sizeof digits - start);
    out->len += sizeof digits - start + (number < 0);
}

static void write_pair(uint8_t *at, uint32_t number) {
    memcpy(at, DIGIT_PAIRS + number * 2, 2);
}

/* Writes TIME_TEXT_BYTES. The date comes from the day number by counting from 1 March of the year
 * 0, so that the leap day ends a year, in eras of 400 years (146097 days). */
static void write_time(uint8_t *at, int64_t unix_seconds) {
    uint64_t seconds = (uint64_t)(unix_seconds - TIME_MIN);
    uint32_t second = (uint32_t)(seconds % SECONDS_PER_DAY);
    /* 0000-01-01 lies 60 days before 0000-03-01; an era more keeps the number positive */
    uint32_t day = (uint32_t)(seconds / SECONDS_PER_DAY) + 146097 - 60;
    uint32_t day_of_era = day % 146097;
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    uint32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    uint32_t year = year_of_era + day / 146097 * 400 - 400 + (month <= 2);

    write_pair(at, year / 100);
    write_pair(at + 2, year % 100);
    at[4] = '-';
    write_pair(at + 5, month);
    at[7] = '-';
    write_pair(at + 8, day_of_year - (153 * month_from_march + 2) / 5 + 1);
    at[10] = 'T';
    write_pair(at + 11, second / 3600);
    at[13] = ':';
    write_pair(at + 14, second / 60 % 60);
    at[16] = ':';
    write_pair(at + 17, second % 60);
    at[19] = 'Z';
}

static int64_t clamp_time(int64_t unix_seconds) {
    return unix_seconds < TIME_MIN ? TIME_MIN : unix_seconds > TIME_MAX ? TIME_MAX : unix_seconds;
}

void text_add_time(struct buffer *out, int64_t unix_seconds) {
    uint8_t *at = buffer_reserve(out, TIME_TEXT_BYTES);
    if (!at)
        return;
    write_time(at, clamp_time(unix_seconds));
    out->len += TIME_TEXT_BYTES;
}

void text_add_time_ms(struct buffer *out, int64_t unix_ms) {
    int64_t seconds = unix_ms / 1000, ms = unix_ms % 1000;
    uint8_t *at = buffer_reserve(out, TIME_TEXT_BYTES + 4);
    if (!at)
        return;
    if (ms < 0) {
        seconds--;
        ms += 1000;
    }
    if (seconds != clamp_time(seconds)) {
        ms = seconds < 0 ? 0 : 999;
        seconds = clamp_time(seconds);
    }
    write_time(at, seconds);
    at[19] = '.';
    at[20] = (uint8_t)('0' + ms / 100);
    write_pair(at + 21, (uint32_t)(ms % 100));
    at[23] = 'Z';
    out->len += TIME_TEXT_BYTES + 4;
}

/* Four bytes as eight digits, all at once: each byte is moved to a lane of two, split into nibbles,
 * and those over 9 are found by the carry of adding 6. */
static void write_hex_4(uint8_t *at, const uint8_t *bytes) {
    const uint64_t each = 0x0101010101010101u, nibbles = 0x000f000f000f000fu;
    uint32_t four;

    memcpy(&four, bytes, sizeof four);
    uint64_t lanes = le32toh(four);
    lanes = (lanes | lanes << 16) & 0x0000ffff0000ffffu;
    lanes = (lanes | lanes << 8) & 0x00ff00ff00ff00ffu;
    lanes = (lanes >> 4 & nibbles) | (lanes & nibbles) << 8;
    uint64_t letters = (lanes + each * 6) >> 4 & each;
    lanes = htole64(lanes + each * '0' + letters * ('a' - '0' - 10));
    memcpy(at, &lanes, sizeof lanes);
}

void text_add_hex(struct buffer *out, struct slice bytes) {
    uint8_t *at = buffer_reserve(out, bytes.len * 2);
    size_t i = 0;

    if (!at)
        return;
    for (; i + 4 <= bytes.len; i += 4)
        write_hex_4(at + 2 * i, bytes.ptr + i);
    for (; i < bytes.len; i++) {
        at[2 * i] = (uint8_t)HEX_DIGITS[bytes.ptr[i] >> 4];
        at[2 * i + 1] = (uint8_t)HEX_DIGITS[bytes.ptr[i] & 15];
    }
    out->len += bytes.len * 2;
}

void text_add_base64(struct buffer *out, struct slice bytes) {
    size_t written = base64_encoded_size(bytes.len);
    uint8_t *at = buffer_reserve(out, written);

    if (!at)
        return;
    base64_encode(bytes, at);
    out->len += written;
}

struct text_rune text_rune_first(struct slice bytes) {
    static const uint32_t SMALLEST[5] = {0, 0, 0x80, 0x800, 0x10000};
    static const struct text_rune INVALID = {0, 1, false};
    uint8_t first = bytes.ptr[0];
    uint8_t len = first < 0x80   ? 1
                  : first < 0xc2 ? 0 /* a byte of the middle, or an overlong form */
                  : first < 0xe0 ? 2
                  : first < 0xf0 ? 3
                  : first < 0xf5 ? 4
                                 : 0;

    if (len == 1)
        return (struct text_rune){first, 1, true};
    if (len == 0 || bytes.len < len)
        return INVALID;
    uint32_t code = first & (0x7fu >> len);
    for (uint8_t i = 1; i < len; i++) {
        if ((bytes.ptr[i] & 0xc0) != 0x80)
            return INVALID;
        code = code << 6 | (bytes.ptr[i] & 0x3fu);
    }
    if (code < SMALLEST[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return INVALID;
    return (struct text_rune){code, len, true};
}

bool text_is_utf8(struct slice text) {
    while (text.len) {
        struct text_rune rune = text_rune_first(text);
        if (!rune.valid)
            return false;
        text = slice_from(text, rune.len);
    }
    return true;
}

bool text_rune_is_unsafe(uint32_t code) {
    if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        return true;
    if (code < 0x61c)
        return false;
    return code == 0x61c || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/* Appends \u{hex} without leading zeros. */
static void add_escaped_rune(struct buffer *out, uint32_t code) {
    int shift = 20;

    while (shift > 0 && code >> shift == 0)
        shift -= 4;
    buffer_add_text(out, "\\u{");
    for (; shift >= 0; shift -= 4)
        buffer_add_byte(out, (uint8_t)HEX_DIGITS[code >> shift & 15]);
    buffer_add_byte(out, '}');
}

/* How many bytes at the head are printable ASCII other than `except`. */
static size_t printable_run(struct slice bytes, uint8_t except) {
    size_t len = 0;

    while (len < bytes.len && bytes.ptr[len] >= 0x20 && bytes.ptr[len] < 0x7f &&
           bytes.ptr[len] != except)
        len++;
    return len;
}

static void add_safe(struct buffer *out, struct slice bytes, uint8_t also) {
    for (;;) {
        size_t run = printable_run(bytes, also);
        buffer_add(out, bytes.ptr, run);
        bytes = slice_from(bytes, run);
        if (bytes.len == 0)
            return;
        struct text_rune rune = text_rune_first(bytes);
        if (!rune.valid) {
            buffer_add_text(out, "\\x");
            text_add_hex(out, slice_first(bytes, 1));
        } else if (rune.code == also || text_rune_is_unsafe(rune.code)) {
            add_escaped_rune(out, rune.code);
        } else {
            buffer_add(out, bytes.ptr, rune.len);
        }
        bytes = slice_from(bytes, rune.len);
    }
}

void text_add_safe(struct buffer *out, struct slice bytes) {
    add_safe(out, bytes, '\n'); /* which is unsafe anyway */
}

void text_add_safe_word(struct buffer *out, struct slice bytes) {
    add_safe(out, bytes, ' ');
}

/* Whether a terminal draws the code two columns wide: the East Asian wide and full-width blocks
 * (UAX #11) and pictographs. */
static bool is_wide(uint32_t code) {
    return (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0x303e) ||
           (code >= 0x3041 && code <= 0xa4cf) || (code >= 0xac00 && code <= 0xd7a3) ||
           (code >= 0xf900 && code <= 0xfaff) || (code >= 0xfe30 && code <= 0xfe6f) ||
           (code >= 0xff00 && code <= 0xff60) || (code >= 0xffe0 && code <= 0xffe6) ||
           (code >= 0x1f300 && code <= 0x1faff) || (code >= 0x20000 && code <= 0x3fffd);
}

/* Whether it adds to the rune before and takes no column of its own. */
static bool is_combining(uint32_t code) {
    return (code >= 0x300 && code <= 0x36f) || (code >= 0x483 && code <= 0x489) ||
           (code >= 0x591 && code <= 0x5bd) || (code >= 0x64b && code <= 0x65f) ||
           (code >= 0x1ab0 && code <= 0x1aff) || (code >= 0x1dc0 && code <= 0x1dff) ||
           (code >= 0x200b && code <= 0x200d) || (code >= 0x20d0 && code <= 0x20ff) ||
           (code >= 0xfe00 && code <= 0xfe0f) || (code >= 0xfe20 && code <= 0xfe2f) ||
           code == 0xfeff || (code >= 0xe0100 && code <= 0xe01ef);
}

size_t text_fit(struct slice text, size_t columns, size_t *width) {
    size_t at = 0;

    *width = 0;
    while (at < text.len) {
        struct text_rune rune = text_rune_first(slice_from(text, at));
        size_t needs = !rune.valid ? 1 : is_combining(rune.code) ? 0 : is_wide(rune.code) ? 2 : 1;
        if (needs > columns - *width)
            break;
        *width += needs;
        at += rune.len;
    }
    return at;
}

enum { WORD_MAX = 63 };

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* Three rows of the table are enough for swaps. */
uint32_t text_distance(struct slice a, struct slice b) {
    uint32_t storage[3][WORD_MAX + 1] = {{0}};
    uint32_t *older = storage[0], *above = storage[1], *row = storage[2];

    if (a.len > WORD_MAX || b.len > WORD_MAX)
        return UINT32_MAX;
    for (uint32_t j = 0; j <= b.len; j++)
        above[j] = j;
    for (uint32_t i = 1; i <= a.len; i++) {
        row[0] = i;
        for (uint32_t j = 1; j <= b.len; j++) {
            uint32_t change = above[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            row[j] = smaller(change, smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                row[j] = smaller(row[j], older[j - 2] + 1);
        }
        uint32_t *oldest = older;
        older = above;
        above = row;
        row = oldest;
    }
    return above[b.len];
}

bool text_is_near(struct slice word, struct slice name) {
    return text_distance(word, name) <= (word.len < 4 ? 1 : word.len / 3);
}

/* --- Percent-encoding --- */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_decode_percent(char *text) {
    char *out = text;

    while (*text) {
        if (*text != '%') {
            *out++ = *text++;
            continue;
        }
        int high = hex_digit(text[1]), low = high < 0 ? -1 : hex_digit(text[2]);
        if (low < 0 || (high | low) == 0)
            return false;
        *out++ = (char)(high << 4 | low);
        text += 3;
    }
    *out = 0;
    return true;
}
