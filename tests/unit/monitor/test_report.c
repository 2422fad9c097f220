/* Results as reports and back: what an agent saw is what the centre knows. */
#include "tools/monitor/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/monitor/record_fixture.h"

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
