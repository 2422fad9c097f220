/* The audit against servers whose policy is known, and against BoringSSL's. */
#include "engine/tls/audit.h"
#include "tests/unit/tls/memory_server.h"
#include "tests/unit/tls/policy_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIST(...) ((const uint16_t[]){__VA_ARGS__, 0})

enum { TLS13, TLS12, TLS11, TLS10, SSL30 };

static const struct tls_audit_options without_jarm = {.without_jarm = true};

/* How to treat connections: how many bytes a feed has, which one is disturbed, and how. */
struct run {
    size_t piece;
    int disturbed; /* number of the connection, from 1; 0 for none, -1 for all */
    enum tls_audit_end how;
    const char *garbage; /* what comes instead of the answer */
};

static void feed(struct tls_audit *audit, struct slice flight, size_t piece) {
    enum tls_status status = TLS_MORE;
    struct buffer out;

    buffer_init(&out);
    while (flight.len && status == TLS_MORE) {
        struct slice part = slice_first(flight, piece ? piece : flight.len);
        /* a copy of its own, so that a sanitizer sees reads past its end */
        uint8_t *copy = malloc(part.len);
        memcpy(copy, part.ptr, part.len);
        status = tls_audit_feed(audit, (struct slice){copy, part.len}, &out);
        free(copy);
        flight = slice_from(flight, part.len);
    }
    if (status == TLS_MORE)
        tls_audit_ended(audit, TLS_AUDIT_CLOSED);
    assert_int_equal(out.len, 0); /* nothing more than hellos */
    buffer_deinit(&out);
}

static struct tls_audit *run_audit(const struct policy *policy,
                                   const struct tls_audit_options *options, struct run run) {
    struct tls_audit *audit = tls_audit_new(slice_of("www.example.org"), options);
    struct buffer hello, flight;
    uint8_t random[32] = {1};

    assert_non_null(audit);
    buffer_init(&hello);
    buffer_init(&flight);
    for (int number = 1; tls_audit_next(audit, random, &hello); number++) {
        bool disturbed = run.disturbed < 0 || run.disturbed == number;
        assert_true(number <= 1000);
        if (disturbed && !run.garbage) {
            tls_audit_ended(audit, run.how);
        } else {
            if (disturbed)
                buffer_add_text(&flight, run.garbage);
            else
                policy_answer(policy, buffer_slice(&hello), &flight);
            feed(audit, buffer_slice(&flight), run.piece);
        }
        hello.len = flight.len = 0;
        random[0]++;
    }
    buffer_deinit(&hello);
    buffer_deinit(&flight);
    return audit;
}

static void assert_list(const uint16_t *got, size_t count, const uint16_t *expected) {
    size_t expected_count = 0;
    while (expected[expected_count])
        expected_count++;
    assert_int_equal(count, expected_count);
    assert_memory_equal(got, expected, count * sizeof *got);
}

static void assert_suites(const struct tls_audit_result *result, unsigned index,
                          const uint16_t *expected) {
    const struct tls_audit_version *version = &result->versions[index];
    assert_int_equal(version->offered, TLS_AUDIT_YES);
    assert_true(version->suites_complete);
    assert_list(version->suites, version->suite_count, expected);
}

static const char *const web[] = {"http/1.1", "h2", NULL};

static const struct policy rich = {
    .versions = {0x0304, 0x0303, 0x0301},
    .suites = LIST(0xc030, 0xc014, 0x0039, 0x009d, 0x002f, 0x0005, 0x0034),
    .suites13 = LIST(0x1302, 0x1304),
    .groups12 = LIST(23, 24, 26),
    .groups13 = LIST(0x11ec, 29, 24, 0x0201, 0x0102),
    .protocols = web,
    .own_order = true,
    .has_scsv = true,
    .compresses = true,
    .asks_certificate = true,
    .extensions = {0xff01, 23, 22, 35},
    .dh_bytes = 128,
    .ca_name = {(const uint8_t *)"\x30\x00", 2},
    .ocsp = {(const uint8_t *)"response", 8},
    .scts = {(const uint8_t *)"\x00\x00", 2},
};

