#include "engine/probe/judge.h"

#include "engine/record/audit_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define DAY      INT64_C(86400)
#define BIT(bit) (UINT64_C(1) << (bit))
#define NO_LIMIT ((struct judge_threshold){.value = -1000000})

static const int64_t NOW = 1795233600; /* 2026-11-21T04:00:00Z, in seconds */

/* A certificate with a second of validity behind `not_after` days from now, so that exactly so many
 * days are left. */
static struct probe_record record_with(int64_t lifetime_days, int64_t days_left) {
    struct probe_record record = {.has_certificate = true};

    record.certificate.not_after = NOW + days_left * DAY - 1;
    record.certificate.not_before = record.certificate.not_after + 1 - lifetime_days * DAY;
    record.earliest_not_after = record.certificate.not_after;
    return record;
}

static void judge_at(struct probe_record *record, const struct judge_policy *policy,
                     int64_t now_ms) {
    record->findings = 0;
    record->has_days_left = false;
    judge_record(record, policy, now_ms);
}

static void assert_judged(const struct probe_record *record, enum status status,
                          uint64_t findings) {
    assert_string_equal(status_name(record->status), status_name(status));
    assert_int_equal(record->findings, findings);
}

/* Judges a millisecond before the threshold, at it, and a millisecond behind it. */
static void assert_edge(const struct judge_policy *policy, int64_t lifetime_days, int64_t edge_ms,
                        enum status before, uint64_t findings_before, enum status after,
                        uint64_t findings_after) {
    struct probe_record record = record_with(lifetime_days, 0);
    int64_t at_ms = (record.certificate.not_after + 1) * 1000 - edge_ms;

    judge_at(&record, policy, at_ms - 1);
    assert_judged(&record, before, findings_before);
    judge_at(&record, policy, at_ms);
    assert_judged(&record, after, findings_after);
    judge_at(&record, policy, at_ms + 1);
    assert_judged(&record, after, findings_after);
}

static void test_default_days(void **state) {
    (void)state;
    struct judge_policy policy = judge_policy_default();
    int64_t day_ms = DAY * 1000;
    uint64_t soon = BIT(FINDING_EXPIRES_SOON), expired = BIT(FINDING_EXPIRED);

    assert_edge(&policy, 90, 14 * day_ms, STATUS_OK, 0, STATUS_WARNING, soon);
    assert_edge(&policy, 90, 3 * day_ms, STATUS_WARNING, soon, STATUS_CRITICAL, soon);
    assert_edge(&policy, 90, 0, STATUS_CRITICAL, soon, STATUS_CRITICAL, expired);
}

/* Under 30 days a third and a tenth of the life count, from 30 on days. */
static void test_short_lives(void **state) {
    (void)state;
    struct judge_policy policy = judge_policy_default();
    int64_t hour_ms = 3600 * 1000, day_ms = DAY * 1000;
    uint64_t soon = BIT(FINDING_EXPIRES_SOON);

    assert_edge(&policy, 6, 48 * hour_ms, STATUS_OK, 0, STATUS_WARNING, soon);
    assert_edge(&policy, 6, 144 * hour_ms / 10, STATUS_WARNING, soon, STATUS_CRITICAL, soon);
    assert_edge(&policy, 1, 8 * hour_ms, STATUS_OK, 0, STATUS_WARNING, soon);
    assert_edge(&policy, 30, 14 * day_ms, STATUS_OK, 0, STATUS_WARNING, soon);
    struct probe_record record = record_with(29, 10);
    judge_at(&record, &policy, NOW * 1000);
    assert_judged(&record, STATUS_OK, 0);
    record = record_with(30, 10);
    judge_at(&record, &policy, NOW * 1000);
    assert_judged(&record, STATUS_WARNING, soon);
    record.certificate.not_before++; /* a second under 30 days */
    judge_at(&record, &policy, NOW * 1000);
    assert_judged(&record, STATUS_OK, 0);
    /* Thresholds that somebody asked for hold for short lives too. */
    policy.defaults = false;
    assert_edge(&policy, 20, 14 * day_ms, STATUS_OK, 0, STATUS_WARNING, soon);
}

