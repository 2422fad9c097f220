#include "engine/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

void buffer_init(struct buffer *buffer) {
    *buffer = (struct buffer){0};
}

void buffer_deinit(struct buffer *buffer) {
    free(buffer->ptr);
    *buffer = (struct buffer){0};
}

uint8_t *buffer_reserve_slow(struct buffer *buffer, size_t more) {
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;

    if (buffer->failed || more > SIZE_MAX / 4 || buffer->len > SIZE_MAX / 4) {
        buffer->failed = true;
        return NULL;
    }
    while (capacity - buffer->len < more)
        capacity *= 2;
    if (capacity != buffer->capacity) {
        uint8_t *ptr = realloc(buffer->ptr, capacity);
        if (!ptr) {
            buffer->failed = true;
            return NULL;
        }
        buffer->ptr = ptr;
        buffer->capacity = capacity;
    }
    return buffer->ptr + buffer->len;
}

void buffer_add_format(struct buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    uint8_t *at = len < 0 ? NULL : buffer_reserve(buffer, (size_t)len + 1);
    if (at) {
        vsnprintf((char *)at, (size_t)len + 1, format, again);
        buffer->len += (size_t)len;
    } else {
        buffer->failed = true;
    }
    va_end(again);
    va_end(arguments);
}
