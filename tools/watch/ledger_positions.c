/* How far each log was followed, and up to where everything is dealt with: told to everybody, or,
 * with every_entry, written.
 *
 *     positions, as they come ─▶ latest ── a mark ─▶ marked ── all before the mark is done ─▶ safe
 */
#include "tools/watch/ledger_internal.h"

#include <stdlib.h>

/* Only logs have positions: what a feed brings is passed and forgotten. */
struct followed *ledger_followed(struct ledger *ledger, const struct ct_source *source) {
    for (uint32_t i = 0; i < ledger->followed_count; i++)
        if (ledger_is_same_log(ledger->followed[i].source, source))
            return &ledger->followed[i];
    struct followed *more =
        realloc(ledger->followed, (ledger->followed_count + 1) * sizeof ledger->followed[0]);
    if (!more)
        abort(); /* as in message_new */
    ledger->followed = more;
    more[ledger->followed_count] = (struct followed){.source = source};
    return &more[ledger->followed_count++];
}

void ledger_take_position(struct ledger *ledger, struct message *message) {
    struct followed *followed = ledger_followed(ledger, message->position.source);

    free(followed->latest);
    followed->latest = message;
    followed->is_ahead = false;
}

void ledger_mark_positions(struct ledger *ledger) {
    ledger->is_marked = true;
    for (uint32_t i = 0; i < ledger->followed_count; i++) {
        struct followed *followed = &ledger->followed[i];
        if (!followed->latest)
            continue;
        free(followed->marked);
        followed->marked = followed->latest;
        followed->latest = NULL;
    }
}

struct saved_position ledger_position_of(const struct message *message) {
    return (struct saved_position){
        .committed = message->position.committed,
        .verified = message->position.verified,
        .head = message->position.head,
        .saved = {message->bytes, message->len},
    };
}

void ledger_pass_mark(struct ledger *ledger) {
    const struct ledger_config *config = &ledger->config;

    for (uint32_t i = 0; i < ledger->followed_count; i++) {
        struct message *marked = ledger->followed[i].marked;
        if (!marked)
            continue;
        struct saved_position position = ledger_position_of(marked);
        if (config->on_safe)
            config->on_safe(config->owner, marked->position.source, &position);
        free(marked);
        ledger->followed[i].marked = NULL;
    }
    ledger->is_marked = false;
}

/* --- Watching --- */

void ledger_keep_positions(struct ledger *ledger, struct mailbox_entry **messages) {
    struct mailbox_entry **at = messages;

    while (ledger->config.on_safe && *at) {
        struct message *message = (struct message *)*at;
        if (message->kind != MESSAGE_POSITION) {
            at = &message->entry.next;
            continue;
        }
        *at = message->entry.next;
        ledger_take_position(ledger, message);
    }
}

/* Whether everybody was told of all that matched before the mark. */
static bool is_told(struct ledger *ledger, bool at_end) {
    struct watch_state_counts counts = watch_state_counts(ledger->config.state);

    if (counts.pending + counts.untold == 0)
        return true;
    if (!at_end && ledger_now_ms() < ledger->mark_ms)
        return false;
    ledger->mark_ms = ledger_now_ms() + ledger->config.save_ms;
    return watch_state_oldest_undone(ledger->config.state) > (int64_t)ledger->mark;
}

static void set_mark(struct ledger *ledger) {
    ledger->mark = (uint64_t)watch_state_newest(ledger->config.state);
    ledger_mark_positions(ledger);
}

void ledger_tell_safe(struct ledger *ledger, bool at_end) {
    if (!ledger->config.on_safe)
        return;
    for (int i = 0; i < 2; i++) { /* one that came since is behind another mark */
        if (!ledger->is_marked)
            set_mark(ledger);
        if (!is_told(ledger, at_end))
            return;
        ledger_pass_mark(ledger);
    }
}
