/* Any bytes as an OCSP response: nothing is read outside them.
 *
 * The input is a leaf and its issuer, each behind a length of two bytes, and the response. */
#include "engine/x509/ocsp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice take_certificate(struct slice *in) {
    size_t len = in->len < 2 ? 0 : (size_t)in->ptr[0] << 8 | in->ptr[1];
    struct slice rest = slice_from(*in, 2), der = slice_first(rest, len);
    *in = slice_from(rest, der.len);
    return der;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = {data, size};
    struct certificate leaf, issuer;
    struct ocsp_answer answer;

    bool leaf_ok = certificate_decode(take_certificate(&in), &leaf) == CERTIFICATE_OK;
    bool issuer_ok = certificate_decode(take_certificate(&in), &issuer) == CERTIFICATE_OK;
    if (!leaf_ok)
        return 0;
    enum ocsp_result result =
        ocsp_read(in, &leaf, issuer_ok ? &issuer : NULL, INT64_C(1767225600), &answer);
    if (!ocsp_result_name(result) || !ocsp_status_name((enum ocsp_status)answer.status) ||
        !ocsp_signature_name((enum ocsp_signature)answer.signature))
        abort();
    struct slice scts = answer.sct_list;
    if (scts.len && (scts.ptr < in.ptr || scts.ptr + scts.len > in.ptr + in.len))
        abort();
    if (result != OCSP_READ && answer.signature != OCSP_SIGNATURE_UNCHECKED)
        abort();
    return 0;
}
