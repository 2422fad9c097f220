#include "engine/x509/der.h"

/* Reads a length of `count` bytes behind the byte that says so. */
static bool read_long_length(struct slice in, size_t count, size_t *length) {
    if (count == 0 || count > 4 || in.len < 2 + count)
        return false;
    *length = 0;
    for (size_t i = 0; i < count; i++)
        *length = *length << 8 | in.ptr[2 + i];
    return true;
}

bool der_split_long(struct slice *in, struct slice *content) {
    struct slice bytes = *in;
    size_t header = 2;

    if (bytes.len < header)
        return false;
    size_t length = bytes.ptr[1];
    if (length >= 0x80) {
        header += length & 0x7f;
        if (!read_long_length(bytes, length & 0x7f, &length))
            return false;
    }
    if (length > bytes.len - header)
        return false;
    *content = (struct slice){bytes.ptr + header, length};
    *in = (struct slice){bytes.ptr + header + length, bytes.len - header - length};
    return true;
}

bool der_get_bits(struct slice *in, struct slice *content) {
    struct slice rest = *in, bits;

    if (!der_get(&rest, &bits, DER_BIT_STRING) || bits.len == 0)
        return false;
    *content = (struct slice){bits.ptr + 1, bits.len - 1};
    *in = rest;
    return true;
}

size_t der_integer_bits(struct slice content) {
    while (content.len && content.ptr[0] == 0)
        content = slice_from(content, 1);
    if (content.len == 0)
        return 0;
    return content.len * 8 - (size_t)(__builtin_clz(content.ptr[0]) - 24);
}

/* --- Times --- */

static bool is_digit(struct slice in) {
    return in.len && in.ptr[0] >= '0' && in.ptr[0] <= '9';
}

static bool get_digits(struct slice *in, unsigned count, unsigned *out) {
    *out = 0;
    for (; count; count--) {
        if (!is_digit(*in))
            return false;
        *out = *out * 10 + (unsigned)(in->ptr[0] - '0');
        *in = slice_from(*in, 1);
    }
    return true;
}

static bool get_fraction(struct slice *in) {
    if (in->len == 0 || (in->ptr[0] != '.' && in->ptr[0] != ','))
        return true;
    *in = slice_from(*in, 1);
    if (!is_digit(*in))
        return false;
    while (is_digit(*in))
        *in = slice_from(*in, 1);
    return true;
}

/* What follows the digits, as seconds east of Greenwich. */
static bool get_offset(struct slice *in, int64_t *seconds) {
    unsigned hours, minutes;

    *seconds = 0;
    if (in->len == 0)
        return true;
    uint8_t sign = in->ptr[0];
    *in = slice_from(*in, 1);
    if (sign == 'Z')
        return in->len == 0;
    if ((sign != '+' && sign != '-') || !get_digits(in, 2, &hours) || !get_digits(in, 2, &minutes))
        return false;
    *seconds = (int64_t)(hours * 3600 + minutes * 60) * (sign == '+' ? 1 : -1);
    return in->len == 0 && hours <= 14 && minutes <= 59;
}

static bool is_leap(unsigned year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool is_date(unsigned year, unsigned month, unsigned day) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (unsigned)(month == 2 && is_leap(year));
}

/* Days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap
 * day is the last one of its year, and moved up by one cycle of 400, so that all are positive. */
static int64_t days_since_1970(unsigned year, unsigned month, unsigned day) {
    int64_t y = (int64_t)year + 400 - (month <= 2);
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

    return 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468 - 146097;
}

bool der_time(uint8_t tag, struct slice content, int64_t *unix_seconds) {
    struct slice in = content;
    unsigned year, month, day, hour, minute, second = 0;
    int64_t offset;

    if (tag == DER_UTC_TIME) {
        if (!get_digits(&in, 2, &year))
            return false;
        year += year < 50 ? 2000 : 1900;
    } else if (tag != DER_GENERALIZED_TIME || !get_digits(&in, 4, &year)) {
        return false;
    }
    if (!get_digits(&in, 2, &month) || !get_digits(&in, 2, &day) || !get_digits(&in, 2, &hour) ||
        !get_digits(&in, 2, &minute) || (is_digit(in) && !get_digits(&in, 2, &second)))
        return false;
    if ((tag == DER_GENERALIZED_TIME && !get_fraction(&in)) || !get_offset(&in, &offset) ||
        !is_date(year, month, day) || hour > 23 || minute > 59 || second > 59)
        return false;
    *unix_seconds = days_since_1970(year, month, day) * 86400 +
                    (int64_t)(hour * 3600 + minute * 60 + second) - offset;
    return true;
}

/* --- Object identifiers --- */

/* Appends the decimal digits of `number` at `*at`, a terminator left for later. */
static bool add_decimal(unsigned __int128 number, char *out, size_t capacity, size_t *at) {
    char digits[40]; /* 2^128 has 39 */
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + (int)(number % 10));
        number /= 10;
    } while (number);
    if (capacity - *at <= count)
        return false;
    while (count)
        out[(*at)++] = digits[--count];
    return true;
}

static bool get_arc(struct slice *oid, unsigned __int128 *arc) {
    uint8_t byte;

    *arc = 0;
    do {
        if (oid->len == 0 || *arc >> 121)
            return false;
        byte = oid->ptr[0];
        *oid = slice_from(*oid, 1);
        *arc = *arc << 7 | (byte & 0x7f);
    } while (byte & 0x80);
    return true;
}

size_t der_oid_text(struct slice oid, char *out, size_t capacity) {
    unsigned __int128 arc;
    size_t len = 0;

    /* The first two arcs share a number: 40 times the first, which is 0 to 2, plus the second. */
    if (capacity == 0 || !get_arc(&oid, &arc))
        return 0;
    unsigned first = arc < 40 ? 0 : arc < 80 ? 1 : 2;
    if (!add_decimal(first, out, capacity, &len))
        return 0;
    arc -= first * 40;
    for (;;) {
        if (capacity - len < 2)
            return 0;
        out[len++] = '.';
        if (!add_decimal(arc, out, capacity, &len))
            return 0;
        if (oid.len == 0)
            break;
        if (!get_arc(&oid, &arc))
            return 0;
    }
    out[len] = '\0';
    return len;
}
