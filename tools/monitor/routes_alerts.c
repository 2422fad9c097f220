/* What is wrong, was wrong, and who has seen it; what nobody wants to hear of for a while. */
#include "tools/monitor/routes.h"

#include "sinks/store/record_view.h"

#include <microhttpd.h>
#include <stdio.h>

enum { LIST_DEFAULT = 200, LIST_MAX = 2000, OF_TARGET = 50, REASON_BYTES = 256 };

/* --- Alerts --- */

#define COLUMNS                                                                                    \
    "SELECT a.id, t.id, a.endpoint, a.agent, a.topic, a.event, a.severity, a.title, a.message,"    \
    " a.details, a.opened_at, a.updated_at, a.resolved_at, a.acknowledged_at, a.acknowledged_by,"  \
    " a.muted, a.fingerprint FROM monitor_alerts a LEFT JOIN monitor_targets t ON t.key = "        \
    "a.target"

/* The newest first. Open, resolved, acknowledged: -1 any, else 0 or 1. */
static const struct sql_statement LIST = {
    .types = "iittii",
    .text = COLUMNS " WHERE ($1 < 0 OR (a.resolved_at IS NOT NULL) = ($1 = 1))"
                    " AND ($2 < 0 OR (a.acknowledged_at IS NOT NULL) = ($2 = 1))"
                    " AND ($3 = '' OR a.event = $3)"
                    " AND ($4 = '' OR lower(a.title) LIKE $4 ESCAPE '!')"
                    " AND ($5 = 0 OR a.id < $5) ORDER BY a.id DESC LIMIT $6"};

static const struct sql_statement OF_ONE = {
    .types = "ii", .text = COLUMNS " WHERE a.target = $1 ORDER BY a.id DESC LIMIT $2"};

static const char *severity_of(const struct sql_value *value) {
    int64_t number = row_integer(value);
    return severity_name(number >= 0 && number < SEVERITIES ? (enum severity)number
                                                            : SEVERITY_INFO);
}

/* What the page of alerts was filled up to. */
struct alert_page {
    struct buffer *out;
    int64_t last;
    uint64_t rows, rows_max;
};

static enum error add_alert(void *context, const struct sql_value *row, uint32_t count,
                            struct failure *failure) {
    struct alert_page *page = context;
    struct buffer *out = page->out;

    (void)count, (void)failure;
    if (page->rows++ == page->rows_max)
        return ERROR_NONE;
    page->last = row_integer(&row[0]);
    json_open(out, NULL, '{');
    json_integer(out, "id", row_integer(&row[0]));
    json_text(out, "target", row_bytes(&row[1]));
    json_text(out, "endpoint", row_bytes(&row[2]));
    json_text(out, "agent", row_bytes(&row[3]));
    json_text(out, "topic", row_bytes(&row[4]));
    json_text(out, "event", row_bytes(&row[5]));
    json_words(out, "severity", severity_of(&row[6]));
    json_text(out, "title", row_bytes(&row[7]));
    json_text(out, "message", row_bytes(&row[8]));
    json_raw(out, "details", slice_trim(row_bytes(&row[9])));
    json_time_ms(out, "opened_at", row_integer(&row[10]));
    json_time_ms(out, "updated_at", row_integer(&row[11]));
    json_time_ms(out, "resolved_at", row_integer(&row[12]));
    json_time_ms(out, "acknowledged_at", row_integer(&row[13]));
    json_text(out, "acknowledged_by", row_bytes(&row[14]));
    json_flag(out, "muted", row_integer(&row[15]));
    json_hex(out, "fingerprint", row_bytes(&row[16]));
    json_close(out, '}');
    return ERROR_NONE;
}

bool alerts_of_target(struct call *call, int64_t key, struct buffer *out) {
    const struct sql_value values[] = {sql_integer(key), sql_integer(OF_TARGET)};
    struct alert_page page = {.out = out, .rows_max = OF_TARGET};

    return call_query(call, &OF_ONE, values, add_alert, &page);
}

