#include "tests/unit/x509/mint.h"

#include "engine/x509/lint.h"

static unsigned lints_of(struct slice der) {
    struct certificate certificate;
    assert_int_equal(certificate_decode(der, &certificate), CERTIFICATE_OK);
    return certificate_lints(&certificate, certificate_is_self_signed(&certificate));
}

/* Lints of one made to order, which is freed. */
static unsigned lints_of_order(const struct mint_order *order) {
    struct minted minted = mint(order);
    unsigned lints = lints_of(minted.der);
    mint_free(&minted);
    return lints;
}

#define AUTHORITY_KEY "authorityKeyIdentifier=DER:30068004aabbccdd"
#define SUBJECT_KEY   "subjectKeyIdentifier=DER:0404aabbccdd"

static void test_key_identifiers(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    const struct {
        struct mint_order order;
        unsigned lints;
    } cases[] = {
        {{.subject = "a", .issuer = &root, .extensions = {AUTHORITY_KEY}}, 0},
        {{.subject = "a", .issuer = &root, .extensions = {SUBJECT_KEY}}, LINT_KEY_IDENTIFIER},
        {{.subject = "a", .issuer = &root}, LINT_KEY_IDENTIFIER},
        {{.subject = "CA", .issuer = &root, .extensions = {MINT_CA, AUTHORITY_KEY, SUBJECT_KEY}},
         0},
        {{.subject = "CA", .issuer = &root, .extensions = {MINT_CA, AUTHORITY_KEY}},
         LINT_KEY_IDENTIFIER},
        {{.subject = "CA", .extensions = {MINT_CA, SUBJECT_KEY}}, 0}, /* signed by itself */
        {{.subject = "CA", .extensions = {MINT_CA}}, LINT_KEY_IDENTIFIER},
        {{.subject = "own"}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(lints_of_order(&cases[i].order), cases[i].lints);
    mint_free(&root);
}

/* The serial stands behind the version: its bytes are changed in place, and the self-signature is
 * then wrong, which is no matter of the serial. */
static void test_serials(void **state) {
    (void)state;
    static const uint8_t ff[32] = {[0] = 0x7f};
    static const struct {
        struct slice serial;
        bool odd;
    } cases[] = {
        {{(const uint8_t *)"\x01", 1}, false},
        {{(const uint8_t *)"\x00", 1}, true},
        {{(const uint8_t *)"\x00\x00", 2}, true},
        {{(const uint8_t *)"\x00\x80", 2}, false},
        {{(const uint8_t *)"\x80", 1}, true},
        {{ff, 20}, false},
        {{ff, 21}, true},
        {{NULL, 0}, true},
    };
    struct minted own = mint(&(struct mint_order){.subject = "own"});
    struct certificate certificate;
    assert_int_equal(certificate_decode(own.der, &certificate), CERTIFICATE_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        certificate.serial = cases[i].serial;
        assert_int_equal(certificate_lints(&certificate, true), cases[i].odd ? LINT_SERIAL : 0u);
    }
    mint_free(&own);
}

static void test_names_and_usages(void **state) {
    (void)state;
    static const struct {
        const char *extensions[2];
        unsigned lints;
    } cases[] = {
        {{"subjectAltName=DNS:a.example,DNS:b-c.example"}, 0},
        {{"subjectAltName=DNS:a.example,DNS:b_c.example"}, LINT_UNDERSCORE},
        {{"subjectAltName=DNS:_dmarc.example"}, LINT_UNDERSCORE},
        {{"subjectAltName=email:a_b@c.example,URI:https://d/e_f"}, 0},
        {{"extendedKeyUsage=serverAuth"}, 0},
        {{"extendedKeyUsage=clientAuth,serverAuth"}, 0},
        {{"extendedKeyUsage=clientAuth"}, LINT_EXTENDED_KEY_USAGE},
        {{"extendedKeyUsage=serverAuth,anyExtendedKeyUsage"}, LINT_EXTENDED_KEY_USAGE},
        {{"extendedKeyUsage=clientAuth", "subjectAltName=DNS:a_b"},
         LINT_EXTENDED_KEY_USAGE | LINT_UNDERSCORE},
        {{"extendedKeyUsage=clientAuth", MINT_CA}, LINT_KEY_IDENTIFIER}, /* a CA's is its own */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *extensions = cases[i].extensions;
        assert_int_equal(lints_of_order(&(struct mint_order){
                             .subject = "own", .extensions = {extensions[0], extensions[1]}}),
                         cases[i].lints);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_identifiers),
        cmocka_unit_test(test_serials),
        cmocka_unit_test(test_names_and_usages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
