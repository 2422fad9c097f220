/* BoringSSL's static archives and OpenSSL 3's shared libraries in one process: each keeps to its
 * own functions, and a client of the one completes a handshake with a server of the other, in
 * memory. OpenSSL is reached through dlsym alone, as its headers cannot be included beside
 * BoringSSL's. */
#include <dlfcn.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void *libssl, *libcrypto;

/* One function of OpenSSL, as a pointer of the right type: `type (*name)(arguments)`. */
#define OPENSSL(library, type, name, ...)                                                          \
    type (*openssl_##name)(__VA_ARGS__) = (type(*)(__VA_ARGS__))dlsym(library, #name);             \
    assert_non_null(openssl_##name);                                                               \
    assert_ptr_not_equal((void *)openssl_##name, (void *)name)

static EVP_PKEY *make_key(void) {
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();
    assert_true(ec && key && EC_KEY_generate_key(ec) && EVP_PKEY_assign_EC_KEY(key, ec));
    return key;
}

static X509 *make_certificate(EVP_PKEY *key) {
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    X509_NAME *name = X509_get_subject_name(certificate);
    assert_true(X509_set_version(certificate, X509_VERSION_3) &&
                ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), -60) &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"beside", -1,
                                           -1, 0) &&
                X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key) &&
                X509_sign(certificate, key, EVP_sha256()));
    return certificate;
}

/* BoringSSL's server, its BIOs for what comes in and what goes out. */
static SSL *make_server(BIO **in, BIO **out) {
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    EVP_PKEY *key = make_key();
    X509 *certificate = make_certificate(key);
    assert_true(SSL_CTX_use_certificate(context, certificate) &&
                SSL_CTX_use_PrivateKey(context, key));
    SSL *server = SSL_new(context);
    *in = BIO_new(BIO_s_mem());
    *out = BIO_new(BIO_s_mem());
    SSL_set_bio(server, *in, *out);
    SSL_set_accept_state(server);
    SSL_CTX_free(context);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return server;
}

static void handshake_between_both(void **state) {
    (void)state;
    OPENSSL(libssl, const void *, TLS_method, void);
    OPENSSL(libssl, void *, SSL_CTX_new, const void *);
    OPENSSL(libssl, void *, SSL_new, void *);
    OPENSSL(libssl, void, SSL_set_bio, void *, void *, void *);
    OPENSSL(libssl, void, SSL_set_connect_state, void *);
    OPENSSL(libssl, int, SSL_do_handshake, void *);
    OPENSSL(libssl, const char *, SSL_get_version, const void *);
    OPENSSL(libssl, void, SSL_free, void *);
    OPENSSL(libssl, void, SSL_CTX_free, void *);
    OPENSSL(libcrypto, void *, BIO_new, const void *);
    OPENSSL(libcrypto, const void *, BIO_s_mem, void);
    OPENSSL(libcrypto, int, BIO_read, void *, void *, int);
    OPENSSL(libcrypto, int, BIO_write, void *, const void *, int);

    BIO *server_in, *server_out;
    SSL *server = make_server(&server_in, &server_out);
    void *context = openssl_SSL_CTX_new(openssl_TLS_method());
    void *client = openssl_SSL_new(context);
    void *client_in = openssl_BIO_new(openssl_BIO_s_mem());
    void *client_out = openssl_BIO_new(openssl_BIO_s_mem());
    openssl_SSL_set_bio(client, client_in, client_out);
    openssl_SSL_set_connect_state(client);

    int client_done = 0, server_done = 0;
    for (int round = 0; round < 10 && !(client_done == 1 && server_done == 1); round++) {
        uint8_t bytes[8192];
        int n;
        client_done = openssl_SSL_do_handshake(client);
        while ((n = openssl_BIO_read(client_out, bytes, sizeof bytes)) > 0)
            assert_int_equal(BIO_write(server_in, bytes, n), n);
        server_done = SSL_do_handshake(server);
        while ((n = BIO_read(server_out, bytes, sizeof bytes)) > 0)
            assert_int_equal(openssl_BIO_write(client_in, bytes, n), n);
    }
    assert_int_equal(client_done, 1);
    assert_int_equal(server_done, 1);
    assert_string_equal(openssl_SSL_get_version(client), "TLSv1.3");
    assert_string_equal(SSL_get_version(server), "TLSv1.3");
    openssl_SSL_free(client);
    openssl_SSL_CTX_free(context);
    SSL_free(server);
}

/* Key generation goes through OpenSSL's providers, which call its library by the names that
 * BoringSSL has too. */
static void openssl_makes_keys(void **state) {
    (void)state;
    void *(*keygen)(void *, const char *, const char *, ...) =
        (void *(*)(void *, const char *, const char *, ...))dlsym(libcrypto, "EVP_PKEY_Q_keygen");
    OPENSSL(libcrypto, void, EVP_PKEY_free, void *);
    assert_non_null(keygen);
    void *rsa = keygen(NULL, NULL, "RSA", (size_t)2048);
    void *ec = keygen(NULL, NULL, "EC", "P-256");
    assert_non_null(rsa);
    assert_non_null(ec);
    openssl_EVP_PKEY_free(rsa);
    openssl_EVP_PKEY_free(ec);
}

static void each_knows_its_name(void **state) {
    (void)state;
    OPENSSL(libcrypto, const char *, OpenSSL_version, int);
    assert_memory_equal(openssl_OpenSSL_version(0), "OpenSSL 3", 9);
    assert_string_equal(OpenSSL_version(0), "BoringSSL");
}

int main(void) {
    /* NOLOAD: only as libraries that were linked, as libpq or libcurl bring them. */
    libssl = dlopen("libssl.so.3", RTLD_NOW | RTLD_NOLOAD);
    libcrypto = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_NOLOAD);
    if (!libssl || !libcrypto) {
        puts("SKIPPED: this machine has no OpenSSL 3 to link");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_knows_its_name),
        cmocka_unit_test(openssl_makes_keys),
        cmocka_unit_test(handshake_between_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
