#include "tests/unit/x509/trust_fixture.h"

#include <openssl/err.h>

/* --- Chains that are good --- */

static void test_every_accepted_key_at_two_and_three_levels(void **state) {
    (void)state;
    static const enum mint_key kinds[] = {MINT_P256, MINT_P384, MINT_ED25519, MINT_RSA_2048};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct minted root = mint_root("Root", kinds[i]);
        struct minted middle = mint_intermediate("Middle", &root, kinds[i]);
        struct minted leaf = mint_leaf("leaf.example", &middle, kinds[i]);
        struct minted direct = mint_leaf("direct.example", &root, kinds[i]);
        assert_chain(ROOTS(&root), CHAIN(&leaf, &middle), TRUST_OK);
        assert_chain(ROOTS(&root), CHAIN(&leaf, &middle, &root), TRUST_OK);
        assert_chain(ROOTS(&root), CHAIN(&direct), TRUST_OK);
        mint_free(&direct);
        mint_free(&leaf);
        mint_free(&middle);
        mint_free(&root);
    }
}

static void test_order_duplicates_and_strangers_do_not_matter(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    struct minted first = mint_intermediate("First", &root, MINT_P256);
    struct minted second = mint_intermediate("Second", &first, MINT_P384);
    struct minted leaf = mint_leaf("leaf.example", &second, MINT_P256);
    struct minted other_root = mint_root("Other", MINT_P256);
    struct minted stranger = mint_intermediate("Stranger", &other_root, MINT_P256);
    struct minted garbage = {.der = {(const uint8_t *)"\x30\x03garbage", 9}};
    struct minted empty = {0};
    assert_chain(ROOTS(&root), CHAIN(&leaf, &second, &first), TRUST_OK);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &root, &first, &second), TRUST_OK);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &leaf, &second, &second, &first, &leaf), TRUST_OK);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &stranger, &first, &other_root, &second), TRUST_OK);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &garbage, &empty, &first, &second, &garbage), TRUST_OK);
    assert_chain(ROOTS(&root, &other_root), CHAIN(&leaf, &second, &first, &stranger), TRUST_OK);
    mint_free(&stranger);
    mint_free(&other_root);
    mint_free(&leaf);
    mint_free(&second);
    mint_free(&first);
    mint_free(&root);
}

static void test_anchors_need_not_be_self_signed(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    struct minted middle = mint_intermediate("Middle", &root, MINT_P256);
    struct minted leaf = mint_leaf("leaf.example", &middle, MINT_P256);
    struct minted own = mint_leaf("own.example", NULL, MINT_P256);
    assert_chain(ROOTS(&middle), CHAIN(&leaf), TRUST_OK);
    assert_chain(ROOTS(&middle), CHAIN(&leaf, &middle, &root), TRUST_OK);
    assert_chain(ROOTS(&own), CHAIN(&own), TRUST_OK);
    assert_chain(ROOTS(&leaf), CHAIN(&leaf), TRUST_OK);
    assert_chain(ROOTS(&own), CHAIN(&leaf), TRUST_UNKNOWN_ISSUER);
    mint_free(&own);
    mint_free(&leaf);
    mint_free(&middle);
    mint_free(&root);
}

/* --- Chains that lead nowhere --- */

static void test_what_a_missing_root_is_called(void **state) {
    (void)state;
    struct minted trusted = mint_root("Trusted", MINT_P256);
    struct minted root = mint_root("Private root", MINT_P256);
    struct minted middle = mint_intermediate("Middle", &root, MINT_P256);
    struct minted leaf = mint_leaf("leaf.example", &middle, MINT_P256);
    struct minted own = mint_leaf("own.example", NULL, MINT_P256);
    struct minted impostor = mint_root("Trusted", MINT_P256);
    struct minted forged = mint_leaf("forged.example", &impostor, MINT_P256);
    assert_chain(ROOTS(&trusted), CHAIN(&leaf), TRUST_UNKNOWN_ISSUER);
    assert_chain(ROOTS(&trusted), CHAIN(&leaf, &middle), TRUST_UNKNOWN_ISSUER);
    assert_chain(ROOTS(&root), CHAIN(&leaf), TRUST_UNKNOWN_ISSUER);
    assert_chain(ROOTS(&trusted), CHAIN(&leaf, &middle, &root), TRUST_UNTRUSTED_ROOT);
    assert_chain(ROOTS(&trusted), CHAIN(&own), TRUST_SELF_SIGNED);
    assert_chain(ROOTS(&trusted), CHAIN(&own, &middle), TRUST_SELF_SIGNED);
    assert_chain(ROOTS(&trusted), CHAIN(&forged), TRUST_BAD_SIGNATURE);
    assert_chain(ROOTS(&trusted), CHAIN(&forged, &impostor), TRUST_UNTRUSTED_ROOT);
    assert_chain(ROOTS(&trusted), CHAIN(&impostor), TRUST_SELF_SIGNED);
    mint_free(&forged);
    mint_free(&impostor);
    mint_free(&own);
    mint_free(&leaf);
    mint_free(&middle);
    mint_free(&root);
    mint_free(&trusted);
}

