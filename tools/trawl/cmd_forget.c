/* trawl forget: what is old in a store goes. */
#include "engine/base/clock.h"
#include "engine/base/option.h"
#include "sinks/store/store_forget.h"
#include "tools/trawl/command.h"
#include "tools/trawl/stored.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct settings {
    const char *store, *before;
    bool dry_run, compact;
};

static const char group[] = "Options";

#define FIELD(name) offsetof(struct settings, name)
static const struct option_spec options[] = {
    {"store", 0, OPTION_TEXT, "URL", STORED_SUMMARY, group, FIELD(store), 0, 0, NULL, STORED_USUAL},
    {"before", 0, OPTION_TEXT, "WHEN",
     "what is older: 2026-11-01, 2026-11-01T12:00:00Z, or 90d for that long ago", group,
     FIELD(before), 0, 0, NULL, "must be given"},
    {"dry-run", 0, OPTION_FLAG, NULL, "only say how much that is", group, FIELD(dry_run), 0, 0,
     NULL, NULL},
    {"compact", 0, OPTION_FLAG, NULL,
     "make an SQLite file smaller, too: takes as much space again, and writers wait", group,
     FIELD(compact), 0, 0, NULL, NULL},
    {.name = NULL},
};
#undef FIELD

static void help(struct buffer *out) {
    struct settings settings = {0};

    buffer_add_text(out, "trawl forget --before WHEN [options]\n\n"
                         "Deletes old observations and old entries of logs from a store, in small "
                         "steps: others may write\nto it meanwhile, and Ctrl-C leaves it sound. "
                         "Certificates, chains and endpoints with what they\nshowed last stay. The "
                         "space is used again for what comes. A monitor's own history has its\n"
                         "--retention.\n\n");
    option_help(options, &settings, 100, out);
    buffer_add_text(out,
                    "\nExit status: 0 done, 1 the store cannot be read or written, 2 wrong "
                    "usage.\n\nExamples:\n"
                    "  trawl forget --before 365d --dry-run\n"
                    "  trawl forget --before 2026-01-01 --store postgresql://me@db/inventory\n");
}

/* --- Doing it --- */

static void show(const struct store_forgotten *sum) {
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%" PRIu64 " observations, %" PRIu64 " entries of logs gone\033[K",
                sum->observations, sum->ct_hits);
}

static enum error forget(struct database *database, int64_t before_ms, struct store_forgotten *sum,
                         struct failure *failure) {
    enum error error = ERROR_NONE;

    for (bool more = true; more && !error; show(sum))
        error = store_forget_some(database, before_ms, sum, &more, failure);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    return error ? error : store_forget_details(database, sum, failure);
}

static enum error compact(struct database *database, struct failure *failure) {
    static const struct sql_statement vacuum = {.text = "VACUUM"};

    return database_run(database, &vacuum, NULL, NULL, failure);
}

static enum error work(struct database *database, const struct settings *settings,
                       int64_t before_ms, struct failure *failure) {
    struct store_forgotten sum = {0};
    enum error error;

    if (settings->compact && database_kind(database) != DATABASE_SQLITE)
        return failure_set(failure, ERROR_USAGE,
                           "--compact is for SQLite; PostgreSQL has VACUUM FULL for that");
    if (settings->dry_run) {
        error = store_forget_count(database, before_ms, &sum, failure);
        if (!error)
            printf("%" PRIu64 " observations and %" PRIu64 " entries of logs would go\n",
                   sum.observations, sum.ct_hits);
        return error;
    }
    error = forget(database, before_ms, &sum, failure);
    if (!error && settings->compact)
        error = compact(database, failure);
    if (!error || sum.observations || sum.ct_hits)
        printf("%" PRIu64 " observations, %" PRIu64 " entries of logs and %" PRIu64
               " details forgotten\n",
               sum.observations, sum.ct_hits, sum.details);
    return error;
}

static enum exit_code run(int argc, char *const argv[]) {
    struct settings settings = {0};
    struct option_list given;
    struct database *database = NULL;
    struct failure failure = {0};
    int64_t before_ms = 0;

    option_list_init(&given);
    enum error error = option_parse(options, argc, argv, &settings, &given, &failure);
    if (!error && given.count)
        error = failure_set(&failure, ERROR_USAGE,
                            "forget takes no arguments; --store names the "
                            "store, --before what is too old");
    if (!error && !settings.before)
        error = failure_set(&failure, ERROR_USAGE,
                            "forget what? --before 365d is all that is older than a year");
    if (!error)
        error = when_read("--before", settings.before, clock_unix_ms(), &before_ms, &failure);
    if (!error)
        error = stored_open(&database, settings.store, "trawl forget", &failure);
    if (!error)
        error = work(database, &settings, before_ms, &failure);
    database_close(database);
    option_list_deinit(&given);
    return error ? command_failed(&failure) : EXIT_DONE;
}

static void copy_options(struct option_spec out[COMMAND_OPTIONS_MAX]) {
    command_copy_options(options, out);
}

const struct command command_forget = {
    .name = "forget",
    .summary = "delete what is old from a store",
    .run = run,
    .help = help,
    .options = copy_options,
};
