#include "tools/watch/state_internal.h"

static bool is_untold(enum issuance_stage stage) {
    return stage == ISSUANCE_SETTLED || stage == ISSUANCE_OPEN || stage == ISSUANCE_TOLD;
}

/* Keeps the counts along, so that asking for them costs nothing. */
static void count_move(struct watch_state *state, enum issuance_stage from,
                       enum issuance_stage to) {
    state->round.pending -= from == ISSUANCE_PENDING;
    state->round.untold -= is_untold(from);
    state->round.pending += to == ISSUANCE_PENDING;
    state->round.untold += is_untold(to);
}

enum error state_count(struct watch_state *state, struct failure *failure) {
    sqlite3_stmt *count = state_take(state, COUNT), *turn = state_take(state, LAST_TURN);
    bool ok = sqlite3_step(count) == SQLITE_ROW && sqlite3_step(turn) == SQLITE_ROW;
    enum error error = ok ? ERROR_NONE : state_explain(state, failure);

    if (ok) {
        state->counts = (struct watch_state_counts){state_number(count, 0), state_number(count, 1),
                                                    state_number(count, 2)};
        state->last_turn = sqlite3_column_int64(turn, 0);
    }
    state_give(count);
    state_give(turn);
    return error;
}

struct watch_state_counts watch_state_counts(const struct watch_state *state) {
    return state->counts;
}

/* --- Rows --- */

/* Without its record. */
static void read_row(sqlite3_stmt *statement, struct issuance *out) {
    struct slice issuance_id = state_blob(statement, 1);
    uint64_t stage = state_number(statement, 2);

    *out = (struct issuance){
        .id = sqlite3_column_int64(statement, 0),
        .stage = stage <= ISSUANCE_DONE ? (enum issuance_stage)stage : ISSUANCE_DONE,
        .turn = sqlite3_column_int64(statement, 3),
        .look_ms = sqlite3_column_int64(statement, 4),
        .settle_ms = sqlite3_column_int64(statement, 5),
        .forget_ms = sqlite3_column_int64(statement, 6),
        .told = state_number(statement, 7),
    };
    if (issuance_id.len == ISSUANCE_ID_BYTES)
        memcpy(out->issuance_id, issuance_id.ptr, ISSUANCE_ID_BYTES);
}

static struct slice record_of(sqlite3_stmt *statement) {
    return state_blob(statement, 8);
}

enum error watch_state_find(struct watch_state *state, const uint8_t issuance_id[ISSUANCE_ID_BYTES],
                            struct issuance *out, bool *found, struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, FIND);
    enum error error = ERROR_NONE;

    state_bind_blob(statement, 1, (struct slice){issuance_id, ISSUANCE_ID_BYTES});
    int result = sqlite3_step(statement);
    *found = result == SQLITE_ROW;
    if (*found) {
        read_row(statement, out);
        state->found.len = 0;
        if (out->stage == ISSUANCE_PENDING)
            buffer_add_slice(&state->found, record_of(statement));
        out->record = buffer_slice(&state->found);
    } else if (result != SQLITE_DONE) {
        error = state_explain(state, failure);
    }
    state_give(statement);
    if (*found && state->found.failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory for an alert");
    return error;
}

/* The rows of a statement whose parameters are bound, with their records. */
static enum error visit_rows(struct watch_state *state, sqlite3_stmt *statement,
                             issuance_visit *visit, void *context, struct failure *failure) {
    enum error error = ERROR_NONE;

    for (bool more = true; more;) {
        int result = sqlite3_step(statement);
        if (result == SQLITE_ROW) {
            struct issuance row;
            read_row(statement, &row);
            row.record = record_of(statement);
            more = visit(context, &row);
        } else {
            more = false;
            if (result != SQLITE_DONE)
                error = state_explain(state, failure);
        }
    }
    state_give(statement);
    return error;
}

enum error watch_state_due(struct watch_state *state, int64_t now_ms, uint32_t most,
                           issuance_visit *visit, void *context, struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, DUE);

    sqlite3_bind_int64(statement, 1, now_ms);
    state_bind(statement, 2, most);
    return visit_rows(state, statement, visit, context, failure);
}

enum error watch_state_waiting(struct watch_state *state, enum issuance_stage stage, int64_t after,
                               uint64_t without, uint32_t most, issuance_visit *visit,
                               void *context, struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, WAITING);

    state_bind(statement, 1, stage);
    sqlite3_bind_int64(statement, 2, after);
    state_bind(statement, 3, without);
    state_bind(statement, 4, most);
    return visit_rows(state, statement, visit, context, failure);
}

/* The one number that a statement gives. */
static int64_t ask_number(struct watch_state *state, enum statement which, int64_t otherwise) {
    sqlite3_stmt *statement = state_take(state, which);
    int64_t number = otherwise;

    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        number = sqlite3_column_int64(statement, 0);
    state_give(statement);
    return number;
}

int64_t watch_state_next_due(struct watch_state *state) {
    return ask_number(state, NEXT_DUE, INT64_MAX);
}

int64_t watch_state_newest(struct watch_state *state) {
    return ask_number(state, NEWEST, 0);
}

