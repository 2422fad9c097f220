/* tool_find_lookalikes SCORE BRAND...: reads a name a line and answers with a line for each hit:
 * name, brand, score and kinds (joined by "+"), with tabs between them. */
#include "engine/match/lookalike.h"

#include <stdio.h>
#include <stdlib.h>

static void print_hit(const struct lookalikes *brands, const struct match_names *names,
                      const struct lookalike_hit *hit) {
    struct slice name = match_names_text(names, hit->name);
    struct slice brand = lookalikes_brand(brands, hit->brand);
    const char *separator = "\t";
    printf("%u\t%.*s\t%.*s\t%u", names->items[hit->name].owner, (int)name.len,
           (const char *)name.ptr, (int)brand.len, (const char *)brand.ptr, hit->score);
    for (int kind = LOOKALIKE_CONFUSABLE; kind <= LOOKALIKE_SUBDOMAIN; kind <<= 1) {
        if (!(hit->kinds & kind))
            continue;
        printf("%s%s", separator, lookalike_kind_name((enum lookalike_kind)kind));
        separator = "+";
    }
    puts("");
}

int main(int argc, char **argv) {
    struct lookalikes *brands = argc > 1 ? lookalikes_new((uint32_t)atoi(argv[1])) : NULL;
    struct match_names names;
    struct lookalike_hits hits;
    struct failure failure;
    char *line = NULL;
    size_t capacity = 0;
    if (!brands)
        return 1;
    for (int i = 2; i < argc; i++) {
        if (lookalikes_add(brands, slice_of(argv[i]), &failure)) {
            fprintf(stderr, "%s: %s\n", argv[i], failure.text);
            return 1;
        }
    }
    match_names_init(&names);
    lookalike_hits_init(&hits);
    uint32_t number = 0;
    for (ssize_t len; (len = getline(&line, &capacity, stdin)) > 0;) {
        struct slice text = {(const uint8_t *)line, (size_t)len - (line[len - 1] == '\n')};
        match_names_add_dns(&names, text, number++);
    }
    lookalikes_match(brands, &names, NULL, &hits);
    for (uint32_t i = 0; i < hits.count; i++)
        print_hit(brands, &names, &hits.items[i]);
    lookalike_hits_deinit(&hits);
    match_names_deinit(&names);
    lookalikes_put(brands);
    free(line);
    return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
