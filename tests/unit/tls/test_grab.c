/* The grab against BoringSSL's server in memory: every version, suite, group and kind of chain,
 * records split small, input split everywhere. */
#include "engine/tls/grab.h"

#include "engine/base/random.h"
#include "engine/tls/hello.h"
#include "tests/unit/tls/memory_server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum split { SPLIT_NONE, SPLIT_BYTES, SPLIT_CHUNKS, SPLIT_COUNT };

static uint8_t storage[TLS_GRAB_STORAGE_BYTES];
static struct random dice;

static size_t piece_len(enum split split, size_t left) {
    size_t len = split == SPLIT_NONE    ? left
                 : split == SPLIT_BYTES ? 1
                                        : 1 + (size_t)random_below(&dice, 700);
    return len < left ? len : left;
}

static enum tls_status feed(struct tls_grab *grab, struct slice flight, enum split split,
                            struct buffer *out) {
    enum tls_status status = TLS_MORE;
    for (size_t at = 0; at < flight.len && status == TLS_MORE;) {
        size_t len = piece_len(split, flight.len - at);
        /* a copy of its own, so that a sanitizer sees reads past its end */
        uint8_t *piece = malloc(len);
        memcpy(piece, flight.ptr + at, len);
        status = tls_grab_feed(grab, (struct slice){piece, len}, out);
        free(piece);
        at += len;
    }
    return status;
}

static void start(struct tls_grab *grab, const struct tls_grab_profile *profile, const char *name,
                  struct buffer *out) {
    uint8_t random[TLS_GRAB_RANDOM_BYTES];
    random_fill(&dice, random, sizeof random);
    assert_true(
        tls_grab_start(grab, profile, storage, sizeof storage, slice_of(name), random, out));
}

struct setting {
    int fragment; /* 0 for the server's default */
    bool ask_client;
    enum split split;
};

/* One whole grab from a server of this context. */
static enum tls_status grab_from(struct tls_grab *grab, const struct tls_grab_profile *profile,
                                 SSL_CTX *context, const struct setting *setting) {
    struct test_server server;
    struct buffer sent, flight;
    enum tls_status status = TLS_MORE;

    buffer_init(&sent);
    buffer_init(&flight);
    test_server_init(&server, context);
    if (setting->fragment)
        SSL_set_max_send_fragment(server.ssl, (size_t)setting->fragment);
    if (setting->ask_client)
        SSL_set_verify(server.ssl, SSL_VERIFY_PEER, NULL);
    start(grab, profile, "www.example.test", &sent);
    while (status == TLS_MORE && sent.len) {
        flight.len = 0;
        test_server_answer(&server, &sent, &flight);
        status = feed(grab, buffer_slice(&flight), setting->split, &sent);
    }
    assert_string_equal(SSL_get_servername(server.ssl, TLSEXT_NAMETYPE_host_name),
                        "www.example.test");
    test_server_deinit(&server);
    buffer_deinit(&sent);
    buffer_deinit(&flight);
    return status;
}

static void assert_chain(const struct tls_grab *grab, const struct test_chain *chain) {
    size_t kept = chain->count < LIMIT_CHAIN_CERTIFICATES ? chain->count : LIMIT_CHAIN_CERTIFICATES;
    assert_int_equal(grab->seen.certificate_count, kept);
    assert_int_equal(grab->seen.certificates_sent, chain->count);
    for (size_t i = 0; i < kept; i++) {
        struct slice der = grab->seen.certificates[i];
        assert_int_equal(der.len, CRYPTO_BUFFER_len(chain->certificates[i]));
        assert_memory_equal(der.ptr, CRYPTO_BUFFER_data(chain->certificates[i]), der.len);
        assert_true(der.ptr >= storage && der.ptr + der.len <= storage + sizeof storage);
    }
    assert_false(grab->seen.key_proven);
    assert_false(grab->seen.alert_received);
}

static struct tls_grab_profile *profile_new(bool random_share) {
    struct tls_grab_options options = {.random_share = random_share};
    struct tls_grab_profile *profile = tls_grab_profile_new(&options);
    assert_non_null(profile);
    return profile;
}

/* Leaves one TLS 1.3 suite of the three by naming it three times. */
static void offer_only(struct tls_grab_profile *profile, uint16_t suite) {
    enum { SUITES_AT = 5 + 4 + 2 + 32 + 1 + 32 + 2 };
    for (size_t i = 0; i < TLS13_SUITE_COUNT; i++) {
        profile->head[SUITES_AT + 2 * i] = (uint8_t)(suite >> 8);
        profile->head[SUITES_AT + 2 * i + 1] = (uint8_t)suite;
    }
}