static void test_percent(void **state) {
    (void)state;
    struct judge_policy policy = {.warning = {true, 25}, .critical = {true, 12.5}};
    int64_t day_ms = DAY * 1000;
    uint64_t soon = BIT(FINDING_EXPIRES_SOON);

    assert_edge(&policy, 400, 100 * day_ms, STATUS_OK, 0, STATUS_WARNING, soon);
    assert_edge(&policy, 400, 50 * day_ms, STATUS_WARNING, soon, STATUS_CRITICAL, soon);
    assert_edge(&policy, 4, 1 * day_ms, STATUS_OK, 0, STATUS_WARNING, soon);
    policy.critical = (struct judge_threshold){.value = 0.5}; /* of each kind one */
    assert_edge(&policy, 400, day_ms / 2, STATUS_WARNING, soon, STATUS_CRITICAL, soon);
}

/* Who asks for an earlier critical than warning gets that, and is told why. */
static void test_thresholds_crossed(void **state) {
    (void)state;
    struct judge_policy policy = {.warning = {.value = 14}, .critical = {.value = 30}};
    uint64_t soon = BIT(FINDING_EXPIRES_SOON);

    assert_edge(&policy, 90, 30 * DAY * 1000, STATUS_OK, 0, STATUS_CRITICAL, soon);
    assert_edge(&policy, 90, 14 * DAY * 1000, STATUS_CRITICAL, soon, STATUS_CRITICAL, soon);
}

/* Both ends count: the last second of validity is valid, the one behind it is not. */
static void test_ends(void **state) {
    (void)state;
    struct judge_policy policy = {.warning = NO_LIMIT, .critical = NO_LIMIT};
    struct probe_record record = record_with(90, 90);
    const struct certificate_fields *certificate = &record.certificate;

    judge_at(&record, &policy, certificate->not_before * 1000 - 1);
    assert_judged(&record, STATUS_CRITICAL, BIT(FINDING_NOT_YET_VALID));
    judge_at(&record, &policy, certificate->not_before * 1000);
    assert_judged(&record, STATUS_OK, 0);
    assert_true(record.has_days_left && record.days_left == 90);
    judge_at(&record, &policy, certificate->not_after * 1000 + 999);
    assert_judged(&record, STATUS_OK, 0);
    assert_true(record.days_left > 0);
    judge_at(&record, &policy, certificate->not_after * 1000 + 1000);
    assert_judged(&record, STATUS_CRITICAL, BIT(FINDING_EXPIRED));
    assert_true(record.days_left == 0);
    judge_at(&record, &policy, (certificate->not_after + 1 + 36 * 3600) * 1000);
    assert_judged(&record, STATUS_CRITICAL, BIT(FINDING_EXPIRED));
    assert_true(record.days_left == -1.5);
}

/* What RFC 5280 can write: the years 0 and 9999, and the end before the beginning. */
static void test_extremes(void **state) {
    (void)state;
    const int64_t first = -62167219200, last = 253402300799;
    struct judge_policy policies[] = {
        judge_policy_default(),
        {.warning = {true, 100}, .critical = {true, 100}},
        {.warning = {.value = 100000}, .critical = {.value = 100000}},
    };
    struct probe_record record = {.has_certificate = true};

    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        record.certificate.not_before = first;
        record.certificate.not_after = record.earliest_not_after = last;
        judge_at(&record, &policies[i], NOW * 1000);
        assert_true(record.days_left > 2912118 && record.days_left < 2912119);
        assert_judged(&record, i == 1 ? STATUS_CRITICAL : STATUS_OK,
                      i == 1 ? BIT(FINDING_EXPIRES_SOON) : 0);
        record.certificate.not_before = last;
        record.certificate.not_after = record.earliest_not_after = first;
        judge_at(&record, &policies[i], NOW * 1000);
        assert_true(record.days_left < -740000);
        assert_judged(&record, STATUS_CRITICAL, BIT(FINDING_EXPIRED) | BIT(FINDING_NOT_YET_VALID));
    }
    /* Expired, with a negative life of which a threshold lies further back still. */
    record.certificate.not_after = record.earliest_not_after = NOW - 15 * DAY;
    record.certificate.not_before = NOW - 5 * DAY;
    judge_at(&record, &(struct judge_policy){.warning = {true, 200}, .critical = {true, 200}},
             NOW * 1000);
    assert_judged(&record, STATUS_CRITICAL, BIT(FINDING_EXPIRED));
}

