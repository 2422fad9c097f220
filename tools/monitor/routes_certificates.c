/* The inventory: every certificate that was ever seen, where, and when it ends; what logs have
 * shown of watched names. Read from the store's own tables. */
#include "tools/monitor/routes.h"

#include "engine/base/text.h"

#include <math.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAGE_DEFAULT = 100,
    PAGE_MAX = 1000,
    DAYS_DEFAULT = 90,
    DAYS_MAX = 3650,
    SHA256_LEN = 32,
    PEM_LINE = 64,
    DAY_S = 86400,
};

/* --- The list --- */

/* Names with newlines between, at most a hundred. */
#define NAMES(aggregate)                                                                           \
    "(SELECT " aggregate " FROM (SELECT name FROM certificate_names WHERE certificate = c.id"      \
    " ORDER BY name LIMIT 100) n)"
#define COLUMNS                                                                                    \
    "SELECT c.id, c.fingerprint_sha256, c.subject, c.issuer, c.serial, c.not_before, c.not_after," \
    " c.key_type, c.key_bits, c.signature_algorithm, c.is_ca, c.self_signed, c.first_seen,"        \
    " c.last_seen, (SELECT COUNT(*) FROM endpoints e WHERE e.certificate = c.id), "
/* Those of servers and logs; with $1 also those that only stood in a chain. */
#define LIST_TEXT(aggregate)                                                                       \
    COLUMNS NAMES(                                                                                 \
        aggregate) " FROM certificates c WHERE ($1 <> 0 OR c.der IS NOT NULL)"                     \
                   " AND ($2 = '' OR lower(c.subject) LIKE $2 ESCAPE '!' OR c.serial = $3"         \
                   " OR EXISTS (SELECT 1 FROM certificate_names n WHERE n.certificate = c.id"      \
                   " AND n.name LIKE $2 ESCAPE '!'))"                                              \
                   " AND ($4 = '' OR lower(c.issuer) LIKE $4 ESCAPE '!')"                          \
                   " AND ($5 = 0 OR c.not_after >= $5) AND ($6 = 0 OR c.not_after < $6)"           \
                   " AND ($7 = 0 OR c.not_after > $8 OR (c.not_after = $8 AND c.id > $9))"         \
                   " ORDER BY c.not_after, c.id LIMIT $10"
#define GROUP_CONCAT "group_concat(n.name, char(10))"
#define STRING_AGG   "string_agg(n.name, chr(10))"

static const struct sql_statement LIST = {
    .types = "itttiiiiii", .sqlite = LIST_TEXT(GROUP_CONCAT), .postgresql = LIST_TEXT(STRING_AGG)};
#define ONE_TEXT(aggregate)                                                                        \
    COLUMNS NAMES(aggregate) ", c.der, c.tbs_sha256, c.spki_sha256, c.fingerprint_sha1"            \
                             " FROM certificates c WHERE c.fingerprint_sha256 = $1"
static const struct sql_statement ONE = {
    .types = "b", .sqlite = ONE_TEXT(GROUP_CONCAT), .postgresql = ONE_TEXT(STRING_AGG)};

struct listing {
    struct call *call;
    struct buffer *out;
    uint64_t rows, rows_max;
    int64_t id, not_after; /* of the last row */
};

static void add_lines(struct buffer *out, const char *name, struct slice lines) {
    json_open(out, name, '[');
    while (lines.len) {
        const uint8_t *end = memchr(lines.ptr, '\n', lines.len);
        size_t len = end ? (size_t)(end - lines.ptr) : lines.len;
        json_text(out, NULL, slice_first(lines, len));
        lines = slice_from(lines, len + 1);
    }
    json_close(out, ']');
}

static void add_days_left(struct buffer *out, const struct sql_value *not_after, int64_t now_ms) {
    double days = (double)(row_integer(not_after) * 1000 - now_ms) / 864e5;

    if (row_is_null(not_after))
        json_null(out, "days_left");
    else
        json_real(out, "days_left", floor(days * 100) / 100);
}

