#include "engine/queue/mailbox.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

/* A stack that is taken as a whole needs no more than compare and swap: nobody pops one entry, so
 * none can come back under a reader's hands. */

void mailbox_init(struct mailbox *mailbox, void (*wake)(void *owner), void *owner) {
    *mailbox = (struct mailbox){.wake = wake, .owner = owner};
}

/* Whoever has taken an entry sees that it was being put. */
void mailbox_deinit(struct mailbox *mailbox) {
    while (__atomic_load_n(&mailbox->putting, __ATOMIC_ACQUIRE))
        sched_yield();
}

void mailbox_put(struct mailbox *mailbox, struct mailbox_entry *entry) {
    __atomic_fetch_add(&mailbox->putting, 1, __ATOMIC_RELAXED);
    struct mailbox_entry *head = __atomic_load_n(&mailbox->head, __ATOMIC_RELAXED);
    do
        entry->next = head;
    while (!__atomic_compare_exchange_n(&mailbox->head, &head, entry, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED));
    if (!head && mailbox->wake)
        mailbox->wake(mailbox->owner);
    __atomic_fetch_sub(&mailbox->putting, 1, __ATOMIC_RELEASE);
}

struct mailbox_entry *mailbox_take_all(struct mailbox *mailbox) {
    struct mailbox_entry *newest = __atomic_exchange_n(&mailbox->head, NULL, __ATOMIC_ACQUIRE);
    struct mailbox_entry *oldest = NULL;

    while (newest) {
        struct mailbox_entry *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}
