/* Options of a scan on their way to a worker and back, through the bytes that lie in the bucket. */
#include "tools/trawl/job_options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/trawl-job-XXXXXX";

static const char *file(const char *name, const char *content) {
    static char paths[16][128];
    static int next;
    char *path = paths[next++ % 16];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(content, out);
    fclose(out);
    return path;
}

static void set(struct scan_settings *settings, const char *name, const char *value) {
    struct failure failure;

    for (const struct option_spec *spec = scan_options; spec->name; spec++)
        if (strcmp(spec->name, name) == 0) {
            if (option_set(spec, name, value, settings, &failure) != ERROR_NONE)
                fail_msg("%s", failure.text);
            return;
        }
    fail_msg("no option %s", name);
}

/* What a worker makes of `settings`; `options` and `files` are the caller's to free. */
static enum error travel(const struct scan_settings *settings, struct job_options *options,
                         struct job_files *files, struct scan_settings *out,
                         struct failure *failure) {
    struct job_options sent;
    struct buffer bytes;

    job_options_init(&sent);
    buffer_init(&bytes);
    enum error error = job_options_collect(settings, &sent, failure);
    job_options_write(&sent, &bytes);
    job_options_deinit(&sent);
    job_options_init(options);
    scan_settings_init(out);
    if (!error)
        error = job_options_read(options, buffer_slice(&bytes), failure);
    buffer_deinit(&bytes);
    return error ? error : job_options_apply(options, out, files, failure);
}

static void assert_content(const char *path, const char *expected) {
    char content[256] = "";
    FILE *in = fopen(path, "r");

    assert_non_null(in);
    content[fread(content, 1, sizeof content - 1, in)] = '\0';
    fclose(in);
    assert_string_equal(content, expected);
}

/* --- Every option --- */

static void every_option_is_known(void **state) {
    (void)state;
    for (const struct option_spec *spec = scan_options; spec->name; spec++)
        if (job_option_travel(spec->name) == TRAVEL_UNKNOWN)
            fail_msg("--%s is in neither list of job_options.c", spec->name);
    assert_int_equal(job_option_travel("nonsense"), TRAVEL_UNKNOWN);
}

/* Not the default, and of the right kind. */
static const char *other_value(const struct option_spec *spec) {
    static char number[32];

    switch (spec->kind) {
    case OPTION_FLAG:
        return NULL;
    case OPTION_CHOICE:
        return spec->choices[1];
    case OPTION_TEXT:
    case OPTION_LIST:
        return "some text, \"quoted\" \xc3\xa4";
    case OPTION_SECONDS:
        snprintf(number, sizeof number, "%llums", (unsigned long long)spec->minimum + 17);
        return number;
    case OPTION_NUMBER:
    case OPTION_BYTES:
        snprintf(number, sizeof number, "%llu", (unsigned long long)spec->minimum + 7);
        return number;
    }
    return NULL;
}

