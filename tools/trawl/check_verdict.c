#include "tools/trawl/check_verdict.h"

#include "engine/base/quote.h"
#include "engine/base/text.h"
#include "engine/record/dane_fields.h"
#include "engine/record/endpoint.h"

#include <math.h>

enum { CUT_BYTES = 160 };

/* Findings that are not named here only inform. */
static const uint8_t severities[FINDING_COUNT] = {
    [FINDING_EXPIRED] = STATUS_CRITICAL,
    [FINDING_NOT_YET_VALID] = STATUS_CRITICAL,
    [FINDING_CHAIN_EXPIRES_SOONER] = STATUS_WARNING,
    [FINDING_UNTRUSTED] = STATUS_CRITICAL,
    [FINDING_NAME_MISMATCH] = STATUS_CRITICAL,
    [FINDING_WEAK_KEY] = STATUS_WARNING,
    [FINDING_WEAK_SIGNATURE] = STATUS_WARNING,
    [FINDING_OLD_PROTOCOL] = STATUS_WARNING,
    [FINDING_HANDSHAKE_FALLBACK] = STATUS_WARNING, /* so the chain is not verified */
    [FINDING_CHAIN_UNREADABLE] = STATUS_WARNING,
    [FINDING_REVOKED] = STATUS_CRITICAL,
    [FINDING_EXTENSION_UNREADABLE] = STATUS_WARNING,
    [FINDING_DANE_FAILED] = STATUS_WARNING,
    [FINDING_WEAK_VERSION] = STATUS_WARNING,
    [FINDING_WEAK_SUITE] = STATUS_WARNING,
    [FINDING_INSECURE_SUITE] = STATUS_CRITICAL,
    [FINDING_WEAK_GROUP] = STATUS_WARNING,
    [FINDING_COMPRESSION] = STATUS_WARNING,
    [FINDING_NO_SECURE_RENEGOTIATION] = STATUS_WARNING,
    [FINDING_NO_FORWARD_SECRECY] = STATUS_WARNING,
    [FINDING_SCT_INVALID] = STATUS_WARNING,
};

static bool has(const struct probe_record *record, enum finding finding) {
    return record->findings >> finding & 1;
}

/* Where secure TLSA records name the issuer or the certificate itself, no root need stand behind
 * it, and in the second case its names do not matter either (RFC 7671 section 5.1). */
static bool dane_stands_for(const struct probe_record *record, enum finding finding) {
    const struct dane_fields *dane = record->dane;

    if (!dane || dane->status != DANE_STATUS_MATCHED)
        return false;
    for (uint32_t i = 0; i < dane->count; i++) {
        uint8_t usage = dane->records[i].usage;
        if (dane->matches[i] == DANE_MATCHES &&
            ((usage == DANE_EE && finding == FINDING_NAME_MISMATCH) ||
             ((usage == DANE_EE || usage == DANE_TA) && finding == FINDING_UNTRUSTED)))
            return true;
    }
    return false;
}

enum status check_severity(const struct probe_record *record, enum finding finding) {
    if (finding == FINDING_EXPIRES_SOON)
        return record->status;
    if (finding == FINDING_DANE_MISMATCH)
        return record->dane->secure ? STATUS_CRITICAL : STATUS_WARNING;
    if (dane_stands_for(record, finding))
        return STATUS_OK;
    if (finding == FINDING_INCOMPLETE_CHAIN) /* else it says why it is not trusted */
        return record->trust.trusted ? STATUS_WARNING : STATUS_OK;
    return severities[finding] ? (enum status)severities[finding] : STATUS_OK;
}

/* A handshake that a server ends because we have no certificate of our own is nothing wrong. */
static bool ended_badly(const struct probe_record *record) {
    return record->outcome != OUTCOME_OK && !has(record, FINDING_CLIENT_CERTIFICATE_REQUESTED);
}

enum status check_verdict(const struct probe_record *record, uint64_t ignored) {
    if (record->outcome == OUTCOME_CANCELLED)
        return STATUS_UNKNOWN;
    if (!record->has_certificate)
        return STATUS_ERROR;
    enum status verdict = ended_badly(record) ? STATUS_WARNING : STATUS_OK;
    for (enum finding f = 0; f < FINDING_COUNT; f++)
        if (has(record, f) && !(ignored >> f & 1) && check_severity(record, f) > verdict)
            verdict = check_severity(record, f);
    return verdict;
}

const struct probe_record *check_worst(const struct check_answer *answer, enum status *verdict) {
    const struct probe_record *worst = NULL;

    *verdict = STATUS_UNKNOWN;
    for (uint32_t i = 0; i < answer->count; i++) {
        enum status status = check_verdict(answer->records[i], answer->ignored);
        if (!worst || status > *verdict) {
            worst = answer->records[i];
            *verdict = status;
        }
    }
    return worst;
}

int64_t check_days(double days) {
    double whole = floor(days);

    return !isfinite(whole) ? 0 : whole > 1e15 ? INT64_C(1000000000000000) : (int64_t)whole;
}

int64_t check_days_until(int64_t not_after, int64_t now_ms) {
    return check_days(((double)(not_after + 1) - (double)now_ms / 1000) / 86400);
}

