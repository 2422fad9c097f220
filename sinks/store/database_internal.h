/* What the files of the database share.
 *
 *     database.c              URLs, what is prepared, the front
 *     database_sqlite.c       SQLite
 *     database_postgresql.c   PostgreSQL, over the connection of postgres.h */
#ifndef SINKS_STORE_DATABASE_INTERNAL_H
#define SINKS_STORE_DATABASE_INTERNAL_H

#include "engine/base/buffer.h"
#include "sinks/store/database.h"

#include <stdatomic.h>

enum {
    PREPARED_SLOTS = 512, /* twice SQL_STATEMENTS_MAX, a power of two */
    DATABASE_PATIENCE_MS = 10000,
};

/* What the backend has prepared for a statement. */
struct prepared {
    const void *key; /* the statement's address; NULL for a free slot */
    void *handle;    /* the backend's */
    uint8_t places[SQL_PARAMETERS_MAX];
};

/* A statement or a bulk, as a backend runs it. */
struct sql_call {
    const void *key; /* NULL: not to be kept */
    const char *text;
    const char *types;
    uint32_t parameters;
    const struct sql_value *values; /* of all rows */
    size_t rows;                    /* 1 but for a bulk */
    const struct sql_bulk *bulk;    /* then `text` is NULL: database_add_batch makes it */
};

struct database_backend {
    enum error (*begin)(struct database *database, struct failure *failure);
    enum error (*commit)(struct database *database, struct failure *failure);
    void (*rollback)(struct database *database);
    /* `row` and `changed` may be NULL. */
    enum error (*run)(struct database *database, const struct sql_call *call, sql_row *row,
                      void *context, uint64_t *changed, struct failure *failure);
    enum error (*script)(struct database *database, const char *text, struct failure *failure);
    void (*stop)(struct database *database);
    void (*close)(struct database *database);
};

struct database {
    enum database_kind kind;
    const struct database_backend *backend;
    char *name;
    uint32_t patience_ms;
    struct prepared prepared[PREPARED_SLOTS];
    uint32_t prepared_count;
};

/* Each allocates and connects; on ENOTCONN `*out` is set all the same. */
enum error database_open_sqlite(struct database **out, const struct database_config *config,
                                struct failure *failure);
enum error database_open_postgresql(struct database **out, const struct database_config *config,
                                    struct failure *failure);

/* The slot of a statement: one with this key, or a free one with the key set and no handle. NULL
 * for a statement that is not kept. */
struct prepared *database_slot(struct database *database, const struct sql_call *call);

/* A value is null or of the type that the statement says. */
static inline bool sql_value_fits(const struct sql_value *value, char type) {
    static const char letters[] = {
        [SQL_INTEGER] = 'i', [SQL_REAL] = 'r', [SQL_TEXT] = 't', [SQL_BLOB] = 'b'};
    return value->type == SQL_NULL || letters[value->type] == type;
}

/* All slots are free again; the handles are the backend's to end before. */
void database_forget_prepared(struct database *database);

/* The text of a bulk: `WITH batch (columns) AS (rows)` and its own behind it. */
void database_add_batch(struct buffer *out, const struct sql_bulk *bulk, const char *rows);

#endif
