/* The tables of names, against those that BoringSSL carries. */
#include "engine/tls/session.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void versions(void **state) {
    (void)state;
    assert_string_equal(tls_version_name(0x0300), "SSL 3.0");
    assert_string_equal(tls_version_name(0x0301), "TLS 1.0");
    assert_string_equal(tls_version_name(0x0304), "TLS 1.3");
    assert_null(tls_version_name(0));
    assert_null(tls_version_name(0x0305));
}

static void ciphers(void **state) {
    unsigned known = 0, checked = 0;
    (void)state;
    for (unsigned id = 0; id <= UINT16_MAX; id++) {
        const char *name = tls_cipher_name((uint16_t)id);
        const SSL_CIPHER *cipher = SSL_get_cipher_by_value((uint16_t)id);
        known += name != NULL;
        if (cipher && id != 0xcafe) {
            assert_string_equal(name, SSL_CIPHER_standard_name(cipher));
            checked++;
        }
    }
    /* every entry is found, so the table is sorted */
    assert_int_equal(known, 369);
    assert_true(checked > 20);
    assert_null(tls_cipher_name(0));
    assert_null(tls_cipher_name(0x1300));
    assert_null(tls_cipher_name(0xffff));
}

/* The command and its names of RFCs are a source of their own; without it there is nothing to
 * check. */
static void ciphers_of_openssl(void **state) {
    char line[256], name[128];
    unsigned high, low, checked = 0;
    (void)state;
    FILE *pipe = popen("openssl ciphers -stdname -V ALL:COMPLEMENTOFALL:@SECLEVEL=0 2>&1", "re");
    assert_non_null(pipe);
    while (fgets(line, sizeof line, pipe))
        if (sscanf(line, " 0x%x,0x%x - %127s", &high, &low, name) == 3) {
            assert_string_equal(tls_cipher_name((uint16_t)(high << 8 | low)), name);
            checked++;
        }
    if (pclose(pipe) != 0)
        skip();
    assert_true(checked > 100);
}

static void groups(void **state) {
    unsigned known = 0;
    (void)state;
    for (unsigned id = 0; id <= UINT16_MAX; id++) {
        const char *name = tls_group_name((uint16_t)id), *theirs = SSL_get_curve_name((uint16_t)id);
        known += name != NULL;
        /* BoringSSL has names of its own for the Kyber drafts */
        if (theirs && id != 0x6399 && id != 0xfe32) {
            assert_non_null(name);
            assert_string_equal(name, theirs);
        }
    }
    assert_true(known > 50);
    assert_string_equal(tls_group_name(0x001d), "X25519");
    assert_string_equal(tls_group_name(0x0018), "P-384");
    assert_string_equal(tls_group_name(0x11ec), "X25519MLKEM768");
    assert_string_equal(tls_group_name(0x0100), "ffdhe2048");
    assert_null(tls_group_name(0));
}

/* BoringSSL writes "handshake failure" where RFC 8446 has "handshake_failure". */
static void alerts(void **state) {
    unsigned known = 0, same = 0;
    (void)state;
    for (unsigned id = 0; id <= UINT8_MAX; id++) {
        const char *name = tls_alert_name((uint8_t)id);
        const char *theirs = SSL_alert_desc_string_long((int)id);
        bool equal = name != NULL;
        if (!name)
            continue;
        known++;
        for (size_t i = 0; equal && (name[i] || theirs[i]); i++)
            equal = name[i] == (theirs[i] == ' ' ? '_' : theirs[i]);
        same += equal;
    }
    assert_int_equal(known, 37);
    assert_true(same >= 25);
    assert_string_equal(tls_alert_name(40), "handshake_failure");
    assert_string_equal(tls_alert_name(112), "unrecognized_name");
    assert_null(tls_alert_name(255));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions), cmocka_unit_test(ciphers), cmocka_unit_test(ciphers_of_openssl),
        cmocka_unit_test(groups),   cmocka_unit_test(alerts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
