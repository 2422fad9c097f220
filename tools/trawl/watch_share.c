#include "tools/trawl/watch_share.h"

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* What all have together when each has `level`, or all that it wants. */
static uint64_t filled(const struct watch_member *members, uint32_t count, uint32_t level) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += least(level, members[i].wanted);
    return sum;
}

/* Whether somebody else has fewer than `level`, and could have more. */
static bool is_any_below(const struct watch_member *members, uint32_t count, uint32_t self,
                         uint32_t level) {
    for (uint32_t i = 0; i < count; i++)
        if (i != self && members[i].held < least(level, members[i].wanted))
            return true;
    return false;
}

/* Of all that have so many, one gives first. */
static bool is_first_with(const struct watch_member *members, uint32_t count, uint32_t self,
                          uint32_t held) {
    for (uint32_t i = 0; i < count; i++)
        if (i != self && members[i].held >= held && members[i].id < members[self].id)
            return false;
    return true;
}

/* `floor` is what each has at least when all is shared out, `ceiling` what each has at most; they
 * are one apart, or the same. */
struct watch_share watch_share_of(const struct watch_member *members, uint32_t count,
                                  uint32_t self) {
    const struct watch_member *me = &members[self];
    uint32_t floor = 0, held = me->held;

    while (floor < me->wanted && filled(members, count, floor + 1) <= me->wanted)
        floor++;
    uint32_t ceiling = floor + (floor < me->wanted && filled(members, count, floor) < me->wanted);
    uint32_t limit = is_any_below(members, count, self, floor) ? floor : ceiling;
    if (held < limit)
        return (struct watch_share){.take = limit - held};
    if (held > ceiling && is_any_below(members, count, self, ceiling))
        return (struct watch_share){.give = held - ceiling};
    if (held == ceiling && ceiling > floor && is_any_below(members, count, self, floor) &&
        is_first_with(members, count, self, held))
        return (struct watch_share){.give = 1};
    return (struct watch_share){0};
}
