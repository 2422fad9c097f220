#include "tools/watch/postgres.h"

#include "engine/base/clock.h"
#include "engine/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>

#define CONNECT_TIMEOUT_S "5"

enum {
    TYPE_TEXT = 25, /* its oid, in every PostgreSQL */
    LOOK_MS = 200,
};

/* --- Errors --- */

/* The first line of what PostgreSQL says. */
static enum error explain(const struct postgres *postgres, const char *what, enum error error,
                          struct failure *failure) {
    const char *words = postgres->connection ? PQerrorMessage(postgres->connection) : "no memory";
    size_t len = strcspn(words, "\n");

    return failure_set(failure, error, "PostgreSQL: %s: %.*s", what, (int)(len < 300 ? len : 300),
                       words);
}

static void disconnect(struct postgres *postgres) {
    PQfinish(postgres->connection);
    postgres->connection = NULL;
}

/* SQLSTATE classes 22 and 23: what was given is wrong, and will be wrong again. */
static bool is_about_data(const PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state && (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0);
}

/* --- Connecting --- */

static void be_silent(void *owner, const PGresult *result) {
    (void)owner, (void)result;
}

static enum error connect_anew(struct postgres *postgres, struct failure *failure) {
    const char *const keywords[] = {"dbname", "connect_timeout", "application_name",
                                    "client_encoding", NULL};
    const char *const values[] = {postgres->dsn, CONNECT_TIMEOUT_S, "trawl", "UTF8", NULL};

    disconnect(postgres);
    postgres->connection = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(postgres->connection) != CONNECTION_OK) {
        enum error error = explain(postgres, "cannot connect", (enum error)ECONNREFUSED, failure);
        disconnect(postgres);
        return error;
    }
    PQsetNoticeReceiver(postgres->connection, be_silent, NULL);
    enum error error = postgres->on_connect(postgres->owner, failure);
    if (error)
        disconnect(postgres);
    return error;
}

enum error postgres_connect(struct postgres *postgres, struct failure *failure) {
    if (postgres->connection && PQstatus(postgres->connection) == CONNECTION_OK)
        return ERROR_NONE;
    return connect_anew(postgres, failure);
}

/* What libpq says about a DSN that it cannot read quotes it. */
enum error postgres_init(struct postgres *postgres, const char *dsn, struct failure *failure) {
    char *ignored = NULL;
    PQconninfoOption *options = PQconninfoParse(dsn, &ignored);

    PQfreemem(ignored);
    PQconninfoFree(options);
    if (!options)
        return failure_set(failure, ERROR_USAGE,
                           "the DSN of PostgreSQL cannot be understood; it is like "
                           "postgresql://USER:PASSWORD@HOST:5432/DATABASE");
    postgres->dsn = strdup(dsn);
    return postgres->dsn ? ERROR_NONE
                         : failure_set(failure, ERROR_MEMORY, "no memory for a database");
}

void postgres_deinit(struct postgres *postgres) {
    disconnect(postgres);
    free(postgres->dsn);
}

/* --- Parameters --- */

struct buffer *parameters_add(struct parameters *parameters) {
    struct buffer *text = &parameters->texts[parameters->count++];
    buffer_init(text);
    return text;
}

void parameters_add_hex(struct parameters *parameters, struct slice bytes) {
    text_add_hex(parameters_add(parameters), bytes);
}

void parameters_add_number(struct parameters *parameters, int64_t number) {
    buffer_add_format(parameters_add(parameters), "%" PRId64, number);
}

/* --- Statements --- */

