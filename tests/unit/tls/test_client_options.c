/* Words of a user as options of a handshake. */
#include "engine/tls/client_options.h"

#include "engine/tls/session.h"
#include "engine/tls/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void defaults(void **state) {
    struct tls_client_options options = tls_client_options_default(), again = options;
    (void)state;
    assert_int_equal(options.version_min, 0x0301);
    assert_int_equal(options.version_max, 0x0304);
    assert_int_equal(options.group_count, 4);
    /* The words that say the same give the same. */
    assert_int_equal(tls_client_options_groups(&again, slice_of("X25519,P-256,P-384,P-521"), NULL),
                     ERROR_NONE);
    assert_int_equal(tls_client_options_alpn(&again, slice_of("h2,http/1.1"), NULL), ERROR_NONE);
    assert_memory_equal(&options, &again, sizeof options);
}

static void groups(void **state) {
    struct tls_client_options options = tls_client_options_default();
    (void)state;
    assert_int_equal(tls_client_options_groups(&options, slice_of("p-384, X25519 "), NULL),
                     ERROR_NONE);
    assert_int_equal(options.group_count, 2);
    assert_int_equal(options.groups[0], TLS_GROUP_P384);
    assert_int_equal(options.groups[1], TLS_GROUP_X25519);
    for (size_t i = 0; i < options.group_count; i++)
        assert_int_not_equal(tls_client_group_nid(options.groups[i]), 0);
    assert_int_equal(tls_client_group_nid(TLS_GROUP_X448), 0);
}

static void check_refused(enum error (*parse)(struct tls_client_options *, struct slice,
                                              struct failure *),
                          const char *names, const char *word) {
    struct tls_client_options options = tls_client_options_default(), before = options;
    struct failure failure = {0};
    assert_int_equal(parse(&options, slice_of(names), &failure), ERROR_USAGE);
    assert_int_equal(failure.code, ERROR_USAGE);
    if (!strstr(failure.text, word))
        fail_msg("\"%s\" lacks \"%s\"", failure.text, word);
    assert_memory_equal(&options, &before, sizeof options);
    assert_int_equal(parse(&options, slice_of(names), NULL), ERROR_USAGE);
}

static void groups_refused(void **state) {
    (void)state;
    check_refused(tls_client_options_groups, "X25519,P-255",
                  "\"P-255\": known are X25519, P-256, P-384, P-521");
    check_refused(tls_client_options_groups, "X448", "\"X448\"");
    check_refused(tls_client_options_groups, "", "\"\"");
    check_refused(tls_client_options_groups, "X25519,", "\"\"");
    check_refused(tls_client_options_groups, ",X25519", "\"\"");
    check_refused(tls_client_options_groups, "X25519,P-256,x25519", "twice \"x25519\"");
    check_refused(tls_client_options_groups, "\x1b[31mred", "\"\\u{1b}[31mred\"");
    char long_name[5000];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    check_refused(tls_client_options_groups, long_name, "xxxx\": known are X25519");
}

static void alpn(void **state) {
    struct tls_client_options options = tls_client_options_default();
    (void)state;
    assert_int_equal(tls_client_options_alpn(&options, slice_of(" imap , h2"), NULL), ERROR_NONE);
    assert_int_equal(options.alpn_len, 8);
    assert_memory_equal(options.alpn, "\x04imap\x02h2", 8);
    assert_int_equal(tls_client_options_alpn(&options, slice_of("  "), NULL), ERROR_NONE);
    assert_int_equal(options.alpn_len, 0);
    assert_int_equal(tls_client_options_alpn(&options, (struct slice){NULL, 0}, NULL), ERROR_NONE);
    char longest[TLS_CLIENT_ALPN_MAX + 1];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(
        tls_client_options_alpn(&options,
                                (struct slice){(uint8_t *)longest, TLS_CLIENT_ALPN_MAX - 1}, NULL),
        ERROR_NONE);
    assert_int_equal(options.alpn_len, TLS_CLIENT_ALPN_MAX);
    check_refused(tls_client_options_alpn, "h2,", "\"\"");
    check_refused(tls_client_options_alpn, ",", "\"\"");
    longest[TLS_CLIENT_ALPN_MAX] = 0;
    check_refused(tls_client_options_alpn, longest, "too long at \"xxx");
}

static void version_names(void **state) {
    static const struct {
        const char *name;
        uint16_t version; /* 0: refused */
    } cases[] = {
        {"TLS 1.3", 0x0304},
        {"TLSv1.3", 0x0304},
        {"tls1.2", 0x0303},
        {"tlsV1.2", 0x0303},
        {"1.1", 0x0302},
        {"TLSv1.0", 0x0301},
        {"TLSv1", 0x0301},
        {"1", 0x0301},
        {"1.0", 0x0301},
        {"SSL 3.0", 0x0300},
        {"SSLv3", 0x0300},
        {"ssl3", 0x0300},
        {"", 0},
        {"TLS", 0},
        {"TLS 1.4", 0},
        {"TLS 3.0", 0},
        {"3.0", 0},
        {"SSL 1.2", 0},
        {"SSL 2.0", 0},
        {"SSLv2", 0},
        {"TLSv1.", 0},
        {"TLS  1.2", 0},
        {"TLSv1.2 ", 0},
        {"0x0303", 0},
        {"TLSv1.20", 0},
        {"vv1.2", 0},
        {"v1.2", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint16_t version = 0;
        assert_int_equal(tls_version_by_name(slice_of(cases[i].name), &version),
                         cases[i].version != 0);
        assert_int_equal(version, cases[i].version);
    }
    for (uint16_t version = 0x0300; version <= 0x0304; version++) {
        uint16_t read = 0;
        assert_true(tls_version_by_name(slice_of(tls_version_name(version)), &read));
        assert_int_equal(read, version);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),       cmocka_unit_test(groups),
        cmocka_unit_test(groups_refused), cmocka_unit_test(alpn),
        cmocka_unit_test(version_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
