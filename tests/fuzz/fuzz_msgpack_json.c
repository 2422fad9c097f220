/* Any bytes as a stream of MessagePack. However it is cut, the same lines come out and the same end
 * is reached; each line is an object, and has the length that msgpack_value_length says. The first
 * byte of the input is the size of the pieces. */
#include "engine/record/msgpack_json.h"
#include "engine/record/msgpack_token.h"
#include "tests/fuzz/take.h"

#include <assert.h>

struct end {
    struct buffer lines;
    uint64_t offset, record_offset;
    enum error error;
};

static struct end decode(struct slice input, size_t step) {
    struct end end = {.error = ERROR_NONE};
    struct msgpack_json stream;
    struct failure failure;
    size_t from = 0;

    msgpack_json_init(&stream);
    buffer_init(&end.lines);
    for (size_t to = 0; to < input.len && !end.error;) {
        to = to + step < input.len ? to + step : input.len;
        struct slice rest = {input.ptr + from, to - from};
        end.error = msgpack_json_take(&stream, &rest, &failure);
        from = (size_t)stream.offset;
        assert(end.error || from == to - rest.len);
        buffer_add(&end.lines, stream.json.ptr, stream.whole);
        msgpack_json_drop(&stream);
    }
    end.offset = stream.offset;
    end.record_offset = stream.record_offset;
    msgpack_json_deinit(&stream);
    return end;
}

static void check_lines(const struct end *end, struct slice input) {
    struct slice lines = buffer_slice(&end->lines);
    size_t at = 0;

    while (lines.len) {
        const uint8_t *newline = memchr(lines.ptr, '\n', lines.len);
        assert(newline && lines.ptr[0] == '{' && newline[-1] == '}');
        lines = slice_from(lines, (size_t)(newline - lines.ptr) + 1);
        size_t length = msgpack_value_length(slice_from(input, at));
        assert(length);
        at += length;
    }
    assert(at == end->record_offset && end->offset <= input.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {data, size};
    size_t step = (size_t)take_byte(&input) + 1;
    struct end whole = decode(input, input.len + 1), pieces = decode(input, step);

    assert(whole.error == pieces.error && whole.offset == pieces.offset &&
           whole.record_offset == pieces.record_offset);
    assert(slice_equal(buffer_slice(&whole.lines), buffer_slice(&pieces.lines)));
    check_lines(&whole, input);
    buffer_deinit(&whole.lines);
    buffer_deinit(&pieces.lines);
    return 0;
}
