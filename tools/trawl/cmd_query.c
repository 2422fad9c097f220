/* trawl query: what the store knows. */
#include "engine/base/clock.h"
#include "engine/base/option.h"
#include "engine/base/quote.h"
#include "tools/trawl/command.h"
#include "tools/trawl/query.h"
#include "tools/trawl/stored.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DAY_MS      UINT64_C(86400000)
#define FIELD(name) offsetof(struct query_settings, name)
static const struct option_spec options[] = {
    {.name = "store",
     .kind = OPTION_TEXT,
     .argument = "URL",
     .summary = STORED_SUMMARY,
     .offset = FIELD(store),
     .unset = STORED_USUAL},
    {.name = "within",
     .kind = OPTION_SECONDS,
     .argument = "TIME",
     .summary = "expiring: so soon",
     .offset = FIELD(within_ms)},
    {.name = "since",
     .kind = OPTION_TEXT,
     .argument = "WHEN",
     .summary = "changed, hosts, history, ct: not before; 2026-11-01, 2026-11-01T12:00:00Z, or 7d "
                "for that long ago",
     .offset = FIELD(since),
     .unset = "ever"},
    {.name = "limit",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .summary = "at most so many lines; 0 for all",
     .offset = FIELD(limit)},
    {.name = "json",
     .kind = OPTION_FLAG,
     .summary = "lines of JSON; usual where standard output is no terminal",
     .offset = FIELD(json)},
    {.name = "table",
     .kind = OPTION_FLAG,
     .summary = "a table; usual on a terminal",
     .offset = FIELD(table)},
    {.name = NULL},
};
#undef FIELD

enum { COLUMNS = 100 };

static struct query_settings defaults(void) {
    return (struct query_settings){
        .within_ms = 30 * DAY_MS, .limit = 1000, .now_ms = clock_unix_ms()};
}

static void help(struct buffer *out) {
    struct query_settings settings = defaults();

    buffer_add_text(out, "trawl query WHAT [ARGUMENT] [options]\n\n"
                         "Asks the store that `-o sqlite:…` and `-o postgresql://…` fill. WHAT:\n");
    for (const struct query *query = queries; query->name; query++) {
        const char *argument = query->argument ? query->argument : "";
        buffer_add_format(out, "  %s %-*s %s\n", query->name, (int)(27 - strlen(query->name)),
                          argument, query->summary);
    }
    option_help(options, &settings, COLUMNS, out);
    buffer_add_text(out, "\nExit status: 0 done, also when there is nothing to show; 1 no such "
                         "certificate, or the\nstore cannot be read; 2 wrong usage.\n\nExamples:\n"
                         "  trawl scan @hosts.txt -o sqlite:trawl.db\n"
                         "  trawl query expiring --within 30d\n"
                         "  trawl query cert 3a7bd3e2\n"
                         "  trawl query changed --since 7d --json | jq .host\n"
                         "  trawl query names example.org --store postgresql://me@db/inventory\n");
}

/* --- Arguments --- */

static const struct query *find_query(const struct option_list *given, struct failure *failure) {
    const struct query *query = queries;

    if (given->count == 0) {
        failure_set(failure, ERROR_USAGE, "query what? `trawl help query` lists what there is");
        return NULL;
    }
    while (query->name && strcmp(query->name, given->items[0]) != 0)
        query++;
    bool optional = query->argument && query->argument[0] == '[';
    if (!query->name)
        failure_set(failure, ERROR_USAGE,
                    "query knows no %s; `trawl help query` lists what it does",
                    quote_of(slice_of(given->items[0])).text);
    else if (given->count > (query->argument ? 2u : 1u))
        failure_set(failure, ERROR_USAGE, "query %s takes %s", query->name,
                    query->argument ? "one argument" : "no argument");
    else if (query->argument && !optional && given->count < 2)
        failure_set(failure, ERROR_USAGE, "query %s wants an argument: %s", query->name,
                    query->argument);
    else
        return query;
    return NULL;
}

/* --- Asking --- */

static enum error ask(struct database *database, const struct query *query,
                      const struct query_settings *settings, const char *argument,
                      struct query_output *output, struct failure *failure) {
    struct sql_value values[QUERY_PARAMETERS_MAX] = {0};
    struct arena memory;

    if (!arena_init(&memory, 4096))
        return failure_set(failure, ERROR_MEMORY, "no memory for a query");
    enum error error = query->bind(settings, argument, &memory, values, failure);
    if (!error && memory.failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory for a query");
    if (!error)
        error =
            database_query(database, &query->statement, values, query_output_row, output, failure);
    arena_deinit(&memory);
    return error;
}

static enum exit_code answer(const struct query *query, const struct query_settings *settings,
                             const char *argument) {
    bool json = settings->json || (!settings->table && !isatty(STDOUT_FILENO));
    struct query_output *output = query_output_new(query, json);
    struct database *database = NULL;
    struct failure failure = {0};
    uint64_t rows = 0;
    enum error error = output ? stored_open(&database, settings->store, "trawl query", &failure)
                              : failure_set(&failure, ERROR_MEMORY, "no memory for a query");

    if (!error)
        error = ask(database, query, settings, argument, output, &failure);
    if (!error)
        error = query_output_end(output, &rows, &failure);
    if (!error && rows == 0 && query->empty)
        error = failure_set(&failure, ERROR_INPUT, "%s", query->empty);
    database_close(database);
    query_output_free(output);
    return error && error != ERROR_GONE ? command_failed(&failure) : EXIT_DONE;
}

static enum exit_code run(int argc, char *const argv[]) {
    struct query_settings settings = defaults();
    const struct query *query = NULL;
    struct option_list given;
    struct failure failure = {0};
    enum exit_code code;

    option_list_init(&given);
    enum error error = option_parse(options, argc, argv, &settings, &given, &failure);
    if (!error && settings.since && *settings.since)
        error = when_read("--since", settings.since, settings.now_ms, &settings.since_ms, &failure);
    if (!error && settings.json && settings.table)
        error = failure_set(&failure, ERROR_USAGE, "--json or --table, not both");
    if (!error && !(query = find_query(&given, &failure)))
        error = failure.code;
    if (error)
        code = command_failed(&failure);
    else
        code = answer(query, &settings, given.count > 1 ? given.items[1] : NULL);
    option_list_deinit(&given);
    return code;
}

static void copy_options(struct option_spec out[COMMAND_OPTIONS_MAX]) {
    command_copy_options(options, out);
}

static const char *const words[] = {"expiring", "cert",    "changed", "hosts", "history",
                                    "names",    "issuers", "ct",      NULL};

const struct command command_query = {
    .name = "query",
    .summary = "ask a store what it knows: expiring, changed, names ...",
    .run = run,
    .help = help,
    .options = copy_options,
    .words = words,
};
