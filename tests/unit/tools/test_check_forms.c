/* The forms of a check over records made by hand, byte for byte as in tests/golden/check; the
 * system test reads the same files with other parsers. With TRAWL_WRITE_GOLDEN set they are made
 * anew. */
#include "tests/golden/sample_records.h"
#include "tools/trawl/check_verdict.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct probe_record *samples[SAMPLE_COUNT];
static struct field_selection fields;

static int set_up(void **state) {
    (void)state;
    sample_records_new(samples);
    return field_selection_init(&fields, &probe_record_kind, NULL, NULL) == ERROR_NONE ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    sample_records_put(samples);
    field_selection_deinit(&fields);
    return 0;
}

static const struct judge_policy policy = {.warning = {.value = 14}, .critical = {.value = 3}};

static void write_one(const struct check_form *form, struct probe_record *record,
                      enum name_validation validation, bool color, struct buffer *out) {
    struct encoding encoding = {.encoder = &json_encoder, .fields = &fields, .color = color};
    struct check_answer answer = {
        .records = &record,
        .count = 1,
        .policy = &policy,
        .validation = validation,
        .encoding = &encoding,
    };
    form->write(&answer, out);
}

static void compare(const char *name, struct buffer *text) {
    char path[128];
    static char wanted[1 << 20];

    snprintf(path, sizeof path, "tests/golden/check/%s", name);
    assert_false(text->failed);
    if (getenv("TRAWL_WRITE_GOLDEN")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fwrite(text->ptr, 1, text->len, file);
        fclose(file);
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(wanted, 1, sizeof wanted, file);
    fclose(file);
    assert_int_equal(len, text->len);
    assert_memory_equal(wanted, text->ptr, len);
    buffer_deinit(text);
}

static void each_in_turn(const char *name, const struct check_form *form,
                         enum name_validation validation, bool color) {
    struct buffer text;

    buffer_init(&text);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        size_t start = text.len;
        write_one(form, samples[i], validation, color, &text);
        assert_true(text.len > start);
        assert_int_equal(text.ptr[text.len - 1], '\n');
    }
    compare(name, &text);
}

static void human(void **state) {
    (void)state;
    each_in_turn("human.txt", &check_human, VALIDATE_NONE, false);
    each_in_turn("human-color.txt", &check_human, VALIDATE_NONE, true);
}

static void nagios(void **state) {
    (void)state;
    each_in_turn("nagios.txt", &check_nagios, VALIDATE_NONE, false);
}

static void prtg(void **state) {
    (void)state;
    each_in_turn("prtg.jsonl", &check_prtg, VALIDATE_CN, false);
    each_in_turn("prtg-v2.jsonl", &check_prtg_v2, VALIDATE_CN_SAN, false);
}

static void prometheus(void **state) {
    struct encoding encoding = {.encoder = &json_encoder, .fields = &fields};
    struct check_answer answer = {
        .records = samples, .count = SAMPLE_COUNT, .policy = &policy, .encoding = &encoding};
    struct buffer text;

    (void)state;
    buffer_init(&text);
    check_prometheus.write(&answer, &text);
    compare("prometheus.txt", &text);
}

static void several_on_one_line(void **state) {
    struct encoding encoding = {.encoder = &json_encoder, .fields = &fields};
    struct probe_record *two[] = {samples[0], samples[2]};
    struct check_answer answer = {
        .records = two, .count = 2, .policy = &policy, .encoding = &encoding};
    struct buffer text;

    (void)state;
    buffer_init(&text);
    check_nagios.write(&answer, &text);
    static const char begin[] = "TLS CRITICAL - 2 checked, the worst: slow.example.org:443: ";
    assert_true(slice_is(slice_first(buffer_slice(&text), strlen(begin)), begin));
    assert_ptr_equal(memchr(text.ptr, '\n', text.len), text.ptr + text.len - 1);
    buffer_deinit(&text);
}

static void names_are_those_of_the_forms(void **state) {
    (void)state;
    for (size_t i = 0; check_form_names[i]; i++)
        assert_string_equal(check_forms[i]->name, check_form_names[i]);
    assert_ptr_equal(check_forms[CHECK_PROMETHEUS], &check_prometheus);
    assert_ptr_equal(check_forms[CHECK_PRTG], &check_prtg);
    assert_ptr_equal(check_forms[CHECK_PRTG_V2], &check_prtg_v2);
}

/* --- Verdicts --- */

static uint64_t bit(enum finding finding) {
    return UINT64_C(1) << finding;
}

static void trust_and_name_count_unless_ignored(void **state) {
    struct probe_record *record = samples[4];

    (void)state;
    record->status = STATUS_OK;
    record->findings = bit(FINDING_UNTRUSTED) | bit(FINDING_NAME_MISMATCH) | bit(FINDING_WEAK_KEY);
    assert_int_equal(check_verdict(record, 0), STATUS_CRITICAL);
    assert_int_equal(check_verdict(record, bit(FINDING_UNTRUSTED)), STATUS_CRITICAL);
    assert_int_equal(check_verdict(record, bit(FINDING_UNTRUSTED) | bit(FINDING_NAME_MISMATCH)),
                     STATUS_WARNING);
    assert_int_equal(check_verdict(record, record->findings), STATUS_OK);
}

static void expiry_counts_as_the_thresholds_say(void **state) {
    struct probe_record *record = samples[9];

    (void)state;
    record->findings = bit(FINDING_EXPIRES_SOON);
    record->status = STATUS_WARNING;
    assert_int_equal(check_verdict(record, 0), STATUS_WARNING);
    record->status = STATUS_CRITICAL;
    assert_int_equal(check_verdict(record, 0), STATUS_CRITICAL);
    assert_int_equal(check_verdict(record, bit(FINDING_EXPIRES_SOON)), STATUS_OK);
}

static void without_a_certificate_there_is_nothing_good(void **state) {
    (void)state;
    assert_int_equal(check_verdict(samples[1], ~UINT64_C(0)), STATUS_ERROR);
    assert_int_equal(check_verdict(samples[7], 0), STATUS_UNKNOWN);
}

static void days_round_down(void **state) {
    (void)state;
    assert_int_equal(check_days(0.5), 0);
    assert_int_equal(check_days(-0.5), -1);
    assert_int_equal(check_days(1.0), 1);
    /* the last second of validity counts */
    assert_int_equal(check_days_until(86399, 0), 1);
    assert_int_equal(check_days_until(-1, 0), 0);
    assert_int_equal(check_days_until(-2, 0), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(human, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nagios, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prtg, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prometheus, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_on_one_line, set_up, tear_down),
        cmocka_unit_test(names_are_those_of_the_forms),
        cmocka_unit_test_setup_teardown(trust_and_name_count_unless_ignored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expiry_counts_as_the_thresholds_say, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_certificate_there_is_nothing_good, set_up,
                                        tear_down),
        cmocka_unit_test(days_round_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
