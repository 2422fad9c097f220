#include "engine/record/encoder.h"

#include "engine/base/limits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <msgpack/unpack.h>

#define BYTES(literal) ((struct slice){(const uint8_t *)(literal), sizeof(literal) - 1})

struct bench { /* one record, one selection, one buffer */
    struct probe_record *record;
    struct field_selection fields;
    struct buffer out;
};

static void bench_init(struct bench *bench, const char *fields) {
    bench->record = probe_record_new(0);
    assert_non_null(bench->record);
    assert_int_equal(field_selection_init(&bench->fields, &probe_record_kind, fields, NULL), 0);
    buffer_init(&bench->out);
}

static void bench_deinit(struct bench *bench) {
    record_put(&bench->record->head);
    field_selection_deinit(&bench->fields);
    buffer_deinit(&bench->out);
}

static struct slice encode(struct bench *bench, const struct encoder *encoder) {
    struct encoding encoding = {.encoder = encoder, .fields = &bench->fields};

    bench->out.len = 0;
    encoder->encode(&encoding, &bench->record->head, &bench->out);
    assert_false(bench->out.failed);
    return buffer_slice(&bench->out);
}

static void assert_encoded(struct bench *bench, const struct encoder *encoder,
                           const char *expected) {
    struct slice got = encode(bench, encoder);
    if (!slice_is(got, expected))
        fail_msg("got %.*s instead of %s", (int)got.len, (const char *)got.ptr, expected);
}

/* --- The registry --- */

static void test_names(void **state) {
    (void)state;
    size_t count = 0;

    for (; encoders[count]; count++) {
        assert_ptr_equal(encoder_by_name(slice_of(encoders[count]->name)), encoders[count]);
        assert_non_null(encoders[count]->summary);
        assert_non_null(encoders[count]->encode);
    }
    assert_int_equal(count, 7);
    assert_null(encoder_by_name(slice_of("xml")));
    assert_null(encoder_by_name(slice_of("")));
    assert_null(encoder_by_name(slice_of("jso")));
}

static void test_paths(void **state) {
    (void)state;
    static const struct {
        const char *path;
        const struct encoder *encoder;
    } CASES[] = {
        {"a.jsonl", &json_encoder},
        {"a.json", &json_encoder},
        {"dir.csv/a.JSONL", &json_encoder},
        {"a.csv", &csv_encoder},
        {"a.csv.gz", &csv_encoder},
        {"a.msgpack", &msgpack_encoder},
        {"a.msgpack.GZ", &msgpack_encoder},
        {"a.pem", &pem_encoder},
        {"a.pem.gz", &pem_encoder},
        {"a.json.gz", &json_encoder},
        {"a", NULL},
        {"", NULL},
        {".gz", NULL},
        {"a.gz", NULL},
        {"a.csv.gz.gz", NULL},
        {"a.txt", NULL},
        {".csv", NULL},
        {"csv", NULL},
        {"a.names", NULL},
        {"a.table", NULL},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_ptr_equal(encoder_by_path(slice_of(CASES[i].path)), CASES[i].encoder);
}

/* --- JSON --- */

/* The escapes of one byte, as the format's documentation has them. */
static size_t expected_escape(uint8_t byte, char out[8]) {
    static const char LETTERS[] = "\"\"\\\\\nn\rr\tt";

    for (size_t i = 0; LETTERS[i]; i += 2)
        if ((uint8_t)LETTERS[i] == byte)
            return (size_t)snprintf(out, 8, "\\%c", LETTERS[i + 1]);
    if (byte < 0x20 || byte == 0x7f)
        return (size_t)snprintf(out, 8, "\\u%04x", byte);
    if (byte >= 0x80)
        return (size_t)snprintf(out, 8, "\xef\xbf\xbd");
    return (size_t)snprintf(out, 8, "%c", byte);
}

/* Every byte at every place of texts of every length around the eight that are copied at once. */
static void test_json_escapes(void **state) {
    (void)state;
    enum { LENGTH_MAX = 27 };
    struct bench bench;
    uint8_t text[LENGTH_MAX];
    char expected[256];

    bench_init(&bench, "error");
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t len = 1; len <= LENGTH_MAX; len++) {
            for (size_t place = 0; place < len; place++) {
                memset(text, 'a', len);
                text[place] = (uint8_t)byte;
                size_t at = (size_t)snprintf(expected, sizeof expected, "{\"error\":\"");
                for (size_t i = 0; i < len; i++)
                    at += expected_escape(text[i], expected + at);
                snprintf(expected + at, sizeof expected - at, "\"}\n");
                bench.record->error = (struct slice){text, len};
                assert_encoded(&bench, &json_encoder, expected);
            }
        }
    }
    bench_deinit(&bench);
}

