#include "engine/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

struct arena_chunk {
    struct arena_chunk *older;
    size_t used, capacity;
    alignas(max_align_t) uint8_t bytes[];
};

enum { LATER_CHUNK_BYTES = 4096 };

static bool add_chunk(struct arena *arena, size_t capacity) {
    if (capacity > SIZE_MAX - sizeof(struct arena_chunk))
        return false;
    struct arena_chunk *chunk = malloc(sizeof *chunk + capacity);
    if (!chunk)
        return false;
    *chunk = (struct arena_chunk){.older = arena->chunks, .capacity = capacity};
    arena->chunks = chunk;
    return true;
}

bool arena_init(struct arena *arena, size_t first_bytes) {
    *arena = (struct arena){0};
    return add_chunk(arena, first_bytes);
}

void arena_deinit(struct arena *arena) {
    while (arena->chunks) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->older;
        free(chunk);
    }
}

/* Takes the largest chunk out of the list. */
static struct arena_chunk *unlink_largest(struct arena *arena) {
    struct arena_chunk **place = &arena->chunks;

    for (struct arena_chunk **at = place; *at; at = &(*at)->older)
        if ((*at)->capacity > (*place)->capacity)
            place = at;
    struct arena_chunk *largest = *place;
    if (largest)
        *place = largest->older;
    return largest;
}

void arena_reset(struct arena *arena) {
    struct arena_chunk *kept = unlink_largest(arena);

    arena_deinit(arena);
    arena->failed = false;
    if (!kept)
        return;
    kept->older = NULL;
    kept->used = 0;
    arena->chunks = kept;
}

static void *take_aligned(struct arena_chunk *chunk, size_t len, size_t alignment) {
    size_t start = (chunk->used + alignment - 1) & ~(alignment - 1);
    if (start > chunk->capacity || len > chunk->capacity - start)
        return NULL;
    chunk->used = start + len;
    return chunk->bytes + start;
}

static void *take(struct arena *arena, size_t len, size_t alignment) {
    void *at = arena->chunks ? take_aligned(arena->chunks, len, alignment) : NULL;
    if (at)
        return at;
    if (!add_chunk(arena, len > LATER_CHUNK_BYTES ? len : LATER_CHUNK_BYTES)) {
        arena->failed = true;
        return NULL;
    }
    return take_aligned(arena->chunks, len, alignment);
}

void *arena_take(struct arena *arena, size_t len) {
    return take(arena, len, alignof(max_align_t));
}

struct slice arena_copy(struct arena *arena, struct slice bytes) {
    if (bytes.len == 0)
        return (struct slice){NULL, 0};
    uint8_t *at = take(arena, bytes.len, 1);
    if (!at)
        return (struct slice){NULL, 0};
    memcpy(at, bytes.ptr, bytes.len);
    return (struct slice){at, bytes.len};
}
