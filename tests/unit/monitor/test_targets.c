#include "tools/monitor/targets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define OK(call)    assert_int_equal(call, ERROR_NONE)
#define ARRAY(list) (sizeof(list) / sizeof(list)[0])

static enum error read_as(struct monitor_target *target, const char *json,
                          struct failure *failure) {
    yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
    assert_non_null(doc);
    enum error error = target_read(target, yyjson_doc_get_root(doc), failure);
    yyjson_doc_free(doc);
    return error;
}

static void test_good(void **state) {
    static const struct {
        const char *json, *host, *protocol, *address;
        uint16_t port;
        int32_t warn, crit;
        bool is_cidr;
    } cases[] = {
        {"{\"host\":\"WWW.Example.ORG\"}", "www.example.org", "", "", 443, 14, 3, false},
        {"{\"host\":\" a.example. \",\"port\":\"8443\"}", "a.example", "", "", 8443, 14, 3, false},
        {"{\"host\":\"a.example:25\"}", "a.example", "", "", 25, 14, 3, false},
        {"{\"host\":\"a.example:25\",\"port\":26}", "a.example", "", "", 26, 14, 3, false},
        {"{\"host\":\"smtp://a.example\"}", "a.example", "smtp", "", 25, 14, 3, false},
        {"{\"host\":\"a.example\",\"starttls\":\"none\"}", "a.example", "tls", "", 443, 14, 3,
         false},
        {"{\"host\":\"a.example\",\"starttls\":\"auto\",\"port\":587}", "a.example", "", "", 587,
         14, 3, false},
        {"{\"host\":\"a.example@10.0.0.5\"}", "a.example", "", "10.0.0.5", 443, 14, 3, false},
        {"{\"host\":\"a.example\",\"connect_address\":\"2001:DB8::1\"}", "a.example", "",
         "2001:db8::1", 443, 14, 3, false},
        {"{\"host\":\"a.example\",\"warn_days\":5,\"crit_days\":9}", "a.example", "", "", 443, 5, 5,
         false},
        {"{\"host\":\"a.example\",\"warn_days\":30.0}", "a.example", "", "", 443, 30, 3, false},
        {"{\"host\":\"[2001:db8::7]:993\"}", "2001:db8::7", "", "", 993, 14, 3, false},
        {"{\"host\":\"10.1.2.3/24\"}", "10.1.2.0/24", "", "", 443, 14, 3, true},
        {"{\"host\":\"10.1.0.0/16\"}", "10.1.0.0/16", "", "", 443, 14, 3, true},
        {"{\"host\":\"10.1.2.3-10.1.2.9\"}", "10.1.2.3-10.1.2.9", "", "", 443, 14, 3, true},
        {"{\"host\":\"127.0.0.1\"}", "127.0.0.1", "", "", 443, 14, 3, false},
        {"{\"host\":\"::1\"}", "::1", "", "", 443, 14, 3, false},
        {"{\"host\":\"b\\u00fccher.example\",\"unknown\":1}", "xn--bcher-kva.example", "", "", 443,
         14, 3, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY(cases); i++) {
        struct monitor_target target;
        struct failure failure = {0};
        target_init(&target, TARGET_FROM_API);
        if (read_as(&target, cases[i].json, &failure))
            fail_msg("%s: %s", cases[i].json, failure.text);
        assert_string_equal(target.host, cases[i].host);
        assert_string_equal(target.protocol, cases[i].protocol);
        assert_string_equal(target.connect_address, cases[i].address);
        assert_int_equal(target.port, cases[i].port);
        assert_int_equal(target.warn_days, cases[i].warn);
        assert_int_equal(target.crit_days, cases[i].crit);
        assert_int_equal(target.is_cidr, cases[i].is_cidr);
    }
}

static void test_refused(void **state) {
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"{}", TARGET_INVALID},
        {"[]", TARGET_INVALID},
        {"{\"host\":\"\"}", TARGET_INVALID},
        {"{\"host\":5}", TARGET_INVALID},
        {"{\"host\":\"a.example\",\"port\":0}", TARGET_INVALID},
        {"{\"host\":\"a.example\",\"port\":65536}", TARGET_INVALID},
        {"{\"host\":\"a.example\",\"port\":-1}", TARGET_INVALID},
        {"{\"host\":\"a.example\",\"port\":18446744073709551615}", TARGET_INVALID},
        {"{\"host\":\"a.example\",\"port\":null}", TARGET_INVALID},
        {"{\"host\":\"a.example\",\"port\":443.5}", TARGET_INVALID},
        {"{\"host\":\"a..example\"}", "label"},
        {"{\"host\":\"a b.example\"}", "host name"},
        {"{\"host\":\"a.example\\u0000.b\"}", "host name"},
        {"{\"host\":\"2130706433\"}", "neither"},
        {"{\"host\":\"127.1\"}", "neither"},
        {"{\"host\":\"0x7f.0.0.1\"}", "neither"},
        {"{\"host\":\"a.example\",\"starttls\":\"gopher\"}", "protocol"},
        {"{\"host\":\"a.example\",\"connect_address\":\"b.example\"}", "address"},
        {"{\"host\":\"a.example\",\"tags\":\"x\"}", "tags"},
        {"{\"host\":\"a.example\",\"tags\":[1]}", "tags"},
        {"{\"host\":\"a.example\",\"thresholds\":[-1]}", "thresholds"},
        {"{\"host\":\"a.example\",\"thresholds\":[1,2,3,4,5,6,7,8,9,10,11,12,13]}", "thresholds"},
        {"{\"host\":\"a.example\",\"warn_days\":4000}", "warn_days"},
        {"{\"host\":\"a.example\",\"interval_s\":1}", "interval_s"},
        {"{\"host\":\"a.example\",\"enabled\":1}", "enabled"},
        {"{\"host\":\"a.example\",\"ca_file\":\"/etc/shadow\"}", "ca_file"},
        {"{\"host\":\"a.example\",\"ca_file\":\"../x\"}", "ca_file"},
        {"{\"host\":\"a.example\",\"ca_file\":\"..\"}", "ca_file"},
        {"{\"host\":\"10.0.0.0/15\"}", "addresses"},
        {"{\"host\":\"2001:db8::/64\"}", "addresses"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY(cases); i++) {
        struct monitor_target target, before;
        struct failure failure = {0};
        target_init(&target, TARGET_FROM_API);
        memcpy(&before, &target, sizeof before);
        if (read_as(&target, cases[i].json, &failure) != ERROR_USAGE ||
            !strstr(failure.text, cases[i].words))
            fail_msg("%s: \"%s\"", cases[i].json, failure.text);
        assert_memory_equal(&target, &before, sizeof target);
    }
}

