/* RemotePower's routes, as its clients know them: fields, sort order and errors are the original's.
 * Times are seconds since 1970. What its answers tell beyond the summary is read from the last
 * record. */
#include "tools/monitor/routes.h"

#include "engine/record/outcome.h"
#include "sinks/store/record_view.h"

#include <math.h>
#include <microhttpd.h>
#include <stdio.h>

enum { SCAN_WAIT_MS = 25 * 1000 };

/* --- The list --- */

enum column {
    COLUMN_ID,
    COLUMN_HOST,
    COLUMN_PORT,
    COLUMN_LABEL,
    COLUMN_WARN,
    COLUMN_CRIT,
    COLUMN_PROTOCOL,
    COLUMN_CONNECT,
    COLUMN_DANE,
    COLUMN_STATUS,
    COLUMN_OUTCOME,
    COLUMN_STAGE,
    COLUMN_ERROR,
    COLUMN_NOT_AFTER,
    COLUMN_SUBJECT,
    COLUMN_ISSUER,
    COLUMN_LAST_CHECK,
    COLUMN_RECORD,
};

/* Critical, warning, then all others by host. */
static const struct sql_statement LIST = {
    .text =
        "SELECT t.id, t.host, t.port, t.label, t.warn_days, t.crit_days, t.protocol, "
        "t.connect_address,"
        " t.dane, COALESCE(s.status, 0), s.outcome, s.stage, s.error, s.not_after, s.subject, "
        "s.issuer,"
        " s.last_check, r.record FROM monitor_targets t"
        " LEFT JOIN monitor_summary s ON s.target = t.key"
        " LEFT JOIN monitor_records r ON r.target = s.target AND r.endpoint = s.endpoint"
        " AND r.agent = s.agent"
        " ORDER BY CASE s.status WHEN 3 THEN 0 WHEN 2 THEN 1 ELSE 2 END, t.host, t.port, t.key"};

struct listing {
    const struct call *call;
    struct buffer *out;
};

static struct slice text_of(yyjson_val *value) {
    return json_slice(value);
}

static void add_texts(struct buffer *out, yyjson_val *list) {
    size_t i, count;
    yyjson_val *item;

    yyjson_arr_foreach(list, i, count, item) {
        if (yyjson_is_str(item))
            json_text(out, NULL, text_of(item));
    }
}

static void add_seconds(struct buffer *out, const char *name, const struct sql_value *value,
                        int64_t divisor) {
    if (row_is_null(value))
        json_null(out, name);
    else
        json_integer(out, name, row_integer(value) / divisor);
}

/* RFC 3339 as records have it. */
static void add_expiry(struct buffer *out, yyjson_val *text) {
    int64_t ms;

    if (text_to_time_ms(text_of(text), &ms))
        json_integer(out, "expires_at", ms / 1000);
    else
        json_null(out, "expires_at");
}

static void add_link(struct buffer *out, yyjson_val *certificate) {
    json_open(out, NULL, '{');
    json_text(out, "subject", text_of(yyjson_obj_get(certificate, "subject")));
    json_text(out, "issuer", text_of(yyjson_obj_get(certificate, "issuer")));
    add_expiry(out, yyjson_obj_get(certificate, "not_after"));
    json_close(out, '}');
}

/* The server's own certificate first, as it was sent. */
static void add_chain(struct buffer *out, yyjson_val *record) {
    yyjson_val *leaf = yyjson_obj_get(record, "certificate"), *link;
    size_t i, count;

    json_open(out, "chain", '[');
    if (yyjson_is_obj(leaf))
        add_link(out, leaf);
    yyjson_arr_foreach(yyjson_obj_get(record, "chain"), i, count, link) add_link(out, link);
    json_close(out, ']');
}

static void add_record(struct buffer *out, yyjson_val *record) {
    yyjson_val *certificate = yyjson_obj_get(record, "certificate");
    yyjson_val *trust = yyjson_obj_get(record, "trust");
    yyjson_val *matches = yyjson_obj_get(trust, "name_matches");

    json_open(out, "addresses", '[');
    add_texts(out, yyjson_obj_get(record, "addresses"));
    json_close(out, ']');
    json_open(out, "san", '[');
    add_texts(out, yyjson_obj_get(certificate, "dns_names"));
    add_texts(out, yyjson_obj_get(certificate, "ip_addresses"));
    json_close(out, ']');
    json_text(out, "verify_error", text_of(yyjson_obj_get(trust, "error")));
    if (yyjson_is_bool(matches))
        json_flag(out, "hostname_match", yyjson_get_bool(matches));
    else
        json_null(out, "hostname_match");
    add_chain(out, record);
}

