#include "engine/decode/inflate.h"

#include <zlib.h>

enum { STEP_BYTES = 256 * 1024, GZIP_WINDOW = 16 + MAX_WBITS };

bool is_gzip(struct slice bytes) {
    return bytes.len >= 3 && bytes.ptr[0] == 0x1f && bytes.ptr[1] == 0x8b && bytes.ptr[2] == 8;
}

/* One step into the room that is left below the cap. */
static int inflate_step(z_stream *stream, size_t most, struct buffer *out) {
    size_t room = most - out->len < STEP_BYTES ? most - out->len : STEP_BYTES;
    uint8_t *at = buffer_reserve(out, room);

    if (!at)
        return Z_MEM_ERROR;
    stream->next_out = at;
    stream->avail_out = (uInt)room;
    int result = inflate(stream, Z_NO_FLUSH);
    out->len += room - stream->avail_out;
    return result;
}

static const char *inflate_all(z_stream *stream, size_t most, struct buffer *out) {
    for (;;) {
        int result = inflate_step(stream, most, out);
        if (result == Z_STREAM_END && stream->avail_in == 0)
            return NULL;
        if (result == Z_STREAM_END)
            result = inflateReset(stream); /* another member follows */
        if (result == Z_MEM_ERROR)
            return "no memory";
        if (out->len >= most)
            return "inflates to more than any page";
        if (result == Z_BUF_ERROR ||
            (result == Z_OK && stream->avail_in == 0 && stream->avail_out != 0))
            return "cut off";
        if (result != Z_OK)
            return "broken";
    }
}

const char *inflate_gzip(struct slice bytes, size_t most, struct buffer *out) {
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)bytes.ptr,
                       .avail_in = (uInt)bytes.len};

    if (bytes.len > UINT32_MAX || inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
        return "no memory";
    const char *error = inflate_all(&stream, most, out);
    inflateEnd(&stream);
    return out->failed ? "no memory" : error;
}
