#include "tools/fleet/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct job JOB = {
    .id = "00c0ffee00abcdef",
    .run = 0x00c0ffee00abcdef,
    .state = JOB_RUNNING,
    .created_ms = 1795233600123,
    .by = "host.example:4711",
    .title = "192.0.2.0/24 \"and\" more",
    .label = "dmz-1.b_2",
    .seed = UINT64_MAX,
    .lease_ms = 30000,
    .targets = 0xffffffffffff,
    .pages = 4398046511104,
    .shards = 17,
    .left_out = 3,
    .buffer_bytes = 1 << 28,
    .option_pieces = 2,
    .options_sha256 = {0xab, 1, [31] = 0xff},
};

static const char DOCUMENT[] =
    "{\"version\":1,\"id\":\"00c0ffee00abcdef\",\"state\":\"cutting\",\"title\":\"t\",\"by\":\"b\","
    "\"label\":\"\",\"created_ms\":1,\"seed\":\"0000000000000007\",\"lease_ms\":1000,\"targets\":0,"
    "\"buffer_bytes\":0,\"pages\":0,\"shards\":0,\"left_out\":0,\"option_pieces\":1,\"options_"
    "sha256\":"
    "\"0000000000000000000000000000000000000000000000000000000000000001\",\"later\":[1,{}]}";

static void a_descriptor_comes_back(void **state) {
    (void)state;
    struct buffer bytes;
    struct failure failure;
    struct job job;

    buffer_init(&bytes);
    job_write(&JOB, &bytes);
    assert_int_equal(job_read(&job, buffer_slice(&bytes), &failure), ERROR_NONE);
    assert_string_equal(job.id, JOB.id);
    assert_true(job.run == JOB.run && job.state == JOB.state && job.created_ms == JOB.created_ms);
    assert_string_equal(job.by, JOB.by);
    assert_string_equal(job.title, JOB.title);
    assert_string_equal(job.label, JOB.label);
    assert_true(job.seed == JOB.seed && job.lease_ms == JOB.lease_ms);
    assert_true(job.targets == JOB.targets && job.pages == JOB.pages && job.shards == JOB.shards);
    assert_true(job.left_out == JOB.left_out && job.option_pieces == JOB.option_pieces &&
                job.buffer_bytes == JOB.buffer_bytes);
    assert_memory_equal(job.options_sha256, JOB.options_sha256, sizeof job.options_sha256);
    buffer_deinit(&bytes);
}

static void what_is_unknown_is_passed_over(void **state) {
    (void)state;
    struct failure failure;
    struct job job;

    assert_int_equal(job_read(&job, slice_of(DOCUMENT), &failure), ERROR_NONE);
    assert_int_equal(job.state, JOB_CUTTING);
    assert_int_equal(job.seed, 7);
    assert_int_equal(job.options_sha256[31], 1);
    assert_string_equal(job.label, "");
}

/* The document with one thing else in it. */
static enum error read_changed(const char *from, const char *to, struct job *job,
                               struct failure *failure) {
    char text[sizeof DOCUMENT + 512];
    const char *at = strstr(DOCUMENT, from);

    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - DOCUMENT), DOCUMENT, to, at + strlen(from));
    return job_read(job, slice_of(text), failure);
}

