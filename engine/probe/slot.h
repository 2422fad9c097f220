/* The insides of a prober: its slots, and what the files of this folder do with them.
 *
 *     prober.c    from the worker: open, start, step, cancel
 *     events.c    from below: connected, received, expired, resolved
 *     converse.c  a connection gets a conversation, or waits for one
 *     attempt.c   the end of a connection: again, or a record
 *     fetch.c     what is fetched for a record before it goes out
 *     slot.c      the steps themselves: connect, close, free
 *
 * Everything here belongs to the worker's thread but for the counts of `statistics`. */
#ifndef ENGINE_PROBE_SLOT_H
#define ENGINE_PROBE_SLOT_H

#include "engine/dns/resolver.h"
#include "engine/io/io.h"
#include "engine/io/wheel.h"
#include "engine/probe/checkers.h"
#include "engine/probe/conversation.h"
#include "engine/probe/dane_report.h"
#include "engine/probe/fetching.h"
#include "engine/probe/link_cache.h"
#include "engine/probe/prober.h"
#include "engine/probe/rate.h"

enum slot_state {
    SLOT_FREE,
    SLOT_RESOLVING,
    SLOT_HELD, /* the pace, or the caps of its host and network, forbid it to connect now: tried
                  again by the timer */
    SLOT_CONNECTING,
    SLOT_PAUSED,  /* no port or descriptor for it: tried again by the timer */
    SLOT_WAITING, /* connected, until a conversation is free */
    SLOT_CONVERSING,
    SLOT_CLOSING,  /* until the io layer gives the socket back */
    SLOT_FETCHING, /* without a connection: the record waits for issuers or CRLs */
};

enum { SLOT_STATES = SLOT_FETCHING + 1 };

enum tlsa_state { TLSA_NOT_ASKED, TLSA_ASKED, TLSA_ANSWERED };

struct slot {
    struct wheel_timer timer; /* first: expired timers are cast to their slot */
    struct slot *next;        /* in the free list or the waiting queue */
    struct conversation *conversation;
    struct auditing *auditing; /* heap, once the questions have begun; NULL otherwise */
    struct fetching *fetching; /* heap, when the record waits for what is fetched; NULL otherwise */
    struct address *addresses; /* heap, of a resolved name; NULL for an address target */
    struct address address;    /* the one that is probed */
    struct address counted;    /* by the caps, until its connection is closed; or ADDRESS_NONE */
    struct tlsa_answer tlsa;   /* under settings.dane */
    struct target target;
    uint64_t started_ns, hard_ns, dns_ns, connect_ns, connected_ns, conversing_ns, tls_ns;
    int64_t started_ms;
    uint32_t lookup; /* tells late DNS answers from current ones */
    uint16_t address_count, address_at, attempt, pauses;
    uint8_t state;            /* enum slot_state */
    uint8_t plan;             /* of the current connection */
    uint8_t tlsa_state;       /* enum tlsa_state */
    uint8_t first_outcome;    /* of the handshake that the grab follows */
    bool again;               /* closing, to connect once more */
    bool further;             /* a record of this target is out already */
    bool fallback;            /* a grab after a handshake that failed */
    bool without_alpn;        /* the server has refused the offer */
    bool has_first;           /* first_sha256 is set */
    uint8_t first_sha256[32]; /* under all_addresses: the certificate of the first that had one */
    bool paced;               /* held by the pace */
    char first_error[160];
};

struct prober {
    struct prober_config config;
    const struct prober_settings *settings;
    struct io *io;
    struct resolver *resolver;
    struct checkers checkers;
    struct link_cache *links;
    struct mailbox answers; /* from the fetcher */
    struct wheel wheel;
    struct random random;
    struct rate rate;
    struct buffer out;
    void *reserve; /* memory given up for records when there is none; NULL: no new targets */
    struct slot *slots, *free_slots;
    struct slot *waiting, **waiting_end;
    struct conversation *conversations, *free_conversations;
    struct dialogue_state *dialogues; /* of the conversations, as are the storages */
    uint8_t *storages;
    uint32_t in_state[SLOT_STATES]; /* slots */
    uint32_t busy, paced;           /* `paced` of those held */
    bool cancelling;
    struct prober_statistics statistics; /* written with prober_count, read with __atomic_load_n */
};

