/* Certificates made to order, for tests: keys and signatures are made at run time with BoringSSL,
 * dates are what the test says, so that nothing here expires. */
#ifndef TESTS_UNIT_X509_MINT_H
#define TESTS_UNIT_X509_MINT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "engine/base/slice.h"

#include <openssl/bn.h>
#include <openssl/conf.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* 2026-01-01, the day on which the tests verify, and a year to either side. */
#define MINT_NOW    INT64_C(1767225600)
#define MINT_BEFORE (MINT_NOW - INT64_C(31536000))
#define MINT_AFTER  (MINT_NOW + INT64_C(31536000))

enum mint_key { MINT_P256, MINT_P384, MINT_ED25519, MINT_RSA_2048, MINT_RSA_1024, MINT_P224 };

enum { MINT_EXTENSIONS_MAX = 6 };

struct minted {
    X509 *x509;
    EVP_PKEY *key;
    struct slice der;
};

/* What to make. Zero means: P-256, its own issuer, valid now, SHA-256. */
struct mint_order {
    const char *subject; /* "Name" for CN=Name, or "/C=XX/O=Example/CN=Name" */
    enum mint_key key_kind;
    EVP_PKEY *key; /* takes this key instead of making one */
    const struct minted *issuer;
    int64_t not_before, not_after;
    const EVP_MD *digest;
    const char *sections;                        /* openssl.cnf text that the extensions refer to */
    const char *extensions[MINT_EXTENSIONS_MAX]; /* "basicConstraints=critical,CA:TRUE" */
};

#define MINT_CA     "basicConstraints=critical,CA:TRUE"
#define MINT_SIGNS  "keyUsage=critical,keyCertSign,cRLSign"
#define MINT_SERVER "extendedKeyUsage=serverAuth"

static inline EVP_PKEY *mint_key(enum mint_key kind) {
    EVP_PKEY *key = EVP_PKEY_new();
    assert_non_null(key);
    switch (kind) {
    case MINT_P256:
    case MINT_P384:
    case MINT_P224: {
        int curve = kind == MINT_P256   ? NID_X9_62_prime256v1
                    : kind == MINT_P384 ? NID_secp384r1
                                        : NID_secp224r1;
        EC_KEY *ec = EC_KEY_new_by_curve_name(curve);
        assert_true(EC_KEY_generate_key(ec));
        assert_true(EVP_PKEY_assign_EC_KEY(key, ec));
        return key;
    }
    case MINT_RSA_2048:
    case MINT_RSA_1024: {
        RSA *rsa = RSA_new();
        BIGNUM *exponent = BN_new();
        assert_true(BN_set_word(exponent, RSA_F4));
        assert_true(RSA_generate_key_ex(rsa, kind == MINT_RSA_2048 ? 2048 : 1024, exponent, NULL));
        BN_free(exponent);
        assert_true(EVP_PKEY_assign_RSA(key, rsa));
        return key;
    }
    case MINT_ED25519:
        break;
    }
    EVP_PKEY_free(key);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, NULL);
    key = NULL;
    assert_true(EVP_PKEY_keygen_init(context) && EVP_PKEY_keygen(context, &key));
    EVP_PKEY_CTX_free(context);
    return key;
}

static inline void mint_set_name(X509_NAME *name, const char *text) {
    if (text[0] != '/') {
        assert_true(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)text, -1,
                                               -1, 0));
        return;
    }
    char *copy = strdup(text + 1), *rest = copy;
    for (char *part = strsep(&rest, "/"); part; part = strsep(&rest, "/")) {
        char *value = strchr(part, '=');
        assert_non_null(value);
        *value++ = 0;
        assert_true(X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8, (const uint8_t *)value,
                                               -1, -1, 0));
    }
    free(copy);
}

