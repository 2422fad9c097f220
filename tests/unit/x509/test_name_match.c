#include "engine/x509/name_match.h"

#include "tests/unit/x509/build_certificate.h"

/* A certificate with one dNSName. */
static struct certificate with_dns_name(struct slice name, uint8_t space[300]) {
    space[0] = 0x82;
    space[1] = 0x81; /* a length byte follows, minimal or not */
    space[2] = (uint8_t)name.len;
    memcpy(space + 3, name.ptr, name.len);
    return (struct certificate){
        .has_subject_alt_name = true,
        .subject_alt_name = {space, name.len + 3},
        .subject = BYTES("\x30\x00"),
    };
}

#define LABEL63 "a23456789012345678901234567890123456789012345678901234567890123"

/* RFC 9525 section 6.3 */
static void test_dns_names(void **state) {
    (void)state;
    static const struct {
        const char *host;
        const char *presented;
        bool matches;
    } cases[] = {
        {"example.com", "example.com", true},
        {"EXAMPLE.com", "example.COM", true},
        {"example.com.", "example.com", true},
        {"example.com", "example.com.", false}, /* RFC 5280 allows no final dot there */
        {"example.com..", "example.com", false},
        {"www.example.com", "example.com", false},
        {"example.com", "www.example.com", false},
        {"example.com", "", false},
        {"", "", false},
        {".", ".", false},
        {"localhost", "localhost", true},
        {"under_score.example.com", "under_score.example.com", true},
        {"under_score.example.com", "*.example.com", true},
        {LABEL63 ".example.com", "*.example.com", true},
        /* wildcards */
        {"www.example.com", "*.example.com", true},
        {"WWW.EXAMPLE.COM.", "*.example.com", true},
        {"example.com", "*.example.com", false},
        {"a.b.example.com", "*.example.com", false},
        {".example.com", "*.example.com", false},
        {"wwwexample.com", "*.example.com", false},
        {"foo.example.com", "f*.example.com", false},
        {"foo.example.com", "*o.example.com", false},
        {"foo.example.com", "foo*.example.com", false},
        {"foo.example.com", "**.example.com", false},
        {"foo.bar.example.com", "foo.*.example.com", false},
        {"foo.bar.example.com", "*.*.example.com", false},
        {"example.com", "*", false},
        {"localhost", "*", false},
        {"example.com", "*.com", false}, /* two labels must stand behind it */
        {"example.com", "*.", false},
        {"example.com", "*.com.", false},
        {"example.com", "*..com", false},
        {"*.example.com", "*.example.com", false}, /* nobody asks for a wildcard */
        {"www.example.com", "*.example.com.", false},
        /* internationalized names, A-labels on both sides */
        {"xn--bcher-kva.example", "xn--bcher-kva.example", true},
        {"XN--BCHER-KVA.example", "xn--bcher-kva.example", true},
        {"xn--bcher-kva.example.com", "*.example.com", true},
        {"xn--bcher-kva.example",
         "b\xc3\xbc"
         "cher.example",
         false},
        {"b\xc3\xbc"
         "cher.example",
         "b\xc3\xbc"
         "cher.example",
         false},
        {"xn--bcher-kva.example", "xn--*.example", false},
        /* what looks like an address is none of DNS's business */
        {"192.0.2.1", "192.0.2.1", false},
        {"192.0.2.1", "*.0.2.1", false},
        {"192.0.2.1.", "192.0.2.1", false},
        {"3232235521", "3232235521", false},
        {"127.1", "127.1", false},
        {"2001:db8::1", "2001:db8::1", false},
        {"[2001:db8::1]", "[2001:db8::1]", false},
        {"1.example", "1.example", true},
        {"192.0.2.1.example", "*.0.2.1.example", true},
        {"a b.example.com", "a b.example.com", false},
    };
    static const struct name_match_options options = {.allow_common_name = true};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t space[300];
        struct slice presented = slice_of(cases[i].presented), matched = {NULL, 0};
        struct certificate certificate = with_dns_name(presented, space);
        bool result =
            name_match_host(&certificate, slice_of(cases[i].host), &options, NULL, &matched);
        if (result != cases[i].matches)
            fail_msg("%s and %s: %d", cases[i].host, cases[i].presented, result);
        if (result)
            assert_ptr_equal(matched.ptr, space + 3);
        if (result)
            assert_slice(matched, presented);
    }
}

static void test_embedded_zero(void **state) {
    (void)state;
    static const struct name_match_options options = {.allow_common_name = false};
    uint8_t space[300];
    struct certificate certificate = with_dns_name(BYTES("example.com\0.evil.test"), space);

    assert_false(name_match_host(&certificate, BYTES("example.com"), &options, NULL, NULL));
    assert_false(
        name_match_host(&certificate, BYTES("example.com\0.evil.test"), &options, NULL, NULL));
    certificate = with_dns_name(BYTES("example.com\0"), space);
    assert_false(name_match_host(&certificate, BYTES("example.com"), &options, NULL, NULL));
}

