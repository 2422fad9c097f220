#include "engine/ct/get_entries.h"
#include "engine/base/base64.h"
#include "engine/base/limits.h"

#include <yyjson.h>

/* {"leaf_input":""}, is the shortest entry: no page of n bytes holds more than n / 18 + 1. */
enum { SHORTEST_ENTRY_BYTES = 18 };

/* What both ways fill. */
struct page {
    struct get_entries_entry *entries;
    uint32_t count, capacity;
    const struct base64_backend *base64;
    uint8_t *out; /* where the next bytes go; three quarters of the page fit from the first on */
};

static bool page_init(struct page *page, size_t len, uint32_t entries_max, struct arena *arena) {
    size_t most = len / SHORTEST_ENTRY_BYTES + 1;
    uint32_t capacity = most < entries_max ? (uint32_t)most : entries_max;

    /* in one piece, so that an arena that is reset has room for the next page */
    *page = (struct page){.capacity = capacity, .base64 = base64_backend_best()};
    page->entries = arena_take(arena, capacity * sizeof *page->entries + base64_decoded_max(len));
    if (page->entries)
        page->out = (uint8_t *)(page->entries + capacity);
    return page->entries;
}

/* --- The usual spelling, in one pass --- */

struct cursor {
    const uint8_t *at, *end;
};

