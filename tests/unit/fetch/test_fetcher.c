#include "tests/unit/http/test_server.h"
#include "tests/unit/x509/build_crl.h"

#include "engine/fetch/fetcher.h"
#include "engine/queue/wake.h"
#include "engine/x509/bundle.h"

#include <openssl/pkcs7.h>
#include <signal.h>
#include <time.h>

enum { THINGS_MAX = 16 };

/* What the server gives for which path; "/hold" is never answered. Set before anything asks. */
static struct thing {
    const char *path;
    struct slice body;
} things[THINGS_MAX];

static bool answer(struct test_connection *connection, const char *path) {
    char head[128];

    for (size_t i = 0; i < THINGS_MAX && things[i].path; i++)
        if (strcmp(things[i].path, path) == 0) {
            snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                     things[i].body.len);
            return test_say(connection, head) &&
                   test_write(connection, things[i].body.ptr, things[i].body.len);
        }
    if (strcmp(path, "/hold") == 0)
        return test_hold(connection);
    if (strcmp(path, "/moved") == 0)
        return test_say(connection, "HTTP/1.1 301 Moved\r\nLocation: /issuer.der\r\n"
                                    "Content-Length: 0\r\n\r\n");
    if (strcmp(path, "/to-file") == 0)
        return test_say(connection, "HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\n"
                                    "Content-Length: 0\r\n\r\n");
    if (strcmp(path, "/huge") == 0)
        return test_say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
    return test_say(connection, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

/* --- A worker --- */

struct asker {
    struct mailbox mailbox;
    struct wake wake;
};

static void wake_asker(void *owner) {
    wake_signal(&((struct asker *)owner)->wake);
}

static void asker_init(struct asker *asker) {
    *asker = (struct asker){0};
    mailbox_init(&asker->mailbox, wake_asker, asker);
}

/* All that came, linked by `entry.next`. */
static struct fetch_question *wait_for_some(struct asker *asker) {
    for (;;) {
        uint32_t ticket = wake_ticket(&asker->wake);
        struct mailbox_entry *entry = mailbox_take_all(&asker->mailbox);
        if (entry)
            return (struct fetch_question *)entry;
        wake_wait(&asker->wake, ticket, 10000);
    }
}

static struct fetch_question *ask(struct fetcher *fetcher, struct asker *asker,
                                  enum fetch_kind kind, const struct minted *certificate,
                                  const struct minted *issuer) {
    struct fetch_question *question =
        fetch_question_new(kind, certificate->der, issuer ? issuer->der : (struct slice){NULL, 0});

    assert_non_null(question);
    question->asker = &asker->mailbox;
    fetcher_ask(fetcher, question);
    return question;
}

/* Asks, and waits for the answer. */
static struct fetch_question *get(struct fetcher *fetcher, enum fetch_kind kind,
                                  const struct minted *certificate, const struct minted *issuer) {
    struct asker asker;

    asker_init(&asker);
    struct fetch_question *question = ask(fetcher, &asker, kind, certificate, issuer);
    struct fetch_question *answered = wait_for_some(&asker);
    assert_ptr_equal(answered, question);
    assert_null(answered->entry.next);
    fetcher_leave(fetcher, &asker.mailbox);
    assert_null(mailbox_take_all(&asker.mailbox));
    return answered;
}

static struct fetcher *open_fetcher(const struct fetcher_config *config) {
    struct fetcher_config copy = *config;
    struct failure failure = {.text = ""};
    struct fetcher *fetcher = NULL;

    copy.timeout_ms = copy.timeout_ms ? copy.timeout_ms : 60000;
    copy.fetch_crls = !copy.crl_files;
    if (fetcher_open(&fetcher, &copy, &failure))
        fail_msg("%s", failure.text);
    return fetcher;
}

/* --- Certificates that name what the server gives --- */

static struct minted root, intermediate, leaf_of_root;
static struct test_server *server;

/* A certificate of the intermediate, or of the root, whose extension `name` is `value`, in which
 * each
 * "@" stands for the server. */
static struct minted naming(const struct minted *issuer, const char *name, const char *value) {
    char text[4096];
    int len = snprintf(text, sizeof text, "%s=", name);

    for (const char *at = value; *at; at++)
        len += *at == '@' ? snprintf(text + len, sizeof text - (size_t)len, "http://127.0.0.1:%u",
                                     server->port)
                          : snprintf(text + len, sizeof text - (size_t)len, "%c", *at);
    return mint(&(struct mint_order){.subject = "leaf", .issuer = issuer, .extensions = {text}});
}

static struct minted naming_issuers(const char *value) {
    return naming(&intermediate, "authorityInfoAccess", value);
}

static struct slice pkcs7_of(const struct minted *first, const struct minted *second) {
    STACK_OF(X509) *certificates = sk_X509_new_null();
    uint8_t *der = NULL;
    size_t len = 0;
    CBB out;

    sk_X509_push(certificates, first->x509);
    sk_X509_push(certificates, second->x509);
    assert_true(CBB_init(&out, 4096) && PKCS7_bundle_certificates(&out, certificates) &&
                CBB_finish(&out, &der, &len));
    sk_X509_free(certificates);
    return (struct slice){der, len};
}

static struct slice pem_of(const struct minted *first, const struct minted *second) {
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *text = NULL;
    size_t len = 0;

    assert_true(PEM_write_bio_X509(bio, first->x509) && PEM_write_bio_X509(bio, second->x509) &&
                BIO_mem_contents(bio, &text, &len));
    struct slice copy = {OPENSSL_memdup(text, len), len};
    BIO_free(bio);
    return copy;
}

static struct slice copy_of(struct slice bytes) {
    return (struct slice){OPENSSL_memdup(bytes.ptr, bytes.len), bytes.len};
}

static struct slice crl_of(const struct crl_order *order) {
    struct crl_order copy = *order;
    int64_t now = (int64_t)time(NULL);

    copy.this_update = now - 86400;
    copy.next_update = order->next_update ? now + order->next_update : now + 86400;
    return crl_make(&copy);
}

static int set_up(void **state) {
    size_t count = 0;

    (void)state;
    root = mint_root("Root", MINT_P256);
    intermediate = mint_intermediate("Intermediate", &root, MINT_P256);
    leaf_of_root = mint_leaf("listed", &root, MINT_P256);
    struct minted stranger = mint_root("Stranger", MINT_P256);
    things[count++] = (struct thing){"/issuer.der", copy_of(intermediate.der)};
    things[count++] = (struct thing){"/issuer.pem", pem_of(&intermediate, &root)};
    things[count++] = (struct thing){"/issuer.p7c", pkcs7_of(&intermediate, &root)};
    things[count++] = (struct thing){"/garbage", copy_of(slice_of("<html>moved</html>"))};
    things[count++] = (struct thing){"/good.crl", crl_of(&(struct crl_order){.issuer = &root})};
    things[count++] =
        (struct thing){"/old.crl", crl_of(&(struct crl_order){.issuer = &root, .next_update = -9})};
    things[count++] = (struct thing){
        "/foreign.crl", crl_of(&(struct crl_order){.issuer = &root, .signer = &stranger})};
    things[count++] = (struct thing){
        "/listed.crl",
        crl_of(&(struct crl_order){
            .issuer = &root,
            .entries = {{.certificate = &leaf_of_root, .extension = CRL_REASON_OF("01")}}})};
    mint_free(&stranger);
    server = test_server_start(answer, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_server_stop(server);
    for (size_t i = 0; i < THINGS_MAX; i++)
        OPENSSL_free((void *)things[i].body.ptr);
    mint_free(&root);
    mint_free(&intermediate);
    mint_free(&leaf_of_root);
    return 0;
}

/* --- Issuers --- */

static void fetches_issuers(void **state) {
    static const struct {
        const char *urls;
        unsigned certificates;
        const char *error;
    } cases[] = {
        {"caIssuers;URI:@/issuer.der", 1, ""},
        {"caIssuers;URI:@/issuer.pem", 2, ""},
        {"caIssuers;URI:@/issuer.p7c", 2, ""},
        {"caIssuers;URI:@/moved", 1, ""},
        {"caIssuers;URI:@/garbage", 0, "there is no certificate"},
        {"caIssuers;URI:@/missing", 0, "HTTP status 404"},
        {"caIssuers;URI:@/huge", 0, "too long"},
        {"caIssuers;URI:@/to-file", 0, "file"},
        {"OCSP;URI:@/issuer.der", 0, ""},
        {"caIssuers;URI:file:///etc/passwd", 0, ""},
        {"caIssuers;URI:ldap://127.0.0.1/cn=x", 0, ""},
        {"caIssuers;URI:@/missing,caIssuers;URI:ldap://x/,caIssuers;URI:@/issuer.der", 1, NULL},
        {"caIssuers;URI:http://127.0.0.1:1/x", 0, "refused"},
        {"caIssuers;URI:http://169.254.169.254/x", 0, "not allowed"},
        {"caIssuers;URI:http://[::ffff:169.254.169.254]/x", 0, "not allowed"},
        {"caIssuers;URI:http://0.0.0.0/x", 0, "not allowed"},
        {"caIssuers;URI:http://[fe80::1]/x", 0, "not allowed"},
        {"caIssuers;URI:http://224.0.0.1/x", 0, "not allowed"},
    };
    struct fetcher *fetcher = open_fetcher(&(struct fetcher_config){0});

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct minted leaf = naming_issuers(cases[i].urls);
        struct fetch_question *question = get(fetcher, FETCH_ISSUERS, &leaf, NULL);
        struct slice rest = buffer_slice(&question->issuers), der;
        unsigned count = 0;
        for (; bundle_next(&rest, &der); count++)
            assert_true(slice_equal(der, root.der) || slice_equal(der, intermediate.der));
        assert_int_equal(rest.len, 0);
        if (count != cases[i].certificates ||
            (cases[i].error && !strstr(question->error, cases[i].error)))
            fail_msg("%s: %u certificates, error \"%s\"", cases[i].urls, count, question->error);
        assert_int_equal(question->url[0] != 0, count > 0 || question->error[0]);
        fetch_question_free(question);
        mint_free(&leaf);
    }
    fetcher_close(fetcher);
}

static void keeps_away_from_excluded_addresses(void **state) {
    struct address_set *excluded;
    unsigned before = atomic_load(&server->connections_total);
    struct minted leaf = naming_issuers("caIssuers;URI:@/issuer.der");

    (void)state;
    assert_int_equal(address_set_open(&excluded, NULL, NULL), ERROR_NONE);
    assert_int_equal(address_set_add_text(excluded, slice_of("127.0.0.0/8"), NULL), ERROR_NONE);
    for (int forbidden = 0; forbidden < 2; forbidden++) {
        struct fetcher *fetcher =
            open_fetcher(forbidden ? &(struct fetcher_config){.forbidden = excluded}
                                   : &(struct fetcher_config){.excluded = excluded});
        struct fetch_question *question = get(fetcher, FETCH_ISSUERS, &leaf, NULL);
        assert_int_equal(question->issuers.len, 0);
        assert_non_null(strstr(question->error, "not allowed"));
        fetch_question_free(question);
        fetcher_close(fetcher);
    }
    assert_int_equal(atomic_load(&server->connections_total), before);
    address_set_free(excluded);
    mint_free(&leaf);
}

static void asks_once_however_many_want_it(void **state) {
    enum { ASKERS = 4, EACH = 50 };
    struct minted leaf = naming_issuers("caIssuers;URI:@/issuer.der");
    struct minted broken = naming_issuers("caIssuers;URI:@/garbage");
    struct fetcher *fetcher = open_fetcher(&(struct fetcher_config){0});
    struct asker askers[ASKERS];
    unsigned before = atomic_load(&server->requests_total);

    (void)state;
    for (unsigned i = 0; i < ASKERS; i++) {
        asker_init(&askers[i]);
        for (unsigned j = 0; j < EACH; j++)
            ask(fetcher, &askers[i], FETCH_ISSUERS, j % 2 ? &leaf : &broken, NULL);
    }
    for (unsigned i = 0; i < ASKERS; i++)
        for (unsigned got = 0; got < EACH;) {
            struct fetch_question *question = wait_for_some(&askers[i]);
            while (question) {
                struct fetch_question *next = (struct fetch_question *)question->entry.next;
                assert_true(question->issuers.len ? question->error[0] == 0
                                                  : question->error[0] != 0);
                fetch_question_free(question);
                question = next;
                got++;
            }
        }
    assert_int_equal(atomic_load(&server->requests_total) - before, 2);
    struct fetcher_statistics statistics = fetcher_statistics(fetcher);
    for (unsigned i = 0; i < ASKERS; i++)
        fetcher_leave(fetcher, &askers[i].mailbox);
    assert_int_equal(statistics.questions, ASKERS * EACH);
    assert_int_equal(statistics.remembered, ASKERS * EACH - 2);
    assert_int_equal(statistics.requests, 2);
    assert_int_equal(statistics.failures, 1);
    assert_true(statistics.memory_bytes > intermediate.der.len);
    fetcher_close(fetcher);
    mint_free(&leaf);
    mint_free(&broken);
}

/* --- CRLs --- */

static void looks_into_crls(void **state) {
    static const struct {
        const char *urls;
        enum revocation_status status;
        const char *error;
    } cases[] = {
        {"URI:@/good.crl", REVOCATION_GOOD, NULL},
        {"URI:@/old.crl", REVOCATION_STALE, NULL},
        {"URI:@/foreign.crl", REVOCATION_UNKNOWN, "not signed"},
        {"URI:@/missing.crl", REVOCATION_UNKNOWN, "HTTP status 404"},
        {"URI:@/garbage", REVOCATION_UNKNOWN, "malformed"},
        {"URI:@/huge", REVOCATION_UNKNOWN, "too long"},
        {"URI:ldap://127.0.0.1/x", REVOCATION_UNKNOWN, "names no CRL"},
        {"URI:@/missing.crl,URI:@/old.crl,URI:@/foreign.crl,URI:@/good.crl", REVOCATION_GOOD, NULL},
        {"URI:@/old.crl,URI:@/missing.crl", REVOCATION_STALE, NULL},
        /* no further than the first four */
        {"URI:@/1.crl,URI:@/2.crl,URI:@/3.crl,URI:@/4.crl,URI:@/good.crl", REVOCATION_UNKNOWN,
         "404"},
    };
    struct fetcher *fetcher = open_fetcher(&(struct fetcher_config){0});

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct minted leaf = naming(&root, "crlDistributionPoints", cases[i].urls);
        struct fetch_question *question = get(fetcher, FETCH_REVOCATION, &leaf, &root);
        const struct revocation *found = &question->revocation;
        if (found->status != cases[i].status ||
            (cases[i].error ? !found->error || !strstr(found->error, cases[i].error)
                            : found->error != NULL))
            fail_msg("%s: %s, error \"%s\"", cases[i].urls,
                     revocation_status_name((enum revocation_status)found->status),
                     found->error ? found->error : "");
        if (found->status != REVOCATION_UNKNOWN)
            assert_non_null(strstr(question->url, ".crl"));
        fetch_question_free(question);
        mint_free(&leaf);
    }
    fetcher_close(fetcher);
}

