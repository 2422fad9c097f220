#include "tests/sim/sim_log.h"

#include "engine/ct/merkle.h"
#include "engine/ct/range.h"

#include <assert.h>

enum { THOUSAND = 1000, USUAL_MS = 200, LATE_MS = 90 * 1000, RETRY_AFTER_MS = 100 * 1000 };

/* --- Trees --- */

void sim_tree_init(struct sim_tree *tree) {
    for (uint64_t i = 0; i < SIM_LOG_ENTRIES_MAX; i++)
        tree->levels[0][i] = ct_leaf_hash((struct slice){(const uint8_t *)&i, sizeof i});
    for (unsigned level = 1; level < 14; level++)
        ct_level_hash(tree->levels[level - 1], (size_t)SIM_LOG_ENTRIES_MAX >> level,
                      tree->levels[level]);
}

void sim_tree_range(const struct sim_tree *tree, uint64_t begin, uint64_t end,
                    struct ct_range *out) {
    ct_range_init(out, begin);
    while (out->end < end) {
        unsigned level = 0;
        while (level < 13 && out->end % ((uint64_t)2 << level) == 0 &&
               out->end + ((uint64_t)2 << level) <= end)
            level++;
        bool appended =
            ct_range_append_subtree(out, level, &tree->levels[level][out->end >> level]);
        assert(appended);
    }
}

struct ct_head sim_log_head(const struct sim_log *log, uint64_t size) {
    struct ct_range range;

    sim_tree_range(log->tree, 0, size, &range);
    return (struct ct_head){.tree_size = size, .timestamp_ms = size, .root = ct_range_root(&range)};
}

/* --- Chance --- */

static bool happens(struct sim_log *log, uint32_t share) {
    return !log->well && random_below(&log->random, THOUSAND) < share;
}

static uint64_t below(struct sim_log *log, uint64_t bound) {
    return random_below(&log->random, bound);
}

static bool is_right(const struct sim_log *log, const struct ct_head *head) {
    if (head->tree_size > log->size)
        return false;
    struct ct_head right = sim_log_head(log, head->tree_size);
    return ct_hash_equal(&right.root, &head->root);
}

/* --- Answers --- */

static void fail(struct sim_answer *out, enum want_trouble trouble) {
    out->kind = SIM_TROUBLE;
    out->trouble = trouble;
}

static void answer_head(struct sim_log *log, struct sim_answer *out) {
    const struct sim_log_faults *faults = &log->faults;

    out->kind = SIM_HEAD;
    out->head = sim_log_head(log, log->size);
    if (happens(log, faults->forged_head)) {
        fail(out, WANT_FORGED);
    } else if (happens(log, faults->old_head)) {
        uint64_t back = below(log, 300);
        out->head = sim_log_head(log, back < log->size ? log->size - back : 0);
    } else if (happens(log, faults->small_head)) {
        out->head = sim_log_head(log, below(log, log->size + 1));
    } else if (happens(log, faults->other_root) && log->size) {
        out->head.root.bytes[below(log, CT_HASH_BYTES)] ^= 1;
    } else if (happens(log, faults->huge_head)) {
        out->head.tree_size = below(log, 2) ? CT_TREE_SIZE_MAX : log->size + 1 + below(log, 5000);
        out->head.root.bytes[0] ^= 1;
    }
}

static void answer_proof(struct sim_log *log, struct sim_answer *out) {
    if (out->want.head.tree_size > log->size) {
        fail(out, WANT_REFUSED);
        return;
    }
    if (!is_right(log, &out->want.head) || happens(log, log->faults.no_proof) ||
        (log->no_proofs && !log->well)) {
        fail(out, WANT_BROKEN);
        return;
    }
    out->kind = SIM_PROOF;
    sim_tree_range(log->tree, 0, out->want.first, &out->range);
}