static void tls13_suites_fragments_and_splits(void **state) {
    static const int fragments[] = {0, 512, 700};
    (void)state;
    for (int rsa = 0; rsa < 2; rsa++) {
        struct test_chain chain;
        struct tls_grab grab;
        test_chain_init(&chain, rsa, 3, 0);
        SSL_CTX *context = test_server_context(&chain, NULL, TLS1_3_VERSION);
        for (size_t suite = 0; suite < TLS13_SUITE_COUNT; suite++) {
            struct tls_grab_profile *profile = profile_new(false);
            offer_only(profile, tls13_suites[suite].id);
            for (unsigned i = 0; i < 3 * 2 * SPLIT_COUNT; i++) {
                struct setting setting = {fragments[i % 3], i / 3 % 2, i / 6};
                assert_int_equal(grab_from(&grab, profile, context, &setting), TLS_DONE);
                assert_int_equal(grab.seen.version, 0x0304);
                assert_int_equal(grab.seen.cipher, tls13_suites[suite].id);
                assert_int_equal(grab.seen.group, TLS_GROUP_X25519);
                assert_int_equal(grab.seen.client_certificate_requested, setting.ask_client);
                assert_chain(&grab, &chain);
            }
            tls_grab_profile_free(profile);
        }
        SSL_CTX_free(context);
        test_chain_deinit(&chain);
    }
}

static void tls13_groups(void **state) {
    static const struct {
        const char *name;
        uint16_t id;
        bool retry;
    } groups[] = {{"X25519", TLS_GROUP_X25519, false},
                  {"P-256", TLS_GROUP_P256, false},
                  {"P-384", TLS_GROUP_P384, true},
                  {"P-521", TLS_GROUP_P521, true}};
    struct test_chain chain;
    struct tls_grab grab;
    (void)state;
    test_chain_init(&chain, false, 2, 0);
    for (int real = 0; real < 2; real++) {
        struct tls_grab_profile *profile = profile_new(real);
        for (size_t i = 0; i < 4; i++) {
            SSL_CTX *context = test_server_context(&chain, groups[i].name, TLS1_3_VERSION);
            for (unsigned k = 0; k < 4 * SPLIT_COUNT; k++) {
                struct setting setting = {k % 2 ? 512 : 0, k / 2 % 2, k / 4};
                assert_int_equal(grab_from(&grab, profile, context, &setting), TLS_DONE);
                assert_int_equal(grab.seen.group, groups[i].id);
                assert_int_equal(grab.retried, groups[i].retry);
                assert_chain(&grab, &chain);
            }
            SSL_CTX_free(context);
        }
        tls_grab_profile_free(profile);
    }
    test_chain_deinit(&chain);
}

/* With shares of each suite's hash length after a retry: the transcript is another one then. */
static void tls13_retry_with_every_suite(void **state) {
    struct test_chain chain;
    struct tls_grab grab;
    const struct setting setting = {0, false, SPLIT_NONE};
    (void)state;
    test_chain_init(&chain, false, 2, 0);
    SSL_CTX *context = test_server_context(&chain, "P-384", TLS1_3_VERSION);
    for (size_t suite = 0; suite < TLS13_SUITE_COUNT; suite++) {
        struct tls_grab_profile *profile = profile_new(false);
        offer_only(profile, tls13_suites[suite].id);
        assert_int_equal(grab_from(&grab, profile, context, &setting), TLS_DONE);
        assert_int_equal(grab.seen.cipher, tls13_suites[suite].id);
        assert_chain(&grab, &chain);
        tls_grab_profile_free(profile);
    }
    SSL_CTX_free(context);
    test_chain_deinit(&chain);
}

static void real_shares_differ_from_grab_to_grab(void **state) {
    struct tls_grab_profile *profile = profile_new(true);
    struct tls_grab grab;
    struct buffer first, second;
    (void)state;
    buffer_init(&first);
    buffer_init(&second);
    start(&grab, profile, "", &first);
    start(&grab, profile, "", &second);
    size_t at = profile->head_len + 6u + 4;
    assert_int_equal(first.len, second.len);
    assert_memory_not_equal(first.ptr + at, second.ptr + at, 32);
    assert_memory_not_equal(first.ptr + at + 36, second.ptr + at + 36, 65);
    assert_memory_not_equal(first.ptr + at, profile->shares + 4, 32);
    buffer_deinit(&first);
    buffer_deinit(&second);
    tls_grab_profile_free(profile);
}

