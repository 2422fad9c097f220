/* Any bytes as a page of a log: what is read by hand is what the JSON parser reads. */
#include "engine/ct/get_entries.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MAX = 64 };

static void require(bool condition) {
    if (!condition)
        abort();
}

static void require_same(const struct get_entries *a, const struct get_entries *b) {
    require(a->count == b->count && a->count <= ENTRIES_MAX);
    for (uint32_t i = 0; i < a->count; i++) {
        require(slice_equal(a->entries[i].leaf_input, b->entries[i].leaf_input));
        require(slice_equal(a->entries[i].extra_data, b->entries[i].extra_data));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice page = {data, size};
    struct get_entries quick, any, out;
    struct arena arena;

    require(arena_init(&arena, 1024));
    enum get_entries_result quick_result =
        get_entries_parse_quick(page, ENTRIES_MAX, &arena, &quick);
    enum get_entries_result any_result = get_entries_parse_any(page, ENTRIES_MAX, &arena, &any);
    if (quick_result == GET_ENTRIES_OK) {
        require(any_result == GET_ENTRIES_OK);
        require_same(&quick, &any);
    } else {
        require(quick.count == 0);
    }
    require(get_entries_parse(page, ENTRIES_MAX, &arena, &out) == any_result);
    require_same(&out, &any);
    arena_deinit(&arena);
    return 0;
}
