/* trawl query: what the store knows. */
#include "engine/base/clock.h"
#include "engine/base/option.h"
#include "engine/base/quote.h"
#include "sinks/store/record_view.h"
#include "sinks/store/schema.h"
#include "tools/trawl/command.h"
#include "tools/trawl/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DAY_MS      UINT64_C(86400000)
#define FIELD(name) offsetof(struct query_settings, name)
static const struct option_spec options[] = {
    {.name = "store",
     .kind = OPTION_TEXT,
     .argument = "URL",
     .summary = "the store: sqlite:PATH, a path, or postgresql://…; else $TRAWL_STORE, or trawl.db",
     .offset = FIELD(store),
     .unset = "trawl.db"},
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

enum { COLUMNS = 100, PATIENCE_MS = 120000 };

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

/* A time, a day, or how long ago. */
static enum error read_since(struct query_settings *settings, struct failure *failure) {
    static const struct option_spec ago = {.name = "since", .kind = OPTION_SECONDS};
    struct slice text = slice_of(settings->since ? settings->since : "");
    char day[32];
    uint64_t ms;

    if (text.len == 0)
        return ERROR_NONE;
    snprintf(day, sizeof day, "%.10sT00:00:00Z", settings->since);
    if (text_to_time_ms(text, &settings->since_ms) ||
        (text.len == strlen("2026-11-01") && text_to_time_ms(slice_of(day), &settings->since_ms)))
        return ERROR_NONE;
    if (option_set(&ago, "--since", settings->since, &ms, NULL) != ERROR_NONE ||
        ms > (uint64_t)settings->now_ms)
        return failure_set(failure, ERROR_USAGE,
                           "--since wants a day (2026-11-01), a time (2026-11-01T12:00:00Z) or how "
                           "long ago (7d), not %s",
                           quote_of(text).text);
    settings->since_ms = settings->now_ms - (int64_t)ms;
    return ERROR_NONE;
}

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

/* NULL when none was named. */
static const char *named_store(const struct query_settings *settings) {
    const char *store = settings->store ? settings->store : getenv("TRAWL_STORE");

    return store && store[0] ? store : NULL;
}

static char *store_url(const struct query_settings *settings) {
    const char *store = named_store(settings);
    char *url = NULL;

    if (!store)
        store = "trawl.db";
    if (asprintf(&url, "%s%s", database_takes(slice_of(store)) ? "" : "sqlite:", store) < 0)
        return NULL;
    return url;
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

static enum error open_database(struct database **out, const struct query_settings *settings,
                                struct failure *failure) {
    char *url = store_url(settings);
    struct database_config config = {
        .url = url, .application = "trawl query", .patience_ms = PATIENCE_MS, .existing = true};

    *out = NULL;
    if (!url)
        return failure_set(failure, ERROR_MEMORY, "no memory for a query");
    enum error error = database_open(out, &config, failure);
    free(url);
    if (error && !named_store(settings)) {
        struct failure why = *failure;
        return failure_set(failure, error,
                           "%.300s; --store names a store, and `trawl scan ... -o sqlite:trawl.db` "
                           "makes this one",
                           why.text);
    }
    return error ? error : migrations_check(*out, &store_schema, failure);
}

static enum exit_code answer(const struct query *query, const struct query_settings *settings,
                             const char *argument) {
    bool json = settings->json || (!settings->table && !isatty(STDOUT_FILENO));
    struct query_output *output = query_output_new(query, json);
    struct database *database = NULL;
    struct failure failure = {0};
    uint64_t rows = 0;
    enum error error = output ? open_database(&database, settings, &failure)
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
    if (!error)
        error = read_since(&settings, &failure);
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
