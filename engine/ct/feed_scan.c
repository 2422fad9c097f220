/* Reads a certstream message by hand: ASCII, on one line, the members that matter without escapes.
 * Whatever else JSON allows makes it give up, and so does whatever JSON forbids: a message that
 * gets through here is well-formed to the last byte.
 *
 * A cursor is passed by value and comes back moved on, so that it stays in registers; its `at` is
 * NULL once we have given up. */
#include "engine/base/limits.h"
#include "engine/ct/feed_fields.h"
#include "engine/ct/feed_index.h"

/* Objects and arrays within one another. Real messages have 5; a peer must not choose how deep we
 * recurse. */
enum { DEPTH_MAX = 12 };

struct cursor {
    const uint8_t *at;
    const uint32_t *next; /* position in the index: the first that is not before `at` */
};

struct scan {
    const uint8_t *text, *end;
    const uint32_t *positions_end;
    struct feed_builder *builder;
    struct feed_index index;
};

static const struct cursor GIVEN_UP = {NULL, NULL};

__attribute__((noinline)) static const uint32_t *more_positions(struct scan *scan) {
    feed_index_fill(&scan->index);
    scan->positions_end = scan->index.positions + scan->index.count;
    return scan->index.positions;
}

/* The first special byte from the cursor on; `end` when there is none. */
static inline const uint8_t *special(struct scan *scan, struct cursor *cursor) {
    if (__builtin_expect(cursor->next == scan->positions_end, 0))
        cursor->next = more_positions(scan);
    return scan->text + *cursor->next;
}

/* What comes behind blanks; 0, which is nowhere in JSON, at the end. */
static inline uint8_t look(const struct scan *scan, struct cursor *cursor) {
    while (cursor->at < scan->end && *cursor->at == ' ')
        cursor->at++;
    return cursor->at < scan->end ? *cursor->at : 0;
}

static inline bool take(const struct scan *scan, struct cursor *cursor, uint8_t byte) {
    if (look(scan, cursor) != byte)
        return false;
    cursor->at++;
    return true;
}

/* A string without escapes. Its quotes are the next two special bytes. */
static inline bool take_string(struct scan *scan, struct cursor *cursor, struct slice *text) {
    if (!take(scan, cursor, '"'))
        return false;
    special(scan, cursor);
    cursor->next++;
    const uint8_t *end = special(scan, cursor);
    if (end == scan->end || *end != '"')
        return false;
    *text = (struct slice){cursor->at, (size_t)(end - cursor->at)};
    cursor->at = end + 1;
    cursor->next++;
    return true;
}

