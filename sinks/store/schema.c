#include "sinks/store/schema.h"

/* Never changed once released; what changes is another step. */

static const char SWEEPS[] =
    "CREATE TABLE certificates ("
    " id {id},"
    " fingerprint_sha256 {bytes} NOT NULL UNIQUE,"
    " subject {text}, issuer {text}, issuer_cn {text}, issuer_o {text},"
    " serial {text}," /* hexadecimal, as encoded */
    " not_before {int}, not_after {int},"
    " key_type {text}, key_bits {int}, signature_algorithm {text},"
    " is_ca {int}, self_signed {int},"
    " fingerprint_sha1 {bytes}, tbs_sha256 {bytes}, spki_sha256 {bytes},"
    " first_seen {int} NOT NULL, last_seen {int} NOT NULL,"
    " der {bytes});" /* last: what is read often stands before it. NULL where only its chain told */
    "CREATE INDEX certificates_not_after ON certificates (not_after);"
    "CREATE INDEX certificates_serial ON certificates (serial);"

    /* Of the SAN. `reversed` is the name from its end: what lies below a domain stands together. */
    "CREATE TABLE certificate_names ("
    " certificate {int} NOT NULL,"
    " name {text} NOT NULL, reversed {text} NOT NULL,"
    " PRIMARY KEY (certificate, name));"
    "CREATE INDEX certificate_names_reversed ON certificate_names (reversed);"

    /* What was sent behind the server's certificate. */
    "CREATE TABLE chains (id {id}, hash {bytes} NOT NULL UNIQUE);"
    "CREATE TABLE chain_links ("
    " chain {int} NOT NULL,"
    " position {int} NOT NULL,"
    " certificate {int} NOT NULL,"
    " PRIMARY KEY (chain, position));"

    "CREATE TABLE details (id {id}, hash {bytes} NOT NULL UNIQUE, record {text} NOT NULL);"

    "CREATE TABLE endpoints ("
    " id {id},"
    " host {text} NOT NULL,"
    " ip {text} NOT NULL," /* empty when the name led to none */
    " port {int} NOT NULL, protocol {text} NOT NULL,"
    " first_seen {int} NOT NULL, last_seen {int} NOT NULL,"
    " outcome {text} NOT NULL, status {text} NOT NULL,"
    " certificate {int}," /* the last that it showed */
    " chain {int},"
    " detail {int},"
    " UNIQUE (host, ip, port, protocol));"
    "CREATE INDEX endpoints_certificate ON endpoints (certificate);"

    "CREATE TABLE observations ("
    " id {bytes} NOT NULL UNIQUE," /* the record's */
    " endpoint {int} NOT NULL,"
    " time {int} NOT NULL,"
    " outcome {text} NOT NULL, status {text} NOT NULL,"
    " days_left {real},"
    " certificate {int},"
    " chain {int},"
    " detail {int});"
    "CREATE INDEX observations_endpoint ON observations (endpoint, time);";

/* The bytes of a certificate out of the row, so that a new last_seen does not write them again. */
static const char SWEEPS_POSTGRESQL[] =
    "ALTER TABLE certificates SET (toast_tuple_target = 128);"
    "ALTER TABLE certificates ALTER COLUMN der SET STORAGE EXTERNAL;";

static const char LOGS[] =
    "CREATE TABLE ct_hits ("
    " id {id},"
    " entry {bytes} NOT NULL UNIQUE," /* the record's id; without one, log and number, or a hash */
    " time {int} NOT NULL,"
    " update_type {text}, source_log {text}, log_id {bytes}, log_index {int},"
    " seen_at {int}, entry_time {int},"
    " verdict {text}, severity {text}, known_by {text},"
    " issuance_id {bytes},"
    " certificate {int},"       /* NULL when nothing tells its SHA-256 */
    " record {text} NOT NULL);" /* as JSON, without the certificate's bytes */
    "CREATE INDEX ct_hits_time ON ct_hits (time);"
    "CREATE INDEX ct_hits_certificate ON ct_hits (certificate);";

static const struct migration STEPS[] = {
    {SWEEPS, SWEEPS_POSTGRESQL},
    {LOGS, NULL},
};

const struct migrated_part store_schema = {
    .name = "store",
    .steps = STEPS,
    .count = sizeof STEPS / sizeof STEPS[0],
};

void store_reverse_name(struct slice name, uint8_t *out) {
    size_t end = name.len, used = 0;

    for (size_t at = name.len; at-- > 0;)
        if (name.ptr[at] == '.') {
            memcpy(out + used, name.ptr + at + 1, end - at - 1);
            used += end - at - 1;
            out[used++] = '.';
            end = at;
        }
    if (end)
        memcpy(out + used, name.ptr, end);
    for (size_t i = 0; i < name.len; i++)
        if (out[i] >= 'A' && out[i] <= 'Z')
            out[i] |= 0x20;
}
