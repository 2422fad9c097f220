#include "ingest/ct/follower.h"

#include "engine/base/limits.h"
#include "ingest/ct/follower_internal.h"

#include <stdlib.h>

enum { RETRY_MS = 1000 };

/* --- Making and freeing --- */

static uint32_t between(uint32_t value, uint32_t least, uint32_t most) {
    return value < least ? least : value > most ? most : value;
}

static void take_config(struct follower *follower, const struct follower_config *config) {
    follower->config = *config;
    follower->config.window = between(config->window, FOLLOWER_WINDOW_MIN, FOLLOWER_WINDOW_MAX);
    follower->config.page_entries =
        config->tiles ? CT_TILE_WIDTH : between(config->page_entries, 1, LIMIT_GET_ENTRIES);
    follower->page_entries = follower->config.page_entries;
    if (!config->retry_ms)
        follower->config.retry_ms = RETRY_MS;
}

enum error follower_new(struct follower **out, const struct follower_config *config,
                        struct slice saved, struct failure *failure) {
    struct follower *follower = calloc(1, sizeof *follower);

    if (!follower)
        return failure_set(failure, ERROR_MEMORY, "no memory to follow a log");
    take_config(follower, config);
    random_init(&follower->random, config->seed);
    asking_reset(&follower->head);
    asking_reset(&follower->proof);
    asking_reset(&follower->tail);
    follower->quiet_until_ms = follower->next_ask_ms = follower->partial_since_ms = INT64_MIN;
    if (config->from == FEED_FROM_SAVED && saved.len) {
        if (!follower_restore(follower, saved)) {
            follower_free(follower);
            return failure_set(failure, ERROR_INPUT, "the saved position cannot be read");
        }
    } else if (config->from == FEED_FROM_INDEX && config->from_index == 0) {
        follower->started = true;
    }
    *out = follower;
    return ERROR_NONE;
}

void follower_free(struct follower *follower) {
    if (!follower)
        return;
    for (uint32_t i = 0; i < follower->segment_count; i++)
        page_free(follower->segments[i].page);
    free(follower);
}

/* --- What it wants --- */

static struct asking *want_head(struct follower *follower, int64_t now_ms,
                                struct follower_want *want, int64_t *wake_ms) {
    if (!asking_is_due(&follower->head, now_ms, wake_ms))
        return NULL;
    *want = (struct follower_want){.kind = WANT_HEAD};
    return &follower->head;
}

static struct asking *want_beginning(struct follower *follower, int64_t now_ms,
                                     struct follower_want *want, int64_t *wake_ms) {
    const struct follower_config *config = &follower->config;
    uint64_t size = follower->newest.tree_size, first = size;

    if (follower->started || !follower->has_head)
        return NULL;
    if (config->from == FEED_FROM_INDEX && config->from_index < size)
        first = config->from_index;
    if (first == 0) {
        follower->started = follower->moved = true;
        return NULL;
    }
    if (!asking_is_due(&follower->proof, now_ms, wake_ms))
        return NULL;
    *want = (struct follower_want){.kind = WANT_PROOF, .first = first, .head = follower->newest};
    return &follower->proof;
}

/* Each time that a quarter of the window waits for it, unless the target's own end is near; and at
 * once for what left without one. */
static struct asking *want_proof(struct follower *follower, int64_t now_ms,
                                 struct follower_want *want, int64_t *wake_ms) {
    const struct target *target = &follower->target;
    uint64_t end = follower->tree.end;
    uint32_t enough = follower->config.window / 4;

    if (!target->set || end <= follower->verified.end || end >= target->end)
        return NULL;
    bool far = target->end - end > (uint64_t)enough * follower->page_entries;
    bool waited_for = window_unproven(follower) >= enough && (far || window_is_full(follower));
    if (!waited_for && follower->committed.end <= follower->verified.end)
        return NULL;
    if (!asking_is_due(&follower->proof, now_ms, wake_ms))
        return NULL;
    ct_range_copy(&follower->to_prove, &follower->tree);
    *want = (struct follower_want){.kind = WANT_PROOF, .first = end, .head = target->head};
    return &follower->proof;
}

static struct asking *want_tail(struct follower *follower, int64_t now_ms,
                                struct follower_want *want, int64_t *wake_ms) {
    const struct target *target = &follower->target;

    if (!target->set || target->end == target->head.tree_size ||
        follower->tree.end != target->end || !asking_is_due(&follower->tail, now_ms, wake_ms))
        return NULL;
    *want = (struct follower_want){
        .kind = WANT_TAIL,
        .first = target->end,
        .count = (uint32_t)(target->head.tree_size - target->end),
        .skip = (uint32_t)(target->end % CT_TILE_WIDTH),
        .width = (uint32_t)(target->head.tree_size % CT_TILE_WIDTH),
        .head = target->head,
    };
    return &follower->tail;
}

static struct asking *want_page(struct follower *follower, int64_t now_ms,
                                struct follower_want *want, int64_t *wake_ms) {
    struct segment *segment = window_next(follower, now_ms, wake_ms);
    const struct ct_head *head = &follower->target.head;

    if (!segment)
        return NULL;
    *want = (struct follower_want){
        .kind = WANT_PAGE, .first = segment->first, .count = segment->count, .head = *head};
    if (follower->config.tiles) {
        want->skip = (uint32_t)(segment->first % CT_TILE_WIDTH);
        want->width = ct_tile_width(0, segment->first / CT_TILE_WIDTH, head->tree_size);
    }
    return &segment->asking;
}

