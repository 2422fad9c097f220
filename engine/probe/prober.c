#include "engine/probe/prober.h"

#include "engine/dns/resolver.h"
#include "engine/io/io.h"
#include "engine/io/wheel.h"
#include "engine/probe/conversation.h"
#include "engine/probe/report.h"
#include "engine/x509/trust.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    LOOKUPS_MAX = 512, /* open at once: a large list must not drown the DNS server */
    PAUSE_MS = 100,    /* before a connect is tried again for lack of ports or descriptors */
    PAUSES_MAX = 300,  /* then the lack is taken for the address's fault */
};

enum slot_state {
    SLOT_FREE,
    SLOT_RESOLVING,
    SLOT_CONNECTING,
    SLOT_PAUSED,  /* no port or descriptor for it: tried again by the timer */
    SLOT_WAITING, /* connected, until a conversation is free */
    SLOT_CONVERSING,
    SLOT_CLOSING, /* until the io layer gives the socket back */
};

/* Which states may follow which: one bit a state. */
static const uint8_t legal_next[] = {
    [SLOT_FREE] = 1 << SLOT_RESOLVING | 1 << SLOT_CONNECTING,
    [SLOT_RESOLVING] = 1 << SLOT_CONNECTING | 1 << SLOT_FREE,
    [SLOT_CONNECTING] =
        1 << SLOT_PAUSED | 1 << SLOT_WAITING | 1 << SLOT_CONVERSING | 1 << SLOT_CLOSING,
    [SLOT_PAUSED] = 1 << SLOT_CONNECTING | 1 << SLOT_CLOSING,
    [SLOT_WAITING] = 1 << SLOT_CONVERSING | 1 << SLOT_CLOSING,
    [SLOT_CONVERSING] = 1 << SLOT_CLOSING,
    [SLOT_CLOSING] = 1 << SLOT_FREE | 1 << SLOT_CONNECTING | 1 << SLOT_PAUSED,
};

struct slot {
    struct wheel_timer timer;
    struct slot *next; /* in the free list or the waiting queue */
    struct conversation *conversation;
    struct address *addresses; /* heap, of a resolved name; NULL for an address target */
    struct address address;    /* the one that is probed */
    struct target target;
    uint64_t started_ns, hard_ns, dns_ns, connect_ns, connected_ns, conversing_ns;
    int64_t started_ms;
    uint32_t lookup; /* tells late DNS answers from current ones */
    uint16_t address_count, address_at, attempt, pauses;
    uint8_t state;         /* enum slot_state */
    uint8_t plan;          /* of the current connection */
    uint8_t again;         /* closing, to connect once more */
    uint8_t further;       /* a record of this target is out already */
    uint8_t first_outcome; /* of the handshake that the grab follows */
    bool fallback;
    char first_error[96];
};

struct prober {
    struct prober_config config;
    const struct prober_settings *settings;
    struct io *io;
    struct resolver *resolver;
    struct trust_checker *trust;
    struct wheel wheel;
    struct random random;
    struct buffer out;
    struct slot *slots, *free_slots;
    struct slot *waiting, **waiting_end;
    struct conversation *conversations, *free_conversations;
    uint32_t busy, waiting_count, paused;
    bool cancelling;
    struct prober_statistics statistics; /* written with count(), read with __atomic_load_n */
};