static inline void prober_count(uint64_t *counter, uint64_t more) {
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

/* Empty, for what a conversation wants to send; whether memory has lacked before is forgotten. */
static inline struct buffer *prober_output(struct prober *prober) {
    prober->out.len = 0;
    prober->out.failed = false;
    return &prober->out;
}

static inline uint32_t slot_index(const struct prober *prober, const struct slot *slot) {
    return (uint32_t)(slot - prober->slots);
}

/* --- prober.c --- */

/* A free slot for `target`; there must be one. */
struct slot *prober_take_slot(struct prober *prober, const struct target *target);

/* --- slot.c --- */

/* A slot for `target`, as far as one without a connection goes. */
void slot_begin(struct prober *prober, struct slot *slot, const struct target *target);

/* The plan of a target's first connection. */
uint8_t slot_first_plan(const struct prober *prober);

/* The one way into a state. */
void slot_enter(struct prober *prober, struct slot *slot, enum slot_state next);

/* The deadline of the state just entered, and never later than the target's own. */
void slot_arm(struct prober *prober, struct slot *slot, uint32_t stage_ms);

/* The target's own deadline starts anew: what it waited for was not its fault. */
void slot_restart_clock(struct prober *prober, struct slot *slot);

/* By prober_settings.forbidden. */
bool slot_is_forbidden(const struct prober *prober, const struct address *address);

/* Looks up what is not known of the target: addresses and TLSA records at once. Connects when
 * nothing is missing. */
void slot_resolve(struct prober *prober, struct slot *slot);

/* Connects to slot->address, or holds it back for the caps. */
void slot_connect(struct prober *prober, struct slot *slot);

/* No port or descriptor is left. */
void slot_pause(struct prober *prober, struct slot *slot);

/* TLS begins, at once or after the dialogue: its own deadline runs from here. */
void slot_begin_tls(struct prober *prober, struct slot *slot);

/* Out of the queue of those that wait for a conversation. */
void slot_leave_waiting(struct prober *prober, struct slot *slot);

/* Ends the connection; then the slot connects again or is free. */
void slot_close(struct prober *prober, struct slot *slot);
void slot_closed(struct prober *prober, struct slot *slot);

/* Back to the free ones; it has no connection. */
void slot_release(struct prober *prober, struct slot *slot);

/* --- converse.c --- */

/* Connected: begins the conversation, or waits for a free one. */
void slot_converse_or_wait(struct prober *prober, struct slot *slot);
void slots_serve_waiting(struct prober *prober);

/* --- attempt.c --- */

/* The record of this address is due; under all_addresses the next one gets a probe of its own. */
void attempt_finish(struct prober *prober, struct slot *slot, enum outcome outcome,
                    const char *error);

/* A connection that did not come about: another address of the name may do. */
void attempt_not_connected(struct prober *prober, struct slot *slot, enum outcome outcome,
                           const char *error);

/* The conversation is over: a record, or once more where another hello may do. */
void attempt_conversed(struct prober *prober, struct slot *slot);

/* The record alone; `last` when no other of its target will follow. */
void attempt_report(struct prober *prober, struct slot *slot, enum outcome outcome,
                    const char *error, bool last);

/* A record that waits for nothing more goes out, `whole` or cut short; then the next address of the
 * name, or the end. */
void attempt_deliver(struct prober *prober, struct slot *slot, struct probe_record *record,
                     bool whole);

/* That of the target's roots; NULL when there are none, or no memory. */
struct trust_checker *attempt_checker(struct prober *prober, const struct target *target);
void attempt_count_trust(struct prober *prober, const struct trust_statistics *before,
                         const struct trust_statistics *after);

enum outcome outcome_of_errno(int error);

/* The record of certificates that were read from a file, which are freed: no connection is needed,
 * and a slot only when something is to be fetched. */
void attempt_local(struct prober *prober, const struct target *target, bool cancelled);

/* --- fetch.c --- */

/* Takes the record over when something is to be fetched for it: fetch_start must follow, when the
 * connection is closed. */
bool fetch_begin(struct prober *prober, struct slot *slot, struct probe_record *record);
void fetch_start(struct prober *prober, struct slot *slot);

/* The same for a record without a slot, which gets one. */
bool fetch_local(struct prober *prober, const struct target *target, struct probe_record *record);

/* What has come so far must do; the record goes out. `why`: static words. */
void fetch_give_up(struct prober *prober, struct slot *slot, const char *why);

/* The same for who delivers the record. */
struct probe_record *fetch_end(struct slot *slot, const char *why);

void fetch_take_answers(struct prober *prober);

/* Nothing comes any more. */
void fetch_leave(struct prober *prober);

/* --- events.c --- */

void prober_on_event(void *owner, const struct io_event *event);
void prober_on_expired(void *owner, struct wheel_timer *timer);
void prober_on_answered(void *owner, uint64_t cookie, const struct resolver_answer *answer);
void prober_on_tlsa(void *owner, uint64_t cookie, const struct resolver_tlsa *answer);

#endif
