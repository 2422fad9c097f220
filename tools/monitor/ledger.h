/* The monitor's ledger: the thread that writes the store, and the only one.
 *
 *     workers ── results ──▶ [inbox] ─▶ ledger ─▶ ONE transaction: result, summary, history,
 *     API, schedule, agents ─ calls ─▶   │        alerts, outbox rows, events
 *                                        └─ after the commit ─▶ events hub, outbox
 *
 * Results come in batches of what waits, up to LEDGER_BATCH: the busier, the larger. What a record
 * shows of certificates and endpoints goes to the store (sinks/store) just before, which may take
 * it twice without harm; it goes there when it says something new, or once a day.
 *
 * While the store cannot be written, results wait in memory and are tried again; nothing is lost.
 * The schedule keeps them few: it hands out no target while monitor_ledger_is_full. Calls do not
 * wait for a store that is away: they fail.
 *
 * All functions may be called by any thread, but from within a call. */
#ifndef TOOLS_MONITOR_LEDGER_H
#define TOOLS_MONITOR_LEDGER_H

#include "sinks/store/database.h"
#include "tools/monitor/alerts.h"
#include "tools/monitor/events.h"
#include "tools/monitor/targets.h"

struct monitor_ledger;

enum {
    LEDGER_BATCH = 1024,       /* results of one transaction */
    LEDGER_WAITING_MAX = 8192, /* results that wait, until it is full */
    LEDGER_ENDPOINT_BYTES = 256,
    LEDGER_AGENT_BYTES = 64,
    LEDGER_CHANNELS = 16,
};

/* Which notices a channel gets. Texts outlive the ledger. */
struct ledger_channel {
    const char *name;    /* "webhook", "email", "webhook:2": as it stands in monitor_outbox */
    enum severity least; /* nothing below it; what resolves goes where its alert went */
    uint32_t events;     /* bits 1 << enum alert_event; 0 for all */
};

struct ledger_config {
    const char *url; /* of the store: sqlite:PATH, postgresql://… */
    /* Of targets that have none of their own. */
    const int32_t *threshold_days;
    uint32_t threshold_count;
    uint8_t failures; /* in a row until an endpoint is unreachable; 0: ALERT_FAILURES */
    const struct ledger_channel *channels;
    uint32_t channel_count;
    int64_t interval_ms; /* between two probes of targets that have none of their own; 0: an hour */
    int64_t retention_ms; /* of history, resolved alerts, delivered notices, audit; 0: for ever */
    uint32_t forget_ms;   /* between two looks for what is to be forgotten; 0: a minute */
    uint32_t retry_ms;    /* what fails is tried again after so long, then twice as long, up to a
                             minute; 0: a second */
    bool keeps_reports;   /* results of this machine go to monitor_reports too, for agent.h */
    /* On the ledger's thread; each may be NULL. */
    void (*on_notice)(void *owner); /* rows were added to the outbox */
    void (*on_report)(void *owner); /* rows were added to monitor_reports */
    void (*on_room)(void *owner);   /* not full any more */
    /* Targets were added, changed or deleted (by key; 0: many). */
    void (*on_targets)(void *owner, int64_t key);
    /* A streak of errors begins, or something of which there is no other trace; the streak ends. */
    void (*on_trouble)(void *owner, const struct failure *failure);
    void (*on_recovered)(void *owner);
    void *owner;
};

/* Opens the store and brings its tables up to date; starts the thread. `*hub` is made by the way,
 * going on with the numbers that stand in the table; the caller closes it after the ledger. */
enum error monitor_ledger_open(struct monitor_ledger **out, const struct ledger_config *config,
                               struct event_hub **hub, struct failure *failure)
    __attribute__((warn_unused_result));

/* Writes what waits, as long as the store takes it, and ends the thread. An error says how much
 * could not be written. NULL is fine. Nobody may call it any more. */
enum error monitor_ledger_close(struct monitor_ledger *ledger, struct failure *failure)
    __attribute__((warn_unused_result));

/* --- Results --- */

struct monitor_result {
    int64_t target;              /* key in monitor_targets; a target that is gone is passed over */
    const char *endpoint;        /* "" for a single target, else the address; copied */
    const char *agent;           /* "" for this machine; copied */
    struct probe_record *record; /* its status is judged anew, by the target's days */
};

/* Hands over a result; takes a reference to the record. Never blocks: from workers (pool_observer).
 * False when there is no memory, which counts as dropped. A record whose outcome is
 * OUTCOME_CANCELLED is none, and passed over. */
bool monitor_ledger_result(struct monitor_ledger *ledger, const struct monitor_result *result);

/* LEDGER_WAITING_MAX results or more wait: hand out no more targets until on_room. */
bool monitor_ledger_is_full(const struct monitor_ledger *ledger);

/* How many results were handed over so far; whether so many are written, or passed over. Any
 * thread. */
uint64_t monitor_ledger_handed(const struct monitor_ledger *ledger);
bool monitor_ledger_has_settled(const struct monitor_ledger *ledger, uint64_t handed);

