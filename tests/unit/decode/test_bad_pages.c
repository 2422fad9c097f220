/* Bytes that are no page, and pages of giants: what is broken leaves nothing, what is large is
 * bounded. */
#include "tests/unit/decode/fixture.h"

#include "engine/base/limits.h"

enum { ENTRIES = 64 };

static const struct ctfarm_config CONFIG = {LOG_CONFIG, .entries = ENTRIES, .odd = 6};

static struct page *tile_of(const struct ctfarm_log *log) {
    return page_of(log, &(struct page_plan){.form = FORM_TILE, .count = ENTRIES});
}

/* Nothing of a page is left. */
static void assert_broken(const struct page *page, const char *words) {
    assert_int_equal(page->result, PAGE_BROKEN);
    if (!strstr(page->error, words))
        fail_msg("\"%s\" does not say \"%s\"", page->error, words);
    assert_int_equal(page->entries + page->record_count + page->missing_count, 0);
    assert_int_equal(page->counts.malformed + page->counts.unbound + page->counts.names, 0);
    assert_int_equal(page->counts.certificates + page->counts.precertificates, 0);
    assert_int_equal(page->newest_ms, 0);
    assert_int_equal(page->range.count, 0);
    assert_null(page->outputs[0]);
}

/* --- What is no page --- */

static struct page *broken(struct decoding *decoding, struct page *page, const char *words) {
    decoding_run(decoding, page);
    assert_broken(page, words);
    return page;
}

static void test_cut_tiles(void **state) {
    static const char *const watched[] = {"co.uk"};
    struct ctfarm_log *log = log_new(&CONFIG);
    struct page *whole = tile_of(log);
    struct decoding decoding;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    decoding_add_issuers(&decoding, log);
    decoder_watch(decoding.decoder, watch_list_of(watched, 1));
    size_t step = whole->body.len / 97;
    for (size_t len = 0; len < whole->body.len; len += step) {
        struct page *page = page_empty(PAGE_TILE, 0, ENTRIES);
        buffer_add(&page->body, whole->body.ptr, len);
        page_free(broken(&decoding, page, "entry"));
    }
    page_free(whole);
    struct page *page = tile_of(log);
    page->wanted = ENTRIES + 1;
    page_free(broken(&decoding, page, "the tile ends before entry 64"));
    page = tile_of(log);
    page->skip = ENTRIES + 1;
    page_free(broken(&decoding, page, "the tile ends before entry 0"));
    page = tile_of(log); /* more than is wanted is cut off */
    page->wanted = 10;
    decoding_run(&decoding, page);
    assert_decoded(page);
    assert_int_equal(page->entries, 10);
    page_free(page);
    decoding_close(&decoding);
    ctfarm_log_free(log);
}

static void test_bad_answers(void **state) {
    static const char *const texts[] = {
        "",
        "{",
        "<html>",
        "{\"entries\":[]}",
        "{\"entries\":[{\"leaf_input\":\"A\",\"extra_data\":\"\"}]}",
        "{\"entries\":[{\"extra_data\":\"\"}]}",
        "[]",
    };
    struct ctfarm_log *log = log_new(&CONFIG);
    struct decoding decoding;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct page *page = page_empty(PAGE_GET_ENTRIES, 0, 10);
        buffer_add_text(&page->body, texts[i]);
        page_free(broken(&decoding, page, ""));
    }
    struct page *page = page_of(log, &(struct page_plan){.form = FORM_ANSWER, .count = ENTRIES});
    page->wanted = 7; /* more came than was asked for */
    decoding_run(&decoding, page);
    assert_decoded(page);
    assert_int_equal(page->entries, 7);
    page_free(page);
    page = page_of(log, &(struct page_plan){.form = FORM_ANSWER, .count = 7});
    page->wanted = 1000; /* and fewer, which is usual */
    decoding_run(&decoding, page);
    assert_decoded(page);
    assert_int_equal(page->entries, 7);
    page_free(page);
    decoding_close(&decoding);
    ctfarm_log_free(log);
}

/* A leaf that cannot be read is an entry of the tree all the same. */
static void test_strange_leaves(void **state) {
    static const char text[] = "{\"entries\":[{\"leaf_input\":\"AAE=\",\"extra_data\":\"\"},"
                               "{\"leaf_input\":\"/////w==\",\"extra_data\":\"AAAA\"},"
                               "{\"leaf_input\":\"\",\"extra_data\":\"\"}]}";
    struct decoding decoding;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    struct page *page = page_empty(PAGE_GET_ENTRIES, 20, 3);
    buffer_add_text(&page->body, text);
    decoding_run(&decoding, page);
    assert_decoded(page);
    assert_int_equal(page->entries, 3);
    assert_int_equal(page->range.end, 23);
    assert_int_equal(page->record_count, 3);
    assert_int_equal(page->counts.malformed, 3);
    assert_slice_equal(page->records[0]->entry, (struct slice){(const uint8_t *)"\0\1", 2});
    assert_int_equal(page->records[2]->verdict, CT_VERDICT_MALFORMED);
    page_free(page);
    decoding_close(&decoding);
}

