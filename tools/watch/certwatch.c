#include "tools/watch/certwatch.h"

#include "engine/base/text.h"
#include "engine/record/json.h"
#include "sinks/store/postgres.h"

#include <errno.h>
#include <stdlib.h>

enum {
    LIST_PATIENCE_MS = 60 * 1000, /* the list may be a view that takes its time */
    LEDGER_PATIENCE_MS = 10 * 1000,
    PRUNE_AT_ONCE = 5000,
    DAY_MS = 24 * 3600 * 1000,
};

struct certwatch {
    struct postgres postgres;
    enum certwatch_use use;
    bool certs_have_tbs, alerts_have_tbs;
};

/* --- Tables --- */

#define COLUMNS_MAX 8

struct table {
    const char *name;
    const char *columns[COLUMNS_MAX]; /* NULL-terminated */
};

static const struct table INTENT = {"intent_current", {"fqdn"}},
                          CERTS = {"certs",
                                   {"fingerprint_sha1", "serial", "not_before", "not_after"}},
                          ALERTS = {"alerts",
                                    {"fingerprint", "sans", "matched", "issuer", "seen_at",
                                     "delivered", "severity"}};

static bool has_column(const PGresult *columns, const char *name) {
    for (int i = 0; i < PQntuples(columns); i++)
        if (strcmp(PQgetvalue(columns, i, 0), name) == 0)
            return true;
    return false;
}

static enum error look_at_table(struct certwatch *certwatch, const struct table *table,
                                bool *has_tbs, struct failure *failure) {
    struct parameters parameters = {0};
    PGresult *columns;

    buffer_add_text(parameters_add(&parameters), table->name);
    enum error error = postgres_query(&certwatch->postgres,
                                      "SELECT column_name FROM information_schema.columns WHERE"
                                      " table_schema = 'public' AND table_name = $1",
                                      &parameters, &columns, failure);
    for (int i = 0; !error && table->columns[i]; i++)
        if (!has_column(columns, table->columns[i]))
            error = failure_set(failure, (enum error)ENOENT,
                                "PostgreSQL: there is no public.%s with a column %s that this user "
                                "may see; tools/certwatch.sql makes the tables",
                                table->name, table->columns[i]);
    *has_tbs = !error && has_column(columns, "tbs_sha256");
    PQclear(columns);
    return error;
}

/* The tables may have changed while the connection was away. */
static enum error on_connect(void *owner, struct failure *failure) {
    struct certwatch *certwatch = owner;
    bool ignored;

    if (certwatch->use == CERTWATCH_LIST)
        return look_at_table(certwatch, &INTENT, &ignored, failure);
    enum error error = look_at_table(certwatch, &CERTS, &certwatch->certs_have_tbs, failure);
    return error ? error : look_at_table(certwatch, &ALERTS, &certwatch->alerts_have_tbs, failure);
}

/* --- What a record says, as certwatch writes it --- */

/* Where a feed gives no fingerprint for a precertificate, the issuance stands for it. */
static struct slice fingerprint_of(const struct ct_record *record) {
    const struct certificate_fields *fields = &record->certificate;

    if (record->has_fingerprint && fields->has_fingerprint_sha1)
        return (struct slice){fields->fingerprint_sha1, sizeof fields->fingerprint_sha1};
    return (struct slice){record->issuance_id, sizeof record->issuance_id};
}

static void add_fingerprint(struct parameters *parameters, const struct ct_record *record) {
    parameters_add_hex(parameters, fingerprint_of(record));
}

/* Empty when it is not known, which nothing equals. */
static void add_tbs(struct parameters *parameters, const struct ct_record *record) {
    const struct certificate_fields *fields = &record->certificate;
    size_t len = fields->has_tbs_sha256 ? sizeof fields->tbs_sha256 : 0;

    parameters_add_hex(parameters, (struct slice){fields->tbs_sha256, len});
}

/* "AA:BB:…" */
static void add_with_colons(struct parameters *parameters, struct slice bytes) {
    struct buffer *out = parameters_add(parameters);

    for (size_t i = 0; i < bytes.len; i++)
        buffer_add_format(out, "%s%02X", i ? ":" : "", bytes.ptr[i]);
}

