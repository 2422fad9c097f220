#include "sinks/store/database_internal.h"
#include "sinks/store/postgres.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { /* oids, in every PostgreSQL */
       TYPE_BOOL = 16,
       TYPE_BYTEA = 17,
       TYPE_INT8 = 20,
       TYPE_INT2 = 21,
       TYPE_INT4 = 23,
       TYPE_FLOAT8 = 701,
       TYPE_TEXT = 25,
};

/* One for each letter of `types`. */
static const struct sql_kind {
    char letter;
    Oid type, array;
    const char *array_name;
} KINDS[] = {
    {'i', TYPE_INT8, 1016, "bigint[]"},
    {'r', TYPE_FLOAT8, 1022, "float8[]"},
    {'t', TYPE_TEXT, 1009, "text[]"},
    {'b', TYPE_BYTEA, 1001, "bytea[]"},
};

struct postgresql {
    struct database head;
    struct postgres postgres;
    char *application;
    bool in_transaction;    /* as the caller has it: it ends when the connection breaks */
    uint64_t next_prepared; /* names of prepared statements */
};

static struct postgresql *postgresql_of(struct database *database) {
    return (struct postgresql *)database;
}

static const struct sql_kind *kind_of(char letter) {
    size_t i = 0;
    while (KINDS[i].letter != letter)
        i++;
    return &KINDS[i];
}

/* --- Errors --- */

static bool is_state(const struct postgres *postgres, const char *class) {
    return strncmp(postgres->state, class, strlen(class)) == 0;
}

/* What the SQLSTATE of a refusal means here. */
static enum error code_of(const struct postgres *postgres) {
    static const struct {
        const char *class;
        int error;
    } classes[] = {
        {"28", ERROR_USAGE},    {"3D", ERROR_USAGE}, /* login, database */
        {"42501", ERROR_USAGE},                      /* no rights */
        {"22", ERROR_INPUT},    {"23", ERROR_INPUT}, {"53100", ENOSPC}, {"53200", ENOTCONN},
        {"53", ENOTCONN},                         /* too many connections */
        {"57014", EBUSY},       {"55P03", EBUSY}, /* statement_timeout, lock_timeout */
        {"57P", ENOTCONN},                        /* shuts down, starts up */
        {"25006", ENOTCONN},                      /* a standby: another will be the primary */
        {"40", EBUSY},          {"58", EIO},         {"XX", EIO},       {"08", ENOTCONN},
    };

    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (is_state(postgres, classes[i].class))
            return (enum error)classes[i].error;
    return ERROR_INTERNAL;
}

/* From the errors of postgres.h to those of database.h. */
static enum error translate(const struct postgresql *postgresql, enum error error,
                            struct failure *failure) {
    switch ((int)error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case ETIMEDOUT:
    case EIO:
        error = postgres_is_stopping(&postgresql->postgres) ? (enum error)ECANCELED
                : postgresql->postgres.state[0]             ? code_of(&postgresql->postgres)
                : error == (enum error)EIO                  ? ERROR_INTERNAL
                                                            : (enum error)ENOTCONN;
        break;
    default:
        break;
    }
    if (failure)
        failure->code = error;
    return error;
}

/* --- Connecting --- */

static enum error on_connect(void *owner, struct failure *failure) {
    struct postgresql *postgresql = owner;
    struct parameters parameters = {0};
    PGresult *result;

    database_forget_prepared(&postgresql->head);
    parameters_add_number(&parameters, postgresql->head.patience_ms);
    /* Plans are made anew for each batch: its size decides, and tables grow. */
    enum error error = postgres_query(&postgresql->postgres,
                                      "SELECT set_config('search_path', 'trawl', false),"
                                      " set_config('statement_timeout', $1, false),"
                                      " set_config('lock_timeout', $1, false),"
                                      " set_config('plan_cache_mode', 'force_custom_plan', false)",
                                      &parameters, &result, failure);
    PQclear(result);
    return error;
}

/* A transaction does not outlive its connection: what belongs to it must not go on without. */
static enum error be_connected(struct postgresql *postgresql, struct failure *failure) {
    struct postgres *postgres = &postgresql->postgres;
    bool is_up = postgres->connection && PQstatus(postgres->connection) == CONNECTION_OK;

    if (!is_up && postgresql->in_transaction)
        return failure_set(failure, (enum error)ENOTCONN,
                           "PostgreSQL: the connection broke within a transaction");
    return is_up ? ERROR_NONE : translate(postgresql, postgres_connect(postgres, failure), failure);
}

