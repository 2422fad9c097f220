#include "engine/x509/bundle.h"

#include "engine/base/limits.h"
#include "engine/x509/der.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/pool.h>
#include <openssl/stack.h>

bool bundle_next(struct slice *bundle, struct slice *der) {
    return der_get_element(bundle, der, DER_SEQUENCE);
}

/* SEQUENCE { TBSCertificate SEQUENCE ...; of PKCS#7 an OID comes first. */
static bool looks_like_certificate(struct slice der) {
    struct slice content;

    return der_get(&der, &content, DER_SEQUENCE) && !der.len && der_next_is(content, DER_SEQUENCE);
}

static size_t read_pkcs7(struct slice der, size_t max, struct buffer *out) {
    STACK_OF(CRYPTO_BUFFER) *certificates = sk_CRYPTO_BUFFER_new_null();
    size_t count = 0;
    CBS cbs;

    CBS_init(&cbs, der.ptr, der.len);
    if (certificates && PKCS7_get_raw_certificates(certificates, &cbs, NULL))
        for (; count < max && count < sk_CRYPTO_BUFFER_num(certificates); count++) {
            const CRYPTO_BUFFER *certificate = sk_CRYPTO_BUFFER_value(certificates, count);
            buffer_add(out, CRYPTO_BUFFER_data(certificate), CRYPTO_BUFFER_len(certificate));
        }
    sk_CRYPTO_BUFFER_pop_free(certificates, CRYPTO_BUFFER_free);
    return count;
}

static size_t read_der(struct slice der, size_t max, struct buffer *out) {
    if (!looks_like_certificate(der))
        return read_pkcs7(der, max, out);
    if (max == 0)
        return 0;
    buffer_add_slice(out, der);
    return 1;
}

static size_t read_pem(struct slice text, size_t max, struct buffer *out) {
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    char *name, *header;
    uint8_t *der;
    long len;
    size_t count = 0;

    while (bio && count < max && PEM_read_bio(bio, &name, &header, &der, &len)) {
        if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_PKCS7) == 0)
            count += read_der((struct slice){der, (size_t)len}, max - count, out);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    BIO_free(bio);
    return count;
}

size_t bundle_read(struct slice bytes, size_t max, struct buffer *out) {
    size_t count =
        der_next_is(bytes, DER_SEQUENCE) ? read_der(bytes, max, out) : read_pem(bytes, max, out);

    ERR_clear_error();
    return out->failed ? 0 : count;
}

bool bundle_lacks_issuer(const struct slice *chain, size_t count, struct certificate *last) {
    struct certificate decoded[LIMIT_CHAIN_CERTIFICATES];
    size_t at = 0, readable = 0;
    uint32_t passed = 0;

    for (size_t i = 0; i < count && readable < LIMIT_CHAIN_CERTIFICATES; i++)
        if (certificate_decode(chain[i], &decoded[readable]) == CERTIFICATE_OK)
            readable++;
        else if (i == 0)
            return false;
    while (readable && !slice_equal(decoded[at].subject, decoded[at].issuer)) {
        size_t above = 0;
        passed |= UINT32_C(1) << at;
        while (above < readable && !slice_equal(decoded[above].subject, decoded[at].issuer))
            above++;
        if (above == readable) {
            *last = decoded[at];
            return true;
        }
        if (passed >> above & 1)
            return false;
        at = above;
    }
    return false;
}
