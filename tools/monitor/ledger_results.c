#include "engine/base/text.h"
#include "engine/hash/sha256.h"
#include "engine/record/encoder.h"
#include "engine/record/json.h"
#include "tools/monitor/ledger_internal.h"

#include <inttypes.h>

/* A record that says nothing new goes to the store once a day, so that it knows when an endpoint
 * was seen last. */
#define STORE_AGAIN_MS INT64_C(86400000)

enum { LIVE_RESULTS_MAX = 64 }; /* of a round, that are shown live: more would only drown readers */

/* --- What is known --- */

#define KNOWN_COLUMNS                                                                              \
    "t.id, t.host, t.port, t.label, t.warn_days, t.crit_days, t.thresholds, t.is_cidr,"            \
    " s.endpoints, r.status, r.outcome, r.state, t.protocol, t.connect_address"

/* $1: a JSON list of [place in the batch, target, endpoint, agent]. */
static const struct sql_statement known = {
    .types = "t",
    .sqlite = "SELECT j.value->>0, " KNOWN_COLUMNS " FROM json_each($1) j"
              " CROSS JOIN monitor_targets t ON t.key = j.value->>1"
              " LEFT JOIN monitor_summary s ON s.target = t.key"
              " LEFT JOIN monitor_results r ON r.target = t.key AND r.endpoint = j.value->>2"
              " AND r.agent = j.value->>3",
    .postgresql = "SELECT (j.value->>0)::bigint, " KNOWN_COLUMNS
                  " FROM json_array_elements($1::json) AS j(value)"
                  " JOIN monitor_targets t ON t.key = (j.value->>1)::bigint"
                  " LEFT JOIN monitor_summary s ON s.target = t.key"
                  " LEFT JOIN monitor_results r ON r.target = t.key AND r.endpoint = j.value->>2"
                  " AND r.agent = j.value->>3",
};

static int64_t number_of(const struct sql_value *value) {
    return value->type == SQL_INTEGER ? value->integer : 0;
}

static struct slice keep(struct monitor_ledger *ledger, const struct sql_value *value) {
    return value->type == SQL_TEXT ? arena_copy(&ledger->memory, value->bytes) : (struct slice){0};
}

/* "[30,14,7]", as tables.c writes it. */
static uint32_t read_days(struct slice text, int32_t days[TARGET_THRESHOLDS]) {
    uint32_t count = 0;

    for (size_t at = 0; at < text.len && count < TARGET_THRESHOLDS;) {
        uint64_t number;
        size_t end = at;
        while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9')
            end++;
        if (slice_to_u64(slice_first(slice_from(text, at), end - at), TARGET_DAYS_MAX, &number))
            days[count++] = (int32_t)number;
        at = end + 1;
    }
    return count;
}

static void set_rules(const struct monitor_ledger *ledger, struct ledger_row *row, int64_t warn,
                      int64_t crit, struct slice thresholds) {
    struct monitor_target usual;
    int32_t own[TARGET_THRESHOLDS];
    uint32_t own_count = read_days(thresholds, own);

    target_init(&usual, TARGET_FROM_API);
    if (thresholds.len)
        alert_rules_init(&row->rules, own, own_count, (int32_t)warn, (int32_t)crit);
    else
        alert_rules_init(&row->rules, ledger->threshold_days, ledger->config.threshold_count,
                         (int32_t)warn, (int32_t)crit);
    row->rules.defaults = !thresholds.len && warn == usual.warn_days && crit == usual.crit_days;
    row->rules.failures = ledger->config.failures;
    row->rules.is_discovered = row->is_cidr;
}

static enum error take_known(void *context, const struct sql_value *values, uint32_t count,
                             struct failure *failure) {
    struct monitor_ledger *ledger = context;
    struct ledger_row *row = &ledger->batch[number_of(&values[0]) % LEDGER_BATCH];
    const struct sql_value *v = values + 1;

    (void)count, (void)failure;
    row->is_known = true;
    row->id = keep(ledger, &v[0]);
    row->host = keep(ledger, &v[1]);
    row->port = number_of(&v[2]);
    row->label = keep(ledger, &v[3]);
    row->is_cidr = number_of(&v[7]) != 0;
    set_rules(ledger, row, number_of(&v[4]), number_of(&v[5]),
              v[6].type == SQL_TEXT ? v[6].bytes : (struct slice){0});
    row->endpoints = number_of(&v[8]);
    row->protocol = keep(ledger, &v[12]);
    row->connect_address = keep(ledger, &v[13]);
    row->had_row = v[11].type == SQL_BLOB;
    if (!row->had_row)
        return ERROR_NONE;
    row->old_status = number_of(&v[9]);
    row->old_outcome = keep(ledger, &v[10]);
    if (!alert_state_unpack(v[11].bytes, &row->state))
        ledger->round.unread_states++;
    return ERROR_NONE;
}

