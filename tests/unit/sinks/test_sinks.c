/* Who takes which spec, and with which format. */
#include "sinks/sink.h"
#include "tests/unit/sinks/scratch.h"

#include <errno.h>

static const char *kind_of(const char *spec) {
    for (size_t i = 0; sinks[i]; i++)
        if (sinks[i]->takes(slice_of(spec)))
            return sinks[i]->name;
    return NULL;
}

static void kinds_by_spec(void **state) {
    (void)state;
    assert_string_equal(kind_of("-"), "file");
    assert_string_equal(kind_of("results.jsonl"), "file");
    assert_string_equal(kind_of("a:b"), "file");
    assert_string_equal(kind_of("/dev/stdout"), "file");
    assert_string_equal(kind_of("null"), "null");
    assert_string_equal(kind_of("./null"), "file");
    assert_string_equal(kind_of("webhook+https://example.com/x"), "webhook");
    assert_string_equal(kind_of("Webhook+http://[::1]:8080/x?y#z"), "webhook");
    assert_string_equal(kind_of("webhook+x"), "webhook"); /* which says what is wrong with it */
    assert_string_equal(kind_of("webhook"), "file");
    assert_string_equal(kind_of("sqlite:trawl.db"), "sqlite");
    assert_string_equal(kind_of("sqlite"), "file");
    assert_string_equal(kind_of("postgres://db/x"), "postgresql");
    assert_string_equal(kind_of("postgresql://me@[::1]/x"), "postgresql");
    assert_null(kind_of("ftp://example.com/x"));
}

static void every_kind_is_complete(void **state) {
    (void)state;
    for (size_t i = 0; sinks[i]; i++) {
        const struct sink_kind *kind = sinks[i];
        assert_true(kind->name && kind->summary && kind->example);
        assert_true(kind->size >= sizeof(struct sink));
        assert_true(kind->takes && kind->open && kind->finish && kind->close);
        assert_true((kind->write && kind->tick) != (kind->take && kind->settle));
    }
}

static void refused_specs(void **state) {
    (void)state;
    struct sink *sink;
    struct failure failure = {0};
    assert_int_equal(sink_open(&sink, &(struct sink_config){.spec = ""}, &failure), ERROR_USAGE);
    assert_int_equal(sink_open(&sink, &(struct sink_config){.spec = "ftp://x/y"}, &failure),
                     ERROR_USAGE);
    assert_null(sink);
    assert_non_null(strstr(failure.text, "no kind of sink takes ftp://x/y"));
}

static void format_by_suffix(void **state) {
    (void)state;
    static const struct {
        const char *name, *format;
    } known[] = {{"a.jsonl", "json"},      {"a.csv", "csv"}, {"a.csv.gz", "csv"},
                 {"a.msgpack", "msgpack"}, {"a.pem", "pem"}, {"a", "json"},
                 {"a.unheard-of", "json"}};
    struct failure failure = {0};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct field_selection fields = {0};
        struct sink *sink;
        struct sink_config config = {.spec = scratch_path(known[i].name), .fields = &fields};
        assert_int_equal(sink_open(&sink, &config, &failure), 0);
        assert_string_equal(sink->encoding.encoder->name, known[i].format);
        sink_close(sink);
        config.encoder = &plain_encoder;
        assert_int_equal(sink_open(&sink, &config, &failure), 0);
        assert_ptr_equal(sink->encoding.encoder, &plain_encoder);
        sink_close(sink);
    }
}

static void null_only_counts(void **state) {
    (void)state;
    struct sink *sink;
    struct failure failure = {0};
    assert_int_equal(sink_open(&sink, &(struct sink_config){.spec = "null"}, &failure), 0);
    assert_null(sink->encoding.encoder);
    assert_int_equal(sink->kind->write(sink, (struct slice){NULL, 0}, 9, &failure), 0);
    assert_int_equal(sink->kind->tick(sink, &failure), 0);
    assert_int_equal(sink->kind->finish(sink, &failure), 0);
    sink_close(sink);
    sink_close(NULL);
}

static void which_errors_pass(void **state) {
    (void)state;
    assert_true(sink_error_passes((enum error)ENOSPC));
    assert_true(sink_error_passes((enum error)EDQUOT));
    assert_true(sink_error_passes((enum error)EIO));
    assert_false(sink_error_passes(ERROR_NONE));
    assert_false(sink_error_passes(ERROR_GONE));
    assert_false(sink_error_passes(ERROR_INTERNAL));
    assert_false(sink_error_passes((enum error)EFBIG));
    assert_false(sink_error_passes((enum error)EAGAIN));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_by_spec),    cmocka_unit_test(every_kind_is_complete),
        cmocka_unit_test(refused_specs),    cmocka_unit_test(format_by_suffix),
        cmocka_unit_test(null_only_counts), cmocka_unit_test(which_errors_pass),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
