#include "bench/ctfarm/ctfarm_pages.h"

#include "engine/base/text.h"

#include <stdlib.h>
#include <zlib.h>

struct ctfarm_pages {
    const struct ctfarm_log *log;
    struct ctfarm_entry *entry;
    struct buffer scratch;
    uint64_t budget, used;
    struct ctfarm_feed_style style;
    struct ctfarm_page **slots[CTFARM_FORM_COUNT];
    struct ctfarm_page *newest, *oldest;
};

struct ctfarm_pages *ctfarm_pages_new(const struct ctfarm_log *log, uint64_t budget, bool tiled,
                                      const char *url, const char *name) {
    struct ctfarm_pages *pages = calloc(1, sizeof *pages);
    if (!pages)
        return NULL;
    pages->log = log;
    pages->budget = budget;
    pages->style = (struct ctfarm_feed_style){.tiled = tiled, .url = url, .name = name};
    buffer_init(&pages->scratch);
    pages->entry = ctfarm_entry_new();
    if (!pages->entry) {
        free(pages);
        return NULL;
    }
    return pages;
}

struct ctfarm_entry *ctfarm_pages_entry(struct ctfarm_pages *pages) {
    return pages->entry;
}

/* --- What is kept --- */

static void unlink_page(struct ctfarm_pages *pages, struct ctfarm_page *page) {
    *(page->newer ? &page->newer->older : &pages->newest) = page->older;
    *(page->older ? &page->older->newer : &pages->oldest) = page->newer;
}

static void link_newest(struct ctfarm_pages *pages, struct ctfarm_page *page) {
    page->newer = NULL;
    page->older = pages->newest;
    *(pages->newest ? &pages->newest->newer : &pages->oldest) = page;
    pages->newest = page;
}

static void forget(struct ctfarm_pages *pages, struct ctfarm_page *page) {
    unlink_page(pages, page);
    pages->used -= page->bytes.capacity;
    *page->slot = NULL;
    page->slot = NULL;
    ctfarm_page_put(page);
}

static void keep(struct ctfarm_pages *pages, struct ctfarm_page *page, struct ctfarm_page **slot) {
    uint8_t *fitted = realloc(page->bytes.ptr, page->bytes.len);
    if (fitted) {
        page->bytes.ptr = fitted;
        page->bytes.capacity = page->bytes.len;
    }
    if (page->bytes.capacity > pages->budget)
        return;
    while (pages->oldest && pages->used + page->bytes.capacity > pages->budget)
        forget(pages, pages->oldest);
    page->references++;
    page->slot = slot;
    *slot = page;
    pages->used += page->bytes.capacity;
    link_newest(pages, page);
}

void ctfarm_page_put(struct ctfarm_page *page) {
    if (!page || --page->references)
        return;
    buffer_deinit(&page->bytes);
    free(page);
}

void ctfarm_pages_free(struct ctfarm_pages *pages) {
    if (!pages)
        return;
    while (pages->oldest)
        forget(pages, pages->oldest);
    for (int form = 0; form < CTFARM_FORM_COUNT; form++)
        free(pages->slots[form]);
    ctfarm_entry_free(pages->entry);
    buffer_deinit(&pages->scratch);
    free(pages);
}

/* --- Making them --- */

