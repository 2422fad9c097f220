/* OCSP responses made here. What `openssl ocsp` makes is read in tests/system/check_audit.py. */
#include "engine/x509/ocsp.h"
#include "tests/unit/x509/build_ocsp.h"

#define SIGNS_OCSP "extendedKeyUsage=OCSPSigning"

static struct minted root, other_root, leaf;
static struct certificate root_decoded, leaf_decoded;

static int set_up(void **state) {
    (void)state;
    root = mint_root("Root", MINT_P256);
    other_root = mint_root("Root", MINT_P256);
    leaf = mint_leaf("a.test", &root, MINT_P256);
    return certificate_decode(root.der, &root_decoded) ||
           certificate_decode(leaf.der, &leaf_decoded);
}

static int tear_down(void **state) {
    (void)state;
    mint_free(&root);
    mint_free(&other_root);
    mint_free(&leaf);
    return 0;
}

static enum ocsp_result read_at(const struct ocsp_order *order, const struct certificate *issuer,
                                int64_t now, struct ocsp_answer *out) {
    struct ocsp_order whole = *order;
    whole.leaf = &leaf;
    whole.issuer = &root;
    struct slice der = ocsp_make(&whole);
    enum ocsp_result result = ocsp_read(der, &leaf_decoded, issuer, now, out);
    OPENSSL_free((void *)der.ptr);
    return result;
}

static enum ocsp_result read_made(const struct ocsp_order *order, struct ocsp_answer *out) {
    return read_at(order, &root_decoded, MINT_NOW, out);
}

static void test_good(void **state) {
    static const bool flags[] = {false, true};
    struct ocsp_answer answer;
    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 2; j++) {
            struct ocsp_order order = {
                .sha256 = flags[i], .next_update = flags[j], .by_key = flags[j]};
            assert_int_equal(read_made(&order, &answer), OCSP_READ);
            assert_int_equal(answer.status, OCSP_GOOD);
            assert_int_equal(answer.signature, OCSP_SIGNATURE_VALID);
            assert_false(answer.delegated);
            /* by `date -d ... +%s` */
            assert_int_equal(answer.this_update, 1767139200);
            assert_int_equal(answer.produced_at, 1767142800);
            assert_int_equal(answer.next_update, flags[j] ? 1767744000 : 0);
            assert_int_equal(answer.revoked_at, 0);
            assert_int_equal(answer.sct_list.len, 0);
        }
}

static void test_statuses(void **state) {
    struct ocsp_answer answer;
    (void)state;
    assert_int_equal(read_made(&(struct ocsp_order){.status = 1, .reason = 4}, &answer), OCSP_READ);
    assert_int_equal(answer.status, OCSP_REVOKED);
    assert_int_equal(answer.revoked_at, 1767096000);
    assert_int_equal(answer.revocation_reason, 4);
    assert_int_equal(answer.this_update, 1767139200);
    assert_int_equal(read_made(&(struct ocsp_order){.status = 1}, &answer), OCSP_READ);
    assert_int_equal(answer.revocation_reason, 0);
    assert_int_equal(read_made(&(struct ocsp_order){.status = 2}, &answer), OCSP_READ);
    assert_int_equal(answer.status, OCSP_UNKNOWN);
    assert_int_equal(read_made(&(struct ocsp_order){.status = 3}, &answer), OCSP_MALFORMED);
}

static void test_which_certificate(void **state) {
    struct ocsp_answer answer;
    (void)state;
    assert_int_equal(read_made(&(struct ocsp_order){.others_before = 3}, &answer), OCSP_READ);
    /* more responses than anybody reads */
    assert_int_equal(read_made(&(struct ocsp_order){.others_before = 64}, &answer),
                     OCSP_OTHER_CERTIFICATE);
    /* an issuer of the same name with another key */
    assert_int_equal(read_made(&(struct ocsp_order){.other_key = true}, &answer),
                     OCSP_OTHER_CERTIFICATE);
    /* whose key is not known when there is no issuer */
    assert_int_equal(read_at(&(struct ocsp_order){.other_key = true}, NULL, MINT_NOW, &answer),
                     OCSP_READ);
    assert_int_equal(answer.signature, OCSP_SIGNATURE_UNCHECKED);
}

static struct minted responder(const struct minted *issuer, const char *usage, int64_t not_after) {
    return mint(&(struct mint_order){
        .subject = "Responder", .issuer = issuer, .not_after = not_after, .extensions = {usage}});
}

