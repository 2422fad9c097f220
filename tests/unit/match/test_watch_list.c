/* What entries mean, what names match, and that neither lists nor names can make it slow. What
 * matches in general is compared with a plain matcher in tests/golden/check_match.py. */
#include "engine/match/watch_list.h"

#include "engine/base/buffer.h"
#include "engine/base/random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* `entries` stand in lines of their own. */
static struct watch_list *list_of(const char *entries) {
    struct watch_list_builder *builder = watch_list_builder_new();
    struct failure failure;
    uint32_t line = 1;
    assert_non_null(builder);
    for (const char *at = entries; *at; line++) {
        size_t len = strcspn(at, "\n");
        struct slice text = {(const uint8_t *)at, len};
        if (watch_list_builder_add(builder, text, line, &failure))
            fail_msg("%.*s: %s", (int)len, at, failure.text);
        at += len + (at[len] == '\n');
    }
    struct watch_list *list = watch_list_builder_finish(builder);
    assert_non_null(list);
    return list;
}

/* The lines of the entries that match, with commas between them; "more" at the end. */
static void check(const struct watch_list *list, const char *name, const char *expected) {
    struct match_names names;
    struct watch_hits hits;
    char lines[1024] = "";
    match_names_init(&names);
    watch_hits_init(&hits);
    match_names_add_dns(&names, slice_of(name), 0);
    watch_list_match(list, &names, &hits);
    for (uint32_t i = 0; i < hits.count; i++) {
        size_t len = strlen(lines);
        const char *comma = i ? "," : "";
        if (hits.items[i].entry == WATCH_MORE)
            snprintf(lines + len, sizeof lines - len, "%smore", comma);
        else
            snprintf(lines + len, sizeof lines - len, "%s%u", comma,
                     watch_list_entry(list, hits.items[i].entry).line);
    }
    if (strcmp(lines, expected) != 0)
        fail_msg("%s matches %s, expected %s", name, lines, expected);
    watch_hits_deinit(&hits);
    match_names_deinit(&names);
}

static void subtrees(void **state) {
    (void)state;
    struct watch_list *list = list_of("example.org\n"
                                      "*.sub.example.org\n"
                                      "=www.example.net\n"
                                      "Bücher.example\n"
                                      "a.b.c.d.example\n");
    check(list, "example.org", "1");
    check(list, "EXAMPLE.org.", "1");
    check(list, "www.example.org", "1");
    check(list, "sub.example.org", "1,2");
    check(list, "a.b.sub.example.org", "1,2");
    check(list, "xsub.example.org", "1");
    check(list, "badexample.org", "");
    check(list, "example.org.evil.net", "");
    check(list, "org", "");
    check(list, "www.example.net", "3");
    check(list, "a.www.example.net", "");
    check(list, "example.net", "");
    check(list, "xn--bcher-kva.example", "4");
    check(list, "www.bücher.example", "4,4"); /* as UTF-8 and as Latin-1 */
    check(list, "a.b.c.d.example", "5");
    check(list, "b.c.d.example", "");
    watch_list_put(list);
}

static void wildcards(void **state) {
    (void)state;
    struct watch_list *list = list_of("example.org\n"
                                      "foo.example.org\n"
                                      "fao.example.org\n"
                                      "a.foo.example.org\n"
                                      "=www.example.org\n"
                                      "example.net\n");
    check(list, "*.example.org", "1,3,2,5");
    check(list, "*.org", "1");
    check(list, "*.foo.example.org", "1,2,4");
    check(list, "f*o.example.org", "1,3,2");
    check(list, "f*x.example.org", "1");
    check(list, "a.*.example.org", "1,3,2,4");
    check(list, "b.w*w.example.org", "1");
    check(list, "w*w.example.org", "1,5");
    check(list, "example.*", "1,6");
    check(list, "*.*", "1,6");
    check(list, "\x01.example.org", "1,3,2,5");
    check(list, "example.\x01", "1,6");
    check(list, "?.example.net", "6");
    watch_list_put(list);
}

static void addresses(void **state) {
    (void)state;
    struct watch_list *list = list_of("192.0.2.0/24\n"
                                      "192.0.2.7\n"
                                      "2001:db8::/32\n"
                                      "::ffff:198.51.100.0/120\n"
                                      "0.0.0.0/0\n");
    check(list, "192.0.2.7", "5,1,2");
    check(list, "192.0.2.8", "5,1");
    check(list, "::ffff:192.0.2.8", "5,1");
    check(list, "198.51.100.1", "5,4");
    check(list, "2001:db8:1::1", "3");
    check(list, "2001:db9::1", "");
    check(list, "7.example.org", "");
    watch_list_put(list);
}

