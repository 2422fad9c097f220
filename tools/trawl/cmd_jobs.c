/* `trawl jobs`: what a fleet is asked to do, and its end. */
#include "engine/base/clock.h"
#include "engine/base/option.h"
#include "engine/base/quote.h"
#include "engine/base/text.h"
#include "engine/record/json.h"
#include "tools/fleet/jobs.h"
#include "tools/trawl/command.h"
#include "tools/trawl/via.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct settings {
    bool json;
};

static const struct option_spec options[] = {
    {.name = "json",
     .kind = OPTION_FLAG,
     .summary = "a JSON object a line",
     .offset = offsetof(struct settings, json)},
    {.name = NULL},
};

static const char usage[] =
    "trawl jobs URL [--json] | URL cancel JOB ... | URL forget\n\n"
    "What the fleet of a cluster is asked to do: sweeps that `trawl scan --via URL` began, and "
    "that\n"
    "workers (`trawl worker URL`) do.\n\n"
    "  (nothing)  each job: its state, who asked, how many targets, how many shards (pieces of "
    "it)\n"
    "             wait for a worker or are under way, how many pages of records wait to be "
    "collected\n"
    "  cancel     ends jobs: no worker takes of them any more, and what is not collected is "
    "thrown\n"
    "             away\n"
    "  forget     removes those that have ended from the list\n\n"
    "URL is nats://HOST,HOST/FLEET#OPTION=VALUE; without FLEET it is \"trawl\". Options of a "
    "login\n"
    "and of TLS are those of `trawl list sinks` for nats.\n\n";

static const char more[] = "\nExamples:\n"
                           "  trawl jobs nats://a.example,b.example,c.example\n"
                           "  trawl jobs nats://a.example cancel 5f1e02c4a97d3b60\n";

static void help(struct buffer *out) {
    struct settings settings = {0};

    buffer_add_text(out, usage);
    option_help(options, &settings, 100, out);
    buffer_add_text(out, more);
}

/* --- The list --- */

struct listing {
    struct fleet *fleet;
    struct jobs *jobs;
    bool json;
    struct buffer text;
};

/* How much of its shards is done, in percent; nobody knows of a job that was cancelled. */
static double done_percent(const struct job *job, const struct job_progress *progress) {
    uint64_t left = progress->shards_waiting + progress->shards_under_way;

    if (job->state == JOB_DONE)
        return 100;
    if (job->state == JOB_CANCELLED || !job->shards || left > job->shards)
        return 0;
    return 100.0 * (double)(job->shards - left) / (double)job->shards;
}

static void add_age(int64_t created_ms, struct buffer *out) {
    int64_t seconds = (clock_unix_ms() - created_ms) / 1000;
    char text[32];

    if (seconds < 120)
        snprintf(text, sizeof text, "%lld s", (long long)(seconds > 0 ? seconds : 0));
    else if (seconds < 2 * 3600)
        snprintf(text, sizeof text, "%lld min", (long long)seconds / 60);
    else if (seconds < 2 * 86400)
        snprintf(text, sizeof text, "%lld h", (long long)seconds / 3600);
    else
        snprintf(text, sizeof text, "%lld d", (long long)seconds / 86400);
    buffer_add_format(out, "%-8s ", text);
}

static void list_row(const struct job *job, const struct job_progress *progress,
                     struct buffer *out) {
    char shards[48], done[16];

    snprintf(shards, sizeof shards, "%llu+%llu", (unsigned long long)progress->shards_waiting,
             (unsigned long long)progress->shards_under_way);
    snprintf(done, sizeof done, job->state == JOB_CANCELLED ? "-" : "%.0f%%",
             done_percent(job, progress));
    buffer_add_format(out, "%s %-9s ", job->id, job_state_name(job->state));
    add_age(job->created_ms, out);
    buffer_add_format(out, "%12llu %5s %11s %7llu  %-12s %-20s %s\n",
                      (unsigned long long)job->targets, done, shards,
                      (unsigned long long)progress->pages_waiting, job->label[0] ? job->label : "-",
                      job->by, job->title);
}

static void add_text_member(const char *name, const char *value, struct buffer *out) {
    buffer_add_format(out, ", \"%s\": ", name);
    json_add_text(slice_of(value), out);
}

static void list_json(const struct job *job, const struct job_progress *progress,
                      struct buffer *out) {
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"targets", job->targets},
        {"left_out", job->left_out},
        {"shards", job->shards},
        {"shards_waiting", progress->shards_waiting},
        {"shards_under_way", progress->shards_under_way},
        {"pages", job->pages},
        {"pages_waiting", progress->pages_waiting},
        {"pages_under_way", progress->pages_under_way},
        {"result_bytes", progress->result_bytes},
    };

    buffer_add_format(out, "{\"id\": \"%s\", \"state\": \"%s\", \"created\": \"", job->id,
                      job_state_name(job->state));
    text_add_time_ms(out, job->created_ms);
    buffer_add_byte(out, '"');
    add_text_member("by", job->by, out);
    add_text_member("label", job->label, out);
    add_text_member("title", job->title, out);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        buffer_add_format(out, ", \"%s\": %llu", numbers[i].name,
                          (unsigned long long)numbers[i].value);
    buffer_add_format(out, ", \"done_percent\": %.1f}\n", done_percent(job, progress));
}