/* Server-side request forgery: where nobody may send a probe, in each disguise. */
static const char *const FORBIDDEN[] = {
    "169.254.169.254",   "169.254.0.1",
    "0.0.0.0",           "0.1.2.3",
    "224.0.0.251",       "239.255.255.250",
    "255.255.255.255",   "240.0.0.1",
    "100.100.100.200",   "168.63.129.16",
    "192.0.0.192",       "::",
    "fe80::1",           "febf::1",
    "ff02::1",           "fd00:ec2::254",
    "fd20:ce::254",      "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",    "64:ff9b::169.254.169.254",
    "64:ff9b::a9fe:1",   "2002:a9fe:a9fe::1",
    "::169.254.169.254", "::ffff:224.0.0.1",
};
static const char *const ALLOWED[] = {
    "127.0.0.1",       "10.0.0.1", "192.168.1.1", "172.16.0.1",      "8.8.8.8",
    "169.253.255.255", "::1",      "fd00::1",     "fc00::1",         "2001:db8::1",
    "2002:a00:1::1",   "1.0.0.0",  "223.255.0.1", "::ffff:10.0.0.1", "64:ff9b::808:808",
    "100.100.100.201",
};

static void test_forbidden(void **state) {
    struct address_set *set;
    struct address address;

    (void)state;
    OK(target_forbidden_set(&set, NULL));
    for (size_t i = 0; i < ARRAY(FORBIDDEN); i++) {
        char json[128];
        struct monitor_target target;
        struct failure failure = {0};

        assert_true(address_parse(slice_of(FORBIDDEN[i]), &address));
        if (!target_is_forbidden(&address))
            fail_msg("%s is not forbidden", FORBIDDEN[i]);
        /* Compatible addresses are out of use; of them the set holds "::" alone. */
        if (!address_set_contains(set, &address) && strcmp(FORBIDDEN[i], "::169.254.169.254") != 0)
            fail_msg("the set lacks %s", FORBIDDEN[i]);
        static const char *const forms[] = {"{\"host\":\"%s\"}",
                                            "{\"host\":\"a.example\",\"connect_address\":\"%s\"}",
                                            "{\"host\":\"a.example@%s\"}"};
        for (size_t form = 0; form < ARRAY(forms); form++) {
            char *at = json;
            const char *mark = strchr(forms[form], '%');
            at = mempcpy(at, forms[form], (size_t)(mark - forms[form]));
            at = stpcpy(at, FORBIDDEN[i]);
            strcpy(at, mark + 2);
            target_init(&target, TARGET_FROM_API);
            if (read_as(&target, json, &failure) != ERROR_USAGE)
                fail_msg("%s was taken", json);
        }
    }
    for (size_t i = 0; i < ARRAY(ALLOWED); i++) {
        assert_true(address_parse(slice_of(ALLOWED[i]), &address));
        if (target_is_forbidden(&address) || address_set_contains(set, &address))
            fail_msg("%s is forbidden", ALLOWED[i]);
    }
    address_set_free(set);
}

