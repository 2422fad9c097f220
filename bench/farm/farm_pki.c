/* Certificates through BoringSSL's X509 interface. All authorities but one have P-256 keys: signing
 * takes some 30 microseconds, so that every endpoint gets a certificate of its own. Leaves share
 * one key a type. */
#include "bench/farm/farm_pki.h"

#include "bench/farm/farm_chain.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { DAY_SECONDS = 24 * 3600, AUTHORITY_DAYS = 10 * 365, SAN_TEXT_MAX = 256 };

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
    CRYPTO_BUFFER *der;
};

struct farm_pki {
    int64_t unix_seconds;
    EVP_PKEY *leaf_keys[FARM_KEY_COUNT];
    struct authority root, intermediate, rsa_intermediate, stranger;
};

/* What differs from one certificate to another. */
struct wish {
    const char *common_name;
    const char *alternative_names; /* NULL for an authority */
    EVP_PKEY *key;
    int64_t not_before, not_after;
    bool has_scts;
};

/* --- Keys --- */

static EVP_PKEY *key_new_ec(int curve) {
    EVP_PKEY *key = EVP_PKEY_new();
    EC_KEY *ec = EC_KEY_new_by_curve_name(curve);
    bool made = key && ec && EC_KEY_generate_key(ec) && EVP_PKEY_set1_EC_KEY(key, ec);
    EC_KEY_free(ec);
    if (!made) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static EVP_PKEY *key_new_ed25519(void) {
    uint8_t public_key[ED25519_PUBLIC_KEY_LEN], private_key[ED25519_PRIVATE_KEY_LEN];
    ED25519_keypair(public_key, private_key);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, 32);
    OPENSSL_cleanse(private_key, sizeof private_key);
    return key;
}

static EVP_PKEY *key_from_pem(const char *pem) {
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static EVP_PKEY *key_new(enum farm_key type) {
    switch (type) {
    case FARM_KEY_P256:
        return key_new_ec(NID_X9_62_prime256v1);
    case FARM_KEY_P384:
        return key_new_ec(NID_secp384r1);
    case FARM_KEY_ED25519:
        return key_new_ed25519();
    case FARM_KEY_RSA_2048:
        return key_from_pem(farm_test_key_rsa_2048);
    case FARM_KEY_RSA_1024:
        return key_from_pem(farm_test_key_rsa_1024);
    case FARM_KEY_COUNT:
        break;
    }
    return NULL;
}

/* --- Certificates --- */

static bool set_serial(X509 *certificate) {
    uint8_t bytes[16];
    RAND_bytes(bytes, sizeof bytes);
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and always of the same length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return set;
}

static bool set_subject(X509 *certificate, const char *common_name) {
    X509_NAME *name = X509_get_subject_name(certificate);
    const uint8_t *text = (const uint8_t *)common_name;
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)"Trawl Farm", -1,
                                      -1, 0) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0);
}

