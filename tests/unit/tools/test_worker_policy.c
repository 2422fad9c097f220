/* Where a worker lets jobs lead. */
#include "tools/trawl/worker_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ITEMS_MAX = 4 };

static enum error policy_of(const char *const *allow, const char *const *exclude,
                            struct worker_policy *out, struct failure *failure) {
    struct worker_settings settings;

    *out = (struct worker_policy){0};
    worker_settings_init(&settings);
    settings.name = "w\n1";
    for (int i = 0; i < ITEMS_MAX && allow[i]; i++)
        assert_true(option_list_add(&settings.allow, allow[i]));
    for (int i = 0; i < ITEMS_MAX && exclude[i]; i++)
        assert_true(option_list_add(&settings.exclude, exclude[i]));
    enum error error = worker_policy_init(out, &settings, failure);
    worker_settings_deinit(&settings);
    return error;
}

static bool allows(const struct worker_policy *policy, const char *text) {
    struct address address;

    assert_true(address_parse(slice_of(text), &address));
    return !address_set_contains(policy->forbidden, &address);
}

static void what_is_allowed(void **state) {
    (void)state;
    static const struct {
        const char *allow[ITEMS_MAX], *exclude[ITEMS_MAX];
        const char *yes[ITEMS_MAX], *no[ITEMS_MAX];
    } rows[] = {
        {{0}, {0}, {"1.1.1.1", "2606:4700::1"}, {"127.0.0.1", "10.0.0.1", "fd00::1", "::1"}},
        {{0},
         {"1.1.1.0/24"},
         {"1.1.2.1", "2606:4700::1"},
         {"1.1.1.1", "169.254.169.254", "::ffff:1.1.1.1"}},
        {{"any"}, {0}, {"1.1.1.1", "127.0.0.1", "fd00::1", "::1"}, {0}},
        {{"any"}, {"127.0.0.1"}, {"127.0.0.2", "::1"}, {"127.0.0.1"}},
        {{"10.0.0.0/8", "fd00::/8"},
         {"10.9.0.0/16"},
         {"10.0.0.1", "10.255.255.255", "fd12::1"},
         {"10.9.0.1", "1.1.1.1", "11.0.0.0", "2606:4700::1"}},
        {{"public", "10.0.0.0/8"},
         {0},
         {"1.1.1.1", "10.0.0.1", "2606:4700::1"},
         {"127.0.0.1", "192.168.0.1", "fd00::1", "169.254.169.254"}},
        {{"0.0.0.0/0"}, {0}, {"0.0.0.0", "255.255.255.255"}, {"::", "2606:4700::1"}},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct worker_policy policy;
        struct failure failure;
        if (policy_of(rows[i].allow, rows[i].exclude, &policy, &failure) != ERROR_NONE)
            fail_msg("%s", failure.text);
        for (int j = 0; j < ITEMS_MAX && rows[i].yes[j]; j++)
            if (!allows(&policy, rows[i].yes[j]))
                fail_msg("row %zu: %s is not allowed", i, rows[i].yes[j]);
        for (int j = 0; j < ITEMS_MAX && rows[i].no[j]; j++)
            if (allows(&policy, rows[i].no[j]))
                fail_msg("row %zu: %s is allowed", i, rows[i].no[j]);
        worker_policy_deinit(&policy);
    }
}

static void what_is_told(void **state) {
    (void)state;
    static const char *const none[ITEMS_MAX], *const bad[ITEMS_MAX] = {"10.0.0.0/8", "example.org"};
    static const char *const file[ITEMS_MAX] = {"@/nowhere/x"};
    struct worker_policy policy;
    struct failure failure;

    assert_int_equal(policy_of(none, none, &policy, &failure), ERROR_NONE);
    assert_string_equal(policy.words, "not allowed by the policy of worker w\\u{a}1");
    assert_int_equal(worker_policy_check_resolver(&policy, "9.9.9.9,[2620:fe::fe]:53", &failure),
                     ERROR_NONE);
    assert_int_equal(worker_policy_check_resolver(&policy, "9.9.9.9,127.0.0.53", &failure),
                     ERROR_UNSUPPORTED);
    assert_string_equal(failure.text, "its name server 127.0.0.53 is not allowed by the policy of "
                                      "worker w\\u{a}1");
    worker_policy_deinit(&policy);
    assert_int_equal(policy_of(bad, none, &policy, &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "--allow \"example.org\""));
    worker_policy_deinit(&policy);
    assert_int_not_equal(policy_of(none, file, &policy, &failure), ERROR_NONE);
    assert_non_null(strstr(failure.text, "--exclude"));
    worker_policy_deinit(&policy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_allowed),
        cmocka_unit_test(what_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