static void skip_blanks(struct cursor *in) {
    while (in->at < in->end &&
           (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t'))
        in->at++;
}

/* Takes the byte, and blanks before it. */
static bool take(struct cursor *in, uint8_t byte) {
    skip_blanks(in);
    if (in->at == in->end || *in->at != byte)
        return false;
    in->at++;
    return true;
}

/* Takes a member's name in quotes, and blanks before it. */
static bool take_name(struct cursor *in, const char *quoted, size_t len) {
    skip_blanks(in);
    if ((size_t)(in->end - in->at) < len || memcmp(in->at, quoted, len) != 0)
        return false;
    in->at += len;
    return true;
}
#define TAKE_NAME(in, name) take_name((in), "\"" name "\"", sizeof name + 1)

/* Takes what follows a name: the colon and a string of base64. */
static bool take_base64(struct cursor *in, struct page *page, struct slice *value) {
    if (!take(in, ':') || !take(in, '"'))
        return false;
    struct base64_run run =
        page->base64->decode_run((struct slice){in->at, (size_t)(in->end - in->at)}, page->out);
    *value = (struct slice){page->out, run.written};
    page->out += run.written;
    in->at += run.read;
    return in->at < in->end && *in->at++ == '"';
}

/* An object with both members and no others, in either order. */
static bool take_entry(struct cursor *in, struct page *page) {
    if (page->count == page->capacity || !take(in, '{'))
        return false;
    struct get_entries_entry *entry = &page->entries[page->count++];
    if (TAKE_NAME(in, "leaf_input"))
        return take_base64(in, page, &entry->leaf_input) && take(in, ',') &&
               TAKE_NAME(in, "extra_data") && take_base64(in, page, &entry->extra_data) &&
               take(in, '}');
    return TAKE_NAME(in, "extra_data") && take_base64(in, page, &entry->extra_data) &&
           take(in, ',') && TAKE_NAME(in, "leaf_input") &&
           take_base64(in, page, &entry->leaf_input) && take(in, '}');
}

static bool take_page(struct cursor *in, struct page *page) {
    if (!take(in, '{') || !TAKE_NAME(in, "entries") || !take(in, ':') || !take(in, '['))
        return false;
    if (!take(in, ']')) {
        do {
            if (!take_entry(in, page))
                return false;
        } while (take(in, ','));
        if (!take(in, ']'))
            return false;
    }
    if (!take(in, '}'))
        return false;
    skip_blanks(in);
    return in->at == in->end;
}

enum get_entries_result get_entries_parse_quick(struct slice text, uint32_t entries_max,
                                                struct arena *arena, struct get_entries *out) {
    struct cursor in = {text.ptr, text.ptr ? text.ptr + text.len : NULL};
    struct page page;

    *out = (struct get_entries){0};
    if (text.len > LIMIT_GET_ENTRIES_BYTES)
        return GET_ENTRIES_TOO_LARGE;
    if (!page_init(&page, text.len, entries_max, arena))
        return GET_ENTRIES_NO_MEMORY;
    if (!take_page(&in, &page))
        return GET_ENTRIES_NOT_JSON;
    *out = (struct get_entries){page.entries, page.count};
    return GET_ENTRIES_OK;
}

/* --- Any spelling, with a parser --- */

/* Puts the member of that name into `value`, NULL when it is missing or null; false when it is
 * there twice. */
static bool find_member(yyjson_val *object, const char *name, yyjson_val **value) {
    yyjson_obj_iter members = yyjson_obj_iter_with(object);
    yyjson_val *key;
    bool found = false;

    *value = NULL;
    while ((key = yyjson_obj_iter_next(&members))) {
        if (!yyjson_equals_str(key, name))
            continue;
        if (found)
            return false;
        found = true;
        *value = yyjson_obj_iter_get_val(key);
    }
    if (yyjson_is_null(*value))
        *value = NULL;
    return true;
}

static enum get_entries_result decode_value(struct page *page, yyjson_val *value,
                                            struct slice *out) {
    struct slice text = {(const uint8_t *)yyjson_get_str(value), yyjson_get_len(value)};

    if (!yyjson_is_str(value))
        return GET_ENTRIES_BAD_SHAPE;
    struct base64_run run = page->base64->decode_run(text, page->out);
    if (run.read != text.len)
        return GET_ENTRIES_BAD_BASE64;
    *out = (struct slice){page->out, run.written};
    page->out += run.written;
    return GET_ENTRIES_OK;
}

static enum get_entries_result read_entry(struct page *page, yyjson_val *object) {
    struct get_entries_entry *entry = &page->entries[page->count++];
    yyjson_val *leaf, *extra;

    *entry = (struct get_entries_entry){0};
    if (!yyjson_is_obj(object) || !find_member(object, "leaf_input", &leaf) ||
        !find_member(object, "extra_data", &extra))
        return GET_ENTRIES_BAD_SHAPE;
    enum get_entries_result result = decode_value(page, leaf, &entry->leaf_input);
    if (result == GET_ENTRIES_OK && extra)
        result = decode_value(page, extra, &entry->extra_data);
    return result;
}

static enum get_entries_result read_page(yyjson_val *root, uint32_t entries_max,
                                         struct page *page) {
    enum get_entries_result result = GET_ENTRIES_OK;
    yyjson_val *entries, *entry;
    size_t i, count;

    if (!yyjson_is_obj(root) || !find_member(root, "entries", &entries) || !yyjson_is_arr(entries))
        return GET_ENTRIES_BAD_SHAPE;
    if (yyjson_arr_size(entries) > entries_max)
        return GET_ENTRIES_TOO_LARGE;
    if (yyjson_arr_size(entries) > page->capacity) /* not all of them are entries */
        return GET_ENTRIES_BAD_SHAPE;
    yyjson_arr_foreach(entries, i, count, entry) {
        result = read_entry(page, entry);
        if (result != GET_ENTRIES_OK)
            break;
    }
    return result;
}

enum get_entries_result get_entries_parse_any(struct slice text, uint32_t entries_max,
                                              struct arena *arena, struct get_entries *out) {
    struct page page;
    yyjson_read_err error;

    *out = (struct get_entries){0};
    if (text.len > LIMIT_GET_ENTRIES_BYTES)
        return GET_ENTRIES_TOO_LARGE;
    if (!page_init(&page, text.len, entries_max, arena))
        return GET_ENTRIES_NO_MEMORY;
    /* the text is only written to with a flag that is not given */
    yyjson_doc *document =
        yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NOFLAG, NULL, &error);
    if (!document)
        return error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? GET_ENTRIES_NO_MEMORY
                                                                 : GET_ENTRIES_NOT_JSON;
    enum get_entries_result result = read_page(yyjson_doc_get_root(document), entries_max, &page);
    yyjson_doc_free(document);
    if (result == GET_ENTRIES_OK)
        *out = (struct get_entries){page.entries, page.count};
    return result;
}

enum get_entries_result get_entries_parse(struct slice page, uint32_t entries_max,
                                          struct arena *arena, struct get_entries *out) {
    enum get_entries_result result = get_entries_parse_quick(page, entries_max, arena, out);
    return result == GET_ENTRIES_NOT_JSON ? get_entries_parse_any(page, entries_max, arena, out)
                                          : result;
}

const char *get_entries_result_text(enum get_entries_result result) {
    switch (result) {
    case GET_ENTRIES_OK:
        return "the page is whole";
    case GET_ENTRIES_NOT_JSON:
        return "the answer is not JSON";
    case GET_ENTRIES_BAD_SHAPE:
        return "the answer is no list of entries";
    case GET_ENTRIES_BAD_BASE64:
        return "an entry is not base64";
    case GET_ENTRIES_TOO_LARGE:
        return "the page is too large";
    case GET_ENTRIES_NO_MEMORY:
        return "no memory for the page";
    }
    return "unknown";
}
