/* What a record says of what its entry matches. */
#include "engine/base/limits.h"
#include "engine/decode/worker.h"

/* --- Texts, each once: a certificate may have thousands of names and match thousands of entries
 * ---
 */

enum { SLOTS = 4 * LIMIT_CT_MATCHES };

struct texts {
    struct slice items[LIMIT_CT_MATCHES];
    uint32_t count;
    uint16_t slots[SLOTS]; /* a number of an item plus one; 0: empty */
};

static uint32_t hash_text(struct slice text) {
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ text.ptr[i]) * 16777619u;
    return hash ^ hash >> 16;
}

/* Notes a text that is not there yet, and that is not one too many. */
static void add_text(struct texts *texts, struct slice text, const struct draft *draft) {
    uint32_t at = hash_text(text) % SLOTS;

    for (; texts->slots[at]; at = (at + 1) % SLOTS)
        if (slice_equal(texts->items[texts->slots[at] - 1], text))
            return;
    if (text.len == 0 || texts->count == LIMIT_CT_MATCHES)
        return;
    texts->items[texts->count++] = arena_copy(draft->memory, text);
    texts->slots[at] = (uint16_t)texts->count;
}

static struct slice_list list_of(const struct texts *texts, const struct draft *draft) {
    struct slice *items = arena_take(draft->memory, texts->count * sizeof *items);

    if (!items || texts->count == 0)
        return (struct slice_list){NULL, 0};
    memcpy(items, texts->items, texts->count * sizeof *items);
    return (struct slice_list){items, texts->count};
}

/* --- Names and entries --- */

static void add_name(const struct decode_worker *worker, struct texts *texts, uint32_t name,
                     const struct draft *draft) {
    char text[MATCH_TEXT_MAX];

    add_text(texts, match_names_display(&worker->names, name, text), draft);
}

static void fill_names(const struct decode_worker *worker, const struct draft *draft) {
    const struct item *item = draft->item;
    struct texts texts;

    texts.count = 0;
    memset(texts.slots, 0, sizeof texts.slots);
    for (uint32_t i = 0; i < item->hit_count; i++)
        add_name(worker, &texts, worker->hits.items[item->hits + i].name, draft);
    for (uint32_t i = 0; i < item->lookalike_count; i++)
        add_name(worker, &texts, worker->lookalike_hits.items[item->lookalikes + i].name, draft);
    draft->record->matched_names = list_of(&texts, draft);
}

static void fill_entries(const struct decode_worker *worker, const struct draft *draft) {
    const struct watch_hit *hits = worker->hits.items + draft->item->hits;
    struct texts texts;

    texts.count = 0;
    memset(texts.slots, 0, sizeof texts.slots);
    for (uint32_t i = 0; i < draft->item->hit_count; i++)
        if (hits[i].entry != WATCH_MORE)
            add_text(&texts, watch_list_entry(worker->watch_list, hits[i].entry).text, draft);
    draft->record->matched_entries = list_of(&texts, draft);
}

/* --- Brands --- */

static const struct lookalike_hit *best_of(const struct decode_worker *worker,
                                           const struct item *item) {
    const struct lookalike_hit *hits = worker->lookalike_hits.items + item->lookalikes;
    const struct lookalike_hit *best = hits;

    for (uint32_t i = 1; i < item->lookalike_count; i++)
        if (hits[i].score > best->score)
            best = &hits[i];
    return best;
}

static void fill_lookalike(struct decode_worker *worker, const struct draft *draft) {
    const struct lookalike_hit *best = best_of(worker, draft->item);
    struct ct_record *record = draft->record;
    struct buffer *kinds = &worker->text;

    kinds->len = 0;
    for (unsigned bit = 1; bit <= LOOKALIKE_SUBDOMAIN; bit <<= 1) {
        if (!(best->kinds & bit))
            continue;
        if (kinds->len)
            buffer_add_text(kinds, ", ");
        buffer_add_text(kinds, lookalike_kind_name((enum lookalike_kind)bit));
    }
    record->lookalike = arena_copy(draft->memory, buffer_slice(kinds));
    record->brand = arena_copy(draft->memory,
                               lookalikes_brand(worker->decoder->config.lookalikes, best->brand));
    record->lookalike_score = best->score;
}

void fill_matches(struct decode_worker *worker, const struct draft *draft) {
    if (draft->item->hit_count)
        fill_entries(worker, draft);
    if (draft->item->hit_count || draft->item->lookalike_count)
        fill_names(worker, draft);
    if (draft->item->lookalike_count)
        fill_lookalike(worker, draft);
}
