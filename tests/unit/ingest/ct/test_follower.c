/* How one log is followed, step by step. What comes of all that together is tests/sim's matter. */
#include "tests/unit/ingest/ct/follower_drive.h"

/* --- Heads and pages --- */

static void test_pages_leave_when_the_root_is_right(void **state) {
    struct log log;
    struct follower_want first, second;

    (void)state;
    begin_log(&log, false);
    give_head(&log, 15);
    first = want_of(&log, WANT_PAGE);
    second = want_of(&log, WANT_PAGE);
    assert_int_equal(first.first, 0);
    assert_int_equal(first.count, 10);
    assert_int_equal(second.first, 10);
    assert_int_equal(second.count, 5);
    give_page(&log, &second); /* they come in any order */
    assert_int_equal(let_leave(&log), 0);
    give_page(&log, &first);
    assert_int_equal(let_leave(&log), 15);
    assert_int_equal(log.position.verified, 15);
    assert_in_range(wants_nothing(&log), HEAD_MS * 3 / 4, HEAD_MS * 5 / 4);
    end(&log);
}

/* An answer counts once, and for what it was asked. */
static void test_answers_that_do_not_fit(void **state) {
    struct log log;

    (void)state;
    begin_log(&log, false);
    give_head(&log, 20);
    struct follower_want first = want_of(&log, WANT_PAGE), second = want_of(&log, WANT_PAGE);
    give_page_of(&log, &first, 10, 10); /* another page */
    assert_int_equal(log.incidents[FEED_PAGE_BROKEN], 1);
    give_page(&log, &first); /* too late: it failed already */
    give_page(&log, &second);
    give_page(&log, &second);
    assert_int_equal(let_leave(&log), 0);
    assert_in_range(wants_nothing(&log), RETRY_MS * 3 / 4, RETRY_MS * 5 / 4);
    log.now_ms += 2 * RETRY_MS;
    first = want_of(&log, WANT_PAGE);
    give_page_of(&log, &first, 0, 0);
    give_page_of(&log, &first, 0, 11);
    assert_int_equal(let_leave(&log), 0);
    log.now_ms += 10 * RETRY_MS;
    struct follower_want head = want_of(&log, WANT_HEAD);
    give_this_head(&log, &head, head_of(20));
    first = want_of(&log, WANT_PAGE);
    give_page(&log, &first);
    assert_int_equal(let_leave(&log), 20);
    end(&log);
}

static void test_short_answers(void **state) {
    struct log log;
    struct follower_want want, rest;

    (void)state;
    begin_log(&log, false);
    give_head(&log, 1000);
    for (unsigned i = 0; i < 2; i++) {
        want = want_of(&log, WANT_PAGE);
        give_page_of(&log, &want, want.first, 4);
        rest = want_of(&log, WANT_PAGE); /* before anything behind it */
        assert_int_equal(rest.first, want.first + 4);
        assert_int_equal(rest.count, 6);
        give_page(&log, &rest);
        want = want_of(&log, WANT_PROOF);
        give_proof(&log, &want);
        let_leave(&log);
    }
    want = want_of(&log, WANT_PAGE); /* two of the same size are the log's limit */
    assert_int_equal(want.count, 4);
    end(&log);
}

/* --- Proofs --- */

/* Far from the end each quarter of the window is proven, and leaves. */
static void test_proofs_far_behind(void **state) {
    struct log log;
    struct follower_want wants[3];

    (void)state;
    begin_log(&log, false);
    give_head(&log, 1000);
    for (unsigned i = 0; i < 3; i++)
        wants[i] = want_of(&log, WANT_PAGE);
    give_page(&log, &wants[0]);
    give_page(&log, &wants[2]);
    assert_int_equal(want_of(&log, WANT_PAGE).first, 30);
    give_page(&log, &wants[1]);
    struct follower_want proof = want_of(&log, WANT_PROOF);
    assert_int_equal(proof.first, 30);
    assert_int_equal(proof.head.tree_size, 1000);
    assert_int_equal(let_leave(&log), 0);
    assert_int_equal(want_of(&log, WANT_PAGE).first, 40); /* fetching goes on */
    give_proof(&log, &proof);
    assert_int_equal(let_leave(&log), 30);
    assert_int_equal(log.position.verified, 30);
    end(&log);
}

