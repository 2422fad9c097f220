/* SSL Scout's routes: its daemon reports to us as to its own centre, and so do our agents; its
 * clients ask as they are used to. */
#include "tools/monitor/routes.h"

#include "engine/base/text.h"
#include "sinks/store/record_view.h"
#include "tools/monitor/report.h"

#include <math.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIST_MAX = 5000 };

/* --- Reports --- */

struct taking {
    const struct call *call;
    struct report report;
    char agent[LEDGER_AGENT_BYTES], version[64], address[ADDRESS_TEXT_MAX];
    uint32_t changes; /* alerts */
};

static const struct sql_statement FIND_TARGET = {
    .types = "titt",
    .text = "SELECT key FROM monitor_targets WHERE host = $1 AND port = $2 AND protocol = $3"
            " AND connect_address = $4 ORDER BY key LIMIT 1"};

/* The target that a certificate is of, made where nobody watches it yet. */
static enum error find_target(struct ledger_write *write, const struct report_item *item,
                              int64_t *key, struct failure *failure) {
    struct monitor_target target = item->target;
    const struct sql_value values[] = {sql_text(slice_of(target.host)), sql_integer(target.port),
                                       sql_text(slice_of(target.protocol)),
                                       sql_text(slice_of(target.connect_address))};
    enum error error = database_number(write->database, &FIND_TARGET, values, key, failure);

    if (error || *key)
        return error;
    error = tables_add_target(write->database, &target, write->now_ms, failure);
    *key = target.key;
    if (!error)
        monitor_write_target_changed(write, target.key);
    return error;
}

static enum error write_event(struct ledger_write *write, const struct taking *taking,
                              struct failure *failure) {
    struct buffer body;

    buffer_init(&body);
    json_open(&body, NULL, '{');
    json_words(&body, "agent", taking->agent);
    json_integer(&body, "certificates", taking->report.count);
    json_close(&body, '}');
    enum error error = monitor_write_event(write, "agent", buffer_slice(&body), failure);
    buffer_deinit(&body);
    return error;
}

static enum error write_report(struct ledger_write *write, void *context, struct failure *failure) {
    struct taking *taking = context;
    char detail[128];

    taking->changes = 0;
    enum error error = monitor_write_agent(write, taking->agent, taking->version, taking->address,
                                           taking->report.interval_ms, failure);
    for (uint32_t i = 0; i < taking->report.count && !error; i++) {
        const struct report_item *item = &taking->report.items[i];
        struct monitor_result result = {
            .endpoint = item->endpoint, .agent = taking->agent, .record = item->record};
        error = find_target(write, item, &result.target, failure);
        if (!error)
            error = monitor_write_result(write, &result, &taking->changes, failure);
    }
    if (error || (error = write_event(write, taking, failure)))
        return error;
    snprintf(detail, sizeof detail, "%.60s: %u certificates", taking->agent, taking->report.count);
    return call_audit(taking->call, write, "sslscout_report", detail, failure);
}

static struct slice member_text(const struct call *call, const char *name) {
    yyjson_val *value = request_member(call->request, name);
    return json_slice(value);
}

static void copy_text(char *out, size_t size, struct slice text) {
    struct buffer safe;

    buffer_init(&safe);
    text_add_safe(&safe, slice_first(text, size));
    size_t width, len = text_fit(slice_first(buffer_slice(&safe), size - 1), size, &width);
    snprintf(out, size, "%.*s", (int)len, len ? (const char *)safe.ptr : "");
    buffer_deinit(&safe);
}

/* An agent of ours says its name; the original's is known by that of its token. */
static void name_agent(struct taking *taking) {
    struct slice name = member_text(taking->call, "agent");

    copy_text(taking->agent, sizeof taking->agent, name.len ? name : taking->call->request->caller);
    copy_text(taking->version, sizeof taking->version, member_text(taking->call, "daemon_version"));
    address_format(&taking->call->request->peer, taking->address);
}

