/* Pages are given once, whole, in order, whatever the order, the parts and the repetitions in which
 * their messages come. */
#include "tools/fleet/gather.h"

#include "engine/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MESSAGE_BYTES = 100 };

static struct gather *gather;
static struct page_message message; /* large */
static uint64_t next_sequence;
static int names[4096]; /* messages are known by their places */

static int set_up(void **state) {
    (void)state;
    gather = gather_new();
    next_sequence = 1;
    return gather ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    gather_free(gather);
    return 0;
}

/* Each target is told by its outcome's place: its number within the page. */
static void fill(uint64_t page, uint32_t from, uint32_t count, uint32_t page_count) {
    message = (struct page_message){
        .span = {page * PAGE_TARGETS + 1 + from, count, page_count},
    };
    for (uint32_t i = 0; i < count; i++)
        message.targets[i].renderings[0].records = from + i + 1;
}

static enum gathering add_as(uint64_t sequence) {
    return gather_add(gather, &message, &names[sequence], sequence, MESSAGE_BYTES, NULL);
}

static enum gathering add(uint64_t page, uint32_t from, uint32_t count, uint32_t page_count) {
    fill(page, from, count, page_count);
    return add_as(next_sequence++);
}

static void takes(uint64_t page, uint32_t count, uint32_t messages) {
    struct gathered *gathered = gather_take(gather);

    assert_non_null(gathered);
    assert_int_equal(gathered->page, page);
    assert_int_equal(gathered->count, count);
    assert_int_equal(gathered->message_count, messages);
    assert_int_equal(gathered->bytes, messages * MESSAGE_BYTES);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(gathered->targets[i].renderings[0].records, i + 1);
    gather_remove(gather, gathered);
}

static void test_whole_page(void **state) {
    (void)state;
    assert_int_equal(add(7, 0, 64, 64), GATHER_KEPT);
    assert_int_equal(add(8, 0, 1, 1), GATHER_KEPT);
    assert_int_equal(gather_partial(gather), 0);
    takes(7, 64, 1);
    takes(8, 1, 1);
    assert_null(gather_take(gather));
}

/* The first half of a page of 40 looks like a page of 20, but for its count. */
static void test_halves(void **state) {
    (void)state;
    assert_int_equal(add(0, 0, 20, 40), GATHER_KEPT);
    assert_null(gather_take(gather));
    assert_int_equal(gather_partial(gather), 1);
    assert_int_equal(add(0, 20, 20, 40), GATHER_KEPT);
    assert_int_equal(gather_partial(gather), 0);
    takes(0, 40, 2);
}

static void test_comes_twice(void **state) {
    (void)state;
    assert_int_equal(add(3, 0, 32, 64), GATHER_KEPT);
    assert_int_equal(add(3, 0, 32, 64), GATHER_KNOWN); /* by another worker */
    fill(3, 0, 32, 64);
    assert_int_equal(add_as(1), GATHER_THE_SAME); /* the first, sent again */
    assert_int_equal(add(3, 32, 32, 64), GATHER_KEPT);
    struct gathered *out = gather_take(gather);
    assert_true(out->is_out);
    assert_ptr_equal(out->messages[1], &names[3]);
    assert_int_equal(add(3, 0, 64, 64), GATHER_KNOWN); /* it is with its owner */
    assert_null(gather_take(gather));
    gather_remove(gather, out);
}

/* Two workers whose messages may be of other sizes cut a page at other places. */
static void test_overlapping_parts(void **state) {
    (void)state;
    assert_int_equal(add(1, 0, 32, 64), GATHER_KEPT);
    assert_int_equal(add(1, 16, 16, 64), GATHER_KNOWN);
    assert_int_equal(add(1, 16, 32, 64), GATHER_KEPT);
    assert_int_equal(add(1, 48, 16, 64), GATHER_KEPT);
    takes(1, 64, 3);
}

static void test_another_count(void **state) {
    (void)state;
    assert_int_equal(add(1, 0, 32, 64), GATHER_KEPT);
    assert_int_equal(add(1, 32, 1, 33), GATHER_KNOWN);
    assert_null(gather_take(gather));
}

