/* A connection to PostgreSQL that blocks its thread for a bounded time, and is made anew when it
 * broke. One thread. */
#ifndef SINKS_STORE_POSTGRES_H
#define SINKS_STORE_POSTGRES_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"

#include <libpq-fe.h>
#include <stdatomic.h>

enum { POSTGRES_PARAMETERS_MAX = 8 };

/* Zeroed and filled by the owner, but for the first three. */
struct postgres {
    PGconn *connection; /* NULL between two */
    char *dsn;
    bool is_connecting;      /* within on_connect */
    char state[6];           /* SQLSTATE of the last error; empty when it is not the server's */
    int patience_ms;         /* a server that says nothing for so long counts as gone */
    atomic_bool is_stopping; /* nobody wants an answer any more; any thread may set it */
    const atomic_bool *abandoned; /* likewise, somebody else's; NULL */
    const char *application;      /* that the server shows; NULL: "trawl" */
    /* After each connecting: looks whether all is there. */
    enum error (*on_connect)(void *owner, struct failure *failure);
    void *owner;
};

/* `dsn` is libpq's; no message shows it, for it may hold a password. One that cannot be understood
 * is ERROR_USAGE. Does not connect. */
enum error postgres_init(struct postgres *postgres, const char *dsn, struct failure *failure)
    __attribute__((warn_unused_result));
/* Whether one of the two is set. */
bool postgres_is_stopping(const struct postgres *postgres);
void postgres_deinit(struct postgres *postgres);

/* Unless it is connected. */
enum error postgres_connect(struct postgres *postgres, struct failure *failure)
    __attribute__((warn_unused_result));

/* Texts of a statement's parameters. */
struct parameters {
    struct buffer texts[POSTGRES_PARAMETERS_MAX];
    int count;
};
/* The next one, empty; the caller writes into it. */
struct buffer *parameters_add(struct parameters *parameters);
void parameters_add_hex(struct parameters *parameters, struct slice bytes);
void parameters_add_number(struct parameters *parameters, int64_t number);

/* Runs a statement and frees the parameters; connects where needed. One that broke since the last
 * statement is made anew at once: a statement may run twice. `*out` is NULL on an error,
 * else the caller's. ERROR_INPUT: the server is there and refuses what it was given, for what is in
 * it (a text that its encoding does not know); other errors may pass. */
enum error postgres_query(struct postgres *postgres, const char *text,
                          struct parameters *parameters, PGresult **out, struct failure *failure)
    __attribute__((warn_unused_result));

/* Runs one that gives many rows of one column, and calls `row` with each as it comes, until that
 * returns an error. The slice is valid during the call. */
typedef enum error postgres_row(void *context, struct slice value, struct failure *failure);
enum error postgres_stream(struct postgres *postgres, const char *text, postgres_row *row,
                           void *context, struct failure *failure)
    __attribute__((warn_unused_result));

/* --- The steps of a statement, for those who send it themselves over `connection` --- */

/* The next result of what was sent; NULL behind the last. ECONNRESET and ETIMEDOUT: the connection
 * is closed. */
enum error postgres_next(struct postgres *postgres, PGresult **out, struct failure *failure)
    __attribute__((warn_unused_result));

/* Reads and drops the results that are left. */
void postgres_drain(struct postgres *postgres);

/* What could not be sent: closes the connection. ECONNRESET or ETIMEDOUT. */
enum error postgres_lose(struct postgres *postgres, struct failure *failure);

/* As if it had broken. */
void postgres_disconnect(struct postgres *postgres);

#endif
