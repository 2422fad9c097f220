/* Feeds of all servers and details: what they tell of an entry is what the logs have. */
#include "tests/unit/decode/fixture.h"

enum { ENTRIES = 400 };

/* Two names of example.org in a precertificate and its final certificate, one by the authority that
 * signs precertificates with another certificate. */
static const struct ctfarm_wish WISHES[] = {
    {.index = 10,
     .precert = true,
     .partner = CTFARM_NO_PARTNER,
     .names = "www.example.org",
     .ca = CTFARM_HARBOUR_E,
     .same_key = CTFARM_NO_PARTNER},
    {.index = 20, .partner = 10, .ca = CTFARM_HARBOUR_E, .same_key = CTFARM_NO_PARTNER},
    {.index = 30,
     .precert = true,
     .partner = CTFARM_NO_PARTNER,
     .names = "shop.example.org",
     .ca = CTFARM_ORCHARD,
     .same_key = CTFARM_NO_PARTNER},
    {.index = 40, .partner = 30, .ca = CTFARM_ORCHARD, .same_key = CTFARM_NO_PARTNER},
    {.index = 50,
     .precert = true,
     .partner = CTFARM_NO_PARTNER,
     .names = "www.example.org",
     .ca = CTFARM_ELSEWHERE,
     .same_key = CTFARM_NO_PARTNER},
};
enum { WISHED = sizeof WISHES / sizeof *WISHES };

static const struct ctfarm_config CONFIG = {LOG_CONFIG, .entries = ENTRIES, .odd = 8,
                                            .wishes = WISHES, .wish_count = WISHED};
static const char *const WATCHED[] = {"example.org"};

#define FEED_STYLE .url = "https://oak.example.net/2026/", .name = "Oak 2026"

struct found {
    struct page *page;
    const struct ct_record *records[WISHED];
    uint8_t ids[WISHED][16];
};

/* Decodes the log in that form; what was wished for is found by its order. */
static void find(struct decoding *decoding, const struct ctfarm_log *log,
                 const struct page_plan *plan, struct found *found) {
    uint32_t count = 0;

    found->page = decoding_run(decoding, page_of(log, plan));
    assert_decoded(found->page);
    for (uint32_t i = 0; i < found->page->record_count; i++) {
        const struct ct_record *record = found->page->records[i];
        if (!record->matched_entries.count)
            continue;
        assert_text(record->matched_entries.items[0], "example.org");
        assert_int_equal(record->matched_names.count, 1);
        assert_true(count < WISHED);
        memcpy(found->ids[count], record->issuance_id, sizeof found->ids[count]);
        found->records[count++] = record;
    }
    assert_int_equal(count, WISHED);
    assert_text(found->records[0]->matched_names.items[0], "www.example.org");
    assert_text(found->records[2]->matched_names.items[0], "shop.example.org");
}

static bool same_id(const struct found *a, size_t i, const struct found *b, size_t j) {
    return memcmp(a->ids[i], b->ids[j], sizeof a->ids[i]) == 0;
}

static void assert_joined(const struct found *found) {
    assert_true(same_id(found, 0, found, 1) && same_id(found, 2, found, 3));
    assert_false(same_id(found, 0, found, 2) || same_id(found, 0, found, 4) ||
                 same_id(found, 2, found, 4));
}

/* Precertificate and certificate are one issuance, in tiles, answers and full feeds alike. */
static void test_issuances(void **state) {
    static const struct page_plan plans[] = {
        {.form = FORM_TILE, .count = ENTRIES},
        {.form = FORM_ANSWER, .count = ENTRIES},
        {.form = FORM_FEED, .count = ENTRIES, .style = {CTFARM_GO, CTFARM_FULL, FEED_STYLE}},
        {.form = FORM_FEED, .count = ENTRIES, .style = {CTFARM_CALIDOG, CTFARM_FULL, FEED_STYLE}},
        {.form = FORM_FEED, .count = ENTRIES, .style = {CTFARM_RUST, CTFARM_FULL, FEED_STYLE}},
    };
    enum { PLANS = sizeof plans / sizeof *plans };
    struct ctfarm_log *log = log_new(&CONFIG);
    struct found found[PLANS];
    struct decoding decoding;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    decoding_add_issuers(&decoding, log);
    decoder_watch(decoding.decoder, watch_list_of(WATCHED, 1));
    for (size_t i = 0; i < PLANS; i++) {
        find(&decoding, log, &plans[i], &found[i]);
        assert_joined(&found[i]);
        for (size_t w = 0; w < WISHED; w++) {
            assert_true(same_id(&found[i], w, &found[0], w));
            assert_memory_equal(found[i].records[w]->certificate.tbs_sha256,
                                found[0].records[w]->certificate.tbs_sha256, 32);
        }
    }
    for (size_t i = 0; i < PLANS; i++)
        page_free(found[i].page);
    decoding_close(&decoding);
    ctfarm_log_free(log);
}