static void test_what_cannot_be_read(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    struct minted broken = mint(&(struct mint_order){
        .subject = "Broken", .issuer = &root, .extensions = {"basicConstraints=DER:3003"}});
    struct minted leaf = mint_leaf("leaf.example", &broken, MINT_P256);
    struct minted bad_leaf = mint(&(struct mint_order){
        .subject = "bad.example", .issuer = &root, .extensions = {"subjectAltName=DER:300101"}});
    struct minted garbage = {.der = {(const uint8_t *)"\x30\x03garbage", 9}};
    assert_chain(ROOTS(&root), CHAIN(&leaf, &broken), TRUST_UNREADABLE);
    assert_chain(ROOTS(&root), CHAIN(&bad_leaf), TRUST_UNREADABLE);
    assert_chain(ROOTS(&root), CHAIN(&garbage, &root), TRUST_UNREADABLE);

    /* An issuer whose key sits in a broken SPKI: our decoder still reads whose it is. */
    struct minted middle = mint_intermediate("Middle", &root, MINT_P256);
    struct minted below = mint_leaf("below.example", &middle, MINT_P256);
    struct minted cut = {.der = {middle.der.ptr, middle.der.len - 1}};
    assert_chain(ROOTS(&root), CHAIN(&below, &cut), TRUST_UNKNOWN_ISSUER);
    uint8_t *copy = malloc(middle.der.len);
    memcpy(copy, middle.der.ptr, middle.der.len);
    uint8_t *point = memmem(copy, middle.der.len, "\x03\x42\x00\x04", 4);
    assert_non_null(point);
    point[2] = 9; /* a BIT STRING has at most seven unused bits */
    struct minted damaged = {.der = {copy, middle.der.len}};
    assert_chain(ROOTS(&root), CHAIN(&below, &damaged), TRUST_UNREADABLE);
    free(copy);

    struct fixture fixture = fixture_open(ROOTS(&root));
    struct trust_verdict verdict = trust_check(fixture.checker, NULL, 0, MINT_NOW);
    assert_verdict(verdict, TRUST_UNREADABLE);
    assert_int_equal(ERR_peek_error(), 0);
    fixture_close(&fixture);
    mint_free(&below);
    mint_free(&middle);
    mint_free(&bad_leaf);
    mint_free(&leaf);
    mint_free(&broken);
    mint_free(&root);
}

/* --- Dates --- */