static void test_json_runes(void **state) {
    (void)state;
    struct bench bench;

    bench_init(&bench, "error");
    bench.record->error = BYTES("\xc3\xa4\xc2\x85\xe2\x80\xae\xe2\x81\xa9\xf0\x9f\x98\x80\xed\xa0");
    assert_encoded(&bench, &json_encoder,
                   "{\"error\":\"\xc3\xa4\\u0085\\u202e\\u2069\xf0\x9f\x98\x80"
                   "\xef\xbf\xbd\xef\xbf\xbd\"}\n");
    bench_deinit(&bench);
}

static void test_reals(void **state) {
    (void)state;
    static const struct {
        double days;
        const char *text;
    } CASES[] = {
        {0, "0.00"},
        {-0.0, "0.00"},
        {0.004, "0.00"},
        {-0.004, "0.00"},
        {-0.006, "-0.01"},
        {1.5, "1.50"},
        {-12.345, "-12.35"},
        {69.8353, "69.84"},
        {1e300, "90000000000000.00"},
        {-1e300, "-90000000000000.00"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    struct bench bench;
    char expected[64];

    bench_init(&bench, "days_left");
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        bench.record->has_days_left = true;
        bench.record->days_left = CASES[i].days;
        snprintf(expected, sizeof expected, "{\"days_left\":%s}\n", CASES[i].text);
        assert_encoded(&bench, &json_encoder, expected);
        encode(&bench, &table_encoder);
    }
    bench_deinit(&bench);
}

static void test_groups(void **state) {
    (void)state;
    struct bench bench;

    bench_init(&bench, "port,timing_us,tls.alpn,status");
    bench.record->port = 1;
    assert_encoded(&bench, &json_encoder, "{\"port\":1,\"status\":\"unknown\"}\n");
    bench.record->timing.starttls_us = 2;
    bench.record->timing.total_us = 3;
    assert_encoded(&bench, &json_encoder,
                   "{\"port\":1,\"timing_us\":{\"starttls\":2,\"total\":3},"
                   "\"status\":\"unknown\"}\n");
    bench.record->has_tls = true;
    bench.record->tls.alpn = slice_of("h2");
    assert_encoded(&bench, &json_encoder,
                   "{\"port\":1,\"timing_us\":{\"starttls\":2,\"total\":3},"
                   "\"tls\":{\"alpn\":\"h2\"},\"status\":\"unknown\"}\n");
    bench_deinit(&bench);

    bench_init(&bench, "tls.alpn");
    assert_encoded(&bench, &json_encoder, "{}\n");
    assert_encoded(&bench, &csv_encoder, "\"\"\n");
    assert_encoded(&bench, &msgpack_encoder, "\x80");
    bench.record->has_tls = true;
    bench.record->tls.alpn = slice_of("h2");
    assert_encoded(&bench, &json_encoder, "{\"tls\":{\"alpn\":\"h2\"}}\n");
    assert_encoded(&bench, &msgpack_encoder,
                   "\x81\xa3tls\x81\xa4"
                   "alpn\xa2h2");
    bench_deinit(&bench);
}

/* --- CSV --- */

static void test_csv_cells(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"plain", "plain"}, {"a,b", "\"a,b\""},    {"say \"hi\"", "\"say \"\"hi\"\"\""},
        {"\"", "\"\"\"\""}, {"=1+1", "'=1+1"},     {"@SUM(1,2)", "\"'@SUM(1,2)\""},
        {"-1", "'-1"},      {"+\"", "\"'+\"\"\""}, {"two\nlines", "two\\u{a}lines"},
        {" ", " "},         {"'=", "'="},
    };
    struct bench bench;
    char expected[64];

    bench_init(&bench, "error,days_left");
    bench.record->has_days_left = true;
    bench.record->days_left = -3;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        bench.record->error = slice_of(CASES[i][0]);
        snprintf(expected, sizeof expected, "%s,-3.00\n", CASES[i][1]); /* a number is no formula */
        assert_encoded(&bench, &csv_encoder, expected);
    }
    bench_deinit(&bench);
}

/* --- msgpack --- */

static void test_msgpack_sizes(void **state) {
    (void)state;
    static const size_t LENGTHS[] = {1, 31, 32, 255, 256, 65535, 65536};
    struct bench bench;
    uint8_t *text = malloc(70000);

    assert_non_null(text);
    memset(text, 'x', 70000);
    bench_init(&bench, "error");
    for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
        msgpack_unpacked unpacked;
        size_t at = 0;
        bench.record->error = (struct slice){text, LENGTHS[i]};
        struct slice got = encode(&bench, &msgpack_encoder);
        msgpack_unpacked_init(&unpacked);
        assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)got.ptr, got.len, &at),
                         MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(at, got.len);
        assert_int_equal(unpacked.data.via.map.ptr[0].val.via.str.size, LENGTHS[i]);
        msgpack_unpacked_destroy(&unpacked);
    }
    bench_deinit(&bench);
    free(text);
}

