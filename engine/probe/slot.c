#include "engine/probe/slot.h"

#include "engine/base/address_set.h"
#include "engine/probe/caps.h"

#include <assert.h>
#include <stdlib.h>

enum {
    PAUSE_MS = 100, /* before a connect is tried again for lack of ports or descriptors */
    HOLD_MS = WHEEL_TICK_MS,
};

/* Which states may follow which: one bit a state. */
static const uint16_t legal_next[] = {
    [SLOT_FREE] = 1 << SLOT_RESOLVING | 1 << SLOT_HELD | 1 << SLOT_CONNECTING | 1 << SLOT_FETCHING,
    [SLOT_RESOLVING] = 1 << SLOT_HELD | 1 << SLOT_CONNECTING | 1 << SLOT_FREE,
    [SLOT_HELD] = 1 << SLOT_CONNECTING | 1 << SLOT_CLOSING,
    [SLOT_CONNECTING] =
        1 << SLOT_PAUSED | 1 << SLOT_WAITING | 1 << SLOT_CONVERSING | 1 << SLOT_CLOSING,
    [SLOT_PAUSED] = 1 << SLOT_HELD | 1 << SLOT_CONNECTING | 1 << SLOT_CLOSING,
    [SLOT_WAITING] = 1 << SLOT_CONVERSING | 1 << SLOT_CLOSING,
    [SLOT_CONVERSING] = 1 << SLOT_CLOSING,
    [SLOT_CLOSING] = 1 << SLOT_FREE | 1 << SLOT_HELD | 1 << SLOT_CONNECTING | 1 << SLOT_FETCHING,
    [SLOT_FETCHING] = 1 << SLOT_CLOSING,
};

void slot_enter(struct prober *prober, struct slot *slot, enum slot_state next) {
    assert(legal_next[slot->state] & 1 << next);
    prober->in_state[slot->state]--;
    prober->in_state[next]++;
    slot->state = (uint8_t)next;
}

void slot_arm(struct prober *prober, struct slot *slot, uint32_t stage_ms) {
    uint64_t stage_ns = prober->io->now_ns + stage_ms * UINT64_C(1000000);
    wheel_arm(&prober->wheel, &slot->timer, stage_ns < slot->hard_ns ? stage_ns : slot->hard_ns);
}

void slot_restart_clock(struct prober *prober, struct slot *slot) {
    slot->hard_ns = prober->io->now_ns + prober->settings->total_timeout_ms * UINT64_C(1000000);
}

uint8_t slot_first_plan(const struct prober *prober) {
    enum plan plan = prober->settings->plan;
    return (uint8_t)(plan == PLAN_AUDIT ? PLAN_HANDSHAKE : plan);
}

void slot_begin(struct prober *prober, struct slot *slot, const struct target *target) {
    slot->target = *target;
    slot->address = target->address;
    slot->conversation = NULL;
    slot->auditing = NULL;
    slot->fetching = NULL;
    slot->started_ns = prober->io->now_ns;
    slot->started_ms = prober->io->unix_ms;
    slot->dns_ns = slot->connect_ns = slot->connected_ns = slot->conversing_ns = slot->tls_ns = 0;
    slot->address_count = slot->address_at = slot->attempt = slot->pauses = 0;
    slot->again = slot->further = slot->fallback = slot->has_first = false;
    slot->without_alpn = false;
    slot->tlsa = (struct tlsa_answer){0};
    slot->tlsa_state = TLSA_NOT_ASKED;
    slot->plan = slot_first_plan(prober);
    slot_restart_clock(prober, slot);
}

/* --- Resolving --- */

static void ask_tlsa(struct prober *prober, struct slot *slot, uint64_t cookie) {
    const struct target *target = &slot->target;

    slot->tlsa_state = TLSA_ASKED;
    if (resolver_start_tlsa(prober->resolver, target_name(target), target->port, cookie))
        return;
    slot->tlsa_state = TLSA_ANSWERED;
    slot->tlsa.error = "no memory for the look-up";
}

bool slot_is_forbidden(const struct prober *prober, const struct address *address) {
    const struct address_set *forbidden = prober->settings->forbidden;

    return forbidden && address_set_contains(forbidden, address);
}

void slot_resolve(struct prober *prober, struct slot *slot) {
    uint64_t cookie = (uint64_t)slot->lookup << 32 | slot_index(prober, slot);
    bool has_address = slot->address.family != ADDRESS_NONE;

    if (has_address && slot_is_forbidden(prober, &slot->address)) {
        slot_enter(prober, slot, SLOT_RESOLVING);
        attempt_finish(prober, slot, OUTCOME_BLOCKED, prober->settings->forbidden_words);
        return;
    }
    if (prober->settings->dane && slot->target.name_len)
        ask_tlsa(prober, slot, cookie);
    if (has_address && slot->tlsa_state != TLSA_ASKED) {
        slot_connect(prober, slot);
        return;
    }
    slot_enter(prober, slot, SLOT_RESOLVING);
    if (has_address || resolver_start(prober->resolver, target_name(&slot->target), cookie))
        slot_arm(prober, slot, prober->settings->dns_timeout_ms);
    else
        attempt_finish(prober, slot, OUTCOME_DNS_FAILED, "no memory for the look-up");
}