static void test_dates_are_inclusive_to_the_second(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    struct minted middle = mint(&(struct mint_order){.subject = "Middle",
                                                     .issuer = &root,
                                                     .not_before = MINT_NOW - 100,
                                                     .not_after = MINT_NOW + 100,
                                                     .extensions = {MINT_CA}});
    struct minted leaf = mint(&(struct mint_order){.subject = "leaf.example",
                                                   .issuer = &middle,
                                                   .not_before = MINT_NOW - 50,
                                                   .not_after = MINT_NOW + 50,
                                                   .extensions = {MINT_SERVER}});
    struct minted lasting = mint_leaf("lasting.example", &middle, MINT_P256);
    struct fixture fixture = fixture_open(ROOTS(&root));
    static const struct {
        int64_t offset;
        enum trust_error leaf, lasting;
    } cases[] = {
        {0, TRUST_OK, TRUST_OK},
        {50, TRUST_OK, TRUST_OK},
        {51, TRUST_EXPIRED, TRUST_OK},
        {100, TRUST_EXPIRED, TRUST_OK},
        {101, TRUST_EXPIRED, TRUST_EXPIRED},
        {-50, TRUST_OK, TRUST_OK},
        {-51, TRUST_NOT_YET_VALID, TRUST_OK},
        {-100, TRUST_NOT_YET_VALID, TRUST_OK},
        {-101, TRUST_NOT_YET_VALID, TRUST_NOT_YET_VALID},
    };
    /* Each by a checker that remembers nothing, and twice by one that has seen all the others. */
    enum { CASES = sizeof cases / sizeof *cases };
    for (size_t i = 0; i < 3 * CASES; i++) {
        size_t at = i % CASES;
        int64_t now = MINT_NOW + cases[at].offset;
        struct fixture fresh = {.store = fixture.store};
        fresh.checker = i < CASES ? trust_checker_new(fixture.store) : fixture.checker;
        struct trust_verdict verdict = fixture_check_at(&fresh, CHAIN(&leaf, &middle), now);
        assert_verdict(verdict, cases[at].leaf);
        assert_int_equal(verdict.chain_not_after, verdict.error ? 0 : MINT_NOW + 50);
        verdict = fixture_check_at(&fresh, CHAIN(&lasting, &middle), now);
        assert_verdict(verdict, cases[at].lasting);
        assert_int_equal(verdict.chain_not_after, verdict.error ? 0 : MINT_NOW + 100);
        if (i < CASES)
            trust_checker_free(fresh.checker);
    }
    fixture_close(&fixture);
    mint_free(&lasting);
    mint_free(&leaf);
    mint_free(&middle);
    mint_free(&root);
}

static void test_expired_root_and_expired_without_trust(void **state) {
    (void)state;
    struct minted old_root = mint(&(struct mint_order){
        .subject = "Old root", .not_after = MINT_NOW - 1, .extensions = {MINT_CA}});
    struct minted leaf = mint_leaf("leaf.example", &old_root, MINT_P256);
    struct minted root = mint_root("Root", MINT_P256);
    struct minted expired = mint(
        &(struct mint_order){.subject = "e.example", .issuer = &root, .not_after = MINT_NOW - 1});
    struct minted own =
        mint(&(struct mint_order){.subject = "o.example", .not_after = MINT_NOW - 1});
    assert_chain(ROOTS(&old_root), CHAIN(&leaf), TRUST_EXPIRED);
    assert_chain(ROOTS(&root), CHAIN(&expired), TRUST_EXPIRED);
    assert_chain(ROOTS(&own), CHAIN(&own), TRUST_EXPIRED);
    /* Dates of issuers tell only when there is a root. */
    struct minted old_middle = mint(&(struct mint_order){.subject = "Old middle",
                                                         .issuer = &root,
                                                         .not_after = MINT_NOW - 1,
                                                         .extensions = {MINT_CA}});
    struct minted below = mint_leaf("below.example", &old_middle, MINT_P256);
    assert_chain(ROOTS(&root), CHAIN(&below, &old_middle), TRUST_EXPIRED);
    assert_chain(ROOTS(&old_root), CHAIN(&below, &old_middle), TRUST_UNKNOWN_ISSUER);
    assert_chain(ROOTS(&old_root), CHAIN(&below, &old_middle, &root), TRUST_UNTRUSTED_ROOT);
    mint_free(&below);
    mint_free(&old_middle);
    /* Trust is a statement of its own: that the leaf expired hides nothing else. */
    assert_chain(ROOTS(&old_root), CHAIN(&expired), TRUST_UNKNOWN_ISSUER);
    assert_chain(ROOTS(&root), CHAIN(&own), TRUST_SELF_SIGNED);
    mint_free(&own);
    mint_free(&expired);
    mint_free(&root);
    mint_free(&leaf);
    mint_free(&old_root);
}

/* --- More than one way up --- */

