/* Heads: the newest, the one that is worked towards, and whether the entries make its tree. */
#include "ingest/ct/follower_internal.h"

#include <inttypes.h>

enum {
    MISMATCH_WAITS = 10,          /* as long as after another failure */
    CATCH_UP_HEAD_MS = 60 * 1000, /* between heads while far from the end */
};

static bool is_same_head(const struct ct_head *a, const struct ct_head *b) {
    return a->tree_size == b->tree_size && ct_hash_equal(&a->root, &b->root);
}

static bool is_same_range(const struct ct_range *a, const struct ct_range *b) {
    return a->begin == b->begin && a->end == b->end &&
           memcmp(a->nodes, b->nodes, a->count * sizeof *a->nodes) == 0;
}

/* --- The target --- */

/* Of a static-ct log the entries of the last tile may wait until it is full. */
static uint64_t end_for(struct follower *follower, int64_t now_ms) {
    uint64_t size = follower->newest.tree_size;
    uint64_t full = size - size % CT_TILE_WIDTH;

    if (!follower->config.tiles || follower->config.to_the_end || full == size)
        return size;
    if (full > follower->tree.end) {
        follower->partial_since_ms = INT64_MIN;
        return full;
    }
    if (follower->partial_since_ms == INT64_MIN)
        follower->partial_since_ms = now_ms;
    return now_ms - follower->partial_since_ms >= follower->config.partial_after_ms
               ? size
               : follower->tree.end;
}

void follower_choose_target(struct follower *follower, int64_t now_ms) {
    uint64_t size = follower->newest.tree_size;

    if (follower->target.set || !follower->has_head || !follower->started ||
        size <= follower->verified.end || size < follower->tree.end)
        return;
    /* The head itself may have been what was wrong: look at another one first. */
    if (follower->mismatches && follower->head.asked)
        return;
    uint64_t end = end_for(follower, now_ms);
    if (end == follower->verified.end)
        return; /* nothing is new but what waits for its tile */
    follower->target = (struct target){.set = true, .head = follower->newest, .end = end};
    follower->troubles = 0;
    follower_compare(follower, now_ms, NULL, 0);
}

static void drop_target(struct follower *follower) {
    follower->target.set = false;
    follower->troubles = 0;
    asking_reset(&follower->proof);
    asking_reset(&follower->tail);
}

/* What need not be fetched again when the head turns out to be wrong, and the entries with it. */
static const struct ct_range *sure(const struct follower *follower) {
    return follower->committed.end > follower->verified.end ? &follower->committed
                                                            : &follower->verified;
}

/* Another head is worked towards, with what is in the tree already, if it has as many entries. */
static void change_target(struct follower *follower, int64_t now_ms) {
    const struct target *target = &follower->target;
    uint64_t size = follower->newest.tree_size;

    if (!target->set || follower->troubles < RETARGET_AFTER ||
        is_same_head(&target->head, &follower->newest))
        return;
    drop_target(follower);
    if (size < follower->tree.end)
        ct_range_copy(&follower->tree, sure(follower));
    window_drop_behind(follower, follower->tree.end);
    follower_choose_target(follower, now_ms);
}

void follower_doubt_head(struct follower *follower, int64_t now_ms) {
    if (++follower->troubles % RETARGET_AFTER == 0 && !follower->head.asked)
        follower->head.due_ms = now_ms;
    change_target(follower, now_ms);
}

/* --- Heads --- */

/* Normal between front ends of a log. But where the newest head cannot be reached it may never have
 * been right. */
static bool is_better(const struct follower *follower, const struct ct_head *smaller) {
    return follower->troubles >= RETARGET_AFTER && smaller->tree_size >= sure(follower)->end;
}

