/* Base64 with AVX-512 VBMI: the alphabet is a table of 128 bytes that fits into two registers, so
 * that 64 characters are looked up by one instruction. Characters and bytes are in the order of
 * memory; the lowest byte of a register comes first. */
#include "engine/base/base64_backends.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define VBMI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,bmi,bmi2")))

enum { CHARACTERS = 64, BYTES = 48 };

/* Values of the characters 0 to 127; 0x80 for those that are not in the alphabet. */
#define VALUE(c)                                                                                   \
    (uint8_t)((c) >= 'A' && (c) <= 'Z'   ? (c) - 'A'                                               \
              : (c) >= 'a' && (c) <= 'z' ? (c) - 'a' + 26                                          \
              : (c) >= '0' && (c) <= '9' ? (c) - '0' + 52                                          \
              : (c) == '+'               ? 62                                                      \
              : (c) == '/'               ? 63                                                      \
                                         : 0x80)
#define ROW_4(c)  VALUE(c), VALUE((c) + 1), VALUE((c) + 2), VALUE((c) + 3)
#define ROW_16(c) ROW_4(c), ROW_4((c) + 4), ROW_4((c) + 8), ROW_4((c) + 12)
#define ROW_64(c) ROW_16(c), ROW_16((c) + 16), ROW_16((c) + 32), ROW_16((c) + 48)
static const uint8_t VALUES[128] = {ROW_64(0), ROW_64(64)};

static const uint8_t DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Three bytes of a group lie in a word of four with the first byte highest: they are at 2, 1, 0. */
#define GROUP_BYTES(i) 4 * (i) + 2, 4 * (i) + 1, 4 * (i)
#define GROUPS_BYTES(i)                                                                            \
    GROUP_BYTES(i), GROUP_BYTES((i) + 1), GROUP_BYTES((i) + 2), GROUP_BYTES((i) + 3)
static const uint8_t PACK[64] = {GROUPS_BYTES(0), GROUPS_BYTES(4), GROUPS_BYTES(8),
                                 GROUPS_BYTES(12)};

/* A group's bytes a, b, c as b a c b: then each digit is six neighbouring bits of its word. */
#define SPREAD_BYTES(i) 3 * (i) + 1, 3 * (i), 3 * (i) + 2, 3 * (i) + 1
#define SPREAD_GROUPS(i)                                                                           \
    SPREAD_BYTES(i), SPREAD_BYTES((i) + 1), SPREAD_BYTES((i) + 2), SPREAD_BYTES((i) + 3)
static const uint8_t SPREAD[64] = {SPREAD_GROUPS(0), SPREAD_GROUPS(4), SPREAD_GROUPS(8),
                                   SPREAD_GROUPS(12)};

struct decoder {
    __m512i low, high, pack;
};

VBMI static inline struct decoder decoder_make(void) {
    return (struct decoder){_mm512_loadu_si512(VALUES), _mm512_loadu_si512(VALUES + 64),
                            _mm512_loadu_si512(PACK)};
}

/* The values of 64 characters; `bad` gets a bit for each that is not in the alphabet. */
VBMI static inline __m512i look_up(const struct decoder *decoder, __m512i text, uint64_t *bad) {
    __m512i values = _mm512_permutex2var_epi8(decoder->low, text, decoder->high);
    *bad = _mm512_movepi8_mask(_mm512_or_si512(values, text));
    return values;
}

/* 64 values of six bits as 48 bytes; those behind are of no meaning. */
VBMI static inline __m512i pack(const struct decoder *decoder, __m512i values) {
    __m512i pairs = _mm512_maddubs_epi16(values, _mm512_set1_epi32(0x01400140));
    __m512i groups = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00011000));
    return _mm512_permutexvar_epi8(decoder->pack, groups);
}

static inline uint64_t low_bits(size_t count) {
    return count >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1;
}

VBMI static struct base64_run decode_run(struct slice text, uint8_t *out) {
    struct decoder decoder = decoder_make();
    size_t read = 0, written = 0;
    uint64_t bad = 0;

    if (!text.len)
        return (struct base64_run){0};
    /* stores write 16 bytes too many: there must be room for as much as is still to come */
    for (; text.len - read >= CHARACTERS + 24; read += CHARACTERS, written += BYTES) {
        __m512i values = look_up(&decoder, _mm512_loadu_si512(text.ptr + read), &bad);
        if (bad)
            break;
        _mm512_storeu_si512(out + written, pack(&decoder, values));
    }
    /* what is left, or what is before the first character that is not in the alphabet */
    do {
        uint64_t there = low_bits(text.len - read);
        __m512i rest = _mm512_maskz_loadu_epi8(there, text.ptr + read);
        __m512i values = look_up(&decoder, rest, &bad);
        size_t groups = (bad ? (size_t)__builtin_ctzll(bad) : CHARACTERS) / 4;
        _mm512_mask_storeu_epi8(out + written, low_bits(3 * groups), pack(&decoder, values));
        read += 4 * groups;
        written += 3 * groups;
    } while (!bad);
    /* a group with padding, if that is what stopped us */
    struct base64_run last =
        base64_table_decode_run(slice_first(slice_from(text, read), 4), out + written);
    return (struct base64_run){read + last.read, written + last.written};
}

VBMI static inline __m512i digits_of(__m512i bytes, __m512i digits) {
    const __m512i spread = _mm512_loadu_si512(SPREAD);
    /* where in each half of eight bytes the digits of its two groups begin */
    const __m512i shifts = _mm512_set1_epi64(0x3036242a1016040a);
    __m512i words = _mm512_permutexvar_epi8(spread, bytes);
    return _mm512_permutexvar_epi8(_mm512_multishift_epi64_epi8(shifts, words), digits);
}

VBMI static void encode(struct slice bytes, uint8_t *out) {
    const __m512i digits = _mm512_loadu_si512(DIGITS);
    size_t read = 0;

    for (; bytes.len - read >= 64; read += BYTES, out += CHARACTERS)
        _mm512_storeu_si512(out, digits_of(_mm512_loadu_si512(bytes.ptr + read), digits));
    while (bytes.len - read >= 3) {
        size_t groups = (bytes.len - read) / 3;
        groups = groups < 16 ? groups : 16;
        __m512i rest = _mm512_maskz_loadu_epi8(low_bits(3 * groups), bytes.ptr + read);
        _mm512_mask_storeu_epi8(out, low_bits(4 * groups), digits_of(rest, digits));
        read += 3 * groups;
        out += 4 * groups;
    }
    base64_table_encode(slice_from(bytes, read), out);
}

const struct base64_backend base64_avx512 = {"avx512", decode_run, encode};

#endif
