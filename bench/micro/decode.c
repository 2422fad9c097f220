/* Pages of a generated log through the decoder, from submitting to coming back: a step is an entry.
 *
 *     decoder.tile           read, hashed into the tree, decoded, bound, matched against a million
 * names decoder.tile-no-tree   the same without the tree decoder.tile-no-names  the same with
 * nothing watched; so are gzip, feed-lite and feed-domains decoder.tile-json      a JSON record of
 * each entry, with all hashes, instead of matching
 *
 * "-cold": more pages than any cache holds. */
#include "bench/ctfarm/ctfarm_pages.h"
#include "bench/micro/micro.h"
#include "engine/base/text.h"
#include "engine/decode/decoder.h"
#include "engine/match/watch_list.h"
#include "engine/queue/wake.h"
#include "engine/x509/certificate.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    PAGE_ENTRIES = 256,
    WARM = 4,
    COLD = 128,
    COLD_TEXT = 48,
    UNDER_WAY = 8,
    MILLION = 1000 * 1000
};

enum form { TILE, GZIP_TILE, JSON, FULL, LITE, DOMAINS };

struct decode_case {
    enum form form;
    uint32_t pages, watched;
    bool no_tree;
    const char
        *records; /* fields of a record of each entry; "" for the usual ones; NULL: matching */
};

struct decoding {
    const struct decode_case *what;
    struct ct_source source;
    struct decoder *decoder;
    struct field_selection fields;
    struct encoding encoding;
    const struct encoding *outlets[1];
    struct mailbox back;
    struct wake wake;
    struct page *pages[COLD];
    uint32_t next, under_way;
    uint64_t decoded;
};

/* --- Pages --- */

static void add_entry(struct decoding *decoding, const struct ctfarm_entry *entry, uint64_t index,
                      struct buffer *out) {
    enum form form = decoding->what->form;
    struct ctfarm_feed_style style = {.url = "https://log.example.net/", .name = "Example log"};
    struct buffer extra;

    if (form == TILE || form == GZIP_TILE) {
        ctfarm_entry_add_tile(entry, out);
    } else if (form == JSON) {
        buffer_init(&extra);
        ctfarm_entry_add_extra(entry, &extra);
        buffer_add_text(out, index % PAGE_ENTRIES ? ",{\"leaf_input\":\""
                                                  : "{\"entries\":[{\"leaf_input\":\"");
        text_add_base64(out, ctfarm_entry_leaf(entry));
        buffer_add_text(out, "\",\"extra_data\":\"");
        text_add_base64(out, buffer_slice(&extra));
        buffer_add_text(out, (index + 1) % PAGE_ENTRIES ? "\"}" : "\"}]}");
        buffer_deinit(&extra);
    } else {
        uint32_t len = 0;
        size_t at = out->len;
        style.detail = form == FULL ? CTFARM_FULL : form == LITE ? CTFARM_LITE : CTFARM_DOMAINS;
        buffer_add(out, &len, sizeof len);
        if (!ctfarm_feed_add(entry, index, &style, out))
            abort();
        len = (uint32_t)(out->len - at - sizeof len);
        memcpy(out->ptr + at, &len, sizeof len);
    }
}

static void compress_body(struct buffer *body) {
    struct buffer out;

    buffer_init(&out);
    if (!ctfarm_gzip(buffer_slice(body), &out))
        abort();
    buffer_deinit(body);
    *body = out;
}

static struct page *make_page(struct decoding *decoding, const struct ctfarm_log *log,
                              struct ctfarm_entry *entry, uint32_t number) {
    static const enum page_kind kinds[] = {PAGE_TILE, PAGE_TILE, PAGE_GET_ENTRIES,
                                           PAGE_FEED, PAGE_FEED, PAGE_FEED};
    struct page *page = page_new(&decoding->source, kinds[decoding->what->form]);

    if (!page)
        abort();
    page->first = (uint64_t)number * PAGE_ENTRIES;
    page->wanted = PAGE_ENTRIES;
    page->back = &decoding->back;
    for (uint64_t i = page->first; i < page->first + PAGE_ENTRIES; i++) {
        ctfarm_entry_make(log, i, false, entry);
        add_entry(decoding, entry, i, &page->body);
    }
    page->gzip = decoding->what->form == GZIP_TILE;
    if (page->gzip)
        compress_body(&page->body);
    return page;
}

static void make_pages(struct decoding *decoding) {
    const struct ctfarm_config config = {
        .seed = 1,
        .entries = (uint64_t)decoding->what->pages * PAGE_ENTRIES,
        .first_ms = 1790000000000,
        .step_us = 10000,
    };
    struct ctfarm_entry *entry = ctfarm_entry_new();
    struct ctfarm_log *log;
    struct slice der;
    uint8_t sha256[CERTIFICATE_SHA256_BYTES];
    bool is_root;

    if (!entry || ctfarm_log_new(&log, &config, NULL))
        abort();
    for (uint32_t i = 0; (der = ctfarm_authority(log, i, &is_root)).len; i++) {
        certificate_sha256(der, sha256);
        decoder_add_issuer(decoding->decoder, sha256, der);
    }
    for (uint32_t i = 0; i < decoding->what->pages; i++)
        decoding->pages[i] = make_page(decoding, log, entry, i);
    ctfarm_log_free(log);
    ctfarm_entry_free(entry);
}

/* --- The decoder --- */

