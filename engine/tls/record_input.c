#include "engine/tls/record_input.h"

#include "engine/tls/wire.h"

#include <stdlib.h>

enum { STEP = 256 }; /* of the heap: a server that stalls costs little more than what it has sent */

static size_t payload_bytes(const uint8_t *header) {
    return (size_t)header[3] << 8 | header[4];
}

/* How much at the front can be read: whole records, or everything when the next header cannot be
 * right, lest a wrong length is waited for. */
static size_t readable(struct slice bytes) {
    size_t end = 0;
    while (bytes.len - end >= TLS_RECORD_HEADER_BYTES) {
        const uint8_t *header = bytes.ptr + end;
        size_t len = payload_bytes(header);
        if (header[1] != TLS_VERSION_SSL30 >> 8 || len > TLS12_CIPHERTEXT_MAX)
            return bytes.len;
        if (bytes.len - end - TLS_RECORD_HEADER_BYTES < len)
            break;
        end += TLS_RECORD_HEADER_BYTES + len;
    }
    return end;
}

/* Moves bytes to what is held: up to the end of the header or, once that is known, of the record.
 */
static bool hold(struct tls_record_input *input, struct slice *bytes) {
    size_t end = TLS_RECORD_HEADER_BYTES;
    if (input->len >= end)
        end += payload_bytes(input->ptr);
    struct slice piece = slice_first(*bytes, end - input->len);
    size_t len = input->len + piece.len;
    if (len > input->capacity) {
        size_t capacity = (len + STEP - 1) / STEP * STEP;
        uint8_t *grown = realloc(input->ptr, capacity);
        if (!grown)
            return false;
        input->ptr = grown;
        input->capacity = (uint32_t)capacity;
    }
    memcpy(input->ptr + input->len, piece.ptr, piece.len);
    input->len = (uint32_t)len;
    *bytes = slice_from(*bytes, piece.len);
    return true;
}

bool tls_record_input_take(struct tls_record_input *input, struct slice *bytes,
                           struct slice *records) {
    *records = slice_first(*bytes, input->len ? 0 : readable(*bytes));
    if (records->len) {
        *bytes = slice_from(*bytes, records->len);
        return true;
    }
    if (!hold(input, bytes))
        return false;
    struct slice held = {input->ptr, input->len};
    *records = slice_first(held, readable(held));
    return true;
}

void tls_record_input_drop(struct tls_record_input *input) {
    free(input->ptr);
    *input = (struct tls_record_input){0};
}
