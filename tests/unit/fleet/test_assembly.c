#include "engine/base/random.h"
#include "tools/fleet/assembly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define JOB "00c0ffee00abcdef"

enum { FIRST = 129, LARGE = 1 << 20 };

static struct assembly *begin(uint32_t count, uint32_t renderings, size_t message_max) {
    struct assembly_config config = {JOB, "w", FIRST, count, renderings, message_max, 0};
    struct assembly *assembly = assembly_new(&config);

    assert_non_null(assembly);
    return assembly;
}

/* A record with so many bytes of a letter that follows from its target, the first rendering; the
 * second has one byte, and is left out of odd ones. */
static void add(struct assembly *assembly, uint64_t number, size_t bytes) {
    char *text = malloc(bytes + 1);
    struct parcel parcel = {.number = number, .outcome = OUTCOME_RESET, .status = STATUS_ERROR};

    memset(text, 'a' + (int)(number % 26), bytes + 1);
    parcel.renderings[0].wanted = true;
    parcel.renderings[0].bytes = (struct slice){(uint8_t *)text, bytes};
    parcel.renderings[1].wanted = number % 2 == 0;
    parcel.renderings[1].bytes = (struct slice){(uint8_t *)text, number % 2 == 0};
    assembly_add(assembly, &parcel);
    free(text);
}

/* Takes a message, reads it and checks its id. */
static bool take(struct assembly *assembly, uint32_t renderings, struct buffer *body,
                 struct page_message *page) {
    char id[PAGE_ID_BYTES], expected[PAGE_ID_BYTES];
    struct failure failure;

    if (!assembly_take(assembly, body, id))
        return false;
    assert_int_equal(page_read(page, buffer_slice(body), renderings, &failure), ERROR_NONE);
    snprintf(expected, sizeof expected, JOB ".%llu-%llu", (unsigned long long)page->span.first,
             (unsigned long long)(page->span.first + page->span.count - 1));
    assert_string_equal(id, expected);
    assert_true(slice_is(page->worker, "w"));
    return true;
}

static void pages_come_when_they_are_complete(void **state) {
    (void)state;
    struct assembly *assembly = begin(100, 1, LARGE);
    struct page_message page;
    struct buffer body;

    buffer_init(&body);
    for (uint64_t i = 0; i < 100; i++) { /* the second page is ready first */
        uint64_t number = FIRST + 99 - i;
        assert_int_equal(take(assembly, 1, &body, &page), i == 36);
        if (i == 36) {
            assert_int_equal(page.span.first, FIRST + 64);
            assert_int_equal(page.span.count, 36);
            assert_int_equal(page.span.page_count, 36);
        }
        add(assembly, number, 3);
        assembly_done(assembly, number, PAGE_PROBED);
        assert_false(assembly_is_complete(assembly));
    }
    assert_true(take(assembly, 1, &body, &page));
    assert_int_equal(page.span.first, FIRST);
    assert_int_equal(page.span.count, 64);
    assert_int_equal(page.span.page_count, 64);
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(page.targets[i].fate, PAGE_PROBED);
        assert_int_equal(page.targets[i].outcome, OUTCOME_RESET);
        assert_int_equal(page.targets[i].status, STATUS_ERROR);
        assert_int_equal(page.targets[i].renderings[0].records, 1);
        assert_int_equal(page.targets[i].renderings[0].bytes.len, 3);
        assert_int_equal(page.targets[i].renderings[0].bytes.ptr[0], 'a' + (FIRST + i) % 26);
    }
    assert_false(take(assembly, 1, &body, &page));
    assert_true(assembly_is_complete(assembly));
    assert_false(assembly_failed(assembly));
    assembly_free(assembly);
    buffer_deinit(&body);
}

