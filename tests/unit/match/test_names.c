/* From what certificates hold to what is matched: the vector paths against plain ones, the odd
 * forms against what is written here. */
#include "engine/match/names.h"

#include "engine/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct match_names names_of(struct slice raw, bool is_common_name) {
    struct match_names names;
    /* In memory of its own length, so that a read beyond its end is seen by a sanitizer. */
    uint8_t *copy = malloc(raw.len ? raw.len : 1);
    assert_non_null(copy);
    if (raw.len)
        memcpy(copy, raw.ptr, raw.len);
    match_names_init(&names);
    if (is_common_name)
        match_names_add_common_name(&names, (struct slice){copy, raw.len}, 7);
    else
        match_names_add_dns(&names, (struct slice){copy, raw.len}, 7);
    free(copy);
    return names;
}

/* `expected` has the names as they are displayed, with commas between them. */
static void check(struct slice raw, bool is_common_name, const char *expected) {
    struct match_names names = names_of(raw, is_common_name);
    char all[4096] = "", text[MATCH_TEXT_MAX];
    for (uint32_t i = 0; i < names.count; i++) {
        struct slice name = match_names_display(&names, i, text);
        assert_int_equal(names.items[i].owner, 7);
        assert_true(strlen(all) + name.len + 2 < sizeof all);
        strcat(all, i ? "," : "");
        strncat(all, (const char *)name.ptr, name.len);
    }
    assert_string_equal(all, expected);
    match_names_deinit(&names);
}

static void dns(const char *raw, const char *expected) {
    check(slice_of(raw), false, expected);
}

static void common_name(const char *raw, const char *expected) {
    check(slice_of(raw), true, expected);
}

static void plain_names(void **state) {
    (void)state;
    dns("example.org", "example.org");
    dns("WWW.Example.ORG", "www.example.org");
    dns("*.EXAMPLE.org", "*.example.org");
    dns("_dmarc.a-b.example.org", "_dmarc.a-b.example.org");
    dns("a.b", "a.b");
    dns("localhost", "");
    dns("", "");
    dns(".", "");
    dns("x", "");
    dns("*", "");
}

/* Every length up to 200, every byte that is good or not, against a plain loop. */
static void all_lengths(void **state) {
    (void)state;
    static const char bytes[] = "abcXYZ019-_..";
    struct random random;
    random_init(&random, 3);
    for (size_t len = 3; len < 200; len++) {
        for (int round = 0; round < 50; round++) {
            uint8_t raw[200], lower[200];
            uint64_t dots = 0;
            for (size_t i = 0; i < len; i++) {
                raw[i] = (uint8_t)bytes[random_below(&random, sizeof bytes - 1)];
                if (i == 1)
                    raw[i] = '.';
                if (i == len - 1 || i == 0)
                    raw[i] = 'q';
                lower[i] = raw[i] >= 'A' && raw[i] <= 'Z' ? raw[i] | 0x20 : raw[i];
                dots |= raw[i] == '.' && i < 64 ? (uint64_t)1 << i : 0;
            }
            struct match_names names = names_of((struct slice){raw, len}, round % 5 == 0);
            assert_int_equal(names.count, 1);
            assert_int_equal(names.items[0].kind, MATCH_NAME_PLAIN);
            assert_int_equal(names.items[0].len, len);
            assert_memory_equal(names.bytes, lower, len);
            assert_int_equal(names.items[0].dots, dots);
            match_names_deinit(&names);
        }
    }
}

