/* Results as reports and back: what an agent saw is what the centre knows. */
#include "engine/probe/judge.h"
#include "engine/record/encoder.h"
#include "engine/x509/certificate.h"
#include "tools/monitor/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1795229802123)

static struct slice der; /* of a certificate */
static uint8_t der_bytes[4096];

static int read_certificate(void **state) {
    FILE *file = fopen("tests/fuzz/corpus/certificate/final_certificate.der", "rb");

    (void)state;
    if (!file)
        return -1;
    der = (struct slice){der_bytes, fread(der_bytes, 1, sizeof der_bytes, file)};
    return fclose(file);
}

static struct probe_record *make_record(bool has_certificate) {
    static const struct address addresses[] = {{.family = ADDRESS_V4, .bytes = {192, 0, 2, 1}},
                                               {.family = ADDRESS_V4, .bytes = {192, 0, 2, 2}}};
    static const struct chain_link links[] = {
        {.readable = true, .not_after = 1900000000, .fingerprint_sha256 = {1, 2, 3}}};
    struct probe_record *record = probe_record_new(4096);
    struct certificate certificate;

    assert_non_null(record);
    record->time_ms = NOW_MS - 5000;
    record->host = slice_of("mail.example.org");
    record->address = addresses[0];
    record->addresses = addresses;
    record->address_count = 2;
    record->port = 25;
    record->protocol = slice_of("smtp");
    record->sni = slice_of("mail.example.org");
    record->attempt = 2;
    record->timing = (struct probe_timing){1, 2, 3, -1, 6};
    record->outcome = has_certificate ? OUTCOME_TLS_ALERT : OUTCOME_STARTTLS_REFUSED;
    record->stage = has_certificate ? STAGE_HANDSHAKE : STAGE_STARTTLS;
    record->error = slice_of("454 \"not\" \x01 now \u00e9");
    if (!has_certificate)
        return record;
    record->has_tls = true;
    record->tls.version = 0x0303;
    record->tls.cipher = 0xc02f;
    record->tls.group = 29;
    record->tls.alpn = slice_of("h2");
    record->tls.client_certificate_known = record->tls.client_certificate_requested = true;
    record->tls.key_proven = true;
    record->tls.sct_count = 2;
    assert_int_equal(certificate_decode(der, &certificate), CERTIFICATE_OK);
    assert_true(certificate_fields_fill(&certificate, &record->head.memory, &record->certificate));
    record->has_certificate = true;
    record->earliest_not_after = certificate.not_after;
    struct chain_link *chain = arena_take(&record->head.memory, sizeof links);
    *chain = links[0];
    chain->subject = slice_of("CN=An \\, Authority");
    chain->issuer = slice_of("CN=Root");
    record->chain = chain;
    record->chain_count = 1;
    if (chain->not_after < record->earliest_not_after)
        record->earliest_not_after = chain->not_after;
    record->has_trust = record->trust.chain_checked = record->trust.name_checked = true;
    record->trust.error = slice_of("unknown_issuer");
    record->trust.name_matches = true;
    record->trust.matched_name = slice_of("*.example.org");
    record->findings = UINT64_C(1) << FINDING_UNTRUSTED | UINT64_C(1) << FINDING_REVOKED;
    const struct judge_policy policy = judge_policy_default();
    judge_record(record, &policy, NOW_MS);
    return record;
}

static struct buffer body_of(const struct probe_record *record, const char *endpoint) {
    static const int32_t days[] = {30, 7};
    const struct report_head head = {.agent = "site-1",
                                     .version = "trawl/1",
                                     .now_ms = NOW_MS,
                                     .interval_ms = 90 * 1000,
                                     .threshold_days = days,
                                     .threshold_count = 2};
    const struct report_result result = {
        .host = slice_of(endpoint[0] ? "192.0.2.0/24" : "mail.example.org"),
        .port = 25,
        .endpoint = slice_of(endpoint),
        .record = record};
    struct field_selection fields;
    struct buffer item, body;

    assert_int_equal(report_select_fields(&fields, NULL), ERROR_NONE);
    buffer_init(&item);
    buffer_init(&body);
    report_add_result(&result, &fields, &item);
    struct slice none = {NULL, 0}, one = buffer_slice(&item);
    report_add_body(&head, record->has_certificate ? one : none,
                    record->has_certificate ? none : one, &body);
    assert_false(item.failed || body.failed);
    buffer_deinit(&item);
    field_selection_deinit(&fields);
    return body;
}

