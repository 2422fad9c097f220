/* Log lists: real logs' entries, everything that can be wrong with one, and signatures. */
#include "ingest/ct/log_list.h"

#include "engine/base/buffer.h"

#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* As published: a log of each kind. Their ids are known from elsewhere, too. */
#define ICARUS                                                                                     \
    "{\"description\":\"Google 'Icarus' log\","                                                    \
    "\"log_id\":\"KTxRllTIOWW6qlD8WAfUt2+/WHopctykwwz05UVH9Hg=\","                                 \
    "\"key\":\"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETtK8v7MICve56qTHHDhhBOuV4IlU"                   \
    "aESxZryCfk9QbG9co/CqPvTsgPDbCpp6oFtyAHwlDhnvr7JijXRD9Cb2FA==\","                              \
    "\"url\":\"https://ct.googleapis.com/icarus/\",\"mmd\":86400"
#define SYCAMORE                                                                                   \
    "{\"description\":\"Let's Encrypt 'Sycamore2026h1'\","                                         \
    "\"log_id\":\"pcl4kl1XRheChw3YiWYLXFVki30AQPLsB2hR0YhpGfc=\","                                 \
    "\"key\":\"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfEEe0JZknA91/c6eNl1aexgeKzuG"                   \
    "QUMvRCXPXg9L227O5I4Pi++Abcpq6qxlVUKPYafAJelAnMfGzv3lHCc8gA==\","                              \
    "\"submission_url\":\"https://log.sycamore.ct.letsencrypt.org/2026h1/\","                      \
    "\"monitoring_url\":\"https://mon.sycamore.ct.letsencrypt.org/2026h1/\",\"mmd\":60"
#define ROOT "\"VZSWg/w2SrtPCiuQmeqXSqXfXJPjzEgVYf+2vCHv0YQ=\""

static const char whole[] =
    "{\"is_all_logs\":false,\"version\":\"85.92\",\"log_list_timestamp\":\"2026-05-29T12:01:02Z\","
    "\"operators\":[{\"name\":\"Google\",\"email\":[\"a@example.org\",\"b@example.org\"],"
    "\"logs\":[" ICARUS ",\"state\":{\"readonly\":{\"timestamp\":\"2023-01-02T03:04:05.678Z\","
    "\"final_tree_head\":{\"sha256_root_hash\":" ROOT ",\"tree_size\":1234567890123}}}}]},"
    "{\"name\":\"Nobody\",\"email\":[]},"
    "{\"name\":\"Let's Encrypt\",\"email\":[],\"logs\":[],\"tiled_logs\":[" SYCAMORE
    ",\"log_type\":\"test\",\"unknown\":[{}],"
    "\"state\":{\"usable\":{\"timestamp\":\"2024-09-30T22:19:27Z\"}},\"temporal_interval\":{"
    "\"start_inclusive\":\"2025-12-18T00:00:00Z\",\"end_exclusive\":\"2026-06-18T00:00:00Z\"}}]}]}";

/* Parses a copy of exactly its size, which is gone afterwards. */
static enum error parse(struct log_list **list, const char *json, struct failure *failure) {
    uint8_t *copy = malloc(strlen(json) + 1);

    assert_non_null(copy);
    memcpy(copy, json, strlen(json));
    enum error error = log_list_parse(list, (struct slice){copy, strlen(json)}, failure);
    memset(copy, 0xaa, strlen(json));
    free(copy);
    return error;
}

static struct log_list *parse_good(const char *json) {
    struct failure failure = {0};
    struct log_list *list;

    if (parse(&list, json, &failure) != ERROR_NONE)
        fail_msg("%s", failure.text);
    return list;
}

static void assert_text(struct slice actual, const char *expected) {
    if (!slice_is(actual, expected))
        fail_msg("\"%.*s\" is not \"%s\"", (int)actual.len, (const char *)actual.ptr, expected);
}

/* --- Reading ------------------------------------------------------------------------------- */

