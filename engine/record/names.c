/* The DNS names of the certificate and nothing else, one a line, for a pipe: in lower case, sorted,
 * each once a record. A certificate may hold anything in place of a name, so only what is a host
 * name (RFC 1123 section 2.1, underscores allowed) or a wildcard of one is written: no line starts
 * with a dash or holds a blank, a quote or a control character. */
#include "engine/record/certificate_rows.h"
#include "engine/record/encoder.h"

#include "engine/base/limits.h"

#include <stdlib.h>

enum { LABEL_MAX = 63 };

static uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_label(struct slice label) {
    if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' ||
        label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        uint8_t byte = lower(label.ptr[i]);
        if (!(byte >= 'a' && byte <= 'z') && !is_digit(byte) && byte != '-' && byte != '_')
            return false;
    }
    return true;
}

static bool is_number(struct slice label) {
    for (size_t i = 0; i < label.len; i++)
        if (!is_digit(label.ptr[i]))
            return false;
    return true;
}

/* The last label must not be a number, which would make the name look like an address. */
static bool is_host_name(struct slice name) {
    bool wildcard = name.len > 2 && name.ptr[0] == '*' && name.ptr[1] == '.';
    struct slice rest = wildcard ? slice_from(name, 2) : name, label;

    if (name.len > LIMIT_HOST_NAME_BYTES)
        return false;
    for (;;) {
        const uint8_t *dot = rest.len ? memchr(rest.ptr, '.', rest.len) : NULL;
        label = dot ? slice_first(rest, (size_t)(dot - rest.ptr)) : rest;
        if (!is_label(label))
            return false;
        if (!dot)
            return !is_number(label);
        rest = slice_from(rest, label.len + 1);
        if (rest.len == 0)
            return false; /* a dot at the end, which a certificate's name must not have */
    }
}

static int compare(const void *left, const void *right) {
    const struct slice *a = left, *b = right;

    for (size_t i = 0; i < a->len && i < b->len; i++) {
        int difference = lower(a->ptr[i]) - lower(b->ptr[i]);
        if (difference)
            return difference;
    }
    return (a->len > b->len) - (a->len < b->len);
}

static void encode(const struct encoding *encoding, const struct record *record,
                   struct buffer *out) {
    const struct certificate_fields *certificate = record_certificate(record);
    struct slice names[LIMIT_CERTIFICATE_NAMES];
    size_t count = 0;

    (void)encoding;
    if (!certificate)
        return;
    struct slice_list listed = certificate->dns_names;
    for (uint32_t i = 0; i < listed.count && count < LIMIT_CERTIFICATE_NAMES; i++)
        if (is_host_name(listed.items[i]))
            names[count++] = listed.items[i];
    qsort(names, count, sizeof names[0], compare);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare(&names[i - 1], &names[i]) == 0)
            continue;
        uint8_t *at = buffer_reserve(out, names[i].len + 1);
        if (!at)
            return;
        for (size_t j = 0; j < names[i].len; j++)
            at[j] = lower(names[i].ptr[j]);
        at[names[i].len] = '\n';
        out->len += names[i].len + 1;
    }
}

const struct encoder names_encoder = {
    .name = "names",
    .summary = "the certificates' DNS names, one a line",
    .parts = PART_NAMES,
    .encode = encode,
};
