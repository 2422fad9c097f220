#include "engine/probe/slot.h"

#include "engine/probe/local_chain.h"
#include "engine/probe/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { CANCELLED_PART = 0x8000 }; /* of an id */

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
        return STAGE_DNS;
    case SLOT_RESOLVING:
        return outcome == OUTCOME_BLOCKED && slot->target.address.family != ADDRESS_NONE
                   ? STAGE_CONNECT
                   : STAGE_DNS;
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

void attempt_count_trust(struct prober *prober, const struct trust_statistics *before,
                         const struct trust_statistics *after) {
    const uint64_t *from = (const uint64_t *)before, *to = (const uint64_t *)after;
    uint64_t *counts = (uint64_t *)&prober->statistics.trust;

    for (size_t i = 0; i < sizeof *before / sizeof *from; i++)
        prober_count(&counts[i], to[i] - from[i]);
}

struct trust_checker *attempt_checker(struct prober *prober, const struct target *target) {
    const struct trust_store *roots = target->roots ? target->roots : prober->settings->roots;

    return roots ? checkers_get(&prober->checkers, roots) : NULL;
}

/* NULL when there is no memory. */
static struct probe_record *try_record(struct prober *prober, const struct report *report) {
    const struct trust_store *roots =
        report->target->roots ? report->target->roots : prober->settings->roots;

    if (!roots && !(report->tlsa && report->tlsa->set))
        return report_record(report, NULL);
    struct trust_checker *checker = checkers_get(&prober->checkers, roots);
    if (!checker)
        return NULL;
    struct trust_statistics before = trust_checker_statistics(checker);
    struct probe_record *record = report_record(report, checker);
    struct trust_statistics after = trust_checker_statistics(checker);
    attempt_count_trust(prober, &before, &after);
    return record;
}

/* A record must not be lost in silence. When memory is out, the reserve goes into it, and no target
 * is started until there is a new one. */
static struct probe_record *make_record(struct prober *prober, const struct report *report) {
    struct probe_record *record = try_record(prober, report);

    if (!record) {
        free(prober->reserve);
        prober->reserve = NULL;
        record = try_record(prober, report);
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
        .tlsa = slot->attempt && slot->tlsa_state == TLSA_ANSWERED ? &slot->tlsa : NULL,
        .fallback = slot->fallback && certificate,
        .started_ms = slot->started_ms,
        .now_ms = prober->io->unix_ms,
    };
    return make_record(prober, &report);
}

/* What was cancelled comes again when the sweep is gone on with, and is another record then. */
static void identify(const struct prober *prober, const struct slot *slot,
                     struct probe_record *record) {
    uint16_t part = slot->further ? slot->address_at : 0;

    if (record->outcome == OUTCOME_CANCELLED)
        part |= CANCELLED_PART;
    probe_record_identify(record, prober->settings->run, slot->target.number, part);
}

/* Hands a record on; `last` when no other of its target will follow. What was cancelled is still to
 * be done by who goes on with the sweep. */
static void deliver(struct prober *prober, struct slot *slot, struct probe_record *record,
                    bool last) {
    bool done = last && record->outcome != OUTCOME_CANCELLED;

    record->head.ticket = done ? slot->target.ticket : 0;
    identify(prober, slot, record);
    if (prober->settings->all_addresses)
        compare_addresses(slot, record);
    if (slot->further)
        prober_count(&prober->statistics.further, 1);
    count_record(prober, record);
    prober->config.publish(prober->config.owner, record);
}

/* As it is, or cut short. */
static struct probe_record *end_audit(struct prober *prober, struct slot *slot) {
    if (prober->cancelling)
        tls_audit_stop(slot->auditing->audit, TLS_AUDIT_CANCELLED);
    struct probe_record *record = auditing_end(slot->auditing);

    slot->auditing = NULL;
    return record;
}

void attempt_report(struct prober *prober, struct slot *slot, enum outcome outcome,
                    const char *error, bool last) {
    if (slot->auditing)
        deliver(prober, slot, end_audit(prober, slot), false);
    else if (slot->fetching)
        deliver(prober, slot, fetch_end(slot, error), false);
    else
        deliver(prober, slot, record_of(prober, slot, outcome, error), last);
}

/* --- Certificates of a file --- */

void attempt_local(struct prober *prober, const struct target *target, bool cancelled) {
    const struct local_chain *chain = target->local;
    struct slot slot = {.target = *target};
    struct tls_observation seen = {.certificate_count = (uint16_t)chain->count,
                                   .certificates_sent = (uint16_t)chain->count};

    memcpy(seen.certificates, chain->certificates, sizeof seen.certificates);
    struct report report = {
        .settings = prober->settings,
        .target = target,
        .path = chain->path,
        .plan = PLAN_HANDSHAKE,
        .attempt = 1,
        .outcome = cancelled ? OUTCOME_CANCELLED : chain->outcome,
        .stage = STAGE_DONE,
        .error = cancelled ? slice_of("not started") : chain->error,
        .timing = {-1, -1, -1, -1, -1},
        .seen = cancelled ? NULL : &seen,
        .links = prober->links,
        .started_ms = prober->io->unix_ms,
        .now_ms = prober->io->unix_ms,
    };
    prober_count(&prober->statistics.started, 1);
    struct probe_record *record = make_record(prober, &report);
    local_chain_free(target->local);
    if (cancelled || !fetch_local(prober, target, record))
        deliver(prober, &slot, record, true);
}

/* --- Ends --- */

static bool has_next_address(const struct slot *slot) {
    return slot->address_at + 1u < slot->address_count;
}

void attempt_deliver(struct prober *prober, struct slot *slot, struct probe_record *record,
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

/* The record of this address goes out, `whole` or cut short, at once or after what is fetched for
 * it; the next address gets a probe of its own. */
static void end_address(struct prober *prober, struct slot *slot, struct probe_record *record,
                        bool whole) {
    if (whole && fetch_begin(prober, slot, record))
        slot_close(prober, slot);
    else
        attempt_deliver(prober, slot, record, whole);
}

/* Connects once more, to the same address and on the same terms but for what the caller changes. */
static void try_again(struct prober *prober, struct slot *slot) {
    slot->again = true;
    slot_close(prober, slot);
}

/* The next question of the audit gets a connection of its own. */
static void ask_on(struct prober *prober, struct slot *slot) {
    if (prober->io->now_ns >= slot->hard_ns)
        tls_audit_stop(slot->auditing->audit, TLS_AUDIT_OUT_OF_TIME);
    if (!prober->cancelling && auditing_next(slot->auditing, &prober->random)) {
        slot->plan = PLAN_AUDIT;
        try_again(prober, slot);
    } else {
        end_address(prober, slot, end_audit(prober, slot), !prober->cancelling);
    }
}

static bool begin_audit(struct prober *prober, struct slot *slot, struct probe_record *record) {
    if (prober->settings->plan != PLAN_AUDIT || prober->cancelling || !record->has_tls)
        return false;
    slot->auditing = auditing_new(record, target_name(&slot->target), prober->settings);
    return slot->auditing != NULL;
}

/* A question's connection that ended before its answer was whole: who interrupts is not the
 * server. */
static void question_failed(struct prober *prober, struct slot *slot, enum tls_audit_end how) {
    if (!prober->cancelling)
        tls_audit_ended(slot->auditing->audit, how);
    ask_on(prober, slot);
}

void attempt_finish(struct prober *prober, struct slot *slot, enum outcome outcome,
                    const char *error) {
    if (slot->fetching) { /* interrupted */
        fetch_give_up(prober, slot, error);
        return;
    }
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
