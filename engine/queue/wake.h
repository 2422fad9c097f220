/* How a thread sleeps until another has something for it, without a lock: an event count over a
 * futex. Any number of threads may signal and wait.
 *
 *     waiter                                     signaller
 *     ticket = wake_ticket(&wake);               make the condition true
 *     if the condition does not hold:            wake_signal(&wake)
 *         wake_wait(&wake, ticket, wait_ms)
 *
 * A signal between wake_ticket and wake_wait ends the wait at once. Waits may end without a cause:
 * check the condition again. Signalling costs no system call while nobody waits. */
#ifndef ENGINE_QUEUE_WAKE_H
#define ENGINE_QUEUE_WAKE_H

#include <stdatomic.h>
#include <stdint.h>

struct wake {
    _Atomic uint32_t signals, waiters;
};

static inline uint32_t wake_ticket(struct wake *wake) {
    return atomic_load(&wake->signals);
}

void wake_wait(struct wake *wake, uint32_t ticket, uint32_t wait_ms);
void wake_signal(struct wake *wake);

#endif