static void test_backtracking_past_bad_issuers_of_the_same_name(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    struct minted gone_root = mint_root("Gone root", MINT_P256);
    struct minted good = mint_intermediate("Middle", &root, MINT_P256);
    struct minted leaf = mint_leaf("leaf.example", &good, MINT_P256);
    struct mint_order same = {.subject = "Middle", .key = good.key, .issuer = &root};

    struct mint_order order = same;
    order.not_after = MINT_NOW - 1;
    order.extensions[0] = MINT_CA;
    struct minted expired = mint(&order);
    order = same; /* cross-signed by a root that nobody has */
    order.issuer = &gone_root;
    order.extensions[0] = MINT_CA;
    struct minted crossed = mint(&order);
    order = same;
    order.extensions[0] = MINT_CA;
    order.extensions[1] = "extendedKeyUsage=emailProtection";
    struct minted for_mail = mint(&order);
    order = same;
    order.digest = EVP_sha1();
    order.extensions[0] = MINT_CA;
    struct minted sha1 = mint(&order);
    order = same;
    order.extensions[0] = "basicConstraints=critical,CA:FALSE";
    struct minted no_ca = mint(&order);
    struct minted wrong_key = mint_intermediate("Middle", &root, MINT_P256);

    assert_chain(
        ROOTS(&root),
        CHAIN(&leaf, &expired, &crossed, &gone_root, &for_mail, &sha1, &no_ca, &wrong_key, &good),
        TRUST_OK);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &expired), TRUST_EXPIRED);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &crossed), TRUST_UNKNOWN_ISSUER);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &crossed, &gone_root), TRUST_UNTRUSTED_ROOT);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &for_mail), TRUST_WRONG_PURPOSE);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &sha1), TRUST_WEAK_SIGNATURE);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &no_ca), TRUST_NOT_A_CA);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &wrong_key), TRUST_BAD_SIGNATURE);
    /* The longest right path tells most. */
    assert_chain(ROOTS(&root), CHAIN(&leaf, &wrong_key, &crossed), TRUST_UNKNOWN_ISSUER);

    struct minted *all[] = {&wrong_key, &no_ca, &sha1, &for_mail,  &crossed,
                            &expired,   &leaf,  &good, &gone_root, &root};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mint_free(all[i]);
}

/* An old root and a new one under the same name and different keys, with the new key signed by the
 * old one, and intermediates that sign each other. */
static void test_rollover_and_loops(void **state) {
    (void)state;
    struct minted old_root = mint_root("Root", MINT_P256);
    struct minted new_root = mint_root("Root", MINT_P256);
    struct minted link = mint(&(struct mint_order){.subject = "Root",
                                                   .key = new_root.key,
                                                   .issuer = &old_root,
                                                   .extensions = {MINT_CA, MINT_SIGNS}});
    struct minted leaf = mint_leaf("leaf.example", &new_root, MINT_P256);
    assert_chain(ROOTS(&old_root), CHAIN(&leaf, &link), TRUST_OK);
    assert_chain(ROOTS(&new_root), CHAIN(&leaf, &link), TRUST_OK);
    assert_chain(ROOTS(&old_root, &new_root), CHAIN(&leaf), TRUST_OK);

    struct minted a = mint_root("A", MINT_P256), b = mint_root("B", MINT_P256);
    struct minted a_by_b = mint(
        &(struct mint_order){.subject = "A", .key = a.key, .issuer = &b, .extensions = {MINT_CA}});
    struct minted b_by_a = mint(
        &(struct mint_order){.subject = "B", .key = b.key, .issuer = &a, .extensions = {MINT_CA}});
    struct minted below = mint_leaf("below.example", &a, MINT_P256);
    assert_chain(ROOTS(&old_root), CHAIN(&below, &a_by_b, &b_by_a), TRUST_UNKNOWN_ISSUER);
    assert_chain(ROOTS(&b), CHAIN(&below, &b_by_a, &a_by_b), TRUST_OK);
    assert_chain(ROOTS(&a), CHAIN(&below, &b_by_a, &a_by_b), TRUST_OK);
    struct minted *all[] = {&below, &b_by_a, &a_by_b, &b, &a, &leaf, &link, &new_root, &old_root};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mint_free(all[i]);
}

/* --- Who may issue, and for what --- */

