#include "tools/fleet/assembly.h"

#include <assert.h>
#include <stdlib.h>

enum {
    NONE = UINT32_MAX, /* no record; no page */
    SPANS_MAX = 8,     /* halves of a page that wait: one a step from 64 targets to one, and one */
};

/* A target. Its records lie in the bytes of its page, each with the place of the next. */
struct entry {
    uint32_t first, last;
    uint16_t records;
    uint8_t fate, outcome, status;
    bool is_done;
};

/* What stands before a record in the bytes of a page; then the lengths of its renderings, and
 * these. */
struct chunk {
    uint32_t next;
    uint8_t wanted; /* a bit for each rendering */
};

struct slot { /* a page */
    struct buffer bytes;
    uint32_t left; /* targets that are not done */
    uint32_t next; /* complete page behind this one */
};

struct assembly {
    struct assembly_config config;
    struct entry *entries;
    struct slot *slots;
    uint32_t slot_count, slots_left;        /* left: not taken as a whole */
    uint32_t first_complete, last_complete; /* pages in the order in which they were completed */
    bool failed;
    /* Of the first complete page, once something is taken of it. */
    struct page_target targets[PAGE_TARGETS];
    struct buffer joined; /* renderings of targets with several records */
    struct page_span spans[SPANS_MAX];
    uint32_t span_count;
};

static uint32_t slot_targets(const struct assembly *assembly, uint32_t slot) {
    uint32_t left = assembly->config.count - slot * PAGE_TARGETS;

    return left < PAGE_TARGETS ? left : PAGE_TARGETS;
}

struct assembly *assembly_new(const struct assembly_config *config) {
    struct assembly *assembly = calloc(1, sizeof *assembly);

    assert(config->first % PAGE_TARGETS == 1 && config->count >= 1 &&
           config->count <= SHARD_TARGETS_MAX && config->renderings <= JOB_RENDERINGS_MAX);
    if (!assembly)
        return NULL;
    assembly->config = *config;
    assembly->slot_count = assembly->slots_left = (config->count + PAGE_TARGETS - 1) / PAGE_TARGETS;
    assembly->first_complete = assembly->last_complete = NONE;
    assembly->entries = calloc(config->count, sizeof *assembly->entries);
    assembly->slots = calloc(assembly->slot_count, sizeof *assembly->slots);
    if (!assembly->entries || !assembly->slots) {
        assembly_free(assembly);
        return NULL;
    }
    for (uint32_t i = 0; i < config->count; i++)
        assembly->entries[i].first = assembly->entries[i].last = NONE;
    for (uint32_t i = 0; i < assembly->slot_count; i++) {
        assembly->slots[i].left = slot_targets(assembly, i);
        assembly->slots[i].next = NONE;
    }
    return assembly;
}

void assembly_free(struct assembly *assembly) {
    if (!assembly)
        return;
    for (uint32_t i = 0; assembly->slots && i < assembly->slot_count; i++)
        buffer_deinit(&assembly->slots[i].bytes);
    buffer_deinit(&assembly->joined);
    free(assembly->slots);
    free(assembly->entries);
    free(assembly);
}

/* --- Records in --- */

static uint32_t place_of(const struct assembly *assembly, uint64_t number) {
    assert(number >= assembly->config.first &&
           number - assembly->config.first < assembly->config.count);
    return (uint32_t)(number - assembly->config.first);
}

/* Appends a record to the bytes of its page; NONE when there is no memory. */
static uint32_t add_chunk(struct assembly *assembly, struct slot *slot,
                          const struct parcel *parcel) {
    uint32_t lengths[JOB_RENDERINGS_MAX], count = assembly->config.renderings;
    struct chunk chunk = {.next = NONE};
    size_t at = slot->bytes.len;

    for (uint32_t i = 0; i < count; i++) {
        lengths[i] = (uint32_t)parcel->renderings[i].bytes.len;
        chunk.wanted |= (uint8_t)(parcel->renderings[i].wanted << i);
    }
    buffer_add(&slot->bytes, &chunk, sizeof chunk);
    buffer_add(&slot->bytes, lengths, count * sizeof *lengths);
    for (uint32_t i = 0; i < count; i++)
        buffer_add_slice(&slot->bytes, parcel->renderings[i].bytes);
    return slot->bytes.failed || slot->bytes.len >= NONE ? NONE : (uint32_t)at;
}

void assembly_add(struct assembly *assembly, const struct parcel *parcel) {
    uint32_t place = place_of(assembly, parcel->number);
    struct slot *slot = &assembly->slots[place / PAGE_TARGETS];
    struct entry *entry = &assembly->entries[place];

    if (entry->is_done || assembly->failed)
        return;
    uint32_t at = entry->records < PAGE_RECORDS_MAX ? add_chunk(assembly, slot, parcel) : NONE;
    if (at == NONE) {
        assembly->failed = true;
        return;
    }
    if (entry->records++)
        memcpy(slot->bytes.ptr + entry->last + offsetof(struct chunk, next), &at, sizeof at);
    else
        entry->first = at;
    entry->last = at;
    entry->outcome = (uint8_t)parcel->outcome;
    entry->status = (uint8_t)parcel->status;
}

static void complete(struct assembly *assembly, uint32_t slot) {
    if (assembly->first_complete == NONE)
        assembly->first_complete = slot;
    else
        assembly->slots[assembly->last_complete].next = slot;
    assembly->last_complete = slot;
}