static void older_versions(void **state) {
    static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_1_VERSION, TLS1_VERSION};
    struct tls_grab_profile *profile = profile_new(false);
    struct tls_grab grab;
    (void)state;
    for (int rsa = 0; rsa < 2; rsa++) {
        struct test_chain chain;
        test_chain_init(&chain, rsa, 3, 0);
        for (size_t i = 0; i < 3; i++) {
            SSL_CTX *context = test_server_context(&chain, NULL, versions[i]);
            for (unsigned k = 0; k < 2 * SPLIT_COUNT; k++) {
                struct setting setting = {k % 2 ? 512 : 0, false, k / 2};
                assert_int_equal(grab_from(&grab, profile, context, &setting), TLS_DONE);
                assert_int_equal(grab.seen.version, versions[i]);
                assert_int_equal(grab.seen.group, 0);
                assert_non_null(tls_cipher_name(grab.seen.cipher));
                assert_chain(&grab, &chain);
            }
            SSL_CTX_free(context);
        }
        test_chain_deinit(&chain);
    }
    tls_grab_profile_free(profile);
}

/* Every suite up to TLS 1.2 that BoringSSL has a certificate for must be among those offered. */
static void older_suites(void **state) {
    struct tls_grab_profile *profile = profile_new(false);
    struct test_chain chains[2];
    struct tls_grab grab;
    const struct setting setting = {0, false, SPLIT_NONE};
    size_t tried = 0;
    (void)state;
    test_chain_init(&chains[0], false, 1, 0);
    test_chain_init(&chains[1], true, 1, 0);
    SSL_CTX *all = test_server_context(&chains[0], NULL, TLS1_2_VERSION);
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(all);
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        int auth = SSL_CIPHER_get_auth_nid(cipher);
        if (auth != NID_auth_rsa && auth != NID_auth_ecdsa)
            continue;
        const struct test_chain *chain = &chains[auth == NID_auth_rsa];
        SSL_CTX *context = test_server_context(chain, NULL, TLS1_2_VERSION);
        assert_true(SSL_CTX_set_strict_cipher_list(context, SSL_CIPHER_get_name(cipher)));
        assert_int_equal(grab_from(&grab, profile, context, &setting), TLS_DONE);
        assert_int_equal(grab.seen.cipher, SSL_CIPHER_get_protocol_id(cipher));
        assert_chain(&grab, chain);
        SSL_CTX_free(context);
        tried++;
    }
    assert_true(tried >= 15);
    SSL_CTX_free(all);
    test_chain_deinit(&chains[0]);
    test_chain_deinit(&chains[1]);
    tls_grab_profile_free(profile);
}

static void wish_for_a_kind_of_certificate(void **state) {
    struct test_chain chains[2];
    (void)state;
    test_chain_init(&chains[0], false, 1, 0);
    test_chain_init(&chains[1], true, 1, 0);
    for (int version = TLS1_VERSION; version <= TLS1_3_VERSION; version++)
        for (int rsa_wanted = 0; rsa_wanted < 2; rsa_wanted++)
            for (int rsa_there = 0; rsa_there < 2; rsa_there++) {
                struct tls_grab_options options = {.signatures = rsa_wanted ? TLS_SIGNATURES_RSA
                                                                            : TLS_SIGNATURES_ECDSA};
                const struct setting setting = {0, false, SPLIT_NONE};
                struct tls_grab grab;
                struct tls_grab_profile *profile = tls_grab_profile_new(&options);
                SSL_CTX *context = test_server_context(&chains[rsa_there], NULL, (uint16_t)version);
                enum tls_status status = grab_from(&grab, profile, context, &setting);
                /* In TLS 1.3 BoringSSL looks for a signature after it has sent its chain. */
                bool agrees = rsa_wanted == rsa_there || version == TLS1_3_VERSION;
                assert_int_equal(status, agrees ? TLS_DONE : TLS_ALERT);
                if (status == TLS_ALERT)
                    assert_string_equal(tls_alert_name(grab.seen.alert), "handshake_failure");
                SSL_CTX_free(context);
                tls_grab_profile_free(profile);
            }
    test_chain_deinit(&chains[0]);
    test_chain_deinit(&chains[1]);
}

