#include "engine/base/address_set.h"

#include "engine/base/cidr.h"
#include "engine/base/quote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LINE_BYTES = 512,     /* of a line that counts; blanks and comments may be longer */
    RANGES_MAX = 1 << 22, /* 128 MB: far more than the Internet's routing table has */
    CAPACITY_FIRST = 64,
    INDEX_BITS = 16,
    INDEX_FROM = 64, /* fewer ranges are found as fast without an index */
};

struct range {
    unsigned __int128 first, last;
};

struct ranges {
    struct range *items;
    size_t count, capacity;
    unsigned width; /* bits of an address */
    /* index[t]: how many ranges begin below t, the first INDEX_BITS of an address; NULL when there
     * are few ranges. Leaves a handful to search, where a binary search from the start would miss
     * the cache a dozen times. */
    uint32_t *index;
};

struct address_set {
    struct ranges v4, v6;
};

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct address *address) {
    return address->family == ADDRESS_V4 ||
           memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
}

static int compare(const void *a, const void *b) {
    const struct range *left = a, *right = b;
    return left->first < right->first ? -1 : left->first > right->first;
}

/* Puts the ranges in order and makes one of those that overlap or touch. */
static void merge(struct ranges *ranges) {
    if (!ranges->count)
        return;
    qsort(ranges->items, ranges->count, sizeof *ranges->items, compare);
    struct range *last = ranges->items;
    for (size_t i = 1; i < ranges->count; i++) {
        struct range range = ranges->items[i];
        if (range.first <= last->last || range.first - 1 == last->last)
            last->last = range.last > last->last ? range.last : last->last;
        else
            *++last = range;
    }
    ranges->count = (size_t)(last - ranges->items) + 1;
}

/* In order, and with an index where that pays. */
static enum error finish_ranges(struct ranges *ranges, struct failure *failure) {
    enum { TOPS = 1 << INDEX_BITS };
    merge(ranges);
    if (ranges->count < INDEX_FROM) {
        free(ranges->index);
        ranges->index = NULL;
        return ERROR_NONE;
    }
    if (!ranges->index)
        ranges->index = malloc((TOPS + 1) * sizeof *ranges->index);
    if (!ranges->index)
        return failure_set(failure, ERROR_MEMORY, "no memory for the addresses");
    uint32_t below = 0;
    for (uint32_t top = 0; top < TOPS; top++) {
        ranges->index[top] = below;
        while (below < ranges->count &&
               ranges->items[below].first >> (ranges->width - INDEX_BITS) == top)
            below++;
    }
    ranges->index[TOPS] = below;
    return ERROR_NONE;
}

/* After the last change: ready for lookups. */
static enum error finish(struct address_set *set, struct failure *failure) {
    enum error error = finish_ranges(&set->v4, failure);
    return error ? error : finish_ranges(&set->v6, failure);
}

static enum error add_range(struct ranges *ranges, struct range range, struct failure *failure) {
    if (ranges->count == ranges->capacity) {
        merge(ranges); /* a list that repeats itself does not grow */
        if (ranges->count >= RANGES_MAX)
            return failure_set(failure, ERROR_LIMIT, "more than %d ranges of addresses",
                               RANGES_MAX);
        if (ranges->count >= ranges->capacity / 2) {
            size_t capacity = ranges->capacity ? ranges->capacity * 2 : CAPACITY_FIRST;
            struct range *items = realloc(ranges->items, capacity * sizeof *items);
            if (!items)
                return failure_set(failure, ERROR_MEMORY, "no memory for the addresses");
            ranges->items = items;
            ranges->capacity = capacity;
        }
    }
    ranges->items[ranges->count++] = range;
    return ERROR_NONE;
}

static enum error add_text(struct address_set *set, struct slice text, struct failure *failure) {
    struct cidr_block block;
    enum error error = cidr_parse(text, &block, failure);
    if (error)
        return error;
    struct address last = cidr_address(&block, block.last_offset);
    struct range range = {cidr_number(&block.first), cidr_number(&last)};
    if (!is_v4(&block.first) || !is_v4(&last))
        return add_range(&set->v6, range, failure);
    range.first &= UINT32_MAX;
    range.last &= UINT32_MAX;
    return add_range(&set->v4, range, failure);
}

enum error address_set_add_text(struct address_set *set, struct slice text,
                                struct failure *failure) {
    enum error error = add_text(set, text, failure);
    return error ? error : finish(set, failure);
}

enum error address_set_add_private(struct address_set *set, struct failure *failure) {
    static const char *const blocks[] = {
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        /* All of IPv6 but 2000::/3, and what is special there. */
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    };
    enum error error = ERROR_NONE;

    for (size_t i = 0; error == ERROR_NONE && i < sizeof blocks / sizeof blocks[0]; i++)
        error = add_text(set, slice_of(blocks[i]), failure);
    return error ? error : finish(set, failure);
}

