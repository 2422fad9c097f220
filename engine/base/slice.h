/* A run of bytes that somebody else owns. Input is never a bare `char *`: a slice carries its
 * length, and may hold zero bytes and anything else a peer chose to send. Functions here are pure
 * and safe on every thread. */
#ifndef ENGINE_BASE_SLICE_H
#define ENGINE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *ptr; /* may be NULL when len is 0 */
    size_t len;
};

/* Slices laid out one after another, owned by whoever made them (mostly a record's arena). */
struct slice_list {
    const struct slice *items;
    uint32_t count;
};

/* A slice over a string literal or another terminated string, without its terminator. */
static inline struct slice slice_of(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text) {
    return slice_equal(a, slice_of(text));
}

/* The part from `start` on; empty when start lies behind the end. */
static inline struct slice slice_from(struct slice a, size_t start) {
    return start >= a.len ? (struct slice){NULL, 0} : (struct slice){a.ptr + start, a.len - start};
}

/* The first `len` bytes, or all of them when there are fewer. */
static inline struct slice slice_first(struct slice a, size_t len) {
    return (struct slice){a.ptr, len < a.len ? len : a.len};
}

/* Without blanks, tabs, CR and LF at either end. */
struct slice slice_trim(struct slice a);

/* Equal but for the case of ASCII letters. */
bool slice_equal_nocase(struct slice a, struct slice b);

/* A decimal number without sign, at most `max`; false for anything else, an empty slice included.
 */
bool slice_to_u64(struct slice a, uint64_t max, uint64_t *out);

#endif