/* The whole name from the record; the summary has the short one. */
static void add_name(struct buffer *out, const char *member, const struct sql_value *summary,
                     yyjson_val *record) {
    struct slice name = json_slice(yyjson_obj_get(yyjson_obj_get(record, "certificate"), member));

    json_text(out, member, name.len ? name : row_bytes(summary));
}

/* Whole days, rounded down: -1 from the moment of expiry on; null when the probe failed. */
static void add_days(struct buffer *out, const struct sql_value *row, int64_t now_ms) {
    double days = (double)(row_integer(&row[COLUMN_NOT_AFTER]) * 1000 - now_ms) / 864e5;

    if (row_is_null(&row[COLUMN_NOT_AFTER]) || row_integer(&row[COLUMN_STATUS]) == STATUS_ERROR)
        json_null(out, "days_left");
    else
        json_integer(out, "days_left", (int64_t)floor(days));
}

static void add_errors(struct buffer *out, const struct sql_value *row) {
    struct slice error = row_bytes(&row[COLUMN_ERROR]), outcome = row_bytes(&row[COLUMN_OUTCOME]);
    bool failed = outcome.len && !slice_is(outcome, outcome_name(OUTCOME_OK));
    bool of_dns = slice_is(outcome, outcome_name(OUTCOME_DNS_FAILED));
    struct slice words = !failed ? slice_of("") : error.len ? error : outcome;

    json_text(out, "dns_error", of_dns ? words : slice_of(""));
    json_text(out, "tls_error", of_dns ? slice_of("") : words);
}

static enum error add_target(void *context, const struct sql_value *row, uint32_t count,
                             struct failure *failure) {
    const struct listing *listing = context;
    struct buffer *out = listing->out;
    struct slice protocol = row_bytes(&row[COLUMN_PROTOCOL]), text = row_bytes(&row[COLUMN_RECORD]);
    int64_t status = row_integer(&row[COLUMN_STATUS]);
    yyjson_doc *record = yyjson_read((const char *)text.ptr, text.len, 0);

    (void)count, (void)failure;
    json_open(out, NULL, '{');
    json_text(out, "id", row_bytes(&row[COLUMN_ID]));
    json_text(out, "host", row_bytes(&row[COLUMN_HOST]));
    json_integer(out, "port", row_integer(&row[COLUMN_PORT]));
    json_text(out, "label", row_bytes(&row[COLUMN_LABEL]));
    json_integer(out, "warn_days", row_integer(&row[COLUMN_WARN]));
    json_integer(out, "crit_days", row_integer(&row[COLUMN_CRIT]));
    json_text(out, "starttls",
              !protocol.len               ? slice_of("auto")
              : slice_is(protocol, "tls") ? slice_of("none")
                                          : protocol);
    json_text(out, "connect_address", row_bytes(&row[COLUMN_CONNECT]));
    json_flag(out, "dane_check", row_integer(&row[COLUMN_DANE]));
    add_seconds(out, "last_check", &row[COLUMN_LAST_CHECK], 1000);
    add_seconds(out, "expires_at", &row[COLUMN_NOT_AFTER], 1);
    add_days(out, row, listing->call->now_ms);
    json_words(
        out, "status",
        status_name(status > 0 && status < STATUS_COUNT ? (enum status)status : STATUS_UNKNOWN));
    add_name(out, "issuer", &row[COLUMN_ISSUER], yyjson_doc_get_root(record));
    add_name(out, "subject", &row[COLUMN_SUBJECT], yyjson_doc_get_root(record));
    add_errors(out, row);
    add_record(out, yyjson_doc_get_root(record));
    json_close(out, '}');
    yyjson_doc_free(record);
    return ERROR_NONE;
}

static void list_targets(struct call *call) {
    struct listing listing = {call, &call->answer->body};

    json_open(listing.out, NULL, '[');
    if (call_query(call, &LIST, NULL, add_target, &listing))
        json_close(listing.out, ']');
}

/* --- Changes --- */

struct change {
    const struct call *call;
    struct monitor_target target;
    const char *action; /* in the audit log, "tls_add"; in the event without its beginning */
};

