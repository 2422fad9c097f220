#include "engine/probe/judge.h"

#include "engine/tls/wire.h"

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
    if (record->trust.name_checked && !record->trust.name_matches)
        find(record, FINDING_NAME_MISMATCH);
}

void judge_record(struct probe_record *record, const struct judge_policy *policy, int64_t now_ms) {
    record->status = record->outcome == OUTCOME_CANCELLED ? STATUS_UNKNOWN : STATUS_ERROR;
    if (record->has_tls && record->tls.version && record->tls.version < TLS_VERSION_TLS12)
        find(record, FINDING_OLD_PROTOCOL);
    if (record->has_tls && record->tls.client_certificate_requested)
        find(record, FINDING_CLIENT_CERTIFICATE_REQUESTED);
    if (!record->has_certificate)
        return;
    judge_dates(record, policy, now_ms);
    judge_trust(record);
}