static enum error look_up(struct monitor_ledger *ledger, uint32_t count, struct failure *failure) {
    struct buffer asked;

    buffer_init(&asked);
    for (uint32_t i = 0; i < count; i++) {
        const struct ledger_row *row = &ledger->batch[i];
        buffer_add_format(&asked, "%s[%u,%" PRId64 ",", i ? "," : "[", i, row->target);
        json_add_text(slice_of(row->endpoint), &asked);
        buffer_add_byte(&asked, ',');
        json_add_text(slice_of(row->agent), &asked);
        buffer_add_byte(&asked, ']');
    }
    buffer_add_byte(&asked, ']');
    struct sql_value value = sql_text(buffer_slice(&asked));
    enum error error = asked.failed ? failure_set(failure, ERROR_MEMORY, "no memory for results")
                                    : database_query(ledger->database, &known, &value, take_known,
                                                     ledger, failure);
    buffer_deinit(&asked);
    return error;
}

/* --- What a result changes --- */

static uint64_t hash_content(struct monitor_ledger *ledger, const struct ledger_row *row,
                             struct buffer *scratch) {
    const struct encoding encoding = {&json_encoder, &ledger->lasting_fields, 0, false};
    uint8_t hash[SHA256_BYTES];
    uint64_t content;

    scratch->len = 0;
    json_encoder.encode(&encoding, &row->record->head, scratch);
    ledger->memory.failed |= scratch->failed;
    sha256_one(buffer_slice(scratch), hash);
    memcpy(&content, hash, sizeof content);
    return content;
}

/* What is new goes to the store and to where the API finds it. */
static void keep_record(struct monitor_ledger *ledger, struct ledger_row *row,
                        struct buffer *scratch) {
    const struct encoding packed = {&msgpack_encoder, &ledger->all_fields, 0, false},
                          shown = {&json_encoder, &ledger->shown_fields, 0, false};
    uint64_t content = hash_content(ledger, row, scratch);
    bool is_news = content != row->state.content || !row->had_row;

    if (!is_news && ledger->now_ms - row->state.stored_ms < STORE_AGAIN_MS &&
        ledger->now_ms >= row->state.stored_ms)
        return;
    row->state.content = content;
    row->state.stored_ms = ledger->now_ms;
    ledger->round.records_stored++;
    msgpack_encoder.encode(&packed, &row->record->head, &ledger->packed);
    if (!is_news)
        return;
    scratch->len = 0;
    json_encoder.encode(&shown, &row->record->head, scratch);
    struct slice json = slice_trim(buffer_slice(scratch));
    const struct sql_value values[] = {
        sql_integer(row->target), sql_text(slice_of(row->endpoint)), sql_text(slice_of(row->agent)),
        sql_integer(row->state.time_ms), sql_text(arena_copy(&ledger->memory, json))};
    ledger->memory.failed |= scratch->failed;
    monitor_ledger_add_row(ledger, LEDGER_RECORDS, values);
}

static struct sql_value text_value(struct slice text) {
    return sql_text(text);
}

static struct sql_value word(const char *text) {
    return sql_text(slice_of(text));
}

static struct sql_value days_of(const struct ledger_row *row, int64_t now_ms) {
    return row->sight.has_certificate ? sql_real(alert_days_left(row->sight.not_after, now_ms))
                                      : sql_null();
}

static struct sql_value fingerprint_of(const struct ledger_row *row) {
    return row->sight.has_certificate ? sql_blob((struct slice){row->sight.fingerprint, 32})
                                      : sql_null();
}

