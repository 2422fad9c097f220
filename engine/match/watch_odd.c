/* Matching names with a wildcard or a senseless label anywhere: a walk over the entries, which lie
 * in the order of their bytes from the right. All entries of one depth that share their right-most
 * labels are a range; each label of the name narrows it, or, when it stands for many, splits it.
 *
 *      depth 3    com│example│a     name: a.?.com
 *                 com│example│b     com ─▶ the whole range ─▶ example, other ─▶ a, a
 *                 com│other  │a
 */
#include "engine/match/watch_internal.h"

struct walk {
    const struct watch_list *list;
    struct watch_collector *collector;
    uint32_t *steps;
    struct slice labels[WATCH_DEPTHS]; /* of the name, from the right */
    uint32_t count;                    /* of the name's labels; more than fit count as one more */
    uint32_t depth;                    /* of the entries at hand */
};

struct range {
    uint32_t from, end; /* entries */
    size_t shared;      /* bytes at their ends that they share, the dot included */
};

/* False when the search has cost enough. */
static bool pay(struct walk *walk, size_t steps) {
    if (*walk->steps < steps || walk->collector->more) {
        *walk->steps = *walk->steps < steps ? 0 : *walk->steps;
        walk->collector->more = true;
        return false;
    }
    *walk->steps -= (uint32_t)steps;
    return true;
}

/* Where the label of an entry stands to `label` in the order of entries, given what they share. */
static int compare(const struct walk *walk, uint32_t entry, size_t shared, struct slice label) {
    struct slice name = watch_name(walk->list, entry);
    size_t left = name.len - shared;
    for (size_t i = 1; i <= label.len; i++) {
        if (i > left)
            return -1;
        int difference = name.ptr[left - i] - label.ptr[label.len - i];
        if (difference)
            return difference;
    }
    return left == label.len ? 0 : name.ptr[left - label.len - 1] - '.';
}

/* The first entry of the range that is not below `label`, or with `above`, that is above it. */
static uint32_t bound(const struct walk *walk, struct range range, struct slice label, bool above) {
    while (range.from < range.end) {
        uint32_t middle = range.from + (range.end - range.from) / 2;
        int order = compare(walk, middle, range.shared, label);
        if (order < 0 || (above && order == 0))
            range.from = middle + 1;
        else
            range.end = middle;
    }
    return range.from;
}

/* Whether `label` is what `pattern` says; each "*" stands for any run of characters. */
static bool is_like(struct slice pattern, struct slice label) {
    size_t p = 0, l = 0, star = SIZE_MAX, mark = 0;
    while (l < label.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = l;
        } else if (p < pattern.len && pattern.ptr[p] == label.ptr[l]) {
            p++;
            l++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            l = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

static bool stands_for_many(struct slice label) {
    return (label.len && memchr(label.ptr, '*', label.len)) || names_label_is_senseless(label);
}

/* The label of an entry in front of what it shares. */
static struct slice label_of(const struct walk *walk, uint32_t entry, size_t shared) {
    struct slice name = watch_name(walk->list, entry);
    size_t end = name.len - shared;
    return names_label_before(name, &end);
}

static void narrow(struct walk *walk, struct range range, uint32_t level);

/* All entries of the range have matched all their labels up to `level`. */
static void descend(struct walk *walk, struct range range, uint32_t level, size_t label_len) {
    if (level < walk->depth) {
        range.shared += label_len + 1;
        narrow(walk, range, level);
        return;
    }
    for (uint32_t i = range.from; i < range.end; i++)
        if (walk->count == walk->depth || !watch_is_exact(&walk->list->entries[i]))
            watch_collect(walk->collector, i);
}

/* The labels of the range that the name's label stands for, one after another. */
static void split(struct walk *walk, struct range range, uint32_t level) {
    struct slice pattern = walk->labels[level];
    bool is_any = names_label_is_senseless(pattern);
    while (range.from < range.end) {
        struct slice label = label_of(walk, range.from, range.shared);
        if (!pay(walk, is_any ? 1 : 1 + pattern.len / 4))
            return;
        uint32_t end = range.from + 1;
        if (level + 1 < walk->depth)
            end = bound(walk, range, label, true);
        if (is_any || is_like(pattern, label))
            descend(walk, (struct range){range.from, end, range.shared}, level + 1, label.len);
        range.from = end;
    }
}

/* Goes on with the entries of the range whose label at `level` is that of the name. Calls itself
 * once a label, so at most WATCH_DEPTHS deep. */
static void narrow(struct walk *walk, struct range range, uint32_t level) {
    struct slice label = walk->labels[level];
    if (stands_for_many(label)) {
        split(walk, range, level);
        return;
    }
    if (!pay(walk, 1))
        return;
    range.from = bound(walk, range, label, false);
    range.end = bound(walk, range, label, true);
    if (range.from < range.end)
        descend(walk, range, level + 1, label.len);
}

void watch_match_odd(const struct watch_list *list, struct slice name, uint32_t *steps,
                     struct watch_collector *collector) {
    struct walk walk = {.list = list, .collector = collector, .steps = steps};
    for (size_t end = name.len; end != SIZE_MAX && walk.count < WATCH_DEPTHS; walk.count++)
        walk.labels[walk.count] = names_label_before(name, &end);
    for (walk.depth = 1; walk.depth <= list->depth_max && walk.depth <= walk.count; walk.depth++)
        if (watch_has_depth(list, walk.depth))
            narrow(
                &walk,
                (struct range){list->depth_start[walk.depth], list->depth_start[walk.depth + 1], 0},
                0);
}