static void tell_odd(void *owner, const char *id, const struct failure *failure) {
    (void)owner;
    fprintf(stderr, "trawl: job %s: %s\n", id, failure->text);
}

static enum error list(struct listing *listing, struct failure *failure) {
    struct job *jobs;
    uint32_t count;
    enum error error = jobs_list(listing->jobs, &jobs, &count, tell_odd, NULL, failure);

    if (error)
        return error;
    if (!listing->json && count)
        buffer_add_format(&listing->text, "%-16s %-9s %-8s %12s %5s %11s %7s  %-12s %-20s %s\n",
                          "JOB", "STATE", "AGE", "TARGETS", "DONE", "SHARDS", "PAGES", "LABEL",
                          "BY", "WHAT");
    for (uint32_t i = 0; !error && i < count; i++) {
        struct job_progress progress = {0};
        if (jobs[i].state <= JOB_RUNNING)
            error = jobs_progress(listing->jobs, jobs[i].id, &progress, failure);
        if (!error)
            (listing->json ? list_json : list_row)(&jobs[i], &progress, &listing->text);
    }
    free(jobs);
    if (!error && !listing->json && !count)
        fprintf(stderr, "there are no jobs at %s\n", fleet_shown(listing->fleet));
    return error;
}

/* --- The end of some --- */

/* What this machine remembers of it is of no use any more. */
static void forget_checkpoint(const char *id) {
    char *path = via_checkpoint_path(id);

    if (path)
        unlink(path);
    free(path);
}

static enum error cancel(struct jobs *jobs, const struct option_list *words,
                         struct failure *failure) {
    enum error error = ERROR_NONE;

    if (words->count < 3)
        return failure_set(failure, ERROR_USAGE, "cancel what? `trawl jobs %s` lists the jobs",
                           words->items[0]);
    for (uint32_t i = 2; !error && i < words->count; i++)
        if (!job_id_read(slice_of(words->items[i]), NULL))
            error = failure_set(failure, ERROR_USAGE, "%s is not the ID of a job, 16 digits",
                                quote_of(slice_of(words->items[i])).text);
    for (uint32_t i = 2; !error && i < words->count; i++)
        if (!(error = jobs_end(jobs, words->items[i], JOB_CANCELLED, failure)))
            forget_checkpoint(words->items[i]);
    return error;
}

static enum error act(struct listing *listing, const struct option_list *words,
                      struct failure *failure) {
    const char *what = words->count > 1 ? words->items[1] : "list";

    if (strcmp(what, "cancel") == 0)
        return cancel(listing->jobs, words, failure);
    if (words->count > 2)
        return failure_set(failure, ERROR_USAGE, "%s takes no job", what);
    return strcmp(what, "forget") == 0 ? jobs_forget(listing->jobs, clock_unix_ms(), failure)
                                       : list(listing, failure);
}

static enum error check(const struct option_list *words, struct failure *failure) {
    static const char *const known[] = {"list", "cancel", "forget", NULL};

    if (!words->count)
        return failure_set(failure, ERROR_USAGE,
                           "of which cluster? `trawl jobs nats://HOST`; `trawl help jobs` tells "
                           "more");
    for (uint32_t i = 0; words->count > 1 && known[i]; i++)
        if (strcmp(words->items[1], known[i]) == 0)
            return ERROR_NONE;
    return words->count > 1
               ? failure_set(failure, ERROR_USAGE, "%s is none of list, cancel, forget",
                             quote_of(slice_of(words->items[1])).text)
               : ERROR_NONE;
}

static enum exit_code run(int argc, char *const argv[]) {
    struct settings settings = {0};
    struct option_list words;
    struct failure failure = {0};
    struct listing listing = {0};

    option_list_init(&words);
    buffer_init(&listing.text);
    enum error error = option_parse(options, argc, argv, &settings, &words, &failure);
    listing.json = settings.json;
    if (!error && !(error = check(&words, &failure)) &&
        !(error = fleet_open(&listing.fleet, words.items[0], "trawl jobs", &failure)) &&
        !(error = jobs_open(&listing.jobs, listing.fleet, &failure)))
        error = act(&listing, &words, &failure);
    jobs_close(listing.jobs);
    fleet_close(listing.fleet);
    option_list_deinit(&words);
    command_print(&listing.text);
    return error ? command_failed(&failure) : EXIT_DONE;
}

static void copy_options(struct option_spec out[COMMAND_OPTIONS_MAX]) {
    command_copy_options(options, out);
}

const struct command command_jobs = {
    .name = "jobs",
    .summary = "sweeps that a fleet of workers does: list, cancel",
    .run = run,
    .help = help,
    .options = copy_options,
};