static void add_certificate(struct buffer *out, const struct sql_value *row, int64_t now_ms) {
    json_hex(out, "fingerprint", row_bytes(&row[1]));
    json_text(out, "subject", row_bytes(&row[2]));
    json_text(out, "issuer", row_bytes(&row[3]));
    json_text(out, "serial", row_bytes(&row[4]));
    json_time(out, "not_before", row_integer(&row[5]));
    json_time(out, "not_after", row_integer(&row[6]));
    add_days_left(out, &row[6], now_ms);
    json_text(out, "key_type", row_bytes(&row[7]));
    json_value(out, "key_bits", &row[8]);
    json_text(out, "signature_algorithm", row_bytes(&row[9]));
    json_flag(out, "is_ca", row_integer(&row[10]));
    json_flag(out, "self_signed", row_integer(&row[11]));
    json_time_ms(out, "first_seen", row_integer(&row[12]));
    json_time_ms(out, "last_seen", row_integer(&row[13]));
}

static enum error add_listed(void *context, const struct sql_value *row, uint32_t count,
                             struct failure *failure) {
    struct listing *listing = context;

    (void)count, (void)failure;
    if (listing->rows++ == listing->rows_max)
        return ERROR_NONE;
    listing->id = row_integer(&row[0]);
    listing->not_after = row_integer(&row[6]);
    json_open(listing->out, NULL, '{');
    add_certificate(listing->out, row, listing->call->now_ms);
    json_integer(listing->out, "endpoints", row_integer(&row[14]));
    add_lines(listing->out, "names", row_bytes(&row[15]));
    json_close(listing->out, '}');
    return ERROR_NONE;
}

/* "not_after~id" */
static bool read_cursor(struct slice cursor, struct sql_value out[3]) {
    const uint8_t *end = memchr(cursor.ptr, '~', cursor.len);
    size_t len = end ? (size_t)(end - cursor.ptr) : 0;
    uint64_t not_after, id;

    if (!slice_to_u64(slice_first(cursor, len), INT64_MAX, &not_after) ||
        !slice_to_u64(slice_from(cursor, len + 1), INT64_MAX, &id))
        return false;
    out[0] = sql_integer(1);
    out[1] = sql_integer((int64_t)not_after);
    out[2] = sql_integer((int64_t)id);
    return true;
}

static void set_range(const struct call *call, struct sql_value out[2]) {
    struct slice within = request_query(call->request, "expiring_within");
    struct slice status = request_query(call->request, "status");
    uint64_t days = request_query_number(call->request, "expiring_within", 0);
    int64_t now = call->now_ms / 1000;

    if (within.len) {
        out[0] = sql_integer(now);
        out[1] = sql_integer(now + (int64_t)days * DAY_S);
    }
    if (slice_is(status, "valid"))
        out[0] = sql_integer(now);
    if (slice_is(status, "expired"))
        out[1] = sql_integer(now);
}

static void list_certificates(struct call *call) {
    const struct request *request = call->request;
    struct slice q = request_query(request, "q"), cursor = request_query(request, "cursor");
    struct buffer like, issuer;
    struct listing listing = {.call = call,
                              .out = &call->answer->body,
                              .rows_max = request_query_number(request, "limit", PAGE_DEFAULT)};
    struct sql_value values[10];

    for (int i = 0; i < 10; i++)
        values[i] = sql_integer(0);
    values[0] = sql_integer(request_query_flag(request, "all", false));
    if (cursor.len && !read_cursor(cursor, values + 6)) {
        answer_error(call->answer, MHD_HTTP_BAD_REQUEST, "cursor is none of ours");
        return;
    }
    values[1] = sql_text(like_pattern(&like, q, false));
    values[2] = sql_text(q.ptr ? q : slice_of(""));
    values[3] = sql_text(like_pattern(&issuer, request_query(request, "issuer"), false));
    set_range(call, values + 4);
    values[9] = sql_integer((int64_t)listing.rows_max + 1);
    json_open(listing.out, NULL, '{');
    json_open(listing.out, "certificates", '[');
    bool ok = call_query(call, &LIST, values, add_listed, &listing);
    buffer_deinit(&like);
    buffer_deinit(&issuer);
    if (!ok)
        return;
    char next[64];
    snprintf(next, sizeof next, "%lld~%lld", (long long)listing.not_after, (long long)listing.id);
    json_close(listing.out, ']');
    if (listing.rows > listing.rows_max)
        json_words(listing.out, "next", next);
    else
        json_null(listing.out, "next");
    json_close(listing.out, '}');
}

