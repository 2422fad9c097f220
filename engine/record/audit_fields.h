/* What an audit finds, as records show it: the audit itself, SCTs, the stapled OCSP response. All
 * of it lies in the record's arena. */
#ifndef ENGINE_RECORD_AUDIT_FIELDS_H
#define ENGINE_RECORD_AUDIT_FIELDS_H

#include "engine/base/arena.h"
#include "engine/tls/audit.h"
#include "engine/x509/ocsp.h"
#include "engine/x509/sct.h"

struct audit_fields {
    struct tls_audit_result found; /* without its ocsp_response, sct_list and ca_names ... */
    struct slice_list ca_names;    /* ... which stand here as RFC 4514 text */
};

/* The audit's result as a record keeps it, in `arena`; audit_fields_out_of_memory when there is no
 * room for it. */
const struct audit_fields *audit_fields_new(const struct tls_audit_result *result,
                                            struct arena *arena);

/* Of an audit that could not begin, or not be put down. */
extern const struct audit_fields audit_fields_out_of_memory;

struct sct_fields {
    uint8_t source, verdict; /* enum sct_source, enum sct_verdict */
    uint8_t log_id[SCT_LOG_ID_BYTES];
    int64_t time_ms;  /* since 1970 */
    struct slice log; /* its name; empty when it is not known */
};

/* SCTs of one certificate that are listed; real ones have two to five. */
enum { SCT_FIELDS_MAX = 32 };

/* Where SCTs come from; each a SignedCertificateTimestampList, or empty. */
struct sct_sources {
    const struct certificate *leaf;   /* with those inside it */
    const struct certificate *issuer; /* or NULL */
    struct slice in_ocsp, in_tls;
};

struct sct_fields_list {
    const struct sct_fields *items;
    uint32_t count;
};

/* All SCTs that can be read, checked against the logs. False when there is no memory. */
bool sct_fields_fill(const struct sct_sources *sources, const struct sct_log *logs,
                     size_t log_count, struct arena *arena, struct sct_fields_list *out);

struct ocsp_fields {
    enum ocsp_result result;
    struct ocsp_answer answer; /* without its sct_list */
};

/* What a stapled response says. NULL when there is no memory. */
const struct ocsp_fields *ocsp_fields_new(struct slice response, const struct certificate *leaf,
                                          const struct certificate *issuer, int64_t now,
                                          struct arena *arena);

#endif
