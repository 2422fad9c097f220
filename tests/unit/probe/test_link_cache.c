/* The cache of chain links against certificates decoded afresh, with collisions and nonsense. */
#include "engine/probe/link_cache.h"

#include "tests/unit/x509/trust_fixture.h"

static void assert_right(const struct chain_link *link, struct slice der) {
    struct certificate certificate;
    uint8_t sha256[CERTIFICATE_SHA256_BYTES];
    struct buffer subject, issuer;
    bool readable = certificate_decode(der, &certificate) == CERTIFICATE_OK;

    assert_non_null(link);
    certificate_sha256(der, sha256);
    assert_true(slice_equal(link->der, der));
    assert_ptr_not_equal(link->der.ptr, der.ptr);
    assert_memory_equal(link->fingerprint_sha256, sha256, sizeof sha256);
    assert_int_equal(link->readable, readable);
    if (!readable) {
        assert_int_equal(link->subject.len + link->issuer.len, 0);
        return;
    }
    buffer_init(&subject);
    buffer_init(&issuer);
    certificate_name_text(certificate.subject, &subject);
    certificate_name_text(certificate.issuer, &issuer);
    assert_true(slice_equal(link->subject, buffer_slice(&subject)));
    assert_true(slice_equal(link->issuer, buffer_slice(&issuer)));
    assert_int_equal(link->not_after, certificate.not_after);
    buffer_deinit(&subject);
    buffer_deinit(&issuer);
}

static void test_again(void **state) {
    (void)state;
    struct link_cache *cache = link_cache_new();
    struct minted root = mint_root("Root", MINT_P256);
    struct minted middle = mint_intermediate("Middle", &root, MINT_P256);

    for (int round = 0; round < 3; round++) {
        assert_right(link_cache_get(cache, root.der), root.der);
        assert_right(link_cache_get(cache, middle.der), middle.der);
    }
    mint_free(&middle);
    mint_free(&root);
    link_cache_free(cache);
}

/* The same last bytes, and so the same place; one byte before them differs. */
static void test_collision(void **state) {
    (void)state;
    struct link_cache *cache = link_cache_new();
    struct minted root = mint_root("Root", MINT_P256);
    uint8_t *other = malloc(root.der.len);

    memcpy(other, root.der.ptr, root.der.len);
    other[root.der.len - 9] ^= 1;
    struct slice twin = {other, root.der.len};
    for (int round = 0; round < 3; round++) {
        assert_right(link_cache_get(cache, root.der), root.der);
        assert_right(link_cache_get(cache, twin), twin);
    }
    free(other);
    mint_free(&root);
    link_cache_free(cache);
}

static void test_nonsense(void **state) {
    (void)state;
    struct link_cache *cache = link_cache_new();

    for (size_t len = 1; len < 40; len++) {
        uint8_t bytes[40];
        memset(bytes, (int)len, sizeof bytes);
        assert_right(link_cache_get(cache, (struct slice){bytes, len}), (struct slice){bytes, len});
    }
    link_cache_free(cache);
    link_cache_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_collision),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
