/* The farm against BoringSSL's own client and X509 verifier, and against plain sockets where there
 * is no TLS to speak of. No test waits for a time to pass: what must not happen is looked for after
 * a whole handshake with another endpoint, which the farm's one thread serves later. */
#include "bench/farm/farm.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DAY_SECONDS = 24 * 3600 };

/* A minimal ClientHello in one record: TLS 1.2, one suite, no extensions. */
static const uint8_t HELLO[] = {22, 3,  1,  0,  45, 1,  0,  0,    41,   3,  3,  1,  2,
                                3,  4,  5,  6,  7,  8,  9,  10,   11,   12, 13, 14, 15,
                                16, 17, 18, 19, 20, 21, 22, 23,   24,   25, 26, 27, 28,
                                29, 30, 31, 32, 0,  0,  2,  0xc0, 0x2f, 1,  0};

static struct farm *farm;
static SSL_CTX *client;
static X509_STORE *store;

static struct farm_endpoint find(const struct farm *of, enum farm_kind kind) {
    for (uint32_t i = 0; i < farm_count(of); i++) {
        struct farm_endpoint endpoint = farm_endpoint(of, i);
        if (endpoint.kind == kind)
            return endpoint;
    }
    fail_msg("no endpoint of kind %s", farm_kind_name(kind));
    abort();
}

/* --- Clients --- */

static int try_connect(const struct farm_endpoint *endpoint) {
    struct sockaddr_storage address;
    socklen_t len = address_to_sockaddr(&endpoint->address, endpoint->port, &address);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor >= 0 && connect(descriptor, (struct sockaddr *)&address, len)) {
        int reason = errno;
        close(descriptor);
        errno = reason;
        return -1;
    }
    return descriptor;
}

static int open_to(enum farm_kind kind) {
    struct farm_endpoint endpoint = find(farm, kind);
    int descriptor = try_connect(&endpoint);
    assert_true(descriptor >= 0);
    return descriptor;
}

static void say_hello(int descriptor) {
    assert_int_equal(send(descriptor, HELLO, sizeof HELLO, MSG_NOSIGNAL), sizeof HELLO);
}