bool ctfarm_gzip(struct slice bytes, struct buffer *out) {
    enum { FAST = 1, GZIP_WINDOW = 15 + 16, MEMORY = 8 };
    z_stream stream = {0};
    if (deflateInit2(&stream, FAST, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t bound = deflateBound(&stream, bytes.len);
    uint8_t *at = buffer_reserve(out, bound);
    stream.next_in = (uint8_t *)(uintptr_t)bytes.ptr;
    stream.avail_in = (uInt)bytes.len;
    stream.next_out = at;
    stream.avail_out = (uInt)bound;
    bool done = at && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    if (done)
        out->len += stream.total_out;
    deflateEnd(&stream);
    return done;
}

void ctfarm_add_frame(struct buffer *out, uint8_t opcode, struct slice payload) {
    buffer_add_byte(out, 0x80 | opcode); /* the last of its message */
    unsigned size = payload.len < 126 ? 0 : payload.len < 0x10000 ? 2 : 8;
    buffer_add_byte(out, size == 0 ? (uint8_t)payload.len : size == 2 ? 126 : 127);
    for (unsigned i = size; i-- > 0;)
        buffer_add_byte(out, (uint8_t)((uint64_t)payload.len >> (8 * i)));
    buffer_add_slice(out, payload);
}

static void add_json_entry(struct ctfarm_pages *pages, struct buffer *out) {
    pages->scratch.len = 0;
    ctfarm_entry_add_extra(pages->entry, &pages->scratch);
    buffer_add_text(out, "{\"leaf_input\":\"");
    text_add_base64(out, ctfarm_entry_leaf(pages->entry));
    buffer_add_text(out, "\",\"extra_data\":\"");
    text_add_base64(out, buffer_slice(&pages->scratch));
    buffer_add_text(out, "\"},");
}

static void add_message(struct ctfarm_pages *pages, enum ctfarm_form form, uint64_t index,
                        struct buffer *out) {
    enum { TEXT = 1 };
    struct ctfarm_feed_style style = pages->style;
    style.dialect = (enum ctfarm_dialect)((form - CTFARM_FORM_FEED) / CTFARM_DETAILS);
    style.detail = (enum ctfarm_detail)((form - CTFARM_FORM_FEED) % CTFARM_DETAILS);
    pages->scratch.len = 0;
    if (ctfarm_feed_add(pages->entry, index, &style, &pages->scratch))
        ctfarm_add_frame(out, TEXT, buffer_slice(&pages->scratch));
}

static void add_entry(struct ctfarm_pages *pages, enum ctfarm_form form, uint64_t index,
                      struct buffer *out) {
    if (form == CTFARM_FORM_ENTRIES)
        add_json_entry(pages, out);
    else if (form == CTFARM_FORM_DATA)
        ctfarm_entry_add_tile(pages->entry, out);
    else
        add_message(pages, form, index, out);
}

struct ctfarm_page *ctfarm_page_of(struct buffer *bytes) {
    struct ctfarm_page *page = bytes->failed ? NULL : calloc(1, sizeof *page);
    if (!page) {
        buffer_deinit(bytes);
        return NULL;
    }
    page->references = 1;
    page->bytes = *bytes;
    buffer_init(bytes);
    return page;
}

static struct ctfarm_page *make_compressed(struct ctfarm_pages *pages, uint64_t number,
                                           uint64_t tampered) {
    struct buffer bytes;
    struct ctfarm_page *plain =
        tampered == UINT64_MAX
            ? ctfarm_page_get(pages, CTFARM_FORM_DATA, number)
            : ctfarm_page_get_tampered(pages, CTFARM_FORM_DATA, number, tampered);
    buffer_init(&bytes);
    if (!plain || !ctfarm_gzip(buffer_slice(&plain->bytes), &bytes))
        bytes.failed = true;
    ctfarm_page_put(plain);
    return ctfarm_page_of(&bytes);
}

/* `tampered` UINT64_MAX: none. */
static struct ctfarm_page *make_page(struct ctfarm_pages *pages, enum ctfarm_form form,
                                     uint64_t number, uint64_t tampered) {
    if (form == CTFARM_FORM_GZIP)
        return make_compressed(pages, number, tampered);
    uint64_t first = number * CTFARM_TILE, left = ctfarm_log_entries(pages->log) - first;
    struct ctfarm_page *page = calloc(1, sizeof *page);
    if (!page)
        return NULL;
    page->references = 1;
    page->count = left < CTFARM_TILE ? (uint32_t)left : CTFARM_TILE;
    buffer_init(&page->bytes);
    for (uint32_t i = 0; i < page->count; i++) {
        ctfarm_entry_make(pages->log, first + i, first + i == tampered, pages->entry);
        page->offsets[i] = (uint32_t)page->bytes.len;
        add_entry(pages, form, first + i, &page->bytes);
    }
    page->offsets[page->count] = (uint32_t)page->bytes.len;
    if (page->bytes.failed || pages->scratch.failed) {
        ctfarm_page_put(page);
        return NULL;
    }
    return page;
}

struct ctfarm_page *ctfarm_page_get_tampered(struct ctfarm_pages *pages, enum ctfarm_form form,
                                             uint64_t number, uint64_t tampered) {
    return make_page(pages, form, number, tampered);
}

struct ctfarm_page *ctfarm_page_get(struct ctfarm_pages *pages, enum ctfarm_form form,
                                    uint64_t number) {
    uint64_t entries = ctfarm_log_entries(pages->log), distinct = ctfarm_log_distinct(pages->log);
    if (!pages->slots[form])
        pages->slots[form] = calloc(entries / CTFARM_TILE + 1, sizeof *pages->slots[form]);
    if (!pages->slots[form])
        return NULL;
    /* Entries that come again make pages that come again; messages have their index in them. A last
     * page that is not full is no other page's twin. */
    bool full = (number + 1) * CTFARM_TILE <= entries;
    if (form < CTFARM_FORM_FEED && distinct < entries && full)
        number %= distinct / CTFARM_TILE;
    struct ctfarm_page **slot = &pages->slots[form][number], *page = *slot;
    if (page) {
        unlink_page(pages, page);
        link_newest(pages, page);
        page->references++;
        return page;
    }
    page = make_page(pages, form, number, UINT64_MAX);
    if (page)
        keep(pages, page, slot);
    return page;
}