static void test_delegation(void **state) {
    struct ocsp_answer answer;
    (void)state;
    const struct {
        const struct minted *issuer;
        const char *usage;
        int64_t not_after;
        enum ocsp_signature expected;
    } cases[] = {
        {&root, SIGNS_OCSP, 0, OCSP_SIGNATURE_VALID},
        {&root, MINT_SERVER, 0, OCSP_SIGNATURE_INVALID},
        {&root, "keyUsage=digitalSignature", 0, OCSP_SIGNATURE_INVALID},
        {&root, SIGNS_OCSP, MINT_NOW - 1, OCSP_SIGNATURE_INVALID},
        {&root, SIGNS_OCSP, MINT_NOW, OCSP_SIGNATURE_VALID},
        {&other_root, SIGNS_OCSP, 0, OCSP_SIGNATURE_INVALID}, /* of the same name */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct minted made = responder(cases[i].issuer, cases[i].usage, cases[i].not_after);
        struct ocsp_order order = {.signer = &made, .enclosed = &made};
        assert_int_equal(read_made(&order, &answer), OCSP_READ);
        assert_int_equal(answer.signature, cases[i].expected);
        assert_int_equal(answer.delegated, cases[i].expected == OCSP_SIGNATURE_VALID);
        /* not there */
        order.enclosed = NULL;
        assert_int_equal(read_made(&order, &answer), OCSP_READ);
        assert_int_equal(answer.signature, OCSP_SIGNATURE_INVALID);
        mint_free(&made);
    }
    /* the leaf itself is no responder */
    struct ocsp_order order = {.signer = &leaf, .enclosed = &leaf};
    assert_int_equal(read_made(&order, &answer), OCSP_READ);
    assert_int_equal(answer.signature, OCSP_SIGNATURE_INVALID);
}

static void test_scts(void **state) {
    struct ocsp_order order = {.leaf = &leaf, .issuer = &root, .scts = slice_of("a list")};
    struct ocsp_answer answer;
    (void)state;
    struct slice der = ocsp_make(&order);
    assert_int_equal(ocsp_read(der, &leaf_decoded, &root_decoded, MINT_NOW, &answer), OCSP_READ);
    assert_true(slice_is(answer.sct_list, "a list"));
    OPENSSL_free((void *)der.ptr);
}

static void test_unsuccessful(void **state) {
    struct ocsp_answer answer;
    (void)state;
    struct slice try_later = {(const uint8_t *)"\x30\x03\x0a\x01\x03", 5};
    assert_int_equal(ocsp_read(try_later, &leaf_decoded, NULL, MINT_NOW, &answer),
                     OCSP_UNSUCCESSFUL);
    assert_int_equal(answer.response_status, 3);
    struct slice empty = {(const uint8_t *)"\x30\x03\x0a\x01\x00", 5};
    assert_int_equal(ocsp_read(empty, &leaf_decoded, NULL, MINT_NOW, &answer), OCSP_MALFORMED);
}

static bool says_the_same(const struct ocsp_answer *a, const struct ocsp_answer *b) {
    return a->status == b->status && a->this_update == b->this_update &&
           a->next_update == b->next_update && a->revoked_at == b->revoked_at &&
           a->revocation_reason == b->revocation_reason && a->produced_at == b->produced_at;
}

/* Cut or changed anywhere, it never says anything else that is taken for signed. What is changed
 * without harm is the number of unused bits of the signature. */
static void test_damage(void **state) {
    struct ocsp_order order = {
        .leaf = &leaf, .issuer = &root, .status = 1, .reason = 1, .next_update = true};
    struct ocsp_answer whole, answer;
    (void)state;
    struct slice der = ocsp_make(&order);
    assert_int_equal(ocsp_read(der, &leaf_decoded, &root_decoded, MINT_NOW, &whole), OCSP_READ);
    assert_int_equal(whole.signature, OCSP_SIGNATURE_VALID);
    for (size_t len = 0; len < der.len; len++) {
        uint8_t *copy = malloc(len ? len : 1);
        memcpy(copy, der.ptr, len);
        assert_int_equal(
            ocsp_read((struct slice){copy, len}, &leaf_decoded, &root_decoded, MINT_NOW, &answer),
            OCSP_MALFORMED);
        free(copy);
    }
    for (size_t at = 0; at < der.len; at++) {
        uint8_t *byte = (uint8_t *)der.ptr + at;
        *byte ^= 1;
        enum ocsp_result result = ocsp_read(der, &leaf_decoded, &root_decoded, MINT_NOW, &answer);
        assert_true(result != OCSP_READ || answer.signature != OCSP_SIGNATURE_VALID ||
                    says_the_same(&answer, &whole));
        *byte ^= 1;
    }
    OPENSSL_free((void *)der.ptr);
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(ocsp_status_name(OCSP_REVOKED), "revoked");
    assert_string_equal(ocsp_signature_name(OCSP_SIGNATURE_UNCHECKED), "unchecked");
    assert_string_equal(ocsp_result_name(OCSP_OTHER_CERTIFICATE), "other_certificate");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_which_certificate),
        cmocka_unit_test(test_delegation),
        cmocka_unit_test(test_scts),
        cmocka_unit_test(test_unsuccessful),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
