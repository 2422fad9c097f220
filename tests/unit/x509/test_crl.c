#include "tests/unit/x509/build_crl.h"

#include "engine/base/limits.h"
#include "engine/x509/revocation.h"

/* IssuingDistributionPoint: a full name with http://crl.test/1, one with http://crl.test/1a, one
 * that is cut off, and the flags. */
#define URL_1       "crlDistributionPoints=URI:http://crl.test/1"
#define POINT_1     "3017a015a0138611687474703a2f2f63726c2e746573742f31"
#define POINT_OTHER "3018a016a0148612687474703a2f2f63726c2e746573742f3161"
#define POINT_CUT   "3018a016a014861268747470"
#define USERS       "30038101ff"
#define CAS         "30038201ff"
#define REASONS     "300483020640"
#define INDIRECT    "30038401ff"
#define ATTRIBUTE   "30038501ff"

struct fixture {
    struct minted root, other_root, leaf, ca;
    struct certificate root_decoded, other_decoded, leaf_decoded, ca_decoded;
};

static struct certificate decode(const struct minted *made) {
    struct certificate certificate;
    assert_int_equal(certificate_decode(made->der, &certificate), CERTIFICATE_OK);
    return certificate;
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->root = mint_root("Root", MINT_P256);
    f->other_root = mint_root("Root", MINT_P256); /* the same name, another key */
    f->leaf = mint(&(struct mint_order){
        .subject = "leaf", .issuer = &f->root, .extensions = {MINT_SERVER, URL_1}});
    f->ca = mint_intermediate("CA", &f->root, MINT_P256);
    f->root_decoded = decode(&f->root);
    f->other_decoded = decode(&f->other_root);
    f->leaf_decoded = decode(&f->leaf);
    f->ca_decoded = decode(&f->ca);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;

    mint_free(&f->root);
    mint_free(&f->other_root);
    mint_free(&f->leaf);
    mint_free(&f->ca);
    free(f);
    return 0;
}

static enum crl_error read_order(const struct crl_order *order, struct crl **out) {
    struct slice der = crl_make(order);
    enum crl_error error = crl_read(der, out);
    OPENSSL_free((void *)der.ptr);
    return error;
}

static struct crl *read_good(const struct crl_order *order) {
    struct crl *crl = NULL;
    assert_int_equal(read_order(order, &crl), CRL_OK);
    return crl;
}

static void reads_what_a_list_says(void **state) {
    struct fixture *f = *state;
    struct crl *crl = read_good(&(struct crl_order){
        .issuer = &f->root,
        .entries = {{.serial = 0x80, .extension = CRL_REASON_OF("01")},
                    {.serial = 3, .revoked_at = MINT_NOW - 5},
                    {.certificate = &f->leaf, .extension = CRL_REASON_OF("04")}}});
    struct crl_entry entry;

    assert_true(slice_equal(crl->issuer, f->root_decoded.subject));
    assert_int_equal(crl->this_update, MINT_NOW - 86400);
    assert_int_equal(crl->next_update, MINT_NOW + 7 * 86400);
    assert_int_equal(crl->revoked_count, 3);
    assert_true(crl_find(crl, f->leaf_decoded.serial, &entry));
    assert_int_equal(entry.revoked_at, MINT_NOW - 86400);
    assert_string_equal(crl_reason_name(entry.reason), "superseded");
    assert_true(crl_find(crl, (struct slice){(const uint8_t *)"\x03", 1}, &entry));
    assert_int_equal(entry.revoked_at, MINT_NOW - 5);
    assert_string_equal(crl_reason_name(entry.reason), "unspecified");
    /* 0x80 is encoded with a zero byte; the padding of a careless CA does not matter, and what
       would be -128 is another number. */
    assert_true(crl_find(crl, (struct slice){(const uint8_t *)"\0\x80", 2}, &entry));
    assert_string_equal(crl_reason_name(entry.reason), "key_compromise");
    assert_true(crl_find(crl, (struct slice){(const uint8_t *)"\0\0\x80", 3}, &entry));
    assert_false(crl_find(crl, (struct slice){(const uint8_t *)"\x80", 1}, &entry));
    assert_false(crl_find(crl, (struct slice){(const uint8_t *)"\x04", 1}, &entry));
    assert_false(crl_find(crl, (struct slice){NULL, 0}, &entry));
    assert_false(crl_find(crl, f->ca_decoded.serial, &entry));
    crl_free(crl);
    crl_free(NULL);
}

