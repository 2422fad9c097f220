/* The fields of the record of a log's entry, in the order in which they are written. */
#include "engine/record/certificate_rows.h"
#include "engine/record/ct_record.h"

enum { SCHEMA = 1 };

/* `r` is the entry's record, `i` the index of a list's item */
#define GETTER(name, statement)                                                                    \
    static void get_##name(const struct record *record, uint32_t i, struct value *out) {           \
        const struct ct_record *r = (const struct ct_record *)record;                              \
        (void)r, (void)i;                                                                          \
        statement;                                                                                 \
    }

#define COUNTER(name, expression)                                                                  \
    static uint32_t count_##name(const struct record *record) {                                    \
        const struct ct_record *r = (const struct ct_record *)record;                              \
        return (expression);                                                                       \
    }

GETTER(record, words(out, record->kind->name))
GETTER(schema, integer(out, SCHEMA))
GETTER(time, number(out, VALUE_TIME_MS, r->time_ms))
GETTER(update_type, words(out, ct_update_name(r->update)))
GETTER(source_log, text(out, r->source_log))
GETTER(log_id, r->has_log_id ? HASH(r->log_id) : absent(out))
GETTER(index, r->has_index ? integer(out, (int64_t)r->index) : absent(out))
GETTER(cert_link, text(out, r->cert_link))
GETTER(entry, bytes(out, VALUE_BASE64, r->entry))
GETTER(error, text(out, r->error))
GETTER(matched_entries, text_item(out, r->matched_entries.items[i]))
COUNTER(matched_entries, r->matched_entries.count)
GETTER(matched_names, text_item(out, r->matched_names.items[i]))
COUNTER(matched_names, r->matched_names.count)
GETTER(lookalike_brand, text(out, r->brand))
GETTER(lookalike_kind, text(out, r->lookalike))
GETTER(lookalike_score, r->brand.len ? integer(out, r->lookalike_score) : absent(out))
GETTER(verdict, words(out, ct_verdict_name(r->verdict)))
GETTER(severity, words(out, ct_verdict_severity(r->verdict)))
GETTER(known_by, words(out, ct_known_by_name(r->known_by)))
GETTER(fingerprint_sha1,
       r->certificate.has_fingerprint_sha1 ? HASH(r->certificate.fingerprint_sha1) : absent(out))
GETTER(tbs_sha256, r->certificate.has_tbs_sha256 ? HASH(r->certificate.tbs_sha256) : absent(out))
GETTER(seen_at, number(out, VALUE_TIME_MS, r->seen_ms))
GETTER(entry_time, r->has_timestamp ? number(out, VALUE_TIME_MS, r->entry_ms) : absent(out))
GETTER(issuance_id, HASH(r->issuance_id))

WORD_TABLE(update, ct_update_name, CT_UPDATES)
WORD_TABLE(verdict, ct_verdict_name, CT_VERDICTS)
WORD_TABLE(severity, ct_verdict_severity, CT_VERDICTS)
WORD_TABLE(known_by, ct_known_by_name, CT_KNOWN_KINDS)

static const struct field CT_FIELDS[] = {
    FIELD("record", record, VALUE_TEXT, SUMMARY("kind of record: \"ct\"")),
    FIELD("schema", schema, VALUE_INTEGER, SUMMARY("version of this record's layout: 1")),
    FIELD("time", time, VALUE_TIME_MS, SUMMARY("when the record was made")),
    FIELD("update_type", update_type, VALUE_TEXT,
          SUMMARY("X509LogEntry or PrecertLogEntry; absent where nobody tells"), WORDS(update)),
    FIELD("source_log", source_log, VALUE_TEXT, SUMMARY("name of the log")),
    FIELD("log_id", log_id, VALUE_HEX, SUMMARY("SHA-256 of the log's key")),
    FIELD("index", index, VALUE_INTEGER, SUMMARY("number of the entry in the log")),
    FIELD("cert_link", cert_link, VALUE_TEXT, SUMMARY("where the entry can be read"),
          PARTS(PART_LINK)),

    CERTIFICATE_ROWS,
    CHAIN_ROW("certificates that were submitted with it: subject, issuer, not_after, "
              "fingerprint_sha256"),

    FIELD("entry", entry, VALUE_BASE64,
          SUMMARY("the entry's bytes, when something is wrong with it")),
    FIELD("error", error, VALUE_TEXT, SUMMARY("what is wrong with the entry, for a person")),

    LIST("matched_entries", matched_entries, VALUE_TEXT,
         SUMMARY("entries of the watch list that it matches"), ALWAYS),
    LIST("matched_names", matched_names, VALUE_TEXT,
         SUMMARY("names of the certificate that matched"), ALWAYS),
    FIELD("lookalike.brand", lookalike_brand, VALUE_TEXT, SUMMARY("brand that a name imitates")),
    FIELD("lookalike.kind", lookalike_kind, VALUE_TEXT,
          SUMMARY("how: confusable, typo, added words, other tld, subdomain")),
    FIELD("lookalike.score", lookalike_score, VALUE_INTEGER, SUMMARY("how much so: 0 to 100")),

    FIELD("verdict", verdict, VALUE_TEXT,
          SUMMARY("info (known), suspicious, malformed or lookalike; absent with --all"),
          WORDS(verdict)),
    FIELD("severity", severity, VALUE_TEXT, SUMMARY("info, warning or suspicious"),
          WORDS(severity)),
    FIELD("known_by", known_by, VALUE_TEXT,
          SUMMARY("what the inventory knew it by: tbs_sha256, fingerprint, serial, spki_sha256"),
          WORDS(known_by)),
    FIELD("fingerprint_sha1", fingerprint_sha1, VALUE_HEX,
          SUMMARY("SHA-1 of the certificate; absent where the feed gives none"),
          PARTS(PART_FINGERPRINT_SHA1)),
    FIELD("tbs_sha256", tbs_sha256, VALUE_HEX,
          SUMMARY("SHA-256 of the RFC 6962 TBS: the same for precertificate and certificate"),
          PARTS(PART_TBS_SHA256)),
    FIELD("seen_at", seen_at, VALUE_TIME_MS, SUMMARY("when the entry was received")),
    FIELD("entry_time", entry_time, VALUE_TIME_MS, SUMMARY("timestamp that the log gave it")),
    FIELD("issuance_id", issuance_id, VALUE_HEX,
          SUMMARY("the issuance: the same for precertificate and certificate, in every log"),
          PARTS(PART_TBS_SHA256)),
};

_Static_assert(sizeof CT_FIELDS / sizeof CT_FIELDS[0] <= FIELDS_MAX, "too many fields");

const struct record_kind ct_record_kind = {
    .name = "ct",
    .fields = CT_FIELDS,
    .field_count = sizeof CT_FIELDS / sizeof CT_FIELDS[0],
};
