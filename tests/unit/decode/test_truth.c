/* What the decoder tells of the entries of a log, held to what the farm has put into them. */
#include "tests/unit/decode/fixture.h"

#include "engine/record/encoder.h"

enum { ENTRIES = 700, TILE = 256 };

static const struct ctfarm_config ODD = {LOG_CONFIG, .entries = ENTRIES, .odd = 3};

/* Some names are none that can be watched. */
static void watch(struct watch_list_builder *builder, struct slice name) {
    if (name.len > 2 && name.ptr[0] == '*' && name.ptr[1] == '.')
        name = slice_from(name, 2);
    enum error error = watch_list_builder_add(builder, name, 0, NULL);
    (void)error;
}

/* Everything that can be watched: then each entry has a record. */
static struct watch_list *watch_all(const struct ctfarm_log *log) {
    struct watch_list_builder *builder = watch_list_builder_new();
    struct ctfarm_entry *entry = entry_new();

    assert_non_null(builder);
    for (uint64_t i = 0; i < ctfarm_log_entries(log); i++) {
        ctfarm_entry_make(log, i, false, entry);
        for (uint32_t n = 0; n < entry->issuance.name_count; n++)
            watch(builder, entry->issuance.names[n]);
        for (uint32_t n = 0; n < entry->issuance.common_name_count; n++)
            watch(builder, entry->issuance.common_names[n]);
    }
    assert_int_equal(watch_list_builder_add(builder, slice_of("example.net"), 0, NULL), 0);
    ctfarm_entry_free(entry);
    return watch_list_builder_finish(builder);
}

/* --- One entry --- */

static bool is_in(struct slice_list list, struct slice text) {
    for (uint32_t i = 0; i < list.count; i++)
        if (slice_equal(list.items[i], text))
            return true;
    return false;
}