static void assert_nothing_came(int descriptor) {
    uint8_t byte;
    assert_int_equal(recv(descriptor, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

/* All that comes until the server closes; returns how much, or -1 with errno. */
static ssize_t receive_all(int descriptor, uint8_t *out, size_t max) {
    size_t len = 0;
    for (;;) {
        ssize_t part = recv(descriptor, out + len, max - len, 0);
        if (part < 0)
            return -1;
        if (part == 0)
            return (ssize_t)len;
        len += (size_t)part;
        assert_true(len < max);
    }
}

static SSL *tls_new(SSL_CTX *context, const struct farm_endpoint *endpoint) {
    int descriptor = try_connect(endpoint);
    if (descriptor < 0)
        return NULL;
    SSL *ssl = SSL_new(context);
    BIO *bio = BIO_new_socket(descriptor, BIO_CLOSE);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_tlsext_host_name(ssl, endpoint->name);
    return ssl;
}

/* A whole handshake; NULL when it fails. */
static SSL *tls_connect(SSL_CTX *context, const struct farm_endpoint *endpoint) {
    SSL *ssl = tls_new(context, endpoint);
    if (!ssl || SSL_connect(ssl) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

static void handshake_with_good(const struct farm *of) {
    struct farm_endpoint endpoint = find(of, FARM_GOOD_ECDSA);
    SSL *ssl = tls_connect(client, &endpoint);
    assert_non_null(ssl);
    SSL_free(ssl);
}

/* --- Set-up --- */

static SSL_CTX *client_new(void) {
    static const uint16_t ALGORITHMS[] = {
        SSL_SIGN_ED25519,
        SSL_SIGN_ECDSA_SECP256R1_SHA256,
        SSL_SIGN_ECDSA_SECP384R1_SHA384,
        SSL_SIGN_RSA_PSS_RSAE_SHA256,
        SSL_SIGN_RSA_PKCS1_SHA256,
        SSL_SIGN_RSA_PKCS1_SHA1,
    };
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    assert_non_null(context);
    assert_true(SSL_CTX_set_min_proto_version(context, TLS1_VERSION));
    assert_true(SSL_CTX_set_verify_algorithm_prefs(context, ALGORITHMS,
                                                   sizeof ALGORITHMS / sizeof *ALGORITHMS));
    return context;
}

static X509_STORE *store_new(struct slice pem) {
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *root = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    X509_STORE *made = X509_STORE_new();
    assert_true(root && made && X509_STORE_add_cert(made, root));
    X509_free(root);
    BIO_free(bio);
    return made;
}

static int set_up(void **state) {
    (void)state;
    struct failure failure = {0};
    struct farm_options options = {.endpoints = FARM_KIND_COUNT};
    if (farm_start(&farm, &options, &failure)) {
        print_error("%s\n", failure.text);
        return -1;
    }
    client = client_new();
    store = store_new(farm_root_pem(farm));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    farm_stop(farm);
    SSL_CTX_free(client);
    X509_STORE_free(store);
    return 0;
}

/* --- Population --- */

static void test_population(void **state) {
    (void)state;
    struct farm *large;
    struct farm_options options = {.endpoints = 512};
    assert_true(address_parse(slice_of("127.80.255.0"), &options.first));
    assert_int_equal(farm_start(&large, &options, NULL), ERROR_NONE);
    assert_int_equal(farm_count(large), 512);
    uint32_t counts[FARM_KIND_COUNT] = {0};
    uint32_t good_in_first_quarter = 0;
    for (uint32_t i = 0; i < 512; i++) {
        struct farm_endpoint endpoint = farm_endpoint(large, i);
        char expected[FARM_NAME_MAX], address[ADDRESS_TEXT_MAX];
        snprintf(expected, sizeof expected, "%s-%u.farm.test", farm_kind_name(endpoint.kind), i);
        assert_string_equal(endpoint.name, expected);
        snprintf(expected, sizeof expected, "127.%u.%u.%u", i < 256 ? 80u : 81u,
                 i < 256 ? 255u : 0u, i % 256);
        address_format(&endpoint.address, address);
        assert_string_equal(address, expected);
        assert_int_equal(endpoint.port, farm_endpoint(large, 0).port);
        counts[endpoint.kind]++;
        if (i < 128 && endpoint.kind <= FARM_GOOD_ED25519)
            good_in_first_quarter++;
    }
    for (int kind = 0; kind < FARM_KIND_COUNT; kind++)
        assert_true(counts[kind] > 0);
    uint32_t good = counts[FARM_GOOD_ECDSA] + counts[FARM_GOOD_RSA] + counts[FARM_GOOD_RSA_CHAIN] +
                    counts[FARM_GOOD_P384] + counts[FARM_GOOD_ED25519];
    assert_true(good > 256);
    assert_in_range(good_in_first_quarter, good / 4 - 5, good / 4 + 5); /* spread evenly */
    farm_stop(large);
}

static void test_smallest_farm_has_every_kind(void **state) {
    (void)state;
    assert_int_equal(farm_count(farm), FARM_KIND_COUNT);
    for (int kind = 0; kind < FARM_KIND_COUNT; kind++)
        find(farm, (enum farm_kind)kind);
}

static void test_root_in_a_file(void **state) {
    char path[] = "/tmp/test-farm-root-XXXXXX", read[4096];
    struct failure failure = {0};
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(farm_write_root(farm, path, &failure), ERROR_NONE);
    ssize_t len = pread(fd, read, sizeof read, 0);
    assert_true(slice_equal((struct slice){(uint8_t *)read, (size_t)len}, farm_root_pem(farm)));
    close(fd);
    unlink(path);
    assert_int_equal(farm_write_root(farm, "/nowhere/root.pem", &failure), ENOENT);
    assert_non_null(strstr(failure.text, "/nowhere/root.pem: No such file"));
}

static void test_chosen_kinds(void **state) {
    (void)state;
    struct farm *chosen;
    uint32_t weak = 0;
    struct farm_options options = {
        .endpoints = 40, .kinds = FARM_KIND_BIT(FARM_WEAK_KEY) | FARM_KIND_BIT(FARM_EXPIRED)};
    assert_true(address_parse(slice_of("127.79.0.1"), &options.first));
    assert_int_equal(farm_start(&chosen, &options, NULL), ERROR_NONE);
    assert_int_equal(farm_count(chosen), 40);
    for (uint32_t i = 0; i < 40; i++) {
        enum farm_kind kind = farm_endpoint(chosen, i).kind;
        assert_true(kind == FARM_WEAK_KEY || kind == FARM_EXPIRED);
        weak += kind == FARM_WEAK_KEY;
    }
    assert_in_range(weak, 1, 39);
    farm_stop(chosen);
    options = (struct farm_options){.endpoints = 1, .kinds = FARM_KIND_BIT(FARM_GOOD_P384)};
    assert_int_equal(farm_start(&chosen, &options, NULL), ERROR_NONE);
    assert_int_equal(farm_endpoint(chosen, 0).kind, FARM_GOOD_P384);
    farm_stop(chosen);
}

static void test_kinds_by_name(void **state) {
    (void)state;
    for (int kind = 0; kind < FARM_KIND_COUNT; kind++) {
        enum farm_kind found;
        assert_true(farm_kind_find(slice_of(farm_kind_name((enum farm_kind)kind)), &found));
        assert_int_equal(found, kind);
    }
    assert_false(farm_kind_find(slice_of("good"), &(enum farm_kind){0}));
}

static void test_port_is_not_ephemeral(void **state) {
    (void)state;
    unsigned first, last, port = farm_endpoint(farm, 0).port;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%u %u", &first, &last), 2);
    fclose(file);
    assert_true(port < first || port > last);
}

/* --- Servers that speak TLS --- */

struct expectation {
    enum farm_kind kind;
    uint16_t version;
    int key_type, key_bits;
    uint16_t group;
    size_t chain_len;
    int verify;    /* X509_V_* against the farm's root */
    int days_left; /* until notAfter */
    bool matches;  /* name and address */
};

static const struct expectation EXPECTATIONS[] = {
    {FARM_GOOD_ECDSA, 0x304, EVP_PKEY_EC, 256, 29, 2, X509_V_OK, 60, true},
    {FARM_GOOD_RSA, 0x304, EVP_PKEY_RSA, 2048, 29, 2, X509_V_OK, 60, true},
    {FARM_GOOD_RSA_CHAIN, 0x304, EVP_PKEY_RSA, 2048, 29, 2, X509_V_OK, 60, true},
    {FARM_GOOD_P384, 0x304, EVP_PKEY_EC, 384, 29, 2, X509_V_OK, 60, true},
    {FARM_GOOD_ED25519, 0x304, EVP_PKEY_ED25519, 253, 29, 1, X509_V_OK, 60, true},
    {FARM_TLS12_ONLY, 0x303, EVP_PKEY_RSA, 2048, 29, 1, X509_V_OK, 60, true},
    {FARM_TLS13_ONLY, 0x304, EVP_PKEY_EC, 256, 29, 1, X509_V_OK, 60, true},
    {FARM_TLS13_P256_ONLY, 0x304, EVP_PKEY_EC, 256, 23, 1, X509_V_OK, 60, true},
    {FARM_TLS13_P384_ONLY, 0x304, EVP_PKEY_EC, 256, 24, 1, X509_V_OK, 60, true},
    {FARM_TLS10_ONLY, 0x301, EVP_PKEY_RSA, 2048, 29, 1, X509_V_OK, 60, true},
    {FARM_EXPIRED, 0x304, EVP_PKEY_EC, 256, 29, 1, X509_V_ERR_CERT_HAS_EXPIRED, -5, true},
    {FARM_EXPIRES_IN_3_DAYS, 0x304, EVP_PKEY_EC, 256, 29, 1, X509_V_OK, 3, true},
    {FARM_EXPIRES_IN_12_DAYS, 0x304, EVP_PKEY_EC, 256, 29, 1, X509_V_OK, 12, true},
    {FARM_NOT_YET_VALID, 0x304, EVP_PKEY_EC, 256, 29, 1, X509_V_ERR_CERT_NOT_YET_VALID, 92, true},
    {FARM_SELF_SIGNED, 0x304, EVP_PKEY_EC, 256, 29, 1, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, 60,
     true},
    {FARM_WRONG_NAME, 0x304, EVP_PKEY_EC, 256, 29, 1, X509_V_OK, 60, false},
    {FARM_UNTRUSTED, 0x304, EVP_PKEY_EC, 256, 29, 2, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, 60,
     true},
    {FARM_MISSING_INTERMEDIATE, 0x304, EVP_PKEY_EC, 256, 29, 1,
     X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 60, true},
    {FARM_WEAK_KEY, 0x304, EVP_PKEY_RSA, 1024, 29, 1, X509_V_OK, 60, true},
    {FARM_CLIENT_CERTIFICATE_TLS13, 0x304, EVP_PKEY_EC, 256, 29, 1, X509_V_OK, 60, true},
};

static int verify(X509 *leaf, STACK_OF(X509) * chain) {
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert_true(X509_STORE_CTX_init(context, store, leaf, chain));
    X509_verify_cert(context);
    int error = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    return error;
}

static void check_certificate(const struct expectation *expected,
                              const struct farm_endpoint *endpoint, X509 *leaf) {
    char address[ADDRESS_TEXT_MAX];
    address_format(&endpoint->address, address);
    assert_int_equal(X509_check_host(leaf, endpoint->name, strlen(endpoint->name), 0, NULL),
                     expected->matches);
    assert_int_equal(X509_check_ip_asc(leaf, address, 0), expected->matches);
    EVP_PKEY *key = X509_get_pubkey(leaf);
    assert_int_equal(EVP_PKEY_id(key), expected->key_type);
    assert_int_equal(EVP_PKEY_bits(key), expected->key_bits);
    EVP_PKEY_free(key);
    int64_t not_before, not_after;
    assert_true(ASN1_TIME_to_posix(X509_get0_notBefore(leaf), &not_before));
    assert_true(ASN1_TIME_to_posix(X509_get0_notAfter(leaf), &not_after));
    /* The farm is younger than the hour that certificates live longer than they say. */
    int64_t left = not_after - time(NULL), days = expected->days_left;
    assert_in_range(left + 1000 * DAY_SECONDS, (1000 + days) * DAY_SECONDS,
                    (1000 + days) * DAY_SECONDS + 3600);
    assert_int_equal(not_after - not_before, 90 * DAY_SECONDS);
    assert_int_equal(X509_get_version(leaf), X509_VERSION_3);
}

static void test_tls_kinds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof EXPECTATIONS / sizeof *EXPECTATIONS; i++) {
        const struct expectation *expected = &EXPECTATIONS[i];
        struct farm_endpoint endpoint = find(farm, expected->kind);
        SSL *ssl = tls_connect(client, &endpoint);
        if (!ssl)
            fail_msg("no handshake with %s", endpoint.name);
        assert_int_equal(SSL_version(ssl), expected->version);
        assert_int_equal(SSL_get_curve_id(ssl), expected->group);
        STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
        assert_int_equal(sk_X509_num(chain), expected->chain_len);
        X509 *leaf = sk_X509_value(chain, 0);
        check_certificate(expected, &endpoint, leaf);
        assert_int_equal(verify(leaf, chain), expected->verify);
        assert_string_equal(farm_kind_expected_outcome(expected->kind), "ok");
        SSL_free(ssl);
    }
}

static void test_tls12_where_nothing_else_is_said(void **state) {
    (void)state;
    SSL_CTX *old = client_new();
    struct farm_endpoint good = find(farm, FARM_GOOD_RSA), new = find(farm, FARM_TLS13_ONLY);
    assert_true(SSL_CTX_set_max_proto_version(old, TLS1_2_VERSION));
    SSL *ssl = tls_connect(old, &good);
    assert_non_null(ssl);
    assert_int_equal(SSL_version(ssl), TLS1_2_VERSION);
    SSL_free(ssl);
    assert_null(tls_connect(old, &new));
    ERR_clear_error();
    assert_true(SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION));
    assert_null(tls_connect(old, &good));
    ERR_clear_error();
    SSL_CTX_free(old);
}

static void test_every_endpoint_has_its_own_certificate(void **state) {
    (void)state;
    struct farm *other;
    struct farm_options options = {.endpoints = 2 * FARM_KIND_COUNT};
    assert_true(address_parse(slice_of("127.78.0.1"), &options.first));
    assert_int_equal(farm_start(&other, &options, NULL), ERROR_NONE);
    uint32_t matching = 0;
    for (uint32_t i = 0; i < farm_count(other); i++) {
        struct farm_endpoint endpoint = farm_endpoint(other, i);
        if (endpoint.kind != FARM_GOOD_ECDSA)
            continue;
        SSL *ssl = tls_connect(client, &endpoint);
        assert_non_null(ssl);
        X509 *leaf = SSL_get_peer_certificate(ssl);
        matching += (uint32_t)X509_check_host(leaf, endpoint.name, strlen(endpoint.name), 0, NULL);
        /* This farm has another root. */
        assert_int_not_equal(verify(leaf, SSL_get_peer_cert_chain(ssl)), X509_V_OK);
        X509_free(leaf);
        SSL_free(ssl);
    }
    assert_true(matching > 1);
    farm_stop(other);
}

/* --- Client certificates --- */

static void test_client_without_certificate(void **state) {
    (void)state;
    struct farm_endpoint old = find(farm, FARM_CLIENT_CERTIFICATE),
                         new = find(farm, FARM_CLIENT_CERTIFICATE_TLS13);
    ERR_clear_error();
    assert_null(tls_connect(client, &old));
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE);
    ERR_clear_error();
    SSL *ssl = tls_connect(client, &new);
    assert_non_null(ssl);
    uint8_t byte;
    assert_int_equal(SSL_read(ssl, &byte, 1), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_CERTIFICATE_REQUIRED);
    ERR_clear_error();
    SSL_free(ssl);
}

static EVP_PKEY *key_new(void) {
    EVP_PKEY *key = EVP_PKEY_new();
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    assert_true(EC_KEY_generate_key(ec) && EVP_PKEY_set1_EC_KEY(key, ec));
    EC_KEY_free(ec);
    return key;
}

/* Called when the server asks for a certificate: the authorities it names are known only then. */
static int count_authorities(SSL *ssl, void *count) {
    *(size_t *)count += sk_X509_NAME_num(SSL_get_client_CA_list(ssl));
    return 1;
}

static void test_client_with_certificate(void **state) {
    (void)state;
    EVP_PKEY *key = key_new();
    X509 *certificate = X509_new();
    assert_true(X509_set_pubkey(certificate, key) &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_SECONDS) &&
                X509_sign(certificate, key, EVP_sha256()));
    SSL_CTX *known = client_new();
    assert_true(SSL_CTX_use_certificate(known, certificate) && SSL_CTX_use_PrivateKey(known, key));
    size_t authorities = 0;
    SSL_CTX_set_cert_cb(known, count_authorities, &authorities);
    const enum farm_kind kinds[] = {FARM_CLIENT_CERTIFICATE, FARM_CLIENT_CERTIFICATE_TLS13};
    for (int i = 0; i < 2; i++) {
        struct farm_endpoint endpoint = find(farm, kinds[i]);
        SSL *ssl = tls_connect(known, &endpoint);
        assert_non_null(ssl);
        /* The server answers our close_notify with its own only when it took the certificate. */
        assert_int_equal(SSL_shutdown(ssl), 0);
        assert_int_equal(SSL_shutdown(ssl), 1);
        SSL_free(ssl);
    }
    assert_int_equal(authorities, 2);
    SSL_CTX_free(known);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* --- Servers that misbehave --- */

static void test_alert(void **state) {
    (void)state;
    static const uint8_t ALERT[] = {21, 3, 3, 0, 2, 2, 40};
    uint8_t got[64];
    int descriptor = open_to(FARM_ALERT);
    say_hello(descriptor);
    assert_int_equal(receive_all(descriptor, got, sizeof got), sizeof ALERT);
    assert_memory_equal(got, ALERT, sizeof ALERT);
    close(descriptor);
}

static void test_answers_come_after_the_whole_hello(void **state) {
    (void)state;
    uint8_t got[64];
    int descriptor = open_to(FARM_ALERT);
    int on = 1;
    assert_int_equal(setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    for (size_t i = 0; i < sizeof HELLO - 1; i++)
        assert_int_equal(send(descriptor, HELLO + i, 1, MSG_NOSIGNAL), 1);
    handshake_with_good(farm);
    assert_nothing_came(descriptor);
    assert_int_equal(send(descriptor, HELLO + sizeof HELLO - 1, 1, MSG_NOSIGNAL), 1);
    assert_int_equal(receive_all(descriptor, got, sizeof got), 7);
    close(descriptor);
}

static void test_not_tls(void **state) {
    (void)state;
    char got[1024] = "";
    int descriptor = open_to(FARM_NOT_TLS);
    say_hello(descriptor);
    ssize_t len = receive_all(descriptor, (uint8_t *)got, sizeof got);
    assert_true(len > 0);
    assert_memory_equal(got, "HTTP/1.1 400 ", 13);
    const char *body = strstr(got, "\r\n\r\n");
    const char *length = strstr(got, "Content-Length: ");
    assert_true(body && length);
    assert_int_equal(strlen(body + 4), strtoul(length + 16, NULL, 10));
    close(descriptor);
}

static void test_unparsable(void **state) {
    (void)state;
    struct farm_endpoint endpoint = find(farm, FARM_UNPARSABLE);
    ERR_clear_error();
    assert_null(tls_connect(client, &endpoint));
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_CANNOT_PARSE_LEAF_CERT);
    ERR_clear_error();
}

static void test_refusing(void **state) {
    (void)state;
    struct farm_endpoint endpoint = find(farm, FARM_REFUSING);
    assert_int_equal(try_connect(&endpoint), -1);
    assert_int_equal(errno, ECONNREFUSED);
}

static void test_resetting(void **state) {
    (void)state;
    uint8_t got[64];
    int descriptor = open_to(FARM_RESETTING);
    say_hello(descriptor);
    assert_int_equal(receive_all(descriptor, got, sizeof got), -1);
    assert_int_equal(errno, ECONNRESET);
    close(descriptor);
}

static void test_closing(void **state) {
    (void)state;
    uint8_t got[64];
    int descriptor = open_to(FARM_CLOSING);
    say_hello(descriptor);
    assert_int_equal(receive_all(descriptor, got, sizeof got), 0);
    close(descriptor);
}

static void test_silent(void **state) {
    (void)state;
    int descriptor = open_to(FARM_SILENT);
    say_hello(descriptor);
    handshake_with_good(farm);
    assert_nothing_came(descriptor);
    close(descriptor);
}

static void test_dripping(void **state) {
    (void)state;
    struct farm_endpoint endpoint = find(farm, FARM_DRIPPING);
    SSL *ssl = tls_new(client, &endpoint);
    assert_non_null(ssl);
    /* The hello goes out, and what comes back is read beside BoringSSL. */
    int descriptor;
    assert_true(BIO_get_fd(SSL_get_wbio(ssl), &descriptor) >= 0);
    BIO *nothing = BIO_new(BIO_s_mem());
    SSL_set0_rbio(ssl, nothing);
    assert_int_equal(SSL_connect(ssl), -1);
    assert_int_equal(SSL_get_error(ssl, -1), SSL_ERROR_WANT_READ);
    uint8_t got[4096];
    ssize_t len = recv(descriptor, got, sizeof got, 0);
    /* One byte; more only when this machine stood still meanwhile. A whole flight has some
     * thousand. */
    assert_in_range(len, 1, 500);
    assert_int_equal(got[0], 22);
    SSL_free(ssl);
}

/* --- Many at once --- */

static void *handshakes(void *argument) {
    intptr_t done = 0;
    (void)argument;
    struct farm_endpoint endpoint = find(farm, FARM_GOOD_ECDSA);
    for (int i = 0; i < 50; i++) {
        SSL *ssl = tls_connect(client, &endpoint);
        done += ssl != NULL;
        SSL_free(ssl);
    }
    return (void *)done;
}

static void test_clients_in_parallel(void **state) {
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, handshakes, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *done;
        pthread_join(threads[i], &done);
        assert_int_equal((intptr_t)done, 50);
    }
}