/* The event and the audit log's line; `change->target` is as it is now, or was. */
static enum error note_change(struct ledger_write *write, const struct change *change,
                              struct failure *failure) {
    const struct monitor_target *target = &change->target;
    struct buffer body;
    char detail[512];

    buffer_init(&body);
    json_open(&body, NULL, '{');
    json_words(&body, "target", target->id);
    json_words(&body, "change", change->action + strlen("tls_"));
    json_words(&body, "host", target->host);
    json_integer(&body, "port", target->port);
    json_close(&body, '}');
    monitor_write_target_changed(write, target->key);
    enum error error = monitor_write_event(write, "target", buffer_slice(&body), failure);
    buffer_deinit(&body);
    snprintf(detail, sizeof detail, "%s %s:%u", target->id, target->host, target->port);
    return error ? error : call_audit(change->call, write, change->action, detail, failure);
}

static enum error write_new(struct ledger_write *write, void *context, struct failure *failure) {
    struct change *change = context;

    change->target.key = 0; /* it may run twice */
    change->target.id[0] = 0;
    enum error error = tables_add_target(write->database, &change->target, write->now_ms, failure);
    return error ? error : note_change(write, change, failure);
}

static enum error write_changed(struct ledger_write *write, void *context,
                                struct failure *failure) {
    struct change *change = context;
    enum error error =
        tables_update_target(write->database, &change->target, write->now_ms, failure);

    return error ? error : note_change(write, change, failure);
}

static enum error write_deleted(struct ledger_write *write, void *context,
                                struct failure *failure) {
    struct change *change = context;
    enum error error = tables_delete_target(write->database, change->target.key, failure);

    return error ? error : note_change(write, change, failure);
}

static bool read_target(struct call *call, struct monitor_target *target) {
    struct failure failure;

    if (!call_json(call))
        return false;
    enum error error = target_read(target, yyjson_doc_get_root(call->request->json), &failure);
    if (!error)
        error = target_check_via(target, call->api->has_fleet, &failure);
    if (error)
        answer_failure(call->answer, error, &failure);
    return error == ERROR_NONE;
}

static void add_new(struct call *call) {
    struct change change = {.call = call, .action = "tls_add"};

    target_init(&change.target, TARGET_FROM_API);
    if (!read_target(call, &change.target) || !call_ledger(call, write_new, &change))
        return;
    json_open(&call->answer->body, NULL, '{');
    json_flag(&call->answer->body, "ok", true);
    json_words(&call->answer->body, "id", change.target.id);
    json_close(&call->answer->body, '}');
}

/* One that the config file names would come back as it was, at the next start. */
static bool find_own(struct call *call, struct monitor_target *target) {
    if (!call_target(call, target))
        return false;
    if (target->source == TARGET_FROM_CONFIG) {
        answer_error(call->answer, MHD_HTTP_CONFLICT, "this target stands in the config file");
        return false;
    }
    return true;
}

static void change_target(struct call *call) {
    struct change change = {.call = call, .action = "tls_update"};

    if (find_own(call, &change.target) && read_target(call, &change.target) &&
        call_ledger(call, write_changed, &change))
        call_ok(call);
}

static void delete_target(struct call *call) {
    struct change change = {.call = call, .action = "tls_delete"};

    if (find_own(call, &change.target) && call_ledger(call, write_deleted, &change))
        call_ok(call);
}

static void scan(struct call *call) {
    call_scan(call, NULL, 0, request_query_flag(call->request, "wait", true) ? SCAN_WAIT_MS : 0);
}

/* --- The table --- */

#define REQUIRED .flags = SCHEMA_REQUIRED
#define NULLABLE .flags = SCHEMA_REQUIRED | SCHEMA_NULLABLE

static const char *const STATUSES[] = {"ok", "warning", "critical", "error", "unknown", NULL};

static const struct schema link_schema = {
    .name = "TlsChainLink",
    .fields =
        (const struct schema_field[]){{.name = "subject", .type = SCHEMA_TEXT, REQUIRED},
                                      {.name = "issuer", .type = SCHEMA_TEXT, REQUIRED},
                                      {.name = "expires_at", .type = SCHEMA_INTEGER, NULLABLE},
                                      {0}},
};

