/* Things on their way back to one thread: any thread puts, the owner takes all at once. Unbounded
 * and never full, so that whoever bounds what is under way needs no second bound here. The things
 * carry a `struct mailbox_entry`; nothing is copied. */
#ifndef ENGINE_QUEUE_MAILBOX_H
#define ENGINE_QUEUE_MAILBOX_H

#include <stdint.h>

struct mailbox_entry {
    struct mailbox_entry *next;
};

/* `wake` is called after each put into an empty mailbox, on the thread that puts; it may be NULL.
 */
struct mailbox {
    struct mailbox_entry *head; /* newest first; through the functions below only */
    uint32_t putting;           /* threads that are in mailbox_put */
    void (*wake)(void *owner);
    void *owner;
};

void mailbox_init(struct mailbox *mailbox, void (*wake)(void *owner), void *owner);

/* Waits for those whose entry was taken, and who have not woken the owner yet: from then on nobody
 * touches mailbox or owner. All that was to be put has been taken. */
void mailbox_deinit(struct mailbox *mailbox);

/* Any thread. */
void mailbox_put(struct mailbox *mailbox, struct mailbox_entry *entry);

/* All that came so far, oldest first, linked by `next`; NULL when there is nothing. For one thread.
 */
struct mailbox_entry *mailbox_take_all(struct mailbox *mailbox);

#endif
