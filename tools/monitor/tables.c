#include "tools/monitor/tables.h"

#include "engine/base/random.h"

#include <stdio.h>

/* --- The tables; never changed once released: what changes is another step --- */

static const char TARGETS[] =
    "CREATE TABLE monitor_targets ("
    " key {id},"
    " id {text} NOT NULL UNIQUE,"
    " host {text} NOT NULL, port {int} NOT NULL, protocol {text} NOT NULL,"
    " connect_address {text} NOT NULL, label {text} NOT NULL, tags {text} NOT NULL,"
    " warn_days {int} NOT NULL, crit_days {int} NOT NULL, thresholds {text} NOT NULL,"
    " ca_file {text} NOT NULL, dane {int} NOT NULL, interval_s {int} NOT NULL,"
    " is_cidr {int} NOT NULL, source {text} NOT NULL, enabled {int} NOT NULL,"
    " created_at {int} NOT NULL, updated_at {int} NOT NULL);"
    "CREATE INDEX monitor_targets_host ON monitor_targets (host, port);"

    "CREATE TABLE monitor_summary ("
    " target {int} PRIMARY KEY,"
    " status {int} NOT NULL, outcome {text} NOT NULL, stage {text} NOT NULL, error {text} NOT NULL,"
    " days_left {real}, not_after {int}, fingerprint {bytes},"
    " subject {text} NOT NULL, issuer {text} NOT NULL,"
    " endpoints {int} NOT NULL, endpoint {text} NOT NULL, agent {text} NOT NULL,"
    " last_check {int} NOT NULL, last_ok {int});"
    "CREATE INDEX monitor_summary_status ON monitor_summary (status);"
    "CREATE INDEX monitor_summary_not_after ON monitor_summary (not_after);"

    "CREATE TABLE monitor_results ("
    " id {id},"
    " target {int} NOT NULL, endpoint {text} NOT NULL, agent {text} NOT NULL,"
    " last_check {int} NOT NULL, last_ok {int},"
    " status {int} NOT NULL, outcome {text} NOT NULL, stage {text} NOT NULL, error {text} NOT NULL,"
    " days_left {real}, not_after {int}, fingerprint {bytes},"
    " subject {text} NOT NULL, issuer {text} NOT NULL,"
    " state {bytes} NOT NULL,"
    " UNIQUE (target, endpoint, agent));"
    "CREATE INDEX monitor_results_fingerprint ON monitor_results (fingerprint);"

    "CREATE TABLE monitor_records ("
    " id {id},"
    " target {int} NOT NULL, endpoint {text} NOT NULL, agent {text} NOT NULL,"
    " at {int} NOT NULL, record {text} NOT NULL,"
    " UNIQUE (target, endpoint, agent));"

    "CREATE TABLE monitor_history ("
    " id {id},"
    " target {int} NOT NULL, endpoint {text} NOT NULL, agent {text} NOT NULL, at {int} NOT NULL,"
    " status {int} NOT NULL, outcome {text} NOT NULL, days_left {real}, fingerprint {bytes},"
    " change {text} NOT NULL);"
    "CREATE INDEX monitor_history_target ON monitor_history (target, at);"
    "CREATE INDEX monitor_history_at ON monitor_history (at);";

static const char ALERTS[] =
    "CREATE TABLE monitor_alerts ("
    " id {id},"
    " target {int} NOT NULL, endpoint {text} NOT NULL, agent {text} NOT NULL,"
    " topic {text} NOT NULL, event {text} NOT NULL, severity {int} NOT NULL,"
    " title {text} NOT NULL, message {text} NOT NULL, details {text} NOT NULL, fingerprint {bytes},"
    " threshold {real} NOT NULL," /* days that were crossed, of tls_expiry; else 0 */
    " opened_at {int} NOT NULL, updated_at {int} NOT NULL, resolved_at {int},"
    " acknowledged_at {int}, acknowledged_by {text}, muted {int} NOT NULL);"
    /* Open alerts are few; whether there is one is asked for each change. */
    "CREATE UNIQUE INDEX monitor_alerts_open ON monitor_alerts (target, topic, endpoint, agent)"
    " WHERE resolved_at IS NULL;"
    "CREATE INDEX monitor_alerts_target ON monitor_alerts (target, topic, endpoint);"
    "CREATE INDEX monitor_alerts_opened ON monitor_alerts (opened_at);"
    "CREATE INDEX monitor_alerts_resolved ON monitor_alerts (resolved_at);"

    "CREATE TABLE monitor_mutes ("
    " id {id}, target {int} NOT NULL, event {text} NOT NULL, until_at {int} NOT NULL,"
    " created_at {int} NOT NULL, created_by {text} NOT NULL, reason {text} NOT NULL);"

    "CREATE TABLE monitor_outbox ("
    " id {id},"
    " alert {int} NOT NULL, channel {text} NOT NULL, event_id {text} NOT NULL,"
    " event {text} NOT NULL, severity {int} NOT NULL, title {text} NOT NULL,"
    " message {text} NOT NULL, body {text} NOT NULL,"
    " created_at {int} NOT NULL, attempts {int} NOT NULL, next_at {int} NOT NULL,"
    " delivered_at {int}, dead {int} NOT NULL, last_error {text} NOT NULL);"
    "CREATE INDEX monitor_outbox_waiting ON monitor_outbox (channel, next_at)"
    " WHERE delivered_at IS NULL AND dead = 0;"
    "CREATE INDEX monitor_outbox_alert ON monitor_outbox (alert, channel, id);"
    "CREATE INDEX monitor_outbox_created ON monitor_outbox (created_at);";

