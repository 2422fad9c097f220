#include "engine/base/clock.h"
#include "sinks/store/database_internal.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOK_AGAIN_MS = 5 };

struct sqlite {
    struct database head;
    sqlite3 *connection;
    atomic_bool is_stopping;
    const atomic_bool *abandoned; /* or NULL */
};

static struct sqlite *sqlite_of(struct database *database) {
    return (struct sqlite *)database;
}

/* --- Errors --- */

static enum error code_of(const struct sqlite *sqlite) {
    int system = sqlite3_system_errno(sqlite->connection);

    switch (sqlite3_errcode(sqlite->connection) & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return (enum error)EBUSY;
    case SQLITE_FULL:
        return (enum error)ENOSPC;
    case SQLITE_NOMEM:
        return ERROR_MEMORY;
    case SQLITE_IOERR:
        return system == ENOSPC || system == EDQUOT ? (enum error)system : (enum error)EIO;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return ERROR_USAGE;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return ERROR_INPUT;
    case SQLITE_INTERRUPT:
        return (enum error)ECANCELED;
    default:
        return ERROR_INTERNAL;
    }
}

static enum error explain(const struct sqlite *sqlite, struct failure *failure) {
    enum error error = code_of(sqlite);
    const char *name = sqlite->head.name;

    if (error == (enum error)EBUSY)
        return failure_set(failure, error, "%.300s: another process holds its lock", name);
    if (error == (enum error)ENOSPC)
        return failure_set(failure, error,
                           "%.300s cannot be written: the disk is full; make room and it goes on",
                           name);
    return failure_set(failure, error, "%.300s: %s", name, sqlite3_errmsg(sqlite->connection));
}

/* --- Opening --- */

/* SQLite asks whether to wait on for somebody's lock. */
static int wait_for_lock(void *context, int asked) {
    const struct sqlite *sqlite = context;

    if (atomic_load(&sqlite->is_stopping) ||
        (sqlite->abandoned && atomic_load(sqlite->abandoned)) ||
        (uint64_t)asked * LOOK_AGAIN_MS >= sqlite->head.patience_ms)
        return 0;
    sqlite3_sleep(LOOK_AGAIN_MS);
    return 1;
}

static enum error execute(struct sqlite *sqlite, const char *text, struct failure *failure) {
    if (sqlite3_exec(sqlite->connection, text, NULL, NULL, NULL) != SQLITE_OK)
        return explain(sqlite, failure);
    return ERROR_NONE;
}

/* What is a database of something else stays as it is. */
static enum error look(struct sqlite *sqlite, struct failure *failure) {
    static const char text[] = "SELECT count(*), count(*) FILTER (WHERE name = 'trawl_schema')"
                               " FROM sqlite_schema";
    sqlite3_stmt *statement = NULL;
    enum error error = ERROR_NONE;

    if (sqlite3_prepare_v2(sqlite->connection, text, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        error = explain(sqlite, failure);
    else if (sqlite3_column_int(statement, 0) > 0 && sqlite3_column_int(statement, 1) == 0)
        error =
            failure_set(failure, ERROR_USAGE,
                        "%.300s is a database, but not one of trawl's stores; give another file",
                        sqlite->head.name);
    sqlite3_finalize(statement);
    return error;
}

static enum error set_up(struct sqlite *sqlite, const char *path, bool existing,
                         struct failure *failure) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (existing ? 0 : SQLITE_OPEN_CREATE);

    if (!path[0])
        return failure_set(failure, ERROR_USAGE,
                           "sqlite: wants the path of a file: sqlite:trawl.db");
    if (sqlite3_open_v2(path, &sqlite->connection, flags, NULL) != SQLITE_OK)
        return sqlite->connection ? explain(sqlite, failure)
                                  : failure_set(failure, ERROR_MEMORY, "no memory for a database");
    sqlite3_extended_result_codes(sqlite->connection, 1);
    sqlite3_busy_handler(sqlite->connection, wait_for_lock, sqlite);
    enum error error = look(sqlite, failure);
    if (!error && !existing)
        error = execute(sqlite, "PRAGMA journal_mode = WAL", failure);
    return error ? error
                 : execute(sqlite, "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536",
                           failure);
}

/* --- Statements --- */

static enum error prepare(struct sqlite *sqlite, const struct sql_call *call, const char *text,
                          struct prepared *prepared, struct failure *failure) {
    sqlite3_stmt *statement = NULL;
    char name[16];

