#include "engine/base/random.h"
#include "engine/record/json.h"
#include "tools/monitor/ledger_internal.h"

#include <inttypes.h>
#include <stdio.h>

/* --- Events --- */

enum error monitor_ledger_event(struct monitor_ledger *ledger, const char *kind, struct slice body,
                                struct failure *failure) {
    const struct ledger_event event = {kind, arena_copy(&ledger->memory, body)};

    if (body.len > EVENT_BODY_BYTES)
        return failure_set(failure, ERROR_LIMIT, "an event of more than %d bytes",
                           EVENT_BODY_BYTES);
    buffer_add(&ledger->events, &event, sizeof event);
    return ledger->memory.failed || ledger->events.failed
               ? failure_set(failure, ERROR_MEMORY, "no memory for an event")
               : ERROR_NONE;
}

enum error monitor_write_event(struct ledger_write *write, const char *kind, struct slice body,
                               struct failure *failure) {
    return monitor_ledger_event(write->ledger, kind, body, failure);
}

void monitor_write_target_changed(struct ledger_write *write, int64_t key) {
    buffer_add(&write->ledger->targets, &key, sizeof key);
}

/* --- What is there already --- */

struct found {
    int64_t id; /* 0: none is open */
    enum severity severity;
    enum alert_event event;
    bool muted;
};

static enum error take_found(void *context, const struct sql_value *values, uint32_t count,
                             struct failure *failure) {
    struct found *found = context;
    int event = values[2].type == SQL_TEXT ? alert_event_by_name(values[2].bytes) : -1;

    (void)count, (void)failure;
    *found = (struct found){.id = values[0].integer,
                            .severity = (enum severity)(values[1].integer % SEVERITIES),
                            .event = event < 0 ? EVENT_TLS_EXPIRY : (enum alert_event)event,
                            .muted = values[3].integer != 0};
    return ERROR_NONE;
}

static enum error find(struct monitor_ledger *ledger, const struct ledger_alert *alert,
                       struct found *found, struct failure *failure) {
    static const struct sql_statement open = {
        .types = "ittt",
        .text = "SELECT id, severity, event, muted FROM monitor_alerts WHERE target = $1"
                " AND topic = $2 AND endpoint = $3 AND agent = $4 AND resolved_at IS NULL",
    };
    static const struct sql_statement ever = {
        .types = "ittt",
        .text = "SELECT id, severity, event, muted FROM monitor_alerts WHERE target = $1"
                " AND topic = $2 AND endpoint = $3 AND agent = $4 LIMIT 1",
    };
    const struct sql_value values[] = {
        sql_integer(alert->target), sql_text(slice_of(alert_topic_name(alert->topic))),
        sql_text(slice_of(alert->endpoint)), sql_text(slice_of(alert->agent))};

    *found = (struct found){0};
    if (alert->step == ALERT_TELL && !alert->is_once)
        return ERROR_NONE;
    return database_query(ledger->database,
                          alert->is_once && alert->step == ALERT_TELL ? &ever : &open, values,
                          take_found, found, failure);
}

/* Whether nobody is to be told: it is muted, or another agent or address has shown the very same
 * certificate to cross the very same threshold. */
static enum error is_quiet(struct monitor_ledger *ledger, const struct ledger_alert *alert,
                           const struct found *found, bool *quiet, struct failure *failure) {
    static const struct sql_statement muted = {
        .types = "itti",
        .text = "SELECT count(*) FROM monitor_mutes WHERE target IN (0, $1)"
                " AND event IN ('', $2, $3) AND (until_at = 0 OR until_at > $4)",
    };
    static const struct sql_statement told = {
        .types = "ittbrttii",
        .text = "SELECT count(*) FROM monitor_alerts WHERE target = $1 AND topic = $2"
                " AND event = $3 AND fingerprint = $4 AND threshold = $5"
                " AND (endpoint <> $6 OR agent <> $7) AND muted = 0"
                " AND (resolved_at IS NULL OR resolved_at > $8) AND id <> $9",
    };
    struct slice event = slice_of(alert_event_name(alert->event));
    const struct sql_value mute[] = {
        sql_integer(alert->target), sql_text(event),
        sql_text(found->id ? slice_of(alert_event_name(found->event)) : event),
        sql_integer(ledger->now_ms)};
    const struct sql_value same[] = {sql_integer(alert->target),
                                     sql_text(slice_of(alert_topic_name(alert->topic))),
                                     sql_text(event),
                                     sql_blob(alert->fingerprint),
                                     sql_real(alert->threshold_days),
                                     sql_text(slice_of(alert->endpoint)),
                                     sql_text(slice_of(alert->agent)),
                                     sql_integer(ledger->now_ms - INT64_C(86400000)),
                                     sql_integer(found->id)};
    int64_t count = 0;
    enum error error = database_number(ledger->database, &muted, mute, &count, failure);

    *quiet = count > 0;
    if (error || *quiet || alert->step == ALERT_RESOLVE || !alert->fingerprint.len ||
        (alert->topic != ALERT_EXPIRY && alert->topic != ALERT_CHANGE))
        return error;
    error = database_number(ledger->database, &told, same, &count, failure);
    *quiet = count > 0;
    return error;
}

