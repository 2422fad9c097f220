/* Deadlines by the thousand: a hashed timing wheel. Arming and disarming cost a few list
 * operations; a deadline is called late by at most one tick, never early. One owner, one thread.
 * Timers are linked into their owner's structs; nothing is allocated. */
#ifndef ENGINE_IO_WHEEL_H
#define ENGINE_IO_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

enum { WHEEL_TICK_MS = 8, WHEEL_SPOKES = 1024 };

struct wheel_timer {
    struct wheel_timer *next, *previous; /* NULL when not armed */
    uint64_t tick;
};

struct wheel {
    uint64_t tick;                           /* all before it have been called */
    struct wheel_timer spokes[WHEEL_SPOKES]; /* heads of rings */
};

void wheel_init(struct wheel *wheel, uint64_t now_ns);

/* Arms, or moves when armed already. */
void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t when_ns);
void wheel_disarm(struct wheel_timer *timer);

static inline bool wheel_armed(const struct wheel_timer *timer) {
    return timer->next != 0;
}

/* Calls `expired` for every timer whose time has come, disarmed; it may arm and disarm any. */
void wheel_advance(struct wheel *wheel, uint64_t now_ns,
                   void (*expired)(void *owner, struct wheel_timer *timer), void *owner);

#endif