static void check_rich(const struct tls_audit_result *result) {
    assert_suites(result, TLS13, LIST(0x1302, 0x1304));
    assert_suites(result, TLS12, LIST(0xc030, 0xc014, 0x0039, 0x009d, 0x002f, 0x0005, 0x0034));
    assert_suites(result, TLS10, LIST(0xc014, 0x0039, 0x002f, 0x0005, 0x0034));
    assert_int_equal(result->versions[TLS11].offered, TLS_AUDIT_NO);
    assert_int_equal(result->versions[SSL30].offered, TLS_AUDIT_NO);
    assert_int_equal(result->versions[TLS13].order, TLS_AUDIT_ORDER_SERVER);
    assert_int_equal(result->versions[TLS12].order, TLS_AUDIT_ORDER_SERVER);
    assert_int_equal(result->versions[TLS10].order, TLS_AUDIT_ORDER_SERVER);
    assert_list(result->groups13.ids, result->groups13.count, rich.groups13);
    assert_list(result->groups12.ids, result->groups12.count, rich.groups12);
    assert_true(result->groups13.complete && result->groups12.complete);
    assert_int_equal(result->protocol_count, 2);
    assert_true(result->protocols_complete);
    assert_true(slice_is(result->protocols[0], "http/1.1"));
    assert_true(slice_is(result->protocols[1], "h2"));
    assert_int_equal(result->secure_renegotiation, TLS_AUDIT_YES);
    assert_int_equal(result->compression, TLS_AUDIT_YES);
    assert_int_equal(result->session_tickets, TLS_AUDIT_YES);
    assert_int_equal(result->session_ids, TLS_AUDIT_NO);
    assert_int_equal(result->extended_master_secret, TLS_AUDIT_YES);
    assert_int_equal(result->encrypt_then_mac, TLS_AUDIT_YES);
    assert_int_equal(result->heartbeat, TLS_AUDIT_NO);
    assert_int_equal(result->fallback_scsv, TLS_AUDIT_YES);
    assert_int_equal(result->client_certificate, TLS_AUDIT_YES);
    assert_int_equal(result->ca_names_total, 1);
    assert_true(slice_equal(result->ca_names[0], rich.ca_name));
    assert_true(slice_equal(result->ocsp_response, rich.ocsp));
    assert_true(slice_equal(result->sct_list, rich.scts));
    assert_int_equal(result->dh_bits, 1024);
    assert_int_equal(result->stop, TLS_AUDIT_FINISHED);
}

static void test_everything(void **state) {
    static const size_t pieces[] = {0, 1, 3, 100};
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct tls_audit *audit = run_audit(&rich, &without_jarm, (struct run){.piece = pieces[i]});
        const struct tls_audit_result *result = tls_audit_result(audit);
        check_rich(result);
        assert_int_equal(strlen(result->jarm), 0);
        /* 5 for versions, 3 protocols, 1 fallback; pairs and groups of TLS 1.3: 4 and 1 to find out
           which had ended, 1 for the last; suites: 7 and 5; groups 3; orders 3; rare 2 + 2. */
        assert_true(result->connections <= 40);
        tls_audit_free(audit);
    }
}

/* The first connection that fails to be made is asked for again; nothing changes for it. */
static void test_one_connection_missed(void **state) {
    (void)state;
    struct tls_audit *whole = run_audit(&rich, &without_jarm, (struct run){0});
    int connections = tls_audit_result(whole)->connections;
    for (int i = 1; i <= connections; i++) {
        struct run run = {.disturbed = i, .how = TLS_AUDIT_NOT_CONNECTED};
        struct tls_audit *audit = run_audit(&rich, &without_jarm, run);
        check_rich(tls_audit_result(audit));
        assert_int_equal(tls_audit_result(audit)->connections, connections + 1);
        tls_audit_free(audit);
    }
    tls_audit_free(whole);
}

/* A connection that hangs or says something else spoils what it was for, never more: nothing is
 * found that is not there, and it ends. */
