/* What the files of the ledger share; all of it belongs to the ledger's thread but for the inbox.
 *
 *     ledger.c            thread, rounds, what fails
 *     ledger_inbox.c      what others tell it, and wait for
 *     ledger_results.c    results: what is known of their endpoints, what they change
 *     ledger_rows.c       the rows of a round, written with a statement a table
 *     ledger_alerts.c     alerts, notices for the channels, events
 *     ledger_agents.c     results for another monitor; agents that report to this one
 *     ledger_workers.c    targets that no worker of the fleet answers for */
#ifndef TOOLS_MONITOR_LEDGER_INTERNAL_H
#define TOOLS_MONITOR_LEDGER_INTERNAL_H

#include "engine/base/arena.h"
#include "engine/queue/mailbox.h"
#include "engine/queue/wake.h"
#include "engine/record/fields.h"
#include "sinks/store/store.h"
#include "tools/monitor/ledger.h"
#include "tools/monitor/tables.h"

#include <pthread.h>

/* --- Messages --- */

enum message_kind { MESSAGE_RESULT, MESSAGE_CALL };

struct message {
    struct mailbox_entry entry; /* first */
    enum message_kind kind;
};

struct result_message {
    struct message message; /* first */
    int64_t target;
    struct probe_record *record;
    const char *endpoint, *agent; /* in `bytes` */
    char bytes[];
};

/* On the stack of who waits for it. */
struct call_message {
    struct message message; /* first */
    ledger_function *function;
    void *context;
    bool is_plain; /* needs no transaction: settings */
    struct failure failure;
    enum error error;
    bool is_done; /* with the mutex */
};

/* --- Rows of a round --- */

enum ledger_table {
    LEDGER_RESULTS,
    LEDGER_RECORDS,
    LEDGER_SUMMARY,
    LEDGER_HISTORY,
    LEDGER_EVENTS,
    LEDGER_REPORTS,
    LEDGER_TABLES,
};

struct ledger_rows {
    struct buffer values; /* struct sql_value */
    size_t count;
};

/* A row of a table: `values` as many as it has columns (ledger_rows.c). */
void monitor_ledger_add_row(struct monitor_ledger *ledger, enum ledger_table table,
                            const struct sql_value *values);
/* Writes and forgets what was added; memory that failed is ERROR_MEMORY. */
enum error monitor_ledger_write_rows(struct monitor_ledger *ledger, enum ledger_table table,
                                     struct failure *failure);
void monitor_ledger_drop_rows(struct monitor_ledger *ledger);
/* A text that every database takes, in the round's memory. */
struct slice monitor_ledger_text(struct monitor_ledger *ledger, struct slice untrusted);

/* An event of the round: numbered, in its table with the round, published after it. */
struct ledger_event {
    const char *kind;
    struct slice body; /* the round's memory */
};

/* --- The ledger --- */

struct monitor_ledger {
    struct ledger_config config;
    int32_t threshold_days[ALERT_THRESHOLDS];
    struct ledger_channel channels[LEDGER_CHANNELS];
    struct database *database; /* the store's */
    struct store *store;
    struct event_hub *hub;
    struct field_selection all_fields, lasting_fields, shown_fields, report_fields;

    /* Inbox. */
    struct mailbox inbox;
    struct wake wake;
    pthread_t thread;
    bool is_started;
    atomic_bool is_stopping;
    _Atomic uint64_t handed;  /* results */
    _Atomic uint64_t settled; /* of them: written, passed over, given up */
    pthread_mutex_t mutex;    /* of calls that are done, and of those who wait in a flush */
    pthread_cond_t changed;
    struct mailbox_entry *results, **results_end, *calls, **calls_end;

    /* Trouble. */
    bool is_failing, was_full, is_alone, is_without_store;
    int64_t retry_ms, wait_ms;   /* when it is tried again, monotonic; how long after the next */
    int64_t prune_ms, agents_ms; /* when it is looked again, monotonic */
    int64_t started_ms;          /* monotonic */

