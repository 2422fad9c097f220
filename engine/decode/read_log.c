/* Pages of logs: bytes to entries. */
#include "engine/base/limits.h"
#include "engine/decode/inflate.h"
#include "engine/decode/worker.h"

#include <inttypes.h>

/* The body, or what it inflates to. */
static bool get_body(struct decode_worker *worker, struct page *page, struct slice *out) {
    *out = buffer_slice(&page->body);
    if (page->body.failed)
        return page_is_broken(page, "no memory");
    if (!page->gzip)
        return true;
    worker->inflated.len = 0;
    const char *error = inflate_gzip(*out, LIMIT_CT_PAGE_BYTES, &worker->inflated);
    if (error)
        return page_is_broken(page, "gzip: %s", error);
    *out = buffer_slice(&worker->inflated);
    return true;
}

/* The item of an entry that stands in its place of the window. An entry that cannot be read is an
 * item, too. */
static void add_item(struct decode_worker *worker, struct page *page, enum ct_entry_error error) {
    const struct ct_entry *entry = &worker->entries[worker->count];
    uint64_t place = page->first + page->entries + worker->count;
    struct item *item = &worker->items[worker->count++];

    *item = (struct item){
        .raw = entry->raw,
        .entry = entry,
        .is_precertificate = entry->type == CT_PRECERT_ENTRY,
    };
    if ((int64_t)entry->timestamp_ms > page->newest_ms)
        page->newest_ms = (int64_t)entry->timestamp_ms;
    if (entry->has_leaf_index && entry->leaf_index != place) {
        item->error = "the index in the entry is not its place in the log";
        item->keeps_raw = true;
        page->counts.misplaced++;
    }
    if (error != CT_ENTRY_OK) {
        item->error = ct_entry_error_text(error);
        item->is_malformed = item->keeps_raw = true;
    }
}

/* --- Tiles --- */

static void prefetch(struct slice rest, size_t len) {
    enum { AHEAD = 4096, LINE = 64 };
    size_t end = AHEAD + len < rest.len ? AHEAD + len : rest.len;
    for (size_t at = AHEAD; at < end; at += LINE)
        __builtin_prefetch(rest.ptr + at, 0, 2);
}

bool read_tile_begin(struct decode_worker *worker, struct page *page) {
    struct ct_entry skipped;

    if (!get_body(worker, page, &worker->rest))
        return false;
    for (uint32_t i = 0; i < page->skip; i++)
        if (worker->rest.len == 0 ||
            ct_entry_error_is_framing(ct_tile_entry_next(&worker->rest, &skipped)))
            return page_is_broken(page, "the tile ends before entry %" PRIu64, page->first);
    return true;
}

bool read_tile_next(struct decode_worker *worker, struct page *page) {
    while (worker->count < WINDOW_ITEMS && page->entries + worker->count < page->wanted) {
        uint64_t place = page->first + page->entries + worker->count;
        if (worker->rest.len == 0)
            return page_is_broken(page, "the tile ends before entry %" PRIu64, place);
        enum ct_entry_error error =
            ct_tile_entry_next(&worker->rest, &worker->entries[worker->count]);
        prefetch(worker->rest, worker->entries[worker->count].raw.len);
        if (ct_entry_error_is_framing(error))
            return page_is_broken(page, "entry %" PRIu64 ": %s", place, ct_entry_error_text(error));
        add_item(worker, page, error);
    }
    return true;
}

/* --- Answers of RFC 6962 --- */

bool read_answer_begin(struct decode_worker *worker, struct page *page) {
    struct slice body;

    if (!get_body(worker, page, &body))
        return false;
    enum get_entries_result result =
        get_entries_parse(body, LIMIT_GET_ENTRIES, &worker->page_memory, &worker->answer);
    if (result != GET_ENTRIES_OK)
        return page_is_broken(page, "%s", get_entries_result_text(result));
    return worker->answer.count != 0 || page_is_broken(page, "no entries");
}

bool read_answer_next(struct decode_worker *worker, struct page *page) {
    uint32_t count = worker->answer.count < page->wanted ? worker->answer.count : page->wanted;

    while (worker->count < WINDOW_ITEMS && page->entries + worker->count < count) {
        const struct get_entries_entry *next =
            &worker->answer.entries[page->entries + worker->count];
        add_item(
            worker, page,
            ct_entry_parse(next->leaf_input, next->extra_data, &worker->entries[worker->count]));
    }
    return true;
}
