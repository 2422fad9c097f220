#include "sinks/store/postgres.h"

#include "engine/base/clock.h"
#include "engine/base/quote.h"
#include "engine/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>

enum {
    CONNECT_MS = 5000,
    TYPE_TEXT = 25, /* its oid, in every PostgreSQL */
    LOOK_MS = 200,
    WORDS_MAX = 300, /* of the server's in a message */
};

/* --- Errors --- */

/* The first line of what PostgreSQL says. */
static enum error explain(const struct postgres *postgres, const char *what, enum error error,
                          struct failure *failure) {
    const char *words = postgres->connection ? PQerrorMessage(postgres->connection) : "no memory";
    char shown[WORDS_MAX];

    quote_bare(shown, sizeof shown, slice_first(slice_of(words), strcspn(words, "\n")));
    return failure_set(failure, error, "PostgreSQL: %s: %s", what, shown);
}

void postgres_disconnect(struct postgres *postgres) {
    PQfinish(postgres->connection);
    postgres->connection = NULL;
}

static void take_state(struct postgres *postgres, const char *state) {
    size_t len = state ? strnlen(state, sizeof postgres->state - 1) : 0;

    if (len)
        memcpy(postgres->state, state, len);
    postgres->state[len] = 0;
}

/* SQLSTATE classes 22 and 23: what was given is wrong, and will be wrong again. */
static bool is_about_data(const struct postgres *postgres) {
    return strncmp(postgres->state, "22", 2) == 0 || strncmp(postgres->state, "23", 2) == 0;
}

/* --- Connecting --- */

static void be_silent(void *owner, const PGresult *result) {
    (void)owner, (void)result;
}

/* "FATAL:  28P01: password authentication failed …": the words may be of any language. */
static void find_state(struct postgres *postgres) {
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *words = PQerrorMessage(postgres->connection);

    while ((words = strstr(words, ":  "))) {
        words += strlen(":  ");
        if (strspn(words, letters) == 5 && words[5] == ':')
            take_state(postgres, words);
    }
}