static void test_path_length(void **state) {
    (void)state;
    struct minted root = mint(&(struct mint_order){
        .subject = "Root", .extensions = {"basicConstraints=critical,CA:TRUE,pathlen:1"}});
    struct minted first =
        mint(&(struct mint_order){.subject = "First",
                                  .issuer = &root,
                                  .extensions = {"basicConstraints=critical,CA:TRUE,pathlen:0"}});
    struct minted second = mint_intermediate("Second", &first, MINT_P256);
    struct minted leaf = mint_leaf("leaf.example", &first, MINT_P256);
    struct minted too_deep = mint_leaf("deep.example", &second, MINT_P256);
    struct minted free_first = mint_intermediate("Free", &root, MINT_P256);
    struct minted free_second = mint_intermediate("Free second", &free_first, MINT_P256);
    struct minted under_root = mint_leaf("under.example", &free_second, MINT_P256);
    assert_chain(ROOTS(&root), CHAIN(&leaf, &first), TRUST_OK);
    assert_chain(ROOTS(&root), CHAIN(&too_deep, &second, &first), TRUST_NOT_A_CA);
    assert_chain(ROOTS(&first), CHAIN(&too_deep, &second), TRUST_NOT_A_CA);
    assert_chain(ROOTS(&root), CHAIN(&under_root, &free_second, &free_first), TRUST_NOT_A_CA);
    struct minted *all[] = {&under_root, &free_second, &free_first, &too_deep,
                            &leaf,       &second,      &first,      &root};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mint_free(all[i]);
}

static void test_issuers_that_may_not_issue(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    static const struct {
        const char *basic, *second;
        enum trust_error expected;
    } cases[] = {
        {MINT_CA, NULL, TRUST_OK},
        {"basicConstraints=CA:FALSE", NULL, TRUST_NOT_A_CA},
        {MINT_CA, "keyUsage=digitalSignature", TRUST_NOT_A_CA},
        {MINT_CA, "extendedKeyUsage=clientAuth", TRUST_WRONG_PURPOSE},
        {MINT_CA, "extendedKeyUsage=clientAuth,serverAuth", TRUST_OK},
        {MINT_CA, "1.2.3.4=critical,DER:0500", TRUST_OTHER},
        {MINT_CA, "1.2.3.4=DER:0500", TRUST_OK},
        {NULL, NULL, TRUST_NOT_A_CA},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct minted middle = mint(&(struct mint_order){
            .subject = "Middle", .issuer = &root, .extensions = {cases[i].basic, cases[i].second}});
        struct minted leaf = mint_leaf("leaf.example", &middle, MINT_P256);
        assert_chain(ROOTS(&root), CHAIN(&leaf, &middle), cases[i].expected);
        mint_free(&leaf);
        mint_free(&middle);
    }
    mint_free(&root);
}

