/* URLs of NATS servers, subjects and names of streams: good ones, and what is refused, without a
 * secret in any message. */
#include "engine/nats/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static void good_urls(void **state) {
    static const struct {
        const char *spec, *servers, *name, *user, *password, *path, *options;
        bool tls;
    } cases[] = {
        {"nats://a/s", "nats://a:4222 ", "nats://a:4222/s", NULL, NULL, "s", NULL, false},
        {"NATS+TLS://a:1/s#x=1", "nats://a:1 ", "nats+tls://a:1/s", NULL, NULL, "s", "x=1", true},
        {"tls://a", "nats://a:4222 ", "nats+tls://a:4222", NULL, NULL, NULL, NULL, true},
        {"nats://u:p%40%2F@a,b:2,[::1]:3,[2001:db8::1]/s.t/u",
         "nats://a:4222 nats://b:2 nats://[::1]:3 nats://[2001:db8::1]:4222 ",
         "nats://a:4222,b:2,[::1]:3,[2001:db8::1]:4222/s.t/u", "u", "p@/", "s.t/u", NULL, false},
        {"nats://token@a/#", "nats://a:4222 ", "nats://a:4222", "token", NULL, NULL, "", false},
        {"nats://u:p:q@a/s", "nats://a:4222 ", "nats://a:4222/s", "u", "p:q", "s", NULL, false},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nats_url url;
        struct failure failure = {0};
        char servers[500] = "";

        assert_true(nats_url_takes(slice_of(cases[i].spec)));
        if (nats_url_init(&url, cases[i].spec, &failure) != ERROR_NONE)
            fail_msg("%s: %s", cases[i].spec, failure.text);
        for (uint32_t k = 0; k < url.count; k++) {
            size_t len = strlen(servers);
            snprintf(servers + len, sizeof servers - len, "%s ", url.servers[k]);
        }
        assert_string_equal(servers, cases[i].servers);
        assert_string_equal(url.name, cases[i].name);
        assert_string_equal(url.user ? url.user : "-", cases[i].user ? cases[i].user : "-");
        assert_string_equal(url.password ? url.password : "-",
                            cases[i].password ? cases[i].password : "-");
        assert_string_equal(url.path ? url.path : "-", cases[i].path ? cases[i].path : "-");
        assert_string_equal(url.options ? url.options : "-",
                            cases[i].options ? cases[i].options : "-");
        assert_int_equal(url.tls, cases[i].tls);
        nats_url_deinit(&url);
    }
}

static void bad_urls(void **state) {
    static const char *const cases[] = {
        "nats://",
        "nats:///s",
        "nats://a:/s",
        "nats://a:0/s",
        "nats://a:65536/s",
        "nats://a:x/s",
        "nats://a,/s",
        "nats://,a/s",
        "nats://a,,b/s",
        "nats://[::1/s",
        "nats://[]/s",
        "nats://[::1]x/s",
        "nats://::1/s",
        "nats://a b/s",
        "nats://@a/s",
        "nats://:secret@a/s",
        "nats://secret%@a",
        "nats://secret%4@a",
        "nats://secret%00@a",
        "nats://u:secret%zz@a",
        "nats://u:secret@a,u:secret@b/s",
        "nats://nats://secret@a/s",
        "nats://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a/s",
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nats_url url;
        struct failure failure = {0};

        if (nats_url_init(&url, cases[i], &failure) != ERROR_USAGE)
            fail_msg("%s is taken", cases[i]);
        assert_non_null(strstr(failure.text, "HOST:PORT"));
        assert_null(strstr(failure.text, "secret"));
        nats_url_deinit(&url);
    }
    assert_false(nats_url_takes(slice_of("nats:/a")));
    assert_false(nats_url_takes(slice_of("https://a")));
}

static void subjects(void **state) {
    static const char *const good[] = {"a", "a.b", "trawl.records.v1", "a/b", "\xc3\xa4"};
    static const char *const bad[] = {"",    ".",   "a.",  ".a",  "a..b", "a.*",   "*",
                                      "a.>", "a b", "a\r", "$JS", "a\nb", "a\x7f", "a*"};
    char longest[NATS_SUBJECT_MAX + 2];
    (void)state;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(nats_subject_is_valid(slice_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (nats_subject_is_valid(slice_of(bad[i])))
            fail_msg("%s is taken", bad[i]);
    assert_false(nats_subject_is_valid((struct slice){(const uint8_t *)"a\0b", 3}));
    memset(longest, 'a', sizeof longest);
    longest[NATS_SUBJECT_MAX] = 0;
    assert_true(nats_subject_is_valid(slice_of(longest)));
    assert_true(nats_stream_name_is_valid(slice_of(longest)));
    longest[NATS_SUBJECT_MAX] = 'a';
    longest[NATS_SUBJECT_MAX + 1] = 0;
    assert_false(nats_subject_is_valid(slice_of(longest)));
    assert_false(nats_stream_name_is_valid(slice_of(longest)));
    assert_true(nats_stream_name_is_valid(slice_of("TRAWL-1_x")));
    assert_false(nats_stream_name_is_valid(slice_of("a.b")));
    assert_false(nats_stream_name_is_valid(slice_of("")));
    assert_false(nats_stream_name_is_valid(slice_of("a/b")));
}

static void patterns(void **state) {
    static const struct {
        const char *pattern, *subject;
        bool matches;
    } cases[] = {
        {"a", "a", true},        {"a", "b", false},        {"a", "a.b", false},
        {"a.b", "a", false},     {"a.*", "a.b", true},     {"a.*", "a", false},
        {"a.*", "a.b.c", false}, {"*.b", "a.b", true},     {"*", "a", true},
        {">", "a.b.c", true},    {"a.>", "a", false},      {"a.>", "a.b", true},
        {"a.>", "a.b.c", true},  {"a.*.c", "a.b.c", true}, {"a.*.c", "a.b.d", false},
        {"ab", "a", false},      {"a", "ab", false},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (nats_subject_matches(slice_of(cases[i].pattern), slice_of(cases[i].subject)) !=
            cases[i].matches)
            fail_msg("%s, %s", cases[i].pattern, cases[i].subject);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls),
        cmocka_unit_test(bad_urls),
        cmocka_unit_test(subjects),
        cmocka_unit_test(patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
