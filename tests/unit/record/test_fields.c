#include "engine/record/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* The record as users know it, in its order. */
static const char *const DOCUMENTED[] = {
    "record",
    "schema",
    "time",
    "host",
    "ip",
    "port",
    "protocol",
    "sni",
    "plan",
    "attempt",
    "outcome",
    "stage",
    "error",
    "addresses",
    "timing_us.dns",
    "timing_us.connect",
    "timing_us.starttls",
    "timing_us.handshake",
    "timing_us.total",
    "tls.version",
    "tls.cipher",
    "tls.group",
    "tls.alpn",
    "tls.client_certificate_requested",
    "tls.ocsp_stapled",
    "tls.sct_count",
    "tls.key_proven",
    "certificate.subject",
    "certificate.subject_cn",
    "certificate.issuer",
    "certificate.issuer_cn",
    "certificate.issuer_o",
    "certificate.serial",
    "certificate.not_before",
    "certificate.not_after",
    "certificate.lifetime_days",
    "certificate.dns_names",
    "certificate.ip_addresses",
    "certificate.emails",
    "certificate.uris",
    "certificate.fingerprint_sha256",
    "certificate.fingerprint_sha1",
    "certificate.tbs_sha256",
    "certificate.spki_sha256",
    "certificate.key_type",
    "certificate.key_bits",
    "certificate.signature_algorithm",
    "certificate.is_ca",
    "certificate.self_signed",
    "certificate.ocsp_urls",
    "certificate.crl_urls",
    "certificate.der",
    "chain",
    "trust.trusted",
    "trust.error",
    "trust.name_matches",
    "trust.matched_name",
    "trust.chain_not_after",
    "trust.earliest_not_after",
    "days_left",
    "status",
    "findings",
};

static void test_documented(void **state) {
    (void)state;
    const struct record_kind *kind = &probe_record_kind;
    uint32_t at = 0;

    assert_string_equal(kind->name, "probe");
    for (size_t i = 0; i < sizeof DOCUMENTED / sizeof DOCUMENTED[0]; i++) {
        while (at < kind->field_count && strcmp(kind->fields[at].name, DOCUMENTED[i]) != 0)
            at++; /* fields that came later stand between */
        if (at == kind->field_count)
            fail_msg("no field %s, or not in its place", DOCUMENTED[i]);
    }
}

static void assert_field(const struct field *field, bool member) {
    const char *dot = strchr(field->name, '.'), *own = dot ? dot + 1 : field->name;

    assert_true(strlen(own) >= 1 && strlen(own) <= FIELD_NAME_MAX);
    assert_null(strchr(own, '.'));
    assert_int_equal(strspn(own, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(own));
    assert_non_null(field->summary);
    assert_true(strlen(field->summary) > 5);
    assert_null(strchr(field->summary, '\n'));
    assert_true((field->get != NULL) != (field->members != NULL));
    assert_true(field->members ? field->kind == VALUE_ABSENT : field->kind != VALUE_ABSENT);
    assert_false(field->members && (!field->count || member));
    assert_false(member && (field->count || dot));
    assert_false(field->always && dot); /* or the group would be there without anything in it */
}

static void test_table(void **state) {
    (void)state;
    const struct record_kind *kind = &probe_record_kind;

    for (uint32_t i = 0; i < kind->field_count; i++) {
        const struct field *field = &kind->fields[i];
        assert_field(field, false);
        assert_true(field->member_count <= MEMBERS_MAX);
        for (uint32_t j = 0; j < field->member_count; j++)
            assert_field(&field->members[j], true);
        for (uint32_t j = 0; j < i; j++)
            assert_string_not_equal(field->name, kind->fields[j].name);
    }
}

static size_t group_len(const struct field *field) {
    const char *dot = strchr(field->name, '.');
    return dot ? (size_t)(dot - field->name) + 1 : 0;
}

/* A group that is left must not come again, and no field may have a group's name. */
static void test_groups(void **state) {
    (void)state;
    const struct record_kind *kind = &probe_record_kind;

    for (uint32_t i = 1; i < kind->field_count; i++) {
        const struct field *field = &kind->fields[i], *before = field - 1;
        size_t len = group_len(field);
        if (len == 0 || strncmp(field->name, before->name, len) == 0)
            continue;
        for (uint32_t j = 0; j < i; j++) {
            assert_int_not_equal(strncmp(field->name, kind->fields[j].name, len), 0);
            assert_false(strlen(kind->fields[j].name) == len - 1 &&
                         strncmp(field->name, kind->fields[j].name, len - 1) == 0);
        }
    }
}

/* A record in which nothing has happened yet gives every field without harm. */
static void test_empty_record(void **state) {
    (void)state;
    struct probe_record *record = probe_record_new(0);
    const struct record_kind *kind = record->head.kind;

    for (uint32_t i = 0; i < kind->field_count; i++) {
        const struct field *field = &kind->fields[i];
        struct value value;
        if (field->count) {
            assert_int_equal(field->count(&record->head), 0);
            continue;
        }
        field->get(&record->head, 0, &value);
        assert_true(value.kind == VALUE_ABSENT || value.kind == field->kind);
        assert_false(group_len(field) && value.kind != VALUE_ABSENT);
    }
    record_put(&record->head);
}

static const struct field *field_named(const char *name) {
    for (uint32_t i = 0; i < probe_record_kind.field_count; i++)
        if (strcmp(probe_record_kind.fields[i].name, name) == 0)
            return &probe_record_kind.fields[i];
    fail_msg("no field %s", name);
    return NULL;
}

static void test_findings(void **state) {
    (void)state;
    struct probe_record *record = probe_record_new(0);
    const struct field *field = field_named("findings");

    record->findings = UINT64_MAX; /* those without a name are passed over */
    assert_int_equal(field->count(&record->head), FINDING_COUNT);
    for (enum finding i = 0; i < FINDING_COUNT; i++) {
        struct value value;
        field->get(&record->head, i, &value);
        assert_true(slice_is(value.bytes, finding_name(i)));
    }
    record_put(&record->head);
}

/* What nobody looked at is neither true nor false. */
static void test_unknown(void **state) {
    (void)state;
    struct probe_record *record = probe_record_new(0);
    const struct {
        const struct field *field;
        bool *known, *fact;
    } FIELDS[] = {
        {field_named("tls.client_certificate_requested"), &record->tls.client_certificate_known,
         &record->tls.client_certificate_requested},
        {field_named("trust.trusted"), &record->trust.chain_checked, &record->trust.trusted},
        {field_named("trust.name_matches"), &record->trust.name_checked,
         &record->trust.name_matches},
    };

    record->has_tls = record->has_trust = true;
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++)
        for (int fact = 0; fact < 2; fact++) {
            struct value value;
            *FIELDS[i].fact = fact;
            *FIELDS[i].known = false;
            FIELDS[i].field->get(&record->head, 0, &value);
            assert_int_equal(value.kind, VALUE_ABSENT);
            *FIELDS[i].known = true;
            FIELDS[i].field->get(&record->head, 0, &value);
            assert_int_equal(value.kind, VALUE_BOOLEAN);
            assert_int_equal(value.boolean, fact);
        }
    record_put(&record->head);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documented), cmocka_unit_test(test_table),
        cmocka_unit_test(test_groups),     cmocka_unit_test(test_empty_record),
        cmocka_unit_test(test_findings),   cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