/* --- One certificate --- */

static const struct sql_statement WHERE_SEEN = {
    .types = "ib",
    .text =
        "SELECT e.host, e.ip, e.port, e.protocol, e.status, e.outcome, e.first_seen, e.last_seen,"
        " COALESCE((SELECT MAX(r.agent) FROM monitor_results r JOIN monitor_targets t"
        " ON t.key = r.target WHERE r.fingerprint = $2 AND t.host = e.host"
        " AND t.port = e.port), '')"
        " FROM endpoints e WHERE e.certificate = $1 ORDER BY e.last_seen DESC LIMIT 500"};

static const struct sql_statement CHAIN = {
    .types = "i",
    .text = "SELECT c.fingerprint_sha256, c.subject, c.issuer, c.not_after FROM chain_links l"
            " JOIN certificates c ON c.id = l.certificate WHERE l.chain = (SELECT e.chain FROM"
            " endpoints e WHERE e.certificate = $1 AND e.chain IS NOT NULL"
            " ORDER BY e.last_seen DESC LIMIT 1) ORDER BY l.position"};

static void add_pem(struct buffer *out, struct slice der) {
    struct buffer base64, pem;

    if (!der.len) {
        json_null(out, "pem");
        return;
    }
    buffer_init(&base64);
    buffer_init(&pem);
    text_add_base64(&base64, der);
    buffer_add_text(&pem, "-----BEGIN CERTIFICATE-----\n");
    for (size_t at = 0; at < base64.len; at += PEM_LINE) {
        buffer_add_slice(&pem, slice_first(slice_from(buffer_slice(&base64), at), PEM_LINE));
        buffer_add_byte(&pem, '\n');
    }
    buffer_add_text(&pem, "-----END CERTIFICATE-----\n");
    json_text(out, "pem", buffer_slice(&pem));
    buffer_deinit(&base64);
    buffer_deinit(&pem);
}

static enum error add_one(void *context, const struct sql_value *row, uint32_t count,
                          struct failure *failure) {
    struct listing *listing = context;

    (void)count, (void)failure;
    listing->rows++;
    listing->id = row_integer(&row[0]);
    add_certificate(listing->out, row, listing->call->now_ms);
    add_lines(listing->out, "names", row_bytes(&row[15]));
    json_hex(listing->out, "tbs_sha256", row_bytes(&row[17]));
    json_hex(listing->out, "spki_sha256", row_bytes(&row[18]));
    json_hex(listing->out, "fingerprint_sha1", row_bytes(&row[19]));
    add_pem(listing->out, row_bytes(&row[16]));
    return ERROR_NONE;
}

static enum error add_endpoint(void *context, const struct sql_value *row, uint32_t count,
                               struct failure *failure) {
    struct buffer *out = ((struct listing *)context)->out;

    (void)count, (void)failure;
    json_open(out, NULL, '{');
    json_text(out, "host", row_bytes(&row[0]));
    json_text(out, "ip", row_bytes(&row[1]));
    json_integer(out, "port", row_integer(&row[2]));
    json_text(out, "protocol", row_bytes(&row[3]));
    json_text(out, "status", row_bytes(&row[4]));
    json_text(out, "outcome", row_bytes(&row[5]));
    json_time_ms(out, "first_seen", row_integer(&row[6]));
    json_time_ms(out, "last_seen", row_integer(&row[7]));
    json_text(out, "agent", row_bytes(&row[8]));
    json_close(out, '}');
    return ERROR_NONE;
}