static void several_records_are_joined(void **state) {
    (void)state;
    struct assembly *assembly = begin(3, 2, LARGE);
    struct page_message page;
    struct buffer body;

    buffer_init(&body);
    for (int i = 0; i < 3; i++) { /* in between each other */
        add(assembly, FIRST, 1000);
        add(assembly, FIRST + 1, 10);
    }
    assembly_done(assembly, FIRST, PAGE_PROBED);
    assembly_done(assembly, FIRST, PAGE_EXCLUDED); /* twice: passed over */
    add(assembly, FIRST, 5);
    assembly_done(assembly, FIRST + 1, PAGE_PROBED);
    assembly_done(assembly, FIRST + 2, PAGE_EXCLUDED);
    assert_true(take(assembly, 2, &body, &page));
    assert_int_equal(page.targets[0].renderings[0].records, 3);
    assert_int_equal(page.targets[0].renderings[0].bytes.len, 3000);
    assert_int_equal(page.targets[0].renderings[1].records, 0);
    assert_int_equal(page.targets[0].renderings[1].left_out, 3);
    assert_int_equal(page.targets[1].renderings[0].bytes.len, 30);
    assert_int_equal(page.targets[1].renderings[1].records, 3);
    assert_int_equal(page.targets[1].renderings[1].bytes.len, 3);
    assert_int_equal(page.targets[2].fate, PAGE_EXCLUDED);
    for (uint32_t i = 0; i < 3000; i++)
        assert_int_equal(page.targets[0].renderings[0].bytes.ptr[i], 'a' + FIRST % 26);
    for (uint32_t i = 0; i < 30; i++)
        assert_int_equal(page.targets[1].renderings[0].bytes.ptr[i], 'a' + (FIRST + 1) % 26);
    assert_true(assembly_is_complete(assembly));
    assembly_free(assembly);
    buffer_deinit(&body);
}

/* Sizes at random, among them too large ones: each target is in one message, none is longer than it
 * may be, and only what does not fit alone is left out. */
static void large_pages_are_halved(void **state) {
    (void)state;
    enum { COUNT = 200, MESSAGE = 4096, ALONE = MESSAGE - PAGE_HEAD_BYTES_MAX - 64 };
    uint32_t sizes[COUNT], seen[COUNT] = {0}, oversize = 0;
    struct assembly *assembly = begin(COUNT, 2, MESSAGE);
    struct page_message page;
    struct random random;
    struct buffer body;

    random_init(&random, 3);
    buffer_init(&body);
    for (uint32_t i = 0; i < COUNT; i++) {
        sizes[i] = (uint32_t)random_below(&random, i % 10 == 0 ? 2 * MESSAGE : 300);
        add(assembly, FIRST + i, sizes[i]);
        assembly_done(assembly, FIRST + i, PAGE_PROBED);
    }
    while (take(assembly, 2, &body, &page)) {
        assert_true(body.len <= MESSAGE);
        for (uint32_t i = 0; i < page.span.count; i++) {
            uint32_t place = (uint32_t)(page.span.first - FIRST) + i;
            bool fits = page.targets[i].fate == PAGE_PROBED;
            seen[place]++;
            oversize += !fits;
            assert_true(fits ? sizes[place] < MESSAGE : sizes[place] > ALONE);
            assert_int_equal(page.targets[i].renderings[0].bytes.len, fits ? sizes[place] : 0);
            assert_int_equal(page.targets[i].outcome, OUTCOME_RESET);
        }
        assert_int_equal(page.span.page_count, page_of(page.span.first) == 5 ? 8 : 64);
    }
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
    assert_true(oversize > 0);
    assert_true(assembly_is_complete(assembly));
    assembly_free(assembly);
    buffer_deinit(&body);
}

static void a_lost_record_is_a_failure(void **state) {
    (void)state;
    struct assembly *assembly = begin(1, 1, LARGE);
    struct page_message page;
    struct buffer body;

    buffer_init(&body);
    assembly_done(assembly, FIRST, PAGE_PROBED);
    assert_true(assembly_failed(assembly));
    assert_false(take(assembly, 1, &body, &page));
    assert_false(assembly_is_complete(assembly));
    assembly_free(assembly);
    buffer_deinit(&body);
}

static void the_largest_shard(void **state) {
    (void)state;
    struct assembly *assembly = begin(SHARD_TARGETS_MAX, 1, LARGE);
    struct page_message page;
    struct buffer body;
    uint32_t targets = 0;

    buffer_init(&body);
    for (uint32_t i = 0; i < SHARD_TARGETS_MAX; i++) {
        add(assembly, FIRST + i, 20);
        assembly_done(assembly, FIRST + i, PAGE_PROBED);
        if (take(assembly, 1, &body, &page))
            targets += page.span.count;
    }
    assert_int_equal(targets, SHARD_TARGETS_MAX);
    assert_true(assembly_is_complete(assembly));
    assembly_free(assembly);
    buffer_deinit(&body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_when_they_are_complete),
        cmocka_unit_test(several_records_are_joined),
        cmocka_unit_test(large_pages_are_halved),
        cmocka_unit_test(a_lost_record_is_a_failure),
        cmocka_unit_test(the_largest_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
