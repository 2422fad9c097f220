/* A raw name: the first byte says of what kind. Whatever it holds, names come out that are bounded,
 * lower-case, and described right; taken in once more they stay as they are. */
#include "engine/match/names.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(struct match_names *names, uint8_t kind, struct slice raw) {
    if (kind % 3 == 0)
        match_names_add_dns(names, raw, 1);
    else if (kind % 3 == 1)
        match_names_add_common_name(names, raw, 1);
    else
        match_names_add_address(names, raw, 1);
}

static void check_name(const struct match_names *names, uint32_t index) {
    const struct match_name *name = &names->items[index];
    struct slice text = match_names_text(names, index);
    char display[MATCH_TEXT_MAX];
    assert(match_names_display(names, index, display).len);
    if (name->kind == MATCH_NAME_ADDRESS) {
        assert(text.len == 4 || text.len == 16);
        return;
    }
    assert(text.len <= MATCH_NAME_BYTES_MAX && memchr(text.ptr, '.', text.len));
    for (size_t i = 0; i < text.len; i++) {
        assert(text.ptr[i] < 'A' || text.ptr[i] > 'Z');
        assert(name->kind == MATCH_NAME_ODD || (text.ptr[i] >= ' ' && text.ptr[i] < 0x7f));
        if (i < 64)
            assert((name->dots >> i & 1) == (text.ptr[i] == '.'));
    }
}

/* A plain name is its own only form, unless a slash or a scheme makes others of it. */
static void check_again(const struct match_names *names, uint32_t index) {
    struct slice text = match_names_text(names, index);
    struct match_names again;
    uint8_t *copy = malloc(text.len);
    assert(copy);
    memcpy(copy, text.ptr, text.len);
    match_names_init(&again);
    match_names_add_dns(&again, (struct slice){copy, text.len}, 0);
    bool is_stable = names->items[index].kind <= MATCH_NAME_WILDCARD &&
                     !memchr(text.ptr, '/', text.len) && again.count == 1 &&
                     again.items[0].kind != MATCH_NAME_ADDRESS;
    if (is_stable && again.items[0].len == text.len)
        assert(slice_equal(match_names_text(&again, 0), text));
    match_names_deinit(&again);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct match_names names;
    if (!size)
        return 0;
    match_names_init(&names);
    add(&names, data[0], (struct slice){data + 1, size - 1});
    assert(names.count <= 8);
    for (uint32_t i = 0; i < names.count; i++) {
        check_name(&names, i);
        if (names.items[i].kind != MATCH_NAME_ADDRESS)
            check_again(&names, i);
    }
    match_names_deinit(&names);
    return 0;
}
