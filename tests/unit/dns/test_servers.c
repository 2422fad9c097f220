#include "engine/dns/servers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_server(const struct dns_servers *servers, uint32_t index, const char *address,
                          uint16_t port) {
    char text[ADDRESS_TEXT_MAX];

    address_format(&servers->items[index].address, text);
    assert_string_equal(text, address);
    assert_int_equal(servers->items[index].port, port);
}

static void test_lists(void **state) {
    (void)state;
    struct dns_servers servers;
    struct failure failure;

    assert_int_equal(dns_servers_parse(slice_of("192.0.2.53,192.0.2.54:5353 , 2001:db8::53,"
                                                "[2001:db8::53]:53,[2001:db8::54]"),
                                       &servers, &failure),
                     ERROR_NONE);
    assert_int_equal(servers.count, 5);
    expect_server(&servers, 0, "192.0.2.53", 53);
    expect_server(&servers, 1, "192.0.2.54", 5353);
    expect_server(&servers, 2, "2001:db8::53", 53);
    expect_server(&servers, 3, "2001:db8::53", 53);
    expect_server(&servers, 4, "2001:db8::54", 53);
}

static void test_bad_lists(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "",
        ",",
        "192.0.2.53,",
        ",192.0.2.53",
        "dns.example",
        "192.0.2",
        "192.0.2.53:",
        "192.0.2.53:0",
        "192.0.2.53:65536",
        "192.0.2.53:5x",
        "192.0.2.53 192.0.2.54",
        "[192.0.2.53]:53",
        "[2001:db8::53",
        "[2001:db8::53]53",
        "[2001:db8::53]:",
        "[]:53",
        "2001:db8::53:70000",
    };
    struct dns_servers servers;
    struct failure failure;

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_int_equal(dns_servers_parse(slice_of(BAD[i]), &servers, &failure), ERROR_USAGE);
    assert_int_equal(dns_servers_parse(slice_of("192.0.2.53,dns.example"), &servers, &failure),
                     ERROR_USAGE);
    assert_non_null(strstr(failure.text, "'dns.example'"));
    assert_int_equal(
        dns_servers_parse(slice_of("::1,::2,::3,::4,::5,::6,::7,::8,::9"), &servers, &failure),
        ERROR_USAGE);
    assert_non_null(strstr(failure.text, "more than 8"));
}

static struct dns_servers servers_of(const char *text) {
    char path[] = "/tmp/test_servers_XXXXXX";
    struct dns_servers servers;
    int fd = mkstemp(path);
    size_t len = strlen(text);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
    dns_servers_read(path, &servers);
    unlink(path);
    return servers;
}

static void test_resolv_conf(void **state) {
    (void)state;
    struct dns_servers servers = servers_of("# nameserver 192.0.2.1\n"
                                            "search example.org\n"
                                            "nameserver\t192.0.2.2   # the first\r\n"
                                            "nameserver192.0.2.3\n"
                                            "nameserver dns.example\n"
                                            "nameserver\n"
                                            "options ndots:5\n"
                                            "nameserver 2001:db8::53");

    assert_int_equal(servers.count, 2);
    expect_server(&servers, 0, "192.0.2.2", 53);
    expect_server(&servers, 1, "2001:db8::53", 53);
    servers = servers_of("nameserver ::1\nnameserver ::2\nnameserver ::3\nnameserver ::4\n"
                         "nameserver ::5\nnameserver ::6\nnameserver ::7\nnameserver ::8\n"
                         "nameserver ::9\n");
    assert_int_equal(servers.count, DNS_SERVERS_MAX);
}

static void test_no_resolv_conf(void **state) {
    (void)state;
    struct dns_servers servers = servers_of("");

    assert_int_equal(servers.count, 1);
    expect_server(&servers, 0, "127.0.0.1", 53);
    dns_servers_read("/nonexistent/resolv.conf", &servers);
    assert_int_equal(servers.count, 1);
    dns_servers_read("/", &servers); /* a folder */
    assert_int_equal(servers.count, 1);
    expect_server(&servers, 0, "127.0.0.1", 53);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_bad_lists),
        cmocka_unit_test(test_resolv_conf),
        cmocka_unit_test(test_no_resolv_conf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