/* A log without proofs: its pages leave all the same, and again when they were wrong. */
static void test_a_log_without_proofs(void **state) {
    struct log log;

    (void)state;
    begin_log(&log, false);
    log.wrong = true;
    for (unsigned i = 0; i < 6; i++) {
        struct follower_want want = wait_for(&log, WANT_PROOF, 1000);
        assert_int_equal(let_leave(&log), 0);
        give_trouble(&log, &want, WANT_REFUSED, -1);
    }
    struct follower_want proof = wait_for(&log, WANT_PROOF, 1000);
    uint64_t left = let_leave(&log);
    assert_true(left > 0);
    assert_int_equal(log.position.committed, left);
    assert_int_equal(log.position.verified, 0);
    assert_int_equal(log.incidents[FEED_UNREACHABLE], 1);

    /* Then it gives one, and it is of other entries. */
    give_proof(&log, &proof);
    assert_int_equal(log.incidents[FEED_ROOT_MISMATCH], 1);
    assert_true(follower_progress(log.follower).troubled);
    log.expected = 0;
    log.wrong = false;
    let_leave(&log);
    assert_int_equal(log.position.committed, 0);
    proof = wait_for(&log, WANT_PROOF, 1000);
    give_proof(&log, &proof);
    assert_true(let_leave(&log) > 0);
    assert_int_equal(log.position.verified, log.position.committed);
    end(&log);
}

/* What is proven stays; what is not is fetched again, after a wait that doubles. */
static void test_wrong_entries(void **state) {
    struct log log;

    (void)state;
    begin_log(&log, false);
    give_head(&log, 1000);
    fill_window(&log, 2);
    struct follower_want proof = want_of(&log, WANT_PROOF);
    give_proof(&log, &proof); /* proven, and not left yet */
    log.wrong = true;
    for (unsigned i = 0; i < 3; i++) {
        fill_window(&log, 2);
        proof = want_of(&log, WANT_PROOF);
        give_proof(&log, &proof);
        assert_int_equal(log.incidents[FEED_ROOT_MISMATCH], i + 1);
        int64_t wait_ms = wants_nothing(&log);
        assert_in_range(wait_ms, (RETRY_MS * 15 / 2) << i, (RETRY_MS * 25 / 2) << i);
        log.now_ms += wait_ms;
        give_head(&log, 1000);
    }
    log.wrong = false;
    struct follower_want again = want_of(&log, WANT_PAGE);
    assert_int_equal(again.first, 20);
    give_page(&log, &again);
    fill_window(&log, 1);
    proof = want_of(&log, WANT_PROOF);
    give_proof(&log, &proof);
    assert_int_equal(log.incidents[FEED_RECOVERED], 1);
    assert_int_equal(let_leave(&log), 40);
    end(&log);
}

/* --- Tiles --- */

static void give_tail(struct log *log, const struct follower_want *want) {
    assert_int_equal(want->kind, WANT_TAIL);
    follower_tail(log->follower, log->now_ms, want, &leaves[want->first / 256 * 256]);
}

/* Full tiles are fetched, and proven by the hashes of the last one; its entries wait. */
static void test_the_last_tile(void **state) {
    struct log log;

    (void)state;
    begin_log(&log, true);
    give_head(&log, 600);
    for (unsigned i = 0; i < 2; i++) {
        struct follower_want want = want_of(&log, WANT_PAGE);
        assert_int_equal(want.first, 256 * i);
        assert_int_equal(want.count, 256);
        assert_int_equal(want.width, 256);
        give_page(&log, &want);
    }
    struct follower_want tail = want_of(&log, WANT_TAIL);
    assert_int_equal(tail.first, 512);
    assert_int_equal(tail.width, 88);
    assert_int_equal(tail.count, 88);
    assert_int_equal(let_leave(&log), 0);
    give_tail(&log, &tail);
    assert_int_equal(let_leave(&log), 512);

    /* It does not become full. */
    int64_t until_ms = log.now_ms + PARTIAL_MS;
    while (log.now_ms < until_ms) {
        int64_t wait_ms = wants_nothing(&log);
        log.now_ms += wait_ms;
        if (log.now_ms < until_ms)
            give_head(&log, 600);
    }
    assert_int_equal(log.now_ms, until_ms); /* it woke for that */
    struct follower_want part = want_of(&log, WANT_PAGE);
    assert_int_equal(part.first, 512);
    assert_int_equal(part.width, 88);
    assert_int_equal(part.skip, 0);
    give_page(&log, &part);
    assert_int_equal(let_leave(&log), 600);

    /* And then it does: what is new of it is behind what was. */
    give_next_head(&log, 800);
    struct follower_want rest = want_of(&log, WANT_PAGE);
    assert_int_equal(rest.first, 600);
    assert_int_equal(rest.skip, 88);
    assert_int_equal(rest.count, 168);
    assert_int_equal(rest.width, 256);
    give_page(&log, &rest);
    tail = want_of(&log, WANT_TAIL);
    give_tail(&log, &tail);
    assert_int_equal(let_leave(&log), 768);
    end(&log);
}

/* --- Beginnings and ends --- */

static void test_from_an_index(void **state) {
    static const uint64_t indices[] = {1, 40, 99, 100, 5000};

    (void)state;
    for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) {
        struct log log = {.now_ms = 1};
        struct follower_config config = config_of(&log);
        uint64_t first = indices[i] < 100 ? indices[i] : 100;
        config.from_index = indices[i];
        begin(&log, &config, (struct slice){NULL, 0});
        give_head(&log, 100);
        struct follower_want proof = want_of(&log, WANT_PROOF);
        assert_int_equal(proof.first, first);
        wants_nothing(&log);
        give_proof(&log, &proof);
        log.expected = first;
        assert_int_equal(let_leave(&log), first);
        assert_int_equal(log.position.verified, first);
        if (first < 100)
            assert_int_equal(want_of(&log, WANT_PAGE).first, first);
        end(&log);
    }
}

