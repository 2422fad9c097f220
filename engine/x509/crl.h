/* A certificate revocation list (RFC 5280 section 5): read once, never changed after, asked often.
 *
 * Sans-I/O: bytes in, a list out that keeps a copy of them; whoever read it owns it. Reading and
 * crl_free belong to one thread at a time, questions are safe on every thread. What would need more
 * than this list alone is refused: delta CRLs, indirect CRLs, critical extensions that are not
 * known here. Whether a list is still current is for the caller to say by its dates. */
#ifndef ENGINE_X509_CRL_H
#define ENGINE_X509_CRL_H

#include "engine/x509/certificate.h"

enum crl_error {
    CRL_OK = 0,
    CRL_TOO_LARGE, /* over LIMIT_CRL_BYTES */
    CRL_MALFORMED,
    CRL_DELTA,
    CRL_INDIRECT,
    CRL_UNKNOWN_CRITICAL, /* of the list or of an entry */
    CRL_NO_MEMORY,
};

struct crl {
    struct slice issuer; /* Name with its header */
    struct signature signature;
    int64_t this_update, next_update; /* seconds since 1970; next_update 0 when there is none */
    uint32_t revoked_count;
    size_t memory_bytes; /* all that this list takes */

    /* The issuing distribution point (section 5.2.5). */
    struct slice point_names; /* GeneralNames; empty when it holds for all points */
    bool has_point;           /* it names one, maybe in a form that is not understood */
    bool only_users, only_cas, only_attributes;
    bool some_reasons; /* a certificate that is not listed may be revoked for another reason */

    uint8_t *der;            /* heap */
    const uint32_t *entries; /* heap: where entries begin in `der`, sorted by serial number */
};

/* Reads DER, or the first CRL of a PEM file. On an error there is no list. */
enum crl_error crl_read(struct slice bytes, struct crl **out) __attribute__((warn_unused_result));

/* NULL is fine. */
void crl_free(struct crl *crl);

/* "the CRL is malformed" and the like. */
const char *crl_error_text(enum crl_error error);

/* Whether this list is one in which `certificate` would stand: of its issuer, its kind, and of one
 * of the distribution points that it names. */
bool crl_covers(const struct crl *crl, const struct certificate *certificate);

/* Whether `issuer` signed it and may do so: with SHA-2 or better, and with a key that is allowed to
 * sign CRLs. One public-key operation over the whole list, so remember the answer. */
bool crl_is_signed_by(const struct crl *crl, const struct certificate *issuer);

struct crl_entry {
    int64_t revoked_at; /* seconds since 1970 */
    uint8_t reason;     /* section 5.3.1; 0 also when none is given */
};

/* True when `serial` (content of the INTEGER, as encoded) is listed. */
bool crl_find(const struct crl *crl, struct slice serial, struct crl_entry *out);

/* "key_compromise" and so on; "unspecified" also for numbers that mean nothing. */
const char *crl_reason_name(uint8_t reason);

#endif
