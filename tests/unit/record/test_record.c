#include "engine/record/fields.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_new(void **state) {
    (void)state;
    struct probe_record *record = probe_record_new(100);

    assert_non_null(record);
    assert_ptr_equal(probe_record_of(&record->head), record);
    assert_int_equal(record->outcome, OUTCOME_OK);
    assert_int_equal(record->timing.dns_us, -1);
    assert_int_equal(record->timing.total_us, -1);
    assert_false(record->has_certificate);
    assert_int_equal(record->host.len, 0);
    record_put(&record->head);
    assert_null(probe_record_new(SIZE_MAX));
}

static void test_other_kind(void **state) {
    (void)state;
    static const struct record_kind other = {.name = "other"};
    struct record record = {.kind = &other};

    assert_null(probe_record_of(&record));
}

/* More than was expected goes in too; leaks and early frees are AddressSanitizer's to find. */
static void test_memory(void **state) {
    (void)state;
    struct probe_record *record = probe_record_new(64);

    record->host = arena_copy(&record->head.memory, slice_of("host"));
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_take(&record->head.memory, 1000));
    record_get(&record->head);
    record_put(&record->head);
    assert_true(slice_is(record->host, "host"));
    record_put(&record->head);
}

enum { THREADS = 4, ROUNDS = 10000 };

static void *get_and_put(void *record) {
    for (int i = 0; i < ROUNDS; i++) {
        record_get(record);
        record_put(record);
    }
    record_put(record);
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    struct probe_record *record = probe_record_new(0);
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        record_get(&record->head);
        assert_int_equal(pthread_create(&threads[i], NULL, get_and_put, &record->head), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&record->head.references), 1);
    record_put(&record->head);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_other_kind),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