/* --- Its row --- */

static enum error insert(struct monitor_ledger *ledger, const struct ledger_alert *alert,
                         bool quiet, struct slice details, int64_t *id, struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "itttti"
                 "tttbiiiri",
        .text = "INSERT INTO monitor_alerts (target, endpoint, agent, topic, event, severity,"
                " title, message, details, fingerprint, opened_at, updated_at, resolved_at,"
                " threshold, muted) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,"
                " $13, $14, $15) RETURNING id",
    };
    const struct sql_value values[] = {
        sql_integer(alert->target),
        sql_text(slice_of(alert->endpoint)),
        sql_text(slice_of(alert->agent)),
        sql_text(slice_of(alert_topic_name(alert->topic))),
        sql_text(slice_of(alert_event_name(alert->event))),
        sql_integer(alert->severity),
        sql_text(alert->title),
        sql_text(alert->message),
        sql_text(details),
        alert->fingerprint.len ? sql_blob(alert->fingerprint) : sql_null(),
        sql_integer(ledger->now_ms),
        sql_integer(ledger->now_ms),
        alert->step == ALERT_TELL ? sql_integer(ledger->now_ms) : sql_null(),
        sql_real(alert->threshold_days),
        sql_integer(quiet)};

    return database_number(ledger->database, &statement, values, id, failure);
}

/* What was acknowledged is news again when it gets worse. */
static enum error update(struct monitor_ledger *ledger, const struct ledger_alert *alert,
                         bool quiet, struct slice details, int64_t id, struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "tittt"
                 "biri"
                 "i",
        .text = "UPDATE monitor_alerts SET event = $1,"
                " acknowledged_at = CASE WHEN severity < $2 THEN NULL ELSE acknowledged_at END,"
                " acknowledged_by = CASE WHEN severity < $2 THEN NULL ELSE acknowledged_by END,"
                " severity = $2, title = $3, message = $4, details = $5, fingerprint = $6,"
                " updated_at = $7, threshold = $8, muted = $9 WHERE id = $10",
    };
    const struct sql_value values[] = {sql_text(slice_of(alert_event_name(alert->event))),
                                       sql_integer(alert->severity),
                                       sql_text(alert->title),
                                       sql_text(alert->message),
                                       sql_text(details),
                                       alert->fingerprint.len ? sql_blob(alert->fingerprint)
                                                              : sql_null(),
                                       sql_integer(ledger->now_ms),
                                       sql_real(alert->threshold_days),
                                       sql_integer(quiet),
                                       sql_integer(id)};

    return database_run(ledger->database, &statement, values, NULL, failure);
}

static enum error resolve(struct monitor_ledger *ledger, int64_t id, struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "ii",
        .text = "UPDATE monitor_alerts SET resolved_at = $1, updated_at = $1 WHERE id = $2",
    };
    const struct sql_value values[] = {sql_integer(ledger->now_ms), sql_integer(id)};

    return database_run(ledger->database, &statement, values, NULL, failure);
}

