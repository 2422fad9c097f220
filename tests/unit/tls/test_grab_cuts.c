/* The flights of servers that can do one thing only, cut at each of their bytes. What a server says
 * is recorded once; since a grab's hello follows from its random bytes, it can be told again to any
 * number of grabs. */
#include "engine/tls/grab.h"

#include "engine/tls/key_share.h"
#include "tests/unit/tls/memory_server.h"
#include "tests/unit/tls/script_server.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint8_t storage[TLS_GRAB_STORAGE_BYTES];
static struct tls_grab_profile *profile;
static const uint8_t random_bytes[TLS_GRAB_RANDOM_BYTES] = {4, 5, 6};

static void start(struct tls_grab *grab, struct buffer *out) {
    out->len = 0;
    assert_true(tls_grab_start(grab, profile, storage, sizeof storage, slice_of("cut.test"),
                               random_bytes, out));
}

/* Feeds from memory of its own, so that a sanitizer sees reads past its end. */
static enum tls_status feed(struct tls_grab *grab, struct slice bytes, struct buffer *out) {
    uint8_t *copy = malloc(bytes.len + 1);
    if (bytes.len)
        memcpy(copy, bytes.ptr, bytes.len);
    enum tls_status status = tls_grab_feed(grab, (struct slice){copy, bytes.len}, out);
    free(copy);
    return status;
}

struct expected {
    uint16_t version, group;
    bool retried;
    const struct slice *chain;
    size_t count;
};

static void assert_grabbed(const struct tls_grab *grab, const struct expected *expected) {
    assert_int_equal(grab->seen.version, expected->version);
    assert_int_equal(grab->seen.group, expected->group);
    assert_int_equal(grab->retried, expected->retried);
    assert_int_equal(grab->seen.certificate_count, expected->count);
    for (size_t i = 0; i < expected->count; i++)
        assert_true(slice_equal(grab->seen.certificates[i], expected->chain[i]));
}

/* All that a server said, both flights of it when it asked for another hello. */
static void check_cuts(struct slice said, const struct expected *expected) {
    struct tls_grab grab;
    struct buffer out;
    size_t done_at = 0;

    buffer_init(&out);
    start(&grab, &out); /* byte by byte: nothing is known before the Certificate is there whole */
    while (grab.status == TLS_MORE) {
        assert_int_equal(grab.seen.certificate_count, 0);
        assert_true(done_at < said.len);
        feed(&grab, (struct slice){said.ptr + done_at++, 1}, &out);
    }
    assert_int_equal(grab.status, TLS_DONE);
    assert_grabbed(&grab, expected);
    for (size_t cut = 0; cut <= said.len; cut++) {
        start(&grab, &out);
        enum tls_status status = feed(&grab, slice_first(said, cut), &out);
        assert_int_equal(status, cut < done_at ? TLS_MORE : TLS_DONE);
        assert_int_equal(grab.seen.certificate_count, cut < done_at ? 0 : expected->count);
        assert_int_equal(feed(&grab, slice_from(said, cut), &out), TLS_DONE);
        assert_grabbed(&grab, expected);
    }
    buffer_deinit(&out);
}

/* --- Servers by BoringSSL ---------------------------------------------------------------------
 */

static void check_memory_server(const char *groups, size_t fragment, struct expected expected) {
    struct test_chain chain;
    struct slice certificates[2];
    struct test_server server;
    struct tls_grab grab;
    struct buffer sent, said;

    buffer_init(&sent);
    buffer_init(&said);
    test_chain_init(&chain, false, 2, 0);
    for (size_t i = 0; i < 2; i++)
        certificates[i] = (struct slice){CRYPTO_BUFFER_data(chain.certificates[i]),
                                         CRYPTO_BUFFER_len(chain.certificates[i])};
    SSL_CTX *context = test_server_context(&chain, groups, expected.version);
    test_server_init(&server, context);
    if (fragment)
        SSL_set_max_send_fragment(server.ssl, fragment);
    start(&grab, &sent);
    for (int turn = 0; turn < 2 && sent.len; turn++) {
        size_t told = said.len;
        test_server_answer(&server, &sent, &said);
        feed(&grab, slice_from(buffer_slice(&said), told), &sent);
    }
    expected.chain = certificates;
    expected.count = 2;
    check_cuts(buffer_slice(&said), &expected);
    test_server_deinit(&server);
    SSL_CTX_free(context);
    test_chain_deinit(&chain);
    buffer_deinit(&sent);
    buffer_deinit(&said);
    ERR_clear_error(); /* the server's */
}

