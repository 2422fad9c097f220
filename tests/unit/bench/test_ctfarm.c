/* The CT farm against BoringSSL's X509 and against RFC 6962 as it is written. What clients see is
 * tests/system/check_ctfarm.py's matter. */
#include "bench/ctfarm/ctfarm_demo.h"
#include "bench/ctfarm/ctfarm_entry.h"
#include "bench/ctfarm/ctfarm_fault.h"
#include "bench/ctfarm/ctfarm_server.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HASH = CTFARM_TREE_HASH };

static struct ctfarm_log *log_of(const struct ctfarm_config *config) {
    struct ctfarm_log *log;
    struct failure failure = {0};
    if (ctfarm_log_new(&log, config, &failure))
        fail_msg("%s", failure.text);
    return log;
}

static const struct ctfarm_config SIGNED = {
    .seed = 3, .entries = 120, .first_ms = 1790000000000, .step_us = 10000, .signed_fully = true};

/* --- Certificates --- */

static X509 *parse(struct slice der) {
    const uint8_t *at = der.ptr;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.len);
    if (certificate)
        assert_ptr_equal(at, der.ptr + der.len);
    return certificate;
}

static void assert_issued_by(X509 *certificate, const struct ctfarm_ca *ca) {
    X509 *issuer = parse(ca->certificate);
    assert_non_null(issuer);
    assert_int_equal(X509_check_issued(issuer, certificate), X509_V_OK);
    EVP_PKEY *key = X509_get_pubkey(issuer);
    assert_int_equal(X509_verify(certificate, key), 1);
    EVP_PKEY_free(key);
    X509_free(issuer);
}

static void certificates_are_signed_by_their_chains(void **state) {
    (void)state;
    struct ctfarm_log *log = log_of(&SIGNED);
    struct ctfarm_entry *entry = ctfarm_entry_new();
    uint32_t precerts = 0, by_signer = 0;
    for (uint64_t i = 0; i < SIGNED.entries; i++) {
        ctfarm_entry_make(log, i, false, entry);
        X509 *certificate = parse(entry->certificate);
        assert_non_null(certificate);
        assert_issued_by(certificate, entry->chain[0]);
        for (uint32_t c = 0; c + 1 < entry->chain_count; c++) {
            X509 *link = parse(entry->chain[c]->certificate);
            assert_issued_by(link, entry->chain[c + 1]);
            X509_free(link);
        }
        assert_null(entry->chain[entry->chain_count - 1]->issuer);
        precerts += entry->precert;
        by_signer += entry->precert && entry->chain_count == 3;
        X509_free(certificate);
    }
    assert_int_equal(precerts, SIGNED.entries * 6 / 10);
    assert_in_range(by_signer, 1, precerts / 4);
    ctfarm_entry_free(entry);
    ctfarm_log_free(log);
}

/* The TBS of a certificate without an extension, by BoringSSL's encoder. */
static size_t tbs_without(struct slice der, const char *extension, uint8_t **out) {
    X509 *certificate = parse(der);
    ASN1_OBJECT *id = OBJ_txt2obj(extension, 1);
    int at = X509_get_ext_by_OBJ(certificate, id, -1);
    if (at >= 0)
        X509_EXTENSION_free(X509_delete_ext(certificate, at));
    ASN1_OBJECT_free(id);
    *out = NULL;
    int len = i2d_re_X509_tbs(certificate, out);
    assert_true(len > 0);
    X509_free(certificate);
    return (size_t)len;
}

static void a_pair_shares_its_tbs(void **state) {
    (void)state;
    struct ctfarm_log *log = log_of(&SIGNED);
    struct ctfarm_entry *entry = ctfarm_entry_new(), *other = ctfarm_entry_new();
    uint32_t pairs = 0;
    for (uint64_t i = 0; i < SIGNED.entries; i++) {
        uint8_t *tbs;
        ctfarm_entry_make(log, i, false, entry);
        if (entry->precert) {
            if (entry->chain_count == 3)
                continue; /* with another issuer in what was submitted */
            size_t len = tbs_without(entry->certificate, "1.3.6.1.4.1.11129.2.4.3", &tbs);
            assert_true(slice_equal((struct slice){tbs, len}, entry->tbs));
        } else {
            size_t len = tbs_without(entry->certificate, "1.3.6.1.4.1.11129.2.4.2", &tbs);
            assert_true(slice_equal((struct slice){tbs, len}, entry->tbs));
            if (entry->issuance.id != i) {
                ctfarm_entry_make(log, entry->issuance.id, false, other);
                assert_true(other->precert);
                assert_true(slice_equal(other->tbs, entry->tbs));
                pairs++;
            }
        }
        OPENSSL_free(tbs);
    }
    assert_in_range(pairs, 20, 40);
    ctfarm_entry_free(entry);
    ctfarm_entry_free(other);
    ctfarm_log_free(log);
}

