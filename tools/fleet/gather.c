#include "tools/fleet/gather.h"

#include <stdlib.h>

enum { BUCKETS = GATHER_PAGES_MAX };

struct entry {
    struct gathered head; /* first: the owner's view */
    struct entry *next;   /* in its bucket */
    struct entry *next_whole;
    uint64_t covered; /* a bit for each target that is there */
    bool is_whole;
};

struct gather {
    struct entry *buckets[BUCKETS];
    struct entry *first_whole, **last_whole;
    uint32_t pages, partial;
    size_t bytes;
};

struct gather *gather_new(void) {
    struct gather *gather = calloc(1, sizeof *gather);

    if (gather)
        gather->last_whole = &gather->first_whole;
    return gather;
}

static void drop(void *owner, struct gathered *page) {
    gather_remove(owner, page);
}

void gather_free(struct gather *gather) {
    if (!gather)
        return;
    gather_each(gather, drop, gather);
    free(gather);
}

/* --- Entries --- */

static struct entry **bucket_of(struct gather *gather, uint64_t page) {
    return &gather->buckets[page % BUCKETS];
}

static struct entry *find(const struct gather *gather, uint64_t page) {
    struct entry *entry = gather->buckets[page % BUCKETS];

    while (entry && entry->head.page != page)
        entry = entry->next;
    return entry;
}

static struct entry *add_entry(struct gather *gather, const struct page_message *page) {
    struct entry *entry = gather_is_full(gather) ? NULL : calloc(1, sizeof *entry);
    uint64_t number = page_of(page->span.first);
    struct entry **bucket = bucket_of(gather, number);

    if (!entry)
        return NULL;
    entry->head.page = number;
    entry->head.count = page->span.page_count;
    entry->next = *bucket;
    *bucket = entry;
    gather->pages++;
    return entry;
}

static void unlink_whole(struct gather *gather, struct entry *entry) {
    struct entry **at = &gather->first_whole;

    while (*at != entry)
        at = &(*at)->next_whole;
    *at = entry->next_whole;
    if (gather->last_whole == &entry->next_whole)
        gather->last_whole = at;
}

void gather_remove(struct gather *gather, struct gathered *page) {
    struct entry *entry = (struct entry *)page;
    struct entry **at = bucket_of(gather, page->page);

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    if (entry->is_whole && !page->is_out)
        unlink_whole(gather, entry);
    if (!entry->is_whole)
        gather->partial -= page->message_count;
    gather->bytes -= page->bytes;
    gather->pages--;
    free(entry);
}

void gather_each(struct gather *gather, void (*each)(void *owner, struct gathered *page),
                 void *owner) {
    for (uint32_t i = 0; i < BUCKETS; i++)
        for (struct entry *entry = gather->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            each(owner, &entry->head);
        }
}

/* --- Messages --- */

static uint64_t bits(uint32_t count) {
    return count >= PAGE_TARGETS ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

_Static_assert(PAGE_TARGETS == 64, "a bit of a word for each target");

static bool has_message(const struct gathered *page, uint64_t sequence) {
    for (uint32_t i = 0; i < page->message_count; i++)
        if (page->sequences[i] == sequence)
            return true;
    return false;
}

static void become_whole(struct gather *gather, struct entry *entry) {
    entry->is_whole = true;
    entry->next_whole = NULL;
    gather->partial -= entry->head.message_count;
    *gather->last_whole = entry;
    gather->last_whole = &entry->next_whole;
}

/* False when the message has nothing that is missing. */
static bool keep(struct gather *gather, struct entry *entry, const struct page_message *page,
                 void *message, uint64_t sequence, size_t bytes) {
    struct gathered *head = &entry->head;
    uint32_t from = (uint32_t)((page->span.first - 1) % PAGE_TARGETS);
    uint64_t missing = bits(page->span.count) << from & ~entry->covered;

    if (!missing || head->count != page->span.page_count)
        return false;
    for (uint32_t i = 0; i < page->span.count; i++)
        if (missing >> (from + i) & 1)
            head->targets[from + i] = page->targets[i];
    entry->covered |= missing;
    head->messages[head->message_count] = message;
    head->sequences[head->message_count++] = sequence;
    head->bytes += bytes;
    gather->bytes += bytes;
    gather->partial++;
    if (entry->covered == bits(head->count))
        become_whole(gather, entry);
    return true;
}

enum gathering gather_add(struct gather *gather, const struct page_message *page, void *message,
                          uint64_t sequence, size_t bytes, struct gathered **out) {
    struct entry *entry = find(gather, page_of(page->span.first));

    if (!entry && !(entry = add_entry(gather, page)))
        return GATHER_FULL;
    if (out)
        *out = &entry->head;
    if (has_message(&entry->head, sequence))
        return GATHER_THE_SAME;
    return keep(gather, entry, page, message, sequence, bytes) ? GATHER_KEPT : GATHER_KNOWN;
}

struct gathered *gather_take(struct gather *gather) {
    struct entry *entry = gather->first_whole;

    if (!entry)
        return NULL;
    gather->first_whole = entry->next_whole;
    if (!gather->first_whole)
        gather->last_whole = &gather->first_whole;
    entry->head.is_out = true;
    return &entry->head;
}

bool gather_is_full(const struct gather *gather) {
    return gather->pages >= GATHER_PAGES_MAX || gather->bytes >= GATHER_BYTES_MAX;
}

uint32_t gather_partial(const struct gather *gather) {
    return gather->partial;
}
