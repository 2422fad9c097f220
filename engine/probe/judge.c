#include "engine/probe/judge.h"

#include "engine/record/audit_fields.h"
#include "engine/record/dane_fields.h"
#include "engine/tls/strength.h"
#include "engine/tls/wire.h"
#include "engine/x509/revocation.h"

enum { SHORT_LIFE_DAYS = 30, MS_PER_DAY = 86400 * 1000 };

struct judge_policy judge_policy_default(void) {
    return (struct judge_policy){
        .warning = {.value = 14}, .critical = {.value = 3}, .defaults = true};
}

static void find(struct probe_record *record, enum finding finding) {
    record->findings |= UINT64_C(1) << finding;
}

static double threshold_days(struct judge_threshold threshold, double lifetime_days) {
    return threshold.percent ? lifetime_days * threshold.value / 100 : threshold.value;
}

void judge_thresholds(const struct judge_policy *policy, double lifetime_days, double *warning,
                      double *critical) {
    if (policy->defaults && lifetime_days < (double)SHORT_LIFE_DAYS) {
        *warning = lifetime_days / 3;
        *critical = lifetime_days / 10;
        return;
    }
    *warning = threshold_days(policy->warning, lifetime_days);
    *critical = threshold_days(policy->critical, lifetime_days);
}

/* Until the second behind `not_after`, which is the last one of validity. */
static double days_until_end(int64_t not_after, int64_t now_ms) {
    return ((double)(not_after + 1) * 1000 - (double)now_ms) / (double)MS_PER_DAY;
}

static void judge_dates(struct probe_record *record, const struct judge_policy *policy,
                        int64_t now_ms) {
    const struct certificate_fields *certificate = &record->certificate;
    double lifetime = (double)(certificate->not_after - certificate->not_before + 1) / 86400;
    double days_left = days_until_end(certificate->not_after, now_ms), warning, critical;

    judge_thresholds(policy, lifetime, &warning, &critical);
    bool expired = days_left <= 0, early = certificate->not_before > now_ms / 1000;
    bool is_critical = days_left <= critical, is_warning = days_left <= warning;
    record->has_days_left = true;
    record->days_left = days_left;
    record->status = expired || early || is_critical ? STATUS_CRITICAL
                     : is_warning                    ? STATUS_WARNING
                                                     : STATUS_OK;
    if (expired)
        find(record, FINDING_EXPIRED);
    else if (is_critical || is_warning)
        find(record, FINDING_EXPIRES_SOON);
    if (early)
        find(record, FINDING_NOT_YET_VALID);
    double chain_left = days_until_end(record->earliest_not_after, now_ms);
    if (record->earliest_not_after < certificate->not_after &&
        (chain_left <= critical || chain_left <= warning))
        find(record, FINDING_CHAIN_EXPIRES_SOONER);
}

static void judge_trust(struct probe_record *record) {
    if (record->certificate.self_signed)
        find(record, FINDING_SELF_SIGNED);
    if (!record->has_trust)
        return;
    if (record->trust.chain_checked && !record->trust.trusted)
        find(record, FINDING_UNTRUSTED);
    if (record->trust.chain_checked &&
        (record->trust.issuer_missing || (record->trust.trusted && record->trust.fetched_issuers)))
        find(record, FINDING_INCOMPLETE_CHAIN);
    if (record->trust.name_checked && !record->trust.name_matches)
        find(record, FINDING_NAME_MISMATCH);
}

static void judge_revocation(struct probe_record *record) {
    switch ((enum revocation_status)record->revocation.status) {
    case REVOCATION_REVOKED:
        find(record, FINDING_REVOKED);
        record->status = STATUS_CRITICAL;
        break;
    case REVOCATION_UNKNOWN:
    case REVOCATION_STALE:
        find(record, FINDING_REVOCATION_UNKNOWN);
        break;
    case REVOCATION_GOOD:
    case REVOCATION_UNCHECKED:
        break;
    }
}

