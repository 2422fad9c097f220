/* https: whose roots count, and that names and dates are looked at. */
#include "tests/unit/http/test_server.h"
#include "tests/unit/x509/mint.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

static bool answer(struct test_connection *connection, const char *path) {
    (void)path;
    return test_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
}

struct pki {
    struct minted root, leaf;
    char ca_file[32];
};

static void pki_make(struct pki *pki, const char *san, int64_t not_after) {
    int64_t now = (int64_t)time(NULL);

    pki->root = mint(&(struct mint_order){.subject = "Test Root",
                                          .not_before = now - 86400,
                                          .not_after = now + 86400,
                                          .extensions = {MINT_CA, MINT_SIGNS}});
    pki->leaf = mint(&(struct mint_order){.subject = "leaf",
                                          .issuer = &pki->root,
                                          .not_before = now - 86400,
                                          .not_after = now + not_after,
                                          .extensions = {san, MINT_SERVER}});
    strcpy(pki->ca_file, "/tmp/trawl-http-XXXXXX");
    FILE *file = fdopen(mkstemp(pki->ca_file), "w");
    assert_non_null(file);
    assert_true(PEM_write_X509(file, pki->root.x509));
    fclose(file);
}

static void pki_drop(struct pki *pki) {
    unlink(pki->ca_file);
    mint_free(&pki->root);
    mint_free(&pki->leaf);
}

static struct got fetch_with(struct pki *pki, const char *ca_file) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_true(SSL_CTX_use_certificate(context, pki->leaf.x509));
    assert_true(SSL_CTX_use_PrivateKey(context, pki->leaf.key));
    struct test_server *server = test_server_start(answer, context);
    struct http_client *client = open_client(&(struct http_client_config){.ca_file = ca_file});
    struct got got = fetch(client, &(struct http_request){.url = url_of(server, "/")});

    http_client_close(client);
    test_server_stop(server);
    SSL_CTX_free(context);
    return got;
}

static void trusts_the_roots_of_its_file(void **state) {
    struct pki pki, other;

    (void)state;
    pki_make(&pki, "subjectAltName=IP:127.0.0.1", 86400);
    pki_make(&other, "subjectAltName=IP:127.0.0.1", 86400);
    struct got got = fetch_with(&pki, pki.ca_file);
    assert_string_equal(got.message, "");
    assert_int_equal(got.answer.status, 200);
    assert_int_equal(got.answer.body.len, 6);
    buffer_deinit(&got.answer.body);

    got = fetch_with(&pki, NULL); /* the system's do not know it */
    assert_int_equal(got.answer.error, EPROTO);
    assert_non_null(strstr(got.message, "certificate"));
    got = fetch_with(&pki, other.ca_file);
    assert_int_equal(got.answer.error, EPROTO);
    pki_drop(&pki);
    pki_drop(&other);
}

static void looks_at_names_and_dates(void **state) {
    struct pki pki;

    (void)state;
    pki_make(&pki, "subjectAltName=IP:127.0.0.2", 86400);
    struct got got = fetch_with(&pki, pki.ca_file);
    assert_int_equal(got.answer.error, EPROTO);
    pki_drop(&pki);

    pki_make(&pki, "subjectAltName=IP:127.0.0.1", -3600);
    got = fetch_with(&pki, pki.ca_file);
    assert_int_equal(got.answer.error, EPROTO);
    assert_non_null(strstr(got.message, "expired"));
    pki_drop(&pki);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trusts_the_roots_of_its_file),
        cmocka_unit_test(looks_at_names_and_dates),
    };

    signal(SIGPIPE, SIG_IGN);
    if (http_global_init(NULL))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_deinit();
    return failed;
}
