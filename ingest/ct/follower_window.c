/* The pages of a log that are under way, or wait for their turn. */
#include "ingest/ct/follower_internal.h"

enum { GROW_AFTER = 32 }; /* full answers until more is asked for again */

bool window_is_full(const struct follower *follower) {
    return follower->segment_count == follower->config.window;
}

uint32_t window_unproven(const struct follower *follower) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < follower->segment_count; i++) {
        const struct segment *segment = &follower->segments[i];
        if (segment->state != SEGMENT_MERGED)
            break;
        count += segment->first + segment->count > follower->verified.end;
    }
    return count;
}

/* --- What is asked for --- */

static void insert_segment(struct follower *follower, uint32_t at, uint64_t first, uint32_t count) {
    struct segment *segment = &follower->segments[at];

    memmove(segment + 1, segment, (follower->segment_count - at) * sizeof *segment);
    follower->segment_count++;
    *segment = (struct segment){.state = SEGMENT_MISSING, .first = first, .count = count};
    asking_reset(&segment->asking);
}

/* How many entries the next segment asks for: up to the end of a tile, or as many as the log gives.
 */
static uint32_t next_count(const struct follower *follower) {
    uint64_t left = follower->target.end - follower->next;
    uint64_t most = follower->config.tiles ? CT_TILE_WIDTH - follower->next % CT_TILE_WIDTH
                                           : follower->page_entries;

    return (uint32_t)(left < most ? left : most);
}

struct segment *window_next(struct follower *follower, int64_t now_ms, int64_t *wake_ms) {
    if (!follower->target.set)
        return NULL;
    for (uint32_t i = 0; i < follower->segment_count; i++) {
        struct segment *segment = &follower->segments[i];
        if (segment->state == SEGMENT_MISSING && asking_is_due(&segment->asking, now_ms, wake_ms))
            return segment;
    }
    if (follower->next >= follower->target.end || window_is_full(follower))
        return NULL;
    uint32_t count = next_count(follower);
    insert_segment(follower, follower->segment_count, follower->next, count);
    follower->next += count;
    return &follower->segments[follower->segment_count - 1];
}

struct segment *window_find(struct follower *follower, const struct follower_want *want) {
    for (uint32_t i = 0; i < follower->segment_count; i++) {
        struct segment *segment = &follower->segments[i];
        if (segment->state == SEGMENT_MISSING && segment->asking.asked &&
            segment->asking.number == want->number)
            return segment;
    }
    return NULL;
}

/* --- What came --- */

/* Two short answers of the same size are the log's limit; it may be raised, too. */
static void learn_page_size(struct follower *follower, uint32_t asked, uint32_t got) {
    if (got < asked) {
        if (got < follower->page_entries && got == follower->short_entries)
            follower->page_entries = got;
        follower->short_entries = got;
        follower->full_answers = 0;
    } else if (asked == follower->page_entries && ++follower->full_answers == GROW_AFTER) {
        follower->page_entries =
            2 * asked < follower->config.page_entries ? 2 * asked : follower->config.page_entries;
        follower->full_answers = 0;
    }
}

/* A short answer: what is missing is asked for next. In a full window the last segment makes room
 * for it, and is planned anew when its turn comes. */
static void split(struct follower *follower, struct segment *segment, uint32_t entries) {
    uint32_t at = (uint32_t)(segment - follower->segments);
    uint64_t rest = segment->first + entries;
    uint32_t rest_count = segment->count - entries;

    segment->count = entries;
    if (window_is_full(follower))
        window_drop_behind(follower, at + 1 == follower->segment_count
                                         ? rest
                                         : follower->segments[follower->segment_count - 1].first);
    if (follower->next > rest)
        insert_segment(follower, at + 1, rest, rest_count);
}

bool window_take(struct follower *follower, struct segment *segment, struct page *page) {
    if (page->first != segment->first || page->entries == 0 || page->entries > segment->count ||
        page->range.begin != page->first || page->range.end != page->first + page->entries)
        return false;
    if (!follower->config.tiles)
        learn_page_size(follower, segment->count, page->entries);
    if (page->entries < segment->count)
        split(follower, segment, page->entries);
    segment->page = page;
    segment->state = SEGMENT_DECODED;
    return true;
}

void window_merge(struct follower *follower) {
    for (uint32_t i = 0; i < follower->segment_count; i++) {
        struct segment *segment = &follower->segments[i];
        if (segment->state == SEGMENT_MERGED)
            continue;
        if (segment->state != SEGMENT_DECODED ||
            !ct_range_merge(&follower->tree, &segment->page->range))
            return;
        segment->state = SEGMENT_MERGED;
    }
}

void window_drop_behind(struct follower *follower, uint64_t entry) {
    uint32_t keep = 0;

    while (keep < follower->segment_count &&
           follower->segments[keep].first + follower->segments[keep].count <= entry)
        keep++;
    for (uint32_t i = keep; i < follower->segment_count; i++)
        page_free(follower->segments[i].page);
    follower->segment_count = keep;
    follower->next = entry;
}

/* --- What leaves --- */

struct page *follower_ready(struct follower *follower) {
    const struct segment *first = &follower->segments[0];

    if (!follower->segment_count || first->state != SEGMENT_MERGED)
        return NULL;
    bool proven = first->first + first->count <= follower->verified.end;
    if (!proven && !(follower->proof.tries >= UNPROVEN_AFTER && window_is_full(follower)))
        return NULL;
    ct_range_copy(&follower->then_committed, &follower->committed);
    if (!ct_range_merge(&follower->then_committed, &first->page->range))
        return NULL; /* cannot be: they follow each other */
    return first->page;
}

void follower_committed(struct follower *follower) {
    struct segment *first = &follower->segments[0];

    ct_range_copy(&follower->committed, &follower->then_committed);
    follower->segment_count--;
    memmove(first, first + 1, follower->segment_count * sizeof *first);
    follower->moved = true;
}
