#include "engine/probe/checkers.h"

#include <stdlib.h>

static bool grow(struct checkers *checkers) {
    if (checkers->count < checkers->capacity)
        return true;
    uint32_t capacity = checkers->capacity ? checkers->capacity * 2 : 4;
    struct checker_of_store *items = reallocarray(checkers->items, capacity, sizeof *items);
    if (!items)
        return false;
    checkers->items = items;
    checkers->capacity = capacity;
    return true;
}

struct trust_checker *checkers_get(struct checkers *checkers, const struct trust_store *store) {
    for (uint32_t i = 0; i < checkers->count; i++)
        if (checkers->items[i].store == store)
            return checkers->items[i].checker;
    struct trust_checker *checker = grow(checkers) ? trust_checker_new(store) : NULL;
    if (checker)
        checkers->items[checkers->count++] = (struct checker_of_store){store, checker};
    return checker;
}

void checkers_deinit(struct checkers *checkers) {
    for (uint32_t i = 0; i < checkers->count; i++)
        trust_checker_free(checkers->items[i].checker);
    free(checkers->items);
    *checkers = (struct checkers){0};
}
