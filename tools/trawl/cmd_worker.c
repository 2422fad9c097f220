#include "engine/base/clock.h"
#include "tools/trawl/command.h"
#include "tools/trawl/console.h"
#include "tools/trawl/machine.h"
#include "tools/trawl/progress.h"
#include "tools/trawl/stats_file.h"
#include "tools/trawl/worker_job.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STEP_MS = 100, PROGRESS_MS = 250 };

static const char usage[] =
    "trawl worker nats://HOST,HOST/FLEET [OPTION ...]\n\n"
    "Does the work of a fleet: takes parts of the sweeps that were asked for with --via, probes, "
    "and\n"
    "gives the records to the cluster. Any number of workers, on any machines; one that is killed "
    "is\n"
    "replaced by the others.\n\n"
    "It connects to public addresses alone, unless --allow says where; whatever a job asks for. "
    "Targets\n"
    "elsewhere get a record with the outcome blocked.\n\n";

static const char more[] =
    "\nLogins stand behind the URL (#creds-file=PATH, and what list sinks shows for nats) or in\n"
    "TRAWL_NATS_USER, TRAWL_NATS_PASSWORD, TRAWL_NATS_TOKEN, TRAWL_NATS_CREDS_FILE.\n\n"
    "The first interruption (SIGTERM, SIGINT) lets it end what it has begun, the second gives that "
    "back.\n\n"
    "Exit status: 0 done, 1 failure, 2 wrong usage, 130 interrupted twice.\n\nExamples:\n"
    "  trawl worker nats://nats.example.org\n"
    "  trawl worker nats://a.example.org,b.example.org/office --label office --only-labels \\\n"
    "    --allow 10.0.0.0/8 --rate 500\n";

struct work {
    const struct worker_settings *settings;
    struct worker_policy policy;
    struct worker_means means;
    struct console console;
    struct fleet *fleet;
    struct worker *worker;
    struct worker_statistics statistics; /* at the end */
    uint64_t started_ns;
    uint32_t interrupts;
};

static void help(struct buffer *out) {
    struct worker_settings settings;

    worker_settings_init(&settings);
    buffer_add_text(out, usage);
    option_help(worker_options, &settings, 100, out);
    buffer_add_text(out, more);
    worker_settings_deinit(&settings);
}

/* --- What is said --- */

static void say(void *owner, const char *text) {
    console_say(&((const struct work *)owner)->console, text);
}

static double seconds_of(const struct work *work) {
    return (double)(clock_monotonic_ns() - work->started_ns) / 1e9;
}

static void say_hello(const struct work *work) {
    char text[512];

    if (work->settings->quiet)
        return;
    snprintf(text, sizeof text, "worker %s serves %.200s: %u threads, %u connections at once",
             work->policy.name, fleet_shown(work->fleet), work->means.workers,
             work->means.concurrency);
    console_say(&work->console, text);
}

static void show_progress(const struct work *work) {
    struct worker_statistics now;
    double seconds = seconds_of(work);

    if (!work->console.line)
        return;
    worker_statistics(work->worker, &now);
    fprintf(stderr, "\r\033[K%llu done · %.0f/s · %u jobs · %u shards in hand · %llu busy",
            (unsigned long long)now.targets_done,
            seconds > 0 ? (double)now.targets_done / seconds : 0, now.runs, now.shards_in_hand,
            (unsigned long long)now.probe.busy);
}

static void summary(const struct work *work) {
    const struct worker_statistics *statistics = &work->statistics;
    double seconds = seconds_of(work);

    fprintf(stderr, "%llu targets in %.1f s (%.0f/s), %llu pages stored, %llu shards done\n",
            (unsigned long long)statistics->targets_done, seconds,
            seconds > 0 ? (double)statistics->targets_done / seconds : 0,
            (unsigned long long)statistics->pages_stored,
            (unsigned long long)statistics->shards_done);
    progress_outcomes(&statistics->probe);
    if (statistics->shards_given_back)
        fprintf(stderr, "%llu shards were given back\n",
                (unsigned long long)statistics->shards_given_back);
}

static enum error write_stats(const struct work *work, struct failure *failure) {
    const struct worker_statistics *statistics = &work->statistics;
    const struct stats_number numbers[] = {
        {"targets", statistics->targets_done},
        {"records", statistics->probe.finished},
        {"jobs", statistics->jobs},
        {"shards", statistics->shards_done},
        {"shards_given_back", statistics->shards_given_back},
        {"pages", statistics->pages_stored},
        {"page_bytes", statistics->bytes_stored},
        {"connections", statistics->probe.connections},
        {"bytes_received", statistics->probe.bytes_received},
        {"back_pressure", statistics->probe.back_pressure},
        {"held", statistics->probe.held},
    };
    struct buffer text;

