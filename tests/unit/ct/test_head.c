/* Signed tree heads, signed here with BoringSSL: both forms, all kinds of keys, and every way in
 * which a head is not to be believed. */
#include "engine/base/base64.h"
#include "engine/base/limits.h"
#include "engine/ct/head.h"
#include "tests/unit/x509/mint.h"

#include "engine/base/text.h"

#include <openssl/bytestring.h>
#include <openssl/sha.h>

#define ORIGIN "log.example/2026h1"

struct log {
    EVP_PKEY *private_key;
    struct ct_log_key key;
};

static struct log logs[3]; /* P-256, P-384, RSA */

static struct slice spki_of(EVP_PKEY *key) {
    CBB out;
    uint8_t *der = NULL;
    size_t len = 0;

    assert_true(CBB_init(&out, 512) && EVP_marshal_public_key(&out, key) &&
                CBB_finish(&out, &der, &len));
    return (struct slice){der, len};
}

static enum error init_key(struct ct_log_key *key, EVP_PKEY *private_key) {
    struct failure failure = {0};
    struct slice spki = spki_of(private_key);
    uint8_t id[32];
    enum error error = ct_log_key_init(key, spki, &failure);

    SHA256(spki.ptr, spki.len, id);
    if (error)
        assert_int_not_equal(failure.text[0], 0);
    else
        assert_memory_equal(key->id, id, sizeof id);
    OPENSSL_free((void *)(uintptr_t)spki.ptr);
    return error;
}

static void add_number(struct buffer *out, uint64_t number, unsigned bytes) {
    while (bytes--)
        buffer_add_byte(out, (uint8_t)(number >> (8 * bytes)));
}

/* Appends a DigitallySigned TreeHeadSignature. */
static void sign(struct buffer *out, const struct log *log, const struct ct_head *head) {
    struct buffer message;
    uint8_t signature[1024];
    size_t len = sizeof signature;
    EVP_MD_CTX context;

    buffer_init(&message);
    buffer_add(&message, "\0\1", 2);
    add_number(&message, head->timestamp_ms, 8);
    add_number(&message, head->tree_size, 8);
    buffer_add(&message, head->root.bytes, 32);
    EVP_MD_CTX_init(&context);
    assert_true(EVP_DigestSignInit(&context, NULL, EVP_sha256(), NULL, log->private_key));
    assert_true(EVP_DigestSign(&context, signature, &len, message.ptr, message.len));
    EVP_MD_CTX_cleanup(&context);
    buffer_add_byte(out, 4);
    buffer_add_byte(out, EVP_PKEY_id(log->private_key) == EVP_PKEY_RSA ? 1 : 3);
    add_number(out, len, 2);
    buffer_add(out, signature, len);
    buffer_deinit(&message);
}

static struct ct_head some_head(void) {
    struct ct_head head = {.tree_size = 123456789, .timestamp_ms = 1767225600123};

    SHA256((const uint8_t *)"root", 4, head.root.bytes);
    return head;
}

static void write_sth(struct buffer *out, const struct log *log, const struct ct_head *head) {
    struct buffer signature;

    buffer_init(&signature);
    sign(&signature, log, head);
    out->len = 0;
    buffer_add_format(out, "{\"tree_size\":%ju,\"timestamp\":%ju,\"sha256_root_hash\":\"",
                      (uintmax_t)head->tree_size, (uintmax_t)head->timestamp_ms);
    text_add_base64(out, (struct slice){head->root.bytes, 32});
    buffer_add_text(out, "\",\"tree_head_signature\":\"");
    text_add_base64(out, buffer_slice(&signature));
    buffer_add_text(out, "\"}");
    buffer_deinit(&signature);
}

/* --- Keys --- */