static void read_body(struct report *report, const struct buffer *body, int64_t now_ms) {
    struct failure failure = {0};
    yyjson_doc *document = yyjson_read((const char *)body->ptr, body->len, 0);

    assert_non_null(document);
    assert_int_equal(report_read(report, yyjson_doc_get_root(document), "site-1", now_ms, &failure),
                     ERROR_NONE);
    if (report->rejected)
        fail_msg("%s", report->why.text);
    yyjson_doc_free(document);
}

/* All that a record says, but for its id. */
static struct buffer words_of(const struct probe_record *record) {
    struct probe_record same = *record;
    struct field_selection fields;
    struct buffer out;
    memset(same.id, 0, sizeof same.id);

    assert_int_equal(field_selection_init(&fields, &probe_record_kind, NULL, NULL), ERROR_NONE);
    const struct encoding encoding = {&json_encoder, &fields, 0, false};
    buffer_init(&out);
    json_encoder.encode(&encoding, &same.head, &out);
    buffer_add_byte(&out, 0);
    field_selection_deinit(&fields);
    return out;
}

static void assert_there_and_back(bool has_certificate) {
    struct probe_record *record = make_record(has_certificate);
    struct buffer body = body_of(record, ""), before = words_of(record);
    struct report report;

    if (!has_certificate)
        judge_record(record, &(struct judge_policy){.defaults = true}, NOW_MS);
    buffer_deinit(&before);
    before = words_of(record);
    read_body(&report, &body, NOW_MS);
    assert_int_equal(report.count, 1);
    assert_int_equal(report.interval_ms, 90 * 1000);
    assert_string_equal(report.items[0].target.host, "mail.example.org");
    assert_int_equal(report.items[0].target.port, 25);
    assert_int_equal(report.items[0].target.source, TARGET_FROM_AGENT);
    assert_false(report.items[0].target.enabled);
    struct buffer after = words_of(report.items[0].record);
    assert_string_equal((const char *)after.ptr, (const char *)before.ptr);
    report_deinit(&report);
    buffer_deinit(&after);
    buffer_deinit(&before);
    buffer_deinit(&body);
    record_put(&record->head);
}

static void test_certificate(void **state) {
    (void)state;
    assert_there_and_back(true);
}

static void test_failure(void **state) {
    (void)state;
    assert_there_and_back(false);
}

/* The same result is the same record whenever it comes; another one is another. */
static void test_again(void **state) {
    struct probe_record *record = make_record(true);
    struct buffer body = body_of(record, "192.0.2.7"), other = body_of(record, "192.0.2.8");
    struct report first, second, third;

    (void)state;
    read_body(&first, &body, NOW_MS);
    read_body(&second, &body, NOW_MS - 3600 * 1000); /* their clock is an hour ahead */
    read_body(&third, &other, NOW_MS);
    assert_memory_equal(first.items[0].record->id, second.items[0].record->id, RECORD_ID_BYTES);
    assert_memory_not_equal(first.items[0].record->id, third.items[0].record->id, RECORD_ID_BYTES);
    assert_true(first.items[0].target.is_cidr);
    assert_string_equal(first.items[0].endpoint, "192.0.2.7");
    assert_int_equal(second.items[0].record->time_ms, NOW_MS - 3600 * 1000);
    report_deinit(&first);
    report_deinit(&second);
    report_deinit(&third);
    buffer_deinit(&body);
    buffer_deinit(&other);
    record_put(&record->head);
}

static void test_times(void **state) {
    static const struct {
        const char *text;
        int64_t ms; /* -1: none */
    } times[] = {
        {"1970-01-01T00:00:01Z", 1000},
        {"1970-01-01T00:00:01.25Z", 1250},
        {"1970-01-01T00:00:01.123456+00:00Z", 1123},
        {"1970-01-01 00:00:01", 1000},
        {"1970-01-01T02:00:01+02:00", 1000},
        {"1969-12-31T22:30:01-01:30", 1000},
        {"1970-01-01T00:00:01+2:00", 1000},
        {"1970-01-01", -1},
        {"1970-13-01T00:00:01Z", -1},
        {"", -1},
        {"now", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t ms = 0;
        assert_int_equal(report_time(slice_of(times[i].text), &ms), times[i].ms >= 0);
        if (times[i].ms >= 0)
            assert_int_equal(ms, times[i].ms);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, read_certificate, NULL);
}
