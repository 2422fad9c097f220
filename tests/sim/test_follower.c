/* A follower and a log that misbehaves, by seeds: whatever happens, no entry is lost and none
 * leaves twice, in order and right; a position is never ahead of what left; and once the log is
 * well the end is reached.
 *
 *     sim.follower                      all seeds
 *     sim.follower --seeds 1-100000
 *     sim.follower --seed 17 --trace    what a failure prints */
#include "tests/sim/sim_log.h"
#include "tests/sim/sim_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LAST_SEED = 4000,
    ANSWERS_MAX = 2 * FOLLOWER_WINDOW_MAX + 16,
    WELL_WANTS_MAX = 6000, /* until the end is reached, of a log that is well */
    STEPS_MAX = 200000,
    CRASHES_MAX = 50,
    HOUR_MS = 3600 * 1000,
    WELL_HOURS_MAX = 48,
};

struct answer_to_come {
    int64_t at_ms;
    struct sim_answer answer;
};

struct play {
    uint64_t seed;
    bool print;
    struct random random;
    struct sim_log log;
    uint64_t final_size;
    int64_t well_from_ms; /* no faults from then on, and no growth */
    struct follower_config config;
    struct follower *follower;
    int64_t now_ms, quiet_until_ms;

    struct answer_to_come answers[ANSWERS_MAX];
    uint32_t answer_count, pages_asked;
    uint32_t crash_share, outlet_refuses; /* of a thousand */

    /* What left */
    bool begun, unproven_allowed;
    uint64_t begin, expected; /* the first entry of all, and the next */
    bool left_right[SIM_LOG_ENTRIES_MAX];

    /* What is kept over a crash */
    bool has_saved;
    uint8_t saved[FOLLOWER_SAVED_MAX];
    struct log_position position;

    uint64_t wants, well_wants, steps, incidents[FEED_INCIDENTS], crashes, regressions;
};

static struct sim_tree tree;
static struct play play; /* large; the one that is played */
static struct ct_source source;
static uint64_t seen[FEED_INCIDENTS], seen_crashes, seen_regressions, most_well_wants;

static void fail(const char *what) {
    fflush(stdout);
    fprintf(stderr,
            "\nseed %" PRIu64 ", at %" PRId64 " ms: %s\nagain: %s --seed %" PRIu64 " --trace\n",
            play.seed, play.now_ms, what, program_invocation_short_name, play.seed);
    abort();
}

static void require(bool condition, const char *what) {
    if (!condition)
        fail(what);
}

#define TRACE(...)                                                                                 \
    do {                                                                                           \
        if (play.print) {                                                                          \
            printf("%10" PRId64 " ", play.now_ms);                                                 \
            printf(__VA_ARGS__);                                                                   \
            putchar('\n');                                                                         \
        }                                                                                          \
    } while (0)

/* --- What a seed stands for --- */

static uint64_t draw(uint64_t bound) {
    return random_below(&play.random, bound);
}

/* Most faults are rare, some often, some not there. */
static uint32_t draw_share(uint32_t most) {
    switch (draw(4)) {
    case 0:
        return (uint32_t)draw(most);
    case 1:
        return (uint32_t)draw(most / 10 + 1);
    default:
        return 0;
    }
}

static void draw_faults(struct sim_log_faults *faults) {
    *faults = (struct sim_log_faults){
        .silent = draw_share(300),
        .throttled = draw_share(300),
        .refused = draw_share(300),
        .broken = draw_share(300),
        .old_head = draw_share(900),
        .small_head = draw_share(500),
        .other_root = draw_share(500),
        .huge_head = draw_share(500),
        .forged_head = draw_share(500),
        .short_page = draw_share(1000),
        .wrong_leaf = draw_share(200),
        .lying_page = draw_share(300),
        .no_proof = draw_share(900),
        .wrong_tail = draw_share(500),
        .late = draw_share(500),
        .twice = draw_share(300),
    };
}

static void on_incident(void *owner, enum feed_incident incident, const char *words) {
    (void)owner;
    TRACE("! %s: %s", feed_incident_name(incident), words);
    play.incidents[incident]++;
}