static void add_result(struct monitor_ledger *ledger, struct ledger_row *row) {
    const struct alert_sight *sight = &row->sight;
    uint8_t packed[ALERT_STATE_BYTES_MAX];
    size_t len = alert_state_pack(&row->state, packed);
    struct sql_value ok = sight->has_certificate ? sql_integer(row->state.time_ms) : sql_null(),
                     not_after =
                         sight->has_certificate ? sql_integer(sight->not_after) : sql_null(),
                     error = text_value(monitor_ledger_text(ledger, sight->error)),
                     subject = text_value(monitor_ledger_text(
                         ledger, sight->subject_cn.len ? sight->subject_cn : sight->subject)),
                     issuer = text_value(monitor_ledger_text(
                         ledger, sight->issuer_cn.len ? sight->issuer_cn : sight->issuer)),
                     days = days_of(row, ledger->now_ms), fingerprint = fingerprint_of(row);
    const char *outcome = outcome_name(sight->outcome), *stage = stage_name(row->record->stage);
    const struct sql_value result[] = {
        sql_integer(row->target),
        word(row->endpoint),
        word(row->agent),
        sql_integer(row->state.time_ms),
        ok,
        sql_integer(row->status),
        word(outcome),
        word(stage),
        error,
        days,
        not_after,
        fingerprint,
        subject,
        issuer,
        sql_blob(arena_copy(&ledger->memory, (struct slice){packed, len}))};
    const struct sql_value summary[] = {sql_integer(row->target),
                                        sql_integer(row->status),
                                        word(outcome),
                                        word(stage),
                                        error,
                                        days,
                                        not_after,
                                        fingerprint,
                                        subject,
                                        issuer,
                                        sql_integer(1),
                                        word(""),
                                        word(""),
                                        sql_integer(row->state.time_ms),
                                        ok};

    monitor_ledger_add_row(ledger, LEDGER_RESULTS, result);
    if (!row->is_cidr && !row->endpoint[0] && !row->agent[0] && row->endpoints <= 1)
        monitor_ledger_add_row(ledger, LEDGER_SUMMARY, summary);
}

static void add_shown(struct monitor_ledger *ledger, const struct ledger_row *row,
                      struct buffer *body) {
    body->len = 0;
    buffer_add_text(body, "{\"id\":");
    json_add_text(row->id, body);
    buffer_add_text(body, ",\"host\":");
    json_add_text(row->host, body);
    buffer_add_format(body, ",\"port\":%" PRId64 ",\"endpoint\":", row->port);
    json_add_text(slice_of(row->endpoint), body);
    buffer_add_text(body, ",\"agent\":");
    json_add_text(slice_of(row->agent), body);
    buffer_add_format(body, ",\"status\":\"%s\",\"outcome\":\"%s\"", status_name(row->status),
                      outcome_name(row->sight.outcome));
    if (row->sight.has_certificate)
        buffer_add_format(body, ",\"days_left\":%.2f",
                          alert_days_left(row->sight.not_after, ledger->now_ms));
    buffer_add_text(body, ",\"last_check\":\"");
    text_add_time(body, row->state.time_ms / 1000);
    buffer_add_text(body, "\"}");
}

/* A row of the history and an event, when there is something that was not so before. */
static enum error tell_change(struct monitor_ledger *ledger, const struct ledger_row *row,
                              bool has_new_certificate, struct buffer *scratch,
                              struct failure *failure) {
    const char *outcome = outcome_name(row->sight.outcome);
    bool new_status = row->old_status != (int64_t)row->status,
         new_outcome = !slice_is(row->old_outcome, outcome);
    char change[64] = "new";

    if (row->had_row) {
        snprintf(change, sizeof change, "%s%s%s", new_status ? ",status" : "",
                 new_outcome ? ",outcome" : "", has_new_certificate ? ",certificate" : "");
        if (!change[0])
            return ERROR_NONE;
        memmove(change, change + 1, strlen(change));
    }
    const struct sql_value values[] = {sql_integer(row->target),
                                       word(row->endpoint),
                                       word(row->agent),
                                       sql_integer(row->state.time_ms),
                                       sql_integer(row->status),
                                       word(outcome),
                                       days_of(row, ledger->now_ms),
                                       fingerprint_of(row),
                                       sql_text(arena_copy(&ledger->memory, slice_of(change)))};
    monitor_ledger_add_row(ledger, LEDGER_HISTORY, values);
    add_shown(ledger, row, scratch);
    return monitor_ledger_event(ledger, "target", buffer_slice(scratch), failure);
}

