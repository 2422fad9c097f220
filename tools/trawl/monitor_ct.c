#include "tools/trawl/monitor_ct.h"

#include "engine/base/clock.h"
#include "engine/base/text.h"
#include "engine/record/certwatch.h"
#include "engine/record/encoder.h"
#include "engine/record/json.h"
#include "tools/trawl/watch_within.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PATH_BYTES = 4096,
    TITLE_NAMES = 3,
    GRACE_MORE_MS = 5 * 60 * 1000,
    SETTLE_MS = 60 * 1000,
    SETTLE_AT_ONCE = 32,
};

enum { ISSUANCE_TEXT_BYTES = 2 * sizeof((struct ct_record *)NULL)->issuance_id + 1 };

struct monitor_ct {
    struct monitor_ct_config config;
    struct monitor_ledger *ledger;
    struct watch_within *within;
    struct field_selection fields; /* all that there are */
    char state[PATH_BYTES];
    struct database *database; /* for looking up what is known; its ledger's thread */
    uint64_t settled_ms;       /* when alerts were looked through last, monotonic */
};

/* --- What is known --- */

/* A certificate that an endpoint shows, or that no log has told us of: then a probe has, some time.
 * The serial number is what there is an index for. */
#define SEEN                                                                                       \
    " AND (EXISTS (SELECT 1 FROM endpoints e WHERE e.certificate = c.id)"                          \
    " OR NOT EXISTS (SELECT 1 FROM ct_hits h WHERE h.certificate = c.id))"

static const struct sql_statement by_certificate = {
    .types = "tbb",
    .text = "SELECT count(*) FROM certificates c WHERE c.serial = $1"
            " AND (c.tbs_sha256 = $2 OR c.fingerprint_sha256 = $3)" SEEN,
};
static const struct sql_statement by_spki = {
    .types = "b",
    .text = "SELECT count(*) FROM certificates c WHERE c.spki_sha256 = $1" SEEN,
};

static struct sql_value hash(bool has, const uint8_t bytes[32]) {
    return has ? sql_blob((struct slice){bytes, 32}) : sql_null();
}

static enum error look_up(struct monitor_ct *ct, const struct ct_record *record, bool by_key,
                          enum ct_known_by *by, struct failure *failure) {
    const struct certificate_fields *fields = &record->certificate;
    struct buffer serial;
    int64_t count = 0;

    buffer_init(&serial);
    text_add_hex(&serial, fields->serial);
    const struct sql_value values[] = {
        sql_text(buffer_slice(&serial)), hash(fields->has_tbs_sha256, fields->tbs_sha256),
        hash(fields->has_fingerprint_sha256, fields->fingerprint_sha256)};
    enum error error =
        serial.failed ? failure_set(failure, ERROR_MEMORY, "no memory for a serial number")
                      : database_number(ct->database, &by_certificate, values, &count, failure);
    buffer_deinit(&serial);
    if (!error && count)
        *by = fields->has_tbs_sha256 ? CT_KNOWN_TBS : CT_KNOWN_FINGERPRINT;
    if (error || count || !by_key || !fields->has_spki_sha256)
        return error;
    const struct sql_value key = hash(true, fields->spki_sha256);
    error = database_number(ct->database, &by_spki, &key, &count, failure);
    if (!error && count)
        *by = CT_KNOWN_KEY;
    return error;
}

static enum error open_database(struct monitor_ct *ct, struct failure *failure) {
    const struct database_config config = {
        .url = ct->config.url, .application = "trawl monitor", .existing = true};

    return ct->database ? ERROR_NONE : database_open(&ct->database, &config, failure);
}

static enum error is_known(void *owner, const struct ct_record *record, bool by_key,
                           enum ct_known_by *by, struct failure *failure) {
    struct monitor_ct *ct = owner;
    enum error error = open_database(ct, failure);

    if (!error)
        error = look_up(ct, record, by_key, by, failure);
    return error == ERROR_INPUT ? (enum error)EINVAL : error;
}

static enum error check(void *owner, struct failure *failure) {
    static const struct sql_statement any = {.text = "SELECT 1"};
    struct monitor_ct *ct = owner;
    int64_t one;
    enum error error = open_database(ct, failure);

    return error ? error : database_number(ct->database, &any, NULL, &one, failure);
}

/* --- Words --- */

/* "www.example.org, example.org and 3 more" */
static void add_names(const struct ct_record *record, struct buffer *out) {
    const struct slice_list *names =
        record->matched_names.count ? &record->matched_names : &record->certificate.dns_names;

    for (uint32_t i = 0; i < names->count && i < TITLE_NAMES; i++) {
        buffer_add_text(out, i ? ", " : "");
        text_add_safe(out, names->items[i]);
    }
    if (names->count > TITLE_NAMES)
        buffer_add_format(out, " and %u more", names->count - TITLE_NAMES);
    if (!names->count)
        buffer_add_text(out, "names that cannot be read");
}

