/* What the files of the state share.
 *
 *     state.c             the file, transactions, positions, sinks
 *     state_issuances.c   issuances */
#ifndef TOOLS_WATCH_STATE_INTERNAL_H
#define TOOLS_WATCH_STATE_INTERNAL_H

#include "tools/watch/state.h"

#include <sqlite3.h>

enum statement {
    SAVE_POSITION,
    POSITIONS,
    FIND_SINK,
    USE_SINK,
    FREE_SINK,
    DROP_SINK,
    FORGET_SINK,
    SAVE_SINK,
    FIND,
    ADD,
    LOOK_LATER,
    LOOK_BY,
    SETTLE,
    ADVANCE,
    TELL,
    PASS_SETTLED,
    PASS_OPEN,
    PASS_TOLD,
    DUE,
    WAITING,
    PRUNE,
    NEXT_DUE,
    TAKE_BACK,
    NEWEST,
    OLDEST_UNDONE,
    LAST_TURN,
    COUNT,
    STATEMENTS,
};

struct watch_state {
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENTS];
    bool is_kept;
    int64_t last_turn;
    struct watch_state_counts counts; /* as of the last commit */
    struct watch_state_counts round;  /* and of what was done since */
    struct buffer found;              /* the record of watch_state_find */
};

/* The statement, ready to be bound. */
static inline sqlite3_stmt *state_take(struct watch_state *state, enum statement which) {
    return state->statements[which];
}

static inline void state_bind(sqlite3_stmt *statement, int at, uint64_t number) {
    sqlite3_bind_int64(statement, at, (int64_t)number);
}

static inline void state_bind_blob(sqlite3_stmt *statement, int at, struct slice bytes) {
    sqlite3_bind_blob64(statement, at, bytes.len ? bytes.ptr : (const uint8_t *)"", bytes.len,
                        SQLITE_STATIC);
}

static inline uint64_t state_number(sqlite3_stmt *statement, int at) {
    return (uint64_t)sqlite3_column_int64(statement, at);
}

static inline struct slice state_blob(sqlite3_stmt *statement, int at) {
    const uint8_t *bytes = sqlite3_column_blob(statement, at);
    return (struct slice){bytes, (size_t)sqlite3_column_bytes(statement, at)};
}

/* Ends a statement, which may then be taken again. */
static inline void state_give(sqlite3_stmt *statement) {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

/* What SQLite last said, in words for an operator. */
enum error state_explain(struct watch_state *state, struct failure *failure);

/* Runs a statement that gives no rows, and gives it. */
enum error state_run(struct watch_state *state, sqlite3_stmt *statement, struct failure *failure);

/* Counts rows and turns, at the opening. */
enum error state_count(struct watch_state *state, struct failure *failure);

#endif