static void test_chain_expires_sooner(void **state) {
    (void)state;
    struct judge_policy policy = judge_policy_default();
    struct probe_record record = record_with(90, 60);
    uint64_t sooner = BIT(FINDING_CHAIN_EXPIRES_SOONER);

    record.earliest_not_after = NOW + 14 * DAY - 1;
    judge_at(&record, &policy, NOW * 1000 - 1);
    assert_judged(&record, STATUS_OK, 0);
    judge_at(&record, &policy, NOW * 1000);
    assert_judged(&record, STATUS_OK, sooner); /* the status is the leaf's alone */
    record.earliest_not_after = NOW - 100 * DAY;
    judge_at(&record, &policy, NOW * 1000);
    assert_judged(&record, STATUS_OK, sooner);
    record = record_with(90, 10); /* sooner, but at the same time as the leaf */
    judge_at(&record, &policy, NOW * 1000);
    assert_judged(&record, STATUS_WARNING, BIT(FINDING_EXPIRES_SOON));
    record.earliest_not_after--;
    judge_at(&record, &policy, NOW * 1000);
    assert_judged(&record, STATUS_WARNING, BIT(FINDING_EXPIRES_SOON) | sooner);
}

/* Of a conversation without a certificate there is only the outcome to judge by. */
static void test_no_certificate(void **state) {
    (void)state;
    struct judge_policy policy = judge_policy_default();

    for (enum outcome outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
        struct probe_record record = {.outcome = outcome, .status = STATUS_OK};
        judge_at(&record, &policy, NOW * 1000);
        assert_judged(&record, outcome == OUTCOME_CANCELLED ? STATUS_UNKNOWN : STATUS_ERROR, 0);
        assert_false(record.has_days_left);
        struct probe_record seen = record_with(90, 60); /* the certificate came all the same */
        seen.outcome = outcome;
        judge_at(&seen, &policy, NOW * 1000);
        assert_judged(&seen, STATUS_OK, 0);
    }
}

static void test_trust(void **state) {
    (void)state;
    struct judge_policy policy = judge_policy_default();

    for (unsigned bits = 0; bits < 64; bits++) {
        struct probe_record record = record_with(90, 60);
        record.has_trust = bits & 1;
        record.trust.chain_checked = bits & 2;
        record.trust.trusted = bits & 4;
        record.trust.name_checked = bits & 8;
        record.trust.name_matches = bits & 16;
        record.certificate.self_signed = bits & 32;
        bool untrusted = (bits & 7) == (1 | 2), mismatch = (bits & (1 | 8 | 16)) == (1 | 8);
        judge_at(&record, &policy, NOW * 1000);
        assert_judged(&record, STATUS_OK,
                      (untrusted ? BIT(FINDING_UNTRUSTED) : 0) |
                          (mismatch ? BIT(FINDING_NAME_MISMATCH) : 0) |
                          (bits & 32 ? BIT(FINDING_SELF_SIGNED) : 0));
    }
}

static void test_conversation(void **state) {
    (void)state;
    static const struct {
        uint16_t version;
        bool old;
    } VERSIONS[] = {{0, false},     {2, true},       {0x0300, true},  {0x0301, true},
                    {0x0302, true}, {0x0303, false}, {0x0304, false}, {0x7f1c, false}};
    struct judge_policy policy = judge_policy_default();

    for (size_t i = 0; i < sizeof VERSIONS / sizeof VERSIONS[0]; i++) {
        struct probe_record record = record_with(90, 60);
        record.tls.version = VERSIONS[i].version;
        judge_at(&record, &policy, NOW * 1000);
        assert_judged(&record, STATUS_OK,
                      0); /* what there was no conversation for does not count */
        record.has_tls = true;
        judge_at(&record, &policy, NOW * 1000);
        assert_judged(&record, STATUS_OK, VERSIONS[i].old ? BIT(FINDING_OLD_PROTOCOL) : 0);
    }
    struct probe_record record = {.has_tls = true, .outcome = OUTCOME_TLS_ALERT};
    record.tls.version = 0x0304;
    record.tls.client_certificate_known = record.tls.client_certificate_requested = true;
    judge_at(&record, &policy, NOW * 1000);
    assert_judged(&record, STATUS_ERROR, BIT(FINDING_CLIENT_CERTIFICATE_REQUESTED));
}

