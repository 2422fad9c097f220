/* Following a log, without its network and its decoding: asking, ordering, hashing the tree up,
 * proofs, and what leaves. A figure is of one entry, in pages of 256. */
#include "bench/micro/micro.h"
#include "engine/ct/tile.h"
#include "ingest/ct/follower.h"

#include <stdlib.h>

enum { WINDOW = 64, UNDER_WAY = 8 };

#define TREE_SIZE (UINT64_C(1) << 47) /* it never ends */

struct following {
    struct follower *follower;
    struct follower_want wants[UNDER_WAY];
    struct ct_range proof; /* of all pages so far: they all have the same hash */
    uint64_t behind;       /* repetitions that were done before they were asked for */
};

static const struct ct_source source;
static const struct ct_hash tile_hash = {{1}};

static void close_following(void *state) {
    struct following *following = state;

    follower_free(following->follower);
    free(following);
}

static void *open_following(const void *argument) {
    struct follower_config config = {
        .tiles = true, .from = FEED_FROM_INDEX, .window = WINDOW, .head_interval_ms = 1000};
    struct following *following = calloc(1, sizeof *following);

    (void)argument;
    if (following && follower_new(&following->follower, &config, (struct slice){NULL, 0}, NULL)) {
        free(following);
        following = NULL;
    }
    return following;
}

static bool give_proof(struct following *following, const struct follower_want *want) {
    while (following->proof.end < want->first)
        if (!ct_range_append_subtree(&following->proof, CT_TILE_HEIGHT, &tile_hash))
            return false;
    follower_proof(following->follower, 0, want, &following->proof);
    return true;
}

/* The next page that is wanted; false when something is not as it should be. */
static bool next_page(struct following *following, struct follower_want *want) {
    struct ct_head head = {.tree_size = TREE_SIZE};
    int64_t wake_ms;

    while (follower_next(following->follower, 0, want, &wake_ms)) {
        if (want->kind == WANT_PAGE)
            return true;
        if (want->kind == WANT_HEAD)
            follower_head(following->follower, 0, want, &head);
        else if (!give_proof(following, want))
            return false;
    }
    return false;
}

static bool give_page(struct following *following, const struct follower_want *want) {
    struct page *page = page_new(&source, PAGE_TILE);

    if (!page)
        return false;
    page->first = want->first;
    page->entries = want->count;
    ct_range_init(&page->range, want->first);
    if (!ct_range_append_subtree(&page->range, CT_TILE_HEIGHT, &tile_hash))
        return false;
    follower_page(following->follower, 0, want, page);
    return true;
}

/* So many pages, which come while others are asked for. */
static bool go_on(struct following *following) {
    struct page *page;

    for (uint32_t i = 0; i < UNDER_WAY; i++)
        if (!next_page(following, &following->wants[i]))
            return false;
    for (uint32_t i = 0; i < UNDER_WAY; i++)
        if (!give_page(following, &following->wants[i]))
            return false;
    while ((page = follower_ready(following->follower))) {
        follower_committed(following->follower);
        page_free(page);
    }
    return true;
}

static void run_following(void *state, uint64_t times) {
    struct following *following = state;

    for (; following->behind < times; following->behind += UNDER_WAY * CT_TILE_WIDTH)
        if (!go_on(following))
            abort();
    following->behind -= times;
}

const struct micro_case follow_cases[] = {
    {"ct.follow", "an entry", open_following, run_following, close_following, NULL},
    {0},
};
