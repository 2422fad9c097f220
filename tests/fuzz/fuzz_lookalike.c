/* Brands in the first line, parted by blanks, then a name a line. Hits hold together; every brand
 * is found under another top-level domain. */
#include "engine/match/lookalike.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice next_part(struct slice *rest, int separator) {
    const uint8_t *end = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    struct slice part =
        end ? slice_first(*rest, (size_t)(end - rest->ptr)) : slice_first(*rest, rest->len);
    *rest = slice_from(*rest, part.len + 1);
    return part;
}

static void check_hits(const struct lookalikes *brands, const struct match_names *names,
                       const struct lookalike_hits *hits) {
    for (uint32_t i = 0; i < hits->count; i++) {
        const struct lookalike_hit *hit = &hits->items[i];
        assert(hit->name < names->count && hit->brand < lookalikes_count(brands));
        assert(hit->score >= 1 && hit->score <= 100 && hit->kinds);
        assert(names->items[hit->name].kind != MATCH_NAME_ADDRESS);
        assert(i == 0 || hits->items[i - 1].name <= hit->name);
    }
}

static void check_brands(const struct lookalikes *brands, struct match_names *names,
                         struct lookalike_hits *hits) {
    for (uint32_t i = 0; i < lookalikes_count(brands); i++) {
        struct slice brand = lookalikes_brand(brands, i);
        uint8_t name[LOOKALIKE_BRAND_BYTES_MAX + 9];
        memcpy(name, brand.ptr, brand.len);
        memcpy(name + brand.len, ".invalid", 8);
        match_names_clear(names);
        match_names_add_dns(names, (struct slice){name, brand.len + 8}, 0);
        lookalikes_match(brands, names, NULL, hits);
        bool found = false;
        for (uint32_t j = 0; j < hits->count; j++)
            found |= hits->items[j].brand == i;
        assert(found);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = {data, size}, line = next_part(&rest, '\n');
    struct lookalikes *brands = lookalikes_new(1);
    struct match_names names;
    struct lookalike_hits hits;
    struct failure failure;
    bool owns_invalid = false;
    assert(brands);
    match_names_init(&names);
    lookalike_hits_init(&hits);
    while (line.len) {
        struct slice text = next_part(&line, ' ');
        owns_invalid |= text.len && memchr(text.ptr, '.', text.len);
        (void)!lookalikes_add(brands, text, &failure);
    }
    for (uint32_t owner = 0; rest.len; owner++)
        match_names_add_dns(&names, next_part(&rest, '\n'), owner);
    lookalikes_match(brands, &names, NULL, &hits);
    check_hits(brands, &names, &hits);
    if (!owns_invalid)
        check_brands(brands, &names, &hits);
    lookalike_hits_deinit(&hits);
    match_names_deinit(&names);
    lookalikes_put(brands);
    return 0;
}