static void bad_descriptors_are_refused(void **state) {
    (void)state;
    static const char *const BAD[][2] = {
        {"\"version\":1", "\"version\":0"},
        {"\"version\":1", "\"version\":\"1\""},
        {"\"version\":1", "\"version\":-1"},
        {"00c0ffee00abcdef", "00C0ffee00abcdef"},
        {"00c0ffee00abcdef", "00c0ffee00abcde"},
        {"00c0ffee00abcdef", "../../etc/passwd"},
        {"\"cutting\"", "\"sleeping\""},
        {"\"cutting\"", "0"},
        {"\"label\":\"\"", "\"label\":\"a b\""},
        {"\"label\":\"\"", "\"label\":null"},
        {"\"created_ms\":1", "\"created_ms\":-1"},
        {"\"created_ms\":1", "\"created_ms\":9223372036854775808"},
        {"\"seed\":\"0000000000000007\"", "\"seed\":7"},
        {"\"lease_ms\":1000", "\"lease_ms\":0"},
        {"\"lease_ms\":1000", "\"lease_ms\":86400001"},
        {"\"targets\":0", "\"targets\":281474976710656"},
        {"\"targets\":0", "\"targets\":1.5"},
        {"\"option_pieces\":1", "\"option_pieces\":4097"},
        {"0001\"", "001\""},
        {"]", ""},
    };

    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct failure failure = {0};
        struct job job;
        assert_int_equal(read_changed(BAD[i][0], BAD[i][1], &job, &failure), ERROR_INPUT);
        assert_true(failure.text[0]);
    }
}

static void a_newer_version_is_told(void **state) {
    (void)state;
    struct failure failure;
    struct job_options options;
    struct job job;

    assert_int_equal(read_changed("\"version\":1", "\"version\":2", &job, &failure),
                     ERROR_UNSUPPORTED);
    assert_non_null(strstr(failure.text, "version 2"));
    assert_non_null(strstr(failure.text, "up to date"));
    assert_int_equal(job_options_read(&options, slice_of("{\"version\":9,\"new\":0}"), &failure),
                     ERROR_UNSUPPORTED);
    job_options_deinit(&options);
}

static void texts_are_safe(void **state) {
    (void)state;
    char text[512] = "\"title\":\"a\\u001b[2J\\u202e\\u0000\"", longest[300];
    struct failure failure;
    struct job job;

    assert_int_equal(read_changed("\"title\":\"t\"", text, &job, &failure), ERROR_NONE);
    assert_string_equal(job.title, ""); /* a zero byte: no text */
    text[strlen(text) - 7] = '"', text[strlen(text) - 6] = 0;
    assert_int_equal(read_changed("\"title\":\"t\"", text, &job, &failure), ERROR_NONE);
    assert_string_equal(job.title, "a\\u{1b}[2J\\u{202e}");
    memset(longest, 'x', sizeof longest);
    snprintf(text, sizeof text, "\"by\":\"%.*s\"", (int)sizeof longest, longest);
    assert_int_equal(read_changed("\"by\":\"b\"", text, &job, &failure), ERROR_NONE);
    assert_true(strlen(job.by) < sizeof job.by && job.by[0] == 'x');
}

static void ids_and_labels(void **state) {
    (void)state;
    char id[JOB_ID_BYTES];
    uint64_t run;

    job_id_write(0xfedcba9876543210, id);
    assert_string_equal(id, "fedcba9876543210");
    assert_true(job_id_read(slice_of(id), &run) && run == 0xfedcba9876543210);
    assert_false(job_id_read(slice_of("fedcba987654321"), NULL));
    assert_false(job_id_read(slice_of("fedcba987654321g"), NULL));
    assert_false(job_id_read(slice_of(""), NULL));
    assert_true(job_label_is_valid(slice_of("")));
    assert_true(job_label_is_valid(slice_of("A-z_0.9")));
    assert_false(job_label_is_valid(slice_of("a*")));
    assert_false(job_label_is_valid(slice_of("\xc3\xa4")));
    assert_false(job_label_is_valid(
        slice_of("0123456789012345678901234567890123456789012345678901234567890123")));
}

/* --- Options --- */