static void draw_play(uint64_t seed, bool print) {
    play = (struct play){.seed = seed, .print = print};
    random_init(&play.random, seed);
    struct sim_log *log = &play.log;
    log->tree = &tree;
    log->tiles = draw(2);
    random_init(&log->random, seed + 1);
    play.final_size = draw(4) ? draw(log->tiles ? SIM_LOG_ENTRIES_MAX : 1500) : draw(300);
    log->size = draw(play.final_size + 1);
    log->page_most = 1 + (uint32_t)draw(draw(2) ? 20 : 300);
    draw_faults(&log->faults);
    log->wrong_from = draw(3) ? SIM_LOG_ENTRIES_MAX : draw(play.final_size + 1);
    log->wrong_to = log->wrong_from + 1;
    log->no_proofs = draw(12) == 0;
    play.unproven_allowed = log->no_proofs || log->faults.no_proof || log->faults.silent ||
                            log->faults.throttled || log->faults.refused || log->faults.broken ||
                            log->faults.other_root || log->faults.huge_head;
    play.well_from_ms = (int64_t)draw(draw(3) ? 600 * 1000 : 4 * HOUR_MS);
    play.crash_share = draw(3) ? 0 : (uint32_t)draw(20);
    play.outlet_refuses = draw(3) ? 0 : (uint32_t)draw(900);
    play.config = (struct follower_config){
        .tiles = log->tiles,
        .from = (enum feed_from)draw(3),
        .from_index = draw(4) ? draw(play.final_size + 1) : 0,
        .to_the_end = draw(4) == 0,
        .page_entries = 1 + (uint32_t)draw(CT_TILE_WIDTH),
        .window = FOLLOWER_WINDOW_MIN + (uint32_t)draw(draw(4) ? 12 : FOLLOWER_WINDOW_MAX),
        .head_interval_ms = 1000 + (uint32_t)draw(60 * 1000),
        .partial_after_ms = (uint32_t)draw(300 * 1000),
        .incident = on_incident,
    };
}

/* --- The follower's life --- */

static void begin_follower(void) {
    struct follower_config config = play.config;
    struct failure failure = {0};
    struct slice saved = {play.saved, play.has_saved ? play.position.saved.len : 0};

    if (play.has_saved)
        config.from = FEED_FROM_SAVED;
    config.seed = draw(UINT64_MAX);
    if (follower_new(&play.follower, &config, saved, &failure) != ERROR_NONE)
        fail(failure.text);
    play.answer_count = play.pages_asked = 0;
    play.quiet_until_ms = 0;
    if (play.has_saved) {
        play.expected = play.position.committed;
        return;
    }
    play.begin = play.expected = 0;
    play.begun = config.from == FEED_FROM_INDEX && config.from_index == 0;
}

static bool crashes(uint32_t bound) {
    return play.crash_share && play.crashes < CRASHES_MAX && draw(bound) < play.crash_share;
}

/* All is lost that was not saved; what left stays so. */
static void crash(void) {
    TRACE("crash");
    follower_free(play.follower);
    begin_follower();
    play.crashes++;
    play.well_wants = 0;
}

/* --- What leaves --- */

static bool is_right(const struct page *page) {
    struct ct_range right;

    sim_tree_range(&tree, page->first, page->first + page->entries, &right);
    return memcmp(right.nodes, page->range.nodes, right.count * sizeof right.nodes[0]) == 0;
}

/* Pages that left unproven, and were wrong, are fetched again. */
static void look_for_regression(void) {
    struct follower_progress progress = follower_progress(play.follower);

    if (!play.begun || progress.committed == play.expected)
        return;
    TRACE("back from %" PRIu64 " to %" PRIu64, play.expected, progress.committed);
    require(progress.committed < play.expected, "entries were left out");
    require(play.unproven_allowed, "pages left before they were proven");
    require(play.incidents[FEED_ROOT_MISMATCH] > 0, "it went back without telling");
    play.expected = progress.committed;
    play.regressions++;
}

static void look_for_beginning(void) {
    struct follower_progress progress = follower_progress(play.follower);

    if (play.begun || progress.committed == 0)
        return;
    play.begun = true;
    play.begin = play.expected = progress.committed;
    require(play.config.from != FEED_FROM_INDEX || play.begin <= play.config.from_index,
            "it began behind the index");
}

static void check_position(void) {
    const struct log_position *position = &play.position;

    require(position->committed == play.expected, "the position is not where the entries are");
    require(position->verified <= position->committed, "more is verified than left");
    require(position->saved.len <= FOLLOWER_SAVED_MAX, "too much is saved");
    for (uint64_t i = play.begin; i < position->verified; i++)
        require(play.left_right[i], "an entry is verified that is wrong");
}

