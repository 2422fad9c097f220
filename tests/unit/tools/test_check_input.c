/* What PRTG's sensors are told, in all the ways in which they are told it. */
#include "tools/trawl/check_input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct option_spec options[COMMAND_OPTIONS_MAX];
static struct check_settings settings;
static struct option_list positionals;
static struct arena memory;
static struct failure failure;

static void begin(void) {
    check_options(options);
    check_settings_init(&settings);
    option_list_init(&positionals);
    failure = (struct failure){0};
    assert_true(arena_init(&memory, 64));
}

static void end(void) {
    option_list_deinit(&positionals);
    check_settings_deinit(&settings);
    arena_deinit(&memory);
}

static enum error argument(const char *text) {
    begin();
    assert_true(option_list_add(&positionals, text));
    return check_input_take(options, -1, &memory, &settings, &positionals, &failure);
}

static enum error input(const char *text, size_t len) {
    int ends[2];

    begin();
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, len), len);
    close(ends[1]);
    enum error error =
        check_input_take(options, ends[0], &memory, &settings, &positionals, &failure);
    close(ends[0]);
    return error;
}

static void is(const char *target, uint64_t port, const char *protocol, const char *name,
               enum name_validation validation) {
    assert_int_equal(positionals.count, 1);
    assert_string_equal(positionals.items[0], target);
    assert_int_equal(settings.port, port);
    assert_string_equal(settings.protocol, protocol);
    if (name)
        assert_string_equal(settings.name, name);
    else
        assert_null(settings.name);
    assert_int_equal(settings.validation, validation);
    end();
}

static void object(void **state) {
    (void)state;
    assert_int_equal(
        argument("{\"host\": \"mta.example.org\", \"params\": \"port: 7025, protocol: lmtp, "
                 "cert_domainname_validation: cn_san\"}"),
        ERROR_NONE);
    is("mta.example.org", 7025, "lmtp", NULL, VALIDATE_CN_SAN);
    assert_int_equal(argument("{\"params\":\"port:25,protocol:smtp , cert_domainname : "
                              "mta.example.com,cert_domainname_validation:CN,\",\"host\":"
                              "\"192.0.2.1\",\"deviceid\":5}"),
                     ERROR_NONE);
    is("192.0.2.1", 25, "smtp", "mta.example.com", VALIDATE_CN);
    assert_int_equal(argument("{\"host\":\"a.example\",\"params\":\" \"}"), ERROR_NONE);
    is("a.example", 0, "smtp", NULL, VALIDATE_NONE);
}

static void words(void **state) {
    static const char all[] =
        "mta.example.org 25 'smtp' --sni-domain \"m x\\\"y\" "
        "--name-validation CN/SAN --ca-trust /tmp/a\\ b --system-ca-trust\r\n";

    (void)state;
    assert_int_equal(input(all, strlen(all)), ERROR_NONE);
    assert_string_equal(settings.scan.ca_file, "/tmp/a b");
    assert_true(settings.system_ca_trust);
    is("mta.example.org", 25, "smtp", "m x\"y", VALIDATE_CN_SAN);
    static const char json[] = " \n{\"host\":\"h\",\"params\":\"port: 1\"}\n";
    assert_int_equal(input(json, strlen(json)), ERROR_NONE);
    is("h", 1, "smtp", NULL, VALIDATE_NONE);
}

static void refuses(const char *text, const char *part) {
    assert_int_equal(argument(text), ERROR_USAGE);
    if (!strstr(failure.text, part))
        fail_msg("%s: %s", text, failure.text);
    end();
}

static void refusals(void **state) {
    (void)state;
    refuses("{", "not a JSON object");
    refuses("{]", "not a JSON object");
    refuses("{\"host\":\"h\"}", "'params' missing");
    refuses("{\"host\":5,\"params\":\"\"}", "'host' missing");
    refuses("{\"host\":\"\",\"params\":\"\"}", "'host' missing");
    refuses("{\"host\":\"h\",\"params\":\"port: 0\"}", "between 1 and 65535");
    refuses("{\"host\":\"h\",\"params\":\"port: 2x\"}", "between 1 and 65535");
    refuses("{\"host\":\"h\",\"params\":\"port\"}", "KEY: VALUE");
    refuses("{\"host\":\"h\",\"params\":\"prot: smtp\"}", "unknown parameter");
    refuses("{\"host\":\"h\",\"params\":\"cert_domainname_validation: san\"}", "cn_san");
}

static void input_is_bounded(void **state) {
    static const char open_quote[] = "host 25 'smtp";
    char many[4 * CHECK_WORDS_MAX] = "";

    (void)state;
    assert_int_equal(input(open_quote, strlen(open_quote)), ERROR_USAGE);
    end();
    for (int i = 0; i <= CHECK_WORDS_MAX; i++)
        strcat(many, "w ");
    assert_int_equal(input(many, strlen(many)), ERROR_USAGE);
    end();
    assert_int_equal(input("a\0b", 3), ERROR_INPUT);
    end();
    assert_int_equal(input("", 0), ERROR_NONE); /* the command says what is missing */
    assert_int_equal(positionals.count, 0);
    end();
}

/* Every option of a scan that a check offers writes where the probe's settings are. */
static void options_of_a_scan_reach_it(void **state) {
    char *argv[] = {"--warn=20", "-c", "5%", "--timeout=7", "--ca-file=x", "--no-verify", "h"};

    (void)state;
    begin();
    assert_int_equal(option_parse(options, 7, argv, &settings, &positionals, &failure), ERROR_NONE);
    assert_string_equal(settings.scan.warn, "20");
    assert_string_equal(settings.scan.critical, "5%");
    assert_int_equal(settings.scan.timeout_ms, 7000);
    assert_string_equal(settings.scan.ca_file, "x");
    assert_true(settings.scan.no_verify);
    end();
}

static void findings_to_ignore(void **state) {
    uint64_t ignored;

    (void)state;
    begin();
    assert_true(option_list_add(&settings.ignore, "untrusted, name_mismatch"));
    assert_true(option_list_add(&settings.ignore, "expired"));
    assert_int_equal(check_ignored(&settings, &ignored, &failure), ERROR_NONE);
    assert_int_equal(ignored,
                     1u << FINDING_UNTRUSTED | 1u << FINDING_NAME_MISMATCH | 1u << FINDING_EXPIRED);
    assert_true(option_list_add(&settings.ignore, "untrusten"));
    assert_int_equal(check_ignored(&settings, &ignored, &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "did you mean \"untrusted\""));
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(object),
        cmocka_unit_test(words),
        cmocka_unit_test(refusals),
        cmocka_unit_test(input_is_bounded),
        cmocka_unit_test(options_of_a_scan_reach_it),
        cmocka_unit_test(findings_to_ignore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
