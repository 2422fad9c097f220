#include "engine/base/address.h"
#include "engine/base/quote.h"
#include "sinks/store/schema.h"
#include "tools/trawl/query.h"

#include <ctype.h>

/* --- What arguments mean --- */

static struct slice no_bytes(void) {
    return (struct slice){(const uint8_t *)"", 0};
}

/* "Example.ORG." as "org.example", as the store has it. */
static struct slice reversed_domain(struct slice name, struct arena *memory) {
    while (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    uint8_t *out = arena_take(memory, name.len + 1);

    if (!out)
        return no_bytes();
    store_reverse_name(name, out);
    return (struct slice){out, name.len};
}

static int digit_of(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The first and the one behind the last of all hashes that begin with these digits. */
static bool hash_range(struct slice digits, struct arena *memory, struct sql_value range[2]) {
    enum { BYTES = 33 };
    uint8_t *low = arena_take(memory, BYTES), *high = arena_take(memory, BYTES);

    if (!low || !high || digits.len < 4 || digits.len > 64)
        return false;
    memset(low, 0, BYTES);
    memset(high, 0xff, BYTES);
    for (size_t i = 0; i < digits.len; i++) {
        int digit = digit_of((char)digits.ptr[i]), shift = i % 2 ? 0 : 4;
        if (digit < 0)
            return false;
        low[i / 2] = (uint8_t)(low[i / 2] | digit << shift);
        high[i / 2] = (uint8_t)(high[i / 2] & ~((0xf ^ digit) << shift));
    }
    range[0] = sql_blob((struct slice){low, (digits.len + 1) / 2});
    range[1] = sql_blob((struct slice){high, BYTES});
    return true;
}

/* In lower case and without colons. */
static struct slice plain_digits(const char *argument, struct arena *memory) {
    size_t len = strlen(argument), used = 0;
    uint8_t *out = arena_take(memory, len + 1);

    for (size_t i = 0; out && i < len; i++)
        if (argument[i] != ':')
            out[used++] = (uint8_t)tolower((unsigned char)argument[i]);
    return (struct slice){out, used};
}

/* --- Parameters --- */

static struct sql_value limit_of(const struct query_settings *settings) {
    return sql_integer(settings->limit ? (int64_t)settings->limit : INT64_MAX);
}

static enum error bind_expiring(const struct query_settings *settings, const char *argument,
                                struct arena *memory, struct sql_value *values,
                                struct failure *failure) {
    (void)argument, (void)memory, (void)failure;
    values[0] = sql_integer(settings->now_ms / 1000);
    values[1] = sql_integer((settings->now_ms + (int64_t)settings->within_ms) / 1000);
    values[2] = limit_of(settings);
    return ERROR_NONE;
}

static enum error bind_cert(const struct query_settings *settings, const char *argument,
                            struct arena *memory, struct sql_value *values,
                            struct failure *failure) {
    struct slice digits = plain_digits(argument, memory);

    (void)failure;
    values[0] = values[1] = sql_null();
    if (!hash_range(digits, memory, values))
        values[0] = values[1] = sql_null();
    values[2] = sql_text(digits);
    values[3] = sql_text(reversed_domain(slice_of(argument), memory));
    values[4] = limit_of(settings);
    return ERROR_NONE;
}

static enum error bind_since(const struct query_settings *settings, const char *argument,
                             struct arena *memory, struct sql_value *values,
                             struct failure *failure) {
    (void)argument, (void)memory, (void)failure;
    values[0] = sql_integer(settings->since_ms);
    values[1] = limit_of(settings);
    return ERROR_NONE;
}

static enum error bind_hosts(const struct query_settings *settings, const char *argument,
                             struct arena *memory, struct sql_value *values,
                             struct failure *failure) {
    (void)memory, (void)failure;
    values[0] = argument ? sql_text(slice_of(argument)) : sql_null();
    values[1] = sql_integer(settings->since_ms);
    values[2] = limit_of(settings);
    return ERROR_NONE;
}

/* What lies at the domain and below: '/' comes right behind '.'. */
static enum error bind_names(const struct query_settings *settings, const char *argument,
                             struct arena *memory, struct sql_value *values,
                             struct failure *failure) {
    struct slice domain = reversed_domain(slice_of(argument), memory);
    uint8_t *high = arena_take(memory, domain.len + 1);
    uint8_t *low = arena_take(memory, domain.len + 1);

    if (domain.len == 0 || !high || !low)
        return failure_set(failure, ERROR_USAGE, "%s is no domain",
                           quote_of(slice_of(argument)).text);
    memcpy(low, domain.ptr, domain.len);
    memcpy(high, domain.ptr, domain.len);
    low[domain.len] = '.';
    high[domain.len] = '/';
    values[0] = sql_text(domain);
    values[1] = sql_text((struct slice){low, domain.len + 1});
    values[2] = sql_text((struct slice){high, domain.len + 1});
    values[3] = limit_of(settings);
    return ERROR_NONE;
}

static enum error bind_limit(const struct query_settings *settings, const char *argument,
                             struct arena *memory, struct sql_value *values,
                             struct failure *failure) {
    (void)argument, (void)memory, (void)failure;
    values[0] = limit_of(settings);
    return ERROR_NONE;
}

/* --- SQL --- */

/* Lists in one column, and bytes as digits. */
#define SQLITE_LIST(item, rows)                                                                    \
    "(SELECT group_concat(item, char(31)) FROM (SELECT " item " AS item " rows " ORDER BY 1))"
#define POSTGRESQL_LIST(item, rows)                                                                \
    "(SELECT string_agg(item, chr(31)) FROM (SELECT " item " AS item " rows " ORDER BY 1) items)"
#define SQLITE_HEX(bytes)     "lower(hex(" bytes "))"
#define POSTGRESQL_HEX(bytes) "encode(" bytes ", 'hex')"

#define NAMES(LIST) LIST("n.name", "FROM certificate_names n WHERE n.certificate = c.id")

#define CERT(LIST)                                                                                 \
    "SELECT c.fingerprint_sha256, c.subject, c.issuer, c.issuer_cn, c.serial, c.not_before,"       \
    " c.not_after, c.key_type, c.key_bits, c.signature_algorithm, c.fingerprint_sha1,"             \
    " c.tbs_sha256, c.spki_sha256, c.first_seen, c.last_seen, " NAMES(LIST) ", " LIST(             \
        "e.host || ':' || e.port",                                                                 \
        "FROM endpoints e WHERE e.certificate = c.id") " FROM certificates c WHERE c.id IN ("      \
                                                       "SELECT id FROM certificates WHERE "        \
                                                       "fingerprint_sha256 >= $1 AND "             \
                                                       "fingerprint_sha256 <= $2"                  \
                                                       " UNION SELECT id FROM certificates WHERE " \
                                                       "serial IN ($3, '00' || $3)"                \
                                                       " UNION SELECT certificate FROM "           \
                                                       "certificate_names WHERE reversed = $4)"    \
                                                       " ORDER BY c.not_after DESC, "              \
                                                       "c.fingerprint_sha256 LIMIT $5"

/* Of the endpoints that were observed since: where an observation and the one before it differ. */
#define CHANGED(HEX)                                                                               \
    "WITH seen AS (SELECT DISTINCT endpoint FROM observations WHERE time >= $1),"                  \
    " shown AS (SELECT endpoint, time, id, certificate AS is_now, lag(certificate)"                \
    " OVER (PARTITION BY endpoint ORDER BY time, id) AS was FROM observations"                     \
    " WHERE certificate IS NOT NULL AND endpoint IN (SELECT endpoint FROM seen)),"                 \
    " ended AS (SELECT endpoint, time, id, outcome AS is_now, lag(outcome)"                        \
    " OVER (PARTITION BY endpoint ORDER BY time, id) AS was FROM observations"                     \
    " WHERE endpoint IN (SELECT endpoint FROM seen)),"                                             \
    " changes AS (SELECT s.endpoint, s.time, 'certificate' AS what, " HEX(                         \
        "a.fingerprint_sha256") " AS was, " HEX("b.fingerprint_sha256") " AS is_now,"              \
                                                                        " a.issuer_cn AS "         \
                                                                        "issuer_was, b.issuer_cn " \
                                                                        "AS issuer_is, "           \
                                                                        "b.not_after FROM shown s" \
                                                                        " JOIN certificates a ON " \
                                                                        "a.id = s.was JOIN "       \
                                                                        "certificates b ON b.id "  \
                                                                        "= s.is_now"               \
                                                                        " WHERE s.was <> "         \
                                                                        "s.is_now AND s.time >= "  \
                                                                        "$1"                       \
                                                                        " UNION ALL SELECT "       \
                                                                        "endpoint, time, "         \
                                                                        "'outcome', was, is_now, " \
                                                                        "NULL, NULL, NULL FROM "   \
                                                                        "ended"                    \
                                                                        " WHERE was <> is_now "    \
                                                                        "AND time >= $1)"          \
                                                                        " SELECT x.time, e.host, " \
                                                                        "e.port, e.protocol, "     \
                                                                        "e.ip, x.what, x.was, "    \
                                                                        "x.is_now, x.issuer_was,"  \
                                                                        " x.issuer_is, "           \
                                                                        "x.not_after FROM "        \
                                                                        "changes x JOIN "          \
                                                                        "endpoints e ON e.id = "   \
                                                                        "x.endpoint"               \
                                                                        " ORDER BY x.time DESC, "  \
                                                                        "e.host, e.port, e.ip, "   \
                                                                        "x.what LIMIT $2"

#define CT(LIST)                                                                                   \
    "SELECT h.time, h.verdict, h.severity, h.source_log, h.log_index, h.update_type,"              \
    " h.entry_time, c.issuer_cn, c.not_after, c.fingerprint_sha256, " NAMES(                       \
        LIST) " FROM ct_hits h LEFT JOIN certificates c ON c.id = h.certificate WHERE h.time >= "  \
              "$1"                                                                                 \
              " ORDER BY h.time DESC, h.id DESC LIMIT $2"

#define ENDPOINT_COLUMNS                                                                           \
    {"host", QUERY_TEXT, false}, {"port", QUERY_NUMBER, false}, {"protocol", QUERY_TEXT, false}, { \
        "ip", QUERY_TEXT, false                                                                    \
    }

const struct query queries[] = {
    {
        .name = "expiring",
        .summary = "endpoints whose certificate expires --within, or has expired",
        .bind = bind_expiring,
        .statement = {.types = "iii",
                      .text =
                          "SELECT c.not_after,"
                          " CAST(c.not_after - $1 AS double precision) / 86400,"
                          " e.host, e.port, e.protocol, e.ip, e.last_seen, c.issuer_cn, c.subject,"
                          " c.fingerprint_sha256 FROM endpoints e"
                          " JOIN certificates c ON c.id = e.certificate WHERE c.not_after <= $2"
                          " ORDER BY c.not_after, e.host, e.port, e.protocol, e.ip LIMIT $3"},
        .columns = {{"not_after", QUERY_TIME, false},
                    {"days_left", QUERY_DAYS, false},
                    ENDPOINT_COLUMNS,
                    {"last_seen", QUERY_TIME_MS, true},
                    {"issuer_cn", QUERY_TEXT, false},
                    {"subject", QUERY_TEXT, true},
                    {"fingerprint_sha256", QUERY_HEX, true}},
    },
    {
        .name = "cert",
        .argument = "SHA256|SERIAL|NAME",
        .summary = "certificates with this SHA-256 (or its first digits), serial number or name",
        .empty = "no certificate has this SHA-256, serial number or name",
        .bind = bind_cert,
        .statement = {.types = "bbtti",
                      .sqlite = CERT(SQLITE_LIST),
                      .postgresql = CERT(POSTGRESQL_LIST)},
        .columns = {{"fingerprint_sha256", QUERY_HEX, false},
                    {"subject", QUERY_TEXT, true},
                    {"issuer", QUERY_TEXT, true},
                    {"issuer_cn", QUERY_TEXT, false},
                    {"serial", QUERY_TEXT, true},
                    {"not_before", QUERY_TIME, true},
                    {"not_after", QUERY_TIME, false},
                    {"key_type", QUERY_TEXT, true},
                    {"key_bits", QUERY_NUMBER, true},
                    {"signature_algorithm", QUERY_TEXT, true},
                    {"fingerprint_sha1", QUERY_HEX, true},
                    {"tbs_sha256", QUERY_HEX, true},
                    {"spki_sha256", QUERY_HEX, true},
                    {"first_seen", QUERY_TIME_MS, true},
                    {"last_seen", QUERY_TIME_MS, true},
                    {"names", QUERY_LIST, false},
                    {"endpoints", QUERY_LIST, false}},
    },
    {
        .name = "changed",
        .summary = "where another certificate or outcome was found --since",
        .bind = bind_since,
        .statement = {.types = "ii",
                      .sqlite = CHANGED(SQLITE_HEX),
                      .postgresql = CHANGED(POSTGRESQL_HEX)},
        .columns = {{"time", QUERY_TIME_MS, false},
                    ENDPOINT_COLUMNS,
                    {"what", QUERY_TEXT, false},
                    {"before", QUERY_TEXT, false},
                    {"after", QUERY_TEXT, false},
                    {"issuer_before", QUERY_TEXT, true},
                    {"issuer_after", QUERY_TEXT, true},
                    {"not_after", QUERY_TIME, true}},
    },
    {
        .name = "hosts",
        .argument = "[HOST]",
        .summary = "endpoints as they were last seen, all or those of a host",
        .bind = bind_hosts,
        .statement = {.types = "tii",
                      .text = "SELECT e.host, e.port, e.protocol, e.ip, e.outcome, e.status,"
                              " c.not_after, e.first_seen, e.last_seen, c.issuer_cn,"
                              " c.fingerprint_sha256 FROM endpoints e"
                              " LEFT JOIN certificates c ON c.id = e.certificate"
                              " WHERE ($1 IS NULL OR e.host = $1) AND e.last_seen >= $2"
                              " ORDER BY e.host, e.port, e.protocol, e.ip LIMIT $3"},
        .columns = {ENDPOINT_COLUMNS,
                    {"outcome", QUERY_TEXT, false},
                    {"status", QUERY_TEXT, false},
                    {"not_after", QUERY_TIME, false},
                    {"first_seen", QUERY_TIME_MS, true},
                    {"last_seen", QUERY_TIME_MS, false},
                    {"issuer_cn", QUERY_TEXT, false},
                    {"fingerprint_sha256", QUERY_HEX, true}},
    },
    {
        .name = "history",
        .argument = "HOST",
        .summary = "every probe of a host, the newest first",
        .bind = bind_hosts,
        .statement = {.types = "tii",
                      .text = "SELECT o.time, o.id, e.host, e.port, e.protocol, e.ip, o.outcome,"
                              " o.status, o.days_left, c.issuer_cn, c.fingerprint_sha256"
                              " FROM observations o JOIN endpoints e ON e.id = o.endpoint"
                              " LEFT JOIN certificates c ON c.id = o.certificate"
                              " WHERE e.host = $1 AND o.time >= $2"
                              " ORDER BY o.time DESC, o.id LIMIT $3"},
        .columns = {{"time", QUERY_TIME_MS, false},
                    {"id", QUERY_HEX, true},
                    ENDPOINT_COLUMNS,
                    {"outcome", QUERY_TEXT, false},
                    {"status", QUERY_TEXT, false},
                    {"days_left", QUERY_DAYS, false},
                    {"issuer_cn", QUERY_TEXT, false},
                    {"fingerprint_sha256", QUERY_HEX, true}},
    },
    {
        .name = "names",
        .argument = "DOMAIN",
        .summary = "names at and below a domain, with the certificates that have them",
        .bind = bind_names,
        .statement = {.types = "ttti",
                      .text =
                          "SELECT n.name, c.not_after, c.issuer_cn, c.first_seen, c.last_seen,"
                          " c.fingerprint_sha256 FROM certificate_names n"
                          " JOIN certificates c ON c.id = n.certificate"
                          " WHERE n.reversed = $1 OR (n.reversed >= $2 AND n.reversed < $3)"
                          " ORDER BY n.reversed, c.not_after DESC, c.fingerprint_sha256 LIMIT $4"},
        .columns = {{"name", QUERY_TEXT, false},
                    {"not_after", QUERY_TIME, false},
                    {"issuer_cn", QUERY_TEXT, false},
                    {"first_seen", QUERY_TIME_MS, true},
                    {"last_seen", QUERY_TIME_MS, true},
                    {"fingerprint_sha256", QUERY_HEX, false}},
    },
    {
        .name = "issuers",
        .summary = "who issued how many of the certificates, and when the first expires",
        .bind = bind_limit,
        .statement = {.types = "i",
                      .text = "SELECT c.issuer_o, c.issuer_cn, count(DISTINCT c.id), count(e.id),"
                              " min(c.not_after) FROM certificates c"
                              " LEFT JOIN endpoints e ON e.certificate = c.id"
                              " WHERE c.der IS NOT NULL GROUP BY c.issuer_o, c.issuer_cn"
                              " ORDER BY 3 DESC, c.issuer_o, c.issuer_cn LIMIT $1"},
        .columns = {{"issuer_o", QUERY_TEXT, false},
                    {"issuer_cn", QUERY_TEXT, false},
                    {"certificates", QUERY_NUMBER, false},
                    {"endpoints", QUERY_NUMBER, false},
                    {"first_not_after", QUERY_TIME, false}},
    },
    {
        .name = "ct",
        .summary = "entries of Certificate Transparency logs, the newest first",
        .bind = bind_since,
        .statement = {.types = "ii", .sqlite = CT(SQLITE_LIST), .postgresql = CT(POSTGRESQL_LIST)},
        .columns = {{"time", QUERY_TIME_MS, false},
                    {"verdict", QUERY_TEXT, false},
                    {"severity", QUERY_TEXT, true},
                    {"source_log", QUERY_TEXT, false},
                    {"index", QUERY_NUMBER, false},
                    {"update_type", QUERY_TEXT, true},
                    {"entry_time", QUERY_TIME_MS, true},
                    {"issuer_cn", QUERY_TEXT, false},
                    {"not_after", QUERY_TIME, true},
                    {"fingerprint_sha256", QUERY_HEX, true},
                    {"names", QUERY_LIST, false}},
    },
    {.name = NULL},
};
