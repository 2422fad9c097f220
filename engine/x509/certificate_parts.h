/* What the parts of engine/x509 share about a certificate: key and extension details that users of
 * certificate.h need not see. For engine/x509, and engine/ct for the object identifiers. */
#ifndef ENGINE_X509_CERTIFICATE_PARTS_H
#define ENGINE_X509_CERTIFICATE_PARTS_H

#include "engine/x509/certificate.h"
#include "engine/x509/der.h"

/* The two extensions of RFC 6962 that are no part of what a log signs: sections 3.3 and 3.1. */
#define EXTENSION_SCT_LIST                                                                         \
    "\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02" /* 1.3.6.1.4.1.11129.2.4.2                          \
                                                */
#define EXTENSION_CT_POISON                                                                        \
    "\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03" /* 1.3.6.1.4.1.11129.2.4.3                          \
                                                */
enum { EXTENSION_CT_OID_BYTES = 10 };

/* The content of SEQUENCE OF Extension; false when there is none or it cannot be read. */
bool certificate_extension_list(const struct certificate *certificate, struct slice *list);

/* Sets key_type and key_bits from `spki`; false when that is no SubjectPublicKeyInfo. A key that
 * cannot be understood is unknown or has 0 bits, which is no error. */
bool certificate_describe_key(struct certificate *certificate);

/* The content of subjectPublicKey, without the unused-bits byte. */
bool certificate_public_key(const struct certificate *certificate, struct slice *key);

#endif
