/* Any bytes as base64: all ways go equally far and give the same bytes; what was read is exactly
 * what those bytes encode to; the position of a fault is that of a fault. */
#include "engine/base/base64.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition)
        abort();
}

static uint8_t *exactly(size_t len) {
    uint8_t *bytes = malloc(len + !len);
    require(bytes);
    return bytes;
}

static void encode_again(const struct base64_backend *backend, struct slice bytes,
                         struct slice text) {
    size_t len = base64_encoded_size(bytes.len);
    uint8_t *again = exactly(len);

    backend->encode(bytes, again);
    require(slice_equal((struct slice){again, len}, text));
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = {data, size};
    uint8_t *plain_out = exactly(base64_decoded_max(size)),
            *out = exactly(base64_decoded_max(size));
    struct base64_run plain = base64_backend_at(0)->decode_run(text, plain_out);
    const struct base64_backend *backend;
    size_t written, position = 0;

    for (uint32_t i = 0; (backend = base64_backend_at(i)); i++) {
        struct base64_run run = backend->decode_run(text, out);
        require(run.read == plain.read && run.written == plain.written);
        require(slice_equal((struct slice){out, run.written},
                            (struct slice){plain_out, plain.written}));
        encode_again(backend, (struct slice){out, run.written}, slice_first(text, run.read));
    }
    bool whole = base64_decode(text, out, &written, &position);
    require(whole == (plain.read == size));
    require(whole || (position <= size && position >= plain.read && position <= plain.read + 4));
    free(out);
    free(plain_out);
    return 0;
}
