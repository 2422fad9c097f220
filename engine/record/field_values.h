/* What the tables of fields (fields.c, ct_fields.c) are written with: values in place, rows. */
#ifndef ENGINE_RECORD_FIELD_VALUES_H
#define ENGINE_RECORD_FIELD_VALUES_H

#include "engine/record/fields.h"

/* --- Values: each is written in place, for a copy of a value just made would wait for it --- */

static inline void absent(struct value *out) {
    out->kind = VALUE_ABSENT;
}

static inline void bytes(struct value *out, enum value_kind kind, struct slice value) {
    out->kind = value.len ? kind : VALUE_ABSENT;
    out->bytes = value;
}

static inline void text(struct value *out, struct slice value) {
    bytes(out, VALUE_TEXT, value);
}

/* An item of a list, which is there even when it is empty. */
static inline void text_item(struct value *out, struct slice value) {
    out->kind = VALUE_TEXT;
    out->bytes = value;
}

static inline void words(struct value *out, const char *name) {
    text(out, slice_of(name));
}

static inline void number(struct value *out, enum value_kind kind, int64_t value) {
    out->kind = kind;
    out->integer = value;
}

static inline void integer(struct value *out, int64_t value) {
    number(out, VALUE_INTEGER, value);
}

/* A number that is 0 where it is not known. */
static inline void known(struct value *out, enum value_kind kind, int64_t value) {
    number(out, value ? kind : VALUE_ABSENT, value);
}

static inline void microseconds(struct value *out, int64_t us) {
    number(out, us < 0 ? VALUE_ABSENT : VALUE_INTEGER, us);
}

static inline void real(struct value *out, double value) {
    out->kind = VALUE_REAL;
    out->real = value;
}

static inline void boolean(struct value *out, bool value) {
    out->kind = VALUE_BOOLEAN;
    out->boolean = value;
}

static inline void address(struct value *out, const struct address *value) {
    out->kind = value->family == ADDRESS_NONE ? VALUE_ABSENT : VALUE_ADDRESS;
    out->address = value;
}

/* The name of a number of the wire, or the number when nobody has named it. */
static inline void code(struct value *out, const char *name, uint16_t value) {
    if (name)
        words(out, name);
    else
        number(out, VALUE_CODE, value);
}

#define HASH(array) bytes(out, VALUE_HEX, (struct slice){array, sizeof array})

/* --- Rows of a table --- */

#define FIELD(name, getter, kind, ...) {name, kind, .get = get_##getter, __VA_ARGS__}
#define LIST(name, getter, kind, ...)                                                              \
    {name, kind, .get = get_##getter, .count = count_##getter, __VA_ARGS__}

#define SUMMARY(words) .summary = words
#define ALWAYS         .always = true
#define ON_REQUEST     .on_request = true
#define PARTS(bits)    .parts = bits
#define WORDS(name)    .word = word_##name

/* The words of a field, from the names of an enum. */
#define WORD_TABLE(name, name_of, count)                                                           \
    static const char *word_##name(uint32_t number) {                                              \
        return number < (uint32_t)(count) ? name_of(number) : NULL;                                \
    }

#endif
