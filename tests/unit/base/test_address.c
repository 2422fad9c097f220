/* Forms from RFC 5952 and RFC 4291, each named by its section; tests/golden/check_addresses.py
 * compares many more with what Python makes of them. */
#include "engine/base/address.h"

#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct address parsed(const char *text) {
    struct address address;

    if (!address_parse(slice_of(text), &address))
        fail_msg("%s is refused", text);
    return address;
}

static void assert_format(const char *text, const char *expected) {
    struct address address = parsed(text);
    char out[ADDRESS_TEXT_MAX];

    memset(out, '!', sizeof out);
    assert_int_equal(address_format(&address, out), strlen(expected));
    assert_string_equal(out, expected);
}

static void test_canonical_v6(void **state) {
    (void)state;
    static const char *const RFC_5952[][2] = {
        /* 1: all of these are one address */
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8::1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:0db8::1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8:0:0:1::1", "2001:db8::1:0:0:1"},
        {"2001:db8:0000:0:1::1", "2001:db8::1:0:0:1"},
        {"2001:DB8:0:0:1::1", "2001:db8::1:0:0:1"},
        /* 2.1 and 4.1: leading zeros */
        {"2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1"},
        {"2001:db8:aaaa:bbbb:cccc:dddd:0:1", "2001:db8:aaaa:bbbb:cccc:dddd:0:1"},
        {"2001:0db8::0001", "2001:db8::1"},
        {"2001:db8:0010:0100:1000::", "2001:db8:10:100:1000::"},
        /* 4.2.1: as much as possible */
        {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
        {"2001:db8::0:1", "2001:db8::1"},
        /* 4.2.2: not for one group alone */
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"::1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        /* 4.2.3: the longest run, the first of two */
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"0:0:1:1:0:0:0:0", "0:0:1:1::"},
        {"0:0:0:1:1:0:0:0", "::1:1:0:0:0"},
        /* 4.3: lower case */
        {"ABCD:EF01:2345:6789:ABCD:EF01:2345:6789", "abcd:ef01:2345:6789:abcd:ef01:2345:6789"},
        /* 5: dotted decimals for a prefix that is known to hold an IPv4 address, and no other */
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
        {"::ffff:c000:0201", "::ffff:192.0.2.1"},
        {"::ffff:0:0", "::ffff:0.0.0.0"},
        {"::192.0.2.1", "::c000:201"},
        {"::1.2.3.4", "::102:304"},
        {"::ffff:0:192.0.2.1", "::ffff:0:c000:201"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"::fffe:192.0.2.1", "::fffe:c000:201"},
        {"1::ffff:192.0.2.1", "1::ffff:c000:201"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"::2:1", "::2:1"},
        {"ff02::fb", "ff02::fb"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };

    for (size_t i = 0; i < sizeof RFC_5952 / sizeof RFC_5952[0]; i++)
        assert_format(RFC_5952[i][0], RFC_5952[i][1]);
}

static void test_v4(void **state) {
    (void)state;
    char text[ADDRESS_TEXT_MAX], out[ADDRESS_TEXT_MAX];

    assert_format("0.0.0.0", "0.0.0.0");
    assert_format("255.255.255.255", "255.255.255.255");
    for (int octet = 0; octet < 256; octet++) {
        struct address address = {.family = ADDRESS_V4,
                                  .bytes = {(uint8_t)octet, 9, (uint8_t)(255 - octet), 100}};
        int len = snprintf(text, sizeof text, "%d.9.%d.100", octet, 255 - octet);
        assert_int_equal(address_format(&address, out), len);
        assert_string_equal(out, text);
        struct address again = parsed(text);
        assert_true(address_equal(&again, &address));
    }
}

static void test_none(void **state) {
    (void)state;
    struct address address = {.bytes = {1, 2, 3, 4}, .scope = 5};
    char out[ADDRESS_TEXT_MAX] = "before";

    assert_int_equal(address_format(&address, out), 0);
    assert_string_equal(out, "");
    assert_int_equal(address_length(&address), 0);
}

static void test_scopes(void **state) {
    (void)state;
    struct address address;

    assert_format("fe80::1%7", "fe80::1%7");
    assert_format("fe80:1111:2222:3333:4444:5555:6666:7777%4294967295",
                  "fe80:1111:2222:3333:4444:5555:6666:7777%4294967295");
    if (if_nametoindex("lo")) {
        address = parsed("fe80::1%lo");
        assert_int_equal(address.scope, if_nametoindex("lo"));
    }
    assert_false(address_parse(slice_of("fe80::1%"), &address));
    assert_false(address_parse(slice_of("fe80::1%0"), &address));
    assert_false(address_parse(slice_of("fe80::1%4294967296"), &address));
    assert_false(address_parse(slice_of("fe80::1%no-such-interface-here"), &address));
    assert_false(address_parse(slice_of("fe80::1%lo%lo"), &address));
    assert_false(address_parse(slice_of("127.0.0.1%1"), &address));
    assert_false(address_parse(slice_of("%1"), &address));
}

static void test_refused(void **state) {
    (void)state;
    static const char *const TEXTS[] = {
        "",
        " ",
        "localhost",
        "1",
        "127.1",
        "127.0.1",
        "1.2.3.4.5",
        "256.0.0.1",
        "1.2.3.",
        ".1.2.3",
        "1..2.3",
        "01.2.3.4",
        "1.2.3.04",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4/24",
        "1.2.3.4:80",
        "[::1]",
        "[::1]:80",
        ":",
        ":::",
        "::1::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2:3:4:5:6:7:8",
        "12345::",
        "::g",
        ":1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "::1.2.3",
        "::1.2.3.4:5",
        "1.2.3.4::",
        "::256.0.0.1",
        "::1/64",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff"};
    struct address address, untouched = {.family = 99};

    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        address = untouched;
        if (address_parse(slice_of(TEXTS[i]), &address))
            fail_msg("\"%s\" is taken", TEXTS[i]);
        assert_true(address_equal(&address, &untouched));
    }
    assert_false(address_parse((struct slice){NULL, 0}, &address));
    assert_false(address_parse((struct slice){(const uint8_t *)"::1\0", 4}, &address));
    assert_false(address_parse((struct slice){(const uint8_t *)"1.2.3.4\0x", 9}, &address));
    assert_false(address_parse((struct slice){(const uint8_t *)"fe80::1%l\0", 10}, &address));
}

static void test_sockaddr_v4(void **state) {
    (void)state;
    struct address address = parsed("192.0.2.7"), again;
    struct sockaddr_storage storage;

    assert_int_equal(address_to_sockaddr(&address, 8443, &storage), sizeof(struct sockaddr_in));
    const struct sockaddr_in *in = (const struct sockaddr_in *)&storage;
    assert_int_equal(in->sin_family, AF_INET);
    assert_memory_equal(&in->sin_port, "\x20\xfb", 2);
    assert_memory_equal(&in->sin_addr, "\xc0\x00\x02\x07", 4);
    memset(&again, '!', sizeof again);
    assert_true(address_from_sockaddr((const struct sockaddr *)&storage, &again));
    assert_true(address_equal(&again, &address));
    assert_int_equal(address_length(&again), 4);
}

static void test_sockaddr_v6(void **state) {
    (void)state;
    struct address address = parsed("fe80::2:3%9"), again;
    struct sockaddr_storage storage;

    assert_int_equal(address_to_sockaddr(&address, 443, &storage), sizeof(struct sockaddr_in6));
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&storage;
    assert_int_equal(in6->sin6_family, AF_INET6);
    assert_memory_equal(&in6->sin6_port, "\x01\xbb", 2);
    assert_int_equal(in6->sin6_scope_id, 9);
    assert_int_equal(in6->sin6_flowinfo, 0);
    assert_memory_equal(&in6->sin6_addr, address.bytes, 16);
    memset(&again, '!', sizeof again);
    assert_true(address_from_sockaddr((const struct sockaddr *)&storage, &again));
    assert_true(address_equal(&again, &address));
    assert_int_equal(address_length(&again), 16);
    storage.ss_family = AF_UNIX;
    assert_false(address_from_sockaddr((const struct sockaddr *)&storage, &again));
}

static void test_equal(void **state) {
    (void)state;
    struct address v4 = parsed("192.0.2.1"), v6 = parsed("c000:201::"), scoped = parsed("::1%1"),
                   bare = parsed("::1");

    assert_true(address_equal(&v4, &v4));
    assert_false(address_equal(&v4, &v6)); /* the same bytes */
    assert_memory_equal(v4.bytes, v6.bytes, 16);
    assert_false(address_equal(&scoped, &bare));
    assert_false(address_equal(&v6, &bare));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical_v6), cmocka_unit_test(test_v4),
        cmocka_unit_test(test_none),         cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_sockaddr_v4),
        cmocka_unit_test(test_sockaddr_v6),  cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
