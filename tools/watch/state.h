/* What `trawl watch` must not forget: how far each log was followed, which issuances were seen,
 * which of them still wait for their verdict, and which alerts are not delivered yet. One SQLite
 * file.
 *
 * The positions and the hits of the same pages go into one transaction, so that whatever happens a
 * position never stands behind a hit that was lost. An issuance (a precertificate, its certificate,
 * in any number of logs) has one row until long after everybody was told:
 *
 *     PENDING ───▶ SETTLED ──────▶ OPEN ─────▶ TOLD ─────────▶ DONE
 *     waits for    is to be put    sinks       is to be        remembered, so that
 *     its verdict  into a          are to      marked in the   nobody is told again
 *                  database        be told     database
 *
 * Without a database, SETTLED and TOLD are passed over.
 *
 * Belongs to one thread at a time; calls block on the disk. */
#ifndef TOOLS_WATCH_STATE_H
#define TOOLS_WATCH_STATE_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"

enum { ISSUANCE_ID_BYTES = 16, STATE_SINKS_MAX = 48 };

struct watch_state;

/* Creates or opens `path`; NULL for a state in memory, forgotten at the end. A file that another
 * process uses, that is no such state or that a newer version has made is an error, and stays as it
 * is. */
enum error watch_state_open(struct watch_state **out, const char *path, struct failure *failure)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void watch_state_close(struct watch_state *state);

/* Whether it is there after a restart. */
bool watch_state_is_kept(const struct watch_state *state);

/* All that stands between the two happens or nothing does, and all changes stand between them. A
 * commit that fails is rolled back; ENOSPC and the like may pass, the whole is then to be done
 * again. */
enum error watch_state_begin(struct watch_state *state, struct failure *failure)
    __attribute__((warn_unused_result));
enum error watch_state_commit(struct watch_state *state, struct failure *failure)
    __attribute__((warn_unused_result));
void watch_state_rollback(struct watch_state *state);

/* --- Positions; `source` is the log's id, or what else names it for ever --- */

struct saved_position {
    uint64_t committed, verified, head; /* as struct log_position */
    struct slice saved;
};

enum error watch_state_save_position(struct watch_state *state, struct slice source,
                                     const struct saved_position *position, struct failure *failure)
    __attribute__((warn_unused_result));

/* Calls `visit` with each, until it returns false; they are valid during the call. */
typedef bool position_visit(void *context, struct slice source,
                            const struct saved_position *position);
enum error watch_state_positions(struct watch_state *state, position_visit *visit, void *context,
                                 struct failure *failure) __attribute__((warn_unused_result));

/* --- Sinks: each has a number for as long as it is used --- */

struct saved_sink {
    uint32_t number;      /* below STATE_SINKS_MAX: its bit in issuance.told */
    uint64_t file, bytes; /* as struct sink_position, when the positions were saved; 0 for none */
};

/* The sink that `spec` names, as it was or new. One that was not used for longest gives way. The
 * state keeps a hash of the spec, which may hold secrets. */
enum error watch_state_use_sink(struct watch_state *state, const char *spec, struct saved_sink *out,
                                struct failure *failure) __attribute__((warn_unused_result));

enum error watch_state_save_sink(struct watch_state *state, const struct saved_sink *sink,
                                 struct failure *failure) __attribute__((warn_unused_result));

/* --- Issuances --- */

enum issuance_stage {
    ISSUANCE_PENDING,
    ISSUANCE_SETTLED,
    ISSUANCE_OPEN,
    ISSUANCE_TOLD,
    ISSUANCE_DONE
};

struct issuance {
    int64_t id; /* of the row */
    uint8_t issuance_id[ISSUANCE_ID_BYTES];
    enum issuance_stage stage;
    int64_t turn;        /* its place among the alerts; given when it is settled and when it opens,
                            grows */
    int64_t look_ms;     /* pending: when to look whether it is known; since 1970, as all times */
    int64_t settle_ms;   /* pending: from when on it is what it is without being known */
    int64_t forget_ms;   /* done: from when on the row may go */
    uint64_t told;       /* sinks that have it: bit i for the sink with the number i */
    struct slice record; /* packed, engine/record/ct_record_pack.h; empty when it is done */
};

