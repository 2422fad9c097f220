#include "ingest/target_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int by_name(struct slice name, uint16_t *default_port) {
    *default_port = slice_is(name, "tls") ? 443 : 25;
    return slice_is(name, "tls") ? 0 : slice_is(name, "smtp") ? 1 : -1;
}

static const struct protocol_lookup protocols = {.by_name = by_name};

/* Expected: name, address, port, protocol; "-" for none. */
static const struct {
    const char *text, *expected;
} good[] = {
    {"example.com", "example.com - 0 0"},
    {"Example.COM.", "example.com - 0 0"},
    {"localhost", "localhost - 0 0"},
    {"example.com:8443", "example.com - 8443 0"},
    {"example.com.:1", "example.com - 1 0"},
    {"a_b._tcp.example:65535", "a_b._tcp.example - 65535 0"},
    {"r3---sn-x.example", "r3---sn-x.example - 0 0"},
    {"xn--bcher-kva.example", "xn--bcher-kva.example - 0 0"},
    {"3com.example", "3com.example - 0 0"},
    {"192.0.2.1-static.example", "192.0.2.1-static.example - 0 0"},
    /* addresses */
    {"192.0.2.1", "- 192.0.2.1 0 0"},
    {"192.0.2.1:443", "- 192.0.2.1 443 0"},
    {"2001:DB8::1", "- 2001:db8::1 0 0"},
    {"::", "- :: 0 0"},
    {"2001:db8::1:443", "- 2001:db8::1:443 0 0"},
    {"[2001:db8::1]", "- 2001:db8::1 0 0"},
    {"[2001:db8::1]:443", "- 2001:db8::1 443 0"},
    {"::ffff:192.0.2.1", "- ::ffff:192.0.2.1 0 0"},
    {"[fe80::1%1]:443", "- fe80::1%1 443 0"},
    /* a name and the address to find it at */
    {"example.com@192.0.2.1", "example.com 192.0.2.1 0 0"},
    {"example.com@192.0.2.1:443", "example.com 192.0.2.1 443 0"},
    {"EXAMPLE.com.@[2001:db8::1]:443", "example.com 2001:db8::1 443 0"},
    {"example.com@2001:db8::1", "example.com 2001:db8::1 0 0"},
    {"b\xc3\xbc"
     "cher.example@192.0.2.1",
     "xn--bcher-kva.example 192.0.2.1 0 0"},
    /* protocols and URLs */
    {"smtp://mail.example", "mail.example - 25 1"},
    {"smtp://mail.example:587", "mail.example - 587 1"},
    {"smtp://mail.example@192.0.2.1", "mail.example 192.0.2.1 25 1"},
    {"smtp://[2001:db8::1]", "- 2001:db8::1 25 1"},
    {"tls://192.0.2.1/", "- 192.0.2.1 443 0"},
    {"https://example.com", "example.com - 443 0"},
    {"HTTPS://Example.com:8443/a/b:c?d=e@f#g", "example.com - 8443 0"},
    {"https://example.com?q", "example.com - 443 0"},
    {"https://example.com#f", "example.com - 443 0"},
    {"https://user:pass@example.com/", "example.com - 443 0"},
    {"https://user@evil@[2001:db8::1]:444/", "- 2001:db8::1 444 0"},
    /* IDN: RFC 3492 and Python's punycode codec gave the expected forms */
    {"b\xc3\xbc"
     "cher.example",
     "xn--bcher-kva.example - 0 0"},
    {"B\xc3\x9c"
     "CHER.Example:8443",
     "xn--bcher-kva.example - 8443 0"},
    {"bu\xcc\x88"
     "cher.example", /* decomposed */
     "xn--bcher-kva.example - 0 0"},
    {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x80\x82jp", "xn--wgv71a119e.jp - 0 0"},
    {"fa\xc3\x9f.de", "xn--fa-hia.de - 0 0"}, /* nontransitional: not fass.de */
    {"https://fa\xc3\x9f.de/\xc3\xbc", "xn--fa-hia.de - 443 0"},
};

static void good_forms(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct target target;
        struct failure failure;
        if (target_parse(slice_of(good[i].text), &protocols, &target, &failure))
            fail_msg("%s: %s", good[i].text, failure.text);
        char address[ADDRESS_TEXT_MAX] = "-", got[512];
        if (target.address.family != ADDRESS_NONE)
            address_format(&target.address, address);
        snprintf(got, sizeof got, "%s %s %u %u", target.name_len ? target.name : "-", address,
                 target.port, target.protocol);
        assert_string_equal(got, good[i].expected);
        assert_int_equal(strlen(target.name), target.name_len);
    }
}

