/* What text protocols share: replies with a three-digit code, as SMTP, LMTP, FTP and NNTP have them
 * ("250-first", "250 last"; RFC 5321 section 4.2, RFC 959 section 4.2), and words between blanks.
 */
#ifndef ENGINE_STARTTLS_REPLY_H
#define ENGINE_STARTTLS_REPLY_H

#include "engine/base/slice.h"

struct reply {
    uint16_t code;
    bool last; /* no more lines of this reply */
    struct slice text;
};

/* False when the line is none. */
static inline bool reply_parse(struct slice line, struct reply *out) {
    uint16_t code = 0;

    if (line.len < 3)
        return false;
    for (int i = 0; i < 3; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9')
            return false;
        code = (uint16_t)(code * 10 + line.ptr[i] - '0');
    }
    bool separated = line.len > 3;
    if (separated && line.ptr[3] != ' ' && line.ptr[3] != '-')
        return false;
    *out =
        (struct reply){code, !separated || line.ptr[3] == ' ', slice_from(line, separated ? 4 : 3)};
    return true;
}

/* Takes the first word off the front of `text`; empty when there is none left. */
static inline struct slice reply_word(struct slice *text) {
    size_t start = 0;

    while (start < text->len && text->ptr[start] == ' ')
        start++;
    size_t end = start;
    while (end < text->len && text->ptr[end] != ' ')
        end++;
    struct slice word = slice_first(slice_from(*text, start), end - start);
    *text = slice_from(*text, end);
    return word;
}

/* True when `text` begins with these bytes, in any case of ASCII letters. */
static inline bool reply_begins(struct slice text, const char *with) {
    struct slice start = slice_of(with);
    return text.len >= start.len && slice_equal_nocase(slice_first(text, start.len), start);
}

#endif
