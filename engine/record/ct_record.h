/* The record of an entry of a Certificate Transparency log: "ct" beside "probe" (record.h).
 *
 * It is made by the worker that decoded the entry. The verdict needs the inventory, so the ledger
 * adds it, as long as it is the record's only owner; what is published never changes. */
#ifndef ENGINE_RECORD_CT_RECORD_H
#define ENGINE_RECORD_CT_RECORD_H

#include "engine/record/record.h"

enum ct_update {
    CT_UPDATE_UNKNOWN = 0, /* feeds of names alone do not tell */
    CT_UPDATE_X509,        /* "X509LogEntry" */
    CT_UPDATE_PRECERT,     /* "PrecertLogEntry" */
    CT_UPDATES,
};

enum ct_verdict {
    CT_VERDICT_NONE = 0,   /* nobody asked: every entry is recorded */
    CT_VERDICT_INFO,       /* known to the inventory */
    CT_VERDICT_SUSPICIOUS, /* watched, and not known after the grace period */
    CT_VERDICT_MALFORMED,  /* cannot be parsed, so that nobody can say for whom else it is */
    CT_VERDICT_LOOKALIKE,
    CT_VERDICTS,
};

/* By which evidence an entry was found in the inventory. */
enum ct_known_by {
    CT_KNOWN_NOT = 0,
    CT_KNOWN_TBS,
    CT_KNOWN_FINGERPRINT,
    CT_KNOWN_SERIAL, /* with the same validity */
    CT_KNOWN_KEY,
    CT_KNOWN_KINDS,
};

/* Times in a record are at most this, positive or negative, whatever a log or a feed says. */
#define CT_RECORD_TIME_MAX (INT64_MAX / 4)

struct ct_record {
    struct record head;
    int64_t time_ms; /* when the record was made, since 1970 */
    enum ct_update update;
    struct slice source_log; /* the log's name */
    bool has_log_id, has_index, has_timestamp;
    uint8_t log_id[32];
    uint64_t index;
    struct slice cert_link; /* where the entry can be read */
    int64_t seen_ms;        /* when it was received, or when the feed says it saw it */
    int64_t entry_ms;       /* the log's timestamp, the SCT's */

    bool has_certificate;                  /* could be parsed, or was told by a feed */
    struct certificate_fields certificate; /* of a log's precertificate: what the tree covers, with
                                              the submitted one as `der` where that is the same */
    bool has_fingerprint; /* SHA-256 or SHA-1: some feeds give none for precertificates, and that of
                             a precertificate which is not what the log has is not believed */
    const struct chain_link *chain; /* behind the certificate; only the fingerprint where the issuer
                                       could not be had */
    uint32_t chain_count;
    struct slice entry; /* as the log gave it, when something is wrong with it */
    struct slice error; /* what: it cannot be parsed, the precertificate is not the one that was
                           logged, the index in it is another's */

    struct slice_list matched_entries, matched_names; /* of the watch list; of the certificate */
    struct slice brand, lookalike;                    /* which brand; "confusable added-word" */
    uint8_t lookalike_score;                          /* 0 to 100 */

    enum ct_verdict verdict;
    enum ct_known_by known_by;
    uint8_t issuance_id[16]; /* of the issuance: the same for a precertificate and its certificate,
                                from any log; from feeds that tell neither, the same within those */
};

/* NULL when there is no memory. */
struct ct_record *ct_record_new(size_t bytes);

extern const struct record_kind ct_record_kind;

const char *ct_update_name(enum ct_update update);
const char *ct_verdict_name(enum ct_verdict verdict);
/* "info", "warning", "suspicious": what certwatch calls severity. */
const char *ct_verdict_severity(enum ct_verdict verdict);
/* "tbs_sha256", "fingerprint", "serial", "spki_sha256". */
const char *ct_known_by_name(enum ct_known_by known_by);

static inline const struct ct_record *ct_record_of(const struct record *record) {
    return record->kind == &ct_record_kind ? (const struct ct_record *)record : NULL;
}

#endif