/* "postgresql://HOST:PORT/DATABASE", of what libpq makes of the URL and of its environment. */
static char *name_of(const char *url) {
    const char *host = NULL, *port = NULL, *database = NULL;
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    char *name = NULL;

    for (PQconninfoOption *option = options; option && option->keyword; option++) {
        if (strcmp(option->keyword, "host") == 0)
            host = option->val;
        else if (strcmp(option->keyword, "port") == 0)
            port = option->val;
        else if (strcmp(option->keyword, "dbname") == 0)
            database = option->val;
    }
    if (asprintf(&name, "postgresql://%s%s%s%s%s", host ? host : "", port ? ":" : "",
                 port ? port : "", database ? "/" : "", database ? database : "") < 0)
        name = NULL;
    PQconninfoFree(options);
    return name;
}

/* --- Statements --- */

static void add_u32(struct buffer *out, uint32_t number) {
    uint32_t wire = htobe32(number);
    buffer_add(out, &wire, sizeof wire);
}

static void add_u64(struct buffer *out, uint64_t number) {
    uint64_t wire = htobe64(number);
    buffer_add(out, &wire, sizeof wire);
}

static size_t value_size(const struct sql_value *value) {
    return value->type == SQL_INTEGER || value->type == SQL_REAL ? 8 : value->bytes.len;
}

/* In PostgreSQL's binary form. */
static void add_value(struct buffer *out, const struct sql_value *value) {
    uint64_t bits = 0;

    switch (value->type) {
    case SQL_NULL:
        return;
    case SQL_INTEGER:
        add_u64(out, (uint64_t)value->integer);
        return;
    case SQL_REAL:
        memcpy(&bits, &value->real, sizeof bits);
        add_u64(out, bits);
        return;
    case SQL_TEXT:
    case SQL_BLOB:
        buffer_add_slice(out, value->bytes);
        return;
    }
}

/* A column of a bulk as an array of one dimension. */
static void add_array(struct buffer *out, const struct sql_call *call, uint32_t column) {
    const struct sql_kind *kind = kind_of(call->types[column]);

    add_u32(out, 1);          /* dimensions */
    add_u32(out, 1);          /* there may be nulls */
    add_u32(out, kind->type); /* of an item */
    add_u32(out, (uint32_t)call->rows);
    add_u32(out, 1); /* the first index */
    for (size_t i = 0; i < call->rows; i++) {
        const struct sql_value *value = &call->values[i * call->parameters + column];
        assert(sql_value_fits(value, kind->letter));
        add_u32(out, value->type == SQL_NULL ? UINT32_MAX : (uint32_t)value_size(value));
        add_value(out, value);
    }
}

/* Parameters as libpq wants them; `bytes` holds their values. */
struct wire {
    struct buffer bytes;
    const char *values[SQL_PARAMETERS_MAX];
    int lengths[SQL_PARAMETERS_MAX], formats[SQL_PARAMETERS_MAX];
    Oid types[SQL_PARAMETERS_MAX];
};

static enum error fill_wire(struct wire *wire, const struct sql_call *call,
                            struct failure *failure) {
    size_t starts[SQL_PARAMETERS_MAX + 1] = {0};

    for (uint32_t i = 0; i < call->parameters; i++) {
        if (call->bulk) {
            add_array(&wire->bytes, call, i);
        } else {
            assert(sql_value_fits(&call->values[i], call->types[i]));
            add_value(&wire->bytes, &call->values[i]);
        }
        starts[i + 1] = wire->bytes.len;
    }
    buffer_add_byte(&wire->bytes, 0); /* so that an empty value has an address */
    if (wire->bytes.failed || wire->bytes.len > INT32_MAX)
        return failure_set(failure, ERROR_MEMORY, "no memory for a statement");
    for (uint32_t i = 0; i < call->parameters; i++) {
        bool is_null = !call->bulk && call->values[i].type == SQL_NULL;
        const struct sql_kind *kind = kind_of(call->types[i]);
        wire->values[i] = is_null ? NULL : (const char *)wire->bytes.ptr + starts[i];
        wire->lengths[i] = (int)(starts[i + 1] - starts[i]);
        wire->formats[i] = 1;
        wire->types[i] = call->bulk ? kind->array : kind->type;
    }
    return ERROR_NONE;
}

static void write_text(struct buffer *out, const struct sql_call *call) {
    struct buffer rows;

    if (!call->bulk) {
        buffer_add(out, call->text, strlen(call->text) + 1);
        return;
    }
    buffer_init(&rows);
    buffer_add_text(&rows, "SELECT * FROM unnest(");
    for (uint32_t i = 0; i < call->parameters; i++)
        buffer_add_format(&rows, "%s$%u::%s", i ? ", " : "", i + 1,
                          kind_of(call->types[i])->array_name);
    buffer_add_byte(&rows, ')');
    buffer_add_byte(&rows, 0);
    if (!rows.failed)
        database_add_batch(out, call->bulk, (const char *)rows.ptr);
    out->failed |= rows.failed;
    buffer_deinit(&rows);
}