void assembly_done(struct assembly *assembly, uint64_t number, enum page_fate fate) {
    uint32_t place = place_of(assembly, number), slot = place / PAGE_TARGETS;
    struct entry *entry = &assembly->entries[place];

    if (entry->is_done)
        return;
    assembly->failed |= (fate == PAGE_PROBED) != (entry->records > 0);
    entry->is_done = true;
    entry->fate = (uint8_t)fate;
    if (--assembly->slots[slot].left == 0)
        complete(assembly, slot);
}

/* --- Messages out --- */

/* Reads what add_chunk wrote; returns the place of the next record. */
static uint32_t read_chunk(const struct assembly *assembly, const struct slot *slot, uint32_t at,
                           struct parcel *out) {
    uint32_t lengths[JOB_RENDERINGS_MAX], count = assembly->config.renderings;
    const uint8_t *from = slot->bytes.ptr + at;
    struct chunk chunk;

    memcpy(&chunk, from, sizeof chunk);
    memcpy(lengths, from + sizeof chunk, count * sizeof *lengths);
    from += sizeof chunk + count * sizeof *lengths;
    for (uint32_t i = 0; i < count; i++) {
        out->renderings[i].wanted = chunk.wanted >> i & 1;
        out->renderings[i].bytes = (struct slice){from, lengths[i]};
        from += lengths[i];
    }
    return chunk.next;
}

/* The bytes of one record stay where they are; those of several are joined, in memory that was
 * reserved for all of the page. */
static void add_record(struct assembly *assembly, const struct parcel *parcel, uint32_t rendering,
                       bool is_only, struct page_target *out) {
    struct slice bytes = parcel->renderings[rendering].bytes;
    struct slice *all = &out->renderings[rendering].bytes;

    if (parcel->renderings[rendering].wanted)
        out->renderings[rendering].records++;
    else
        out->renderings[rendering].left_out++;
    if (is_only) {
        *all = bytes;
        return;
    }
    if (!all->len)
        all->ptr = assembly->joined.ptr + assembly->joined.len;
    all->len += bytes.len;
    buffer_add_slice(&assembly->joined, bytes);
}

static void gather_target(struct assembly *assembly, const struct slot *slot,
                          const struct entry *entry, struct page_target *out) {
    *out = (struct page_target){.fate = (enum page_fate)entry->fate,
                                .outcome = (enum outcome)entry->outcome,
                                .status = (enum status)entry->status};
    for (uint32_t i = 0; i < assembly->config.renderings; i++) {
        struct parcel parcel;
        for (uint32_t at = entry->first; at != NONE;) {
            at = read_chunk(assembly, slot, at, &parcel);
            add_record(assembly, &parcel, i, entry->records == 1, out);
        }
    }
}

static void open_page(struct assembly *assembly) {
    uint32_t number = assembly->first_complete, count = slot_targets(assembly, number);
    const struct entry *entries = &assembly->entries[number * PAGE_TARGETS];
    const struct slot *slot = &assembly->slots[number];
    bool joins = false;

    for (uint32_t i = 0; i < count; i++)
        joins |= entries[i].records > 1;
    if (joins && !buffer_reserve(&assembly->joined, slot->bytes.len)) {
        assembly->failed = true;
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        gather_target(assembly, slot, &entries[i], &assembly->targets[i]);
    assembly->spans[assembly->span_count++] = (struct page_span){
        .first = assembly->config.first + (uint64_t)number * PAGE_TARGETS,
        .count = count,
        .page_count = count,
    };
}

static void close_page(struct assembly *assembly) {
    struct slot *slot = &assembly->slots[assembly->first_complete];

    assembly->first_complete = slot->next;
    buffer_deinit(&slot->bytes);
    buffer_deinit(&assembly->joined);
    assembly->slots_left--;
}

static struct page_target *targets_of(struct assembly *assembly, struct page_span span) {
    return &assembly->targets[(span.first - 1) % PAGE_TARGETS];
}

static bool fits(struct assembly *assembly, struct page_span span) {
    const struct page_target *targets = targets_of(assembly, span);
    size_t bytes = PAGE_HEAD_BYTES_MAX;

    for (uint32_t i = 0; i < span.count; i++)
        bytes += page_target_bytes_max(&targets[i], assembly->config.renderings);
    return bytes <= assembly->config.message_max;
}

/* The next span, halved until it fits into a message. */
static struct page_span next_span(struct assembly *assembly) {
    struct page_span span = assembly->spans[--assembly->span_count];

    while (span.count > 1 && !fits(assembly, span)) {
        struct page_span half = span;
        span.count /= 2;
        half.first += span.count;
        half.count -= span.count;
        assembly->spans[assembly->span_count++] = half;
    }
    if (!fits(assembly, span)) {
        struct page_target *target = targets_of(assembly, span);
        *target = (struct page_target){
            .fate = target->fate == PAGE_PROBED ? PAGE_OVERSIZE : target->fate,
            .outcome = target->outcome,
            .status = target->status,
        };
    }
    return span;
}

bool assembly_take(struct assembly *assembly, struct buffer *body, char id[PAGE_ID_BYTES]) {
    const struct assembly_config *config = &assembly->config;

    if (!assembly->span_count && assembly->first_complete != NONE)
        open_page(assembly);
    if (!assembly->span_count || assembly->failed)
        return false;
    struct page_span span = next_span(assembly);
    body->len = 0;
    page_write(config->worker, span, targets_of(assembly, span), config->renderings, body);
    page_id(config->job, span.first, span.count, config->attempt, id);
    assembly->failed = body->failed;
    if (!assembly->span_count)
        close_page(assembly);
    return !assembly->failed;
}

bool assembly_is_complete(const struct assembly *assembly) {
    return !assembly->failed && !assembly->slots_left;
}

bool assembly_failed(const struct assembly *assembly) {
    return assembly->failed;
}