static const char OTHERS[] =
    "CREATE TABLE monitor_events ("
    " seq {int} PRIMARY KEY, at {int} NOT NULL, kind {text} NOT NULL, body {text} NOT NULL);"

    "CREATE TABLE monitor_agents ("
    " name {text} PRIMARY KEY, first_seen {int} NOT NULL, last_seen {int} NOT NULL,"
    " version {text} NOT NULL, address {text} NOT NULL, silent {int} NOT NULL);"

    "CREATE TABLE monitor_audit ("
    " id {id}, at {int} NOT NULL, who {text} NOT NULL, role {text} NOT NULL,"
    " action {text} NOT NULL, detail {text} NOT NULL);"
    "CREATE INDEX monitor_audit_at ON monitor_audit (at);";

static const char AGENTS[] =
    "CREATE TABLE monitor_reports ("
    " id {id}, at {int} NOT NULL, failed {int} NOT NULL, body {text} NOT NULL);"
    "ALTER TABLE monitor_agents ADD COLUMN interval_ms {int};";

static const char FLEET[] = "ALTER TABLE monitor_targets ADD COLUMN via {text};"
                            "CREATE TABLE monitor_identity (id {text} NOT NULL);";

static const struct migration STEPS[] = {
    {TARGETS, NULL}, {ALERTS, NULL}, {OTHERS, NULL}, {AGENTS, NULL}, {FLEET, NULL}};

const struct migrated_part monitor_schema = {
    .name = "monitor",
    .steps = STEPS,
    .count = sizeof STEPS / sizeof STEPS[0],
};

static struct sql_value text_value(const char *text) {
    return sql_text(slice_of(text ? text : ""));
}

/* --- Targets --- */

enum { THRESHOLDS_BYTES = TARGET_THRESHOLDS * 6 + 3 };

/* "[30,14,7]", or "" for those of the settings. */
static void format_thresholds(const struct monitor_target *target, char out[THRESHOLDS_BYTES]) {
    size_t len = 0;

    out[0] = '\0';
    if (!target->has_thresholds)
        return;
    out[len++] = '[';
    for (uint32_t i = 0; i < target->threshold_count; i++)
        len += (size_t)snprintf(out + len, THRESHOLDS_BYTES - len, i ? ",%d" : "%d",
                                target->thresholds[i] % (TARGET_DAYS_MAX + 1));
    out[len++] = ']';
    out[len] = '\0';
}

static void parse_thresholds(struct monitor_target *target, struct slice text) {
    target->has_thresholds = text.len > 0;
    target->threshold_count = 0;
    for (size_t at = 0; at < text.len && target->threshold_count < TARGET_THRESHOLDS;) {
        uint64_t days;
        size_t end = at;
        while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9')
            end++;
        if (slice_to_u64(slice_first(slice_from(text, at), end - at), TARGET_DAYS_MAX, &days))
            target->thresholds[target->threshold_count++] = (int32_t)days;
        at = end + 1;
    }
}

#define TARGET_COLUMNS                                                                             \
    "id, host, port, protocol, connect_address, label, tags, warn_days, crit_days, thresholds,"    \
    " ca_file, dane, interval_s, is_cidr, source, enabled, created_at, updated_at, via"

enum { TARGET_VALUES = 19 };

