/* Where in a JSON text the bytes are at which a string may begin or end or become unusual: quotes,
 * backslashes, control characters (line ends and tabs between values among them), and what is not
 * ASCII. Found for 64 bytes at once, ahead of the reader, so that it need not wait for the end of
 * one string to find the next. Internal to engine/ct; pure, safe on every thread. */
#ifndef ENGINE_CT_FEED_INDEX_H
#define ENGINE_CT_FEED_INDEX_H

#include "engine/base/slice.h"

enum { FEED_INDEX_BLOCK = 64, FEED_INDEX_POSITIONS = 1024 };

/* Starts with all but `text` zero. */
struct feed_index {
    struct slice text; /* under 4 GB */
    size_t done;       /* so far it has been looked through */
    uint32_t count;
    /* In order; behind the last of the text stands its length. A fill ends with the block in which
       it becomes full. */
    uint32_t positions[FEED_INDEX_POSITIONS + FEED_INDEX_BLOCK + 1];
};

/* Replaces the positions with the next ones: at least one, unless all were given. */
void feed_index_fill(struct feed_index *index);

/* The ways to do that: for all processors, and for cpu.avx512_vbmi. */
void feed_index_fill_plain(struct feed_index *index);
#if defined(__x86_64__)
void feed_index_fill_avx512(struct feed_index *index);
#endif

#endif