/* --- What is not there, or too much --- */

static void test_nothing_to_write(void **state) {
    (void)state;
    struct bench bench;

    bench_init(&bench, NULL);
    assert_encoded(&bench, &pem_encoder, "");
    assert_encoded(&bench, &names_encoder, "");
    bench_deinit(&bench);
}

/* Names go on the stack and are sorted: as many as there can be, all different or all the same. */
static void test_most_names(void **state) {
    (void)state;
    enum { NAMES = LIMIT_CERTIFICATE_NAMES, NAME_BYTES = 16 };
    struct bench bench;
    struct slice *names = calloc(NAMES, sizeof *names);
    char(*texts)[NAME_BYTES] = calloc(NAMES, sizeof *texts);

    assert_true(names && texts);
    bench_init(&bench, NULL);
    bench.record->has_certificate = true;
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(texts[i], NAME_BYTES, "N%05u.test", NAMES - i);
        names[i] = slice_of(texts[i]);
    }
    bench.record->certificate.dns_names = (struct slice_list){names, NAMES};
    struct slice got = encode(&bench, &names_encoder);
    assert_int_equal(got.len, NAMES * strlen("n00001.test\n"));
    assert_true(slice_is(slice_first(got, 24), "n00001.test\nn00002.test\n"));
    for (unsigned i = 0; i < NAMES; i++)
        names[i] = slice_of(i % 2 ? "a.test" : "A.TEST");
    assert_encoded(&bench, &names_encoder, "a.test\n");
    bench_deinit(&bench);
    free(names);
    free(texts);
}

static void test_name_syntax(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool good;
    } CASES[] = {
        {"example.org", true},
        {"*.example.org", true},
        {"localhost", true},
        {"_sip.example.org", true},
        {"xn--4ca.example", true},
        {"3.example", true},
        {"a-b.example", true},
        {"", false},
        {"*", false},
        {"*.", false},
        {".", false},
        {".example", false},
        {"example.", false},
        {"a..b", false},
        {"-a.example", false},
        {"a-.example", false},
        {"a.*.example", false},
        {"*a.example", false},
        {"**.example", false},
        {"192.0.2.1", false},
        {"a b", false},
        {"a\tb", false},
        {"a/b", false},
        {"[::1]", false},
        {"*.1", false},
        {"a;reboot", false},
        {"\xc3\xa4.example", false},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", true},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", false},
    };
    struct bench bench;

    bench_init(&bench, NULL);
    bench.record->has_certificate = true;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct slice name = slice_of(CASES[i].name);
        bench.record->certificate.dns_names = (struct slice_list){&name, 1};
        size_t expected = CASES[i].good ? name.len + 1 : 0;
        if (encode(&bench, &names_encoder).len != expected)
            fail_msg("%s", CASES[i].name);
    }
    bench_deinit(&bench);
}

/* A buffer that got no memory stays as it is, and nobody writes through it. */
static void test_no_memory(void **state) {
    (void)state;
    struct bench bench;
    struct slice names[] = {BYTES("a.example"), BYTES("b.example")};

    bench_init(&bench, NULL);
    bench.record->has_certificate = true;
    bench.record->has_days_left = true;
    bench.record->host = slice_of("a.example");
    bench.record->error = BYTES("\xff\n");
    bench.record->outcome = OUTCOME_TIMEOUT;
    bench.record->certificate.der = slice_of("der");
    bench.record->certificate.dns_names = (struct slice_list){names, 2};
    for (size_t i = 0; encoders[i]; i++) {
        struct buffer out = {.failed = true};
        struct encoding encoding = {encoders[i], &bench.fields, 100, true};
        if (encoders[i]->begin)
            encoders[i]->begin(&encoding, &out);
        encoders[i]->encode(&encoding, &bench.record->head, &out);
        assert_int_equal(out.len, 0);
        assert_null(out.ptr);
    }
    bench_deinit(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_json_escapes),
        cmocka_unit_test(test_json_runes),
        cmocka_unit_test(test_reals),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_csv_cells),
        cmocka_unit_test(test_msgpack_sizes),
        cmocka_unit_test(test_nothing_to_write),
        cmocka_unit_test(test_most_names),
        cmocka_unit_test(test_name_syntax),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
