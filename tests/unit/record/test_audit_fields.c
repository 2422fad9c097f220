/* What an audit finds as fields of a record. */
#include "engine/record/audit_fields.h"
#include "engine/record/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* RDNSequence with CN=Root */
static const uint8_t root_name[] = {0x30, 0x0f, 0x31, 0x0d, 0x30, 0x0b, 0x06, 0x03, 0x55,
                                    0x04, 0x03, 0x0c, 0x04, 'R',  'o',  'o',  't'};

static void test_audit(void **state) {
    static struct tls_audit_result result = {
        .versions = {{.version = 0x0304, .offered = TLS_AUDIT_YES}},
        .ca_names = {{root_name, sizeof root_name}, {(const uint8_t *)"\x30\x00", 2}},
        .ca_name_count = 2,
        .connections = 7,
    };
    struct arena arena;
    (void)state;
    assert_true(arena_init(&arena, 64));
    const struct audit_fields *fields = audit_fields_new(&result, &arena);
    assert_non_null(fields);
    assert_int_equal(fields->found.connections, 7);
    assert_int_equal(fields->found.versions[0].offered, TLS_AUDIT_YES);
    assert_int_equal(fields->ca_names.count, 2);
    assert_true(slice_is(fields->ca_names.items[0], "CN=Root"));
    assert_int_equal(fields->ca_names.items[1].len, 0);
    /* nothing points to what the audit owns */
    assert_null(fields->found.ca_names[0].ptr);
    arena_deinit(&arena);
}

static void test_no_ca_names(void **state) {
    static const struct tls_audit_result result;
    struct arena arena;
    (void)state;
    assert_true(arena_init(&arena, 64));
    assert_int_equal(audit_fields_new(&result, &arena)->ca_names.count, 0);
    arena_deinit(&arena);
}

/* What a record says of an audit: which fields, and what they hold. */
static void assert_field(const struct audit_fields *fields, const char *name,
                         const char *expected) {
    struct probe_record *record = probe_record_new(256);
    const struct field *field = record ? record->head.kind->fields : NULL;
    char text[256] = "";

    assert_non_null(record);
    record->audit = fields;
    while (strcmp(field->name, name) != 0)
        field++;
    uint32_t count = field->count ? field->count(&record->head) : 1;
    for (uint32_t i = 0; i < count; i++) {
        struct value value = {0};
        field->get(&record->head, i, &value);
        size_t len = strlen(text);
        if (value.kind == VALUE_BOOLEAN)
            snprintf(text + len, sizeof text - len, "%s", value.boolean ? "true" : "false");
        else if (value.kind == VALUE_TEXT)
            snprintf(text + len, sizeof text - len, "%s%.*s", i ? " " : "", (int)value.bytes.len,
                     (const char *)value.bytes.ptr);
        else
            assert_int_equal(value.kind, VALUE_ABSENT);
    }
    assert_string_equal(text, expected);
    record_put(&record->head);
}

static struct audit_fields finished_audit(void) {
    struct audit_fields fields = {.found.protocols_complete = true};

    for (uint16_t i = 0; i < TLS_AUDIT_VERSIONS; i++)
        fields.found.versions[i] =
            (struct tls_audit_version){.version = (uint16_t)(0x0304 - i),
                                       .offered = i < 2 ? TLS_AUDIT_YES : TLS_AUDIT_NO,
                                       .suites_complete = i < 2};
    fields.found.groups13 = (struct tls_audit_groups){.complete = true, .count = 1, .ids = {29}};
    fields.found.groups12 = fields.found.groups13;
    return fields;
}

static void test_completeness(void **state) {
    struct audit_fields fields = finished_audit();
    struct tls_audit_result *found = &fields.found;

    (void)state;
    assert_field(&fields, "audit.incomplete", "");
    assert_field(&fields, "audit.complete", "true");
    assert_field(&fields, "audit.stopped", "");
    found->groups12.complete = false;
    assert_field(&fields, "audit.incomplete", "tls12_groups");
    assert_field(&fields, "audit.complete", "false");
    found->groups12.count = 0; /* no elliptic key exchange, nothing to be known */
    assert_field(&fields, "audit.complete", "true");
    found->groups13.complete = found->protocols_complete = false;
    found->versions[1].suites_complete = false;
    found->versions[4].offered = TLS_AUDIT_UNKNOWN;
    assert_field(&fields, "audit.incomplete", "TLS 1.2 SSL 3.0 tls13_groups alpn");

    fields = finished_audit();
    found->stop = TLS_AUDIT_OUT_OF_TIME;
    assert_field(&fields, "audit.complete", "false");
    assert_field(&fields, "audit.stopped", "out_of_time");
    found->stop = TLS_AUDIT_CANCELLED;
    assert_field(&fields, "audit.stopped", "cancelled");
}

