/* A store and a checker over minted roots. */
#ifndef TESTS_UNIT_X509_TRUST_FIXTURE_H
#define TESTS_UNIT_X509_TRUST_FIXTURE_H

#include "tests/unit/x509/mint.h"

#include "engine/base/limits.h"
#include "engine/x509/trust.h"

enum { FIXTURE_CHAIN_MAX = 32 };

struct fixture {
    struct trust_store *store;
    struct trust_checker *checker;
};

/* `roots` ends with NULL. */
static inline struct fixture fixture_open(const struct minted *const *roots) {
    char path[] = "/tmp/trust-roots-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; roots[i]; i++)
        mint_write(path, roots[i]);
    struct fixture fixture = {0};
    struct failure failure;
    if (trust_store_open(&fixture.store, path, &failure))
        fail_msg("%s", failure.text);
    unlink(path);
    fixture.checker = trust_checker_new(fixture.store);
    assert_non_null(fixture.checker);
    return fixture;
}

static inline void fixture_close(struct fixture *fixture) {
    trust_checker_free(fixture->checker);
    trust_store_close(fixture->store);
}

#define ROOTS(...) ((const struct minted *const[]){__VA_ARGS__, NULL})
#define CHAIN(...) ((const struct minted *const[]){__VA_ARGS__, NULL})

static inline struct trust_verdict fixture_check_at(struct fixture *fixture,
                                                    const struct minted *const *chain,
                                                    int64_t unix_seconds) {
    struct slice slices[FIXTURE_CHAIN_MAX];
    size_t count = 0;
    for (; chain[count]; count++) {
        assert_true(count < FIXTURE_CHAIN_MAX);
        slices[count] = chain[count]->der;
    }
    return trust_check(fixture->checker, slices, count, unix_seconds);
}

static inline struct trust_verdict fixture_check(struct fixture *fixture,
                                                 const struct minted *const *chain) {
    return fixture_check_at(fixture, chain, MINT_NOW);
}

/* Names in the failure message instead of numbers. */
#define assert_verdict(verdict, expected)                                                          \
    assert_string_equal(trust_error_name((verdict).error), trust_error_name(expected))

/* The verdict for a chain under one set of roots, by a checker that remembers nothing. */
static inline enum trust_error verdict_of(const struct minted *const *roots,
                                          const struct minted *const *chain) {
    struct fixture fixture = fixture_open(roots);
    struct trust_verdict verdict = fixture_check(&fixture, chain);
    fixture_close(&fixture);
    return verdict.error;
}

#define assert_chain(roots, chain, expected)                                                       \
    assert_string_equal(trust_error_name(verdict_of(roots, chain)), trust_error_name(expected))

#endif
