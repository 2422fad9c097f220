#include "tools/trawl/certificate_file.h"

#include "engine/x509/certificate.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/pkcs8.h>
#include <openssl/x509.h>
#include <stdlib.h>

enum {
    CERTIFICATES_MAX = 65536,
    ITERATIONS_MAX = 10 * 1000 * 1000, /* to derive all keys of a file: some seconds */
    DEPTH_MAX = 32,                    /* of elements in elements */
};

static enum error no_memory(struct failure *failure) {
    return failure_set(failure, ERROR_MEMORY, "no memory");
}

static bool add(struct certificate_file *file, struct slice der) {
    if (file->count == file->capacity) {
        uint32_t capacity = file->capacity ? file->capacity * 2 : 8;
        struct slice *items = reallocarray(file->items, capacity, sizeof *items);
        if (!items)
            return false;
        file->items = items;
        file->capacity = capacity;
    }
    uint8_t *copy = malloc(der.len ? der.len : 1);
    if (!copy)
        return false;
    if (der.len)
        memcpy(copy, der.ptr, der.len);
    file->items[file->count++] = (struct slice){copy, der.len};
    return true;
}

void certificate_file_deinit(struct certificate_file *file) {
    for (uint32_t i = 0; i < file->count; i++)
        free((uint8_t *)(uintptr_t)file->items[i].ptr);
    free(file->items);
    *file = (struct certificate_file){0};
}

/* --- PEM --- */

static bool is_certificate_label(const char *label) {
    return strcmp(label, PEM_STRING_X509) == 0 || strcmp(label, PEM_STRING_X509_OLD) == 0;
}

