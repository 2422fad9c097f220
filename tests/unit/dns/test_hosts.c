#include "engine/dns/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct resolver_hosts *hosts_of(const char *text, uint32_t many) {
    char path[] = "/tmp/test_hosts_XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");

    assert_non_null(file);
    fputs(text, file);
    for (uint32_t i = 0; i < many; i++)
        fprintf(file, "\n10.0.%u.%u host%u.example many.example", i / 256, i % 256, i);
    fclose(file);
    struct resolver_hosts *hosts = resolver_hosts_new(path);
    unlink(path);
    assert_non_null(hosts);
    return hosts;
}

static uint32_t find(const struct resolver_hosts *hosts, const char *name, struct address *out) {
    return hosts_find(hosts, slice_of(name), out);
}

static void test_lines(void **state) {
    (void)state;
    struct address found[LIMIT_ADDRESSES];
    struct resolver_hosts *hosts = hosts_of("# a comment\n"
                                            "192.0.2.1\tWeb.example  www # gone.example\r\n"
                                            "2001:db8::1 web.EXAMPLE\n"
                                            "nonsense web.example\n"
                                            "192.0.2.2\n"
                                            "\n"
                                            "192.0.2.3 last.example.",
                                            0);

    assert_int_equal(find(hosts, "wEB.example.", found), 2);
    assert_int_equal(found[0].family, ADDRESS_V4);
    assert_int_equal(found[1].family, ADDRESS_V6);
    assert_int_equal(find(hosts, "www", found), 1);
    assert_int_equal(find(hosts, "last.example", found), 1);
    assert_int_equal(found[0].bytes[3], 3);
    assert_int_equal(find(hosts, "gone.example", found), 0);
    assert_int_equal(find(hosts, "", found), 0);
    assert_int_equal(find(hosts, "localhost", found), 2);
    resolver_hosts_free(hosts);
}

static void test_many(void **state) {
    (void)state;
    struct address found[LIMIT_ADDRESSES];
    struct resolver_hosts *hosts = hosts_of("127.0.0.9 localhost", 5000);

    for (uint32_t i = 0; i < 5000; i++) {
        char name[32];
        snprintf(name, sizeof name, "host%u.example", i);
        assert_int_equal(find(hosts, name, found), 1);
        assert_int_equal(found[0].bytes[3], i % 256);
    }
    assert_int_equal(find(hosts, "many.example", found), LIMIT_ADDRESSES);
    assert_int_equal(found[0].bytes[3], 0);
    assert_int_equal(found[15].bytes[3], 15);
    assert_int_equal(find(hosts, "localhost", found), 1); /* the file's word counts */
    assert_int_equal(found[0].bytes[3], 9);
    resolver_hosts_free(hosts);
}

static void test_long_line(void **state) {
    (void)state;
    struct address found[LIMIT_ADDRESSES];
    static char text[LIMIT_LINE_BYTES + 100];

    memset(text, 'x', sizeof text - 1);
    memcpy(text, "192.0.2.1 long.example ", 23);
    memcpy(text + sizeof text - 32, "\n192.0.2.2 short.example       ", 31);
    struct resolver_hosts *hosts = hosts_of(text, 0);
    assert_int_equal(find(hosts, "long.example", found), 0);
    assert_int_equal(find(hosts, "short.example", found), 1);
    resolver_hosts_free(hosts);
}

static void test_missing_file(void **state) {
    (void)state;
    struct address found[LIMIT_ADDRESSES];
    struct resolver_hosts *hosts = resolver_hosts_new("/nonexistent/hosts");

    assert_non_null(hosts);
    assert_int_equal(find(hosts, "LOCALHOST", found), 2);
    assert_int_equal(found[0].family, ADDRESS_V4);
    assert_int_equal(found[1].family, ADDRESS_V6);
    resolver_hosts_free(hosts);
    resolver_hosts_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
