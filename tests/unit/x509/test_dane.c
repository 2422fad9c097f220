#include "tests/unit/x509/trust_fixture.h"

#include "engine/x509/dane.h"

#include <openssl/sha.h>

enum { RECORDS_MAX = 32 };

/* A chain, and the records that are compared with it. */
struct scene {
    struct minted root, middle, leaf, stranger;
    struct fixture fixture, rootless;
    struct dane_server server;
    struct slice sent[FIXTURE_CHAIN_MAX];
    struct tlsa records[RECORDS_MAX];
    uint8_t digests[RECORDS_MAX][SHA512_DIGEST_LENGTH];
    uint32_t count;
    enum dane_match matches[RECORDS_MAX];
};

/* Trusted, for the right name, and without the root. */
static void open_scene(struct scene *scene) {
    memset(scene, 0, sizeof *scene);
    scene->root = mint_root("Root", MINT_P256);
    scene->middle = mint_intermediate("Middle", &scene->root, MINT_P384);
    scene->leaf = mint_leaf("leaf.example", &scene->middle, MINT_P256);
    scene->stranger = mint_root("Stranger", MINT_P256);
    scene->fixture = fixture_open(ROOTS(&scene->root));
    scene->rootless.checker = trust_checker_new(NULL);
    assert_non_null(scene->rootless.checker);
    assert_false(trust_checker_has_roots(scene->rootless.checker));
    assert_true(trust_checker_has_roots(scene->fixture.checker));
    scene->server = (struct dane_server){
        .uses_pkix = true, .trusted = true, .name_matches = true, .unix_seconds = MINT_NOW};
}

static void close_scene(struct scene *scene) {
    trust_checker_free(scene->rootless.checker);
    fixture_close(&scene->fixture);
    mint_free(&scene->stranger);
    mint_free(&scene->leaf);
    mint_free(&scene->middle);
    mint_free(&scene->root);
}

static void send_chain(struct scene *scene, const struct minted *const *chain) {
    uint32_t count = 0;

    for (; chain[count]; count++)
        scene->sent[count] = chain[count]->der;
    scene->server.chain = (struct slice_list){scene->sent, count};
}

static struct slice spki_of(const struct minted *made) {
    struct certificate certificate;

    assert_int_equal(certificate_decode(made->der, &certificate), CERTIFICATE_OK);
    return certificate.spki;
}

static void add_raw(struct scene *scene, int usage, int selector, int type, struct slice data) {
    assert_true(scene->count < RECORDS_MAX);
    scene->records[scene->count++] = (struct tlsa){.usage = (uint8_t)usage,
                                                   .selector = (uint8_t)selector,
                                                   .matching_type = (uint8_t)type,
                                                   .data = data};
}

static void add(struct scene *scene, int usage, int selector, int type, const struct minted *of) {
    struct slice data = selector == DANE_SPKI ? spki_of(of) : of->der;
    uint8_t *digest = scene->digests[scene->count];

    if (type == DANE_SHA2_256)
        data = (struct slice){SHA256(data.ptr, data.len, digest), SHA256_DIGEST_LENGTH};
    else if (type == DANE_SHA2_512)
        data = (struct slice){SHA512(data.ptr, data.len, digest), SHA512_DIGEST_LENGTH};
    add_raw(scene, usage, selector, type, data);
}

/* The verdict on all records that were added; then there are none again. */
static enum dane_verdict verdict_by(struct scene *scene, struct trust_checker *checker) {
    enum dane_verdict verdict;

    assert_true(dane_check(&scene->server, checker, scene->records, scene->count, scene->matches,
                           &verdict));
    scene->count = 0;
    return verdict;
}

static enum dane_verdict verdict(struct scene *scene) {
    return verdict_by(scene, scene->fixture.checker);
}

static enum dane_verdict verdict_on(struct scene *scene, int usage, int selector, int type,
                                    const struct minted *of) {
    add(scene, usage, selector, type, of);
    return verdict(scene);
}

