#include "engine/probe/slot.h"

static void converse(struct prober *prober, struct slot *slot) {
    struct conversation *conversation = prober->free_conversations;

    prober->free_conversations = conversation->next_free;
    prober_count(&prober->statistics.handshakes, 1);
    slot->conversation = conversation;
    slot_enter(prober, slot, SLOT_CONVERSING);
    slot->conversing_ns = prober->io->now_ns;
    const struct conversation_terms terms = {
        .settings = prober->settings,
        .target = &slot->target,
        .random = &prober->random,
        .plan = (enum plan)slot->plan,
        .without_alpn = slot->without_alpn,
        .auditing = slot->auditing,
    };
    if (conversation_start(conversation, &terms, prober_output(prober)) == CONVERSATION_OVER) {
        attempt_conversed(prober, slot);
        return;
    }
    if (prober->out.len)
        io_send(prober->io, slot_index(prober, slot), buffer_slice(&prober->out));
    io_receive(prober->io, slot_index(prober, slot));
    if (conversation->phase == CONVERSATION_TLS)
        slot_begin_tls(prober, slot);
    else
        slot_arm(prober, slot, prober->settings->starttls_timeout_ms);
}

void slot_converse_or_wait(struct prober *prober, struct slot *slot) {
    if (prober->free_conversations && !prober->waiting) {
        converse(prober, slot);
        return;
    }
    slot_enter(prober, slot, SLOT_WAITING);
    slot->next = NULL;
    *prober->waiting_end = slot;
    prober->waiting_end = &slot->next;
    slot_arm(prober, slot, prober->settings->total_timeout_ms);
}

void slots_serve_waiting(struct prober *prober) {
    while (prober->waiting && prober->free_conversations) {
        struct slot *slot = prober->waiting;
        slot_leave_waiting(prober, slot);
        converse(prober, slot);
    }
}