static void assert_options(const struct job_options *options) {
    const struct job_file *file = job_options_file(options, "ca-file/0");

    assert_int_equal(options->option_count, 3);
    assert_string_equal(options->options[0].name, "warn");
    assert_string_equal(options->options[0].value, "14\n\x1b\xe2\x80\xae\"\\");
    assert_false(options->options[0].is_file);
    assert_string_equal(options->options[1].name, "all_addresses");
    assert_null(options->options[1].value);
    assert_true(options->options[2].is_file);
    assert_string_equal(options->options[2].value, "ca-file/0");
    assert_int_equal(options->file_count, 2);
    assert_true(file && slice_equal(buffer_slice(&file->bytes),
                                    (struct slice){(const uint8_t *)"\0\xff\x80z", 4}));
    assert_int_equal(job_options_file(options, "empty")->bytes.len, 0);
    assert_int_equal(options->rendering_count, 3);
    assert_string_equal(options->renderings[0].encoder, "json");
    assert_string_equal(options->renderings[0].fields, "host,certificate.subject_cn");
    assert_string_equal(options->renderings[0].only, "outcome:ok");
    assert_string_equal(options->renderings[1].encoder, "pem");
    assert_null(options->renderings[1].fields);
    assert_null(options->renderings[1].only);
    assert_int_equal(options->renderings[2].terminal_columns, 80);
    assert_true(options->renderings[2].color && !options->renderings[0].color);
}

static void options_come_back(void **state) {
    (void)state;
    struct field_selection fields;
    struct failure failure;
    struct job_options options, again;
    struct buffer bytes;

    buffer_init(&bytes);
    job_options_init(&options);
    assert_int_equal(
        field_selection_init(&fields, &probe_record_kind, "certificate.subject_cn,host", &failure),
        ERROR_NONE);
    struct encoding json = {.encoder = &json_encoder, .fields = &fields},
                    pem = {.encoder = &pem_encoder, .fields = &fields},
                    table = {.encoder = &table_encoder, .terminal_columns = 80, .color = true};
    assert_true(job_options_add_file(&options, "ca-file/0",
                                     (struct slice){(const uint8_t *)"\0\xff\x80z", 4}));
    assert_true(job_options_add_file(&options, "empty", slice_of("")));
    assert_true(job_options_add(&options, "warn", "14\n\x1b\xe2\x80\xae\"\\", false));
    assert_true(job_options_add(&options, "all_addresses", NULL, false));
    assert_true(job_options_add(&options, "ca-file", "ca-file/0", true));
    assert_int_equal(job_options_add_rendering(&options, &json, "outcome:ok"), 0);
    assert_int_equal(job_options_add_rendering(&options, &pem, NULL), 1);
    assert_int_equal(job_options_add_rendering(&options, &table, NULL), 2);
    assert_int_equal(job_options_add_rendering(&options, &pem, NULL), 1);
    assert_int_equal(job_options_add_rendering(&options, &json, "outcome:ok"), 0);
    assert_options(&options);
    job_options_write(&options, &bytes);
    assert_int_equal(job_options_read(&again, buffer_slice(&bytes), &failure), ERROR_NONE);
    assert_options(&again);
    job_options_deinit(&again);
    job_options_deinit(&options);
    field_selection_deinit(&fields);
    buffer_deinit(&bytes);
}

static void what_cannot_be_is_not_added(void **state) {
    (void)state;
    struct job_options options;
    char value[8];

    job_options_init(&options);
    assert_false(job_options_add(&options, "", "1", false));
    assert_false(job_options_add(&options, "a/b", "1", false));
    assert_false(job_options_add(&options, "ca-file", "ca-file/0", true));
    assert_false(job_options_add(&options, "title", "\xff", false));
    assert_false(job_options_add_file(&options, "/etc/passwd", slice_of("")));
    assert_false(job_options_add_file(&options, "a/../b", slice_of("")));
    assert_false(job_options_add_file(&options, "a/", slice_of("")));
    assert_true(job_options_add_file(&options, "a/b", slice_of("")));
    assert_false(job_options_add_file(&options, "a/b", slice_of("")));
    for (int i = 0; i < JOB_RENDERINGS_MAX; i++) {
        struct encoding table = {.encoder = &table_encoder, .terminal_columns = (uint16_t)i};
        assert_int_equal(job_options_add_rendering(&options, &table, NULL), i);
    }
    struct encoding one_more = {.encoder = &pem_encoder};
    assert_int_equal(job_options_add_rendering(&options, &one_more, NULL), -1);
    job_options_deinit(&options);
    job_options_init(&options);
    for (int i = 0; i < JOB_OPTIONS_MAX; i++) {
        snprintf(value, sizeof value, "%d", i);
        assert_true(job_options_add(&options, "exclude", value, false));
    }
    assert_false(job_options_add(&options, "exclude", "1", false));
    job_options_deinit(&options);
}