/* Waits until the next result is there; false when the server is silent or gone. */
static bool await_result(struct postgres *postgres) {
    PGconn *connection = postgres->connection;
    int waited_ms = 0;

    while (PQisBusy(connection)) {
        struct pollfd polled = {.fd = PQsocket(connection), .events = POLLIN};
        int ready = poll(&polled, 1, LOOK_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        waited_ms = ready == 0 ? waited_ms + LOOK_MS : 0;
        if (ready < 0 || waited_ms > postgres->patience_ms || atomic_load(&postgres->is_stopping))
            return false;
        if (ready > 0 && !PQconsumeInput(connection))
            return false;
    }
    return true;
}

static enum error lose(struct postgres *postgres, struct failure *failure) {
    bool is_gone = PQstatus(postgres->connection) != CONNECTION_OK;
    enum error error =
        is_gone ? explain(postgres, "the connection broke", (enum error)ECONNRESET, failure)
                : failure_set(failure, (enum error)ETIMEDOUT,
                              "PostgreSQL: no answer for %d seconds", postgres->patience_ms / 1000);
    disconnect(postgres);
    return error;
}

static enum error send_query(struct postgres *postgres, const char *text,
                             struct parameters *parameters, struct failure *failure) {
    const char *values[POSTGRES_PARAMETERS_MAX];
    Oid types[POSTGRES_PARAMETERS_MAX];
    bool failed = false;

    for (int i = 0; i < parameters->count; i++) {
        values[i] = (const char *)parameters->texts[i].ptr;
        types[i] = TYPE_TEXT;
        failed |= parameters->texts[i].failed;
    }
    if (failed)
        return failure_set(failure, ERROR_MEMORY, "no memory for a query");
    if (!PQsendQueryParams(postgres->connection, text, parameters->count, types, values, NULL, NULL,
                           0))
        return lose(postgres, failure);
    return ERROR_NONE;
}

/* The next result of a statement, whatever it is. `*out` is NULL behind the last. */
static enum error next_result(struct postgres *postgres, PGresult **out, struct failure *failure) {
    *out = NULL;
    if (!await_result(postgres))
        return lose(postgres, failure);
    *out = PQgetResult(postgres->connection);
    switch (PQresultStatus(*out)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_SINGLE_TUPLE:
        return ERROR_NONE;
    default:
        break;
    }
    if (!*out)
        return ERROR_NONE;
    bool is_gone = PQstatus(postgres->connection) != CONNECTION_OK;
    enum error error = is_gone               ? (enum error)ECONNRESET
                       : is_about_data(*out) ? ERROR_INPUT
                                             : (enum error)EIO;
    error = explain(postgres, "a query failed", error, failure);
    PQclear(*out);
    *out = NULL;
    if (is_gone)
        disconnect(postgres);
    return error;
}

/* A connection is only good for the next statement when it has given its last result. */
static void drain(struct postgres *postgres) {
    struct failure ignored;
    PGresult *result = NULL;

    while (postgres->connection && next_result(postgres, &result, &ignored) == ERROR_NONE && result)
        PQclear(result);
}

static enum error run_once(struct postgres *postgres, const char *text,
                           struct parameters *parameters, PGresult **out, struct failure *failure) {
    enum error error = postgres_connect(postgres, failure);

    *out = NULL;
    if (!error)
        error = send_query(postgres, text, parameters, failure);
    if (error)
        return error;
    error = next_result(postgres, out, failure);
    drain(postgres);
    return error;
}

enum error postgres_query(struct postgres *postgres, const char *text,
                          struct parameters *parameters, PGresult **out, struct failure *failure) {
    bool was_connected = postgres->connection != NULL;

    for (int i = 0; i < parameters->count; i++)
        buffer_add_byte(&parameters->texts[i], 0);
    enum error error = run_once(postgres, text, parameters, out, failure);
    if (error == (enum error)ECONNRESET && was_connected)
        error = run_once(postgres, text, parameters, out, failure);
    for (int i = 0; i < parameters->count; i++)
        buffer_deinit(&parameters->texts[i]);
    return error;
}

/* All rows, and the empty result behind them. */
static enum error take_rows(struct postgres *postgres, postgres_row *row, void *context,
                            struct failure *failure) {
    PGresult *result = NULL;
    enum error error;

    while (!(error = next_result(postgres, &result, failure)) && result) {
        if (PQresultStatus(result) == PGRES_SINGLE_TUPLE)
            error = row(context,
                        (struct slice){(const uint8_t *)PQgetvalue(result, 0, 0),
                                       (size_t)PQgetlength(result, 0, 0)},
                        failure);
        PQclear(result);
        if (error)
            break;
    }
    return error;
}

enum error postgres_stream(struct postgres *postgres, const char *text, postgres_row *row,
                           void *context, struct failure *failure) {
    struct parameters none = {0};
    enum error error = postgres_connect(postgres, failure);

    if (!error)
        error = send_query(postgres, text, &none, failure);
    if (error)
        return error;
    PQsetSingleRowMode(postgres->connection);
    error = take_rows(postgres, row, context, failure);
    if (error)
        disconnect(postgres); /* rather than to read what nobody wants */
    return error;
}
