#include "tools/trawl/command.h"
#include "tools/trawl/machine.h"
#include "tools/trawl/watch_environment.h"
#include "tools/trawl/watch_progress.h"

static const char usage[] =
    "trawl watch [SOURCE ...] [OPTION ...]\n\n"
    "Follows Certificate Transparency and says what is issued for names of yours.\n\n"
    "A SOURCE is a certstream server (wss://HOST/full-stream) or a log (https://...), which a log\n"
    "list names or whose key is given. Without one, all current logs of --log-list.\n\n";

static const char more[] =
    "\nA watched name stands for all below it; wildcards of certificates match both ways. What "
    "the\n"
    "inventory knows is an info; what it does not know after the grace period is suspicious. Each\n"
    "issuance is told once, however many logs have it, before and after a restart (--state).\n\n"
    "Without SOURCE and log list, and with POSTGRES_DSN in the environment, this is certwatch: "
    "its\n"
    "variables count (CERTSTREAM_URL, API_HOST, API_PORT, WEBHOOK_URL, WEBHOOK_TIMEOUT_S,\n"
    "CLEANUP_INTERVAL_S, ALERT_RETENTION_S, SUSPICIOUS_GRACE_S, WATCH_REFRESH_INTERVAL_S,\n"
    "LOG_LEVEL), and tools/certwatch.sql has its tables.\n\n"
    "Exit status: 0 done, 1 failure, 2 wrong usage, 130 interrupted.\n\nExamples:\n"
    "  trawl watch wss://certstream.example.org/full-stream -d example.org\n"
    "  trawl watch --log-list log_list.json -w names.txt -i certs/ --state watch.db -o hits.jsonl\n"
    "  trawl watch --log-list log_list.json --log Argon --all --from 0 -o entries.jsonl\n"
    "  trawl watch --log-list log_list.json --lookalike paypal=paypal.com -o -\n"
    "  trawl watch --log-list log_list.json -w names.txt --via nats://a,b,c -o hits.jsonl\n";

static void help(struct buffer *out) {
    struct watch_settings settings;

    watch_settings_init(&settings);
    buffer_add_text(out, usage);
    option_help(watch_options, &settings, 100, out);
    buffer_add_text(out, more);
    watch_settings_deinit(&settings);
}

static enum exit_code exit_code(const struct watch_result *result) {
    if (result->sink_failed)
        return EXIT_FAILED;
    return result->interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
}

static enum exit_code watch(const struct watch_settings *settings,
                            const struct option_list *sources) {
    struct watch_result result;
    struct failure failure = {0};

    enum error error = watch_run(settings, sources, &result, &failure);
    if (error == ERROR_NONE && !settings->quiet)
        watch_summary(&result);
    if (error == ERROR_NONE && settings->stats)
        error = watch_write_stats(&result, settings->stats, &failure);
    watch_result_deinit(&result);
    return error ? command_failed(&failure) : exit_code(&result);
}

static enum exit_code run(int argc, char *const argv[]) {
    struct watch_environment environment;
    struct watch_settings settings;
    struct option_list sources;
    struct failure failure = {0};
    enum exit_code code;

    machine_keep_memory();
    watch_settings_init(&settings);
    option_list_init(&sources);
    code = watch_environment_parse(&environment, argc, argv, &settings, &sources, &failure) ==
                   ERROR_NONE
               ? watch(&settings, &sources)
               : command_failed(&failure);
    option_list_deinit(&sources);
    watch_settings_deinit(&settings);
    watch_environment_deinit(&environment);
    return code;
}

static void copy_options(struct option_spec out[COMMAND_OPTIONS_MAX]) {
    command_copy_options(watch_options, out);
}

const struct command command_watch = {
    .name = "watch",
    .summary = "follow Certificate Transparency: what is issued for your names",
    .run = run,
    .help = help,
    .options = copy_options,
};