/* Domains that look like those of the log, and are not among them. */
static struct watch_list *make_watch_list(uint32_t count) {
    static const char *const words[] = {"amber", "birch", "cloud", "dental", "ember",  "forest",
                                        "green", "home",  "light", "market", "studio", "travel"};
    static const char *const ends[] = {"com", "com", "com", "net", "org", "de", "co.uk", "io"};
    struct watch_list_builder *builder = watch_list_builder_new();
    struct watch_list *list;
    char text[64];

    for (uint32_t i = 0; i < count; i++) {
        int len = snprintf(text, sizeof text, "%s%s-%x.%s", words[i % 12], words[i / 12 % 12], i,
                           ends[i / 144 % 8]);
        if (!builder ||
            watch_list_builder_add(builder, (struct slice){(uint8_t *)text, (size_t)len}, 0, NULL))
            abort();
    }
    list = watch_list_builder_finish(builder);
    if (!list)
        abort();
    return list;
}

static void wake_up(void *owner) {
    wake_signal(owner);
}

static void *open_decoding(const void *argument) {
    struct decoding *decoding = calloc(1, sizeof *decoding);
    const struct decode_case *what = argument;

    if (!decoding)
        abort();
    decoding->what = what;
    decoding->source = (struct ct_source){.name = slice_of("Example log"),
                                          .url = slice_of("https://log.example.net"),
                                          .has_log_id = true};
    struct decoder_config config = {
        .workers = 1,
        .capacity = 2 * UNDER_WAY,
        .hash_tree = !what->no_tree,
        .every_entry = what->records != NULL,
        .outlets = decoding->outlets,
        .outlet_count = what->records != NULL,
    };
    if (what->records && field_selection_init(&decoding->fields, &ct_record_kind,
                                              *what->records ? what->records : NULL, NULL))
        abort();
    decoding->encoding = (struct encoding){.encoder = &json_encoder, .fields = &decoding->fields};
    decoding->outlets[0] = &decoding->encoding;
    mailbox_init(&decoding->back, wake_up, &decoding->wake);
    if (decoder_open(&decoding->decoder, &config, NULL))
        abort();
    if (what->watched)
        decoder_watch(decoding->decoder, make_watch_list(what->watched));
    make_pages(decoding);
    return decoding;
}

static void submit(struct decoding *decoding) {
    struct page *page = decoding->pages[decoding->next];

    decoding->next = (decoding->next + 1) % decoding->what->pages;
    if (!decoder_submit(decoding->decoder, page))
        abort();
    decoding->under_way++;
}

static void take_back(struct decoding *decoding, struct page *page) {
    if (page->result != PAGE_DECODED || page->entries != PAGE_ENTRIES || page->record_count)
        abort();
    batch_free(page->outputs[0]);
    page->outputs[0] = NULL;
    decoding->decoded += page->entries;
    decoding->under_way--;
}

/* As long as there is another page, the decoder has one before it. */
static void run_decoding(void *state, uint64_t times) {
    struct decoding *decoding = state;
    uint32_t most = decoding->what->pages < UNDER_WAY ? decoding->what->pages : UNDER_WAY;
    uint64_t submitted = 0;

    for (decoding->decoded = 0; decoding->decoded < times;) {
        uint32_t ticket = wake_ticket(&decoding->wake);
        for (; submitted < times && decoding->under_way < most; submitted += PAGE_ENTRIES)
            submit(decoding);
        struct mailbox_entry *entry = mailbox_take_all(&decoding->back);
        if (!entry)
            wake_wait(&decoding->wake, ticket, 1000);
        while (entry) {
            struct page *page = (struct page *)entry;
            entry = entry->next;
            take_back(decoding, page);
        }
    }
}

static void close_decoding(void *state) {
    struct decoding *decoding = state;

    for (uint32_t i = 0; i < decoding->what->pages; i++)
        page_free(decoding->pages[i]);
    decoder_close(decoding->decoder);
    mailbox_deinit(&decoding->back);
    if (decoding->what->records)
        field_selection_deinit(&decoding->fields);
    free(decoding);
}

/* --- The cases --- */

#define CASE(name, ...)                                                                            \
    {                                                                                              \
        "decoder." name, "an entry", open_decoding, run_decoding, close_decoding,                  \
            &(const struct decode_case) {                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const struct micro_case decode_cases[] = {
    CASE("tile", .form = TILE, .pages = WARM, .watched = MILLION),
    CASE("tile-cold", .form = TILE, .pages = COLD, .watched = MILLION),
    CASE("tile-no-tree", .form = TILE, .pages = WARM, .watched = MILLION, .no_tree = true),
    CASE("tile-no-names", .form = TILE, .pages = WARM),
    CASE("tile-gzip", .form = GZIP_TILE, .pages = COLD),
    CASE("tile-json", .form = TILE, .pages = WARM, .records = ""),
    CASE("tile-json-cold", .form = TILE, .pages = COLD, .records = ""),
    CASE("tile-json-names", .form = TILE, .pages = WARM, .records = "index,certificate.dns_names"),
    CASE("get-entries", .form = JSON, .pages = WARM, .watched = MILLION),
    CASE("get-entries-cold", .form = JSON, .pages = COLD_TEXT, .watched = MILLION),
    CASE("get-entries-json-cold", .form = JSON, .pages = COLD_TEXT, .records = ""),
    CASE("feed-full", .form = FULL, .pages = WARM, .watched = MILLION),
    CASE("feed-full-cold", .form = FULL, .pages = COLD_TEXT, .watched = MILLION),
    CASE("feed-full-json-cold", .form = FULL, .pages = COLD_TEXT, .records = ""),
    CASE("feed-lite-cold", .form = LITE, .pages = COLD_TEXT),
    CASE("feed-domains-cold", .form = DOMAINS, .pages = COLD),
    {0},
};
