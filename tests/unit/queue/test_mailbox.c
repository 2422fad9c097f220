#include "engine/queue/mailbox.h"

#include "engine/queue/wake.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { THREADS = 4, LETTERS = 20000, WAIT_MS = 1000 };

struct letter {
    struct mailbox_entry entry;
    uint32_t sender, number;
};

struct owner {
    struct mailbox mailbox;
    struct wake wake;
    unsigned wakes;
};

static void count_wake(void *context) {
    ((struct owner *)context)->wakes++;
}

static void test_order_and_wakes(void **state) {
    struct owner owner = {.wakes = 0};
    struct letter letters[5];

    (void)state;
    mailbox_init(&owner.mailbox, count_wake, &owner);
    assert_null(mailbox_take_all(&owner.mailbox));
    for (uint32_t i = 0; i < 5; i++) {
        letters[i].number = i;
        mailbox_put(&owner.mailbox, &letters[i].entry);
    }
    assert_int_equal(owner.wakes, 1); /* it was empty once */
    struct mailbox_entry *entry = mailbox_take_all(&owner.mailbox);
    for (uint32_t i = 0; i < 5; i++, entry = entry->next)
        assert_ptr_equal(entry, &letters[i].entry);
    assert_null(entry);
    assert_null(mailbox_take_all(&owner.mailbox));
    mailbox_put(&owner.mailbox, &letters[0].entry);
    assert_int_equal(owner.wakes, 2);
    assert_ptr_equal(mailbox_take_all(&owner.mailbox), &letters[0].entry);
    mailbox_deinit(&owner.mailbox);
}

static void test_without_wake(void **state) {
    struct mailbox mailbox;
    struct mailbox_entry entry;

    (void)state;
    mailbox_init(&mailbox, NULL, NULL);
    mailbox_put(&mailbox, &entry);
    assert_ptr_equal(mailbox_take_all(&mailbox), &entry);
    mailbox_deinit(&mailbox);
}

/* --- Several threads --- */

struct sender {
    struct owner *owner;
    pthread_t thread;
    struct letter *letters;
};

static void signal_owner(void *context) {
    wake_signal(&((struct owner *)context)->wake);
}

static void *send_all(void *context) {
    struct sender *sender = context;

    for (uint32_t i = 0; i < LETTERS; i++)
        mailbox_put(&sender->owner->mailbox, &sender->letters[i].entry);
    return NULL;
}

/* Each sender's letters come in order, none is lost, and no sleep goes on while some are there. The
 * owner is gone right after the last one: whoever put it must not touch it any more. */
static void test_many_senders(void **state) {
    struct owner *owner = calloc(1, sizeof *owner);
    struct sender senders[THREADS];
    uint32_t next[THREADS] = {0}, left = THREADS * LETTERS;

    (void)state;
    mailbox_init(&owner->mailbox, signal_owner, owner);
    for (uint32_t i = 0; i < THREADS; i++) {
        senders[i] =
            (struct sender){.owner = owner, .letters = calloc(LETTERS, sizeof(struct letter))};
        for (uint32_t at = 0; at < LETTERS; at++)
            senders[i].letters[at] = (struct letter){.sender = i, .number = at};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    while (left) {
        uint32_t ticket = wake_ticket(&owner->wake);
        struct mailbox_entry *entry = mailbox_take_all(&owner->mailbox);
        if (!entry)
            wake_wait(&owner->wake, ticket, WAIT_MS);
        for (; entry; entry = entry->next, left--) {
            struct letter *letter = (struct letter *)entry;
            assert_int_equal(letter->number, next[letter->sender]++);
        }
    }
    mailbox_deinit(&owner->mailbox);
    free(owner);
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(senders[i].thread, NULL);
        free(senders[i].letters);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_wakes),
        cmocka_unit_test(test_without_wake),
        cmocka_unit_test(test_many_senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
