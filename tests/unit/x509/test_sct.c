/* SCTs: one that a real log signed, and others made here with a log's key of our own. */
#include "engine/x509/sct.h"
#include "tests/unit/x509/mint.h"

#include <openssl/base64.h>
#include <openssl/bytestring.h>
#include <openssl/sha.h>

#define VECTORS "/usr/lib/python3/dist-packages/cryptography_vectors/x509/"

/* --- A certificate of 2018 ----------------------------------------------------------------- */

static X509 *read_pem(const char *path) {
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    X509 *x509 = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    return x509;
}

static struct slice decode(X509 *x509, struct certificate *out) {
    uint8_t *der = NULL;
    int len = i2d_X509(x509, &der);
    assert_true(len > 0);
    struct slice slice = {der, (size_t)len};
    assert_int_equal(certificate_decode(slice, out), CERTIFICATE_OK);
    return slice;
}

/* The key of Google's log Icarus, as published; the certificate's other log is not known here. */
static void test_real_log(void **state) {
    static const char key[] = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETtK8v7MICve56qTHHDhhBOuV4IlUaESx"
                              "ZryCfk9QbG9co/CqPvTsgPDbCpp6oFtyAHwlDhnvr7JijXRD9Cb2FA==";
    uint8_t spki[128];
    size_t spki_len;
    struct certificate leaf, issuer;
    struct sct sct;

    (void)state;
    X509 *leaf_x509 = read_pem(VECTORS "cryptography-scts.pem");
    X509 *issuer_x509 = read_pem(VECTORS "letsencryptx3.pem");
    if (!leaf_x509 || !issuer_x509) {
        X509_free(leaf_x509);
        X509_free(issuer_x509);
        print_message("needs python3-cryptography-vectors\n");
        skip();
    }
    assert_true(
        EVP_DecodeBase64(spki, &spki_len, sizeof spki, (const uint8_t *)key, sizeof key - 1));
    struct sct_log log = {.spki = {spki, spki_len}};
    SHA256(spki, spki_len, log.id);
    struct slice leaf_der = decode(leaf_x509, &leaf), issuer_der = decode(issuer_x509, &issuer);

    struct slice list = leaf.sct_list;
    assert_true(sct_list_open(&list));
    assert_true(sct_next(&list, &sct));
    assert_int_equal(sct.timestamp_ms, UINT64_C(1537995393769)); /* by `openssl x509 -text` */
    assert_memory_equal(sct.log_id.ptr, log.id, SCT_LOG_ID_BYTES);
    assert_int_equal(sct_verify(&sct, SCT_EMBEDDED, &leaf, &issuer, &log, 1), SCT_VALID);
    assert_int_equal(sct_verify(&sct, SCT_EMBEDDED, &leaf, NULL, &log, 1), SCT_UNCHECKED);
    assert_int_equal(sct_verify(&sct, SCT_EMBEDDED, &leaf, &leaf, &log, 1), SCT_INVALID);
    assert_int_equal(sct_verify(&sct, SCT_IN_TLS, &leaf, &issuer, &log, 1), SCT_INVALID);
    sct.timestamp_ms++;
    assert_int_equal(sct_verify(&sct, SCT_EMBEDDED, &leaf, &issuer, &log, 1), SCT_INVALID);

    assert_true(sct_next(&list, &sct));
    assert_int_equal(sct.timestamp_ms, UINT64_C(1537995393904));
    assert_int_equal(sct_verify(&sct, SCT_EMBEDDED, &leaf, &issuer, &log, 1), SCT_UNKNOWN_LOG);
    assert_false(sct_next(&list, &sct));
    assert_int_equal(list.len, 0);

    OPENSSL_free((void *)leaf_der.ptr);
    OPENSSL_free((void *)issuer_der.ptr);
    X509_free(leaf_x509);
    X509_free(issuer_x509);
}

/* The same certificate's TBS as the log saw it, made by another program. */
static void test_tbs(void **state) {
    uint8_t expected[4096];
    struct certificate leaf;
    struct buffer tbs;
    (void)state;
    X509 *x509 = read_pem(VECTORS "cryptography-scts.pem");
    FILE *file = fopen(VECTORS "cryptography-scts-tbs-precert.der", "re");
    if (!x509 || !file) {
        X509_free(x509);
        print_message("needs python3-cryptography-vectors\n");
        skip();
    }
    size_t len = fread(expected, 1, sizeof expected, file);
    fclose(file);
    struct slice der = decode(x509, &leaf);
    buffer_init(&tbs);
    buffer_add_text(&tbs, "before");
    assert_true(certificate_tbs_write(&leaf, &tbs));
    assert_int_equal(tbs.len, 6 + len);
    assert_memory_equal(tbs.ptr + 6, expected, len);
    buffer_deinit(&tbs);
    OPENSSL_free((void *)der.ptr);
    X509_free(x509);
}

/* --- Made here ----------------------------------------------------------------------------- */

struct own_log {
    EVP_PKEY *key;
    uint8_t *spki;
    struct sct_log log;
};

static struct own_log make_log(enum mint_key kind) {
    struct own_log made = {.key = mint_key(kind)};
    int len = i2d_PUBKEY(made.key, &made.spki);
    assert_true(len > 0);
    made.log.spki = (struct slice){made.spki, (size_t)len};
    SHA256(made.spki, (size_t)len, made.log.id);
    return made;
}