static void wish_for_versions(void **state) {
    struct test_chain chain;
    const struct setting setting = {0, false, SPLIT_NONE};
    (void)state;
    test_chain_init(&chain, false, 1, 0);
    for (uint16_t min = TLS1_VERSION; min <= TLS1_3_VERSION; min++)
        for (uint16_t max = min; max <= TLS1_3_VERSION; max++)
            for (uint16_t there = TLS1_VERSION; there <= TLS1_3_VERSION; there++) {
                struct tls_grab_options options = {.version_min = min, .version_max = max};
                struct tls_grab_profile *profile = tls_grab_profile_new(&options);
                struct tls_grab grab;
                SSL_CTX *context = test_server_context(&chain, NULL, there);
                enum tls_status status = grab_from(&grab, profile, context, &setting);
                if (there >= min && there <= max)
                    assert_int_equal(status, TLS_DONE);
                else
                    assert_true(status == TLS_ALERT || status == TLS_REFUSED);
                SSL_CTX_free(context);
                tls_grab_profile_free(profile);
            }
    test_chain_deinit(&chain);
}

static void long_and_large_chains(void **state) {
    static const struct {
        size_t count, padding;
        bool fits;
    } sizes[] = {{1, 0, true},     {16, 0, true},    {17, 0, true},     {40, 100, true},
                 {4, 20000, true}, {1, 80000, true}, {2, 60000, false}, {1, 130000, false}};
    struct tls_grab_profile *profile = profile_new(false);
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct test_chain chain;
        test_chain_init(&chain, false, sizes[i].count, sizes[i].padding);
        for (uint16_t version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
            for (unsigned split = 0; split < SPLIT_COUNT; split++) {
                struct setting setting = {0, false, split};
                struct tls_grab grab;
                SSL_CTX *context = test_server_context(&chain, NULL, version);
                enum tls_status status = grab_from(&grab, profile, context, &setting);
                assert_int_equal(status, sizes[i].fits ? TLS_DONE : TLS_TOO_LARGE);
                if (sizes[i].fits)
                    assert_chain(&grab, &chain);
                SSL_CTX_free(context);
            }
        test_chain_deinit(&chain);
    }
    tls_grab_profile_free(profile);
}

/* Old servers hang on hellos of 256 to 511 bytes, and others on more than 127 suites. */
static void hello_sizes(void **state) {
    static const char name[LIMIT_HOST_NAME_BYTES + 2] = {[0 ... LIMIT_HOST_NAME_BYTES] = 'a'};
    uint8_t random[TLS_GRAB_RANDOM_BYTES] = {0};
    struct buffer out;
    (void)state;
    buffer_init(&out);
    for (uint16_t min = TLS_VERSION_SSL30; min <= TLS_VERSION_TLS13; min++)
        for (uint16_t max = min; max <= TLS_VERSION_TLS13; max++)
            for (enum tls_signature_wish wish = 0; wish <= TLS_SIGNATURES_ECDSA; wish++) {
                struct tls_grab_options options = {wish, false, min, max};
                struct tls_grab_profile *profile = tls_grab_profile_new(&options);
                struct tls_grab grab;
                for (size_t len = 0; len <= LIMIT_HOST_NAME_BYTES; len++) {
                    out.len = 0;
                    assert_true(tls_grab_start(&grab, profile, storage, sizeof storage,
                                               (struct slice){(const uint8_t *)name, len}, random,
                                               &out));
                    size_t message = out.len - 5;
                    assert_int_equal(message, (size_t)out.ptr[3] << 8 | out.ptr[4]);
                    assert_int_equal(message - 4, (size_t)out.ptr[7] << 8 | out.ptr[8]);
                    assert_true(max == TLS_VERSION_SSL30 || message < 256 || message >= 512);
                    assert_true(out.len <= TLS_HELLO_FIRST_MAX);
                    size_t suites_at = 44u + out.ptr[43];
                    assert_true(((size_t)out.ptr[suites_at] << 8 | out.ptr[suites_at + 1]) <=
                                2 * 127);
                }
                out.len = 0;
                assert_false(
                    tls_grab_start(&grab, profile, storage, sizeof storage,
                                   (struct slice){(const uint8_t *)name, LIMIT_HOST_NAME_BYTES + 1},
                                   random, &out));
                assert_int_equal(out.len, 0);
                assert_int_equal(tls_grab_feed(&grab, slice_of("\x16"), &out), TLS_BROKEN);
                tls_grab_profile_free(profile);
            }
    buffer_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls13_suites_fragments_and_splits),
        cmocka_unit_test(tls13_groups),
        cmocka_unit_test(tls13_retry_with_every_suite),
        cmocka_unit_test(real_shares_differ_from_grab_to_grab),
        cmocka_unit_test(older_versions),
        cmocka_unit_test(older_suites),
        cmocka_unit_test(wish_for_a_kind_of_certificate),
        cmocka_unit_test(wish_for_versions),
        cmocka_unit_test(long_and_large_chains),
        cmocka_unit_test(hello_sizes),
    };
    random_init(&dice, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