static void target_values(const struct monitor_target *target, char thresholds[THRESHOLDS_BYTES],
                          struct sql_value out[TARGET_VALUES]) {
    const struct sql_value values[TARGET_VALUES] = {
        text_value(target->id),
        text_value(target->host),
        sql_integer(target->port),
        text_value(target->protocol),
        text_value(target->connect_address),
        text_value(target->label),
        text_value(target->tags),
        sql_integer(target->warn_days),
        sql_integer(target->crit_days),
        text_value(thresholds),
        text_value(target->ca_file),
        sql_integer(target->dane),
        sql_integer(target->interval_s),
        sql_integer(target->is_cidr),
        text_value(target_source_name(target->source)),
        sql_integer(target->enabled),
        sql_integer(target->created_ms),
        sql_integer(target->updated_ms),
        text_value(target->via),
    };
    memcpy(out, values, sizeof values);
}

/* What does not fit is cut: nothing of the kind was written by trawl. */
static void copy_text(char *out, size_t size, const struct sql_value *value) {
    size_t len = value->type == SQL_TEXT ? value->bytes.len : 0;

    if (len >= size)
        len = size - 1;
    if (len)
        memcpy(out, value->bytes.ptr, len);
    out[len] = '\0';
}

#define COPY(field, value) copy_text(out->field, sizeof out->field, value)

static int64_t number_of(const struct sql_value *value) {
    return value->type == SQL_INTEGER ? value->integer : 0;
}

static void read_target(const struct sql_value *values, struct monitor_target *out) {
    const struct sql_value *v = values + 1;

    memset(out, 0, sizeof *out);
    out->key = number_of(&values[0]);
    COPY(id, &v[0]);
    COPY(host, &v[1]);
    out->port = (uint16_t)number_of(&v[2]);
    COPY(protocol, &v[3]);
    COPY(connect_address, &v[4]);
    COPY(label, &v[5]);
    COPY(tags, &v[6]);
    out->warn_days = (int32_t)number_of(&v[7]);
    out->crit_days = (int32_t)number_of(&v[8]);
    parse_thresholds(out, v[9].type == SQL_TEXT ? v[9].bytes : (struct slice){0});
    COPY(ca_file, &v[10]);
    out->dane = number_of(&v[11]) != 0;
    out->interval_s = number_of(&v[12]);
    out->is_cidr = number_of(&v[13]) != 0;
    for (int i = 0; i < TARGET_SOURCES; i++)
        if (v[14].type == SQL_TEXT &&
            slice_is(v[14].bytes, target_source_name((enum target_source)i)))
            out->source = (enum target_source)i;
    out->enabled = number_of(&v[15]) != 0;
    out->created_ms = number_of(&v[16]);
    out->updated_ms = number_of(&v[17]);
    COPY(via, &v[18]);
}

struct visiting {
    tables_target_visit *visit;
    void *context;
};

static enum error visit_target(void *context, const struct sql_value *values, uint32_t count,
                               struct failure *failure) {
    const struct visiting *visiting = context;
    struct monitor_target target;

    (void)count;
    read_target(values, &target);
    return visiting->visit(visiting->context, &target, failure);
}

enum error tables_each_target(struct database *database, tables_target_visit *visit, void *context,
                              struct failure *failure) {
    static const struct sql_statement statement = {
        .text = "SELECT key, " TARGET_COLUMNS " FROM monitor_targets ORDER BY key",
    };
    struct visiting visiting = {visit, context};

    return database_query(database, &statement, NULL, visit_target, &visiting, failure);
}

static enum error keep_target(void *context, const struct sql_value *values, uint32_t count,
                              struct failure *failure) {
    (void)count, (void)failure;
    read_target(values, context);
    return ERROR_NONE;
}

static enum error find(struct database *database, const struct sql_statement *statement,
                       struct sql_value value, struct monitor_target *out, bool *found,
                       struct failure *failure) {
    out->key = 0;
    enum error error = database_query(database, statement, &value, keep_target, out, failure);
    *found = !error && out->key != 0;
    return error;
}

enum error tables_find_target(struct database *database, struct slice id,
                              struct monitor_target *out, bool *found, struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "t",
        .text = "SELECT key, " TARGET_COLUMNS " FROM monitor_targets WHERE id = $1",
    };
    return find(database, &statement, sql_text(id), out, found, failure);
}

enum error tables_get_target(struct database *database, int64_t key, struct monitor_target *out,
                             bool *found, struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "i",
        .text = "SELECT key, " TARGET_COLUMNS " FROM monitor_targets WHERE key = $1",
    };
    return find(database, &statement, sql_integer(key), out, found, failure);
}

