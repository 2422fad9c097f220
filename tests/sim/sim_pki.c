#include "tests/sim/sim_pki.h"

#include "bench/farm/farm_pki.h"
#include "engine/x509/certificate.h"
#include "engine/x509/trust.h"
#include "tests/sim/sim_files.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { DAY_SECONDS = 86400, VALID_DAYS = 60, FILLER_BYTES = 9000 };

static void must(bool ok) {
    if (!ok)
        abort();
}

static EVP_PKEY *key_from_pem(const char *pem) {
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    must(key != NULL);
    BIO_free(bio);
    return key;
}

struct wish {
    const char *name;
    const X509_NAME *issuer; /* NULL: itself */
    EVP_PKEY *key, *signer;
    int serial;
    bool authority;
    size_t padding; /* bytes added to the subject */
};

static void add_extension(X509 *certificate, int nid, const char *value) {
    X509V3_CTX context;

    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    must(extension && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static void set_subject(X509_NAME *name, const struct wish *wish) {
    uint8_t text[64];

    memset(text, 'x', sizeof text);
    for (size_t added = 0; added < wish->padding; added += sizeof text)
        must(X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_ASC, text, sizeof text, -1, 0));
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)wish->name, -1, -1,
                                    0));
}

static X509 *certificate_new(const struct wish *wish) {
    X509 *certificate = X509_new();
    const EVP_MD *digest = EVP_PKEY_id(wish->signer) == EVP_PKEY_RSA ? EVP_sha256() : NULL;
    int64_t half = (int64_t)VALID_DAYS * DAY_SECONDS;

    set_subject(X509_get_subject_name(certificate), wish);
    must(X509_set_version(certificate, X509_VERSION_3) &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), (uint64_t)wish->serial) &&
         X509_set_issuer_name(certificate, wish->issuer ? (X509_NAME *)(uintptr_t)wish->issuer
                                                        : X509_get_subject_name(certificate)) &&
         ASN1_TIME_set_posix(X509_getm_notBefore(certificate), SIM_EPOCH_SECONDS - half) &&
         ASN1_TIME_set_posix(X509_getm_notAfter(certificate), SIM_EPOCH_SECONDS + half) &&
         X509_set_pubkey(certificate, wish->key));
    if (wish->authority) {
        add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE");
        add_extension(certificate, NID_ext_key_usage, "serverAuth");
        add_extension(certificate, NID_subject_alt_name, "DNS:*.sim.test");
    }
    must(X509_sign(certificate, wish->signer, digest) > 0);
    return certificate;
}

static CRYPTO_BUFFER *der_of(X509 *certificate) {
    uint8_t *bytes = NULL;
    int len = i2d_X509(certificate, &bytes);

    must(len > 0);
    CRYPTO_BUFFER *der = CRYPTO_BUFFER_new(bytes, (size_t)len, NULL);
    OPENSSL_free(bytes);
    return der;
}

static void make_certificates(struct sim_pki *pki) {
    struct wish root_wish = {"Sim Root", NULL, pki->root_key, pki->root_key, 1, true, 0};
    X509 *root = certificate_new(&root_wish);
    struct wish issuer_wish = {
        "Sim Issuer", X509_get_subject_name(root), pki->issuer_key, pki->root_key, 2, true, 0};
    X509 *issuer = certificate_new(&issuer_wish);
    struct wish wish = {"leaf.sim.test",
                        X509_get_subject_name(issuer),
                        pki->leaf_key,
                        pki->issuer_key,
                        0,
                        false,
                        0};

    for (int i = 0; i < SIM_LEAVES + SIM_FILLERS; i++) {
        wish.serial = 100 + i;
        wish.padding = i < SIM_LEAVES ? 0 : FILLER_BYTES;
        X509 *certificate = certificate_new(&wish);
        CRYPTO_BUFFER *der = der_of(certificate);
        if (i < SIM_LEAVES) {
            pki->leaves[i] = der;
            certificate_sha256(sim_der(der), pki->fingerprints[i]);
        } else {
            pki->fillers[i - SIM_LEAVES] = der;
        }
        X509_free(certificate);
    }
    pki->root = der_of(root);
    pki->issuer = der_of(issuer);
    X509_free(issuer);
    X509_free(root);
}

static void open_roots(struct sim_pki *pki) {
    const uint8_t *der = CRYPTO_BUFFER_data(pki->root), *pem;
    X509 *root = d2i_X509(NULL, &der, (long)CRYPTO_BUFFER_len(pki->root));
    BIO *bio = BIO_new(BIO_s_mem());
    struct failure failure;
    size_t len;

    must(PEM_write_bio_X509(bio, root));
    must(BIO_mem_contents(bio, &pem, &len));
    struct sim_file file = sim_file_new((struct slice){pem, len});
    must(trust_store_open(&pki->roots, file.path, &failure) == ERROR_NONE);
    sim_file_remove(&file);
    BIO_free(bio);
    X509_free(root);
}

static SSL_CTX *server_new(const struct sim_pki *pki, enum sim_server server, CRYPTO_BUFFER *leaf) {
    SSL_CTX *context = SSL_CTX_new(TLS_with_buffers_method());
    CRYPTO_BUFFER *chain[] = {leaf, pki->issuer};
    bool tls12 = server == SIM_SERVER_TLS12 || server == SIM_SERVER_TLS12_ASKS;
    uint16_t version = tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;

    must(SSL_CTX_set_chain_and_key(context, chain, 2, pki->leaf_key, NULL) &&
         SSL_CTX_set1_curves_list(context, server == SIM_SERVER_TLS13_P256 ? "P-256" : "X25519") &&
         SSL_CTX_set_min_proto_version(context, version) &&
         SSL_CTX_set_max_proto_version(context, version));
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (server == SIM_SERVER_TLS12_ASKS || server == SIM_SERVER_TLS13_ASKS)
        SSL_CTX_set_custom_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return context;
}

void sim_pki_init(struct sim_pki *pki) {
    static const uint8_t LEAF_SECRET[32] = {7, 1, 3};

    memset(pki, 0, sizeof *pki);
    pki->root_key = key_from_pem(farm_test_key_rsa_authority);
    pki->issuer_key = key_from_pem(farm_test_key_rsa_2048);
    pki->leaf_key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, LEAF_SECRET, 32);
    must(pki->leaf_key != NULL);
    make_certificates(pki);
    open_roots(pki);
    for (int server = 0; server < SIM_SERVER_COUNT; server++)
        for (int leaf = 0; leaf < SIM_LEAVES; leaf++)
            pki->servers[server][leaf] =
                server_new(pki, (enum sim_server)server, pki->leaves[leaf]);
}

void sim_pki_deinit(struct sim_pki *pki) {
    for (int server = 0; server < SIM_SERVER_COUNT; server++)
        for (int leaf = 0; leaf < SIM_LEAVES; leaf++)
            SSL_CTX_free(pki->servers[server][leaf]);
    for (int i = 0; i < SIM_LEAVES; i++)
        CRYPTO_BUFFER_free(pki->leaves[i]);
    for (int i = 0; i < SIM_FILLERS; i++)
        CRYPTO_BUFFER_free(pki->fillers[i]);
    CRYPTO_BUFFER_free(pki->root);
    CRYPTO_BUFFER_free(pki->issuer);
    trust_store_close(pki->roots);
    EVP_PKEY_free(pki->root_key);
    EVP_PKEY_free(pki->issuer_key);
    EVP_PKEY_free(pki->leaf_key);
}
