#include "engine/probe/slot.h"

#include "engine/probe/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Records --- */

static int64_t span_us(uint64_t from_ns, uint64_t to_ns) {
    return from_ns && to_ns >= from_ns ? (int64_t)((to_ns - from_ns) / 1000) : -1;
}

static struct probe_timing timing_of(const struct slot *slot, uint64_t now_ns) {
    bool dialogue = slot->conversing_ns && slot->target.protocol != 0;
    uint64_t tls_ns = slot->tls_ns;

    return (struct probe_timing){
        .dns_us = slot->dns_ns ? span_us(slot->started_ns, slot->dns_ns) : -1,
        .connect_us = slot->connected_ns ? span_us(slot->connect_ns, slot->connected_ns) : -1,
        .starttls_us = dialogue ? span_us(slot->conversing_ns, tls_ns ? tls_ns : now_ns) : -1,
        .handshake_us = span_us(tls_ns, now_ns),
        .total_us = span_us(slot->started_ns, now_ns),
    };
}

static bool in_the_clear(const struct slot *slot) {
    return slot->conversation && slot->conversation->phase == CONVERSATION_DIALOGUE;
}

static enum stage stage_of(const struct slot *slot, enum outcome outcome) {
    if (outcome == OUTCOME_OK)
        return STAGE_DONE;
    switch ((enum slot_state)slot->state) {
    case SLOT_FREE:
    case SLOT_RESOLVING:
        return STAGE_DNS;
    case SLOT_HELD:
    case SLOT_CONNECTING:
    case SLOT_PAUSED:
        return STAGE_CONNECT;
    default:
        return in_the_clear(slot) ? STAGE_STARTTLS : STAGE_HANDSHAKE;
    }
}

static void count_record(struct prober *prober, const struct probe_record *record) {
    struct prober_statistics *statistics = &prober->statistics;

    prober_count(&statistics->outcomes[record->outcome], 1);
    prober_count(&statistics->statuses[record->status], 1);
    for (uint64_t left = record->findings; left; left &= left - 1)
        prober_count(&statistics->findings[__builtin_ctzll(left)], 1);
    prober_count(&statistics->finished, 1);
}

/* A record must not be lost in silence. When memory is out, the reserve goes into it, and no target
 * is started until there is a new one. */
static struct probe_record *make_record(struct prober *prober, const struct report *report) {
    struct probe_record *record = report_record(report, prober->trust);

    if (!record) {
        free(prober->reserve);
        prober->reserve = NULL;
        record = report_record(report, prober->trust);
    }
    if (!record)
        abort();
    return record;
}

/* The addresses of a name should serve the same certificate. */
static void compare_addresses(struct slot *slot, struct probe_record *record) {
    const uint8_t *sha256 = record->certificate.fingerprint_sha256;

    if (!record->has_certificate)
        return;
    if (!slot->has_first) {
        memcpy(slot->first_sha256, sha256, sizeof slot->first_sha256);
        slot->has_first = true;
    } else if (memcmp(slot->first_sha256, sha256, sizeof slot->first_sha256) != 0) {
        record->findings |= UINT64_C(1) << FINDING_ADDRESSES_DIFFER;
    }
}

/* A grab that follows a handshake tells of both. So does what tried again without ALPN, as long as
 * nobody has answered it. */
static void join_words(const struct slot *slot, bool certificate, enum outcome *outcome,
                       const char **error, char words[LIMIT_ERROR_TEXT_BYTES]) {
    bool unanswered = slot->without_alpn && !slot->conversing_ns;

    if (!slot->fallback && !unanswered)
        return;
    if (!certificate) {
        *outcome = (enum outcome)slot->first_outcome;
        *error = slot->first_error;
        return;
    }
    snprintf(words, LIMIT_ERROR_TEXT_BYTES, "handshake failed (%s), certificate read by grab",
             slot->first_error);
    *error = words;
}

static struct probe_record *record_of(struct prober *prober, struct slot *slot,
                                      enum outcome outcome, const char *error) {
    const struct tls_observation *seen =
        slot->conversation ? conversation_seen(slot->conversation) : NULL;
    bool certificate = seen && seen->certificate_count;
    char words[LIMIT_ERROR_TEXT_BYTES];

    join_words(slot, certificate, &outcome, &error, words);
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
        .links = prober->links,
        .fallback = slot->fallback && certificate,
        .started_ms = slot->started_ms,
        .now_ms = prober->io->unix_ms,
    };
    return make_record(prober, &report);
}

/* Hands a record on; `last` when no other of its target will follow. What was cancelled is still to
 * be done by who goes on with the sweep. */
static void deliver(struct prober *prober, struct slot *slot, struct probe_record *record,
                    bool last) {
    bool done = last && record->outcome != OUTCOME_CANCELLED;

    record->head.ticket = done ? slot->target.ticket : 0;
    if (prober->settings->all_addresses)
        compare_addresses(slot, record);
    if (slot->further)
        prober_count(&prober->statistics.further, 1);
    count_record(prober, record);
    prober->config.publish(prober->config.owner, record);
}