/* What a name says of itself, by plain loops. */
static void check_description(const struct match_names *names, uint32_t index) {
    const struct match_name *name = &names->items[index];
    struct slice text = match_names_text(names, index);
    uint32_t stars = 0, senseless = 0;
    uint64_t dots = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        bool begins = i == 0 || text.ptr[i - 1] == '.';
        bool ends = i + 1 == text.len || text.ptr[i + 1] == '.';
        assert_false(byte >= 'A' && byte <= 'Z');
        dots |= byte == '.' && i < 64 ? (uint64_t)1 << i : 0;
        stars += byte == '*';
        senseless += byte < ' ' || byte >= 0x7f || (byte == '?' && begins && ends);
    }
    bool is_wildcard = stars == 1 && text.len > 1 && memcmp(text.ptr, "*.", 2) == 0;
    assert_int_equal(name->dots, dots);
    assert_int_equal(name->kind, senseless || (stars && !is_wildcard) ? MATCH_NAME_ODD
                                 : stars                              ? MATCH_NAME_WILDCARD
                                                                      : MATCH_NAME_PLAIN);
}

/* Each byte in each place. */
static void every_byte_everywhere(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 80; at++) {
            uint8_t raw[80];
            memset(raw, 'A', sizeof raw);
            raw[1] = raw[3] = raw[20] = raw[at < 40 ? 39 : 70] = '.';
            raw[at] = (uint8_t)byte;
            for (size_t len = 40; len <= 80; len += 40) {
                struct match_names names = names_of((struct slice){raw, len}, false);
                assert_true(names.count >= 1);
                for (uint32_t i = 0; i < names.count; i++)
                    check_description(&names, i);
                match_names_deinit(&names);
            }
        }
    }
}

static void odd_forms(void **state) {
    (void)state;
    dns(" example.org. ", "example.org");
    dns("example.org...", "example.org");
    dns("http://example.org/index.html", "example.org,example.org/index.html");
    dns("HTTPS://Example.org", "example.org");
    dns("192.0.2.7", "192.0.2.7");
    dns("2001:DB8::1", "2001:db8::1");
    dns("::ffff:192.0.2.7", "192.0.2.7");
    dns("192.0.2.300", "192.0.2.300");
    dns("example.org:443", "example.org:443");
    check((struct slice){(const uint8_t *)"good.example\0.evil.net", 22}, false,
          "good.example,good.example");
    dns("bücher.example", "xn--bcher-kva.example,b\xc3\x83\xc2\xbc"
                          "cher.example");
    dns("b\xfc"
        "cher.example",
        "xn--bcher-kva.example");
    dns("BÜCHER.Example", "xn--bcher-kva.example,b\xc3\x83\xc2\x9c"
                          "cher.example");
}

static void odd_kinds(void **state) {
    (void)state;
    static const struct {
        const char *raw;
        enum match_name_kind kind;
    } cases[] = {
        {"*.example.org.", MATCH_NAME_WILDCARD}, {"f*o.example.org", MATCH_NAME_ODD},
        {"a.*.example.org", MATCH_NAME_ODD},     {"?.example.org", MATCH_NAME_ODD},
        {"*.*.example.org", MATCH_NAME_ODD},     {"a\x01.example.org", MATCH_NAME_ODD},
        {"**.example.org", MATCH_NAME_ODD},      {"a b.example.org", MATCH_NAME_PLAIN},
        {"192.0.2.1", MATCH_NAME_ADDRESS},       {"*.xn--bcher-kva.example", MATCH_NAME_WILDCARD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct match_names names = names_of(slice_of(cases[i].raw), false);
        assert_int_equal(names.count, 1);
        assert_int_equal(names.items[0].kind, cases[i].kind);
        match_names_deinit(&names);
    }
}

static void common_names(void **state) {
    (void)state;
    common_name("example.org", "example.org");
    common_name("Example Ltd. of London", "");
    common_name("192.0.2.1", "192.0.2.1");
    common_name("müller.example", "xn--mller-kva.example,m\xc3\x83\xc2\xbcller.example");
    struct match_names names;
    match_names_init(&names);
    match_names_add_dns(&names, slice_of("www.example.org"), 1);
    match_names_add_dns(&names, slice_of("example.org"), 1);
    match_names_add_common_name(&names, slice_of("WWW.example.org"), 1);
    match_names_add_common_name(&names, slice_of("www.example.org."), 1);
    assert_int_equal(names.count, 2);
    match_names_add_common_name(&names, slice_of("www.example.org"), 2);
    assert_int_equal(names.count, 3);
    match_names_deinit(&names);
}

static void addresses(void **state) {
    (void)state;
    struct match_names names;
    char text[MATCH_TEXT_MAX];
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 9};
    match_names_init(&names);
    for (size_t len = 0; len < 16; len++)
        match_names_add_address(&names, (struct slice){mapped, len}, 0);
    assert_int_equal(names.count, 1); /* four zero bytes */
    match_names_add_address(&names, (struct slice){mapped, 16}, 0);
    assert_int_equal(names.count, 2);
    struct slice shown = match_names_display(&names, 1, text);
    assert_true(slice_is(shown, "192.0.2.9"));
    match_names_deinit(&names);
}