/* When the entries of a tile that does not become full are fetched after all. */
static void wake_for_partial(const struct follower *follower, int64_t now_ms, int64_t *wake_ms) {
    if (follower->partial_since_ms == INT64_MIN || follower->target.set)
        return;
    int64_t due_ms = follower->partial_since_ms + follower->config.partial_after_ms;
    if (due_ms > now_ms && due_ms < *wake_ms)
        *wake_ms = due_ms;
}

bool follower_next(struct follower *follower, int64_t now_ms, struct follower_want *want,
                   int64_t *wake_ms) {
    *wake_ms = INT64_MAX;
    if (follower_progress(follower).done || follower_is_quiet(follower, now_ms, wake_ms))
        return false;
    struct asking *asking = want_head(follower, now_ms, want, wake_ms);
    if (!asking)
        asking = want_beginning(follower, now_ms, want, wake_ms);
    if (!asking) {
        follower_choose_target(follower, now_ms);
        if (follower_is_quiet(follower, now_ms, wake_ms))
            return false; /* the tree was complete, and not the head's */
    }
    if (!asking)
        asking = want_proof(follower, now_ms, want, wake_ms);
    if (!asking)
        asking = want_tail(follower, now_ms, want, wake_ms);
    if (!asking)
        asking = want_page(follower, now_ms, want, wake_ms);
    if (!asking) {
        wake_for_partial(follower, now_ms, wake_ms);
        return false;
    }
    asking->asked = true;
    asking->number = want->number = ++follower->number;
    follower->next_ask_ms = now_ms + follower->pace_ms;
    return true;
}

/* --- Answers --- */

/* What the want is asked for by; NULL when its answer is not waited for any more. */
static struct asking *asking_of(struct follower *follower, const struct follower_want *want) {
    struct asking *asking = NULL;
    struct segment *segment;

    switch (want->kind) {
    case WANT_HEAD:
        asking = &follower->head;
        break;
    case WANT_PROOF:
        asking = &follower->proof;
        break;
    case WANT_TAIL:
        asking = &follower->tail;
        break;
    case WANT_PAGE:
        segment = window_find(follower, want);
        return segment ? &segment->asking : NULL;
    }
    return asking->asked && asking->number == want->number ? asking : NULL;
}

void follower_head(struct follower *follower, int64_t now_ms, const struct follower_want *want,
                   const struct ct_head *head) {
    struct asking *asking = asking_of(follower, want);

    follower_note_answer(follower, want, asking);
    follower->told_forged = false;
    if (asking)
        follower_take_head(follower, now_ms, head);
}

void follower_proof(struct follower *follower, int64_t now_ms, const struct follower_want *want,
                    const struct ct_range *range) {
    struct asking *asking = asking_of(follower, want);

    follower_note_answer(follower, want, asking);
    if (!asking || range->begin != 0 || range->end != want->first)
        return;
    if (follower->started) {
        follower_compare_proof(follower, now_ms, range);
        return;
    }
    follower->started = follower->moved = true;
    follower->newest_proven = true;
    ct_range_copy(&follower->tree, range);
    ct_range_copy(&follower->committed, range);
    ct_range_copy(&follower->verified, range);
    follower->next = range->end;
}

void follower_tail(struct follower *follower, int64_t now_ms, const struct follower_want *want,
                   const struct ct_hash *hashes) {
    struct asking *asking = asking_of(follower, want);

    follower_note_answer(follower, want, asking);
    if (asking)
        follower_compare(follower, now_ms, hashes + want->skip, want->count);
}

void follower_page(struct follower *follower, int64_t now_ms, const struct follower_want *want,
                   struct page *page) {
    struct segment *segment = window_find(follower, want);

    if (!segment) {
        follower_note_answer(follower, want, NULL);
        page_free(page);
        return;
    }
    if (!window_take(follower, segment, page)) {
        page_free(page);
        follower_failed(follower, now_ms, want, WANT_BROKEN, -1,
                        "the page has other entries than were asked for");
        return;
    }
    follower_note_answer(follower, want, &segment->asking);
    follower->told_broken = false;
    window_merge(follower);
    follower_compare(follower, now_ms, NULL, 0);
}

void follower_failed(struct follower *follower, int64_t now_ms, const struct follower_want *want,
                     enum want_trouble trouble, int64_t retry_after_ms, const char *words) {
    struct asking *asking = asking_of(follower, want);

    follower_note_trouble(follower, now_ms, want, asking, trouble, retry_after_ms, words);
    if (asking && want->kind != WANT_HEAD)
        follower_doubt_head(follower, now_ms);
}

/* --- How far it is --- */

bool follower_moved(struct follower *follower, struct log_position *out,
                    uint8_t bytes[FOLLOWER_SAVED_MAX]) {
    if (!follower->moved || !follower->started)
        return false;
    follower->moved = false;
    struct follower_progress progress = follower_progress(follower);
    *out = (struct log_position){
        .committed = progress.committed,
        .verified = progress.verified,
        .head = progress.head,
        .saved = {bytes, follower_save(follower, bytes)},
    };
    return true;
}

struct follower_progress follower_progress(const struct follower *follower) {
    uint64_t committed = follower->committed.end, verified = follower->verified.end;

    return (struct follower_progress){
        .committed = committed,
        .verified = verified < committed ? verified : committed,
        .head = follower->newest.tree_size,
        .done = follower->config.to_the_end && follower->has_until && follower->started &&
                verified >= follower->until && committed >= follower->until,
        .troubled = follower->told_unreachable || follower->mismatches,
    };
}
