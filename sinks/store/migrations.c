#include "sinks/store/migrations.h"

#include "engine/base/buffer.h"
#include "engine/base/clock.h"

#include <inttypes.h>

static const char SCHEMA_TABLE[] = "CREATE TABLE IF NOT EXISTS trawl_schema ("
                                   " part {text} NOT NULL, version {int} NOT NULL,"
                                   " done_at {int} NOT NULL, PRIMARY KEY (part, version));";

/* --- Dialects --- */

static const struct {
    const char *word;
    const char *is[DATABASE_KINDS];
} WORDS[] = {
    {"{id}", {"INTEGER PRIMARY KEY", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"}},
    {"{int}", {"INTEGER", "bigint"}},
    {"{real}", {"REAL", "double precision"}},
    {"{bytes}", {"BLOB", "bytea"}},
    {"{text}", {"TEXT", "text COLLATE \"C\""}},
};

static void add_dialect(struct buffer *out, enum database_kind kind, const char *text) {
    while (*text) {
        size_t len = strcspn(text, "{");
        buffer_add(out, text, len);
        text += len;
        for (size_t i = 0; *text && i < sizeof WORDS / sizeof WORDS[0]; i++)
            if (strncmp(text, WORDS[i].word, strlen(WORDS[i].word)) == 0) {
                buffer_add_text(out, WORDS[i].is[kind]);
                text += strlen(WORDS[i].word);
                break;
            }
    }
}

static enum error run_script(struct database *database, const char *text, const char *postgresql,
                             struct failure *failure) {
    enum database_kind kind = database_kind(database);
    struct buffer script;

    buffer_init(&script);
    add_dialect(&script, kind, text);
    if (kind == DATABASE_POSTGRESQL && postgresql)
        buffer_add_text(&script, postgresql);
    buffer_add_byte(&script, 0);
    enum error error = script.failed
                           ? failure_set(failure, ERROR_MEMORY, "no memory for a statement")
                           : database_script(database, (const char *)script.ptr, failure);
    buffer_deinit(&script);
    return error;
}

/* --- Versions --- */

/* 0 where nothing was done yet. */
static enum error read_version(struct database *database, const struct migrated_part *part,
                               int64_t *out, struct failure *failure) {
    static const struct sql_statement has_table = {
        .sqlite = "SELECT count(*) FROM sqlite_schema WHERE name = 'trawl_schema'",
        .postgresql = "SELECT count(*) FROM pg_catalog.pg_tables"
                      " WHERE schemaname = 'trawl' AND tablename = 'trawl_schema'",
    };
    static const struct sql_statement version = {
        .types = "t",
        .text = "SELECT max(version) FROM trawl_schema WHERE part = $1",
    };
    struct sql_value name = sql_text(slice_of(part->name));
    int64_t count = 0;
    enum error error = database_number(database, &has_table, NULL, &count, failure);

    *out = 0;
    if (error || count == 0)
        return error;
    return database_number(database, &version, &name, out, failure);
}

static enum error refuse_future(const struct database *database, const struct migrated_part *part,
                                int64_t version, struct failure *failure) {
    return failure_set(failure, ERROR_USAGE,
                       "%.200s was made by a newer trawl: its tables of the %s are version %" PRId64
                       ", this trawl knows %u; use that one, or another database",
                       database_name(database), part->name, version, part->count);
}

enum error migrations_check(struct database *database, const struct migrated_part *part,
                            struct failure *failure) {
    int64_t version = 0;
    enum error error = read_version(database, part, &version, failure);

    if (error)
        return error;
    if (version > part->count)
        return refuse_future(database, part, version, failure);
    if (version == 0)
        return failure_set(failure, ERROR_USAGE, "%.200s holds nothing that trawl stored",
                           database_name(database));
    if (version < part->count)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s is of an older trawl: its tables of the %s are version %" PRId64
                           " of %u; what writes to it brings them up to date",
                           database_name(database), part->name, version, part->count);
    return ERROR_NONE;
}

/* --- Steps --- */

/* From here to the end of the transaction, nobody else migrates. SQLite's transactions for writing
 * exclude each other anyway. */
static enum error lock(struct database *database, struct failure *failure) {
    static const struct sql_statement take_lock = {
        .text = "SELECT pg_advisory_xact_lock(7886453719)::text",
    };
    static const struct sql_statement has_schema = {
        .text = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = 'trawl'",
    };
    int64_t count = 0;

    if (database_kind(database) != DATABASE_POSTGRESQL)
        return ERROR_NONE;
    enum error error = database_run(database, &take_lock, NULL, NULL, failure);
    if (!error)
        error = database_number(database, &has_schema, NULL, &count, failure);
    if (error || count)
        return error;
    return database_script(database, "CREATE SCHEMA trawl", failure);
}

static enum error record_step(struct database *database, const struct migrated_part *part,
                              int64_t version, struct failure *failure) {
    static const struct sql_statement add = {
        .types = "tii",
        .text = "INSERT INTO trawl_schema (part, version, done_at) VALUES ($1, $2, $3)",
    };
    const struct sql_value values[] = {sql_text(slice_of(part->name)), sql_integer(version),
                                       sql_integer(clock_unix_ms())};

    return database_run(database, &add, values, NULL, failure);
}

/* Within a transaction. */
static enum error do_step(struct database *database, const struct migrated_part *part,
                          int64_t *version, struct failure *failure) {
    enum error error = lock(database, failure);

    if (!error)
        error = run_script(database, SCHEMA_TABLE, NULL, failure);
    if (!error)
        error = read_version(database, part, version, failure);
    if (error || *version >= part->count)
        return error;
    const struct migration *step = &part->steps[*version];
    error = run_script(database, step->text, step->postgresql, failure);
    return error ? error : record_step(database, part, ++*version, failure);
}

enum error migrations_run(struct database *database, const struct migrated_part *part,
                          struct failure *failure) {
    int64_t version = 0;
    enum error error = read_version(database, part, &version, failure);

    while (!error && version < part->count) {
        if ((error = database_begin(database, failure)))
            return error;
        error = do_step(database, part, &version, failure);
        if (error)
            database_rollback(database);
        else
            error = database_commit(database, failure);
    }
    if (error)
        return error;
    return version > part->count ? refuse_future(database, part, version, failure) : ERROR_NONE;
}