/* --- Kinds --- */

static void all_kinds_are_made(void **state) {
    (void)state;
    for (int kind = 0; kind < CTFARM_KIND_COUNT; kind++) {
        enum ctfarm_kind found;
        const struct ctfarm_wish wish = {.index = 4,
                                         .precert = true,
                                         .kind = (enum ctfarm_kind)kind,
                                         .partner = CTFARM_NO_PARTNER,
                                         .names = "a.example.org,b.example.org",
                                         .ca = 0,
                                         .same_key = CTFARM_NO_PARTNER};
        const struct ctfarm_config config = {.entries = 8, .wishes = &wish, .wish_count = 1};
        struct ctfarm_log *log = log_of(&config);
        struct ctfarm_entry *entry = ctfarm_entry_new();
        ctfarm_entry_make(log, 4, false, entry);
        assert_int_equal(entry->issuance.kind, kind);
        X509 *certificate = parse(entry->certificate);
        if (!ctfarm_entry_is_parsable(entry))
            assert_null(certificate);
        if (kind == CTFARM_NORMAL || kind == CTFARM_UNBOUND || kind == CTFARM_EXPIRED)
            assert_non_null(certificate);
        X509_free(certificate);
        assert_true(ctfarm_kind_find(slice_of(ctfarm_kind_name((enum ctfarm_kind)kind)), &found));
        assert_int_equal(found, kind);
        assert_true(strlen(ctfarm_kind_summary(found)) > 5);
        ctfarm_entry_free(entry);
        ctfarm_log_free(log);
    }
}

static void the_same_again_and_tampered(void **state) {
    (void)state;
    struct ctfarm_log *log = log_of(&SIGNED), *again = log_of(&SIGNED);
    struct ctfarm_entry *entry = ctfarm_entry_new(), *other = ctfarm_entry_new();
    for (uint64_t i = 0; i < SIGNED.entries; i += 7) {
        ctfarm_entry_make(log, i, false, entry);
        ctfarm_entry_make(again, i, false, other);
        assert_true(slice_equal(entry->leaf, other->leaf));
        assert_true(slice_equal(entry->certificate, other->certificate));
        ctfarm_entry_make(log, i, true, other);
        assert_false(slice_equal(entry->leaf, other->leaf));
        X509 *certificate = parse(other->certificate);
        assert_non_null(certificate);
        X509_free(certificate);
    }
    ctfarm_entry_free(entry);
    ctfarm_entry_free(other);
    ctfarm_log_free(log);
    ctfarm_log_free(again);
}

/* --- The tree, by the definitions of RFC 6962 section 2.1 --- */

static void root_by_definition(const uint8_t *leaves, uint64_t count, uint8_t *out) {
    if (count == 1) {
        memcpy(out, leaves, HASH);
        return;
    }
    uint8_t message[1 + 2 * HASH] = {1};
    uint64_t split = 1;
    while (split * 2 < count)
        split *= 2;
    root_by_definition(leaves, split, message + 1);
    root_by_definition(leaves + split * HASH, count - split, message + 1 + HASH);
    SHA256(message, sizeof message, out);
}

static void hash_leaves(const struct ctfarm_log *log, uint64_t count, uint8_t *out) {
    struct ctfarm_entry *entry = ctfarm_entry_new();
    for (uint64_t i = 0; i < count; i++) {
        struct buffer message;
        buffer_init(&message);
        ctfarm_entry_make(log, i, false, entry);
        buffer_add_byte(&message, 0);
        buffer_add_slice(&message, ctfarm_entry_leaf(entry));
        SHA256(message.ptr, message.len, out + i * HASH);
        buffer_deinit(&message);
    }
    ctfarm_entry_free(entry);
}

static void check_tree(const struct ctfarm_config *config) {
    struct ctfarm_log *log = log_of(config);
    uint8_t *leaves = malloc(config->entries * HASH), expected[HASH], root[HASH];
    hash_leaves(log, config->entries, leaves);
    for (uint64_t size = 1; size <= config->entries; size = size < 300 ? size + 1 : size + 97) {
        ctfarm_root(log, size, root);
        root_by_definition(leaves, size, expected);
        assert_memory_equal(root, expected, HASH);
    }
    for (uint64_t at = 0; at < config->entries / CTFARM_TILE; at++) {
        root_by_definition(leaves + at * CTFARM_TILE * HASH, CTFARM_TILE, expected);
        assert_memory_equal(ctfarm_level_hash(log, 1, at), expected, HASH);
    }
    ctfarm_root(log, 0, root);
    SHA256(NULL, 0, expected);
    assert_memory_equal(root, expected, HASH);
    free(leaves);
    ctfarm_log_free(log);
}