static void answer_tail(struct sim_log *log, struct sim_answer *out) {
    const struct follower_want *want = &out->want;
    uint64_t begin = want->first / CT_TILE_WIDTH * CT_TILE_WIDTH;

    if (begin + want->width > log->size) {
        fail(out, WANT_REFUSED);
        return;
    }
    out->kind = SIM_TAIL;
    memcpy(out->hashes, &log->tree->levels[0][begin], want->width * sizeof out->hashes[0]);
    if (happens(log, log->faults.wrong_tail))
        out->hashes[below(log, want->width)].bytes[3] ^= 1;
}

/* A page with one leaf changed. */
static void change_leaf(const struct sim_log *log, uint64_t index, struct sim_answer *out) {
    struct ct_hash leaves[CT_TILE_WIDTH];
    uint64_t first = out->page_first;

    memcpy(leaves, &log->tree->levels[0][first], out->page_entries * sizeof leaves[0]);
    leaves[index - first].bytes[7] ^= 1;
    ct_range_init(&out->range, first);
    bool appended = ct_range_append(&out->range, leaves, out->page_entries);
    assert(appended);
}

static void lie(struct sim_log *log, struct sim_answer *out) {
    uint64_t *first = &out->page_first;

    switch (below(log, 4)) {
    case 0:
        *first += 1 + below(log, 300);
        break;
    case 1:
        *first -= *first ? 1 : 0;
        break;
    case 2:
        out->page_entries += 1 + (uint32_t)below(log, 20);
        break;
    default:
        out->page_entries = 0;
    }
    if (*first + out->page_entries <= SIM_LOG_ENTRIES_MAX && below(log, 2))
        sim_tree_range(log->tree, *first, *first + out->page_entries, &out->range);
}

static void answer_page(struct sim_log *log, struct sim_answer *out) {
    const struct follower_want *want = &out->want;
    uint64_t first = want->first, entries = want->count;

    if (first >= log->size || (log->tiles && first - want->skip + want->width > log->size)) {
        fail(out, WANT_REFUSED);
        return;
    }
    if (entries > log->size - first)
        entries = log->size - first;
    if (!log->tiles && entries > log->page_most)
        entries = log->page_most;
    if (!log->tiles && happens(log, log->faults.short_page))
        entries = 1 + below(log, entries);
    out->kind = SIM_PAGE;
    out->page_first = first;
    out->page_entries = (uint32_t)entries;
    sim_tree_range(log->tree, first, first + entries, &out->range);
    if (!log->well && log->wrong_from < first + entries && log->wrong_to > first)
        change_leaf(log, log->wrong_from > first ? log->wrong_from : first, out);
    else if (happens(log, log->faults.wrong_leaf))
        change_leaf(log, first + below(log, entries), out);
    if (happens(log, log->faults.lying_page))
        lie(log, out);
}

static bool is_trouble(struct sim_log *log, struct sim_answer *out) {
    const struct sim_log_faults *faults = &log->faults;

    if (happens(log, faults->silent)) {
        fail(out, WANT_UNANSWERED);
    } else if (happens(log, faults->throttled)) {
        fail(out, WANT_THROTTLED);
        if (below(log, 2))
            out->retry_after_ms = (int64_t)below(log, RETRY_AFTER_MS);
    } else if (happens(log, faults->refused)) {
        fail(out, WANT_REFUSED);
    } else if (happens(log, faults->broken)) {
        fail(out, WANT_BROKEN);
    } else {
        return false;
    }
    return true;
}

void sim_log_answer(struct sim_log *log, const struct follower_want *want, struct sim_answer *out) {
    out->want = *want;
    out->retry_after_ms = -1;
    out->after_ms = 1 + (int64_t)below(log, USUAL_MS);
    if (happens(log, log->faults.late))
        out->after_ms += (int64_t)below(log, LATE_MS);
    out->twice = happens(log, log->faults.twice);
    if (is_trouble(log, out))
        return;
    switch (want->kind) {
    case WANT_HEAD:
        answer_head(log, out);
        return;
    case WANT_PROOF:
        answer_proof(log, out);
        return;
    case WANT_TAIL:
        answer_tail(log, out);
        return;
    case WANT_PAGE:
        answer_page(log, out);
        return;
    }
}