    buffer_init(&text);
    stats_file_begin(&text, seconds_of(work), numbers, sizeof numbers / sizeof numbers[0]);
    progress_add_probes(&text, &statistics->probe);
    stats_file_end(&text, slice_of("[]"));
    enum error error = stats_file_write(work->settings->stats, buffer_slice(&text), failure);
    buffer_deinit(&text);
    return error;
}

/* --- From beginning to end --- */

static void hear_signals(struct work *work, const sigset_t *signals) {
    const struct timespec at_once = {0};

    while (sigtimedwait(signals, NULL, &at_once) > 0) {
        if (++work->interrupts == 1 && !work->settings->quiet)
            console_say(&work->console, "ending what is begun; interrupt again to give it back");
        worker_finish(work->worker, work->interrupts > 1);
    }
}

static void serve(struct work *work, const sigset_t *signals) {
    uint64_t shown_ns = 0;

    while (worker_step(work->worker, STEP_MS)) {
        hear_signals(work, signals);
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns - shown_ns > PROGRESS_MS * UINT64_C(1000000)) {
            shown_ns = now_ns;
            show_progress(work);
        }
    }
    console_clear(&work->console);
}

static enum error open_all(struct work *work, struct failure *failure) {
    const struct worker_settings *settings = work->settings;
    char client[WORKER_NAME_BYTES + 16];
    enum error error;

    if ((error = worker_policy_init(&work->policy, settings, failure)) ||
        (error = worker_means_init(&work->means, settings, &work->policy, failure)))
        return error;
    snprintf(client, sizeof client, "trawl worker %s", work->policy.name);
    error = fleet_open(&work->fleet, settings->via, client, failure);
    if (error)
        return error;
    struct worker_config config = {
        .fleet = work->fleet,
        .name = work->policy.name,
        .labels = &settings->labels,
        .only_labels = settings->only_labels,
        .maker = {worker_job_make, worker_job_unmake, &work->means},
        .concurrency = work->means.concurrency,
        .rate = settings->rate,
        .idle_exit_ms = settings->idle_exit_ms,
        .say = say,
        .owner = work,
    };
    return worker_open(&work->worker, &config, failure);
}

static enum error work_run(struct work *work, struct failure *failure) {
    sigset_t signals, before;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    work->started_ns = clock_monotonic_ns();
    work->console.line = !work->settings->quiet && isatty(STDERR_FILENO);
    enum error error = open_all(work, failure);
    if (!error) {
        say_hello(work);
        serve(work, &signals);
        worker_finish(work->worker, true);
        worker_statistics(work->worker, &work->statistics);
    }
    worker_close(work->worker);
    fleet_close(work->fleet);
    worker_policy_deinit(&work->policy);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static enum exit_code work_for(const struct worker_settings *settings) {
    struct work work = {.settings = settings};
    struct failure failure = {0};
    enum error error = work_run(&work, &failure);

    if (!error && !settings->quiet)
        summary(&work);
    if (!error && settings->stats)
        error = write_stats(&work, &failure);
    if (error)
        return command_failed(&failure);
    return work.interrupts > 1 ? EXIT_INTERRUPTED : EXIT_DONE;
}

static enum error check(struct worker_settings *settings, const struct option_list *arguments,
                        struct failure *failure) {
    if (arguments->count + (settings->via != NULL) != 1)
        return failure_set(failure, ERROR_USAGE,
                           "one cluster is to be named: trawl worker nats://HOST,HOST/FLEET");
    if (arguments->count)
        settings->via = arguments->items[0];
    if (settings->only_labels && !settings->labels.count)
        return failure_set(failure, ERROR_USAGE,
                           "--only-labels is about --label, which is missing");
    return ERROR_NONE;
}

static enum exit_code run(int argc, char *const argv[]) {
    struct worker_settings settings;
    struct option_list arguments;
    struct failure failure = {0};
    enum exit_code code;

    machine_keep_memory();
    worker_settings_init(&settings);
    option_list_init(&arguments);
    if (option_parse(worker_options, argc, argv, &settings, &arguments, &failure) == ERROR_NONE &&
        check(&settings, &arguments, &failure) == ERROR_NONE)
        code = work_for(&settings);
    else
        code = command_failed(&failure);
    option_list_deinit(&arguments);
    worker_settings_deinit(&settings);
    return code;
}

static void copy_options(struct option_spec out[COMMAND_OPTIONS_MAX]) {
    command_copy_options(worker_options, out);
}

const struct command command_worker = {
    .name = "worker",
    .summary = "do the work of a fleet: parts of sweeps that others ask for (scan --via)",
    .run = run,
    .help = help,
    .options = copy_options,
};