#define each_kind(usage, selector, type)                                                           \
    for (int usage = DANE_PKIX_TA; usage <= DANE_EE; usage++)                                      \
        for (int selector = DANE_CERT; selector <= DANE_SPKI; selector++)                          \
            for (int type = DANE_FULL; type <= DANE_SHA2_512; type++)

static bool is_for_leaf(int usage) {
    return usage == DANE_PKIX_EE || usage == DANE_EE;
}

/* Every kind of record, of every certificate. */
static void test_all_kinds(void **state) {
    (void)state;
    struct scene scene;

    open_scene(&scene);
    for (int root_is_sent = 0; root_is_sent < 2; root_is_sent++) {
        send_chain(&scene, root_is_sent ? CHAIN(&scene.leaf, &scene.middle, &scene.root)
                                        : CHAIN(&scene.leaf, &scene.middle));
        each_kind(usage, selector, type) {
            /* RFC 7671 section 5.2: what the record holds need not be sent */
            bool root =
                usage == DANE_PKIX_TA || (usage == DANE_TA && (root_is_sent || type == DANE_FULL));
            assert_int_equal(verdict_on(&scene, usage, selector, type, &scene.leaf),
                             is_for_leaf(usage) ? DANE_MATCHED : DANE_MISMATCHED);
            assert_int_equal(verdict_on(&scene, usage, selector, type, &scene.middle),
                             is_for_leaf(usage) ? DANE_MISMATCHED : DANE_MATCHED);
            assert_int_equal(verdict_on(&scene, usage, selector, type, &scene.root),
                             root ? DANE_MATCHED : DANE_MISMATCHED);
            assert_int_equal(verdict_on(&scene, usage, selector, type, &scene.stranger),
                             DANE_MISMATCHED);
        }
    }
    close_scene(&scene);
}

/* What each usage asks for beside the match. */
static void test_conditions(void **state) {
    (void)state;
    struct scene scene;

    open_scene(&scene);
    send_chain(&scene, CHAIN(&scene.leaf, &scene.middle));
    each_kind(usage, selector, type) {
        const struct minted *of = is_for_leaf(usage) ? &scene.leaf : &scene.middle;
        bool pkix = usage == DANE_PKIX_TA || usage == DANE_PKIX_EE;
        scene.server.name_matches = false;
        assert_int_equal(verdict_on(&scene, usage, selector, type, of),
                         usage == DANE_EE ? DANE_MATCHED : DANE_MISMATCHED);
        scene.server.name_matches = true;
        scene.server.trusted = false;
        assert_int_equal(verdict_on(&scene, usage, selector, type, of),
                         pkix ? DANE_MISMATCHED : DANE_MATCHED);
        scene.server.uses_pkix = false;
        assert_int_equal(verdict_on(&scene, usage, selector, type, of),
                         pkix ? DANE_UNUSABLE : DANE_MATCHED);
        add(&scene, usage, selector, type, of);
        assert_int_equal(verdict_by(&scene, scene.rootless.checker),
                         pkix ? DANE_UNUSABLE : DANE_MATCHED);
        scene.server.trusted = scene.server.uses_pkix = true;
        scene.server.unix_seconds = MINT_AFTER + 1;
        assert_int_equal(verdict_on(&scene, usage, selector, type, of),
                         is_for_leaf(usage) ? DANE_MATCHED : DANE_MISMATCHED);
        scene.server.unix_seconds = MINT_NOW;
    }
    close_scene(&scene);
}

