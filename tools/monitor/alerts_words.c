#include "engine/base/text.h"
#include "engine/record/json.h"
#include "tools/monitor/alerts.h"

#include <math.h>

/* --- Names --- */

const char *severity_name(enum severity severity) {
    static const char *const names[SEVERITIES] = {"info", "warning", "critical"};
    return names[severity];
}

const char *severity_priority(enum severity severity) {
    static const char *const names[SEVERITIES] = {"normal", "high", "urgent"};
    return names[severity];
}

const char *alert_topic_name(enum alert_topic topic) {
    static const char *const names[ALERT_TOPICS] = {
        [ALERT_EXPIRY] = "expiry",   [ALERT_UNREACHABLE] = "unreachable",
        [ALERT_TRUST] = "trust",     [ALERT_NAME] = "name",
        [ALERT_CHANGE] = "change",   [ALERT_CT] = "ct",
        [ALERT_FEED] = "feed",       [ALERT_AGENT] = "agent",
        [ALERT_WORKERS] = "workers",
    };
    return names[topic];
}

static const struct {
    const char *name, *summary;
} EVENTS[ALERT_EVENTS] = {
    [EVENT_TLS_EXPIRY] = {"tls_expiry", "A certificate came within a threshold of days, or is out "
                                        "of them because the thresholds changed."},
    [EVENT_TLS_EXPIRED] = {"tls_expired", "A certificate is over."},
    [EVENT_TLS_RENEWED] = {"tls_renewed", "A certificate was replaced by one that ends later."},
    [EVENT_TLS_CHANGED] = {"tls_changed",
                           "A certificate was replaced by one of other names, of another issuer, "
                           "or one that ends no later."},
    [EVENT_TLS_UNREACHABLE] = {"tls_unreachable",
                               "A server gave no certificate, several times in a row."},
    [EVENT_TLS_REACHABLE] = {"tls_reachable", "It gives one again."},
    [EVENT_TLS_TRUST_BROKEN] = {"tls_trust_broken",
                                "A certificate is not trusted, is revoked, or no TLSA record fits "
                                "it."},
    [EVENT_TLS_TRUSTED] = {"tls_trusted", "It is trusted again."},
    [EVENT_TLS_NAME_MISMATCH] = {"tls_name_mismatch", "A certificate is for other names."},
    [EVENT_TLS_NAME_MATCHES] = {"tls_name_matches", "It is for this name again."},
    [EVENT_CT_NEW_CERTIFICATE] = {"ct_new_certificate",
                                  "A log shows a certificate for a watched name, which is known."},
    [EVENT_CT_UNKNOWN_CERTIFICATE] = {"ct_unknown_certificate",
                                      "A log shows a certificate for a watched name that nobody "
                                      "here knows."},
    [EVENT_FEED_STALE] = {"feed_stale", "A source of log entries has fallen silent."},
    [EVENT_FEED_FRESH] = {"feed_fresh", "It speaks again."},
    [EVENT_AGENT_SILENT] = {"agent_silent", "An agent has not reported when it should have."},
    [EVENT_AGENT_BACK] = {"agent_back", "It reports again."},
    [EVENT_WORKERS_SILENT] = {"workers_silent",
                              "No worker of the fleet answers for the targets of a label: how they "
                              "are is not known."},
    [EVENT_WORKERS_BACK] = {"workers_back", "One answers again."},
};

const char *alert_event_name(enum alert_event event) {
    return EVENTS[event].name;
}

const char *alert_event_summary(enum alert_event event) {
    return EVENTS[event].summary;
}

int alert_event_by_name(struct slice name) {
    for (int i = 0; i < ALERT_EVENTS; i++)
        if (slice_is(name, EVENTS[i].name))
            return i;
    return -1;
}

static const char *const DIFFERENCES[] = {"fingerprint", "issuer", "key", "names"};
enum { DIFFERENCE_COUNT = sizeof DIFFERENCES / sizeof DIFFERENCES[0] };

/* --- Pieces --- */