static enum error add_link(void *context, const struct sql_value *row, uint32_t count,
                           struct failure *failure) {
    struct buffer *out = ((struct listing *)context)->out;

    (void)count, (void)failure;
    json_open(out, NULL, '{');
    json_hex(out, "fingerprint", row_bytes(&row[0]));
    json_text(out, "subject", row_bytes(&row[1]));
    json_text(out, "issuer", row_bytes(&row[2]));
    json_time(out, "not_after", row_integer(&row[3]));
    json_close(out, '}');
    return ERROR_NONE;
}

static bool read_fingerprint(struct slice hex, uint8_t out[SHA256_LEN]) {
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < hex.len && hex.len == 2 * SHA256_LEN; i++) {
        uint8_t c = hex.ptr[i] >= 'A' && hex.ptr[i] <= 'F' ? hex.ptr[i] | 0x20 : hex.ptr[i];
        const char *at = memchr(digits, c, sizeof digits - 1);
        if (!at)
            return false;
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (at - digits));
    }
    return hex.len == 2 * SHA256_LEN;
}

static void get_certificate(struct call *call) {
    uint8_t fingerprint[SHA256_LEN] = {0};
    struct listing listing = {.call = call, .out = &call->answer->body};
    bool readable = read_fingerprint(call->request->parts[0], fingerprint);
    struct sql_value values[2] = {sql_blob((struct slice){fingerprint, sizeof fingerprint}),
                                  sql_blob((struct slice){fingerprint, sizeof fingerprint})};

    json_open(listing.out, NULL, '{');
    if (readable && !call_query(call, &ONE, values, add_one, &listing))
        return;
    if (!listing.rows) {
        answer_error(call->answer, MHD_HTTP_NOT_FOUND, "certificate not found");
        return;
    }
    values[0] = sql_integer(listing.id);
    json_open(listing.out, "endpoints", '[');
    if (!call_query(call, &WHERE_SEEN, values, add_endpoint, &listing))
        return;
    json_close(listing.out, ']');
    json_open(listing.out, "chain", '[');
    if (!call_query(call, &CHAIN, values, add_link, &listing))
        return;
    json_close(listing.out, ']');
    json_close(listing.out, '}');
}

/* --- The calendar, and logs --- */

/* Of what is watched, each certificate once. */
static const struct sql_statement EXPIRY = {
    .types = "ii",
    .text = "SELECT d.day, COUNT(*) FROM (SELECT DISTINCT fingerprint, not_after / 86400 AS day"
            " FROM monitor_results WHERE not_after >= $1 AND not_after < $2) d"
            " GROUP BY d.day ORDER BY d.day"};

static enum error add_day(void *context, const struct sql_value *row, uint32_t count,
                          struct failure *failure) {
    struct buffer time, *out = context;

    (void)count, (void)failure;
    buffer_init(&time);
    text_add_time(&time, row_integer(&row[0]) * DAY_S);
    json_open(out, NULL, '{');
    json_text(out, "date", slice_first(buffer_slice(&time), 10));
    json_integer(out, "count", row_integer(&row[1]));
    json_close(out, '}');
    buffer_deinit(&time);
    return ERROR_NONE;
}

static void get_expiry(struct call *call) {
    struct buffer *out = &call->answer->body;
    int64_t now = call->now_ms / 1000;
    int64_t days = (int64_t)request_query_number(call->request, "days", DAYS_DEFAULT);
    const struct sql_value values[] = {sql_integer(now), sql_integer(now + days * DAY_S)};

    json_open(out, NULL, '[');
    if (call_query(call, &EXPIRY, values, add_day, out))
        json_close(out, ']');
}

