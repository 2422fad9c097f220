/* Any bytes as a CRL: nothing is read outside them.
 *
 * The input is a leaf and its issuer, each behind a length of two bytes, and the CRL. */
#include "engine/x509/revocation.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice take_certificate(struct slice *in) {
    size_t len = in->len < 2 ? 0 : (size_t)in->ptr[0] << 8 | in->ptr[1];
    struct slice rest = slice_from(*in, 2), der = slice_first(rest, len);
    *in = slice_from(rest, der.len);
    return der;
}

static void ask(const struct crl *crl, const struct certificate *leaf,
                const struct certificate *issuer) {
    struct revocation found =
        revocation_of(crl, crl_is_signed_by(crl, issuer), leaf, INT64_C(1767225600));

    if (!revocation_status_name((enum revocation_status)found.status) ||
        !crl_reason_name(found.reason))
        abort();
    if ((found.status == REVOCATION_UNKNOWN) != (found.error != NULL))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = {data, size};
    struct certificate leaf, issuer;
    struct crl_entry entry;
    struct crl *crl;

    bool leaf_ok = certificate_decode(take_certificate(&in), &leaf) == CERTIFICATE_OK;
    bool issuer_ok = certificate_decode(take_certificate(&in), &issuer) == CERTIFICATE_OK;
    enum crl_error error = crl_read(in, &crl);
    if (error != CRL_OK) {
        if (!crl_error_text(error))
            abort();
        return 0;
    }
    if (leaf_ok && issuer_ok)
        ask(crl, &leaf, &issuer);
    if (leaf_ok && crl_find(crl, leaf.serial, &entry) && crl->revoked_count == 0)
        abort();
    crl_free(crl);
    return 0;
}