/* "3 days", "1 day", "5 hours", "less than an hour" */
static void add_duration(struct buffer *out, double days) {
    double hours = floor(days * 24);

    if (hours < 1)
        buffer_add_text(out, "less than an hour");
    else if (days < 2)
        buffer_add_format(out, "%.0f hour%s", hours, hours > 1 ? "s" : "");
    else
        buffer_add_format(out, "%.0f days", floor(days));
}

static void add_place(struct buffer *out, const struct alert_place *place) {
    bool is_v6 = memchr(place->host.ptr, ':', place->host.len) != NULL && place->host.len;

    buffer_add_text(out, is_v6 ? "[" : "");
    text_add_safe_word(out, place->host);
    buffer_add_format(out, is_v6 ? "]:%u" : ":%u", place->port);
}

static void add_differences(struct buffer *out, uint32_t differs) {
    const char *before = "";

    for (unsigned i = 0; i < DIFFERENCE_COUNT; i++)
        if (differs >> i & 1) {
            buffer_add_format(out, "%s%s", before, DIFFERENCES[i]);
            before = ", ";
        }
}

static struct slice old_issuer(const struct alert_change *change) {
    return (struct slice){(const uint8_t *)change->old_issuer_cn, change->old_issuer_len};
}

/* A renewal may be told some results later, when the one before is not known any more. */
static bool has_previous(const struct alert_change *change) {
    return change->differs &&
           (change->event == EVENT_TLS_CHANGED || change->event == EVENT_TLS_RENEWED);
}

static struct slice issuer_of(const struct alert_sight *sight) {
    return sight->issuer_cn.len ? sight->issuer_cn : sight->issuer;
}

/* --- Title --- */

static void add_what(const struct alert_change *change, struct buffer *out) {
    switch (change->event) {
    case EVENT_TLS_EXPIRY:
        if (change->step == ALERT_RESOLVE) {
            buffer_add_text(out, "certificate is within no threshold any more");
            return;
        }
        buffer_add_text(out, "certificate expires in ");
        add_duration(out, change->days_left);
        return;
    case EVENT_TLS_EXPIRED:
        buffer_add_text(out, "certificate expired ");
        add_duration(out, -change->days_left);
        buffer_add_text(out, " ago");
        return;
    case EVENT_TLS_RENEWED:
        buffer_add_text(out, "certificate renewed");
        return;
    case EVENT_TLS_CHANGED:
        buffer_add_text(out, "certificate changed: ");
        add_differences(out, change->differs);
        return;
    case EVENT_TLS_UNREACHABLE:
        buffer_add_text(out, "no certificate to be had");
        return;
    case EVENT_TLS_REACHABLE:
        buffer_add_text(out, "reachable again");
        return;
    case EVENT_TLS_TRUST_BROKEN:
        buffer_add_text(out, "certificate is not trusted");
        return;
    case EVENT_TLS_TRUSTED:
        buffer_add_text(out, "certificate is trusted again");
        return;
    case EVENT_TLS_NAME_MISMATCH:
        buffer_add_text(out, "certificate is for other names");
        return;
    case EVENT_TLS_NAME_MATCHES:
        buffer_add_text(out, "certificate is for this name again");
        return;
    default: /* monitor_raise brings its own words */
        buffer_add_text(out, alert_event_name(change->event));
    }
}

void alert_add_title(const struct alert_change *change, const struct alert_place *place,
                     struct buffer *out) {
    if (place->label.len) {
        text_add_safe(out, place->label);
        buffer_add_text(out, " (");
    }
    add_place(out, place);
    if (place->endpoint.len) {
        buffer_add_text(out, " at ");
        text_add_safe_word(out, place->endpoint);
    }
    buffer_add_text(out, place->label.len ? "): " : ": ");
    add_what(change, out);
}

/* --- Message --- */

static void add_certificate(const struct alert_sight *sight, struct buffer *out) {
    struct slice subject = sight->subject_cn.len ? sight->subject_cn : sight->subject;

    buffer_add_text(out, "The certificate");
    if (subject.len) {
        buffer_add_text(out, " of ");
        text_add_safe(out, subject);
    }
    if (issuer_of(sight).len) {
        buffer_add_text(out, ", issued by ");
        text_add_safe(out, issuer_of(sight));
        buffer_add_text(out, ",");
    }
    buffer_add_text(out, " is valid until ");
    text_add_time(out, sight->not_after);
    buffer_add_text(out, ".");
}

