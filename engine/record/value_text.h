/* Values as plain text, the same in every format, and text of peers as valid UTF-8. For encoders
 * alone. Pure, safe on every thread. */
#ifndef ENGINE_RECORD_VALUE_TEXT_H
#define ENGINE_RECORD_VALUE_TEXT_H

#include "engine/base/text.h"
#include "engine/record/fields.h"

/* Appends the text of any value but VALUE_TEXT, which each format escapes in its own way; nothing
 * for VALUE_ABSENT. */
void value_text_add(const struct value *value, struct buffer *out);

/* A real in hundredths, rounded, as all formats write it; false when it is not finite. What is too
 * large to be exact is clamped. */
bool value_text_hundredths(double real, int64_t *hundredths);

/* Length of `text` with U+FFFD in place of every byte that is not UTF-8; text.len when it is valid.
 */
size_t value_text_utf8_length(struct slice text);

/* Writes so many bytes. */
void value_text_write_utf8(uint8_t *at, struct slice text);

/* Appends a key from its byte `skip` on. Whole steps are copied, which needs no call for the usual
 * key. */
static inline void value_text_add_key(struct slice key, size_t skip, struct buffer *out) {
    uint8_t *at = buffer_reserve(out, key.len + FIELD_KEY_STEP);

    if (!at)
        return;
    for (size_t done = skip; done < key.len; done += FIELD_KEY_STEP)
        memcpy(at + done - skip, key.ptr + done, FIELD_KEY_STEP);
    out->len += key.len - skip;
}

#endif