static void bad_options_are_refused(void **state) {
    (void)state;
#define FRAME(options, files, renderings)                                                          \
    "{\"version\":1,\"options\":[" options "],\"files\":[" files "],\"renderings\":[" renderings   \
    "]}"
    static const char *const BAD[] = {
        "",
        "[]",
        "{\"version\":1}",
        "{\"version\":1,\"options\":{},\"files\":[],\"renderings\":[]}",
        FRAME("{}", "", ""),
        FRAME("{\"name\":1}", "", ""),
        FRAME("{\"name\":\"a\",\"value\":1}", "", ""),
        FRAME("{\"name\":\"a\",\"value\":\"b\\u0000\"}", "", ""),
        FRAME("{\"name\":\"a\",\"file\":\"/etc/shadow\"}", "", ""),
        FRAME("{\"name\":\"a\",\"file\":\"f\",\"value\":\"f\"}", "{\"name\":\"f\",\"base64\":\"\"}",
              ""),
        FRAME("", "{\"name\":\"f\"}", ""),
        FRAME("", "{\"name\":\"f\",\"base64\":\"A===\"}", ""),
        FRAME("", "{\"name\":\"f.pem\",\"base64\":\"\"}", ""),
        FRAME("", "{\"name\":\"f\",\"base64\":\"\"},{\"name\":\"f\",\"base64\":\"\"}", ""),
        FRAME("", "", "{\"encoder\":\"pem\"}"),
        FRAME("", "", "{\"encoder\":\"pem\",\"terminal_columns\":65536}"),
        FRAME("", "",
              "{\"encoder\":\"pem\",\"terminal_columns\":0},"
              "{\"encoder\":\"pem\",\"terminal_columns\":0}"),
    };
    struct failure failure;
    struct job_options options;

    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        assert_int_equal(job_options_read(&options, slice_of(BAD[i]), &failure), ERROR_INPUT);
        job_options_deinit(&options);
    }
    assert_int_equal(
        job_options_read(&options,
                         slice_of(FRAME("{\"name\":\"a\"}", "{\"name\":\"f\",\"base64\":\"AA==\"}",
                                        "{\"encoder\":\"x\",\"terminal_columns\":0}")),
                         &failure),
        ERROR_NONE);
    job_options_deinit(&options);
}

/* Memory follows the number of values, which is bounded, too. */
static void many_values_are_refused(void **state) {
    (void)state;
    struct failure failure;
    struct job_options options;
    struct buffer bytes;

    buffer_init(&bytes);
    buffer_add_text(&bytes,
                    "{\"version\":1,\"options\":[],\"files\":[],\"renderings\":[],\"x\":[0");
    for (int i = 0; i < 300000; i++)
        buffer_add_text(&bytes, ",0");
    buffer_add_text(&bytes, "]}");
    assert_int_equal(job_options_read(&options, buffer_slice(&bytes), &failure), ERROR_INPUT);
    job_options_deinit(&options);
    buffer_deinit(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_comes_back),
        cmocka_unit_test(what_is_unknown_is_passed_over),
        cmocka_unit_test(bad_descriptors_are_refused),
        cmocka_unit_test(a_newer_version_is_told),
        cmocka_unit_test(texts_are_safe),
        cmocka_unit_test(ids_and_labels),
        cmocka_unit_test(options_come_back),
        cmocka_unit_test(what_cannot_be_is_not_added),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(many_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