/* What lies between ranges that are in order; those are freed. */
static enum error invert(struct ranges *ranges, struct failure *failure) {
    const unsigned __int128 end = ~(unsigned __int128)0 >> (128 - ranges->width);
    struct ranges gaps = {.width = ranges->width, .index = ranges->index};
    unsigned __int128 next = 0;
    enum error error = ERROR_NONE;
    bool to_the_end = false;

    for (size_t i = 0; !error && i < ranges->count; i++) {
        const struct range *range = &ranges->items[i];
        if (range->first > next)
            error = add_range(&gaps, (struct range){next, range->first - 1}, failure);
        next = range->last + 1;
        to_the_end = range->last == end;
    }
    if (!error && !to_the_end)
        error = add_range(&gaps, (struct range){next, end}, failure);
    free(ranges->items);
    *ranges = gaps;
    return error ? error : finish_ranges(ranges, failure);
}

enum error address_set_invert(struct address_set *set, struct failure *failure) {
    enum error error = invert(&set->v4, failure);
    return error ? error : invert(&set->v6, failure);
}

/* The next line without comment and blanks. Of one that is too long to be right only so much is
 * kept that it stays wrong. False at the end. */
static bool read_line(FILE *file, char line[LINE_BYTES], struct slice *text) {
    size_t len = 0;
    int byte = getc_unlocked(file);
    if (byte == EOF)
        return false;
    bool in_comment = false;
    for (; byte != EOF && byte != '\n'; byte = getc_unlocked(file)) {
        bool is_blank = byte == ' ' || byte == '\t' || byte == '\r';
        in_comment |= byte == '#';
        if (in_comment || (is_blank && len == 0))
            continue;
        if (len < LINE_BYTES)
            line[len++] = (char)byte;
        else if (!is_blank)
            line[LINE_BYTES - 1] = (char)byte;
    }
    *text = slice_trim((struct slice){(const uint8_t *)line, len});
    return true;
}

/* No line begins with a part of it, so that the rest of a wrong one need not be put back. */
static void skip_byte_order_mark(FILE *file) {
    int first = getc_unlocked(file);
    if (first == 0xef && getc_unlocked(file) == 0xbb && getc_unlocked(file) == 0xbf)
        return;
    if (first != EOF)
        ungetc(first, file);
}

static enum error cannot_read(const char *path, struct failure *failure) {
    enum error error = (enum error)errno;
    return failure_set(failure, error, "cannot read %s: %s", quote_of(slice_of(path)).text,
                       error_text(error));
}

static enum error add_lines(struct address_set *set, FILE *file, const char *path,
                            struct failure *failure) {
    char line[LINE_BYTES];
    struct slice text;
    struct failure reason;
    enum error error = ERROR_NONE;
    uint64_t number = 0;
    skip_byte_order_mark(file);
    while (!error && read_line(file, line, &text)) {
        number++;
        if (text.len)
            error = add_text(set, text, &reason);
    }
    if (error)
        return failure_set(failure, error == ERROR_USAGE ? ERROR_INPUT : error,
                           "%s:%" PRIu64 ": %s: %s; a line is an address, a CIDR block or a range",
                           quote_of(slice_of(path)).text, number, reason.text, quote_of(text).text);
    return ferror(file) ? cannot_read(path, failure) : finish(set, failure);
}

enum error address_set_add_file(struct address_set *set, const char *path,
                                struct failure *failure) {
    FILE *file = fopen(path, "re");
    if (!file)
        return cannot_read(path, failure);
    enum error error = add_lines(set, file, path, failure);
    fclose(file);
    return error;
}

enum error address_set_open(struct address_set **out, const char *path, struct failure *failure) {
    struct address_set *set = *out = calloc(1, sizeof *set);
    if (!set)
        return failure_set(failure, ERROR_MEMORY, "no memory for the addresses");
    set->v4.width = 32;
    set->v6.width = 128;
    enum error error = path ? address_set_add_file(set, path, failure) : ERROR_NONE;
    if (error) {
        address_set_free(set);
        *out = NULL;
    }
    return error;
}

void address_set_free(struct address_set *set) {
    if (!set)
        return;
    free(set->v4.items);
    free(set->v6.items);
    free(set->v4.index);
    free(set->v6.index);
    free(set);
}

bool address_set_contains(const struct address_set *set, const struct address *address) {
    unsigned __int128 number = cidr_number(address);
    const struct ranges *ranges = &set->v6;
    if (is_v4(address)) {
        ranges = &set->v4;
        number &= UINT32_MAX;
    }
    /* At most the last range of [from, end) begins at or before the address. */
    size_t from = 0, end = ranges->count;
    if (ranges->index) {
        uint32_t top = (uint32_t)(number >> (ranges->width - INDEX_BITS));
        from = ranges->index[top] ? ranges->index[top] - 1 : 0;
        end = ranges->index[top + 1];
    }
    if (from == end || address->family == ADDRESS_NONE)
        return false;
    while (end - from > 1) {
        size_t middle = from + (end - from) / 2;
        if (ranges->items[middle].first <= number)
            from = middle;
        else
            end = middle;
    }
    const struct range *range = &ranges->items[from];
    return range->first <= number && number <= range->last;
}