int64_t watch_state_oldest_undone(struct watch_state *state) {
    return ask_number(state, OLDEST_UNDONE, INT64_MAX);
}

/* --- Changes --- */

enum error watch_state_add(struct watch_state *state, struct issuance *issuance,
                           struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, ADD);

    issuance->turn = issuance->stage == ISSUANCE_PENDING ? 0 : ++state->last_turn;
    state_bind_blob(statement, 1, (struct slice){issuance->issuance_id, ISSUANCE_ID_BYTES});
    state_bind(statement, 2, issuance->stage);
    sqlite3_bind_int64(statement, 3, issuance->turn);
    sqlite3_bind_int64(statement, 4, issuance->look_ms);
    sqlite3_bind_int64(statement, 5, issuance->settle_ms);
    sqlite3_bind_int64(statement, 6, issuance->forget_ms);
    state_bind_blob(statement, 7, issuance->record);
    enum error error = state_run(state, statement, failure);
    if (error)
        return error;
    issuance->id = sqlite3_last_insert_rowid(state->database);
    state->round.known++;
    count_move(state, ISSUANCE_DONE, issuance->stage);
    return ERROR_NONE;
}

enum error watch_state_look_later(struct watch_state *state, const struct issuance *issuance,
                                  struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, LOOK_LATER);

    sqlite3_bind_int64(statement, 1, issuance->id);
    sqlite3_bind_int64(statement, 2, issuance->look_ms);
    state_bind_blob(statement, 3, issuance->record);
    return state_run(state, statement, failure);
}

enum error watch_state_look_by(struct watch_state *state, int64_t look_ms,
                               struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, LOOK_BY);

    sqlite3_bind_int64(statement, 1, look_ms);
    return state_run(state, statement, failure);
}

enum error watch_state_settle(struct watch_state *state, const struct issuance *issuance,
                              enum issuance_stage to, struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, SETTLE);

    sqlite3_bind_int64(statement, 1, issuance->id);
    state_bind(statement, 2, to);
    sqlite3_bind_int64(statement, 3, ++state->last_turn);
    state_bind_blob(statement, 4, issuance->record);
    enum error error = state_run(state, statement, failure);
    if (!error)
        count_move(state, ISSUANCE_PENDING, to);
    return error;
}

enum error watch_state_advance(struct watch_state *state, const struct issuance *issuance,
                               enum issuance_stage to, struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, ADVANCE);

    sqlite3_bind_int64(statement, 1, issuance->id);
    state_bind(statement, 2, to);
    sqlite3_bind_int64(statement, 3, to == ISSUANCE_OPEN ? ++state->last_turn : 0);
    enum error error = state_run(state, statement, failure);
    if (!error)
        count_move(state, issuance->stage, to);
    return error;
}

enum error watch_state_tell(struct watch_state *state, int64_t id, uint32_t sink, uint64_t sinks,
                            enum issuance_stage then, bool *all, struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, TELL);
    enum error error = ERROR_NONE;

    sqlite3_bind_int64(statement, 1, id);
    state_bind(statement, 2, UINT64_C(1) << sink);
    state_bind(statement, 3, sinks);
    state_bind(statement, 4, then);
    int result = sqlite3_step(statement);
    *all = result == SQLITE_ROW && state_number(statement, 0) != ISSUANCE_OPEN;
    if (result == SQLITE_ROW)
        result = sqlite3_step(statement);
    if (result != SQLITE_DONE)
        error = state_explain(state, failure);
    state_give(statement);
    if (!error && *all)
        count_move(state, ISSUANCE_OPEN, then);
    return error;
}

enum error watch_state_adopt(struct watch_state *state, uint64_t sinks, bool has_database,
                             struct failure *failure) {
    sqlite3_stmt *open = state_take(state, PASS_OPEN);
    enum error error = watch_state_begin(state, failure);

    if (!error && !has_database)
        error = state_run(state, state_take(state, PASS_SETTLED), failure);
    state_bind(open, 1, sinks);
    if (!error)
        error = state_run(state, open, failure);
    if (!error && !has_database)
        error = state_run(state, state_take(state, PASS_TOLD), failure);
    if (error) {
        watch_state_rollback(state);
        return error;
    }
    error = watch_state_commit(state, failure);
    return error ? error : state_count(state, failure);
}

enum error watch_state_take_back(struct watch_state *state, int64_t after,
                                 struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, TAKE_BACK);

    sqlite3_bind_int64(statement, 1, after);
    return state_run(state, statement, failure);
}

enum error watch_state_prune(struct watch_state *state, int64_t now_ms, uint32_t most,
                             uint32_t *forgotten, struct failure *failure) {
    sqlite3_stmt *statement = state_take(state, PRUNE);

    *forgotten = 0;
    sqlite3_bind_int64(statement, 1, now_ms);
    state_bind(statement, 2, most);
    enum error error = state_run(state, statement, failure);
    if (error)
        return error;
    *forgotten = (uint32_t)sqlite3_changes(state->database);
    state->round.known -= *forgotten;
    return ERROR_NONE;
}