static struct probe_record *end_audit(struct slot *slot) {
    struct probe_record *record = auditing_end(slot->auditing);

    slot->auditing = NULL;
    return record;
}

void attempt_report(struct prober *prober, struct slot *slot, enum outcome outcome,
                    const char *error, bool last) {
    if (slot->auditing) /* cut short */
        deliver(prober, slot, end_audit(slot), false);
    else
        deliver(prober, slot, record_of(prober, slot, outcome, error), last);
}

/* --- Ends --- */

static bool has_next_address(const struct slot *slot) {
    return slot->address_at + 1u < slot->address_count;
}

/* The record of this address goes out, `whole` or cut short; the next address gets a probe of its
 * own. */
static void end_address(struct prober *prober, struct slot *slot, struct probe_record *record,
                        bool whole) {
    bool next = prober->settings->all_addresses && !prober->cancelling && has_next_address(slot);

    deliver(prober, slot, record, whole && !next);
    slot->again = next;
    if (next) {
        slot->address_at++;
        slot->further = true;
        slot->attempt = slot->pauses = 0;
        slot->fallback = slot->without_alpn = false;
        slot->plan = slot_first_plan(prober);
        slot_restart_clock(prober, slot);
    }
    if (slot->state == SLOT_RESOLVING)
        slot_release(prober, slot);
    else
        slot_close(prober, slot);
}

/* Connects once more, to the same address and on the same terms but for what the caller changes. */
static void try_again(struct prober *prober, struct slot *slot) {
    slot->again = true;
    slot_close(prober, slot);
}

/* The next question of the audit gets a connection of its own. */
static void ask_on(struct prober *prober, struct slot *slot) {
    bool in_time = prober->io->now_ns < slot->hard_ns;

    if (!prober->cancelling && in_time && auditing_next(slot->auditing, &prober->random)) {
        slot->plan = PLAN_AUDIT;
        try_again(prober, slot);
    } else {
        end_address(prober, slot, end_audit(slot), !prober->cancelling);
    }
}

static bool begin_audit(struct prober *prober, struct slot *slot, struct probe_record *record) {
    if (prober->settings->plan != PLAN_AUDIT || prober->cancelling || !record->has_tls)
        return false;
    slot->auditing = auditing_new(record, target_name(&slot->target));
    return slot->auditing != NULL;
}

/* A question's connection that ended before its answer was whole. */
static void question_failed(struct prober *prober, struct slot *slot, enum tls_audit_end how) {
    tls_audit_ended(slot->auditing->audit, how);
    ask_on(prober, slot);
}

void attempt_finish(struct prober *prober, struct slot *slot, enum outcome outcome,
                    const char *error) {
    if (slot->auditing) {
        question_failed(prober, slot,
                        outcome == OUTCOME_TIMEOUT ? TLS_AUDIT_TIMED_OUT : TLS_AUDIT_CLOSED);
        return;
    }
    struct probe_record *record = record_of(prober, slot, outcome, error);
    if (begin_audit(prober, slot, record))
        ask_on(prober, slot);
    else
        end_address(prober, slot, record, true);
}

void attempt_not_connected(struct prober *prober, struct slot *slot, enum outcome outcome,
                           const char *error) {
    if (slot->auditing) {
        question_failed(prober, slot, TLS_AUDIT_NOT_CONNECTED);
        return;
    }
    bool in_time = prober->io->now_ns < slot->hard_ns;
    bool answered = slot->fallback || slot->without_alpn; /* by this address, to another hello */

    if (prober->settings->all_addresses || prober->cancelling || !in_time || answered ||
        !has_next_address(slot)) {
        attempt_finish(prober, slot, outcome, error);
        return;
    }
    slot->address_at++;
    try_again(prober, slot);
}

void attempt_conversed(struct prober *prober, struct slot *slot) {
    const struct conversation *conversation = slot->conversation;
    if (slot->auditing) {
        if (conversation->phase == CONVERSATION_DIALOGUE)
            question_failed(prober, slot, TLS_AUDIT_NOT_CONNECTED);
        else
            ask_on(prober, slot);
        return;
    }
    enum outcome outcome = conversation_outcome(conversation);
    char words[LIMIT_ERROR_TEXT_BYTES];

    conversation_words(conversation, words);
    if (prober->cancelling || !conversation_was_refused(conversation) ||
        slot->plan != PLAN_HANDSHAKE) {
        attempt_finish(prober, slot, outcome, words);
        return;
    }
    slot->first_outcome = (uint8_t)outcome;
    snprintf(slot->first_error, sizeof slot->first_error, "%.150s", words);
    if (conversation_refused_alpn(conversation)) {
        slot->without_alpn = true;
    } else {
        slot->fallback = true;
        slot->plan = PLAN_GRAB;
    }
    try_again(prober, slot);
}

enum outcome outcome_of_errno(int error) {
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