enum error tables_add_target(struct database *database, struct monitor_target *target,
                             int64_t now_ms, struct failure *failure) {
    static const struct sql_statement add = {
        .types = "ttittttiitt"
                 "iiitiiit",
        .text = "INSERT INTO monitor_targets (" TARGET_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6,"
                " $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) RETURNING key",
    };
    struct sql_value values[TARGET_VALUES];
    char thresholds[THRESHOLDS_BYTES];

    if (!target->id[0])
        target_make_id(target->id);
    target->created_ms = target->updated_ms = now_ms;
    format_thresholds(target, thresholds);
    target_values(target, thresholds, values);
    return database_number(database, &add, values, &target->key, failure);
}

/* Each change has a time of its own, by which the schedule knows it from the one before. */
enum error tables_update_target(struct database *database, const struct monitor_target *target,
                                int64_t now_ms, struct failure *failure) {
    static const struct sql_statement update = {
        .types = "ttittttiitt"
                 "iiitiiiti",
        .text = "UPDATE monitor_targets SET id = $1, host = $2, port = $3, protocol = $4,"
                " connect_address = $5, label = $6, tags = $7, warn_days = $8, crit_days = $9,"
                " thresholds = $10, ca_file = $11, dane = $12, interval_s = $13, is_cidr = $14,"
                " source = $15, enabled = $16, created_at = $17, via = $19, updated_at ="
                " CASE WHEN updated_at < $18 THEN $18 ELSE updated_at + 1 END WHERE key = $20",
    };
    struct sql_value values[TARGET_VALUES + 1];
    char thresholds[THRESHOLDS_BYTES];
    struct monitor_target changed = *target;

    changed.updated_ms = now_ms;
    format_thresholds(target, thresholds);
    target_values(&changed, thresholds, values);
    values[TARGET_VALUES] = sql_integer(target->key);
    return database_run(database, &update, values, NULL, failure);
}

enum error tables_delete_target(struct database *database, int64_t key, struct failure *failure) {
    static const struct sql_statement statements[] = {
        {.types = "i", .text = "DELETE FROM monitor_targets WHERE key = $1"},
        {.types = "i", .text = "DELETE FROM monitor_summary WHERE target = $1"},
        {.types = "i", .text = "DELETE FROM monitor_results WHERE target = $1"},
        {.types = "i", .text = "DELETE FROM monitor_records WHERE target = $1"},
        {.types = "i", .text = "DELETE FROM monitor_history WHERE target = $1"},
        {.types = "i", .text = "DELETE FROM monitor_alerts WHERE target = $1"},
        {.types = "i", .text = "DELETE FROM monitor_mutes WHERE target = $1"},
    };
    struct sql_value value = sql_integer(key);
    enum error error = ERROR_NONE;

    if (key == 0) /* alerts and mutes of no target in particular */
        return ERROR_NONE;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && !error; i++)
        error = database_run(database, &statements[i], &value, NULL, failure);
    return error;
}

/* --- Alerts, mutes, notices --- */

enum error tables_acknowledge(struct database *database, int64_t alert, const char *who,
                              int64_t now_ms, uint64_t *changed, struct failure *failure) {
    static const struct sql_statement set = {
        .types = "iti",
        .text = "UPDATE monitor_alerts SET acknowledged_at = $1, acknowledged_by = $2"
                " WHERE id = $3",
    };
    const struct sql_value values[] = {who ? sql_integer(now_ms) : sql_null(),
                                       who ? text_value(who) : sql_null(), sql_integer(alert)};

    return database_run(database, &set, values, changed, failure);
}

enum error tables_add_mute(struct database *database, struct monitor_mute *mute, int64_t now_ms,
                           struct failure *failure) {
    static const struct sql_statement add = {
        .types = "itiitt",
        .text =
            "INSERT INTO monitor_mutes (target, event, until_at, created_at, created_by, reason)"
            " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    };
    const struct sql_value values[] = {sql_integer(mute->target),   text_value(mute->event),
                                       sql_integer(mute->until_ms), sql_integer(now_ms),
                                       text_value(mute->who),       text_value(mute->reason)};

    return database_number(database, &add, values, &mute->id, failure);
}

enum error tables_delete_mute(struct database *database, int64_t id, uint64_t *changed,
                              struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "i", .text = "DELETE FROM monitor_mutes WHERE id = $1"};
    struct sql_value value = sql_integer(id);

    return database_run(database, &statement, &value, changed, failure);
}

