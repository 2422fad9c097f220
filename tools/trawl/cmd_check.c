/* One endpoint, one verdict: for a person, for a program, or for the monitoring systems that call
 * plugins. */
#include "engine/base/clock.h"
#include "engine/probe/report.h"
#include "tools/trawl/check_form.h"
#include "tools/trawl/check_input.h"
#include "tools/trawl/check_settings.h"
#include "tools/trawl/check_target.h"
#include "tools/trawl/check_verdict.h"
#include "tools/trawl/command.h"
#include "tools/trawl/local.h"
#include "tools/trawl/single.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    INPUT_ARENA_BYTES = 1024,
    CHAINS_MAX = 65536, /* of a folder: all their records are in memory */
};

struct check {
    struct check_settings settings;
    struct option_spec options[COMMAND_OPTIONS_MAX];
    struct option_list positionals;
    struct arena memory; /* of what came as JSON or on standard input */
    struct probe_setup setup;
    struct field_selection fields;
    struct buffer password;
    struct record_list records;
};

static const char usage[] =
    "trawl check TARGET [OPTION ...]\n\n"
    "Connects to one server and says whether its certificate is good, and if not, why.\n\n"
    "A TARGET is host, host:port, host@address:port, an address, [v6]:port, a URL such as\n"
    "smtp://host, or file:PATH for certificates in files and folders (PEM, DER, PKCS#12).\n\n";

static const char more[] =
    "\nForms of the answer (--as):\n"
    "  human       a page for a person\n"
    "  json        the record, as `trawl scan` writes it\n"
    "  nagios      one line with performance data, for Nagios, Icinga and the like\n"
    "  prtg        for PRTG's Python Script Advanced sensor\n"
    "  prtg-v2     for PRTG's Script v2 sensor\n"
    "  prometheus  metrics in the text format: blackbox_exporter's names, and more\n"
    "\nThe verdict is the worst of the dates (--warn, --critical), trust, name and strength;\n"
    "--ignore leaves findings out of it. A server that cannot be reached is critical.\n"
    "\nExit status: 0 good, 4 worth a warning, 5 critical, 1 failure, 2 wrong usage, 130\n"
    "interrupted. As nagios: 0 good, 1 warning, 2 critical, 3 for all that the check could not\n"
    "do. As prtg and prtg-v2: always 0, the answer says it. As prometheus: 0 with metrics.\n"
    "\nPRTG's sensors take their arguments as they always did, or on standard input:\n"
    "  trawl check --as prtg '{\"host\": \"mail.example.org\", \"params\": \"port: 25, protocol: "
    "smtp\"}'\n"
    "  trawl check --as prtg-v2 mail.example.org 25 smtp --name-validation CN/SAN\n"
    "Python Script Advanced warns at 35 days and errs at 17 unless told otherwise.\n"
    "\nExamples:\n"
    "  trawl check www.example.org\n"
    "  trawl check mail.example.org --protocol smtp --as nagios -w 20 -c 10\n"
    "  trawl check 192.0.2.7:8443 --name www.example.org --ca-file private-ca.pem\n"
    "  trawl check file:/etc/letsencrypt/live --name www.example.org\n";

static void help(struct buffer *out) {
    struct option_spec options[COMMAND_OPTIONS_MAX];
    struct check_settings settings;

    check_settings_init(&settings);
    check_options(options);
    buffer_add_text(out, usage);
    option_help(options, &settings, 100, out);
    buffer_add_text(out, more);
    check_settings_deinit(&settings);
}

/* --- What is asked --- */

static bool is_for_prtg(const struct check_settings *settings) {
    return settings->form == CHECK_PRTG || settings->form == CHECK_PRTG_V2;
}

/* A wrong option must not hide in which form the answer is awaited. */
static int form_in(int argc, char *const argv[]) {
    int form = CHECK_HUMAN;

    for (int i = 0; i < argc; i++) {
        const char *name = strncmp(argv[i], "--as=", 5) == 0              ? argv[i] + 5
                           : strcmp(argv[i], "--as") == 0 && i + 1 < argc ? argv[i + 1]
                                                                          : "";
        for (int k = 0; check_form_names[k]; k++)
            if (strcmp(check_form_names[k], name) == 0)
                form = k;
    }
    return form;
}