static void test_keys(void **state) {
    struct ct_log_key key;
    struct failure failure;
    static const enum mint_key refused[] = {MINT_P224, MINT_RSA_1024, MINT_ED25519};

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        EVP_PKEY *private_key = mint_key(refused[i]);
        assert_int_equal(init_key(&key, private_key), ERROR_UNSUPPORTED);
        assert_null(key.public_key);
        EVP_PKEY_free(private_key);
    }
    struct slice spki = spki_of(logs[0].private_key);
    for (size_t len = 0; len < spki.len; len++)
        assert_int_equal(ct_log_key_init(&key, slice_first(spki, len), &failure), ERROR_INPUT);
    uint8_t longer[256] = {0};
    memcpy(longer, spki.ptr, spki.len);
    assert_int_equal(ct_log_key_init(&key, (struct slice){longer, spki.len + 1}, &failure),
                     ERROR_INPUT);
    OPENSSL_free((void *)(uintptr_t)spki.ptr);
    ct_log_key_deinit(&key); /* of a failed init */
}

static void test_digitally_signed(void **state) {
    struct ct_head head = some_head();
    struct buffer out;

    (void)state;
    buffer_init(&out);
    sign(&out, &logs[0], &head);
    struct slice message = {(const uint8_t *)"x", 1};
    assert_int_equal(ct_log_key_verify(&logs[0].key, buffer_slice(&out), message),
                     CT_SIGNATURE_WRONG);
    assert_int_equal(ct_log_key_verify(&logs[1].key, buffer_slice(&out), message),
                     CT_SIGNATURE_WRONG);
    assert_int_equal(ct_log_key_verify(&logs[2].key, buffer_slice(&out), message),
                     CT_SIGNATURE_ALGORITHM);
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(
            ct_log_key_verify(&logs[0].key, slice_first(buffer_slice(&out), len), message),
            CT_SIGNATURE_UNREADABLE);
    out.ptr[0] = 2; /* SHA-1 */
    assert_int_equal(ct_log_key_verify(&logs[0].key, buffer_slice(&out), message),
                     CT_SIGNATURE_ALGORITHM);
    buffer_deinit(&out);
}

/* --- get-sth --- */

static void test_sth(void **state) {
    struct ct_head head = some_head(), read;
    struct buffer json;

    (void)state;
    buffer_init(&json);
    for (size_t i = 0; i < 3; i++) {
        write_sth(&json, &logs[i], &head);
        assert_int_equal(ct_head_parse_sth(buffer_slice(&json), &logs[i].key, &read), CT_HEAD_OK);
        assert_true(read.tree_size == head.tree_size);
        assert_true(read.timestamp_ms == head.timestamp_ms);
        assert_memory_equal(read.root.bytes, head.root.bytes, 32);
        assert_int_equal(ct_head_parse_sth(buffer_slice(&json), &logs[(i + 1) % 3].key, &read),
                         CT_HEAD_BAD_SIGNATURE);
        assert_int_equal(read.tree_size, 0);
    }
    buffer_deinit(&json);
}

/* A head without leaves must have the root of no leaves. */
static void test_empty_tree(void **state) {
    struct ct_head head = {.timestamp_ms = 5, .root = ct_empty_root()}, read;
    struct buffer json;

    (void)state;
    buffer_init(&json);
    write_sth(&json, &logs[0], &head);
    assert_int_equal(ct_head_parse_sth(buffer_slice(&json), &logs[0].key, &read), CT_HEAD_OK);
    head.root.bytes[0] ^= 1;
    write_sth(&json, &logs[0], &head);
    assert_int_equal(ct_head_parse_sth(buffer_slice(&json), &logs[0].key, &read), CT_HEAD_BAD_ROOT);
    buffer_deinit(&json);
}

