/* The names of nearly all certificates are plain: letters, digits, "-", ".", perhaps "*." in front.
 * They are copied, made lower-case and checked 16 bytes at a time; whatever else there is goes to
 * odd_names.c. */
#include "engine/match/names.h"

#include "engine/match/names_internal.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    BYTES_FIRST = 64 * 1024,
    ITEMS_FIRST = 1024,
    LOOK_BACK = 512, /* how many names names_has compares, so that thousands do not take squares */
};

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* What stands where in the first 64 bytes. */
struct scan {
    uint64_t dots;
    uint64_t special; /* neither letter, digit, "-", "_" nor "." */
};

void match_names_init(struct match_names *names) {
    *names = (struct match_names){0};
}

void match_names_deinit(struct match_names *names) {
    free(names->bytes);
    free(names->items);
    *names = (struct match_names){0};
}

void match_names_clear(struct match_names *names) {
    names->bytes_len = 0;
    names->count = 0;
    names->odd_labels = 0;
    names->failed = false;
}

static bool grow(struct match_names *names, size_t len) {
    if (names->failed || names->count >= MATCH_NAMES_MAX)
        return false;
    if (names->bytes_len + len + NAMES_SLACK > names->bytes_capacity) {
        size_t capacity = names->bytes_capacity ? names->bytes_capacity * 2 : BYTES_FIRST;
        uint8_t *bytes = realloc(names->bytes, capacity);
        if (!bytes)
            return false;
        names->bytes = bytes;
        names->bytes_capacity = capacity;
    }
    if (names->count == names->capacity) {
        uint32_t capacity = names->capacity ? names->capacity * 2 : ITEMS_FIRST;
        struct match_name *items = realloc(names->items, capacity * sizeof *items);
        if (!items)
            return false;
        names->items = items;
        names->capacity = capacity;
    }
    return true;
}

uint8_t *names_reserve(struct match_names *names, size_t len) {
    bool fits = names->bytes_len + len + NAMES_SLACK <= names->bytes_capacity &&
                names->count < names->capacity;
    if (!fits && !grow(names, len)) {
        names->failed = true;
        return NULL;
    }
    return names->bytes + names->bytes_len;
}

void names_commit(struct match_names *names, struct match_name name) {
    name.offset = (uint32_t)names->bytes_len;
    names->items[names->count++] = name;
    names->bytes_len += name.len;
}

/* Bit i: the highest bit of byte i. */
static inline uint32_t high_bits(bytes16 bytes) {
#ifdef __SSE2__
    return (uint32_t)_mm_movemask_epi8((__m128i)bytes);
#else
    uint64_t halves[2];
    const uint64_t high = 0x8080808080808080u, gather = 0x0002040810204081u;
    memcpy(halves, &bytes, sizeof halves);
    return (uint32_t)((le64toh(halves[0]) & high) * gather >> 56 |
                      ((le64toh(halves[1]) & high) * gather >> 56) << 8);
#endif
}

static inline bytes16 lower16(bytes16 bytes, struct scan *scan) {
    bytes |= (bytes16)(bytes - 'A' < 26) & 0x20;
    bytes16 good =
        (bytes16)(bytes - 'a' < 26) | (bytes16)(bytes - '-' < 13) | (bytes16)(bytes == '_');
    /* "-" to "9" has one that is not wanted: "/" */
    good &= (bytes16)(bytes != '/');
    scan->dots = high_bits((bytes16)(bytes == '.'));
    scan->special = high_bits(~good);
    return bytes;
}

static inline void lower_block(uint8_t *to, const uint8_t *from, size_t at, struct scan *scan) {
    bytes16 bytes;
    struct scan here;
    memcpy(&bytes, from + at, sizeof bytes);
    bytes = lower16(bytes, &here);
    memcpy(to + at, &bytes, sizeof bytes);
    scan->dots |= here.dots << at;
    scan->special |= here.special << at;
}

