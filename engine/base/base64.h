/* Base64 with padding (RFC 4648 section 4), both ways, into the caller's memory.
 *
 * The decoder is strict: padding must be there, the bits that it leaves over must be zero, and
 * blanks and line ends are errors, so that no two texts mean the same bytes.
 *
 * Pure, nothing allocated, safe on every thread. */
#ifndef ENGINE_BASE_BASE64_H
#define ENGINE_BASE_BASE64_H

#include "engine/base/slice.h"

/* How far a text was base64. */
struct base64_run {
    size_t read;    /* characters, a multiple of four */
    size_t written; /* bytes */
};

/* One way to do it. All give the same results. */
struct base64_backend {
    const char *name; /* "avx512", "table" */

    /* Decodes the beginning of `text`: groups of four characters as far as they are valid, the last
     * of them perhaps with padding, which ends the run. `out` takes base64_decoded_max(text.len)
     * bytes; what lies behind `written` is then undefined. It must not overlap `text`. */
    struct base64_run (*decode_run)(struct slice text, uint8_t *out);

    /* Writes base64_encoded_size(bytes.len) characters, without a terminator. */
    void (*encode)(struct slice bytes, uint8_t *out);
};

/* The fastest way that this processor has. Costs nothing, so it need not be kept. */
const struct base64_backend *base64_backend_best(void);

/* The ways that this processor has, for tests and measurements; NULL behind the last. Index 0 is
 * the one that works on all processors. */
const struct base64_backend *base64_backend_at(uint32_t index);

static inline size_t base64_encoded_size(size_t bytes) {
    return (bytes + 2) / 3 * 4;
}

/* Room for what so many characters decode to; padding makes it up to two fewer. */
static inline size_t base64_decoded_max(size_t characters) {
    return characters / 4 * 3;
}

/* Decodes all of `text` into `out`, which takes base64_decoded_max(text.len) bytes; `written` says
 * how many they are. When it is not base64, false, and `position` (which may be NULL) is that of
 * the first character that is wrong, or text.len when characters are missing. */
bool base64_decode(struct slice text, uint8_t *out, size_t *written, size_t *position)
    __attribute__((warn_unused_result));

static inline struct base64_run base64_decode_run(struct slice text, uint8_t *out) {
    return base64_backend_best()->decode_run(text, out);
}

static inline void base64_encode(struct slice bytes, uint8_t *out) {
    base64_backend_best()->encode(bytes, out);
}

#endif
