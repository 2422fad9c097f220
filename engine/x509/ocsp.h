/* A stapled OCSP response (RFC 6960): what the issuer, or a responder that it named, says about one
 * certificate. Pure, safe on every thread; no clock: whether a response is still current is for the
 * caller to say by its dates. */
#ifndef ENGINE_X509_OCSP_H
#define ENGINE_X509_OCSP_H

#include "engine/x509/certificate.h"

/* How far a response could be read. */
enum ocsp_result {
    OCSP_READ,              /* it speaks of the certificate: `status` and the dates are set */
    OCSP_MALFORMED,         /* not an OCSPResponse with a BasicOCSPResponse in it */
    OCSP_UNSUCCESSFUL,      /* the responder gave an error: `response_status` */
    OCSP_OTHER_CERTIFICATE, /* it speaks of other certificates only */
};

/* CertStatus */
enum ocsp_status { OCSP_GOOD, OCSP_REVOKED, OCSP_UNKNOWN };

/* Whether it is the word of one who may say so. */
enum ocsp_signature {
    OCSP_SIGNATURE_UNCHECKED, /* the issuer is not known */
    OCSP_SIGNATURE_VALID,     /* by the issuer, or by a responder with the issuer's leave */
    OCSP_SIGNATURE_INVALID,   /* by nobody who may, or it is wrong, or its algorithm is not known */
};

/* Times in seconds since 1970, 0 where there is none. */
struct ocsp_answer {
    uint8_t response_status; /* section 4.2.1: 0 successful, 3 tryLater, 6 unauthorized ... */
    uint8_t status;          /* enum ocsp_status */
    uint8_t signature;       /* enum ocsp_signature */
    bool delegated;          /* signed by a responder with a certificate of its own */
    int64_t produced_at, this_update, next_update, revoked_at;
    uint8_t revocation_reason; /* RFC 5280 section 5.3.1; 0 also when none is given */
    struct slice sct_list;     /* SignedCertificateTimestampList, or empty; points into `der` */
};

/* Reads what `der` says of `leaf`. `issuer` may be NULL. `now` is what a delegated responder's
 * certificate must be valid at, in seconds since 1970. */
enum ocsp_result ocsp_read(struct slice der, const struct certificate *leaf,
                           const struct certificate *issuer, int64_t now, struct ocsp_answer *out);

/* "good", "revoked", "unknown"; "valid", "invalid", "unchecked". */
const char *ocsp_status_name(enum ocsp_status status);
const char *ocsp_signature_name(enum ocsp_signature signature);
/* "read", "malformed", "unsuccessful", "other_certificate". */
const char *ocsp_result_name(enum ocsp_result result);

#endif
