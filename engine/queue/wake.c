#include "engine/queue/wake.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void wake_wait(struct wake *wake, uint32_t ticket, uint32_t wait_ms) {
    struct timespec timeout = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000L};

    atomic_fetch_add(&wake->waiters, 1);
    if (atomic_load(&wake->signals) == ticket)
        syscall(SYS_futex, &wake->signals, FUTEX_WAIT_PRIVATE, ticket, &timeout, NULL, 0);
    atomic_fetch_sub(&wake->waiters, 1);
}

void wake_signal(struct wake *wake) {
    atomic_fetch_add(&wake->signals, 1);
    if (atomic_load(&wake->waiters))
        syscall(SYS_futex, &wake->signals, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
