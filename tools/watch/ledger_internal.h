/* What the files of the ledger share; all of it belongs to the ledger's thread but for the inbox.
 *
 *     ledger.c           thread, rounds, what fails
 *     ledger_inbox.c     what others tell it
 *     ledger_hits.c      watching: what comes in, and what it means
 *     ledger_alerts.c    watching: what has a verdict, on its way to database and sinks
 *     ledger_stream.c    every entry: pages to the sinks, positions behind them
 *     ledger_positions.c from where another may go on */
#ifndef TOOLS_WATCH_LEDGER_INTERNAL_H
#define TOOLS_WATCH_LEDGER_INTERNAL_H

#include "engine/queue/mailbox.h"
#include "engine/queue/wake.h"
#include "tools/watch/inventory.h"
#include "tools/watch/ledger.h"

#include <pthread.h>
#include <string.h>

enum {
    LEDGER_OUTLETS_MAX = PAGE_OUTLETS_MAX,
    ROWS_AT_ONCE = 64,   /* of the state, in one transaction */
    IN_FLIGHT_MAX = 256, /* alerts that a sink has and has not written */
};

enum message_kind { MESSAGE_PAGE, MESSAGE_POSITION, MESSAGE_WRITTEN };

struct message {
    struct mailbox_entry entry; /* first */
    enum message_kind kind;
    struct page *page;
    struct {
        const struct ct_source *source;
        uint64_t committed, verified, head;
    } position;
    struct {
        uint32_t outlet;
        bool refused;
        struct sink_position position;
    } written;
    uint32_t len;    /* of what follows */
    uint8_t bytes[]; /* the saved position; tickets */
};

/* A sink, as the ledger sees it. */
struct outlet {
    const struct encoding *encoding;
    struct batch_queue *queue;
    const struct filter *filter; /* NULL for all */
    struct saved_sink saved;
    /* Watching. */
    int64_t turn;       /* of the last alert that was handed to it */
    uint32_t in_flight; /* handed to it, and not written yet */
    bool has_all;       /* there is nothing that waits behind `turn` */
    bool has_refused;   /* something before it */
    int64_t again_ms;   /* when that is offered again, monotonic */
    int64_t wait_ms;    /* doubles while it refuses */
    /* Every entry. */
    uint64_t written; /* the last batch */
    struct sink_position position, marked;
};

/* How far a log was followed: with every_entry, or where somebody asks what is safe. */
struct followed {
    const struct ct_source *source;
    bool is_ahead;                   /* a page was passed that no position speaks of yet */
    struct message *latest, *marked; /* MESSAGE_POSITION; NULL when there is nothing to save */
};

/* How far the rows of a stage were offered to the database; those that wait for somebody else are
 * offered again at a time. */
struct offering {
    int64_t after;    /* a turn */
    int64_t again_ms; /* monotonic */
};

/* Something that fails until it does not any more. */
struct trouble {
    const char *what;
    bool is_failing;
    int64_t retry_ms; /* when it is tried again, monotonic */
    int64_t wait_ms;
};

struct ledger {
    struct ledger_config config;
    struct mailbox inbox;
    struct wake wake;
    pthread_t thread;
    bool is_started;
    atomic_bool is_stopping, is_abandoned;
    _Atomic uint32_t pages_waiting;
    struct trouble state_trouble, database_trouble, inventory_trouble;
    struct failure lost; /* what could not be remembered */
    struct outlet outlets[LEDGER_OUTLETS_MAX];

    /* Watching. */
    struct ledger_statistics round;         /* counts of the transaction under way */
    int64_t prune_ms, refresh_ms, check_ms; /* when that is done next, monotonic */
    struct offering settled, told;
    bool is_held_off; /* nobody may be told for now */

    /* Every entry. */
    struct mailbox_entry *backlog, **backlog_end; /* pages and positions that were not passed yet */
    bool is_numbered;                             /* its first page, passed in part */
    uint64_t sequence;                            /* of the last batch */

    /* Positions. */
    struct followed *followed;
    uint32_t followed_count;
    bool is_marked;  /* there is a mark: what came before it is waited for */
    uint64_t mark;   /* the last batch before it; watching, the id of the newest row */
    int64_t mark_ms; /* when it is sought, or looked at, next */

    struct ledger_statistics statistics; /* written here, read by any thread */
};

int64_t ledger_now_ms(void); /* monotonic */

