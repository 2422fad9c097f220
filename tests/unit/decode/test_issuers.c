/* The issuers that all workers share. */
#include "engine/decode/issuers.h"

#include "engine/base/limits.h"
#include "tests/unit/decode/fixture.h"
#include "tests/unit/x509/build_certificate.h"

#include <pthread.h>

static struct slice certificate_of(uint32_t number, uint8_t *space) {
    struct certificate_parts parts = usual_parts();
    uint8_t serial[] = {2, 4, 1, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};

    parts.serial = (struct slice){serial, sizeof serial};
    return build_certificate(&parts, space);
}

static void test_finding(void **state) {
    struct issuers *issuers = issuers_new();
    uint8_t space[8192], sha256[32], other[32] = {1};

    (void)state;
    struct slice der = certificate_of(1, space);
    SHA256(der.ptr, der.len, sha256);
    assert_null(issuers_find(issuers, sha256));
    const struct chain_link *link = issuers_of(issuers, der);
    assert_non_null(link);
    assert_memory_equal(link->fingerprint_sha256, sha256, 32);
    assert_slice_equal(link->der, der);
    assert_ptr_not_equal(link->der.ptr, der.ptr);
    assert_true(link->readable && link->subject.len && link->issuer.len);
    assert_ptr_equal(issuers_find(issuers, sha256), link);
    assert_ptr_equal(issuers_of(issuers, der), link);
    assert_null(issuers_find(issuers, other));

    /* What is no certificate has a fingerprint. */
    link = issuers_of(issuers, slice_of("garbage"));
    assert_false(link->readable);
    assert_text(link->der, "garbage");
    assert_sha256(link->fingerprint_sha256, slice_of("garbage"));
    assert_null(issuers_of(issuers, (struct slice){NULL, 0}));
    issuers_free(issuers);
    issuers_free(NULL);
}

/* Those who have seen the placeholder keep it. */
static void test_missing(void **state) {
    struct issuers *issuers = issuers_new();
    uint8_t space[8192], sha256[32];

    (void)state;
    struct slice der = certificate_of(1, space);
    SHA256(der.ptr, der.len, sha256);
    issuers_add_missing(issuers, sha256);
    issuers_add_missing(issuers, sha256);
    const struct chain_link *missing = issuers_find(issuers, sha256);
    assert_non_null(missing);
    assert_int_equal(missing->der.len, 0);
    assert_false(missing->readable);
    const struct chain_link *link = issuers_of(issuers, der);
    assert_slice_equal(link->der, der);
    assert_ptr_equal(issuers_find(issuers, sha256), link);
    assert_ptr_equal(issuers_of(issuers, der), link);
    assert_memory_equal(missing->fingerprint_sha256, sha256, 32);
    issuers_add_missing(issuers, sha256); /* it is there now */
    assert_ptr_equal(issuers_find(issuers, sha256), link);
    issuers_free(issuers);
}

static void test_limits(void **state) {
    struct issuers *issuers = issuers_new();
    uint8_t text[16], *large = malloc(LIMIT_CERTIFICATE_BYTES + 1);
    uint32_t kept = 0;

    (void)state;
    assert_non_null(large);
    memset(large, 5, LIMIT_CERTIFICATE_BYTES + 1);
    assert_null(issuers_of(issuers, (struct slice){large, LIMIT_CERTIFICATE_BYTES + 1}));
    for (uint32_t i = 0; i < LIMIT_CT_ISSUERS + 100; i++) {
        memset(text, 0, sizeof text); /* alike but for a few bytes */
        memcpy(text, &i, sizeof i);
        memcpy(text + 8, &i, sizeof i);
        kept += issuers_of(issuers, (struct slice){text, sizeof text}) != NULL;
    }
    assert_int_equal(kept, LIMIT_CT_ISSUERS);
    issuers_free(issuers);

    issuers = issuers_new(); /* what looks the same at its end has few places */
    for (uint32_t i = 0; i < 1000; i++) {
        memcpy(large, &i, sizeof i);
        issuers_of(issuers, (struct slice){large, 100});
        memset(text, 7, sizeof text);
        assert_null(issuers_find(issuers, (uint8_t[32]){7}));
    }
    issuers_free(issuers);

    issuers = issuers_new();
    size_t bytes = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        memcpy(large + LIMIT_CERTIFICATE_BYTES - 8, &i, sizeof i);
        if (issuers_of(issuers, (struct slice){large, LIMIT_CERTIFICATE_BYTES}))
            bytes += LIMIT_CERTIFICATE_BYTES;
    }
    assert_in_range(bytes, LIMIT_CT_ISSUERS_BYTES - LIMIT_CERTIFICATE_BYTES,
                    LIMIT_CT_ISSUERS_BYTES);
    issuers_free(issuers);
    free(large);
}

/* --- Many threads --- */

enum { THREADS = 4, EACH = 300 };

static const struct chain_link *seen[THREADS][EACH];

struct adder {
    struct issuers *issuers;
    uint32_t number;
    pthread_t thread;
};

static void *add_all(void *context) {
    const struct adder *adder = context;
    uint8_t space[8192], sha256[32];

    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t which = adder->number % 2 ? i : EACH - 1 - i;
        struct slice der = certificate_of(which, space);
        SHA256(der.ptr, der.len, sha256);
        if (which % 3 == 0)
            issuers_add_missing(adder->issuers, sha256);
        issuers_of(adder->issuers, der);
        seen[adder->number][which] = issuers_find(adder->issuers, sha256);
    }
    return NULL;
}

static void test_threads(void **state) {
    struct issuers *issuers = issuers_new();
    struct adder adders[THREADS];

    (void)state;
    for (uint32_t i = 0; i < THREADS; i++) {
        adders[i] = (struct adder){.issuers = issuers, .number = i};
        assert_int_equal(pthread_create(&adders[i].thread, NULL, add_all, &adders[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(adders[i].thread, NULL);
    for (uint32_t which = 0; which < EACH; which++)
        for (uint32_t i = 0; i < THREADS; i++) {
            assert_ptr_equal(seen[i][which], seen[0][which]);
            assert_true(seen[i][which]->readable);
        }
    issuers_free(issuers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finding),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