/* Where nothing is yet is a beginning, too: it must be the same after a restart. */
static void test_from_now_of_an_empty_log(void **state) {
    struct log log = {.now_ms = 1};
    struct follower_config config = config_of(&log);

    (void)state;
    config.from = FEED_FROM_NOW;
    begin(&log, &config, (struct slice){NULL, 0});
    give_head(&log, 0);
    wants_nothing(&log);
    let_leave(&log);
    assert_int_equal(log.position.committed, 0);
    assert_true(log.position.saved.len > 0);
    end(&log);
}

static void test_to_the_end(void **state) {
    struct log log = {.now_ms = 1};
    struct follower_config config = config_of(&log);

    (void)state;
    config.to_the_end = true;
    begin(&log, &config, (struct slice){NULL, 0});
    give_head(&log, 15);
    assert_false(follower_progress(log.follower).done);
    fill_window(&log, 2);
    assert_false(follower_progress(log.follower).done); /* they have not left */
    assert_int_equal(let_leave(&log), 15);
    assert_true(follower_progress(log.follower).done);
    log.now_ms += 1000 * HEAD_MS;
    assert_int_equal(wants_nothing(&log), INT64_MAX);
    end(&log);
}

/* --- Saved --- */

static void test_going_on(void **state) {
    struct log log, again = {.now_ms = 5};

    (void)state;
    begin_log(&log, false);
    give_head(&log, 1000);
    fill_window(&log, 2);
    struct follower_want proof = want_of(&log, WANT_PROOF);
    fill_window(&log, 1);
    give_proof(&log, &proof);
    assert_int_equal(let_leave(&log), 20);
    struct slice saved = {log.saved, log.position.saved.len};
    struct follower_config config = config_of(&again);
    config.from = FEED_FROM_SAVED;
    begin(&again, &config, saved);
    again.expected = 20;
    assert_int_equal(follower_progress(again.follower).committed, 20);
    assert_int_equal(follower_progress(again.follower).verified, 20);
    give_head(&again, 30);
    fill_window(&again, 1);
    assert_int_equal(let_leave(&again), 20); /* the older head is still the newest */
    give_next_head(&again, 1000);
    end(&again);

    /* With other entries than those that left nothing fits. */
    saved.len = log.position.saved.len;
    log.saved[saved.len - 1] ^= 1;
    again = (struct log){.now_ms = 5};
    begin(&again, &config, saved);
    give_head(&again, 1000);
    fill_window(&again, 2);
    proof = want_of(&again, WANT_PROOF);
    give_proof(&again, &proof);
    assert_int_equal(again.incidents[FEED_ROOT_MISMATCH], 1);
    end(&again);
    end(&log);
}

/* Whatever the bytes are, they are refused or a position; what is left out is refused. */
static void test_saved_bytes_that_are_none(void **state) {
    struct log log, other = {.now_ms = 1};
    struct follower_config config = config_of(&other);

    (void)state;
    begin_log(&log, false);
    give_head(&log, 15);
    fill_window(&log, 2);
    let_leave(&log);
    config.from = FEED_FROM_SAVED;
    size_t len = log.position.saved.len;
    for (size_t cut = 1; cut < len; cut++) {
        struct failure failure = {0};
        uint8_t *copy = malloc(cut);
        memcpy(copy, log.saved, cut);
        assert_int_equal(
            follower_new(&other.follower, &config, (struct slice){copy, cut}, &failure),
            ERROR_INPUT);
        assert_true(failure.text[0]);
        free(copy);
    }
    for (size_t at = 0; at < len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            log.saved[at] ^= (uint8_t)(1u << bit);
            if (follower_new(&other.follower, &config, (struct slice){log.saved, len}, NULL) ==
                ERROR_NONE)
                follower_free(other.follower);
            log.saved[at] ^= (uint8_t)(1u << bit);
        }
    }
    end(&log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_leave_when_the_root_is_right),
        cmocka_unit_test(test_answers_that_do_not_fit),
        cmocka_unit_test(test_short_answers),
        cmocka_unit_test(test_proofs_far_behind),
        cmocka_unit_test(test_a_log_without_proofs),
        cmocka_unit_test(test_wrong_entries),
        cmocka_unit_test(test_the_last_tile),
        cmocka_unit_test(test_from_an_index),
        cmocka_unit_test(test_from_now_of_an_empty_log),
        cmocka_unit_test(test_to_the_end),
        cmocka_unit_test(test_going_on),
        cmocka_unit_test(test_saved_bytes_that_are_none),
    };
    return cmocka_run_group_tests(tests, set_up_leaves, NULL);
}
