/* Signed Certificate Timestamps (RFC 6962 section 3.2): a log's promise to publish a certificate.
 * They come in three ways: inside the certificate, in a stapled OCSP response, and in a TLS
 * extension; each brings a SignedCertificateTimestampList.
 *
 * Pure but for the memory of one check; nothing is kept, safe on every thread. */
#ifndef ENGINE_X509_SCT_H
#define ENGINE_X509_SCT_H

#include "engine/x509/certificate.h"

enum { SCT_LOG_ID_BYTES = 32 };

/* Slices point into the list. */
struct sct {
    uint8_t version;       /* 0 for version 1; the rest is only read when it is */
    struct slice log_id;   /* SHA-256 of the log's key */
    uint64_t timestamp_ms; /* since 1970 */
    struct slice extensions;
    uint8_t hash, algorithm; /* RFC 5246 section 7.4.1.4.1 */
    struct slice signature;
};

/* Takes the two bytes of its length off a list; false when that is not the length of the rest. */
bool sct_list_open(struct slice *list);

/* Takes the first SCT off an opened list; false at the end, with `list` then empty, and at one that
 * cannot be read, with `list` then not empty. */
bool sct_next(struct slice *list, struct sct *out);

/* A log that is known: a log list has its key, and its id is the key's SHA-256. */
struct sct_log {
    uint8_t id[SCT_LOG_ID_BYTES];
    struct slice spki;
    struct slice name; /* for people; may be empty */
};

/* The known log that an SCT is from; NULL when it is none of these. */
const struct sct_log *sct_find_log(const struct sct *sct, const struct sct_log *logs,
                                   size_t log_count);

enum sct_source { SCT_EMBEDDED, SCT_IN_OCSP, SCT_IN_TLS };

enum sct_verdict {
    SCT_UNKNOWN_LOG, /* not among the logs that were given */
    SCT_VALID,
    SCT_INVALID,   /* the signature is not the log's, or cannot be read */
    SCT_UNCHECKED, /* no issuer, whose key an embedded SCT signs too; or no memory */
};

/* Whether a known log signed this for `leaf`. `issuer` may be NULL; only embedded SCTs need it. The
 * timestamp is the caller's to compare with the clock. */
enum sct_verdict sct_verify(const struct sct *sct, enum sct_source source,
                            const struct certificate *leaf, const struct certificate *issuer,
                            const struct sct_log *logs, size_t log_count);

/* "embedded", "ocsp", "tls"; "valid", "unknown_log", ... */
const char *sct_source_name(enum sct_source source);
const char *sct_verdict_name(enum sct_verdict verdict);

#endif