/* --- Connecting --- */

static void set_paced(struct prober *prober, struct slot *slot, bool paced) {
    prober->paced += (uint32_t)paced - (uint32_t)slot->paced;
    slot->paced = paced;
}

/* Whether pace and caps allow one more connection. The pace serves those first who wait for it. */
static bool may_connect(struct prober *prober, struct slot *slot) {
    struct caps *caps = prober->settings->caps;
    bool first = !prober->paced || slot->paced;

    set_paced(prober, slot, !first || !rate_allows(&prober->rate, prober->io->now_ns));
    if (slot->paced)
        return false;
    if (!caps || caps_take(caps, &slot->address))
        return true;
    if (slot->state != SLOT_HELD)
        prober_count(&prober->statistics.held, 1);
    return false;
}

/* As long as others are served, the target's time does not run. */
static void hold(struct prober *prober, struct slot *slot) {
    if (slot->state != SLOT_HELD)
        slot_enter(prober, slot, SLOT_HELD);
    slot_restart_clock(prober, slot);
    slot_arm(prober, slot, HOLD_MS);
}

void slot_connect(struct prober *prober, struct slot *slot) {
    if (!may_connect(prober, slot)) {
        hold(prober, slot);
        return;
    }
    set_paced(prober, slot, false);
    if (prober->settings->caps)
        slot->counted = slot->address;
    slot_enter(prober, slot, SLOT_CONNECTING);
    slot->again = false;
    slot->attempt++;
    slot->connect_ns = prober->io->now_ns;
    slot->connected_ns = slot->conversing_ns = slot->tls_ns = 0;
    prober_count(&prober->statistics.connections, 1);
    rate_take(&prober->rate, prober->io->now_ns);
    io_connect(prober->io, slot_index(prober, slot), &slot->address, slot->target.port);
    slot_arm(prober, slot, prober->settings->connect_timeout_ms);
}

static void uncount(struct prober *prober, struct slot *slot) {
    if (slot->counted.family != ADDRESS_NONE)
        caps_give(prober->settings->caps, &slot->counted);
    slot->counted.family = ADDRESS_NONE;
}

void slot_pause(struct prober *prober, struct slot *slot) {
    /* A socket that never connected has nothing in flight and is free at once. */
    bool closed = io_close_socket(prober->io, slot_index(prober, slot));
    assert(closed);
    (void)closed;
    uncount(prober, slot);
    slot_enter(prober, slot, SLOT_PAUSED);
    slot->pauses++;
    prober_count(&prober->statistics.back_pressure, 1);
    slot_restart_clock(prober, slot);
    slot_arm(prober, slot, PAUSE_MS);
}

void slot_begin_tls(struct prober *prober, struct slot *slot) {
    slot->tls_ns = prober->io->now_ns;
    slot_arm(prober, slot, prober->settings->handshake_timeout_ms);
}

/* --- Closing --- */

void slot_leave_waiting(struct prober *prober, struct slot *slot) {
    struct slot **at = &prober->waiting;

    while (*at != slot)
        at = &(*at)->next;
    *at = slot->next;
    if (!*at)
        prober->waiting_end = at;
}

static void give_back_conversation(struct prober *prober, struct slot *slot) {
    struct conversation *conversation = slot->conversation;

    if (!conversation)
        return;
    conversation_end(conversation);
    slot->conversation = NULL;
    conversation->next_free = prober->free_conversations;
    prober->free_conversations = conversation;
    prober_count(&prober->statistics.handshakes, (uint64_t)-1);
}

void slot_release(struct prober *prober, struct slot *slot) {
    slot_enter(prober, slot, SLOT_FREE);
    wheel_disarm(&slot->timer);
    free(slot->addresses);
    slot->addresses = NULL;
    tlsa_answer_deinit(&slot->tlsa);
    slot->lookup++;
    slot->next = prober->free_slots;
    prober->free_slots = slot;
    prober->busy--;
    prober_count(&prober->statistics.busy, (uint64_t)-1);
}

void slot_closed(struct prober *prober, struct slot *slot) {
    uncount(prober, slot);
    if (slot->fetching)
        fetch_start(prober, slot);
    else if (slot->again)
        slot_connect(prober, slot);
    else
        slot_release(prober, slot);
}

void slot_close(struct prober *prober, struct slot *slot) {
    bool connected =
        slot->state != SLOT_PAUSED && slot->state != SLOT_HELD && slot->state != SLOT_FETCHING;

    if (slot->state == SLOT_WAITING)
        slot_leave_waiting(prober, slot);
    set_paced(prober, slot, false);
    give_back_conversation(prober, slot);
    if (slot->again && slot->address_count) /* the next, or the same once more */
        slot->address = slot->addresses[slot->address_at];
    wheel_disarm(&slot->timer);
    slot_enter(prober, slot, SLOT_CLOSING);
    if (!connected || io_close_socket(prober->io, slot_index(prober, slot)))
        slot_closed(prober, slot);
}
