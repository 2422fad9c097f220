/* Any bytes as a page of results, the first of them the number of renderings. What is read lies
 * within one page and within the message, and survives being written and read again. */
#include "tests/fuzz/take.h"
#include "tools/fleet/page.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_target(const struct page_target *target, uint32_t renderings,
                         struct slice message) {
    assert(target->fate < PAGE_FATES && target->outcome < OUTCOME_COUNT &&
           target->status < STATUS_COUNT);
    for (uint32_t i = 0; i < renderings; i++) {
        struct slice bytes = target->renderings[i].bytes;
        assert(!bytes.len ||
               (bytes.ptr >= message.ptr && bytes.ptr + bytes.len <= message.ptr + message.len));
        assert(target->renderings[i].records || !bytes.len);
    }
}

static void check_again(const struct page_message *page, uint32_t renderings) {
    struct page_message *again = malloc(sizeof *again);
    size_t most = PAGE_HEAD_BYTES_MAX;
    struct buffer message;
    char worker[PAGE_WORKER_BYTES] = "";

    assert(again);
    buffer_init(&message);
    if (page->worker.len && !memchr(page->worker.ptr, 0, page->worker.len))
        memcpy(worker, page->worker.ptr, page->worker.len);
    for (uint32_t i = 0; i < page->span.count; i++)
        most += page_target_bytes_max(&page->targets[i], renderings);
    page_write(worker, page->span, page->targets, renderings, &message);
    assert(!message.failed && message.len <= most);
    enum error error = page_read(again, buffer_slice(&message), renderings, NULL);
    assert(!error && slice_is(again->worker, worker));
    assert(again->span.first == page->span.first && again->span.count == page->span.count &&
           again->span.page_count == page->span.page_count);
    for (uint32_t i = 0; i < page->span.count; i++)
        for (uint32_t j = 0; j < renderings; j++)
            assert(slice_equal(again->targets[i].renderings[j].bytes,
                               page->targets[i].renderings[j].bytes));
    buffer_deinit(&message);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice message = {data, size};
    struct failure failure = {0};
    struct page_message *page = malloc(sizeof *page);

    assert(page);
    uint32_t renderings = take_byte(&message) % (JOB_RENDERINGS_MAX + 1);
    if (page_read(page, message, renderings, &failure)) {
        assert(failure.text[0]);
    } else {
        struct page_span span = page->span;
        assert(span.count && page_of(span.first) == page_of(span.first + span.count - 1));
        for (uint32_t i = 0; i < span.count; i++)
            check_target(&page->targets[i], renderings, message);
        check_again(page, renderings);
    }
    free(page);
    return 0;
}