static void check_names(const struct certificate_fields *fields,
                        const struct ctfarm_issuance *issuance) {
    uint32_t count = issuance->kind == CTFARM_NO_SAN ? 0 : issuance->name_count;
    bool others = issuance->kind == CTFARM_SAN_OTHER_NAMES;

    assert_int_equal(fields->dns_names.count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_slice_equal(fields->dns_names.items[i], issuance->names[i]);
    assert_int_equal(fields->ip_address_count, others ? 2 : 0);
    assert_int_equal(fields->emails.count, others);
    assert_int_equal(fields->uris.count, others);
}

static void check_certificate(const struct ct_record *record, const struct ctfarm_entry *entry) {
    const struct certificate_fields *fields = &record->certificate;
    const struct ctfarm_issuance *issuance = &entry->issuance;
    bool bad_dates = issuance->kind == CTFARM_BAD_DATES;
    uint8_t sha1[SHA_DIGEST_LENGTH];

    SHA1(entry->certificate.ptr, entry->certificate.len, sha1);
    assert_true(record->has_fingerprint && fields->has_fingerprint_sha1 &&
                fields->has_fingerprint_sha256 && fields->has_spki_sha256);
    assert_slice_equal(fields->der, entry->certificate);
    assert_sha256(fields->fingerprint_sha256, entry->certificate);
    assert_memory_equal(fields->fingerprint_sha1, sha1, sizeof sha1);
    assert_sha256(fields->spki_sha256, issuance->spki);
    assert_slice_equal(fields->serial, issuance->serial);
    assert_int_equal(fields->has_validity, !bad_dates);
    if (!bad_dates) {
        assert_int_equal(fields->not_before, issuance->not_before);
        assert_int_equal(fields->not_after, issuance->not_after);
    }
    assert_text(fields->issuer_cn, issuance->ca->name);
    const char *key = ctfarm_key_name(issuance->key_type); /* "rsa-4096" */
    bool is_rsa = strncmp(key, "rsa-", 4) == 0;
    assert_text(fields->key_type, is_rsa ? "rsa" : key);
    if (is_rsa)
        assert_int_equal(fields->key_bits, atoi(key + 4));
    check_names(fields, issuance);
}

/* What was submitted beside the logged TBS is not believed. */
static void check_unbound(const struct ct_record *record, const struct ctfarm_entry *entry) {
    const struct certificate_fields *fields = &record->certificate;

    assert_false(record->has_fingerprint || fields->has_fingerprint_sha1 ||
                 fields->has_fingerprint_sha256);
    assert_int_equal(fields->der.len, 0);
    assert_true(record->error.len != 0);
    assert_true(memmem(record->entry.ptr, record->entry.len, entry->tbs.ptr, entry->tbs.len) !=
                NULL);
    check_names(fields, &entry->issuance);
}

static void check_chain(const struct ct_record *record, const struct ctfarm_entry *entry) {
    assert_int_equal(record->chain_count, entry->chain_count);
    for (uint32_t i = 0; i < entry->chain_count; i++) {
        assert_memory_equal(record->chain[i].fingerprint_sha256, entry->chain[i]->fingerprint, 32);
        assert_slice_equal(record->chain[i].der, entry->chain[i]->certificate);
        assert_true(record->chain[i].readable);
        assert_int_equal(record->chain[i].not_after, entry->chain[i]->not_after);
    }
}

static void check_record(const struct ct_record *record, const struct ctfarm_entry *entry,
                         uint64_t index) {
    enum ctfarm_kind kind = entry->issuance.kind;
    bool bound = !entry->precert || (kind != CTFARM_UNBOUND && kind != CTFARM_NO_POISON);

    assert_true(record->has_index && record->has_timestamp && record->has_log_id);
    assert_int_equal(record->index, index);
    assert_int_equal(record->entry_ms, entry->timestamp_ms);
    assert_int_equal(record->update, entry->precert ? CT_UPDATE_PRECERT : CT_UPDATE_X509);
    assert_int_equal(record->seen_ms, 1790000999000);
    assert_slice_equal(record->source_log, SOURCE.name);
    check_chain(record, entry);
    if (!ctfarm_entry_is_parsable(entry)) {
        assert_false(record->has_certificate || record->has_fingerprint);
        assert_int_equal(record->verdict, CT_VERDICT_MALFORMED);
        assert_true(record->error.len != 0);
        struct slice leaf = slice_from(entry->leaf, 2);
        assert_non_null(memmem(record->entry.ptr, record->entry.len, leaf.ptr, leaf.len));
        return;
    }
    assert_true(record->has_certificate);
    assert_int_equal(record->verdict, CT_VERDICT_NONE);
    assert_true(record->certificate.has_tbs_sha256);
    assert_sha256(record->certificate.tbs_sha256, entry->tbs);
    assert_memory_equal(record->issuance_id, record->certificate.tbs_sha256, 16);
    if (!bound) {
        check_unbound(record, entry);
        return;
    }
    check_certificate(record, entry);
    assert_int_equal(record->error.len != 0, kind == CTFARM_BAD_DATES);
    assert_int_equal(record->entry.len != 0, kind == CTFARM_BAD_DATES);
}

/* --- Pages --- */

struct log_check {
    struct ctfarm_log *log;
    struct ct_range tree;
    uint32_t records, malformed, unbound;
};

static void check_page(const struct page *page, struct log_check *check) {
    struct ctfarm_entry *entry = entry_new();
    uint32_t next = 0, precerts = 0;

    assert_decoded(page);
    for (uint32_t i = 0; i < page->entries; i++) {
        ctfarm_entry_make(check->log, page->first + i, false, entry);
        precerts += entry->precert;
        const struct ct_record *record = next < page->record_count ? page->records[next] : NULL;
        if (!record || record->index != page->first + i)
            fail_msg("entry %llu (%s) has no record", (unsigned long long)(page->first + i),
                     ctfarm_kind_name(entry->issuance.kind));
        next++;
        check_record(record, entry, page->first + i);
        if (!ctfarm_entry_is_parsable(entry))
            continue;
        assert_true(record->matched_names.count >= 1 && record->matched_entries.count >= 1);
        if (entry->issuance.kind == CTFARM_NORMAL)
            for (uint32_t n = 0; n < entry->issuance.name_count; n++)
                assert_true(is_in(record->matched_names, entry->issuance.names[n]));
    }
    assert_int_equal(next, page->record_count);
    assert_int_equal(page->counts.precertificates, precerts);
    assert_int_equal(page->counts.certificates, page->entries - precerts);
    assert_int_equal(page->counts.matched, page->entries - page->counts.malformed);
    assert_int_equal(page->counts.misplaced, 0);
    assert_int_equal(page->newest_ms,
                     ctfarm_log_timestamp(check->log, page->first + page->entries - 1));
    check->records += next;
    check->malformed += page->counts.malformed;
    check->unbound += page->counts.unbound;
    assert_int_equal(page->range.begin, page->first);
    assert_int_equal(page->range.end, page->first + page->entries);
    assert_true(ct_range_merge(&check->tree, &page->range));
    ctfarm_entry_free(entry);
}

/* The parts of a log as somebody fetches it: a partial tile, the rest of it, the next ones. */
static const struct {
    uint32_t first, count, skip;
} PARTS_OF_LOG[] = {{0, 100, 0}, {100, 156, 100}, {256, 256, 0}, {512, 188, 0}};
enum { PARTS = 4 };

static void check_log(enum form form, uint32_t workers) {
    struct log_check check = {.log = log_new(&ODD)};
    struct page *pages[PARTS] = {0};
    struct decoding decoding;
    uint8_t root[CTFARM_TREE_HASH];
    uint32_t done = 0;

    decoding_open(&decoding, (struct decoder_config){.workers = workers, .hash_tree = true});
    decoder_watch(decoding.decoder, watch_all(check.log));
    if (form != FORM_ANSWER)
        decoding_add_issuers(&decoding, check.log);
    for (uint32_t i = 0; i < PARTS; i++) {
        struct page_plan plan = {.form = form,
                                 .first = PARTS_OF_LOG[i].first,
                                 .count = PARTS_OF_LOG[i].count,
                                 .skip = form == FORM_ANSWER ? 0 : PARTS_OF_LOG[i].skip};
        pages[i] = page_of(check.log, &plan);
        decoding_submit(&decoding, pages[i]);
    }
    while (done < PARTS) /* they come back in any order */
        for (struct mailbox_entry *entry = &decoding_take(&decoding)->entry; entry;
             entry = entry->next)
            done++;
    ct_range_init(&check.tree, 0);
    for (uint32_t i = 0; i < PARTS; i++)
        check_page(pages[i], &check);
    struct ct_hash tree = ct_range_root(&check.tree);
    ctfarm_root(check.log, ENTRIES, root);
    assert_memory_equal(tree.bytes, root, sizeof root);
    assert_int_equal(check.records, ENTRIES);
    assert_true(check.malformed > 5 && check.unbound > 2);

    struct decoder_statistics statistics;
    decoder_statistics(decoding.decoder, &statistics);
    assert_int_equal(statistics.pages, PARTS);
    assert_int_equal(statistics.entries, ENTRIES);
    assert_int_equal(statistics.malformed, check.malformed);
    assert_int_equal(statistics.unbound, check.unbound);
    assert_int_equal(statistics.matched, ENTRIES - check.malformed);
    for (uint32_t i = 0; i < PARTS; i++)
        page_free(pages[i]);
    decoding_close(&decoding);
    ctfarm_log_free(check.log);
}

static void test_tiles(void **state) {
    (void)state;
    check_log(FORM_TILE, 1);
    check_log(FORM_TILE, 2);
}

static void test_gzip_tiles(void **state) {
    (void)state;
    check_log(FORM_GZIP, 2);
}

static void test_answers(void **state) {
    (void)state;
    check_log(FORM_ANSWER, 1);
    check_log(FORM_ANSWER, 2);
}

/* --- The watch list --- */

static bool is_covered(struct slice name, struct slice entry) {
    if (name.len < entry.len)
        return false;
    struct slice end = slice_from(name, name.len - entry.len);
    return slice_equal_nocase(end, entry) &&
           (name.len == entry.len || name.ptr[name.len - entry.len - 1] == '.');
}

/* A certificate label `*` stands for any label (certspotter, DESIGN). */
static bool is_match(struct slice name, struct slice entry) {
    if (name.len < 2 || name.ptr[0] != '*')
        return is_covered(name, entry);
    struct slice parent = slice_from(name, 2);
    const uint8_t *dot = memchr(entry.ptr, '.', entry.len);
    return is_covered(parent, entry) ||
           (dot && slice_equal(parent, slice_from(entry, (size_t)(dot - entry.ptr) + 1)));
}

/* How many of them an entry matches. */
static uint32_t count_expected(const struct ctfarm_entry *entry, const char *const *watched,
                               size_t count) {
    uint32_t expected = 0;

    for (size_t w = 0; w < count; w++) {
        bool matches = false;
        for (uint32_t n = 0; n < entry->issuance.name_count; n++)
            matches |= is_match(entry->issuance.names[n], slice_of(watched[w]));
        expected += matches;
    }
    return expected;
}

static void test_only_what_is_watched(void **state) {
    static const char *const watched[] = {"co.uk", "com.br", "www.amber.example",
                                          "xn--bcher-kva.de", "shop.net"};
    enum { COUNT = sizeof watched / sizeof *watched };
    const struct ctfarm_config config = {LOG_CONFIG, .entries = ENTRIES};
    struct ctfarm_log *log = log_new(&config);
    struct ctfarm_entry *entry = entry_new();
    struct decoding decoding;
    uint32_t expected = 0;

    (void)state;
    decoding_open(&decoding, (struct decoder_config){.hash_tree = true});
    decoding_add_issuers(&decoding, log);
    decoder_watch(decoding.decoder, watch_list_of(watched, COUNT));
    struct page *page = decoding_run(
        &decoding, page_of(log, &(struct page_plan){.form = FORM_ANSWER, .count = ENTRIES}));
    assert_decoded(page);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        ctfarm_entry_make(log, i, false, entry);
        uint32_t entries = count_expected(entry, watched, COUNT);
        if (entries == 0)
            continue;
        assert_true(expected < page->record_count);
        assert_int_equal(page->records[expected]->index, i);
        assert_int_equal(page->records[expected]->matched_entries.count, entries);
        expected++;
    }
    assert_int_equal(page->record_count, expected);
    assert_int_equal(page->counts.matched, expected);
    assert_true(expected > 20 && expected < ENTRIES / 2);
    page_free(page);
    ctfarm_entry_free(entry);
    decoding_close(&decoding);
    ctfarm_log_free(log);
}

