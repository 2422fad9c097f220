#include "engine/probe/slot.h"

#include "engine/base/address_set.h"

#include <errno.h>
#include <stdlib.h>

enum {
    PAUSES_MAX = 300, /* then the lack is taken for the address's fault */
    LINGER_MS = 2000, /* for what comes behind a handshake, if it comes */
};

static bool is_back_pressure(int error) {
    return error == EMFILE || error == ENFILE || error == EADDRNOTAVAIL || error == ENOBUFS ||
           error == ENOMEM || error == EAGAIN;
}

static void on_connected(struct prober *prober, struct slot *slot, int error) {
    if (is_back_pressure(error) && slot->pauses < PAUSES_MAX && !prober->cancelling) {
        slot_pause(prober, slot);
        return;
    }
    if (error) {
        attempt_not_connected(prober, slot, outcome_of_errno(error), error_text((enum error)error));
        return;
    }
    slot->connected_ns = prober->io->now_ns;
    slot_converse_or_wait(prober, slot);
}

static void on_received(struct prober *prober, struct slot *slot, const struct io_event *event) {
    if (event->error) {
        attempt_finish(prober, slot, outcome_of_errno(event->error),
                       error_text((enum error)event->error));
        return;
    }
    struct conversation *conversation = slot->conversation;
    bool in_the_clear = conversation->phase == CONVERSATION_DIALOGUE;
    bool lingered = conversation_lingers(conversation);
    if (event->bytes.len == 0) {
        attempt_finish(prober, slot, in_the_clear ? OUTCOME_PROTOCOL_ERROR : OUTCOME_TLS_FAILED,
                       "the server closed the connection");
        return;
    }
    prober_count(&prober->statistics.bytes_received, event->bytes.len);
    enum conversation_status status =
        conversation_feed(conversation, event->bytes, prober_output(prober));
    if (prober->out.len >
        IO_SEND_MAX) { /* the second hello, with the cookie of one who means ill */
        attempt_finish(prober, slot, OUTCOME_TOO_LARGE, "the server asks for too large an answer");
        return;
    }
    if (prober->out.len)
        io_send(prober->io, slot_index(prober, slot), buffer_slice(&prober->out));
    if (status == CONVERSATION_OVER) {
        attempt_conversed(prober, slot);
        return;
    }
    io_receive(prober->io, slot_index(prober, slot));
    if (in_the_clear && conversation->phase == CONVERSATION_TLS)
        slot_begin_tls(prober, slot);
    else if (!lingered && conversation_lingers(conversation))
        slot_arm(prober, slot, LINGER_MS);
}

void prober_on_event(void *owner, const struct io_event *event) {
    struct prober *prober = owner;

    if (event->kind == IO_READY) {
        resolver_ready(prober->resolver, event);
        return;
    }
    struct slot *slot = &prober->slots[event->index];
    if (event->kind == IO_CONNECTED)
        on_connected(prober, slot, event->error);
    else if (event->kind == IO_RECEIVED)
        on_received(prober, slot, event);
    else if (event->kind == IO_SEND_FAILED && slot->state == SLOT_CONVERSING)
        attempt_finish(prober, slot, outcome_of_errno(event->error ? event->error : EPIPE),
                       "what was to be said could not be sent");
    else if (event->kind == IO_CLOSED)
        slot_closed(prober, slot);
}

/* Addresses without the TLSA records that were asked for with them will do. */
static void resolving_expired(struct prober *prober, struct slot *slot) {
    static const char words[] = "no answer from the DNS server in time";

    if (slot->tlsa_state == TLSA_ASKED) {
        slot->tlsa_state = TLSA_ANSWERED;
        slot->tlsa.error = words;
    }
    if (slot->address.family != ADDRESS_NONE)
        slot_connect(prober, slot);
    else
        attempt_finish(prober, slot, OUTCOME_DNS_FAILED, words);
}

