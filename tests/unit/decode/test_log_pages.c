/* What is particular about pages of logs: issuers that are not known yet, precertificates that are
 * not what was logged, indices; and what matches. */
#include "tests/unit/decode/fixture.h"

#include "engine/match/lookalike.h"

enum { ENTRIES = 64 };

static const struct ctfarm_config CONFIG = {LOG_CONFIG, .entries = ENTRIES, .odd = 6};

/* Watches the domains of an entry. */
static void watch_entry(struct decoding *decoding, const struct ctfarm_log *log, uint64_t index) {
    struct watch_list_builder *builder = watch_list_builder_new();
    struct ctfarm_entry *entry = entry_new();

    assert_non_null(builder);
    ctfarm_entry_make(log, index, false, entry);
    struct slice name = entry->issuance.names[0];
    if (name.ptr[0] == '*')
        name = slice_from(name, 2);
    assert_int_equal(watch_list_builder_add(builder, name, 0, NULL), 0);
    decoder_watch(decoding->decoder, watch_list_builder_finish(builder));
    ctfarm_entry_free(entry);
}

static const struct ct_record *record_of(const struct page *page, uint64_t index) {
    for (uint32_t i = 0; i < page->record_count; i++)
        if (page->records[i]->index == index)
            return page->records[i];
    fail_msg("entry %llu has no record", (unsigned long long)index);
    return NULL;
}

static struct page *tile_of(const struct ctfarm_log *log) {
    return page_of(log, &(struct page_plan){.form = FORM_TILE, .count = ENTRIES});
}

/* --- Issuers that are not known yet --- */

static void test_issuers_are_asked_for(void **state) {
    struct ctfarm_log *log = log_new(&CONFIG);
    struct ctfarm_entry *entry = entry_new();
    struct decoder_statistics statistics;
    struct decoding decoding;

    (void)state;
    ctfarm_entry_make(log, 5, false, entry);
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    watch_entry(&decoding, log, 5);
    struct page *page = decoding_run(&decoding, tile_of(log));
    assert_int_equal(page->result, PAGE_WANTS_ISSUERS);
    assert_int_equal(page->record_count, 0);
    assert_true(page->missing_count >= entry->chain_count); /* malformed ones have issuers, too */
    decoder_statistics(decoding.decoder, &statistics);
    assert_int_equal(statistics.pages + statistics.entries + statistics.malformed, 0);

    /* One is to be had, the others are not. */
    struct slice wrong = entry->chain[1]->certificate;
    assert_false(decoder_add_issuer(decoding.decoder, entry->chain[0]->fingerprint, wrong));
    assert_true(decoder_add_issuer(decoding.decoder, entry->chain[0]->fingerprint,
                                   entry->chain[0]->certificate));
    for (uint32_t i = 0; i < page->missing_count; i++)
        if (memcmp(page->missing[i], entry->chain[0]->fingerprint, 32) != 0)
            decoder_no_issuer(decoding.decoder, page->missing[i]);
    decoding_run(&decoding, page);
    assert_decoded(page);
    const struct ct_record *record = record_of(page, 5);
    assert_int_equal(record->chain_count, entry->chain_count);
    assert_slice_equal(record->chain[0].der, entry->chain[0]->certificate);
    assert_true(record->chain[0].subject.len && record->chain[0].readable);
    assert_int_equal(record->chain[1].der.len, 0);
    assert_memory_equal(record->chain[1].fingerprint_sha256, entry->chain[1]->fingerprint, 32);
    decoder_statistics(decoding.decoder, &statistics);
    assert_int_equal(statistics.pages, 1);
    assert_int_equal(statistics.entries, ENTRIES);
    assert_int_equal(statistics.malformed, page->counts.malformed);
    uint32_t names = page->counts.names;
    page_free(page);

    /* The next page asks for nothing, and counts the same. */
    page = decoding_run(&decoding, tile_of(log));
    assert_decoded(page);
    assert_int_equal(page->counts.names, names);
    page_free(page);
    decoding_close(&decoding);
    ctfarm_entry_free(entry);
    ctfarm_log_free(log);
}

/* It goes on without those that nobody answered for. */
static void test_asked_once(void **state) {
    struct ctfarm_log *log = log_new(&CONFIG);
    struct decoding decoding;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    watch_entry(&decoding, log, 5);
    struct page *page = decoding_run(&decoding, tile_of(log));
    assert_int_equal(page->result, PAGE_WANTS_ISSUERS);
    decoding_run(&decoding, page);
    assert_decoded(page);
    assert_int_equal(record_of(page, 5)->chain[0].der.len, 0);
    page_free(page);
    page = decoding_run(&decoding, tile_of(log)); /* dropped while it waits */
    assert_int_equal(page->result, PAGE_WANTS_ISSUERS);
    page_free(page);
    decoding_close(&decoding);
    ctfarm_log_free(log);
}

