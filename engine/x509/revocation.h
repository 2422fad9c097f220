/* What a CRL says of one certificate at one time, in the words of a record. Pure, safe on every
 * thread. */
#ifndef ENGINE_X509_REVOCATION_H
#define ENGINE_X509_REVOCATION_H

#include "engine/x509/crl.h"

/* From the best to the worst, so that the verdict on a path is the greatest of its certificates. */
enum revocation_status {
    REVOCATION_UNCHECKED,
    REVOCATION_GOOD,    /* a current list does not name it */
    REVOCATION_STALE,   /* nor does one that should have been replaced */
    REVOCATION_UNKNOWN, /* there is no list that tells */
    REVOCATION_REVOKED, /* a list names it, however old that is */
};

struct revocation {
    uint8_t status;                               /* enum revocation_status */
    uint8_t reason;                               /* as of crl_reason_name */
    int64_t revoked_at, this_update, next_update; /* seconds since 1970; 0 where there is none */
    const char *error; /* static words: why it is unknown; NULL otherwise */
};

/* `is_signed`: what crl_is_signed_by said of the certificate's issuer. */
struct revocation revocation_of(const struct crl *crl, bool is_signed,
                                const struct certificate *certificate, int64_t unix_seconds);

/* "unchecked", "good", "stale", "unknown", "revoked". */
const char *revocation_status_name(enum revocation_status status);

#endif