static void add_before(const struct alert_change *change, struct buffer *out) {
    buffer_add_text(out, " The one before");
    if (change->old_issuer_len) {
        buffer_add_text(out, ", issued by ");
        text_add_safe(out, old_issuer(change));
        buffer_add_text(out, ",");
    }
    buffer_add_text(out, " was valid until ");
    text_add_time(out, change->old_not_after);
    buffer_add_text(out, ".");
}

void alert_add_message(const struct alert_change *change, const struct alert_sight *sight,
                       struct buffer *out) {
    if (change->event == EVENT_TLS_UNREACHABLE) {
        buffer_add_text(out, outcome_name(sight->outcome));
        buffer_add_text(out, sight->error.len ? ": " : "");
        text_add_safe(out, sight->error);
        return;
    }
    if (sight->has_certificate)
        add_certificate(sight, out);
    if (change->event == EVENT_TLS_EXPIRY && change->step != ALERT_RESOLVE)
        buffer_add_format(out, " The threshold is %.4g days.", change->threshold_days);
    if (change->event == EVENT_TLS_TRUST_BROKEN)
        buffer_add_format(out, " It is not trusted: %.*s.", (int)sight->trust_error.len,
                          (const char *)sight->trust_error.ptr);
    if (has_previous(change))
        add_before(change, out);
}

/* --- Details --- */

static void add_text(struct buffer *out, const char *name, struct slice text) {
    buffer_add_format(out, ",\"%s\":", name);
    json_add_text(text, out);
}

static void add_some_text(struct buffer *out, const char *name, struct slice text) {
    if (text.len)
        add_text(out, name, text);
}

static void add_hex(struct buffer *out, const char *name, const uint8_t hash[32]) {
    buffer_add_format(out, ",\"%s\":\"", name);
    text_add_hex(out, (struct slice){hash, 32});
    buffer_add_text(out, "\"");
}

static void add_previous(const struct alert_change *change, struct buffer *out) {
    const char *before = "";

    buffer_add_text(out, ",\"differs\":[");
    for (unsigned i = 0; i < DIFFERENCE_COUNT; i++)
        if (change->differs >> i & 1) {
            buffer_add_format(out, "%s\"%s\"", before, DIFFERENCES[i]);
            before = ",";
        }
    buffer_add_text(out, "],\"previous\":{\"expires_at\":");
    text_add_integer(out, change->old_not_after);
    add_hex(out, "fingerprint_sha256", change->old_fingerprint);
    add_some_text(out, "issuer_cn", old_issuer(change));
    buffer_add_text(out, "}");
}

void alert_add_details(const struct alert_change *change, const struct alert_sight *sight,
                       const struct alert_place *place, struct buffer *out) {
    add_text(out, "host", place->host);
    buffer_add_format(out, ",\"port\":%u", place->port);
    add_text(out, "label", place->label);
    add_some_text(out, "endpoint", place->endpoint);
    add_some_text(out, "agent", place->agent);
    add_text(out, "outcome", slice_of(outcome_name(sight->outcome)));
    add_some_text(out, "error", sight->error);
    if (!sight->has_certificate)
        return;
    buffer_add_format(out, ",\"days_left\":%.2f,\"expires_at\":", change->days_left);
    text_add_integer(out, sight->not_after);
    if (change->event == EVENT_TLS_EXPIRY && change->step != ALERT_RESOLVE)
        buffer_add_format(out, ",\"threshold\":%.4g", change->threshold_days);
    add_hex(out, "fingerprint_sha256", sight->fingerprint);
    add_text(out, "subject", sight->subject);
    add_text(out, "issuer", sight->issuer);
    if (change->event == EVENT_TLS_TRUST_BROKEN)
        add_text(out, "trust_error", sight->trust_error);
    if (has_previous(change))
        add_previous(change, out);
}
