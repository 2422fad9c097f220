#include "sinks/record_id.h"

#include "engine/x509/certificate.h"

enum { HASH_BYTES = 16 };

static void hash(struct slice record, char out[RECORD_ID_MAX]) {
    static const char DIGITS[] = "0123456789abcdef";
    uint8_t digest[CERTIFICATE_SHA256_BYTES];

    certificate_sha256(record, digest);
    for (size_t i = 0; i < HASH_BYTES; i++) {
        out[2 * i] = DIGITS[digest[i] >> 4];
        out[2 * i + 1] = DIGITS[digest[i] & 15];
    }
    out[2 * HASH_BYTES] = 0;
}

/* Ids go into headers: letters, digits, - and _. */
static bool take(struct slice id, char out[RECORD_ID_MAX]) {
    if (id.len == 0 || id.len >= RECORD_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.ptr[i];
        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
              c == '_'))
            return false;
        out[i] = (char)c;
    }
    out[id.len] = 0;
    return true;
}

static bool ends_with(struct slice text, struct slice end) {
    return text.len >= end.len && slice_equal(slice_from(text, text.len - end.len), end);
}

/* ..."id":"..."}: a quote inside a text has a backslash before it, so this is no part of one. */
void record_id_of_json(struct slice record, char out[RECORD_ID_MAX]) {
    const uint8_t *quote = NULL;

    if (ends_with(record, slice_of("\"}")))
        quote = memrchr(record.ptr, '"', record.len - 2);
    size_t at = quote ? (size_t)(quote - record.ptr) + 1 : 0;
    struct slice before = slice_first(record, at);
    if (!quote ||
        !(ends_with(before, slice_of(",\"id\":\"")) || ends_with(before, slice_of("{\"id\":\""))) ||
        !take(slice_first(slice_from(record, at), record.len - 2 - at), out))
        hash(record, out);
}

/* The key "id" and a text behind it that ends where the record does. */
void record_id_of_msgpack(struct slice record, char out[RECORD_ID_MAX]) {
    static const uint8_t key[] = {0xa2, 'i', 'd'};

    for (size_t len = 1; len < RECORD_ID_MAX && len + 5 <= record.len; len++) {
        size_t head = len < 32 ? 1 : 2, at = record.len - len;
        uint8_t first = record.ptr[at - head];
        bool is_text =
            head == 1 ? first == (0xa0 | len) : first == 0xd9 && record.ptr[at - 1] == len;
        if (is_text && at >= head + sizeof key &&
            memcmp(record.ptr + at - head - sizeof key, key, sizeof key) == 0 &&
            take(slice_from(record, at), out))
            return;
    }
    hash(record, out);
}