static void finds_what_is_revoked(void **state) {
    struct minted leaf = naming(&root, "crlDistributionPoints", "URI:@/good.crl");
    char path[] = "/tmp/trawl-crl-XXXXXX";
    int fd = mkstemp(path);
    const char *files[] = {path};

    (void)state;
    for (size_t i = 0; i < THINGS_MAX && things[i].path; i++)
        if (strcmp(things[i].path, "/listed.crl") == 0)
            assert_int_equal(write(fd, things[i].body.ptr, things[i].body.len), things[i].body.len);
    close(fd);
    unsigned before = atomic_load(&server->requests_total);
    struct fetcher *fetcher =
        open_fetcher(&(struct fetcher_config){.crl_files = files, .crl_file_count = 1});
    unlink(path);
    struct fetch_question *question = get(fetcher, FETCH_REVOCATION, &leaf_of_root, &root);
    assert_int_equal(question->revocation.status, REVOCATION_REVOKED);
    assert_string_equal(crl_reason_name(question->revocation.reason), "key_compromise");
    assert_string_equal(question->url, "");
    fetch_question_free(question);

    question = get(fetcher, FETCH_REVOCATION, &leaf, &root); /* not listed */
    assert_int_equal(question->revocation.status, REVOCATION_GOOD);
    fetch_question_free(question);

    struct minted other = mint_leaf("other", &intermediate, MINT_P256);
    question = get(fetcher, FETCH_REVOCATION, &other, &intermediate);
    assert_int_equal(question->revocation.status, REVOCATION_UNKNOWN);
    fetch_question_free(question);
    fetcher_close(fetcher);
    assert_int_equal(atomic_load(&server->requests_total), before);
    mint_free(&other);
    mint_free(&leaf);
}

