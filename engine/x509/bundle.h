/* Certificates that come together: what stands behind a caIssuers URL (RFC 5280 section 4.2.2.1), a
 * verified path. One behind the other, as DER, in one run of bytes. Pure, safe on every thread. */
#ifndef ENGINE_X509_BUNDLE_H
#define ENGINE_X509_BUNDLE_H

#include "engine/x509/certificate.h"

/* Appends at most `max` certificates that `bytes` hold, as DER, PEM, or PKCS#7 certs-only in either
 * form, and returns how many. Their insides are not looked at. 0 also when there is no memory, with
 * `out->failed` set. */
size_t bundle_read(struct slice bytes, size_t max, struct buffer *out);

/* Takes the first certificate off `bundle`; false at the end. */
bool bundle_next(struct slice *bundle, struct slice *der);

/* Whether the issuer of a certificate on the way up from the leaf, `chain[0]`, is missing, going by
 * names alone; `last` gets that certificate, and points into the chain. False for ways that end in
 * a certificate which names itself as its issuer, or that go round. At most
 * LIMIT_CHAIN_CERTIFICATES are looked at. */
bool bundle_lacks_issuer(const struct slice *chain, size_t count, struct certificate *last);

#endif
