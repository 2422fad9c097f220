#include "sinks/store/database_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* --- Opening --- */

static bool begins_with(struct slice text, const char *start) {
    return slice_is(slice_first(text, strlen(start)), start);
}

bool database_takes(struct slice url) {
    return begins_with(url, "sqlite:") || begins_with(url, "postgresql://") ||
           begins_with(url, "postgres://");
}

enum error database_open(struct database **out, const struct database_config *config,
                         struct failure *failure) {
    struct slice url = slice_of(config->url);

    *out = NULL;
    if (begins_with(url, "sqlite:"))
        return database_open_sqlite(out, config, failure);
    if (database_takes(url))
        return database_open_postgresql(out, config, failure);
    return failure_set(failure, ERROR_USAGE,
                       "no database's URL; they are like sqlite:trawl.db and "
                       "postgresql://USER:PASSWORD@HOST:5432/DATABASE");
}

void database_close(struct database *database) {
    if (!database)
        return;
    database->backend->close(database);
    free(database->name);
    free(database);
}

void database_stop(struct database *database) {
    database->backend->stop(database);
}

enum database_kind database_kind(const struct database *database) {
    return database->kind;
}

const char *database_name(const struct database *database) {
    return database->name;
}

/* --- What is prepared --- */

/* Never full: half of the slots stay free. */
struct prepared *database_slot(struct database *database, const struct sql_call *call) {
    size_t at = ((uintptr_t)call->key >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    if (!call->key)
        return NULL;
    for (;; at++) {
        struct prepared *prepared = &database->prepared[at % PREPARED_SLOTS];
        if (prepared->key == call->key)
            return prepared;
        if (prepared->key)
            continue;
        if (database->prepared_count == SQL_STATEMENTS_MAX)
            return NULL;
        database->prepared_count++;
        prepared->key = call->key;
        return prepared;
    }
}

void database_forget_prepared(struct database *database) {
    memset(database->prepared, 0, sizeof database->prepared);
    database->prepared_count = 0;
}

/* --- Statements --- */

static struct sql_call call_of(const struct database *database,
                               const struct sql_statement *statement,
                               const struct sql_value *values) {
    const char *own = database->kind == DATABASE_SQLITE ? statement->sqlite : statement->postgresql;
    const char *types = statement->types ? statement->types : "";

    return (struct sql_call){
        .key = statement->once ? NULL : statement,
        .text = own ? own : statement->text,
        .types = types,
        .parameters = (uint32_t)strlen(types),
        .values = values,
        .rows = 1,
    };
}

enum error database_query(struct database *database, const struct sql_statement *statement,
                          const struct sql_value *values, sql_row *row, void *context,
                          struct failure *failure) {
    struct sql_call call = call_of(database, statement, values);
    return database->backend->run(database, &call, row, context, NULL, failure);
}

enum error database_run(struct database *database, const struct sql_statement *statement,
                        const struct sql_value *values, uint64_t *changed,
                        struct failure *failure) {
    struct sql_call call = call_of(database, statement, values);
    return database->backend->run(database, &call, NULL, NULL, changed, failure);
}

struct first_number {
    int64_t number;
    bool taken;
};

static enum error take_number(void *context, const struct sql_value *values, uint32_t count,
                              struct failure *failure) {
    struct first_number *first = context;

    (void)failure;
    if (!first->taken && count && values[0].type == SQL_INTEGER)
        first->number = values[0].integer;
    first->taken = true;
    return ERROR_NONE;
}

enum error database_number(struct database *database, const struct sql_statement *statement,
                           const struct sql_value *values, int64_t *out, struct failure *failure) {
    struct first_number first = {0};
    enum error error = database_query(database, statement, values, take_number, &first, failure);

    *out = first.number;
    return error;
}

void database_add_batch(struct buffer *out, const struct sql_bulk *bulk, const char *rows) {
    buffer_add_format(out, "WITH batch (%s) AS (%s) %s", bulk->columns, rows, bulk->text);
    buffer_add_byte(out, 0);
}

enum error database_run_rows(struct database *database, const struct sql_bulk *bulk,
                             const struct sql_value *values, size_t rows, struct failure *failure) {
    struct sql_call call = {
        .key = bulk,
        .types = bulk->types,
        .parameters = (uint32_t)strlen(bulk->types),
        .values = values,
        .rows = rows,
        .bulk = bulk,
    };
    return rows ? database->backend->run(database, &call, NULL, NULL, NULL, failure) : ERROR_NONE;
}

enum error database_script(struct database *database, const char *text, struct failure *failure) {
    return database->backend->script(database, text, failure);
}

/* --- Transactions --- */

enum error database_begin(struct database *database, struct failure *failure) {
    return database->backend->begin(database, failure);
}

enum error database_commit(struct database *database, struct failure *failure) {
    enum error error = database->backend->commit(database, failure);

    if (error)
        database->backend->rollback(database);
    return error;
}

void database_rollback(struct database *database) {
    database->backend->rollback(database);
}