static inline void mint_add_extensions(X509 *x509, const struct mint_order *order) {
    CONF *config = NULL;
    if (order->sections) {
        BIO *bio = BIO_new_mem_buf(order->sections, -1);
        config = NCONF_new(NULL);
        assert_int_equal(NCONF_load_bio(config, bio, NULL), 1);
        BIO_free(bio);
    }
    for (size_t i = 0; i < MINT_EXTENSIONS_MAX && order->extensions[i]; i++) {
        char *name = strdup(order->extensions[i]), *value = strchr(name, '=');
        assert_non_null(value);
        *value++ = 0;
        X509_EXTENSION *extension = X509V3_EXT_nconf(config, NULL, name, value);
        if (!extension)
            fail_msg("extension %s", order->extensions[i]);
        assert_true(X509_add_ext(x509, extension, -1));
        X509_EXTENSION_free(extension);
        free(name);
    }
    NCONF_free(config);
}

static inline struct minted mint(const struct mint_order *order) {
    struct minted made = {.x509 = X509_new()};
    if (order->key) {
        EVP_PKEY_up_ref(order->key);
        made.key = order->key;
    } else {
        made.key = mint_key(order->key_kind);
    }
    const struct minted *issuer = order->issuer ? order->issuer : &made;
    uint64_t serial = 0;
    arc4random_buf(&serial, sizeof serial);
    assert_true(X509_set_version(made.x509, X509_VERSION_3));
    assert_true(ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.x509), serial >> 1));
    mint_set_name(X509_get_subject_name(made.x509), order->subject);
    assert_true(X509_set_issuer_name(made.x509, X509_get_subject_name(issuer->x509)));
    assert_non_null(ASN1_TIME_set_posix(X509_getm_notBefore(made.x509),
                                        order->not_before ? order->not_before : MINT_BEFORE));
    assert_non_null(ASN1_TIME_set_posix(X509_getm_notAfter(made.x509),
                                        order->not_after ? order->not_after : MINT_AFTER));
    assert_true(X509_set_pubkey(made.x509, made.key));
    mint_add_extensions(made.x509, order);
    const EVP_MD *digest = order->digest ? order->digest : EVP_sha256();
    if (EVP_PKEY_id(issuer->key) == EVP_PKEY_ED25519)
        digest = NULL;
    assert_true(X509_sign(made.x509, issuer->key, digest) > 0);
    uint8_t *der = NULL;
    int len = i2d_X509(made.x509, &der);
    assert_true(len > 0);
    made.der = (struct slice){der, (size_t)len};
    return made;
}

static inline void mint_free(struct minted *made) {
    X509_free(made->x509);
    EVP_PKEY_free(made->key);
    OPENSSL_free((void *)made->der.ptr);
    *made = (struct minted){0};
}

/* The usual orders. */
static inline struct minted mint_root(const char *subject, enum mint_key kind) {
    return mint(&(struct mint_order){
        .subject = subject, .key_kind = kind, .extensions = {MINT_CA, MINT_SIGNS}});
}

static inline struct minted mint_intermediate(const char *subject, const struct minted *issuer,
                                              enum mint_key kind) {
    return mint(&(struct mint_order){.subject = subject,
                                     .key_kind = kind,
                                     .issuer = issuer,
                                     .extensions = {MINT_CA, MINT_SIGNS}});
}

static inline struct minted mint_leaf(const char *host, const struct minted *issuer,
                                      enum mint_key kind) {
    char names[300];
    snprintf(names, sizeof names, "subjectAltName=DNS:%s", host);
    return mint(&(struct mint_order){
        .subject = host, .key_kind = kind, .issuer = issuer, .extensions = {names, MINT_SERVER}});
}

/* Appends as PEM to `path`. */
static inline void mint_write(const char *path, const struct minted *made) {
    FILE *file = fopen(path, "ae");
    assert_non_null(file);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_X509(bio, made->x509));
    const uint8_t *text;
    size_t len;
    assert_true(BIO_mem_contents(bio, &text, &len));
    assert_int_equal(fwrite(text, 1, len, file), len);
    BIO_free(bio);
    assert_int_equal(fclose(file), 0);
}

#endif
