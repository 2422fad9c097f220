/* What webhooks are sent, one object a line: of a log's entry certwatch's payload, of a probe an
 * event.
 *
 * The last member is always `id`, by which a receiver knows what it has already. It is the same
 * whenever the same thing is told again: of an alert the issuance and the verdict, of a probe the
 * record's own, of all else a hash over the whole. */
#include "engine/record/certwatch.h"
#include "engine/record/encoder.h"
#include "engine/record/event.h"

#include "engine/base/text.h"
#include "engine/x509/certificate.h"

enum { ID_BYTES = 16 };

static void add_alert_id(const struct ct_record *alert, struct buffer *out) {
    text_add_hex(out, (struct slice){alert->issuance_id, sizeof alert->issuance_id});
    buffer_add_byte(out, '-');
    buffer_add_text(out, ct_verdict_name(alert->verdict));
}

static void add_hash(struct slice text, struct buffer *out) {
    uint8_t hash[CERTIFICATE_SHA256_BYTES];

    certificate_sha256(text, hash);
    text_add_hex(out, (struct slice){hash, ID_BYTES});
}

/* Whether the record's own id, the last of its fields, was written with them. */
static bool tells_id(const struct field_selection *fields) {
    return fields->count && strcmp(fields->fields[fields->count - 1].field->name, "id") == 0;
}

/* Of the payload that begins at `at`. */
static void add_id(const struct record *record, size_t at, struct buffer *out) {
    const struct ct_record *entry = ct_record_of(record);
    const struct probe_record *probe = probe_record_of(record);
    size_t len = out->len - at;

    buffer_add_text(out, ",\"id\":\"");
    if (probe)
        text_add_hex(out, (struct slice){probe->id, sizeof probe->id});
    else if (entry->verdict != CT_VERDICT_NONE)
        add_alert_id(entry, out);
    else if (!out->failed)
        add_hash((struct slice){out->ptr + at, len}, out);
    buffer_add_text(out, "\"");
}

static void encode(const struct encoding *encoding, const struct record *record,
                   struct buffer *out) {
    const struct ct_record *entry = ct_record_of(record);
    const struct probe_record *probe = probe_record_of(record);
    size_t at = out->len;

    if (entry)
        certwatch_add(entry, out);
    else if (probe)
        event_add(encoding, probe, out);
    else
        return;
    if (entry || !tells_id(encoding->fields))
        add_id(record, at, out);
    buffer_add_text(out, "}\n");
}

const struct encoder webhook_encoder = {
    .name = "webhook",
    .summary = "what webhooks are sent: certwatch's payload of a log's entry, an event of a probe",
    .takes_fields = true,                                                       /* of events */
    .parts = PART_HASHES | PART_SUBJECT | PART_ISSUER | PART_NAMES | PART_LINK, /* of entries */
    .encode = encode,
};