static void says_which_file_is_no_crl(void **state) {
    static const char *const bad[] = {"/nowhere/at.all", "/", "/proc/self/cmdline"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fetcher_config config = {
            .crl_files = &bad[i], .crl_file_count = 1, .timeout_ms = 1000};
        struct failure failure = {.text = ""};
        struct fetcher *fetcher = NULL;
        assert_int_not_equal(fetcher_open(&fetcher, &config, &failure), ERROR_NONE);
        assert_non_null(strstr(failure.text, bad[i]));
    }
}

/* --- The way back --- */

static unsigned count_and_free(struct asker *asker) {
    unsigned count = 0;

    for (struct mailbox_entry *entry = mailbox_take_all(&asker->mailbox); entry; count++) {
        struct fetch_question *question = (struct fetch_question *)entry;
        entry = entry->next;
        fetch_question_free(question);
    }
    return count;
}

static void gives_back_all_to_who_leaves(void **state) {
    struct minted leaf = naming_issuers("caIssuers;URI:@/hold");
    struct minted listed = naming(&root, "crlDistributionPoints", "URI:@/hold");
    struct fetcher *fetcher = open_fetcher(&(struct fetcher_config){0});
    struct asker leaver, stayer;

    (void)state;
    asker_init(&leaver);
    asker_init(&stayer);
    unsigned before = atomic_load(&server->requests_total);
    for (unsigned i = 0; i < 20; i++) {
        ask(fetcher, i % 2 ? &leaver : &stayer, FETCH_ISSUERS, &leaf, NULL);
        ask(fetcher, i % 2 ? &leaver : &stayer, FETCH_REVOCATION, &listed, &root);
    }
    while (atomic_load(&server->requests_total) == before)
        usleep(1000);
    fetcher_leave(fetcher, &leaver.mailbox);
    assert_int_equal(count_and_free(&leaver), 20);
    assert_int_equal(count_and_free(&stayer), 0);
    fetcher_leave(fetcher, &leaver.mailbox); /* with nothing left */
    fetcher_leave(fetcher, &stayer.mailbox);
    assert_int_equal(count_and_free(&stayer), 20);
    fetcher_close(fetcher);
    fetcher_close(NULL);
    mint_free(&leaf);
    mint_free(&listed);
}