    /* The round. */
    struct arena memory;
    struct ledger_rows rows[LEDGER_TABLES];
    struct buffer packed;  /* records for the store */
    struct buffer events;  /* struct ledger_event */
    struct buffer targets; /* int64_t: keys that changed */
    bool has_notices, has_reports;
    uint64_t seq; /* of the last event that was committed */
    int64_t now_ms;
    struct monitor_ledger_statistics round, statistics;
    struct ledger_row *batch; /* LEDGER_BATCH */
};

/* --- ledger.c --- */

/* A transaction. The end commits it unless there was an error, publishes its events, counts what
 * was counted in `round`. */
enum error monitor_ledger_begin(struct monitor_ledger *ledger, struct failure *failure);
enum error monitor_ledger_end(struct monitor_ledger *ledger, enum error error,
                              struct failure *failure);
void monitor_ledger_say(struct monitor_ledger *ledger, const struct failure *failure);

/* --- ledger_inbox.c --- */

void monitor_ledger_inbox_init(struct monitor_ledger *ledger);
void monitor_ledger_inbox_deinit(struct monitor_ledger *ledger);
/* Sorts what came into results and calls. */
void monitor_ledger_take_messages(struct monitor_ledger *ledger);
struct call_message *monitor_ledger_next_call(struct monitor_ledger *ledger);
void monitor_ledger_answer(struct monitor_ledger *ledger, struct call_message *call,
                           enum error error);
/* The first `count` results are done with. */
void monitor_ledger_settle(struct monitor_ledger *ledger, uint32_t count);

/* --- ledger_departed.c --- */

/* Within a transaction. */
enum error monitor_ledger_forget_departed(struct monitor_ledger *ledger, struct failure *failure);

/* --- ledger_results.c --- */

/* What is known of an endpoint, and what a result makes of it. */
struct ledger_row {
    int64_t target;
    const char *endpoint, *agent;
    const struct probe_record *record;
    bool is_known, had_row; /* the target is there; it had a result before */
    bool is_cidr, is_passed;
    int64_t endpoints; /* of the summary */
    int64_t port;
    struct slice id, host, label, protocol, connect_address, old_outcome; /* the round's memory */
    int64_t old_status;
    struct alert_rules rules;
    struct alert_state state;
    struct alert_sight sight;
    enum status status;
};

/* Within a transaction: the row of monitor_summary anew, from the worst of the target's results. */
enum error monitor_ledger_summarize(struct monitor_ledger *ledger, int64_t target,
                                    int64_t checked_ms, struct failure *failure);

/* Within a transaction: takes in `count` results of `ledger->batch`, whose first four members are
 * set, no two of the same endpoint. */
enum error monitor_ledger_take_results(struct monitor_ledger *ledger, uint32_t count,
                                       uint32_t *changes, struct failure *failure);

/* --- ledger_agents.c --- */

/* The result as it is reported to another monitor. */
void monitor_ledger_add_report(struct monitor_ledger *ledger, const struct ledger_row *row,
                               struct buffer *scratch);
/* Tells of agents that have been silent for too long. */
enum error monitor_ledger_look_at_agents(struct monitor_ledger *ledger, struct failure *failure);

/* --- ledger_alerts.c --- */

struct ledger_alert {
    int64_t target;
    struct slice target_id; /* "" for none */
    const char *endpoint, *agent;
    enum alert_topic topic;
    enum alert_event event;
    enum alert_step step;
    enum severity severity;
    double threshold_days;
    struct slice title, message;
    struct slice details;     /* members, each with a comma before it */
    struct slice fingerprint; /* empty for none */
    bool is_once;             /* told once, ever */
};

/* `*raised`: something was written that was not there before. */
enum error monitor_ledger_alert(struct monitor_ledger *ledger, const struct ledger_alert *alert,
                                bool *raised, struct failure *failure);

enum error monitor_ledger_event(struct monitor_ledger *ledger, const char *kind, struct slice body,
                                struct failure *failure);

#endif
