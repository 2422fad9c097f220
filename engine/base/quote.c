#include "engine/base/quote.h"

#include "engine/base/text.h"

void quote_bare(char *out, size_t size, struct slice text) {
    static const char cut[] = "...";
    struct buffer safe;
    buffer_init(&safe);
    size_t fits = 0; /* how much can stay when the cut mark must follow */
    while (text.len && safe.len < size && !safe.failed) {
        if (safe.len + sizeof cut <= size)
            fits = safe.len;
        struct text_rune rune = text_rune_first(text);
        text_add_safe(&safe, slice_first(text, rune.len));
        text = slice_from(text, rune.len);
    }
    bool whole = safe.len < size && !safe.failed;
    size_t len = whole ? safe.len : fits;
    if (len)
        memcpy(out, safe.ptr, len);
    if (whole)
        out[len] = '\0';
    else
        memcpy(out + len, cut, sizeof cut);
    buffer_deinit(&safe);
}

struct quote quote_of(struct slice text) {
    struct quote quote;
    quote.text[0] = '"';
    quote_bare(quote.text + 1, sizeof quote.text - 2, text);
    size_t len = strlen(quote.text);
    quote.text[len] = '"';
    quote.text[len + 1] = '\0';
    return quote;
}