/* Without certificates serial number, dates and issuer join them. */
static void test_lite_issuances(void **state) {
    struct ctfarm_log *log = log_new(&CONFIG);
    struct found found[CTFARM_DIALECTS];
    struct decoding decoding;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){0});
    decoder_watch(decoding.decoder, watch_list_of(WATCHED, 1));
    for (int dialect = 0; dialect < CTFARM_DIALECTS; dialect++) {
        const struct page_plan plan = {
            .form = FORM_FEED,
            .count = ENTRIES,
            .style = {(enum ctfarm_dialect)dialect, CTFARM_LITE, FEED_STYLE}};
        find(&decoding, log, &plan, &found[dialect]);
        assert_joined(&found[dialect]);
        for (size_t w = 0; w < WISHED; w++)
            assert_true(same_id(&found[dialect], w, &found[0], w));
    }
    for (int dialect = 0; dialect < CTFARM_DIALECTS; dialect++)
        page_free(found[dialect].page);
    decoding_close(&decoding);
    ctfarm_log_free(log);
}

/* --- What the records say --- */

static const uint64_t INDICES[WISHED] = {10, 20, 30, 40, 50};

static void check_told(const struct ct_record *record, const struct ctfarm_entry *entry,
                       const struct ctfarm_feed_style *style) {
    const struct certificate_fields *fields = &record->certificate;
    bool calidog = style->dialect == CTFARM_CALIDOG, nothing = style->tiled && entry->precert;
    uint8_t sha1[SHA_DIGEST_LENGTH];

    assert_true(fields->told && record->has_certificate && fields->has_validity);
    assert_int_equal(fields->der.len, 0);
    assert_int_equal(fields->not_before, entry->issuance.not_before);
    assert_int_equal(fields->not_after, entry->issuance.not_after);
    assert_slice_equal(fields->serial, entry->issuance.serial);
    assert_slice_equal(fields->dns_names.items[0], entry->issuance.names[0]);
    assert_slice_equal(fields->subject_cn, entry->issuance.names[0]);
    assert_text(fields->issuer_cn, entry->issuance.ca->name);
    assert_text(fields->issuer_o, entry->issuance.ca->organisation);
    assert_int_equal(fields->has_fingerprint_sha1, !nothing);
    assert_int_equal(fields->has_fingerprint_sha256, !nothing && !calidog);
    assert_int_equal(record->has_fingerprint, !nothing);
    assert_false(fields->has_tbs_sha256 || fields->has_spki_sha256);
    SHA1(entry->certificate.ptr, entry->certificate.len, sha1);
    if (!nothing)
        assert_memory_equal(fields->fingerprint_sha1, sha1, sizeof sha1);
    if (fields->has_fingerprint_sha256)
        assert_sha256(fields->fingerprint_sha256, entry->certificate);
    assert_int_equal(record->chain_count, 0);
}

static void check_full(const struct ct_record *record, const struct ctfarm_entry *entry) {
    const struct certificate_fields *fields = &record->certificate;

    assert_false(fields->told);
    assert_slice_equal(fields->der, entry->certificate);
    assert_sha256(fields->fingerprint_sha256, entry->certificate);
    assert_sha256(fields->tbs_sha256, entry->tbs);
    /* the farm's feeds leave out the root */
    assert_int_equal(record->chain_count, entry->chain_count - 1);
    for (uint32_t i = 0; i < record->chain_count; i++)
        assert_slice_equal(record->chain[i].der, entry->chain[i]->certificate);
}