static enum error raise(struct monitor_ledger *ledger, const struct ledger_row *row,
                        const struct alert_change *change, struct failure *failure) {
    const struct alert_place place = {.host = row->host,
                                      .endpoint = slice_of(row->endpoint),
                                      .agent = slice_of(row->agent),
                                      .label = row->label,
                                      .port = (uint16_t)row->port};
    struct ledger_alert alert = {.target = row->target,
                                 .target_id = row->id,
                                 .endpoint = row->endpoint,
                                 .agent = row->agent,
                                 .topic = change->topic,
                                 .event = change->event,
                                 .step = change->step,
                                 .severity = change->severity,
                                 .threshold_days = change->threshold_days};
    struct buffer title, message, details;
    bool raised;

    buffer_init(&title);
    buffer_init(&message);
    buffer_init(&details);
    alert_add_title(change, &place, &title);
    alert_add_message(change, &row->sight, &message);
    alert_add_details(change, &row->sight, &place, &details);
    alert.title = buffer_slice(&title);
    alert.message = buffer_slice(&message);
    alert.details = buffer_slice(&details);
    if (row->sight.has_certificate)
        alert.fingerprint = (struct slice){row->sight.fingerprint, 32};
    enum error error = title.failed || message.failed || details.failed
                           ? failure_set(failure, ERROR_MEMORY, "no memory for an alert")
                           : monitor_ledger_alert(ledger, &alert, &raised, failure);
    buffer_deinit(&title);
    buffer_deinit(&message);
    buffer_deinit(&details);
    return error;
}

/* Whether a result counts. An address of a block where nothing ever answered leaves no row. */
static bool counts(struct monitor_ledger *ledger, struct ledger_row *row) {
    if (!row->is_known) {
        ledger->round.orphans++;
        return false;
    }
    if (row->sight.outcome == OUTCOME_CANCELLED)
        return false;
    if (alert_is_old(&row->state, &row->sight, ledger->now_ms)) {
        ledger->round.repeated++;
        return false;
    }
    ledger->round.results++;
    return row->had_row || row->sight.has_certificate || !row->is_cidr;
}

static enum error step(struct monitor_ledger *ledger, struct ledger_row *row, bool is_live,
                       uint32_t *changes, struct buffer *scratch, struct failure *failure) {
    struct alert_change told[ALERT_ENDPOINT_TOPICS];
    bool has_new_certificate =
        row->sight.has_certificate &&
        (!row->state.has_certificate || memcmp(row->state.fingerprint, row->sight.fingerprint,
                                               sizeof row->state.fingerprint) != 0);
    uint32_t count = alerts_step(&row->state, &row->rules, &row->sight, ledger->now_ms, told);
    enum error error = ERROR_NONE;

    row->status = alert_status(&row->rules, &row->sight, ledger->now_ms);
    keep_record(ledger, row, scratch);
    add_result(ledger, row);
    if (ledger->config.keeps_reports && !row->agent[0])
        monitor_ledger_add_report(ledger, row, scratch);
    error = tell_change(ledger, row, has_new_certificate, scratch, failure);
    for (uint32_t i = 0; i < count && !error; i++)
        error = raise(ledger, row, &told[i], failure);
    if (changes)
        *changes += count;
    if (is_live) {
        add_shown(ledger, row, scratch);
        events_publish_live(ledger->hub, "result", buffer_slice(scratch));
    }
    return error;
}

/* --- Summaries of targets with several endpoints --- */

#define WORST_COLUMNS                                                                              \
    "target, status, outcome, stage, error, days_left, not_after, fingerprint, subject, issuer"

