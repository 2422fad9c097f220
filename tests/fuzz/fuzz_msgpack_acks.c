/* Any bytes as what a reader acknowledges. However they are cut the end is the same, and no number
 * is taken that is above what was handed over or below one before. The first byte of the input is
 * the size of the pieces, the second how much was handed over. */
#include "sinks/msgpack_socket_acks.h"
#include "tests/fuzz/take.h"

#include <assert.h>

static enum error feed(struct msgpack_acks *acks, struct slice input, size_t step,
                       uint64_t handed) {
    struct failure failure = {0};
    enum error error = ERROR_NONE;

    while (input.len && !error) {
        uint64_t before = acks->count;
        error = msgpack_acks_take(acks, slice_first(input, step), handed, &failure);
        input = slice_from(input, step);
        assert(acks->count >= before && acks->count <= handed);
        assert(acks->held_len < MSGPACK_ACK_BYTES_MAX && (!error || failure.text[0]));
    }
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {data, size};
    struct msgpack_acks whole = {0}, pieces = {0};
    size_t step = (size_t)take_byte(&input) + 1;
    uint64_t handed = (uint64_t)take_byte(&input) << 4;
    enum error error = feed(&whole, input, input.len + 1, handed);

    assert(feed(&pieces, input, step, handed) == error);
    assert(whole.count == pieces.count && whole.held_len == pieces.held_len);
    return 0;
}