static void refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"com", "two"},          {"", "empty label"},      {"a..com", "empty label"},
        {".com", "empty label"}, {"a.*.com", "wildcard"},  {"f*.example.org", "wildcard"},
        {"*.com", "two"},        {"=*.a.com", "wildcard"}, {"a b.com", "\" \""},
        {"1.2.3", "neither"},    {"10.0.0.0/33", "33"},    {"\xff.com", "international"},
        {"a.com/x", "address"},  {"=10.0.0.1", "not for"},
    };
    struct watch_list_builder *builder = watch_list_builder_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct failure failure;
        enum error error = watch_list_builder_add(builder, slice_of(cases[i].text), 1, &failure);
        if (error != ERROR_USAGE || !strstr(failure.text, cases[i].words))
            fail_msg("%s: %d %s", cases[i].text, error, failure.text);
    }
    struct watch_list *list = watch_list_builder_finish(builder);
    assert_int_equal(watch_list_count(list), 0);
    check(list, "*.com", "");
    check(list, "\x01.\x01", "");
    watch_list_put(list);
}

static void entries(void **state) {
    (void)state;
    struct watch_list *list =
        list_of("=a.example\n*.A.example\nb.example\na.example.\nMüller.de\n");
    assert_int_equal(watch_list_count(list), 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct watch_entry entry = watch_list_entry(list, i);
        if (entry.line == 1) {
            assert_true(slice_is(entry.text, "=a.example"));
            assert_true(slice_is(entry.name, "a.example"));
            assert_false(entry.exact); /* line 2 covers more */
        } else if (entry.line == 3) {
            assert_true(slice_is(entry.text, "b.example"));
        } else {
            assert_int_equal(entry.line, 5);
            assert_true(slice_is(entry.text, "Müller.de"));
            assert_true(slice_is(entry.name, "xn--mller-kva.de"));
        }
    }
    assert_true(watch_list_covers(list, slice_of("x.a.example")));
    assert_true(watch_list_covers(list, slice_of("b.example")));
    assert_false(watch_list_covers(list, slice_of("c.example")));
    assert_false(watch_list_covers(list, slice_of("")));
    watch_list_put(list);
}

static void hits_are_bounded(void **state) {
    (void)state;
    struct buffer text;
    buffer_init(&text);
    for (int i = 0; i < 100; i++)
        buffer_add_format(&text, "n%02d.example\n", i);
    for (int i = 0; i < 20000; i++)
        buffer_add_format(&text, "a.b%d.test\n", i);
    buffer_add_byte(&text, 0);
    struct watch_list *list = list_of((const char *)text.ptr);
    struct match_names names;
    struct watch_hits hits;
    match_names_init(&names);
    watch_hits_init(&hits);
    match_names_add_dns(&names, slice_of("n00.example"), 0);
    match_names_add_dns(&names, slice_of("*.example"), 0);
    match_names_add_dns(&names, slice_of("n01.example"), 0);
    watch_list_match(list, &names, &hits);
    assert_int_equal(hits.count, 1 + WATCH_HITS_PER_NAME_MAX + 1 + 1);
    assert_int_equal(hits.items[0].name, 0);
    for (uint32_t i = 1; i <= WATCH_HITS_PER_NAME_MAX + 1; i++)
        assert_int_equal(hits.items[i].name, 1);
    assert_int_equal(hits.items[WATCH_HITS_PER_NAME_MAX + 1].entry, WATCH_MORE);
    assert_int_equal(hits.items[WATCH_HITS_PER_NAME_MAX + 2].name, 2);
    /* A search that finds nothing ends as well, and says that it gave up; the next certificate has
     * steps of its own. */
    match_names_clear(&names);
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "x%d.*.test", i);
        match_names_add_dns(&names, slice_of(name), 1);
    }
    match_names_add_dns(&names, slice_of("n0*.example"), 1);
    match_names_add_dns(&names, slice_of("n0*.example"), 2);
    watch_list_match(list, &names, &hits);
    assert_int_equal(hits.count, 1000 + 1 + 10);
    for (uint32_t i = 0; i < 1001; i++)
        assert_int_equal(hits.items[i].entry, WATCH_MORE);
    assert_int_equal(hits.items[1001].name, 1001);
    assert_int_not_equal(hits.items[1010].entry, WATCH_MORE);
    watch_hits_deinit(&hits);
    match_names_deinit(&names);
    watch_list_put(list);
    buffer_deinit(&text);
}

