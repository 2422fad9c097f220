/* Whether a certificate is for the name or address that was asked for: RFC 9525 section 6.
 * Sans-I/O, pure. */
#ifndef ENGINE_X509_NAME_MATCH_H
#define ENGINE_X509_NAME_MATCH_H

#include "engine/base/address.h"
#include "engine/x509/certificate.h"

struct name_match_options {
    bool allow_common_name; /* fall back to the subject's CN when there is no subjectAltName */
};

/* `host` is a DNS name as A-labels, in any case, with or without a final dot. Wildcards count as
 * the whole left-most label only, with two labels behind them, and stand for exactly one label. A
 * host that looks like an address matches nothing. `matched` (may be NULL) gets the
 * name that matched, a slice into the certificate, or into `scratch` for a common name. */
bool name_match_host(const struct certificate *certificate, struct slice host,
                     const struct name_match_options *options, struct buffer *scratch,
                     struct slice *matched);

/* IP SANs only: a DNS name or CN that looks like an address never matches. */
bool name_match_address(const struct certificate *certificate, const struct address *address,
                        struct slice *matched);

#endif