/* --- Sizes --- */

static void test_gzip(void **state) {
    enum { BOMB_BYTES = LIMIT_CT_PAGE_BYTES + 1 };
    struct decoding decoding;
    struct buffer zeros, bomb;

    (void)state;
    buffer_init(&zeros);
    buffer_init(&bomb);
    assert_non_null(buffer_reserve(&zeros, BOMB_BYTES));
    memset(zeros.ptr, 0, BOMB_BYTES);
    zeros.len = BOMB_BYTES;
    assert_true(ctfarm_gzip(buffer_slice(&zeros), &bomb));
    buffer_deinit(&zeros);
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    struct page *page = page_empty(PAGE_TILE, 0, ENTRIES);
    page->gzip = true;
    buffer_add_slice(&page->body, buffer_slice(&bomb));
    page_free(broken(&decoding, page, "gzip: inflates to more than any page"));
    page = page_empty(PAGE_TILE, 0, ENTRIES);
    page->gzip = true;
    buffer_add(&page->body, bomb.ptr, bomb.len / 2);
    page_free(broken(&decoding, page, "gzip: cut off"));
    page = page_empty(PAGE_GET_ENTRIES, 0, ENTRIES);
    page->gzip = true;
    buffer_add_text(&page->body, "no gzip");
    page_free(broken(&decoding, page, "gzip: broken"));
    buffer_deinit(&bomb);
    decoding_close(&decoding);
}

static void add_number(struct buffer *out, uint64_t number, unsigned bytes) {
    while (bytes-- > 0)
        buffer_add_byte(out, (uint8_t)(number >> (8 * bytes)));
}

/* An entry of a tile: what stands in it is the caller's. */
static void add_tile_entry(struct buffer *out, struct slice certificate, uint32_t fingerprints) {
    add_number(out, 1790000000000, 8);
    add_number(out, 0, 2); /* x509_entry */
    add_number(out, certificate.len, 3);
    buffer_add_slice(out, certificate);
    add_number(out, 0, 2);
    add_number(out, fingerprints * 32ull, 2);
    for (uint32_t i = 0; i < fingerprints; i++) {
        uint8_t sha256[32] = {(uint8_t)i, (uint8_t)(i >> 8), 0xab};
        buffer_add(out, sha256, sizeof sha256);
    }
}

static void wrap(struct buffer *out, size_t start, uint8_t tag) {
    struct buffer whole;

    buffer_init(&whole);
    buffer_add_byte(&whole, tag);
    buffer_add_byte(&whole, 0x83);
    add_number(&whole, out->len - start, 3);
    buffer_add(&whole, out->ptr + start, out->len - start);
    out->len = start;
    buffer_add_slice(out, buffer_slice(&whole));
    buffer_deinit(&whole);
}

/* A certificate with so many names in its SAN, of which the last is watched. */
static struct buffer giant(uint32_t names, size_t padding) {
    static const uint8_t before[] = {
        0xa0, 3,    2,   1,    2,   2,   1,   5,    0x30, 0,    0x30, 0,   0x30, 0x1e, 0x17,
        0x0d, '2',  '6', '0',  '1', '0', '1', '0',  '0',  '0',  '0',  '0', '0',  'Z',  0x17,
        0x0d, '2',  '6', '0',  '2', '0', '1', '0',  '0',  '0',  '0',  '0', '0',  'Z',  0x30,
        0,    0x30, 9,   0x30, 5,   6,   3,   0x2b, 0x65, 0x70, 3,    0};
    struct buffer out;

    buffer_init(&out);
    for (uint32_t i = 0; i + 1 < names; i++)
        buffer_add(&out, "\x82\x03x.y", 5);
    buffer_add(&out, "\x82\x0bwww.example", 13);
    wrap(&out, 0, 0x30);
    wrap(&out, 0, 0x04);
    struct buffer extension;
    buffer_init(&extension);
    buffer_add(&extension, "\x06\x03\x55\x1d\x11", 5);
    buffer_add_slice(&extension, buffer_slice(&out));
    wrap(&extension, 0, 0x30);
    wrap(&extension, 0, 0x30);
    wrap(&extension, 0, 0xa3);
    out.len = 0;
    buffer_add(&out, before, sizeof before);
    buffer_add_slice(&out, buffer_slice(&extension));
    wrap(&out, 0, 0x30);
    buffer_add(&out, "\x30\x00", 2);
    size_t signature = out.len;
    buffer_add_byte(&out, 0);
    for (size_t i = 0; i < padding; i++)
        buffer_add_byte(&out, 1);
    wrap(&out, signature, 0x03);
    wrap(&out, 0, 0x30);
    buffer_deinit(&extension);
    return out;
}

