/* Which suites and groups are weak: numbers written out from IANA's registry. */
#include "engine/tls/strength.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_suites(void **state) {
    static const struct {
        uint16_t suite;
        enum tls_strength strength;
        bool forward_secrecy;
    } expected[] = {
        {0x0002, TLS_INSECURE, false},                            /* RSA, NULL */
        {0xc010, TLS_INSECURE, true},                             /* ECDHE_RSA, NULL */
        {0xc019, TLS_INSECURE, false},                            /* ECDH_anon, AES */
        {0x0034, TLS_INSECURE, false},                            /* DH_anon, AES */
        {0x0003, TLS_INSECURE, false},                            /* RSA_EXPORT, RC4_40 */
        {0x0014, TLS_INSECURE, true},                             /* DHE_RSA_EXPORT, DES40 */
        {0x0062, TLS_INSECURE, false},                            /* RSA_EXPORT1024, DES */
        {0xc0b4, TLS_INSECURE, false},                            /* SHA256 for integrity alone */
        {0xc0b5, TLS_INSECURE, false}, {0x0004, TLS_WEAK, false}, /* RC4, MD5 */
        {0x0005, TLS_WEAK, false},                                /* RC4 */
        {0xc011, TLS_WEAK, true},                                 /* ECDHE_RSA, RC4 */
        {0x0009, TLS_WEAK, false},                                /* DES */
        {0x000a, TLS_WEAK, false},                                /* 3DES */
        {0xc012, TLS_WEAK, true},                                 /* ECDHE_RSA, 3DES */
        {0x0007, TLS_WEAK, false},                                /* IDEA */
        {0x0025, TLS_WEAK, false},                                /* KRB5, IDEA, MD5 */
        {0x002f, TLS_STRONG, false},                              /* RSA, AES, SHA-1 */
        {0x0033, TLS_STRONG, true},                               /* DHE_RSA, AES */
        {0x0031, TLS_STRONG, false},                              /* DH_RSA, AES */
        {0xc02f, TLS_STRONG, true},                               /* ECDHE_RSA, AES-GCM */
        {0xcca9, TLS_STRONG, true},                               /* ECDHE_ECDSA, ChaCha20 */
        {0xc002, TLS_WEAK, false},                                /* ECDH_ECDSA, RC4 */
        {0x1301, TLS_STRONG, true},                               /* TLS 1.3 */
        {0xfefe, TLS_WEAK, false},                                /* of SSL, DES */
        {0xeeee, TLS_STRONG, false},                              /* nobody's */
    };

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        if (tls_suite_strength(expected[i].suite) != expected[i].strength ||
            tls_suite_has_forward_secrecy(expected[i].suite) != expected[i].forward_secrecy)
            fail_msg("0x%04x: %d", expected[i].suite, tls_suite_strength(expected[i].suite));
    }
}

static void test_groups(void **state) {
    static const uint16_t weak[] = {1, 2, 3, 4, 5, 15, 16, 17, 18, 19};
    size_t found = 0;

    (void)state;
    for (uint32_t group = 0; group <= UINT16_MAX; group++)
        if (tls_group_is_weak((uint16_t)group))
            assert_int_equal(group, weak[found++]);
    assert_int_equal(found, sizeof weak / sizeof *weak);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suites),
        cmocka_unit_test(test_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
