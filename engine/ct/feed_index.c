#include "engine/ct/feed_index.h"
#include "engine/base/cpu.h"

#if defined(__SSE2__)

#include <emmintrin.h>

static uint64_t specials_16(const uint8_t *at) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i escapes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i others = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')); /* signed: from 0x80 on too */
    __m128i all = _mm_or_si128(_mm_or_si128(quotes, escapes), others);
    return (uint32_t)_mm_movemask_epi8(all);
}

/* A bit for each special byte of a block. */
static uint64_t specials(const uint8_t *block) {
    return specials_16(block) | specials_16(block + 16) << 16 | specials_16(block + 32) << 32 |
           specials_16(block + 48) << 48;
}

#else

static uint64_t specials(const uint8_t *block) {
    uint64_t bits = 0;

    for (uint32_t i = 0; i < FEED_INDEX_BLOCK; i++) {
        uint8_t c = block[i];
        bits |= (uint64_t)(c < ' ' || c >= 0x80 || c == '"' || c == '\\') << i;
    }
    return bits;
}

#endif

void feed_index_fill_plain(struct feed_index *index) {
    index->count = 0;
    while (index->done < index->text.len && index->count < FEED_INDEX_POSITIONS) {
        const uint8_t *block = index->text.ptr + index->done;
        size_t left = index->text.len - index->done;
        size_t len = left < FEED_INDEX_BLOCK ? left : FEED_INDEX_BLOCK;
        uint8_t last[FEED_INDEX_BLOCK];
        if (len < FEED_INDEX_BLOCK) {
            memset(last, ' ', sizeof last);
            block = memcpy(last, block, len);
        }
        for (uint64_t bits = specials(block); bits; bits &= bits - 1)
            index->positions[index->count++] =
                (uint32_t)index->done + (uint32_t)__builtin_ctzll(bits);
        index->done += len;
    }
    if (index->done == index->text.len)
        index->positions[index->count++] = (uint32_t)index->text.len;
}

void feed_index_fill(struct feed_index *index) {
#if defined(__x86_64__)
    if (cpu_get()->avx512_vbmi) {
        feed_index_fill_avx512(index);
        return;
    }
#endif
    feed_index_fill_plain(index);
}
