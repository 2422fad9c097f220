#include "tools/monitor/schedule_entries.h"

#include <stdlib.h>
#include <string.h>

void entries_deinit(struct entries *entries) {
    for (uint32_t i = 0; i < entries->count; i++)
        free(entries->rows[i]);
    free(entries->rows);
    free(entries->heap);
    *entries = (struct entries){0};
}

/* Where a row with this key is, or would be. */
static uint32_t place_of(const struct entries *entries, int64_t key) {
    uint32_t low = 0, high = entries->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (entries->rows[middle]->key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct entry *entries_find(const struct entries *entries, int64_t key) {
    uint32_t at = place_of(entries, key);

    return at < entries->count && entries->rows[at]->key == key ? entries->rows[at] : NULL;
}

static bool make_room(struct entries *entries) {
    uint32_t capacity = entries->capacity ? 2 * entries->capacity : 64;

    if (entries->count < entries->capacity)
        return true;
    struct entry **rows = realloc(entries->rows, capacity * sizeof *rows);
    if (rows)
        entries->rows = rows;
    struct entry **heap = realloc(entries->heap, capacity * sizeof *heap);
    if (heap)
        entries->heap = heap;
    if (!rows || !heap)
        return false;
    entries->capacity = capacity;
    return true;
}

struct entry *entries_add(struct entries *entries, int64_t key) {
    uint32_t at = place_of(entries, key);
    struct entry *entry = make_room(entries) ? calloc(1, sizeof *entry) : NULL;

    if (!entry)
        return NULL;
    memmove(entries->rows + at + 1, entries->rows + at,
            (entries->count - at) * sizeof *entries->rows);
    entries->rows[at] = entry;
    entries->count++;
    entry->key = key;
    entry->heap_at = ENTRY_NOWHERE;
    return entry;
}

void entries_sweep(struct entries *entries, bool (*is_dead)(const struct entry *entry)) {
    uint32_t kept = 0;

    for (uint32_t i = 0; i < entries->count; i++) {
        struct entry *entry = entries->rows[i];
        if (is_dead(entry)) {
            entries_unschedule(entries, entry);
            free(entry);
        } else {
            entries->rows[kept++] = entry;
        }
    }
    entries->count = kept;
}

/* --- The heap --- */

static void put(struct entries *entries, uint32_t at, struct entry *entry) {
    entries->heap[at] = entry;
    entry->heap_at = at;
}

static void sift_up(struct entries *entries, uint32_t at, struct entry *entry) {
    while (at) {
        uint32_t parent = (at - 1) / 2;
        if (entries->heap[parent]->due_ms <= entry->due_ms)
            break;
        put(entries, at, entries->heap[parent]);
        at = parent;
    }
    put(entries, at, entry);
}

static void sift_down(struct entries *entries, uint32_t at, struct entry *entry) {
    for (uint32_t child; (child = 2 * at + 1) < entries->heap_count; at = child) {
        if (child + 1 < entries->heap_count &&
            entries->heap[child + 1]->due_ms < entries->heap[child]->due_ms)
            child++;
        if (entries->heap[child]->due_ms >= entry->due_ms)
            break;
        put(entries, at, entries->heap[child]);
    }
    put(entries, at, entry);
}

void entries_schedule(struct entries *entries, struct entry *entry) {
    if (entry->heap_at == ENTRY_NOWHERE) {
        sift_up(entries, entries->heap_count++, entry);
        return;
    }
    uint32_t at = entry->heap_at;
    sift_up(entries, at, entry);
    if (entry->heap_at == at)
        sift_down(entries, at, entry);
}

void entries_unschedule(struct entries *entries, struct entry *entry) {
    uint32_t at = entry->heap_at;

    if (at == ENTRY_NOWHERE)
        return;
    entry->heap_at = ENTRY_NOWHERE;
    struct entry *last = entries->heap[--entries->heap_count];
    if (last == entry)
        return;
    put(entries, at, last);
    entries_schedule(entries, last);
}

struct entry *entries_first(const struct entries *entries) {
    return entries->heap_count ? entries->heap[0] : NULL;
}

uint64_t entries_due_before(const struct entries *entries, int64_t ms) {
    uint64_t count = 0;

    for (uint32_t i = 0; i < entries->heap_count; i++)
        count += entries->heap[i]->due_ms < ms && entries->heap[i]->due_ms != ENTRY_AT_ONCE;
    return count;
}
