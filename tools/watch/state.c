#include "engine/base/clock.h"
#include "engine/x509/certificate.h"
#include "tools/watch/state_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { APPLICATION_ID = 0x7472776c /* "trwl" */, SCHEMA_VERSION = 1 };

static const char SCHEMA[] =
    "CREATE TABLE position(source BLOB PRIMARY KEY, committed INT NOT NULL, verified INT NOT NULL,"
    " head INT NOT NULL, saved BLOB NOT NULL);"
    "CREATE TABLE sink(number INTEGER PRIMARY KEY, spec_sha256 BLOB NOT NULL UNIQUE,"
    " used_ms INT NOT NULL, file INT NOT NULL, bytes INT NOT NULL);"
    "CREATE TABLE issuance(id INTEGER PRIMARY KEY AUTOINCREMENT, issuance_id BLOB NOT NULL UNIQUE,"
    " stage INT NOT NULL, turn INT NOT NULL, look_ms INT NOT NULL, settle_ms INT NOT NULL,"
    " forget_ms INT NOT NULL, told INT NOT NULL, record BLOB NOT NULL);"
    "CREATE INDEX issuance_pending ON issuance(look_ms) WHERE stage = 0;"
    "CREATE INDEX issuance_waiting ON issuance(stage, turn) WHERE stage BETWEEN 1 AND 3;"
    "CREATE INDEX issuance_done ON issuance(forget_ms) WHERE stage = 4;";

/* Stages are written as numbers where an index depends on them. */
_Static_assert(ISSUANCE_PENDING == 0 && ISSUANCE_SETTLED == 1 && ISSUANCE_OPEN == 2 &&
                   ISSUANCE_TOLD == 3 && ISSUANCE_DONE == 4,
               "the schema has these numbers");

#define ROW "id, issuance_id, stage, turn, look_ms, settle_ms, forget_ms, told, record"

