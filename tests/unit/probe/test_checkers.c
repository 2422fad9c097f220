#include "engine/probe/checkers.h"

#include "tests/unit/x509/trust_fixture.h"

/* One for each store, the same each time; what one has found out is no news to the other. */
static void test_one_for_each_store(void **state) {
    (void)state;
    enum { STORES = 20 };
    struct minted root = mint_root("Root", MINT_P256), other = mint_root("Other", MINT_P256);
    struct minted leaf = mint_leaf("leaf.example", &root, MINT_P256);
    struct fixture fixtures[STORES];
    struct trust_checker *first[STORES];
    struct checkers checkers = {0};
    for (size_t i = 0; i < STORES; i++)
        fixtures[i] = fixture_open(i % 2 ? ROOTS(&root) : ROOTS(&other));
    for (size_t i = 0; i < STORES; i++) {
        first[i] = checkers_get(&checkers, fixtures[i].store);
        assert_non_null(first[i]);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(first[i], first[j]);
    }
    for (size_t i = 0; i < STORES; i++) {
        assert_ptr_equal(checkers_get(&checkers, fixtures[i].store), first[i]);
        struct trust_verdict verdict = trust_check(first[i], &leaf.der, 1, MINT_NOW);
        assert_verdict(verdict, i % 2 ? TRUST_OK : TRUST_UNKNOWN_ISSUER);
        assert_int_equal(trust_checker_statistics(first[i]).verdicts_remembered, 0);
    }
    struct trust_checker *none = checkers_get(&checkers, NULL);
    assert_non_null(none);
    assert_ptr_equal(checkers_get(&checkers, NULL), none);
    assert_int_equal(checkers.count, STORES + 1);
    checkers_deinit(&checkers);
    checkers_deinit(&checkers);
    for (size_t i = 0; i < STORES; i++)
        fixture_close(&fixtures[i]);
    mint_free(&leaf);
    mint_free(&other);
    mint_free(&root);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_for_each_store)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