static void test_resumption_fields(void **state) {
    struct audit_fields fields = finished_audit();

    (void)state;
    fields.found.resumes_id = TLS_AUDIT_NO;
    fields.found.resumes_tls13 = TLS_AUDIT_YES;
    assert_field(&fields, "audit.resumption_tls12_session_id", "false");
    assert_field(&fields, "audit.resumption_tls12_ticket", "");
    assert_field(&fields, "audit.resumption_tls13", "true");
}

/* An audit for which there was no memory says so, and nothing else. */
static void test_out_of_memory(void **state) {
    const struct audit_fields *fields = &audit_fields_out_of_memory;

    (void)state;
    assert_field(fields, "audit.complete", "false");
    assert_field(fields, "audit.stopped", "out_of_memory");
    assert_field(fields, "audit.versions", "");
    assert_field(fields, "audit.alpn", "");
    assert_field(fields, "audit.resumption_tls13", "");
}

/* One SCT, of a log that nobody knows; `count` of them make a list. */
static struct slice make_list(uint8_t *out, size_t count) {
    enum { ITEM = 2 + 1 + 32 + 8 + 2 + 2 + 2 };
    memset(out, 0, 2 + ITEM * count);
    out[0] = (uint8_t)((ITEM * count) >> 8);
    out[1] = (uint8_t)(ITEM * count);
    for (size_t i = 0; i < count; i++) {
        uint8_t *item = out + 2 + ITEM * i;
        item[1] = ITEM - 2;
        item[3] = (uint8_t)i;    /* of the log's id */
        item[2 + 1 + 32] = 0xff; /* a time that no calendar has */
    }
    return (struct slice){out, 2 + ITEM * count};
}

static void test_scts(void **state) {
    uint8_t embedded[2100], tls[2100];
    struct certificate leaf = {.sct_list = make_list(embedded, 2)};
    struct sct_sources sources = {.leaf = &leaf, .in_tls = make_list(tls, 1)};
    struct sct_fields_list list;
    struct arena arena;
    (void)state;
    assert_true(arena_init(&arena, 64));
    assert_true(sct_fields_fill(&sources, NULL, 0, &arena, &list));
    assert_int_equal(list.count, 3);
    assert_int_equal(list.items[1].source, SCT_EMBEDDED);
    assert_int_equal(list.items[1].log_id[0], 1);
    assert_int_equal(list.items[2].source, SCT_IN_TLS);
    assert_int_equal(list.items[2].verdict, SCT_UNKNOWN_LOG);
    assert_true(list.items[2].time_ms == INT64_MAX);

    /* The second one's log is known, but without an issuer there is nothing to check. */
    const struct sct_log known = {.id = {1}, .name = slice_of("Known")};
    assert_true(sct_fields_fill(&sources, &known, 1, &arena, &list));
    assert_int_equal(list.items[0].log.len, 0);
    assert_int_equal(list.items[0].verdict, SCT_UNKNOWN_LOG);
    assert_true(slice_is(list.items[1].log, "Known"));
    assert_int_equal(list.items[1].verdict, SCT_UNCHECKED);

    sources.in_tls = make_list(tls, 40);
    assert_true(sct_fields_fill(&sources, NULL, 0, &arena, &list));
    assert_int_equal(list.count, SCT_FIELDS_MAX);

    sources.in_ocsp = slice_of("no list");
    sources.in_tls = leaf.sct_list = (struct slice){NULL, 0};
    assert_true(sct_fields_fill(&sources, NULL, 0, &arena, &list));
    assert_int_equal(list.count, 0);
    arena_deinit(&arena);
}

static void test_ocsp(void **state) {
    static const struct certificate leaf;
    struct arena arena;
    (void)state;
    assert_true(arena_init(&arena, 64));
    const struct ocsp_fields *fields = ocsp_fields_new(
        (struct slice){(const uint8_t *)"\x30\x03\x0a\x01\x06", 5}, &leaf, NULL, 0, &arena);
    assert_int_equal(fields->result, OCSP_UNSUCCESSFUL);
    assert_int_equal(fields->answer.response_status, 6);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audit),         cmocka_unit_test(test_no_ca_names),
        cmocka_unit_test(test_completeness),  cmocka_unit_test(test_resumption_fields),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_scts),
        cmocka_unit_test(test_ocsp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