static void list_alerts(struct call *call) {
    const struct request *request = call->request;
    struct slice state = request_query(request, "state");
    struct slice acknowledged = request_query(request, "acknowledged");
    struct buffer like, *out = &call->answer->body;
    struct alert_page page = {.out = out,
                              .rows_max = request_query_number(request, "limit", LIST_DEFAULT)};
    const struct sql_value values[] = {
        sql_integer(slice_is(state, "all") ? -1 : slice_is(state, "resolved")),
        sql_integer(acknowledged.len ? request_query_flag(request, "acknowledged", false) : -1),
        sql_text(request_query(request, "event")),
        sql_text(like_pattern(&like, request_query(request, "q"), false)),
        sql_integer((int64_t)request_query_number(request, "cursor", 0)),
        sql_integer((int64_t)page.rows_max + 1),
    };

    json_open(out, NULL, '{');
    json_open(out, "alerts", '[');
    bool ok = call_query(call, &LIST, values, add_alert, &page);
    buffer_deinit(&like);
    if (!ok)
        return;
    json_close(out, ']');
    if (page.rows > page.rows_max)
        json_integer(out, "next", page.last);
    else
        json_null(out, "next");
    json_close(out, '}');
}

/* --- Acknowledging --- */

struct acknowledging {
    const struct call *call;
    int64_t id;
    bool takes_back;
    uint64_t changed;
};

static enum error write_acknowledged(struct ledger_write *write, void *context,
                                     struct failure *failure) {
    struct acknowledging *wanted = context;
    const char *who = (const char *)wanted->call->request->caller.ptr;
    char detail[32];

    enum error error =
        tables_acknowledge(write->database, wanted->id, wanted->takes_back ? NULL : who,
                           write->now_ms, &wanted->changed, failure);
    if (error || !wanted->changed)
        return error;
    snprintf(detail, sizeof detail, "%lld", (long long)wanted->id);
    struct buffer body;
    buffer_init(&body);
    json_open(&body, NULL, '{');
    json_integer(&body, "id", wanted->id);
    json_words(&body, "change", wanted->takes_back ? "unacknowledged" : "acknowledged");
    json_words(&body, "by", who);
    json_close(&body, '}');
    error = monitor_write_event(write, "alert", buffer_slice(&body), failure);
    buffer_deinit(&body);
    return error ? error
                 : call_audit(wanted->call, write,
                              wanted->takes_back ? "alert_unacknowledge" : "alert_acknowledge",
                              detail, failure);
}

void call_acknowledge(struct call *call, bool takes_back) {
    struct acknowledging wanted = {.call = call, .takes_back = takes_back};

    if (!call_id(call, "alert", &wanted.id) || !call_ledger(call, write_acknowledged, &wanted))
        return;
    if (wanted.changed)
        call_ok(call);
    else
        answer_error(call->answer, MHD_HTTP_NOT_FOUND, "alert not found");
}

static void acknowledge(struct call *call) {
    call_acknowledge(call, false);
}

static void unacknowledge(struct call *call) {
    call_acknowledge(call, true);
}

/* --- Mutes --- */

static const struct sql_statement MUTES = {
    .types = "i",
    .text = "SELECT m.id, t.id, m.event, m.until_at, m.created_at, m.created_by, m.reason,"
            " t.host, t.port FROM monitor_mutes m LEFT JOIN monitor_targets t ON t.key = m.target"
            " WHERE m.until_at = 0 OR m.until_at > $1 ORDER BY m.id DESC LIMIT 1000"};

static enum error add_mute_row(void *context, const struct sql_value *row, uint32_t count,
                               struct failure *failure) {
    struct buffer *out = context;

    (void)count, (void)failure;
    json_open(out, NULL, '{');
    json_integer(out, "id", row_integer(&row[0]));
    json_text(out, "target", row_bytes(&row[1]));
    json_text(out, "host", row_bytes(&row[7]));
    json_value(out, "port", &row[8]);
    json_text(out, "event", row_bytes(&row[2]));
    json_time_ms(out, "until", row_integer(&row[3]));
    json_time_ms(out, "created_at", row_integer(&row[4]));
    json_text(out, "created_by", row_bytes(&row[5]));
    json_text(out, "reason", row_bytes(&row[6]));
    json_close(out, '}');
    return ERROR_NONE;
}

static void list_mutes(struct call *call) {
    const struct sql_value now = sql_integer(call->now_ms);
    struct buffer *out = &call->answer->body;

    json_open(out, NULL, '{');
    json_open(out, "mutes", '[');
    if (!call_query(call, &MUTES, &now, add_mute_row, out))
        return;
    json_close(out, ']');
    json_close(out, '}');
}

struct muting {
    const struct call *call;
    struct monitor_mute mute;
    uint64_t changed;
};