static void test_one_connection_disturbed(void **state) {
    static const char *const garbage[] = {NULL, "HTTP/1.1 400 Bad Request\r\n\r\n",
                                          "\x16\x03\x03\xff\xff", "\x16\x03\x03\x00\x04\x02zzz"};
    (void)state;
    for (int i = 1; i <= 40; i++) {
        for (size_t kind = 0; kind < sizeof garbage / sizeof *garbage; kind++) {
            struct run run = {.disturbed = i, .how = TLS_AUDIT_TIMED_OUT, .garbage = garbage[kind]};
            struct tls_audit *audit = run_audit(&rich, &without_jarm, run);
            const struct tls_audit_result *result = tls_audit_result(audit);
            assert_int_equal(result->stop, TLS_AUDIT_FINISHED);
            assert_int_not_equal(result->versions[TLS11].offered, TLS_AUDIT_YES);
            assert_int_not_equal(result->versions[SSL30].offered, TLS_AUDIT_YES);
            assert_true(result->versions[TLS12].suite_count <= 7);
            assert_true(result->groups13.count <= 5 && result->groups12.count <= 3);
            tls_audit_free(audit);
        }
    }
}

/* A hang must not be taken for a no. */
static void test_time_out_is_unknown(void **state) {
    (void)state;
    struct run run = {.disturbed = 1, .how = TLS_AUDIT_TIMED_OUT};
    struct tls_audit *audit = run_audit(&rich, &without_jarm, run);
    assert_int_equal(tls_audit_result(audit)->versions[TLS13].offered, TLS_AUDIT_UNKNOWN);
    tls_audit_free(audit);
}

static void test_stops(void **state) {
    (void)state;
    struct tls_audit_options options = {.connections_max = 10};
    struct tls_audit *audit = run_audit(&rich, &options, (struct run){0});
    assert_int_equal(tls_audit_result(audit)->stop, TLS_AUDIT_OUT_OF_CONNECTIONS);
    assert_int_equal(tls_audit_result(audit)->connections, 10);
    assert_false(tls_audit_result(audit)->versions[TLS12].suites_complete);
    tls_audit_free(audit);

    audit = run_audit(&rich, &without_jarm,
                      (struct run){.disturbed = -1, .how = TLS_AUDIT_NOT_CONNECTED});
    assert_int_equal(tls_audit_result(audit)->stop, TLS_AUDIT_UNREACHABLE);
    assert_int_equal(tls_audit_result(audit)->connections, 2);
    tls_audit_free(audit);

    audit =
        run_audit(&rich, &without_jarm, (struct run){.disturbed = -1, .how = TLS_AUDIT_TIMED_OUT});
    assert_int_equal(tls_audit_result(audit)->stop, TLS_AUDIT_UNREACHABLE);
    assert_int_equal(tls_audit_result(audit)->connections, 3);
    assert_int_equal(tls_audit_result(audit)->versions[TLS12].offered, TLS_AUDIT_UNKNOWN);
    tls_audit_free(audit);

    audit = run_audit(&rich, &without_jarm, (struct run){.disturbed = -1, .how = TLS_AUDIT_CLOSED});
    assert_int_equal(tls_audit_result(audit)->stop, TLS_AUDIT_FINISHED);
    for (unsigned i = 0; i < TLS_AUDIT_VERSIONS; i++)
        assert_int_equal(tls_audit_result(audit)->versions[i].offered, TLS_AUDIT_NO);
    tls_audit_free(audit);
}

