/* One SQL database, whichever it is: SQLite in a file, or PostgreSQL by URL. Statements are written
 * once, in what both understand; the few places where they cannot be have a text for each.
 *
 * Belongs to one thread, which it blocks: on the disk, or on the server for a bounded time. A
 * connection that broke is made anew by the next call; what was prepared is prepared again. No
 * message shows a password.
 *
 * SQLite runs in WAL mode with synchronous=normal: a commit survives the end of the process at any
 * point. When the machine itself fails, the newest commits may be gone, in whole transactions; the
 * file stays sound. PostgreSQL promises what its synchronous_commit says.
 *
 * Errors of all calls, with `failure` filled:
 *   ENOTCONN            the server is away, or stopped answering; the next call connects again
 *   ENOSPC, EIO, EBUSY  may pass, too: a full or broken disk, somebody else's lock
 *   ERROR_USAGE         a URL that cannot be read, a refused login, no such database, no rights
 *   ERROR_INPUT         a value that the database does not take
 *   ERROR_MEMORY
 *   others              a statement that is wrong: a programmer's mistake, or tables of others */
#ifndef SINKS_STORE_DATABASE_H
#define SINKS_STORE_DATABASE_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

#include <stdatomic.h>

enum database_kind { DATABASE_SQLITE, DATABASE_POSTGRESQL, DATABASE_KINDS };

/* --- Values and statements --- */

enum sql_type { SQL_NULL, SQL_INTEGER, SQL_REAL, SQL_TEXT, SQL_BLOB };

struct sql_value {
    enum sql_type type;
    union {
        int64_t integer;
        double real;
        struct slice bytes; /* TEXT, BLOB; belongs to the caller, or is valid during the callback */
    };
};

static inline struct sql_value sql_null(void) {
    return (struct sql_value){.type = SQL_NULL};
}
static inline struct sql_value sql_integer(int64_t integer) {
    return (struct sql_value){.type = SQL_INTEGER, .integer = integer};
}
static inline struct sql_value sql_real(double real) {
    return (struct sql_value){.type = SQL_REAL, .real = real};
}
/* UTF-8 without a zero byte; PostgreSQL takes no other (ERROR_INPUT). */
static inline struct sql_value sql_text(struct slice bytes) {
    return (struct sql_value){.type = SQL_TEXT, .bytes = bytes};
}
static inline struct sql_value sql_blob(struct slice bytes) {
    return (struct sql_value){.type = SQL_BLOB, .bytes = bytes};
}

enum { SQL_PARAMETERS_MAX = 32, SQL_STATEMENTS_MAX = 256 /* that are kept prepared */ };

/* A static constant, prepared at its first use and known by its address. Parameters are $1, $2 ...
 * with a letter of `types` each: i(nteger), r(eal), t(ext), b(lob); any may be null. */
struct sql_statement {
    const char *types; /* NULL or "" for none */
    const char *text;  /* of both */
    /* Instead of `text`, where they differ. */
    const char *sqlite, *postgresql;
    bool once; /* made for this one call: not kept prepared */
};

/* A statement over many rows. Its text reads them from a table `batch`, whose columns are named
 * here, separated by commas:
 *
 *     INSERT INTO names (certificate, name)
 *     SELECT c.id, batch.name FROM batch JOIN certificates c ON c.fingerprint = batch.fingerprint
 *     WHERE true ON CONFLICT DO NOTHING
 *
 * (`WHERE true` is for SQLite, which else takes ON for a join.) SQLite runs it for each row,
 * PostgreSQL once with an array for each column. Two rows of a call must therefore not change the
 * same row of a table: the caller makes them unique. */
struct sql_bulk {
    const char *types;
    const char *columns;
    const char *text;
};

/* --- Opening --- */

struct database_config {
    const char *url;         /* sqlite:PATH, postgresql://…, postgres://… */
    const char *application; /* that PostgreSQL's views show; NULL: "trawl" */
    uint32_t patience_ms;    /* for an answer, or for a lock; 0: 10 seconds */
    bool existing;           /* SQLite: a file that is not there is ERROR_USAGE, not made */
    const atomic_bool
        *abandoned; /* once it is true, as after database_stop; outlives it; or NULL */
};

struct database;

/* Whether it is a URL of a database. */
bool database_takes(struct slice url);

/* Reads the URL and connects. On ENOTCONN `*out` is there all the same, and may be tried again or
 * closed; on other errors it is NULL. Nothing else of `config` must outlive the
 * call. */
enum error database_open(struct database **out, const struct database_config *config,
                         struct failure *failure) __attribute__((warn_unused_result));
/* NULL is fine. What was not committed is rolled back. */
void database_close(struct database *database);

/* From any thread: nobody waits for an answer any more. All calls fail soon, with ECANCELED. */
void database_stop(struct database *database);

enum database_kind database_kind(const struct database *database);
/* The URL for messages: without a password. */
const char *database_name(const struct database *database);

/* --- Transactions; they do not nest --- */

/* For writing: SQLite takes the lock at once. A statement outside of a transaction is one. */
enum error database_begin(struct database *database, struct failure *failure)
    __attribute__((warn_unused_result));
/* After ENOTCONN it is not known whether it happened: what is done again must not do it twice.
 * After any error the transaction is over. */
enum error database_commit(struct database *database, struct failure *failure)
    __attribute__((warn_unused_result));
/* Also after a connection that broke, and without a transaction. An error within a transaction
 * leaves nothing to be done but this. */
void database_rollback(struct database *database);

/* --- Statements --- */

/* Runs one and leaves its rows. `changed` may be NULL: how many rows it touched. */
enum error database_run(struct database *database, const struct sql_statement *statement,
                        const struct sql_value *values, uint64_t *changed, struct failure *failure)
    __attribute__((warn_unused_result));

/* Runs one and calls `row` with each row as it comes. The database must not be used meanwhile. An
 * error of `row` ends the statement and is the result. */
typedef enum error sql_row(void *context, const struct sql_value *values, uint32_t count,
                           struct failure *failure);
enum error database_query(struct database *database, const struct sql_statement *statement,
                          const struct sql_value *values, sql_row *row, void *context,
                          struct failure *failure) __attribute__((warn_unused_result));

/* The number in the first column of the first row; 0 without a row. */
enum error database_number(struct database *database, const struct sql_statement *statement,
                           const struct sql_value *values, int64_t *out, struct failure *failure)
    __attribute__((warn_unused_result));

/* `values` are those of all rows, one row after the other. Belongs into a transaction. */
enum error database_run_rows(struct database *database, const struct sql_bulk *bulk,
                             const struct sql_value *values, size_t rows, struct failure *failure)
    __attribute__((warn_unused_result));

/* Several statements with semicolons between, without parameters or rows: for migrations. */
enum error database_script(struct database *database, const char *text, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
