#include "tools/watch/inventory_keys.h"

#include <stdlib.h>

static struct key key_of(const uint8_t *hash) {
    struct key key;

    memcpy(&key.high, hash, sizeof key.high);
    memcpy(&key.low, hash + sizeof key.high, sizeof key.low);
    return key;
}

void keys_deinit(struct keys *keys) {
    for (int kind = 0; kind < KEY_KINDS; kind++)
        free(keys->sets[kind].items);
    *keys = (struct keys){0};
}

static bool make_room(struct keys *keys, enum key_kind kind, size_t more) {
    size_t capacity = keys->sets[kind].capacity, count = keys->sets[kind].count;

    if (capacity - count >= more)
        return true;
    capacity = capacity < 1024 ? 1024 : 2 * capacity;
    if (capacity < count + more)
        capacity = count + more;
    struct key *items = reallocarray(keys->sets[kind].items, capacity, sizeof *items);
    if (!items) {
        keys->failed = true;
        return false;
    }
    keys->sets[kind].items = items;
    keys->sets[kind].capacity = capacity;
    return true;
}

void keys_add(struct keys *keys, enum key_kind kind, const uint8_t *hash) {
    if (make_room(keys, kind, 1))
        keys->sets[kind].items[keys->sets[kind].count++] = key_of(hash);
}

void keys_add_all(struct keys *keys, const struct keys *from) {
    for (int kind = 0; kind < KEY_KINDS; kind++) {
        size_t more = from->sets[kind].count;
        if (more == 0 || !make_room(keys, (enum key_kind)kind, more))
            continue;
        memcpy(keys->sets[kind].items + keys->sets[kind].count, from->sets[kind].items,
               more * sizeof(struct key));
        keys->sets[kind].count += more;
    }
}

static int compare(const void *left, const void *right) {
    const struct key *a = left, *b = right;

    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return a->low < b->low ? -1 : a->low > b->low;
}

void keys_sort(struct keys *keys) {
    for (int kind = 0; kind < KEY_KINDS; kind++) {
        struct key *items = keys->sets[kind].items;
        size_t count = keys->sets[kind].count, kept = 0;
        if (count == 0)
            continue;
        qsort(items, count, sizeof items[0], compare);
        for (size_t i = 0; i < count; i++)
            if (kept == 0 || compare(&items[kept - 1], &items[i]) != 0)
                items[kept++] = items[i];
        keys->sets[kind].count = kept;
    }
}

bool keys_have(const struct keys *keys, enum key_kind kind, const uint8_t *hash) {
    struct key key = key_of(hash);
    size_t count = keys->sets[kind].count;

    return count && bsearch(&key, keys->sets[kind].items, count, sizeof key, compare);
}