static bool add_extension(X509 *certificate, const X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    bool added = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

/* One SCT in its list, RFC 6962 section 3.3: as long as those of public logs, and signed by nobody.
 */
static bool add_sct(CBB *list) {
    enum { LOG_ID_BYTES = 32, TIMESTAMP_BYTES = 8, SIGNATURE_BYTES = 71 };
    CBB sct, extensions, signature;
    uint8_t *bytes;
    return CBB_add_u16_length_prefixed(list, &sct) && CBB_add_u8(&sct, 0) &&
           CBB_add_space(&sct, &bytes, LOG_ID_BYTES + TIMESTAMP_BYTES) &&
           RAND_bytes(bytes, LOG_ID_BYTES + TIMESTAMP_BYTES) &&
           CBB_add_u16_length_prefixed(&sct, &extensions) &&
           CBB_add_u16(&sct, SSL_SIGN_ECDSA_SECP256R1_SHA256) &&
           CBB_add_u16_length_prefixed(&sct, &signature) &&
           CBB_add_space(&signature, &bytes, SIGNATURE_BYTES) &&
           RAND_bytes(bytes, SIGNATURE_BYTES) && CBB_flush(list);
}

static bool add_scts(X509 *certificate) {
    CBB der, octets, list;
    uint8_t *bytes = NULL;
    size_t len;
    bool made = CBB_init(&der, 256) && CBB_add_asn1(&der, &octets, CBS_ASN1_OCTETSTRING) &&
                CBB_add_u16_length_prefixed(&octets, &list) && add_sct(&list) && add_sct(&list) &&
                CBB_finish(&der, &bytes, &len);
    if (!made)
        CBB_cleanup(&der);
    ASN1_OBJECT *id = OBJ_txt2obj("1.3.6.1.4.1.11129.2.4.2", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    if (made && id && value && ASN1_OCTET_STRING_set(value, bytes, (int)len))
        extension = X509_EXTENSION_create_by_OBJ(NULL, id, 0, value);
    bool added = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(id);
    OPENSSL_free(bytes);
    return added;
}

/* The values are in the syntax of OpenSSL's configuration files, and all made here. */
static bool add_extensions(X509 *certificate, const X509 *issuer, const struct wish *wish) {
    if (!add_extension(certificate, issuer, NID_subject_key_identifier, "hash") ||
        !add_extension(certificate, issuer, NID_authority_key_identifier, "keyid"))
        return false;
    if (!wish->alternative_names)
        return add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE") &&
               add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (!add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth") ||
        !add_extension(certificate, issuer, NID_subject_alt_name, wish->alternative_names))
        return false;
    /* Those that come out of a box and nobody has replaced have no more than that. */
    if (issuer == certificate)
        return true;
    bool rsa = EVP_PKEY_id(wish->key) == EVP_PKEY_RSA;
    return add_extension(certificate, issuer, NID_key_usage,
                         rsa ? "critical,digitalSignature,keyEncipherment"
                             : "critical,digitalSignature") &&
           add_extension(certificate, issuer, NID_info_access,
                         "OCSP;URI:http://ocsp.farm.test,"
                         "caIssuers;URI:http://farm.test/issuer.der") &&
           add_extension(certificate, issuer, NID_crl_distribution_points,
                         "URI:http://farm.test/farm.crl") &&
           (!wish->has_scts || add_scts(certificate));
}

/* `issuer` is NULL for a certificate that is signed by its own key. */
static X509 *certificate_new(const struct wish *wish, const struct authority *issuer) {
    X509 *certificate = X509_new();
    if (!certificate)
        return NULL;
    const X509 *issued_by = issuer ? issuer->certificate : certificate;
    EVP_PKEY *signed_by = issuer ? issuer->key : wish->key;
    bool made = X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
                set_subject(certificate, wish->common_name) &&
                X509_set_issuer_name(certificate, X509_get_subject_name(issued_by)) &&
                ASN1_TIME_set_posix(X509_getm_notBefore(certificate), wish->not_before) &&
                ASN1_TIME_set_posix(X509_getm_notAfter(certificate), wish->not_after) &&
                X509_set_pubkey(certificate, wish->key) &&
                add_extensions(certificate, issued_by, wish) &&
                X509_sign(certificate, signed_by, EVP_sha256());
    if (!made) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

static CRYPTO_BUFFER *certificate_der(X509 *certificate) {
    uint8_t *bytes = NULL;
    int len = certificate ? i2d_X509(certificate, &bytes) : -1;
    CRYPTO_BUFFER *der = len > 0 ? CRYPTO_BUFFER_new(bytes, (size_t)len, NULL) : NULL;
    OPENSSL_free(bytes);
    return der;
}

/* --- Authorities --- */

/* The authority owns `key`, whatever comes of it. */
static bool authority_init(struct authority *authority, EVP_PKEY *key, const char *name,
                           const struct authority *issuer, int64_t unix_seconds) {
    authority->key = key;
    if (!authority->key)
        return false;
    int64_t half_life = (int64_t)AUTHORITY_DAYS / 2 * DAY_SECONDS;
    struct wish wish = {.common_name = name,
                        .key = authority->key,
                        .not_before = unix_seconds - half_life,
                        .not_after = unix_seconds + half_life};
    authority->certificate = certificate_new(&wish, issuer);
    authority->der = certificate_der(authority->certificate);
    return authority->der;
}

static void authority_deinit(struct authority *authority) {
    EVP_PKEY_free(authority->key);
    X509_free(authority->certificate);
    CRYPTO_BUFFER_free(authority->der);
}

struct farm_pki *farm_pki_new(int64_t unix_seconds) {
    struct farm_pki *pki = calloc(1, sizeof *pki);
    if (!pki)
        return NULL;
    pki->unix_seconds = unix_seconds;
    bool made = true;
    for (int type = 0; made && type < FARM_KEY_COUNT; type++)
        made = (pki->leaf_keys[type] = key_new((enum farm_key)type));
    made = made &&
           authority_init(&pki->root, key_new(FARM_KEY_P256), "Farm Root", NULL, unix_seconds) &&
           authority_init(&pki->intermediate, key_new(FARM_KEY_P256), "Farm Intermediate",
                          &pki->root, unix_seconds) &&
           authority_init(&pki->rsa_intermediate, key_from_pem(farm_test_key_rsa_authority),
                          "Farm RSA Intermediate", &pki->root, unix_seconds) &&
           authority_init(&pki->stranger, key_new(FARM_KEY_P256), "Untrusted Root", NULL,
                          unix_seconds);
    if (!made) {
        farm_pki_free(pki);
        return NULL;
    }
    return pki;
}

void farm_pki_free(struct farm_pki *pki) {
    if (!pki)
        return;
    for (int type = 0; type < FARM_KEY_COUNT; type++)
        EVP_PKEY_free(pki->leaf_keys[type]);
    authority_deinit(&pki->root);
    authority_deinit(&pki->intermediate);
    authority_deinit(&pki->rsa_intermediate);
    authority_deinit(&pki->stranger);
    free(pki);
}

bool farm_pki_root_pem(const struct farm_pki *pki, struct buffer *out) {
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *pem;
    size_t len;
    bool written =
        bio && PEM_write_bio_X509(bio, pki->root.certificate) && BIO_mem_contents(bio, &pem, &len);
    if (written)
        buffer_add(out, pem, len);
    BIO_free(bio);
    return written && !out->failed;
}

/* --- Endpoints --- */

static const struct authority *issuer_of(const struct farm_pki *pki, enum farm_issuer issuer) {
    switch (issuer) {
    case FARM_BY_ROOT:
        return &pki->root;
    case FARM_BY_INTERMEDIATE:
    case FARM_BY_HIDDEN_INTERMEDIATE:
        return &pki->intermediate;
    case FARM_BY_RSA_INTERMEDIATE:
        return &pki->rsa_intermediate;
    case FARM_BY_STRANGER:
        return &pki->stranger;
    case FARM_BY_ITSELF:
        break;
    }
    return NULL;
}

static CRYPTO_BUFFER *leaf_new(const struct farm_pki *pki, const struct farm_profile *profile,
                               const char *name, const struct address *address) {
    char address_text[ADDRESS_TEXT_MAX], names[SAN_TEXT_MAX], other[FARM_NAME_MAX + 16];
    address_format(address, address_text);
    snprintf(names, sizeof names, "DNS:%s,IP:%s", name, address_text);
    snprintf(other, sizeof other, "elsewhere.%s", name);
    if (profile->wrong_name) {
        snprintf(names, sizeof names, "DNS:%s", other);
        name = other;
    }
    int64_t days = profile->days_left ? profile->days_left : FARM_VALID_DAYS;
    /* An hour more, so that "3 days left" stays true for as long as a sweep takes. */
    int64_t not_after = pki->unix_seconds + days * DAY_SECONDS + 3600;
    struct wish wish = {.common_name = name,
                        .alternative_names = names,
                        .key = pki->leaf_keys[profile->key],
                        .not_before = not_after - (int64_t)FARM_LIFETIME_DAYS * DAY_SECONDS,
                        .not_after = not_after,
                        .has_scts = profile->has_scts};
    X509 *certificate = certificate_new(&wish, issuer_of(pki, profile->issuer));
    CRYPTO_BUFFER *der = certificate_der(certificate);
    X509_free(certificate);
    return der;
}

static bool set_chain(SSL_CTX *context, const struct farm_pki *pki,
                      const struct farm_profile *profile, CRYPTO_BUFFER *leaf) {
    CRYPTO_BUFFER *chain[FARM_CHAIN_MAX] = {leaf};
    size_t count = 1;
    if (profile->issuer == FARM_BY_INTERMEDIATE)
        chain[count++] = pki->intermediate.der;
    else if (profile->issuer == FARM_BY_RSA_INTERMEDIATE)
        chain[count++] = pki->rsa_intermediate.der;
    else if (profile->issuer == FARM_BY_STRANGER)
        chain[count++] = pki->stranger.der;
    return SSL_CTX_set_chain_and_key(context, chain, count, pki->leaf_keys[profile->key], NULL);
}

static enum ssl_verify_result_t accept_any_client(SSL *ssl, uint8_t *alert) {
    (void)ssl;
    (void)alert;
    return ssl_verify_ok;
}

/* Asks for a certificate and names the farm's root as the authority that it should come from. */
static bool ask_client(SSL_CTX *context, const struct farm_pki *pki) {
    uint8_t *bytes = NULL;
    int len = i2d_X509_NAME(X509_get_subject_name(pki->root.certificate), &bytes);
    CRYPTO_BUFFER *name = len > 0 ? CRYPTO_BUFFER_new(bytes, (size_t)len, NULL) : NULL;
    OPENSSL_free(bytes);
    STACK_OF(CRYPTO_BUFFER) *names = sk_CRYPTO_BUFFER_new_null();
    if (!name || !names || !sk_CRYPTO_BUFFER_push(names, name)) {
        CRYPTO_BUFFER_free(name);
        sk_CRYPTO_BUFFER_free(names);
        return false;
    }
    SSL_CTX_set0_client_CAs(context, names);
    SSL_CTX_set_custom_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                              accept_any_client);
    return true;
}

SSL_CTX *farm_pki_context(struct farm_pki *pki, const struct farm_profile *profile,
                          const char *name, const struct address *address) {
    SSL_CTX *context = SSL_CTX_new(TLS_with_buffers_method());
    CRYPTO_BUFFER *leaf = leaf_new(pki, profile, name, address);
    uint16_t version_min = profile->version_min ? profile->version_min : TLS1_2_VERSION;
    uint16_t version_max = profile->version_max ? profile->version_max : TLS1_3_VERSION;
    bool made = context && leaf && set_chain(context, pki, profile, leaf) &&
                SSL_CTX_set_min_proto_version(context, version_min) &&
                SSL_CTX_set_max_proto_version(context, version_max) &&
                (!profile->group || SSL_CTX_set1_groups(context, &profile->group, 1)) &&
                (!profile->asks_client || ask_client(context, pki));
    CRYPTO_BUFFER_free(leaf);
    if (!made) {
        SSL_CTX_free(context);
        return NULL;
    }
    /* Tickets are kept by clients; a cache of sessions would grow with every one of them. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}