static const char *title_of(enum ct_verdict verdict) {
    switch (verdict) {
    case CT_VERDICT_SUSPICIOUS:
        return "unknown certificate for ";
    case CT_VERDICT_LOOKALIKE:
        return "certificate for a lookalike name: ";
    case CT_VERDICT_MALFORMED:
        return "certificate that cannot be read, for ";
    case CT_VERDICT_NONE:
    case CT_VERDICT_INFO:
    case CT_VERDICTS:
        break;
    }
    return "new certificate for ";
}

static void add_message(const struct ct_record *record, struct buffer *out) {
    const struct certificate_fields *fields = &record->certificate;
    struct slice issuer = fields->issuer_o.len ? fields->issuer_o : fields->issuer_cn;

    buffer_add_text(out, "Issued by ");
    text_add_safe(out, issuer.len ? issuer : slice_of("an unnamed authority"));
    if (fields->has_validity) {
        buffer_add_text(out, ", valid until ");
        text_add_time_ms(out, fields->not_after * 1000);
    }
    buffer_add_text(out, "; seen in ");
    text_add_safe(out, record->source_log);
    buffer_add_text(out, record->known_by != CT_KNOWN_NOT ? ". It is one of ours." : ".");
    if (record->verdict == CT_VERDICT_SUSPICIOUS)
        buffer_add_text(out, " No endpoint has shown it.");
    if (record->brand.len) {
        buffer_add_text(out, " It imitates ");
        text_add_safe(out, record->brand);
        buffer_add_byte(out, '.');
    }
}

/* certwatch's members but for its severity: the notice has one of its own, and `verdict` says what
 * certwatch says by it. */
static void add_details(const struct ct_record *record, struct buffer *out) {
    static const char member[] = ",\"severity\":\"";
    struct buffer all;

    buffer_init(&all);
    certwatch_add(record, &all);
    const uint8_t *from = all.failed ? NULL : memmem(all.ptr, all.len, member, sizeof member - 1);
    const uint8_t *end = all.ptr + all.len;
    const uint8_t *to =
        from ? memchr(from + sizeof member - 1, '"', (size_t)(end - from) - (sizeof member - 1))
             : NULL;
    buffer_add_byte(out, ',');
    if (to) { /* behind the brace */
        buffer_add_slice(out, (struct slice){all.ptr + 1, (size_t)(from - all.ptr) - 1});
        buffer_add_slice(out, (struct slice){to + 1, (size_t)(end - to) - 1});
    }
    out->failed |= !to;
    buffer_deinit(&all);
}

/* --- Alerts --- */

struct hit {
    struct monitor_ct *ct;
    const struct ct_record *record;
    struct slice packed; /* for the store; empty when it does not take it */
    struct buffer title, message, details;
    bool is_new;
};

static enum severity severity_of(enum ct_verdict verdict) {
    return verdict == CT_VERDICT_INFO || verdict == CT_VERDICT_NONE ? SEVERITY_INFO
           : verdict == CT_VERDICT_SUSPICIOUS                       ? SEVERITY_CRITICAL
                                                                    : SEVERITY_WARNING;
}

/* What is ours is only told; what is not stays open. */
static enum error raise_hit(struct ledger_write *write, void *context, struct failure *failure) {
    struct hit *hit = context;
    const struct ct_record *record = hit->record;
    enum severity severity = severity_of(record->verdict);
    char id[ISSUANCE_TEXT_BYTES];

    for (size_t i = 0; i < sizeof record->issuance_id; i++)
        snprintf(id + 2 * i, 3, "%02x", record->issuance_id[i]);
    const struct monitor_notice notice = {
        .topic = ALERT_CT,
        .event =
            severity == SEVERITY_INFO ? EVENT_CT_NEW_CERTIFICATE : EVENT_CT_UNKNOWN_CERTIFICATE,
        .step = severity == SEVERITY_INFO ? ALERT_TELL : ALERT_OPEN,
        .severity = severity,
        .subject = id,
        .title = buffer_slice(&hit->title),
        .message = buffer_slice(&hit->message),
        .details = buffer_slice(&hit->details),
        .fingerprint = record->certificate.has_fingerprint_sha256
                           ? (struct slice){record->certificate.fingerprint_sha256, 32}
                           : (struct slice){NULL, 0},
    };
    enum error error = monitor_raise(write, &notice, &hit->is_new, failure);
    if (!error && hit->packed.len)
        monitor_write_record(write, hit->packed);
    return error;
}

