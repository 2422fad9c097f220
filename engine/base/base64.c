#include "engine/base/base64_backends.h"
#include "engine/base/cpu.h"

#include <endian.h>

static const uint8_t DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* What a character stands for, 64 when it stands for nothing. */
#define VALUE(c)                                                                                   \
    ((c) >= 'A' && (c) <= 'Z'   ? (c) - 'A'                                                        \
     : (c) >= 'a' && (c) <= 'z' ? (c) - 'a' + 26                                                   \
     : (c) >= '0' && (c) <= '9' ? (c) - '0' + 52                                                   \
     : (c) == '+'               ? 62                                                               \
     : (c) == '/'               ? 63                                                               \
                                : 64)

/* Its six bits at their place in the three bytes of a group, the first byte lowest; INVALID instead
 * for what is not in the alphabet. */
#define INVALID 0x80000000u
#define BITS(c, place)                                                                             \
    (VALUE(c) == 64 ? INVALID : SWAPPED((uint32_t)VALUE(c) << (18 - 6 * (place))))
#define SWAPPED(bits) ((bits) >> 16 | ((bits) & 0xff00) | ((bits) & 0xff) << 16)
#define ROW_4(c, place)                                                                            \
    BITS((c), place), BITS((c) + 1, place), BITS((c) + 2, place), BITS((c) + 3, place)
#define ROW_16(c, place)                                                                           \
    ROW_4(c, place), ROW_4((c) + 4, place), ROW_4((c) + 8, place), ROW_4((c) + 12, place)
#define ROW_64(c, place)                                                                           \
    ROW_16(c, place), ROW_16((c) + 16, place), ROW_16((c) + 32, place), ROW_16((c) + 48, place)
#define TABLE(place) {ROW_64(0, place), ROW_64(64, place), ROW_64(128, place), ROW_64(192, place)}

static const uint32_t PLACES[4][256] = {TABLE(0), TABLE(1), TABLE(2), TABLE(3)};

static uint32_t group_bits(const uint8_t *group) {
    return PLACES[0][group[0]] | PLACES[1][group[1]] | PLACES[2][group[2]] | PLACES[3][group[3]];
}

static void store_3(uint8_t *out, uint32_t bits) {
    out[0] = (uint8_t)bits;
    out[1] = (uint8_t)(bits >> 8);
    out[2] = (uint8_t)(bits >> 16);
}

/* A last group with padding: one byte from "xx==", two from "xxx=", 0 from anything else. The bits
 * behind those bytes must be zero. */
static uint32_t padded_group(const uint8_t *group, uint8_t *out) {
    uint32_t bytes = group[3] != '=' ? 3 : group[2] != '=' ? 2 : 1;
    uint32_t bits = PLACES[0][group[0]] | PLACES[1][group[1]];

    if (bytes == 3)
        return 0;
    if (bytes == 2)
        bits |= PLACES[2][group[2]];
    if (bits >> 8 * bytes) /* INVALID too */
        return 0;
    for (uint32_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(bits >> 8 * i);
    return bytes;
}

/* 16 characters at a time while there is room for the four bytes more that the wide stores write.
 */
static struct base64_run decode_wide(struct slice text, uint8_t *out) {
    size_t read = 0, written = 0;

    for (; text.len - read >= 24; read += 16, written += 12) {
        uint32_t groups[4], bad = 0;
        for (uint32_t i = 0; i < 4; i++) {
            groups[i] = group_bits(text.ptr + read + 4 * i);
            bad |= groups[i];
        }
        if (bad & INVALID)
            break;
        uint64_t low = htole64(groups[0] | (uint64_t)groups[1] << 24);
        uint64_t high = htole64(groups[2] | (uint64_t)groups[3] << 24);
        memcpy(out + written, &low, sizeof low);
        memcpy(out + written + 6, &high, sizeof high);
    }
    return (struct base64_run){read, written};
}

struct base64_run base64_table_decode_run(struct slice text, uint8_t *out) {
    struct base64_run run = decode_wide(text, out);

    for (; text.len - run.read >= 4; run.read += 4, run.written += 3) {
        const uint8_t *group = text.ptr + run.read;
        uint32_t bits = group_bits(group);
        if (bits & INVALID) {
            uint32_t bytes = padded_group(group, out + run.written);
            return (struct base64_run){run.read + (bytes ? 4 : 0), run.written + bytes};
        }
        store_3(out + run.written, bits);
    }
    return run;
}

void base64_table_encode(struct slice bytes, uint8_t *out) {
    size_t i = 0;

    for (; i + 3 <= bytes.len; i += 3, out += 4) {
        uint32_t bits =
            (uint32_t)bytes.ptr[i] << 16 | (uint32_t)bytes.ptr[i + 1] << 8 | bytes.ptr[i + 2];
        out[0] = DIGITS[bits >> 18];
        out[1] = DIGITS[bits >> 12 & 63];
        out[2] = DIGITS[bits >> 6 & 63];
        out[3] = DIGITS[bits & 63];
    }
    if (i == bytes.len)
        return;
    bool two = bytes.len - i == 2;
    uint32_t bits = (uint32_t)bytes.ptr[i] << 16 | (two ? (uint32_t)bytes.ptr[i + 1] << 8 : 0);
    out[0] = DIGITS[bits >> 18];
    out[1] = DIGITS[bits >> 12 & 63];
    out[2] = two ? DIGITS[bits >> 6 & 63] : '=';
    out[3] = '=';
}

/* Where in the first group that does not decode the fault is. */
static size_t fault_in(struct slice rest) {
    static const char ZERO_BITS_2[] = "AQgw", ZERO_BITS_4[] = "AEIMQUYcgkosw048";
    size_t i = 0;

    while (i < rest.len && i < 4 && VALUE(rest.ptr[i]) != 64)
        i++;
    if (i == rest.len || i == 4 || rest.ptr[i] != '=' || i < 2)
        return i;
    /* padding at its place: whatever is wrong is the digit before it, or what stands behind */
    if (!memchr(i == 2 ? ZERO_BITS_2 : ZERO_BITS_4, rest.ptr[i - 1], i == 2 ? 4 : 16))
        return i - 1;
    return i + 1;
}

bool base64_decode(struct slice text, uint8_t *out, size_t *written, size_t *position) {
    struct base64_run run = base64_decode_run(text, out);

    *written = run.written;
    if (run.read == text.len)
        return true;
    if (position) {
        bool ended = run.read && text.ptr[run.read - 1] == '=';
        *position = run.read + (ended ? 0 : fault_in(slice_from(text, run.read)));
    }
    return false;
}

static const struct base64_backend TABLE_BACKEND = {"table", base64_table_decode_run,
                                                    base64_table_encode};

const struct base64_backend *base64_backend_at(uint32_t index) {
    if (index == 0)
        return &TABLE_BACKEND;
#if defined(__x86_64__)
    if (index == 1 && cpu_get()->avx512_vbmi)
        return &base64_avx512;
#endif
    return NULL;
}

const struct base64_backend *base64_backend_best(void) {
    const struct base64_backend *fast = base64_backend_at(1);
    return fast ? fast : &TABLE_BACKEND;
}