static enum error read_arguments(struct check *check, int argc, char *const argv[],
                                 struct failure *failure) {
    struct check_settings *settings = &check->settings;
    struct option_list *positionals = &check->positionals;
    enum error error = option_parse(check->options, argc, argv, settings, positionals, failure);

    if (error == ERROR_NONE && is_for_prtg(settings)) {
        int fd = isatty(STDIN_FILENO) ? -1 : STDIN_FILENO;
        error =
            check_input_take(check->options, fd, &check->memory, settings, positionals, failure);
    }
    if (error != ERROR_NONE)
        return error;
    if (positionals->count != 1)
        return failure_set(failure, ERROR_USAGE,
                           "check takes one target; `trawl help check` tells more");
    if (settings->system_ca_trust && settings->scan.ca_file) {
        if (!option_list_add(&settings->scan.ca_add, settings->scan.ca_file))
            return failure_set(failure, ERROR_MEMORY, "no memory for the arguments");
        settings->scan.ca_file = NULL;
    }
    if (settings->form == CHECK_PRTG) { /* the limits of the channel, as they always were */
        settings->scan.warn = settings->scan.warn ? settings->scan.warn : "35";
        settings->scan.critical = settings->scan.critical ? settings->scan.critical : "17";
    }
    return ERROR_NONE;
}

/* --- What comes of it --- */

/* The chains of a file or folder, on their way to be judged. */
struct chains {
    struct local_reader *reader;
    const struct check_target *target;
    uint32_t count;
    struct failure failure;
};

/* What is wrong with the path itself leaves nothing to check. */
static bool next_chain(void *owner, struct target *out) {
    struct chains *chains = owner;
    const char *path = chains->target->path;

    *out = chains->target->server;
    if (local_next(chains->reader, &out->local) != ERROR_NONE) {
        failure_set(&chains->failure, ERROR_MEMORY, "%s: no memory", path);
    } else if (out->local && ++chains->count > CHAINS_MAX) {
        failure_set(&chains->failure, ERROR_LIMIT, "%s: more than %d certificates", path,
                    CHAINS_MAX);
    } else if (out->local && out->local->outcome != OUTCOME_OK &&
               slice_is(out->local->path, path)) {
        struct slice why = out->local->error;
        failure_set(&chains->failure, ERROR_INPUT, "%s: %.*s", path, (int)why.len,
                    (const char *)why.ptr);
    }
    if (chains->failure.code == ERROR_NONE)
        return out->local != NULL;
    local_chain_free(out->local);
    return false;
}

static enum error check_file(struct check *check, const struct check_target *target,
                             struct failure *failure) {
    const char *password_file = check->settings.scan.password_file, *password = NULL;
    struct chains chains = {.target = target};
    struct single_source source = {next_chain, &chains};

    if (password_file) {
        enum error error = local_read_password(password_file, &check->password, failure);
        if (error != ERROR_NONE)
            return error;
        password = (const char *)check->password.ptr;
    }
    chains.reader = local_open(target->path, password);
    if (!chains.reader)
        return failure_set(failure, ERROR_MEMORY, "%s: no memory", target->path);
    enum error error = single_probe_all(&check->setup, &source, &check->records, failure);
    local_close(chains.reader);
    if (error == ERROR_NONE && chains.failure.code != ERROR_NONE) {
        *failure = chains.failure;
        error = failure->code;
    }
    return error;
}

static enum error check_unresolved(struct check *check, const struct check_target *target,
                                   struct failure *failure) {
    struct report report = {
        .settings = &check->setup.probe,
        .target = &target->server,
        .plan = check->setup.probe.plan,
        .attempt = 1,
        .outcome = OUTCOME_DNS_FAILED,
        .stage = STAGE_DNS,
        .error = slice_of(target->no_address),
        .timing = {-1, -1, -1, -1, -1},
        .started_ms = clock_unix_ms(),
    };

    record_list_take(&check->records, report_record(&report, NULL));
    return check->records.failed ? failure_set(failure, ERROR_MEMORY, "no memory for the record")
                                 : ERROR_NONE;
}