static void roots_are_right(void **state) {
    (void)state;
    check_tree(&(struct ctfarm_config){.seed = 1, .entries = 1});
    check_tree(&(struct ctfarm_config){.seed = 1, .entries = 1500});
    check_tree(&(struct ctfarm_config){.seed = 2, .entries = 5000, .odd = 50});
    check_tree(&(struct ctfarm_config){.seed = 1, .entries = 1500, .distinct = 256});
    check_tree(&(struct ctfarm_config){.seed = 1, .entries = 2048, .distinct = 512});
}

/* The same root by the leaves of one period, doubled again and again. */
static void a_huge_log_that_repeats(void **state) {
    (void)state;
    const struct ctfarm_config config = {
        .seed = 1, .entries = UINT64_C(1) << 34, .distinct = 1 << 10};
    struct ctfarm_log *log = log_of(&config);
    uint8_t message[1 + 2 * HASH] = {1}, root[HASH];
    ctfarm_root(log, 1 << 10, root);
    for (int bits = 10; bits < 34; bits++) {
        memcpy(message + 1, root, HASH);
        memcpy(message + 1 + HASH, root, HASH);
        SHA256(message, sizeof message, root);
    }
    uint8_t given[HASH];
    ctfarm_root(log, config.entries, given);
    assert_memory_equal(given, root, HASH);
    ctfarm_log_free(log);
}