static const struct sql_statement HITS = {
    .types = "tii",
    .text = "SELECT id, time, verdict, severity, source_log, seen_at, known_by, issuance_id, record"
            " FROM ct_hits WHERE ($1 = '' OR verdict = $1) AND ($2 = 0 OR id < $2)"
            " ORDER BY id DESC LIMIT $3"};

static void add_member(struct buffer *out, const char *name, yyjson_val *value) {
    if (yyjson_is_str(value)) {
        json_text(out, name, json_slice(value));
    } else if (yyjson_is_arr(value)) {
        size_t len = 0;
        char *text = yyjson_val_write(value, 0, &len);
        json_raw(out, name, (struct slice){(const uint8_t *)text, len});
        free(text);
    } else {
        json_raw(out, name, slice_of("[]"));
    }
}

static enum error add_hit(void *context, const struct sql_value *row, uint32_t count,
                          struct failure *failure) {
    struct listing *listing = context;
    struct buffer *out = listing->out;
    struct slice text = row_bytes(&row[8]);

    (void)count, (void)failure;
    if (listing->rows++ == listing->rows_max)
        return ERROR_NONE;
    listing->id = row_integer(&row[0]);
    yyjson_doc *record = yyjson_read((const char *)text.ptr, text.len, 0);
    yyjson_val *root = yyjson_doc_get_root(record);
    yyjson_val *certificate = yyjson_obj_get(root, "certificate");
    yyjson_val *issuer = yyjson_obj_get(certificate, "issuer");
    json_open(out, NULL, '{');
    json_integer(out, "id", listing->id);
    json_time_ms(out, "at", row_integer(&row[1]));
    json_text(out, "verdict", row_bytes(&row[2]));
    json_text(out, "severity", row_bytes(&row[3]));
    json_text(out, "source_log", row_bytes(&row[4]));
    json_time_ms(out, "seen_at", row_integer(&row[5]));
    json_text(out, "known_by", row_bytes(&row[6]));
    json_hex(out, "issuance_id", row_bytes(&row[7]));
    if (yyjson_is_str(issuer))
        add_member(out, "issuer", issuer);
    else
        json_words(out, "issuer", "");
    add_member(out, "names", yyjson_obj_get(certificate, "dns_names"));
    add_member(out, "matched", yyjson_obj_get(root, "matched_entries"));
    json_raw(out, "record", slice_trim(text));
    json_close(out, '}');
    yyjson_doc_free(record);
    return ERROR_NONE;
}

static void list_hits(struct call *call) {
    const struct request *request = call->request;
    struct listing listing = {.call = call,
                              .out = &call->answer->body,
                              .rows_max = request_query_number(request, "limit", PAGE_DEFAULT)};
    struct slice verdict = request_query(request, "verdict");
    const struct sql_value values[] = {
        sql_text(verdict.ptr ? verdict : slice_of("")),
        sql_integer((int64_t)request_query_number(request, "cursor", 0)),
        sql_integer((int64_t)listing.rows_max + 1)};

    json_open(listing.out, NULL, '{');
    json_open(listing.out, "hits", '[');
    if (!call_query(call, &HITS, values, add_hit, &listing))
        return;
    json_close(listing.out, ']');
    if (listing.rows > listing.rows_max)
        json_integer(listing.out, "next", listing.id);
    else
        json_null(listing.out, "next");
    json_close(listing.out, '}');
}

/* --- The table --- */

#define REQUIRED .flags = SCHEMA_REQUIRED
#define NULLABLE .flags = SCHEMA_REQUIRED | SCHEMA_NULLABLE