static void test_leaves_and_their_purpose(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    static const struct {
        const char *extension;
        enum trust_error expected;
    } cases[] = {
        {NULL, TRUST_OK},
        {"extendedKeyUsage=serverAuth,clientAuth", TRUST_OK},
        {"extendedKeyUsage=clientAuth", TRUST_WRONG_PURPOSE},
        {"extendedKeyUsage=codeSigning", TRUST_WRONG_PURPOSE},
        {"keyUsage=critical,digitalSignature", TRUST_OK},
        {"keyUsage=critical,keyEncipherment", TRUST_OK},
        {"1.2.3.4=critical,DER:0500", TRUST_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct minted leaf = mint(&(struct mint_order){
            .subject = "leaf.example", .issuer = &root, .extensions = {cases[i].extension}});
        assert_chain(ROOTS(&root), CHAIN(&leaf), cases[i].expected);
        mint_free(&leaf);
    }
    mint_free(&root);
}

/* A CA's certificate by itself: no server should serve it, but a file may well hold it. */
static void test_authorities(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    struct minted middle = mint_intermediate("Middle", &root, MINT_P256);
    struct minted leaf = mint_leaf("leaf.example", &root, MINT_P256);
    struct minted mail = mint(&(struct mint_order){
        .subject = "Mail",
        .issuer = &root,
        .extensions = {MINT_CA, MINT_SIGNS, "extendedKeyUsage=emailProtection"}});
    struct minted old = mint(&(struct mint_order){.subject = "Old",
                                                  .issuer = &root,
                                                  .not_after = MINT_NOW - 1,
                                                  .extensions = {MINT_CA, MINT_SIGNS}});
    struct minted stranger = mint_root("Stranger", MINT_P256);
    const struct {
        const struct minted *first;
        enum trust_error authority, server;
    } cases[] = {
        {&middle, TRUST_OK, TRUST_WRONG_PURPOSE},
        {&root, TRUST_OK, TRUST_WRONG_PURPOSE},
        {&leaf, TRUST_NOT_A_CA, TRUST_OK},
        {&mail, TRUST_WRONG_PURPOSE, TRUST_WRONG_PURPOSE},
        {&old, TRUST_EXPIRED, TRUST_WRONG_PURPOSE},
        {&stranger, TRUST_SELF_SIGNED, TRUST_SELF_SIGNED},
    };
    struct fixture fixture = fixture_open(ROOTS(&root));
    /* Twice, in both orders: what is remembered of one question is no answer to the other. */
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        size_t at = i / 2;
        struct slice der = cases[at].first->der;
        for (size_t k = 0; k < 2; k++) {
            bool of_authority = (i + k) % 2;
            struct trust_verdict verdict =
                of_authority ? trust_check_authority(fixture.checker, &der, 1, MINT_NOW)
                             : trust_check(fixture.checker, &der, 1, MINT_NOW);
            assert_verdict(verdict, of_authority ? cases[at].authority : cases[at].server);
        }
    }
    fixture_close(&fixture);
    struct minted *all[] = {&stranger, &old, &mail, &leaf, &middle, &root};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mint_free(all[i]);
}

static void test_weak_keys_and_signatures(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    struct minted weak_root = mint_root("Weak root", MINT_RSA_1024);
    struct minted weak_middle = mint_intermediate("Weak middle", &root, MINT_RSA_1024);
    struct minted under_root = mint_leaf("a.example", &weak_root, MINT_P256);
    struct minted under_middle = mint_leaf("b.example", &weak_middle, MINT_P256);
    struct minted weak_leaf = mint_leaf("c.example", &root, MINT_RSA_1024);
    struct minted curve_leaf = mint_leaf("d.example", &root, MINT_P224);
    struct minted sha1_leaf =
        mint(&(struct mint_order){.subject = "e.example", .issuer = &root, .digest = EVP_sha1()});
    struct minted sha1_root = mint(&(struct mint_order){
        .subject = "SHA-1 root", .digest = EVP_sha1(), .extensions = {MINT_CA}});
    struct minted under_sha1 = mint_leaf("f.example", &sha1_root, MINT_P256);
    assert_chain(ROOTS(&weak_root), CHAIN(&under_root), TRUST_WEAK_KEY);
    assert_chain(ROOTS(&root), CHAIN(&under_middle, &weak_middle), TRUST_WEAK_KEY);
    assert_chain(ROOTS(&root), CHAIN(&weak_leaf), TRUST_WEAK_KEY);
    assert_chain(ROOTS(&root), CHAIN(&curve_leaf), TRUST_WEAK_KEY);
    assert_chain(ROOTS(&root), CHAIN(&sha1_leaf), TRUST_WEAK_SIGNATURE);
    /* Nobody checks the signature of an anchor. */
    assert_chain(ROOTS(&sha1_root), CHAIN(&under_sha1), TRUST_OK);
    struct minted *all[] = {&under_sha1, &sha1_root,    &sha1_leaf,   &curve_leaf, &weak_leaf,
                            &under_root, &under_middle, &weak_middle, &weak_root,  &root};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mint_free(all[i]);
}

static void test_a_changed_byte_breaks_the_signature(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    struct minted leaf = mint_leaf("leaf.example", &root, MINT_P256);
    uint8_t *copy = malloc(leaf.der.len);
    memcpy(copy, leaf.der.ptr, leaf.der.len);
    uint8_t *name = memmem(copy, leaf.der.len, "leaf.example", 12);
    assert_non_null(name);
    name[0] = 'L';
    struct minted changed = {.der = {copy, leaf.der.len}};
    assert_chain(ROOTS(&root), CHAIN(&changed), TRUST_BAD_SIGNATURE);
    free(copy);
    mint_free(&leaf);
    mint_free(&root);
}

