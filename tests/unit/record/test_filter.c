/* Filters: what is cut out of a spec, which records match as they are and packed, and what is wrong
 * usage. */
#include "engine/record/ct_record.h"
#include "engine/record/encoder.h"
#include "engine/record/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

static const struct record_kind *const PROBES[] = {&probe_record_kind, NULL};
static const struct record_kind *const BOTH[] = {&probe_record_kind, &ct_record_kind, NULL};

static void specs_are_parted(void **state) {
    static const struct {
        const char *text, *spec, *conditions;
    } cases[] = {
        {"results.jsonl", "results.jsonl", NULL},
        {"results#1.jsonl", "results#1.jsonl", NULL},
        {"what?only.jsonl", "what?only.jsonl", NULL},
        {"results.jsonl#only=outcome:ok", "results.jsonl", "outcome:ok"},
        {"-#only=a:b,c&only=d:e", "-", "a:b,c&d:e"},
        {"x#only=", "x", ""},
        {"x#batch=5,only=a:b,c&timeout=5s", "x#batch=5,timeout=5s", "a:b,c"},
        {"x#batch=5&only=a:b&listen,ack", "x#batch=5,listen,ack", "a:b"},
        {"webhook+https://h/in?only=a:b", "webhook+https://h/in", "a:b"},
        {"webhook+https://h/in?k=1&only=a:b&l=2", "webhook+https://h/in?k=1&l=2", "a:b"},
        {"webhook+https://h/in?only=a:b#batch=5", "webhook+https://h/in#batch=5", "a:b"},
        {"webhook+https://h/?only=a:b#only=c:d,batch=1", "webhook+https://h/", "a:b&c:d,batch=1"},
        {"webhook+https://h/in?k=only=a:b", "webhook+https://h/in?k=only=a:b", NULL},
        {"webhook+https://h/in?k=1,only=a:b", "webhook+https://h/in?k=1,only=a:b", NULL},
    };
    struct failure failure;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *spec, *conditions;
        assert_int_equal(filter_cut(cases[i].text, &spec, &conditions, &failure), 0);
        assert_string_equal(spec, cases[i].spec);
        assert_int_equal(conditions == NULL, cases[i].conditions == NULL);
        if (conditions)
            assert_string_equal(conditions, cases[i].conditions);
        free(spec);
        free(conditions);
    }
}

/* --- Matching --- */

static struct chain_link chain[2] = {{.readable = true}, {.readable = true}};
static struct slice names[2];

static struct probe_record a_record(void) {
    names[0] = slice_of("www.example.org");
    names[1] = slice_of("example.org");
    chain[0].subject = slice_of("CN=Example CA");
    chain[1].subject = slice_of("CN=Example Root,O=Example");
    return (struct probe_record){
        .head.kind = &probe_record_kind,
        .host = slice_of("www.example.org"),
        .port = 443,
        .protocol = slice_of("tls"),
        .plan = PLAN_GRAB,
        .attempt = 1,
        .outcome = OUTCOME_OK,
        .status = STATUS_WARNING,
        .has_days_left = true,
        .days_left = -2.5,
        .findings = 1 << FINDING_EXPIRED | 1 << FINDING_UNTRUSTED,
        .has_certificate = true,
        .certificate = {.dns_names = {names, 2},
                        .self_signed = true,
                        .has_fingerprint_sha256 = true,
                        .fingerprint_sha256 = {0xab}},
        .chain = chain,
        .chain_count = 2,
    };
}

static bool matches(const struct record_kind *const *kinds, const char *conditions,
                    const struct record *record) {
    struct field_selection fields;
    struct failure failure = {0};
    struct filter *filter;
    struct buffer packed;

    if (filter_new(&filter, kinds, conditions, &failure) != ERROR_NONE)
        fail_msg("%s: %s", conditions, failure.text);
    buffer_init(&packed);
    assert_int_equal(field_selection_init(&fields, record->kind, NULL, &failure), 0);
    msgpack_encoder.encode(&(struct encoding){.fields = &fields}, record, &packed);
    bool as_made = filter_matches(filter, record);
    if (as_made != filter_matches_packed(filter, buffer_slice(&packed)))
        fail_msg("%s: not the same when it is packed", conditions);
    buffer_deinit(&packed);
    field_selection_deinit(&fields);
    filter_free(filter);
    return as_made;
}

#define HEX64(first) first "00000000000000000000000000000000000000000000000000000000000000"