#define CERTIFICATE_FIELDS                                                                         \
    {.name = "fingerprint", .type = SCHEMA_TEXT, REQUIRED, .summary = "SHA-256."},                 \
        {.name = "subject", .type = SCHEMA_TEXT, REQUIRED},                                        \
        {.name = "issuer", .type = SCHEMA_TEXT, REQUIRED},                                         \
        {.name = "serial", .type = SCHEMA_TEXT, REQUIRED},                                         \
        {.name = "not_before", .type = SCHEMA_TIME, NULLABLE},                                     \
        {.name = "not_after", .type = SCHEMA_TIME, NULLABLE},                                      \
        {.name = "days_left", .type = SCHEMA_NUMBER, NULLABLE},                                    \
        {.name = "key_type", .type = SCHEMA_TEXT, REQUIRED},                                       \
        {.name = "key_bits", .type = SCHEMA_INTEGER, NULLABLE},                                    \
        {.name = "signature_algorithm", .type = SCHEMA_TEXT, REQUIRED},                            \
        {.name = "is_ca", .type = SCHEMA_FLAG, REQUIRED},                                          \
        {.name = "self_signed", .type = SCHEMA_FLAG, REQUIRED},                                    \
        {.name = "first_seen", .type = SCHEMA_TIME, NULLABLE},                                     \
        {.name = "last_seen", .type = SCHEMA_TIME, NULLABLE},                                      \
        {.name = "names", .type = SCHEMA_LIST, REQUIRED, .summary = "At most a hundred."}

static const struct schema certificate_schema = {
    .name = "Certificate",
    .fields = (const struct schema_field[]){CERTIFICATE_FIELDS,
                                            {.name = "endpoints", .type = SCHEMA_INTEGER, REQUIRED},
                                            {0}},
};
static const struct schema page_schema = {
    .name = "CertificatePage",
    .fields =
        (const struct schema_field[]){
            {.name = "certificates", .type = SCHEMA_LIST, REQUIRED, .of = &certificate_schema},
            {.name = "next", .type = SCHEMA_TEXT, NULLABLE},
            {0}},
};
static const struct schema endpoint_schema = {
    .name = "Endpoint",
    .fields =
        (const struct schema_field[]){
            {.name = "host", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "ip", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "port", .type = SCHEMA_INTEGER, REQUIRED},
            {.name = "protocol", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "status", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "outcome", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "first_seen", .type = SCHEMA_TIME, NULLABLE},
            {.name = "last_seen", .type = SCHEMA_TIME, NULLABLE},
            {.name = "agent", .type = SCHEMA_TEXT, REQUIRED, .summary = "Empty for us."},
            {0}},
};
static const struct schema link_schema = {
    .name = "ChainLink",
    .fields = (const struct schema_field[]){{.name = "fingerprint", .type = SCHEMA_TEXT, REQUIRED},
                                            {.name = "subject", .type = SCHEMA_TEXT, REQUIRED},
                                            {.name = "issuer", .type = SCHEMA_TEXT, REQUIRED},
                                            {.name = "not_after", .type = SCHEMA_TIME, NULLABLE},
                                            {0}},
};
static const struct schema detail_schema = {
    .name = "CertificateDetail",
    .fields =
        (const struct schema_field[]){
            CERTIFICATE_FIELDS,
            {.name = "tbs_sha256", .type = SCHEMA_TEXT, NULLABLE},
            {.name = "spki_sha256", .type = SCHEMA_TEXT, NULLABLE},
            {.name = "fingerprint_sha1", .type = SCHEMA_TEXT, NULLABLE},
            {.name = "pem", .type = SCHEMA_TEXT, NULLABLE},
            {.name = "endpoints", .type = SCHEMA_LIST, REQUIRED, .of = &endpoint_schema},
            {.name = "chain", .type = SCHEMA_LIST, REQUIRED, .of = &link_schema},
            {0}},
};
static const struct schema day_schema = {
    .name = "ExpiryDay",
    .fields = (const struct schema_field[]){{.name = "date", .type = SCHEMA_TEXT, REQUIRED},
                                            {.name = "count", .type = SCHEMA_INTEGER, REQUIRED},
                                            {0}},
};
static const struct schema expiry_schema = {.name = "Expiry", .list_of = &day_schema};
static const struct schema hit_schema = {
    .name = "CtHit",
    .fields = (const struct schema_field[]){{.name = "id", .type = SCHEMA_INTEGER, REQUIRED},
                                            {.name = "at", .type = SCHEMA_TIME, NULLABLE},
                                            {.name = "verdict", .type = SCHEMA_TEXT, REQUIRED},
                                            {.name = "severity", .type = SCHEMA_TEXT, REQUIRED},
                                            {.name = "source_log", .type = SCHEMA_TEXT, REQUIRED},
                                            {.name = "seen_at", .type = SCHEMA_TIME, NULLABLE},
                                            {.name = "known_by", .type = SCHEMA_TEXT, REQUIRED},
                                            {.name = "issuance_id", .type = SCHEMA_TEXT, NULLABLE},
                                            {.name = "issuer", .type = SCHEMA_TEXT, REQUIRED},
                                            {.name = "names", .type = SCHEMA_LIST, REQUIRED},
                                            {.name = "matched", .type = SCHEMA_LIST, REQUIRED},
                                            {.name = "record", .type = SCHEMA_ANY, NULLABLE},
                                            {0}},
};
static const struct schema hits_schema = {
    .name = "CtHits",
    .fields =
        (const struct schema_field[]){
            {.name = "hits", .type = SCHEMA_LIST, REQUIRED, .of = &hit_schema},
            {.name = "next", .type = SCHEMA_INTEGER, NULLABLE},
            {0}},
};