static enum error make_records(struct check *check, struct failure *failure) {
    struct console console = {0};
    struct check_target target;
    enum error error =
        check_target_read(&check->settings, check->positionals.items[0], &target, failure);

    if (error == ERROR_NONE)
        error = probe_setup_init(&check->setup, &check->settings.scan, &console, failure);
    if (error != ERROR_NONE)
        return error;
    if (target.path)
        return check_file(check, &target, failure);
    if (target.no_address)
        return check_unresolved(check, &target, failure);
    return single_probe(&check->setup, &target.server, &check->records, failure);
}

/* --- How it is told --- */

static bool wants_color(void) {
    const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(none && *none) && terminal && strcmp(terminal, "dumb") != 0;
}

static enum exit_code tell_failure(const struct check_form *form, const struct failure *failure) {
    struct buffer text;

    if (!form->write_failure && failure->code == ERROR_STOPPED)
        return EXIT_INTERRUPTED;
    if (!form->write_failure)
        return command_failed(failure);
    buffer_init(&text);
    form->write_failure(failure->text, &text);
    command_print(&text);
    return (enum exit_code)form->exit_failure;
}

static enum exit_code tell(const struct check *check, const struct check_form *form,
                           uint64_t ignored) {
    struct encoding encoding = {
        .encoder = &json_encoder, .fields = &check->fields, .color = wants_color()};
    struct check_answer answer = {
        .records = check->records.items,
        .count = check->records.count,
        .policy = &check->setup.probe.policy,
        .ignored = ignored,
        .validation = (enum name_validation)check->settings.validation,
        .encoding = &encoding,
    };
    enum status verdict;
    struct buffer text;

    check_worst(&answer, &verdict);
    buffer_init(&text);
    form->write(&answer, &text);
    if (text.failed) {
        struct failure failure;
        failure_set(&failure, ERROR_MEMORY, "no memory for the answer");
        buffer_deinit(&text);
        return tell_failure(form, &failure);
    }
    command_print(&text);
    return (enum exit_code)form->exit_codes[verdict];
}

static enum exit_code run_check(struct check *check, int argc, char *const argv[]) {
    struct failure failure = {0};
    uint64_t ignored = 0;
    int form = form_in(argc, argv);
    enum error error = read_arguments(check, argc, argv, &failure);

    if (error == ERROR_NONE)
        form = check->settings.form;
    if (error == ERROR_NONE)
        error = check_ignored(&check->settings, &ignored, &failure);
    if (error == ERROR_NONE)
        error = field_selection_init(&check->fields, &probe_record_kind,
                                     check->settings.scan.output.fields, &failure);
    if (error == ERROR_NONE)
        error = make_records(check, &failure);
    return error == ERROR_NONE ? tell(check, check_forms[form], ignored)
                               : tell_failure(check_forms[form], &failure);
}

static enum exit_code run(int argc, char *const argv[]) {
    struct check *check = calloc(1, sizeof *check);

    if (!check || !arena_init(&check->memory, INPUT_ARENA_BYTES))
        abort();
    check_settings_init(&check->settings);
    check_options(check->options);
    option_list_init(&check->positionals);
    buffer_init(&check->password);
    enum exit_code code = run_check(check, argc, argv);
    record_list_deinit(&check->records);
    field_selection_deinit(&check->fields);
    probe_setup_deinit(&check->setup);
    buffer_deinit(&check->password);
    option_list_deinit(&check->positionals);
    check_settings_deinit(&check->settings);
    arena_deinit(&check->memory);
    free(check);
    return code;
}

const struct command command_check = {
    .name = "check",
    .summary = "one server or file, one verdict: for you, Nagios, PRTG, Prometheus",
    .run = run,
    .help = help,
    .options = check_options,
};