void judge_fetched(struct probe_record *record) {
    record->findings &=
        ~(UINT64_C(1) << FINDING_UNTRUSTED | UINT64_C(1) << FINDING_INCOMPLETE_CHAIN);
    judge_trust(record);
    judge_revocation(record);
}

static void judge_dane(struct probe_record *record) {
    const struct dane_fields *dane = record->dane;

    if (!dane)
        return;
    if (dane->compared && dane->verdict == DANE_MISMATCHED)
        find(record, FINDING_DANE_MISMATCH);
    if (dane->count && !dane->secure)
        find(record, FINDING_DANE_INSECURE);
    if (dane->status == DANE_STATUS_FAILED)
        find(record, FINDING_DANE_FAILED);
}

/* --- What a server accepts --- */

static void judge_suite(struct probe_record *record, uint16_t suite) {
    enum tls_strength strength = tls_suite_strength(suite);

    if (strength == TLS_INSECURE)
        find(record, FINDING_INSECURE_SUITE);
    else if (strength == TLS_WEAK)
        find(record, FINDING_WEAK_SUITE);
}

/* That it accepts none with forward secrecy is only said when all that it accepts is known. */
static void judge_suites(struct probe_record *record, const struct tls_audit_result *audit) {
    bool known = false, secret = false;

    for (size_t i = 0; i < TLS_AUDIT_VERSIONS; i++) {
        const struct tls_audit_version *version = &audit->versions[i];
        if (version->offered != TLS_AUDIT_YES) {
            secret |= version->offered == TLS_AUDIT_UNKNOWN;
            continue;
        }
        known = true;
        secret |= !version->suites_complete;
        if (version->version < TLS_VERSION_TLS12)
            find(record, FINDING_WEAK_VERSION);
        for (size_t j = 0; j < version->suite_count; j++) {
            judge_suite(record, version->suites[j]);
            secret |= tls_suite_has_forward_secrecy(version->suites[j]);
        }
    }
    if (known && !secret)
        find(record, FINDING_NO_FORWARD_SECRECY);
}

static bool takes_weak_group(const struct tls_audit_result *audit) {
    if (audit->dh_bits && audit->dh_bits < TLS_DH_BITS_MIN)
        return true;
    for (size_t i = 0; i < audit->groups12.count; i++)
        if (tls_group_is_weak(audit->groups12.ids[i]))
            return true;
    return false;
}

static void judge_scts(struct probe_record *record) {
    for (uint32_t i = 0; i < record->sct_count; i++)
        if (record->scts[i].verdict == SCT_INVALID)
            find(record, FINDING_SCT_INVALID);
}

void judge_audit(struct probe_record *record) {
    judge_scts(record);
    if (!record->audit)
        return;
    const struct tls_audit_result *audit = &record->audit->found;
    judge_suites(record, audit);
    if (takes_weak_group(audit))
        find(record, FINDING_WEAK_GROUP);
    if (audit->compression == TLS_AUDIT_YES)
        find(record, FINDING_COMPRESSION);
    if (audit->secure_renegotiation == TLS_AUDIT_NO)
        find(record, FINDING_NO_SECURE_RENEGOTIATION);
}

void judge_record(struct probe_record *record, const struct judge_policy *policy, int64_t now_ms) {
    record->status = record->outcome == OUTCOME_CANCELLED ? STATUS_UNKNOWN : STATUS_ERROR;
    if (record->has_tls && record->tls.version && record->tls.version < TLS_VERSION_TLS12)
        find(record, FINDING_OLD_PROTOCOL);
    if (record->has_tls && record->tls.client_certificate_requested)
        find(record, FINDING_CLIENT_CERTIFICATE_REQUESTED);
    if (record->has_tls)
        judge_suite(record, record->tls.cipher);
    judge_audit(record);
    judge_dane(record);
    if (!record->has_certificate)
        return;
    judge_dates(record, policy, now_ms);
    judge_trust(record);
}
