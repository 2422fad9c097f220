#include "engine/base/cidr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Expected values as Python's ipaddress gives them. */
static const struct {
    const char *text, *first, *last;
    unsigned __int128 last_offset;
} good[] = {
    {"192.0.2.0/24", "192.0.2.0", "192.0.2.255", 255},
    {"192.0.2.77/24", "192.0.2.0", "192.0.2.255", 255},
    {"192.0.2.77/32", "192.0.2.77", "192.0.2.77", 0},
    {"192.0.2.77/31", "192.0.2.76", "192.0.2.77", 1},
    {"203.0.113.9/0", "0.0.0.0", "255.255.255.255", UINT32_MAX},
    {"10.1.2.3/8", "10.0.0.0", "10.255.255.255", 0xffffff},
    {"2001:db8::1234/120", "2001:db8::1200", "2001:db8::12ff", 255},
    {"2001:db8::1/128", "2001:db8::1", "2001:db8::1", 0},
    {"2001:db8:1:2:3::/64", "2001:db8:1:2::", "2001:db8:1:2:ffff:ffff:ffff:ffff", UINT64_MAX},
    {"fe80::%1/126", "fe80::%1", "fe80::3%1", 3},
    {"192.0.2.1-192.0.2.20", "192.0.2.1", "192.0.2.20", 19},
    {"192.0.2.250-192.0.3.4", "192.0.2.250", "192.0.3.4", 10},
    {"192.0.2.1-20", "192.0.2.1", "192.0.2.20", 19},
    {"192.0.2.7-7", "192.0.2.7", "192.0.2.7", 0},
    {"0.0.0.0-255.255.255.255", "0.0.0.0", "255.255.255.255", UINT32_MAX},
    {"2001:db8::fffe-2001:db8::1:1", "2001:db8::fffe", "2001:db8::1:1", 3},
    {"::1-::1:0:0:0:0", "::1", "0:0:0:1::", UINT64_MAX},
    {"::-::1:0:0:0:0", "::", "0:0:0:1::", (unsigned __int128)1 << 64},
    {"2001:db8::/63", "2001:db8::", "2001:db8:0:1:ffff:ffff:ffff:ffff",
     ((unsigned __int128)1 << 65) - 1},
    {"2001:db8::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ~(unsigned __int128)0},
};

/* A block of one, though nothing says "block". */
static void single_addresses(void **state) {
    (void)state;
    static const char *const single[] = {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"};
    for (size_t i = 0; i < sizeof single / sizeof *single; i++) {
        struct cidr_block block;
        struct address address;
        assert_false(cidr_is_block(slice_of(single[i])));
        assert_int_equal(cidr_parse(slice_of(single[i]), &block, NULL), ERROR_NONE);
        assert_true(block.last_offset == 0);
        assert_true(address_parse(slice_of(single[i]), &address));
        assert_true(address_equal(&block.first, &address));
    }
    struct cidr_block block;
    struct failure failure;
    assert_int_equal(cidr_parse(slice_of("a.example"), &block, &failure), ERROR_USAGE);
    assert_string_equal(failure.text, "\"a.example\" is not an IP address");
}

static void good_blocks(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct slice text = slice_of(good[i].text);
        struct cidr_block block;
        struct failure failure;
        assert_true(cidr_is_block(text));
        if (cidr_parse(text, &block, &failure))
            fail_msg("%s: %s", good[i].text, failure.text);
        char got[ADDRESS_TEXT_MAX];
        struct address address = cidr_address(&block, 0), expected;
        address_format(&address, got);
        assert_string_equal(got, good[i].first);
        assert_true(block.last_offset == good[i].last_offset);
        address = cidr_address(&block, block.last_offset);
        assert_true(address_parse(slice_of(good[i].last), &expected));
        expected.scope = block.first.scope;
        assert_true(address_equal(&address, &expected));
    }
}

static void middle_carries(void **state) {
    (void)state;
    struct cidr_block block;
    assert_int_equal(cidr_parse(slice_of("10.255.255.254-11.0.0.3"), &block, NULL), ERROR_NONE);
    static const char *const expected[] = {"10.255.255.254", "10.255.255.255", "11.0.0.0",
                                           "11.0.0.1",       "11.0.0.2",       "11.0.0.3"};
    assert_int_equal(block.last_offset, 5);
    for (uint64_t i = 0; i <= block.last_offset; i++) {
        char got[ADDRESS_TEXT_MAX];
        struct address address = cidr_address(&block, i);
        address_format(&address, got);
        assert_string_equal(got, expected[i]);
    }
}

static void bad_blocks(void **state) {
    (void)state;
    static const struct {
        const char *text, *reason;
    } bad[] = {
        {"192.0.2.0/33", "prefix length \"33\" is not between 0 and 32"},
        {"192.0.2.0/", "prefix length \"\" is not between 0 and 32"},
        {"192.0.2.0/-1", "prefix length \"-1\" is not between 0 and 32"},
        {"192.0.2.0/24/1", "prefix length \"24/1\" is not between 0 and 32"},
        {"192.0.2.0/255.255.255.0", "prefix length \"255.255.255.0\" is not between 0 and 32"},
        {"2001:db8::/129", "prefix length \"129\" is not between 0 and 128"},
        {"example.com/path",
         "\"example.com\" before \"/\" is not an IP address (a path needs https:// in front)"},
        {"10.0.0/8",
         "\"10.0.0\" before \"/\" is not an IP address (a path needs https:// in front)"},
        {"/24", "\"\" before \"/\" is not an IP address (a path needs https:// in front)"},
        {"192.0.2.0/24:443", "a block cannot have a port of its own"},
        {"192.0.2.1-20:443", "a block cannot have a port of its own"},
        {"192.0.2.20-192.0.2.1", "the range ends before it starts"},
        {"192.0.2.20-19", "the range ends before it starts"},
        {"192.0.2.1-256", "the range ends in \"256\", which is not an IP address"},
        {"192.0.2.1-", "the range ends in \"\", which is not an IP address"},
        {"192.0.2.1-2.20", "the range ends in \"2.20\", which is not an IP address"},
        {"2001:db8::1-192.0.2.1", "the ends of the range are of different kinds"},
        {"2001:db8::1-20x", "the range ends in \"20x\", which is not an IP address"},
        {"fe80::1%1-fe80::2%2", "the ends of the range are of different kinds"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cidr_block block;
        struct failure failure;
        assert_true(cidr_is_block(slice_of(bad[i].text)));
        assert_int_equal(cidr_parse(slice_of(bad[i].text), &block, &failure), ERROR_USAGE);
        assert_string_equal(failure.text, bad[i].reason);
    }
}

static void no_blocks(void **state) {
    (void)state;
    static const char *const others[] = {
        "",
        "-",
        "192.0.2.1",
        "2001:db8::1",
        "example.com",
        "my-host.example",
        "192.0.2.1-static.example",
        "https://192.0.2.0/24",
        "https://example.com/a-b",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(cidr_is_block(slice_of(others[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_blocks),    cmocka_unit_test(single_addresses),
        cmocka_unit_test(middle_carries), cmocka_unit_test(bad_blocks),
        cmocka_unit_test(no_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
