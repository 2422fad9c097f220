/* Every protocol's dialogue. The first byte picks the protocol, the second how many bytes are read
 * at a time: however they are split, the same must come out. After the go-ahead of a protocol that
 * wraps TLS, the rest is unwrapped. */
#include "engine/starttls/dialogue.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct talk {
    struct dialogue_state state;
    struct buffer out, tls;
    enum dialogue_status status;
    size_t used;
    bool unwraps;
};

static void take(struct talk *talk, struct slice part) {
    size_t used = 0;

    if (talk->status == DIALOGUE_MORE) {
        talk->status = dialogue_feed(&talk->state, part, &used, &talk->out);
        assert(used == part.len || (used < part.len && talk->status != DIALOGUE_MORE));
        talk->used += used;
    }
    part = slice_from(part, used);
    if (part.len && talk->status == DIALOGUE_TLS && talk->unwraps)
        talk->unwraps = talk->state.dialogue->unwrap(&talk->state, part, &talk->tls);
}

static void run(struct talk *talk, const struct dialogue *dialogue, struct slice bytes,
                size_t piece) {
    buffer_init(&talk->out);
    buffer_init(&talk->tls);
    talk->status = DIALOGUE_MORE;
    talk->used = 0;
    talk->unwraps = dialogue->unwrap;
    dialogue_start(&talk->state, dialogue, slice_of("example.org"), &talk->out);
    for (struct slice rest = bytes; rest.len; rest = slice_from(rest, piece))
        take(talk, slice_first(rest, piece));
    assert(!talk->out.failed && talk->out.len <= 512 + 4 * talk->used);
    assert(talk->used <= DIALOGUE_BYTES_MAX + 1 && talk->tls.len <= bytes.len);
    assert(talk->state.words_len <= DIALOGUE_WORDS_BYTES);
    assert(talk->status == DIALOGUE_REFUSED || talk->state.words_len == 0);
}

static void assert_same(struct talk *a, struct talk *b) {
    assert(a->status == b->status && a->used == b->used && a->unwraps == b->unwraps);
    assert(slice_equal(buffer_slice(&a->out), buffer_slice(&b->out)));
    assert(slice_equal(buffer_slice(&a->tls), buffer_slice(&b->tls)));
    assert(slice_equal((struct slice){a->state.words, a->state.words_len},
                       (struct slice){b->state.words, b->state.words_len}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3)
        return 0;
    struct slice bytes = {data + 2, size - 2};
    const struct dialogue *dialogue = dialogues[1 + data[0] % (dialogue_count - 1)];
    struct talk whole, pieces;

    run(&whole, dialogue, bytes, bytes.len);
    run(&pieces, dialogue, bytes, data[1] ? data[1] : 1);
    assert_same(&whole, &pieces);
    buffer_deinit(&whole.out);
    buffer_deinit(&whole.tls);
    buffer_deinit(&pieces.out);
    buffer_deinit(&pieces.tls);
    return 0;
}