static inline void ledger_count(uint64_t *counter, uint64_t more) {
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

/* A log that moves to another URL gets another source. */
static inline bool ledger_is_same_log(const struct ct_source *a, const struct ct_source *b) {
    return memcmp(a->log_id, b->log_id, sizeof a->log_id) == 0;
}

/* The bits of all sinks. */
uint64_t ledger_all_sinks(const struct ledger *ledger);

/* Notes how something went, and tells an operator where a streak of errors begins and ends. Returns
 * `error`. */
enum error ledger_note(struct ledger *ledger, struct trouble *trouble, enum error error,
                       const struct failure *failure);
/* Whether the state can be used at this time; whether there is a database, and it can. */
bool ledger_has_state(const struct ledger *ledger);
bool ledger_has_database(const struct ledger *ledger);
/* Tells an operator. */
void ledger_say(struct ledger *ledger, const struct failure *failure);

/* A transaction of the state. The end commits it unless there was an error; what was counted in
 * `round` counts when that went well. How the state fares is noted. */
enum error ledger_begin_round(struct ledger *ledger, struct failure *failure);
enum error ledger_end_round(struct ledger *ledger, enum error error, struct failure *failure);

/* --- ledger_hits.c --- */

/* Within a transaction, and repeated when it fails. */
enum error ledger_take_hits(struct ledger *ledger, const struct page *page,
                            struct failure *failure);
/* Gives verdicts to what is due. True: there is more to do now. */
bool ledger_settle(struct ledger *ledger, int64_t now_ms);
/* Gives up a row of the state that nobody can read; within a transaction. */
enum error ledger_drop(struct ledger *ledger, const struct issuance *issuance,
                       struct failure *failure);

/* Rows of the state with their records, taken out of it so that it can be changed meanwhile. */
struct rows {
    struct issuance items[ROWS_AT_ONCE];
    struct ct_record *records[ROWS_AT_ONCE]; /* NULL for one that nobody can read */
    uint32_t count;
};
bool rows_collect(void *context, const struct issuance *issuance); /* an issuance_visit */
void rows_free(struct rows *rows);

/* --- ledger_alerts.c --- */

/* Where an alert begins its way. */
enum issuance_stage ledger_first_stage(const struct ledger *ledger);
/* Counts its verdict when it comes to the stage in which sinks are told: not before, for the
 * database may know that they were. */
void ledger_count_verdict(struct ledger *ledger, const struct ct_record *record,
                          enum issuance_stage to);
/* Puts alerts into the database, marks there what is delivered. True: there is more to do now. */
bool ledger_tell_database(struct ledger *ledger);
/* Hands alerts to the sinks, as far as they have room. */
void ledger_tell_sinks(struct ledger *ledger);
/* Whether every sink was handed everything. */
bool ledger_has_told_sinks(const struct ledger *ledger);
/* Within a transaction; then, when that went well. */
enum error ledger_take_written(struct ledger *ledger, const struct message *message,
                               struct failure *failure);
void ledger_free_flights(struct ledger *ledger, const struct message *message);
/* True: there is more to do now. */
bool ledger_prune(struct ledger *ledger);

/* --- ledger_positions.c --- */

struct followed *ledger_followed(struct ledger *ledger, const struct ct_source *source);
struct saved_position ledger_position_of(const struct message *message);
/* Takes the message over. */
void ledger_take_position(struct ledger *ledger, struct message *message);
/* The latest positions are the marked ones; these are safe, and told. */
void ledger_mark_positions(struct ledger *ledger);
void ledger_pass_mark(struct ledger *ledger);

/* Watching: takes the positions out of messages that are in the state. */
void ledger_keep_positions(struct ledger *ledger, struct mailbox_entry **messages);
void ledger_tell_safe(struct ledger *ledger, bool at_end);

/* --- ledger_stream.c --- */

/* Takes the messages over. */
void ledger_stream(struct ledger *ledger, struct mailbox_entry *messages);
/* Whether all that came was passed to the sinks. */
bool ledger_has_streamed(const struct ledger *ledger);
/* Saves positions that have become safe; at the end, the last. */
enum error ledger_save(struct ledger *ledger, bool at_end, struct failure *failure);
void ledger_drop_stream(struct ledger *ledger);

void message_free(struct ledger *ledger, struct message *message);
enum error ledger_save_position(struct ledger *ledger, const struct message *message,
                                struct failure *failure);

#endif