static void test_connection_limit_makes_clients_wait(void **state) {
    (void)state;
    struct farm *small;
    struct farm_options options = {.endpoints = FARM_KIND_COUNT, .connections = 2};
    assert_true(address_parse(slice_of("127.79.0.1"), &options.first));
    assert_int_equal(farm_start(&small, &options, NULL), ERROR_NONE);
    struct farm_endpoint silent = find(small, FARM_SILENT), good = find(small, FARM_GOOD_ECDSA);
    handshake_with_good(small);
    int first = try_connect(&silent), second = try_connect(&silent);
    assert_true(first >= 0 && second >= 0);
    /* Whether these two have the farm's places or this one gets in before them: it is served as
     * soon as one of them goes. */
    SSL *ssl = tls_new(client, &good);
    assert_non_null(ssl);
    close(first);
    assert_int_equal(SSL_connect(ssl), 1);
    SSL_free(ssl);
    handshake_with_good(small);
    close(second);
    farm_stop(small);
}

static void test_stop_with_open_connections(void **state) {
    (void)state;
    struct farm *other;
    struct farm_options options = {.endpoints = FARM_KIND_COUNT};
    assert_true(address_parse(slice_of("127.79.0.1"), &options.first));
    assert_int_equal(farm_start(&other, &options, NULL), ERROR_NONE);
    struct farm_endpoint good = find(other, FARM_GOOD_RSA), silent = find(other, FARM_SILENT);
    SSL *ssl = tls_connect(client, &good);
    int descriptor = try_connect(&silent);
    assert_true(ssl && descriptor >= 0);
    farm_stop(other);
    uint8_t byte;
    assert_true(SSL_read(ssl, &byte, 1) <= 0);
    assert_true(recv(descriptor, &byte, 1, 0) <= 0);
    ERR_clear_error();
    SSL_free(ssl);
    close(descriptor);
    farm_stop(NULL);
}