static void finds_each_of_many(void **state) {
    struct fixture *f = *state;
    enum { MANY = 5000 };
    X509_CRL *x509 = crl_make_x509(&(struct crl_order){.issuer = &f->root});
    struct random_serial {
        uint32_t number;
    } serials[MANY];
    uint8_t *der = NULL;
    struct crl *crl;
    struct crl_entry found;

    for (size_t i = 0; i < MANY; i++) { /* in no order */
        serials[i].number = (uint32_t)(i * 2654435761u) | 1;
        crl_add_entry(x509, &(struct crl_order_entry){.serial = serials[i].number,
                                                      .revoked_at = 1000000 + (int64_t)i});
    }
    assert_true(X509_CRL_sign(x509, f->root.key, EVP_sha256()) > 0);
    int len = i2d_X509_CRL(x509, &der);
    assert_int_equal(crl_read((struct slice){der, (size_t)len}, &crl), CRL_OK);
    assert_int_equal(crl->revoked_count, MANY);
    for (size_t i = 0; i < MANY; i++) {
        ASN1_INTEGER *integer = ASN1_INTEGER_new();
        uint8_t *encoded = NULL;
        assert_true(ASN1_INTEGER_set_uint64(integer, serials[i].number));
        int encoded_len = i2d_ASN1_INTEGER(integer, &encoded);
        struct slice serial = {encoded + 2, (size_t)encoded_len - 2};
        assert_true(crl_find(crl, serial, &found));
        assert_int_equal(found.revoked_at, 1000000 + (int64_t)i);
        encoded[encoded_len - 1] ^= 1; /* all are odd */
        assert_false(crl_find(crl, serial, &found));
        OPENSSL_free(encoded);
        ASN1_INTEGER_free(integer);
    }
    crl_free(crl);
    OPENSSL_free(der);
    X509_CRL_free(x509);
}

static void reads_pem(void **state) {
    struct fixture *f = *state;
    struct slice pem =
        crl_make_pem(&(struct crl_order){.issuer = &f->root, .entries = {{.serial = 5}}});
    char *text = NULL;
    struct crl *crl;

    assert_int_equal(crl_read(pem, &crl), CRL_OK);
    assert_int_equal(crl->revoked_count, 1);
    assert_true(crl_is_signed_by(crl, &f->root_decoded));
    crl_free(crl);
    int len = asprintf(&text,
                       "words\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
                       "%.*s",
                       (int)pem.len, (const char *)pem.ptr);
    assert_int_equal(crl_read((struct slice){(uint8_t *)text, (size_t)len}, &crl), CRL_OK);
    crl_free(crl);
    assert_int_equal(crl_read((struct slice){(uint8_t *)text, 60}, &crl), CRL_MALFORMED);
    free(text);
    OPENSSL_free((void *)pem.ptr);
}

static void knows_who_signed(void **state) {
    struct fixture *f = *state;
    struct minted no_crls =
        mint(&(struct mint_order){.subject = "Root",
                                  .key = f->root.key,
                                  .extensions = {MINT_CA, "keyUsage=critical,keyCertSign"}});
    struct certificate no_crls_decoded = decode(&no_crls);
    struct crl *crl = read_good(&(struct crl_order){.issuer = &f->root});

    assert_true(crl_is_signed_by(crl, &f->root_decoded));
    assert_false(crl_is_signed_by(crl, &f->other_decoded));
    assert_false(crl_is_signed_by(crl, &f->leaf_decoded));
    assert_false(crl_is_signed_by(crl, &no_crls_decoded));
    crl_free(crl);
    crl = read_good(&(struct crl_order){.issuer = &f->root, .digest = EVP_sha1()});
    assert_false(crl_is_signed_by(crl, &f->root_decoded));
    crl_free(crl);
    crl = read_good(&(struct crl_order){.issuer = &f->root, .digest = EVP_sha384()});
    assert_true(crl_is_signed_by(crl, &f->root_decoded));
    crl_free(crl);
    mint_free(&no_crls);
}

static void keeps_to_its_scope(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *point;
        bool leaf, ca;
    } cases[] = {{USERS, true, false},        {CAS, false, true},     {ATTRIBUTE, false, false},
                 {REASONS, true, true},       {POINT_1, true, false}, /* the CA names no point */
                 {POINT_OTHER, false, false}, {"3000", true, true}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct crl *crl = read_good(&(struct crl_order){
            .issuer = &f->root, .extensions = {{CRL_POINT, cases[i].point, true}}});
        assert_int_equal(crl_covers(crl, &f->leaf_decoded), cases[i].leaf);
        assert_int_equal(crl_covers(crl, &f->ca_decoded), cases[i].ca);
        crl_free(crl);
    }
    struct crl *crl = read_good(&(struct crl_order){.issuer = &f->ca});
    assert_false(crl_covers(crl, &f->leaf_decoded));
    crl_free(crl);
}

