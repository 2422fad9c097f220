#include "engine/record/certwatch.h"

#include "engine/base/text.h"
#include "engine/record/json.h"

#include <inttypes.h>

enum { DAY_S = 86400 };

static void add_name(const char *name, struct buffer *out) {
    buffer_add_format(out, ",\"%s\":", name);
}

static void add_text(const char *name, struct slice text, struct buffer *out) {
    add_name(name, out);
    json_add_text(text, out);
}

static void add_integer(const char *name, int64_t number, struct buffer *out) {
    add_name(name, out);
    text_add_integer(out, number);
}

static void add_hex(const char *name, struct slice bytes, struct buffer *out) {
    add_name(name, out);
    buffer_add_byte(out, '"');
    text_add_hex(out, bytes);
    buffer_add_byte(out, '"');
}

#define ADD_HASH(name, array, out) add_hex(name, (struct slice){array, sizeof array}, out)

static void add_list(const char *name, struct slice_list list, struct buffer *out) {
    add_name(name, out);
    buffer_add_byte(out, '[');
    for (uint32_t i = 0; i < list.count; i++) {
        if (i)
            buffer_add_byte(out, ',');
        json_add_text(list.items[i], out);
    }
    buffer_add_byte(out, ']');
}

/* --- certwatch's own --- */

/* Upper-case, without the zero byte that DER puts before a high bit. */
static void add_serial(struct slice serial, struct buffer *out) {
    static const char DIGITS[] = "0123456789ABCDEF";

    while (serial.len > 1 && serial.ptr[0] == 0)
        serial = slice_from(serial, 1);
    add_name("serial", out);
    buffer_add_byte(out, '"');
    for (size_t i = 0; i < serial.len; i++) {
        buffer_add_byte(out, (uint8_t)DIGITS[serial.ptr[i] >> 4]);
        buffer_add_byte(out, (uint8_t)DIGITS[serial.ptr[i] & 15]);
    }
    buffer_add_byte(out, '"');
}

/* A number with one decimal: 90.0. */
static void add_lifetime(int64_t seconds, struct buffer *out) {
    int64_t tenth = DAY_S / 10, size = seconds < 0 ? -seconds : seconds;
    int64_t tenths = (size + tenth / 2) / tenth;

    buffer_add_format(out, ",\"lifetime_days\":%s%" PRId64 ".%" PRId64,
                      seconds < 0 && tenths ? "-" : "", tenths / 10, tenths % 10);
}

static void add_validity(const struct ct_record *record, struct buffer *out) {
    const struct certificate_fields *certificate = &record->certificate;

    if (!certificate->has_validity) {
        buffer_add_text(out, ",\"not_before\":null,\"not_after\":null,\"lifetime_days\":null");
        return;
    }
    add_integer("not_before", certificate->not_before, out);
    add_integer("not_after", certificate->not_after, out);
    add_lifetime(certificate->not_after - certificate->not_before, out);
}

static void add_certwatch(const struct ct_record *record, struct buffer *out) {
    const struct certificate_fields *certificate = &record->certificate;

    buffer_add_text(out, "{\"fingerprint_sha1\":\"");
    if (certificate->has_fingerprint_sha1)
        text_add_hex(out, (struct slice){certificate->fingerprint_sha1,
                                         sizeof certificate->fingerprint_sha1});
    buffer_add_byte(out, '"');
    add_text("severity", slice_of(ct_verdict_severity(record->verdict)), out);
    add_list("matched_entries", record->matched_entries, out);
    add_list("matched_sans", record->matched_names, out);
    add_list("all_sans", certificate->dns_names, out);
    add_text("issuer_o", certificate->issuer_o, out);
    add_text("issuer_cn", certificate->issuer_cn, out);
    add_validity(record, out);
    add_text("source_log", record->source_log, out);
    add_text("cert_link", record->cert_link, out);
    add_serial(certificate->serial, out);
    add_text("update_type", slice_of(ct_update_name(record->update)), out);
    add_integer("seen_at", record->seen_ms / 1000, out);
}

/* --- Ours --- */

static void add_known_text(const char *name, struct slice text, struct buffer *out) {
    if (text.len)
        add_text(name, text, out);
}

static void add_lookalike(const struct ct_record *record, struct buffer *out) {
    if (!record->brand.len)
        return;
    buffer_add_text(out, ",\"lookalike\":{\"brand\":");
    json_add_text(record->brand, out);
    add_text("kind", record->lookalike, out);
    add_integer("score", record->lookalike_score, out);
    buffer_add_byte(out, '}');
}

void certwatch_add(const struct ct_record *record, struct buffer *out) {
    const struct certificate_fields *certificate = &record->certificate;

    add_certwatch(record, out);
    if (certificate->has_tbs_sha256)
        ADD_HASH("tbs_sha256", certificate->tbs_sha256, out);
    if (certificate->has_spki_sha256)
        ADD_HASH("spki_sha256", certificate->spki_sha256, out);
    if (certificate->has_fingerprint_sha256)
        ADD_HASH("fingerprint_sha256", certificate->fingerprint_sha256, out);
    if (record->has_log_id)
        ADD_HASH("log_id", record->log_id, out);
    if (record->has_index)
        add_integer("index", (int64_t)record->index, out);
    if (record->has_timestamp)
        add_integer("entry_time", record->entry_ms / 1000, out);
    ADD_HASH("issuance_id", record->issuance_id, out);
    add_known_text("verdict", slice_of(ct_verdict_name(record->verdict)), out);
    add_known_text("known_by", slice_of(ct_known_by_name(record->known_by)), out);
    add_lookalike(record, out);
    add_known_text("subject_cn", certificate->subject_cn, out);
    add_known_text("error", record->error, out);
}
