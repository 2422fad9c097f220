/* Logs that fail while they are followed, and heads that are wrong. */
#include "tests/unit/ingest/ct/follower_drive.h"

/* --- Heads that are not what they should be --- */

static void test_two_roots(void **state) {
    struct log log;
    struct ct_head other = head_of(20);

    (void)state;
    begin_log(&log, false);
    other.root.bytes[5] ^= 1;
    struct follower_want head = want_of(&log, WANT_HEAD);
    give_this_head(&log, &head, other); /* the wrong one first */
    fill_window(&log, 2);
    assert_int_equal(log.incidents[FEED_ROOT_MISMATCH], 1);
    assert_int_equal(let_leave(&log), 0);
    log.now_ms += 30 * RETRY_MS;
    give_head(&log, 20);
    assert_int_equal(log.incidents[FEED_EQUIVOCATION], 1);
    fill_window(&log, 2);
    assert_int_equal(let_leave(&log), 20);

    /* From now on it is the other that is wrong. It is told once as long as it is seen. */
    give_next_head(&log, 20);
    log.now_ms += 2 * HEAD_MS;
    head = want_of(&log, WANT_HEAD);
    give_this_head(&log, &head, other);
    assert_int_equal(log.incidents[FEED_EQUIVOCATION], 2);
    give_next_head(&log, 30);
    fill_window(&log, 1);
    assert_int_equal(let_leave(&log), 30);
    assert_int_equal(log.incidents[FEED_ROOT_MISMATCH], 1);
    end(&log);
}

static void test_older_heads(void **state) {
    struct log log;

    (void)state;
    begin_log(&log, false);
    give_head(&log, 20);
    fill_window(&log, 2);
    give_next_head(&log, 15);
    assert_int_equal(log.incidents[FEED_HEAD_SHRANK], 1);
    assert_int_equal(let_leave(&log), 20);
    assert_int_equal(follower_progress(log.follower).head, 20);
    wants_nothing(&log);
    end(&log);
}

/* A head of entries that do not come, and smaller ones behind it: the log was wrong once. */
static void test_a_head_without_end(void **state) {
    struct log log;
    struct ct_head huge = {.tree_size = CT_TREE_SIZE_MAX};

    (void)state;
    begin_log(&log, false);
    struct follower_want want = want_of(&log, WANT_HEAD);
    give_this_head(&log, &want, huge);
    for (unsigned i = 0; i < 200 && let_leave(&log) < 25; i++) {
        struct follower_want next;
        int64_t wake_ms;
        if (!follower_next(log.follower, log.now_ms, &next, &wake_ms)) {
            log.now_ms = wake_ms;
        } else if (next.kind == WANT_HEAD) {
            give_this_head(&log, &next, head_of(25));
        } else if (next.kind == WANT_PAGE && next.first < 25) {
            uint64_t left = 25 - next.first;
            give_page_of(&log, &next, next.first, left < next.count ? (uint32_t)left : next.count);
        } else {
            give_trouble(&log, &next, next.kind == WANT_PROOF ? WANT_BROKEN : WANT_REFUSED, -1);
        }
    }
    assert_int_equal(log.expected, 25);
    assert_int_equal(log.position.verified, 25);
    end(&log);
}

/* --- Troubles --- */

static void test_retry_after(void **state) {
    struct log log;

    (void)state;
    begin_log(&log, false);
    give_head(&log, 1000);
    struct follower_want first = want_of(&log, WANT_PAGE), second = want_of(&log, WANT_PAGE);
    give_trouble(&log, &first, WANT_THROTTLED, 20000);
    assert_int_equal(wants_nothing(&log), 20000);
    give_trouble(&log, &second, WANT_THROTTLED, 7000); /* the longer one counts */
    log.now_ms += 19999;
    assert_int_equal(wants_nothing(&log), 1);
    log.now_ms += 1;
    want_of(&log, WANT_HEAD);
    give_trouble(&log, &first, WANT_THROTTLED, INT64_MAX); /* and nobody waits for ever */
    assert_in_range(wants_nothing(&log), 1, 3600 * 1000);
    end(&log);
}