static const struct {
    const char *text, *reason;
} bad[] = {
    {"", "the host is missing"},
    {".", "the host is missing"},
    {":443", "the host is missing"},
    {"https://", "the host is missing"},
    {"https:///path", "the host is missing"},
    {"https://user@", "the host is missing"},
    {"@192.0.2.1", "the host is missing"},
    {"example.com:", "the port after \":\" is missing"},
    {"example.com:70000", "port \"70000\" is not between 1 and 65535"},
    {"example.com:0", "port \"0\" is not between 1 and 65535"},
    {"example.com:-1", "port \"-1\" is not between 1 and 65535"},
    {"example.com:443x", "port \"443x\" is not between 1 and 65535"},
    {"example.com: 443", "port \" 443\" is not between 1 and 65535"},
    {"https://example.com:99999/", "port \"99999\" is not between 1 and 65535"},
    {"[2001:db8::1]:0", "port \"0\" is not between 1 and 65535"},
    {"[2001:db8::1]443", "\"443\" after \"]\" is not a port"},
    {"[2001:db8::1", "\"[\" without \"]\""},
    {"[192.0.2.1]:443", "\"192.0.2.1\" in brackets is not an IPv6 address"},
    {"[]", "\"\" in brackets is not an IPv6 address"},
    {"2001:db8::g", "\"2001:db8::g\" is not an IPv6 address (with port: [v6]:port)"},
    {"example.com:443:1", "\"example.com:443:1\" is not an IPv6 address (with port: [v6]:port)"},
    {"192.0.2.300", "\"192.0.2.300\" is neither a host name nor an IPv4 address"},
    {"10.1", "\"10.1\" is neither a host name nor an IPv4 address"},
    {"443", "\"443\" is neither a host name nor an IPv4 address"},
    {"192.0.2.1.", "\"192.0.2.1.\" is neither a host name nor an IPv4 address"},
    {"example.com@example.net", "\"example.net\" after \"@\" is not an IP address"},
    {"example.com@192.0.2.300", "\"192.0.2.300\" after \"@\" is not an IP address"},
    {"example.com@", "\"\" after \"@\" is not an IP address"},
    {"192.0.2.1@192.0.2.2", "\"192.0.2.1\" before \"@\" is not a host name"},
    {"[2001:db8::1]@192.0.2.2", "\"[2001:db8::1]\" before \"@\" is not a host name"},
    {"a@b@192.0.2.2", "\"b@192.0.2.2\" after \"@\" is not an IP address"},
    {"gopher://example.com", "unknown protocol \"gopher\""},
    {"://example.com", "unknown protocol \"\""},
    {"*.example.com", "\"*\" cannot be in a host name"},
    {"example.com/path", "\"/\" cannot be in a host name"},
    {"exa mple.com", "\" \" cannot be in a host name"},
    {"example.com\t443", "\"\\u{9}\" cannot be in a host name"},
    {"https://%65xample.com", "\"%\" cannot be in a host name"},
    {"\x1b]0;x\x07.example", "\"\\u{1b}\" cannot be in a host name"},
    {"a..example", "an empty label in the host name"},
    {".example", "an empty label in the host name"},
    {"example..", "an empty label in the host name"},
    {"\xff\xfe.example", "not an internationalized name (string encoding error)"},
    /* full-width forms map to ASCII that would mean something else */
    {"example.com\xef\xbc\x8f"
     "evil",
     "\"/\" cannot be in a host name"},
};

static void assert_refused(struct slice text, const char *reason) {
    struct target target;
    struct failure failure;
    assert_int_equal(target_parse(text, &protocols, &target, &failure), ERROR_USAGE);
    assert_int_equal(failure.code, ERROR_USAGE);
    assert_string_equal(failure.text, reason);
}