/* The worst endpoint; of equal ones that which ends first. */
enum error monitor_ledger_summarize(struct monitor_ledger *ledger, int64_t target,
                                    int64_t checked_ms, struct failure *failure) {
    static const struct sql_statement
        seen = {.types = "ii",
                .text = "INSERT INTO monitor_summary (target, status, outcome, stage, error,"
                        " subject, issuer, endpoints, endpoint, agent, last_check)"
                        " VALUES ($1, 0, '', '', '', '', '', 0, '', '', $2)"
                        " ON CONFLICT (target) DO UPDATE SET last_check = CASE"
                        " WHEN excluded.last_check > monitor_summary.last_check"
                        " THEN excluded.last_check ELSE monitor_summary.last_check END"},
        worst = {.types = "i",
                 .text =
                     "INSERT INTO monitor_summary (" WORST_COLUMNS
                     ", endpoints, endpoint, agent, last_check, last_ok) SELECT " WORST_COLUMNS
                     ", (SELECT count(*) FROM monitor_results WHERE target = $1), endpoint, agent,"
                     " last_check, (SELECT max(last_ok) FROM monitor_results WHERE target = $1)"
                     " FROM monitor_results WHERE target = $1"
                     " ORDER BY monitor_results.status DESC, monitor_results.not_after,"
                     " monitor_results.id LIMIT 1"
                     " ON CONFLICT (target) DO UPDATE SET status = excluded.status,"
                     " outcome = excluded.outcome, stage = excluded.stage, error = excluded.error,"
                     " days_left = excluded.days_left, not_after = excluded.not_after,"
                     " fingerprint = excluded.fingerprint, subject = excluded.subject,"
                     " issuer = excluded.issuer, endpoints = excluded.endpoints,"
                     " endpoint = excluded.endpoint, agent = excluded.agent,"
                     " last_ok = excluded.last_ok"};
    const struct sql_value values[] = {sql_integer(target), sql_integer(checked_ms)};
    enum error error = database_run(ledger->database, &seen, values, NULL, failure);

    return error ? error : database_run(ledger->database, &worst, values, NULL, failure);
}

static bool is_several(const struct ledger_row *row) {
    return row->is_cidr || row->endpoint[0] || row->agent[0] || row->endpoints > 1;
}

static int by_target(const void *a, const void *b) {
    int64_t x = ((const struct ledger_row *)a)->target, y = ((const struct ledger_row *)b)->target;
    return x < y ? -1 : x > y;
}

static enum error summarize_all(struct monitor_ledger *ledger, uint32_t count,
                                struct failure *failure) {
    enum error error = ERROR_NONE;
    int64_t last = 0; /* keys begin with 1 */
    bool any = false;

    for (uint32_t i = 0; i < count; i++)
        any |= ledger->batch[i].is_known && is_several(&ledger->batch[i]);
    if (!any)
        return ERROR_NONE;
    qsort(ledger->batch, count, sizeof ledger->batch[0], by_target);
    for (uint32_t i = 0; i < count && !error; i++) {
        const struct ledger_row *row = &ledger->batch[i];
        if (!row->is_known || row->sight.outcome == OUTCOME_CANCELLED || !is_several(row) ||
            row->target == last)
            continue;
        last = row->target;
        error = monitor_ledger_summarize(ledger, row->target, row->sight.time_ms, failure);
    }
    return error;
}

/* --- A batch --- */

enum error monitor_ledger_take_results(struct monitor_ledger *ledger, uint32_t count,
                                       uint32_t *changes, struct failure *failure) {
    bool is_live = count <= LIVE_RESULTS_MAX;
    struct buffer scratch;

    for (uint32_t i = 0; i < count; i++)
        alert_state_init(&ledger->batch[i].state);
    enum error error = look_up(ledger, count, failure);
    buffer_init(&scratch);
    for (uint32_t i = 0; i < count && !error; i++) {
        struct ledger_row *row = &ledger->batch[i];
        alert_sight_init(&row->sight, row->record);
        if (counts(ledger, row))
            error = step(ledger, row, is_live, changes, &scratch, failure);
    }
    buffer_deinit(&scratch);
    for (int i = LEDGER_RESULTS; i <= LEDGER_HISTORY && !error; i++)
        error = monitor_ledger_write_rows(ledger, (enum ledger_table)i, failure);
    if (!error)
        error = monitor_ledger_write_rows(ledger, LEDGER_REPORTS, failure);
    return error ? error : summarize_all(ledger, count, failure);
}

enum error monitor_write_result(struct ledger_write *write, const struct monitor_result *result,
                                uint32_t *changes, struct failure *failure) {
    struct monitor_ledger *ledger = write->ledger;

    ledger->batch[0] = (struct ledger_row){.target = result->target,
                                           .endpoint = result->endpoint,
                                           .agent = result->agent,
                                           .record = result->record};
    return monitor_ledger_take_results(ledger, 1, changes, failure);
}

void monitor_write_record(struct ledger_write *write, struct slice packed) {
    buffer_add_slice(&write->ledger->packed, packed);
}
