#include "tests/unit/x509/mint.h"

#include "engine/x509/bundle.h"

#include <openssl/pkcs7.h>

struct fixture {
    struct minted root, ca, leaf;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->root = mint_root("Root", MINT_P256);
    f->ca = mint_intermediate("CA", &f->root, MINT_P256);
    f->leaf = mint_leaf("leaf", &f->ca, MINT_P256);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;

    mint_free(&f->root);
    mint_free(&f->ca);
    mint_free(&f->leaf);
    free(f);
    return 0;
}

static size_t count_of(struct slice bytes, size_t max) {
    struct buffer out;
    struct slice der;
    size_t count = 0;

    buffer_init(&out);
    size_t said = bundle_read(bytes, max, &out);
    for (struct slice rest = buffer_slice(&out); bundle_next(&rest, &der);)
        count++;
    assert_int_equal(count, said);
    buffer_deinit(&out);
    return count;
}

/* PKCS#7 certs-only, as PEM too. */
static void reads_pkcs7(void **state) {
    struct fixture *f = *state;
    STACK_OF(X509) *certificates = sk_X509_new_null();
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *text = NULL;
    uint8_t *der = NULL;
    size_t der_len = 0, text_len = 0;
    CBB out;

    assert_true(sk_X509_push(certificates, f->ca.x509) && sk_X509_push(certificates, f->root.x509));
    assert_true(CBB_init(&out, 1024) && PKCS7_bundle_certificates(&out, certificates) &&
                CBB_finish(&out, &der, &der_len));
    assert_int_equal(count_of((struct slice){der, der_len}, 8), 2);
    assert_int_equal(count_of((struct slice){der, der_len}, 1), 1);
    for (size_t len = 0; len < der_len; len++)
        assert_int_equal(count_of((struct slice){der, len}, 8), 0);
    assert_true(PEM_write_bio(bio, PEM_STRING_PKCS7, "", der, (long)der_len) &&
                PEM_write_bio_X509(bio, f->leaf.x509) && BIO_mem_contents(bio, &text, &text_len));
    assert_int_equal(count_of((struct slice){text, text_len}, 8), 3);
    assert_int_equal(count_of((struct slice){text, text_len}, 2), 2);
    BIO_free(bio);
    OPENSSL_free(der);
    sk_X509_free(certificates);
}

static void reads_one_certificate(void **state) {
    struct fixture *f = *state;

    assert_int_equal(count_of(f->ca.der, 8), 1);
    assert_int_equal(count_of(f->ca.der, 0), 0);
    assert_int_equal(count_of((struct slice){f->ca.der.ptr, f->ca.der.len - 1}, 8), 0);
    assert_int_equal(count_of(slice_of(""), 8), 0);
    assert_int_equal(count_of(slice_of("<html>"), 8), 0);
}

static bool lacks(const struct minted *const *chain, const struct minted *expected) {
    struct slice slices[4];
    struct certificate last;
    size_t count = 0;

    for (; chain[count]; count++)
        slices[count] = chain[count]->der;
    bool found = bundle_lacks_issuer(slices, count, &last);
    if (found)
        assert_true(slice_equal(last.der, expected->der));
    return found;
}

#define CHAIN(...) ((const struct minted *const[]){__VA_ARGS__, NULL})

static void knows_where_the_way_ends(void **state) {
    struct fixture *f = *state;

    assert_true(lacks(CHAIN(&f->leaf), &f->leaf));
    assert_true(lacks(CHAIN(&f->leaf, &f->root), &f->leaf));
    assert_true(lacks(CHAIN(&f->leaf, &f->ca), &f->ca));
    assert_false(lacks(CHAIN(&f->leaf, &f->root, &f->ca), NULL)); /* in no order */
    assert_false(lacks(CHAIN(&f->root), NULL));

    /* Two that are each other's issuer, by name. */
    struct minted other = mint_intermediate("Other", &f->ca, MINT_P256);
    struct minted back = mint(&(struct mint_order){
        .subject = "CA", .issuer = &other, .extensions = {MINT_CA, MINT_SIGNS}});
    assert_false(lacks(CHAIN(&f->leaf, &back, &other), NULL));
    mint_free(&other);
    mint_free(&back);

    struct certificate last;
    assert_false(bundle_lacks_issuer(NULL, 0, &last));
    struct slice broken[] = {slice_of("no certificate"), f->ca.der};
    assert_false(bundle_lacks_issuer(broken, 2, &last));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_pkcs7),
        cmocka_unit_test(reads_one_certificate),
        cmocka_unit_test(knows_where_the_way_ends),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