/* Waits until all results that were handed over before are written; ETIMEDOUT after `wait_ms`. */
enum error monitor_ledger_flush(struct monitor_ledger *ledger, uint32_t wait_ms)
    __attribute__((warn_unused_result));

/* Days, failures or channels of the settings changed (SIGHUP). Copied but for the texts, which
 * outlive the ledger; of `config` only what stands from threshold_days to retention_ms counts. */
enum error monitor_ledger_configure(struct monitor_ledger *ledger,
                                    const struct ledger_config *config, struct failure *failure)
    __attribute__((warn_unused_result));

/* --- Calls --- */

/* What a function on the ledger's thread writes through; it is within a transaction, which commits
 * when the function returns without an error. */
struct ledger_write {
    struct monitor_ledger *ledger;
    struct database *database;
    int64_t now_ms;
};

/* Runs on the ledger's thread; must be short, and may run again when the connection broke: what it
 * leaves in `context` is that of the last run. */
typedef enum error ledger_function(struct ledger_write *write, void *context,
                                   struct failure *failure);

/* Waits for it. The function's error, or that of the transaction: ENOTCONN and the like when the
 * store is away (503). */
enum error monitor_ledger_call(struct monitor_ledger *ledger, ledger_function *function,
                               void *context, struct failure *failure)
    __attribute__((warn_unused_result));

/* The next are for such functions. */

/* An event for the hub, published after the commit. `kind` is a static text; `body` is copied. */
enum error monitor_write_event(struct ledger_write *write, const char *kind, struct slice body,
                               struct failure *failure) __attribute__((warn_unused_result));

/* monitor_targets changed: on_targets is called after the commit. Summaries, alert rules and muted
 * alerts follow. */
void monitor_write_target_changed(struct ledger_write *write, int64_t key);

/* A result within the call, as monitor_ledger_result: for the reports of agents, so that they are
 * written when they are answered. `*changes` grows by the alerts that it opened, updated, resolved
 * or told; may be NULL. */
enum error monitor_write_result(struct ledger_write *write, const struct monitor_result *result,
                                uint32_t *changes, struct failure *failure)
    __attribute__((warn_unused_result));

/* An agent was heard of, which reports at least every `interval_ms` (0: SSL Scout's hour). Silent
 * for three times as long, it opens an alert, that the next report resolves. */
enum error monitor_write_agent(struct ledger_write *write, const char *name, const char *version,
                               const char *address, int64_t interval_ms, struct failure *failure)
    __attribute__((warn_unused_result));

/* A packed record with all fields for the store (store_take), as part of the call; copied. What the
 * store does not take fails the call with ERROR_INPUT. */
void monitor_write_record(struct ledger_write *write, struct slice packed);

/* An alert that is not about an endpoint's results: of CT, a feed, an agent. */
struct monitor_notice {
    enum alert_topic topic;
    enum alert_event event;
    enum alert_step step; /* ALERT_OPEN of one that is open, ALERT_RESOLVE of one that is not:
                             nothing happens, so a caller need not remember */
    enum severity severity;
    int64_t target;      /* 0: of none */
    const char *subject; /* which one within the topic: a feed's name, an agent's, an issuance's
                            id; one alert each is open. ALERT_TELL: told once, ever, as long as its
                            alert stands in the table */
    struct slice title, message; /* UTF-8 */
    struct slice details;        /* members of a JSON object, each with a comma before it; e.g.
                                    certwatch_add's behind its brace */
    struct slice fingerprint;    /* of the certificate, 32 bytes or empty */
};
enum error monitor_raise(struct ledger_write *write, const struct monitor_notice *notice,
                         bool *raised, struct failure *failure) __attribute__((warn_unused_result));

/* Nobody probes these targets at the moment: their summaries say so, and why, until the next
 * result. */
#define SUMMARY_UNANSWERED "unanswered"
enum error monitor_write_unanswered(struct ledger_write *write, const int64_t *keys, uint32_t count,
                                    const char *why, struct failure *failure)
    __attribute__((warn_unused_result));

/* No worker with a label answers, as `silence` says in a sentence; NULL: one does again. The first
 * of each counts. */
enum error monitor_write_workers(struct ledger_write *write, const char *label, const char *silence,
                                 struct failure *failure) __attribute__((warn_unused_result));

/* The labels that targets have: nobody waits any more for workers with others. */
enum error monitor_write_labels(struct ledger_write *write, const char *const *labels,
                                uint32_t count, struct failure *failure)
    __attribute__((warn_unused_result));

/* --- For any thread --- */

struct monitor_ledger_statistics {
    uint64_t results, repeated, dropped; /* written; of the past, or twice; no memory */
    uint64_t orphans;                    /* of targets that were deleted meanwhile */
    uint64_t records_stored;             /* that went to the store */
    uint64_t alerts[ALERT_EVENTS];       /* told, by event */
    uint64_t muted;                      /* of them, not handed to a channel */
    uint64_t transactions, calls, waiting;
    uint64_t unread_states; /* rows whose state nobody could read: begun anew */
    uint64_t failing;       /* 1: the store cannot be written at the moment */
};
void monitor_ledger_statistics(const struct monitor_ledger *ledger,
                               struct monitor_ledger_statistics *out);

#endif