/* What the store does not understand is told all the same. */
static enum error hand_over(struct hit *hit, struct failure *failure) {
    enum error error = monitor_ledger_call(hit->ct->ledger, raise_hit, hit, failure);

    if (error == ERROR_INPUT && hit->packed.len) {
        hit->packed.len = 0;
        error = monitor_ledger_call(hit->ct->ledger, raise_hit, hit, failure);
    }
    return error == ERROR_INPUT || error == ERROR_LIMIT ? (enum error)EINVAL : error;
}

static enum error add_hit(void *owner, const struct ct_record *record, bool *is_new,
                          struct failure *failure) {
    struct monitor_ct *ct = owner;
    struct hit hit = {.ct = ct, .record = record};
    const struct encoding encoding = {&msgpack_encoder, &ct->fields, 0, false};
    struct buffer packed;

    buffer_init(&packed);
    buffer_init(&hit.title);
    buffer_init(&hit.message);
    buffer_init(&hit.details);
    msgpack_encoder.encode(&encoding, &record->head, &packed);
    hit.packed = buffer_slice(&packed);
    buffer_add_text(&hit.title, title_of(record->verdict));
    add_names(record, &hit.title);
    add_message(record, &hit.message);
    add_details(record, &hit.details);
    enum error error = packed.failed || hit.title.failed || hit.message.failed || hit.details.failed
                           ? failure_set(failure, ERROR_MEMORY, "no memory for an alert")
                           : hand_over(&hit, failure);
    *is_new = hit.is_new;
    buffer_deinit(&packed);
    buffer_deinit(&hit.title);
    buffer_deinit(&hit.message);
    buffer_deinit(&hit.details);
    return error;
}

/* --- What became of them --- */

/* Alerts whose certificate an endpoint shows by now (a precertificate has the issuer and the serial
 * number of its certificate), or that has expired. */
static const struct sql_statement settled = {
    .types = "i",
    .text = "SELECT DISTINCT a.endpoint FROM monitor_alerts a"
            " JOIN certificates c ON c.fingerprint_sha256 = a.fingerprint"
            " JOIN certificates s ON s.serial = c.serial AND s.issuer = c.issuer"
            " WHERE a.topic = 'ct' AND a.resolved_at IS NULL AND (c.not_after < $1"
            " OR EXISTS (SELECT 1 FROM endpoints e WHERE e.certificate = s.id)) LIMIT 32",
};

struct settling {
    char ids[SETTLE_AT_ONCE][ISSUANCE_TEXT_BYTES];
    uint32_t count;
};

static enum error take_settled(void *context, const struct sql_value *values, uint32_t count,
                               struct failure *failure) {
    struct settling *settling = context;

    (void)count, (void)failure;
    if (values[0].type == SQL_TEXT && settling->count < SETTLE_AT_ONCE)
        snprintf(settling->ids[settling->count++], ISSUANCE_TEXT_BYTES, "%.*s",
                 (int)values[0].bytes.len, (const char *)values[0].bytes.ptr);
    return ERROR_NONE;
}

static enum error resolve_settled(struct ledger_write *write, void *context,
                                  struct failure *failure) {
    const struct sql_value now = sql_integer(write->now_ms / 1000);
    struct settling *settling = context;
    bool raised;

    settling->count = 0;
    enum error error =
        database_query(write->database, &settled, &now, take_settled, settling, failure);
    for (uint32_t i = 0; i < settling->count && !error; i++) {
        const struct monitor_notice notice = {
            .topic = ALERT_CT,
            .event = EVENT_CT_NEW_CERTIFICATE,
            .step = ALERT_RESOLVE,
            .severity = SEVERITY_INFO,
            .subject = settling->ids[i],
            .title = slice_of("the certificate is known by now, or over"),
            .message = slice_of("An endpoint of ours shows it, or it has expired."),
        };
        error = monitor_raise(write, &notice, &raised, failure);
    }
    return error;
}

/* What fails is tried again the next time. */
static void on_tick(void *owner) {
    struct monitor_ct *ct = owner;
    uint64_t now_ms = clock_monotonic_ns() / 1000000;
    struct failure failure = {0};
    struct settling settling;

    if (ct->settled_ms && now_ms - ct->settled_ms < SETTLE_MS)
        return;
    if (!monitor_ledger_call(ct->ledger, resolve_settled, &settling, &failure))
        ct->settled_ms = now_ms;
}

/* --- Sources --- */

struct feed_change {
    struct slice name;
    bool is_stale;
    const char *words;
};