static bool is_newest(struct follower *follower, const struct ct_head *head) {
    const struct ct_head *newest = &follower->newest;

    if (!follower->has_head)
        return true;
    if (head->tree_size < newest->tree_size) {
        follower_tell(follower, FEED_HEAD_SHRANK,
                      "a head of size %" PRIu64 " came after one of %" PRIu64, head->tree_size,
                      newest->tree_size);
        return is_better(follower, head);
    }
    if (head->tree_size > newest->tree_size || is_same_head(head, newest)) {
        follower->told_equivocation = false;
        return true;
    }
    if (!follower->told_equivocation)
        follower_tell(follower, FEED_EQUIVOCATION,
                      "two heads of size %" PRIu64 " have different roots", head->tree_size);
    follower->told_equivocation = true;
    return !follower->newest_proven;
}

/* A newer head is of no use for now. */
static bool is_far_behind(const struct follower *follower) {
    return follower->target.set && follower->target.end - follower->tree.end >
                                       (uint64_t)follower->config.window * follower->page_entries;
}

void follower_take_head(struct follower *follower, int64_t now_ms, const struct ct_head *head) {
    if (is_newest(follower, head)) {
        follower->newest_proven &= is_same_head(head, &follower->newest);
        follower->newest = *head;
        follower->has_head = true;
    }
    follower->has_until = true;
    follower->until = follower->newest.tree_size;
    uint32_t wait_ms = follower->config.head_interval_ms;
    if (is_far_behind(follower) && wait_ms < CATCH_UP_HEAD_MS)
        wait_ms = CATCH_UP_HEAD_MS;
    follower->head.due_ms =
        follower->config.to_the_end ? INT64_MAX : now_ms + follower_jittered(follower, wait_ms);
    change_target(follower, now_ms);
}

/* --- Proven, or not --- */

static void prove(struct follower *follower, const struct ct_range *range,
                  const struct ct_head *head) {
    ct_range_copy(&follower->verified, range);
    follower->moved = true;
    follower->newest_proven |= is_same_head(head, &follower->newest);
    follower->troubles = 0;
    if (follower->mismatches)
        follower_tell(follower, FEED_RECOVERED, "the entries make the tree of the head again");
    follower->mismatches = 0;
}

/* All that is not known to be right is fetched again. */
static void go_back(struct follower *follower, int64_t now_ms, const struct ct_head *head) {
    follower_tell(follower, FEED_ROOT_MISMATCH,
                  "the entries up to %" PRIu64 " do not make the tree of the head of size %" PRIu64
                  "; going back to %" PRIu64,
                  follower->tree.end, head->tree_size, follower->verified.end);
    follower->mismatches++;
    drop_target(follower);
    window_drop_behind(follower, follower->verified.end);
    ct_range_copy(&follower->tree, &follower->verified);
    if (follower->committed.end > follower->verified.end) {
        ct_range_copy(&follower->committed, &follower->verified);
        follower->moved = true;
    }
    int64_t until_ms = now_ms + follower_backoff(follower, MISMATCH_WAITS, follower->mismatches);
    if (until_ms > follower->quiet_until_ms)
        follower->quiet_until_ms = until_ms;
    if (!follower->head.asked)
        follower->head.due_ms = now_ms;
}

void follower_compare(struct follower *follower, int64_t now_ms, const struct ct_hash *tail,
                      uint32_t tail_count) {
    const struct ct_head head = follower->target.head;
    const struct ct_range *whole = &follower->tree;
    struct ct_range with_tail;

    if (!follower->target.set || follower->tree.end != follower->target.end ||
        head.tree_size - follower->tree.end != tail_count)
        return;
    if (tail_count) {
        ct_range_copy(&with_tail, &follower->tree);
        if (!ct_range_append(&with_tail, tail, tail_count))
            return;
        whole = &with_tail;
    }
    struct ct_hash root = ct_range_root(whole);
    if (!ct_hash_equal(&root, &head.root)) {
        go_back(follower, now_ms, &head);
        return;
    }
    prove(follower, &follower->tree, &head);
    drop_target(follower);
    follower->partial_since_ms = INT64_MIN;
}

void follower_compare_proof(struct follower *follower, int64_t now_ms,
                            const struct ct_range *range) {
    const struct ct_head head = follower->target.head;

    if (is_same_range(range, &follower->to_prove))
        prove(follower, range, &head);
    else
        go_back(follower, now_ms, &head);
}