static void test_bounds(void **state) {
    (void)state;
    for (uint32_t i = 0; i < GATHER_PAGES_MAX; i++)
        assert_int_equal(add(i * UINT64_C(12345), 0, 1, 2), GATHER_KEPT);
    assert_true(gather_is_full(gather));
    assert_int_equal(add(1, 0, 1, 1), GATHER_FULL);
    assert_int_equal(add(0, 1, 1, 2), GATHER_KEPT); /* what makes one whole has room */
    takes(0, 2, 2);
    assert_false(gather_is_full(gather));
    assert_int_equal(add(1, 0, 1, 1), GATHER_KEPT);
}

static void test_many_bytes(void **state) {
    (void)state;
    fill(0, 0, 1, 1);
    assert_int_equal(gather_add(gather, &message, names, 1, GATHER_BYTES_MAX, NULL), GATHER_KEPT);
    assert_true(gather_is_full(gather));
    gather_remove(gather, gather_take(gather));
    assert_false(gather_is_full(gather));
}

struct counted {
    uint32_t pages, messages;
};

static void count(void *owner, struct gathered *page) {
    struct counted *counted = owner;

    counted->pages++;
    counted->messages += page->message_count;
    gather_remove(gather, page);
}

static void test_each_may_remove(void **state) {
    struct counted counted = {0};

    (void)state;
    assert_int_equal(add(1, 0, 1, 64), GATHER_KEPT);
    assert_int_equal(add(1 + GATHER_PAGES_MAX, 0, 64, 64), GATHER_KEPT); /* the same bucket */
    assert_int_equal(add(2, 0, 64, 64), GATHER_KEPT);
    assert_int_equal(add(3, 0, 64, 64), GATHER_KEPT);
    struct gathered *out = gather_take(gather);
    assert_int_equal(out->page, 1 + GATHER_PAGES_MAX);
    gather_each(gather, count, &counted);
    assert_int_equal(counted.pages, 4);
    assert_int_equal(counted.messages, 4);
    assert_null(gather_take(gather));
    assert_int_equal(gather_partial(gather), 0);
}

/* Pages in parts of any size, all of them twice, in any order: each comes once. */
static void test_any_order(void **state) {
    enum { PAGES = 60, PARTS_MAX = 4000 };
    struct {
        uint64_t page;
        uint32_t from, count, page_count;
    } parts[PARTS_MAX], swap;
    struct random random;
    uint32_t part_count = 0, whole = 0;

    (void)state;
    random_init(&random, 20261121);
    for (uint32_t page = 0; page < PAGES; page++) {
        uint32_t page_count = 1 + (uint32_t)random_below(&random, PAGE_TARGETS);
        for (uint32_t turn = 0; turn < 2; turn++)
            for (uint32_t from = 0, len; from < page_count; from += len) {
                len = 1 + (uint32_t)random_below(&random, page_count - from);
                parts[part_count].page = page;
                parts[part_count].from = from;
                parts[part_count].count = len;
                parts[part_count++].page_count = page_count;
            }
    }
    for (uint32_t i = part_count - 1; i > 0; i--) {
        uint32_t other = (uint32_t)random_below(&random, i + 1);
        swap = parts[i];
        parts[i] = parts[other];
        parts[other] = swap;
    }
    bool done[PAGES] = {false};
    for (uint32_t i = 0; i < part_count; i++) {
        if (done[parts[i].page]) /* as its owner knows */
            continue;
        enum gathering result =
            add(parts[i].page, parts[i].from, parts[i].count, parts[i].page_count);
        assert_true(result == GATHER_KEPT || result == GATHER_KNOWN);
        for (struct gathered *out; (out = gather_take(gather)); whole++) {
            assert_false(done[out->page]);
            done[out->page] = true;
            for (uint32_t k = 0; k < out->count; k++)
                assert_int_equal(out->targets[k].renderings[0].records, k + 1);
            gather_remove(gather, out);
        }
    }
    assert_int_equal(whole, PAGES);
    assert_int_equal(gather_partial(gather), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_halves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_comes_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_overlapping_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_may_remove, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_order, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
