#include "engine/base/clock.h"
#include "engine/base/text.h"
#include "tools/monitor/ledger_internal.h"
#include "tools/monitor/report.h"

/* An agent that does not say how often it reports is SSL Scout's, which does so each hour unless it
 * is told otherwise. */
#define USUAL_INTERVAL "3600000"

enum { AGENTS_AT_ONCE = 64 };

/* --- Reporting --- */

void monitor_ledger_add_report(struct monitor_ledger *ledger, const struct ledger_row *row,
                               struct buffer *scratch) {
    const struct report_result result = {
        .host = row->host,
        .port = (uint16_t)row->port,
        .protocol = row->protocol,
        .connect_address = row->connect_address,
        .endpoint = slice_of(row->endpoint),
        .record = row->record,
    };

    scratch->len = 0;
    report_add_result(&result, &ledger->report_fields, scratch);
    ledger->memory.failed |= scratch->failed;
    const struct sql_value values[] = {
        sql_integer(ledger->now_ms), sql_integer(!row->record->has_certificate),
        sql_text(arena_copy(&ledger->memory, buffer_slice(scratch)))};
    monitor_ledger_add_row(ledger, LEDGER_REPORTS, values);
    ledger->has_reports = true;
}

/* --- Agents --- */

static enum error tell(struct ledger_write *write, const char *name, enum alert_step step,
                       const char *message, struct failure *failure) {
    bool raised, is_silent = step == ALERT_OPEN;
    char title[LEDGER_AGENT_BYTES + 32];

    snprintf(title, sizeof title, "agent %s %s", name, is_silent ? "is silent" : "reports again");
    const struct monitor_notice notice = {
        .topic = ALERT_AGENT,
        .event = is_silent ? EVENT_AGENT_SILENT : EVENT_AGENT_BACK,
        .step = step,
        .severity = is_silent ? SEVERITY_CRITICAL : SEVERITY_INFO,
        .subject = name,
        .title = slice_of(title),
        .message = slice_of(message),
    };
    return monitor_raise(write, &notice, &raised, failure);
}

enum error monitor_write_agent(struct ledger_write *write, const char *name, const char *version,
                               const char *address, int64_t interval_ms, struct failure *failure) {
    enum error error = tables_see_agent(write->database, name, version, address, interval_ms,
                                        write->now_ms, failure);

    return error ? error : tell(write, name, ALERT_RESOLVE, "Its reports come in again.", failure);
}

struct silent_agents {
    uint32_t count;
    struct {
        char name[LEDGER_AGENT_BYTES];
        int64_t last_seen_ms, interval_ms;
    } items[AGENTS_AT_ONCE];
};

static enum error take_agent(void *context, const struct sql_value *values, uint32_t count,
                             struct failure *failure) {
    struct silent_agents *silent = context;
    size_t len = values[0].bytes.len;

    (void)count, (void)failure;
    if (len >= sizeof silent->items[0].name || silent->count == AGENTS_AT_ONCE)
        return ERROR_NONE;
    memcpy(silent->items[silent->count].name, values[0].bytes.ptr, len);
    silent->items[silent->count].name[len] = '\0';
    silent->items[silent->count].last_seen_ms = values[1].integer;
    silent->items[silent->count++].interval_ms = values[2].integer;
    return ERROR_NONE;
}

static enum error note_silent(struct ledger_write *write, const struct silent_agents *silent,
                              struct failure *failure) {
    static const struct sql_statement note = {
        .types = "t", .text = "UPDATE monitor_agents SET silent = 1 WHERE name = $1"};
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < silent->count && !error; i++) {
        struct sql_value name = sql_text(slice_of(silent->items[i].name));
        struct buffer message;
        buffer_init(&message);
        buffer_add_text(&message, "It has not reported since ");
        text_add_time(&message, silent->items[i].last_seen_ms / 1000);
        buffer_add_format(&message, ", and should every %lld seconds.",
                          (long long)(silent->items[i].interval_ms / 1000));
        buffer_add_byte(&message, 0);
        error = message.failed ? failure_set(failure, ERROR_MEMORY, "no memory for an alert")
                               : tell(write, silent->items[i].name, ALERT_OPEN,
                                      (const char *)message.ptr, failure);
        if (!error)
            error = database_run(write->database, &note, &name, NULL, failure);
        buffer_deinit(&message);
    }
    return error;
}

/* A time in which this monitor did not run is nobody's silence. */
enum error monitor_ledger_look_at_agents(struct monitor_ledger *ledger, struct failure *failure) {
    static const struct sql_statement late = {
        .types = "iii",
        .text = "SELECT name, last_seen, COALESCE(NULLIF(interval_ms, 0), " USUAL_INTERVAL ")"
                " FROM monitor_agents WHERE silent = 0"
                " AND $1 - last_seen > 3 * COALESCE(NULLIF(interval_ms, 0), " USUAL_INTERVAL ")"
                " AND $2 > 3 * COALESCE(NULLIF(interval_ms, 0), " USUAL_INTERVAL ") LIMIT $3",
    };
    int64_t running_ms = (int64_t)(clock_monotonic_ns() / 1000000) - ledger->started_ms;
    const struct sql_value values[] = {sql_integer(clock_unix_ms()), sql_integer(running_ms),
                                       sql_integer(AGENTS_AT_ONCE)};
    struct silent_agents silent = {0};
    enum error error =
        database_query(ledger->database, &late, values, take_agent, &silent, failure);

    if (error || !silent.count)
        return error;
    if ((error = monitor_ledger_begin(ledger, failure)))
        return error;
    struct ledger_write write = {
        .ledger = ledger, .database = ledger->database, .now_ms = ledger->now_ms};
    return monitor_ledger_end(ledger, note_silent(&write, &silent, failure), failure);
}