static enum error raise_feed(struct ledger_write *write, void *context, struct failure *failure) {
    const struct feed_change *change = context;
    char subject[LEDGER_ENDPOINT_BYTES];
    struct buffer title, details;
    bool raised;

    snprintf(subject, sizeof subject, "%.*s", (int)change->name.len,
             (const char *)change->name.ptr);
    buffer_init(&title);
    buffer_init(&details);
    text_add_safe(&title, change->name);
    buffer_add_text(&title, change->is_stale ? ": the source is silent" : ": the source is back");
    buffer_add_text(&details, ",\"source\":");
    json_add_text(change->name, &details);
    const struct monitor_notice notice = {
        .topic = ALERT_FEED,
        .event = change->is_stale ? EVENT_FEED_STALE : EVENT_FEED_FRESH,
        .step = change->is_stale ? ALERT_OPEN : ALERT_RESOLVE,
        .severity = SEVERITY_WARNING,
        .subject = subject,
        .title = buffer_slice(&title),
        .message = slice_of(change->words),
        .details = buffer_slice(&details),
    };
    enum error error = title.failed || details.failed
                           ? failure_set(failure, ERROR_MEMORY, "no memory for an alert")
                           : monitor_raise(write, &notice, &raised, failure);
    buffer_deinit(&title);
    buffer_deinit(&details);
    return error;
}

static enum error tell_source(void *owner, struct slice name, bool is_stale, const char *words,
                              struct failure *failure) {
    struct monitor_ct *ct = owner;
    struct feed_change change = {name, is_stale, words};

    return monitor_ledger_call(ct->ledger, raise_feed, &change, failure);
}

static void say(void *owner, const char *words) {
    const struct monitor_ct *ct = owner;
    ct->config.say(ct->config.owner, words);
}

/* --- From outside --- */

/* Beside a SQLite file; of a store on a server only where it is said. A renewal of ours is in the
 * logs before a probe sees it: it has until the next one. */
static enum error read_arguments(struct monitor_ct *ct, struct failure *failure) {
    const struct monitor_settings *settings = ct->config.settings;
    bool is_file = strncmp(ct->config.url, "sqlite:", 7) == 0;

    if (is_file)
        snprintf(ct->state, sizeof ct->state, "%.4000s.ct", ct->config.url + 7);
    const struct watch_within_config config = {
        .arguments = &settings->watch,
        .state = is_file ? ct->state : NULL,
        .grace_ms = settings->scan_interval_ms + GRACE_MORE_MS,
        .quiet = settings->quiet,
        .is_known = is_known,
        .add_hit = add_hit,
        .check = check,
        .tell_source = tell_source,
        .tick = on_tick,
        .say = say,
        .owner = ct,
    };
    return watch_within_new(&ct->within, &config, failure);
}

enum error monitor_ct_new(struct monitor_ct **out, const struct monitor_ct_config *config,
                          struct failure *failure) {
    *out = NULL;
    if (!config->settings->watch.count)
        return ERROR_NONE;
    struct monitor_ct *ct = calloc(1, sizeof *ct);
    if (!ct)
        return failure_set(failure, ERROR_MEMORY, "no memory for watch");
    ct->config = *config;
    enum error error = field_selection_init_all(&ct->fields, &ct_record_kind, failure);
    if (!error)
        error = read_arguments(ct, failure);
    if (error)
        monitor_ct_close(ct);
    else
        *out = ct;
    return error;
}

enum error monitor_ct_each_path(const struct monitor_ct *ct,
                                enum error (*visit)(void *context, const char *path,
                                                    bool is_folder),
                                void *context) {
    return ct ? watch_within_each_path(ct->within, visit, context) : ERROR_NONE;
}

enum error monitor_ct_start(struct monitor_ct *ct, struct monitor_ledger *ledger,
                            struct failure *failure) {
    if (!ct)
        return ERROR_NONE;
    ct->ledger = ledger;
    return watch_within_start(ct->within, failure);
}

void monitor_ct_close(struct monitor_ct *ct) {
    if (!ct)
        return;
    watch_within_close(ct->within);
    database_close(ct->database);
    field_selection_deinit(&ct->fields);
    free(ct);
}

void monitor_ct_metrics(struct monitor_ct *ct, struct buffer *out) {
    if (ct)
        watch_within_metrics(ct->within, out);
}

bool monitor_ct_health(struct monitor_ct *ct, struct buffer *out) {
    if (!ct)
        return true;
    buffer_add_text(out, ",\"watch\":");
    bool ok = watch_within_health(ct->within, out);
    if (out->len && out->ptr[out->len - 1] == '\n')
        out->len--; /* it is a member here, and no page */
    return ok;
}