static void wrong_configurations_are_refused(void **state) {
    (void)state;
    const struct ctfarm_wish twice[] = {{.index = 1, .partner = CTFARM_NO_PARTNER, .ca = -1},
                                        {.index = 1, .partner = CTFARM_NO_PARTNER, .ca = -1}};
    const struct ctfarm_wish behind = {.index = 99, .partner = CTFARM_NO_PARTNER, .ca = -1};
    const struct ctfarm_wish lonely = {.index = 5, .partner = 3, .ca = -1};
    const struct ctfarm_config wrong[] = {
        {.entries = 0},
        {.entries = 1000, .distinct = 300},
        {.entries = 1000, .distinct = 128},
        {.entries = 10, .wishes = twice, .wish_count = 2},
        {.entries = 10, .wishes = &behind, .wish_count = 1},
        {.entries = 10, .wishes = &lonely, .wish_count = 1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ctfarm_log *log;
        struct failure failure = {0};
        assert_int_equal(ctfarm_log_new(&log, &wrong[i], &failure), ERROR_USAGE);
        assert_true(strlen(failure.text) > 10);
    }
}

/* --- Faults --- */

static bool add(struct ctfarm_faults *faults, const char *rule) {
    struct failure failure = {0};
    return ctfarm_faults_add(faults, slice_of(rule), &failure) == ERROR_NONE;
}

static void faults_happen_by_their_rules(void **state) {
    (void)state;
    struct ctfarm_faults faults;
    struct ctfarm_occasion head = {.class = CTFARM_CLASS_HEADS, .requests_second = 1};
    struct ctfarm_occasion data = {
        .class = CTFARM_CLASS_DATA, .has_entries = true, .first = 256, .last = 511};
    ctfarm_faults_init(&faults, 1);
    assert_true(add(&faults, "http-429,times=2,retry=5"));
    assert_int_equal(ctfarm_fault_happens(&faults, CTFARM_FAULT_429, &head)->retry_seconds, 5);
    assert_non_null(ctfarm_fault_happens(&faults, CTFARM_FAULT_429, &data));
    assert_null(ctfarm_fault_happens(&faults, CTFARM_FAULT_429, &head));
    assert_true(add(&faults, "wrong-leaf,at=511-600"));
    assert_null(ctfarm_fault_happens(&faults, CTFARM_FAULT_WRONG_LEAF, &head));
    assert_non_null(ctfarm_fault_happens(&faults, CTFARM_FAULT_WRONG_LEAF, &data));
    data.last = 510;
    assert_null(ctfarm_fault_happens(&faults, CTFARM_FAULT_WRONG_LEAF, &data));
    assert_true(add(&faults, "cut,on=data"));
    assert_null(ctfarm_fault_happens(&faults, CTFARM_FAULT_CUT, &head));
    assert_non_null(ctfarm_fault_happens(&faults, CTFARM_FAULT_CUT, &data));
    assert_true(add(&faults, "stall,over=1"));
    assert_null(ctfarm_fault_happens(&faults, CTFARM_FAULT_STALL, &head));
    head.requests_second = 2;
    assert_non_null(ctfarm_fault_happens(&faults, CTFARM_FAULT_STALL, &head));
    assert_true(add(&faults, "html,p=0.25"));
    for (int i = 0; i < 10000; i++)
        ctfarm_fault_happens(&faults, CTFARM_FAULT_HTML, &head);
    assert_in_range(faults.counts[CTFARM_FAULT_HTML], 2300, 2700);
    assert_int_equal(faults.counts[CTFARM_FAULT_429], 2);
    ctfarm_faults_clear(&faults);
    assert_null(ctfarm_fault_happens(&faults, CTFARM_FAULT_CUT, &data));
}

static void wrong_rules_are_refused(void **state) {
    (void)state;
    static const char *const WRONG[] = {
        "",        "nothing", "cut,p=1.5",    "cut,p=",      "cut,at=9-3",
        "cut,at=", "cut,on=", "cut,times=-1", "cut,retry=x", "cut,p"};
    struct ctfarm_faults faults;
    ctfarm_faults_init(&faults, 1);
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
        assert_false(add(&faults, WRONG[i]));
    for (int fault = 0; fault < CTFARM_FAULT_COUNT; fault++)
        assert_true(strlen(ctfarm_fault_summary((enum ctfarm_fault)fault)) > 5);
    for (int i = 0; i < CTFARM_RULES_MAX; i++)
        assert_true(add(&faults, ctfarm_fault_name((enum ctfarm_fault)(i % CTFARM_FAULT_COUNT))));
    assert_false(add(&faults, "cut"));
}

/* --- Requests --- */

static void requests_are_read_when_complete(void **state) {
    (void)state;
    static const char TEXT[] = "GET /a/b?x=1&hash=%2Bz%3D&y=%4 HTTP/1.1\r\nHost: h\r\n"
                               "If-None-Match: \"e\"\r\nconnection: CLOSE\r\n\r\nGET /next";
    struct ctfarm_request request;
    uint8_t room[16];
    uint64_t number;
    size_t taken = 0, whole = sizeof TEXT - 1 - strlen("GET /next");
    for (size_t len = 0; len < whole; len++)
        assert_int_equal(
            ctfarm_request_parse((struct slice){(const uint8_t *)TEXT, len}, &request, &taken), 0);
    assert_int_equal(ctfarm_request_parse(slice_of(TEXT), &request, &taken), 1);
    assert_int_equal(taken, whole);
    assert_true(slice_is(request.path, "/a/b") && request.close);
    assert_true(slice_is(request.if_none_match, "\"e\""));
    assert_true(ctfarm_query_number(&request, "x", &number) && number == 1);
    assert_false(ctfarm_query_number(&request, "hash", &number));
    assert_true(slice_is(ctfarm_query(&request, "hash", room, sizeof room), "+z="));
    assert_true(slice_is(ctfarm_query(&request, "y", room, sizeof room), "%4"));
    assert_int_equal(ctfarm_query(&request, "z", room, sizeof room).len, 0);
    static const char *const WRONG[] = {"\n",
                                        "GET\r\n",
                                        "GET x HTTP/1.1\r\n",
                                        "GET / HTTP/2\r\n",
                                        "GET / HTTP/1.1\r\nno colon\r\n",
                                        "POST / HTTP/1.1\r\nContent-Length: 5\r\n",
                                        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
        assert_int_equal(ctfarm_request_parse(slice_of(WRONG[i]), &request, &taken), -1);
}

/* --- The servers --- */

static int connect_to(const struct ctfarm *farm) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(ctfarm_port(farm)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    return descriptor;
}

static void receive_all(int descriptor, struct buffer *out) {
    for (;;) {
        uint8_t *at = buffer_reserve(out, 65536);
        assert_non_null(at);
        ssize_t len = recv(descriptor, at, 65536, 0);
        assert_true(len >= 0);
        if (len == 0)
            return;
        out->len += (size_t)len;
    }
}

/* Requests that arrive together are answered one after another, whole pages among them. */
static void requests_may_be_pipelined(void **state) {
    (void)state;
    static const char ALL[] = "GET /static/tile/data/000 HTTP/1.1\r\n\r\n"
                              "GET /rfc6962/ct/v1/get-entries?start=100&end=600 HTTP/1.1\r\n\r\n"
                              "GET /static/tile/0/001 HTTP/1.1\r\nConnection: close\r\n\r\n";
    struct ctfarm_options options;
    struct ctfarm *farm;
    struct failure failure = {0};
    struct buffer bytes;
    ctfarm_options_init(&options);
    options.page_max = 1000;
    assert_int_equal(ctfarm_start(&farm, &options, &failure), ERROR_NONE);
    int descriptor = connect_to(farm);
    assert_int_equal(send(descriptor, ALL, sizeof ALL - 1, MSG_NOSIGNAL), sizeof ALL - 1);
    buffer_init(&bytes);
    receive_all(descriptor, &bytes);
    close(descriptor);
    buffer_add_byte(&bytes, 0);
    uint32_t answers = 0, entries = 0;
    for (const uint8_t *at = bytes.ptr, *end = at + bytes.len;
         (at = memmem(at, (size_t)(end - at), "HTTP/1.1 200 OK", 15)); at++)
        answers++;
    for (const uint8_t *at = bytes.ptr, *end = at + bytes.len;
         (at = memmem(at, (size_t)(end - at), "\"leaf_input\"", 12)); at++)
        entries++;
    assert_int_equal(answers, 3);
    assert_int_equal(entries, 501);
    assert_memory_equal(bytes.ptr + bytes.len - 1 - HASH,
                        ctfarm_level_hash(ctfarm_log(farm), 0, 511), HASH);
    buffer_deinit(&bytes);
    ctfarm_stop(farm);
}

static void wrong_options_are_refused(void **state) {
    (void)state;
    static const char *const FAULT[] = {"no-such-fault"};
    struct ctfarm_options options;
    struct ctfarm *farm;
    struct failure failure = {0};
    for (int wrong = 0; wrong < 4; wrong++) {
        ctfarm_options_init(&options);
        if (wrong == 0)
            options.start = options.log.entries + 1;
        else if (wrong == 1)
            options.page_max = 0;
        else if (wrong == 2)
            options.rate = -1;
        else
            options.faults = FAULT, options.fault_count = 1;
        assert_int_equal(ctfarm_start(&farm, &options, &failure), ERROR_USAGE);
    }
    ctfarm_stop(NULL);
}

static void the_demo_tells_its_story(void **state) {
    (void)state;
    char folder[] = "/tmp/ctfarm-demo-XXXXXX", path[64];
    struct ctfarm_demo *demo;
    struct failure failure = {0};
    uint32_t renewals = 0, hijacks = 0;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(ctfarm_demo_start(&demo, folder, 0, &failure), ERROR_NONE);
    struct ctfarm_entry *entry = ctfarm_entry_new();
    for (uint32_t i = 0; i < ctfarm_demo_event_count(); i++) {
        struct ctfarm_demo_event event = ctfarm_demo_event(i);
        ctfarm_entry_make(ctfarm_log(ctfarm_demo_farm(demo)), event.index, false, entry);
        assert_int_equal(entry->precert, event.precert);
        assert_int_equal(strncmp(event.names, (const char *)entry->issuance.names[0].ptr,
                                 entry->issuance.names[0].len),
                         0);
        assert_in_range(event.index, CTFARM_DEMO_START, CTFARM_DEMO_ENTRIES - 1);
        hijacks += event.what == CTFARM_DEMO_HIJACK && event.precert;
        snprintf(path, sizeof path, "%s/inventory/%u.pem", folder, (unsigned)i);
        bool known = event.what == CTFARM_DEMO_RENEWAL && !event.precert;
        assert_int_equal(access(path, R_OK) == 0, known);
        renewals += known;
        unlink(path);
    }
    assert_int_equal(hijacks, 1);
    assert_int_equal(renewals, 4);
    ctfarm_entry_free(entry);
    static const char *const FILES[] = {"watch_list.txt", "log_list.json", "log_list.sig",
                                        "log_list.pem"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, FILES[i]);
        assert_int_equal(unlink(path), 0);
    }
    snprintf(path, sizeof path, "%s/inventory", folder);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
    ctfarm_demo_stop(demo);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_are_signed_by_their_chains),
        cmocka_unit_test(a_pair_shares_its_tbs),
        cmocka_unit_test(all_kinds_are_made),
        cmocka_unit_test(the_same_again_and_tampered),
        cmocka_unit_test(roots_are_right),
        cmocka_unit_test(a_huge_log_that_repeats),
        cmocka_unit_test(wrong_configurations_are_refused),
        cmocka_unit_test(faults_happen_by_their_rules),
        cmocka_unit_test(wrong_rules_are_refused),
        cmocka_unit_test(requests_are_read_when_complete),
        cmocka_unit_test(requests_may_be_pipelined),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(the_demo_tells_its_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
