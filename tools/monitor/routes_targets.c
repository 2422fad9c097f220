/* What is watched and how it is: lists by page, one target with all that is known of it, scans. The
 * dashboard lives on these. */
#include "tools/monitor/routes.h"

#include "engine/record/outcome.h"

#include <math.h>
#include <microhttpd.h>
#include <stdio.h>

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000, CURSOR_MAX = 600, DETAIL_ROWS = 200 };

/* --- The list --- */

/* In the order of COLUMNS. */
enum column {
    COLUMN_KEY,
    COLUMN_ID,
    COLUMN_HOST,
    COLUMN_PORT,
    COLUMN_PROTOCOL,
    COLUMN_CONNECT,
    COLUMN_LABEL,
    COLUMN_TAGS,
    COLUMN_WARN,
    COLUMN_CRIT,
    COLUMN_IS_CIDR,
    COLUMN_SOURCE,
    COLUMN_ENABLED,
    COLUMN_INTERVAL,
    COLUMN_STATUS,
    COLUMN_OUTCOME,
    COLUMN_ERROR,
    COLUMN_NOT_AFTER,
    COLUMN_FINGERPRINT,
    COLUMN_SUBJECT,
    COLUMN_ISSUER,
    COLUMN_ENDPOINTS,
    COLUMN_AGENT,
    COLUMN_LAST_CHECK,
    COLUMN_OPEN_ALERTS,
    COLUMN_VIA,
};

#define COLUMNS                                                                                    \
    "t.key, t.id, t.host, t.port, t.protocol, t.connect_address, t.label, t.tags, t.warn_days,"    \
    " t.crit_days, t.is_cidr, t.source, t.enabled, t.interval_s, COALESCE(s.status, 0), "          \
    "s.outcome,"                                                                                   \
    " s.error, s.not_after, s.fingerprint, s.subject, s.issuer, s.endpoints, s.agent, "            \
    "s.last_check, (SELECT COUNT(*) FROM monitor_alerts a WHERE a.target = t.key"                  \
    " AND a.resolved_at IS NULL), t.via"                                                           \
    " FROM monitor_targets t LEFT JOIN monitor_summary s ON s.target = t.key"

/* The worst first; the cursor is the place of the last row. */
static const struct sql_statement LIST = {
    .types = "itttitii",
    .text = "SELECT " COLUMNS " WHERE ($1 < 0 OR COALESCE(s.status, 0) = $1)"
            " AND ($2 = '' OR lower(t.host) LIKE $2 ESCAPE '!' OR lower(t.label) LIKE $2 ESCAPE '!'"
            " OR lower(s.subject) LIKE $2 ESCAPE '!' OR lower(s.issuer) LIKE $2 ESCAPE '!')"
            " AND ($3 = '' OR t.tags LIKE $3 ESCAPE '!')"
            " AND ($4 = '' OR COALESCE(s.status, 0) < $5 OR (COALESCE(s.status, 0) = $5"
            " AND (t.host > $6 OR (t.host = $6 AND t.key > $7))))"
            " ORDER BY COALESCE(s.status, 0) DESC, t.host, t.key LIMIT $8"};

static const struct sql_statement ONE = {.types = "i",
                                         .text = "SELECT " COLUMNS " WHERE t.key = $1"};

/* Each part from an index alone; a join would look at every row. Targets without a summary are
 * unknown. */
static const struct sql_statement COUNTS = {
    .text = "SELECT status, COUNT(*) FROM monitor_summary GROUP BY status UNION ALL"
            " SELECT 0, (SELECT COUNT(*) FROM monitor_targets)"
            " - (SELECT COUNT(*) FROM monitor_summary)"};

/* What a statement's rows are written with. */
struct listing {
    struct call *call;
    struct buffer *out;
    uint64_t rows, rows_max;
    char next[CURSOR_MAX]; /* the place of the last row */
};

static enum status status_of(const struct sql_value *value) {
    int64_t number = row_integer(value);
    return number > 0 && number < STATUS_COUNT ? (enum status)number : STATUS_UNKNOWN;
}

static void add_days_left(struct buffer *out, const struct sql_value *not_after, int64_t now_ms) {
    if (row_is_null(not_after))
        json_null(out, "days_left");
    else
        json_real(out, "days_left",
                  floor((double)(row_integer(not_after) * 1000 - now_ms) / 864e5 * 100) / 100);
}