static enum error write_mute(struct ledger_write *write, void *context, struct failure *failure) {
    struct muting *muting = context;
    enum error error = tables_add_mute(write->database, &muting->mute, write->now_ms, failure);
    char detail[128];

    snprintf(detail, sizeof detail, "%lld %.60s", (long long)muting->mute.id, muting->mute.event);
    return error ? error : call_audit(muting->call, write, "mute_add", detail, failure);
}

static enum error write_unmute(struct ledger_write *write, void *context, struct failure *failure) {
    struct muting *muting = context;
    char detail[32];
    enum error error =
        tables_delete_mute(write->database, muting->mute.id, &muting->changed, failure);

    snprintf(detail, sizeof detail, "%lld", (long long)muting->mute.id);
    return error || !muting->changed
               ? error
               : call_audit(muting->call, write, "mute_delete", detail, failure);
}

static struct slice member_text(const struct call *call, const char *name) {
    yyjson_val *value = request_member(call->request, name);
    return json_slice(value);
}

/* The target by its id; empty for all. */
static bool read_muted(struct call *call, struct muting *muting) {
    struct slice id = member_text(call, "target"), event = member_text(call, "event");

    if (id.len) {
        struct monitor_target target;
        call->request->parts[0] = id;
        if (!call_target(call, &target))
            return false;
        muting->mute.target = target.key;
    }
    int found = event.len ? alert_event_by_name(event) : 0;
    if (found < 0) {
        answer_error(call->answer, MHD_HTTP_BAD_REQUEST, "event is none that there is");
        return false;
    }
    muting->mute.event = event.len ? alert_event_name((enum alert_event)found) : "";
    return true;
}

static bool read_until(struct call *call, struct muting *muting) {
    struct slice until = member_text(call, "until");

    if (request_member(call->request, "until") &&
        (!text_to_time_ms(until, &muting->mute.until_ms) ||
         muting->mute.until_ms <= call->now_ms)) {
        answer_error(call->answer, MHD_HTTP_BAD_REQUEST,
                     "until is no time to come, such as 2027-01-31T12:00:00Z");
        return false;
    }
    return true;
}

static void add_mute(struct call *call) {
    struct muting muting = {.call = call};
    char reason[REASON_BYTES];

    if (!call_json(call) || !read_muted(call, &muting) || !read_until(call, &muting))
        return;
    struct slice words = member_text(call, "reason");
    snprintf(reason, sizeof reason, "%.*s", (int)slice_first(words, REASON_BYTES).len,
             words.len ? (const char *)words.ptr : "");
    muting.mute.reason = reason;
    muting.mute.who = (const char *)call->request->caller.ptr;
    if (!call_ledger(call, write_mute, &muting))
        return;
    json_open(&call->answer->body, NULL, '{');
    json_flag(&call->answer->body, "ok", true);
    json_integer(&call->answer->body, "id", muting.mute.id);
    json_close(&call->answer->body, '}');
}

static void delete_mute(struct call *call) {
    struct muting muting = {.call = call};

    if (!call_id(call, "mute", &muting.mute.id) || !call_ledger(call, write_unmute, &muting))
        return;
    if (muting.changed)
        call_ok(call);
    else
        answer_error(call->answer, MHD_HTTP_NOT_FOUND, "mute not found");
}

/* --- The table --- */

#define REQUIRED .flags = SCHEMA_REQUIRED
#define NULLABLE .flags = SCHEMA_REQUIRED | SCHEMA_NULLABLE

static const char *const SEVERITY_CHOICES[] = {"info", "warning", "critical", NULL};
static const char *const STATES[] = {"open", "resolved", "all", NULL};

const struct schema schema_alert = {
    .name = "Alert",
    .fields =
        (const struct schema_field[]){
            {.name = "id", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "target", .type = SCHEMA_TEXT, REQUIRED, .summary = "Empty for none."},
            {.name = "endpoint", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "agent", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "topic", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "event", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "severity", .type = SCHEMA_TEXT, REQUIRED, .choices = SEVERITY_CHOICES},
            {.name = "title", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "message", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "details", .type = SCHEMA_ANY, NULLABLE},
            {.name = "opened_at", .type = SCHEMA_TIME, NULLABLE},
            {.name = "updated_at", .type = SCHEMA_TIME, NULLABLE},
            {.name = "resolved_at", .type = SCHEMA_TIME, NULLABLE},
            {.name = "acknowledged_at", .type = SCHEMA_TIME, NULLABLE},
            {.name = "acknowledged_by", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "muted", .type = SCHEMA_FLAG, REQUIRED},
            {.name = "fingerprint", .type = SCHEMA_TEXT, NULLABLE},
            {0}},
};

