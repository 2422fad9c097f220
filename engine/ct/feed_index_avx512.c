#include "engine/ct/feed_index.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX512                                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,popcnt")))

/* 0x80 for what is special among the bytes below 0x80. */
#define CLASS(c)  ((c) < ' ' || (c) == '"' || (c) == '\\' ? 0x80 : 0)
#define ROW_4(c)  CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define ROW_16(c) ROW_4(c), ROW_4((c) + 4), ROW_4((c) + 8), ROW_4((c) + 12)
#define ROW_64(c) ROW_16(c), ROW_16((c) + 16), ROW_16((c) + 32), ROW_16((c) + 48)
static const uint8_t CLASSES[128] = {ROW_64(0), ROW_64(64)};

static const uint8_t NUMBERS[FEED_INDEX_BLOCK] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

/* A bit for each special byte. */
AVX512 static inline uint64_t specials(__m512i bytes) {
    __m512i classes = _mm512_permutex2var_epi8(_mm512_loadu_si512(CLASSES), bytes,
                                               _mm512_loadu_si512(CLASSES + 64));
    return _mm512_movepi8_mask(_mm512_or_si512(classes, bytes));
}

/* Writes the places of the bits, counted from `from` on, sixteen at a time; returns how many. */
AVX512 static inline uint32_t add_positions(uint32_t *positions, uint64_t bits, size_t from) {
    __m512i places = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(NUMBERS));
    const __m512i base = _mm512_set1_epi32((int)from);
    uint32_t count = (uint32_t)__builtin_popcountll(bits), i = 0;

    do {
        __m512i wide = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places));
        _mm512_storeu_si512(positions + i, _mm512_add_epi32(wide, base));
        places = _mm512_shuffle_i64x2(places, places, 0x39); /* the next sixteen */
        i += 16;
    } while (i < count);
    return count;
}

AVX512 void feed_index_fill_avx512(struct feed_index *index) {
    const uint8_t *text = index->text.ptr;
    size_t done = index->done, len = index->text.len;
    uint32_t count = 0;

    for (; len - done >= FEED_INDEX_BLOCK && count < FEED_INDEX_POSITIONS;
         done += FEED_INDEX_BLOCK) {
        uint64_t bits = specials(_mm512_loadu_si512(text + done));
        if (bits)
            count += add_positions(index->positions + count, bits, done);
    }
    if (len - done < FEED_INDEX_BLOCK && count < FEED_INDEX_POSITIONS) {
        uint64_t there = ((uint64_t)1 << (len - done)) - 1;
        uint64_t bits = there ? specials(_mm512_maskz_loadu_epi8(there, text + done)) & there : 0;
        count += add_positions(index->positions + count, bits, done);
        index->positions[count++] = (uint32_t)len;
        done = len;
    }
    index->done = done;
    index->count = count;
}

#endif
