/* Notices on their way: what waits, what was given up, what was delivered. */
#include "tools/monitor/routes.h"

#include <microhttpd.h>
#include <stdio.h>

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

/* 0 all, 1 waiting, 2 dead, 3 delivered. */
static const struct sql_statement LIST = {
    .types = "ii",
    .text = "SELECT id, alert, channel, event_id, event, title, created_at, attempts, next_at,"
            " delivered_at, dead, last_error FROM monitor_outbox WHERE $1 = 0"
            " OR ($1 = 1 AND delivered_at IS NULL AND dead = 0) OR ($1 = 2 AND dead <> 0)"
            " OR ($1 = 3 AND delivered_at IS NOT NULL) ORDER BY id DESC LIMIT $2"};

static const char *const STATES[] = {"all", "waiting", "dead", "delivered", NULL};

static enum error add_notice(void *context, const struct sql_value *row, uint32_t count,
                             struct failure *failure) {
    struct buffer *out = context;
    bool dead = row_integer(&row[10]);
    bool waits = !dead && row_is_null(&row[9]);

    (void)count, (void)failure;
    json_open(out, NULL, '{');
    json_integer(out, "id", row_integer(&row[0]));
    json_integer(out, "alert", row_integer(&row[1]));
    json_text(out, "channel", row_bytes(&row[2]));
    json_text(out, "event_id", row_bytes(&row[3]));
    json_text(out, "event", row_bytes(&row[4]));
    json_text(out, "title", row_bytes(&row[5]));
    json_words(out, "state", dead ? "dead" : waits ? "waiting" : "delivered");
    json_time_ms(out, "created_at", row_integer(&row[6]));
    json_integer(out, "attempts", row_integer(&row[7]));
    json_time_ms(out, "next_at", waits ? row_integer(&row[8]) : 0);
    json_time_ms(out, "delivered_at", row_integer(&row[9]));
    json_text(out, "last_error", row_bytes(&row[11]));
    json_close(out, '}');
    return ERROR_NONE;
}

static void list_outbox(struct call *call) {
    struct slice state = request_query(call->request, "state");
    struct buffer *out = &call->answer->body;
    int64_t wanted = 0;

    for (int i = 0; STATES[i]; i++)
        if (slice_is(state, STATES[i]))
            wanted = i;
    const struct sql_value values[] = {
        sql_integer(wanted),
        sql_integer((int64_t)request_query_number(call->request, "limit", LIST_DEFAULT))};
    json_open(out, NULL, '{');
    json_open(out, "outbox", '[');
    if (!call_query(call, &LIST, values, add_notice, out))
        return;
    json_close(out, ']');
    json_close(out, '}');
}

/* --- Changes --- */

struct change {
    const struct call *call;
    int64_t id;
    bool deletes;
    uint64_t changed;
};

static enum error write_change(struct ledger_write *write, void *context, struct failure *failure) {
    struct change *change = context;
    char detail[32];
    enum error error =
        change->deletes
            ? tables_delete_notice(write->database, change->id, &change->changed, failure)
            : tables_replay(write->database, change->id, write->now_ms, &change->changed, failure);

    snprintf(detail, sizeof detail, "%lld", (long long)change->id);
    return error || !change->changed
               ? error
               : call_audit(change->call, write,
                            change->deletes ? "outbox_delete" : "outbox_replay", detail, failure);
}

static void change_notice(struct call *call, bool deletes) {
    struct change change = {.call = call, .deletes = deletes};

    if (!call_id(call, "notice", &change.id) || !call_ledger(call, write_change, &change))
        return;
    if (!change.changed) {
        answer_error(call->answer, MHD_HTTP_NOT_FOUND, "notice not found");
        return;
    }
    if (!deletes && call->api->wake_outbox)
        call->api->wake_outbox(call->api->owner);
    call_ok(call);
}

static void replay(struct call *call) {
    change_notice(call, false);
}

static void delete_notice(struct call *call) {
    change_notice(call, true);
}

/* --- The table --- */

#define REQUIRED .flags = SCHEMA_REQUIRED
#define NULLABLE .flags = SCHEMA_REQUIRED | SCHEMA_NULLABLE

static const struct schema notice_schema = {
    .name = "Notice",
    .fields =
        (const struct schema_field[]){
            {.name = "id", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "alert", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "channel", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "event_id",
             .type = SCHEMA_TEXT,
             REQUIRED,
             .summary = "The same at each attempt."},
            {.name = "event", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "title", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "state", .type = SCHEMA_TEXT, REQUIRED, .choices = STATES},
            {.name = "created_at", .type = SCHEMA_TIME, NULLABLE},
            {.name = "attempts", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "next_at", .type = SCHEMA_TIME, NULLABLE},
            {.name = "delivered_at", .type = SCHEMA_TIME, NULLABLE},
            {.name = "last_error", .type = SCHEMA_TEXT, REQUIRED},
            {0}},
};
static const struct schema list_schema = {
    .name = "Outbox",
    .fields =
        (const struct schema_field[]){
            {.name = "outbox", .type = SCHEMA_LIST, REQUIRED, .of = &notice_schema}, {0}},
};

static const struct schema_field list_parameters[] = {
    {.name = "state", .type = SCHEMA_TEXT, .choices = STATES},
    {.name = "limit", .type = SCHEMA_INTEGER, .minimum = 1, .maximum = LIST_MAX},
    {0}};

static const struct route routes[] = {
    {METHOD_GET, "/api/outbox", ROLE_READ, list_outbox, "Notices, the newest first.", "listOutbox",
     .parameters = list_parameters, .response = &list_schema},
    {METHOD_POST, "/api/outbox/{id}/replay", ROLE_OPERATE, replay, "Sends one again now.",
     "replayNotice", .body_max = ROUTE_SMALL_BODY, .response = &schema_ok},
    {METHOD_DELETE, "/api/outbox/{id}", ROLE_OPERATE, delete_notice, "Forgets one.", "deleteNotice",
     .response = &schema_ok},
    {0},
};

const struct route_group routes_outbox = {
    .name = "outbox", .summary = "Notices on their way.", .routes = routes};
