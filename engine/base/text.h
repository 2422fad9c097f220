/* Numbers, times and untrusted bytes as text, appended to a buffer; how far words lie apart. Pure,
 * safe on every thread. */
#ifndef ENGINE_BASE_TEXT_H
#define ENGINE_BASE_TEXT_H

#include "engine/base/buffer.h"

void text_add_integer(struct buffer *out, int64_t number);

/* RFC 3339 in UTC: "2026-11-21T03:56:45Z"; years 0 to 9999, clamped beyond. */
void text_add_time(struct buffer *out, int64_t unix_seconds);

/* The same with milliseconds: "2026-11-21T03:56:45.123Z". */
void text_add_time_ms(struct buffer *out, int64_t unix_ms);

/* Lower-case hexadecimal without separators. */
void text_add_hex(struct buffer *out, struct slice bytes);

/* Base64 with padding (RFC 4648 section 4). */
void text_add_base64(struct buffer *out, struct slice bytes);

/* Untrusted bytes as text that is safe on a terminal and in a log: valid UTF-8 as it is; control
 * characters (C0, DEL, C1), bidi controls (U+061C, U+200E, U+200F, U+202A to 202E, U+2066 to 2069),
 * line and paragraph separators as \u{hex}; bytes that are not UTF-8 as \x and two digits. */
void text_add_safe(struct buffer *out, struct slice bytes);

/* The same with spaces escaped too: one word that never splits where spaces part words. */
void text_add_safe_word(struct buffer *out, struct slice bytes);

/* How many bytes of safe text fit into so many columns of a terminal, cut between runes; `width`
 * gets the columns that they take. Wide East Asian characters count two, combining marks none. */
size_t text_fit(struct slice text, size_t columns, size_t *width);

/* How one step through untrusted UTF-8 went: the code point and its length, or a byte that is not
 * UTF-8. */
struct text_rune {
    uint32_t code; /* undefined when !valid */
    uint8_t len;   /* 1 to 4; 1 when !valid */
    bool valid;
};

/* Reads the first rune; `bytes` must not be empty. Overlong forms, surrogates and codes over
 * U+10FFFF are invalid. */
struct text_rune text_rune_first(struct slice bytes);

/* All of it is valid runes. */
bool text_is_utf8(struct slice text);

/* True for the code points that text_add_safe escapes. */
bool text_rune_is_unsafe(uint32_t code);

/* Decodes "%2C" and the like in place; false when something behind a "%" is no byte, or zero. */
bool text_decode_percent(char *text);

/* How many bytes must be added, removed, changed or swapped with a neighbour to make one word of
 * the other, no place twice (optimal string alignment): to suggest the nearest of the known names.
 * Words over 63 bytes are far from everything (UINT32_MAX). */
uint32_t text_distance(struct slice a, struct slice b);

/* True when a distance is small enough to suggest `name` for `word`. */
bool text_is_near(struct slice word, struct slice name);

#endif
