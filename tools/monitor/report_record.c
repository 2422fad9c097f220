#include "tools/monitor/report_record.h"

#include "engine/base/base64.h"
#include "engine/base/limits.h"
#include "engine/base/quote.h"
#include "engine/base/text.h"
#include "engine/starttls/dialogue.h"
#include "engine/tls/session.h"
#include "engine/x509/certificate.h"
#include "engine/x509/crl.h"
#include "engine/x509/revocation.h"
#include "tools/monitor/report.h"

enum { CRL_REASONS = 11 }; /* RFC 5280 section 5.3.1 */

/* --- Values --- */

static struct slice text_of(yyjson_val *object, const char *name) {
    yyjson_val *value = yyjson_obj_get(object, name);
    return json_slice(value);
}

/* In the record's memory, cut. */
static struct slice keep(struct probe_record *record, struct slice text, size_t most) {
    return arena_copy(&record->head.memory, slice_first(text, most));
}

static int64_t number_of(yyjson_val *object, const char *name, int64_t most, int64_t otherwise) {
    yyjson_val *value = yyjson_obj_get(object, name);
    int64_t number = yyjson_is_int(value) ? yyjson_get_sint(value) : -1;

    return number >= 0 && number <= most ? number : otherwise;
}

static bool flag_of(yyjson_val *object, const char *name) {
    return yyjson_is_true(yyjson_obj_get(object, name));
}

