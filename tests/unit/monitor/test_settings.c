/* Options, environment and config file of the monitor: which wins, and what is said of mistakes. */
#include "tools/monitor/config_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/trawl-test-config-XXXXXX";

static void write_config(const char *text) {
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static enum error read_with(struct monitor_settings *settings, char *more, char *value,
                            struct failure *failure) {
    char *const argv[] = {"--config", path, more, value, NULL};
    return settings_read(settings, more ? value ? 4 : 3 : 2, argv, failure);
}

/* The config is refused with these words, which begin with line and column. */
static void assert_wrong(const char *config, const char *place, const char *words) {
    struct monitor_settings settings;
    struct failure failure = {0};
    char expected[256];

    write_config(config);
    assert_int_equal(read_with(&settings, NULL, NULL, &failure), ERROR_USAGE);
    snprintf(expected, sizeof expected, "%s:%s: ", path, place);
    if (strncmp(failure.text, expected, strlen(expected)) != 0 || !strstr(failure.text, words))
        fail_msg("\"%s\" is not \"%s…%s\"", failure.text, expected, words);
    settings_deinit(&settings);
}

static void test_ssl_scout(void **state) {
    (void)state;
    struct monitor_settings settings;
    struct failure failure = {0};

    write_config("{\n\"api_key\": \"YOUR_API_KEY_HERE\",\n"
                 "\"api_endpoint\": \"https://centre.example/api/sslscout/report\",\n"
                 "\"scan_interval\": 1800,\n\"targets\": [\n"
                 "{\"host\": \"internal-app.example.com\", \"port\": 443},\n"
                 "{\"host\": \"192.168.1.100\", \"port\": 8443},\n"
                 "{\"host\": \"10.0.0.0/24\", \"port\": 443}\n],\n"
                 "\"alert_days_before_expiry\": [60, 14, 7, 1],\n"
                 "\"log_file\": \"/var/log/sslscout.log\",\n\"websocket_alerts\": true,\n"
                 "\"timeout\": 12.5\n}\n");
    assert_int_equal(read_with(&settings, NULL, NULL, &failure), ERROR_NONE);
    assert_string_equal(settings.api_key, "YOUR_API_KEY_HERE");
    assert_string_equal(settings.api_endpoint, "https://centre.example/api/sslscout/report");
    assert_int_equal(settings.scan_interval_ms, 1800 * 1000);
    assert_int_equal(settings.timeout_ms, 12500);
    assert_string_equal(settings.log_file, "/var/log/sslscout.log");
    assert_int_equal(settings.threshold_count, 4);
    assert_int_equal(settings.threshold_days[0], 60);
    assert_int_equal(settings.target_count, 3);
    assert_string_equal(settings.targets[1].host, "192.168.1.100");
    assert_int_equal(settings.targets[1].port, 8443);
    assert_true(settings.targets[2].is_cidr);
    settings_deinit(&settings);
}

static void test_which_wins(void **state) {
    (void)state;
    struct monitor_settings settings;
    struct failure failure = {0};

    write_config("{\"scan_interval\": 100, \"webhook\": [\"http://a/\", \"http://b/\"], "
                 "\"warn_days\": 20, // a comment\n}");
    setenv("TRAWL_SCAN_INTERVAL", "200", 1);
    setenv("TRAWL_FAILURES", "5", 1);
    assert_int_equal(read_with(&settings, NULL, NULL, &failure), ERROR_NONE);
    assert_int_equal(settings.scan_interval_ms, 200 * 1000);
    assert_int_equal(settings.failures, 5);
    assert_int_equal(settings.warn_days, 20);
    assert_int_equal(settings.webhooks.count, 2);
    settings_deinit(&settings);
    assert_int_equal(read_with(&settings, "--scan-interval=5m", NULL, &failure), ERROR_NONE);
    assert_int_equal(settings.scan_interval_ms, 300 * 1000);
    settings_deinit(&settings);
    assert_int_equal(read_with(&settings, "--webhook", "http://c/", &failure), ERROR_NONE);
    assert_int_equal(settings.webhooks.count, 1);
    assert_string_equal(settings.webhooks.items[0], "http://c/");
    settings_deinit(&settings);
    unsetenv("TRAWL_SCAN_INTERVAL");
    unsetenv("TRAWL_FAILURES");
}

static void test_arguments_are_targets(void **state) {
    (void)state;
    struct monitor_settings settings;
    struct failure failure = {0};
    char *const good[] = {"WWW.Example.org", "mail.example.org:25", "192.0.2.0/30", NULL};
    char *const bad[] = {"www.example.org:99999", NULL};

    assert_int_equal(settings_read(&settings, 3, good, &failure), ERROR_NONE);
    assert_int_equal(settings.target_count, 3);
    assert_string_equal(settings.targets[0].host, "www.example.org");
    assert_int_equal(settings.targets[0].port, 443);
    assert_int_equal(settings.targets[1].port, 25);
    assert_true(settings.targets[2].is_cidr);
    settings_deinit(&settings);
    assert_int_equal(settings_read(&settings, 1, bad, &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "www.example.org:99999"));
    settings_deinit(&settings);
}

static void test_mistakes(void **state) {
    (void)state;
    assert_wrong("{\n  \"scan_interval\": 60,\n  \"timout\": 3\n}", "3:3", "timout");
    assert_wrong("{\n  \"scan_interval\": 60\n  \"timeout\": 3\n}", "3:3", "");
    assert_wrong("{\"scan_interval\": \"soon\"}", "1:19", "soon");
    assert_wrong("{\"scan_interval\": {}}", "1:2", "text");
    assert_wrong("{\"alert_days_before_expiry\": 30, \"targets\": [\n {\"port\": 70000, \"host\": "
                 "\"a.example\"}]}",
                 "2:3", "port");
    assert_wrong("{\"targets\": [{\"host\": \"a.example\"},\n \"b.example\"]}", "2:2", "object");
    assert_wrong("{\"targets\": [{\"host\": \"169.254.169.254\"}]}", "1:15", "169.254.169.254");
    assert_wrong("{\"tokens\": [{\"name\": \"x\", \"role\": \"king\", \"sha256\": \"00\"}]}",
                 "1:14", "role");
    assert_wrong("{\"tokens\": [{\"name\": \"x\", \"role\": \"read\", \"token_file\": \"t\",\n"
                 "\"report_secret\": \"s\"}]}",
                 "2:1", "report_secret_file");
    assert_wrong("{\"tokens\": [{\"name\": \"x\", \"role\": \"read\", \"token_file\": \"t\",\n"
                 "\"report_secret_file\": 1}]}",
                 "2:1", "report_secret_file");
    assert_wrong("{\"once\": true}", "1:2", "once");
    assert_wrong("[]", "1:1", "object");
    assert_wrong("", "1:1", "");
    assert_wrong("{\"h\xc3\xb6st\": 1, \"timout\": 3}", "1:2", "");
}

/* Where --via stands does not matter, but it must. */
static void test_via(void **state) {
    (void)state;
    char option[] = "--via", url[] = "nats://127.0.0.1";
    struct monitor_settings settings;
    struct failure failure = {0};

    write_config("{\"targets\": [{\"host\": \"a.example\", \"via\": \"lan\"}]}");
    assert_int_equal(read_with(&settings, NULL, NULL, &failure), ERROR_USAGE);
    assert_non_null(strstr(failure.text, "a.example"));
    assert_non_null(strstr(failure.text, "--via"));
    settings_deinit(&settings);
    assert_int_equal(read_with(&settings, option, url, &failure), ERROR_NONE);
    assert_string_equal(settings.targets[0].via, "lan");
    settings_deinit(&settings);
}

/* What --generate-config prints is accepted, and so is each of its lines without the slashes. */
static void test_sample(void **state) {
    (void)state;
    struct monitor_settings settings;
    struct failure failure = {0};
    struct buffer sample;

    buffer_init(&sample);
    settings_add_sample(&sample);
    buffer_add_byte(&sample, 0);
    write_config((const char *)sample.ptr);
    assert_int_equal(read_with(&settings, NULL, NULL, &failure), ERROR_NONE);
    assert_int_equal(settings.target_count, 0);
    assert_int_equal(settings.threshold_count, 4);
    settings_deinit(&settings);
    for (const struct option_spec *option = monitor_options; option->name; option++) {
        char member[80], quoted[90], hidden[90];
        config_member_name(option->name, member, sizeof member);
        snprintf(quoted, sizeof quoted, "\n  \"%s\":", member);
        snprintf(hidden, sizeof hidden, "\n  // \"%s\":", member);
        bool is_there =
            strstr((const char *)sample.ptr, quoted) || strstr((const char *)sample.ptr, hidden);
        bool belongs = strcmp(member, "config") != 0 && strcmp(member, "generate_config") != 0 &&
                       strcmp(member, "once") != 0 && strcmp(member, "ask_health") != 0 &&
                       strcmp(member, "scan_host") != 0 && strcmp(member, "port") != 0;
        if (is_there != belongs)
            fail_msg("%s %s the sample", member, is_there ? "is in" : "is not in");
    }
    buffer_deinit(&sample);
}

static int make_file(void **state) {
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssl_scout),
        cmocka_unit_test(test_which_wins),
        cmocka_unit_test(test_arguments_are_targets),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_via),
        cmocka_unit_test(test_sample),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