static void check_record(const struct ct_record *record, uint64_t index,
                         const struct ctfarm_entry *entry, const struct ctfarm_feed_style *style) {
    if (style->detail == CTFARM_DOMAINS) {
        assert_false(record->has_index || record->has_fingerprint ||
                     record->certificate.has_validity);
        assert_int_equal(record->update, CT_UPDATE_UNKNOWN);
        assert_int_equal(record->seen_ms, 1790000999000);
        assert_slice_equal(record->source_log, SOURCE.name);
        return;
    }
    assert_int_equal(record->index, index);
    assert_true(record->has_index && !record->has_log_id && !record->has_timestamp);
    assert_int_equal(record->update, entry->precert ? CT_UPDATE_PRECERT : CT_UPDATE_X509);
    assert_int_equal(record->seen_ms, entry->timestamp_ms + 1500);
    assert_text(record->source_log, "Oak 2026");
    assert_int_equal(record->cert_link.len != 0, !style->tiled);
    assert_int_equal(record->error.len, 0);
    if (style->detail == CTFARM_FULL && !(style->tiled && entry->precert))
        check_full(record, entry);
    else
        check_told(record, entry, style);
}

static void check_style(const struct ctfarm_log *log, const struct ctfarm_feed_style *style) {
    const struct page_plan plan = {
        .form = FORM_FEED, .count = ENTRIES, .style = *style, .heartbeats = 50};
    struct ctfarm_entry *entry = entry_new();
    bool tells = style->detail != CTFARM_DOMAINS;
    struct decoding decoding;
    struct found found;

    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    decoder_watch(decoding.decoder, watch_list_of(WATCHED, 1));
    find(&decoding, log, &plan, &found);
    for (size_t w = 0; w < WISHED; w++) {
        ctfarm_entry_make(log, INDICES[w], false, entry);
        check_record(found.records[w], INDICES[w], entry, style);
    }
    assert_int_equal(found.page->counts.heartbeats, ENTRIES / 50);
    assert_int_equal(found.page->entries + found.page->counts.heartbeats, found.page->wanted);
    assert_int_equal(found.page->range.count, 0);
    assert_int_equal(found.page->feed_index_count, tells ? found.page->entries : 0);
    if (tells) {
        assert_text(found.page->feed_indices[0].log_url, "https://oak.example.net/2026/");
        assert_int_equal(found.page->newest_ms, ctfarm_log_timestamp(log, ENTRIES - 1) + 1500);
    }
    page_free(found.page);
    ctfarm_entry_free(entry);
    decoding_close(&decoding);
}

static void test_all_styles(void **state) {
    struct ctfarm_log *log = log_new(&CONFIG);

    (void)state;
    for (int dialect = 0; dialect < CTFARM_DIALECTS; dialect++)
        for (int detail = 0; detail < CTFARM_DETAILS; detail++)
            for (int tiled = 0; tiled < 2; tiled++)
                check_style(log, &(struct ctfarm_feed_style){
                                     (enum ctfarm_dialect)dialect, (enum ctfarm_detail)detail,
                                     tiled, "https://oak.example.net/2026/", "Oak 2026"});
    ctfarm_log_free(log);
}

/* --- What is no message --- */

static struct page *page_of_messages(const char *const *texts, size_t count) {
    struct page *page = page_empty(PAGE_FEED, 0, 0);

    for (size_t i = 0; i < count; i++)
        add_message(slice_of(texts[i]), page);
    return page;
}