/* --- Wrong options --- */

static void assert_refused(const char *first, uint32_t endpoints, uint16_t port, enum error error,
                           const char *words) {
    struct farm *none = NULL;
    struct failure failure = {0};
    struct farm_options options = {.endpoints = endpoints, .port = port};
    if (first)
        assert_true(address_parse(slice_of(first), &options.first));
    assert_int_equal(farm_start(&none, &options, &failure), error);
    assert_int_equal(failure.code, error);
    if (!strstr(failure.text, words))
        fail_msg("\"%s\" does not say \"%s\"", failure.text, words);
    assert_null(none);
}

static void test_wrong_options(void **state) {
    (void)state;
    assert_refused(NULL, FARM_KIND_COUNT - 1, 0, ERROR_USAGE, "one of each kind");
    assert_refused(NULL, 1000000, 0, ERROR_USAGE, "1000000");
    assert_refused("192.0.2.1", FARM_KIND_COUNT, 0, ERROR_USAGE, "192.0.2.1");
    assert_refused("126.255.255.255", FARM_KIND_COUNT, 0, ERROR_USAGE, "127.0.0.0/8");
    assert_refused("127.0.0.0", FARM_KIND_COUNT, 0, ERROR_USAGE, "127.0.0.0/8");
    assert_refused("127.255.255.250", FARM_KIND_COUNT, 0, ERROR_USAGE, "127.255.255.250");
    assert_refused("::1", FARM_KIND_COUNT, 0, ERROR_USAGE, "::1");
}

