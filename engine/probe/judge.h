/* What a certificate's dates, trust and strength mean: status and findings of a record, computed
 * here and nowhere else. Pure. */
#ifndef ENGINE_PROBE_JUDGE_H
#define ENGINE_PROBE_JUDGE_H

#include "engine/record/record.h"

/* How long before its end a certificate is worth a warning. */
struct judge_threshold {
    bool percent; /* of the certificate's lifetime; days otherwise */
    double value;
};

struct judge_policy {
    struct judge_threshold warning, critical;
    /* The thresholds are defaults: certificates that live under 30 days are judged by percent. */
    bool defaults;
};

/* 14 and 3 days; a third and a tenth of a short life. */
struct judge_policy judge_policy_default(void);

/* The thresholds in days, for a certificate that lives so long. */
void judge_thresholds(const struct judge_policy *policy, double lifetime_days, double *warning,
                      double *critical);

/* Sets days_left, status and the findings that follow from the record's other fields, for the time
 * `now_ms` since 1970. Findings already set stay. */
void judge_record(struct probe_record *record, const struct judge_policy *policy, int64_t now_ms);

/* Adds the findings of the record's audit and SCTs, which come later than the rest. */
void judge_audit(struct probe_record *record);

/* The same for what issuers and CRLs have changed that were fetched after that. */
void judge_fetched(struct probe_record *record);

#endif
