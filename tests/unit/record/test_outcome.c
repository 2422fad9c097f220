#include "engine/record/outcome.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Users parse these: written out here a second time so that none changes by oversight. */
static void test_outcomes(void **state) {
    (void)state;
    static const char *const NAMES[] = {
        "ok",
        "dns_failed",
        "refused",
        "unreachable",
        "timeout",
        "reset",
        "starttls_refused",
        "protocol_error",
        "tls_alert",
        "tls_failed",
        "certificate_unparsable",
        "too_large",
        "blocked",
        "cancelled",
    };

    assert_int_equal(sizeof NAMES / sizeof NAMES[0], OUTCOME_COUNT);
    for (enum outcome i = 0; i < OUTCOME_COUNT; i++)
        assert_string_equal(outcome_name(i), NAMES[i]);
}

static void test_small_tables(void **state) {
    (void)state;
    static const char *const STAGES[] = {"dns", "connect", "starttls", "handshake", "done"};
    static const char *const STATUSES[] = {"unknown", "ok", "warning", "critical", "error"};

    assert_int_equal(sizeof STAGES / sizeof STAGES[0], STAGE_COUNT);
    for (enum stage i = 0; i < STAGE_COUNT; i++)
        assert_string_equal(stage_name(i), STAGES[i]);
    assert_int_equal(sizeof STATUSES / sizeof STATUSES[0], STATUS_COUNT);
    for (enum status i = 0; i < STATUS_COUNT; i++)
        assert_string_equal(status_name(i), STATUSES[i]);
    assert_string_equal(plan_name(PLAN_HANDSHAKE), "handshake");
    assert_string_equal(plan_name(PLAN_GRAB), "grab");
    assert_string_equal(plan_name(PLAN_AUDIT), "audit");
}

static void test_findings(void **state) {
    (void)state;
    static const char *const NAMES[] = {
        "expired",
        "not_yet_valid",
        "expires_soon",
        "chain_expires_sooner",
        "self_signed",
        "untrusted",
        "name_mismatch",
        "no_subject_alt_name",
        "weak_key",
        "weak_signature",
        "old_protocol",
        "handshake_fallback",
        "client_certificate_requested",
        "chain_unreadable",
        "extension_unreadable",
        "addresses_differ",
        "dane_mismatch",
        "dane_insecure",
        "dane_failed",
        "no_key_identifier",
        "odd_serial",
        "underscore_in_name",
        "odd_extended_key_usage",
        "weak_version",
        "weak_suite",
        "insecure_suite",
        "weak_group",
        "compression",
        "no_secure_renegotiation",
        "no_forward_secrecy",
        "sct_invalid",
        "incomplete_chain",
        "revoked",
        "revocation_unknown",
    };

    assert_int_equal(sizeof NAMES / sizeof NAMES[0], FINDING_COUNT);
    for (enum finding i = 0; i < FINDING_COUNT; i++)
        assert_string_equal(finding_name(i), NAMES[i]);
    for (enum finding i = 0; i < FINDING_COUNT; i++) {
        const char *name = finding_name(i), *summary = finding_summary(i);
        assert_non_null(name);
        assert_true(strlen(name) > 3);
        for (const char *c = name; *c; c++)
            assert_true(islower((unsigned char)*c) || *c == '_');
        for (enum finding j = 0; j < i; j++)
            assert_string_not_equal(name, finding_name(j));
        assert_true(isupper((unsigned char)summary[0]));
        assert_int_equal(summary[strlen(summary) - 1], '.');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_small_tables),
        cmocka_unit_test(test_findings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