/* Times are those that `date -d TIME +%s` tells. */
static void test_whole(void **state) {
    static const uint8_t icarus_id[] = {0x29, 0x3c, 0x51, 0x96, 0x54, 0xc8, 0x39, 0x65};
    struct log_list *list = parse_good(whole);

    (void)state;
    assert_text(list->version, "85.92");
    assert_true(list->time_ms == INT64_C(1780056062000));
    assert_int_equal(list->operator_count, 3);
    assert_int_equal(list->log_count, 2);
    assert_text(list->operators[0].name, "Google");
    assert_int_equal(list->operators[0].emails.count, 2);
    assert_text(list->operators[0].emails.items[1], "b@example.org");

    const struct log_list_log *log = &list->logs[0];
    assert_ptr_equal(log->run_by, &list->operators[0]);
    assert_text(log->description, "Google 'Icarus' log");
    assert_memory_equal(log->id, icarus_id, sizeof icarus_id);
    assert_int_equal(log->key.len, 91);
    assert_false(log->tiled || log->test);
    assert_text(log->monitoring_url, "https://ct.googleapis.com/icarus/");
    assert_text(log->submission_url, "https://ct.googleapis.com/icarus/");
    assert_int_equal(log->mmd_s, 86400);
    assert_int_equal(log->state, LOG_LIST_READONLY);
    assert_true(log->state_ms == INT64_C(1672628645000));
    assert_true(log->has_final_head && log->final_tree_size == UINT64_C(1234567890123));
    assert_int_equal(log->final_root[0], 0x55);
    assert_true(log->interval_start_ms == INT64_MIN && log->interval_end_ms == INT64_MAX);

    log = &list->logs[1];
    assert_ptr_equal(log->run_by, &list->operators[2]);
    assert_true(log->tiled && log->test && !log->has_final_head);
    assert_text(log->submission_url, "https://log.sycamore.ct.letsencrypt.org/2026h1/");
    assert_text(log->monitoring_url, "https://mon.sycamore.ct.letsencrypt.org/2026h1/");
    assert_int_equal(log->state, LOG_LIST_USABLE);
    assert_true(log->interval_start_ms == INT64_C(1766016000000));
    assert_true(log->interval_end_ms == INT64_C(1781740800000));

    assert_ptr_equal(log_list_find(list, log->id), log);
    static const uint8_t nobody[SCT_LOG_ID_BYTES];
    assert_null(log_list_find(list, nobody));
    log_list_free(list);
}

static void test_sct_logs(void **state) {
    struct log_list *list = parse_good(whole);
    struct sct_log logs[2];

    (void)state;
    assert_int_equal(log_list_sct_logs(list, LOG_LIST_BIT(LOG_LIST_RETIRED), logs), 0);
    assert_int_equal(log_list_sct_logs(list, LOG_LIST_BIT(LOG_LIST_USABLE), logs), 1);
    assert_text(logs[0].name, "Let's Encrypt 'Sycamore2026h1'");
    assert_memory_equal(logs[0].id, list->logs[1].id, SCT_LOG_ID_BYTES);
    assert_int_equal(log_list_sct_logs(list, LOG_LIST_CURRENT, logs), 2);
    assert_true(slice_equal(logs[0].spki, list->logs[0].key));
    log_list_free(list);
}

/* What may be missing, and states that are not known. */
static void test_least(void **state) {
    static const char *const states[] = {
        "",
        ",\"state\":{\"exalted\":{}}",
        ",\"state\":{\"pending\":{\"timestamp\":\"2024-09-30T22:19:27Z\"}}",
    };
    static const uint8_t expected[] = {LOG_LIST_STATELESS, LOG_LIST_STATELESS, LOG_LIST_PENDING};
    char json[2048];

    (void)state;
    struct log_list *list = parse_good("{\"operators\":[]}");
    assert_int_equal(list->operator_count + list->log_count + list->version.len, 0);
    assert_true(list->time_ms == 0);
    log_list_free(list);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        snprintf(json, sizeof json, "{\"operators\":[{\"name\":\"A\",\"logs\":[" ICARUS "%s}]}]}",
                 states[i]);
        list = parse_good(json);
        assert_int_equal(list->logs[0].state, expected[i]);
        log_list_free(list);
    }
    assert_null(log_list_state_name(LOG_LIST_STATELESS));
    assert_string_equal(log_list_state_name(LOG_LIST_REJECTED), "rejected");
}

/* --- What is wrong ------------------------------------------------------------------------- */

static void assert_wrong(const char *json, enum error error, const char *words) {
    struct failure failure = {0};
    struct log_list *list;

    assert_int_equal(parse(&list, json, &failure), error);
    assert_null(list);
    if (!strstr(failure.text, words))
        fail_msg("\"%s\" does not say \"%s\"", failure.text, words);
    assert_int_equal(parse(&list, json, NULL), error); /* nobody wants to know why */
}

/* The good list with the first occurrence of one text replaced by another. */
static void assert_wrong_with(const char *from, const char *to, const char *words) {
    const char *at = strstr(whole, from);
    struct buffer json;

    assert_non_null(at);
    buffer_init(&json);
    buffer_add(&json, whole, (size_t)(at - whole));
    buffer_add_text(&json, to);
    buffer_add_text(&json, at + strlen(from));
    buffer_add_byte(&json, 0);
    assert_wrong((const char *)json.ptr, ERROR_INPUT, words);
    buffer_deinit(&json);
}