void prober_on_expired(void *owner, struct wheel_timer *timer) {
    struct prober *prober = owner;
    struct slot *slot = (struct slot *)timer; /* its first member */

    switch ((enum slot_state)slot->state) {
    case SLOT_RESOLVING:
        resolving_expired(prober, slot);
        break;
    case SLOT_CONNECTING:
        attempt_not_connected(prober, slot, OUTCOME_TIMEOUT, "no answer to the connection request");
        break;
    case SLOT_HELD:
    case SLOT_PAUSED:
        slot_restart_clock(prober, slot);
        slot_connect(prober, slot);
        break;
    case SLOT_WAITING:
        attempt_finish(prober, slot, OUTCOME_TIMEOUT,
                       "the sweep was too busy to begin the handshake");
        break;
    case SLOT_CONVERSING:
        attempt_finish(prober, slot, OUTCOME_TIMEOUT,
                       slot->tls_ns ? "the server did not finish its flight in time"
                                    : "the server did not agree to TLS in time");
        break;
    case SLOT_FETCHING:
        fetch_give_up(prober, slot, "it could not be fetched in time");
        break;
    case SLOT_FREE:
    case SLOT_CLOSING:
        break;
    }
}

/* Copies those addresses that may be connected to; false when there is no memory. */
static bool take_addresses(struct prober *prober, struct slot *slot,
                           const struct resolver_answer *answer) {
    const struct address_set *excluded = prober->settings->excluded;

    slot->addresses = calloc(answer->count, sizeof *slot->addresses);
    if (!slot->addresses)
        return false;
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct address *address = &answer->addresses[i];
        if ((!excluded || !address_set_contains(excluded, address)) &&
            !slot_is_forbidden(prober, address))
            slot->addresses[slot->address_count++] = *address;
    }
    return true;
}

/* None of the addresses is left: which rule is to be told. */
static const char *why_blocked(const struct prober *prober, const struct resolver_answer *answer) {
    for (uint32_t i = 0; i < answer->count; i++)
        if (slot_is_forbidden(prober, &answer->addresses[i]))
            return prober->settings->forbidden_words;
    return "every address of the name is excluded";
}

void prober_on_answered(void *owner, uint64_t cookie, const struct resolver_answer *answer) {
    struct prober *prober = owner;
    struct slot *slot = &prober->slots[cookie & UINT32_MAX];

    if (slot->lookup != (uint32_t)(cookie >> 32) || slot->state != SLOT_RESOLVING)
        return;
    slot->dns_ns = prober->io->now_ns;
    if (answer->count == 0) {
        attempt_finish(prober, slot, OUTCOME_DNS_FAILED, answer->error);
    } else if (!take_addresses(prober, slot, answer)) {
        attempt_finish(prober, slot, OUTCOME_DNS_FAILED, "no memory for the addresses");
    } else if (slot->address_count == 0) {
        attempt_finish(prober, slot, OUTCOME_BLOCKED, why_blocked(prober, answer));
    } else {
        slot->address = slot->addresses[0];
        if (slot->tlsa_state != TLSA_ASKED)
            slot_connect(prober, slot);
    }
}

void prober_on_tlsa(void *owner, uint64_t cookie, const struct resolver_tlsa *answer) {
    struct prober *prober = owner;
    struct slot *slot = &prober->slots[cookie & UINT32_MAX];

    if (slot->lookup != (uint32_t)(cookie >> 32) || slot->tlsa_state != TLSA_ASKED)
        return;
    slot->tlsa_state = TLSA_ANSWERED;
    slot->tlsa.secure = answer->authentic;
    slot->tlsa.error = answer->error;
    if (answer->count) {
        slot->tlsa.set = tlsa_set_new(answer->records, answer->count);
        slot->tlsa.error = slot->tlsa.set ? NULL : "no memory for the records";
    }
    if (slot->state == SLOT_RESOLVING && slot->address.family != ADDRESS_NONE)
        slot_connect(prober, slot);
}
