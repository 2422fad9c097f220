/* What `trawl query` knows: a row of a table for each question, with its SQL, how the arguments
 * become its parameters, and what its columns mean. */
#ifndef TOOLS_TRAWL_QUERY_H
#define TOOLS_TRAWL_QUERY_H

#include "engine/base/arena.h"
#include "sinks/store/database.h"

enum {
    QUERY_COLUMNS_MAX = 20,
    QUERY_PARAMETERS_MAX = 8,
    QUERY_SEPARATOR = 0x1f, /* between the items of a list in one column */
};

enum query_column_kind {
    QUERY_TEXT,
    QUERY_NUMBER,
    QUERY_DAYS,    /* a real, with one decimal */
    QUERY_TIME,    /* seconds since 1970 */
    QUERY_TIME_MS, /* milliseconds */
    QUERY_HEX,     /* bytes */
    QUERY_LIST,    /* texts with QUERY_SEPARATOR between */
};

struct query_column {
    const char *name; /* in JSON; in capitals at the head of a table */
    enum query_column_kind kind;
    bool json_only; /* too wide for a table */
};

struct query_settings {
    const char *store, *since;
    uint64_t within_ms, limit;
    bool json, table;
    int64_t now_ms, since_ms; /* of `since`, 0 without it */
};

struct query {
    const char *name;
    const char *argument; /* "DOMAIN", "[HOST]"; NULL for none */
    const char *summary;
    const char *empty; /* what is said when an argument led to nothing, which then is exit status 1;
                          NULL where nothing is an answer, too */
    struct sql_statement statement;
    /* As many values as the statement has types; the memory is there until the end. ERROR_USAGE for
     * an argument that is none. */
    enum error (*bind)(const struct query_settings *settings, const char *argument,
                       struct arena *memory, struct sql_value *values, struct failure *failure);
    struct query_column columns[QUERY_COLUMNS_MAX]; /* up to one without a name */
};

/* Up to one without a name. */
extern const struct query queries[];

/* Writes rows as they come: lines of JSON at once, a table at the end, when its widths are known.
 */
struct query_output;

struct query_output *query_output_new(const struct query *query, bool json);
void query_output_free(struct query_output *output);

/* An sql_row; the context is the output. ERROR_GONE when nobody reads any more. */
enum error query_output_row(void *context, const struct sql_value *values, uint32_t count,
                            struct failure *failure);
/* What is left; `*rows` is how many there were. */
enum error query_output_end(struct query_output *output, uint64_t *rows, struct failure *failure);

#endif