static void values_come_as_they_went(void **state) {
    (void)state;
    struct scan_settings settings, defaults, out;
    struct job_options options;
    struct job_files files = {0};
    struct failure failure;
    uint32_t count = 0;

    scan_settings_init(&settings);
    scan_settings_init(&defaults);
    for (const struct option_spec *spec = scan_options; spec->name; spec++)
        if (job_option_travel(spec->name) == TRAVEL_VALUE ||
            job_option_travel(spec->name) == TRAVEL_NOT) {
            char *value = other_value(spec) ? strdup(other_value(spec)) : NULL;
            set(&settings, spec->name, value);
            if (spec->kind != OPTION_TEXT && spec->kind != OPTION_LIST)
                free(value);
            count += job_option_travel(spec->name) == TRAVEL_VALUE;
        }
    if (travel(&settings, &options, &files, &out, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    assert_true(count > 20);
    assert_int_equal(options.option_count, count);
    for (const struct option_spec *spec = scan_options; spec->name; spec++) {
        bool travels = job_option_travel(spec->name) == TRAVEL_VALUE;
        if (!option_is_default(spec, &out, travels ? &settings : &defaults))
            fail_msg("--%s", spec->name);
    }
    for (const struct option_spec *spec = scan_options; spec->name; spec++)
        if (spec->kind == OPTION_TEXT && job_option_travel(spec->name) <= TRAVEL_VALUE &&
            !option_is_default(spec, &settings, &defaults))
            free(*(char **)((char *)&settings + spec->offset));
    free((char *)(uintptr_t)settings.output.to.items[0]);
    job_files_deinit(&files);
    job_options_deinit(&options);
    scan_settings_deinit(&settings);
    scan_settings_deinit(&defaults);
    scan_settings_deinit(&out);
}

static void defaults_do_not_travel(void **state) {
    (void)state;
    struct scan_settings settings;
    struct job_options options;
    struct failure failure;

    scan_settings_init(&settings);
    job_options_init(&options);
    assert_int_equal(job_options_collect(&settings, &options, &failure), ERROR_NONE);
    assert_int_equal(options.option_count, 0);
    assert_int_equal(options.file_count, 0);
    set(&settings, "alpn", ""); /* means none, which is not the default */
    set(&settings, "password-file", "/nowhere");
    assert_int_equal(job_options_collect(&settings, &options, &failure), ERROR_NONE);
    assert_int_equal(options.option_count, 1);
    assert_string_equal(options.options[0].name, "alpn");
    assert_string_equal(options.options[0].value, "");
    job_options_deinit(&options);
    scan_settings_deinit(&settings);
}

/* --- Files --- */

/* Their bytes travel, and neither their names nor those of their folders. */
static void files_travel(void **state) {
    (void)state;
    struct scan_settings settings, out;
    struct job_options options;
    struct job_files files = {0};
    struct failure failure;
    char roots[128], excluded[160];

    snprintf(roots, sizeof roots, "%s/roots", folder);
    assert_int_equal(mkdir(roots, 0700), 0);
    file("roots/a.pem", "one");
    file("roots/readme.txt", "no certificate");
    snprintf(excluded, sizeof excluded, "@%s", file("excluded", "192.0.2.0/24\n"));
    scan_settings_init(&settings);
    set(&settings, "ca-file", roots);
    set(&settings, "ca-add", file("b.pem", "two"));
    set(&settings, "ca-add", file("c.pem", "three"));
    set(&settings, "exclude", "198.51.100.7");
    set(&settings, "exclude", excluded);
    set(&settings, "log-list", file("list", "{\"a\": 1}"));
    set(&settings, "crl-file", file("crl", "crl"));
    if (travel(&settings, &options, &files, &out, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    assert_int_equal(out.ca_add.count, 2);
    assert_int_equal(out.exclude.count, 2);
    assert_int_equal(out.crl_files.count, 1);
    assert_content(out.ca_file, "one\n");
    assert_content(out.ca_add.items[0], "two");
    assert_content(out.ca_add.items[1], "three");
    assert_content(out.ca_file, "one\n"); /* from its beginning each time */
    assert_string_equal(out.exclude.items[0], "198.51.100.7");
    assert_int_equal(out.exclude.items[1][0], '@');
    assert_content(out.exclude.items[1] + 1, "192.0.2.0/24\n");
    assert_content(out.log_list, "{\"a\": 1}");
    assert_content(out.crl_files.items[0], "crl");
    assert_null(out.log_list_key);
    struct buffer bytes;
    buffer_init(&bytes);
    job_options_write(&options, &bytes);
    assert_null(memmem(bytes.ptr, bytes.len, folder, strlen(folder)));
    buffer_deinit(&bytes);
    job_files_deinit(&files);
    job_options_deinit(&options);
    scan_settings_deinit(&settings);
    scan_settings_deinit(&out);
}

static void files_that_cannot_be_read(void **state) {
    (void)state;
    struct job_options options;
    struct failure failure;

    for (int i = 0; i < 3; i++) {
        struct scan_settings settings;
        scan_settings_init(&settings);
        set(&settings,
            i == 0   ? "ca-file"
            : i == 1 ? "exclude"
                     : "crl-file",
            i == 0   ? "/nowhere/x"
            : i == 1 ? "@/nowhere/x"
                     : "/tmp");
        job_options_init(&options);
        assert_int_equal((int)job_options_collect(&settings, &options, &failure),
                         i == 2 ? EISDIR : ENOENT);
        assert_non_null(strstr(failure.text, i == 2 ? "/tmp" : "/nowhere/x"));
        job_options_deinit(&options);
        scan_settings_deinit(&settings);
    }
}

/* --- What a queue may say --- */

static void hostile(void **state) {
    (void)state;
    static const struct {
        const char *name, *value;
        bool is_file;
        enum error error;
        const char *words;
    } rows[] = {
        {"output", "/etc/passwd", false, ERROR_UNSUPPORTED, "newer trawl"},
        {"checkpoint", "/etc/passwd", false, ERROR_UNSUPPORTED, "newer trawl"},
        {"password-file", "/etc/passwd", false, ERROR_UNSUPPORTED, "newer trawl"},
        {"password-file", "known", true, ERROR_UNSUPPORTED, "newer trawl"},
        {"warp-drive", "on", false, ERROR_UNSUPPORTED, "\"warp-drive\""},
        {"ca-file", "/etc/passwd", false, ERROR_INPUT, "ca-file"},
        {"ca-file", NULL, false, ERROR_INPUT, "ca-file"},
        {"crl-file", "/etc/passwd", false, ERROR_INPUT, "crl-file"},
        {"exclude", "@/etc/passwd", false, ERROR_INPUT, "exclude"},
        {"exclude", NULL, false, ERROR_INPUT, "exclude"},
        {"ports", "known", true, ERROR_INPUT, "ports"},
        {"ports", NULL, false, ERROR_INPUT, "ports"},
        {"rate", NULL, false, ERROR_INPUT, "rate"},
        {"plan", "burn", false, ERROR_INPUT, "plan"},
        {"timeout", "1000000h", false, ERROR_INPUT, "timeout"},
        {"no-verify", "maybe", false, ERROR_INPUT, "no-verify"},
        {"ca-file", "known", true, ERROR_NONE, NULL},
        {"exclude", "known", true, ERROR_NONE, NULL},
        {"no-verify", NULL, false, ERROR_NONE, NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct job_options options;
        struct scan_settings settings;
        struct job_files files = {0};
        struct failure failure = {.text = ""};
        job_options_init(&options);
        scan_settings_init(&settings);
        assert_true(job_options_add_file(&options, "known", slice_of("bytes")));
        assert_true(job_options_add(&options, rows[i].name, rows[i].value, rows[i].is_file));
        enum error error = job_options_apply(&options, &settings, &files, &failure);
        if (error != rows[i].error || (error && !strstr(failure.text, rows[i].words)))
            fail_msg("%s %s: %d %s", rows[i].name, rows[i].value ? rows[i].value : "-", error,
                     failure.text);
        job_files_deinit(&files);
        scan_settings_deinit(&settings);
        job_options_deinit(&options);
    }
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_known),     cmocka_unit_test(values_come_as_they_went),
        cmocka_unit_test(defaults_do_not_travel),    cmocka_unit_test(files_travel),
        cmocka_unit_test(files_that_cannot_be_read), cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
