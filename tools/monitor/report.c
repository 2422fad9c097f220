#include "tools/monitor/report.h"

#include "engine/base/text.h"
#include "engine/record/encoder.h"
#include "engine/x509/certificate.h"

#include <math.h>

/* --- Names --- */

/* The next attribute of an RFC 4514 name, unescaped as far as separators go; false at its end. */
static bool next_attribute(struct slice *name, struct slice *type, struct buffer *value) {
    size_t at = 0;

    *name = slice_trim(*name);
    const uint8_t *equals = name->len ? memchr(name->ptr, '=', name->len) : NULL;
    if (!equals)
        return false;
    *type = slice_first(*name, (size_t)(equals - name->ptr));
    value->len = 0;
    for (at = type->len + 1; at < name->len; at++) {
        uint8_t c = name->ptr[at];
        if (c == ',' || c == '+')
            break;
        if (c == '\\' && at + 1 < name->len)
            c = name->ptr[++at];
        buffer_add_byte(value, c);
    }
    *name = slice_from(*name, at + 1);
    return true;
}

static void add_name(struct buffer *out, const char *member, struct slice name, bool is_subject) {
    static const char *const attributes[][2] = {
        {"CN", "common_name"},         {"O", "organization"}, {"C", "country"},
        {"OU", "organizational_unit"}, {"L", "locality"},     {"ST", "state"}};
    size_t count = is_subject ? sizeof attributes / sizeof attributes[0] : 3;

    json_open(out, member, '{');
    for (size_t i = 0; i < count; i++) {
        struct slice rest = name, type;
        struct buffer value;
        bool found = false;
        buffer_init(&value);
        while (!found && next_attribute(&rest, &type, &value))
            found = slice_is(type, attributes[i][0]);
        if (found)
            json_text(out, attributes[i][1], buffer_slice(&value));
        else
            json_null(out, attributes[i][1]);
        buffer_deinit(&value);
    }
    json_close(out, '}');
}

static void add_alternative(struct buffer *out, const char *type, struct slice value) {
    json_open(out, NULL, '{');
    json_words(out, "type", type);
    json_text(out, "value", value);
    json_close(out, '}');
}

static void add_alternatives(struct buffer *out, struct slice der, uint8_t *version) {
    struct certificate_fields fields = {0};
    struct certificate certificate;
    struct arena memory;

    json_open(out, "subject_alternative_names", '[');
    if (der.len && certificate_decode(der, &certificate) == CERTIFICATE_OK &&
        arena_init(&memory, der.len)) {
        *version = certificate.version;
        if (certificate_fields_fill(&certificate, &memory, &fields)) {
            for (uint32_t i = 0; i < fields.dns_names.count; i++)
                add_alternative(out, "DNS", fields.dns_names.items[i]);
            for (uint32_t i = 0; i < fields.ip_address_count; i++) {
                char text[ADDRESS_TEXT_MAX];
                address_format(&fields.ip_addresses[i], text);
                add_alternative(out, "IP", slice_of(text));
            }
        }
        arena_deinit(&memory);
    }
    json_close(out, ']');
}

/* --- Certificates --- */

