#include "sinks/store/store_rows.h"

/* The columns stand in the order in which store_rows.c fills them. */

#define CERTIFICATE_COLUMNS                                                                        \
    "fingerprint_sha256, subject, issuer, issuer_cn, issuer_o, serial, not_before, not_after,"     \
    " key_type, key_bits, signature_algorithm, is_ca, self_signed, fingerprint_sha1, tbs_sha256,"  \
    " spki_sha256, first_seen, last_seen, der"

/* What only a chain has told so far is completed by the certificate itself. */
#define KNOWN(column) column " = COALESCE(certificates." column ", excluded." column "), "
#define SEEN(table)                                                                                \
    "first_seen = CASE WHEN excluded.first_seen < " table ".first_seen"                            \
    " THEN excluded.first_seen ELSE " table ".first_seen END,"                                     \
    " last_seen = CASE WHEN excluded.last_seen > " table ".last_seen"                              \
    " THEN excluded.last_seen ELSE " table ".last_seen END"

/* clang-format off */
static const char CERTIFICATES[] =
    "INSERT INTO certificates (" CERTIFICATE_COLUMNS ")"
    " SELECT " CERTIFICATE_COLUMNS " FROM batch WHERE true"
    " ON CONFLICT (fingerprint_sha256) DO UPDATE SET "
    KNOWN("subject") KNOWN("issuer") KNOWN("issuer_cn") KNOWN("issuer_o") KNOWN("serial")
    KNOWN("not_before") KNOWN("not_after") KNOWN("key_type") KNOWN("key_bits")
    KNOWN("signature_algorithm") KNOWN("is_ca") KNOWN("self_signed") KNOWN("fingerprint_sha1")
    KNOWN("tbs_sha256") KNOWN("spki_sha256") KNOWN("der")
    SEEN("certificates")
    " WHERE excluded.last_seen > certificates.last_seen"
    " OR excluded.first_seen < certificates.first_seen"
    " OR (certificates.der IS NULL AND excluded.der IS NOT NULL)";
/* clang-format on */

/* A probe that is older than the newest changes nothing but the time of the first; one that got no
 * certificate leaves the one that is known. */
#define NEWEST(column, value)                                                                      \
    column " = CASE WHEN excluded.last_seen >= endpoints.last_seen THEN " value                    \
           " ELSE endpoints." column " END, "

/* clang-format off */
static const char ENDPOINTS[] =
    "INSERT INTO endpoints (host, ip, port, protocol, first_seen, last_seen, outcome, status,"
    " certificate, chain, detail)"
    " SELECT batch.host, batch.ip, batch.port, batch.protocol, batch.first_seen, batch.last_seen,"
    " batch.outcome, batch.status, c.id, h.id, d.id FROM batch"
    " LEFT JOIN certificates c ON c.fingerprint_sha256 = batch.fingerprint"
    " LEFT JOIN chains h ON h.hash = batch.chain_hash"
    " LEFT JOIN details d ON d.hash = batch.detail_hash"
    " WHERE true ON CONFLICT (host, ip, port, protocol) DO UPDATE SET "
    NEWEST("outcome", "excluded.outcome")
    NEWEST("status", "excluded.status")
    NEWEST("certificate", "COALESCE(excluded.certificate, endpoints.certificate)")
    NEWEST("chain",
           "CASE WHEN excluded.certificate IS NULL THEN endpoints.chain ELSE excluded.chain END")
    NEWEST("detail", "excluded.detail")
    SEEN("endpoints");
/* clang-format on */

static const char OBSERVATIONS[] =
    "INSERT INTO observations (id, endpoint, time, outcome, status, days_left, certificate, chain,"
    " detail)"
    " SELECT batch.id, e.id, batch.time, batch.outcome, batch.status, batch.days_left, c.id, h.id,"
    " d.id FROM batch"
    " JOIN endpoints e ON e.host = batch.host AND e.ip = batch.ip AND e.port = batch.port"
    " AND e.protocol = batch.protocol"
    " LEFT JOIN certificates c ON c.fingerprint_sha256 = batch.fingerprint"
    " LEFT JOIN chains h ON h.hash = batch.chain_hash"
    " LEFT JOIN details d ON d.hash = batch.detail_hash"
    " WHERE true ON CONFLICT DO NOTHING";

static const char CT_HITS[] =
    "INSERT INTO ct_hits (entry, time, update_type, source_log, log_id, log_index, seen_at,"
    " entry_time, verdict, severity, known_by, issuance_id, certificate, record)"
    " SELECT batch.entry, batch.time, batch.update_type, batch.source_log, batch.log_id,"
    " batch.log_index, batch.seen_at, batch.entry_time, batch.verdict, batch.severity,"
    " batch.known_by, batch.issuance_id, c.id, batch.record FROM batch"
    " LEFT JOIN certificates c ON c.fingerprint_sha256 = batch.fingerprint"
    " WHERE true ON CONFLICT DO NOTHING";

const struct sql_bulk store_bulks[STORE_TABLES] = {
    [STORE_CERTIFICATES] = {"btttttiititiibbbiib", CERTIFICATE_COLUMNS, CERTIFICATES},
    [STORE_NAMES] = {"btt", "fingerprint, name, reversed",
                     "INSERT INTO certificate_names (certificate, name, reversed)"
                     " SELECT c.id, batch.name, batch.reversed FROM batch"
                     " JOIN certificates c ON c.fingerprint_sha256 = batch.fingerprint"
                     " WHERE true ON CONFLICT DO NOTHING"},
    [STORE_CHAINS] = {"b", "hash",
                      "INSERT INTO chains (hash) SELECT hash FROM batch"
                      " WHERE true ON CONFLICT DO NOTHING"},
    [STORE_LINKS] = {"bib", "hash, place, fingerprint",
                     "INSERT INTO chain_links (chain, position, certificate)"
                     " SELECT h.id, batch.place, c.id FROM batch"
                     " JOIN chains h ON h.hash = batch.hash"
                     " JOIN certificates c ON c.fingerprint_sha256 = batch.fingerprint"
                     " WHERE true ON CONFLICT DO NOTHING"},
    [STORE_DETAILS] = {"bt", "hash, record",
                       "INSERT INTO details (hash, record) SELECT hash, record FROM batch"
                       " WHERE true ON CONFLICT DO NOTHING"},
    [STORE_ENDPOINTS] = {"ttitiittbbb",
                         "host, ip, port, protocol, first_seen, last_seen, outcome, status,"
                         " fingerprint, chain_hash, detail_hash",
                         ENDPOINTS},
    [STORE_OBSERVATIONS] = {"bttitittrbbb",
                            "id, host, ip, port, protocol, time, outcome, status, days_left,"
                            " fingerprint, chain_hash, detail_hash",
                            OBSERVATIONS},
    [STORE_CT_HITS] = {"bittbiiitttbbt",
                       "entry, time, update_type, source_log, log_id, log_index, seen_at,"
                       " entry_time, verdict, severity, known_by, issuance_id, fingerprint, record",
                       CT_HITS},
};
