/* When somebody should hear of a result, and when not again. A state machine an endpoint (and
 * agent), which knows neither clock nor tables: the previous state, a result, the rules and the
 * time give the next state, and what changed.
 *
 *     topic        opens with            updates with        resolves with
 *     expiry       tls_expiry            tls_expiry, tls_expired   tls_renewed
 *     unreachable  tls_unreachable                           tls_reachable
 *     trust        tls_trust_broken                          tls_trusted
 *     name         tls_name_mismatch                         tls_name_matches
 *     change       tls_changed, or tls_renewed without an open alert: told, nothing stays open
 *
 * A threshold is told once for a certificate, whoever scanned. What is bad is told at once (but
 * `failures` in a row for unreachable); what is good too, unless the endpoint flaps: after a topic
 * opened again soon, it takes ALERT_CALM results in a row to resolve it. A certificate that returns
 * within a day is told once, not each time: behind a load balancer two may take turns.
 *
 * Other alerts, of CT, feeds, agents and workers, need no state of this kind: monitor_raise
 * (ledger.h).
 *
 * Pure, safe on every thread. */
#ifndef TOOLS_MONITOR_ALERTS_H
#define TOOLS_MONITOR_ALERTS_H

#include "engine/base/buffer.h"
#include "engine/record/record.h"

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL, SEVERITIES };

enum alert_topic { /* what an alert is about; at most one of each is open an endpoint */
                   ALERT_EXPIRY,
                   ALERT_UNREACHABLE,
                   ALERT_TRUST,
                   ALERT_NAME,
                   ALERT_CHANGE,
                   ALERT_CT, /* these four by monitor_raise */
                   ALERT_FEED,
                   ALERT_AGENT,
                   ALERT_WORKERS,
                   ALERT_TOPICS,
};
enum { ALERT_ENDPOINT_TOPICS = ALERT_CHANGE + 1 };

enum alert_event {
    EVENT_TLS_EXPIRY,
    EVENT_TLS_EXPIRED,
    EVENT_TLS_RENEWED,
    EVENT_TLS_CHANGED,
    EVENT_TLS_UNREACHABLE,
    EVENT_TLS_REACHABLE,
    EVENT_TLS_TRUST_BROKEN,
    EVENT_TLS_TRUSTED,
    EVENT_TLS_NAME_MISMATCH,
    EVENT_TLS_NAME_MATCHES,
    EVENT_CT_NEW_CERTIFICATE,
    EVENT_CT_UNKNOWN_CERTIFICATE,
    EVENT_FEED_STALE,
    EVENT_FEED_FRESH,
    EVENT_AGENT_SILENT,
    EVENT_AGENT_BACK,
    EVENT_WORKERS_SILENT,
    EVENT_WORKERS_BACK,
    ALERT_EVENTS,
};

const char *severity_name(enum severity severity); /* "warning" */
const char *severity_priority(
    enum severity severity); /* RemotePower's: "normal", "high", "urgent" */
const char *alert_topic_name(enum alert_topic topic);    /* "expiry" */
const char *alert_event_name(enum alert_event event);    /* "tls_expiry" */
const char *alert_event_summary(enum alert_event event); /* one sentence for a person */
/* -1 for a name that there is not. */
int alert_event_by_name(struct slice name);

/* --- Rules --- */

enum {
    ALERT_THRESHOLDS = 16,
    ALERT_CALM = 3,
    ALERT_FAILURES = 2,
    ALERT_FLAP_RESULTS = 10, /* a topic that opens within so many results after it was resolved */
};

struct alert_rules {
    int32_t days[ALERT_THRESHOLDS]; /* falling, each once: those of the list, warn and crit */
    uint8_t day_count;
    int32_t warn_days, crit_days;
    bool defaults; /* nobody chose the days: a certificate that lives under 30 days is judged by a
                      third and a tenth of its life, as in a sweep (engine/probe/judge.h) */
    uint8_t failures;   /* in a row, until an endpoint is unreachable; at least 1 */
    bool is_discovered; /* an address of a block: nobody said that there is a server, and what is
                           wrong at the first sight is how it is there */
};

/* `days` in any order, repeated or not; warn and crit are added. */
void alert_rules_init(struct alert_rules *rules, const int32_t *days, uint32_t day_count,
                      int32_t warn_days, int32_t crit_days);

/* --- Results --- */

/* What of a record counts. Slices are the record's. */
struct alert_sight {
    int64_t time_ms;
    uint64_t id; /* of the record: what is repeated counts once; 0: none */
    enum outcome outcome;
    struct slice error;                /* in words, for a message */
    bool has_certificate;              /* with a fingerprint and dates */
    uint8_t fingerprint[32], spki[32]; /* spki of zeros: not known */
    uint64_t names;                    /* a hash of the set of names */
    struct slice subject, subject_cn, issuer, issuer_cn;
    uint64_t issuer_id; /* a hash of the issuer's organization, for authorities change their
                           intermediates often; of its name where it has none */
    int64_t not_before, not_after; /* seconds */
    bool trust_known, is_trusted, name_known, name_matches;
    struct slice trust_error;
};

