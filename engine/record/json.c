/* JSON Lines: one object a line (RFC 8259), nested where field names have a dot.
 *
 * The output is valid UTF-8 and safe on a terminal whatever a peer sent: control, bidi and
 * line-separating characters are written as \uXXXX, a byte that is not UTF-8 as U+FFFD. Who needs
 * the exact bytes finds them in certificate.der.
 *
 * This runs once for every target of a sweep, on the worker: keys are made beforehand, each value
 * reserves once, and plain text is copied eight bytes at a time. */
#include "engine/record/json.h"

#include "engine/record/encoder.h"
#include "engine/record/value_text.h"

/* --- Text --- */

enum { ESCAPED_MAX = 6 }; /* \u001b for one byte */

/* 1 for a byte that stands for itself within quotes. */
static bool is_plain(uint8_t byte) {
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* The same for eight bytes at once. A borrow or carry from one byte into the next happens only
 * where that one is not plain itself, so the answer for all eight is exact. */
static bool are_plain(uint64_t bytes) {
    const uint64_t each = 0x0101010101010101u, top = each * 0x80;
    uint64_t quote = bytes ^ each * '"', backslash = bytes ^ each * '\\';
    uint64_t low = bytes - each * 0x20, del_or_more = bytes + each;

    return ((low | (quote - each) | (backslash - each) | del_or_more | bytes) & top) == 0;
}

static uint8_t *write_unicode_escape(uint8_t *at, uint32_t code) {
    static const char HEX[] = "0123456789abcdef";

    *at++ = '\\';
    *at++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *at++ = (uint8_t)HEX[code >> shift & 15];
    return at;
}

/* Writes the rune at the head of `text`, which is not plain, and steps over it. */
static uint8_t *write_rune(uint8_t *at, struct slice *text) {
    struct text_rune rune = text_rune_first(*text);
    struct slice bytes = slice_first(*text, rune.len);
    char letter = 0;

    text->ptr += rune.len;
    text->len -= rune.len;
    if (rune.valid && rune.code < 0x80) {
        letter = rune.code == '"'    ? '"'
                 : rune.code == '\\' ? '\\'
                 : rune.code == '\n' ? 'n'
                 : rune.code == '\r' ? 'r'
                 : rune.code == '\t' ? 't'
                                     : 0;
        if (letter) {
            *at++ = '\\';
            *at++ = (uint8_t)letter;
            return at;
        }
    }
    if (rune.valid && text_rune_is_unsafe(rune.code))
        return write_unicode_escape(at, rune.code);
    value_text_write_utf8(at, bytes);
    return at + value_text_utf8_length(bytes);
}

/* Copies text that needs no escape, as most does, eight bytes at a time; the last eight may overlap
 * those before. False when something needs an escape, with some bytes written or none. */
static bool copy_plain(uint8_t *at, struct slice text) {
    uint64_t eight;
    uint32_t head, tail;

    if (text.len >= sizeof eight) {
        for (size_t i = 0; i < text.len; i += sizeof eight) {
            size_t from = i + sizeof eight <= text.len ? i : text.len - sizeof eight;
            memcpy(&eight, text.ptr + from, sizeof eight);
            if (!are_plain(eight))
                return false;
            memcpy(at + from, &eight, sizeof eight);
        }
        return true;
    }
    if (text.len >= sizeof head) {
        memcpy(&head, text.ptr, sizeof head);
        memcpy(&tail, text.ptr + text.len - sizeof tail, sizeof tail);
        memcpy(at, &head, sizeof head);
        memcpy(at + text.len - sizeof tail, &tail, sizeof tail);
        return are_plain(head | (uint64_t)tail << 32);
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!is_plain(text.ptr[i]))
            return false;
        at[i] = text.ptr[i];
    }
    return true;
}

static uint8_t *write_escaped(uint8_t *at, struct slice text) {
    while (text.len) {
        if (!is_plain(*text.ptr)) {
            at = write_rune(at, &text);
            continue;
        }
        *at++ = *text.ptr++;
        text.len--;
    }
    return at;
}

void json_add_text(struct slice text, struct buffer *out) {
    uint8_t *start = buffer_reserve(out, text.len * ESCAPED_MAX + 2), *at = start;

    if (!at)
        return;
    *at++ = '"';
    at = copy_plain(at, text) ? at + text.len : write_escaped(at, text);
    *at++ = '"';
    out->len += (size_t)(at - start);
}

