#include "tools/trawl/progress.h"
#include "tools/trawl/via.h"

static const char usage[] =
    "trawl scan TARGET ... [OPTION ...]\n"
    "trawl scan --via URL --attach JOB [-o WHERE ...]\n\n"
    "Connects to every target and reports the certificate it serves, one record a target.\n\n"
    "A TARGET is a host, host:port, host@address:port, an address, [v6]:port, a URL, a block\n"
    "192.0.2.0/24, a range 192.0.2.1-192.0.2.20, file:PATH for certificates in files and folders,\n"
    "@FILE with one of these a line, or - for standard input.\n\n";

static const char more[] =
    "\nExit status: 0 done, 1 failure, 2 wrong usage, 3 done but some lines of the input were no\n"
    "targets, 130 interrupted.\n\nExamples:\n"
    "  trawl scan example.com 192.0.2.0/28 -p 443,8443\n"
    "  trawl scan file:/etc/letsencrypt/live @hosts.txt --warn 25%\n"
    "  trawl scan @hosts.txt -o results.jsonl -o leafs.pem\n"
    "  trawl scan 192.0.2.0/24 --via nats://a.example,b.example,c.example -o results.jsonl\n"
    "  zmap -p 443 192.0.2.0/24 | trawl scan - --plan grab --fields host,certificate.subject_cn\n";

static void help(struct buffer *out) {
    struct scan_settings settings;

    scan_settings_init(&settings);
    buffer_add_text(out, usage);
    option_help(scan_options, &settings, 100, out);
    buffer_add_text(out, more);
    scan_settings_deinit(&settings);
}

static enum exit_code scan(struct scan_settings *settings, const struct option_list *targets) {
    struct sweep_result result;
    struct failure failure = {0};

    enum error error = settings->via ? via_run(settings, targets, &result, &failure)
                                     : sweep_run(settings, targets, &result, &failure);
    if (error == ERROR_NONE && !settings->quiet)
        progress_summary(&result);
    if (error == ERROR_NONE && settings->stats)
        error = progress_write_stats(&result, settings->stats, &failure);
    sweep_result_deinit(&result);
    return error ? command_failed(&failure) : sweep_exit_code(&result);
}

static enum error check(const struct scan_settings *settings, const struct option_list *targets,
                        struct failure *failure) {
    const char *without_via = settings->attach         ? "attach"
                              : settings->label        ? "label"
                              : settings->lease_ms     ? "lease"
                              : settings->buffer_bytes ? "buffer"
                                                       : NULL;

    if (!settings->via && without_via)
        return failure_set(failure, ERROR_USAGE, "--%s is for sweeps that a fleet does: --via URL",
                           without_via);
    if (settings->attach && targets->count)
        return failure_set(failure, ERROR_USAGE,
                           "a job has its targets already: --attach takes none");
    if (!settings->attach && !targets->count)
        return failure_set(failure, ERROR_USAGE,
                           "no target: name a host, a block, @FILE or -; `trawl help scan` tells "
                           "more");
    return ERROR_NONE;
}

static enum exit_code run(int argc, char *const argv[]) {
    struct scan_settings settings;
    struct option_list targets;
    struct failure failure = {0};
    enum exit_code code;

    scan_settings_init(&settings);
    option_list_init(&targets);
    enum error error = option_parse(scan_options, argc, argv, &settings, &targets, &failure);
    if (error == ERROR_NONE)
        error = check(&settings, &targets, &failure);
    code = error ? command_failed(&failure) : scan(&settings, &targets);
    option_list_deinit(&targets);
    scan_settings_deinit(&settings);
    return code;
}

static void copy_options(struct option_spec out[COMMAND_OPTIONS_MAX]) {
    command_copy_options(scan_options, out);
}

const struct command command_scan = {
    .name = "scan",
    .summary = "sweep hosts, lists and networks; one record a target",
    .run = run,
    .help = help,
    .options = copy_options,
};