/* Each entry of a large list is found, its neighbours are not, and memory is as promised. */
static void large_list(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    struct watch_list_builder *builder = watch_list_builder_new();
    struct match_names names;
    struct watch_hits hits;
    char text[64];
    match_names_init(&names);
    watch_hits_init(&hits);
    for (uint32_t i = 0; i < COUNT; i++) {
        int len = snprintf(text, sizeof text, "domain%u.%s", i * 2, i % 3 ? "com" : "co.uk");
        assert_int_equal(
            watch_list_builder_add(builder, (struct slice){(uint8_t *)text, (size_t)len}, i, NULL),
            ERROR_NONE);
    }
    struct watch_list *list = watch_list_builder_finish(builder);
    assert_int_equal(watch_list_count(list), COUNT);
    assert_true(watch_list_bytes(list) < (size_t)COUNT * 70);
    for (uint32_t i = 0; i < COUNT * 2; i++) {
        snprintf(text, sizeof text, "www.domain%u.%s", i, i / 2 % 3 ? "com" : "co.uk");
        match_names_add_dns(&names, slice_of(text), i);
    }
    watch_list_match(list, &names, &hits);
    assert_int_equal(hits.count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(hits.items[i].name, i * 2);
        assert_int_equal(watch_list_entry(list, hits.items[i].entry).line, i);
    }
    watch_hits_deinit(&hits);
    match_names_deinit(&names);
    watch_list_put(list);
}

/* Names of the most labels there can be, and longer ones. */
static void deep_names(void **state) {
    (void)state;
    char entry[256], name[600];
    size_t len = 0;
    for (; len < 252; len += 2)
        memcpy(entry + len, "a.", 3);
    entry[len++] = 'b';
    entry[len] = '\0';
    struct watch_list *list = list_of(entry);
    check(list, entry, "1");
    snprintf(name, sizeof name, "x.y.z.%s", entry);
    check(list, name, "1");
    snprintf(name, sizeof name, "x.*.z.%s", entry);
    check(list, name, "1");
    check(list, entry + 2, "");
    snprintf(name, sizeof name, "*.%s", entry + 2);
    check(list, name, "1");
    watch_list_put(list);
}

/* Readers match while lists are exchanged; a sanitizer sees what is freed too early. */
enum { READERS = 3, EXCHANGES = 300 };

struct exchange {
    struct watch_current *current;
    atomic_bool done;
    atomic_uint started;
};

static void *read_lists(void *argument) {
    struct exchange *exchange = argument;
    struct watch_reader reader = {0};
    struct watch_list *kept = NULL;
    atomic_fetch_add(&exchange->started, 1);
    while (!exchange->done) {
        struct watch_list *list = watch_reader_list(&reader, exchange->current);
        if (!watch_list_covers(list, slice_of("www.always.example")))
            abort();
        watch_list_put(kept);
        kept = watch_list_get(list); /* as a record does that outlives the page */
    }
    watch_list_put(kept);
    watch_reader_deinit(&reader);
    return NULL;
}

static void exchange_while_reading(void **state) {
    (void)state;
    struct exchange exchange = {.current = watch_current_new(list_of("always.example"))};
    pthread_t readers[READERS];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_lists, &exchange), 0);
    while (exchange.started < READERS)
        ;
    for (int i = 0; i < EXCHANGES; i++) {
        char entries[64];
        snprintf(entries, sizeof entries, "always.example\nn%d.example", i);
        watch_current_set(exchange.current, list_of(entries));
    }
    struct watch_reader reader = {0};
    struct watch_list *last = watch_reader_list(&reader, exchange.current);
    assert_true(watch_list_covers(last, slice_of("n299.example")));
    assert_ptr_equal(watch_reader_list(&reader, exchange.current), last);
    exchange.done = true;
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    watch_reader_deinit(&reader);
    watch_current_free(exchange.current);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subtrees),
        cmocka_unit_test(wildcards),
        cmocka_unit_test(addresses),
        cmocka_unit_test(refused),
        cmocka_unit_test(entries),
        cmocka_unit_test(hits_are_bounded),
        cmocka_unit_test(large_list),
        cmocka_unit_test(deep_names),
        cmocka_unit_test(exchange_while_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
