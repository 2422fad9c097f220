/* Every dialogue of tests/golden/starttls, whole, byte by byte, and split at each place. */
#include "tests/unit/starttls/transcript.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* How a turn of the server is cut: into pieces of so many bytes, or one cut in one turn. */
struct cut {
    size_t piece;
    uint32_t turn;
    size_t at;
};

struct play {
    const struct transcript *transcript;
    struct dialogue_state state;
    struct buffer out;
    enum dialogue_status status;
    size_t left; /* of the last piece, not used */
};

static void assert_said(struct play *play, uint32_t turn) {
    struct slice said = buffer_slice(&play->out);
    struct slice expected = buffer_slice(&play->transcript->client[turn]);

    if (!slice_equal(said, expected))
        fail_msg("%s, turn %u: said \"%.*s\" (%zu bytes), expected \"%.*s\" (%zu bytes)",
                 play->transcript->name, turn, (int)said.len, (const char *)said.ptr, said.len,
                 (int)expected.len, (const char *)expected.ptr, expected.len);
    play->out.len = 0;
}

static void hear(struct play *play, struct slice bytes) {
    size_t used;

    if (!bytes.len)
        return;
    if (play->status != DIALOGUE_MORE)
        fail_msg("%s: over too early (%d)", play->transcript->name, (int)play->status);
    play->status = dialogue_feed(&play->state, bytes, &used, &play->out);
    assert_true(used <= bytes.len && used > 0);
    assert_true(used == bytes.len || play->status != DIALOGUE_MORE);
    play->left = bytes.len - used;
}

static void hear_turn(struct play *play, uint32_t turn, const struct cut *cut) {
    struct buffer bytes;

    buffer_init(&bytes);
    buffer_add_slice(&bytes, buffer_slice(&play->transcript->server[turn]));
    size_t own = bytes.len;
    if (turn + 1 == play->transcript->turns)
        buffer_add_slice(&bytes, buffer_slice(&play->transcript->behind));
    struct slice rest = buffer_slice(&bytes);
    if (cut->piece) {
        rest.len = own;
        for (; rest.len; rest = slice_from(rest, cut->piece))
            hear(play, slice_first(rest, cut->piece));
    } else if (cut->turn == turn && cut->at < own) {
        hear(play, slice_first(rest, cut->at));
        hear(play, slice_from(rest, cut->at));
    } else {
        hear(play, rest);
    }
    if (turn + 1 == play->transcript->turns && !cut->piece)
        assert_int_equal(play->left, play->transcript->behind.len);
    buffer_deinit(&bytes);
}

static void play_cut(const struct transcript *transcript, const struct dialogue *dialogue,
                     struct cut cut) {
    struct play play = {.transcript = transcript, .status = DIALOGUE_MORE};

    buffer_init(&play.out);
    dialogue_start(&play.state, dialogue, slice_of(transcript->host), &play.out);
    assert_said(&play, 0);
    for (uint32_t turn = 0; turn < transcript->turns; turn++) {
        hear_turn(&play, turn, &cut);
        assert_said(&play, turn + 1);
    }
    struct slice words = {play.state.words, play.state.words_len};
    if (play.status != transcript->end || !slice_is(words, transcript->words))
        fail_msg("%s %s: ended with %d, \"%.*s\"", dialogue->name, transcript->name,
                 (int)play.status, (int)words.len, (const char *)words.ptr);
    buffer_deinit(&play.out);
}

static void play_all(const struct transcript *transcript, void *context) {
    const struct dialogue *dialogue = context;

    play_cut(transcript, dialogue, (struct cut){0});
    play_cut(transcript, dialogue, (struct cut){.piece = 1});
    play_cut(transcript, dialogue, (struct cut){.piece = 7});
    for (uint32_t turn = 0; turn < transcript->turns; turn++)
        for (size_t at = 1; at < transcript->server[turn].len; at++)
            play_cut(transcript, dialogue, (struct cut){.turn = turn, .at = at});
}

/* Counts those that a test of a protocol must have: one that ends well, and one refusal. */
struct kinds {
    uint32_t by_end[DIALOGUE_TOO_LARGE + 1];
};

static void count_kind(const struct transcript *transcript, void *context) {
    ((struct kinds *)context)->by_end[transcript->end]++;
}

static void test_transcripts(void **state) {
    (void)state;

    for (uint32_t i = 1; i < dialogue_count; i++) {
        const char *name = dialogues[i]->name;
        struct kinds kinds = {0};
        transcripts_read(name, play_all, (void *)(uintptr_t)dialogues[i]);
        transcripts_read(name, count_kind, &kinds);
        assert_true(kinds.by_end[DIALOGUE_TLS] >= 1 && kinds.by_end[DIALOGUE_REFUSED] >= 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_transcripts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
