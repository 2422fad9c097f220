/* The monitor's tables, beside those of the store (sinks/store/schema.h), and all that is written
 * to them. Only the ledger's thread writes; who answers requests reads, over a database of its own.
 *
 *     monitor_targets ◀── monitor_summary (one row a target: lists are made of it)
 *            ▲
 *            ├── monitor_results (one row an endpoint and agent) ── monitor_records (its JSON)
 *            ├── monitor_history (one row a change)
 *            └── monitor_alerts ◀── monitor_outbox (one row a notice and channel)
 *
 * Times are milliseconds since 1970, but for not_after: seconds, as in the store. A target is known
 * by `key`, a number, within the tables, and by `id` ("tls_0123456789ab") to the world. Status is
 * enum status, severity enum severity, both as numbers: the larger, the worse.
 *
 * monitor_targets   key, id, host, port, protocol ('' by port), connect_address, label, tags (JSON
 *                   list), warn_days, crit_days, thresholds (JSON list of days, '' for those of the
 *                   settings), ca_file, dane, interval_s (0: that of the settings), is_cidr, source
 *                   ('api', 'config', 'agent'), enabled, created_at, updated_at,
 *                   via (who probes it; '' or NULL: this machine)
 * monitor_summary   target, status, outcome, stage, error, days_left, not_after, fingerprint,
 *                   subject, issuer, endpoints, endpoint, agent, last_check, last_ok: of its worst
 *                   endpoint; no row until the first result. While nobody probes it (no worker
 *                   answers): status 0, outcome 'unanswered', and `error` says why
 * monitor_results   target, endpoint, agent, last_check, last_ok, status, outcome, stage, error,
 *                   days_left, not_after, fingerprint, subject, issuer, state (struct alert_state,
 *                   packed). `endpoint` is '' but for the addresses of a block, and for further
 *                   addresses of a name; `agent` '' for this machine
 * monitor_records   target, endpoint, agent, at, record: the last that said something new, as JSON.
 *                   Later ones differ from it in times, days left and timing only
 * monitor_history   id, target, endpoint, agent, at, status, outcome, days_left, fingerprint,
 *                   change (words with commas: "status,certificate,outcome")
 * monitor_alerts    id, target (0: of none), endpoint, agent, topic, event, severity, title,
 *                   message, details (JSON object), fingerprint, threshold, opened_at, updated_at,
 *                   resolved_at, acknowledged_at, acknowledged_by, muted
 * monitor_mutes     id, target (0: all), event ('' for all), until_at (0: for ever), created_at,
 *                   created_by, reason
 * monitor_outbox    id, alert, channel, event_id, event, severity, title, message, body,
 *                   created_at, attempts, next_at, delivered_at, dead, last_error
 * monitor_events    seq, at, kind, body (JSON object)
 * monitor_agents    name, first_seen, last_seen, version, address, silent, interval_ms
 * monitor_reports   id, at, failed (no certificate), body (JSON object): results that wait to be
 *                   reported to another monitor (agent.h)
 * monitor_audit     id, at, who, role, action, detail
 * monitor_identity  id: by which this store is known elsewhere, as in a fleet's jobs; one row */
#ifndef TOOLS_MONITOR_TABLES_H
#define TOOLS_MONITOR_TABLES_H

#include "sinks/store/migrations.h"
#include "tools/monitor/targets.h"

/* Migrated after store_schema. */
extern const struct migrated_part monitor_schema;

/* --- Reading, on any database that has the tables --- */

/* `visit` is called with each target, whatever its source, in the order of their keys, until it
 * returns an error. */
typedef enum error tables_target_visit(void *context, const struct monitor_target *target,
                                       struct failure *failure);
enum error tables_each_target(struct database *database, tables_target_visit *visit, void *context,
                              struct failure *failure) __attribute__((warn_unused_result));

/* By its id, or its key; `*found` says whether there is one. */
enum error tables_find_target(struct database *database, struct slice id,
                              struct monitor_target *out, bool *found, struct failure *failure)
    __attribute__((warn_unused_result));

enum error tables_get_target(struct database *database, int64_t key, struct monitor_target *out,
                             bool *found, struct failure *failure)
    __attribute__((warn_unused_result));

/* --- Writing, within a transaction: from a function given to monitor_ledger_call --- */

/* Gives the target its key, and an id unless it has one. The same host, port, protocol and connect
 * address from another source or twice is allowed. */
enum error tables_add_target(struct database *database, struct monitor_target *target,
                             int64_t now_ms, struct failure *failure)
    __attribute__((warn_unused_result));

/* By its key. */
enum error tables_update_target(struct database *database, const struct monitor_target *target,
                                int64_t now_ms, struct failure *failure)
    __attribute__((warn_unused_result));

/* With its results, records, history, alerts and mutes. */
enum error tables_delete_target(struct database *database, int64_t key, struct failure *failure)
    __attribute__((warn_unused_result));

/* Open: acknowledged_at is set. Unknown ids leave `*changed` 0. `who` NULL takes it back. */
enum error tables_acknowledge(struct database *database, int64_t alert, const char *who,
                              int64_t now_ms, uint64_t *changed, struct failure *failure)
    __attribute__((warn_unused_result));

struct monitor_mute {
    int64_t id;        /* set by tables_add_mute */
    int64_t target;    /* 0: all */
    const char *event; /* "tls_expiry"; "" for all */
    int64_t until_ms;  /* 0: for ever */
    const char *who, *reason;
};
enum error tables_add_mute(struct database *database, struct monitor_mute *mute, int64_t now_ms,
                           struct failure *failure) __attribute__((warn_unused_result));
enum error tables_delete_mute(struct database *database, int64_t id, uint64_t *changed,
                              struct failure *failure) __attribute__((warn_unused_result));

/* A notice that is dead, or waits for another attempt, is due at once, with attempts 0; one that
 * was delivered is sent once more. */
enum error tables_replay(struct database *database, int64_t outbox_id, int64_t now_ms,
                         uint64_t *changed, struct failure *failure)
    __attribute__((warn_unused_result));
enum error tables_delete_notice(struct database *database, int64_t outbox_id, uint64_t *changed,
                                struct failure *failure) __attribute__((warn_unused_result));

/* Notes that an agent was heard of, and how often it says that it is. */
enum error tables_see_agent(struct database *database, const char *name, const char *version,
                            const char *address, int64_t interval_ms, int64_t now_ms,
                            struct failure *failure) __attribute__((warn_unused_result));

/* 16 hexadecimal digits, made when there are none yet. */
enum { TABLES_IDENTITY_BYTES = 17 };
enum error tables_identity(struct database *database, char out[TABLES_IDENTITY_BYTES],
                           struct failure *failure) __attribute__((warn_unused_result));

/* Who did what, for the audit log: "tls_scan", "12 targets". */
enum error tables_audit(struct database *database, const char *who, const char *role,
                        const char *action, const char *detail, int64_t now_ms,
                        struct failure *failure) __attribute__((warn_unused_result));

/* Forgets, some rows at a time: history, resolved alerts, delivered and dead notices, audit older
 * than `before_ms`; `*more` when there are others. */
enum error tables_prune(struct database *database, int64_t before_ms, bool *more,
                        struct failure *failure) __attribute__((warn_unused_result));

#endif
