/* Every entry: pages go to the sinks as they are.
 *
 *     page 1 of log A · page 1 of log B · page 2 of A · its position · position of B │ page 3 …
 *                                                                                  mark
 *
 * After a kill the logs go on from the positions that are saved, and the sinks from theirs. For
 * their output to be the logs' entries exactly, the two must agree: a mark stands where positions
 * speak of all pages that were passed before it. When all sinks have written what comes before the
 * mark, the positions are saved together with where each sink stood there, and a new mark is
 * sought. */
#include "tools/watch/ledger_internal.h"

#include <stdlib.h>

/* --- Marks --- */

static bool is_any_ahead(const struct ledger *ledger) {
    for (uint32_t i = 0; i < ledger->followed_count; i++)
        if (ledger->followed[i].is_ahead)
            return true;
    return false;
}

static void set_mark(struct ledger *ledger) {
    ledger->mark = ledger->sequence;
    ledger_mark_positions(ledger);
    for (uint32_t i = 0; i < ledger->config.outlet_count; i++)
        ledger->outlets[i].marked = ledger->outlets[i].position;
}

static void seek_mark(struct ledger *ledger, bool at_end) {
    bool is_due = at_end || ledger_now_ms() >= ledger->mark_ms;

    if (is_due && !ledger->is_marked && !is_any_ahead(ledger))
        set_mark(ledger);
}

static bool is_safe(const struct ledger *ledger) {
    for (uint32_t i = 0; i < ledger->config.outlet_count; i++)
        if (ledger->outlets[i].written < ledger->mark)
            return false;
    return ledger->is_marked;
}

/* --- Passing --- */

/* False: a sink is full, and gets its part later. */
static bool pass_page(struct ledger *ledger, struct page *page) {
    bool all = true;

    for (uint32_t i = 0; i < ledger->config.outlet_count; i++) {
        struct batch *batch = page->outputs[i];
        if (!batch)
            continue;
        if (batch_queue_push(ledger->outlets[i].queue, 0, batch))
            page->outputs[i] = NULL;
        else
            all = false;
    }
    return all;
}

/* A page is numbered once, when it is the first of the backlog. */
static void number_page(struct ledger *ledger, struct page *page) {
    bool has_output = false;

    for (uint32_t i = 0; i < ledger->config.outlet_count; i++)
        if (page->outputs[i]) {
            batch_add_ticket(page->outputs[i], ledger->sequence + 1);
            has_output = true;
        }
    ledger->sequence += has_output;
    if (page->source->has_log_id)
        ledger_followed(ledger, page->source)->is_ahead = true;
}

static void note_written(struct ledger *ledger, const struct message *message) {
    struct outlet *outlet = &ledger->outlets[message->written.outlet];
    uint64_t ticket = 0;

    for (size_t at = 0; at + sizeof ticket <= message->len; at += sizeof ticket) {
        memcpy(&ticket, message->bytes + at, sizeof ticket);
        if (ticket > outlet->written)
            outlet->written = ticket;
    }
    if (message->written.refused)
        ledger_count(&ledger->statistics.refused, 1);
    else
        outlet->position = message->written.position;
    if (ledger->is_marked && outlet->written <= ledger->mark)
        outlet->marked = outlet->position;
}

static void append(struct ledger *ledger, struct mailbox_entry *messages) {
    while (messages) {
        struct message *message = (struct message *)messages;
        messages = messages->next;
        if (message->kind == MESSAGE_WRITTEN) {
            note_written(ledger, message);
            message_free(ledger, message);
            continue;
        }
        message->entry.next = NULL;
        *ledger->backlog_end = &message->entry;
        ledger->backlog_end = &message->entry.next;
    }
}

static void drop_first(struct ledger *ledger) {
    ledger->backlog = ledger->backlog->next;
    ledger->is_numbered = false;
    if (!ledger->backlog)
        ledger->backlog_end = &ledger->backlog;
}

void ledger_stream(struct ledger *ledger, struct mailbox_entry *messages) {
    append(ledger, messages);
    while (ledger->backlog && !atomic_load(&ledger->is_abandoned)) {
        struct message *message = (struct message *)ledger->backlog;
        if (message->kind == MESSAGE_POSITION) {
            drop_first(ledger);
            ledger_take_position(ledger, message);
            seek_mark(ledger, false);
            continue;
        }
        if (!ledger->is_numbered)
            number_page(ledger, message->page);
        ledger->is_numbered = true;
        if (!pass_page(ledger, message->page))
            return;
        drop_first(ledger);
        message_free(ledger, message);
    }
}

bool ledger_has_streamed(const struct ledger *ledger) {
    return !ledger->backlog;
}

/* --- Saving --- */

static enum error save_all(struct ledger *ledger, struct failure *failure) {
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < ledger->followed_count && !error; i++)
        if (ledger->followed[i].marked)
            error = ledger_save_position(ledger, ledger->followed[i].marked, failure);
    for (uint32_t i = 0; i < ledger->config.outlet_count && !error; i++) {
        const struct outlet *outlet = &ledger->outlets[i];
        struct saved_sink sink = {outlet->saved.number, outlet->marked.file, outlet->marked.bytes};
        error = watch_state_save_sink(ledger->config.state, &sink, failure);
    }
    return error;
}

static enum error save_mark(struct ledger *ledger, struct failure *failure) {
    enum error error = ledger_begin_round(ledger, failure);

    if (!error)
        error = save_all(ledger, failure);
    error = ledger_end_round(ledger, error, failure);
    if (error)
        return error;
    ledger_pass_mark(ledger);
    ledger->mark_ms = ledger_now_ms() + ledger->config.save_ms;
    return ERROR_NONE;
}

enum error ledger_save(struct ledger *ledger, bool at_end, struct failure *failure) {
    enum error error = ERROR_NONE;
    bool again = at_end && ledger->is_marked; /* what came since is behind another mark */

    seek_mark(ledger, at_end);
    if (is_safe(ledger))
        error = save_mark(ledger, failure);
    if (error || !again)
        return error;
    seek_mark(ledger, true);
    return is_safe(ledger) ? save_mark(ledger, failure) : ERROR_NONE;
}

void ledger_drop_stream(struct ledger *ledger) {
    for (uint32_t i = 0; i < ledger->followed_count; i++) {
        free(ledger->followed[i].latest);
        free(ledger->followed[i].marked);
    }
    free(ledger->followed);
    while (ledger->backlog) {
        struct message *message = (struct message *)ledger->backlog;
        drop_first(ledger);
        message_free(ledger, message);
    }
}
