/* What a certificate has against the rules of the profession (RFC 5280, CA/Browser Forum Baseline
 * Requirements) that no client refuses it for: worth a line, never a verdict. Pure. */
#ifndef ENGINE_X509_LINT_H
#define ENGINE_X509_LINT_H

#include "engine/x509/certificate.h"

/* Bits. */
enum certificate_lint {
    /* No authorityKeyIdentifier in what another key signed, or no subjectKeyIdentifier in a CA: RFC
       5280 sections 4.2.1.1 and 4.2.1.2. */
    LINT_KEY_IDENTIFIER = 1 << 0,
    /* Zero, negative, or more than 20 octets: RFC 5280 section 4.1.2.2. */
    LINT_SERIAL = 1 << 1,
    /* A DNS name with an underscore: Baseline Requirements section 7.1.4.2.1. */
    LINT_UNDERSCORE = 1 << 2,
    /* An extended key usage that allows everything, or that leaves servers out. */
    LINT_EXTENDED_KEY_USAGE = 1 << 3,
};

/* Those of a certificate that was decoded without an error. `self_signed` as
 * certificate_is_self_signed says, which costs more than all of this. */
unsigned certificate_lints(const struct certificate *certificate, bool self_signed);

#endif