static const char *const VALIDITIES[] = {"valid", "expired", NULL};
static const char *const VERDICTS[] = {"info", "suspicious", "malformed", "lookalike", NULL};

static const struct schema_field list_parameters[] = {
    {.name = "q", .type = SCHEMA_TEXT, .summary = "Part of subject or name, or the serial."},
    {.name = "issuer", .type = SCHEMA_TEXT, .summary = "Part of it."},
    {.name = "expiring_within",
     .type = SCHEMA_INTEGER,
     .maximum = DAYS_MAX,
     .summary = "Days from now."},
    {.name = "status", .type = SCHEMA_TEXT, .choices = VALIDITIES},
    {.name = "all", .type = SCHEMA_FLAG, .summary = "Also those that only stood in chains."},
    {.name = "limit", .type = SCHEMA_INTEGER, .minimum = 1, .maximum = PAGE_MAX},
    {.name = "cursor", .type = SCHEMA_TEXT},
    {0}};
static const struct schema_field expiry_parameters[] = {
    {.name = "days", .type = SCHEMA_INTEGER, .minimum = 1, .maximum = DAYS_MAX}, {0}};
static const struct schema_field hit_parameters[] = {
    {.name = "verdict", .type = SCHEMA_TEXT, .choices = VERDICTS},
    {.name = "limit", .type = SCHEMA_INTEGER, .minimum = 1, .maximum = PAGE_MAX},
    {.name = "cursor", .type = SCHEMA_INTEGER, .maximum = UINT32_MAX},
    {0}};

static const struct route routes[] = {
    {METHOD_GET, "/api/certificates", ROLE_READ, list_certificates,
     "Certificates, by the end of their time.", "listCertificates", .parameters = list_parameters,
     .response = &page_schema},
    {METHOD_GET, "/api/certificates/{sha256}", ROLE_READ, get_certificate,
     "A certificate, where it was seen, and its chain.", "getCertificate",
     .response = &detail_schema},
    {METHOD_GET, "/api/expiry", ROLE_READ, get_expiry,
     "How many of the watched certificates end on which day.", "getExpiry",
     .parameters = expiry_parameters, .response = &expiry_schema},
    {METHOD_GET, "/api/ct", ROLE_READ, list_hits, "What logs have shown of watched names.",
     "listCt", .parameters = hit_parameters, .response = &hits_schema},
    {0},
};

const struct route_group routes_certificates = {
    .name = "certificates", .summary = "The inventory.", .routes = routes};