static void add_members(const struct scout_certificate *certificate, struct buffer *out) {
    struct buffer base64;
    uint8_t version = 3;

    json_text(out, "scan_host", certificate->host);
    json_integer(out, "scan_port", certificate->port);
    json_time_ms(out, "scan_timestamp", certificate->seen_ms);
    add_name(out, "subject", certificate->subject, true);
    add_name(out, "issuer", certificate->issuer, false);
    json_open(out, "validity", '{');
    json_time(out, "not_before", certificate->not_before);
    json_time(out, "not_after", certificate->not_after);
    json_integer(out, "days_until_expiry", certificate->days_left);
    json_flag(out, "is_expired", certificate->days_left < 0);
    json_close(out, '}');
    json_text(out, "serial_number", certificate->serial);
    add_alternatives(out, certificate->der, &version);
    json_integer(out, "version", version);
    json_text(out, "signature_algorithm", certificate->signature_algorithm);
    json_open(out, "fingerprints", '{');
    json_hex(out, "sha256", certificate->sha256);
    json_hex(out, "sha1", certificate->sha1);
    json_close(out, '}');
    json_open(out, "key_info", '{');
    json_text(out, "type", certificate->key_type);
    json_integer(out, "size", certificate->key_bits);
    json_close(out, '}');
    json_flag(out, "is_self_signed", certificate->self_signed);
    buffer_init(&base64);
    text_add_base64(&base64, certificate->der);
    json_text(out, "raw_certificate", buffer_slice(&base64));
    out->failed |= base64.failed;
    buffer_deinit(&base64);
}

void scout_add_certificate(const struct scout_certificate *certificate, struct buffer *out) {
    json_open(out, NULL, '{');
    add_members(certificate, out);
    json_close(out, '}');
}

/* --- Reports --- */

enum error report_select_more_fields(struct field_selection *out, const char *more,
                                     struct failure *failure) {
    const struct record_kind *kind = &probe_record_kind;
    struct buffer names;

    buffer_init(&names);
    for (uint32_t i = 0; i < kind->field_count; i++)
        if (strncmp(kind->fields[i].name, "certificate.", strlen("certificate.")) != 0)
            buffer_add_format(&names, "%s%s", names.len ? "," : "", kind->fields[i].name);
    buffer_add_text(&names, more);
    buffer_add_byte(&names, 0);
    enum error error = names.failed
                           ? failure_set(failure, ERROR_MEMORY, "no memory for the fields")
                           : field_selection_init(out, kind, (const char *)names.ptr, failure);
    buffer_deinit(&names);
    return error;
}

enum error report_select_fields(struct field_selection *out, struct failure *failure) {
    return report_select_more_fields(out, "", failure);
}

static void add_certificate(const struct report_result *result, struct slice host,
                            struct buffer *out) {
    const struct certificate_fields *from = &result->record->certificate;
    struct buffer serial;

    buffer_init(&serial);
    text_add_hex(&serial, from->serial);
    add_members(
        &(struct scout_certificate){
            .host = host,
            .subject = from->subject,
            .issuer = from->issuer,
            .serial = buffer_slice(&serial),
            .key_type = from->key_type,
            .signature_algorithm = from->signature_algorithm,
            .sha256 = {from->fingerprint_sha256, sizeof from->fingerprint_sha256},
            .sha1 = {from->fingerprint_sha1, sizeof from->fingerprint_sha1},
            .der = from->der,
            .port = result->port,
            .seen_ms = result->record->time_ms,
            .not_before = from->not_before,
            .not_after = from->not_after,
            .days_left = (int64_t)floor(result->record->days_left),
            .key_bits = from->key_bits,
            .self_signed = from->self_signed,
        },
        out);
    out->failed |= serial.failed;
    buffer_deinit(&serial);
}

void report_add_result(const struct report_result *result, const struct field_selection *fields,
                       struct buffer *out) {
    const struct encoding encoding = {&json_encoder, fields, 0, false};
    struct slice host = result->endpoint.len ? result->endpoint : result->host;
    struct buffer record;

    json_open(out, NULL, '{');
    if (result->record->has_certificate) {
        add_certificate(result, host, out);
    } else {
        json_text(out, "scan_host", host);
        json_integer(out, "scan_port", result->port);
        json_time_ms(out, "scan_timestamp", result->record->time_ms);
    }
    json_open(out, "target", '{');
    json_text(out, "host", result->host);
    json_integer(out, "port", result->port);
    json_text(out, "protocol", result->protocol);
    json_text(out, "connect_address", result->connect_address);
    json_close(out, '}');
    json_text(out, "endpoint", result->endpoint);
    buffer_init(&record);
    json_encoder.encode(&encoding, &result->record->head, &record);
    json_raw(out, "record", slice_trim(buffer_slice(&record)));
    out->failed |= record.failed;
    buffer_deinit(&record);
    json_close(out, '}');
}