/* A certificate that is sent, but did not issue the leaf, is no anchor. */
static void test_paths_are_verified(void **state) {
    (void)state;
    struct scene scene;

    open_scene(&scene);
    struct minted namesake = mint_intermediate("Middle", &scene.root, MINT_P384);
    struct minted own = mint_leaf("own.example", NULL, MINT_P256);
    struct minted direct = mint_leaf("direct.example", &scene.root, MINT_P256);
    send_chain(&scene, CHAIN(&scene.leaf, &namesake, &scene.stranger));
    for (int selector = DANE_CERT; selector <= DANE_SPKI; selector++) {
        for (int type = DANE_FULL; type <= DANE_SHA2_512; type++) {
            assert_int_equal(verdict_on(&scene, DANE_TA, selector, type, &namesake),
                             DANE_MISMATCHED);
            assert_int_equal(verdict_on(&scene, DANE_TA, selector, type, &scene.stranger),
                             DANE_MISMATCHED);
            assert_int_equal(verdict_on(&scene, DANE_TA, selector, type, &scene.middle),
                             type == DANE_FULL ? DANE_MATCHED : DANE_MISMATCHED);
        }
    }
    send_chain(&scene, CHAIN(&own, &own)); /* its own issuer, but no CA */
    assert_int_equal(verdict_on(&scene, DANE_TA, DANE_SPKI, DANE_SHA2_256, &own), DANE_MISMATCHED);
    assert_int_equal(verdict_on(&scene, DANE_EE, DANE_SPKI, DANE_SHA2_256, &own), DANE_MATCHED);
    send_chain(&scene, CHAIN(&direct));
    assert_int_equal(verdict_on(&scene, DANE_TA, DANE_SPKI, DANE_FULL, &scene.root), DANE_MATCHED);
    assert_int_equal(verdict_on(&scene, DANE_TA, DANE_SPKI, DANE_FULL, &scene.middle),
                     DANE_MISMATCHED);
    mint_free(&direct);
    mint_free(&own);
    mint_free(&namesake);
    close_scene(&scene);
}

static void test_several(void **state) {
    (void)state;
    struct scene scene;

    open_scene(&scene);
    send_chain(&scene, CHAIN(&scene.leaf, &scene.middle, &scene.root));
    assert_int_equal(verdict(&scene), DANE_UNUSABLE); /* there are none */
    add(&scene, DANE_TA, DANE_SPKI, DANE_SHA2_256, &scene.stranger);
    add(&scene, DANE_TA, DANE_SPKI, DANE_SHA2_256, &scene.root);
    add(&scene, DANE_TA, DANE_CERT, DANE_FULL, &scene.middle);
    add(&scene, DANE_EE, DANE_SPKI, DANE_SHA2_256, &scene.stranger);
    add(&scene, DANE_EE, DANE_SPKI, DANE_SHA2_256, &scene.leaf);
    add(&scene, DANE_PKIX_TA, DANE_SPKI, DANE_SHA2_256, &scene.root);
    add(&scene, 4, DANE_SPKI, DANE_SHA2_256, &scene.leaf);
    assert_int_equal(verdict(&scene), DANE_MATCHED);
    static const enum dane_match EXPECTED[] = {DANE_DIFFERS,     DANE_MATCHES, DANE_MATCHES,
                                               DANE_DIFFERS,     DANE_MATCHES, DANE_MATCHES,
                                               DANE_NOT_COMPARED};
    for (size_t i = 0; i < sizeof EXPECTED / sizeof *EXPECTED; i++)
        assert_int_equal(scene.matches[i], EXPECTED[i]);

    for (int i = 0; i < RECORDS_MAX; i++) /* more anchors than are looked at */
        add(&scene, DANE_TA, DANE_SPKI, DANE_FULL, &scene.stranger);
    assert_int_equal(verdict(&scene), DANE_MISMATCHED);
    close_scene(&scene);
}

static void expect_unusable(struct scene *scene, int usage, int selector, int type,
                            struct slice data) {
    add_raw(scene, usage, selector, type, data);
    assert_int_equal(verdict(scene), DANE_UNUSABLE);
    assert_int_equal(scene->matches[0], DANE_NOT_COMPARED);
}

