#include "engine/record/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Asserts that `names` picks exactly what `expected` lists, with commas, in this order. */
static void assert_picks(const char *names, const char *expected) {
    struct field_selection selection;
    struct failure failure;
    char text[4096] = "";

    assert_int_equal(field_selection_init(&selection, &probe_record_kind, names, &failure), 0);
    for (uint32_t i = 0; i < selection.count; i++) {
        strcat(text, i ? "," : "");
        strcat(text, selection.fields[i].field->name);
    }
    assert_string_equal(text, expected);
    field_selection_deinit(&selection);
}

static void assert_refused(const char *names, const char *words) {
    struct field_selection selection;
    struct failure failure = {0};

    assert_int_equal(field_selection_init(&selection, &probe_record_kind, names, &failure),
                     ERROR_USAGE);
    assert_int_equal(failure.code, ERROR_USAGE);
    if (!strstr(failure.text, words))
        fail_msg("\"%s\" is not in: %s", words, failure.text);
    field_selection_deinit(&selection); /* harmless after a failure */
    assert_int_equal(field_selection_init(&selection, &probe_record_kind, names, NULL),
                     ERROR_USAGE);
}

static void test_default(void **state) {
    (void)state;
    struct field_selection selection;
    uint32_t on_request = 0;

    assert_int_equal(field_selection_init(&selection, &probe_record_kind, NULL, NULL), 0);
    for (uint32_t i = 0; i < probe_record_kind.field_count; i++)
        on_request += probe_record_kind.fields[i].on_request;
    assert_true(on_request > 0);
    assert_int_equal(selection.count, probe_record_kind.field_count - on_request);
    for (uint32_t i = 0; i < selection.count; i++)
        assert_false(selection.fields[i].field->on_request);
    field_selection_deinit(&selection);
}

static void test_picks(void **state) {
    (void)state;

    assert_picks("host", "host");
    assert_picks("port,host", "host,port");
    assert_picks(" host , host,port ", "host,port");
    assert_picks("certificate.der", "certificate.der");
    assert_picks("timing_us", "timing_us.dns,timing_us.connect,timing_us.starttls,"
                              "timing_us.handshake,timing_us.total");
    assert_picks("chain,tls.version,certificate_der", "tls.version,certificate_der,chain");
}

static void test_group_takes_all(void **state) {
    (void)state;
    struct field_selection selection;
    bool der = false;

    assert_int_equal(field_selection_init(&selection, &probe_record_kind, "certificate", NULL), 0);
    for (uint32_t i = 0; i < selection.count; i++) {
        const char *name = selection.fields[i].field->name;
        assert_int_equal(strncmp(name, "certificate.", 12), 0);
        der |= strcmp(name, "certificate.der") == 0;
    }
    assert_true(der);
    field_selection_deinit(&selection);
}

static void test_refused(void **state) {
    (void)state;

    assert_refused("hots", "did you mean \"host\"");
    assert_refused("hosts", "did you mean \"host\"");
    assert_refused("prt", "did you mean \"port\"");
    assert_refused("host,certficate", "did you mean \"certificate\"");
    assert_refused("certificate.subject_nc", "did you mean \"certificate.subject_cn\"");
    assert_refused("subject_cn", "did you mean \"certificate.subject_cn\"");
    assert_refused("tls_version", "did you mean \"tls.version\"");
    assert_refused("certificate.", "did you mean \"certificate\"");
    assert_refused("xyzzyqwertyuiop", "trawl list fields");
    assert_refused("", "empty");
    assert_refused("host,", "empty");
    assert_refused("host,,port", "empty");
    assert_refused("HOST", "trawl list fields");
    assert_refused("sbuject_cn", "did you mean \"certificate.subject_cn\"");
    assert_refused("tsl", "did you mean \"tls\"");
    assert_refused("iq", "did you mean \"ip\"");
    assert_refused("x", "trawl list fields");
}

static void test_very_long_name(void **state) {
    (void)state;
    char name[5000];

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_refused(name, "xxx");
}

static void test_keys(void **state) {
    (void)state;
    struct field_selection selection;

    assert_int_equal(field_selection_init(&selection, &probe_record_kind,
                                          "host,tls.client_certificate_requested,chain", NULL),
                     0);
    assert_int_equal(selection.count, 3);
    const struct picked_field *host = &selection.fields[0], *requested = &selection.fields[1],
                              *chain = &selection.fields[2];
    assert_true(slice_is(host->key.json, ",\"host\":"));
    assert_true(slice_is(host->key.msgpack, "\xa4host"));
    assert_int_equal(host->group, 0);
    assert_true(slice_is(requested->key.name, "client_certificate_requested"));
    assert_int_equal(requested->group, 1);
    assert_true(slice_is(selection.groups[1].json, ",\"tls\":{"));
    assert_true(slice_is(selection.groups[1].msgpack, "\xa3tls"));
    assert_int_equal(chain->group, 0);
    assert_true(slice_is(chain->members[0].key.json, ",\"subject\":"));
    field_selection_deinit(&selection);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),         cmocka_unit_test(test_picks),
        cmocka_unit_test(test_group_takes_all), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_very_long_name),  cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
