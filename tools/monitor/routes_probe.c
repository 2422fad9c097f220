/* For those who look after the program, and for Prometheus: /healthz, /metrics, and /probe as
 * blackbox_exporter has it. */
#include "tools/monitor/routes.h"

#include "engine/base/text.h"
#include "engine/record/prometheus.h"
#include "sinks/store/record_view.h"

#include <microhttpd.h>

enum { PROBE_WAIT_MS = 30 * 1000 };

/* --- Health --- */

static const struct sql_statement TARGETS = {
    .text = "SELECT COUNT(*) FROM monitor_targets WHERE enabled <> 0"};
static const struct sql_statement OPEN_ALERTS = {
    .text = "SELECT COUNT(*) FROM monitor_alerts WHERE resolved_at IS NULL"};
static const struct sql_statement UNDELIVERED = {
    .text = "SELECT COUNT(*) FROM monitor_outbox WHERE delivered_at IS NULL AND dead = 0"};
static const struct sql_statement DEAD = {
    .text = "SELECT COUNT(*) FROM monitor_outbox WHERE dead <> 0"};

/* The store is read, too: that it was written lately says little. */
static bool add_store_health(struct call *call, struct buffer *out) {
    static const struct {
        const char *name;
        const struct sql_statement *statement;
    } numbers[] = {{"targets", &TARGETS},
                   {"open_alerts", &OPEN_ALERTS},
                   {"waiting_notices", &UNDELIVERED},
                   {"dead_notices", &DEAD}};
    struct monitor_ledger_statistics ledger;
    struct failure failure = {0};
    struct database *database = call_database(call);

    monitor_ledger_statistics(call->api->ledger, &ledger);
    bool ok = database && !ledger.failing;
    for (size_t i = 0; database && i < sizeof numbers / sizeof numbers[0]; i++) {
        int64_t number = 0;
        if (database_number(database, numbers[i].statement, NULL, &number, &failure))
            ok = false;
        else
            json_integer(out, numbers[i].name, number);
    }
    json_words(out, "store", ok ? "ok" : "failing");
    json_integer(out, "waiting_results", (int64_t)ledger.waiting);
    return ok;
}

static bool add_health(struct call *call, struct buffer *out) {
    const struct api *api = call->api;
    bool ok = add_store_health(call, out);

    if (api->schedule.overdue) {
        uint64_t overdue = api->schedule.overdue(api->schedule.owner);
        json_integer(out, "overdue_targets", (int64_t)overdue);
        ok = ok && overdue == 0;
    }
    if (api->health)
        ok = api->health(api->owner, out) && ok;
    json_words(out, "version", api->version);
    json_time_ms(out, "started_at", api->started_ms);
    return ok;
}

/* `ok` stands first, and is known last. */
static void get_health(struct call *call) {
    struct buffer members, *out = &call->answer->body;

    buffer_init(&members);
    json_open(&members, NULL, '{');
    bool ok = add_health(call, &members);
    out->len = 0; /* what a store that is away left there */
    call->answer->status = ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    json_open(out, NULL, '{');
    json_flag(out, "ok", ok);
    buffer_add_byte(out, ',');
    buffer_add_slice(out, slice_from(buffer_slice(&members), 1));
    json_close(out, '}');
    out->failed |= members.failed;
    buffer_deinit(&members);
}

/* --- Metrics --- */

/* A target that nobody probes has no samples: what was is not what is. */
static const struct sql_statement RESULTS = {
    .text = "SELECT t.host, t.port, r.endpoint, r.agent, r.status, r.outcome, r.last_check,"
            " r.not_after, r.fingerprint, r.subject, r.issuer, d.record FROM monitor_results r"
            " JOIN monitor_targets t ON t.key = r.target"
            " LEFT JOIN monitor_records d ON d.target = r.target AND d.endpoint = r.endpoint"
            " AND d.agent = r.agent WHERE NOT EXISTS (SELECT 1 FROM monitor_summary s"
            " WHERE s.target = r.target AND s.outcome = '" SUMMARY_UNANSWERED "')"
            " ORDER BY t.key, r.endpoint, r.agent"};