static void add_target(struct listing *listing, const struct sql_value *row) {
    const struct api_schedule *schedule = &listing->call->api->schedule;
    struct slice protocol = row_bytes(&row[COLUMN_PROTOCOL]);
    struct buffer *out = listing->out;

    json_text(out, "id", row_bytes(&row[COLUMN_ID]));
    json_text(out, "host", row_bytes(&row[COLUMN_HOST]));
    json_integer(out, "port", row_integer(&row[COLUMN_PORT]));
    json_text(out, "protocol", protocol.len ? protocol : slice_of("auto"));
    json_text(out, "connect_address", row_bytes(&row[COLUMN_CONNECT]));
    json_text(out, "label", row_bytes(&row[COLUMN_LABEL]));
    json_raw(out, "tags", row_bytes(&row[COLUMN_TAGS]));
    json_integer(out, "warn_days", row_integer(&row[COLUMN_WARN]));
    json_integer(out, "crit_days", row_integer(&row[COLUMN_CRIT]));
    json_integer(out, "interval_s", row_integer(&row[COLUMN_INTERVAL]));
    json_text(out, "via", row_bytes(&row[COLUMN_VIA]));
    json_flag(out, "is_cidr", row_integer(&row[COLUMN_IS_CIDR]));
    json_text(out, "source", row_bytes(&row[COLUMN_SOURCE]));
    json_flag(out, "enabled", row_integer(&row[COLUMN_ENABLED]));
    json_words(out, "status", status_name(status_of(&row[COLUMN_STATUS])));
    json_text(out, "outcome", row_bytes(&row[COLUMN_OUTCOME]));
    json_text(out, "error", row_bytes(&row[COLUMN_ERROR]));
    add_days_left(out, &row[COLUMN_NOT_AFTER], listing->call->now_ms);
    json_time(out, "not_after", row_integer(&row[COLUMN_NOT_AFTER]));
    json_hex(out, "fingerprint", row_bytes(&row[COLUMN_FINGERPRINT]));
    json_text(out, "subject", row_bytes(&row[COLUMN_SUBJECT]));
    json_text(out, "issuer", row_bytes(&row[COLUMN_ISSUER]));
    json_integer(out, "endpoints", row_integer(&row[COLUMN_ENDPOINTS]));
    json_text(out, "agent", row_bytes(&row[COLUMN_AGENT]));
    json_time_ms(out, "last_check", row_integer(&row[COLUMN_LAST_CHECK]));
    json_time_ms(out, "next_check",
                 schedule->next_check
                     ? schedule->next_check(schedule->owner, row_integer(&row[COLUMN_KEY]))
                     : 0);
    json_integer(out, "open_alerts", row_integer(&row[COLUMN_OPEN_ALERTS]));
}

static enum error add_listed(void *context, const struct sql_value *row, uint32_t count,
                             struct failure *failure) {
    struct listing *listing = context;
    struct slice host = row_bytes(&row[COLUMN_HOST]);

    (void)count, (void)failure;
    if (listing->rows++ == listing->rows_max)
        return ERROR_NONE; /* only tells that there are more */
    json_open(listing->out, NULL, '{');
    add_target(listing, row);
    json_close(listing->out, '}');
    snprintf(listing->next, sizeof listing->next, "%lld~%lld~%.*s",
             (long long)row_integer(&row[COLUMN_STATUS]), (long long)row_integer(&row[COLUMN_KEY]),
             (int)host.len, (const char *)host.ptr);
    return ERROR_NONE;
}

static enum error add_count(void *context, const struct sql_value *row, uint32_t count,
                            struct failure *failure) {
    int64_t *counts = context;

    (void)count, (void)failure;
    counts[status_of(&row[0])] += row_integer(&row[1]);
    return ERROR_NONE;
}

static bool add_counts(struct call *call, struct buffer *out) {
    int64_t counts[STATUS_COUNT] = {0};

    if (!call_query(call, &COUNTS, NULL, add_count, counts))
        return false;
    json_open(out, "counts", '{');
    for (int status = 0; status < STATUS_COUNT; status++)
        json_integer(out, status_name((enum status)status), counts[status]);
    json_close(out, '}');
    return true;
}