/* An old server answers a hello of TLS 1.2 in its own version, once for all between. */
static void test_old_server(void **state) {
    const struct policy old = {
        .versions = {0x0300}, .suites = LIST(0x0004, 0x000a), .has_session_ids = true};
    (void)state;
    struct tls_audit *audit = run_audit(&old, &without_jarm, (struct run){0});
    const struct tls_audit_result *result = tls_audit_result(audit);
    for (unsigned i = TLS13; i < SSL30; i++)
        assert_int_equal(result->versions[i].offered, TLS_AUDIT_NO);
    assert_suites(result, SSL30, LIST(0x000a, 0x0004));
    assert_int_equal(result->versions[SSL30].order, TLS_AUDIT_ORDER_CLIENT);
    assert_int_equal(result->session_ids, TLS_AUDIT_YES);
    assert_int_equal(result->secure_renegotiation, TLS_AUDIT_NO);
    assert_int_equal(result->extended_master_secret, TLS_AUDIT_UNKNOWN);
    assert_int_equal(result->fallback_scsv, TLS_AUDIT_UNKNOWN);
    assert_int_equal(result->client_certificate, TLS_AUDIT_NO);
    /* TLS 1.3; SSL 3.0 found at once; 2 suites, order, rare */
    assert_int_equal(result->connections, 6);
    tls_audit_free(audit);
}

/* One that gives up without a key share gets them. */
static void test_needs_share(void **state) {
    const struct policy server = {.versions = {0x0304},
                                  .suites13 = LIST(0x1301, 0x1303),
                                  .groups13 = LIST(29, 23),
                                  .needs_share = true};
    (void)state;
    struct tls_audit *audit = run_audit(&server, &without_jarm, (struct run){.piece = 5});
    const struct tls_audit_result *result = tls_audit_result(audit);
    assert_suites(result, TLS13, LIST(0x1301, 0x1303));
    assert_list(result->groups13.ids, result->groups13.count, LIST(29, 23));
    assert_int_equal(result->versions[TLS13].order, TLS_AUDIT_ORDER_CLIENT);
    assert_int_equal(result->client_certificate, TLS_AUDIT_NO);
    assert_int_equal(result->secure_renegotiation, TLS_AUDIT_UNKNOWN);
    tls_audit_free(audit);
}

/* Protocols are not ours: alert 120 says so; the flight is read without them. */
static void test_strict_protocols(void **state) {
    static const char *const odd[] = {"odd/1", NULL};
    struct policy server = rich;
    (void)state;
    server.protocols = odd;
    server.strict_protocols = true;
    for (int classic = 0; classic < 2; classic++) {
        if (classic)
            server.versions[0] = 0x0302;
        struct tls_audit *audit = run_audit(&server, &without_jarm, (struct run){0});
        const struct tls_audit_result *result = tls_audit_result(audit);
        assert_true(result->protocols_complete);
        assert_int_equal(result->protocol_count, 0);
        assert_int_equal(result->client_certificate, TLS_AUDIT_YES);
        assert_true(slice_equal(result->ocsp_response, rich.ocsp));
        tls_audit_free(audit);
    }
}

/* The certificate's curve must stay in the list: groups behind it are found when the server follows
 * the client, and when it does not, that is admitted. */
static void test_elliptic_certificate(void **state) {
    struct policy server = {.versions = {0x0303},
                            .suites = LIST(0xc02b),
                            .groups12 = LIST(23, 29, 24),
                            .certificate_group = 23};
    (void)state;
    struct tls_audit *audit = run_audit(&server, &without_jarm, (struct run){0});
    const struct tls_audit_result *result = tls_audit_result(audit);
    assert_list(result->groups12.ids, result->groups12.count, LIST(29, 23, 24));
    assert_true(result->groups12.complete);
    tls_audit_free(audit);

    server.own_order = true;
    audit = run_audit(&server, &without_jarm, (struct run){0});
    result = tls_audit_result(audit);
    assert_list(result->groups12.ids, result->groups12.count, LIST(23));
    assert_false(result->groups12.complete);
    tls_audit_free(audit);
}

/* No certificate at all: only the rare suites are taken. */
static void test_anonymous_server(void **state) {
    const struct policy server = {.versions = {0x0302, 0x0301},
                                  .suites = LIST(0xc019, 0x0034),
                                  .groups12 = LIST(24),
                                  .dh_bytes = 64};
    (void)state;
    struct tls_audit *audit = run_audit(&server, &without_jarm, (struct run){0});
    const struct tls_audit_result *result = tls_audit_result(audit);
    assert_suites(result, TLS11, LIST(0x0034, 0xc019));
    assert_int_equal(result->dh_bits, 512);
    assert_list(result->groups12.ids, result->groups12.count, LIST(24));
    tls_audit_free(audit);
}

