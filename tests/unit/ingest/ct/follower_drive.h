/* One log that is followed, step by step: what it wants is given, or not, by the test. */
#ifndef TESTS_UNIT_INGEST_CT_FOLLOWER_DRIVE_H
#define TESTS_UNIT_INGEST_CT_FOLLOWER_DRIVE_H

#include "engine/ct/tile.h"
#include "ingest/ct/follower.h"
#include "tests/unit/ct/naive_tree.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LEAVES = 3000,
    PAGE = 10,
    WINDOW = 8,
    HEAD_MS = 5000,
    PARTIAL_MS = 60 * 1000,
    RETRY_MS = 1000
};

static struct ct_hash leaves[LEAVES];
static const struct ct_source nowhere;

struct log {
    struct follower *follower;
    int64_t now_ms;
    bool wrong; /* pages come with a leaf changed */
    unsigned incidents[FEED_INCIDENTS];
    uint64_t expected; /* the next entry to leave */
    uint8_t saved[FOLLOWER_SAVED_MAX];
    struct log_position position;
};

static inline void on_incident(void *owner, enum feed_incident incident, const char *words) {
    assert_true(*words);
    ((struct log *)owner)->incidents[incident]++;
}

static inline struct follower_config config_of(struct log *log) {
    return (struct follower_config){
        .from = FEED_FROM_INDEX,
        .page_entries = PAGE,
        .window = WINDOW,
        .head_interval_ms = HEAD_MS,
        .partial_after_ms = PARTIAL_MS,
        .retry_ms = RETRY_MS,
        .seed = 1,
        .owner = log,
        .incident = on_incident,
    };
}

static inline void begin(struct log *log, const struct follower_config *config,
                         struct slice saved) {
    struct failure failure = {0};

    if (follower_new(&log->follower, config, saved, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
}

/* From the first entry of an RFC 6962 log, or of one with tiles. */
static inline struct log begin_log(struct log *log, bool tiles) {
    struct follower_config config;

    *log = (struct log){.now_ms = 1000000};
    config = config_of(log);
    config.tiles = tiles;
    begin(log, &config, (struct slice){NULL, 0});
    return *log;
}

/* --- What is right --- */

static inline struct ct_range range_of(uint64_t begin, uint64_t end) {
    struct ct_range range;

    ct_range_init(&range, begin);
    assert_true(ct_range_append(&range, leaves + begin, end - begin));
    return range;
}

static inline struct ct_head head_of(uint64_t size) {
    struct ct_range range = range_of(0, size);
    return (struct ct_head){.tree_size = size, .root = ct_range_root(&range)};
}

/* --- Wants --- */

static inline struct follower_want next_want(struct log *log) {
    struct follower_want want;
    int64_t wake_ms;

    if (!follower_next(log->follower, log->now_ms, &want, &wake_ms))
        fail_msg("it wants nothing until %lld", (long long)(wake_ms - log->now_ms));
    return want;
}

static inline struct follower_want want_of(struct log *log, enum want_kind kind) {
    struct follower_want want = next_want(log);

    assert_int_equal(want.kind, kind);
    return want;
}

/* Nothing; returns for how long. */
static inline int64_t wants_nothing(struct log *log) {
    struct follower_want want;
    int64_t wake_ms;

    if (follower_next(log->follower, log->now_ms, &want, &wake_ms))
        fail_msg("it wants %d, entry %llu", want.kind, (unsigned long long)want.first);
    return wake_ms == INT64_MAX ? INT64_MAX : wake_ms - log->now_ms;
}

static inline void give_this_head(struct log *log, const struct follower_want *want,
                                  struct ct_head head) {
    assert_int_equal(want->kind, WANT_HEAD);
    follower_head(log->follower, log->now_ms, want, &head);
}

static inline void give_head(struct log *log, uint64_t size) {
    struct follower_want want = want_of(log, WANT_HEAD);

    give_this_head(log, &want, head_of(size));
}

/* At the time when the next one is due. */
static inline void give_next_head(struct log *log, uint64_t size) {
    log->now_ms += 2 * HEAD_MS;
    give_head(log, size);
}

static inline void give_page_of(struct log *log, const struct follower_want *want, uint64_t first,
                                uint32_t entries) {
    struct page *page = page_new(&nowhere, PAGE_GET_ENTRIES);

    assert_non_null(page);
    assert_int_equal(want->kind, WANT_PAGE);
    page->result = PAGE_DECODED;
    page->first = first;
    page->entries = entries;
    page->range = range_of(first, first + entries);
    if (log->wrong)
        page->range.nodes[0].bytes[0] ^= 1;
    follower_page(log->follower, log->now_ms, want, page);
}

static inline void give_page(struct log *log, const struct follower_want *want) {
    give_page_of(log, want, want->first, want->count);
}

static inline void give_proof(struct log *log, const struct follower_want *want) {
    struct ct_range range = range_of(0, want->first);

    assert_int_equal(want->kind, WANT_PROOF);
    follower_proof(log->follower, log->now_ms, want, &range);
}

static inline void give_trouble(struct log *log, const struct follower_want *want,
                                enum want_trouble trouble, int64_t retry_after_ms) {
    follower_failed(log->follower, log->now_ms, want, trouble, retry_after_ms, "words");
}

/* --- What leaves --- */

static inline uint64_t let_leave(struct log *log) {
    struct page *page;

    while ((page = follower_ready(log->follower))) {
        assert_int_equal(page->first, log->expected);
        log->expected += page->entries;
        follower_committed(log->follower);
        page_free(page);
    }
    struct log_position position;
    if (follower_moved(log->follower, &position, log->saved)) {
        log->position = position;
        assert_int_equal(position.committed, log->expected);
        assert_true(position.verified <= position.committed);
    }
    return log->expected;
}

static inline void end(struct log *log) {
    follower_free(log->follower);
}

static inline void fill_window(struct log *log, unsigned pages) {
    for (unsigned i = 0; i < pages; i++) {
        struct follower_want want = want_of(log, WANT_PAGE);
        give_page(log, &want);
    }
}

/* The next want of a kind, with pages and heads given on the way, and time going on. */
static inline struct follower_want wait_for(struct log *log, enum want_kind kind, uint64_t head) {
    for (;;) {
        struct follower_want want;
        int64_t wake_ms;
        if (!follower_next(log->follower, log->now_ms, &want, &wake_ms)) {
            assert_true(wake_ms != INT64_MAX);
            log->now_ms = wake_ms;
        } else if (want.kind == kind) {
            return want;
        } else if (want.kind == WANT_HEAD) {
            give_this_head(log, &want, head_of(head));
        } else {
            give_page(log, &want);
        }
    }
}

static inline int set_up_leaves(void **state) {
    (void)state;
    naive_leaves(leaves, LEAVES);
    return 0;
}

#endif