static void test_forbidden_blocks(void **state) {
    static const char *const blocks[] = {
        "{\"host\":\"169.254.169.0/24\"}",         "{\"host\":\"169.253.255.0-169.254.0.3\"}",
        "{\"host\":\"100.100.100.0/24\"}",         "{\"host\":\"ff02::/120\"}",
        "{\"host\":\"::ffff:169.254.169.0/120\"}", "{\"host\":\"64:ff9b::a9fe:0/120\"}",
        "{\"host\":\"2002:a9fe:a9fe::/120\"}",     "{\"host\":\"fe80::/120\"}",
    };
    struct failure failure;

    (void)state;
    for (size_t i = 0; i < ARRAY(blocks); i++) {
        struct monitor_target target;
        target_init(&target, TARGET_FROM_API);
        if (read_as(&target, blocks[i], &failure) != ERROR_USAGE)
            fail_msg("%s was taken", blocks[i]);
    }
}

static void test_patch(void **state) {
    struct monitor_target target;

    (void)state;
    target_init(&target, TARGET_FROM_API);
    OK(read_as(&target, "{\"host\":\"a.example\",\"label\":\"One\",\"thresholds\":[1,9,9,3]}",
               NULL));
    assert_int_equal(target.threshold_count, 3);
    assert_int_equal(target.thresholds[0], 9);
    OK(read_as(&target, "{\"warn_days\":2}", NULL));
    assert_string_equal(target.label, "One");
    assert_int_equal(target.crit_days, 2);
    OK(read_as(&target, "{\"host\":\"10.0.0.0/30\",\"thresholds\":null}", NULL));
    assert_true(target.is_cidr);
    assert_false(target.has_thresholds);
    OK(read_as(&target, "{\"host\":\"b.example\"}", NULL));
    assert_false(target.is_cidr);
}

static void test_label(void **state) {
    struct monitor_target target;
    char json[2048] = "{\"host\":\"a.example\",\"label\":\"";

    (void)state;
    for (int i = 0; i < 200; i++)
        strcat(json, "\xf0\x9f\x94\x92");
    strcat(json, "\"}");
    target_init(&target, TARGET_FROM_API);
    OK(read_as(&target, json, NULL));
    assert_int_equal(strlen(target.label), 4 * TARGET_LABEL_CHARACTERS);
    OK(read_as(&target, "{\"label\":\"a\\u0000b\\u001b\\u202ec\"}", NULL));
    assert_string_equal(target.label, "abc");
}

static void test_via(void **state) {
    static const char *const good[] = {"", "*", "lan", "berlin-1.dmz_2"},
                             *const bad[] = {"**", "a b", "lan*", "\u00e9",
                                             ("a23456789012345678901234567890123456789012345678"
                                              "9012345678901234")};
    struct monitor_target target;
    struct failure failure = {0};
    char json[160];

    (void)state;
    target_init(&target, TARGET_FROM_API);
    for (size_t i = 0; i < ARRAY(good); i++) {
        snprintf(json, sizeof json, "{\"host\":\"a.example\",\"via\":\"%s\"}", good[i]);
        OK(read_as(&target, json, &failure));
        assert_string_equal(target.via, good[i]);
        assert_int_equal(target_check_via(&target, false, &failure), i ? ERROR_USAGE : ERROR_NONE);
        OK(target_check_via(&target, true, &failure));
    }
    for (size_t i = 0; i < ARRAY(bad); i++) {
        snprintf(json, sizeof json, "{\"via\":\"%s\"}", bad[i]);
        assert_int_equal(read_as(&target, json, &failure), ERROR_USAGE);
        assert_string_equal(target.via, good[ARRAY(good) - 1]);
    }
    OK(read_as(&target, "{\"via\":null}", &failure));
    assert_string_equal(target.via, "");
}

static void test_config_is_strict(void **state) {
    struct monitor_target target;
    struct failure failure;

    (void)state;
    target_init(&target, TARGET_FROM_CONFIG);
    assert_int_equal(read_as(&target, "{\"host\":\"a.example\",\"prot\":1}", &failure),
                     ERROR_USAGE);
    assert_non_null(strstr(failure.text, "prot"));
    OK(read_as(&target, "{\"host\":\"a.example\",\"ca_file\":\"/etc/ca.pem\"}", NULL));
}

static void test_ids(void **state) {
    char id[TARGET_ID_BYTES], other[TARGET_ID_BYTES];

    (void)state;
    target_make_id(id);
    target_make_id(other);
    assert_int_equal(strlen(id), 16);
    assert_memory_equal(id, "tls_", 4);
    assert_int_equal(strspn(id + 4, "0123456789abcdef"), 12);
    assert_string_not_equal(id, other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_forbidden), cmocka_unit_test(test_forbidden_blocks),
        cmocka_unit_test(test_patch),     cmocka_unit_test(test_label),
        cmocka_unit_test(test_via),       cmocka_unit_test(test_config_is_strict),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
