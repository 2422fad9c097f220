#include "tests/sim/sim_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Blocks and the sizes they were asked for: those that malloc tells vary from run to run. A hash
 * table with open addressing; static, as it cannot allocate. */
enum { TABLE_ENTRIES = 1 << 18 };

struct entry {
    void *block; /* NULL: free; itself removed by moving others */
    size_t bytes;
};

struct sim_memory sim_memory;
static struct entry table[TABLE_ENTRIES];

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void __real_free(void *block);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
void __wrap_free(void *block);

static size_t home_of(const void *block) {
    return (size_t)(((uintptr_t)block >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 46);
}

static size_t after(size_t at) {
    return (at + 1) % TABLE_ENTRIES;
}

static void enter(void *block, size_t bytes) {
    size_t at = home_of(block);

    if (sim_memory.blocks >= TABLE_ENTRIES - 1)
        abort();
    while (table[at].block)
        at = after(at);
    table[at] = (struct entry){block, bytes};
    sim_memory.blocks++;
}

/* Closes the gap at `hole`: entries behind it that it kept from their home move up. */
static void close_gap(size_t hole) {
    for (size_t at = after(hole); table[at].block; at = after(at)) {
        size_t home = home_of(table[at].block);
        bool reachable = hole < at ? hole < home && home <= at : hole < home || home <= at;
        if (reachable)
            continue;
        table[hole] = table[at];
        hole = at;
    }
    table[hole].block = NULL;
}

/* What libraries that are not wrapped have allocated is not in the table. */
static bool leave(const void *block, size_t *bytes) {
    size_t at = home_of(block);

    while (table[at].block && table[at].block != block)
        at = after(at);
    *bytes = table[at].bytes;
    if (!table[at].block)
        return false;
    close_gap(at);
    sim_memory.blocks--;
    return true;
}

void sim_memory_reset(void) {
    sim_memory = (struct sim_memory){.blocks = sim_memory.blocks};
}

static bool is_refused(size_t bytes) {
    if (!sim_memory.charged)
        return false;
    uint64_t number = ++sim_memory.taken;
    bool chosen =
        sim_memory.refuse_at && number >= sim_memory.refuse_at &&
        (sim_memory.refuse_step ? (number - sim_memory.refuse_at) % sim_memory.refuse_step == 0
                                : number == sim_memory.refuse_at);
    if (!chosen && !(sim_memory.scarce && bytes > sim_memory.available))
        return false;
    sim_memory.refused++;
    errno = ENOMEM;
    return true;
}

static void *taken(void *block, size_t bytes) {
    if (!block)
        return NULL;
    enter(block, bytes);
    if (sim_memory.charged && sim_memory.scarce)
        sim_memory.available -= bytes;
    return block;
}

void *__wrap_malloc(size_t bytes) {
    return is_refused(bytes) ? NULL : taken(__real_malloc(bytes), bytes);
}

void *__wrap_calloc(size_t count, size_t bytes) {
    size_t all;

    if (__builtin_mul_overflow(count, bytes, &all))
        return NULL;
    return is_refused(all) ? NULL : taken(__real_calloc(count, bytes), all);
}

void *__wrap_realloc(void *block, size_t bytes) {
    size_t before = 0;

    if (!block)
        return __wrap_malloc(bytes);
    if (is_refused(bytes))
        return NULL;
    bool known = leave(block, &before);
    void *moved = __real_realloc(block, bytes);
    if (!moved) {
        if (known)
            enter(block, before);
        return NULL;
    }
    sim_memory.available += before;
    return taken(moved, bytes);
}

void __wrap_free(void *block) {
    size_t bytes;

    if (block && leave(block, &bytes))
        sim_memory.available += bytes;
    __real_free(block);
}
