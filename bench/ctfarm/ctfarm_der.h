/* DER written from its end to its beginning: the content of a value is there before its header, so
 * that lengths are known and nothing is moved. Within the farm only.
 *
 *     size_t mark = ctfarm_der_mark(&out);
 *     ctfarm_der_text(&out, "second");
 *     ctfarm_der_text(&out, "first");
 *     ctfarm_der_wrap(&out, 0x30, mark);      SEQUENCE { first, second }
 *
 * Running out of room is remembered in `failed`, and later calls do nothing: check once at the end.
 * One owner, one thread at a time. */
#ifndef BENCH_CTFARM_CTFARM_DER_H
#define BENCH_CTFARM_CTFARM_DER_H

#include "engine/base/slice.h"

struct ctfarm_der {
    uint8_t *start, *at, *end; /* the caller's room; at to end is written */
    bool failed;
};

enum {
    CTFARM_DER_BOOLEAN = 0x01,
    CTFARM_DER_INTEGER = 0x02,
    CTFARM_DER_BIT_STRING = 0x03,
    CTFARM_DER_OCTETS = 0x04,
    CTFARM_DER_OID = 0x06,
    CTFARM_DER_UTF8 = 0x0c,
    CTFARM_DER_PRINTABLE = 0x13,
    CTFARM_DER_UTC_TIME = 0x17,
    CTFARM_DER_GENERALIZED_TIME = 0x18,
    CTFARM_DER_SEQUENCE = 0x30,
    CTFARM_DER_SET = 0x31,
};

static inline void ctfarm_der_init(struct ctfarm_der *out, uint8_t *room, size_t size) {
    *out = (struct ctfarm_der){room, room + size, room + size, false};
}

static inline struct slice ctfarm_der_slice(const struct ctfarm_der *out) {
    return (struct slice){out->at, (size_t)(out->end - out->at)};
}

/* How much is written: what comes before it later can be wrapped together. */
static inline size_t ctfarm_der_mark(const struct ctfarm_der *out) {
    return (size_t)(out->end - out->at);
}

/* All that was written since `mark`. */
static inline struct slice ctfarm_der_since(const struct ctfarm_der *out, size_t mark) {
    return (struct slice){out->at, ctfarm_der_mark(out) - mark};
}

static inline void ctfarm_der_bytes(struct ctfarm_der *out, const void *bytes, size_t len) {
    if ((size_t)(out->at - out->start) < len) {
        out->failed = true;
        return;
    }
    out->at -= len;
    if (len)
        memcpy(out->at, bytes, len);
}

static inline void ctfarm_der_slices(struct ctfarm_der *out, struct slice bytes) {
    ctfarm_der_bytes(out, bytes.ptr, bytes.len);
}

static inline void ctfarm_der_text(struct ctfarm_der *out, const char *text) {
    ctfarm_der_bytes(out, text, strlen(text));
}

static inline void ctfarm_der_byte(struct ctfarm_der *out, uint8_t byte) {
    ctfarm_der_bytes(out, &byte, 1);
}

/* A number of `size` bytes, the most significant first; also for what TLS calls u16 and u24. */
static inline void ctfarm_der_number(struct ctfarm_der *out, uint64_t number, unsigned size) {
    for (unsigned i = 0; i < size; i++)
        ctfarm_der_byte(out, (uint8_t)(number >> (8 * i)));
}

/* The header for all that was written since `mark`. */
static inline void ctfarm_der_wrap(struct ctfarm_der *out, uint8_t tag, size_t mark) {
    size_t len = ctfarm_der_mark(out) - mark;
    unsigned size = len < 0x80 ? 0 : len < 0x100 ? 1 : len < 0x10000 ? 2 : 3;
    if (size) {
        ctfarm_der_number(out, len, size);
        ctfarm_der_byte(out, (uint8_t)(0x80 | size));
    } else {
        ctfarm_der_byte(out, (uint8_t)len);
    }
    ctfarm_der_byte(out, tag);
}

/* The length of all that was written since `mark`, as TLS writes it. */
static inline void ctfarm_der_prefix(struct ctfarm_der *out, unsigned size, size_t mark) {
    ctfarm_der_number(out, ctfarm_der_mark(out) - mark, size);
}

/* A whole value. */
static inline void ctfarm_der_value(struct ctfarm_der *out, uint8_t tag, struct slice content) {
    size_t mark = ctfarm_der_mark(out);
    ctfarm_der_slices(out, content);
    ctfarm_der_wrap(out, tag, mark);
}

#endif