/* --- Budgets and memory --- */

enum { LOOKALIKES = 14 };

/* Certificates that all fit by name and key: without a budget, the ways through them number 14
 * factorial. */
static void test_lookalikes_cost_a_bounded_number_of_signature_checks(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    struct minted nowhere = mint_root("Same", MINT_P256);
    struct minted others[LOOKALIKES];
    const struct minted *chain[LOOKALIKES + 2] = {0};
    for (size_t i = 0; i < LOOKALIKES; i++) {
        others[i] = mint_intermediate("Same", i ? &others[i - 1] : &nowhere, MINT_P256);
        chain[i + 1] = &others[i];
    }
    struct minted leaf = mint_leaf("leaf.example", &others[LOOKALIKES - 1], MINT_P256);
    chain[0] = &leaf;
    struct fixture fixture = fixture_open(ROOTS(&root));
    struct trust_verdict verdict = fixture_check(&fixture, chain);
    assert_true(verdict.error != TRUST_OK);
    struct trust_statistics statistics = trust_checker_statistics(fixture.checker);
    assert_true(statistics.signatures_checked > 0);
    assert_true(statistics.signatures_checked <= TRUST_SIGNATURE_CHECKS_MAX);
    fixture_close(&fixture);
    mint_free(&leaf);
    for (size_t i = 0; i < LOOKALIKES; i++)
        mint_free(&others[i]);
    mint_free(&nowhere);
    mint_free(&root);
}

static void test_long_paths_and_long_chains(void **state) {
    (void)state;
    struct minted levels[12];
    levels[0] = mint_root("Level 0", MINT_P256);
    for (size_t i = 1; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "Level %zu", i);
        levels[i] = mint_intermediate(name, &levels[i - 1], MINT_P256);
    }
    /* A leaf, eight intermediates and the root are ten; one more is too many. */
    struct minted fits = mint_leaf("fits.example", &levels[8], MINT_P256);
    struct minted over = mint_leaf("over.example", &levels[9], MINT_P256);
    const struct minted *chain[32] = {&fits};
    for (size_t i = 1; i < 12; i++)
        chain[i] = &levels[i];
    assert_chain(ROOTS(&levels[0]), chain, TRUST_OK);
    chain[0] = &over;
    assert_chain(ROOTS(&levels[0]), chain, TRUST_OTHER);

    /* What comes behind the limit is not looked at. */
    struct minted direct = mint_leaf("direct.example", &levels[1], MINT_P256);
    struct minted garbage = {.der = {(const uint8_t *)"\x30\x03garbage", 9}};
    for (size_t i = 0; i < 31; i++)
        chain[i] = i == 0 ? &direct : i == LIMIT_CHAIN_CERTIFICATES ? &levels[1] : &garbage;
    assert_chain(ROOTS(&levels[0]), chain, TRUST_UNKNOWN_ISSUER);
    chain[LIMIT_CHAIN_CERTIFICATES - 1] = &levels[1];
    assert_chain(ROOTS(&levels[0]), chain, TRUST_OK);
    mint_free(&direct);
    mint_free(&over);
    mint_free(&fits);
    for (size_t i = 0; i < 12; i++)
        mint_free(&levels[i]);
}