/* --- Records of all entries --- */

/* What stands in a record whichever way it is made. */
#define SAME_FIELDS                                                                                \
    "record,update_type,source_log,log_id,index,cert_link,certificate,chain,entry,error,"          \
    "fingerprint_sha1,tbs_sha256,seen_at,entry_time,issuance_id"

/* The kept records of a page, encoded. */
static struct buffer encode_kept(const struct page *page, const struct encoding *encoding) {
    struct buffer out;

    buffer_init(&out);
    for (uint32_t i = 0; i < page->record_count; i++)
        encoding->encoder->encode(encoding, &page->records[i]->head, &out);
    return out;
}

static void check_every_entry(enum form form, const char *names) {
    struct ctfarm_log *log = log_new(&ODD);
    const struct page_plan plan = {.form = form, .count = form == FORM_ANSWER ? ENTRIES : TILE};
    struct decoding kept, passing;
    struct field_selection fields;

    assert_int_equal(field_selection_init(&fields, &ct_record_kind, names, NULL), 0);
    const struct encoding encoding = {.encoder = &json_encoder, .fields = &fields};
    const struct encoding *outlets[] = {&encoding, &(const struct encoding){0}};
    decoding_open(&kept, (struct decoder_config){.hash_tree = true});
    decoder_watch(kept.decoder, watch_all(log));
    decoding_open(&passing, (struct decoder_config){.hash_tree = true,
                                                    .every_entry = true,
                                                    .outlets = outlets,
                                                    .outlet_count = 2});
    decoding_add_issuers(&kept, log);
    decoding_add_issuers(&passing, log);
    struct page *a = decoding_run(&kept, page_of(log, &plan));
    struct page *b = decoding_run(&passing, page_of(log, &plan));
    assert_decoded(a);
    assert_decoded(b);
    assert_int_equal(b->record_count, 0);
    assert_int_equal(b->outputs[0]->records, plan.count);
    assert_int_equal(b->outputs[1]->records, plan.count);
    assert_int_equal(b->outputs[1]->bytes.len, 0);
    assert_null(b->outputs[2]);
    assert_int_equal(a->counts.malformed, b->counts.malformed);
    assert_int_equal(a->counts.unbound, b->counts.unbound);
    struct buffer wanted = encode_kept(a, &encoding);
    assert_slice_equal(buffer_slice(&b->outputs[0]->bytes), buffer_slice(&wanted));
    buffer_deinit(&wanted);
    page_free(a);
    page_free(b);
    decoding_close(&kept);
    decoding_close(&passing);
    field_selection_deinit(&fields);
    ctfarm_log_free(log);
}

