/* CRLs made to order, for tests (RFC 5280 section 5). */
#ifndef TESTS_UNIT_X509_BUILD_CRL_H
#define TESTS_UNIT_X509_BUILD_CRL_H

#include "tests/unit/x509/mint.h"

enum { CRL_ORDER_MAX = 8 };

/* An extension by its dotted OID and the content of its OCTET STRING in hexadecimal. */
struct crl_extension {
    const char *oid, *value;
    bool critical;
};

#define CRL_POINT        "2.5.29.28"
#define CRL_DELTA_BASE   "2.5.29.27"
#define CRL_REASON       "2.5.29.21"
#define CRL_ENTRY_ISSUER "2.5.29.29"
#define CRL_UNHEARD_OF   "1.2.3.4.5"
#define CRL_REASON_OF(n) {CRL_REASON, "0a01" n, false}

struct crl_order_entry {
    const struct minted *certificate; /* whose serial is listed, or: */
    uint64_t serial;
    int64_t revoked_at; /* 0: a day before MINT_NOW */
    struct crl_extension extension;
};

/* What to make. Zero means: an empty list of the day before MINT_NOW for eight days, SHA-256. */
struct crl_order {
    const struct minted *issuer;
    const struct minted *signer; /* NULL: the issuer */
    int64_t this_update, next_update;
    bool without_next_update;
    const EVP_MD *digest;
    struct crl_order_entry entries[CRL_ORDER_MAX];
    struct crl_extension extensions[CRL_ORDER_MAX];
};

static inline X509_EXTENSION *crl_extension_make(const struct crl_extension *wanted) {
    ASN1_OBJECT *object = OBJ_txt2obj(wanted->oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    uint8_t bytes[512];
    size_t len = strlen(wanted->value) / 2;

    assert_true(object && value && len <= sizeof bytes);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(sscanf(wanted->value + 2 * i, "%2hhx", &bytes[i]), 1);
    assert_true(ASN1_OCTET_STRING_set(value, bytes, (int)len));
    X509_EXTENSION *made = X509_EXTENSION_create_by_OBJ(NULL, object, wanted->critical, value);
    assert_non_null(made);
    ASN1_OBJECT_free(object);
    ASN1_OCTET_STRING_free(value);
    return made;
}

static inline void crl_add_entry(X509_CRL *crl, const struct crl_order_entry *entry) {
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    ASN1_TIME *time =
        ASN1_TIME_set_posix(NULL, entry->revoked_at ? entry->revoked_at : MINT_NOW - 86400);

    assert_true(revoked && serial && time);
    if (entry->certificate) {
        assert_true(X509_REVOKED_set_serialNumber(revoked,
                                                  X509_get_serialNumber(entry->certificate->x509)));
    } else {
        assert_true(ASN1_INTEGER_set_uint64(serial, entry->serial));
        assert_true(X509_REVOKED_set_serialNumber(revoked, serial));
    }
    assert_true(X509_REVOKED_set_revocationDate(revoked, time));
    if (entry->extension.oid) {
        X509_EXTENSION *extension = crl_extension_make(&entry->extension);
        assert_true(X509_REVOKED_add_ext(revoked, extension, -1));
        X509_EXTENSION_free(extension);
    }
    assert_true(X509_CRL_add0_revoked(crl, revoked));
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(time);
}

static inline ASN1_TIME *crl_time(int64_t given, int64_t otherwise) {
    ASN1_TIME *time = ASN1_TIME_set_posix(NULL, given ? given : otherwise);
    assert_non_null(time);
    return time;
}

static inline X509_CRL *crl_make_x509(const struct crl_order *order) {
    const struct minted *signer = order->signer ? order->signer : order->issuer;
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *this_update = crl_time(order->this_update, MINT_NOW - 86400);
    ASN1_TIME *next_update = crl_time(order->next_update, MINT_NOW + 7 * 86400);

    assert_true(crl && X509_CRL_set_version(crl, X509_CRL_VERSION_2) &&
                X509_CRL_set_issuer_name(crl, X509_get_subject_name(order->issuer->x509)) &&
                X509_CRL_set1_lastUpdate(crl, this_update) &&
                (order->without_next_update || X509_CRL_set1_nextUpdate(crl, next_update)));
    ASN1_TIME_free(this_update);
    ASN1_TIME_free(next_update);
    for (size_t i = 0; i < CRL_ORDER_MAX; i++)
        if (order->entries[i].certificate || order->entries[i].serial)
            crl_add_entry(crl, &order->entries[i]);
    for (size_t i = 0; i < CRL_ORDER_MAX && order->extensions[i].oid; i++) {
        X509_EXTENSION *extension = crl_extension_make(&order->extensions[i]);
        assert_true(X509_CRL_add_ext(crl, extension, -1));
        X509_EXTENSION_free(extension);
    }
    assert_true(X509_CRL_sign(crl, signer->key, order->digest ? order->digest : EVP_sha256()) > 0);
    return crl;
}

/* To be freed with OPENSSL_free. */
static inline struct slice crl_make(const struct crl_order *order) {
    X509_CRL *crl = crl_make_x509(order);
    uint8_t *der = NULL;
    int len = i2d_X509_CRL(crl, &der);

    assert_true(len > 0);
    X509_CRL_free(crl);
    return (struct slice){der, (size_t)len};
}

static inline struct slice crl_make_pem(const struct crl_order *order) {
    X509_CRL *crl = crl_make_x509(order);
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *text = NULL;
    size_t len = 0;

    assert_true(bio && PEM_write_bio_X509_CRL(bio, crl) && BIO_mem_contents(bio, &text, &len));
    uint8_t *copy = OPENSSL_memdup(text, len);
    BIO_free(bio);
    X509_CRL_free(crl);
    return (struct slice){copy, len};
}

#endif