static void write_name(const struct prepared *prepared, char out[24]) {
    snprintf(out, 24, "trawl_%llu", (unsigned long long)(uintptr_t)prepared->handle);
}

static enum error finish_result(struct postgresql *postgresql, PGresult *result, enum error error,
                                struct failure *failure) {
    PQclear(result);
    postgres_drain(&postgresql->postgres);
    return translate(postgresql, error, failure);
}

static enum error prepare(struct postgresql *postgresql, const struct sql_call *call,
                          struct prepared *prepared, const struct wire *wire,
                          struct failure *failure) {
    struct postgres *postgres = &postgresql->postgres;
    struct buffer text;
    PGresult *result = NULL;
    enum error error;
    char name[24];

    buffer_init(&text);
    write_text(&text, call);
    prepared->handle = (void *)(uintptr_t)++postgresql->next_prepared;
    write_name(prepared, name);
    if (text.failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory for a statement");
    else if (!PQsendPrepare(postgres->connection, name, (const char *)text.ptr,
                            (int)call->parameters, wire->types))
        error = postgres_lose(postgres, failure);
    else
        error = postgres_next(postgres, &result, failure);
    buffer_deinit(&text);
    error = finish_result(postgresql, result, error, failure);
    if (error) /* when the connection broke, all slots are forgotten anyway */
        prepared->handle = NULL;
    return error;
}

static enum error send_call(struct postgresql *postgresql, const struct sql_call *call,
                            const struct wire *wire, struct failure *failure) {
    struct postgres *postgres = &postgresql->postgres;
    struct prepared *prepared = database_slot(&postgresql->head, call);
    enum error error = ERROR_NONE;
    struct buffer text;
    char name[24];
    int sent;

    if (prepared && !prepared->handle)
        error = prepare(postgresql, call, prepared, wire, failure);
    if (error)
        return error;
    if (prepared) {
        write_name(prepared, name);
        sent = PQsendQueryPrepared(postgres->connection, name, (int)call->parameters, wire->values,
                                   wire->lengths, wire->formats, 1);
    } else {
        buffer_init(&text);
        write_text(&text, call);
        sent = !text.failed && PQsendQueryParams(postgres->connection, (const char *)text.ptr,
                                                 (int)call->parameters, wire->types, wire->values,
                                                 wire->lengths, wire->formats, 1);
        buffer_deinit(&text);
    }
    return sent ? ERROR_NONE : translate(postgresql, postgres_lose(postgres, failure), failure);
}

/* --- Results --- */

static struct sql_value column(const PGresult *result, int row, int at) {
    const uint8_t *bytes = (const uint8_t *)PQgetvalue(result, row, at);
    struct slice value = {bytes, (size_t)PQgetlength(result, row, at)};
    uint64_t number = 0;
    double real;

    if (PQgetisnull(result, row, at))
        return sql_null();
    for (size_t i = 0; i < value.len && i < sizeof number; i++)
        number = number << 8 | bytes[i];
    switch (PQftype(result, at)) {
    case TYPE_INT8:
        return sql_integer((int64_t)number);
    case TYPE_INT4:
        return sql_integer((int32_t)number);
    case TYPE_INT2:
        return sql_integer((int16_t)number);
    case TYPE_BOOL:
        return sql_integer(number != 0);
    case TYPE_FLOAT8:
        memcpy(&real, &number, sizeof real);
        return sql_real(real);
    case TYPE_BYTEA:
        return sql_blob(value);
    default:
        return sql_text(value);
    }
}

static enum error take_rows(const PGresult *result, sql_row *row, void *context,
                            struct failure *failure) {
    struct sql_value values[SQL_PARAMETERS_MAX] = {0};
    int columns = PQnfields(result);
    enum error error = ERROR_NONE;

    if (columns > SQL_PARAMETERS_MAX)
        return failure_set(failure, ERROR_INTERNAL,
                           "PostgreSQL: a query was answered with %d columns", columns);
    for (int i = 0; !error && i < PQntuples(result); i++) {
        for (int k = 0; k < columns; k++)
            values[k] = column(result, i, k);
        error = row(context, values, (uint32_t)columns, failure);
    }
    return error;
}

/* All results of what was sent. An error of the server's leaves the connection good; what nobody
 * wants to read ends it, unless a transaction depends on it. */
static enum error take_results(struct postgresql *postgresql, sql_row *row, void *context,
                               uint64_t *changed, struct failure *failure) {
    struct postgres *postgres = &postgresql->postgres;
    PGresult *result = NULL;
    enum error error;

    while (!(error = postgres_next(postgres, &result, failure)) && result) {
        if (changed)
            *changed = strtoull(PQcmdTuples(result), NULL, 10);
        if (row && (error = take_rows(result, row, context, failure))) {
            PQclear(result);
            if (!postgresql->in_transaction)
                postgres_disconnect(postgres);
            postgres_drain(postgres);
            return error;
        }
        PQclear(result);
    }
    return finish_result(postgresql, NULL, error, failure);
}

static enum error run(struct database *database, const struct sql_call *call, sql_row *row,
                      void *context, uint64_t *changed, struct failure *failure) {
    struct postgresql *postgresql = postgresql_of(database);
    struct wire wire = {0};

    buffer_init(&wire.bytes);
    if (changed)
        *changed = 0;
    enum error error = fill_wire(&wire, call, failure);
    if (!error)
        error = be_connected(postgresql, failure);
    if (!error)
        error = send_call(postgresql, call, &wire, failure);
    buffer_deinit(&wire.bytes);
    if (error)
        return error;
    if (row)
        PQsetSingleRowMode(postgresql->postgres.connection);
    return take_results(postgresql, row, context, changed, failure);
}

static enum error script(struct database *database, const char *text, struct failure *failure) {
    struct postgresql *postgresql = postgresql_of(database);
    enum error error = be_connected(postgresql, failure);

    if (error)
        return error;
    if (!PQsendQuery(postgresql->postgres.connection, text))
        return translate(postgresql, postgres_lose(&postgresql->postgres, failure), failure);
    return take_results(postgresql, NULL, NULL, NULL, failure);
}

/* --- Transactions --- */

/* A connection that broke since is made anew: nothing depends on it yet. */
static enum error begin(struct database *database, struct failure *failure) {
    struct postgresql *postgresql = postgresql_of(database);
    bool was_connected = postgresql->postgres.connection != NULL;
    enum error error = script(database, "BEGIN", failure);

    if (error == (enum error)ENOTCONN && was_connected)
        error = script(database, "BEGIN", failure);
    postgresql->in_transaction = !error;
    return error;
}

static enum error commit(struct database *database, struct failure *failure) {
    struct postgresql *postgresql = postgresql_of(database);
    struct postgres *postgres = &postgresql->postgres;
    bool is_sound =
        postgres->connection && PQtransactionStatus(postgres->connection) == PQTRANS_INTRANS;

    if (postgres->connection && !is_sound) /* COMMIT would roll back, and call that a success */
        return failure_set(failure, ERROR_INTERNAL,
                           "PostgreSQL: an error within the transaction was not seen");
    enum error error = script(database, "COMMIT", failure);
    if (!error)
        postgresql->in_transaction = false;
    return error;
}

static void rollback(struct database *database) {
    struct postgresql *postgresql = postgresql_of(database);
    struct postgres *postgres = &postgresql->postgres;
    struct failure ignored;

    postgresql->in_transaction = false;
    if (!postgres->connection || PQtransactionStatus(postgres->connection) == PQTRANS_IDLE)
        return;
    if (script(database, "ROLLBACK", &ignored) != ERROR_NONE)
        postgres_disconnect(postgres);
}

/* --- The beginning and the end --- */

static void stop(struct database *database) {
    atomic_store(&postgresql_of(database)->postgres.is_stopping, true);
}

static void close_postgresql(struct database *database) {
    struct postgresql *postgresql = postgresql_of(database);

    postgres_deinit(&postgresql->postgres);
    free(postgresql->application);
}

static const struct database_backend backend = {
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .run = run,
    .script = script,
    .stop = stop,
    .close = close_postgresql,
};

static enum error set_up(struct postgresql *postgresql, const struct database_config *config,
                         struct failure *failure) {
    struct postgres *postgres = &postgresql->postgres;
    enum error error = postgres_init(postgres, config->url, failure);

    if (error)
        return error;
    postgresql->head.name = name_of(config->url);
    postgresql->application = strdup(config->application ? config->application : "trawl");
    if (!postgresql->head.name || !postgresql->application)
        return failure_set(failure, ERROR_MEMORY, "no memory for a database");
    postgres->application = postgresql->application;
    postgres->patience_ms = (int)postgresql->head.patience_ms;
    postgres->abandoned = config->abandoned;
    postgres->on_connect = on_connect;
    postgres->owner = postgresql;
    return translate(postgresql, postgres_connect(postgres, failure), failure);
}

enum error database_open_postgresql(struct database **out, const struct database_config *config,
                                    struct failure *failure) {
    struct postgresql *postgresql = calloc(1, sizeof *postgresql);

    if (!postgresql)
        return failure_set(failure, ERROR_MEMORY, "no memory for a database");
    postgresql->head.kind = DATABASE_POSTGRESQL;
    postgresql->head.backend = &backend;
    postgresql->head.patience_ms = config->patience_ms ? config->patience_ms : DATABASE_PATIENCE_MS;
    enum error error = set_up(postgresql, config, failure);
    if (error && error != (enum error)ENOTCONN) {
        database_close(&postgresql->head);
        return error;
    }
    *out = &postgresql->head;
    return error;
}
