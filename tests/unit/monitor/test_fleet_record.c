/* Targets on their way to workers, and records on their way back: what a worker saw is what the
 * monitor knows; what is no record, or another's, is refused. */
#include "ingest/target_parse.h"
#include "tools/monitor/fleet_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/monitor/record_fixture.h"

#define RUN    UINT64_C(0x1122334455667788)
#define NUMBER (UINT64_C(1795229802123) * 64 + 7)

static const struct fleet_expectation usual = {
    .run = RUN, .number = NUMBER, .sent_ms = NOW_MS - 60000, .now_ms = NOW_MS};

/* As a worker writes it. */
static struct buffer encode(const struct probe_record *record) {
    struct field_selection fields;
    struct buffer out;

    assert_int_equal(fleet_select_fields(&fields, NULL), ERROR_NONE);
    const struct encoding encoding = {&json_encoder, &fields, 0, false};
    buffer_init(&out);
    json_encoder.encode(&encoding, &record->head, &out);
    assert_false(out.failed);
    field_selection_deinit(&fields);
    return out;
}

static struct probe_record *made(bool has_certificate) {
    struct probe_record *record = make_record(has_certificate);

    probe_record_identify(record, RUN, NUMBER, 3);
    if (!has_certificate)
        judge_record(record, &(struct judge_policy){.defaults = true}, NOW_MS);
    return record;
}

static void there_and_back(struct probe_record *record) {
    struct buffer json = encode(record), before = words_of(record);
    struct probe_record *back;
    struct failure failure = {0};

    if (fleet_record_read(buffer_slice(&json), &usual, &back, &failure))
        fail_msg("%s", failure.text);
    struct buffer after = words_of(back);
    assert_string_equal((const char *)after.ptr, (const char *)before.ptr);
    assert_memory_equal(back->id, record->id, sizeof back->id);
    assert_int_equal(probe_record_part(back), 3);
    buffer_deinit(&after);
    buffer_deinit(&before);
    buffer_deinit(&json);
    record_put(&back->head);
    record_put(&record->head);
}

static void test_there_and_back(void **state) {
    (void)state;
    there_and_back(made(true));
    there_and_back(made(false));
    struct probe_record *odd = made(false);
    odd->outcome = OUTCOME_CERTIFICATE_UNPARSABLE;
    odd->unparsable_der = slice_of("no certificate");
    there_and_back(odd);
}

static enum error read_as(const struct probe_record *record,
                          const struct fleet_expectation *expected, int64_t *time_ms) {
    struct buffer json = encode(record);
    struct probe_record *back;
    struct failure failure;
    enum error error = fleet_record_read(buffer_slice(&json), expected, &back, &failure);

    if (!error) {
        *time_ms = back->time_ms;
        record_put(&back->head);
    }
    buffer_deinit(&json);
    return error;
}

/* A worker's clock counts only between question and answer. */
static void test_times_and_places(void **state) {
    (void)state;
    struct probe_record *record = made(true);
    struct fleet_expectation expected = usual;
    int64_t time_ms = 0;

    assert_int_equal(read_as(record, &expected, &time_ms), ERROR_NONE);
    assert_int_equal(time_ms, NOW_MS - 5000);
    expected.sent_ms = NOW_MS - 1000;
    assert_int_equal(read_as(record, &expected, &time_ms), ERROR_NONE);
    assert_int_equal(time_ms, NOW_MS - 1000);
    expected = usual;
    expected.now_ms = NOW_MS - 10000;
    assert_int_equal(read_as(record, &expected, &time_ms), ERROR_NONE);
    assert_int_equal(time_ms, NOW_MS - 10000);
    expected = usual;
    expected.number++;
    assert_int_equal(read_as(record, &expected, &time_ms), ERROR_INPUT);
    expected = usual;
    expected.run++;
    assert_int_equal(read_as(record, &expected, &time_ms), ERROR_INPUT);
    record_put(&record->head);
}

/* Cut anywhere, or with any byte another: refused or read, never more than that. */
static void test_hostile(void **state) {
    (void)state;
    struct probe_record *record = made(true), *back;
    struct buffer json = encode(record);
    struct failure failure;

    for (size_t len = 0; len + 2 < json.len; len += 13)
        assert_int_equal(
            fleet_record_read(slice_first(buffer_slice(&json), len), &usual, &back, &failure),
            ERROR_INPUT);
    for (size_t i = 0; i < json.len; i += 7) {
        uint8_t old = json.ptr[i];
        json.ptr[i] = (uint8_t)(i % 3 ? '0' : '"');
        if (fleet_record_read(buffer_slice(&json), &usual, &back, &failure) == ERROR_NONE)
            record_put(&back->head);
        else
            assert_null(back);
        json.ptr[i] = old;
    }
    buffer_deinit(&json);
    record_put(&record->head);
}

static void test_specs(void **state) {
    (void)state;
    static const char *const specs[] = {
        "tls://www.example.org:443",
        "smtp://mail.example.org@192.0.2.7:2525",
        "imap://mail.example.org@[2001:db8::7]:143",
        "tls://192.0.2.9:8443",
        "postgres://[2001:db8::9]:5432",
    };
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        char spec[FLEET_SPEC_BYTES];
        struct target target = {0};
        struct failure failure = {0};
        if (target_parse(slice_of(specs[i]), &protocol_lookup_all, &target, &failure))
            fail_msg("%s: %s", specs[i], failure.text);
        fleet_spec(&target, spec);
        assert_string_equal(spec, specs[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_times_and_places),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_specs),
    };
    return cmocka_run_group_tests(tests, read_certificate, NULL);
}
