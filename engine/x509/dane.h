/* DANE: whether the certificates of a server fit the TLSA records of its name (RFC 6698, RFC 7671).
 * No I/O and no clock; one thread at a time, that of the trust checker. Whether the records can be
 * believed, because DNSSEC protects them, is for the caller to say. */
#ifndef ENGINE_X509_DANE_H
#define ENGINE_X509_DANE_H

#include "engine/base/tlsa.h"
#include "engine/x509/trust.h"

/* The numbers of the wire, with the names of RFC 7218. */
enum dane_usage { DANE_PKIX_TA, DANE_PKIX_EE, DANE_TA, DANE_EE };
enum dane_selector { DANE_CERT, DANE_SPKI };
enum dane_matching { DANE_FULL, DANE_SHA2_256, DANE_SHA2_512 };

/* What came of one record. */
enum dane_match {
    DANE_NOT_COMPARED, /* it cannot be used, or another with a stronger digest replaces it */
    DANE_DIFFERS,
    DANE_MATCHES,
};

enum dane_verdict {
    DANE_UNUSABLE, /* no record can be used */
    DANE_MISMATCHED,
    DANE_MATCHED, /* by one of them; the others do not matter */
};

struct dane_server {
    struct slice_list chain; /* DER, as sent, the leaf first; the leaf can be read */
    bool uses_pkix;          /* usages 0 and 1 count: not for SMTP (RFC 7672 section 3.1.3), and not
                                where nobody verified the chain */
    bool trusted;            /* it leads to a trusted root */
    bool name_matches;       /* the leaf is for the name that was asked for */
    int64_t unix_seconds;    /* the time to verify for */
};

/* Usage 3 asks for the leaf and for nothing else: neither name nor dates (RFC 7671 section 5.1).
 * Usage 2 asks for a valid path, for that name, to a certificate that was sent, or to one that the
 * record has itself, or to a bare key (sections 5.2.2 and 5.2.3). Usages 0 and 1 ask for a match on
 * the trusted path, as the server has sent it. Records of unknown kind or with broken data cannot
 * be used; of those that differ in their digest alone the strongest counts (section 9).
 *
 * `matches` gets an entry a record. `checker` need not have roots, but for usage 0. False when
 * there is no memory. */
bool dane_check(const struct dane_server *server, struct trust_checker *checker,
                const struct tlsa *records, uint32_t count, enum dane_match *matches,
                enum dane_verdict *verdict) __attribute__((warn_unused_result));

#endif
