/* BoringSSL as a server in memory, for tests: keys and chains made on the spot, one SSL object a
 * connection, bytes in and bytes out. Failures of its own abort the test. */
#ifndef TESTS_UNIT_TLS_MEMORY_SERVER_H
#define TESTS_UNIT_TLS_MEMORY_SERVER_H

#include "engine/base/buffer.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>

enum { CHAIN_MAX = 40 };

struct test_chain {
    EVP_PKEY *key;
    CRYPTO_BUFFER *certificates[CHAIN_MAX]; /* leaf first */
    size_t count;
};

static inline EVP_PKEY *test_key(bool rsa, int curve) {
    EVP_PKEY *key = EVP_PKEY_new();
    if (rsa) {
        RSA *r = RSA_new();
        BIGNUM *e = BN_new();
        int ok = BN_set_word(e, RSA_F4) && RSA_generate_key_ex(r, 2048, e, NULL) &&
                 EVP_PKEY_assign_RSA(key, r);
        assert(ok);
        BN_free(e);
    } else {
        EC_KEY *ec = EC_KEY_new_by_curve_name(curve);
        int ok = EC_KEY_generate_key(ec) && EVP_PKEY_assign_EC_KEY(key, ec);
        assert(ok);
    }
    return key;
}

/* A certificate signed with its own key, whose subject is about `padding` bytes long. */
static inline CRYPTO_BUFFER *test_certificate(EVP_PKEY *key, int serial, size_t padding) {
    X509 *x509 = X509_new();
    X509_NAME *name = X509_get_subject_name(x509), *issuer = X509_get_issuer_name(x509);
    uint8_t text[64];
    memset(text, 'x', sizeof text);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), serial);
    X509_set_version(x509, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
    for (size_t i = 0; i * sizeof text < padding + 1; i++)
        X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_ASC, text, sizeof text, -1, 0);
    X509_NAME_add_entry_by_txt(issuer, "CN", MBSTRING_ASC, (const uint8_t *)"issuer", -1, -1, 0);
    X509_set_pubkey(x509, key);
    X509_sign(x509, key, EVP_sha256());
    uint8_t *der = NULL;
    int len = i2d_X509(x509, &der);
    assert(len > 0);
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der, (size_t)len, NULL);
    OPENSSL_free(der);
    X509_free(x509);
    return buffer;
}

/* `count` certificates, the leaf with the key; each about `padding` bytes longer than the least. */
static inline void test_chain_init(struct test_chain *chain, bool rsa, size_t count,
                                   size_t padding) {
    assert(count <= CHAIN_MAX);
    chain->key = test_key(rsa, NID_X9_62_prime256v1);
    chain->count = count;
    for (size_t i = 0; i < count; i++)
        chain->certificates[i] = test_certificate(chain->key, (int)i + 1, padding);
}

static inline void test_chain_deinit(struct test_chain *chain) {
    for (size_t i = 0; i < chain->count; i++)
        CRYPTO_BUFFER_free(chain->certificates[i]);
    EVP_PKEY_free(chain->key);
}

static inline SSL_CTX *test_server_context(const struct test_chain *chain, const char *groups,
                                           uint16_t version) {
    SSL_CTX *context = SSL_CTX_new(TLS_with_buffers_method());
    int ok =
        SSL_CTX_set_chain_and_key(context, chain->certificates, chain->count, chain->key, NULL) &&
        (!groups || SSL_CTX_set1_curves_list(context, groups)) &&
        SSL_CTX_set_min_proto_version(context, version) &&
        SSL_CTX_set_max_proto_version(context, version) &&
        SSL_CTX_set_cipher_list(context, "ALL:DES-CBC3-SHA");
    SSL_CTX_set_max_cert_list(context, 1 << 20);
    assert(ok);
    (void)ok;
    return context;
}

struct test_server {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
};

static inline void test_server_init(struct test_server *server, SSL_CTX *context) {
    server->ssl = SSL_new(context);
    server->in = BIO_new(BIO_s_mem());
    server->out = BIO_new(BIO_s_mem());
    SSL_set_bio(server->ssl, server->in, server->out);
    SSL_set_accept_state(server->ssl);
}

/* Gives the server what the client sent, which empties `sent`, and appends its answer to `out`. */
static inline void test_server_answer(struct test_server *server, struct buffer *sent,
                                      struct buffer *out) {
    const uint8_t *bytes;
    size_t len;
    if (sent->len)
        BIO_write(server->in, sent->ptr, (int)sent->len);
    sent->len = 0;
    SSL_do_handshake(server->ssl);
    BIO_mem_contents(server->out, &bytes, &len);
    buffer_add(out, bytes, len);
    (void)BIO_reset(server->out);
}

static inline void test_server_deinit(struct test_server *server) {
    SSL_free(server->ssl);
}

#endif