static bool is_hex(uint8_t c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Behind a backslash. Surrogates are left to the parser. */
static bool skip_escape(struct scan *scan, struct cursor *cursor) {
    const uint8_t *at = cursor->at;
    uint8_t c = at < scan->end ? *at : 0;

    if (c == '"' || c == '\\') {
        special(scan, cursor); /* this is it */
        cursor->next++;
    } else if (c == 'u') {
        if (scan->end - at < 5 || ((at[1] | 0x20) == 'd' && at[2] >= '8') || !is_hex(at[1]) ||
            !is_hex(at[2]) || !is_hex(at[3]) || !is_hex(at[4]))
            return false;
        cursor->at += 4;
    } else if (c != '/' && c != 'b' && c != 'f' && c != 'n' && c != 'r' && c != 't') {
        return false;
    }
    cursor->at++;
    return true;
}

/* A string that does not matter, behind its first quote. */
static struct cursor skip_string(struct scan *scan, struct cursor cursor) {
    special(scan, &cursor);
    cursor.next++;
    for (;;) {
        const uint8_t *end = special(scan, &cursor);
        if (end == scan->end)
            return GIVEN_UP;
        cursor.at = end + 1;
        cursor.next++;
        if (*end == '"')
            return cursor;
        if (*end != '\\' || !skip_escape(scan, &cursor))
            return GIVEN_UP;
    }
}

static const uint8_t *digits_end(const uint8_t *at, const uint8_t *end) {
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* Without an exponent: numbers with one are left to the parser. */
static bool take_number(const struct scan *scan, struct cursor *cursor, struct slice *digits) {
    const uint8_t *start = cursor->at, *first = *start == '-' ? start + 1 : start;
    const uint8_t *at = digits_end(first, scan->end);

    if (at == first || (*first == '0' && at - first > 1))
        return false;
    if (at < scan->end && *at == '.') {
        const uint8_t *fraction = at + 1;
        at = digits_end(fraction, scan->end);
        if (at == fraction)
            return false;
    }
    *digits = (struct slice){start, (size_t)(at - start)};
    cursor->at = at;
    return at == scan->end || (*at | 0x20) != 'e';
}

static inline bool take_word(const struct scan *scan, struct cursor *cursor, const char *word,
                             size_t len) {
    if ((size_t)(scan->end - cursor->at) < len || memcmp(cursor->at, word, len) != 0)
        return false;
    cursor->at += len;
    return true;
}
#define TAKE_WORD(scan, cursor, word) take_word((scan), (cursor), (word), sizeof word - 1)

static struct cursor scan_object(struct scan *scan, struct cursor cursor, enum feed_place place,
                                 uint32_t depth);
static struct cursor scan_array(struct scan *scan, struct cursor cursor, enum feed_place place,
                                uint32_t depth);

/* A value, that of a member at `place` or of no field. */
static inline struct cursor scan_value(struct scan *scan, struct cursor cursor,
                                       enum feed_place place, enum feed_field field,
                                       uint32_t depth) {
    struct slice text;

    switch (look(scan, &cursor)) {
    case '"':
        if (field == FEED_NO_FIELD) {
            cursor.at++;
            return skip_string(scan, cursor);
        }
        if (!take_string(scan, &cursor, &text))
            return GIVEN_UP;
        feed_string(scan->builder, place, field, text);
        return cursor;
    case '{':
        return scan_object(scan, cursor, feed_enter_object(field), depth + 1);
    case '[':
        return scan_array(scan, cursor, feed_enter_array(scan->builder, field), depth + 1);
    case 'n':
        return TAKE_WORD(scan, &cursor, "null") ? cursor : GIVEN_UP;
    case 't':
        feed_boolean(scan->builder, field, true);
        return TAKE_WORD(scan, &cursor, "true") ? cursor : GIVEN_UP;
    case 'f':
        feed_boolean(scan->builder, field, false);
        return TAKE_WORD(scan, &cursor, "false") ? cursor : GIVEN_UP;
    case 0:
        return GIVEN_UP;
    default:
        if (!take_number(scan, &cursor, &text))
            return GIVEN_UP;
        feed_number(scan->builder, field, text);
        return cursor;
    }
}

static struct cursor scan_item(struct scan *scan, struct cursor cursor, enum feed_place place,
                               uint32_t depth) {
    uint8_t first = look(scan, &cursor);
    struct slice text;

    if (place == FEED_DOMAIN_LIST && first == '"') {
        if (!take_string(scan, &cursor, &text))
            return GIVEN_UP;
        feed_item(scan->builder, place, text);
        return cursor;
    }
    if (place == FEED_CHAIN && first == '{')
        return scan_object(scan, cursor, FEED_CHAIN_CERTIFICATE, depth + 1);
    return scan_value(scan, cursor, FEED_NOWHERE, FEED_NO_FIELD, depth);
}

static struct cursor scan_array(struct scan *scan, struct cursor cursor, enum feed_place place,
                                uint32_t depth) {
    if (depth > DEPTH_MAX || !take(scan, &cursor, '['))
        return GIVEN_UP;
    if (take(scan, &cursor, ']'))
        return cursor;
    do {
        cursor = scan_item(scan, cursor, place, depth);
        if (!cursor.at)
            return GIVEN_UP;
    } while (take(scan, &cursor, ','));
    return take(scan, &cursor, ']') ? cursor : GIVEN_UP;
}

/* What most members are, "name":"value", in one step: four quotes at the next four positions.
 * False, with nothing taken, for all others. */
static inline bool take_usual_member(const struct scan *scan, struct cursor *cursor,
                                     struct slice *name, struct slice *value) {
    const uint8_t *text = scan->text;
    const uint32_t *p = cursor->next;

    if (scan->positions_end - p < 4)
        return false;
    const uint8_t *name_end = text + p[1], *value_end = text + p[3];
    if (value_end == scan->end || p[2] != p[1] + 2 || *cursor->at != '"' || name_end[0] != '"' ||
        name_end[1] != ':' || name_end[2] != '"' || *value_end != '"')
        return false;
    *name = (struct slice){cursor->at + 1, (size_t)(name_end - cursor->at) - 1};
    *value = (struct slice){name_end + 3, (size_t)(value_end - name_end) - 3};
    *cursor = (struct cursor){value_end + 1, p + 4};
    return true;
}

static struct cursor scan_object(struct scan *scan, struct cursor cursor, enum feed_place place,
                                 uint32_t depth) {
    struct slice name, value;

    if (depth > DEPTH_MAX || !take(scan, &cursor, '{'))
        return GIVEN_UP;
    if (take(scan, &cursor, '}'))
        return cursor;
    do {
        if (take_usual_member(scan, &cursor, &name, &value)) {
            if (place != FEED_NOWHERE)
                feed_string(scan->builder, place, feed_field_of(place, name), value);
            continue;
        }
        if (!take_string(scan, &cursor, &name) || !take(scan, &cursor, ':'))
            return GIVEN_UP;
        enum feed_field field = place == FEED_NOWHERE ? FEED_NO_FIELD : feed_field_of(place, name);
        cursor = scan_value(scan, cursor, place, field, depth);
        if (!cursor.at)
            return GIVEN_UP;
    } while (take(scan, &cursor, ','));
    return take(scan, &cursor, '}') ? cursor : GIVEN_UP;
}

enum feed_message_result feed_message_parse_quick(struct slice text, struct arena *arena,
                                                  struct feed_message *out) {
    struct feed_builder builder;
    struct scan scan;
    struct cursor cursor;

    feed_begin(&builder, arena, out, false);
    if (text.len > LIMIT_FEED_MESSAGE_BYTES)
        return FEED_MESSAGE_TOO_LARGE;
    text = slice_trim(text); /* of JSON's four blanks */
    scan.text = text.ptr;
    scan.end = text.ptr ? text.ptr + text.len : NULL;
    scan.builder = &builder;
    scan.index.text = text;
    scan.index.done = 0;
    cursor = (struct cursor){text.ptr, more_positions(&scan)};
    cursor = scan_object(&scan, cursor, FEED_ROOT, 1);
    if (!cursor.at || cursor.at != scan.end) {
        *out = (struct feed_message){0};
        return FEED_MESSAGE_NOT_JSON;
    }
    return feed_end(&builder);
}