void check_thresholds(const struct check_answer *answer, const struct probe_record *record,
                      double *warning, double *critical) {
    const struct certificate_fields *certificate = &record->certificate;

    judge_thresholds(answer->policy,
                     (double)(certificate->not_after - certificate->not_before + 1) / 86400,
                     warning, critical);
}

/* --- Words --- */

void check_add_words(struct slice name, struct buffer *out) {
    size_t start = out->len;

    text_add_safe(out, name);
    for (size_t i = start; i < out->len; i++)
        if (out->ptr[i] == '_')
            out->ptr[i] = ' ';
}

void check_add_date(int64_t unix_seconds, struct buffer *out) {
    size_t start = out->len;

    text_add_time(out, unix_seconds);
    if (out->len > start + sizeof "2026-11-27" - 1)
        out->len = start + sizeof "2026-11-27" - 1;
}

void check_add_cut(struct slice text, struct buffer *out) {
    char cut[CUT_BYTES];

    quote_bare(cut, sizeof cut, text);
    buffer_add_text(out, cut);
}

static void add_days(int64_t days, struct buffer *out) {
    text_add_integer(out, days);
    buffer_add_text(out, days == 1 ? " day" : " days");
}

static void add_dates(const struct probe_record *record, struct buffer *out) {
    const struct certificate_fields *certificate = &record->certificate;
    int64_t days = check_days(record->days_left);

    if (has(record, FINDING_EXPIRED)) {
        buffer_add_text(out, "expired ");
        if (days < -1) {
            add_days(-1 - days, out);
            buffer_add_text(out, " ago");
        } else {
            buffer_add_text(out, "less than a day ago");
        }
    } else if (has(record, FINDING_NOT_YET_VALID)) {
        buffer_add_text(out, "not valid before ");
        check_add_date(certificate->not_before, out);
        return;
    } else {
        buffer_add_text(out, "expires in ");
        add_days(days, out);
    }
    buffer_add_text(out, " (");
    check_add_date(certificate->not_after, out);
    buffer_add_byte(out, ')');
}

static void add_outcome(const struct probe_record *record, struct buffer *out) {
    if (!check_is_file(record) || !record->error.len)
        check_add_words(slice_of(outcome_name(record->outcome)), out);
    if (record->error.len) {
        if (!check_is_file(record))
            buffer_add_text(out, ": ");
        text_add_safe(out, record->error);
    } else if (record->stage != STAGE_DONE) {
        buffer_add_text(out, " (");
        buffer_add_text(out, stage_name(record->stage));
        buffer_add_byte(out, ')');
    }
}

static void add_finding(const struct probe_record *record, enum finding finding,
                        struct buffer *out) {
    if (finding == FINDING_UNTRUSTED) {
        buffer_add_text(out, "not trusted");
        if (record->trust.error.len)
            buffer_add_text(out, ": ");
        check_add_words(record->trust.error, out);
    } else {
        check_add_words(slice_of(finding_name(finding)), out);
    }
}

/* "not trusted: expired" says nothing new of an expired certificate. */
static bool trust_is_told(const struct probe_record *record) {
    return has(record, FINDING_EXPIRED) && slice_is(record->trust.error, "expired");
}

void check_add_reason(const struct probe_record *record, uint64_t ignored, struct buffer *out) {
    if (!record->has_certificate) {
        add_outcome(record, out);
        return;
    }
    add_dates(record, out);
    for (enum finding f = 0; f < FINDING_COUNT; f++) {
        bool told = f == FINDING_EXPIRED || f == FINDING_NOT_YET_VALID || f == FINDING_EXPIRES_SOON;
        if (!has(record, f) || told || ignored >> f & 1 || check_severity(record, f) <= STATUS_OK)
            continue;
        if (f == FINDING_UNTRUSTED && trust_is_told(record))
            continue;
        buffer_add_text(out, ", ");
        add_finding(record, f, out);
    }
    if (ended_badly(record)) {
        buffer_add_text(out, ", ");
        add_outcome(record, out);
    }
}

bool check_is_file(const struct probe_record *record) {
    return slice_is(record->protocol, "file");
}

void check_add_subject(const struct probe_record *record, struct buffer *out) {
    if (check_is_file(record)) {
        text_add_safe(out, record->host);
        return;
    }
    if (!slice_is(record->protocol, "tls")) {
        buffer_add_slice(out, record->protocol);
        buffer_add_text(out, "://");
    }
    endpoint_add(record, out);
}

static struct slice first_of(struct slice a, struct slice b, struct slice c) {
    return a.len ? a : b.len ? b : c;
}

void check_add_holder(const struct probe_record *record, struct buffer *out) {
    const struct certificate_fields *certificate = &record->certificate;
    struct slice none = {NULL, 0};
    struct slice name =
        first_of(certificate->subject_cn,
                 certificate->dns_names.count ? certificate->dns_names.items[0] : none, none);
    char address[ADDRESS_TEXT_MAX];

    if (!name.len && certificate->ip_address_count)
        name = (struct slice){(const uint8_t *)address,
                              address_format(&certificate->ip_addresses[0], address)};
    check_add_cut(first_of(name, certificate->subject, slice_of("(no name)")), out);
}

void check_add_issuer(const struct probe_record *record, struct buffer *out) {
    const struct certificate_fields *certificate = &record->certificate;

    check_add_cut(first_of(certificate->issuer_cn, certificate->issuer_o, certificate->issuer),
                  out);
}