static void test_earlier_findings_stay(void **state) {
    (void)state;
    struct judge_policy policy = judge_policy_default();
    struct probe_record record = record_with(90, 10);

    record.findings = BIT(FINDING_WEAK_KEY);
    judge_record(&record, &policy, NOW * 1000);
    assert_judged(&record, STATUS_WARNING, BIT(FINDING_WEAK_KEY) | BIT(FINDING_EXPIRES_SOON));
}

/* --- Audits -------------------------------------------------------------------------------- */

enum { TLS13, TLS12, TLS11, TLS10, SSL30 };

/* A server that is as it should be: TLS 1.3 and 1.2 with forward secrecy, nothing else. */
static struct audit_fields modern(void) {
    struct audit_fields fields = {.found.secure_renegotiation = TLS_AUDIT_YES};
    struct tls_audit_result *found = &fields.found;

    for (uint16_t i = 0; i < TLS_AUDIT_VERSIONS; i++)
        found->versions[i] = (struct tls_audit_version){
            .version = (uint16_t)(0x0304 - i),
            .offered = i <= TLS12 ? TLS_AUDIT_YES : TLS_AUDIT_NO,
            .suites_complete = i <= TLS12,
            .suite_count = i <= TLS12,
            .suites = {i == TLS13 ? 0x1301 : 0xc02f},
        };
    found->groups12 = (struct tls_audit_groups){.complete = true, .count = 1, .ids = {23}};
    found->compression = TLS_AUDIT_NO;
    return fields;
}

static void add_suite(struct audit_fields *fields, unsigned index, uint16_t suite) {
    struct tls_audit_version *version = &fields->found.versions[index];

    version->offered = TLS_AUDIT_YES;
    version->suites_complete = true;
    version->suites[version->suite_count++] = suite;
}

static void assert_audited(const struct audit_fields *fields, uint64_t findings) {
    struct judge_policy policy = judge_policy_default();
    struct probe_record record = record_with(90, 60);

    record.audit = fields;
    judge_at(&record, &policy, NOW * 1000);
    assert_judged(&record, STATUS_OK, findings); /* the status is of the dates alone */
    record.findings = BIT(FINDING_EXPIRED);      /* those that are there stay */
    judge_audit(&record);
    assert_judged(&record, STATUS_OK, findings | BIT(FINDING_EXPIRED));
}

static void test_audit_versions(void **state) {
    struct audit_fields fields = modern();

    (void)state;
    assert_audited(&fields, 0);
    for (unsigned index = TLS11; index <= SSL30; index++) {
        fields = modern();
        add_suite(&fields, index, 0xc013);
        assert_audited(&fields, BIT(FINDING_WEAK_VERSION));
    }
    fields = modern();
    fields.found.versions[SSL30].offered = TLS_AUDIT_UNKNOWN;
    assert_audited(&fields, 0);
    assert_audited(&audit_fields_out_of_memory, 0);
}

static void test_audit_suites(void **state) {
    static const struct {
        uint16_t suite;
        uint64_t findings;
    } suites[] = {
        {0x002f, 0},
        {0x0005, BIT(FINDING_WEAK_SUITE)},
        {0x000a, BIT(FINDING_WEAK_SUITE)},
        {0x0009, BIT(FINDING_WEAK_SUITE)},
        {0x0004, BIT(FINDING_WEAK_SUITE)},
        {0x0002, BIT(FINDING_INSECURE_SUITE)},
        {0xc019, BIT(FINDING_INSECURE_SUITE)},
        {0x0003, BIT(FINDING_INSECURE_SUITE)},
    };
    struct judge_policy policy = judge_policy_default();

    (void)state;
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        struct audit_fields fields = modern();
        add_suite(&fields, TLS12, suites[i].suite);
        assert_audited(&fields, suites[i].findings);
        /* and without an audit, when that is what a handshake or grab got */
        struct probe_record record = record_with(90, 60);
        record.has_tls = true;
        record.tls.version = 0x0303;
        record.tls.cipher = suites[i].suite;
        judge_at(&record, &policy, NOW * 1000);
        assert_judged(&record, STATUS_OK, suites[i].findings);
    }
}