/* libpq's own waiting would neither end at a stop nor leave the code of a refusal. */
static bool await_connection(struct postgres *postgres) {
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
    uint64_t end_ns = clock_monotonic_ns() + CONNECT_MS * UINT64_C(1000000);

    while (wanted == PGRES_POLLING_READING || wanted == PGRES_POLLING_WRITING) {
        struct pollfd polled = {.fd = PQsocket(postgres->connection),
                                .events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        int ready = poll(&polled, 1, LOOK_MS);
        if (ready > 0)
            wanted = PQconnectPoll(postgres->connection);
        else if ((ready < 0 && errno != EINTR) || clock_monotonic_ns() > end_ns ||
                 postgres_is_stopping(postgres))
            return false;
    }
    return wanted == PGRES_POLLING_OK;
}

static enum error refuse_connection(struct postgres *postgres, struct failure *failure) {
    const enum error refused = (enum error)ECONNREFUSED;
    bool is_silent = postgres->connection && PQstatus(postgres->connection) != CONNECTION_BAD;

    if (postgres->connection)
        find_state(postgres);
    enum error error =
        is_silent
            ? failure_set(failure, refused, "PostgreSQL: cannot connect: no answer for %d seconds",
                          CONNECT_MS / 1000)
            : explain(postgres, "cannot connect", refused, failure);
    postgres_disconnect(postgres);
    return error;
}

static enum error connect_anew(struct postgres *postgres, struct failure *failure) {
    const char *const keywords[] = {"dbname", "application_name", "client_encoding", NULL};
    const char *const values[] = {
        postgres->dsn, postgres->application ? postgres->application : "trawl", "UTF8", NULL};

    postgres_disconnect(postgres);
    take_state(postgres, NULL);
    postgres->connection = PQconnectStartParams(keywords, values, 1);
    if (postgres->connection)
        PQsetErrorVerbosity(postgres->connection, PQERRORS_VERBOSE);
    if (PQstatus(postgres->connection) == CONNECTION_BAD || !await_connection(postgres))
        return refuse_connection(postgres, failure);
    PQsetErrorVerbosity(postgres->connection, PQERRORS_DEFAULT);
    PQsetNoticeReceiver(postgres->connection, be_silent, NULL);
    (void)PQsetnonblocking(postgres->connection, 1);
    postgres->is_connecting = true;
    enum error error = postgres->on_connect(postgres->owner, failure);
    postgres->is_connecting = false;
    if (error)
        postgres_disconnect(postgres);
    return error;
}

enum error postgres_connect(struct postgres *postgres, struct failure *failure) {
    if (postgres->connection && PQstatus(postgres->connection) == CONNECTION_OK)
        return ERROR_NONE;
    return connect_anew(postgres, failure);
}

/* libpq looks at ports only when it connects, where that would be a server that is away. */
static bool has_ports(const PQconninfoOption *options) {
    const PQconninfoOption *option = options;
    uint64_t port;

    while (option->keyword && strcmp(option->keyword, "port") != 0)
        option++;
    struct slice ports = slice_of(option->keyword && option->val ? option->val : "");
    for (bool more = ports.len > 0; more;) { /* one for each host */
        const uint8_t *comma = memchr(ports.ptr, ',', ports.len);
        struct slice one = slice_first(ports, comma ? (size_t)(comma - ports.ptr) : ports.len);
        if (one.len && (!slice_to_u64(one, UINT16_MAX, &port) || port == 0))
            return false;
        more = comma != NULL;
        ports = slice_from(ports, one.len + more);
    }
    return true;
}

/* What libpq says about a DSN that it cannot read quotes it. */
enum error postgres_init(struct postgres *postgres, const char *dsn, struct failure *failure) {
    char *ignored = NULL;
    PQconninfoOption *options = PQconninfoParse(dsn, &ignored);
    bool is_good = options && has_ports(options);

    PQfreemem(ignored);
    PQconninfoFree(options);
    if (!is_good)
        return failure_set(failure, ERROR_USAGE,
                           "the DSN of PostgreSQL cannot be understood; it is like "
                           "postgresql://USER:PASSWORD@HOST:5432/DATABASE");
    postgres->dsn = strdup(dsn);
    return postgres->dsn ? ERROR_NONE
                         : failure_set(failure, ERROR_MEMORY, "no memory for a database");
}

bool postgres_is_stopping(const struct postgres *postgres) {
    return atomic_load(&postgres->is_stopping) ||
           (postgres->abandoned && atomic_load(postgres->abandoned));
}

void postgres_deinit(struct postgres *postgres) {
    postgres_disconnect(postgres);
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

/* Sends the rest of what was asked, and waits until the next result is there; false when the server
 * is silent or gone. One that takes nothing may still have something to say: both ways are open. */
static bool await_result(struct postgres *postgres) {
    PGconn *connection = postgres->connection;
    int waited_ms = 0, unsent;

    while ((unsent = PQflush(connection)) != 0 || PQisBusy(connection)) {
        struct pollfd polled = {.fd = PQsocket(connection),
                                .events = (short)(unsent ? POLLIN | POLLOUT : POLLIN)};
        if (unsent < 0)
            return false;
        int ready = poll(&polled, 1, LOOK_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        waited_ms = ready == 0 ? waited_ms + LOOK_MS : 0;
        if (ready < 0 || waited_ms > postgres->patience_ms ||
            (ready == 0 && postgres_is_stopping(postgres)))
            return false;
        if ((polled.revents & ~POLLOUT) && !PQconsumeInput(connection))
            return false;
    }
    return true;
}

enum error postgres_lose(struct postgres *postgres, struct failure *failure) {
    bool is_gone = PQstatus(postgres->connection) != CONNECTION_OK;
    take_state(postgres, NULL);
    enum error error =
        is_gone ? explain(postgres, "the connection broke", (enum error)ECONNRESET, failure)
        : postgres_is_stopping(postgres)
            ? failure_set(failure, (enum error)ETIMEDOUT, "PostgreSQL: no answer so far")
            : failure_set(failure, (enum error)ETIMEDOUT, "PostgreSQL: no answer for %d seconds",
                          postgres->patience_ms / 1000);
    postgres_disconnect(postgres);
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
        return postgres_lose(postgres, failure);
    return ERROR_NONE;
}

enum error postgres_next(struct postgres *postgres, PGresult **out, struct failure *failure) {
    *out = NULL;
    if (!await_result(postgres))
        return postgres_lose(postgres, failure);
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
    take_state(postgres, PQresultErrorField(*out, PG_DIAG_SQLSTATE));
    enum error error = is_gone                   ? (enum error)ECONNRESET
                       : is_about_data(postgres) ? ERROR_INPUT
                                                 : (enum error)EIO;
    error = explain(postgres, "a query failed", error, failure);
    PQclear(*out);
    *out = NULL;
    if (is_gone)
        postgres_disconnect(postgres);
    return error;
}

/* A connection is only good for the next statement when it has given its last result. */
void postgres_drain(struct postgres *postgres) {
    struct failure ignored;
    PGresult *result = NULL;

    while (postgres->connection && postgres_next(postgres, &result, &ignored) == ERROR_NONE &&
           result)
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
    error = postgres_next(postgres, out, failure);
    postgres_drain(postgres);
    return error;
}

enum error postgres_query(struct postgres *postgres, const char *text,
                          struct parameters *parameters, PGresult **out, struct failure *failure) {
    /* What on_connect asks is not asked again: that would be another connecting within this one. */
    bool may_repeat = postgres->connection != NULL && !postgres->is_connecting;

    for (int i = 0; i < parameters->count; i++)
        buffer_add_byte(&parameters->texts[i], 0);
    enum error error = run_once(postgres, text, parameters, out, failure);
    if (error == (enum error)ECONNRESET && may_repeat)
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

    while (!(error = postgres_next(postgres, &result, failure)) && result) {
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
        postgres_disconnect(postgres); /* rather than to read what nobody wants */
    return error;
}