/* "status~key~host" */
static bool read_cursor(struct slice cursor, struct sql_value out[4]) {
    uint64_t numbers[2];

    for (int i = 0; i < 2; i++) {
        const uint8_t *end = cursor.len ? memchr(cursor.ptr, '~', cursor.len) : NULL;
        size_t len = end ? (size_t)(end - cursor.ptr) : 0;
        if (!slice_to_u64(slice_first(cursor, len), INT64_MAX, &numbers[i]))
            return false;
        cursor = slice_from(cursor, len + 1);
    }
    out[0] = sql_text(slice_of("+"));
    out[1] = sql_integer((int64_t)numbers[0]);
    out[2] = sql_text(cursor);
    out[3] = sql_integer((int64_t)numbers[1]);
    return true;
}

static void list_targets(struct call *call) {
    const struct request *request = call->request;
    struct slice status = request_query(request, "status"),
                 cursor = request_query(request, "cursor");
    struct buffer like, tag;
    struct sql_value values[8] = {
        sql_integer(-1), sql_text(slice_of("")), sql_text(slice_of("")), sql_text(slice_of("")),
        sql_integer(0),  sql_text(slice_of("")), sql_integer(0),         sql_integer(0)};
    struct listing listing = {.call = call,
                              .out = &call->answer->body,
                              .rows_max = request_query_number(request, "limit", PAGE_DEFAULT)};

    if (cursor.len && !read_cursor(cursor, values + 3)) {
        answer_error(call->answer, MHD_HTTP_BAD_REQUEST, "cursor is none of ours");
        return;
    }
    for (int i = 0; i < STATUS_COUNT; i++)
        if (slice_is(status, status_name((enum status)i)))
            values[0] = sql_integer(i);
    values[1] = sql_text(like_pattern(&like, request_query(request, "q"), false));
    values[2] = sql_text(like_pattern(&tag, request_query(request, "tag"), true));
    values[7] = sql_integer((int64_t)listing.rows_max + 1);
    json_open(listing.out, NULL, '{');
    json_open(listing.out, "targets", '[');
    bool ok = call_query(call, &LIST, values, add_listed, &listing);
    buffer_deinit(&like);
    buffer_deinit(&tag);
    if (!ok)
        return;
    json_close(listing.out, ']');
    if (listing.rows > listing.rows_max)
        json_words(listing.out, "next", listing.next);
    else
        json_null(listing.out, "next");
    if (add_counts(call, listing.out))
        json_close(listing.out, '}');
}

/* --- One target --- */

static const struct sql_statement RESULTS = {
    .types = "ii",
    .text = "SELECT r.endpoint, r.agent, r.last_check, r.last_ok, r.status, r.outcome, r.stage, "
            "r.error,"
            " r.not_after, r.fingerprint, r.subject, r.issuer, d.record FROM monitor_results r"
            " LEFT JOIN monitor_records d ON d.target = r.target AND d.endpoint = r.endpoint"
            " AND d.agent = r.agent WHERE r.target = $1 ORDER BY r.status DESC, r.endpoint, r.agent"
            " LIMIT $2"};

static const struct sql_statement HISTORY = {
    .types = "ii",
    .text = "SELECT at, endpoint, agent, status, outcome, days_left, fingerprint, change"
            " FROM monitor_history WHERE target = $1 ORDER BY at DESC, id DESC LIMIT $2"};

static enum error add_result(void *context, const struct sql_value *row, uint32_t count,
                             struct failure *failure) {
    const struct listing *listing = context;
    struct buffer *out = listing->out;

    (void)count, (void)failure;
    json_open(out, NULL, '{');
    json_text(out, "endpoint", row_bytes(&row[0]));
    json_text(out, "agent", row_bytes(&row[1]));
    json_time_ms(out, "last_check", row_integer(&row[2]));
    json_time_ms(out, "last_ok", row_integer(&row[3]));
    json_words(out, "status", status_name(status_of(&row[4])));
    json_text(out, "outcome", row_bytes(&row[5]));
    json_text(out, "stage", row_bytes(&row[6]));
    json_text(out, "error", row_bytes(&row[7]));
    add_days_left(out, &row[8], listing->call->now_ms);
    json_time(out, "not_after", row_integer(&row[8]));
    json_hex(out, "fingerprint", row_bytes(&row[9]));
    json_text(out, "subject", row_bytes(&row[10]));
    json_text(out, "issuer", row_bytes(&row[11]));
    json_raw(out, "record", slice_trim(row_bytes(&row[12])));
    json_close(out, '}');
    return ERROR_NONE;
}

