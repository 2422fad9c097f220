/* Targets that nobody probes, because no worker of the fleet answers for them, and what is told of
 * that. */
#include "tools/monitor/ledger_internal.h"

#include <stdio.h>
#include <string.h>

enum error monitor_write_unanswered(struct ledger_write *write, const int64_t *keys, uint32_t count,
                                    const char *why, struct failure *failure) {
    static const struct sql_statement mark = {
        .types = "it",
        .text = "INSERT INTO monitor_summary (target, status, outcome, stage, error, subject,"
                " issuer, endpoints, endpoint, agent, last_check)"
                " SELECT key, 0, '" SUMMARY_UNANSWERED "', '', $2, '', '', 0, '', '', 0"
                " FROM monitor_targets WHERE key = $1 ON CONFLICT (target) DO UPDATE SET"
                " status = excluded.status, outcome = excluded.outcome, stage = excluded.stage,"
                " error = excluded.error",
    };
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < count && !error; i++) {
        const struct sql_value values[] = {sql_integer(keys[i]), sql_text(slice_of(why))};
        error = database_run(write->database, &mark, values, NULL, failure);
    }
    return error;
}

/* --- Labels --- */

enum { LABELS_AT_ONCE = 64, SUBJECT_BYTES = 80 };

enum error monitor_write_workers(struct ledger_write *write, const char *label, const char *silence,
                                 struct failure *failure) {
    bool raised, is_any = strcmp(label, "*") == 0;
    char title[TARGET_VIA_BYTES + 64];

    snprintf(title, sizeof title, is_any ? "%s%s" : "%s with the label %s",
             silence ? "no worker answers" : "workers answer again", is_any ? "" : label);
    const struct monitor_notice notice = {
        .topic = ALERT_WORKERS,
        .event = silence ? EVENT_WORKERS_SILENT : EVENT_WORKERS_BACK,
        .step = silence ? ALERT_OPEN : ALERT_RESOLVE,
        .severity = silence ? SEVERITY_CRITICAL : SEVERITY_INFO,
        .subject = label,
        .title = slice_of(title),
        .message = slice_of(silence ? silence : "Their targets are probed again."),
    };
    return monitor_raise(write, &notice, &raised, failure);
}

struct open_labels {
    uint32_t count;
    char items[LABELS_AT_ONCE][SUBJECT_BYTES];
};

static enum error take_label(void *context, const struct sql_value *values, uint32_t count,
                             struct failure *failure) {
    struct open_labels *open = context;
    size_t len = values[0].type == SQL_TEXT ? values[0].bytes.len : SUBJECT_BYTES;

    (void)count, (void)failure;
    if (len >= SUBJECT_BYTES || open->count == LABELS_AT_ONCE)
        return ERROR_NONE;
    memcpy(open->items[open->count], values[0].bytes.ptr, len);
    open->items[open->count++][len] = '\0';
    return ERROR_NONE;
}

enum error monitor_write_labels(struct ledger_write *write, const char *const *labels,
                                uint32_t count, struct failure *failure) {
    static const struct sql_statement open = {
        .types = "t",
        .text = "SELECT endpoint FROM monitor_alerts WHERE target = 0 AND topic = $1"
                " AND agent = '' AND resolved_at IS NULL",
    };
    const struct sql_value topic = sql_text(slice_of(alert_topic_name(ALERT_WORKERS)));
    struct open_labels found = {0};
    enum error error = database_query(write->database, &open, &topic, take_label, &found, failure);

    for (uint32_t i = 0; i < found.count && !error; i++) {
        bool is_known = false;
        for (uint32_t at = 0; at < count; at++)
            is_known |= strcmp(found.items[i], labels[at]) == 0;
        if (!is_known)
            error = monitor_write_workers(write, found.items[i], NULL, failure);
    }
    return error;
}
