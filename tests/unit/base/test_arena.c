#include "engine/base/arena.h"

#include "engine/base/random.h"
#include "tests/unit/base/no_memory.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_pieces(void **state) {
    (void)state;
    enum { PIECES = 3000 };
    static struct piece {
        uint8_t *at;
        size_t len;
    } pieces[PIECES];
    struct random random;
    struct arena arena;

    random_init(&random, 5);
    assert_true(arena_init(&arena, 512));
    for (size_t i = 0; i < PIECES; i++) {
        size_t len = i % 100 == 99 ? 5000 + i : random_below(&random, 200);
        pieces[i] = (struct piece){arena_take(&arena, len), len};
        assert_non_null(pieces[i].at);
        assert_int_equal((uintptr_t)pieces[i].at % alignof(max_align_t), 0);
        memset(pieces[i].at, (int)(i & 255), len);
    }
    /* Each still holds what was written: none overlaps another. */
    for (size_t i = 0; i < PIECES; i++)
        for (size_t j = 0; j < pieces[i].len; j++)
            assert_int_equal(pieces[i].at[j], i & 255);
    arena_deinit(&arena);
    assert_null(arena.chunks);
}

/* What was foreseen comes from one allocation: one piece lies behind the other. */
static void test_first_chunk(void **state) {
    (void)state;
    struct arena arena;

    assert_true(arena_init(&arena, 1000));
    const struct arena_chunk *chunk = arena.chunks;
    const uint8_t *first = arena_take(&arena, 16);
    struct slice copy = arena_copy(&arena, slice_of("copy"));
    assert_ptr_equal(copy.ptr, first + 16);
    assert_ptr_equal(arena_copy(&arena, slice_of("b")).ptr,
                     first + 20); /* bytes need no alignment */
    assert_ptr_equal(arena_take(&arena, 1000 - 32), first + 32);
    assert_ptr_equal(arena.chunks, chunk);
    assert_non_null(arena_take(&arena, 1));
    assert_ptr_not_equal(arena.chunks, chunk);
    arena_deinit(&arena);
}

static void test_copy(void **state) {
    (void)state;
    struct arena arena;
    char text[] = "text";

    assert_true(arena_init(&arena, 0));
    struct slice copy = arena_copy(&arena, slice_of(text));
    text[0] = 'n';
    assert_true(slice_is(copy, "text"));
    copy = arena_copy(&arena, (struct slice){NULL, 0});
    assert_null(copy.ptr);
    assert_int_equal(copy.len, 0);
    assert_non_null(arena_take(&arena, 0));
    arena_deinit(&arena);
}

/* A piece that is not to be had harms nothing that is. */
static void test_no_memory(void **state) {
    (void)state;
    struct arena arena;

    assert_false(arena_init(&arena, NO_MEMORY_BYTES));
    arena_deinit(&arena);
    assert_false(arena_init(&arena, SIZE_MAX));
    assert_true(arena_init(&arena, 64));
    struct slice kept = arena_copy(&arena, slice_of("kept"));
    assert_null(arena_take(&arena, NO_MEMORY_BYTES));
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_null(arena_take(&arena, SIZE_MAX - 7));
    assert_null(arena_copy(&arena, (struct slice){kept.ptr, NO_MEMORY_BYTES}).ptr);
    assert_non_null(arena_take(&arena, 100));
    assert_true(slice_is(kept, "kept"));
    arena_deinit(&arena);
    assert_non_null(arena_take(&arena, 1)); /* and one without a first chunk starts over */
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_first_chunk),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