/* Fewer than 16 bytes: as two words that may overlap. */
static inline struct scan lower_short(uint8_t *to, const uint8_t *from, size_t len) {
    uint64_t words[2] = {0, 0};
    size_t second = len >= 8 ? len - 8 : 0;
    bytes16 bytes;
    struct scan scan;
    if (len >= 8) {
        memcpy(&words[0], from, 8);
        memcpy(&words[1], from + second, 8);
    } else {
        for (size_t i = 0; i < len; i++)
            ((uint8_t *)words)[i] = from[i];
    }
    memcpy(&bytes, words, sizeof bytes);
    bytes = lower16(bytes, &scan);
    memcpy(words, &bytes, sizeof words);
    if (len < 8) {
        memcpy(to, &words[0], 8);
        uint64_t inside = ((uint64_t)1 << len) - 1;
        return (struct scan){scan.dots & inside, scan.special & inside};
    }
    memcpy(to, &words[0], 8);
    memcpy(to + second, &words[1], 8);
    return (struct scan){(scan.dots & 0xff) | scan.dots >> 8 << second,
                         (scan.special & 0xff) | scan.special >> 8 << second};
}

/* Copies at most NAMES_DOTS bytes in lower case. */
static inline struct scan copy_lower(uint8_t *to, const uint8_t *from, size_t len) {
    struct scan scan = {0, 0};
    if (len < 16)
        return lower_short(to, from, len);
    size_t at = 0;
    for (; at + 16 <= len; at += 16)
        lower_block(to, from, at, &scan);
    if (at < len)
        lower_block(to, from, len - 16, &scan);
    return scan;
}

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

/* A name that ends in a digit may be an address. */
static inline bool ends_oddly(struct slice raw) {
    uint8_t last = raw.ptr[raw.len - 1];
    return last == '.' || is_digit(last);
}

void match_names_add_dns(struct match_names *names, struct slice raw, uint32_t owner) {
    if (raw.len < 2 || raw.len > NAMES_DOTS || ends_oddly(raw)) {
        names_add_odd(names, raw, owner, false);
        return;
    }
    uint8_t *to = names_reserve(names, raw.len);
    if (!to)
        return;
    struct scan scan = copy_lower(to, raw.ptr, raw.len);
    bool is_wildcard = scan.special == 1 && to[0] == '*' && to[1] == '.';
    if (scan.special && !is_wildcard) {
        names_add_odd(names, raw, owner, false);
        return;
    }
    if (scan.dots)
        names_commit(names, (struct match_name){
                                .dots = scan.dots,
                                .owner = owner,
                                .len = (uint16_t)raw.len,
                                .kind = is_wildcard ? MATCH_NAME_WILDCARD : MATCH_NAME_PLAIN,
                            });
}

bool names_has(const struct match_names *names, uint32_t owner, struct slice text,
               bool is_address) {
    uint32_t end = names->count > LOOK_BACK ? names->count - LOOK_BACK : 0;
    for (uint32_t i = names->count; i > end && names->items[i - 1].owner == owner; i--) {
        const struct match_name *name = &names->items[i - 1];
        if (name->len == text.len && (name->kind == MATCH_NAME_ADDRESS) == is_address &&
            memcmp(names->bytes + name->offset, text.ptr, text.len) == 0)
            return true;
    }
    return false;
}

void match_names_add_common_name(struct match_names *names, struct slice raw, uint32_t owner) {
    uint8_t lower[NAMES_DOTS];
    if (raw.len && raw.len <= NAMES_DOTS) {
        copy_lower(lower, raw.ptr, raw.len);
        if (names_has(names, owner, (struct slice){lower, raw.len}, false))
            return;
    }
    names_add_odd(names, raw, owner, true);
}

void match_names_add_address(struct match_names *names, struct slice raw, uint32_t owner) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (raw.len == 16 && memcmp(raw.ptr, mapped, sizeof mapped) == 0)
        raw = slice_from(raw, sizeof mapped);
    if (raw.len != 4 && raw.len != 16)
        return;
    uint8_t *to = names_reserve(names, raw.len);
    if (!to)
        return;
    memcpy(to, raw.ptr, raw.len);
    names_commit(names, (struct match_name){
                            .owner = owner,
                            .len = (uint16_t)raw.len,
                            .kind = MATCH_NAME_ADDRESS,
                        });
}

struct slice match_names_display(const struct match_names *names, uint32_t index,
                                 char out[MATCH_TEXT_MAX]) {
    struct slice text = match_names_text(names, index);
    if (names->items[index].kind != MATCH_NAME_ADDRESS)
        return text;
    struct address address = {.family = text.len == 4 ? ADDRESS_V4 : ADDRESS_V6};
    memcpy(address.bytes, text.ptr, text.len);
    return (struct slice){(const uint8_t *)out, address_format(&address, out)};
}
