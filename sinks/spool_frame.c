#include "sinks/spool_frame.h"

#include <zlib.h>

static const char SEGMENT_MAGIC[] = "trawlspl", FRAME_MAGIC[] = "TSF1",
                  POSITION_MAGIC[] = "trawlpos";

static void put(uint8_t **at, uint64_t number, size_t size) {
    for (size_t i = 0; i < size; i++)
        *(*at)++ = (uint8_t)(number >> 8 * i);
}

static uint64_t get(const uint8_t **at, size_t size) {
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++)
        number |= (uint64_t)*(*at)++ << 8 * i;
    return number;
}

static uint32_t checksum(uint32_t before, struct slice bytes) {
    return (uint32_t)crc32_z(before, bytes.ptr ? bytes.ptr : (const uint8_t *)"", bytes.len);
}

void spool_segment_head_write(uint8_t out[SPOOL_SEGMENT_HEAD]) {
    uint8_t *at = out + 8;

    memcpy(out, SEGMENT_MAGIC, 8);
    put(&at, SPOOL_VERSION, 4);
    put(&at, 0, 4);
}

uint32_t spool_segment_head_read(const uint8_t in[SPOOL_SEGMENT_HEAD]) {
    const uint8_t *at = in + 8;

    return memcmp(in, SEGMENT_MAGIC, 8) == 0 ? (uint32_t)get(&at, 4) : 0;
}

void spool_head_write(struct spool_head *head, struct slice reason, struct slice bytes,
                      uint8_t out[SPOOL_FRAME_HEAD]) {
    uint8_t *at = out + 8;

    head->reason = (uint32_t)reason.len;
    head->bytes = (uint32_t)bytes.len;
    head->body_crc = checksum(checksum(0, reason), bytes);
    put(&at, head->body_crc, 4);
    put(&at, head->bytes, 4);
    put(&at, head->reason, 4);
    put(&at, head->records, 4);
    put(&at, head->flags, 4);
    put(&at, head->sequence, 8);
    put(&at, (uint64_t)head->time_ms, 8);
    put(&at, 0, 4);
    memcpy(out, FRAME_MAGIC, 4);
    at = out + 4;
    put(&at, checksum(0, (struct slice){out + 8, SPOOL_FRAME_HEAD - 8}), 4);
}

bool spool_head_read(const uint8_t in[SPOOL_FRAME_HEAD], struct spool_head *out) {
    const uint8_t *at = in + 4;

    if (memcmp(in, FRAME_MAGIC, 4) != 0 ||
        get(&at, 4) != checksum(0, (struct slice){in + 8, SPOOL_FRAME_HEAD - 8}))
        return false;
    out->body_crc = (uint32_t)get(&at, 4);
    out->bytes = (uint32_t)get(&at, 4);
    out->reason = (uint32_t)get(&at, 4);
    out->records = (uint32_t)get(&at, 4);
    out->flags = (uint32_t)get(&at, 4);
    out->sequence = get(&at, 8);
    out->time_ms = (int64_t)get(&at, 8);
    return out->reason <= SPOOL_REASON_MAX && out->sequence != 0 && out->sequence != UINT64_MAX;
}

bool spool_body_is_whole(const struct spool_head *head, struct slice body) {
    return body.len == (uint64_t)head->reason + head->bytes && checksum(0, body) == head->body_crc;
}

size_t spool_find_frame(struct slice in, size_t from) {
    struct slice rest = slice_from(in, from);
    const uint8_t *found = rest.len ? memmem(rest.ptr, rest.len, FRAME_MAGIC, 4) : NULL;

    return found ? (size_t)(found - in.ptr) : SIZE_MAX;
}

void spool_position_write(uint64_t turn, uint64_t sequence, uint8_t out[SPOOL_POSITION_SLOT]) {
    uint8_t *at = out + 16;

    put(&at, turn, 8);
    put(&at, sequence, 8);
    memcpy(out, POSITION_MAGIC, 8);
    at = out + 8;
    put(&at, checksum(0, (struct slice){out + 16, 16}), 4);
    put(&at, 0, 4);
}

bool spool_position_read(const uint8_t in[SPOOL_POSITION_SLOT], uint64_t *turn,
                         uint64_t *sequence) {
    const uint8_t *at = in + 8;

    if (memcmp(in, POSITION_MAGIC, 8) != 0 ||
        get(&at, 4) != checksum(0, (struct slice){in + 16, 16}))
        return false;
    at = in + 16;
    *turn = get(&at, 8);
    *sequence = get(&at, 8);
    return *sequence != UINT64_MAX;
}