static const struct schema target_schema = {
    .name = "TlsTarget",
    .fields =
        (const struct schema_field[]){
            {.name = "id", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "host", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "port", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "label", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "warn_days", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "crit_days", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "starttls", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "connect_address", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "dane_check", .type = SCHEMA_FLAG, REQUIRED},
            {.name = "last_check", .type = SCHEMA_INTEGER, NULLABLE},
            {.name = "expires_at", .type = SCHEMA_INTEGER, NULLABLE},
            {.name = "days_left", .type = SCHEMA_INTEGER, NULLABLE},
            {.name = "status", .type = SCHEMA_TEXT, REQUIRED, .choices = STATUSES},
            {.name = "addresses", .type = SCHEMA_LIST, REQUIRED},
            {.name = "issuer", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "subject", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "san", .type = SCHEMA_LIST, REQUIRED},
            {.name = "dns_error", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "tls_error", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "verify_error", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "hostname_match", .type = SCHEMA_FLAG, NULLABLE},
            {.name = "chain", .type = SCHEMA_LIST, REQUIRED, .of = &link_schema},
            {0}},
};
static const struct schema list_schema = {.name = "TlsTargets", .list_of = &target_schema};

#define CHANGES                                                                                    \
    {.name = "port", .type = SCHEMA_INTEGER, .minimum = 1, .maximum = 65535},                      \
        {.name = "starttls", .type = SCHEMA_TEXT, .summary = "auto, none, smtp, imap …"},          \
        {.name = "protocol", .type = SCHEMA_TEXT, .summary = "The same; the later one counts."},   \
        {.name = "warn_days", .type = SCHEMA_INTEGER},                                             \
        {.name = "crit_days", .type = SCHEMA_INTEGER, .summary = "At most warn_days."},            \
        {.name = "thresholds", .type = SCHEMA_NUMBERS, .summary = "Days before the end."},         \
        {.name = "label", .type = SCHEMA_TEXT}, {.name = "tags", .type = SCHEMA_LIST},             \
        {.name = "connect_address", .type = SCHEMA_TEXT},                                          \
        {.name = "ca_file", .type = SCHEMA_TEXT, .summary = "A file of the monitor's CA folder."}, \
        {.name = "dane_check", .type = SCHEMA_FLAG},                                               \
        {.name = "via",                                                                            \
         .type = SCHEMA_TEXT,                                                                      \
         .summary = "A worker with this label probes it; * for any, empty for us."},               \
        {.name = "interval_s", .type = SCHEMA_INTEGER}, {.name = "enabled", .type = SCHEMA_FLAG},  \
        {0}

static const struct schema new_schema = {
    .name = "NewTlsTarget",
    .fields =
        (const struct schema_field[]){{.name = "host", .type = SCHEMA_TEXT, REQUIRED}, CHANGES},
};
static const struct schema change_schema = {
    .name = "TlsTargetChange",
    .summary = "What is not there stays as it is.",
    .fields = (const struct schema_field[]){{.name = "host", .type = SCHEMA_TEXT}, CHANGES},
};
static const struct schema added_schema = {
    .name = "TlsTargetAdded",
    .fields = (const struct schema_field[]){{.name = "ok", .type = SCHEMA_FLAG, REQUIRED},
                                            {.name = "id", .type = SCHEMA_TEXT, REQUIRED},
                                            {0}},
};

static const struct schema_field scan_parameters[] = {
    {.name = "wait",
     .type = SCHEMA_FLAG,
     .summary = "0: answer at once. Else when all is done, at most after 25 seconds."},
    {0}};

static const struct route routes[] = {
    {METHOD_GET, "/api/tls/targets", ROLE_READ, list_targets,
     "All targets: critical, warning, then by host.", "listTlsTargets", .response = &list_schema},
    {METHOD_POST, "/api/tls/targets", ROLE_OPERATE, add_new, "Adds a target.", "addTlsTarget",
     .body_max = ROUTE_SMALL_BODY, .request = &new_schema, .response = &added_schema},
    {METHOD_PUT, "/api/tls/targets/{id}", ROLE_OPERATE, change_target, "Changes a target.",
     "putTlsTarget", .body_max = ROUTE_SMALL_BODY, .request = &change_schema,
     .response = &schema_ok},
    {METHOD_PATCH, "/api/tls/targets/{id}", ROLE_OPERATE, change_target, "Changes a target.",
     "patchTlsTarget", .body_max = ROUTE_SMALL_BODY, .request = &change_schema,
     .response = &schema_ok},
    {METHOD_DELETE, "/api/tls/targets/{id}", ROLE_OPERATE, delete_target,
     "Forgets a target and its results.", "deleteTlsTarget", .response = &schema_ok},
    {METHOD_POST, "/api/tls/scan", ROLE_OPERATE, scan, "Scans all targets now.", "scanTlsTargets",
     .body_max = ROUTE_SMALL_BODY, .parameters = scan_parameters, .response = &schema_scan},
    {0},
};

const struct route_group routes_tls = {
    .name = "tls", .summary = "As RemotePower's TLS monitor has it.", .routes = routes};