static void test_too_few_descriptors(void **state) {
    (void)state;
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_refused("127.79.0.1", 100, 0, ERROR_LIMIT, "ulimit -n");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void test_taken_address_is_named(void **state) {
    (void)state;
    /* The last address of the new farm is the first one of the running farm. */
    struct farm_endpoint taken = farm_endpoint(farm, 0);
    char address[ADDRESS_TEXT_MAX];
    address_format(&taken.address, address);
    assert_string_equal(address, "127.77.0.1");
    assert_refused("127.77.0.0", FARM_KIND_COUNT, taken.port, (enum error)EADDRINUSE,
                   "127.77.0.1:");
    /* With a free choice it takes the next port. */
    struct farm *other;
    struct farm_options options = {.endpoints = FARM_KIND_COUNT};
    assert_int_equal(farm_start(&other, &options, NULL), ERROR_NONE);
    assert_int_not_equal(farm_endpoint(other, 0).port, taken.port);
    handshake_with_good(other);
    farm_stop(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_population),
        cmocka_unit_test(test_smallest_farm_has_every_kind),
        cmocka_unit_test(test_root_in_a_file),
        cmocka_unit_test(test_chosen_kinds),
        cmocka_unit_test(test_kinds_by_name),
        cmocka_unit_test(test_port_is_not_ephemeral),
        cmocka_unit_test(test_tls_kinds),
        cmocka_unit_test(test_tls12_where_nothing_else_is_said),
        cmocka_unit_test(test_every_endpoint_has_its_own_certificate),
        cmocka_unit_test(test_client_without_certificate),
        cmocka_unit_test(test_client_with_certificate),
        cmocka_unit_test(test_alert),
        cmocka_unit_test(test_answers_come_after_the_whole_hello),
        cmocka_unit_test(test_not_tls),
        cmocka_unit_test(test_unparsable),
        cmocka_unit_test(test_refusing),
        cmocka_unit_test(test_resetting),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_dripping),
        cmocka_unit_test(test_clients_in_parallel),
        cmocka_unit_test(test_connection_limit_makes_clients_wait),
        cmocka_unit_test(test_stop_with_open_connections),
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_too_few_descriptors),
        cmocka_unit_test(test_taken_address_is_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