    if (sqlite3_prepare_v3(sqlite->connection, text, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                           NULL) != SQLITE_OK)
        return explain(sqlite, failure);
    for (uint32_t i = 0; i < call->parameters; i++) {
        snprintf(name, sizeof name, "$%u", i + 1);
        prepared->places[i] = (uint8_t)sqlite3_bind_parameter_index(statement, name);
    }
    prepared->handle = statement;
    return ERROR_NONE;
}

static enum error prepare_bulk(struct sqlite *sqlite, const struct sql_call *call,
                               struct prepared *prepared, struct failure *failure) {
    struct buffer rows, text;

    buffer_init(&rows);
    buffer_init(&text);
    for (uint32_t i = 0; i < call->parameters; i++)
        buffer_add_format(&rows, "%s$%u", i ? ", " : "VALUES (", i + 1);
    buffer_add_text(&rows, ")");
    buffer_add_byte(&rows, 0);
    if (!rows.failed)
        database_add_batch(&text, call->bulk, (const char *)rows.ptr);
    enum error error = rows.failed || text.failed
                           ? failure_set(failure, ERROR_MEMORY, "no memory for a statement")
                           : prepare(sqlite, call, (const char *)text.ptr, prepared, failure);
    buffer_deinit(&text);
    buffer_deinit(&rows);
    return error;
}

static void bind(sqlite3_stmt *statement, int place, const struct sql_value *value) {
    static const char empty[1] = "";
    const void *bytes = value->bytes.len ? (const void *)value->bytes.ptr : empty;

    switch (value->type) {
    case SQL_NULL:
        sqlite3_bind_null(statement, place);
        return;
    case SQL_INTEGER:
        sqlite3_bind_int64(statement, place, value->integer);
        return;
    case SQL_REAL:
        sqlite3_bind_double(statement, place, value->real);
        return;
    case SQL_TEXT:
        sqlite3_bind_text64(statement, place, bytes, value->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
        return;
    case SQL_BLOB:
        sqlite3_bind_blob64(statement, place, bytes, value->bytes.len, SQLITE_STATIC);
        return;
    }
}

static struct sql_value column(sqlite3_stmt *statement, int at) {
    const uint8_t *bytes;

    switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER:
        return sql_integer(sqlite3_column_int64(statement, at));
    case SQLITE_FLOAT:
        return sql_real(sqlite3_column_double(statement, at));
    case SQLITE_TEXT:
        bytes = sqlite3_column_text(statement, at);
        return sql_text((struct slice){bytes, (size_t)sqlite3_column_bytes(statement, at)});
    case SQLITE_BLOB:
        bytes = sqlite3_column_blob(statement, at);
        return sql_blob((struct slice){bytes, (size_t)sqlite3_column_bytes(statement, at)});
    default:
        return sql_null();
    }
}

static enum error take_row(sqlite3_stmt *statement, sql_row *row, void *context,
                           struct failure *failure) {
    struct sql_value values[SQL_PARAMETERS_MAX];
    int count = sqlite3_column_count(statement);

    assert(count <= SQL_PARAMETERS_MAX);
    for (int i = 0; i < count; i++)
        values[i] = column(statement, i);
    return row(context, values, (uint32_t)count, failure);
}

/* Once, with the values of one row. */
static enum error step(struct sqlite *sqlite, const struct sql_call *call,
                       const struct prepared *prepared, size_t index, sql_row *row, void *context,
                       struct failure *failure) {
    const struct sql_value *values =
        call->parameters ? &call->values[index * call->parameters] : NULL;
    sqlite3_stmt *statement = prepared->handle;
    enum error error = ERROR_NONE;
    int result;

