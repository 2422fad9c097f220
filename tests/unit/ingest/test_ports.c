#include "ingest/ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int by_name(struct slice name, uint16_t *default_port) {
    static const struct {
        const char *name;
        uint16_t port;
    } table[] = {{"tls", 443}, {"smtp", 25}, {"ldap", 389}};
    for (int i = 0; i < 3; i++) {
        if (slice_is(name, table[i].name)) {
            *default_port = table[i].port;
            return i;
        }
    }
    return -1;
}

static const struct protocol_lookup three = {.by_name = by_name};

static void assert_ports(const char *text, const char *expected) {
    struct port_list ports;
    struct failure failure;
    if (ports_parse(&ports, slice_of(text), &three, &failure))
        fail_msg("%s: %s", text, failure.text);
    char got[512] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < ports.count; i++)
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%d/%d", i ? " " : "",
                                ports.items[i].protocol, ports.items[i].port);
    assert_string_equal(got, expected);
    ports_free(&ports);
}

static void assert_refused(const char *text, const char *expected) {
    struct port_list ports;
    struct failure failure;
    assert_int_equal(ports_parse(&ports, slice_of(text), &three, &failure), ERROR_USAGE);
    assert_string_equal(failure.text, expected);
    assert_null(ports.items);
}

static void good_lists(void **state) {
    (void)state;
    assert_ports("443", "0/443");
    assert_ports("443,8443,1000-1003,smtp:25,ldap",
                 "0/443 0/8443 0/1000 0/1001 0/1002 0/1003 1/25 2/389");
    assert_ports(" 443 , smtp ,smtp:587-588", "0/443 1/25 1/587 1/588");
    assert_ports("tls", "0/443");
    assert_ports("1,65535", "0/1 0/65535");
    assert_ports("443,443,442-444,smtp:443", "0/443 0/442 0/444 1/443");
}

static void bad_lists(void **state) {
    (void)state;
    static const char none[] = "no port between 1 and 65535 at position ";
    struct {
        const char *text, *where;
    } numbers[] = {
        {"70000", "1 of the ports: \"70000\""},
        {"443,70000", "5 of the ports: \"70000\""},
        {"443,0", "5 of the ports: \"0\""},
        {"smtp:", "1 of the ports: \"smtp:\""},
        {"smtp:x", "1 of the ports: \"smtp:x\""},
        {"smtp:70000", "1 of the ports: \"smtp:70000\""},
        {"smtp:-25", "1 of the ports: \"smtp:-25\""},
        {"4 43", "1 of the ports: \"4 43\""},
        {"99999999999999999999999", "1 of the ports: \"99999999999999999999999\""},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char expected[256];
        snprintf(expected, sizeof expected, "%s%s", none, numbers[i].where);
        assert_refused(numbers[i].text, expected);
    }
    assert_refused("", "the list of ports is empty");
    assert_refused(",443", "an empty item at position 1 of the ports: \"\"");
    assert_refused("443,", "an empty item at position 5 of the ports: \"\"");
    assert_refused("443,,25", "an empty item at position 5 of the ports: \"\"");
    assert_refused("443,gopher:70",
                   "no port and no known protocol at position 5 of the ports: \"gopher:70\"");
    assert_refused("-443", "no port and no known protocol at position 1 of the ports: \"-443\"");
    assert_refused("1010-1000",
                   "the range ends before it starts at position 1 of the ports: \"1010-1000\"");
    assert_refused("10-", "the range does not end in a port between 1 and 65535 at position 1 of "
                          "the ports: \"10-\"");
    assert_refused("10-65536", "the range does not end in a port between 1 and 65535 at position "
                               "1 of the ports: \"10-65536\"");
    assert_refused("x\x1b[31m",
                   "no port and no known protocol at position 1 of the ports: \"x\\u{1b}[31m\"");
}

static void every_port_and_no_more(void **state) {
    (void)state;
    struct port_list ports;
    assert_int_equal(ports_parse(&ports, slice_of("443,1-65535"), &three, NULL), ERROR_NONE);
    assert_int_equal(ports.count, 65535);
    assert_int_equal(ports.items[0].port, 443);
    assert_int_equal(ports.items[443].port, 444);
    ports_free(&ports);
    assert_int_equal(ports_parse(&ports, slice_of("1-65535,smtp"), &three, NULL), ERROR_LIMIT);
}

static void plain_table(void **state) {
    (void)state;
    uint16_t port = 0;
    assert_int_equal(protocol_lookup_tls.by_name(slice_of("TLS"), &port), 0);
    assert_int_equal(port, 443);
    assert_int_equal(protocol_lookup_tls.by_name(slice_of("smtp"), &port), -1);
    assert_int_equal(protocol_lookup_tls.by_name((struct slice){0}, &port), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lists),
        cmocka_unit_test(bad_lists),
        cmocka_unit_test(every_port_and_no_more),
        cmocka_unit_test(plain_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