/* Rows come one after another, but all samples of a metric belong together. */
struct samples {
    struct buffer success, earliest, leaf, info, status, checked;
};

static void add_label(struct buffer *out, const char *name, struct slice value) {
    buffer_add_format(out, "%s%s=\"", out->ptr[out->len - 1] == '{' ? "" : ",", name);
    prometheus_add_value(value, out);
    buffer_add_byte(out, '"');
}

static void begin(struct buffer *out, const char *name, const struct sql_value *row) {
    struct slice host = row_bytes(&row[0]);
    bool is_v6 = host.len && memchr(host.ptr, ':', host.len);
    struct buffer target;

    buffer_init(&target);
    buffer_add_format(&target, is_v6 ? "[%.*s]:%d" : "%.*s:%d", (int)host.len,
                      (const char *)host.ptr, (int)row_integer(&row[1]));
    buffer_add_format(out, "%s{", name);
    add_label(out, "target", buffer_slice(&target));
    if (row_bytes(&row[2]).len)
        add_label(out, "ip", row_bytes(&row[2]));
    if (row_bytes(&row[3]).len)
        add_label(out, "agent", row_bytes(&row[3]));
    buffer_deinit(&target);
}

static void end(struct buffer *out, int64_t value) {
    buffer_add_format(out, "} %lld\n", (long long)value);
}

static void sample(struct buffer *out, const char *name, const struct sql_value *row,
                   int64_t value) {
    begin(out, name, row);
    end(out, value);
}

/* Of all certificates that were sent; the leaf's where the record does not tell. */
static int64_t earliest_of(const struct sql_value *row) {
    struct slice text = row_bytes(&row[11]);
    yyjson_doc *record = yyjson_read((const char *)text.ptr, text.len, 0);
    yyjson_val *trust = yyjson_obj_get(yyjson_doc_get_root(record), "trust");
    yyjson_val *earliest = yyjson_obj_get(trust, "earliest_not_after");
    int64_t ms = row_integer(&row[7]) * 1000;
    struct slice time = json_slice(earliest);

    if (time.ptr)
        (void)text_to_time_ms(time, &ms);
    yyjson_doc_free(record);
    return ms / 1000;
}

static void add_info(struct buffer *out, const struct sql_value *row) {
    struct buffer hex;

    buffer_init(&hex);
    text_add_hex(&hex, row_bytes(&row[8]));
    begin(out, "probe_ssl_last_chain_info", row);
    add_label(out, "fingerprint_sha256", buffer_slice(&hex));
    add_label(out, "subject", row_bytes(&row[9]));
    add_label(out, "issuer", row_bytes(&row[10]));
    end(out, 1);
    buffer_deinit(&hex);
}

static enum error add_samples(void *context, const struct sql_value *row, uint32_t count,
                              struct failure *failure) {
    struct samples *samples = context;
    bool ok = slice_is(row_bytes(&row[5]), outcome_name(OUTCOME_OK));

    (void)count;
    sample(&samples->success, "probe_success", row, ok);
    sample(&samples->status, "trawl_target_status", row, row_integer(&row[4]));
    sample(&samples->checked, "trawl_target_last_check_timestamp_seconds", row,
           row_integer(&row[6]) / 1000);
    if (!row_is_null(&row[7])) {
        sample(&samples->earliest, "probe_ssl_earliest_cert_expiry", row, earliest_of(row));
        sample(&samples->leaf, "trawl_certificate_not_after_timestamp_seconds", row,
               row_integer(&row[7]));
        add_info(&samples->info, row);
    }
    return samples->success.failed ? failure_set(failure, ERROR_MEMORY, "no memory for the metrics")
                                   : ERROR_NONE;
}