/* Without leading zeros: some write a sign byte, some none. Empty when it is not known. */
static void add_serial(struct parameters *parameters, const struct ct_record *record) {
    struct buffer *out = parameters_add(parameters);
    struct buffer hex;

    buffer_init(&hex);
    if (record->certificate.has_validity)
        text_add_hex(&hex, record->certificate.serial);
    struct slice text = buffer_slice(&hex);
    while (text.len && text.ptr[0] == '0')
        text = slice_from(text, 1);
    buffer_add_slice(out, text);
    out->failed |= hex.failed;
    buffer_deinit(&hex);
}

/* A JSON array of texts. PostgreSQL takes no zero byte. */
static void add_texts(struct parameters *parameters, struct slice_list list) {
    struct buffer *out = parameters_add(parameters);

    buffer_add_byte(out, '[');
    for (uint32_t i = 0; i < list.count; i++) {
        struct slice item = list.items[i];
        if (i)
            buffer_add_byte(out, ',');
        if (item.len && memchr(item.ptr, 0, item.len))
            item = slice_of("(a name with a zero byte)");
        json_add_text(item, out);
    }
    buffer_add_byte(out, ']');
}

/* When a feed says it saw the entry, unless its clock is off: alerts are pruned by this. */
static int64_t seen_at(const struct ct_record *record) {
    int64_t off_ms = record->seen_ms - record->time_ms;
    bool is_off = off_ms > DAY_MS || off_ms < -DAY_MS;

    return (is_off ? record->time_ms : record->seen_ms) / 1000;
}

/* --- For the ledger --- */

/* The way it was written may differ: with colons, in capitals. */
#define FINGERPRINT_IS "fingerprint_sha1 IN ($1, upper($1), $2, lower($2))"
#define SERIAL_IS                                                                                  \
    "($3 <> '' AND ltrim(lower(replace(serial::text, ':', '')), '0') = $3 AND not_before = "       \
    "$4::bigint"                                                                                   \
    " AND not_after = $5::bigint)"

static const char IS_KNOWN[] =
    "SELECT CASE WHEN " FINGERPRINT_IS " THEN 1 ELSE 2 END FROM"
    " public.certs WHERE " FINGERPRINT_IS " OR " SERIAL_IS " ORDER BY 1 LIMIT 1";
static const char IS_KNOWN_TBS[] =
    "SELECT CASE WHEN lower(tbs_sha256) = $6 THEN 0 WHEN " FINGERPRINT_IS " THEN 1 ELSE 2 END FROM"
    " public.certs WHERE lower(tbs_sha256) = nullif($6, '') OR " FINGERPRINT_IS " OR " SERIAL_IS
    " ORDER BY 1 LIMIT 1";

/* What a record is to a database that is there: data that it refuses, it will refuse again. */
static enum error for_ledger(enum error error) {
    return error == ERROR_INPUT ? (enum error)EINVAL : error;
}

static enum error is_known(void *owner, const struct ct_record *record, enum ct_known_by *by,
                           struct failure *failure) {
    static const enum ct_known_by EVIDENCE[] = {CT_KNOWN_TBS, CT_KNOWN_FINGERPRINT,
                                                CT_KNOWN_SERIAL};
    struct certwatch *certwatch = owner;
    struct parameters parameters = {0};
    PGresult *result;
    enum error error = postgres_connect(&certwatch->postgres, failure);

    if (error)
        return error;
    add_fingerprint(&parameters, record);
    add_with_colons(&parameters, fingerprint_of(record));
    add_serial(&parameters, record);
    parameters_add_number(&parameters, record->certificate.not_before);
    parameters_add_number(&parameters, record->certificate.not_after);
    if (certwatch->certs_have_tbs)
        add_tbs(&parameters, record);
    error =
        postgres_query(&certwatch->postgres, certwatch->certs_have_tbs ? IS_KNOWN_TBS : IS_KNOWN,
                       &parameters, &result, failure);
    if (!error && PQntuples(result) == 1)
        *by = EVIDENCE[PQgetvalue(result, 0, 0)[0] - '0'];
    PQclear(result);
    return for_ledger(error);
}