static const struct schema page_schema = {
    .name = "AlertPage",
    .fields =
        (const struct schema_field[]){
            {.name = "alerts", .type = SCHEMA_LIST, REQUIRED, .of = &schema_alert},
            {.name = "next",
             .type = SCHEMA_INTEGER,
             NULLABLE,
             .summary = "The next page's cursor."},
            {0}},
};

static const struct schema mute_schema = {
    .name = "Mute",
    .fields =
        (const struct schema_field[]){
            {.name = "id", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "target", .type = SCHEMA_TEXT, REQUIRED, .summary = "Empty for all."},
            {.name = "host", .type = SCHEMA_TEXT, REQUIRED, .summary = "The target's."},
            {.name = "port", .type = SCHEMA_INTEGER, NULLABLE},
            {.name = "event", .type = SCHEMA_TEXT, REQUIRED, .summary = "Empty for all."},
            {.name = "until", .type = SCHEMA_TIME, NULLABLE},
            {.name = "created_at", .type = SCHEMA_TIME, NULLABLE},
            {.name = "created_by", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "reason", .type = SCHEMA_TEXT, REQUIRED},
            {0}},
};
static const struct schema mutes_schema = {
    .name = "Mutes",
    .fields =
        (const struct schema_field[]){
            {.name = "mutes", .type = SCHEMA_LIST, REQUIRED, .of = &mute_schema}, {0}},
};
static const struct schema new_mute_schema = {
    .name = "NewMute",
    .fields =
        (const struct schema_field[]){
            {.name = "target", .type = SCHEMA_TEXT, .summary = "Its id; all without."},
            {.name = "event", .type = SCHEMA_TEXT, .summary = "All without."},
            {.name = "until", .type = SCHEMA_TIME, .summary = "For ever without."},
            {.name = "reason", .type = SCHEMA_TEXT},
            {0}},
};
static const struct schema muted_schema = {
    .name = "MuteAdded",
    .fields = (const struct schema_field[]){{.name = "ok", .type = SCHEMA_FLAG, REQUIRED},
                                            {.name = "id", .type = SCHEMA_INTEGER, REQUIRED},
                                            {0}},
};

static const struct schema_field list_parameters[] = {
    {.name = "state", .type = SCHEMA_TEXT, .choices = STATES, .summary = "open without."},
    {.name = "acknowledged", .type = SCHEMA_FLAG},
    {.name = "event", .type = SCHEMA_TEXT},
    {.name = "q", .type = SCHEMA_TEXT, .summary = "Part of the title."},
    {.name = "limit", .type = SCHEMA_INTEGER, .minimum = 1, .maximum = LIST_MAX},
    {.name = "cursor", .type = SCHEMA_INTEGER, .minimum = 0, .maximum = UINT32_MAX},
    {0}};

static const struct route routes[] = {
    {METHOD_GET, "/api/alerts", ROLE_READ, list_alerts, "Alerts, the newest first.", "listAlerts",
     .parameters = list_parameters, .response = &page_schema},
    {METHOD_POST, "/api/alerts/{id}/acknowledge", ROLE_OPERATE, acknowledge,
     "Somebody has seen it.", "acknowledgeAlert", .body_max = ROUTE_SMALL_BODY,
     .response = &schema_ok},
    {METHOD_POST, "/api/alerts/{id}/unacknowledge", ROLE_OPERATE, unacknowledge, "Takes it back.",
     "unacknowledgeAlert", .body_max = ROUTE_SMALL_BODY, .response = &schema_ok},
    {METHOD_GET, "/api/mutes", ROLE_READ, list_mutes, "What is muted now.", "listMutes",
     .response = &mutes_schema},
    {METHOD_POST, "/api/mutes", ROLE_OPERATE, add_mute,
     "No notices of a target, an event or both for a while.", "addMute",
     .body_max = ROUTE_SMALL_BODY, .request = &new_mute_schema, .response = &muted_schema},
    {METHOD_DELETE, "/api/mutes/{id}", ROLE_OPERATE, delete_mute, "Notices again.", "deleteMute",
     .response = &schema_ok},
    {0},
};

const struct route_group routes_alerts = {
    .name = "alerts", .summary = "What is wrong, and who has seen it.", .routes = routes};
