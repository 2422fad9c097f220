#include "engine/record/event.h"

#include "engine/base/text.h"
#include "engine/record/endpoint.h"
#include "engine/record/json.h"

static const char *priority_of(enum status status) {
    static const char *const names[STATUS_COUNT] = {
        [STATUS_UNKNOWN] = "normal",  [STATUS_OK] = "low",     [STATUS_WARNING] = "normal",
        [STATUS_CRITICAL] = "urgent", [STATUS_ERROR] = "high",
    };
    return names[status];
}

/* "www.example.org:443: critical" */
static void add_title(const struct probe_record *record, struct buffer *out) {
    endpoint_add(record, out);
    buffer_add_text(out, ": ");
    buffer_add_text(out, status_name(record->status));
}

static void add_findings(const struct probe_record *record, struct buffer *out) {
    const char *before = out->len ? "; " : "";

    for (int i = 0; i < FINDING_COUNT; i++) {
        if (!(record->findings >> i & 1))
            continue;
        buffer_add_text(out, before);
        buffer_add_text(out, finding_name((enum finding)i));
        before = ", ";
    }
}

/* "certificate until 2027-01-29T23:59:59Z, issued by Example CA 7; untrusted, name_mismatch" */
static void add_message(const struct probe_record *record, struct buffer *out) {
    if (record->outcome != OUTCOME_OK) {
        buffer_add_text(out, outcome_name(record->outcome));
        if (record->error.len)
            buffer_add_text(out, ": ");
        text_add_safe(out, record->error);
        buffer_add_text(out, record->has_certificate ? "; " : "");
    }
    if (record->has_certificate) {
        buffer_add_text(out, "certificate");
        if (record->certificate.has_validity) {
            buffer_add_text(out, " until ");
            text_add_time(out, record->certificate.not_after);
        }
        if (record->certificate.issuer_cn.len) {
            buffer_add_text(out, ", issued by ");
            text_add_safe(out, record->certificate.issuer_cn);
        }
    }
    add_findings(record, out);
}

static void add_words(const char *name, const struct probe_record *record,
                      void (*add)(const struct probe_record *record, struct buffer *out),
                      struct buffer *out) {
    struct buffer words;

    buffer_init(&words);
    add(record, &words);
    buffer_add_format(out, ",\"%s\":", name);
    json_add_text(buffer_slice(&words), out);
    out->failed |= words.failed;
    buffer_deinit(&words);
}

/* The record's own object, which begins where the envelope ends. */
static void add_record(const struct encoding *encoding, const struct record *record,
                       struct buffer *out) {
    static const char end[] = "}\n";
    size_t at = out->len;

    json_encoder.encode(encoding, record, out);
    if (out->failed)
        return;
    out->len -= sizeof end - 1;
    out->ptr[at] = ',';
    if (out->len == at + 1) /* no field was there */
        out->len = at;
}

void event_add(const struct encoding *encoding, const struct probe_record *record,
               struct buffer *out) {
    buffer_add_text(out, "{\"schema_version\":\"1\",\"event\":\"tls_result\",\"ts\":");
    text_add_integer(out, record->time_ms / 1000);
    add_words("title", record, add_title, out);
    add_words("message", record, add_message, out);
    buffer_add_format(out, ",\"priority\":\"%s\"", priority_of(record->status));
    add_record(encoding, &record->head, out);
}