static enum error write_row(struct monitor_ledger *ledger, const struct ledger_alert *alert,
                            struct found *found, bool quiet, struct failure *failure) {
    struct buffer details;
    enum error error;

    if (alert->step == ALERT_RESOLVE)
        return resolve(ledger, found->id, failure);
    buffer_init(&details);
    buffer_add_byte(&details, '{');
    buffer_add_slice(&details, slice_from(alert->details, 1)); /* behind the first comma */
    buffer_add_byte(&details, '}');
    if (details.failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory for an alert");
    else if (found->id)
        error = update(ledger, alert, quiet, buffer_slice(&details), found->id, failure);
    else
        error = insert(ledger, alert, quiet, buffer_slice(&details), &found->id, failure);
    buffer_deinit(&details);
    return error;
}

/* --- Who is told --- */

static const char *state_name(enum alert_step step) {
    return step == ALERT_RESOLVE ? "resolved" : step == ALERT_TELL ? "told" : "open";
}

static void add_text(struct buffer *out, const char *name, struct slice text) {
    buffer_add_format(out, ",\"%s\":", name);
    json_add_text(text, out);
}

static void add_common(struct buffer *out, const struct ledger_alert *alert, int64_t id) {
    buffer_add_format(out, ",\"alert_id\":%" PRId64 ",\"state\":\"%s\",\"severity\":\"%s\"", id,
                      state_name(alert->step), severity_name(alert->severity));
    if (alert->target_id.len)
        add_text(out, "target", alert->target_id);
}

/* RemotePower's envelope. The details come last and are flat, as there. */
static void add_envelope(struct monitor_ledger *ledger, const struct ledger_alert *alert,
                         int64_t id, const char *event_id, struct buffer *out) {
    buffer_add_format(out, "{\"schema_version\":\"1\",\"event\":\"%s\",\"ts\":%" PRId64,
                      alert_event_name(alert->event), ledger->now_ms / 1000);
    add_text(out, "title", alert->title);
    add_text(out, "message", alert->message);
    buffer_add_format(out, ",\"priority\":\"%s\",\"id\":\"%s\"",
                      alert->step == ALERT_RESOLVE ? "low" : severity_priority(alert->severity),
                      event_id);
    add_common(out, alert, id);
    buffer_add_slice(out, alert->details);
    buffer_add_byte(out, '}');
}

/* What resolves goes where its alert went. */
static enum error is_wanted(struct monitor_ledger *ledger, const struct ledger_channel *channel,
                            const struct ledger_alert *alert, int64_t id, bool *wanted,
                            struct failure *failure) {
    static const struct sql_statement went = {
        .types = "it",
        .text = "SELECT count(*) FROM monitor_outbox WHERE alert = $1 AND channel = $2",
    };
    const struct sql_value values[] = {sql_integer(id), sql_text(slice_of(channel->name))};
    int64_t count = 0;

    if (alert->step != ALERT_RESOLVE) {
        *wanted = alert->severity >= channel->least &&
                  (!channel->events || (channel->events >> alert->event & 1));
        return ERROR_NONE;
    }
    enum error error = database_number(ledger->database, &went, values, &count, failure);
    *wanted = count > 0;
    return error;
}

static enum error add_notice(struct monitor_ledger *ledger, const struct ledger_channel *channel,
                             const struct ledger_alert *alert, int64_t id, const char *event_id,
                             struct slice body, struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "itttitttii",
        .text = "INSERT INTO monitor_outbox (alert, channel, event_id, event, severity, title,"
                " message, body, created_at, attempts, next_at, dead, last_error)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, 0, '')",
    };
    const struct sql_value values[] = {sql_integer(id),
                                       sql_text(slice_of(channel->name)),
                                       sql_text(slice_of(event_id)),
                                       sql_text(slice_of(alert_event_name(alert->event))),
                                       sql_integer(alert->severity),
                                       sql_text(alert->title),
                                       sql_text(alert->message),
                                       sql_text(body),
                                       sql_integer(ledger->now_ms),
                                       sql_integer(ledger->now_ms)};

    ledger->has_notices = true;
    return database_run(ledger->database, &statement, values, NULL, failure);
}