static void count(uint64_t *counter, uint64_t more) {
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

static uint32_t index_of(const struct prober *prober, const struct slot *slot) {
    return (uint32_t)(slot - prober->slots);
}

static void enter(struct slot *slot, enum slot_state next) {
    assert(legal_next[slot->state] & 1 << next);
    slot->state = (uint8_t)next;
}

static void arm(struct prober *prober, struct slot *slot, uint32_t stage_ms) {
    uint64_t stage_ns = prober->io->now_ns + stage_ms * UINT64_C(1000000);
    wheel_arm(&prober->wheel, &slot->timer, stage_ns < slot->hard_ns ? stage_ns : slot->hard_ns);
}

/* --- Records --- */

static int64_t span_us(uint64_t from_ns, uint64_t to_ns) {
    return from_ns && to_ns >= from_ns ? (int64_t)((to_ns - from_ns) / 1000) : -1;
}

static struct probe_timing timing_of(const struct slot *slot, uint64_t now_ns) {
    return (struct probe_timing){
        .dns_us = slot->addresses ? span_us(slot->started_ns, slot->dns_ns) : -1,
        .connect_us = slot->connected_ns ? span_us(slot->connect_ns, slot->connected_ns) : -1,
        .starttls_us = -1,
        .handshake_us = slot->conversing_ns ? span_us(slot->conversing_ns, now_ns) : -1,
        .total_us = span_us(slot->started_ns, now_ns),
    };
}

static enum stage stage_of(const struct slot *slot, enum outcome outcome) {
    if (outcome == OUTCOME_OK)
        return STAGE_DONE;
    switch ((enum slot_state)slot->state) {
    case SLOT_FREE:
    case SLOT_RESOLVING:
        return STAGE_DNS;
    case SLOT_CONNECTING:
    case SLOT_PAUSED:
        return STAGE_CONNECT;
    default:
        return STAGE_HANDSHAKE;
    }
}

static void count_record(struct prober *prober, const struct probe_record *record) {
    struct prober_statistics *statistics = &prober->statistics;

    count(&statistics->outcomes[record->outcome], 1);
    count(&statistics->statuses[record->status], 1);
    for (uint64_t left = record->findings; left; left &= left - 1)
        count(&statistics->findings[__builtin_ctzll(left)], 1);
    count(&statistics->finished, 1);
}

static void publish(struct prober *prober, const struct report *report) {
    struct probe_record *record = report_record(report, prober->trust);

    if (!record) /* a record cannot be lost in silence, and without memory nothing can go on */
        abort();
    count_record(prober, record);
    prober->config.publish(prober->config.owner, record);
}

static void report_slot(struct prober *prober, struct slot *slot, enum outcome outcome,
                        const char *error) {
    const struct tls_observation *seen = slot->conversation && slot->conversation->open
                                             ? conversation_seen(slot->conversation)
                                             : NULL;
    bool certificate = seen && seen->certificate_count;
    char words[LIMIT_ERROR_TEXT_BYTES];

    if (slot->fallback && !certificate) {
        outcome = (enum outcome)slot->first_outcome;
        error = slot->first_error;
    } else if (slot->fallback) {
        snprintf(words, sizeof words, "handshake failed (%s), certificate read by grab",
                 slot->first_error);
        error = words;
    }
    struct report report = {
        .settings = prober->settings,
        .target = &slot->target,
        .address = slot->address,
        .addresses = slot->addresses,
        .address_count = slot->address_count,
        .plan = (enum plan)slot->plan,
        .attempt = slot->attempt,
        .outcome = outcome,
        .stage = stage_of(slot, outcome),
        .error = slice_of(error),
        .timing = timing_of(slot, prober->io->now_ns),
        .seen = seen,
        .fallback = slot->fallback && certificate,
        .started_ms = slot->started_ms,
        .now_ms = prober->io->unix_ms,
    };
    if (slot->further)
        count(&prober->statistics.further, 1);
    publish(prober, &report);
}

/* --- Slots --- */

static void release(struct prober *prober, struct slot *slot) {
    enter(slot, SLOT_FREE);
    wheel_disarm(&slot->timer);
    free(slot->addresses);
    slot->addresses = NULL;
    slot->lookup++;
    slot->next = prober->free_slots;
    prober->free_slots = slot;
    prober->busy--;
    count(&prober->statistics.busy, (uint64_t)-1);
}

static void connect_slot(struct prober *prober, struct slot *slot) {
    enter(slot, SLOT_CONNECTING);
    slot->again = 0;
    slot->attempt++;
    slot->connect_ns = prober->io->now_ns;
    slot->connected_ns = slot->conversing_ns = 0;
    count(&prober->statistics.connections, 1);
    io_connect(prober->io, index_of(prober, slot), &slot->address, slot->target.port);
    arm(prober, slot, prober->settings->connect_timeout_ms);
}

static void converse(struct prober *prober, struct slot *slot);

static void give_back_conversation(struct prober *prober, struct slot *slot) {
    struct conversation *conversation = slot->conversation;

    if (!conversation)
        return;
    conversation_end(conversation);
    slot->conversation = NULL;
    conversation->next_free = prober->free_conversations;
    prober->free_conversations = conversation;
    count(&prober->statistics.handshakes, (uint64_t)-1);
}

static void leave_waiting(struct prober *prober, struct slot *slot) {
    struct slot **at = &prober->waiting;
    while (*at != slot)
        at = &(*at)->next;
    *at = slot->next;
    if (!*at)
        prober->waiting_end = at;
    prober->waiting_count--;
}

static void closed(struct prober *prober, struct slot *slot) {
    if (slot->again)
        connect_slot(prober, slot);
    else
        release(prober, slot);
}

static void close_slot(struct prober *prober, struct slot *slot) {
    if (slot->state == SLOT_WAITING)
        leave_waiting(prober, slot);
    if (slot->state == SLOT_PAUSED)
        prober->paused--;
    give_back_conversation(prober, slot);
    wheel_disarm(&slot->timer);
    bool open = slot->state != SLOT_PAUSED;
    enter(slot, SLOT_CLOSING);
    if (!open || io_close_socket(prober->io, index_of(prober, slot)))
        closed(prober, slot);
}

/* --- Ends of an attempt --- */

static bool next_address(struct slot *slot) {
    if (slot->address_at + 1u >= slot->address_count)
        return false;
    slot->address = slot->addresses[++slot->address_at];
    return true;
}

static void set_hard_deadline(struct prober *prober, struct slot *slot) {
    slot->hard_ns = prober->io->now_ns + prober->settings->total_timeout_ms * UINT64_C(1000000);
}

/* The record of this address is due; under all_addresses the next one gets a probe of its own. */
static void finish(struct prober *prober, struct slot *slot, enum outcome outcome,
                   const char *error) {
    report_slot(prober, slot, outcome, error);
    slot->again = prober->settings->all_addresses && !prober->cancelling && next_address(slot);
    if (slot->again) {
        slot->further = 1;
        slot->attempt = slot->pauses = 0;
        slot->fallback = false;
        slot->plan = (uint8_t)prober->settings->plan;
        set_hard_deadline(prober, slot);
    }
    if (slot->state == SLOT_RESOLVING)
        release(prober, slot);
    else
        close_slot(prober, slot);
}

/* A connection that did not come about: another address of the name may do. */
static void connect_failed(struct prober *prober, struct slot *slot, enum outcome outcome,
                           const char *error) {
    bool in_time = prober->io->now_ns < slot->hard_ns;
    if (!prober->settings->all_addresses && !prober->cancelling && in_time && next_address(slot)) {
        slot->again = 1;
        close_slot(prober, slot);
    } else {
        finish(prober, slot, outcome, error);
    }
}

static bool worth_a_grab(const struct slot *slot, enum tls_status status) {
    return slot->plan == PLAN_HANDSHAKE &&
           conversation_seen(slot->conversation)->certificate_count == 0 &&
           (status == TLS_ALERT || status == TLS_REFUSED || status == TLS_BROKEN);
}

static enum outcome outcome_of(enum tls_status status) {
    switch (status) {
    case TLS_DONE:
        return OUTCOME_OK;
    case TLS_ALERT:
        return OUTCOME_TLS_ALERT;
    case TLS_TOO_LARGE:
        return OUTCOME_TOO_LARGE;
    case TLS_NOT_TLS:
        return OUTCOME_PROTOCOL_ERROR;
    default:
        return OUTCOME_TLS_FAILED;
    }
}

static const char *status_words(const struct slot *slot, enum tls_status status) {
    const char *reason = conversation_reason(slot->conversation), *alert;

    switch (status) {
    case TLS_DONE:
        return "";
    case TLS_ALERT:
        alert = tls_alert_name(conversation_seen(slot->conversation)->alert);
        return alert ? alert : "an alert without a name";
    case TLS_TOO_LARGE:
        return "the server sent more than any real server does";
    case TLS_NOT_TLS:
        return "the server does not speak TLS";
    case TLS_REFUSED:
        return reason ? reason : "the server chose what cannot be spoken here";
    default:
        return reason ? reason : "the server breaks the rules of TLS";
    }
}

static void conversation_over(struct prober *prober, struct slot *slot, enum tls_status status) {
    if (!worth_a_grab(slot, status) || prober->cancelling) {
        finish(prober, slot, outcome_of(status), status_words(slot, status));
        return;
    }
    slot->first_outcome = (uint8_t)outcome_of(status);
    snprintf(slot->first_error, sizeof slot->first_error, "%s", status_words(slot, status));
    slot->fallback = true;
    slot->plan = PLAN_GRAB;
    slot->again = 1;
    close_slot(prober, slot);
}

/* --- Events --- */

static void converse(struct prober *prober, struct slot *slot) {
    struct conversation *conversation = prober->free_conversations;

    prober->free_conversations = conversation->next_free;
    count(&prober->statistics.handshakes, 1);
    slot->conversation = conversation;
    enter(slot, SLOT_CONVERSING);
    slot->conversing_ns = prober->io->now_ns;
    prober->out.len = 0;
    if (!conversation_start(conversation, prober->settings, (enum plan)slot->plan,
                            target_name(&slot->target), &prober->random, &prober->out)) {
        finish(prober, slot, OUTCOME_TLS_FAILED, "the hello cannot be made");
        return;
    }
    io_send(prober->io, index_of(prober, slot), buffer_slice(&prober->out));
    io_receive(prober->io, index_of(prober, slot));
    arm(prober, slot, prober->settings->handshake_timeout_ms);
}

static bool is_back_pressure(int error) {
    return error == EMFILE || error == ENFILE || error == EADDRNOTAVAIL || error == ENOBUFS ||
           error == ENOMEM || error == EAGAIN;
}

static enum outcome outcome_of_errno(int error) {
    switch (error) {
    case ECONNREFUSED:
        return OUTCOME_REFUSED;
    case ETIMEDOUT:
        return OUTCOME_TIMEOUT;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return OUTCOME_RESET;
    case EACCES:
    case EPERM:
        return OUTCOME_BLOCKED;
    default:
        return OUTCOME_UNREACHABLE;
    }
}

/* No port or descriptor left: that is our lack, not the target's; its clock starts anew. */
static void pause_slot(struct prober *prober, struct slot *slot) {
    io_close_socket(prober->io, index_of(prober, slot));
    enter(slot, SLOT_PAUSED);
    prober->paused++;
    slot->pauses++;
    count(&prober->statistics.back_pressure, 1);
    set_hard_deadline(prober, slot);
    arm(prober, slot, PAUSE_MS);
}

static void on_connected(struct prober *prober, struct slot *slot, int error) {
    if (is_back_pressure(error) && slot->pauses < PAUSES_MAX && !prober->cancelling) {
        pause_slot(prober, slot);
        return;
    }
    if (error) {
        connect_failed(prober, slot, outcome_of_errno(error), error_text((enum error)error));
        return;
    }
    slot->connected_ns = prober->io->now_ns;
    if (prober->free_conversations) {
        converse(prober, slot);
        return;
    }
    enter(slot, SLOT_WAITING);
    slot->next = NULL;
    *prober->waiting_end = slot;
    prober->waiting_end = &slot->next;
    prober->waiting_count++;
    arm(prober, slot, prober->settings->total_timeout_ms);
}

static void on_received(struct prober *prober, struct slot *slot, const struct io_event *event) {
    if (event->error) {
        finish(prober, slot, outcome_of_errno(event->error), error_text((enum error)event->error));
        return;
    }
    if (event->bytes.len == 0) {
        finish(prober, slot, OUTCOME_TLS_FAILED, "the server closed the connection");
        return;
    }
    count(&prober->statistics.bytes_received, event->bytes.len);
    prober->out.len = 0;
    enum tls_status status = conversation_feed(slot->conversation, event->bytes, &prober->out);
    if (prober->out.len)
        io_send(prober->io, index_of(prober, slot), buffer_slice(&prober->out));
    if (status == TLS_MORE)
        io_receive(prober->io, index_of(prober, slot));
    else
        conversation_over(prober, slot, status);
}

static void on_event(void *owner, const struct io_event *event) {
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
        finish(prober, slot, outcome_of_errno(event->error ? event->error : EPIPE),
               "the hello could not be sent");
    else if (event->kind == IO_CLOSED)
        closed(prober, slot);
}

static void on_expired(void *owner, struct wheel_timer *timer) {
    struct prober *prober = owner;
    struct slot *slot = (struct slot *)timer; /* its first member */

    switch ((enum slot_state)slot->state) {
    case SLOT_RESOLVING:
        finish(prober, slot, OUTCOME_DNS_FAILED, "no answer from the DNS server in time");
        break;
    case SLOT_CONNECTING:
        connect_failed(prober, slot, OUTCOME_TIMEOUT, "no answer to the connection request");
        break;
    case SLOT_PAUSED:
        prober->paused--;
        connect_slot(prober, slot);
        break;
    case SLOT_WAITING:
        finish(prober, slot, OUTCOME_TIMEOUT, "the sweep was too busy to begin the handshake");
        break;
    case SLOT_CONVERSING:
        finish(prober, slot, OUTCOME_TIMEOUT, "the server did not finish its flight in time");
        break;
    case SLOT_FREE:
    case SLOT_CLOSING:
        break;
    }
}

static void on_answered(void *owner, uint64_t cookie, const struct resolver_answer *answer) {
    struct prober *prober = owner;
    struct slot *slot = &prober->slots[cookie & UINT32_MAX];

    if (slot->lookup != (uint32_t)(cookie >> 32) || slot->state != SLOT_RESOLVING)
        return;
    slot->dns_ns = prober->io->now_ns;
    if (answer->count == 0) {
        finish(prober, slot, OUTCOME_DNS_FAILED, answer->error);
        return;
    }
    slot->addresses = calloc(answer->count, sizeof *slot->addresses);
    if (!slot->addresses)
        abort();
    memcpy(slot->addresses, answer->addresses, answer->count * sizeof *slot->addresses);
    slot->address_count = (uint16_t)answer->count;
    slot->address = slot->addresses[0];
    connect_slot(prober, slot);
}

/* --- From the worker --- */

bool prober_has_room(const struct prober *prober) {
    return prober->free_slots && !prober->cancelling && !prober->paused &&
           prober->waiting_count < prober->settings->conversations &&
           resolver_open_count(prober->resolver) < LOOKUPS_MAX;
}

/* A slot for the target, as far as a target without a connection has one. */
static void fill_slot(struct prober *prober, struct slot *slot, const struct target *target) {
    slot->target = *target;
    slot->address = target->address;
    slot->conversation = NULL;
    slot->started_ns = prober->io->now_ns;
    slot->started_ms = prober->io->unix_ms;
    slot->dns_ns = slot->connect_ns = slot->connected_ns = slot->conversing_ns = 0;
    slot->address_count = slot->address_at = slot->attempt = slot->pauses = 0;
    slot->again = slot->further = 0;
    slot->fallback = false;
    slot->plan = (uint8_t)prober->settings->plan;
    set_hard_deadline(prober, slot);
}

void prober_start(struct prober *prober, const struct target *target) {
    struct slot *slot = prober->free_slots;

    prober->free_slots = slot->next;
    prober->busy++;
    count(&prober->statistics.busy, 1);
    count(&prober->statistics.started, 1);
    fill_slot(prober, slot, target);
    if (target->address.family != ADDRESS_NONE) {
        connect_slot(prober, slot);
        return;
    }
    enter(slot, SLOT_RESOLVING);
    uint64_t cookie = (uint64_t)slot->lookup << 32 | index_of(prober, slot);
    if (resolver_start(prober->resolver, target_name(target), cookie))
        arm(prober, slot, prober->settings->dns_timeout_ms);
    else
        finish(prober, slot, OUTCOME_DNS_FAILED, "no memory for the look-up");
}

void prober_refuse(struct prober *prober, const struct target *target) {
    struct slot slot = {.state = SLOT_FREE};

    count(&prober->statistics.started, 1);
    fill_slot(prober, &slot, target);
    report_slot(prober, &slot, OUTCOME_CANCELLED, "not started");
}

static void serve_waiting(struct prober *prober) {
    while (prober->waiting && prober->free_conversations) {
        struct slot *slot = prober->waiting;
        leave_waiting(prober, slot);
        converse(prober, slot);
    }
}

enum error prober_step(struct prober *prober, uint32_t wait_ms) {
    enum error error = io_step(prober->io, wait_ms);
    resolver_tick(prober->resolver);
    wheel_advance(&prober->wheel, prober->io->now_ns, on_expired, prober);
    serve_waiting(prober);
    return error;
}

void prober_cancel(struct prober *prober) {
    prober->cancelling = true;
    for (uint32_t i = 0; i < prober->settings->slots; i++) {
        struct slot *slot = &prober->slots[i];
        if (slot->state == SLOT_CLOSING && slot->again) {
            report_slot(prober, slot, OUTCOME_CANCELLED, "interrupted");
            slot->again = 0;
        } else if (slot->state != SLOT_FREE && slot->state != SLOT_CLOSING) {
            finish(prober, slot, OUTCOME_CANCELLED, "interrupted");
        }
    }
}

uint32_t prober_busy(const struct prober *prober) {
    return prober->busy;
}

void prober_wake(struct prober *prober) {
    io_wake(prober->io);
}

void prober_statistics_add(const struct prober *prober, struct prober_statistics *out) {
    const uint64_t *from = (const uint64_t *)&prober->statistics;
    uint64_t *to = (uint64_t *)out;
    for (size_t i = 0; i < sizeof *out / sizeof *to; i++)
        to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* --- Open and close --- */

static enum error open_io(struct prober *prober, struct failure *failure) {
    struct io_config config = {
        .sockets = prober->settings->slots,
        .watches = RESOLVER_WATCHES,
        .receives = prober->settings->conversations,
        .handle = on_event,
        .owner = prober,
        .context = prober->settings->io_context,
    };
    return io_open(&prober->io, prober->settings->io, &config, failure);
}

static enum error open_resolver(struct prober *prober, struct failure *failure) {
    const struct prober_settings *settings = prober->settings;
    struct resolver_config config = {
        .io = prober->io,
        .hosts = settings->hosts,
        .servers = settings->dns_servers,
        .prefer_v4 = settings->prefer_v4,
        .timeout_ms = settings->dns_timeout_ms,
        .answered = on_answered,
        .owner = prober,
    };
    return resolver_open(&prober->resolver, &config, failure);
}

/* Pages of conversations are mapped here and touched when they are first used. */
static bool make_slabs(struct prober *prober) {
    const struct prober_settings *settings = prober->settings;
    void *map = mmap(NULL, settings->conversations * sizeof(struct conversation),
                     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    prober->conversations = map == MAP_FAILED ? NULL : map;
    prober->slots = calloc(settings->slots, sizeof *prober->slots);
    if (!prober->conversations || !prober->slots)
        return false;
    for (uint32_t i = settings->conversations; i-- > 0;) {
        prober->conversations[i].next_free = prober->free_conversations;
        prober->free_conversations = &prober->conversations[i];
    }
    for (uint32_t i = settings->slots; i-- > 0;) {
        prober->slots[i].next = prober->free_slots;
        prober->free_slots = &prober->slots[i];
    }
    prober->trust = settings->roots ? trust_checker_new(settings->roots) : NULL;
    return !settings->roots || prober->trust;
}

enum error prober_open(struct prober **out, const struct prober_config *config,
                       struct failure *failure) {
    struct prober *prober = calloc(1, sizeof *prober);
    enum error error;

    if (!prober)
        return failure_set(failure, ERROR_MEMORY, "no memory for a worker");
    prober->config = *config;
    prober->settings = config->settings;
    prober->waiting_end = &prober->waiting;
    random_init(&prober->random, config->seed);
    buffer_init(&prober->out);
    if (!make_slabs(prober))
        error = failure_set(failure, ERROR_MEMORY,
                            "no memory for %u slots: give a smaller --concurrency",
                            config->settings->slots);
    else if ((error = open_io(prober, failure)) == ERROR_NONE)
        error = open_resolver(prober, failure);
    if (error != ERROR_NONE) {
        prober_close(prober);
        return error;
    }
    wheel_init(&prober->wheel, prober->io->now_ns);
    *out = prober;
    return ERROR_NONE;
}

void prober_close(struct prober *prober) {
    if (!prober)
        return;
    if (prober->resolver)
        resolver_close(prober->resolver);
    if (prober->io)
        io_close(prober->io);
    trust_checker_free(prober->trust);
    if (prober->conversations)
        munmap(prober->conversations,
               prober->settings->conversations * sizeof(struct conversation));
    free(prober->slots);
    buffer_deinit(&prober->out);
    free(prober);
}
