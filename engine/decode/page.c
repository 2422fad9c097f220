#include "engine/decode/page.h"

#include <stdlib.h>

struct page *page_new(const struct ct_source *source, enum page_kind kind) {
    struct page *page = calloc(1, sizeof *page);

    if (!page)
        return NULL;
    page->source = source;
    page->kind = kind;
    buffer_init(&page->body);
    return page;
}

void page_forget(struct page *page) {
    for (uint32_t i = 0; i < page->record_count; i++)
        record_put(&page->records[i]->head);
    for (uint32_t i = 0; i < PAGE_OUTLETS_MAX; i++) {
        batch_free(page->outputs[i]);
        page->outputs[i] = NULL;
    }
    memset(&page->counts, 0, sizeof page->counts);
    arena_reset(&page->memory);
    page->error[0] = 0;
    page->entries = page->record_count = page->missing_count = page->feed_index_count = 0;
    page->missing = NULL;
    page->feed_indices = NULL;
    page->newest_ms = 0;
    ct_range_init(&page->range, page->kind == PAGE_FEED ? 0 : page->first);
}

void page_free(struct page *page) {
    if (!page)
        return;
    page_forget(page);
    free(page->records);
    buffer_deinit(&page->body);
    arena_deinit(&page->memory);
    free(page);
}

bool page_add_record(struct page *page, struct ct_record *record) {
    if (page->record_count == page->record_capacity) {
        uint32_t capacity = page->record_capacity ? page->record_capacity * 2 : 16;
        struct ct_record **grown = realloc(page->records, capacity * sizeof *grown);
        if (!grown) {
            record_put(&record->head);
            return false;
        }
        page->records = grown;
        page->record_capacity = capacity;
    }
    page->records[page->record_count++] = record;
    return true;
}