/* Askers that come and go while others wait: nothing of theirs is touched afterwards. */
struct visitor {
    struct fetcher *fetcher;
    const struct minted *leaf;
    pthread_t thread;
};

static void *visit(void *owner) {
    struct visitor *visitor = owner;

    for (unsigned i = 0; i < 50; i++) {
        struct asker *asker = malloc(sizeof *asker);
        asker_init(asker);
        ask(visitor->fetcher, asker, FETCH_ISSUERS, visitor->leaf, NULL);
        ask(visitor->fetcher, asker, FETCH_ISSUERS, visitor->leaf, NULL);
        fetcher_leave(visitor->fetcher, &asker->mailbox);
        assert_int_equal(count_and_free(asker), 2);
        free(asker);
    }
    return NULL;
}

static void lets_come_and_go(void **state) {
    struct minted leaf = naming_issuers("caIssuers;URI:@/issuer.der");
    struct fetcher *fetcher = open_fetcher(&(struct fetcher_config){0});
    struct visitor visitors[4];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        visitors[i] = (struct visitor){.fetcher = fetcher, .leaf = &leaf};
        pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(visitors[i].thread, NULL);
    fetcher_close(fetcher);
    mint_free(&leaf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetches_issuers),
        cmocka_unit_test(keeps_away_from_excluded_addresses),
        cmocka_unit_test(asks_once_however_many_want_it),
        cmocka_unit_test(looks_into_crls),
        cmocka_unit_test(finds_what_is_revoked),
        cmocka_unit_test(says_which_file_is_no_crl),
        cmocka_unit_test(gives_back_all_to_who_leaves),
        cmocka_unit_test(lets_come_and_go),
    };

    signal(SIGPIPE, SIG_IGN);
    if (http_global_init(NULL))
        return 1;
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    http_global_deinit();
    return failed;
}
