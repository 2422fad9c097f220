/* SHA-256 of two messages in lockstep with the SHA instructions of x86: one message alone waits for
 * the results of its own rounds, a second one fills the gaps. */
#include "engine/hash/sha256_backends.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define SHA __attribute__((target("sha,sse4.1,ssse3")))

enum { LANES = 2 };

/* Words in the order that sha256rnds2 wants, the first in the highest place; four words of the
 * schedule. */
struct stream {
    __m128i abef, cdgh;
    __m128i w[4];
};

SHA static inline struct stream load_state(const struct sha256_lanes_state *state, uint32_t lane) {
    int a[SHA256_WORDS];

    for (uint32_t i = 0; i < SHA256_WORDS; i++)
        a[i] = (int)state->words[i][lane];
    return (struct stream){.abef = _mm_set_epi32(a[0], a[1], a[4], a[5]),
                           .cdgh = _mm_set_epi32(a[2], a[3], a[6], a[7])};
}

SHA static inline void store_state(const struct stream *stream, struct sha256_lanes_state *state,
                                   uint32_t lane) {
    static const uint8_t ABEF[4] = {5, 4, 1, 0}, CDGH[4] = {7, 6, 3, 2};
    uint32_t abef[4], cdgh[4];

    _mm_storeu_si128((__m128i *)abef, stream->abef);
    _mm_storeu_si128((__m128i *)cdgh, stream->cdgh);
    for (uint32_t i = 0; i < 4; i++) {
        state->words[ABEF[i]][lane] = abef[i];
        state->words[CDGH[i]][lane] = cdgh[i];
    }
}

SHA static inline void load_words(struct stream *stream, const uint8_t *block) {
    const __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);

    for (uint32_t i = 0; i < 4; i++)
        stream->w[i] = _mm_shuffle_epi8(
            _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i)), swap);
}

/* Rounds 4 q to 4 q + 3. */
SHA static inline void four_rounds(struct stream *stream, uint32_t q) {
    const __m128i *k = (const __m128i *)(const void *)sha256_constants;
    __m128i sum = _mm_add_epi32(stream->w[q % 4], _mm_load_si128(k + q));

    stream->cdgh = _mm_sha256rnds2_epu32(stream->cdgh, stream->abef, sum);
    sum = _mm_shuffle_epi32(sum, 0x0e);
    stream->abef = _mm_sha256rnds2_epu32(stream->abef, stream->cdgh, sum);
}

/* In the place of the words that were used, those that are due 16 rounds later. */
SHA static inline void schedule(struct stream *stream, uint32_t q) {
    __m128i *w = stream->w;
    __m128i next = _mm_sha256msg1_epu32(w[q % 4], w[(q + 1) % 4]);

    next = _mm_add_epi32(next, _mm_alignr_epi8(w[(q + 3) % 4], w[(q + 2) % 4], 4));
    w[q % 4] = _mm_sha256msg2_epu32(next, w[(q + 3) % 4]);
}

#define BOTH(step, q) step(&one, (q)), step(&two, (q))
#define QUARTER(q)                                                                                 \
    BOTH(four_rounds, (q)), BOTH(schedule, (q)), BOTH(four_rounds, (q) + 1),                       \
        BOTH(schedule, (q) + 1), BOTH(four_rounds, (q) + 2), BOTH(schedule, (q) + 2),              \
        BOTH(four_rounds, (q) + 3), BOTH(schedule, (q) + 3)

SHA __attribute__((noinline)) static void compress(struct sha256_lanes_state *state,
                                                   const uint8_t **at, size_t count) {
    struct stream one = load_state(state, 0), two = load_state(state, 1);

    for (; count; count--) {
        const __m128i abef_1 = one.abef, cdgh_1 = one.cdgh, abef_2 = two.abef, cdgh_2 = two.cdgh;
        load_words(&one, at[0]);
        load_words(&two, at[1]);
        QUARTER(0);
        QUARTER(4);
        QUARTER(8);
        BOTH(four_rounds, 12);
        BOTH(four_rounds, 13);
        BOTH(four_rounds, 14);
        BOTH(four_rounds, 15);
        one.abef = _mm_add_epi32(one.abef, abef_1);
        one.cdgh = _mm_add_epi32(one.cdgh, cdgh_1);
        two.abef = _mm_add_epi32(two.abef, abef_2);
        two.cdgh = _mm_add_epi32(two.cdgh, cdgh_2);
        at[0] += SHA256_BLOCK_BYTES;
        at[1] += SHA256_BLOCK_BYTES;
    }
    store_state(&one, state, 0);
    store_state(&two, state, 1);
}

const struct sha256_kernel sha256_kernel_shani = {LANES, LANES, compress};

#endif