static void test_garbage(void **state) {
    static const char *const texts[] = {
        "no JSON",
        "{\"message_type\":\"heartbeat\"}",
        "{\"message_type\":\"something\"}",
        "[1,2]",
        "{\"message_type\":\"certificate_update\",\"data\":{\"leaf_cert\":{\"all_domains\":"
        "[\"www.example.org\"],\"as_der\":\"****\"}}}",
        "{\"message_type\":\"certificate_update\",\"data\":{\"update_type\":\"PrecertLogEntry\","
        "\"leaf_cert\":{\"as_der\":\"MAA=\",\"sha1\":"
        "\"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\"}}}",
        "{\"message_type\":\"certificate_update\",\"data\":{\"leaf_cert\":{\"all_domains\":[],"
        "\"serial_number\":\"0xyz\",\"not_before\":-9223372036854775808,"
        "\"not_after\":9223372036854775807}}}",
        "",
    };
    struct decoding decoding;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){0});
    decoder_watch(decoding.decoder, watch_list_of(WATCHED, 1));
    struct page *page =
        decoding_run(&decoding, page_of_messages(texts, sizeof texts / sizeof *texts));
    assert_decoded(page);
    assert_int_equal(page->entries, 6);
    assert_int_equal(page->counts.heartbeats, 1);
    assert_int_equal(page->counts.malformed, 5);
    assert_int_equal(page->record_count, 5);
    assert_text(page->records[0]->entry, "no JSON");
    assert_int_equal(page->records[0]->verdict, CT_VERDICT_MALFORMED);
    assert_int_equal(page->records[0]->update, CT_UPDATE_UNKNOWN);
    assert_false(page->records[0]->has_certificate);
    assert_text(page->records[1]->entry, "[1,2]");
    /* the names are there all the same */
    assert_text(page->records[2]->error, "as_der is not base64");
    assert_text(page->records[2]->entry, texts[4]);
    assert_int_equal(page->records[2]->matched_names.count, 1);
    assert_int_equal(page->records[2]->verdict, CT_VERDICT_NONE);
    assert_true(page->records[2]->certificate.told);
    assert_slice_equal(page->records[3]->entry, (struct slice){(const uint8_t *)"0\0", 2});
    assert_true(page->records[3]->certificate.has_fingerprint_sha1);
    assert_int_equal(page->records[3]->update, CT_UPDATE_PRECERT);
    assert_int_equal(page->records[4]->entry.len, 0);
    assert_memory_not_equal(page->records[0]->issuance_id, page->records[1]->issuance_id, 16);
    page_free(page);
    decoding_close(&decoding);
}

/* Numbers that make no sense are not dates. */
static void test_wild_dates(void **state) {
    static const char *const texts[] = {
        "{\"message_type\":\"certificate_update\",\"data\":{\"leaf_cert\":{\"all_domains\":"
        "[\"example.org\"],\"serial_number\":\"ABC\",\"not_before\":-9223372036854775808,"
        "\"not_after\":9223372036854775807}}}",
        "{\"message_type\":\"certificate_update\",\"data\":{\"leaf_cert\":{\"all_domains\":"
        "[\"example.org\"],\"serial_number\":\"0g\",\"not_before\":5}}}",
    };
    struct decoding decoding;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){0});
    decoder_watch(decoding.decoder, watch_list_of(WATCHED, 1));
    struct page *page = decoding_run(&decoding, page_of_messages(texts, 2));
    assert_int_equal(page->record_count, 2);
    assert_false(page->records[0]->certificate.has_validity);
    assert_slice_equal(page->records[0]->certificate.serial,
                       (struct slice){(const uint8_t *)"\x0a\xbc", 2});
    assert_false(page->records[1]->certificate.has_validity);
    assert_int_equal(page->records[1]->certificate.serial.len, 0);
    page_free(page);
    decoding_close(&decoding);
}

static void test_cut_framing(void **state) {
    static const char *const texts[] = {"{\"message_type\":\"heartbeat\"}"};
    struct decoding decoding;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){0});
    for (size_t cut = 1; cut < 30; cut++) {
        struct page *page = page_of_messages(texts, 1);
        page->body.len -= cut;
        decoding_run(&decoding, page);
        assert_int_equal(page->result, PAGE_BROKEN);
        assert_int_equal(page->entries, 0);
        page_free(page);
    }
    struct page *page = page_of_messages(texts, 1);
    page->wanted = 2;
    assert_int_equal(decoding_run(&decoding, page)->result, PAGE_BROKEN);
    page_free(page);
    decoding_close(&decoding);
}

/* More messages than any window, and more names. */
static void test_many(void **state) {
    struct page *page = page_empty(PAGE_FEED, 0, 0);
    struct decoding decoding;

    (void)state;
    for (uint32_t i = 0; i < 3000; i++)
        add_message(slice_of(i % 2
                                 ? "{\"message_type\":\"heartbeat\"}"
                                 : "{\"message_type\":\"dns_entries\",\"data\":[\"example.org\"]}"),
                    page);
    decoding_open(&decoding, (struct decoder_config){0});
    decoder_watch(decoding.decoder, watch_list_of(WATCHED, 1));
    decoding_run(&decoding, page);
    assert_decoded(page);
    assert_int_equal(page->entries, 1500);
    assert_int_equal(page->counts.heartbeats, 1500);
    assert_int_equal(page->record_count, 1500);
    page_free(page);
    decoding_close(&decoding);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_issuances),  cmocka_unit_test(test_lite_issuances),
        cmocka_unit_test(test_all_styles), cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_wild_dates), cmocka_unit_test(test_cut_framing),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