static void refuses_what_needs_more(void **state) {
    struct fixture *f = *state;
    static const struct {
        struct crl_extension extension, of_entry;
        enum crl_error error;
    } cases[] = {
        {{CRL_DELTA_BASE, "020101", true}, {0}, CRL_DELTA},
        {{CRL_DELTA_BASE, "020101", false}, {0}, CRL_DELTA},
        {{CRL_POINT, INDIRECT, true}, {0}, CRL_INDIRECT},
        {{CRL_UNHEARD_OF, "0500", true}, {0}, CRL_UNKNOWN_CRITICAL},
        {{CRL_UNHEARD_OF, "0500", false}, {0}, CRL_OK},
        {{CRL_POINT, POINT_CUT, true}, {0}, CRL_MALFORMED},
        {{CRL_POINT, "0500", true}, {0}, CRL_MALFORMED},
        {{0}, {CRL_ENTRY_ISSUER, "3000", true}, CRL_INDIRECT},
        {{0}, {CRL_UNHEARD_OF, "0500", true}, CRL_UNKNOWN_CRITICAL},
        {{0}, {CRL_UNHEARD_OF, "0500", false}, CRL_OK},
        {{0}, {CRL_REASON, "0a0100", true}, CRL_OK},
        {{0}, {CRL_REASON, "020100", false}, CRL_MALFORMED},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct crl_order order = {.issuer = &f->root,
                                  .entries = {{.serial = 9, .extension = cases[i].of_entry}},
                                  .extensions = {cases[i].extension}};
        struct crl *crl = NULL;
        enum crl_error error = read_order(&order, &crl);
        if (error != cases[i].error)
            fail_msg("case %zu: %s", i, crl_error_text(error));
        if (error == CRL_OK)
            crl_free(crl);
    }
}

static void refuses_what_is_no_list(void **state) {
    struct fixture *f = *state;
    struct slice der = crl_make(&(struct crl_order){
        .issuer = &f->root, .entries = {{.serial = 5}}, .extensions = {{CRL_POINT, USERS, true}}});
    uint8_t *copy = malloc(der.len + 1);
    struct crl *crl;

    memcpy(copy, der.ptr, der.len);
    copy[der.len] = 0;
    for (size_t len = 0; len < der.len; len++) /* cut off anywhere */
        assert_int_equal(crl_read((struct slice){copy, len}, &crl), CRL_MALFORMED);
    assert_int_equal(crl_read((struct slice){copy, der.len + 1}, &crl), CRL_MALFORMED);
    assert_int_equal(crl_read(f->leaf.der, &crl), CRL_MALFORMED);
    assert_int_equal(crl_read((struct slice){NULL, LIMIT_CRL_BYTES + 1}, &crl), CRL_TOO_LARGE);
    free(copy);
    OPENSSL_free((void *)der.ptr);
}

static struct revocation verdict(const struct crl_order *order, const struct certificate *of,
                                 const struct certificate *issuer, int64_t now) {
    struct crl *crl = read_good(order);
    struct revocation found = revocation_of(crl, crl_is_signed_by(crl, issuer), of, now);
    crl_free(crl);
    return found;
}

static void comes_to_a_verdict(void **state) {
    struct fixture *f = *state;
    const struct certificate *leaf = &f->leaf_decoded, *root = &f->root_decoded;
    struct crl_order empty = {.issuer = &f->root}, revoked = empty, endless = empty, some = empty;

    revoked.entries[0] =
        (struct crl_order_entry){.certificate = &f->leaf, .extension = CRL_REASON_OF("01")};
    endless.without_next_update = true;
    some.extensions[0] = (struct crl_extension){CRL_POINT, REASONS, true};

    struct revocation found = verdict(&empty, leaf, root, MINT_NOW);
    assert_int_equal(found.status, REVOCATION_GOOD);
    assert_int_equal(found.next_update, MINT_NOW + 7 * 86400);
    found = verdict(&empty, leaf, root, MINT_NOW + 7 * 86400); /* the last second */
    assert_int_equal(found.status, REVOCATION_GOOD);
    found = verdict(&empty, leaf, root, MINT_NOW + 7 * 86400 + 1);
    assert_int_equal(found.status, REVOCATION_STALE);
    found = verdict(&endless, leaf, root, MINT_NOW + 700 * 86400);
    assert_int_equal(found.status, REVOCATION_GOOD);
    found = verdict(&empty, leaf, root, MINT_NOW - 86401);
    assert_int_equal(found.status, REVOCATION_UNKNOWN);

    found = verdict(&revoked, leaf, root, MINT_NOW);
    assert_int_equal(found.status, REVOCATION_REVOKED);
    assert_int_equal(found.revoked_at, MINT_NOW - 86400);
    assert_string_equal(crl_reason_name(found.reason), "key_compromise");
    found = verdict(&revoked, leaf, root, MINT_NOW + 100 * 86400); /* an old list still counts */
    assert_int_equal(found.status, REVOCATION_REVOKED);
    found = verdict(&revoked, leaf, &f->other_decoded, MINT_NOW); /* anybody's does not */
    assert_int_equal(found.status, REVOCATION_UNKNOWN);
    assert_non_null(found.error);
    found = verdict(&some, leaf, root, MINT_NOW);
    assert_int_equal(found.status, REVOCATION_UNKNOWN);
    assert_string_equal(revocation_status_name(REVOCATION_STALE), "stale");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_list_says),
        cmocka_unit_test(finds_each_of_many),
        cmocka_unit_test(reads_pem),
        cmocka_unit_test(knows_who_signed),
        cmocka_unit_test(keeps_to_its_scope),
        cmocka_unit_test(refuses_what_needs_more),
        cmocka_unit_test(refuses_what_is_no_list),
        cmocka_unit_test(comes_to_a_verdict),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