/* `*found`: it was seen before. The record of a pending one is valid until the next call. */
enum error watch_state_find(struct watch_state *state, const uint8_t issuance_id[ISSUANCE_ID_BYTES],
                            struct issuance *out, bool *found, struct failure *failure)
    __attribute__((warn_unused_result));

/* A new one, in any stage; sets its id, and its turn when it is settled. */
enum error watch_state_add(struct watch_state *state, struct issuance *issuance,
                           struct failure *failure) __attribute__((warn_unused_result));

/* What look_ms and the record of a pending one are from now on. */
enum error watch_state_look_later(struct watch_state *state, const struct issuance *issuance,
                                  struct failure *failure) __attribute__((warn_unused_result));
/* All pending ones are to be looked at by then. */
enum error watch_state_look_by(struct watch_state *state, int64_t look_ms, struct failure *failure)
    __attribute__((warn_unused_result));

/* A pending one gets its verdict: its record from now on, and the stage that comes then. */
enum error watch_state_settle(struct watch_state *state, const struct issuance *issuance,
                              enum issuance_stage to, struct failure *failure)
    __attribute__((warn_unused_result));

/* To a later stage; its turn is a new one when it opens, since those before it may have been passed
 * over. `issuance` is as the state has it. */
enum error watch_state_advance(struct watch_state *state, const struct issuance *issuance,
                               enum issuance_stage to, struct failure *failure)
    __attribute__((warn_unused_result));

/* The sink with this number has an open one. When all of `sinks` (a bit each) have it, it goes on
 * to `then`, and `*all` is true. One that is not open stays as it is. */
enum error watch_state_tell(struct watch_state *state, int64_t id, uint32_t sink, uint64_t sinks,
                            enum issuance_stage then, bool *all, struct failure *failure)
    __attribute__((warn_unused_result));

/* At the start of a run: rows in stages that it does not have go on to the next, and open ones that
 * all of its sinks have to TOLD, or DONE without a database. */
enum error watch_state_adopt(struct watch_state *state, uint64_t sinks, bool has_database,
                             struct failure *failure) __attribute__((warn_unused_result));

/* Calls `visit` with up to `most` rows, until it returns false; a row is valid during the call, and
 * the state must not be used in it. */
typedef bool issuance_visit(void *context, const struct issuance *issuance);

/* Pending ones that are to be looked at, the longest due first. */
enum error watch_state_due(struct watch_state *state, int64_t now_ms, uint32_t most,
                           issuance_visit *visit, void *context, struct failure *failure)
    __attribute__((warn_unused_result));

/* Those of one of the three stages in the middle whose turn comes after `after` and that no sink of
 * `without` (a bit each) has, in order. */
enum error watch_state_waiting(struct watch_state *state, enum issuance_stage stage, int64_t after,
                               uint64_t without, uint32_t most, issuance_visit *visit,
                               void *context, struct failure *failure)
    __attribute__((warn_unused_result));

/* Forgets up to `most` that are done and due for it; `*forgotten` is how many. */
enum error watch_state_prune(struct watch_state *state, int64_t now_ms, uint32_t most,
                             uint32_t *forgotten, struct failure *failure)
    __attribute__((warn_unused_result));

/* All open ones whose turn comes after `after` are to be put into the database once more. */
enum error watch_state_take_back(struct watch_state *state, int64_t after, struct failure *failure)
    __attribute__((warn_unused_result));

/* The id of the newest row, 0 for none; of the oldest that is not done, INT64_MAX for none. Ids
 * grow. */
int64_t watch_state_newest(struct watch_state *state);
int64_t watch_state_oldest_undone(struct watch_state *state);

/* When the next pending one is to be looked at; INT64_MAX when none is. */
int64_t watch_state_next_due(struct watch_state *state);

/* How many rows there are, as of the last commit. */
struct watch_state_counts {
    uint64_t known, pending, untold; /* all; those without a verdict; those on their way since */
};
struct watch_state_counts watch_state_counts(const struct watch_state *state);

#endif