/* Hashes are made many at once, and left out where nobody sees them; the results are the same. */
static void test_every_entry(void **state) {
    (void)state;
    check_every_entry(FORM_TILE, SAME_FIELDS);
    check_every_entry(FORM_ANSWER, SAME_FIELDS);
    static const char *const some[] = {"index,certificate.dns_names",
                                       "certificate.subject_cn,certificate.issuer",
                                       "certificate.fingerprint_sha256",
                                       "certificate.spki_sha256,certificate.key_type",
                                       "tbs_sha256",
                                       "fingerprint_sha1,error",
                                       "issuance_id,cert_link",
                                       "chain,certificate.self_signed",
                                       "certificate.crl_urls,certificate.names_total,entry"};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        check_every_entry(FORM_TILE, some[i]);
}

/* An encoder without fields says itself what it shows. */
static void check_other_encoder(const struct encoder *encoder, const char *wanted) {
    struct ctfarm_log *log = log_new(&ODD);
    struct field_selection fields;
    struct decoding decoding;

    assert_int_equal(field_selection_init(&fields, &ct_record_kind, "index", NULL), 0);
    const struct encoding encoding = {.encoder = encoder, .fields = &fields};
    const struct encoding *outlet = &encoding;
    decoding_open(&decoding, (struct decoder_config){
                                 .every_entry = true, .outlets = &outlet, .outlet_count = 1});
    decoding_add_issuers(&decoding, log);
    struct page *page =
        decoding_run(&decoding, page_of(log, &(struct page_plan){.form = FORM_TILE, .count = 20}));
    assert_decoded(page);
    assert_int_equal(page->range.count, 0); /* nobody wants a tree */
    struct slice out = buffer_slice(&page->outputs[0]->bytes);
    assert_non_null(memmem(out.ptr, out.len, wanted, strlen(wanted)));
    page_free(page);
    decoding_close(&decoding);
    field_selection_deinit(&fields);
    ctfarm_log_free(log);
}

static void test_other_encoders(void **state) {
    (void)state;
    check_other_encoder(&table_encoder, "Harbour");
    check_other_encoder(&pem_encoder, "BEGIN CERTIFICATE");
    check_other_encoder(&names_encoder, "www.");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles),       cmocka_unit_test(test_gzip_tiles),
        cmocka_unit_test(test_answers),     cmocka_unit_test(test_only_what_is_watched),
        cmocka_unit_test(test_every_entry), cmocka_unit_test(test_other_encoders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