static void one_group(void **state) {
    static const struct {
        const char *name;
        uint16_t id;
        bool retried;
    } groups[] = {{"X25519", TLS_GROUP_X25519, false},
                  {"P-256", TLS_GROUP_P256, false},
                  {"P-384", TLS_GROUP_P384, true},
                  {"P-521", TLS_GROUP_P521, true}};
    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t fragment = 0; fragment <= 512; fragment += 512)
            check_memory_server(groups[i].name, fragment,
                                (struct expected){.version = 0x0304,
                                                  .group = groups[i].id,
                                                  .retried = groups[i].retried});
}

static void one_old_version(void **state) {
    (void)state;
    for (uint16_t version = TLS1_VERSION; version <= TLS1_2_VERSION; version++)
        for (size_t fragment = 0; fragment <= 512; fragment += 512)
            check_memory_server(NULL, fragment, (struct expected){.version = version});
}

/* --- Scripted servers -------------------------------------------------------------------------
 */

static const struct slice leaf = {(const uint8_t *)"a certificate", 13};
static const struct slice none = {NULL, 0};

static void ssl3_only(void **state) {
    const struct expected expected = {.version = 0x0300, .chain = &leaf, .count = 1};
    (void)state;
    for (int together = 0; together < 2; together++) {
        struct buffer messages, said;
        buffer_init(&messages);
        buffer_init(&said);
        script_server_hello(&messages, 0x0300, 0x000a, random_bytes, none, none);
        if (!together) {
            script_record(&said, TLS_CONTENT_HANDSHAKE, buffer_slice(&messages));
            messages.len = 0;
        }
        script_certificate(&messages, leaf, NULL);
        script_message(&messages, TLS_MESSAGE_SERVER_HELLO_DONE, none);
        script_record(&said, TLS_CONTENT_HANDSHAKE, buffer_slice(&messages));
        check_cuts(buffer_slice(&said), &expected);
        buffer_deinit(&messages);
        buffer_deinit(&said);
    }
}

/* A TLS 1.3 server that asks for this group and seals its flight in records of at most `fragment`
 * bytes. */
static void check_group_by_retry(uint16_t id, const struct tls13_suite *suite, size_t fragment) {
    const struct tls_group *group = tls_group_find(id);
    const struct expected expected = {0x0304, id, true, &leaf, 1};
    uint8_t share[TLS_SHARE_MAX];
    struct script script;
    struct tls_grab grab;
    struct buffer sent, messages;

    for (size_t i = 0; i < group->share_bytes; i++)
        share[i] = (uint8_t)(i * 7 + 1);
    buffer_init(&sent);
    buffer_init(&messages);
    start(&grab, &sent);
    script_init(&script, suite, buffer_slice(&sent));
    struct slice session_id = {random_bytes + TLS_RANDOM_BYTES, TLS_SESSION_ID_BYTES};
    script_retry(&script, id);
    sent.len = 0;
    assert_int_equal(feed(&grab, buffer_slice(&script.flight), &sent), TLS_MORE);
    script_second_hello(&script, buffer_slice(&sent));
    /* The base point makes the server's share the secret: all of these are without a prefix. */
    script_server_hello13_of(&script, session_id, id, (struct slice){share, group->share_bytes},
                             (struct slice){share, group->share_bytes});
    buffer_add(&script.flight, "\x14\x03\x03\x00\x01\x01", 6);
    script_message(&messages, TLS_MESSAGE_ENCRYPTED_EXTENSIONS,
                   (struct slice){(const uint8_t *)"\0\0", 2});
    script_certificate(&messages, leaf, &none);
    for (struct slice rest = buffer_slice(&messages); rest.len; rest = slice_from(rest, fragment))
        script_seal(&script, TLS_CONTENT_HANDSHAKE, slice_first(rest, fragment), 0);
    check_cuts(buffer_slice(&script.flight), &expected);
    script_deinit(&script);
    buffer_deinit(&sent);
    buffer_deinit(&messages);
}

static void one_group_by_retry(void **state) {
    static const uint16_t ids[] = {TLS_GROUP_X448,      TLS_GROUP_FFDHE2048, TLS_GROUP_FFDHE3072,
                                   TLS_GROUP_FFDHE4096, TLS_GROUP_FFDHE6144, TLS_GROUP_FFDHE8192};
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        for (size_t suite = 0; suite < TLS13_SUITE_COUNT; suite++)
            check_group_by_retry(ids[i], &tls13_suites[suite], suite ? 1000 : 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_group),
        cmocka_unit_test(one_old_version),
        cmocka_unit_test(ssl3_only),
        cmocka_unit_test(one_group_by_retry),
    };
    struct tls_grab_options options = {0};
    profile = tls_grab_profile_new(&options);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_grab_profile_free(profile);
    return failed;
}