static void test_jarm(void **state) {
    struct tls_audit_options options = {.jarm_name = slice_of("192.0.2.1")};
    (void)state;
    struct tls_audit *audit = run_audit(&rich, &options, (struct run){.piece = 1});
    assert_int_equal(strlen(tls_audit_result(audit)->jarm), TLS_AUDIT_JARM_CHARS);
    /* 0xc030 is the 42nd of JARM's list, 0x1302 the 66th; the fifth hello has no suites of ours but
       in its upper half */
    assert_memory_equal(tls_audit_result(audit)->jarm, "2ad", 3);
    tls_audit_free(audit);
}

/* BoringSSL on the other side; its hybrid needs no key exchange to be found. */
static void test_boringssl(void **state) {
    struct test_chain chain;
    struct buffer hello, flight;
    uint8_t random[32] = {1};

    (void)state;
    test_chain_init(&chain, false, 2, 0);
    SSL_CTX *context = test_server_context(&chain, "P-384:X25519", TLS1_3_VERSION);
    /* the draft in older releases, the final one in newer ones */
    uint16_t hybrid = 0x6399;
    if (!SSL_CTX_set1_curves_list(context, "P-384:X25519KYBER:X25519")) {
        hybrid = 0x11ec;
        assert_true(SSL_CTX_set1_curves_list(context, "P-384:X25519MLKEM768:X25519"));
    }
    struct tls_audit *audit = tls_audit_new(slice_of("a.test"), &without_jarm);
    buffer_init(&hello);
    buffer_init(&flight);
    while (tls_audit_next(audit, random, &hello)) {
        struct test_server server;
        test_server_init(&server, context);
        test_server_answer(&server, &hello, &flight);
        feed(audit, buffer_slice(&flight), 7);
        test_server_deinit(&server);
        flight.len = 0;
    }
    const struct tls_audit_result *result = tls_audit_result(audit);
    assert_int_equal(result->versions[TLS13].suite_count, 3);
    assert_int_equal(result->groups13.count, 3);
    bool found[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        found[0] |= result->groups13.ids[i] == 24;
        found[1] |= result->groups13.ids[i] == hybrid;
        found[2] |= result->groups13.ids[i] == 29;
    }
    assert_true(found[0] && found[1] && found[2] && result->groups13.complete);
    assert_int_equal(result->client_certificate, TLS_AUDIT_NO);
    tls_audit_free(audit);
    buffer_deinit(&hello);
    buffer_deinit(&flight);
    SSL_CTX_free(context);
    test_chain_deinit(&chain);
}

static void test_names_too_long(void **state) {
    char name[LIMIT_HOST_NAME_BYTES + 2];
    (void)state;
    memset(name, 'a', sizeof name);
    struct slice longest = {(const uint8_t *)name, LIMIT_HOST_NAME_BYTES};
    struct slice longer = {(const uint8_t *)name, sizeof name - 1};
    assert_null(tls_audit_new(longer, &without_jarm));
    assert_null(tls_audit_new(longest, &(struct tls_audit_options){.jarm_name = longer}));
    struct tls_audit *audit = tls_audit_new(longest, &(struct tls_audit_options){0});
    assert_non_null(audit);
    tls_audit_free(audit);
    tls_audit_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_one_connection_missed),
        cmocka_unit_test(test_one_connection_disturbed),
        cmocka_unit_test(test_time_out_is_unknown),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_old_server),
        cmocka_unit_test(test_needs_share),
        cmocka_unit_test(test_strict_protocols),
        cmocka_unit_test(test_elliptic_certificate),
        cmocka_unit_test(test_anonymous_server),
        cmocka_unit_test(test_jarm),
        cmocka_unit_test(test_boringssl),
        cmocka_unit_test(test_names_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
