#include "engine/io/wheel.h"

#include <assert.h>
#include <stddef.h>

static const uint64_t TICK_NS = WHEEL_TICK_MS * UINT64_C(1000000);

_Static_assert((WHEEL_SPOKES & (WHEEL_SPOKES - 1)) == 0, "a spoke is found with a mask");

static struct wheel_timer *spoke_of(struct wheel *wheel, uint64_t tick) {
    return &wheel->spokes[tick & (WHEEL_SPOKES - 1)];
}

static void ring_init(struct wheel_timer *head) {
    head->next = head->previous = head;
}

static void ring_append(struct wheel_timer *head, struct wheel_timer *timer) {
    timer->next = head;
    timer->previous = head->previous;
    head->previous->next = timer;
    head->previous = timer;
}

void wheel_init(struct wheel *wheel, uint64_t now_ns) {
    wheel->tick = now_ns / TICK_NS;
    for (size_t i = 0; i < WHEEL_SPOKES; i++)
        ring_init(&wheel->spokes[i]);
}

void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t when_ns) {
    uint64_t tick = when_ns / TICK_NS + (when_ns % TICK_NS != 0);

    wheel_disarm(timer);
    timer->tick = tick > wheel->tick ? tick : wheel->tick;
    ring_append(spoke_of(wheel, timer->tick), timer);
}

void wheel_disarm(struct wheel_timer *timer) {
    if (!timer->next)
        return;
    assert(timer->next->previous == timer && timer->previous->next == timer);
    timer->next->previous = timer->previous;
    timer->previous->next = timer->next;
    timer->next = timer->previous = NULL;
}

/* Moves what is due on a spoke to the end of `due`; timers of later rounds stay. */
static void take_due(struct wheel_timer *spoke, uint64_t tick, struct wheel_timer *due) {
    for (struct wheel_timer *timer = spoke->next, *next; timer != spoke; timer = next) {
        next = timer->next;
        if (timer->tick > tick)
            continue;
        wheel_disarm(timer);
        ring_append(due, timer);
    }
}

void wheel_advance(struct wheel *wheel, uint64_t now_ns,
                   void (*expired)(void *owner, struct wheel_timer *timer), void *owner) {
    uint64_t tick = now_ns / TICK_NS;
    struct wheel_timer due;

    if (tick < wheel->tick)
        return;
    uint64_t count = tick - wheel->tick + 1;
    if (count > WHEEL_SPOKES)
        count = WHEEL_SPOKES;
    ring_init(&due);
    for (uint64_t i = 0; i < count; i++)
        take_due(spoke_of(wheel, wheel->tick + i), tick, &due);

    /* What is armed from here on, however early, waits for the next tick: no endless round. What
     * is disarmed or moved leaves `due` by itself. */
    wheel->tick = tick + 1;
    while (due.next != &due) {
        struct wheel_timer *timer = due.next;
        wheel_disarm(timer);
        expired(owner, timer);
    }
}
