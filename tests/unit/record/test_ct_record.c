/* The record of an entry of a log, and it as bytes and back. */
#include "engine/record/ct_record.h"

#include "engine/record/ct_record_pack.h"
#include "engine/record/encoder.h"
#include "tests/golden/sample_ct_records.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

/* What DESIGN promises, in this order. */
static const char *const DOCUMENTED[] = {
    "record",   "schema",           "time",       "update_type",     "source_log",    "log_id",
    "index",    "cert_link",        "chain",      "matched_entries", "matched_names", "verdict",
    "severity", "fingerprint_sha1", "tbs_sha256", "seen_at",         "entry_time",    "issuance_id",
};

static void test_fields(void **state) {
    const struct record_kind *kind = &ct_record_kind;
    uint32_t at = 0;

    (void)state;
    assert_string_equal(kind->name, "ct");
    for (size_t i = 0; i < sizeof DOCUMENTED / sizeof DOCUMENTED[0]; i++) {
        while (at < kind->field_count && strcmp(kind->fields[at].name, DOCUMENTED[i]) != 0)
            at++;
        if (at == kind->field_count)
            fail_msg("no field %s, or not in its place", DOCUMENTED[i]);
    }
}

/* A record in which nothing stands gives every field without harm. */
static void test_empty(void **state) {
    struct ct_record *record = ct_record_new(0);

    (void)state;
    assert_ptr_equal(ct_record_of(&record->head), record);
    assert_null(probe_record_of(&record->head));
    for (uint32_t i = 0; i < ct_record_kind.field_count; i++) {
        const struct field *field = &ct_record_kind.fields[i];
        struct value value;
        if (field->count) {
            assert_int_equal(field->count(&record->head), 0);
            continue;
        }
        field->get(&record->head, 0, &value);
        assert_true(value.kind == VALUE_ABSENT || value.kind == field->kind);
        assert_false(strchr(field->name, '.') && value.kind != VALUE_ABSENT);
    }
    record_put(&record->head);
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(ct_update_name(CT_UPDATE_UNKNOWN), "");
    assert_string_equal(ct_update_name(CT_UPDATE_X509), "X509LogEntry");
    assert_string_equal(ct_update_name(CT_UPDATE_PRECERT), "PrecertLogEntry");
    for (enum ct_verdict verdict = CT_VERDICT_INFO; verdict < CT_VERDICTS; verdict++)
        assert_true(*ct_verdict_name(verdict) && *ct_verdict_severity(verdict));
    assert_string_equal(ct_verdict_name(CT_VERDICT_NONE), "");
    assert_string_equal(ct_verdict_severity(CT_VERDICT_SUSPICIOUS), "suspicious");
    for (enum ct_known_by by = CT_KNOWN_TBS; by < CT_KNOWN_KINDS; by++)
        assert_true(*ct_known_by_name(by));
}

/* --- Parts --- */

static uint32_t parts_of(const char *names) {
    struct field_selection fields;

    assert_int_equal(field_selection_init(&fields, &ct_record_kind, names, NULL), 0);
    const struct encoding encoding = {.encoder = &json_encoder, .fields = &fields};
    uint32_t parts = encoding_parts(&encoding);
    field_selection_deinit(&fields);
    return parts;
}

static void test_parts(void **state) {
    (void)state;
    assert_int_equal(parts_of(NULL), PARTS_ALL);
    assert_int_equal(parts_of("index,source_log,certificate.serial"), 0);
    assert_int_equal(parts_of("fingerprint_sha1"), PART_FINGERPRINT_SHA1);
    assert_int_equal(parts_of("issuance_id"), PART_TBS_SHA256);
    assert_int_equal(parts_of("certificate.issuer_o,chain"), PART_ISSUER | PART_CHAIN);
    assert_int_equal(encoding_parts(&(const struct encoding){0}), 0);
    assert_int_equal(encoding_parts(&(const struct encoding){.encoder = &names_encoder}),
                     PART_NAMES);
}

/* --- Packing --- */

static struct buffer pack(const struct ct_record *record) {
    struct buffer out;

    buffer_init(&out);
    ct_record_pack(record, &out);
    assert_false(out.failed);
    return out;
}

static struct buffer encode(const struct ct_record *record) {
    struct field_selection fields;
    struct buffer out;

    buffer_init(&out);
    assert_int_equal(field_selection_init(&fields, &ct_record_kind,
                                          "record,time,update_type,source_log,log_id,index,"
                                          "cert_link,certificate,chain,entry,error,matched_entries,"
                                          "matched_names,lookalike,verdict,severity,known_by,"
                                          "fingerprint_sha1,tbs_sha256,seen_at,entry_time,"
                                          "issuance_id",
                                          NULL),
                     0);
    const struct encoding json = {.encoder = &json_encoder, .fields = &fields};
    const struct encoding pem = {.encoder = &pem_encoder};
    json_encoder.encode(&json, &record->head, &out);
    pem_encoder.encode(&pem, &record->head, &out);
    field_selection_deinit(&fields);
    return out;
}

static void test_round_trip(void **state) {
    struct ct_record *records[SAMPLE_CT_COUNT];

    (void)state;
    sample_ct_records_new(records);
    for (size_t i = 0; i < SAMPLE_CT_COUNT; i++) {
        struct buffer packed = pack(records[i]), again, wanted = encode(records[i]), got;
        struct ct_record *record = ct_record_unpack(buffer_slice(&packed));
        assert_non_null(record);
        assert_int_equal(record->has_fingerprint, records[i]->has_fingerprint);
        again = pack(record);
        assert_true(slice_equal(buffer_slice(&packed), buffer_slice(&again)));
        memset(packed.ptr, 0xee, packed.len); /* it is a record of its own */
        buffer_deinit(&packed);
        got = encode(record);
        assert_true(slice_equal(buffer_slice(&wanted), buffer_slice(&got)));
        assert_true(got.len > 100);
        record_put(&record->head);
        buffer_deinit(&again);
        buffer_deinit(&wanted);
        buffer_deinit(&got);
    }
    sample_ct_records_put(records);
}

/* Whatever is cut or changed gives another record or none, and no harm. */
static void test_damage(void **state) {
    struct ct_record *records[SAMPLE_CT_COUNT];

    (void)state;
    sample_ct_records_new(records);
    for (size_t i = 0; i < SAMPLE_CT_COUNT; i++) {
        struct buffer packed = pack(records[i]);
        for (size_t len = 0; len < packed.len; len++) {
            uint8_t *copy = malloc(len + 1); /* so that AddressSanitizer sees its end */
            assert_non_null(copy);
            memcpy(copy, packed.ptr, len);
            assert_null(ct_record_unpack((struct slice){copy, len}));
            free(copy);
        }
        for (size_t at = 0; at < packed.len; at++) {
            packed.ptr[at] ^= 0x80;
            struct ct_record *record = ct_record_unpack(buffer_slice(&packed));
            if (record) {
                struct buffer text = encode(record);
                buffer_deinit(&text);
                record_put(&record->head);
            }
            packed.ptr[at] ^= 0x80;
        }
        buffer_add_byte(&packed, 0);
        assert_null(ct_record_unpack(buffer_slice(&packed)));
        buffer_deinit(&packed);
    }
    sample_ct_records_put(records);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),     cmocka_unit_test(test_empty),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_parts),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
