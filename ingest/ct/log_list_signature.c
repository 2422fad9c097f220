/* Who made a log list. */
#include "ingest/ct/log_list.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum { KEY_BITS_MIN = 2048 };

const char log_list_google_key[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAsu0BHGnQ++W2CTdyZyxv\n"
    "HHRALOZPlnu/VMVgo2m+JZ8MNbAOH2cgXb8mvOj8flsX/qPMuKIaauO+PwROMjiq\n"
    "fUpcFm80Kl7i97ZQyBDYKm3MkEYYpGN+skAR2OebX9G2DfDqFY8+jUpOOWtBNr3L\n"
    "rmVcwx+FcFdMjGDlrZ5JRmoJ/SeGKiORkbbu9eY1Wd0uVhz/xI5bQb0OgII7hEj+\n"
    "i/IPbJqOHgB8xQ5zWAJJ0DmG+FM6o7gk403v6W3S8qRYiR84c50KppGwe4YqSMkF\n"
    "bLDleGQWLoaDSpEWtESisb4JiLaY4H+Kk0EyAhPSb+49JfUozYl+lf7iFN3qRq/S\n"
    "IXXTh6z0S7Qa8EYDhKGCrpI03/+qprwy+my6fpWHi6aUIk4holUCmWvFxZDfixox\n"
    "K0RlqbFDl2JXMBquwlQpm8u5wrsic1ksIv9z8x9zh4PJqNpCah0ciemI3YGRQqSe\n"
    "/mRRXBiSn9YQBUPcaeqCYan+snGADFwHuXCd9xIAdFBolw9R9HTedHGUfVXPJDiF\n"
    "4VusfX6BRR/qaadB+bqEArF/TzuDUr6FvOR4o8lUUxgLuZ/7HO+bHnaPFKYHHSm+\n"
    "+z1lVDhhYuSZ8ax3T0C3FZpb7HMjZtpEorSV5ElKJEJwrhrBCMOD8L01EoSPrGlS\n"
    "1w22i9uGHMn/uGQKo28u7AsCAwEAAQ==\n"
    "-----END PUBLIC KEY-----\n";

/* NULL when it is no RSA key that is long enough. */
static EVP_PKEY *read_key(struct slice bytes) {
    CBS der;
    CBS_init(&der, bytes.ptr, bytes.len);
    EVP_PKEY *key = EVP_parse_public_key(&der);
    BIO *pem = key || bytes.len > INT32_MAX ? NULL : BIO_new_mem_buf(bytes.ptr, (int)bytes.len);

    if (pem)
        key = PEM_read_bio_PUBKEY(pem, NULL, NULL, NULL);
    BIO_free(pem);
    if (key && (EVP_PKEY_id(key) != EVP_PKEY_RSA || EVP_PKEY_bits(key) < KEY_BITS_MIN)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    return key;
}

static bool is_signed(struct slice bytes, struct slice signature, EVP_PKEY *key) {
    EVP_MD_CTX context;

    EVP_MD_CTX_init(&context);
    bool valid = EVP_DigestVerifyInit(&context, NULL, EVP_sha256(), NULL, key) &&
                 EVP_DigestVerify(&context, signature.ptr, signature.len, bytes.ptr, bytes.len);
    EVP_MD_CTX_cleanup(&context);
    ERR_clear_error();
    return valid;
}

enum error log_list_check_signature(struct slice json, struct slice signature, struct slice key,
                                    struct failure *failure) {
    EVP_PKEY *parsed = read_key(key.len ? key : slice_of(log_list_google_key));

    if (!parsed)
        return failure_set(failure, ERROR_INPUT,
                           "the log list's key is no RSA key with %d bits or more, as PEM or DER",
                           KEY_BITS_MIN);
    bool valid =
        signature.len <= LOG_LIST_SIGNATURE_BYTES_MAX && is_signed(json, signature, parsed);
    EVP_PKEY_free(parsed);
    return valid ? ERROR_NONE
                 : failure_set(failure, ERROR_INPUT,
                               "log list: the signature does not fit its bytes and the key");
}