static void add_metric(struct buffer *out, const char *name, const char *help,
                       struct buffer *samples) {
    if (samples->len)
        buffer_add_format(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
    buffer_add_slice(out, buffer_slice(samples));
    out->failed |= samples->failed;
    buffer_deinit(samples);
}

static void add_target_metrics(struct call *call, struct buffer *out) {
    struct samples samples = {0};
    bool ok = call_query(call, &RESULTS, NULL, add_samples, &samples);

    if (!ok)
        out->len = 0; /* the answer is an error's; what runs beside is told all the same */
    add_metric(out, "probe_success", "Whether the last probe came to its end.", &samples.success);
    add_metric(out, "probe_ssl_earliest_cert_expiry",
               "Earliest end of all certificates sent, in unixtime.", &samples.earliest);
    add_metric(out, "probe_ssl_last_chain_info", "The server's certificate.", &samples.info);
    add_metric(out, "trawl_certificate_not_after_timestamp_seconds",
               "Last second of the server's certificate, in unixtime.", &samples.leaf);
    add_metric(out, "trawl_target_status", "0 unknown, 1 ok, 2 warning, 3 critical, 4 error.",
               &samples.status);
    add_metric(out, "trawl_target_last_check_timestamp_seconds", "When it was probed last.",
               &samples.checked);
    buffer_add_format(out,
                      "# HELP trawl_monitor_store_readable Whether the store can be read.\n"
                      "# TYPE trawl_monitor_store_readable gauge\n"
                      "trawl_monitor_store_readable %d\n",
                      ok);
}

static void number(struct buffer *out, const char *name, const char *type, const char *help,
                   uint64_t value) {
    buffer_add_format(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name,
                      (unsigned long long)value);
}

static void add_monitor_metrics(const struct api *api, struct buffer *out) {
    struct monitor_ledger_statistics ledger;

    monitor_ledger_statistics(api->ledger, &ledger);
    number(out, "trawl_monitor_results_total", "counter", "Results that were written.",
           ledger.results);
    number(out, "trawl_monitor_results_dropped_total", "counter",
           "Results lost for want of memory.", ledger.dropped);
    number(out, "trawl_monitor_results_waiting", "gauge", "Results that wait to be written.",
           ledger.waiting);
    number(out, "trawl_monitor_transactions_total", "counter", "Of the store.",
           ledger.transactions);
    number(out, "trawl_monitor_store_ok", "gauge", "Whether the store can be written.",
           !ledger.failing);
    if (api->schedule.overdue)
        number(out, "trawl_monitor_overdue_targets", "gauge", "Targets long past their time.",
               api->schedule.overdue(api->schedule.owner));
    buffer_add_text(out, "# HELP trawl_monitor_alerts_total Alerts told, by event.\n"
                         "# TYPE trawl_monitor_alerts_total counter\n");
    for (int event = 0; event < ALERT_EVENTS; event++)
        buffer_add_format(out, "trawl_monitor_alerts_total{event=\"%s\"} %llu\n",
                          alert_event_name((enum alert_event)event),
                          (unsigned long long)ledger.alerts[event]);
}

static void get_metrics(struct call *call) {
    struct buffer *out = &call->answer->body;

    add_target_metrics(call, out);
    call->answer->status = MHD_HTTP_OK;
    call->answer->type = call->route->type;
    add_monitor_metrics(call->api, out);
    if (call->api->metrics)
        call->api->metrics(call->api->owner, out);
}

/* --- Probes --- */

/* blackbox_exporter's usual modules; else a module is a protocol of ours. */
static const char *protocol_of(struct slice module) {
    static const char *const modules[][2] = {
        {"http_2xx", "tls"},       {"https_2xx", "tls"},       {"tcp_tls", "tls"},
        {"tls_connect", "tls"},    {"tcp_connect_tls", "tls"}, {"smtp_starttls", "smtp"},
        {"imap_starttls", "imap"}, {"pop3_starttls", "pop3"},  {"ftp_starttls", "ftp"},
    };

    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++)
        if (slice_is(module, modules[i][0]))
            return modules[i][1];
    return NULL;
}