/* What is written is read as the same target. */
static void assert_written(const char *text, const struct protocol_lookup *lookup,
                           const char *expected) {
    struct target target, again;
    struct buffer out;

    buffer_init(&out);
    assert_int_equal(target_parse(slice_of(text), lookup, &target, NULL), ERROR_NONE);
    target_write(&target, lookup, &out);
    assert_int_equal(target_parse(buffer_slice(&out), lookup, &again, NULL), ERROR_NONE);
    assert_true(again.port == target.port && again.protocol == target.protocol);
    assert_true(address_equal(&again.address, &target.address));
    assert_string_equal(again.name, target.name);
    if (expected && !slice_is(buffer_slice(&out), expected))
        fail_msg("%s is written as %.*s", text, (int)out.len, (const char *)out.ptr);
    buffer_deinit(&out);
}

static void written_forms(void **state) {
    (void)state;
    static const char *const FORMS[][2] = {
        {"Example.COM.", "example.com"},
        {"example.com:8443", "example.com:8443"},
        {"2001:DB8::1", "[2001:db8::1]"},
        {"https://user:secret@[2001:db8::1]:444/path", "[2001:db8::1]:444"},
        {"a.example@2001:db8::1", "a.example@[2001:db8::1]"},
        {"a.example@192.0.2.1:25", "a.example@192.0.2.1:25"}, /* smtp, as usual there */
        {"tls://a.example:25", "tls://a.example:25"},
        {"smtp://a.example", "a.example:25"},
        {"submission://a.example:443", "smtp://a.example:443"},
        {"imap://[::1]:1", "imap://[::1]:1"},
        {"https://192.0.2.1-20/", "tls://192.0.2.1-20:443"}, /* a name, not a block */
    };

    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++)
        assert_written(FORMS[i][0], &protocol_lookup_all, FORMS[i][1]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_written(good[i].text, &protocol_lookup_all, NULL);
}

static void bad_forms(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(slice_of(bad[i].text), bad[i].reason);
    assert_refused((struct slice){(const uint8_t *)"a\0b", 3},
                   "\"\\u{0}\" cannot be in a host name");
    assert_refused((struct slice){(const uint8_t *)"\xc3\xbc\0b", 4},
                   "a zero byte in the host name");
}

static void lengths(void **state) {
    (void)state;
    struct target target;
    char name[2048];
    memset(name, 'a', sizeof name);
    for (size_t i = 63; i < sizeof name; i += 64)
        name[i] = '.';
    name[253] = '\0'; /* 3 * 64 + 61 */
    assert_int_equal(target_parse(slice_of(name), &protocols, &target, NULL), ERROR_NONE);
    assert_int_equal(target.name_len, 253);
    assert_string_equal(target.name, name);
    memcpy(name + 253, ".", 2); /* a trailing dot does not count */
    assert_int_equal(target_parse(slice_of(name), &protocols, &target, NULL), ERROR_NONE);
    memcpy(name + 253, "a", 2);
    assert_refused(slice_of(name), "a host name of more than 253 bytes");

    memset(name, 'a', 64);
    memcpy(name + 64, ".example", 9);
    assert_refused(slice_of(name), "a label of more than 63 bytes");
    assert_int_equal(target_parse(slice_of(name + 1), &protocols, &target, NULL), ERROR_NONE);

    for (size_t i = 0; i + 2 < sizeof name; i += 2)
        memcpy(name + i, "\xc3\xbc", 3);
    assert_refused(slice_of(name), "a host name of more than 253 bytes");
}

/* What is quoted is cut, so that a message stays a line. */
static void long_parts_are_cut(void **state) {
    (void)state;
    char text[4096];
    memset(text, '7', sizeof text - 1);
    text[0] = 'a';
    text[1] = ':';
    text[sizeof text - 1] = '\0';
    struct target target;
    struct failure failure;
    assert_int_equal(target_parse(slice_of(text), &protocols, &target, &failure), ERROR_USAGE);
    assert_in_range(strlen(failure.text), 90, 140);
    assert_non_null(strstr(failure.text, "777...\" is not between 1 and 65535"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_forms),         cmocka_unit_test(written_forms),
        cmocka_unit_test(bad_forms),          cmocka_unit_test(lengths),
        cmocka_unit_test(long_parts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