static void test_not_a_list(void **state) {
    (void)state;
    assert_wrong("", ERROR_INPUT, "empty");
    assert_wrong("<html>", ERROR_INPUT, "no JSON");
    assert_wrong("{\"operators\":[}", ERROR_INPUT, "at byte 14");
    assert_wrong("[]", ERROR_INPUT, "operators is missing");
    assert_wrong("{\"operators\":{}}", ERROR_INPUT, "operators is no list");
    assert_wrong("{\"operators\":[3]}", ERROR_INPUT, "operators[0] is no object");
    assert_wrong("{\"operators\":[{}]}", ERROR_INPUT, "operators[0].name is missing");
    assert_wrong("{\"operators\":[{\"name\":\"A\",\"logs\":{}}]}", ERROR_INPUT,
                 "operators[0].logs is no list");
    assert_wrong("{\"operators\":[{\"name\":\"A\",\"logs\":[4]}]}", ERROR_INPUT,
                 "operators[0].logs[0] is no object");
}

static void test_wrong_members(void **state) {
    static const char *const changes[][3] = {
        {"\"85.92\"", "85.92", "version is no text"},
        {"2026-05-29T12:01:02Z", "2026-05-29", "log_list_timestamp is no time"},
        {"2026-05-29T12:01:02Z", "2026-13-29T12:01:02Z", "log_list_timestamp is no time"},
        {"[\"a@example.org\"", "[7", "operators[0].email"},
        {"\"log_id\":\"KT", "\"log_id\":\"LT", "operators[0].logs[0].log_id is not the SHA-256"},
        {"\"log_id\":\"KT", "\"log_id\":\"!T", "operators[0].logs[0].log_id is no base64"},
        {"\"key\":", "\"kay\":", "operators[0].logs[0].key is missing"},
        {"\"url\":\"https", "\"url\":\"ftp", "operators[0].logs[0].url is no HTTP URL"},
        {"googleapis.com/icarus/", "googleapis.com/ica rus/", "url is no HTTP URL"},
        {"\"mmd\":86400", "\"mmd\":-1", "operators[0].logs[0].mmd is no number"},
        {"\"mmd\":86400", "\"mm\":86400", "operators[0].logs[0].mmd is missing"},
        {"\"readonly\":{\"timestamp\":\"", "\"readonly\":{\"timestamp\":\"x", "logs[0].timestamp"},
        {"\"state\":{\"readonly\"", "\"state\":{\"usable\":{},\"readonly\"", "one member"},
        {"final_tree_head", "final", "state.readonly.final_tree_head is missing"},
        {"\"tree_size\":1", "\"tree_size\":-1", "tree_size is no number"},
        {"VZSWg/w2", "VZSW", "sha256_root_hash"},
        {"monitoring_url", "monitor", "operators[2].tiled_logs[0].monitoring_url is missing"},
        {"2025-12-18", "2027-12-18", "temporal_interval ends before it begins"},
        {"end_exclusive", "end", "operators[2].tiled_logs[0].end_exclusive is missing"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        assert_wrong_with(changes[i][0], changes[i][1], changes[i][2]);
}

/* One more than is allowed of everything, and a file without end. */
static void test_too_much(void **state) {
    static const char log[] = ICARUS "},";
    struct buffer json;

    (void)state;
    buffer_init(&json);
    buffer_add_text(&json, "{\"operators\":[{\"name\":\"A\",\"logs\":[");
    for (int i = 0; i < LOG_LIST_LOGS_MAX + 1; i++)
        buffer_add(&json, log, sizeof log - 1);
    json.len--;
    buffer_add(&json, "]}]}", 5);
    assert_wrong((const char *)json.ptr, ERROR_INPUT, "too many logs");

    json.len = 0;
    buffer_add_text(&json, "{\"operators\":[");
    for (int i = 0; i < LOG_LIST_OPERATORS_MAX + 1; i++)
        buffer_add_text(&json, i ? ",{}" : "{}");
    buffer_add(&json, "]}", 3);
    assert_wrong((const char *)json.ptr, ERROR_INPUT, "operators are too many");

    json.len = 0;
    buffer_add_text(&json, "{\"operators\":[{\"name\":\"");
    for (int i = 0; i < LOG_LIST_TEXT_BYTES_MAX + 1; i++)
        buffer_add_byte(&json, 'a');
    buffer_add(&json, "\"}]}", 5);
    assert_wrong((const char *)json.ptr, ERROR_INPUT, "operators[0].name is too long");

    json.len = 0;
    while (json.len <= LOG_LIST_BYTES_MAX)
        buffer_add_byte(&json, ' ');
    buffer_add_byte(&json, 0);
    assert_wrong((const char *)json.ptr, ERROR_LIMIT, "more than");
    buffer_deinit(&json);
}

/* --- Signatures ---------------------------------------------------------------------------- */

static EVP_PKEY *make_key(int bits) {
    EVP_PKEY *key = EVP_PKEY_new();
    RSA *rsa = RSA_new();
    BIGNUM *e = BN_new();

    assert_true(BN_set_word(e, RSA_F4) && RSA_generate_key_ex(rsa, bits, e, NULL) &&
                EVP_PKEY_assign_RSA(key, rsa));
    BN_free(e);
    return key;
}

static struct slice sign(EVP_PKEY *key, struct slice bytes, uint8_t out[512]) {
    EVP_MD_CTX context;
    size_t len = 512;

    EVP_MD_CTX_init(&context);
    assert_true(EVP_DigestSignInit(&context, NULL, EVP_sha256(), NULL, key) &&
                EVP_DigestSign(&context, out, &len, bytes.ptr, bytes.len));
    EVP_MD_CTX_cleanup(&context);
    return (struct slice){out, len};
}

static void test_signature(void **state) {
    uint8_t bytes[512], *der = NULL;
    const uint8_t *pem = NULL;
    size_t pem_len = 0;
    struct failure failure = {0};
    EVP_PKEY *key = make_key(2048);
    BIO *bio = BIO_new(BIO_s_mem());

    (void)state;
    struct slice json = slice_of(whole), signature = sign(key, json, bytes);
    int der_len = i2d_PUBKEY(key, &der);
    assert_true(der_len > 0 && PEM_write_bio_PUBKEY(bio, key) &&
                BIO_mem_contents(bio, &pem, &pem_len));
    struct slice as_der = {der, (size_t)der_len}, as_pem = {pem, pem_len};

    assert_int_equal(log_list_check_signature(json, signature, as_der, NULL), ERROR_NONE);
    assert_int_equal(log_list_check_signature(json, signature, as_pem, NULL), ERROR_NONE);
    assert_int_equal(log_list_check_signature(slice_from(json, 1), signature, as_der, &failure),
                     ERROR_INPUT);
    assert_non_null(strstr(failure.text, "does not fit"));
    assert_int_equal(log_list_check_signature(json, slice_first(signature, 255), as_der, NULL),
                     ERROR_INPUT);
    assert_int_equal(log_list_check_signature(json, (struct slice){NULL, 0}, as_der, NULL),
                     ERROR_INPUT);
    /* Google has not signed this. */
    assert_int_equal(log_list_check_signature(json, signature, (struct slice){NULL, 0}, &failure),
                     ERROR_INPUT);
    assert_non_null(strstr(failure.text, "does not fit"));
    assert_int_equal(log_list_check_signature(json, signature, slice_of("no key"), &failure),
                     ERROR_INPUT);
    assert_non_null(strstr(failure.text, "no RSA key"));
    BIO_free(bio);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

static void test_short_key(void **state) {
    uint8_t bytes[512], *der = NULL;
    EVP_PKEY *key = make_key(1024);
    int len = i2d_PUBKEY(key, &der);

    (void)state;
    assert_int_equal(log_list_check_signature(slice_of(whole), sign(key, slice_of(whole), bytes),
                                              (struct slice){der, (size_t)len}, NULL),
                     ERROR_INPUT);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

/* By `openssl pkey -pubin -outform DER | sha256sum` of log_list_pubkey.pem as others have it. */
static void test_google_key(void **state) {
    static const char expected[] =
        "f1d8b68e50210d8e73d9a3e97f571773c52d7f28c0b1a71beee81d8562e6fd85";
    uint8_t hash[SHA256_DIGEST_LENGTH], *der = NULL;
    char text[2 * SHA256_DIGEST_LENGTH + 1];
    BIO *bio = BIO_new_mem_buf(log_list_google_key, -1);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);

    (void)state;
    assert_non_null(key);
    assert_int_equal(EVP_PKEY_bits(key), 4096);
    int len = i2d_PUBKEY(key, &der);
    assert_true(len > 0);
    SHA256(der, (size_t)len, hash);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    assert_string_equal(text, expected);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    BIO_free(bio);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),         cmocka_unit_test(test_sct_logs),
        cmocka_unit_test(test_least),         cmocka_unit_test(test_not_a_list),
        cmocka_unit_test(test_wrong_members), cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_signature),     cmocka_unit_test(test_short_key),
        cmocka_unit_test(test_google_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
