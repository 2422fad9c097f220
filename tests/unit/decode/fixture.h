/* A log of the CT farm as pages of every kind, and a decoder to give them to. The farm has its own
 * encoder, hashes and tree, so that what the decoder finds can be held to what was put in. */
#ifndef TESTS_UNIT_DECODE_FIXTURE_H
#define TESTS_UNIT_DECODE_FIXTURE_H

#include "bench/ctfarm/ctfarm_entry.h"
#include "bench/ctfarm/ctfarm_pages.h"
#include "engine/base/text.h"
#include "engine/decode/decoder.h"
#include "engine/match/watch_list.h"
#include "engine/queue/wake.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

enum { FOREVER_MS = 1000 * 1000 };

/* --- Logs --- */

#define LOG_CONFIG .seed = 7, .first_ms = 1790000000000, .step_us = 10000

static inline struct ctfarm_log *log_new(const struct ctfarm_config *config) {
    struct ctfarm_log *log;
    struct failure failure = {0};

    if (ctfarm_log_new(&log, config, &failure))
        fail_msg("%s", failure.text);
    return log;
}

static inline struct ctfarm_entry *entry_new(void) {
    struct ctfarm_entry *entry = ctfarm_entry_new();
    assert_non_null(entry);
    return entry;
}

/* --- Pages --- */

static const struct ct_source SOURCE = {
    .number = 3,
    .name = {(const uint8_t *)"Example 'Oak' log", 17},
    .url = {(const uint8_t *)"https://oak.example.net/2026", 28},
    .has_log_id = true,
    .log_id = {1, 2, 3},
};

enum form { FORM_TILE, FORM_GZIP, FORM_ANSWER, FORM_FEED };

struct page_plan {
    enum form form;
    uint64_t first;
    uint32_t count, skip;           /* skip: of a tile, entries before `first` that it has too */
    struct ctfarm_feed_style style; /* of a feed */
    uint32_t heartbeats;            /* after so many messages one; 0: none */
};

static inline void add_answer_entry(const struct ctfarm_entry *entry, bool is_first,
                                    struct buffer *out) {
    struct buffer extra;

    buffer_init(&extra);
    ctfarm_entry_add_extra(entry, &extra);
    buffer_add_text(out, is_first ? "{\"leaf_input\":\"" : ",{\"leaf_input\":\"");
    text_add_base64(out, ctfarm_entry_leaf(entry));
    buffer_add_text(out, "\",\"extra_data\":\"");
    text_add_base64(out, buffer_slice(&extra));
    buffer_add_text(out, "\"}");
    buffer_deinit(&extra);
}

static inline void add_message(struct slice text, struct page *page) {
    uint32_t len = (uint32_t)text.len;

    buffer_add(&page->body, &len, sizeof len);
    buffer_add_slice(&page->body, text);
    page->wanted++;
}

static inline void add_feed_entry(const struct ctfarm_entry *entry, uint64_t index,
                                  const struct page_plan *plan, struct page *page) {
    struct buffer text;

    buffer_init(&text);
    if (ctfarm_feed_add(entry, index, &plan->style, &text))
        add_message(buffer_slice(&text), page);
    text.len = 0;
    ctfarm_feed_add_heartbeat(plan->style.dialect, 1790000000000, &text);
    if (plan->heartbeats && index % plan->heartbeats == 0)
        add_message(buffer_slice(&text), page);
    buffer_deinit(&text);
}

static inline struct page *page_empty(enum page_kind kind, uint64_t first, uint32_t wanted) {
    struct page *page = page_new(&SOURCE, kind);

    assert_non_null(page);
    page->first = first;
    page->wanted = wanted;
    page->received_ms = 1790000999000;
    return page;
}

static inline struct page *page_of(const struct ctfarm_log *log, const struct page_plan *plan) {
    static const enum page_kind kinds[] = {PAGE_TILE, PAGE_TILE, PAGE_GET_ENTRIES, PAGE_FEED};
    bool is_feed = plan->form == FORM_FEED, is_answer = plan->form == FORM_ANSWER;
    struct page *page = page_empty(kinds[plan->form], plan->first, is_feed ? 0 : plan->count);
    struct ctfarm_entry *entry = entry_new();
    struct buffer gzipped;

    page->skip = plan->skip;
    if (is_answer)
        buffer_add_text(&page->body, "{\"entries\":[");
    for (uint64_t i = plan->first - plan->skip; i < plan->first + plan->count; i++) {
        ctfarm_entry_make(log, i, false, entry);
        if (is_feed)
            add_feed_entry(entry, i, plan, page);
        else if (is_answer)
            add_answer_entry(entry, i == plan->first, &page->body);
        else
            ctfarm_entry_add_tile(entry, &page->body);
    }
    if (is_answer)
        buffer_add_text(&page->body, "]}");
    if (plan->form == FORM_GZIP) {
        buffer_init(&gzipped);
        assert_true(ctfarm_gzip(buffer_slice(&page->body), &gzipped));
        buffer_deinit(&page->body);
        page->body = gzipped;
        page->gzip = true;
    }
    ctfarm_entry_free(entry);
    return page;
}

