/* Bytes that grow at the end: encoders write records into one, sinks write it out. One owner, one
 * thread at a time.
 *
 * Running out of memory is remembered in `failed`, and later appends do nothing: check once at the
 * end. */
#ifndef ENGINE_BASE_BUFFER_H
#define ENGINE_BASE_BUFFER_H

#include "engine/base/slice.h"

struct buffer {
    uint8_t *ptr;
    size_t len, capacity;
    bool failed;
};

void buffer_init(struct buffer *buffer);
void buffer_deinit(struct buffer *buffer);

/* Makes room for `more` bytes behind `len` and returns where they go; NULL when there is no memory.
 * The caller adds what it wrote to `len`. */
uint8_t *buffer_reserve_slow(struct buffer *buffer, size_t more);

static inline uint8_t *buffer_reserve(struct buffer *buffer, size_t more) {
    if (buffer->capacity - buffer->len >= more && !buffer->failed && buffer->ptr)
        return buffer->ptr + buffer->len;
    return buffer_reserve_slow(buffer, more);
}

static inline void buffer_add(struct buffer *buffer, const void *bytes, size_t len) {
    uint8_t *at = buffer_reserve(buffer, len);
    if (at && len) {
        memcpy(at, bytes, len);
        buffer->len += len;
    }
}

static inline void buffer_add_byte(struct buffer *buffer, uint8_t byte) {
    uint8_t *at = buffer_reserve(buffer, 1);
    if (at) {
        *at = byte;
        buffer->len++;
    }
}

static inline void buffer_add_slice(struct buffer *buffer, struct slice bytes) {
    buffer_add(buffer, bytes.ptr, bytes.len);
}

static inline void buffer_add_text(struct buffer *buffer, const char *text) {
    buffer_add(buffer, text, strlen(text));
}

void buffer_add_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline struct slice buffer_slice(const struct buffer *buffer) {
    return (struct slice){buffer->ptr, buffer->len};
}

#endif