static void take_report(struct call *call) {
    struct taking taking = {.call = call};
    struct buffer *out = &call->answer->body;
    struct failure failure;

    if (auth_check_report(call->api->auth, call->request, call->now_ms / 1000, &failure)) {
        answer_error(call->answer, MHD_HTTP_FORBIDDEN, "the report is not taken: %s", failure.text);
        return;
    }
    if (!call_json(call))
        return;
    name_agent(&taking);
    enum error error = report_read(&taking.report, yyjson_doc_get_root(call->request->json),
                                   taking.agent, call->now_ms, &failure);
    if (error)
        answer_failure(call->answer, error, &failure);
    else if (call_ledger(call, write_report, &taking)) {
        json_open(out, NULL, '{');
        json_flag(out, "success", true);
        json_integer(out, "certificates_processed", taking.report.count);
        json_integer(out, "certificates_rejected", taking.report.rejected);
        json_integer(out, "alerts_generated", taking.changes);
        if (taking.report.rejected)
            json_words(out, "rejected_because", taking.report.why.text);
        json_close(out, '}');
    }
    report_deinit(&taking.report);
}

/* --- Certificates --- */

static const struct sql_statement CERTIFICATES = {
    .types = "iiti",
    .text = "SELECT e.host, e.ip, e.port, e.last_seen, c.subject, c.issuer, c.serial, c.not_before,"
            " c.not_after, c.key_type, c.key_bits, c.signature_algorithm, c.self_signed,"
            " c.fingerprint_sha256, c.fingerprint_sha1, c.der FROM endpoints e"
            " JOIN certificates c ON c.id = e.certificate"
            " WHERE ($1 = 0 OR c.not_after < $2) AND ($3 = '' OR lower(e.host) LIKE $3 ESCAPE '!')"
            " ORDER BY c.not_after, e.host, e.port LIMIT $4"};

struct listing {
    struct call *call;
    struct buffer *out;
    uint64_t rows;
};

static enum error add_certificate(void *context, const struct sql_value *row, uint32_t count,
                                  struct failure *failure) {
    struct listing *listing = context;
    int64_t not_after = row_integer(&row[8]), now_ms = listing->call->now_ms;

    (void)count, (void)failure;
    listing->rows++;
    const struct scout_certificate certificate = {
        .host = row_bytes(&row[0]).len ? row_bytes(&row[0]) : row_bytes(&row[1]),
        .port = row_integer(&row[2]),
        .seen_ms = row_integer(&row[3]),
        .subject = row_bytes(&row[4]),
        .issuer = row_bytes(&row[5]),
        .serial = row_bytes(&row[6]),
        .not_before = row_integer(&row[7]),
        .not_after = not_after,
        .days_left = (int64_t)floor((double)(not_after * 1000 - now_ms) / 864e5),
        .key_type = row_bytes(&row[9]),
        .key_bits = row_integer(&row[10]),
        .signature_algorithm = row_bytes(&row[11]),
        .self_signed = row_integer(&row[12]),
        .sha256 = row_bytes(&row[13]),
        .sha1 = row_bytes(&row[14]),
        .der = row_bytes(&row[15]),
    };
    scout_add_certificate(&certificate, listing->out);
    return ERROR_NONE;
}

static void list_certificates(struct call *call) {
    const struct request *request = call->request;
    struct slice within = request_query(request, "expiring_within");
    uint64_t days = request_query_number(request, "expiring_within", 0);
    struct listing listing = {.call = call, .out = &call->answer->body};
    struct buffer like;
    const struct sql_value values[] = {
        sql_integer(within.len > 0), sql_integer(call->now_ms / 1000 + (int64_t)days * 86400),
        sql_text(like_pattern(&like, request_query(request, "host"), false)),
        sql_integer((int64_t)request_query_number(request, "limit", LIST_MAX))};

    json_open(listing.out, NULL, '{');
    json_open(listing.out, "certificates", '[');
    bool ok = call_query(call, &CERTIFICATES, values, add_certificate, &listing);
    buffer_deinit(&like);
    if (!ok)
        return;
    json_close(listing.out, ']');
    json_integer(listing.out, "count", (int64_t)listing.rows);
    json_close(listing.out, '}');
}