static void records_match(void **state) {
    static const struct {
        const char *conditions;
        bool matches;
    } cases[] = {
        {"status:warning", true},
        {"status:critical,warning", true},
        {"status:critical", false},
        {"!status:critical", true},
        {"status:warning&plan:grab", true},
        {"status:warning&plan:audit", false},
        {"findings:expired", true},
        {"findings:revoked,untrusted", true},
        {"findings:revoked", false},
        {"!findings:revoked", true},
        {"port:443", true},
        {"port:80,8443", false},
        {"days_left:-2.50", true},
        {"certificate.self_signed:true", true},
        {"certificate.self_signed:false", false},
        {"certificate.dns_names:example.org", true},
        {"certificate.dns_names:Example.org", false},
        {"certificate.fingerprint_sha256:" HEX64("ab"), true},
        {"certificate.fingerprint_sha256:" HEX64("AB"), true},
        {"certificate.fingerprint_sha256:" HEX64("ac"), false},
        {"chain.subject:CN%3DExample CA", true},
        {"chain.subject:CN%3DExample Root%2CO%3DExample", true},
        {"chain.subject:CN%3DExample", false},
        {"tls.version:TLS 1.3", false}, /* the record has no such group */
        {"!tls.version:TLS 1.3", true},
        {"ip:192.0.2.1", false}, /* null */
        {"verdict:suspicious", false},
    };
    struct probe_record record = a_record();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (matches(BOTH, cases[i].conditions, &record.head) != cases[i].matches)
            fail_msg("%s", cases[i].conditions);
}

static void entries_of_logs_match(void **state) {
    struct ct_record record = {.head.kind = &ct_record_kind,
                               .verdict = CT_VERDICT_SUSPICIOUS,
                               .has_index = true,
                               .index = 7,
                               .matched_entries = {names, 1}};

    (void)state;
    names[0] = slice_of("example.org");
    assert_true(matches(BOTH, "verdict:suspicious,malformed", &record.head));
    assert_true(matches(BOTH, "index:7&matched_entries:example.org", &record.head));
    assert_false(matches(BOTH, "status:ok", &record.head));
    assert_false(matches(PROBES, "status:ok", &record.head));
    assert_true(matches(PROBES, "!status:ok", &record.head));
}

static void filters_say_what_they_look_at(void **state) {
    struct filter *filter;
    struct failure failure;

    (void)state;
    assert_int_equal(filter_new(&filter, BOTH, "certificate.dns_names:a&status:ok", &failure), 0);
    assert_int_equal(filter_parts(filter), PART_NAMES);
    filter_free(filter);
}

/* --- Wrong usage --- */

static void wrong_ones_are_told(void **state) {
    static const struct {
        const char *conditions, *words;
    } cases[] = {
        {"", "write a field"},
        {"status", "write a field"},
        {"status:", "write a field"},
        {"stats:ok", "mean \"status\"?"},
        {"self_signed:true", "mean \"certificate.self_signed\"?"},
        {"certificate:x", "\"certificate\""},
        {"chain:x", "only=chain.subject:VALUE"},
        {"nothing.like.it:x", "`trawl list fields`"},
        {"status:critcal", "did you mean critical?"},
        {"status:ok,", "it is never \"\""},
        {"findings:nonsense", "it is never \"nonsense\""},
        {"port:http", "is a number"},
        {"certificate.is_ca:yes", "true or false"},
        {"status:ok,batch=5", "follow a &"},
        {"host:%0", "%25"},
        {"status:ok&", "write a field"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter *filter;
        struct failure failure = {0};
        assert_int_equal(filter_new(&filter, BOTH, cases[i].conditions, &failure), ERROR_USAGE);
        if (!strstr(failure.text, cases[i].words))
            fail_msg("%s: %s", cases[i].conditions, failure.text);
    }
}

static void there_are_bounds(void **state) {
    struct filter *filter;
    struct failure failure = {0};
    struct buffer text;

    (void)state;
    buffer_init(&text);
    for (int i = 0; i < FILTER_CONDITIONS_MAX; i++)
        buffer_add_text(&text, "port:1&");
    buffer_add(&text, "port:1", sizeof "port:1");
    assert_int_equal(filter_new(&filter, PROBES, (char *)text.ptr, &failure), ERROR_USAGE);
    text.len = 0;
    buffer_add_text(&text, "port:1");
    for (int i = 0; i < FILTER_VALUES_MAX; i++)
        buffer_add_text(&text, ",1");
    buffer_add_byte(&text, 0);
    assert_int_equal(filter_new(&filter, PROBES, (char *)text.ptr, &failure), ERROR_USAGE);
    buffer_deinit(&text);
}

static void hostile_bytes_match_as_nothing(void **state) {
    static const uint8_t claims[] = {0xdf, 0xff, 0xff, 0xff, 0xff}, text[] = {0xa1, 'x'};
    struct filter *filter;
    struct failure failure;

    (void)state;
    assert_int_equal(filter_new(&filter, PROBES, "status:ok", &failure), 0);
    assert_false(filter_matches_packed(filter, (struct slice){claims, sizeof claims}));
    assert_false(filter_matches_packed(filter, (struct slice){text, sizeof text}));
    assert_false(filter_matches_packed(filter, (struct slice){NULL, 0}));
    filter_free(filter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specs_are_parted),
        cmocka_unit_test(records_match),
        cmocka_unit_test(entries_of_logs_match),
        cmocka_unit_test(filters_say_what_they_look_at),
        cmocka_unit_test(wrong_ones_are_told),
        cmocka_unit_test(there_are_bounds),
        cmocka_unit_test(hostile_bytes_match_as_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