/* After "too many" it goes on more slowly, and faster again with each answer. */
static void test_pace(void **state) {
    struct log log;
    int64_t longest_ms = 0, last_ms = INT64_MAX;

    (void)state;
    begin_log(&log, false);
    give_head(&log, LEAVES);
    struct follower_want want = want_of(&log, WANT_PAGE);
    for (unsigned i = 0; i < 4; i++) {
        give_trouble(&log, &want, WANT_THROTTLED, -1);
        log.now_ms += wants_nothing(&log);
        want = next_want(&log);
    }
    give_this_head(&log, &want, head_of(LEAVES));
    for (unsigned i = 0; i < 200; i++) {
        last_ms = wants_nothing(&log);
        if (last_ms > longest_ms)
            longest_ms = last_ms;
        log.now_ms += last_ms;
        want = next_want(&log);
        if (want.kind == WANT_PROOF)
            give_proof(&log, &want);
        else if (want.kind == WANT_PAGE)
            give_page(&log, &want);
        else
            give_this_head(&log, &want, head_of(LEAVES));
        let_leave(&log);
        struct follower_want probe;
        int64_t wake_ms;
        if (follower_next(log.follower, log.now_ms, &probe, &wake_ms)) {
            last_ms = 0; /* no waiting any more */
            break;
        }
    }
    assert_in_range(longest_ms, RETRY_MS, 4 * RETRY_MS); /* a fifth, doubled three times */
    assert_int_equal(last_ms, 0);
    end(&log);
}

/* All that is under way fails together: that is one silence, and told once. */
static void test_silence(void **state) {
    struct log log;
    int64_t wait_ms;

    (void)state;
    begin_log(&log, false);
    give_head(&log, 1000);
    struct follower_want wants[4];
    for (unsigned i = 0; i < 4; i++)
        wants[i] = want_of(&log, WANT_PAGE);
    for (unsigned i = 0; i < 4; i++)
        give_trouble(&log, &wants[i], WANT_UNANSWERED, -1);
    wait_ms = wants_nothing(&log);
    assert_in_range(wait_ms, RETRY_MS * 3 / 4, RETRY_MS * 5 / 4);
    for (unsigned i = 1; i < 12; i++) {
        log.now_ms += wait_ms;
        struct follower_want want = next_want(&log);
        give_trouble(&log, &want, WANT_UNANSWERED, -1);
        wait_ms = wants_nothing(&log);
        assert_in_range(wait_ms, 1, 300 * 1000 * 5 / 4);
        assert_int_equal(log.incidents[FEED_UNREACHABLE], i >= 4);
    }
    assert_true(wait_ms > 60 * 1000);
    assert_true(follower_progress(log.follower).troubled);
    log.now_ms += 2 * wait_ms;
    struct follower_want want = next_want(&log);
    if (want.kind == WANT_HEAD)
        give_this_head(&log, &want, head_of(1000));
    for (unsigned i = 0; i < 8 && log.incidents[FEED_RECOVERED] == 0; i++) {
        want = next_want(&log);
        if (want.kind == WANT_PAGE)
            give_page(&log, &want);
    }
    assert_int_equal(log.incidents[FEED_RECOVERED], 1);
    end(&log);
}

/* One page that is refused does not hold the others up, as far as the window goes. */
static void test_a_page_that_is_refused(void **state) {
    struct log log;
    unsigned pages = 0;

    (void)state;
    begin_log(&log, false);
    give_head(&log, 1000);
    struct follower_want refused = want_of(&log, WANT_PAGE), want;
    give_trouble(&log, &refused, WANT_REFUSED, -1);
    int64_t wake_ms;
    for (; follower_next(log.follower, log.now_ms, &want, &wake_ms); pages++) {
        if (want.kind == WANT_HEAD)
            give_this_head(&log, &want, head_of(1000));
        else
            give_page(&log, &want);
    }
    assert_int_equal(pages, WINDOW - 1);
    assert_int_equal(let_leave(&log), 0);
    log.now_ms += 2 * RETRY_MS;
    want = want_of(&log, WANT_PAGE);
    assert_int_equal(want.first, 0);
    give_page(&log, &want);
    want = want_of(&log, WANT_PROOF);
    assert_int_equal(want.first, WINDOW * PAGE);
    give_proof(&log, &want);
    assert_int_equal(let_leave(&log), WINDOW * PAGE);
    end(&log);
}

static void test_forged_heads(void **state) {
    struct log log;

    (void)state;
    begin_log(&log, false);
    for (unsigned i = 0; i < 3; i++) {
        struct follower_want want = want_of(&log, WANT_HEAD);
        give_trouble(&log, &want, WANT_FORGED, -1);
        log.now_ms += wants_nothing(&log);
    }
    assert_int_equal(log.incidents[FEED_BAD_SIGNATURE], 1);
    give_head(&log, 5);
    log.now_ms += 2 * HEAD_MS;
    struct follower_want want = want_of(&log, WANT_HEAD);
    give_trouble(&log, &want, WANT_FORGED, -1);
    assert_int_equal(log.incidents[FEED_BAD_SIGNATURE], 2);
    end(&log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_roots),
        cmocka_unit_test(test_older_heads),
        cmocka_unit_test(test_a_head_without_end),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_a_page_that_is_refused),
        cmocka_unit_test(test_forged_heads),
    };
    return cmocka_run_group_tests(tests, set_up_leaves, NULL);
}