/* Records are whole without the page, and without what the worker had. */
static void test_records_outlive_pages(void **state) {
    static const char *const watched[] = {"co.uk"};
    struct ctfarm_log *log = log_new(&CONFIG);
    struct ctfarm_entry *entry = entry_new();
    struct decoding decoding;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    decoder_watch(decoding.decoder, watch_list_of(watched, 1));
    decoding_add_issuers(&decoding, log);
    struct page *page = decoding_run(&decoding, tile_of(log));
    assert_decoded(page);
    assert_true(page->record_count > 3);
    uint32_t count = page->record_count;
    struct ct_record *records[ENTRIES];
    for (uint32_t i = 0; i < count; i++) {
        records[i] = page->records[i];
        record_get(&records[i]->head);
    }
    memset(page->body.ptr, 0xee, page->body.len);
    page_free(page);
    page = decoding_run(&decoding,
                        page_of(log, &(struct page_plan){.form = FORM_ANSWER, .count = ENTRIES}));
    page_free(page);
    for (uint32_t i = 0; i < count; i++) {
        ctfarm_entry_make(log, records[i]->index, false, entry);
        if (records[i]->has_fingerprint)
            assert_slice_equal(records[i]->certificate.der, entry->certificate);
        if (records[i]->has_certificate && entry->issuance.kind != CTFARM_NO_SAN)
            assert_slice_equal(records[i]->certificate.dns_names.items[0],
                               entry->issuance.names[0]);
        record_put(&records[i]->head);
    }
    decoding_close(&decoding);
    ctfarm_entry_free(entry);
    ctfarm_log_free(log);
}

/* --- Bound to what was logged --- */

/* An entry by the authority whose precertificates have another issuer. */
static const struct ctfarm_wish SIGNED = {.index = 5,
                                          .precert = true,
                                          .partner = CTFARM_NO_PARTNER,
                                          .names = "www.example.org",
                                          .ca = CTFARM_ORCHARD,
                                          .same_key = CTFARM_NO_PARTNER};

static struct page *page_with_chain(const struct ctfarm_log *log, bool is_tile,
                                    const struct ctfarm_ca *issuer) {
    struct page *page = page_empty(is_tile ? PAGE_TILE : PAGE_GET_ENTRIES, 5, 1);
    struct ctfarm_entry *entry = entry_new();

    ctfarm_entry_make(log, 5, false, entry);
    if (issuer)
        entry->chain[0] = issuer;
    if (is_tile) {
        ctfarm_entry_add_tile(entry, &page->body);
    } else {
        buffer_add_text(&page->body, "{\"entries\":[");
        add_answer_entry(entry, true, &page->body);
        buffer_add_text(&page->body, "]}");
    }
    ctfarm_entry_free(entry);
    return page;
}

/* Another issuer than the logged one is right only behind a precertificate signing certificate. */
static void check_signer(bool is_tile) {
    const struct ctfarm_config config = {LOG_CONFIG, .entries = ENTRIES, .wishes = &SIGNED,
                                         .wish_count = 1};
    static const char *const watched[] = {"example.org"};
    struct ctfarm_log *log = log_new(&config);
    struct ctfarm_entry *entry = entry_new();
    struct decoding decoding;

    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    decoder_watch(decoding.decoder, watch_list_of(watched, 1));
    decoding_add_issuers(&decoding, log);
    ctfarm_entry_make(log, 5, false, entry);
    struct page *page = decoding_run(&decoding, page_with_chain(log, is_tile, NULL));
    assert_decoded(page);
    assert_true(record_of(page, 5)->has_fingerprint);
    assert_int_equal(page->counts.unbound, 0);
    page_free(page);

    /* The same with the authority itself in place of its signer. */
    page = decoding_run(&decoding, page_with_chain(log, is_tile, entry->chain[1]));
    assert_decoded(page);
    const struct ct_record *record = record_of(page, 5);
    assert_int_equal(page->counts.unbound, 1);
    assert_false(record->has_fingerprint || record->certificate.has_fingerprint_sha256);
    assert_text(record->error, "precertificate differs from the logged TBS");
    assert_sha256(record->certificate.tbs_sha256, entry->tbs);
    assert_int_equal(record->matched_names.count, 1);
    page_free(page);
    decoding_close(&decoding);
    ctfarm_entry_free(entry);
    ctfarm_log_free(log);
}

static void test_precertificate_signers(void **state) {
    (void)state;
    check_signer(true);
    check_signer(false);
}