static void free_log(struct own_log *log) {
    EVP_PKEY_free(log->key);
    OPENSSL_free(log->spki);
}

/* A signature by the log over a final certificate, at time 5, with these extensions. */
static struct slice sign_final(const struct own_log *log, struct slice der, uint8_t *out) {
    uint8_t head[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0};
    uint8_t bytes[4096];
    size_t at = sizeof head, len = 512;
    EVP_MD_CTX context;
    memcpy(bytes, head, at);
    bytes[at++] = 0;
    bytes[at++] = (uint8_t)(der.len >> 8);
    bytes[at++] = (uint8_t)der.len;
    memcpy(bytes + at, der.ptr, der.len);
    at += der.len;
    memcpy(bytes + at, "\x00\x03xyz", 5);
    at += 5;
    EVP_MD_CTX_init(&context);
    assert_true(EVP_DigestSignInit(&context, NULL, EVP_sha256(), NULL, log->key));
    assert_true(EVP_DigestSign(&context, out, &len, bytes, at));
    EVP_MD_CTX_cleanup(&context);
    return (struct slice){out, len};
}

static void test_final_certificate(void **state) {
    static const enum mint_key kinds[] = {MINT_P256, MINT_RSA_2048};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct minted root = mint_root("Root", MINT_P256);
        struct own_log log = make_log(kinds[i]), other = make_log(MINT_P256);
        struct sct_log logs[] = {other.log, log.log};
        struct certificate leaf;
        uint8_t signature[512];
        assert_int_equal(certificate_decode(root.der, &leaf), CERTIFICATE_OK);
        struct sct sct = {
            .log_id = {log.log.id, SCT_LOG_ID_BYTES},
            .timestamp_ms = 5,
            .extensions = slice_of("xyz"),
            .hash = 4,
            .algorithm = i == 0 ? 3 : 1,
            .signature = sign_final(&log, root.der, signature),
        };
        assert_int_equal(sct_verify(&sct, SCT_IN_TLS, &leaf, NULL, logs, 2), SCT_VALID);
        assert_int_equal(sct_verify(&sct, SCT_IN_OCSP, &leaf, NULL, logs, 2), SCT_VALID);
        assert_int_equal(sct_verify(&sct, SCT_IN_TLS, &leaf, NULL, logs, 1), SCT_UNKNOWN_LOG);
        struct sct wrong = sct;
        wrong.algorithm = i == 0 ? 1 : 3;
        assert_int_equal(sct_verify(&wrong, SCT_IN_TLS, &leaf, NULL, logs, 2), SCT_INVALID);
        wrong = sct;
        wrong.hash = 2;
        assert_int_equal(sct_verify(&wrong, SCT_IN_TLS, &leaf, NULL, logs, 2), SCT_INVALID);
        wrong = sct;
        wrong.signature.len--;
        assert_int_equal(sct_verify(&wrong, SCT_IN_TLS, &leaf, NULL, logs, 2), SCT_INVALID);
        wrong = sct;
        wrong.log_id = (struct slice){other.log.id, SCT_LOG_ID_BYTES};
        assert_int_equal(sct_verify(&wrong, SCT_IN_TLS, &leaf, NULL, logs, 2), SCT_INVALID);
        free_log(&log);
        free_log(&other);
        mint_free(&root);
    }
}

/* --- Lists --------------------------------------------------------------------------------- */

static void test_lists(void **state) {
    uint8_t bytes[64] = {0, 49, 0, 47, 0};
    struct sct sct;
    (void)state;
    for (size_t i = 0; i < 32; i++)
        bytes[5 + i] = (uint8_t)i;
    bytes[44] = 9;                             /* the timestamp's end; no extensions */
    memcpy(bytes + 47, "\x04\x03\x00\x00", 4); /* ecdsa, sha256, an empty signature */
    struct slice whole = {bytes, 51}, list = whole;
    assert_true(sct_list_open(&list));
    assert_int_equal(list.len, 49);
    assert_true(sct_next(&list, &sct));
    assert_int_equal(sct.timestamp_ms, 9);
    assert_int_equal(sct.log_id.ptr[31], 31);
    assert_int_equal(sct.hash, 4);
    assert_false(sct_next(&list, &sct));

    /* cut anywhere, nothing opens */
    for (size_t len = 0; len < whole.len; len++) {
        list = (struct slice){bytes, len};
        assert_false(sct_list_open(&list));
    }
    /* bytes behind an SCT, or too few for one, are its fault and not the list's */
    bytes[1] = 50, bytes[3] = 48;
    list = (struct slice){bytes, 52};
    assert_true(sct_list_open(&list));
    assert_false(sct_next(&list, &sct));
    assert_int_not_equal(list.len, 0);
    /* another version is passed over unread */
    bytes[4] = 1;
    assert_true(sct_next(&list, &sct));
    assert_int_equal(sct.version, 1);
    assert_int_equal(sct.log_id.len, 0);
    list = (struct slice){(const uint8_t *)"\x00\x00", 2};
    assert_true(sct_list_open(&list));
    assert_false(sct_next(&list, &sct));
    assert_int_equal(list.len, 0);
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(sct_source_name(SCT_IN_TLS), "tls");
    assert_string_equal(sct_verdict_name(SCT_UNKNOWN_LOG), "unknown_log");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_log),
        cmocka_unit_test(test_tbs),
        cmocka_unit_test(test_final_certificate),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