void alert_sight_init(struct alert_sight *sight, const struct probe_record *record);

/* How many days a certificate has left, fractions included; negative when it is over. */
double alert_days_left(int64_t not_after, int64_t now_ms);

/* What a target's days say about a sight: error without a certificate, else ok, warning or
 * critical. Trust never changes it. */
enum status alert_status(const struct alert_rules *rules, const struct alert_sight *sight,
                         int64_t now_ms);

/* --- State --- */

enum { ALERT_ISSUER_BYTES = 64, ALERT_RECENT = 6, ALERT_STATE_BYTES_MAX = 400 };

struct alert_state {
    int64_t time_ms; /* of the last result that counted; 0: none yet */
    uint64_t last_id;
    bool has_certificate; /* one was seen, ever */
    uint8_t fingerprint[32], spki[32];
    uint64_t names, issuer_id;
    int64_t not_before, not_after;
    uint8_t issuer_len;
    char issuer_cn[ALERT_ISSUER_BYTES]; /* for "issuer was …" */
    uint8_t recent_count;
    struct {
        uint64_t certificate; /* the first bytes of its fingerprint */
        int64_t seen_ms;
    } recent[ALERT_RECENT]; /* that were served before it, the newest first */
    uint8_t returns;        /* of one of these, until a day passes without */
    int64_t returned_ms;
    uint16_t failures;         /* in a row */
    int64_t told_s;            /* the lowest threshold told while expiry is open, in seconds */
    bool told_expired;         /* likewise */
    uint64_t told_certificate; /* about which */
    int64_t stored_ms;         /* the ledger's: when the record last went to the store */
    uint64_t content;          /* the ledger's: a hash of what the record says */
    struct {
        bool is_open;
        bool is_given; /* wrong from the first sight on, of a discovered endpoint: not told */
        uint8_t good;  /* results in a row that would resolve it */
        uint8_t flaps; /* how often it opened again soon */
        uint8_t calm;  /* results since it was resolved, up to ALERT_FLAP_RESULTS */
    } topics[ALERT_ENDPOINT_TOPICS];
};

void alert_state_init(struct alert_state *state);

/* As bytes, the same on every machine, and back. False for what is not of this or an older
 * version. */
size_t alert_state_pack(const struct alert_state *state, uint8_t out[ALERT_STATE_BYTES_MAX]);
bool alert_state_unpack(struct slice packed, struct alert_state *out)
    __attribute__((warn_unused_result));

/* --- Steps --- */

enum alert_step { ALERT_OPEN, ALERT_UPDATE, ALERT_RESOLVE, ALERT_TELL /* opened and resolved */ };

struct alert_change {
    enum alert_topic topic;
    enum alert_event event;
    enum alert_step step;
    enum severity severity;
    double threshold_days; /* of tls_expiry: which was crossed */
    double days_left;
    uint32_t
        differs; /* from the certificate before: bits of enum alert_differs; 0: it is the same */
    /* As they were before, for the words. */
    uint8_t old_fingerprint[32];
    int64_t old_not_after;
    uint8_t old_issuer_len;
    char old_issuer_cn[ALERT_ISSUER_BYTES];
};

enum alert_differs {
    ALERT_DIFFERS_FINGERPRINT = 1 << 0,
    ALERT_DIFFERS_ISSUER = 1 << 1,
    ALERT_DIFFERS_KEY = 1 << 2,
    ALERT_DIFFERS_NAMES = 1 << 3,
};

/* Whether a result is the last one, or of the past (a spool that was replayed): it changes nothing.
 */
bool alert_is_old(const struct alert_state *state, const struct alert_sight *sight, int64_t now_ms);

/* Takes in a result at `now_ms`; returns how many changes `out` got, at most one a topic. A clock
 * that went back less than a day counts as standing still. */
uint32_t alerts_step(struct alert_state *state, const struct alert_rules *rules,
                     const struct alert_sight *sight, int64_t now_ms,
                     struct alert_change out[ALERT_ENDPOINT_TOPICS]);

/* --- Words --- */

/* Whom it is about, as a person knows it. */
struct alert_place {
    struct slice host, endpoint, agent, label; /* `endpoint` "" when it is the host */
    uint16_t port;
};

/* "mail.example.org:25: certificate expires in 6 days" */
void alert_add_title(const struct alert_change *change, const struct alert_place *place,
                     struct buffer *out);
/* One or two sentences. */
void alert_add_message(const struct alert_change *change, const struct alert_sight *sight,
                       struct buffer *out);
/* The members of a JSON object, each with a comma before it: host, port, label, days_left,
 * threshold, expires_at, fingerprint_sha256, issuer, subject, outcome, error, differs, previous. */
void alert_add_details(const struct alert_change *change, const struct alert_sight *sight,
                       const struct alert_place *place, struct buffer *out);

#endif
