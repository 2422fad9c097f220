#include "engine/base/address_set.h"

#include "engine/base/buffer.h"
#include "engine/base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct address address_of(const char *text) {
    struct address address;
    if (!address_parse(slice_of(text), &address))
        fail_msg("%s is no address", text);
    return address;
}

static bool contains(const struct address_set *set, const char *text) {
    struct address address = address_of(text);
    return address_set_contains(set, &address);
}

static void add(struct address_set *set, const char *text) {
    struct failure failure;
    if (address_set_add_text(set, slice_of(text), &failure))
        fail_msg("%s: %s", text, failure.text);
}

static struct address_set *empty_set(void) {
    struct address_set *set;
    assert_int_equal(address_set_open(&set, NULL, NULL), ERROR_NONE);
    return set;
}

static void edges(void **state) {
    (void)state;
    struct address_set *set = empty_set();
    assert_false(contains(set, "0.0.0.0"));
    assert_false(contains(set, "::"));
    add(set, "10.0.0.0/8");
    add(set, "192.0.2.7");
    add(set, "198.51.100.10-20");
    add(set, "2001:db8::/32");
    static const struct {
        const char *text;
        bool in;
    } cases[] = {
        {"9.255.255.255", false},   {"10.0.0.0", true},
        {"10.255.255.255", true},   {"11.0.0.0", false},
        {"192.0.2.6", false},       {"192.0.2.7", true},
        {"192.0.2.8", false},       {"198.51.100.9", false},
        {"198.51.100.10", true},    {"198.51.100.20", true},
        {"198.51.100.21", false},   {"0.0.0.0", false},
        {"255.255.255.255", false}, {"2001:db7:ffff::", false},
        {"2001:db8::", true},       {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true},
        {"2001:db9::", false},      {"::", false},
        {"::10.0.0.1", false},      {"::ffff:10.0.0.1", true},
        {"::ffff:11.0.0.1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (contains(set, cases[i].text) != cases[i].in)
            fail_msg("%s", cases[i].text);
    struct address none = {0};
    add(set, "::/0");
    assert_false(address_set_contains(set, &none));
    address_set_free(set);
    address_set_free(NULL);
}

/* All of one family is nothing of the other; a mapped block is an IPv4 block. */
static void families(void **state) {
    (void)state;
    struct address_set *set = empty_set();
    add(set, "::/0");
    assert_true(contains(set, "::"));
    assert_true(contains(set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_true(contains(set, "fe80::1%1"));
    assert_false(contains(set, "192.0.2.1"));
    assert_false(contains(set, "::ffff:192.0.2.1"));
    address_set_free(set);

    set = empty_set();
    add(set, "0.0.0.0/0");
    assert_true(contains(set, "0.0.0.0"));
    assert_true(contains(set, "255.255.255.255"));
    assert_true(contains(set, "::ffff:0:0"));
    assert_false(contains(set, "::"));
    address_set_free(set);

    set = empty_set();
    add(set, "::ffff:10.0.0.0/104");
    add(set, "::ffff:192.0.2.1-::ffff:192.0.2.2");
    assert_true(contains(set, "10.1.2.3"));
    assert_true(contains(set, "192.0.2.2"));
    assert_false(contains(set, "192.0.2.3"));
    address_set_free(set);
}

/* Random ranges of a small space, against one flag an address; enough of them for the index. */
static void against_flags(void **state) {
    (void)state;
    enum { SPACE = 1 << 16 };
    struct random random;
    random_init(&random, 7);
    for (uint32_t round = 0; round < 40; round++) {
        static bool in[SPACE];
        memset(in, 0, sizeof in);
        bool v6 = round % 2;
        char path[] = "/tmp/trawl-set-XXXXXX", first[32], last[32];
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        uint32_t ranges = round < 20 ? round : round * 20, longest = round % 3 ? 8 : 4000;
        for (uint32_t i = 0; i < ranges; i++) {
            uint32_t from = (uint32_t)(random_u64(&random) % SPACE);
            uint32_t to = from + (uint32_t)(random_u64(&random) % longest);
            to = to < SPACE ? to : SPACE - 1;
            memset(in + from, 1, to - from + 1);
            /* IPv4: spread over the top half of the address, so that the index has work. */
            const char *form = v6 ? "2001:db8::%x:%x" : "%u.%u.0.0";
            snprintf(first, sizeof first, form, from >> 8, from & 255);
            snprintf(last, sizeof last, v6 ? form : "%u.%u.255.255", to >> 8, to & 255);
            assert_true(dprintf(fd, "%s-%s # %u\r\n", first, last, i) > 0);
        }
        close(fd);
        struct address_set *set;
        struct failure failure;
        if (address_set_open(&set, path, &failure))
            fail_msg("%s", failure.text);
        unlink(path);
        for (uint32_t i = 0; i < SPACE; i++) {
            snprintf(first, sizeof first, v6 ? "2001:db8::%x:%x" : "%u.%u.0.0", i >> 8, i & 255);
            if (contains(set, first) != in[i])
                fail_msg("round %u: %s", round, first);
        }
        assert_int_equal(address_set_invert(set, &failure), ERROR_NONE);
        for (uint32_t i = 0; i < SPACE; i++) {
            snprintf(first, sizeof first, v6 ? "2001:db8::%x:%x" : "%u.%u.0.0", i >> 8, i & 255);
            if (contains(set, first) == in[i])
                fail_msg("round %u, inverted: %s", round, first);
        }
        address_set_free(set);
    }
}

static void assert_file(struct slice text, enum error error, const char *expected) {
    char path[] = "/tmp/trawl-set-XXXXXX", message[FAILURE_TEXT_MAX];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.ptr, text.len), (ssize_t)text.len);
    close(fd);
    struct address_set *set;
    struct failure failure = {.text = ""};
    assert_int_equal(address_set_open(&set, path, &failure), error);
    snprintf(message, sizeof message, "\"%s\"%s", path, expected ? expected : "");
    if (error && expected)
        assert_string_equal(failure.text, message);
    address_set_free(set);
    unlink(path);
}

/* A file that has one address, and nothing of IPv6. */
static void assert_set(struct slice text, const char *member) {
    char path[] = "/tmp/trawl-set-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.ptr, text.len), (ssize_t)text.len);
    close(fd);
    struct address_set *set;
    assert_int_equal(address_set_open(&set, path, NULL), ERROR_NONE);
    assert_true(contains(set, member));
    assert_false(contains(set, "::"));
    address_set_free(set);
    unlink(path);
}

static void files(void **state) {
    (void)state;
    static const char form[] = "; a line is an address, a CIDR block or a range";
    char expected[256];
    assert_file(slice_of(""), ERROR_NONE, "");
    assert_file(slice_of("\xef\xbb\xbf# all\n\n  10.0.0.0/8\t# private\r\n::1"), ERROR_NONE, "");
    snprintf(expected, sizeof expected, ":2: \"a.example\" is not an IP address: \"a.example\"%s",
             form);
    assert_file(slice_of("10.0.0.0/8\na.example # one\n"), ERROR_INPUT, expected);
    snprintf(expected, sizeof expected,
             ":1: prefix length \"33\" is not between 0 and 32: \"10.0.0.0/33\"%s", form);
    assert_file(slice_of("10.0.0.0/33"), ERROR_INPUT, expected);
    snprintf(expected, sizeof expected,
             ":1: prefix length \"8\\u{0}1\" is not between 0 and 32: \"10.0.0.0/8\\u{0}1\"%s",
             form);
    assert_file((struct slice){(const uint8_t *)"10.0.0.0/8\0001", 12}, ERROR_INPUT, expected);

    /* blanks and comments of any length are not what makes a line wrong; nor do they hide what is
     */
    struct buffer text;
    buffer_init(&text);
    for (int i = 0; i < 1000; i++)
        buffer_add_byte(&text, ' ');
    buffer_add_text(&text, "10.0.0.0/8");
    for (int i = 0; i < 1000; i++)
        buffer_add_byte(&text, ' ');
    assert_set(buffer_slice(&text), "10.0.0.1");
    buffer_add_byte(&text, 'x');
    assert_file(buffer_slice(&text), ERROR_INPUT, NULL);
    text.len = 0;
    buffer_add_text(&text, "10.0.0.0/8 #");
    for (int i = 0; i < 100000; i++)
        buffer_add_byte(&text, 'x');
    assert_file(buffer_slice(&text), ERROR_NONE, "");
    text.ptr[11] = 'x';
    struct address_set *set;
    assert_int_equal(address_set_open(&set, "/tmp", NULL), (enum error)EISDIR);
    assert_null(set);
    assert_int_equal(address_set_open(&set, "/nonexistent", NULL), (enum error)ENOENT);
    set = empty_set();
    assert_int_equal(address_set_add_text(set, buffer_slice(&text), NULL), ERROR_USAGE);
    assert_int_equal(address_set_add_text(set, slice_of(""), NULL), ERROR_USAGE);
    assert_false(contains(set, "10.0.0.1"));
    address_set_free(set);
    buffer_deinit(&text);
}

/* A set that had an index and no longer needs one, and the other way round. */
static void shrinks_and_grows(void **state) {
    (void)state;
    struct address_set *set = empty_set();
    char text[32];
    for (int i = 0; i < 250; i++) {
        snprintf(text, sizeof text, "10.%d.0.1", i);
        assert_false(contains(set, text));
        add(set, text);
        assert_true(contains(set, text));
        assert_true(contains(set, "10.0.0.1"));
        assert_false(contains(set, "10.0.0.2"));
    }
    add(set, "10.0.0.0/8");
    assert_true(contains(set, "10.0.0.2"));
    assert_true(contains(set, "10.255.255.255"));
    assert_false(contains(set, "11.0.0.0"));
    for (int i = 0; i < 250; i++) {
        snprintf(text, sizeof text, "2001:db8::%d:0", i);
        add(set, text);
        assert_true(contains(set, text));
        assert_true(contains(set, "10.200.0.2"));
    }
    address_set_free(set);
}

/* To both ends of each family, there and back. */
static void inverted(void **state) {
    (void)state;
    struct address_set *set = empty_set();
    assert_int_equal(address_set_invert(set, NULL), ERROR_NONE);
    assert_true(contains(set, "0.0.0.0") && contains(set, "255.255.255.255"));
    assert_true(contains(set, "::") && contains(set, "::ffff:192.0.2.1"));
    assert_true(contains(set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_int_equal(address_set_invert(set, NULL), ERROR_NONE);
    assert_false(contains(set, "0.0.0.0") || contains(set, "255.255.255.255"));
    assert_false(contains(set, "::") || contains(set, "192.0.2.1"));
    add(set, "0.0.0.0/1");
    add(set, "8000::/1");
    assert_int_equal(address_set_invert(set, NULL), ERROR_NONE);
    assert_false(contains(set, "127.255.255.255"));
    assert_true(contains(set, "128.0.0.0") && contains(set, "255.255.255.255"));
    assert_true(contains(set, "7fff::1"));
    assert_false(contains(set, "8000::") || contains(set, "ffff::1"));
    address_set_free(set);
}

static void private_ones(void **state) {
    (void)state;
    static const char *const private[] = {
        "0.0.0.0",       "10.1.2.3",        "100.64.0.1",
        "127.0.0.1",     "169.254.169.254", "172.31.255.255",
        "192.0.2.1",     "192.168.1.1",     "198.19.0.1",
        "224.0.0.1",     "255.255.255.255", "::",
        "::1",           "::ffff:10.0.0.1", "64:ff9b::a00:1",
        "2002:a00:1::1", "fd00::1",         "fe80::1",
        "ff02::1",       "2001:db8::1",     "2001::1",
        "::10.0.0.1",    "100.127.255.255",
    };
    static const char *const public[] = {
        "1.1.1.1",     "9.255.255.255",   "100.128.0.1", "172.32.0.1",     "223.255.255.255",
        "2001:200::1", "2606:4700::1111", "2a00::1",     "::ffff:1.1.1.1",
    };
    struct address_set *set = empty_set();
    assert_int_equal(address_set_add_private(set, NULL), ERROR_NONE);
    for (size_t i = 0; i < sizeof private / sizeof *private; i++)
        if (!contains(set, private[i]))
            fail_msg("%s", private[i]);
    for (size_t i = 0; i < sizeof public / sizeof *public; i++)
        if (contains(set, public[i]))
            fail_msg("%s", public[i]);
    address_set_free(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges),         cmocka_unit_test(families),
        cmocka_unit_test(against_flags), cmocka_unit_test(shrinks_and_grows),
        cmocka_unit_test(files),         cmocka_unit_test(inverted),
        cmocka_unit_test(private_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