/* Every other value of every field. */
static void test_sth_changed(void **state) {
    struct ct_head read;
    static const struct {
        const char *json;
        enum ct_head_error wanted;
    } cases[] = {
        {"", CT_HEAD_UNREADABLE},
        {"[]", CT_HEAD_UNREADABLE},
        {"{", CT_HEAD_UNREADABLE},
        {"{}", CT_HEAD_UNREADABLE},
        {"{\"tree_size\":1,\"timestamp\":1,\"sha256_root_hash\":\"\"}", CT_HEAD_UNREADABLE},
        {"{\"tree_size\":1,\"timestamp\":1,\"sha256_root_hash\":1,\"tree_head_signature\":\"\"}",
         CT_HEAD_UNREADABLE},
#define REST ",\"sha256_root_hash\":\"x\",\"tree_head_signature\":\"\"}"
        {"{\"tree_size\":\"1\",\"timestamp\":1" REST, CT_HEAD_BAD_SIZE},
        {"{\"tree_size\":-1,\"timestamp\":1" REST, CT_HEAD_BAD_SIZE},
        {"{\"tree_size\":1.0,\"timestamp\":1" REST, CT_HEAD_BAD_SIZE},
        {"{\"tree_size\":281474976710656,\"timestamp\":1" REST, CT_HEAD_BAD_SIZE},
        {"{\"tree_size\":1,\"timestamp\":null" REST, CT_HEAD_BAD_TIMESTAMP},
        {"{\"tree_size\":1,\"timestamp\":1.5" REST, CT_HEAD_BAD_TIMESTAMP},
        {"{\"tree_size\":281474976710655,\"timestamp\":1" REST, CT_HEAD_BAD_ROOT},
#define ROOT "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
        {"{\"tree_size\":1,\"timestamp\":1,\"sha256_root_hash\":\"" ROOT
         "\",\"tree_head_signature\":\"\"}",
         CT_HEAD_BAD_SIGNATURE},
        {"{\"tree_size\":1,\"timestamp\":1,\"sha256_root_hash\":\"" ROOT
         "\",\"tree_head_signature\":\"BAMA*\"}",
         CT_HEAD_BAD_SIGNATURE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(ct_head_parse_sth(slice_of(cases[i].json), &logs[0].key, &read),
                         cases[i].wanted);
}

static void test_too_large(void **state) {
    struct ct_head head = some_head(), read;
    struct buffer json;

    (void)state;
    buffer_init(&json);
    write_sth(&json, &logs[0], &head);
    while (json.len < LIMIT_CT_HEAD_BYTES)
        buffer_add_byte(&json, ' ');
    assert_int_equal(ct_head_parse_sth(buffer_slice(&json), &logs[0].key, &read), CT_HEAD_OK);
    buffer_add_byte(&json, ' ');
    assert_int_equal(ct_head_parse_sth(buffer_slice(&json), &logs[0].key, &read),
                     CT_HEAD_TOO_LARGE);
    assert_int_equal(ct_head_parse_checkpoint(buffer_slice(&json), &logs[0].key, &read, NULL),
                     CT_HEAD_TOO_LARGE);
    buffer_deinit(&json);
}

/* --- Checkpoints --- */

static void add_signature_line(struct buffer *note, const char *name, struct slice body) {
    buffer_add_format(note, "\xe2\x80\x94 %s ", name);
    text_add_base64(note, body);
    buffer_add_byte(note, '\n');
}

static void add_signature(struct buffer *note, const struct log *log, const struct ct_head *head,
                          const char *name) {
    struct buffer input, body;
    uint8_t id[32];

    buffer_init(&input);
    buffer_init(&body);
    buffer_add_format(&input, "%s\n%c", name, 5);
    buffer_add(&input, log->key.id, 32);
    SHA256(input.ptr, input.len, id);
    buffer_add(&body, id, 4);
    add_number(&body, head->timestamp_ms, 8);
    sign(&body, log, head);
    add_signature_line(note, name, buffer_slice(&body));
    buffer_deinit(&input);
    buffer_deinit(&body);
}

static void write_text(struct buffer *note, const struct ct_head *head) {
    note->len = 0;
    buffer_add_format(note, ORIGIN "\n%ju\n", (uintmax_t)head->tree_size);
    text_add_base64(note, (struct slice){head->root.bytes, 32});
    buffer_add_text(note, "\n\n");
}

static enum ct_head_error parse(const struct buffer *note, struct ct_head *out) {
    return ct_head_parse_checkpoint(buffer_slice(note), &logs[0].key, out, NULL);
}

static void test_checkpoint(void **state) {
    struct ct_head head = some_head(), read;
    struct slice origin;
    struct buffer note;

    (void)state;
    buffer_init(&note);
    for (size_t i = 0; i < 3; i++) {
        write_text(&note, &head);
        add_signature(&note, &logs[i], &head, ORIGIN);
        assert_int_equal(
            ct_head_parse_checkpoint(buffer_slice(&note), &logs[i].key, &read, &origin),
            CT_HEAD_OK);
        assert_true(slice_is(origin, ORIGIN));
        assert_true(read.tree_size == head.tree_size);
        assert_true(read.timestamp_ms == head.timestamp_ms);
        assert_memory_equal(read.root.bytes, head.root.bytes, 32);
        assert_int_equal(
            ct_head_parse_checkpoint(buffer_slice(&note), &logs[(i + 1) % 3].key, &read, &origin),
            CT_HEAD_UNSIGNED);
        assert_true(slice_is(origin, ORIGIN));
        assert_int_equal(read.timestamp_ms, 0);
    }
    buffer_deinit(&note);
}

/* The log's signature may stand anywhere among those of witnesses, other keys and other names. */
static void test_witnesses(void **state) {
    static const uint8_t other[4 + 8 + 64] = {1, 2, 3, 4};
    struct ct_head head = some_head(), read;
    struct buffer note;

    (void)state;
    buffer_init(&note);
    for (unsigned place = 0; place < 16; place++) {
        write_text(&note, &head);
        for (unsigned i = 0; i < 16; i++) {
            if (i == place)
                add_signature(&note, &logs[0], &head, ORIGIN);
            else if (i % 3 == 0)
                add_signature(&note, &logs[1], &head, ORIGIN); /* the log's other key */
            else
                add_signature_line(&note, i % 3 == 1 ? "witness.example/w" : ORIGIN,
                                   (struct slice){other, 5 + i});
        }
        assert_int_equal(parse(&note, &read), CT_HEAD_OK);
        assert_true(read.timestamp_ms == head.timestamp_ms);
    }
    /* A signature that does not verify does not spoil one that does. */
    struct ct_head wrong = head;
    wrong.timestamp_ms++;
    wrong.tree_size++;
    write_text(&note, &head);
    add_signature(&note, &logs[0], &wrong, ORIGIN);
    assert_int_equal(parse(&note, &read), CT_HEAD_BAD_SIGNATURE);
    add_signature(&note, &logs[0], &head, ORIGIN);
    assert_int_equal(parse(&note, &read), CT_HEAD_OK);
    assert_true(read.timestamp_ms == head.timestamp_ms);
    add_signature(&note, &logs[0], &wrong, ORIGIN);
    assert_int_equal(parse(&note, &read), CT_HEAD_OK);
    assert_true(read.timestamp_ms == head.timestamp_ms);

    /* Under another name the same key counts as a stranger's. */
    write_text(&note, &head);
    add_signature(&note, &logs[0], &head, "log.example/other");
    assert_int_equal(parse(&note, &read), CT_HEAD_UNSIGNED);
    buffer_deinit(&note);
}

/* Any bit of the text or of the signature changed: no head. */
static void test_changed_anywhere(void **state) {
    struct ct_head head = some_head(), read;
    struct buffer note;

    (void)state;
    buffer_init(&note);
    write_text(&note, &head);
    add_signature(&note, &logs[0], &head, ORIGIN);
    for (size_t at = 0; at < note.len; at++) {
        note.ptr[at] ^= 1;
        assert_int_not_equal(parse(&note, &read), CT_HEAD_OK);
        assert_int_equal(read.tree_size, 0);
        note.ptr[at] ^= 1;
    }
    size_t len = note.len;
    for (note.len = 0; note.len < len; note.len++)
        assert_int_not_equal(parse(&note, &read), CT_HEAD_OK);
    assert_int_equal(parse(&note, &read), CT_HEAD_OK);
    buffer_deinit(&note);
}

static void test_note_form(void **state) {
    static const struct {
        const char *note;
        enum ct_head_error wanted;
    } cases[] = {
#define SIGNED "\n\xe2\x80\x94 o AQIDBAU=\n"
        {"", CT_HEAD_UNREADABLE},
        {"o\n1\n" ROOT "\n" SIGNED, CT_HEAD_UNSIGNED},
        {"o\n1\n" ROOT "\nextension\n" SIGNED, CT_HEAD_UNREADABLE}, /* static-ct-api allows none */
        {"\n1\n" ROOT "\n" SIGNED, CT_HEAD_UNREADABLE},
        {"o\n1\n" ROOT "\n", CT_HEAD_UNREADABLE},
        {"o\n1\n" ROOT "\n\n", CT_HEAD_UNREADABLE},
        {"o\n1\n" ROOT "\n\nno signature\n", CT_HEAD_UNREADABLE},
        {"o\n1\n" ROOT "\n\n- o AQIDBAU=\n", CT_HEAD_UNREADABLE},
        {"o\n1\n" ROOT "\n\n\xe2\x80\x94 o\n", CT_HEAD_UNREADABLE},
        {"o\n1\n" ROOT "\n\n\xe2\x80\x94 o \n", CT_HEAD_UNREADABLE},
        {"o\n1\n" ROOT "\n\n\xe2\x80\x94  AQIDBAU=\n", CT_HEAD_UNREADABLE},
        {"o\n1\n" ROOT "\n\n\xe2\x80\x94 o AQIDBAU=", CT_HEAD_UNREADABLE},
        {"o\n1\n" ROOT "\n" SIGNED "\n", CT_HEAD_UNREADABLE},
        {"o\n01\n" ROOT "\n" SIGNED, CT_HEAD_BAD_SIZE},
        {"o\n+1\n" ROOT "\n" SIGNED, CT_HEAD_BAD_SIZE},
        {"o\n\n" ROOT "\n" SIGNED, CT_HEAD_BAD_SIZE},
        {"o\n1 \n" ROOT "\n" SIGNED, CT_HEAD_BAD_SIZE},
        {"o\n281474976710656\n" ROOT "\n" SIGNED, CT_HEAD_BAD_SIZE},
        {"o\n99999999999999999999\n" ROOT "\n" SIGNED, CT_HEAD_BAD_SIZE},
        {"o\n0\n" ROOT "\n" SIGNED, CT_HEAD_BAD_ROOT},
        {"o\n1\nQUE=\n" SIGNED, CT_HEAD_BAD_ROOT},
        {"o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" SIGNED, CT_HEAD_UNSIGNED},
    };
    struct ct_head read;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            ct_head_parse_checkpoint(slice_of(cases[i].note), &logs[0].key, &read, NULL),
            cases[i].wanted);
}

static int make_logs(void **state) {
    static const enum mint_key kinds[] = {MINT_P256, MINT_P384, MINT_RSA_2048};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        logs[i].private_key = mint_key(kinds[i]);
        assert_int_equal(init_key(&logs[i].key, logs[i].private_key), ERROR_NONE);
    }
    return 0;
}

static int free_logs(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY_free(logs[i].private_key);
        ct_log_key_deinit(&logs[i].key);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_digitally_signed),
        cmocka_unit_test(test_sth),
        cmocka_unit_test(test_empty_tree),
        cmocka_unit_test(test_sth_changed),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_checkpoint),
        cmocka_unit_test(test_witnesses),
        cmocka_unit_test(test_changed_anywhere),
        cmocka_unit_test(test_note_form),
    };

    return cmocka_run_group_tests_name("head", tests, make_logs, free_logs);
}