static enum error add_change(void *context, const struct sql_value *row, uint32_t count,
                             struct failure *failure) {
    struct buffer *out = ((struct listing *)context)->out;

    (void)count, (void)failure;
    json_open(out, NULL, '{');
    json_time_ms(out, "at", row_integer(&row[0]));
    json_text(out, "endpoint", row_bytes(&row[1]));
    json_text(out, "agent", row_bytes(&row[2]));
    json_words(out, "status", status_name(status_of(&row[3])));
    json_text(out, "outcome", row_bytes(&row[4]));
    json_value(out, "days_left", &row[5]);
    json_hex(out, "fingerprint", row_bytes(&row[6]));
    json_text(out, "change", row_bytes(&row[7]));
    json_close(out, '}');
    return ERROR_NONE;
}

static enum error add_one(void *context, const struct sql_value *row, uint32_t count,
                          struct failure *failure) {
    (void)count, (void)failure;
    add_target(context, row);
    return ERROR_NONE;
}

static bool add_section(struct listing *listing, const char *name,
                        const struct sql_statement *statement, int64_t key, sql_row *row) {
    const struct sql_value values[] = {sql_integer(key), sql_integer(DETAIL_ROWS)};

    json_open(listing->out, name, '[');
    bool ok = call_query(listing->call, statement, values, row, listing);
    json_close(listing->out, ']');
    return ok;
}

static void get_target(struct call *call) {
    struct monitor_target target;
    struct listing listing = {.call = call, .out = &call->answer->body};

    if (!call_target(call, &target))
        return;
    const struct sql_value key = sql_integer(target.key);
    json_open(listing.out, NULL, '{');
    if (!call_query(call, &ONE, &key, add_one, &listing) ||
        !add_section(&listing, "results", &RESULTS, target.key, add_result) ||
        !add_section(&listing, "history", &HISTORY, target.key, add_change))
        return;
    json_open(listing.out, "alerts", '[');
    if (!alerts_of_target(call, target.key, listing.out))
        return;
    json_close(listing.out, ']');
    json_close(listing.out, '}');
}

/* --- Scans --- */

static void add_scan(struct call *call, uint64_t id, const struct api_scan *scan) {
    struct buffer *out = &call->answer->body;

    json_open(out, NULL, '{');
    json_flag(out, "ok", true);
    json_integer(out, "scan_id", (int64_t)id);
    json_integer(out, "scanned", (int64_t)scan->done);
    json_integer(out, "total", (int64_t)scan->total);
    json_flag(out, "done", scan->finished);
    json_close(out, '}');
}

static void get_scan(struct call *call) {
    const struct api_schedule *schedule = &call->api->schedule;
    struct api_scan scan;
    int64_t id;

    if (!call_id(call, "scan", &id))
        return;
    if (!schedule->progress || !schedule->progress(schedule->owner, (uint64_t)id, &scan))
        answer_error(call->answer, MHD_HTTP_NOT_FOUND, "scan not found");
    else
        add_scan(call, (uint64_t)id, &scan);
}

static enum error note_scan(struct ledger_write *write, void *context, struct failure *failure) {
    return call_audit(((struct call_note *)context)->call, write, "tls_scan",
                      ((struct call_note *)context)->detail, failure);
}

