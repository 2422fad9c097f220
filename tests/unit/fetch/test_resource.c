#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/fetch/resource.h"

#include <stdio.h>
#include <stdlib.h>

enum { BIG = 1 << 20 };

static struct slice url_of(unsigned number) {
    static char text[64];

    snprintf(text, sizeof text, "http://crl.test/%u", number);
    return slice_of(text);
}

static struct resource *add_big(struct resources *resources, unsigned number, uint64_t expires_ns) {
    struct resource *resource = resources_add(resources, FETCH_ISSUERS, url_of(number));

    assert_non_null(resource);
    assert_non_null(buffer_reserve(&resource->issuers, BIG));
    resources_ready(resources, resource, expires_ns);
    return resource;
}

static void finds_by_kind_and_url(void **state) {
    struct resources resources;

    (void)state;
    assert_true(resources_init(&resources));
    assert_null(resources_find(&resources, FETCH_ISSUERS, url_of(1), 0));
    struct resource *issuers = resources_add(&resources, FETCH_ISSUERS, url_of(1));
    struct resource *crl = resources_add(&resources, FETCH_REVOCATION, url_of(1));
    assert_ptr_equal(resources_find(&resources, FETCH_ISSUERS, url_of(1), 0), issuers);
    assert_ptr_equal(resources_find(&resources, FETCH_REVOCATION, url_of(1), 0), crl);
    assert_null(resources_find(&resources, FETCH_ISSUERS, url_of(2), 0));
    resources_deinit(&resources);
}

static void forgets_what_has_expired(void **state) {
    struct resources resources;

    (void)state;
    assert_true(resources_init(&resources));
    add_big(&resources, 1, 100);
    add_big(&resources, 2, 200);
    assert_non_null(resources_find(&resources, FETCH_ISSUERS, url_of(1), 99));
    assert_null(resources_find(&resources, FETCH_ISSUERS, url_of(1), 100));
    assert_non_null(resources_find(&resources, FETCH_ISSUERS, url_of(2), 100));
    assert_int_equal(resources.count, 1);
    /* One that is still fetched has no end yet. */
    resources_add(&resources, FETCH_ISSUERS, url_of(3));
    assert_non_null(resources_find(&resources, FETCH_ISSUERS, url_of(3), UINT64_MAX));
    resources_deinit(&resources);
}

static void drops_the_least_recently_used(void **state) {
    const unsigned fit = LIMIT_CRLS_BYTES / BIG;
    struct resources resources;

    (void)state;
    assert_true(resources_init(&resources));
    struct resource *fetching = resources_add(&resources, FETCH_ISSUERS, url_of(100000));
    for (unsigned i = 0; i < 3 * fit; i++) {
        add_big(&resources, i, UINT64_MAX);
        assert_true(resources.memory_bytes <= LIMIT_CRLS_BYTES);
        assert_non_null(resources_find(&resources, FETCH_ISSUERS, url_of(0), 0)); /* in use */
        assert_non_null(resources_find(&resources, FETCH_ISSUERS, url_of(i), 0));
    }
    assert_null(resources_find(&resources, FETCH_ISSUERS, url_of(1), 0));
    assert_non_null(resources_find(&resources, FETCH_ISSUERS, url_of(3 * fit - 2), 0));
    assert_ptr_equal(resources_find(&resources, FETCH_ISSUERS, url_of(100000), 0), fetching);
    assert_in_range(resources.count, fit / 2, fit + 1);
    resources_deinit(&resources);
}

static void takes_out_who_waits(void **state) {
    struct fetch_question *questions[6], *taken;
    struct mailbox askers[2];
    struct resources resources;
    unsigned count;

    (void)state;
    assert_true(resources_init(&resources));
    for (unsigned i = 0; i < 6; i++) {
        struct resource *resource =
            i % 2 ? resources_find(&resources, FETCH_ISSUERS, url_of(i / 2), 0)
                  : resources_add(&resources, FETCH_ISSUERS, url_of(i / 2));
        questions[i] = calloc(1, sizeof *questions[i]);
        assert_non_null(questions[i]);
        questions[i]->asker = &askers[i % 3 == 0];
        questions[i]->next = resource->waiting;
        resource->waiting = questions[i];
    }
    taken = resources_take_waiting(&resources, &askers[1]);
    for (count = 0; taken; taken = taken->next, count++)
        assert_ptr_equal(taken->asker, &askers[1]);
    assert_int_equal(count, 2);
    assert_null(resources_take_waiting(&resources, &askers[1]));
    taken = resources_take_waiting(&resources, &askers[0]);
    for (count = 0; taken; taken = taken->next, count++)
        assert_ptr_equal(taken->asker, &askers[0]);
    assert_int_equal(count, 4);
    for (unsigned i = 0; i < 6; i++)
        fetch_question_free(questions[i]);
    resources_deinit(&resources);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_kind_and_url),
        cmocka_unit_test(forgets_what_has_expired),
        cmocka_unit_test(drops_the_least_recently_used),
        cmocka_unit_test(takes_out_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