    for (uint32_t i = 0; i < call->parameters; i++) {
        assert(sql_value_fits(&values[i], call->types[i]));
        if (prepared->places[i])
            bind(statement, prepared->places[i], &values[i]);
    }
    while (!error && (result = sqlite3_step(statement)) != SQLITE_DONE) {
        if (result != SQLITE_ROW)
            error = explain(sqlite, failure);
        else if (row)
            error = take_row(statement, row, context, failure);
    }
    sqlite3_reset(statement);
    return error;
}

static enum error run(struct database *database, const struct sql_call *call, sql_row *row,
                      void *context, uint64_t *changed, struct failure *failure) {
    struct sqlite *sqlite = sqlite_of(database);
    struct prepared once = {0}, *prepared = database_slot(database, call);
    enum error error = ERROR_NONE;

    if (!prepared)
        prepared = &once;
    if (!prepared->handle)
        error = call->bulk ? prepare_bulk(sqlite, call, prepared, failure)
                           : prepare(sqlite, call, call->text, prepared, failure);
    for (size_t i = 0; !error && i < call->rows; i++)
        error = step(sqlite, call, prepared, i, row, context, failure);
    if (changed)
        *changed = error ? 0 : (uint64_t)sqlite3_changes64(sqlite->connection);
    if (prepared->handle) /* what is bound belongs to the caller */
        sqlite3_clear_bindings(prepared->handle);
    sqlite3_finalize(once.handle);
    return error;
}

static enum error script(struct database *database, const char *text, struct failure *failure) {
    return execute(sqlite_of(database), text, failure);
}

/* --- Transactions --- */

static enum error begin(struct database *database, struct failure *failure) {
    return execute(sqlite_of(database), "BEGIN IMMEDIATE", failure);
}

static enum error commit(struct database *database, struct failure *failure) {
    return execute(sqlite_of(database), "COMMIT", failure);
}

static void rollback(struct database *database) {
    struct sqlite *sqlite = sqlite_of(database);

    if (!sqlite3_get_autocommit(sqlite->connection))
        sqlite3_exec(sqlite->connection, "ROLLBACK", NULL, NULL, NULL);
}

/* --- The end --- */

static void stop(struct database *database) {
    struct sqlite *sqlite = sqlite_of(database);

    atomic_store(&sqlite->is_stopping, true);
    sqlite3_interrupt(sqlite->connection);
}

static void close_sqlite(struct database *database) {
    for (size_t i = 0; i < PREPARED_SLOTS; i++)
        sqlite3_finalize(database->prepared[i].handle);
    sqlite3_close(sqlite_of(database)->connection);
}

static const struct database_backend backend = {
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .run = run,
    .script = script,
    .stop = stop,
    .close = close_sqlite,
};

enum error database_open_sqlite(struct database **out, const struct database_config *config,
                                struct failure *failure) {
    struct sqlite *sqlite = calloc(1, sizeof *sqlite);

    if (!sqlite)
        return failure_set(failure, ERROR_MEMORY, "no memory for a database");
    sqlite->head.kind = DATABASE_SQLITE;
    sqlite->head.backend = &backend;
    sqlite->head.patience_ms = config->patience_ms ? config->patience_ms : DATABASE_PATIENCE_MS;
    sqlite->abandoned = config->abandoned;
    sqlite->head.name = strdup(config->url);
    enum error error =
        sqlite->head.name
            ? set_up(sqlite, config->url + strlen("sqlite:"), config->existing, failure)
            : failure_set(failure, ERROR_MEMORY, "no memory for a database");
    if (error) {
        database_close(&sqlite->head);
        return error;
    }
    *out = &sqlite->head;
    return ERROR_NONE;
}