void call_scan(struct call *call, const int64_t *keys, uint32_t count, uint32_t wait_ms) {
    enum { STEP_MS = 500 };
    const struct api_schedule *schedule = &call->api->schedule;
    struct call_note note = {.call = call};
    struct api_scan scan = {0};
    struct failure failure;
    uint64_t id = 0;

    enum error error = schedule->scan(schedule->owner, keys, count, &id, &failure);
    if (error) {
        answer_failure(call->answer, error, &failure);
        return;
    }
    schedule->progress(schedule->owner, id, &scan);
    snprintf(note.detail, sizeof note.detail, "%llu targets", (unsigned long long)scan.total);
    if (!call_ledger(call, note_scan, &note))
        return;
    /* those who wait may not take all the workers */
    bool may_wait = atomic_fetch_add(call->waiting, 1) < call->waiting_max;
    for (uint32_t waited = 0;
         may_wait && waited < wait_ms && !scan.finished && !atomic_load(call->stopping) &&
         schedule->progress(schedule->owner, id, &scan);
         waited += STEP_MS)
        schedule->wait(schedule->owner, id,
                       STEP_MS); /* until all is written, when it is finished */
    atomic_fetch_sub(call->waiting, 1);
    schedule->progress(schedule->owner, id, &scan);
    add_scan(call, id, &scan);
}

static void scan_target(struct call *call) {
    struct monitor_target target;

    if (call_target(call, &target))
        call_scan(call, &target.key, 1, 0);
}

/* --- The table --- */

#define REQUIRED .flags = SCHEMA_REQUIRED
#define NULLABLE .flags = SCHEMA_REQUIRED | SCHEMA_NULLABLE

static const char *const STATUSES[] = {"ok", "warning", "critical", "error", "unknown", NULL};

static const struct schema_field target_fields[] = {
    {.name = "id", .type = SCHEMA_TEXT, REQUIRED},
    {.name = "host", .type = SCHEMA_TEXT, REQUIRED, .summary = "A name, an address or a block."},
    {.name = "port", .type = SCHEMA_INTEGER, REQUIRED, .minimum = 1, .maximum = 65535},
    {.name = "protocol", .type = SCHEMA_TEXT, REQUIRED, .summary = "auto: what the port means."},
    {.name = "connect_address", .type = SCHEMA_TEXT, REQUIRED},
    {.name = "label", .type = SCHEMA_TEXT, REQUIRED},
    {.name = "tags", .type = SCHEMA_LIST, REQUIRED},
    {.name = "warn_days", .type = SCHEMA_INTEGER, REQUIRED},
    {.name = "crit_days", .type = SCHEMA_INTEGER, REQUIRED},
    {.name = "interval_s", .type = SCHEMA_INTEGER, REQUIRED, .summary = "0: the monitor's own."},
    {.name = "via",
     .type = SCHEMA_TEXT,
     REQUIRED,
     .summary = "Who probes it: a worker with this label, * for any; empty for us."},
    {.name = "is_cidr", .type = SCHEMA_FLAG, REQUIRED},
    {.name = "source", .type = SCHEMA_TEXT, REQUIRED, .summary = "api, config or agent."},
    {.name = "enabled", .type = SCHEMA_FLAG, REQUIRED},
    {.name = "status", .type = SCHEMA_TEXT, REQUIRED, .choices = STATUSES},
    {.name = "outcome",
     .type = SCHEMA_TEXT,
     REQUIRED,
     .summary = "How the last probe ended; unanswered: no worker is there to probe it."},
    {.name = "error", .type = SCHEMA_TEXT, REQUIRED},
    {.name = "days_left", .type = SCHEMA_NUMBER, NULLABLE},
    {.name = "not_after", .type = SCHEMA_TIME, NULLABLE},
    {.name = "fingerprint", .type = SCHEMA_TEXT, NULLABLE, .summary = "SHA-256."},
    {.name = "subject", .type = SCHEMA_TEXT, REQUIRED},
    {.name = "issuer", .type = SCHEMA_TEXT, REQUIRED},
    {.name = "endpoints", .type = SCHEMA_INTEGER, REQUIRED},
    {.name = "agent", .type = SCHEMA_TEXT, REQUIRED, .summary = "Who saw it; empty for us."},
    {.name = "last_check", .type = SCHEMA_TIME, NULLABLE},
    {.name = "next_check", .type = SCHEMA_TIME, NULLABLE},
    {.name = "open_alerts",
     .type = SCHEMA_INTEGER,
     REQUIRED,
     .summary = "Trust and names count here only: the status is that of the days."},
    {0},
};
static const struct schema target_schema = {.name = "Target",
                                            .summary =
                                                "One that is watched, and its worst endpoint.",
                                            .fields = target_fields};