static int64_t time_s_of(yyjson_val *object, const char *name) {
    int64_t ms;
    return report_time(text_of(object, name), &ms) ? ms / 1000 : 0;
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool report_read_hex(struct slice text, uint8_t *out, size_t size) {
    size_t count = 0;

    for (size_t i = 0; i + 1 < text.len; i += 2) {
        i += text.ptr[i] == ':';
        int high = hex_digit(text.ptr[i]), low = i + 1 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
        if (high < 0 || low < 0 || count == size)
            return false;
        out[count++] = (uint8_t)(high << 4 | low);
    }
    return count == size;
}

bool report_read_base64(struct slice text, size_t size, struct buffer *out) {
    size_t len = 0;
    uint8_t *at = text.len ? buffer_reserve(out, base64_decoded_max(text.len) + 1) : NULL;

    if (!at || !base64_decode(text, at, &len, NULL) || len > size)
        return false;
    out->len += len;
    return true;
}

/* The number of a word in a table of names; -1 when it is not there. */
static const char *words_outcome(int i) {
    return outcome_name((enum outcome)i);
}
static const char *words_stage(int i) {
    return stage_name((enum stage)i);
}
static const char *words_plan(int i) {
    return plan_name((enum plan)i);
}
static const char *words_finding(int i) {
    return finding_name((enum finding)i);
}
static const char *words_revocation(int i) {
    return revocation_status_name((enum revocation_status)i);
}
static const char *words_reason(int i) {
    return crl_reason_name((uint8_t)i);
}

static int find_word(struct slice word, int count, const char *(*name)(int)) {
    for (int i = 0; i < count; i++)
        if (slice_is(word, name(i)))
            return i;
    return -1;
}

/* --- The parts of a record --- */

enum error report_fill_der(struct slice der, struct probe_record *record, struct failure *failure) {
    struct arena *memory = &record->head.memory;
    struct certificate certificate;

    der = arena_copy(memory, der);
    if (!der.ptr)
        return failure_set(failure, ERROR_MEMORY, "no memory for a record");
    enum certificate_error wrong = certificate_decode(der, &certificate);
    if (wrong != CERTIFICATE_OK)
        return failure_set(failure, ERROR_INPUT, "raw_certificate: %s",
                           certificate_error_text(wrong));
    if (!certificate_fields_fill(&certificate, memory, &record->certificate))
        return failure_set(failure, ERROR_MEMORY, "no memory for a record");
    record->has_certificate = true;
    record->earliest_not_after = certificate.not_after;
    return ERROR_NONE;
}

static void fill_addresses(yyjson_val *object, struct probe_record *record) {
    yyjson_val *list = yyjson_obj_get(object, "addresses"), *value;
    size_t i, count, total = yyjson_arr_size(list);
    struct address *addresses;

    address_parse(text_of(object, "ip"), &record->address);
    if (!total ||
        !(addresses = arena_take(&record->head.memory, REPORT_ADDRESSES_MAX * sizeof *addresses)))
        return;
    yyjson_arr_foreach(list, i, count, value) {
        struct slice text = json_slice(value);
        if (record->address_count < REPORT_ADDRESSES_MAX &&
            address_parse(text, &addresses[record->address_count]))
            record->address_count++;
    }
    record->addresses = addresses;
}

static void fill_timing(yyjson_val *timing, struct probe_record *record) {
    struct probe_timing *to = &record->timing;

    to->dns_us = number_of(timing, "dns", INT64_MAX, -1);
    to->connect_us = number_of(timing, "connect", INT64_MAX, -1);
    to->starttls_us = number_of(timing, "starttls", INT64_MAX, -1);
    to->handshake_us = number_of(timing, "handshake", INT64_MAX, -1);
    to->total_us = number_of(timing, "total", INT64_MAX, -1);
}

/* A number without a name stands as "0x1301". */
static uint16_t code_of(struct slice word) {
    uint8_t bytes[2];

    if (word.len == 6 && slice_is(slice_first(word, 2), "0x") &&
        report_read_hex(slice_from(word, 2), bytes, sizeof bytes))
        return (uint16_t)(bytes[0] << 8 | bytes[1]);
    return 0;
}

static uint16_t cipher_of(struct slice word) {
    uint16_t cipher;

    for (size_t i = 0; (cipher = tls_cipher_number(i)) != 0; i++)
        if (slice_is(word, tls_cipher_name(cipher)))
            return cipher;
    return code_of(word);
}

static uint16_t group_of(struct slice word) {
    for (uint32_t group = 1; word.len && group <= UINT16_MAX; group++) {
        const char *name = tls_group_name((uint16_t)group);
        if (name && slice_is(word, name))
            return (uint16_t)group;
    }
    return code_of(word);
}

static void fill_alert(struct slice word, struct probe_record *record) {
    uint16_t found = code_of(word);

    if (!word.len)
        return;
    for (uint16_t alert = 0; alert <= UINT8_MAX; alert++) {
        const char *name = tls_alert_name((uint8_t)alert);
        if (name && slice_is(word, name))
            found = alert;
    }
    record->tls.alert_received = true;
    record->tls.alert = (uint8_t)found;
}

static void fill_tls(yyjson_val *tls, struct probe_record *record) {
    yyjson_val *asked = yyjson_obj_get(tls, "client_certificate_requested");

    record->has_tls = yyjson_is_obj(tls);
    if (!record->has_tls)
        return;
    if (!tls_version_by_name(text_of(tls, "version"), &record->tls.version))
        record->tls.version = code_of(text_of(tls, "version"));
    record->tls.cipher = cipher_of(text_of(tls, "cipher"));
    record->tls.group = group_of(text_of(tls, "group"));
    record->tls.alpn = keep(record, text_of(tls, "alpn"), UINT8_MAX);
    record->tls.client_certificate_known = yyjson_is_bool(asked);
    record->tls.client_certificate_requested = yyjson_is_true(asked);
    record->tls.ocsp_stapled = flag_of(tls, "ocsp_stapled");
    record->tls.key_proven = flag_of(tls, "key_proven");
    record->tls.sct_count = (uint16_t)number_of(tls, "sct_count", UINT16_MAX, 0);
    fill_alert(text_of(tls, "alert"), record);
}

static void fill_chain(yyjson_val *list, struct probe_record *record) {
    struct chain_link *links;
    yyjson_val *value;
    size_t i, count, total = yyjson_arr_size(list);

    if (!total ||
        !(links = arena_take(&record->head.memory, LIMIT_CHAIN_CERTIFICATES * sizeof *links)))
        return;
    record->chain = links;
    yyjson_arr_foreach(list, i, count, value) {
        if (record->chain_count == LIMIT_CHAIN_CERTIFICATES)
            break;
        struct chain_link *link = &links[record->chain_count++];
        *link = (struct chain_link){
            .readable = text_of(value, "subject").len || text_of(value, "issuer").len,
            .subject = keep(record, text_of(value, "subject"), LIMIT_NAME_TEXT_BYTES),
            .issuer = keep(record, text_of(value, "issuer"), LIMIT_NAME_TEXT_BYTES),
            .not_after = time_s_of(value, "not_after"),
        };
        (void)report_read_hex(text_of(value, "fingerprint_sha256"), link->fingerprint_sha256,
                              sizeof link->fingerprint_sha256);
        if (link->readable && link->not_after && link->not_after < record->earliest_not_after)
            record->earliest_not_after = link->not_after;
    }
}

static void fill_trust(yyjson_val *trust, struct probe_record *record) {
    yyjson_val *trusted = yyjson_obj_get(trust, "trusted"),
               *matches = yyjson_obj_get(trust, "name_matches");

    record->has_trust = record->has_certificate && yyjson_is_obj(trust);
    if (!record->has_trust)
        return;
    record->trust.chain_checked = yyjson_is_bool(trusted);
    record->trust.trusted = yyjson_is_true(trusted);
    record->trust.name_checked = yyjson_is_bool(matches);
    record->trust.name_matches = yyjson_is_true(matches);
    record->trust.error = keep(record, text_of(trust, "error"), 64);
    record->trust.matched_name = keep(record, text_of(trust, "matched_name"), UINT8_MAX);
    record->trust.chain_not_after = time_s_of(trust, "chain_not_after");
    record->trust.fetched_issuers = (uint8_t)number_of(trust, "fetched_issuers", UINT8_MAX, 0);
}

static void fill_revocation(yyjson_val *revocation, struct probe_record *record) {
    int status = find_word(text_of(revocation, "status"), REVOCATION_REVOKED + 1, words_revocation),
        reason = find_word(text_of(revocation, "reason"), CRL_REASONS, words_reason);

    record->has_revocation = yyjson_is_obj(revocation);
    if (!record->has_revocation)
        return;
    record->revocation.status = (uint8_t)(status < 0 ? REVOCATION_UNCHECKED : status);
    record->revocation.reason = (uint8_t)(reason < 0 ? 0 : reason);
    record->revocation.depth = (uint8_t)number_of(revocation, "depth", UINT8_MAX, 0);
    record->revocation.revoked_at = time_s_of(revocation, "revoked_at");
    record->revocation.this_update = time_s_of(revocation, "this_update");
    record->revocation.next_update = time_s_of(revocation, "next_update");
    record->revocation.url = keep(record, text_of(revocation, "url"), LIMIT_FETCH_URL_BYTES);
    record->revocation.error = keep(record, text_of(revocation, "error"), REPORT_ERROR_BYTES);
}

static void fill_findings(yyjson_val *list, struct probe_record *record) {
    yyjson_val *value;
    size_t i, count;

    yyjson_arr_foreach(list, i, count, value) {
        struct slice word = json_slice(value);
        int finding = find_word(word, FINDING_COUNT, words_finding);
        if (finding >= 0)
            record->findings |= UINT64_C(1) << finding;
    }
}

enum error report_fill_record(yyjson_val *object, struct probe_record *record,
                              struct failure *failure) {
    struct slice outcome = text_of(object, "outcome"), stage = text_of(object, "stage"),
                 protocol = text_of(object, "protocol");
    uint16_t port;

    if (!object)
        return ERROR_NONE;
    int found = find_word(outcome, OUTCOME_COUNT, words_outcome);
    if (found < 0 || found == OUTCOME_CANCELLED)
        return failure_set(failure, ERROR_INPUT, "record.outcome is %s, which is none",
                           quote_of(outcome).text);
    record->outcome = (enum outcome)found;
    if ((found = find_word(stage, STAGE_COUNT, words_stage)) >= 0)
        record->stage = (enum stage)found;
    if ((found = find_word(text_of(object, "plan"), PLAN_COUNT, words_plan)) >= 0)
        record->plan = (enum plan)found;
    if ((found = dialogue_by_name(protocol, &port)) >= 0)
        record->protocol = slice_of(dialogues[found]->name);
    record->error = keep(record, text_of(object, "error"), REPORT_ERROR_BYTES);
    record->sni = keep(record, text_of(object, "sni"), LIMIT_HOST_NAME_BYTES);
    record->attempt = (uint16_t)number_of(object, "attempt", UINT16_MAX, 1);
    fill_addresses(object, record);
    fill_timing(yyjson_obj_get(object, "timing_us"), record);
    fill_tls(yyjson_obj_get(object, "tls"), record);
    fill_chain(yyjson_obj_get(object, "chain"), record);
    fill_trust(yyjson_obj_get(object, "trust"), record);
    fill_revocation(yyjson_obj_get(object, "revocation"), record);
    fill_findings(yyjson_obj_get(object, "findings"), record);
    return ERROR_NONE;
}

/* --- Certificates that are only told of --- */

/* An attribute of RFC 4514: what would end it is escaped. */
static void add_attribute(struct buffer *out, const char *type, struct slice value) {
    value = slice_first(value, LIMIT_HOST_NAME_BYTES);
    if (!value.len)
        return;
    buffer_add_format(out, "%s%s=", out->len ? "," : "", type);
    for (size_t i = 0; i < value.len; i++) {
        if (strchr(",+\"\\<>;", value.ptr[i]) && value.ptr[i])
            buffer_add_byte(out, '\\');
        buffer_add_byte(out, value.ptr[i]);
    }
}

static struct slice key_type_of(struct slice told) {
    static const char *const types[] = {"rsa", "ec", "dsa", "ed25519", "ed448"};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (slice_equal_nocase(told, slice_of(types[i])))
            return slice_of(types[i]);
    return slice_of("unknown");
}

static struct slice name_of(yyjson_val *name, struct probe_record *record) {
    static const char *const attributes[][2] = {
        {"CN", "common_name"}, {"OU", "organizational_unit"},
        {"O", "organization"}, {"L", "locality"},
        {"ST", "state"},       {"C", "country"}};
    struct buffer text;

    buffer_init(&text);
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
        add_attribute(&text, attributes[i][0], text_of(name, attributes[i][1]));
    struct slice copy = keep(record, buffer_slice(&text), LIMIT_NAME_TEXT_BYTES);
    record->head.memory.failed |= text.failed;
    buffer_deinit(&text);
    return copy;
}

static void fill_names(yyjson_val *list, struct probe_record *record) {
    struct certificate_fields *out = &record->certificate;
    size_t i, count, total = yyjson_arr_size(list);
    yyjson_val *value;

    total = total < LIMIT_CERTIFICATE_NAMES ? total : LIMIT_CERTIFICATE_NAMES;
    struct slice *names = arena_take(&record->head.memory, (total + 1) * sizeof *names);
    struct address *addresses = arena_take(&record->head.memory, (total + 1) * sizeof *addresses);
    if (!names || !addresses)
        return;
    out->dns_names.items = names;
    out->ip_addresses = addresses;
    yyjson_arr_foreach(list, i, count, value) {
        struct slice type = text_of(value, "type"), text = text_of(value, "value");
        out->names_total++;
        if (i >= total)
            continue;
        if (slice_is(type, "DNS") && text.len)
            names[out->dns_names.count++] = keep(record, text, LIMIT_HOST_NAME_BYTES);
        else if (slice_is(type, "IP") && address_parse(text, &addresses[out->ip_address_count]))
            out->ip_address_count++;
    }
}

enum error report_fill_told(yyjson_val *object, struct probe_record *record,
                            struct failure *failure) {
    struct certificate_fields *out = &record->certificate;
    yyjson_val *subject = yyjson_obj_get(object, "subject"),
               *issuer = yyjson_obj_get(object, "issuer"),
               *prints = yyjson_obj_get(object, "fingerprints"),
               *validity = yyjson_obj_get(object, "validity"),
               *key = yyjson_obj_get(object, "key_info");
    int64_t from_ms, to_ms;

    if (!report_time(text_of(validity, "not_before"), &from_ms) ||
        !report_time(text_of(validity, "not_after"), &to_ms))
        return failure_set(failure, ERROR_INPUT, "neither raw_certificate nor dates in validity");
    if (!report_read_hex(text_of(prints, "sha256"), out->fingerprint_sha256,
                         sizeof out->fingerprint_sha256))
        return failure_set(failure, ERROR_INPUT,
                           "neither raw_certificate nor a fingerprint (sha256)");
    out->told = out->has_fingerprint_sha256 = out->has_validity = true;
    out->has_fingerprint_sha1 = report_read_hex(text_of(prints, "sha1"), out->fingerprint_sha1,
                                                sizeof out->fingerprint_sha1);
    out->not_before = from_ms / 1000;
    out->not_after = record->earliest_not_after = to_ms / 1000;
    out->lifetime_days = (int32_t)((out->not_after - out->not_before + 1) / 86400);
    out->subject = name_of(subject, record);
    out->subject_cn = keep(record, text_of(subject, "common_name"), LIMIT_HOST_NAME_BYTES);
    out->issuer = name_of(issuer, record);
    out->issuer_cn = keep(record, text_of(issuer, "common_name"), LIMIT_HOST_NAME_BYTES);
    out->issuer_o = keep(record, text_of(issuer, "organization"), LIMIT_HOST_NAME_BYTES);
    out->signature_algorithm = keep(record, text_of(object, "signature_algorithm"), 64);
    out->key_type = key_type_of(text_of(key, "type"));
    out->key_bits = (uint16_t)number_of(key, "size", UINT16_MAX, 0);
    out->self_signed = flag_of(object, "is_self_signed");
    fill_names(yyjson_obj_get(object, "subject_alternative_names"), record);
    record->has_certificate = true;
    return ERROR_NONE;
}
