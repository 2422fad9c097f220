#include "engine/base/limits.h"
#include "tools/trawl/command.h"
#include "tools/trawl/machine.h"
#include "tools/trawl/monitor.h"
#include "tools/trawl/monitor_files.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "trawl monitor [TARGET ...] [OPTION ...]\n\n"
    "Watches endpoints: probes them on a schedule, remembers every certificate, tells of what "
    "expires,\n"
    "changes or breaks, once, by webhook and mail, and serves a dashboard and an API.\n\n"
    "A TARGET is HOST, HOST:PORT, PROTOCOL://HOST:PORT or a block such as 192.0.2.0/24. More are\n"
    "added in the dashboard, by the API, or in a config file.\n\n";

static const char more[] =
    "\nEach option is also a member of the config file (scan_interval) and a variable\n"
    "(TRAWL_SCAN_INTERVAL); TRAWL_TOKEN is an administrator's token. SIGHUP reads the config "
    "again,\n"
    "SIGUSR1 opens the log file anew.\n\n"
    "Exit status: 0 done, 1 failure or not well (--ask-health), 2 wrong usage, 130 "
    "interrupted\n(--once).\n\nExamples:\n"
    "  trawl monitor www.example.org mail.example.org:25 --webhook https://hooks.example.org/in\n"
    "  trawl monitor --config /etc/trawl/monitor.json\n"
    "  trawl monitor --generate-config > monitor.json\n"
    "  trawl monitor --once --config monitor.json\n"
    "  trawl monitor 10.0.0.0/24 --report-to https://trawl.example.org --api-key-file key\n";

static void help(struct buffer *out) {
    struct monitor_settings settings;

    settings_init(&settings);
    buffer_add_text(out, usage);
    option_help(monitor_options, &settings, 100, out);
    buffer_add_text(out, more);
    settings_deinit(&settings);
}

static enum exit_code print_sample(void) {
    struct buffer text;

    buffer_init(&text);
    settings_add_sample(&text);
    command_print(&text);
    return EXIT_DONE;
}

static enum exit_code print_health(const struct monitor_settings *settings) {
    struct failure failure = {0};
    struct buffer text;
    bool well = false;

    buffer_init(&text);
    enum error error = monitor_ask(settings, &well, &text, &failure);
    if (!error && text.len && text.ptr[text.len - 1] != '\n')
        buffer_add_byte(&text, '\n');
    command_print(&text);
    if (error)
        fprintf(stderr, "trawl: %s\n", failure.text);
    return !error && well ? EXIT_DONE : EXIT_FAILED;
}

/* SSL Scout's way to look at one server. */
static enum exit_code scan_host(const struct monitor_settings *settings) {
    bool is_v6 = strchr(settings->scan_host, ':');
    char target[LIMIT_HOST_NAME_BYTES + 16], timeout[32];
    const char *arguments[8] = {target, "--timeout", timeout};
    char *argv[8];
    int argc = 3;

    snprintf(target, sizeof target, is_v6 ? "[%.*s]:%ju" : "%.*s:%ju", LIMIT_HOST_NAME_BYTES,
             settings->scan_host, (uintmax_t)settings->port);
    snprintf(timeout, sizeof timeout, "%.3f", (double)settings->timeout_ms / 1000);
    if (settings->ca_file) {
        arguments[argc++] = "--ca-file";
        arguments[argc++] = settings->ca_file;
    }
    if (settings->resolver) {
        arguments[argc++] = "--resolver";
        arguments[argc++] = settings->resolver;
    }
    memcpy(argv, arguments, sizeof argv); /* options are read, not changed */
    return command_check.run(argc, argv);
}

static enum exit_code run(int argc, char *const argv[]) {
    struct monitor_settings settings;
    struct failure failure = {0};
    enum exit_code code;

    machine_keep_memory();
    enum error error = settings_read(&settings, argc, argv, &failure);
    if (!error && settings.generate_config) {
        code = print_sample();
    } else if (!error && settings.scan_host) {
        code = scan_host(&settings);
    } else if (!error && settings.ask_health) {
        code = print_health(&settings);
    } else {
        if (!error)
            error = monitor_run(&settings, argc, argv, &failure);
        code = error == ERROR_STOPPED ? EXIT_INTERRUPTED
               : error                ? command_failed(&failure)
                                      : EXIT_DONE;
    }
    settings_deinit(&settings);
    return code;
}

static void copy_options(struct option_spec out[COMMAND_OPTIONS_MAX]) {
    command_copy_options(monitor_options, out);
}

const struct command command_monitor = {
    .name = "monitor",
    .summary = "watch endpoints: schedule, alerts, dashboard, API, agents",
    .run = run,
    .help = help,
    .options = copy_options,
};