/* --- Alerts --- */

static const struct sql_statement ALERTS = {
    .types = "ii",
    .text = "SELECT a.id, a.event, a.severity, a.title, a.message, t.host, t.port, a.opened_at,"
            " a.resolved_at, a.acknowledged_at, a.fingerprint, a.details FROM monitor_alerts a"
            " LEFT JOIN monitor_targets t ON t.key = a.target"
            " WHERE ($1 = 0 OR a.acknowledged_at IS NULL) ORDER BY a.id DESC LIMIT $2"};

static enum error add_alert(void *context, const struct sql_value *row, uint32_t count,
                            struct failure *failure) {
    struct listing *listing = context;
    struct buffer *out = listing->out;
    int64_t severity = row_integer(&row[2]);
    struct slice details = row_bytes(&row[11]);
    yyjson_doc *document = yyjson_read((const char *)details.ptr, details.len, 0);
    yyjson_val *days = yyjson_obj_get(yyjson_doc_get_root(document), "days_left");

    (void)count, (void)failure;
    listing->rows++;
    json_open(out, NULL, '{');
    json_integer(out, "id", row_integer(&row[0]));
    json_text(out, "alert_type", row_bytes(&row[1]));
    json_words(out, "severity",
               severity_name(severity >= 0 && severity < SEVERITIES ? (enum severity)severity
                                                                    : SEVERITY_INFO));
    json_text(out, "title", row_bytes(&row[3]));
    json_text(out, "message", row_bytes(&row[4]));
    json_text(out, "scan_host", row_bytes(&row[5]));
    json_value(out, "scan_port", &row[6]);
    if (yyjson_is_num(days))
        json_integer(out, "days_until_expiry", (int64_t)floor(yyjson_get_num(days)));
    else
        json_null(out, "days_until_expiry");
    json_time_ms(out, "created_at", row_integer(&row[7]));
    json_time_ms(out, "resolved_at", row_integer(&row[8]));
    json_flag(out, "acknowledged", !row_is_null(&row[9]));
    json_time_ms(out, "acknowledged_at", row_integer(&row[9]));
    json_hex(out, "fingerprint_sha256", row_bytes(&row[10]));
    json_close(out, '}');
    yyjson_doc_free(document);
    return ERROR_NONE;
}

static void list_alerts(struct call *call) {
    struct listing listing = {.call = call, .out = &call->answer->body};
    const struct sql_value values[] = {
        sql_integer(request_query_flag(call->request, "unread", false)),
        sql_integer((int64_t)request_query_number(call->request, "limit", LIST_MAX))};

    json_open(listing.out, NULL, '{');
    json_open(listing.out, "alerts", '[');
    if (!call_query(call, &ALERTS, values, add_alert, &listing))
        return;
    json_close(listing.out, ']');
    json_integer(listing.out, "count", (int64_t)listing.rows);
    json_close(listing.out, '}');
}

static void acknowledge(struct call *call) {
    call_acknowledge(call, false);
}

/* --- The table --- */

#define REQUIRED .flags = SCHEMA_REQUIRED
#define NULLABLE .flags = SCHEMA_REQUIRED | SCHEMA_NULLABLE

