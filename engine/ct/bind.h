/* Whether a submitted precertificate is the one whose TBS the log has put into its tree (RFC 6962
 * section 3.2). The tree covers the TBS only: a front end can serve any precertificate beside it,
 * and what is shown as "the certificate" must not be believed before it is bound.
 *
 * Pure, no allocation, safe on every thread. */
#ifndef ENGINE_CT_BIND_H
#define ENGINE_CT_BIND_H

#include "engine/x509/certificate.h"

enum ct_binding {
    CT_BOUND = 0,          /* byte for byte, but for the poison extension */
    CT_BOUND_BUT_ISSUER,   /* issuer and authority key identifier, or one of them, differ too: right
                              only when a precertificate signing certificate issued it */
    CT_UNBOUND_UNREADABLE, /* one of the two is no certificate, or has an extension twice that
                              matters here */
    CT_UNBOUND_NO_POISON,
    CT_UNBOUND_POISON_NOT_CRITICAL,
    CT_UNBOUND_DIFFERENT,
};

/* `precertificate` is the whole DER, `tbs` the logged TBSCertificate with its header. What the
 * poison extension holds is not looked at. */
enum ct_binding ct_bind(struct slice precertificate, struct slice tbs);

static inline bool ct_binding_holds(enum ct_binding binding) {
    return binding == CT_BOUND || binding == CT_BOUND_BUT_ISSUER;
}

/* "precertificate differs from the logged TBS" and the like. */
const char *ct_binding_text(enum ct_binding binding);

/* True when the extended key usage makes this a precertificate signing certificate (RFC 6962
 * section 3.1). Where the chain is at hand, its first certificate must be one for
 * CT_BOUND_BUT_ISSUER to be right. */
bool ct_is_precert_signing(const struct certificate *issuer);

#endif
