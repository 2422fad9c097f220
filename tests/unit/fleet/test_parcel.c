#include "tools/fleet/parcel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What travels when two outputs are asked for. */
static void ask(struct job_options *options, const char *fields, const char *only) {
    struct field_selection selection;
    struct encoding json = {.encoder = &json_encoder, .fields = &selection},
                    csv = {.encoder = &csv_encoder, .fields = &selection};

    job_options_init(options);
    assert_int_equal(field_selection_init(&selection, &probe_record_kind, fields, NULL), 0);
    assert_int_equal(job_options_add_rendering(options, &json, only), 0);
    assert_int_equal(job_options_add_rendering(options, &csv, NULL), 1);
    field_selection_deinit(&selection);
}

static void add_record(const struct parcel_encoding *parcels, uint64_t number, const char *host,
                       enum outcome outcome, struct buffer *batch) {
    struct probe_record *record = probe_record_new(0);

    assert_non_null(record);
    probe_record_identify(record, 7, number, 0);
    record->host = slice_of(host);
    record->outcome = outcome;
    record->status = STATUS_CRITICAL;
    parcels->head.encoder->encode(&parcels->head, &record->head, batch);
    record_put(&record->head);
}

static void records_come_back(void **state) {
    (void)state;
    struct parcel_encoding parcels;
    struct job_options options;
    struct failure failure;
    struct parcel parcel;
    struct buffer batch;

    buffer_init(&batch);
    ask(&options, "host,outcome", "!outcome:refused");
    assert_int_equal(parcel_encoding_init(&parcels, &options, &failure), ERROR_NONE);
    assert_ptr_equal(parcels.head.encoder, &parcel_encoder);
    add_record(&parcels, JOB_TARGETS_MAX, "a.example", OUTCOME_TIMEOUT, &batch);
    add_record(&parcels, 2, "b.example", OUTCOME_REFUSED, &batch);
    struct slice rest = buffer_slice(&batch);
    assert_true(parcel_next(&rest, 2, &parcel));
    assert_true(parcel.number == JOB_TARGETS_MAX);
    assert_int_equal(parcel.outcome, OUTCOME_TIMEOUT);
    assert_int_equal(parcel.status, STATUS_CRITICAL);
    assert_true(parcel.renderings[0].wanted && parcel.renderings[1].wanted);
    assert_true(
        slice_is(parcel.renderings[0].bytes, "{\"host\":\"a.example\",\"outcome\":\"timeout\"}\n"));
    assert_true(slice_is(parcel.renderings[1].bytes, "a.example,timeout\n"));
    assert_true(parcel_next(&rest, 2, &parcel));
    assert_int_equal(parcel.number, 2);
    assert_false(parcel.renderings[0].wanted);
    assert_int_equal(parcel.renderings[0].bytes.len, 0);
    assert_true(slice_is(parcel.renderings[1].bytes, "b.example,refused\n"));
    assert_false(parcel_next(&rest, 2, &parcel));
    parcel_encoding_deinit(&parcels);
    job_options_deinit(&options);
    buffer_deinit(&batch);
}

/* The pool makes the hashes that any rendering writes or any filter asks for, and no others. */
static void parts_are_summed(void **state) {
    (void)state;
    struct parcel_encoding parcels;
    struct job_options options;
    struct failure failure;

    ask(&options, "certificate.fingerprint_sha1", "certificate.spki_sha256:00");
    assert_int_equal(parcel_encoding_init(&parcels, &options, &failure), ERROR_NONE);
    assert_int_equal(encoding_parts(&parcels.head) & PART_HASHES,
                     PART_FINGERPRINT_SHA1 | PART_SPKI_SHA256);
    parcel_encoding_deinit(&parcels);
    job_options_deinit(&options);
    ask(&options, NULL, NULL);
    assert_int_equal(parcel_encoding_init(&parcels, &options, &failure), ERROR_NONE);
    assert_true(encoding_parts(&parcels.head) & PART_FINGERPRINT_SHA256);
    parcel_encoding_deinit(&parcels);
    job_options_deinit(&options);
}

static void assert_refused(char *encoder, char *fields, char *only) {
    struct job_options options = {
        .rendering_count = 2,
        .renderings = {{.encoder = (char[]){"json"}, .only = (char[]){"outcome:ok"}},
                       {.encoder = encoder, .fields = fields, .only = only}},
    };
    struct parcel_encoding parcels;
    struct failure failure = {0};

    assert_int_equal(parcel_encoding_init(&parcels, &options, &failure), ERROR_USAGE);
    assert_true(failure.text[0]);
}

static void what_is_unknown_is_refused(void **state) {
    (void)state;
    assert_refused((char[]){"yaml"}, NULL, NULL);
    assert_refused((char[]){"json"}, (char[]){"hosst"}, NULL);
    assert_refused((char[]){"json"}, NULL, (char[]){"hosst:a"});
    assert_refused((char[]){"parcel"}, NULL, NULL);
}

static void without_renderings(void **state) {
    (void)state;
    struct job_options options = {0};
    struct parcel_encoding parcels;
    struct failure failure;
    struct parcel parcel;
    struct buffer batch;

    buffer_init(&batch);
    assert_int_equal(parcel_encoding_init(&parcels, &options, &failure), ERROR_NONE);
    add_record(&parcels, 9, "a", OUTCOME_OK, &batch);
    struct slice rest = buffer_slice(&batch);
    assert_true(parcel_next(&rest, 0, &parcel));
    assert_int_equal(parcel.number, 9);
    assert_false(parcel_next(&rest, 0, &parcel));
    parcel_encoding_deinit(&parcels);
    buffer_deinit(&batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back),
        cmocka_unit_test(parts_are_summed),
        cmocka_unit_test(what_is_unknown_is_refused),
        cmocka_unit_test(without_renderings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
