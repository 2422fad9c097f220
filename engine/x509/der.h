/* Reading DER as certificates in the wild have it: lengths need not be minimal (OpenSSL takes them,
 * and old certificates have them). Indefinite lengths and tags over 30 are refused; certificates
 * have neither. A slice is the cursor. For engine/x509 and engine/ct; pure, no allocation, safe on
 * every thread.
 *
 * Decoding a certificate takes fifty elements, so that the usual lengths are read in place. */
#ifndef ENGINE_X509_DER_H
#define ENGINE_X509_DER_H

#include "engine/base/slice.h"

/* Identifier octets: class, constructed bit and tag number. */
enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_UTF8_STRING = 0x0c,
    DER_NUMERIC_STRING = 0x12,
    DER_PRINTABLE_STRING = 0x13,
    DER_T61_STRING = 0x14,
    DER_IA5_STRING = 0x16,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_VISIBLE_STRING = 0x1a,
    DER_UNIVERSAL_STRING = 0x1c,
    DER_BMP_STRING = 0x1e,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
};
#define DER_CONTEXT(number)             (0x80 | (number))
#define DER_CONTEXT_CONSTRUCTED(number) (0xa0 | (number))

/* An object identifier's content as a constant slice. */
#define OID(bytes) {(const uint8_t *)(bytes), sizeof(bytes) - 1}

/* der_split for any length. */
bool der_split_long(struct slice *in, struct slice *content);

/* Takes the first element, whose tag the caller has looked at. */
static inline bool der_split(struct slice *in, struct slice *content) {
    struct slice bytes = *in;
    size_t header = 2;

    if (bytes.len < 4)
        return der_split_long(in, content);
    size_t length = bytes.ptr[1];
    if (length == 0x81) {
        length = bytes.ptr[2];
        header = 3;
    } else if (length == 0x82) {
        length = (size_t)bytes.ptr[2] << 8 | bytes.ptr[3];
        header = 4;
    } else if (length >= 0x80) {
        return der_split_long(in, content);
    }
    if (length > bytes.len - header)
        return false;
    *content = (struct slice){bytes.ptr + header, length};
    *in = (struct slice){bytes.ptr + header + length, bytes.len - header - length};
    return true;
}

static inline bool der_next_is(struct slice in, uint8_t tag) {
    return in.len && in.ptr[0] == tag;
}

/* Each takes one element off `in`; false, with `in` as it was, when there is none of that tag. */
static inline bool der_get(struct slice *in, struct slice *content, uint8_t tag) {
    return der_next_is(*in, tag) && der_split(in, content);
}

static inline bool der_get_any(struct slice *in, struct slice *content, uint8_t *tag) {
    /* Tag 0 is the end of an indefinite length; 31 says that a longer tag follows. */
    if (in->len == 0 || in->ptr[0] == 0 || (in->ptr[0] & 0x1f) == 0x1f)
        return false;
    *tag = in->ptr[0];
    return der_split(in, content);
}

/* The element with its header. */
static inline bool der_get_element(struct slice *in, struct slice *element, uint8_t tag) {
    const uint8_t *start = in->ptr;
    struct slice content;

    if (!der_get(in, &content, tag))
        return false;
    *element = (struct slice){start, (size_t)(in->ptr - start)};
    return true;
}

/* Takes the element if it is next; an empty `content` and true when another tag or nothing is. */
static inline bool der_get_optional(struct slice *in, struct slice *content, uint8_t tag) {
    if (der_next_is(*in, tag))
        return der_get(in, content, tag);
    *content = (struct slice){NULL, 0};
    return true;
}

/* Takes a BIT STRING and leaves its first byte, the number of unused bits, out of `content`. */
bool der_get_bits(struct slice *in, struct slice *content);

/* Bits of the magnitude of a non-negative INTEGER's content, leading zeros left out. */
size_t der_integer_bits(struct slice content);

/* UTCTime or GeneralizedTime as seconds since 1970. Seconds may be missing, an offset may stand
 * instead of Z, and a missing Z means UTC; fractions are dropped. */
bool der_time(uint8_t tag, struct slice content, int64_t *unix_seconds);

/* An OID's content in dotted form with a terminator; 0 when it is malformed, an arc is over 128
 * bits, or `out` is too small. Returns the length without the terminator. */
size_t der_oid_text(struct slice oid, char *out, size_t capacity);

#endif
