/* Matches names against a watch list. Lines of a letter and hexadecimal bytes:
 *
 *      E  an entry                 D  a dNSName    C  a common name    A  an iPAddress
 *      -  the next certificate begins
 *
 * answers each entry with "ok" or "bad REASON", and at the end each name with its certificate,
 * kind, bytes, the numbers of the entries that match, and "more" when there may be others. */
#include "engine/match/watch_list.h"

#include <stdio.h>
#include <stdlib.h>

static size_t from_hex(const char *text, uint8_t *out) {
    size_t len = 0;
    unsigned byte;
    for (; sscanf(text + 2 * len, "%2x", &byte) == 1; len++)
        out[len] = (uint8_t)byte;
    return len;
}

static void print_names(const struct watch_list *list, const struct match_names *names,
                        const struct watch_hits *hits) {
    uint32_t hit = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        struct slice text = match_names_text(names, i);
        printf("%u %u ", names->items[i].owner, names->items[i].kind);
        for (size_t j = 0; j < text.len; j++)
            printf("%02x", text.ptr[j]);
        for (; hit < hits->count && hits->items[hit].name == i; hit++) {
            if (hits->items[hit].entry == WATCH_MORE)
                printf(" more");
            else
                printf(" %u", watch_list_entry(list, hits->items[hit].entry).line);
        }
        puts("");
    }
}

int main(void) {
    struct watch_list_builder *builder = watch_list_builder_new();
    struct match_names names;
    struct watch_hits hits;
    struct failure failure;
    char *line = NULL;
    size_t capacity = 0;
    uint32_t owner = 0, entries = 0;
    match_names_init(&names);
    watch_hits_init(&hits);
    while (builder && getline(&line, &capacity, stdin) > 0) {
        uint8_t *bytes = malloc(capacity);
        if (!bytes)
            return 1;
        struct slice text = {bytes, from_hex(line + 1, bytes)};
        if (line[0] == '-')
            owner++;
        else if (line[0] == 'D')
            match_names_add_dns(&names, text, owner);
        else if (line[0] == 'C')
            match_names_add_common_name(&names, text, owner);
        else if (line[0] == 'A')
            match_names_add_address(&names, text, owner);
        else if (watch_list_builder_add(builder, text, entries++, &failure))
            printf("bad %s\n", failure.text);
        else
            puts("ok");
        free(bytes);
    }
    struct watch_list *list = builder ? watch_list_builder_finish(builder) : NULL;
    if (!list)
        return 1;
    watch_list_match(list, &names, &hits);
    print_names(list, &names, &hits);
    watch_list_put(list);
    watch_hits_deinit(&hits);
    match_names_deinit(&names);
    free(line);
    return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