enum error tables_replay(struct database *database, int64_t outbox_id, int64_t now_ms,
                         uint64_t *changed, struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "ii",
        .text = "UPDATE monitor_outbox SET attempts = 0, next_at = $1, created_at = $1,"
                " delivered_at = NULL, dead = 0 WHERE id = $2",
    };
    const struct sql_value values[] = {sql_integer(now_ms), sql_integer(outbox_id)};

    return database_run(database, &statement, values, changed, failure);
}

enum error tables_delete_notice(struct database *database, int64_t outbox_id, uint64_t *changed,
                                struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "i", .text = "DELETE FROM monitor_outbox WHERE id = $1"};
    struct sql_value value = sql_integer(outbox_id);

    return database_run(database, &statement, &value, changed, failure);
}

/* --- Agents, audit, identity --- */

static enum error take_identity(void *context, const struct sql_value *values, uint32_t count,
                                struct failure *failure) {
    (void)count, (void)failure;
    copy_text(context, TABLES_IDENTITY_BYTES, &values[0]);
    return ERROR_NONE;
}

enum error tables_identity(struct database *database, char out[TABLES_IDENTITY_BYTES],
                           struct failure *failure) {
    static const struct sql_statement find_it = {.text = "SELECT id FROM monitor_identity"},
                                      add = {.types = "t",
                                             .text = "INSERT INTO monitor_identity (id)"
                                                     " VALUES ($1)"};

    out[0] = '\0';
    enum error error = database_query(database, &find_it, NULL, take_identity, out, failure);
    if (error || out[0])
        return error;
    snprintf(out, TABLES_IDENTITY_BYTES, "%016jx", (uintmax_t)random_seed());
    struct sql_value value = text_value(out);
    return database_run(database, &add, &value, NULL, failure);
}

enum error tables_see_agent(struct database *database, const char *name, const char *version,
                            const char *address, int64_t interval_ms, int64_t now_ms,
                            struct failure *failure) {
    static const struct sql_statement see = {
        .types = "titti",
        .text = "INSERT INTO monitor_agents (name, first_seen, last_seen, version, address, silent,"
                " interval_ms) VALUES ($1, $2, $2, $3, $4, 0, $5)"
                " ON CONFLICT (name) DO UPDATE SET last_seen = excluded.last_seen, silent = 0,"
                " version = excluded.version, address = excluded.address,"
                " interval_ms = excluded.interval_ms",
    };
    const struct sql_value values[] = {text_value(name), sql_integer(now_ms), text_value(version),
                                       text_value(address), sql_integer(interval_ms)};

    return database_run(database, &see, values, NULL, failure);
}

enum error tables_audit(struct database *database, const char *who, const char *role,
                        const char *action, const char *detail, int64_t now_ms,
                        struct failure *failure) {
    static const struct sql_statement add = {
        .types = "itttt",
        .text = "INSERT INTO monitor_audit (at, who, role, action, detail)"
                " VALUES ($1, $2, $3, $4, $5)",
    };
    const struct sql_value values[] = {sql_integer(now_ms), text_value(who), text_value(role),
                                       text_value(action), text_value(detail)};

    return database_run(database, &add, values, NULL, failure);
}

/* --- Forgetting --- */

enum { PRUNE_ROWS = 1000 };

#define PRUNE(table, condition)                                                                    \
    {.types = "ii",                                                                                \
     .text = "DELETE FROM " table " WHERE id IN (SELECT id FROM " table " WHERE " condition        \
             " LIMIT $2)"}

enum error tables_prune(struct database *database, int64_t before_ms, bool *more,
                        struct failure *failure) {
    static const struct sql_statement statements[] = {
        PRUNE("monitor_history", "at < $1"),
        PRUNE("monitor_alerts", "resolved_at < $1"),
        /* What resolves goes where its alert went: that must be known as long as it is open. */
        PRUNE("monitor_outbox",
              "created_at < $1 AND (delivered_at IS NOT NULL OR dead <> 0)"
              " AND NOT EXISTS (SELECT 1 FROM monitor_alerts a WHERE a.id = monitor_outbox.alert"
              " AND a.resolved_at IS NULL)"),
        PRUNE("monitor_audit", "at < $1"),
        PRUNE("monitor_mutes", "until_at > 0 AND until_at < $1"),
    };
    const struct sql_value values[] = {sql_integer(before_ms), sql_integer(PRUNE_ROWS)};
    enum error error = ERROR_NONE;

    *more = false;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && !error; i++) {
        uint64_t gone = 0;
        error = database_run(database, &statements[i], values, &gone, failure);
        *more |= gone == PRUNE_ROWS;
    }
    return error;
}