/* The end of what is too long counts, from a dot on. */
static void long_names(void **state) {
    (void)state;
    char raw[3000];
    memset(raw, 'a', sizeof raw);
    for (size_t i = 0; i + 50 < sizeof raw; i += 50)
        raw[i] = '.';
    memcpy(raw + sizeof raw - 20, ".watched.example.org", 20);
    struct match_names names = names_of((struct slice){(uint8_t *)raw, sizeof raw}, false);
    assert_int_equal(names.count, 1);
    struct slice name = match_names_text(&names, 0);
    assert_true(name.len <= MATCH_NAME_BYTES_MAX && name.len > MATCH_NAME_BYTES_MAX - 51);
    assert_memory_equal(name.ptr + name.len - 20, ".watched.example.org", 20);
    assert_int_not_equal(name.ptr[0], '.');
    match_names_deinit(&names);
    memset(raw, 'a', sizeof raw);
    names = names_of((struct slice){(uint8_t *)raw, sizeof raw}, false);
    assert_int_equal(names.count, 0);
    match_names_deinit(&names);
}

/* A certificate with more labels for IDNA than anybody needs: those beyond the bound stay, and
 * match anything. The next certificate has its own. */
static void idna_is_bounded(void **state) {
    (void)state;
    struct match_names names;
    match_names_init(&names);
    for (int i = 0; i < 3000; i++)
        match_names_add_dns(&names, slice_of("\xc3\xbc.example"), 1);
    assert_int_equal(names.items[0].kind, MATCH_NAME_PLAIN);
    assert_int_equal(names.items[names.count - 1].kind, MATCH_NAME_ODD);
    match_names_add_dns(&names, slice_of("\xfc.example"), 2);
    assert_int_equal(names.items[names.count - 1].kind, MATCH_NAME_PLAIN);
    match_names_deinit(&names);
}

static void pages(void **state) {
    (void)state;
    struct match_names names;
    char raw[32];
    match_names_init(&names);
    for (int page = 0; page < 3; page++) {
        match_names_clear(&names);
        for (uint32_t i = 0; i < 20000; i++) {
            int len = snprintf(raw, sizeof raw, "N%u.example.org", i);
            match_names_add_dns(&names, (struct slice){(uint8_t *)raw, (size_t)len}, i);
        }
        assert_int_equal(names.count, 20000);
        assert_false(names.failed);
        for (uint32_t i = 0; i < names.count; i += 997) {
            snprintf(raw, sizeof raw, "n%u.example.org", i);
            assert_true(slice_is(match_names_text(&names, i), raw));
        }
    }
    match_names_deinit(&names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_names), cmocka_unit_test(all_lengths),
        cmocka_unit_test(odd_forms),   cmocka_unit_test(every_byte_everywhere),
        cmocka_unit_test(odd_kinds),   cmocka_unit_test(common_names),
        cmocka_unit_test(addresses),   cmocka_unit_test(long_names),
        cmocka_unit_test(pages),       cmocka_unit_test(idna_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