#define ALERT_IS     "fingerprint = $1"
#define ALERT_IS_TBS "(fingerprint = $1 OR tbs_sha256 = nullif($2, ''))"

/* Tried again after an error, it must not be there twice. */
static const char ADD_ALERT[] =
    "WITH there AS (SELECT delivered FROM public.alerts WHERE " ALERT_IS
    " ORDER BY delivered DESC LIMIT 1), added AS (INSERT INTO"
    " public.alerts(fingerprint, sans, matched, issuer, seen_at, severity)"
    " SELECT $1, $2::jsonb, $3::jsonb, $4, $5::bigint, $6 WHERE NOT EXISTS (SELECT FROM there))"
    " SELECT 1 FROM there WHERE delivered";
static const char ADD_ALERT_TBS[] =
    "WITH there AS (SELECT delivered FROM public.alerts WHERE " ALERT_IS_TBS
    " ORDER BY delivered DESC LIMIT 1), added AS (INSERT INTO"
    " public.alerts(fingerprint, tbs_sha256, sans, matched, issuer, seen_at, severity)"
    " SELECT $1, nullif($2, ''), $3::jsonb, $4::jsonb, $5, $6::bigint, $7"
    " WHERE NOT EXISTS (SELECT FROM there)) SELECT 1 FROM there WHERE delivered";

static enum error add_alert(void *owner, const struct ct_record *record, bool *delivered,
                            struct failure *failure) {
    struct certwatch *certwatch = owner;
    const struct certificate_fields *fields = &record->certificate;
    struct parameters parameters = {0};
    PGresult *result;
    enum error error = postgres_connect(&certwatch->postgres, failure);

    if (error)
        return error;
    add_fingerprint(&parameters, record);
    if (certwatch->alerts_have_tbs)
        add_tbs(&parameters, record);
    add_texts(&parameters, fields->dns_names);
    add_texts(&parameters, record->matched_entries);
    text_add_safe(parameters_add(&parameters),
                  fields->issuer_cn.len ? fields->issuer_cn : fields->issuer_o);
    parameters_add_number(&parameters, seen_at(record));
    buffer_add_text(parameters_add(&parameters), ct_verdict_severity(record->verdict));
    error =
        postgres_query(&certwatch->postgres, certwatch->alerts_have_tbs ? ADD_ALERT_TBS : ADD_ALERT,
                       &parameters, &result, failure);
    *delivered = !error && PQntuples(result) == 1;
    PQclear(result);
    return for_ledger(error);
}

/* One that a run before this one has left may have been judged otherwise. */
static enum error set_delivered(void *owner, const struct ct_record *record,
                                struct failure *failure) {
    struct certwatch *certwatch = owner;
    struct parameters parameters = {0};
    PGresult *result;
    enum error error = postgres_connect(&certwatch->postgres, failure);

    if (error)
        return error;
    add_fingerprint(&parameters, record);
    if (certwatch->alerts_have_tbs)
        add_tbs(&parameters, record);
    buffer_add_text(parameters_add(&parameters), ct_verdict_severity(record->verdict));
    error = postgres_query(&certwatch->postgres,
                           certwatch->alerts_have_tbs
                               ? "UPDATE public.alerts SET delivered = true, severity = $3"
                                 " WHERE NOT delivered AND " ALERT_IS_TBS
                               : "UPDATE public.alerts SET delivered = true, severity = $2"
                                 " WHERE NOT delivered AND " ALERT_IS,
                           &parameters, &result, failure);
    PQclear(result);
    return for_ledger(error);
}

static enum error prune(void *owner, int64_t before_ms, bool *more, struct failure *failure) {
    struct certwatch *certwatch = owner;
    struct parameters parameters = {0};
    PGresult *result;