static const char *const TEXTS[STATEMENTS] = {
    [SAVE_POSITION] = "INSERT INTO position VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(source) DO"
                      " UPDATE SET committed = ?2, verified = ?3, head = ?4, saved = ?5",
    [POSITIONS] = "SELECT source, committed, verified, head, saved FROM position",
    [FIND_SINK] = "SELECT number, file, bytes FROM sink WHERE spec_sha256 = ?1",
    [USE_SINK] = "INSERT INTO sink VALUES(?1, ?2, ?3, 0, 0) ON CONFLICT(number) DO"
                 " UPDATE SET used_ms = ?3",
    /* A number that is free, else that of the sink which was not used for longest. */
    [FREE_SINK] = "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers"
                  " WHERE n + 1 < ?1) SELECT n FROM numbers LEFT JOIN sink ON number = n"
                  " ORDER BY number IS NOT NULL, used_ms, n LIMIT 1",
    [DROP_SINK] = "DELETE FROM sink WHERE number = ?1",
    [FORGET_SINK] = "UPDATE issuance SET told = told & ~(1 << ?1)"
                    " WHERE stage BETWEEN 1 AND 3 AND told & (1 << ?1)",
    [SAVE_SINK] = "UPDATE sink SET file = ?2, bytes = ?3 WHERE number = ?1",
    [FIND] = "SELECT " ROW " FROM issuance WHERE issuance_id = ?1",
    [ADD] = "INSERT INTO issuance(issuance_id, stage, turn, look_ms, settle_ms, forget_ms, told,"
            " record) VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)",
    [LOOK_LATER] = "UPDATE issuance SET look_ms = ?2, record = ?3 WHERE id = ?1",
    [LOOK_BY] = "UPDATE issuance SET look_ms = ?1 WHERE stage = 0 AND look_ms > ?1",
    [SETTLE] = "UPDATE issuance SET stage = ?2, turn = ?3, record = ?4 WHERE id = ?1",
    [ADVANCE] = "UPDATE issuance SET stage = ?2, turn = iif(?2 = 2, ?3, turn),"
                " record = iif(?2 = 4, x'', record) WHERE id = ?1",
    [TELL] = "UPDATE issuance SET told = told | ?2, stage = iif((told | ?2) & ?3 = ?3, ?4, stage),"
             " record = iif((told | ?2) & ?3 = ?3 AND ?4 = 4, x'', record)"
             " WHERE id = ?1 AND stage = 2 RETURNING stage",
    [PASS_SETTLED] = "UPDATE issuance SET stage = 2 WHERE stage = 1 AND stage BETWEEN 1 AND 3",
    [PASS_OPEN] = "UPDATE issuance SET stage = 3"
                  " WHERE stage = 2 AND stage BETWEEN 1 AND 3 AND told & ?1 = ?1",
    [PASS_TOLD] = "UPDATE issuance SET stage = 4, record = x''"
                  " WHERE stage = 3 AND stage BETWEEN 1 AND 3",
    [DUE] = "SELECT " ROW " FROM issuance WHERE stage = 0 AND look_ms <= ?1 ORDER BY look_ms, id"
            " LIMIT ?2",
    [WAITING] = "SELECT " ROW " FROM issuance WHERE stage = ?1 AND stage BETWEEN 1 AND 3 AND"
                " turn > ?2 AND told & ?3 = 0 ORDER BY turn LIMIT ?4",
    [PRUNE] = "DELETE FROM issuance WHERE id IN (SELECT id FROM issuance WHERE stage = 4 AND"
              " forget_ms < ?1 LIMIT ?2)",
    [NEXT_DUE] = "SELECT min(look_ms) FROM issuance WHERE stage = 0",
    [TAKE_BACK] = "UPDATE issuance SET stage = 1"
                  " WHERE stage = 2 AND stage BETWEEN 1 AND 3 AND turn > ?1",
    [NEWEST] = "SELECT max(id) FROM issuance",
    [OLDEST_UNDONE] = "SELECT min(id) FROM (SELECT min(id) AS id FROM issuance WHERE stage = 0"
                      " UNION ALL SELECT min(id) FROM issuance WHERE stage BETWEEN 1 AND 3)",
    [LAST_TURN] = "SELECT max(turn) FROM issuance WHERE stage BETWEEN 1 AND 3",
    [COUNT] = "SELECT (SELECT count(*) FROM issuance),"
              " (SELECT count(*) FROM issuance WHERE stage = 0),"
              " (SELECT count(*) FROM issuance WHERE stage BETWEEN 1 AND 3)",
};

/* --- Errors --- */

static enum error code_of(sqlite3 *database) {
    int code = sqlite3_errcode(database) & 0xff;
    int system = sqlite3_system_errno(database);

    switch (code) {
    case SQLITE_FULL:
        return (enum error)ENOSPC;
    case SQLITE_NOMEM:
        return ERROR_MEMORY;
    case SQLITE_READONLY:
        return (enum error)EROFS;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERROR_INPUT;
    default:
        return system > 0 && system < ERROR_USAGE ? (enum error)system : ERROR_INTERNAL;
    }
}

enum error state_explain(struct watch_state *state, struct failure *failure) {
    const char *path = sqlite3_db_filename(state->database, "main");
    int code = sqlite3_errcode(state->database) & 0xff;
    enum error error = code_of(state->database);

    if (!path || !path[0])
        path = "in memory";
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return failure_set(failure, (enum error)EBUSY,
                           "the state %.300s is used by another trawl; give each its own", path);
    if (error == (enum error)ENOSPC)
        return failure_set(failure, error,
                           "the state %.300s cannot be written: the disk is full; make room and it "
                           "goes on",
                           path);
    return failure_set(failure, error, "the state %.300s: %s", path,
                       sqlite3_errmsg(state->database));
}

enum error state_run(struct watch_state *state, sqlite3_stmt *statement, struct failure *failure) {
    int result = sqlite3_step(statement);
    enum error error = result == SQLITE_DONE ? ERROR_NONE : state_explain(state, failure);

    state_give(statement);
    return error;
}

static enum error execute(struct watch_state *state, const char *text, struct failure *failure) {
    if (sqlite3_exec(state->database, text, NULL, NULL, NULL) != SQLITE_OK)
        return state_explain(state, failure);
    return ERROR_NONE;
}

/* --- Opening --- */