static const struct schema report_schema = {
    .name = "ScoutReport",
    .fields =
        (const struct schema_field[]){
            {.name = "certificates",
             .type = SCHEMA_LIST,
             REQUIRED,
             .of = &scout_certificate_schema},
            {.name = "failures",
             .type = SCHEMA_LIST,
             .of = &scout_failure_schema,
             .summary = "Of an agent of ours: what it got no certificate of."},
            {.name = "scan_interval", .type = SCHEMA_INTEGER, .summary = "Seconds; of ours."},
            {.name = "scan_timestamp", .type = SCHEMA_TEXT},
            {.name = "daemon_version", .type = SCHEMA_TEXT},
            {.name = "agent",
             .type = SCHEMA_TEXT,
             .summary = "Its name; that of the token without."},
            {.name = "websocket_alerts", .type = SCHEMA_FLAG},
            {.name = "alert_thresholds", .type = SCHEMA_NUMBERS},
            {0}},
};
static const struct schema taken_schema = {
    .name = "ScoutReportTaken",
    .fields =
        (const struct schema_field[]){
            {.name = "success", .type = SCHEMA_FLAG, REQUIRED},
            {.name = "certificates_processed", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "certificates_rejected",
             .type = SCHEMA_INTEGER,
             REQUIRED,
             .summary = "That cannot be read."},
            {.name = "alerts_generated", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "rejected_because",
             .type = SCHEMA_TEXT,
             .summary = "Why the first of them was."},
            {0}},
};
static const struct schema certificates_schema = {
    .name = "ScoutCertificates",
    .fields = (const struct schema_field[]){{.name = "certificates",
                                             .type = SCHEMA_LIST,
                                             REQUIRED,
                                             .of = &scout_certificate_schema},
                                            {.name = "count", .type = SCHEMA_INTEGER, REQUIRED},
                                            {0}},
};
static const struct schema alert_schema = {
    .name = "ScoutAlert",
    .fields =
        (const struct schema_field[]){
            {.name = "id", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "alert_type", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "severity", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "title", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "message", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "scan_host", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "scan_port", .type = SCHEMA_INTEGER, NULLABLE},
            {.name = "days_until_expiry", .type = SCHEMA_INTEGER, NULLABLE},
            {.name = "created_at", .type = SCHEMA_TIME, NULLABLE},
            {.name = "resolved_at", .type = SCHEMA_TIME, NULLABLE},
            {.name = "acknowledged", .type = SCHEMA_FLAG, REQUIRED},
            {.name = "acknowledged_at", .type = SCHEMA_TIME, NULLABLE},
            {.name = "fingerprint_sha256", .type = SCHEMA_TEXT, NULLABLE},
            {0}},
};
static const struct schema alerts_schema = {
    .name = "ScoutAlerts",
    .fields =
        (const struct schema_field[]){
            {.name = "alerts", .type = SCHEMA_LIST, REQUIRED, .of = &alert_schema},
            {.name = "count", .type = SCHEMA_INTEGER, REQUIRED},
            {0}},
};

static const struct schema_field certificate_parameters[] = {
    {.name = "expiring_within", .type = SCHEMA_INTEGER, .maximum = 36500, .summary = "Days."},
    {.name = "host", .type = SCHEMA_TEXT, .summary = "Part of it."},
    {.name = "limit", .type = SCHEMA_INTEGER, .minimum = 1, .maximum = LIST_MAX},
    {0}};
static const struct schema_field alert_parameters[] = {
    {.name = "unread", .type = SCHEMA_FLAG, .summary = "Only those that nobody acknowledged."},
    {.name = "limit", .type = SCHEMA_INTEGER, .minimum = 1, .maximum = LIST_MAX},
    {0}};

static const struct route routes[] = {
    {METHOD_POST, "/api/sslscout/report", ROLE_OPERATE, take_report,
     "Takes the report of a daemon of SSL Scout, or of an agent.", "takeReport",
     .body_max = ROUTE_REPORT_BODY, .request = &report_schema, .response = &taken_schema},
    {METHOD_GET, "/api/sslscout/certificates", ROLE_READ, list_certificates,
     "Certificates and where they were seen.", "listScoutCertificates",
     .parameters = certificate_parameters, .response = &certificates_schema},
    {METHOD_GET, "/api/sslscout/alerts", ROLE_READ, list_alerts, "Alerts, the newest first.",
     "listScoutAlerts", .parameters = alert_parameters, .response = &alerts_schema},
    {METHOD_POST, "/api/sslscout/alerts/{id}/acknowledge", ROLE_OPERATE, acknowledge,
     "Somebody has seen it.", "acknowledgeScoutAlert", .body_max = ROUTE_SMALL_BODY,
     .response = &schema_ok},
    {0},
};

const struct route_group routes_sslscout = {
    .name = "sslscout", .summary = "As SSL Scout has it.", .routes = routes};
