#include "engine/decode/worker.h"

#include "engine/base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WINDOW_MEMORY_BYTES = 1 << 20,
    RECORD_MEMORY_BYTES = 1 << 17,
    KEPT_BYTES = 16 << 20, /* of what a page took, for the next one */
};

bool worker_init(struct decode_worker *worker, struct decoder *decoder) {
    worker->decoder = decoder;
    buffer_init(&worker->inflated);
    buffer_init(&worker->text);
    match_names_init(&worker->names);
    watch_hits_init(&worker->hits);
    lookalike_hits_init(&worker->lookalike_hits);
    return arena_init(&worker->window_memory, WINDOW_MEMORY_BYTES) &&
           arena_init(&worker->record_memory, RECORD_MEMORY_BYTES);
}

void worker_deinit(struct decode_worker *worker) {
    arena_deinit(&worker->page_memory);
    arena_deinit(&worker->window_memory);
    arena_deinit(&worker->record_memory);
    buffer_deinit(&worker->inflated);
    buffer_deinit(&worker->text);
    match_names_deinit(&worker->names);
    watch_hits_deinit(&worker->hits);
    lookalike_hits_deinit(&worker->lookalike_hits);
    watch_reader_deinit(&worker->watched);
}

bool page_is_broken(struct page *page, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(page->error, sizeof page->error, format, arguments);
    va_end(arguments);
    return false;
}

bool worker_has_memory(const struct decode_worker *worker) {
    return !worker->page_memory.failed && !worker->window_memory.failed &&
           !worker->record_memory.failed && !worker->text.failed && !worker->names.failed &&
           !worker->hits.failed && !worker->lookalike_hits.failed;
}

/* What was missing once need not be missing for the next page. */
static void forget_failures(struct decode_worker *worker) {
    arena_reset(&worker->page_memory);
    arena_reset(&worker->window_memory);
    arena_reset(&worker->record_memory);
    worker->text.failed = worker->inflated.failed = false;
    match_names_clear(&worker->names);
    worker->hits.count = worker->lookalike_hits.count = 0;
    worker->hits.failed = worker->lookalike_hits.failed = false;
}

/* --- The ways to read a page --- */

static const struct {
    bool (*begin)(struct decode_worker *worker, struct page *page);
    bool (*next)(struct decode_worker *worker, struct page *page);
} READERS[] = {
    [PAGE_TILE] = {read_tile_begin, read_tile_next},
    [PAGE_GET_ENTRIES] = {read_answer_begin, read_answer_next},
    [PAGE_FEED] = {read_feed_begin, read_feed_next},
};

static bool decode_window(struct decode_worker *worker, struct page *page) {
    bool hashes = page->kind != PAGE_FEED && worker->decoder->config.hash_tree;

    if (hashes && !window_hash(worker, page))
        return false;
    for (worker->run_start = 0; worker->run_start < worker->count;
         worker->run_start = worker->run_end)
        if (!run_examine(worker, page) || !run_record(worker, page) || !worker_has_memory(worker))
            return page_is_broken(page, "no memory");
    return true;
}

/* False: it is broken. */
static bool decode_windows(struct decode_worker *worker, struct page *page) {
    if (!READERS[page->kind].begin(worker, page))
        return false;
    for (;;) {
        worker->count = 0;
        if (!READERS[page->kind].next(worker, page))
            return false;
        if (worker->count == 0)
            return worker_has_memory(worker) || page_is_broken(page, "no memory");
        if (!decode_window(worker, page))
            return false;
        page->entries += worker->count;
        arena_reset(&worker->window_memory);
    }
}

/* Nothing of a broken page is left. */
static enum page_result decode(struct decode_worker *worker, struct page *page) {
    char error[sizeof page->error];

    if (!decode_windows(worker, page)) {
        memcpy(error, page->error, sizeof error);
        page_forget(page);
        memcpy(page->error, error, sizeof error);
        return PAGE_BROKEN;
    }
    if (page->missing_count == 0)
        return PAGE_DECODED;
    page->asked_for_issuers = true;
    return PAGE_WANTS_ISSUERS;
}

/* --- Counting --- */

static void count(uint64_t *counter, uint64_t more) {
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

static void count_page(struct worker_counts *counts, const struct page *page) {
    count(&counts->pages, 1);
    count(&counts->bytes, page->body.len);
    count(&counts->entries, page->entries);
    count(&counts->certificates, page->counts.certificates);
    count(&counts->precertificates, page->counts.precertificates);
    count(&counts->malformed, page->counts.malformed);
    count(&counts->unbound, page->counts.unbound);
    count(&counts->misplaced, page->counts.misplaced);
    count(&counts->names, page->counts.names);
    count(&counts->matched, page->counts.matched);
    count(&counts->heartbeats, page->counts.heartbeats);
}

/* One page of a giant does not keep its memory for ever. */
static void let_go(struct decode_worker *worker, size_t taken) {
    if (worker->inflated.capacity > KEPT_BYTES)
        buffer_deinit(&worker->inflated);
    if (taken > KEPT_BYTES)
        arena_deinit(&worker->page_memory);
}

void worker_decode(struct decode_worker *worker, struct page *page) {
    page_forget(page);
    worker->watch_list = watch_reader_list(&worker->watched, worker->decoder->watched);
    worker->now_ms = clock_unix_ms();
    worker->link = (struct slice){NULL, 0};
    page->result = decode(worker, page);
    if (page->result == PAGE_DECODED)
        count_page(&worker->counts, page);
    forget_failures(worker);
    let_go(worker, page->body.len);
}