static void let_leave(void) {
    struct page *page;

    look_for_beginning();
    look_for_regression();
    while ((page = follower_ready(play.follower))) {
        if (!play.log.well && draw(1000) < play.outlet_refuses)
            break;
        TRACE("  leaves [%" PRIu64 ", %" PRIu64 ")%s", page->first, page->first + page->entries,
              is_right(page) ? "" : " WRONG");
        require(play.begun || page->first == 0, "it does not begin where it should");
        play.begun = true;
        if (page->first != play.expected)
            fail(page->first < play.expected ? "entries left twice" : "entries were left out");
        bool right = is_right(page);
        require(right || play.unproven_allowed, "wrong entries left");
        for (uint32_t i = 0; i < page->entries; i++)
            play.left_right[page->first + i] = right;
        play.expected += page->entries;
        follower_committed(play.follower);
        page_free(page);
        if (crashes(1000)) {
            crash();
            return;
        }
    }
    struct log_position position;
    if (follower_moved(play.follower, &position, play.saved)) {
        play.position = position;
        play.has_saved = true;
        check_position();
    }
}

/* --- Answers --- */

static struct page *make_page(const struct sim_answer *answer) {
    struct page *page = page_new(&source, play.log.tiles ? PAGE_TILE : PAGE_GET_ENTRIES);

    require(page != NULL, "no memory");
    page->result = PAGE_DECODED;
    page->first = answer->page_first;
    page->wanted = answer->want.count;
    page->entries = answer->page_entries;
    ct_range_copy(&page->range, &answer->range);
    return page;
}

static void give(const struct sim_answer *answer) {
    struct follower *follower = play.follower;
    const struct follower_want *want = &answer->want;

    switch (answer->kind) {
    case SIM_HEAD:
        TRACE("head %" PRIu64, answer->head.tree_size);
        follower_head(follower, play.now_ms, want, &answer->head);
        break;
    case SIM_PROOF:
        TRACE("proof of %" PRIu64, answer->range.end);
        follower_proof(follower, play.now_ms, want, &answer->range);
        break;
    case SIM_TAIL:
        TRACE("tail from %" PRIu64, want->first);
        follower_tail(follower, play.now_ms, want, answer->hashes);
        break;
    case SIM_PAGE:
        TRACE("page [%" PRIu64 ", %" PRIu64 ")", answer->page_first,
              answer->page_first + answer->page_entries);
        follower_page(follower, play.now_ms, want, make_page(answer));
        break;
    case SIM_TROUBLE:
        TRACE("trouble %d, of want %" PRIu64, answer->trouble, want->number);
        follower_failed(follower, play.now_ms, want, answer->trouble, answer->retry_after_ms, "");
        if (answer->trouble == WANT_THROTTLED &&
            play.now_ms + answer->retry_after_ms > play.quiet_until_ms)
            play.quiet_until_ms = play.now_ms + answer->retry_after_ms;
    }
}

static bool give_due(void) {
    for (uint32_t i = 0; i < play.answer_count; i++) {
        struct answer_to_come *next = &play.answers[i];
        if (next->at_ms > play.now_ms)
            continue;
        struct sim_answer answer = next->answer;
        if (answer.twice) {
            next->answer.twice = false;
            next->at_ms += 1 + (int64_t)draw(20000);
        } else {
            *next = play.answers[--play.answer_count];
            play.pages_asked -= answer.want.kind == WANT_PAGE;
        }
        give(&answer);
        return true;
    }
    return false;
}

/* --- Wants --- */

static void check_want(const struct follower_want *want) {
    uint64_t end = want->first + want->count;

    require(play.now_ms >= play.quiet_until_ms, "it asks before it may");
    if (want->kind == WANT_HEAD)
        return;
    require(want->head.tree_size > 0, "it asks without a head");
    if (want->kind == WANT_PROOF) {
        require(want->first > 0 && want->first <= want->head.tree_size, "a proof of nothing");
        return;
    }
    require(want->count > 0 && end <= want->head.tree_size, "entries that no head covers");
    if (want->kind == WANT_TAIL) {
        require(play.log.tiles && want->skip + want->count == want->width &&
                    end == want->head.tree_size,
                "a tail that is none");
        return;
    }
    require(want->first >= play.expected || !play.begun, "entries that have left");
    if (!play.log.tiles) {
        require(want->count <= play.config.page_entries, "a page too large");
        return;
    }
    require(want->skip == want->first % CT_TILE_WIDTH && want->skip + want->count <= want->width &&
                want->width <= CT_TILE_WIDTH,
            "a tile that is none");
}

