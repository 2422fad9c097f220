/* Input of a fuzz target, taken off its front piece by piece; what is not there is missing or 0. */
#ifndef TESTS_FUZZ_TAKE_H
#define TESTS_FUZZ_TAKE_H

#include "engine/base/slice.h"

static inline struct slice take(struct slice *in, size_t len) {
    struct slice piece = slice_first(*in, len);
    *in = slice_from(*in, piece.len);
    return piece;
}

static inline uint8_t take_byte(struct slice *in) {
    struct slice byte = take(in, 1);
    return byte.len ? byte.ptr[0] : 0;
}

/* Two bytes, the high one first. */
static inline uint16_t take_u16(struct slice *in) {
    struct slice bytes = take(in, 2);
    return bytes.len < 2 ? 0 : (uint16_t)(bytes.ptr[0] << 8 | bytes.ptr[1]);
}

#endif