static void test_host_limits(void **state) {
    (void)state;
    static const struct name_match_options options = {.allow_common_name = false};
    char longest[255];
    uint8_t space[300];

    memset(longest, 'a', sizeof longest);
    for (size_t i = 50; i < 250; i += 50)
        longest[i] = '.';
    struct slice host = {(const uint8_t *)longest, 253};
    struct certificate certificate = with_dns_name(host, space);
    assert_true(name_match_host(&certificate, host, &options, NULL, NULL));
    host.len = 254;
    certificate = with_dns_name(host, space);
    assert_false(name_match_host(&certificate, host, &options, NULL, NULL));
}

/* The first that matches is reported, whatever stands around it; a broken list matches up to there.
 */
static void test_several_names(void **state) {
    (void)state;
    static const struct name_match_options options = {.allow_common_name = false};
    struct slice names = BYTES("\x86\x05"
                               "a.b.c"
                               "\x81\x05"
                               "a.b.c"
                               "\x82\x03"
                               "b.c"
                               "\x82\x05*.b.c"
                               "\x82\x05"
                               "a.b.c"
                               "\x82\x7f"
                               "x");
    struct certificate certificate = {.has_subject_alt_name = true, .subject_alt_name = names};
    struct slice matched;

    assert_true(name_match_host(&certificate, slice_of("a.b.c"), &options, NULL, &matched));
    assert_slice(matched, slice_of("*.b.c"));
    assert_false(name_match_host(&certificate, slice_of("x"), &options, NULL, &matched));

    /* A URI or an e-mail address is no DNS name. */
    certificate.subject_alt_name = slice_first(names, 14);
    assert_false(name_match_host(&certificate, slice_of("a.b.c"), &options, NULL, NULL));
}

static void test_common_name(void **state) {
    (void)state;
    static const struct name_match_options no = {.allow_common_name = false},
                                           yes = {.allow_common_name = true};
    struct certificate certificate = {
        .subject = BYTES("\x30\x20\x31\x0e\x30\x0c\x06\x03\x55\x04\x03\x0c\x05*.b.c"
                         "\x31\x0e\x30\x0c\x06\x03\x55\x04\x03\x0c\x05*.e.f"),
    };
    struct slice matched;
    struct buffer scratch;

    buffer_init(&scratch);
    assert_false(name_match_host(&certificate, slice_of("d.e.f"), &no, &scratch, &matched));
    assert_true(name_match_host(&certificate, slice_of("d.e.f"), &yes, &scratch, &matched));
    assert_slice(matched, slice_of("*.e.f"));
    /* only the most specific one */
    assert_false(name_match_host(&certificate, slice_of("a.b.c"), &yes, &scratch, &matched));
    /* a subjectAltName, even one without DNS names or unreadable, says all there is to say */
    certificate.has_subject_alt_name = true;
    assert_false(name_match_host(&certificate, slice_of("d.e.f"), &yes, &scratch, &matched));
    buffer_deinit(&scratch);
}

static void test_addresses(void **state) {
    (void)state;
    struct certificate certificate = {
        .has_subject_alt_name = true,
        .subject_alt_name = BYTES("\x82\x09"
                                  "192.0.2.9"                                /* as a DNS name */
                                  "\x87\x08\xc0\x00\x02\x00\xff\xff\xff\x00" /* with a mask */
                                  "\x87\x00"
                                  "\x87\x04\xc0\x00\x02\x01"
                                  "\x87\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"),
    };
    static const struct {
        const char *address;
        bool matches;
    } cases[] = {
        {"192.0.2.1", true},         {"192.0.2.0", false},   {"192.0.2.9", false},
        {"2001:db8::1", true},       {"2001:db8::2", false}, {"::ffff:192.0.2.1", false},
        {"2001:0db8:0::0001", true}, {"0.0.0.0", false},
    };
    struct address address;
    struct slice matched;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(address_parse(slice_of(cases[i].address), &address));
        bool result = name_match_address(&certificate, &address, &matched);
        if (result != cases[i].matches)
            fail_msg("%s: %d", cases[i].address, result);
        if (result)
            assert_slice(matched, ((struct slice){address.bytes, address_length(&address)}));
    }
    address = (struct address){.family = ADDRESS_NONE};
    assert_false(name_match_address(&certificate, &address, &matched));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dns_names),   cmocka_unit_test(test_embedded_zero),
        cmocka_unit_test(test_host_limits), cmocka_unit_test(test_several_names),
        cmocka_unit_test(test_common_name), cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