/* Names beyond those that are listed are matched; a page of giants has more than are matched at
 * once. */
static void test_giants(void **state) {
    static const char *const watched[] = {"www.example"};
    enum { GIANTS = 40, NAMES = 19000, LARGEST = LIMIT_CERTIFICATE_BYTES };
    struct buffer many = giant(NAMES, 0), large = giant(4096, 75000), too_large = giant(1, LARGEST);
    struct decoding decoding;

    (void)state;
    assert_true(many.len <= LARGEST && large.len > 90000 && large.len <= LARGEST);
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    decoder_watch(decoding.decoder, watch_list_of(watched, 1));
    struct page *page = page_empty(PAGE_TILE, 0, GIANTS + 2);
    for (uint32_t i = 0; i < GIANTS; i++)
        add_tile_entry(&page->body, buffer_slice(&many), 0);
    add_tile_entry(&page->body, buffer_slice(&large), 0);
    add_tile_entry(&page->body, buffer_slice(&too_large), 2000);
    decoding_run(&decoding, page);
    assert_int_equal(page->result, PAGE_WANTS_ISSUERS);
    assert_int_equal(page->missing_count, LIMIT_CHAIN_CERTIFICATES);
    decoding_run(&decoding, page);
    assert_decoded(page);
    assert_int_equal(page->counts.names, GIANTS * NAMES + 4096);
    assert_int_equal(page->record_count, GIANTS + 2);
    for (uint32_t i = 0; i <= GIANTS; i++) {
        const struct ct_record *record = page->records[i];
        assert_int_equal(record->index, i);
        assert_int_equal(record->matched_names.count, 1);
        assert_text(record->matched_names.items[0], "www.example");
        assert_int_equal(record->certificate.dns_names.count, LIMIT_CERTIFICATE_NAMES);
        assert_int_equal(record->certificate.names_total, i < GIANTS ? NAMES : 4096);
        assert_sha256(record->certificate.fingerprint_sha256,
                      buffer_slice(i < GIANTS ? &many : &large));
    }
    const struct ct_record *last = page->records[GIANTS + 1];
    assert_int_equal(last->verdict, CT_VERDICT_MALFORMED);
    assert_text(last->error, "certificate is too large");
    assert_true(last->entry.len > too_large.len);
    assert_int_equal(last->chain_count, LIMIT_CHAIN_CERTIFICATES);
    page_free(page);
    decoding_close(&decoding);
    buffer_deinit(&many);
    buffer_deinit(&large);
    buffer_deinit(&too_large);
}

/* All names of a certificate match, and each many entries: what is listed has an end. */
static void test_many_matches(void **state) {
    enum { WATCHED = 3000 };
    struct watch_list_builder *builder = watch_list_builder_new();
    struct page *page = page_empty(PAGE_FEED, 0, 0);
    struct decoding decoding;
    struct buffer text;

    (void)state;
    buffer_init(&text);
    buffer_add_text(&text, "{\"message_type\":\"dns_entries\",\"data\":[\"example.org\"");
    for (uint32_t i = 0; i < WATCHED; i++) {
        char name[64];
        int len = snprintf(name, sizeof name, "n%u.example.org", i);
        assert_int_equal(
            watch_list_builder_add(builder, (struct slice){(uint8_t *)name, (size_t)len}, i, NULL),
            0);
        buffer_add_format(&text, ",\"n%u.example.org\",\"?.n%u.example.org\"", i, i);
    }
    buffer_add_text(&text, "]}");
    add_message(buffer_slice(&text), page);
    buffer_deinit(&text);
    decoding_open(&decoding, (struct decoder_config){0});
    decoder_watch(decoding.decoder, watch_list_builder_finish(builder));
    decoding_run(&decoding, page);
    assert_decoded(page);
    assert_int_equal(page->record_count, 1);
    assert_int_equal(page->records[0]->matched_names.count, LIMIT_CT_MATCHES);
    assert_int_equal(page->records[0]->matched_entries.count, LIMIT_CT_MATCHES);
    assert_text(page->records[0]->matched_entries.items[0], "n0.example.org");
    assert_text(page->records[0]->matched_names.items[1], "?.n0.example.org");
    page_free(page);
    decoding_close(&decoding);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_tiles),      cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_strange_leaves), cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_giants),         cmocka_unit_test(test_many_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
