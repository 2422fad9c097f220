/* Rows by key and a heap by due time, against a plain list. */
#include "engine/base/random.h"
#include "tools/monitor/schedule_entries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ROWS = 300 };

static void assert_heap(const struct entries *entries) {
    int64_t first = INT64_MAX;
    uint32_t scheduled = 0;

    for (uint32_t i = 0; i < entries->count; i++) {
        const struct entry *entry = entries->rows[i];
        assert_true(i == 0 || entries->rows[i - 1]->key < entry->key);
        assert_ptr_equal(entries_find(entries, entry->key), entry);
        if (entry->heap_at == ENTRY_NOWHERE)
            continue;
        assert_ptr_equal(entries->heap[entry->heap_at], entry);
        scheduled++;
        if (entry->due_ms < first)
            first = entry->due_ms;
    }
    assert_int_equal(scheduled, entries->heap_count);
    if (scheduled)
        assert_int_equal(entries_first(entries)->due_ms, first);
    else
        assert_null(entries_first(entries));
}

static bool is_gone(const struct entry *entry) {
    return entry->is_gone;
}

static void test_random_steps(void **state) {
    (void)state;
    struct entries entries = {0};
    struct random random;

    random_init(&random, 7);
    for (int step = 0; step < 4000; step++) {
        int64_t key = (int64_t)random_below(&random, ROWS);
        struct entry *entry = entries_find(&entries, key);
        if (!entry) {
            entry = entries_add(&entries, key);
            assert_non_null(entry);
            assert_int_equal(entry->key, key);
        }
        switch (random_below(&random, 4)) {
        case 0:
            entries_unschedule(&entries, entry);
            break;
        case 1:
            entry->is_gone = true;
            if (step % 8 == 0)
                entries_sweep(&entries, is_gone);
            break;
        default:
            entry->due_ms = (int64_t)random_below(&random, 1000);
            entries_schedule(&entries, entry);
        }
        if (step % 16 == 0)
            assert_heap(&entries);
    }
    assert_heap(&entries);
    entries_deinit(&entries);
}

static void test_order(void **state) {
    (void)state;
    struct entries entries = {0};
    int64_t last = -1;

    for (int64_t key = 0; key < ROWS; key++) {
        struct entry *entry = entries_add(&entries, key);
        assert_non_null(entry);
        entry->due_ms = key * 7919 % 1009;
        entries_schedule(&entries, entry);
    }
    assert_int_equal(entries_due_before(&entries, 0), 0);
    assert_int_equal(entries_due_before(&entries, 1009), ROWS - 1); /* one is asked for at once */
    for (struct entry *first; (first = entries_first(&entries)) != NULL;) {
        assert_true(first->due_ms >= last);
        last = first->due_ms;
        entries_unschedule(&entries, first);
    }
    entries_deinit(&entries);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_steps),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