/* --- The decoder --- */

struct decoding {
    struct decoder *decoder;
    struct mailbox back;
    struct wake wake;
};

static inline void decoding_wake(void *owner) {
    wake_signal(&((struct decoding *)owner)->wake);
}

static inline void decoding_open(struct decoding *decoding, struct decoder_config config) {
    struct failure failure = {0};

    *decoding = (struct decoding){0};
    mailbox_init(&decoding->back, decoding_wake, decoding);
    if (!config.workers)
        config.workers = 1;
    config.capacity = 64;
    if (decoder_open(&decoding->decoder, &config, &failure))
        fail_msg("%s", failure.text);
}

static inline void decoding_close(struct decoding *decoding) {
    decoder_close(decoding->decoder);
}

static inline void decoding_submit(struct decoding *decoding, struct page *page) {
    page->back = &decoding->back;
    assert_true(decoder_submit(decoding->decoder, page));
}

/* The pages that came back, one at least. */
static inline struct page *decoding_take(struct decoding *decoding) {
    for (;;) {
        uint32_t ticket = wake_ticket(&decoding->wake);
        struct mailbox_entry *entry = mailbox_take_all(&decoding->back);
        if (entry)
            return (struct page *)entry;
        wake_wait(&decoding->wake, ticket, FOREVER_MS);
    }
}

static inline struct page *decoding_run(struct decoding *decoding, struct page *page) {
    decoding_submit(decoding, page);
    assert_ptr_equal(decoding_take(decoding), page);
    return page;
}

/* The farm's authorities, as a log's issuers. */
static inline void decoding_add_issuers(struct decoding *decoding, const struct ctfarm_log *log) {
    bool is_root;
    struct slice der;
    uint8_t sha256[SHA256_DIGEST_LENGTH];

    for (uint32_t i = 0; (der = ctfarm_authority(log, i, &is_root)).len; i++) {
        SHA256(der.ptr, der.len, sha256);
        assert_true(decoder_add_issuer(decoding->decoder, sha256, der));
    }
}

/* `names` one behind another, with terminators. */
static inline struct watch_list *watch_list_of(const char *const *names, size_t count) {
    struct watch_list_builder *builder = watch_list_builder_new();
    struct failure failure = {0};

    assert_non_null(builder);
    for (size_t i = 0; i < count; i++)
        if (watch_list_builder_add(builder, slice_of(names[i]), 0, &failure))
            fail_msg("%s: %s", names[i], failure.text);
    struct watch_list *list = watch_list_builder_finish(builder);
    assert_non_null(list);
    return list;
}

static inline void assert_decoded(const struct page *page) {
    if (page->result != PAGE_DECODED)
        fail_msg("result %d: %s", page->result, page->error);
}

#define assert_text(slice, text) assert_slice_equal((slice), slice_of(text))
/* Says where they differ: they may be long. */
static inline void assert_slice_equal(struct slice a, struct slice b) {
    enum { BEFORE = 60, SHOWN = 120 };
    size_t at = 0;

    while (at < a.len && at < b.len && a.ptr[at] == b.ptr[at])
        at++;
    if (at == a.len && at == b.len)
        return;
    at -= at < BEFORE ? at : BEFORE;
    a = slice_first(slice_from(a, at), SHOWN);
    b = slice_first(slice_from(b, at), SHOWN);
    fail_msg("\"%.*s\" is not \"%.*s\"", (int)a.len, a.ptr ? (const char *)a.ptr : "", (int)b.len,
             b.ptr ? (const char *)b.ptr : "");
}

static inline void assert_sha256(const uint8_t hash[SHA256_DIGEST_LENGTH], struct slice bytes) {
    uint8_t wanted[SHA256_DIGEST_LENGTH];

    SHA256(bytes.ptr, bytes.len, wanted);
    assert_memory_equal(hash, wanted, sizeof wanted);
}

#endif
