/* A watch list and names against it: lines up to an empty one are entries, the rest are names.
 * Every entry must be found under its own name; what is told must hold together. */
#include "engine/match/watch_list.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice next_line(struct slice *rest) {
    const uint8_t *newline = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
    struct slice line =
        newline ? slice_first(*rest, (size_t)(newline - rest->ptr)) : slice_first(*rest, rest->len);
    *rest = slice_from(*rest, line.len + 1);
    return line;
}

static struct watch_list *read_entries(struct slice *rest) {
    struct watch_list_builder *builder = watch_list_builder_new();
    struct failure failure;
    uint32_t number = 0;
    assert(builder);
    for (struct slice line; rest->len && (line = next_line(rest)).len;) {
        failure.text[0] = '\0';
        if (watch_list_builder_add(builder, slice_trim(line), ++number, &failure))
            assert(failure.text[0]);
    }
    struct watch_list *list = watch_list_builder_finish(builder);
    assert(list);
    return list;
}

static void check_hits(const struct watch_list *list, const struct match_names *names,
                       const struct watch_hits *hits) {
    uint32_t of_name = 0;
    for (uint32_t i = 0; i < hits->count; i++) {
        const struct watch_hit *hit = &hits->items[i];
        assert(hit->name < names->count);
        assert(i == 0 || hits->items[i - 1].name <= hit->name);
        of_name = i && hits->items[i - 1].name == hit->name ? of_name + 1 : 1;
        assert(of_name <= WATCH_HITS_PER_NAME_MAX + 1);
        assert(hit->entry == WATCH_MORE || hit->entry < watch_list_count(list));
    }
}

/* A plain entry finds itself. */
static void check_entries(const struct watch_list *list, struct match_names *names,
                          struct watch_hits *hits) {
    uint32_t count = watch_list_count(list) < 200 ? watch_list_count(list) : 200;
    for (uint32_t i = 0; i < count; i++) {
        struct watch_entry entry = watch_list_entry(list, i);
        if (memchr(entry.name.ptr, '/', entry.name.len) ||
            memchr(entry.name.ptr, ':', entry.name.len))
            continue;
        match_names_clear(names);
        match_names_add_dns(names, entry.name, 0);
        assert(names->count == 1);
        watch_list_match(list, names, hits);
        bool found = false;
        for (uint32_t j = 0; j < hits->count; j++)
            found |= hits->items[j].entry == i;
        assert(found);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = {data, size};
    struct watch_list *list = read_entries(&rest);
    struct match_names names;
    struct watch_hits hits;
    match_names_init(&names);
    watch_hits_init(&hits);
    for (uint32_t owner = 0; rest.len; owner++) {
        struct slice line = next_line(&rest);
        if (owner % 4 == 3)
            match_names_add_common_name(&names, line, owner / 4);
        else
            match_names_add_dns(&names, line, owner / 4);
    }
    watch_list_match(list, &names, &hits);
    check_hits(list, &names, &hits);
    for (uint32_t i = 0; i < names.count; i++)
        (void)watch_list_covers(list, match_names_text(&names, i));
    check_entries(list, &names, &hits);
    watch_hits_deinit(&hits);
    match_names_deinit(&names);
    watch_list_put(list);
    return 0;
}
