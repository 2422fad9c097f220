/* What feeds and sinks tell the ledger, on their threads. */
#include "tools/watch/ledger_internal.h"

#include <stdlib.h>

static struct message *message_new(enum message_kind kind, const void *bytes, size_t len) {
    struct message *message = calloc(1, sizeof *message + len);

    if (!message)
        abort(); /* a few KB: without it nothing can be promised any more */
    message->kind = kind;
    message->len = (uint32_t)len;
    if (len)
        memcpy(message->bytes, bytes, len);
    return message;
}

void message_free(struct ledger *ledger, struct message *message) {
    if (message->kind == MESSAGE_PAGE) {
        page_free(message->page);
        if (atomic_fetch_sub(&ledger->pages_waiting, 1) >= ledger->config.pages_max &&
            ledger->config.on_room)
            ledger->config.on_room(ledger->config.owner);
    }
    free(message);
}

/* Records and outputs are all that is needed of a page; its body is what is large. */
bool ledger_commit(void *owner, struct page *page) {
    struct ledger *ledger = owner;
    struct message *message;

    if (atomic_fetch_add(&ledger->pages_waiting, 1) >= ledger->config.pages_max) {
        atomic_fetch_sub(&ledger->pages_waiting, 1);
        return false;
    }
    buffer_deinit(&page->body);
    message = message_new(MESSAGE_PAGE, NULL, 0);
    message->page = page;
    mailbox_put(&ledger->inbox, &message->entry);
    return true;
}

void ledger_position(void *owner, const struct ct_source *source,
                     const struct log_position *position) {
    struct ledger *ledger = owner;
    struct message *message =
        message_new(MESSAGE_POSITION, position->saved.ptr, position->saved.len);

    message->position.source = source;
    message->position.committed = position->committed;
    message->position.verified = position->verified;
    message->position.head = position->head;
    mailbox_put(&ledger->inbox, &message->entry);
}

void ledger_written(struct ledger *ledger, uint32_t outlet, const uint64_t *tickets, size_t count,
                    struct sink_position position, bool refused) {
    struct message *message = message_new(MESSAGE_WRITTEN, tickets, count * sizeof tickets[0]);

    message->written.outlet = outlet;
    message->written.refused = refused;
    message->written.position = position;
    mailbox_put(&ledger->inbox, &message->entry);
}