static bool ask(int64_t *wake_ms) {
    struct follower_want want;

    *wake_ms = INT64_MAX; /* as many requests at once as there can be: until one of them ends */
    if (play.answer_count == ANSWERS_MAX)
        return false;
    if (!follower_next(play.follower, play.now_ms, &want, wake_ms)) {
        require(*wake_ms > play.now_ms, "it wakes in the past");
        return false;
    }
    play.wants++;
    play.well_wants += play.log.well;
    TRACE("want %" PRIu64 ": %d [%" PRIu64 ", +%u) head %" PRIu64, want.number, want.kind,
          want.first, want.count, want.head.tree_size);
    check_want(&want);
    struct answer_to_come *next = &play.answers[play.answer_count++];
    sim_log_answer(&play.log, &want, &next->answer);
    next->at_ms = play.now_ms + next->answer.after_ms;
    play.pages_asked += want.kind == WANT_PAGE;
    return true;
}

/* --- Time --- */

static void advance(int64_t wake_ms) {
    int64_t next_ms = wake_ms;

    for (uint32_t i = 0; i < play.answer_count; i++)
        if (play.answers[i].at_ms < next_ms)
            next_ms = play.answers[i].at_ms;
    if (!play.log.well && next_ms > play.well_from_ms)
        next_ms = play.well_from_ms;
    require(next_ms != INT64_MAX, "it waits for nothing");
    if (next_ms > play.now_ms)
        play.now_ms = next_ms;
    if (!play.log.well && draw(8) == 0)
        play.log.size += draw((play.final_size - play.log.size) / 4 + 2);
    if (play.log.size > play.final_size)
        play.log.size = play.final_size;
    if (play.now_ms >= play.well_from_ms && !play.log.well) {
        TRACE("well from now on");
        play.log.well = true;
        play.log.size = play.final_size;
    }
}

static bool is_over(void) {
    struct follower_progress progress = follower_progress(play.follower);

    if (play.config.to_the_end)
        return progress.done;
    return play.log.well && progress.committed == play.final_size &&
           progress.verified == play.final_size && progress.head == play.final_size;
}

static void check_end(void) {
    struct follower_progress progress = follower_progress(play.follower);

    require(progress.verified == progress.committed, "not all is verified");
    for (uint64_t i = play.begin; i < progress.committed; i++)
        require(play.left_right[i], "an entry is missing, or wrong");
}

static void play_one(uint64_t seed, bool print) {
    draw_play(seed, print);
    uint64_t blocks = sim_memory.blocks;
    begin_follower();
    while (!is_over()) {
        int64_t wake_ms;
        require(++play.steps < STEPS_MAX, "there is no end to it");
        require(play.well_wants < WELL_WANTS_MAX, "too much is asked of a log that is well");
        require(play.now_ms < play.well_from_ms + WELL_HOURS_MAX * (int64_t)HOUR_MS,
                "it takes too long");
        while (give_due())
            let_leave();
        let_leave();
        if (crashes(3000))
            crash();
        while (ask(&wake_ms))
            continue;
        if (is_over())
            break;
        advance(play.outlet_refuses ? (wake_ms < play.now_ms + 1000 ? wake_ms : play.now_ms + 1000)
                                    : wake_ms);
    }
    look_for_regression();
    check_end();
    follower_free(play.follower);
    require(sim_memory.blocks == blocks, "memory is left");
    for (int i = 0; i < FEED_INCIDENTS; i++)
        seen[i] += play.incidents[i];
    seen_crashes += play.crashes;
    seen_regressions += play.regressions;
    if (play.well_wants > most_well_wants)
        most_well_wants = play.well_wants;
}

int main(int count, char **words) {
    uint64_t from = 1, to = LAST_SEED;
    bool print = false;

    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--trace") == 0)
            print = true;
        else if (i + 1 < count && strcmp(words[i], "--seed") == 0)
            from = to = strtoull(words[++i], NULL, 10);
        else if (i + 1 >= count || strcmp(words[i], "--seeds") != 0 ||
                 sscanf(words[++i], "%" SCNu64 "-%" SCNu64, &from, &to) != 2)
            return 2;
    }
    sim_tree_init(&tree);
    for (uint64_t seed = from; seed <= to; seed++)
        play_one(seed, print);
    printf("seeds %" PRIu64 " to %" PRIu64 ": all well; %" PRIu64 " crashes, %" PRIu64
           " times back, at most %" PRIu64 " wants of a well log\n",
           from, to, seen_crashes, seen_regressions, most_well_wants);
    for (int i = 0; i < FEED_INCIDENTS; i++)
        if (seen[i])
            printf("  %s: %" PRIu64 "\n", feed_incident_name((enum feed_incident)i), seen[i]);
    return 0;
}