static const struct schema list_schema = {
    .name = "TargetPage",
    .fields =
        (const struct schema_field[]){
            {.name = "targets", .type = SCHEMA_LIST, REQUIRED, .of = &target_schema},
            {.name = "next",
             .type = SCHEMA_TEXT,
             NULLABLE,
             .summary = "The cursor of the page that follows."},
            {.name = "counts", .type = SCHEMA_COUNTS, REQUIRED, .summary = "Of all, by status."},
            {0}},
};

static const struct schema result_schema = {
    .name = "Result",
    .summary = "The last of an endpoint.",
    .fields =
        (const struct schema_field[]){
            {.name = "endpoint", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "agent", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "last_check", .type = SCHEMA_TIME, NULLABLE},
            {.name = "last_ok", .type = SCHEMA_TIME, NULLABLE},
            {.name = "status", .type = SCHEMA_TEXT, REQUIRED, .choices = STATUSES},
            {.name = "outcome", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "stage", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "error", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "days_left", .type = SCHEMA_NUMBER, NULLABLE},
            {.name = "not_after", .type = SCHEMA_TIME, NULLABLE},
            {.name = "fingerprint", .type = SCHEMA_TEXT, NULLABLE},
            {.name = "subject", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "issuer", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "record",
             .type = SCHEMA_ANY,
             NULLABLE,
             .summary = "All that the probe saw; `trawl list fields` explains it."},
            {0}},
};

static const struct schema change_schema = {
    .name = "Change",
    .fields =
        (const struct schema_field[]){
            {.name = "at", .type = SCHEMA_TIME, REQUIRED},
            {.name = "endpoint", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "agent", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "status", .type = SCHEMA_TEXT, REQUIRED, .choices = STATUSES},
            {.name = "outcome", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "days_left", .type = SCHEMA_NUMBER, NULLABLE},
            {.name = "fingerprint", .type = SCHEMA_TEXT, NULLABLE},
            {.name = "change", .type = SCHEMA_TEXT, REQUIRED, .summary = "status,certificate …"},
            {0}},
};

static const struct schema detail_schema = {
    .name = "TargetDetail",
    .summary = "The members of Target, and:",
    .fields =
        (const struct schema_field[]){
            {.name = "id", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "results", .type = SCHEMA_LIST, REQUIRED, .of = &result_schema},
            {.name = "history", .type = SCHEMA_LIST, REQUIRED, .of = &change_schema},
            {.name = "alerts", .type = SCHEMA_LIST, REQUIRED, .of = &schema_alert},
            {0}},
};

const struct schema schema_scan = {
    .name = "Scan",
    .fields =
        (const struct schema_field[]){
            {.name = "ok", .type = SCHEMA_FLAG, REQUIRED},
            {.name = "scan_id", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "scanned", .type = SCHEMA_INTEGER, REQUIRED, .summary = "Targets so far."},
            {.name = "total", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "done", .type = SCHEMA_FLAG, REQUIRED, .summary = "All of them."},
            {0}},
};

static const struct schema_field list_parameters[] = {
    {.name = "status", .type = SCHEMA_TEXT, .choices = STATUSES},
    {.name = "q", .type = SCHEMA_TEXT, .summary = "Part of host, label, subject or issuer."},
    {.name = "tag", .type = SCHEMA_TEXT},
    {.name = "limit", .type = SCHEMA_INTEGER, .minimum = 1, .maximum = PAGE_MAX},
    {.name = "cursor", .type = SCHEMA_TEXT, .summary = "`next` of the page before."},
    {0}};

static const struct route routes[] = {
    {METHOD_GET, "/api/targets", ROLE_READ, list_targets, "Targets, the worst first, by page.",
     "listTargets", .parameters = list_parameters, .response = &list_schema},
    {METHOD_GET, "/api/targets/{id}", ROLE_READ, get_target,
     "A target with its results, history and alerts.", "getTarget", .response = &detail_schema},
    {METHOD_POST, "/api/targets/{id}/scan", ROLE_OPERATE, scan_target, "Scans it now.",
     "scanTarget", .body_max = ROUTE_SMALL_BODY, .response = &schema_scan},
    {METHOD_GET, "/api/scans/{id}", ROLE_READ, get_scan, "How far a scan came.", "getScan",
     .response = &schema_scan},
    {0},
};

const struct route_group routes_targets = {
    .name = "targets", .summary = "What is watched, and how it is.", .routes = routes};