/* Every certificate of `text`; keys and whatever else is in it are passed over. */
static enum error read_pem(struct certificate_file *file, struct slice text,
                           struct failure *failure) {
    BIO *bio = BIO_new_mem_buf(text.ptr, (ossl_ssize_t)text.len);
    char *label = NULL, *header = NULL;
    uint8_t *der = NULL;
    long len = 0;
    bool ok = bio != NULL;

    while (ok && file->count < CERTIFICATES_MAX && PEM_read_bio(bio, &label, &header, &der, &len)) {
        if (is_certificate_label(label))
            ok = add(file, (struct slice){der, (size_t)len});
        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    uint32_t reason = ERR_peek_last_error();
    bool damaged = reason && ERR_GET_REASON(reason) != PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    if (!ok)
        return no_memory(failure);
    if (file->count == CERTIFICATES_MAX)
        return failure_set(failure, ERROR_LIMIT, "more than %d certificates", CERTIFICATES_MAX - 1);
    if (damaged)
        return failure_set(failure, ERROR_INPUT, "damaged PEM after certificate %u", file->count);
    return ERROR_NONE;
}

/* --- PKCS#12 --- */

static bool add_x509(struct certificate_file *file, X509 *certificate) {
    uint8_t *der = NULL;
    int len = i2d_X509(certificate, &der);
    bool ok = len > 0 && add(file, (struct slice){der, (size_t)len});

    OPENSSL_free(der);
    return ok;
}

/* The certificate of the private key comes first, where there is one: the order of the file says
 * nothing. */
static bool add_all_x509(struct certificate_file *file, EVP_PKEY *key,
                         const STACK_OF(X509) * certificates) {
    size_t count = sk_X509_num(certificates), leaf = 0;
    bool ok = true;

    for (size_t i = count; key && i-- > 0;)
        if (X509_check_private_key(sk_X509_value(certificates, i), key) == 1)
            leaf = i;
    for (size_t i = 0; ok && i < count && i < CERTIFICATES_MAX; i++)
        ok = add_x509(file, sk_X509_value(certificates, i == 0 ? leaf : i <= leaf ? i - 1 : i));
    file->together = key != NULL;
    return ok;
}

/* Takes from `left` the rounds in which keys are to be derived, numbers right behind a salt,
 * wherever they stand; false when they are more than anybody asks for but to keep us busy. What is
 * no BER has no such numbers, and those that are encrypted cannot be seen. */
static bool iterations_are_few(CBS *in, unsigned depth, uint64_t *left) {
    bool salt = false;

    while (CBS_len(in)) {
        CBS element;
        CBS_ASN1_TAG tag;
        size_t header;
        int ber, indefinite;
        uint64_t number;
        if (CBS_len(in) >= 2 && CBS_data(in)[0] == 0 && CBS_data(in)[1] == 0) {
            CBS_skip(in, 2); /* the end of an indefinite one */
            continue;
        }
        if (!CBS_get_any_ber_asn1_element(in, &element, &tag, &header, &ber, &indefinite))
            return true;
        if (indefinite)
            continue; /* its content follows */
        if (salt && tag == CBS_ASN1_INTEGER) {
            CBS integer = element;
            if (!CBS_get_asn1_uint64(&integer, &number) || number > *left)
                return false;
            *left -= number;
        }
        salt = (tag & ~CBS_ASN1_CONSTRUCTED) == CBS_ASN1_OCTETSTRING;
        if ((tag & CBS_ASN1_CONSTRUCTED || salt) && CBS_skip(&element, header) && depth > 0 &&
            !iterations_are_few(&element, depth - 1, left))
            return false;
    }
    return true;
}

/* With the password, or with none in both of the ways in which files have none. */
static bool open_pkcs12(struct slice bytes, const char *password, EVP_PKEY **key,
                        STACK_OF(X509) * certificates) {
    const char *const passwords[] = {password ? password : "", "", NULL};
    CBS cbs;

    for (size_t i = password ? 0 : 1; i < sizeof passwords / sizeof passwords[0]; i++) {
        CBS_init(&cbs, bytes.ptr, bytes.len);
        if (PKCS12_get_key_and_certs(key, certificates, &cbs, passwords[i]))
            return true;
    }
    return false;
}

static enum error why_not_pkcs12(struct failure *failure) {
    uint32_t reason = ERR_peek_error();
    bool wrong = ERR_GET_LIB(reason) == ERR_LIB_PKCS8 &&
                 ERR_GET_REASON(reason) == PKCS8_R_INCORRECT_PASSWORD;

    return failure_set(failure, ERROR_INPUT, "%s",
                       wrong ? "its password is another (--password-file)"
                             : "neither PEM, nor DER, nor PKCS#12 that can be read");
}

static enum error read_pkcs12(struct certificate_file *file, struct slice bytes,
                              const char *password, struct failure *failure) {
    STACK_OF(X509) *certificates = sk_X509_new_null();
    EVP_PKEY *key = NULL;
    enum error error = ERROR_NONE;
    uint64_t iterations = ITERATIONS_MAX;
    CBS cbs;

    if (!certificates)
        return no_memory(failure);
    ERR_clear_error();
    CBS_init(&cbs, bytes.ptr, bytes.len);
    if (!iterations_are_few(&cbs, DEPTH_MAX, &iterations))
        error = failure_set(failure, ERROR_LIMIT, "PKCS#12 that would take too long to open");
    else if (!open_pkcs12(bytes, password, &key, certificates))
        error = why_not_pkcs12(failure);
    else if (!add_all_x509(file, key, certificates))
        error = no_memory(failure);
    ERR_clear_error();
    EVP_PKEY_free(key);
    sk_X509_pop_free(certificates, X509_free);
    return error;
}

/* --- Whichever it is --- */

enum error certificate_file_read(struct certificate_file *file, struct slice bytes,
                                 const char *password, struct failure *failure) {
    static const char begin[] = "-----BEGIN ";
    struct certificate certificate;

    if (bytes.len && memmem(bytes.ptr, bytes.len, begin, sizeof begin - 1))
        return read_pem(file, bytes, failure);
    if (certificate_decode(bytes, &certificate) == CERTIFICATE_OK)
        return add(file, bytes) ? ERROR_NONE : no_memory(failure);
    if (bytes.len && bytes.ptr[0] == 0x30)
        return read_pkcs12(file, bytes, password, failure);
    return ERROR_NONE;
}