/* The one number that a query gives. */
static enum error ask(struct watch_state *state, const char *text, int64_t *out,
                      struct failure *failure) {
    sqlite3_stmt *statement = NULL;
    enum error error = ERROR_NONE;

    if (sqlite3_prepare_v2(state->database, text, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        error = state_explain(state, failure);
    else
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return error;
}

/* Reads only: what is not ours stays as it is. */
static enum error look(struct watch_state *state, const char *path, bool *is_new,
                       struct failure *failure) {
    int64_t application = 0, version = 0, tables = 0;
    enum error error;

    if ((error = ask(state, "SELECT count(*) FROM sqlite_schema", &tables, failure)) ||
        (error = ask(state, "PRAGMA application_id", &application, failure)) ||
        (error = ask(state, "PRAGMA user_version", &version, failure)))
        return error;
    *is_new = application == 0 && tables == 0;
    if (*is_new || (application == APPLICATION_ID && version == SCHEMA_VERSION))
        return ERROR_NONE;
    if (application == APPLICATION_ID)
        return failure_set(failure, ERROR_INPUT,
                           "the state %.300s is of version %lld, this trawl knows %d: use a newer "
                           "trawl, or another file",
                           path, (long long)version, SCHEMA_VERSION);
    return failure_set(failure, ERROR_INPUT, "%.300s is a database, but no state of trawl watch",
                       path);
}

static enum error create(struct watch_state *state, struct failure *failure) {
    char text[sizeof SCHEMA + 128];

    sqlite3_snprintf(sizeof text, text,
                     "BEGIN IMMEDIATE; PRAGMA application_id = %d; PRAGMA user_version = %d;"
                     " %s COMMIT;",
                     APPLICATION_ID, SCHEMA_VERSION, SCHEMA);
    return execute(state, text, failure);
}

static enum error prepare_all(struct watch_state *state, struct failure *failure) {
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(state->database, TEXTS[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &state->statements[i], NULL) != SQLITE_OK)
            return state_explain(state, failure);
    return ERROR_NONE;
}

/* Locked for as long as it is open: two followers of the same logs would undo each other's
 * positions. */
static enum error set_up(struct watch_state *state, const char *path, struct failure *failure) {
    bool is_new = false;
    enum error error = execute(state, "PRAGMA locking_mode = EXCLUSIVE", failure);

    if (!error)
        error = look(state, path, &is_new, failure);
    if (!error)
        error = execute(state, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", failure);
    if (!error && is_new)
        error = create(state, failure);
    if (!error) /* takes the lock */
        error = execute(state, "BEGIN IMMEDIATE; COMMIT", failure);
    if (!error)
        error = prepare_all(state, failure);
    return error ? error : state_count(state, failure);
}

enum error watch_state_open(struct watch_state **out, const char *path, struct failure *failure) {
    struct watch_state *state = calloc(1, sizeof *state);
    const char *name = path ? path : ":memory:";
    enum error error;

    *out = NULL;
    if (!state)
        return failure_set(failure, ERROR_MEMORY, "no memory for the state");
    state->is_kept = path != NULL;
    buffer_init(&state->found);
    if (sqlite3_open_v2(name, &state->database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        error = failure_set(failure, state->database ? code_of(state->database) : ERROR_MEMORY,
                            "cannot open the state %.300s: %s", name,
                            state->database ? sqlite3_errmsg(state->database) : "no memory");
    } else {
        sqlite3_extended_result_codes(state->database, 1);
        error = set_up(state, name, failure);
    }
    if (error != ERROR_NONE) {
        watch_state_close(state);
        return error;
    }
    *out = state;
    return ERROR_NONE;
}

void watch_state_close(struct watch_state *state) {
    if (!state)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(state->statements[i]);
    sqlite3_close(state->database);
    buffer_deinit(&state->found);
    free(state);
}

bool watch_state_is_kept(const struct watch_state *state) {
    return state->is_kept;
}

/* --- Transactions --- */

enum error watch_state_begin(struct watch_state *state, struct failure *failure) {
    state->round = state->counts;
    return execute(state, "BEGIN IMMEDIATE", failure);
}

enum error watch_state_commit(struct watch_state *state, struct failure *failure) {
    enum error error = execute(state, "COMMIT", failure);

    if (error != ERROR_NONE) {
        watch_state_rollback(state);
        return error;
    }
    state->counts = state->round;
    return ERROR_NONE;
}

void watch_state_rollback(struct watch_state *state) {
    if (!sqlite3_get_autocommit(state->database))
        sqlite3_exec(state->database, "ROLLBACK", NULL, NULL, NULL);
}

/* --- Positions --- */

enum error watch_state_save_position(struct watch_state *state, struct slice source,
                                     const struct saved_position *position,
                                     struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, SAVE_POSITION);

    state_bind_blob(statement, 1, source);
    state_bind(statement, 2, position->committed);
    state_bind(statement, 3, position->verified);
    state_bind(statement, 4, position->head);
    state_bind_blob(statement, 5, position->saved);
    return state_run(state, statement, failure);
}

enum error watch_state_positions(struct watch_state *state, position_visit *visit, void *context,
                                 struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, POSITIONS);
    enum error error = ERROR_NONE;
    int result;

    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct saved_position position = {
            state_number(statement, 1), state_number(statement, 2), state_number(statement, 3),
            state_blob(statement, 4)};
        if (!visit(context, state_blob(statement, 0), &position))
            break;
    }
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        error = state_explain(state, failure);
    state_give(statement);
    return error;
}

/* --- Sinks --- */

static enum error run_with_number(struct watch_state *state, enum statement which, uint32_t number,
                                  struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, which);

    state_bind(statement, 1, number);
    return state_run(state, statement, failure);
}