/* As the API reads a new target. */
static bool read_target(struct call *call, struct monitor_target *target) {
    struct slice module = request_query(call->request, "module");
    const char *protocol = protocol_of(module);
    struct failure failure;
    struct buffer text;

    buffer_init(&text);
    json_open(&text, NULL, '{');
    json_text(&text, "host", request_query(call->request, "target"));
    if (module.len)
        json_text(&text, "protocol", protocol ? slice_of(protocol) : module);
    json_close(&text, '}');
    yyjson_doc *object = yyjson_read((const char *)text.ptr, text.len, 0);
    target_init(target, TARGET_FROM_API);
    enum error error = object ? target_read(target, yyjson_doc_get_root(object), &failure)
                              : failure_set(&failure, ERROR_MEMORY, "no memory for a target");
    if (!error && target->is_cidr)
        error = failure_set(&failure, ERROR_USAGE, "target is a block, not one host");
    yyjson_doc_free(object);
    buffer_deinit(&text);
    if (error)
        answer_failure(call->answer, error, &failure);
    return error == ERROR_NONE;
}

static void probe(struct call *call) {
    const struct api_schedule *schedule = &call->api->schedule;
    struct monitor_target target;
    struct probe_record *record = NULL;
    struct failure failure;

    if (!read_target(call, &target))
        return;
    enum error error = schedule->probe(schedule->owner, &target, PROBE_WAIT_MS, &record, &failure);
    if (error) {
        answer_failure(call->answer, error, &failure);
        return;
    }
    const struct prometheus_sight sight = {
        .record = record,
        .target = request_query(call->request, "target"),
        .verdict = record->status,
    };
    prometheus_add(&sight, 1, &call->answer->body);
    record_put(&record->head);
}

/* --- The table --- */

#define REQUIRED     .flags = SCHEMA_REQUIRED
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

static const struct schema health_schema = {
    .name = "Health",
    .fields =
        (const struct schema_field[]){
            {.name = "ok", .type = SCHEMA_FLAG, REQUIRED, .summary = "With status 503 when not."},
            {.name = "store", .type = SCHEMA_TEXT, REQUIRED, .summary = "ok or failing."},
            {.name = "targets", .type = SCHEMA_INTEGER},
            {.name = "open_alerts", .type = SCHEMA_INTEGER},
            {.name = "waiting_notices", .type = SCHEMA_INTEGER},
            {.name = "dead_notices", .type = SCHEMA_INTEGER},
            {.name = "waiting_results", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "overdue_targets", .type = SCHEMA_INTEGER},
            {.name = "channels", .type = SCHEMA_INTEGER},
            {.name = "channels_failing", .type = SCHEMA_INTEGER},
            {.name = "fleet_labels", .type = SCHEMA_INTEGER, .summary = "Of workers; with --via."},
            {.name = "fleet_labels_silent",
             .type = SCHEMA_INTEGER,
             .summary = "For which no worker answers: no illness of the monitor."},
            {.name = "version", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "started_at", .type = SCHEMA_TIME, .flags = SCHEMA_REQUIRED | SCHEMA_NULLABLE},
            {0}},
};

static const struct schema_field probe_parameters[] = {
    {.name = "target",
     .type = SCHEMA_TEXT,
     REQUIRED,
     .summary = "host, host:port, or proto://host:port."},
    {.name = "module",
     .type = SCHEMA_TEXT,
     .summary = "A protocol (tls, smtp, imap …), or a usual module such as smtp_starttls; by the "
                "port without."},
    {0}};

static const struct route routes[] = {
    {METHOD_GET, "/healthz", ROLE_READ, get_health, "Whether all is well.", "getHealthz",
     .flags = ROUTE_OPEN_METRICS | ROUTE_PUBLIC_FAILURE, .response = &health_schema},
    {METHOD_GET, "/api/health", ROLE_READ, get_health, "Whether all is well.", "getHealth",
     .flags = ROUTE_PUBLIC_FAILURE, .response = &health_schema},
    {METHOD_GET, "/metrics", ROLE_READ, get_metrics, "All targets, for Prometheus.", "getMetrics",
     .flags = ROUTE_OPEN_METRICS, .type = METRICS_TYPE},
    {METHOD_GET, "/probe", ROLE_OPERATE, probe, "Probes at once, as blackbox_exporter does.",
     "probe", .parameters = probe_parameters, .type = METRICS_TYPE},
    {0},
};

const struct route_group routes_probe = {
    .name = "operation", .summary = "Health, and metrics for Prometheus.", .routes = routes};