/* --- Values --- */

static void add_value(const struct value *value, struct buffer *out) {
    int64_t hundredths;

    switch (value->kind) {
    case VALUE_TEXT:
        json_add_text(value->bytes, out);
        return;
    case VALUE_REAL:
        if (value_text_hundredths(value->real, &hundredths))
            value_text_add(value, out);
        else
            buffer_add(out, "null", 4);
        return;
    case VALUE_ABSENT:
        buffer_add(out, "null", 4);
        return;
    case VALUE_INTEGER:
    case VALUE_BOOLEAN:
        value_text_add(value, out);
        return;
    case VALUE_TIME:
    case VALUE_TIME_MS:
    case VALUE_HEX:
    case VALUE_BASE64:
    case VALUE_ADDRESS:
    case VALUE_CODE:
        buffer_add_byte(out, '"');
        value_text_add(value, out);
        buffer_add_byte(out, '"');
        return;
    }
}

/* Appends a key, its comma only when something stands before it. */
static inline void add_key(const struct field_key *key, bool comma, struct buffer *out) {
    value_text_add_key(key->json, comma ? 0 : 1, out);
}

/* --- Objects and lists --- */

static void add_object(const struct picked_field *picked, const struct record *record,
                       uint32_t index, struct buffer *out) {
    bool comma = false;

    buffer_add_byte(out, '{');
    for (uint32_t i = 0; i < picked->field->member_count; i++) {
        const struct picked_field *member = &picked->members[i];
        struct value value;
        member->field->get(record, index, &value);
        if (value.kind == VALUE_ABSENT && !member->field->always)
            continue;
        add_key(&member->key, comma, out);
        add_value(&value, out);
        comma = true;
    }
    buffer_add_byte(out, '}');
}

void json_add_list(const struct picked_field *picked, const struct record *record, uint32_t count,
                   struct buffer *out) {
    buffer_add_byte(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        if (picked->field->members) {
            add_object(picked, record, i, out);
        } else {
            struct value value;
            picked->field->get(record, i, &value);
            add_value(&value, out);
        }
    }
    buffer_add_byte(out, ']');
}

/* Where the encoder stands: in the record's object, or in a group's inside it. A group is opened by
 * its first field that is there. */
struct place {
    uint32_t group;
    bool open, comma; /* comma: something stands before in the innermost open object */
};

static void enter_group(struct place *place, uint32_t group, struct buffer *out) {
    if (place->open) {
        buffer_add_byte(out, '}');
        place->comma = true;
    }
    place->open = false;
    place->group = group;
}

static void add_field_key(struct place *place, const struct field_selection *selection,
                          const struct picked_field *picked, struct buffer *out) {
    if (place->group && !place->open) {
        add_key(&selection->groups[place->group], place->comma, out);
        place->open = true;
        place->comma = false;
    }
    add_key(&picked->key, place->comma, out);
    place->comma = true;
}

static void encode(const struct encoding *encoding, const struct record *record,
                   struct buffer *out) {
    const struct field_selection *selection = encoding->fields;
    struct place place = {0, false, false};

    buffer_add_byte(out, '{');
    for (uint32_t i = 0; i < selection->count; i++) {
        const struct picked_field *picked = &selection->fields[i];
        const struct field *field = picked->field;
        if (picked->group != place.group)
            enter_group(&place, picked->group, out);
        if (field->count) {
            uint32_t count = field->count(record);
            if (count == 0 && !field->always)
                continue;
            add_field_key(&place, selection, picked, out);
            json_add_list(picked, record, count, out);
        } else {
            struct value value;
            field->get(record, 0, &value);
            if (value.kind == VALUE_ABSENT && !field->always)
                continue;
            add_field_key(&place, selection, picked, out);
            add_value(&value, out);
        }
    }
    enter_group(&place, 0, out);
    buffer_add(out, "}\n", 2);
}

const struct encoder json_encoder = {
    .name = "json",
    .suffix = ".jsonl",
    .other_suffix = ".json",
    .summary = "JSON Lines, one object a record",
    .takes_fields = true,
    .encode = encode,
};
