#include "engine/record/record.h"

#include <assert.h>

void record_get(struct record *record) {
    uint32_t before = atomic_fetch_add_explicit(&record->references, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
}

void record_put(struct record *record) {
    uint32_t before = atomic_fetch_sub_explicit(&record->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        /* the record lies in its own arena, so the arena must be freed from a copy */
        struct arena memory = record->memory;
        arena_deinit(&memory);
    }
}

struct probe_record *probe_record_new(size_t bytes) {
    struct arena memory;

    if (bytes > SIZE_MAX - sizeof(struct probe_record) ||
        !arena_init(&memory, sizeof(struct probe_record) + bytes))
        return NULL;
    struct probe_record *record = arena_take(&memory, sizeof *record);
    if (!record) {
        arena_deinit(&memory);
        return NULL;
    }
    *record = (struct probe_record){
        .head = {.kind = &probe_record_kind, .memory = memory},
        .timing = {-1, -1, -1, -1, -1},
    };
    atomic_init(&record->head.references, 1);
    return record;
}

/* Big-endian, so that ids sort as the targets came. */
static uint8_t *put_number(uint8_t *out, uint64_t number, size_t bytes) {
    for (size_t i = bytes; i-- > 0; number >>= 8)
        out[i] = (uint8_t)number;
    return out + bytes;
}

void probe_record_identify(struct probe_record *record, uint64_t run, uint64_t number,
                           uint16_t part) {
    uint8_t *out = put_number(record->id, run, 8);

    out = put_number(out, number, 6);
    put_number(out, part, 2);
}

static uint64_t get_number(const uint8_t *from, size_t bytes) {
    uint64_t number = 0;

    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | from[i];
    return number;
}

uint64_t probe_record_number(const struct probe_record *record) {
    return get_number(record->id + 8, 6);
}

uint16_t probe_record_part(const struct probe_record *record) {
    return (uint16_t)get_number(record->id + 14, 2);
}
