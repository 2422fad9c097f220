/* Whether an audit finds out what BoringSSL's server does with sessions: by id, by ticket, in TLS
 * 1.3; and what it says when one of the connections goes wrong. */
#include "engine/tls/audit.h"
#include "engine/tls/handshake.h"
#include "tests/unit/tls/memory_server.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* What kind of server it is, and which connection is disturbed in which way. */
struct service {
    uint16_t version_min, version_max;
    bool without_tickets, without_cache;
    bool forgets;  /* has other keys and an empty cache at every connection */
    bool talks;    /* says something behind the handshake */
    bool is_web;   /* answers requests, and says so by ALPN */
    int disturbed; /* number of the connection, from 1 */
    enum tls_audit_end how;
};

struct fixture {
    struct test_chain chain;
    SSL_CTX *context;
    struct tls_client *client;
};

static int select_http(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                       unsigned in_len, void *arg) {
    static const uint8_t wanted[] = "\x08http/1.1";

    (void)ssl;
    (void)arg;
    return SSL_select_next_proto((uint8_t **)out, out_len, wanted, sizeof wanted - 1, in, in_len) ==
                   OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

static SSL_CTX *make_context(const struct fixture *fixture, const struct service *service) {
    SSL_CTX *context = test_server_context(&fixture->chain, NULL, service->version_max);

    assert_true(SSL_CTX_set_min_proto_version(context, service->version_min));
    if (service->without_tickets)
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    if (service->without_cache)
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (service->is_web)
        SSL_CTX_set_alpn_select_cb(context, select_http, NULL);
    return context;
}

/* What the server has to say to what it was sent. */
static void answer(struct test_server *server, const struct service *service, struct buffer *sent,
                   struct buffer *flight) {
    const uint8_t *bytes;
    size_t len;
    char request[100];

    test_server_answer(server, sent, flight);
    if (SSL_in_init(server->ssl))
        return;
    if (service->talks)
        SSL_write(server->ssl, "220 hello", 9);
    int got = SSL_read(server->ssl, request, sizeof request);
    if (got > 0) {
        assert_true(service->is_web);
        assert_true(
            slice_is((struct slice){(uint8_t *)request, (size_t)got}, "HEAD / HTTP/1.0\r\n\r\n"));
        SSL_write(server->ssl, "HTTP/1.0 200 OK\r\n\r\n", 19);
    }
    BIO_mem_contents(server->out, &bytes, &len);
    buffer_add(flight, bytes, len);
    (void)BIO_reset(server->out);
}

/* One connection, byte by byte, until nobody has anything to say. */
static void converse(struct tls_audit *audit, SSL_CTX *context, const struct service *service,
                     struct buffer *sent) {
    enum tls_status status = TLS_MORE;
    struct test_server server;
    struct buffer flight;

    buffer_init(&flight);
    test_server_init(&server, context);
    while (status == TLS_MORE && sent->len) {
        flight.len = 0;
        answer(&server, service, sent, &flight);
        ERR_clear_error(); /* the server's */
        for (size_t at = 0; at < flight.len && status == TLS_MORE; at++)
            status = tls_audit_feed(audit, (struct slice){flight.ptr + at, 1}, sent);
    }
    if (status == TLS_MORE)
        tls_audit_ended(audit, TLS_AUDIT_TIMED_OUT);
    else if (sent->len)
        answer(&server, service, sent, &flight); /* a close_notify, mostly */
    assert_false(tls_audit_lingers(audit));
    ERR_clear_error();
    SSL_shutdown(server.ssl);
    test_server_deinit(&server);
    buffer_deinit(&flight);
    ERR_clear_error();
}

static struct tls_audit *run_audit(const struct service *service) {
    struct fixture fixture = {.client = tls_client_new(NULL)};
    const struct tls_audit_options options = {.without_jarm = true, .client = fixture.client};
    struct tls_audit *audit = tls_audit_new(slice_of("www.example.org"), &options);
    uint8_t random[32] = {1};
    struct buffer sent;

    assert_non_null(fixture.client);
    assert_non_null(audit);
    test_chain_init(&fixture.chain, false, 2, 0);
    fixture.context = make_context(&fixture, service);
    buffer_init(&sent);
    for (int number = 1; tls_audit_next(audit, random, &sent); number++) {
        if (number == service->disturbed) {
            tls_audit_ended(audit, service->how);
        } else {
            converse(audit, fixture.context, service, &sent);
        }
        if (service->forgets) {
            SSL_CTX_free(fixture.context);
            fixture.context = make_context(&fixture, service);
        }
        sent.len = 0;
        random[0]++;
        assert_int_equal(ERR_peek_error(), 0);
    }
    buffer_deinit(&sent);
    SSL_CTX_free(fixture.context);
    test_chain_deinit(&fixture.chain);
    tls_client_free(fixture.client); /* nothing of it is needed to free the audit */
    return audit;
}

enum { UNKNOWN = TLS_AUDIT_UNKNOWN, NO = TLS_AUDIT_NO, YES = TLS_AUDIT_YES };

static void assert_resumes(const struct service *service, int id, int ticket, int tls13) {
    struct tls_audit *audit = run_audit(service);
    const struct tls_audit_result *result = tls_audit_result(audit);

    assert_int_equal(result->stop, TLS_AUDIT_FINISHED);
    assert_int_equal(result->resumes_id, id);
    assert_int_equal(result->resumes_ticket, ticket);
    assert_int_equal(result->resumes_tls13, tls13);
    tls_audit_free(audit);
}

static struct service new_service(void) {
    return (struct service){
        .version_min = TLS1_2_VERSION, .version_max = TLS1_3_VERSION, .is_web = true};
}

static void test_versions(void **state) {
    struct service service = new_service();

    (void)state;
    assert_resumes(&service, YES, YES, YES);
    service.version_min = TLS1_3_VERSION;
    assert_resumes(&service, UNKNOWN, UNKNOWN, YES);
    service.version_min = TLS1_VERSION;
    service.version_max = TLS1_2_VERSION;
    assert_resumes(&service, YES, YES, UNKNOWN);
    service.version_max = TLS1_VERSION;
    assert_resumes(&service, YES, YES, UNKNOWN);
}

static void test_what_is_lacking(void **state) {
    struct service service = new_service();

    (void)state;
    service.without_tickets = true;
    assert_resumes(&service, YES, NO, NO);
    service.without_cache = true;
    assert_resumes(&service, NO, NO, NO);
    service.without_tickets = false;
    assert_resumes(&service, NO, YES, YES);
    /* Sessions are offered, and taken by nobody. */
    service = new_service();
    service.forgets = true;
    assert_resumes(&service, NO, NO, NO);
}

/* BoringSSL holds its ticket back until there is something to be said: a greeting, the answer to a
 * request. Of one that is silent nothing is known. */
static void test_held_back(void **state) {
    struct service service = new_service();

    (void)state;
    service.is_web = false;
    assert_resumes(&service, YES, YES, UNKNOWN);
    service.talks = true;
    assert_resumes(&service, YES, YES, YES);
    service.without_tickets = true;
    assert_resumes(&service, YES, NO, NO);
}

/* Whatever goes wrong with one connection, nothing is said that is not so: it was a yes, or is not
 * known. One that was not made is made again. */
static void test_disturbed(void **state) {
    struct service service = new_service();

    (void)state;
    struct tls_audit *whole = run_audit(&service);
    int connections = tls_audit_result(whole)->connections, unknown = 0;
    for (service.disturbed = 1; service.disturbed <= connections; service.disturbed++) {
        for (service.how = TLS_AUDIT_CLOSED; service.how <= TLS_AUDIT_NOT_CONNECTED;
             service.how++) {
            struct tls_audit *audit = run_audit(&service);
            const struct tls_audit_result *result = tls_audit_result(audit);
            const uint8_t facts[] = {result->resumes_id, result->resumes_ticket,
                                     result->resumes_tls13};
            for (size_t i = 0; i < 3; i++) {
                bool known_before = service.disturbed > 8; /* versions, protocols, fallback */
                assert_true(facts[i] == YES || facts[i] == UNKNOWN);
                if (service.how == TLS_AUDIT_NOT_CONNECTED)
                    assert_int_equal(facts[i], YES);
                unknown += known_before && facts[i] == UNKNOWN;
            }
            tls_audit_free(audit);
        }
    }
    assert_int_equal(unknown, 2 * 6); /* of six connections, each ended in two ways */
    tls_audit_free(whole);
}

/* An audit that is dropped in the middle frees the handshake and the session that it holds. */
static void test_dropped(void **state) {
    struct service service = new_service();
    struct fixture fixture = {.client = tls_client_new(NULL)};

    (void)state;
    test_chain_init(&fixture.chain, false, 2, 0);
    fixture.context = make_context(&fixture, &service);
    for (int last = 1; last < 20; last++) {
        const struct tls_audit_options options = {.without_jarm = true, .client = fixture.client};
        struct tls_audit *audit = tls_audit_new(slice_of("a.test"), &options);
        uint8_t random[32] = {1};
        struct buffer sent;
        buffer_init(&sent);
        for (int number = 1; number <= last && tls_audit_next(audit, random, &sent); number++) {
            if (number < last)
                converse(audit, fixture.context, &service, &sent);
            sent.len = 0;
        }
        tls_audit_stop(audit, TLS_AUDIT_CANCELLED);
        assert_int_equal(tls_audit_result(audit)->stop, TLS_AUDIT_CANCELLED);
        assert_false(tls_audit_next(audit, random, &sent));
        buffer_deinit(&sent);
        tls_audit_free(audit);
    }
    SSL_CTX_free(fixture.context);
    test_chain_deinit(&fixture.chain);
    tls_client_free(fixture.client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),  cmocka_unit_test(test_what_is_lacking),
        cmocka_unit_test(test_held_back), cmocka_unit_test(test_disturbed),
        cmocka_unit_test(test_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