static void test_leaf_index(void **state) {
    struct ctfarm_log *log = log_new(&CONFIG);
    struct decoding decoding;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    decoding_add_issuers(&decoding, log);
    watch_entry(&decoding, log, 5);
    struct page *page = tile_of(log);
    page->first = 1000;
    decoding_run(&decoding, page);
    assert_decoded(page);
    assert_int_equal(page->counts.misplaced, ENTRIES);
    assert_int_equal(page->range.begin, 1000);
    assert_int_equal(page->range.end, 1000 + ENTRIES);
    const struct ct_record *record = record_of(page, 1005);
    assert_text(record->error, "the index in the entry is not its place in the log");
    assert_true(record->has_fingerprint && record->entry.len);
    assert_text(record->cert_link, "https://oak.example.net/2026/tile/data/003");
    page_free(page);
    decoding_close(&decoding);
    ctfarm_log_free(log);
}

/* --- Every kind of oddity, watched --- */

static void test_kinds_that_match(void **state) {
    static const char *const watched[] = {"watched.example"};
    struct ctfarm_wish wishes[CTFARM_KIND_COUNT];
    struct decoding decoding;

    (void)state;
    for (uint64_t i = 0; i < CTFARM_KIND_COUNT; i++)
        wishes[i] = (struct ctfarm_wish){.index = i,
                                         .precert = i % 2,
                                         .kind = (enum ctfarm_kind)i,
                                         .partner = CTFARM_NO_PARTNER,
                                         .names = "a.watched.example,b.example.com",
                                         .ca = -1,
                                         .same_key = CTFARM_NO_PARTNER};
    const struct ctfarm_config config = {LOG_CONFIG, .entries = CTFARM_KIND_COUNT, .wishes = wishes,
                                         .wish_count = CTFARM_KIND_COUNT};
    struct ctfarm_log *log = log_new(&config);
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    decoder_watch(decoding.decoder, watch_list_of(watched, 1));
    struct page *page = decoding_run(
        &decoding,
        page_of(log, &(struct page_plan){.form = FORM_ANSWER, .count = CTFARM_KIND_COUNT}));
    assert_decoded(page);
    assert_int_equal(page->record_count, CTFARM_KIND_COUNT);
    for (uint32_t i = 0; i < CTFARM_KIND_COUNT; i++) {
        bool lost = i == CTFARM_UNPARSABLE || i == CTFARM_GARBAGE;
        assert_int_equal(page->records[i]->index, i);
        assert_int_equal(page->records[i]->matched_entries.count, !lost);
        assert_int_equal(page->records[i]->verdict == CT_VERDICT_MALFORMED, lost);
    }
    page_free(page);
    decoding_close(&decoding);
    ctfarm_log_free(log);
}

/* --- Brands --- */

static void test_lookalikes(void **state) {
    static const char *const texts[] = {
        "{\"message_type\":\"dns_entries\",\"data\":[\"www.example.org\",\"xn--pple-43d.com\"]}",
        "{\"message_type\":\"dns_entries\",\"data\":[\"paypal.example.org\"]}",
        "{\"message_type\":\"dns_entries\",\"data\":[\"paypa1.com\",\"paypal-login.com\"]}",
        "{\"message_type\":\"dns_entries\",\"data\":[\"nothing.example.net\"]}"};
    static const char *const watched[] = {"example.org"};
    struct lookalikes *brands = lookalikes_new(LOOKALIKE_SCORE_DEFAULT);
    struct page *page = page_empty(PAGE_FEED, 0, 0);
    struct decoding decoding;

    (void)state;
    assert_non_null(brands);
    assert_int_equal(lookalikes_add(brands, slice_of("paypal.com"), NULL), 0);
    for (size_t i = 0; i < 4; i++)
        add_message(slice_of(texts[i]), page);
    decoding_open(&decoding, (struct decoder_config){.lookalikes = brands});
    decoder_watch(decoding.decoder, watch_list_of(watched, 1));
    decoding_run(&decoding, page);
    assert_decoded(page);
    assert_int_equal(page->record_count, 3);
    assert_int_equal(page->counts.matched, 2);
    assert_int_equal(page->records[0]->brand.len, 0);
    assert_int_equal(page->records[1]->brand.len, 0); /* below a domain that is watched */
    const struct ct_record *record = page->records[2];
    assert_text(record->brand, "paypal");
    assert_true(record->lookalike.len && record->lookalike_score >= LOOKALIKE_SCORE_DEFAULT);
    assert_int_equal(record->matched_names.count, 2);
    assert_int_equal(record->matched_entries.count, 0);
    assert_int_equal(record->verdict, CT_VERDICT_NONE);
    page_free(page);
    decoding_close(&decoding);
    lookalikes_put(brands);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_issuers_are_asked_for),
        cmocka_unit_test(test_asked_once),
        cmocka_unit_test(test_records_outlive_pages),
        cmocka_unit_test(test_precertificate_signers),
        cmocka_unit_test(test_leaf_index),
        cmocka_unit_test(test_kinds_that_match),
        cmocka_unit_test(test_lookalikes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
