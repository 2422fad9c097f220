#include "engine/base/text.h"
#include "tools/monitor/ledger_internal.h"

#define RESULT_COLUMNS                                                                             \
    "target, endpoint, agent, last_check, last_ok, status, outcome, stage, error, days_left,"      \
    " not_after, fingerprint, subject, issuer, state"

/* Without a certificate, the last one stays known; only its days are not told. */
#define KEPT(table)                                                                                \
    " status = excluded.status, outcome = excluded.outcome, stage = excluded.stage,"               \
    " error = excluded.error, days_left = excluded.days_left,"                                     \
    " subject = CASE WHEN excluded.fingerprint IS NULL THEN " table                                \
    ".subject ELSE excluded.subject END,"                                                          \
    " issuer = CASE WHEN excluded.fingerprint IS NULL THEN " table                                 \
    ".issuer ELSE excluded.issuer END,"                                                            \
    " not_after = COALESCE(excluded.not_after, " table ".not_after),"                              \
    " fingerprint = COALESCE(excluded.fingerprint, " table ".fingerprint),"                        \
    " last_ok = COALESCE(excluded.last_ok, " table ".last_ok)"

#define SUMMARY_COLUMNS                                                                            \
    "target, status, outcome, stage, error, days_left, not_after, fingerprint, subject, issuer,"   \
    " endpoints, endpoint, agent, last_check, last_ok"

static const struct sql_bulk BULKS[LEDGER_TABLES] = {
    [LEDGER_RESULTS] = {"ittiiitttribttb", RESULT_COLUMNS,
                        "INSERT INTO monitor_results (" RESULT_COLUMNS ") SELECT " RESULT_COLUMNS
                        " FROM batch WHERE true ON CONFLICT (target, endpoint, agent) DO UPDATE SET"
                        " last_check = excluded.last_check, state = excluded.state," KEPT(
                            "monitor_results")},
    [LEDGER_RECORDS] = {"ittit", "target, endpoint, agent, at, record",
                        "INSERT INTO monitor_records (target, endpoint, agent, at, record)"
                        " SELECT target, endpoint, agent, at, record FROM batch WHERE true"
                        " ON CONFLICT (target, endpoint, agent)"
                        " DO UPDATE SET at = excluded.at, record = excluded.record"},
    [LEDGER_SUMMARY] = {"iitttribttittii", SUMMARY_COLUMNS,
                        "INSERT INTO monitor_summary (" SUMMARY_COLUMNS ") SELECT " SUMMARY_COLUMNS
                        " FROM batch WHERE true"
                        " ON CONFLICT (target) DO UPDATE SET endpoints = excluded.endpoints,"
                        " endpoint = excluded.endpoint, agent = excluded.agent,"
                        " last_check = excluded.last_check," KEPT("monitor_summary")},
    [LEDGER_HISTORY] = {"ittiitrbt",
                        "target, endpoint, agent, at, status, outcome, days_left, fingerprint,"
                        " change",
                        "INSERT INTO monitor_history (target, endpoint, agent, at, status, outcome,"
                        " days_left, fingerprint, change) SELECT target, endpoint, agent, at,"
                        " status, outcome, days_left, fingerprint, change FROM batch"},
    [LEDGER_EVENTS] = {"iitt", "seq, at, kind, body",
                       "INSERT INTO monitor_events (seq, at, kind, body)"
                       " SELECT seq, at, kind, body FROM batch"},
    [LEDGER_REPORTS] = {"iit", "at, failed, body",
                        "INSERT INTO monitor_reports (at, failed, body)"
                        " SELECT at, failed, body FROM batch"},
};

void monitor_ledger_add_row(struct monitor_ledger *ledger, enum ledger_table table,
                            const struct sql_value *values) {
    buffer_add(&ledger->rows[table].values, values, strlen(BULKS[table].types) * sizeof values[0]);
    ledger->rows[table].count++;
}

enum error monitor_ledger_write_rows(struct monitor_ledger *ledger, enum ledger_table table,
                                     struct failure *failure) {
    struct ledger_rows *rows = &ledger->rows[table];

    if (rows->values.failed || ledger->memory.failed)
        return failure_set(failure, ERROR_MEMORY, "no memory for results");
    if (rows->count == 0)
        return ERROR_NONE;
    enum error error = database_run_rows(ledger->database, &BULKS[table],
                                         (const struct sql_value *)(const void *)rows->values.ptr,
                                         rows->count, failure);
    rows->values.len = rows->count = 0;
    return error;
}

void monitor_ledger_drop_rows(struct monitor_ledger *ledger) {
    for (int i = 0; i < LEDGER_TABLES; i++) {
        struct ledger_rows *rows = &ledger->rows[i];
        if (rows->values.failed) {
            buffer_deinit(&rows->values);
            buffer_init(&rows->values);
        }
        rows->values.len = rows->count = 0;
    }
}

static bool is_plain(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] >= 0x7f)
            return false;
    return true;
}

struct slice monitor_ledger_text(struct monitor_ledger *ledger, struct slice untrusted) {
    if (is_plain(untrusted))
        return arena_copy(&ledger->memory, untrusted);
    struct buffer safe;
    buffer_init(&safe);
    text_add_safe(&safe, untrusted);
    struct slice copy = arena_copy(&ledger->memory, buffer_slice(&safe));
    ledger->memory.failed |= safe.failed;
    buffer_deinit(&safe);
    return copy;
}