static void test_what_is_remembered(void **state) {
    (void)state;
    struct minted root = mint_root("Root", MINT_P256);
    struct minted middle = mint_intermediate("Middle", &root, MINT_P256);
    struct minted first = mint_leaf("first.example", &middle, MINT_P256);
    struct minted second = mint_leaf("second.example", &middle, MINT_P256);
    struct minted forged_root = mint_root("Root", MINT_P256);
    struct minted forged = mint(&(struct mint_order){.subject = "Middle",
                                                     .key = middle.key,
                                                     .issuer = &forged_root,
                                                     .extensions = {MINT_CA, MINT_SIGNS}});
    struct fixture fixture = fixture_open(ROOTS(&root));
    assert_verdict(fixture_check(&fixture, CHAIN(&first, &middle)), TRUST_OK);
    struct trust_statistics statistics = trust_checker_statistics(fixture.checker);
    assert_int_equal(statistics.certificates_parsed, 2);
    assert_int_equal(statistics.signatures_checked, 2);

    /* The same chain: nothing is done. */
    assert_verdict(fixture_check(&fixture, CHAIN(&first, &middle)), TRUST_OK);
    statistics = trust_checker_statistics(fixture.checker);
    assert_int_equal(statistics.verdicts_remembered, 1);
    assert_int_equal(statistics.certificates_parsed, 2);
    assert_int_equal(statistics.signatures_checked, 2);

    /* Another leaf: its own parsing and signature. */
    assert_verdict(fixture_check(&fixture, CHAIN(&second, &middle)), TRUST_OK);
    statistics = trust_checker_statistics(fixture.checker);
    assert_int_equal(statistics.certificates_parsed, 3);
    assert_int_equal(statistics.certificates_remembered, 1);
    assert_int_equal(statistics.signatures_checked, 3);
    assert_int_equal(statistics.signatures_remembered, 1);

    /* What is remembered of one certificate says nothing about another of the same name and key. */
    assert_verdict(fixture_check(&fixture, CHAIN(&second, &forged)), TRUST_BAD_SIGNATURE);
    assert_verdict(fixture_check(&fixture, CHAIN(&first, &middle)), TRUST_OK);
    statistics = trust_checker_statistics(fixture.checker);
    assert_int_equal(statistics.checks, 5);
    assert_int_equal(statistics.verdicts_remembered, 2);
    fixture_close(&fixture);
    struct minted *all[] = {&forged, &forged_root, &second, &first, &middle, &root};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mint_free(all[i]);
}

/* More issuers than the table holds: it stays within its size, and what falls out is freed (the
 * leak checker watches). */
static void test_the_tables_overflow(void **state) {
    (void)state;
    enum { ISSUERS = 1500 };
    struct minted root = mint_root("Root", MINT_P256);
    struct minted leaf = mint_leaf("leaf.example", &root, MINT_P256);
    struct minted nobody = mint_root("Nobody", MINT_P256);
    struct fixture fixture = fixture_open(ROOTS(&root));
    for (size_t i = 0; i < ISSUERS; i += 10) {
        struct minted issuers[10];
        const struct minted *chain[12] = {&leaf};
        for (size_t j = 0; j < 10; j++) {
            issuers[j] = mint(&(struct mint_order){.subject = "Filler",
                                                   .key = nobody.key,
                                                   .issuer = &nobody,
                                                   .extensions = {MINT_CA}});
            chain[j + 1] = &issuers[j];
        }
        assert_verdict(fixture_check(&fixture, chain), TRUST_OK);
        for (size_t j = 0; j < 10; j++)
            mint_free(&issuers[j]);
    }
    assert_int_equal(trust_checker_statistics(fixture.checker).certificates_parsed,
                     ISSUERS + ISSUERS / 10);
    fixture_close(&fixture);
    mint_free(&nobody);
    mint_free(&leaf);
    mint_free(&root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_accepted_key_at_two_and_three_levels),
        cmocka_unit_test(test_order_duplicates_and_strangers_do_not_matter),
        cmocka_unit_test(test_anchors_need_not_be_self_signed),
        cmocka_unit_test(test_what_a_missing_root_is_called),
        cmocka_unit_test(test_what_cannot_be_read),
        cmocka_unit_test(test_dates_are_inclusive_to_the_second),
        cmocka_unit_test(test_expired_root_and_expired_without_trust),
        cmocka_unit_test(test_backtracking_past_bad_issuers_of_the_same_name),
        cmocka_unit_test(test_rollover_and_loops),
        cmocka_unit_test(test_path_length),
        cmocka_unit_test(test_issuers_that_may_not_issue),
        cmocka_unit_test(test_leaves_and_their_purpose),
        cmocka_unit_test(test_authorities),
        cmocka_unit_test(test_weak_keys_and_signatures),
        cmocka_unit_test(test_a_changed_byte_breaks_the_signature),
        cmocka_unit_test(test_lookalikes_cost_a_bounded_number_of_signature_checks),
        cmocka_unit_test(test_long_paths_and_long_chains),
        cmocka_unit_test(test_what_is_remembered),
        cmocka_unit_test(test_the_tables_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