static enum error notify(struct monitor_ledger *ledger, const struct ledger_alert *alert,
                         int64_t id, struct failure *failure) {
    enum error error = ERROR_NONE;
    char event_id[40];
    struct buffer body;

    snprintf(event_id, sizeof event_id, "evt_%016" PRIx64 "%016" PRIx64, random_seed(),
             random_seed());
    buffer_init(&body);
    add_envelope(ledger, alert, id, event_id, &body);
    if (body.failed)
        error = failure_set(failure, ERROR_MEMORY, "no memory for a notice");
    for (uint32_t i = 0; i < ledger->config.channel_count && !error; i++) {
        const struct ledger_channel *channel = &ledger->channels[i];
        bool wanted = false;
        error = is_wanted(ledger, channel, alert, id, &wanted, failure);
        if (!error && wanted)
            error = add_notice(ledger, channel, alert, id, event_id, buffer_slice(&body), failure);
    }
    buffer_deinit(&body);
    return error;
}

static enum error show(struct monitor_ledger *ledger, const struct ledger_alert *alert, int64_t id,
                       bool quiet, struct failure *failure) {
    struct buffer body;

    buffer_init(&body);
    buffer_add_format(&body, "{\"event\":\"%s\"", alert_event_name(alert->event));
    add_common(&body, alert, id);
    add_text(&body, "title", alert->title);
    add_text(&body, "message", alert->message);
    buffer_add_format(&body, ",\"muted\":%s}", quiet ? "true" : "false");
    enum error error = body.failed
                           ? failure_set(failure, ERROR_MEMORY, "no memory for an event")
                           : monitor_ledger_event(ledger, "alert", buffer_slice(&body), failure);
    buffer_deinit(&body);
    return error;
}

/* --- An alert --- */

/* Whether there is nothing to do: it is open already, or there is nothing to resolve. */
static bool is_no_news(const struct ledger_alert *alert, const struct found *found) {
    switch (alert->step) {
    case ALERT_OPEN:
        return found->id && found->event == alert->event;
    case ALERT_RESOLVE:
        return !found->id;
    case ALERT_TELL:
        return found->id;
    case ALERT_UPDATE:
        break;
    }
    return false;
}

enum error monitor_ledger_alert(struct monitor_ledger *ledger, const struct ledger_alert *alert,
                                bool *raised, struct failure *failure) {
    struct found found;
    bool quiet = false;
    enum error error = find(ledger, alert, &found, failure);

    *raised = false;
    if (error || is_no_news(alert, &found))
        return error;
    error = is_quiet(ledger, alert, &found, &quiet, failure);
    if (!error)
        error = write_row(ledger, alert, &found, quiet, failure);
    if (!error)
        error = show(ledger, alert, found.id, quiet, failure);
    if (!error && !quiet)
        error = notify(ledger, alert, found.id, failure);
    *raised = !error;
    ledger->round.alerts[alert->event]++;
    ledger->round.muted += quiet;
    return error;
}

static enum error take_id(void *context, const struct sql_value *values, uint32_t count,
                          struct failure *failure) {
    struct slice *id = context;
    static const size_t most = TARGET_ID_BYTES - 1;

    (void)count, (void)failure;
    id->len = values[0].bytes.len < most ? values[0].bytes.len : most;
    memcpy((uint8_t *)(uintptr_t)id->ptr, values[0].bytes.ptr, id->len);
    return ERROR_NONE;
}

enum error monitor_raise(struct ledger_write *write, const struct monitor_notice *notice,
                         bool *raised, struct failure *failure) {
    static const struct sql_statement id_of = {
        .types = "i",
        .text = "SELECT id FROM monitor_targets WHERE key = $1",
    };
    uint8_t id[TARGET_ID_BYTES];
    struct ledger_alert alert = {.target = notice->target,
                                 .target_id = {id, 0},
                                 .endpoint = notice->subject,
                                 .agent = "",
                                 .topic = notice->topic,
                                 .event = notice->event,
                                 .step = notice->step,
                                 .severity = notice->severity,
                                 .title = notice->title,
                                 .message = notice->message,
                                 .details = notice->details,
                                 .fingerprint = notice->fingerprint,
                                 .is_once = true};
    struct sql_value key = sql_integer(notice->target);
    enum error error = notice->target == 0 ? ERROR_NONE
                                           : database_query(write->database, &id_of, &key, take_id,
                                                            &alert.target_id, failure);

    return error ? error : monitor_ledger_alert(write->ledger, &alert, raised, failure);
}