static void test_unusable(void **state) {
    (void)state;
    struct scene scene;
    uint8_t digest[SHA512_DIGEST_LENGTH + 1];

    open_scene(&scene);
    send_chain(&scene, CHAIN(&scene.leaf, &scene.middle));
    SHA256(scene.leaf.der.ptr, scene.leaf.der.len, digest);
    struct slice sha256 = {digest, SHA256_DIGEST_LENGTH}, none = {NULL, 0};
    for (int usage = DANE_EE + 1; usage < 256; usage++)
        expect_unusable(&scene, usage, DANE_CERT, DANE_SHA2_256, sha256);
    for (int unknown = 2; unknown < 256; unknown++) {
        expect_unusable(&scene, DANE_EE, unknown, DANE_SHA2_256, sha256);
        expect_unusable(&scene, DANE_EE, DANE_CERT, unknown == 2 ? 3 : unknown, sha256);
    }
    for (size_t len = 0; len <= sizeof digest; len++) {
        if (len != SHA256_DIGEST_LENGTH)
            expect_unusable(&scene, DANE_EE, DANE_CERT, DANE_SHA2_256, (struct slice){digest, len});
        if (len != SHA512_DIGEST_LENGTH)
            expect_unusable(&scene, DANE_EE, DANE_CERT, DANE_SHA2_512, (struct slice){digest, len});
    }
    each_kind(usage, selector, type) {
        struct slice data = selector == DANE_CERT ? scene.leaf.der : spki_of(&scene.leaf);
        if (type != DANE_FULL)
            continue;
        expect_unusable(&scene, usage, selector, type, none);
        expect_unusable(&scene, usage, selector, type, sha256);
        for (size_t len = 1; len < data.len; len += 7)
            expect_unusable(&scene, usage, selector, type, slice_first(data, len));
    }
    close_scene(&scene);
}

/* RFC 7671 section 9: the stronger digest counts alone, among records of the same kind. */
static void test_digest_agility(void **state) {
    (void)state;
    struct scene scene;

    open_scene(&scene);
    send_chain(&scene, CHAIN(&scene.leaf, &scene.middle));
    add(&scene, DANE_EE, DANE_SPKI, DANE_SHA2_256, &scene.leaf);
    add(&scene, DANE_EE, DANE_SPKI, DANE_SHA2_512, &scene.stranger);
    assert_int_equal(verdict(&scene), DANE_MISMATCHED);
    assert_int_equal(scene.matches[0], DANE_NOT_COMPARED);
    assert_int_equal(scene.matches[1], DANE_DIFFERS);

    add(&scene, DANE_EE, DANE_SPKI, DANE_SHA2_512, &scene.stranger);
    add(&scene, DANE_EE, DANE_CERT, DANE_SHA2_256, &scene.leaf); /* another selector */
    assert_int_equal(verdict(&scene), DANE_MATCHED);
    add(&scene, DANE_EE, DANE_SPKI, DANE_SHA2_512, &scene.stranger);
    add(&scene, DANE_EE, DANE_SPKI, DANE_FULL, &scene.leaf); /* no digest */
    assert_int_equal(verdict(&scene), DANE_MATCHED);
    add(&scene, DANE_TA, DANE_SPKI, DANE_SHA2_512, &scene.stranger); /* another usage */
    add(&scene, DANE_EE, DANE_SPKI, DANE_SHA2_256, &scene.leaf);
    assert_int_equal(verdict(&scene), DANE_MATCHED);
    add_raw(&scene, DANE_EE, DANE_SPKI, DANE_SHA2_512, slice_of("too short"));
    add(&scene, DANE_EE, DANE_SPKI, DANE_SHA2_256, &scene.leaf);
    assert_int_equal(verdict(&scene), DANE_MATCHED);
    close_scene(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds),          cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_paths_are_verified), cmocka_unit_test(test_several),
        cmocka_unit_test(test_unusable),           cmocka_unit_test(test_digest_agility),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