    parameters_add_number(&parameters, before_ms / 1000);
    parameters_add_number(&parameters, PRUNE_AT_ONCE);
    enum error error = postgres_query(&certwatch->postgres,
                                      "DELETE FROM public.alerts WHERE ctid = ANY (ARRAY(SELECT"
                                      " ctid FROM public.alerts WHERE seen_at < $1::bigint LIMIT"
                                      " $2::bigint))",
                                      &parameters, &result, failure);
    *more = !error && atoi(PQcmdTuples(result)) == PRUNE_AT_ONCE;
    PQclear(result);
    return error;
}

static enum error check(void *owner, struct failure *failure) {
    struct certwatch *certwatch = owner;
    struct parameters none = {0};
    PGresult *result;
    enum error error = postgres_query(&certwatch->postgres, "SELECT 1", &none, &result, failure);

    PQclear(result);
    return error;
}

struct ledger_database certwatch_database(struct certwatch *certwatch, bool notes_delivery) {
    return (struct ledger_database){
        .owner = certwatch,
        .is_known = is_known,
        .add_alert = add_alert,
        .set_delivered = notes_delivery ? set_delivered : NULL,
        .prune = prune,
        .check = check,
    };
}

/* --- The list --- */

struct list_reading {
    struct watch_list_builder *builder;
    uint32_t bad;
};

static enum error take_name(void *context, struct slice value, struct failure *failure) {
    struct list_reading *reading = context;
    struct failure cause;
    enum error error = watch_list_builder_add(reading->builder, slice_trim(value), 0, &cause);

    if (error != ERROR_USAGE)
        return error ? failure_set(failure, error, "public.intent_current: %s", cause.text)
                     : ERROR_NONE;
    reading->bad++;
    return ERROR_NONE;
}

enum error certwatch_read_list(struct certwatch *certwatch, struct watch_list **out, uint32_t *bad,
                               struct failure *failure) {
    struct list_reading reading = {.builder = watch_list_builder_new()};

    *out = NULL;
    if (!reading.builder)
        return failure_set(failure, ERROR_MEMORY, "no memory for the watch list");
    enum error error = check(certwatch, failure); /* a connection that broke since is made anew */
    if (!error)
        error = postgres_stream(&certwatch->postgres,
                                "SELECT fqdn FROM public.intent_current WHERE fqdn IS NOT NULL",
                                take_name, &reading, failure);
    if (error) {
        watch_list_builder_free(reading.builder);
        return error;
    }
    *bad = reading.bad;
    *out = watch_list_builder_finish(reading.builder);
    if (!*out)
        return failure_set(failure, ERROR_MEMORY, "no memory for the watch list");
    if (watch_list_count(*out))
        return ERROR_NONE;
    watch_list_put(*out);
    *out = NULL;
    return failure_set(failure, ERROR_INPUT, "public.intent_current has no name to watch");
}

/* --- Opening --- */

enum error certwatch_open(struct certwatch **out, const char *dsn, enum certwatch_use use,
                          struct failure *failure) {
    struct certwatch *certwatch = calloc(1, sizeof *certwatch);

    if (!certwatch)
        return failure_set(failure, ERROR_MEMORY, "no memory for a database");
    certwatch->use = use;
    certwatch->postgres.on_connect = on_connect;
    certwatch->postgres.owner = certwatch;
    certwatch->postgres.patience_ms = use == CERTWATCH_LIST ? LIST_PATIENCE_MS : LEDGER_PATIENCE_MS;
    enum error error = postgres_init(&certwatch->postgres, dsn, failure);
    if (!error)
        error = postgres_connect(&certwatch->postgres, failure);
    if (error != ERROR_NONE) {
        certwatch_close(certwatch);
        return error;
    }
    *out = certwatch;
    return ERROR_NONE;
}

void certwatch_stop(struct certwatch *certwatch) {
    if (certwatch)
        atomic_store(&certwatch->postgres.is_stopping, true);
}

void certwatch_close(struct certwatch *certwatch) {
    if (!certwatch)
        return;
    postgres_deinit(&certwatch->postgres);
    free(certwatch);
}
