#include "sinks/store/store_forget.h"

enum { ROWS = 5000 /* of a transaction: some ten milliseconds */ };

/* Rows come in the order of time, more or less, and are read in the order in which they came: the
 * old ones are found at the beginning. */
#define FORGET(table)                                                                              \
    {.types = "ii",                                                                                \
     .sqlite = "DELETE FROM " table " WHERE rowid IN (SELECT rowid FROM " table                    \
               " WHERE time < $1 LIMIT $2)",                                                       \
     .postgresql = "DELETE FROM " table " WHERE ctid = ANY (ARRAY(SELECT ctid FROM " table         \
                   " WHERE time < $1 LIMIT $2))"}

static const struct sql_statement FORGET_OBSERVATIONS = FORGET("observations");
static const struct sql_statement FORGET_HITS = FORGET("ct_hits");

enum error store_forget_count(struct database *database, int64_t before_ms,
                              struct store_forgotten *out, struct failure *failure) {
    static const struct sql_statement observations = {
        .types = "i", .text = "SELECT count(*) FROM observations WHERE time < $1"};
    static const struct sql_statement hits = {
        .types = "i", .text = "SELECT count(*) FROM ct_hits WHERE time < $1"};
    const struct sql_value before = sql_integer(before_ms);
    int64_t counts[2] = {0, 0};
    enum error error = database_number(database, &observations, &before, &counts[0], failure);

    if (!error)
        error = database_number(database, &hits, &before, &counts[1], failure);
    *out = (struct store_forgotten){.observations = (uint64_t)counts[0],
                                    .ct_hits = (uint64_t)counts[1]};
    return error;
}

enum error store_forget_some(struct database *database, int64_t before_ms,
                             struct store_forgotten *sum, bool *more, struct failure *failure) {
    const struct sql_value values[] = {sql_integer(before_ms), sql_integer(ROWS)};
    uint64_t observations = 0, hits = 0;
    enum error error = database_run(database, &FORGET_OBSERVATIONS, values, &observations, failure);

    if (!error)
        error = database_run(database, &FORGET_HITS, values, &hits, failure);
    sum->observations += observations;
    sum->ct_hits += hits;
    *more = !error && (observations == ROWS || hits == ROWS);
    return error;
}

enum error store_forget_details(struct database *database, struct store_forgotten *sum,
                                struct failure *failure) {
    /* Who has just found a detail, and will refer to it when it commits, is waited for. SQLite has
     * one writer at a time. */
    static const struct sql_statement lock = {.text =
                                                  "LOCK TABLE details IN SHARE ROW EXCLUSIVE MODE"};
    static const struct sql_statement forget = {
        .text = "DELETE FROM details WHERE id NOT IN ("
                "SELECT detail FROM observations WHERE detail IS NOT NULL"
                " UNION SELECT detail FROM endpoints WHERE detail IS NOT NULL)"};
    uint64_t gone = 0;
    enum error error = database_begin(database, failure);

    if (!error && database_kind(database) == DATABASE_POSTGRESQL)
        error = database_run(database, &lock, NULL, NULL, failure);
    if (!error)
        error = database_run(database, &forget, NULL, &gone, failure);
    if (!error)
        error = database_commit(database, failure);
    if (error)
        database_rollback(database);
    else
        sum->details += gone;
    return error;
}