/* Only said when everything is known that the server accepts. */
static void test_audit_forward_secrecy(void **state) {
    struct audit_fields fields = modern();
    struct tls_audit_version *versions = fields.found.versions;

    (void)state;
    versions[TLS13].offered = TLS_AUDIT_NO;
    versions[TLS13].suite_count = 0;
    versions[TLS12].suites[0] = 0x002f;
    assert_audited(&fields, BIT(FINDING_NO_FORWARD_SECRECY));
    versions[TLS13].offered = TLS_AUDIT_UNKNOWN;
    assert_audited(&fields, 0);
    versions[TLS13].offered = TLS_AUDIT_NO;
    versions[TLS12].suites_complete = false;
    assert_audited(&fields, 0);
    versions[TLS12].suites_complete = true;
    add_suite(&fields, TLS12, 0x0033);
    assert_audited(&fields, 0);
    versions[TLS12].offered = TLS_AUDIT_NO; /* nothing at all is accepted */
    versions[TLS12].suite_count = 0;
    assert_audited(&fields, 0);
}

static void test_audit_groups(void **state) {
    struct audit_fields fields = modern();

    (void)state;
    fields.found.dh_bits = 2048;
    assert_audited(&fields, 0);
    fields.found.dh_bits = 2047;
    assert_audited(&fields, BIT(FINDING_WEAK_GROUP));
    fields.found.dh_bits = 0;
    fields.found.groups12.ids[fields.found.groups12.count++] = 21; /* secp224r1 */
    assert_audited(&fields, 0);
    fields.found.groups12.ids[fields.found.groups12.count++] = 19; /* secp192r1 */
    assert_audited(&fields, BIT(FINDING_WEAK_GROUP));
}

static void test_audit_facts(void **state) {
    struct audit_fields fields = modern();

    (void)state;
    fields.found.compression = TLS_AUDIT_YES;
    assert_audited(&fields, BIT(FINDING_COMPRESSION));
    fields.found.compression = TLS_AUDIT_UNKNOWN;
    fields.found.secure_renegotiation = TLS_AUDIT_NO;
    assert_audited(&fields, BIT(FINDING_NO_SECURE_RENEGOTIATION));
    fields.found.secure_renegotiation = TLS_AUDIT_UNKNOWN; /* TLS 1.3 has none */
    assert_audited(&fields, 0);
}

static void test_scts(void **state) {
    struct judge_policy policy = judge_policy_default();

    (void)state;
    for (uint8_t verdict = SCT_UNKNOWN_LOG; verdict <= SCT_UNCHECKED; verdict++) {
        const struct sct_fields scts[] = {{.verdict = SCT_VALID}, {.verdict = verdict}};
        struct probe_record record = record_with(90, 60);
        record.scts = scts;
        record.sct_count = 2;
        judge_at(&record, &policy, NOW * 1000);
        assert_judged(&record, STATUS_OK, verdict == SCT_INVALID ? BIT(FINDING_SCT_INVALID) : 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_days),
        cmocka_unit_test(test_short_lives),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_thresholds_crossed),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_chain_expires_sooner),
        cmocka_unit_test(test_no_certificate),
        cmocka_unit_test(test_trust),
        cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_earlier_findings_stay),
        cmocka_unit_test(test_audit_versions),
        cmocka_unit_test(test_audit_suites),
        cmocka_unit_test(test_audit_forward_secrecy),
        cmocka_unit_test(test_audit_groups),
        cmocka_unit_test(test_audit_facts),
        cmocka_unit_test(test_scts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
