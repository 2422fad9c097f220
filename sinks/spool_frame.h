/* How batches lie in a spool's files. All numbers are little-endian.
 *
 *     segment:  "trawlspl" · version u32 · 0 u32 · frames
 *     frame:    "TSF1" · CRC-32 of the 40 bytes behind it · CRC-32 of all behind the head ·
 *               bytes u32 · reason bytes u32 · records u32 · flags u32 · sequence u64 ·
 *               time u64 (milliseconds since 1970) · 0 u32 · reason · bytes
 *     position: "trawlpos" · CRC-32 of the rest · 0 u32 · turn u64 · sequence u64, twice
 *
 * The two checksums of a frame tell a damaged head, behind which the next frame must be searched,
 * from damaged bytes, which can be stepped over. Pure: bytes in, bytes out; any thread. */
#ifndef SINKS_SPOOL_FRAME_H
#define SINKS_SPOOL_FRAME_H

#include "engine/base/slice.h"

enum {
    SPOOL_VERSION = 1,
    SPOOL_SEGMENT_HEAD = 16,
    SPOOL_FRAME_HEAD = 48,
    SPOOL_POSITION_SLOT = 32,
    SPOOL_REASON_MAX = 1024, /* a failure's text is shorter */
};

/* Bits of `flags`. */
enum { SPOOL_DAMAGED = 1 }; /* a dead letter: bytes as they were found on the disk */

struct spool_head {
    uint32_t bytes, reason, records, flags;
    uint64_t sequence; /* from 1, each greater than the one before */
    int64_t time_ms;   /* since 1970, when it was kept */
    uint32_t body_crc;
};

void spool_segment_head_write(uint8_t out[SPOOL_SEGMENT_HEAD]);
/* 0 when it is no such head, else the version. */
uint32_t spool_segment_head_read(const uint8_t in[SPOOL_SEGMENT_HEAD]);

/* Sets body_crc, too. */
void spool_head_write(struct spool_head *head, struct slice reason, struct slice bytes,
                      uint8_t out[SPOOL_FRAME_HEAD]);
/* False when it is none, or damaged. */
bool spool_head_read(const uint8_t in[SPOOL_FRAME_HEAD], struct spool_head *out);
/* Whether what follows a head is what was written. */
bool spool_body_is_whole(const struct spool_head *head, struct slice body);

/* Of the whole frame. */
static inline uint64_t spool_frame_size(const struct spool_head *head) {
    return (uint64_t)SPOOL_FRAME_HEAD + head->reason + head->bytes;
}

/* Where the next frame may begin, at or behind `from`; SIZE_MAX when nowhere. The last 3 bytes may
 * be the beginning of one. */
size_t spool_find_frame(struct slice in, size_t from);

void spool_position_write(uint64_t turn, uint64_t sequence, uint8_t out[SPOOL_POSITION_SLOT]);
bool spool_position_read(const uint8_t in[SPOOL_POSITION_SLOT], uint64_t *turn, uint64_t *sequence);

#endif
