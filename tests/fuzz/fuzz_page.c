/* Any bytes as a page of a log or a feed: it is decoded, or broken with nothing left of it, and
 * what comes out of it can be written and packed.
 *
 * An input is a byte for the kind of page, one for how many entries are wanted, one for those to
 * skip, and the body; messages of a feed are lines. */
#include "engine/decode/decoder.h"
#include "engine/match/watch_list.h"
#include "engine/queue/wake.h"
#include "engine/record/ct_record_pack.h"
#include "tests/fuzz/take.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIRST = 1000 };

static void require(bool holds) {
    if (!holds)
        abort();
}

/* --- Two decoders: of what is watched, and of every entry --- */

static struct wake wake;

static void wake_up(void *owner) {
    (void)owner;
    wake_signal(&wake);
}

static struct watch_list *watch(void) {
    static const char *const texts[] = {"com", "org", "net", "example.org", "192.0.2.0/24"};
    struct watch_list_builder *builder = watch_list_builder_new();

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        enum error error = watch_list_builder_add(builder, slice_of(texts[i]), 0, NULL);
        (void)error; /* some are refused */
    }
    return watch_list_builder_finish(builder);
}

static struct decoder *watching(void) {
    static struct decoder *decoder;

    if (!decoder) {
        struct decoder_config config = {.workers = 1, .capacity = 4, .hash_tree = true};
        require(decoder_open(&decoder, &config, NULL) == ERROR_NONE);
        decoder_watch(decoder, watch());
    }
    return decoder;
}

static struct decoder *writing(void) {
    static struct decoder *decoder;
    static struct field_selection fields;
    static struct encoding encoding;
    static const struct encoding *outlet = &encoding;

    if (!decoder) {
        require(field_selection_init(&fields, &ct_record_kind, NULL, NULL) == ERROR_NONE);
        encoding = (struct encoding){.encoder = &json_encoder, .fields = &fields};
        struct decoder_config config = {.workers = 1,
                                        .capacity = 4,
                                        .hash_tree = true,
                                        .every_entry = true,
                                        .outlets = &outlet,
                                        .outlet_count = 1};
        require(decoder_open(&decoder, &config, NULL) == ERROR_NONE);
    }
    return decoder;
}

static void decode(struct decoder *decoder, struct page *page) {
    struct mailbox back;

    mailbox_init(&back, wake_up, NULL);
    page->back = &back;
    do {
        require(decoder_submit(decoder, page));
        for (;;) {
            uint32_t ticket = wake_ticket(&wake);
            if (mailbox_take_all(&back))
                break;
            wake_wait(&wake, ticket, 1000);
        }
    } while (page->result == PAGE_WANTS_ISSUERS);
    mailbox_deinit(&back);
}

/* --- What comes out --- */

static void check_record(const struct ct_record *record) {
    struct buffer packed, again;

    buffer_init(&packed);
    buffer_init(&again);
    ct_record_pack(record, &packed);
    struct ct_record *unpacked = ct_record_unpack(buffer_slice(&packed));
    require(unpacked != NULL);
    ct_record_pack(unpacked, &again);
    require(slice_equal(buffer_slice(&packed), buffer_slice(&again)));
    record_put(&unpacked->head);
    buffer_deinit(&packed);
    buffer_deinit(&again);
}

static void check(const struct page *page) {
    require(page->result == PAGE_DECODED || page->result == PAGE_BROKEN);
    require(page->record_count <= page->entries);
    if (page->kind != PAGE_FEED)
        require(page->range.end == FIRST + page->entries && page->entries <= page->wanted);
    if (page->result == PAGE_BROKEN)
        require(page->entries == 0 && page->error[0] && !page->outputs[0]);
    for (uint32_t i = 0; i < page->record_count; i++)
        check_record(page->records[i]);
    require(!page->outputs[0] || page->outputs[0]->records == page->entries);
}

static void add_lines(struct slice body, struct page *page) {
    for (page->wanted = 0; body.len; page->wanted++) {
        const uint8_t *newline = memchr(body.ptr, '\n', body.len);
        struct slice line = slice_first(body, newline ? (size_t)(newline - body.ptr) : body.len);
        uint32_t len = (uint32_t)line.len;
        buffer_add(&page->body, &len, sizeof len);
        buffer_add_slice(&page->body, line);
        body = slice_from(body, line.len + 1);
    }
}

static void run(struct decoder *decoder, struct slice in) {
    static const struct ct_source source = {.url = {(const uint8_t *)"https://l", 9}};
    uint8_t kind = take_byte(&in);
    struct page *page = page_new(&source, (enum page_kind)(kind % 3));

    require(page != NULL);
    page->first = FIRST;
    page->gzip = kind & 4 && page->kind != PAGE_FEED;
    page->wanted = take_byte(&in);
    page->skip = take_byte(&in);
    if (page->kind == PAGE_FEED)
        add_lines(in, page);
    else
        buffer_add_slice(&page->body, in);
    decode(decoder, page);
    check(page);
    page_free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run(watching(), (struct slice){data, size});
    run(writing(), (struct slice){data, size});
    return 0;
}