static enum error find_sink(struct watch_state *state, struct slice name, struct saved_sink *out,
                            bool *found, struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, FIND_SINK);
    enum error error = ERROR_NONE;

    state_bind_blob(statement, 1, name);
    int result = sqlite3_step(statement);
    *found = result == SQLITE_ROW;
    if (*found)
        *out = (struct saved_sink){(uint32_t)state_number(statement, 0), state_number(statement, 1),
                                   state_number(statement, 2)};
    else if (result != SQLITE_DONE)
        error = state_explain(state, failure);
    state_give(statement);
    return error;
}

static enum error take_free_number(struct watch_state *state, uint32_t *number,
                                   struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, FREE_SINK);

    state_bind(statement, 1, STATE_SINKS_MAX);
    bool found = sqlite3_step(statement) == SQLITE_ROW;
    if (found)
        *number = (uint32_t)state_number(statement, 0);
    else
        state_explain(state, failure);
    state_give(statement);
    enum error error = found ? ERROR_NONE : ERROR_INTERNAL;
    if (!error)
        error = run_with_number(state, DROP_SINK, *number, failure);
    return error ? error : run_with_number(state, FORGET_SINK, *number, failure);
}

static enum error use_sink(struct watch_state *state, struct slice name, struct saved_sink *out,
                           struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, USE_SINK);
    bool found = false;
    enum error error = find_sink(state, name, out, &found, failure);

    if (!error && !found)
        error = take_free_number(state, &out->number, failure);
    if (error)
        return error;
    state_bind(statement, 1, out->number);
    state_bind_blob(statement, 2, name);
    sqlite3_bind_int64(statement, 3, clock_unix_ms());
    return state_run(state, statement, failure);
}

enum error watch_state_use_sink(struct watch_state *state, const char *spec, struct saved_sink *out,
                                struct failure *failure) {
    uint8_t name[CERTIFICATE_SHA256_BYTES];
    enum error error = watch_state_begin(state, failure);

    *out = (struct saved_sink){0};
    certificate_sha256(slice_of(spec), name);
    if (!error)
        error = use_sink(state, (struct slice){name, sizeof name}, out, failure);
    if (error) {
        watch_state_rollback(state);
        return error;
    }
    return watch_state_commit(state, failure);
}

enum error watch_state_save_sink(struct watch_state *state, const struct saved_sink *sink,
                                 struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, SAVE_SINK);

    state_bind(statement, 1, sink->number);
    state_bind(statement, 2, sink->file);
    state_bind(statement, 3, sink->bytes);
    return state_run(state, statement, failure);
}
