/* SHA-256 of sixteen messages in lockstep with AVX-512: a register holds one word of each. FIPS
 * 180-4 sections 4.1.2 and 6.2.2 give the names. */
#include "engine/hash/sha256_backends.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))

enum { LANES = 16 };

/* Truth tables for vpternlogd: x^y^z, choose, majority. */
enum { XOR = 0x96, CHOOSE = 0xca, MAJORITY = 0xe8 };

#define ADD(x, y)         _mm512_add_epi32((x), (y))
#define ROTATE(x, n)      _mm512_ror_epi32((x), (n))
#define LOGIC(x, y, z, f) _mm512_ternarylogic_epi32((x), (y), (z), (f))

#define BIG_SIGMA_0(x)   LOGIC(ROTATE(x, 2), ROTATE(x, 13), ROTATE(x, 22), XOR)
#define BIG_SIGMA_1(x)   LOGIC(ROTATE(x, 6), ROTATE(x, 11), ROTATE(x, 25), XOR)
#define SMALL_SIGMA_0(x) LOGIC(ROTATE(x, 7), ROTATE(x, 18), _mm512_srli_epi32(x, 3), XOR)
#define SMALL_SIGMA_1(x) LOGIC(ROTATE(x, 17), ROTATE(x, 19), _mm512_srli_epi32(x, 10), XOR)

#define LOAD(state, i)      _mm512_load_si512((state)->words[i])
#define ADD_TO(state, i, x) _mm512_store_si512((state)->words[i], ADD(LOAD(state, i), x))

/* Keeps the compiler from changing the order of sums: the one here has the shortest way from round
 * to round, and leaves registers for all of w. */
#define AS_WRITTEN(x) __asm__("" : "+v"(x))

/* Round k + t, with a to h at their places for it: instead of moving eight registers, the next
 * round names them shifted by one. */
#define ROUND(a, b, c, d, e, f, g, h, t)                                                           \
    do {                                                                                           \
        __m512i sum = ADD(ADD(h, w[t]), _mm512_set1_epi32((int)k[t]));                             \
        sum = ADD(sum, LOGIC(e, f, g, CHOOSE));                                                    \
        AS_WRITTEN(sum);                                                                           \
        sum = ADD(sum, BIG_SIGMA_1(e));                                                            \
        AS_WRITTEN(sum);                                                                           \
        d = ADD(d, sum);                                                                           \
        h = ADD(ADD(sum, LOGIC(a, b, c, MAJORITY)), BIG_SIGMA_0(a));                               \
    } while (0)

/* In the place of a word that was used, the one that is due 16 rounds later. */
#define SCHEDULE(t)                                                                                \
    do {                                                                                           \
        w[t] = ADD(ADD(w[t], w[((t) + 9) % 16]), SMALL_SIGMA_0(w[((t) + 1) % 16]));                \
        w[t] = ADD(w[t], SMALL_SIGMA_1(w[((t) + 14) % 16]));                                       \
        AS_WRITTEN(w[t]);                                                                          \
    } while (0)

#define ROUND_AND_SCHEDULE(a, b, c, d, e, f, g, h, t)                                              \
    ROUND(a, b, c, d, e, f, g, h, t);                                                              \
    SCHEDULE(t)

#define EIGHT(step, t)                                                                             \
    step(a, b, c, d, e, f, g, h, (t));                                                             \
    step(h, a, b, c, d, e, f, g, (t) + 1);                                                         \
    step(g, h, a, b, c, d, e, f, (t) + 2);                                                         \
    step(f, g, h, a, b, c, d, e, (t) + 3);                                                         \
    step(e, f, g, h, a, b, c, d, (t) + 4);                                                         \
    step(d, e, f, g, h, a, b, c, (t) + 5);                                                         \
    step(c, d, e, f, g, h, a, b, (t) + 6);                                                         \
    step(b, c, d, e, f, g, h, a, (t) + 7)

/* Four rows of four lanes each, transposed within every quarter of the registers. */
AVX512 static inline void transpose_quarters(__m512i *r) {
    __m512i ab_low = _mm512_unpacklo_epi32(r[0], r[1]), ab_high = _mm512_unpackhi_epi32(r[0], r[1]);
    __m512i cd_low = _mm512_unpacklo_epi32(r[2], r[3]), cd_high = _mm512_unpackhi_epi32(r[2], r[3]);
    r[0] = _mm512_unpacklo_epi64(ab_low, cd_low);
    r[1] = _mm512_unpackhi_epi64(ab_low, cd_low);
    r[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
    r[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
}

/* Reads a block of each lane and makes word t of all lanes w[t]. */
AVX512 static inline void load_words(const uint8_t *const *at, __m512i *w) {
    const __m512i swap =
        _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    __m512i rows[LANES];

    for (uint32_t lane = 0; lane < LANES; lane++)
        rows[lane] = _mm512_shuffle_epi8(_mm512_loadu_si512(at[lane]), swap);
    for (uint32_t i = 0; i < 4; i++)
        transpose_quarters(rows + 4 * i);
    /* rows[4 i + j] now holds, in quarter q, word 4 q + j of the lanes 4 i to 4 i + 3 */
    for (uint32_t j = 0; j < 4; j++) {
        __m512i even_low = _mm512_shuffle_i32x4(rows[j], rows[4 + j], 0x88);
        __m512i odd_low = _mm512_shuffle_i32x4(rows[j], rows[4 + j], 0xdd);
        __m512i even_high = _mm512_shuffle_i32x4(rows[8 + j], rows[12 + j], 0x88);
        __m512i odd_high = _mm512_shuffle_i32x4(rows[8 + j], rows[12 + j], 0xdd);
        w[j] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
        w[8 + j] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
        w[4 + j] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
        w[12 + j] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
    }
}

/* Only constants index what is to stay in registers: 24 of the 32 hold a to h and w. */
AVX512 static inline void compress_block(struct sha256_lanes_state *state, const __m512i *block) {
    __m512i w[16] = {block[0],  block[1],  block[2],  block[3], block[4],  block[5],
                     block[6],  block[7],  block[8],  block[9], block[10], block[11],
                     block[12], block[13], block[14], block[15]};
    __m512i a = LOAD(state, 0), b = LOAD(state, 1), c = LOAD(state, 2), d = LOAD(state, 3);
    __m512i e = LOAD(state, 4), f = LOAD(state, 5), g = LOAD(state, 6), h = LOAD(state, 7);
    const uint32_t *k = sha256_constants;

    for (; k < sha256_constants + SHA256_ROUNDS - 16; k += 16) {
        EIGHT(ROUND_AND_SCHEDULE, 0);
        EIGHT(ROUND_AND_SCHEDULE, 8);
    }
    EIGHT(ROUND, 0);
    EIGHT(ROUND, 8);
    ADD_TO(state, 0, a);
    ADD_TO(state, 1, b);
    ADD_TO(state, 2, c);
    ADD_TO(state, 3, d);
    ADD_TO(state, 4, e);
    ADD_TO(state, 5, f);
    ADD_TO(state, 6, g);
    ADD_TO(state, 7, h);
}

AVX512 __attribute__((noinline)) static void compress(struct sha256_lanes_state *state,
                                                      const uint8_t **at, size_t count) {
    __m512i block[16];

    for (; count; count--) {
        load_words(at, block);
        compress_block(state, block);
        for (uint32_t lane = 0; lane < LANES; lane++)
            at[lane] += SHA256_BLOCK_BYTES;
    }
    _mm256_zeroupper();
}

const struct sha256_kernel sha256_kernel_avx512 = {LANES, 8, compress};

#endif