static void add_list(struct buffer *out, const char *name, struct slice items) {
    json_open(out, name, '[');
    buffer_add_slice(out, items);
    json_close(out, ']');
}

void report_add_body(const struct report_head *head, struct slice certificates,
                     struct slice failures, struct buffer *out) {
    json_open(out, NULL, '{');
    json_time_ms(out, "scan_timestamp", head->now_ms);
    json_words(out, "daemon_version", head->version);
    json_flag(out, "websocket_alerts", head->websocket_alerts);
    json_open(out, "alert_thresholds", '[');
    for (uint32_t i = 0; i < head->threshold_count; i++)
        json_integer(out, NULL, head->threshold_days[i]);
    json_close(out, ']');
    json_words(out, "agent", head->agent);
    json_integer(out, "scan_interval", head->interval_ms / 1000);
    add_list(out, "certificates", certificates);
    add_list(out, "failures", failures);
    json_close(out, '}');
}

/* --- Schemas --- */

static const struct schema scout_name_schema = {
    .name = "ScoutName",
    .fields =
        (const struct schema_field[]){
            {.name = "type",
             .type = SCHEMA_TEXT,
             .flags = SCHEMA_REQUIRED,
             .summary = "DNS or IP."},
            {.name = "value", .type = SCHEMA_TEXT, .flags = SCHEMA_REQUIRED},
            {0}},
};

#define OF_OURS                                                                                    \
    {.name = "target",                                                                             \
     .type = SCHEMA_ANY,                                                                           \
     .summary = "Of ours: host, port, protocol, connect_address."},                                \
        {.name = "endpoint",                                                                       \
         .type = SCHEMA_TEXT,                                                                      \
         .summary = "Of ours: the address, of a block or of a name that has several."},            \
        {.name = "record", .type = SCHEMA_ANY, .summary = "Of ours: the probe's record."}

const struct schema scout_certificate_schema = {
    .name = "ScoutCertificate",
    .fields =
        (const struct schema_field[]){
            {.name = "scan_host", .type = SCHEMA_TEXT, .flags = SCHEMA_REQUIRED},
            {.name = "scan_port", .type = SCHEMA_INTEGER, .flags = SCHEMA_REQUIRED},
            {.name = "scan_timestamp", .type = SCHEMA_TEXT},
            {.name = "subject", .type = SCHEMA_ANY},
            {.name = "issuer", .type = SCHEMA_ANY},
            {.name = "validity", .type = SCHEMA_ANY},
            {.name = "serial_number", .type = SCHEMA_TEXT},
            {.name = "version", .type = SCHEMA_INTEGER},
            {.name = "signature_algorithm", .type = SCHEMA_TEXT},
            {.name = "fingerprints", .type = SCHEMA_ANY},
            {.name = "subject_alternative_names", .type = SCHEMA_LIST, .of = &scout_name_schema},
            {.name = "key_info", .type = SCHEMA_ANY},
            {.name = "is_self_signed", .type = SCHEMA_FLAG},
            {.name = "raw_certificate",
             .type = SCHEMA_TEXT,
             .summary = "PEM, or the base64 of DER: what all else is read from."},
            OF_OURS,
            {0}},
};

const struct schema scout_failure_schema = {
    .name = "ScoutFailure",
    .fields =
        (const struct schema_field[]){
            {.name = "scan_host", .type = SCHEMA_TEXT, .flags = SCHEMA_REQUIRED},
            {.name = "scan_port", .type = SCHEMA_INTEGER, .flags = SCHEMA_REQUIRED},
            {.name = "scan_timestamp", .type = SCHEMA_TEXT},
            OF_OURS,
            {0}},
};
