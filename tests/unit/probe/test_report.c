/* Records from conversations made by hand: what a server showed is minted here, and given back to
 * the allocator before the record is looked at. */
#include "engine/probe/report.h"

#include "tests/unit/x509/build_certificate.h"
#include "tests/unit/x509/trust_fixture.h"

#include "engine/record/fields.h"

#define BIT(bit) (UINT64_C(1) << (bit))

static const int64_t NOW_MS = MINT_NOW * 1000 + 500;

/* Without it there would be a lint. */
#define AUTHORITY_KEY "authorityKeyIdentifier=DER:30068004aabbccdd"

/* The usual certificates: root, intermediate, a leaf for www.example.org and 192.0.2.7. */
struct chain {
    struct minted root, intermediate, leaf;
    struct fixture trust;
};

static struct minted mint_two_names(const struct minted *issuer, int64_t not_after) {
    return mint(
        &(struct mint_order){.subject = "www.example.org",
                             .issuer = issuer,
                             .not_after = not_after,
                             .extensions = {"subjectAltName=DNS:www.example.org,IP:192.0.2.7",
                                            MINT_SERVER, AUTHORITY_KEY}});
}

static struct chain chain_new(void) {
    struct chain chain = {.root = mint_root("Root", MINT_P256)};

    chain.intermediate = mint_intermediate("Middle", &chain.root, MINT_P256);
    chain.leaf = mint_two_names(&chain.intermediate, 0);
    chain.trust = fixture_open(ROOTS(&chain.root));
    return chain;
}

static void chain_free(struct chain *chain) {
    fixture_close(&chain->trust);
    mint_free(&chain->leaf);
    mint_free(&chain->intermediate);
    mint_free(&chain->root);
}

/* A report with all that it points to. */
struct story {
    struct prober_settings settings;
    struct target target;
    struct tls_observation seen;
    struct address addresses[2];
    struct report report;
};

static struct address address_of(const char *text) {
    struct address address;

    assert_true(address_parse(slice_of(text), &address));
    return address;
}

static void story_names(struct story *story, const char *name) {
    story->target.name_len = (uint8_t)strlen(name);
    memcpy(story->target.name, name, story->target.name_len + 1u);
}

/* A handshake with www.example.org that went well, without a certificate yet. */
static struct story *story_new(void) {
    struct story *story = calloc(1, sizeof *story);

    assert_non_null(story);
    story->settings.policy = judge_policy_default();
    story_names(story, "www.example.org");
    story->target.port = 8443;
    story->addresses[0] = address_of("192.0.2.7");
    story->addresses[1] = address_of("2001:db8::7");
    story->seen = (struct tls_observation){.version = 0x0304, .cipher = 0x1301, .group = 29};
    story->report = (struct report){
        .settings = &story->settings,
        .target = &story->target,
        .address = story->addresses[1],
        .addresses = story->addresses,
        .address_count = 2,
        .plan = PLAN_HANDSHAKE,
        .attempt = 1,
        .outcome = OUTCOME_OK,
        .stage = STAGE_DONE,
        .timing = {1, 2, -1, 4, 5},
        .seen = &story->seen,
        .links = link_cache_new(),
        .started_ms = NOW_MS - 42,
        .now_ms = NOW_MS,
    };
    return story;
}

static void story_shows(struct story *story, struct slice der) {
    uint8_t *copy = malloc(der.len);

    assert_non_null(copy);
    memcpy(copy, der.ptr, der.len);
    story->seen.certificates[story->seen.certificate_count++] = (struct slice){copy, der.len};
}

/* Makes the record and frees everything that it was made of. */
static struct probe_record *story_end(struct story *story, struct trust_checker *trust) {
    struct probe_record *record = report_record(&story->report, trust);

    assert_non_null(record);
    link_cache_free(story->report.links);
    for (uint16_t i = 0; i < story->seen.certificate_count; i++)
        free((void *)story->seen.certificates[i].ptr);
    memset(story, 0xaa, sizeof *story);
    free(story);
    return record;
}

static void assert_words(struct slice actual, const char *expected) {
    if (!slice_is(actual, expected))
        fail_msg("\"%.*s\" instead of \"%s\"", (int)actual.len, (const char *)actual.ptr, expected);
}

static void assert_ip(const struct address *address, const char *expected) {
    char text[ADDRESS_TEXT_MAX];

    address_format(address, text);
    assert_string_equal(text, expected);
}

static void test_target(void **state) {
    (void)state;
    struct story *story = story_new();

    story->report.attempt = 3;
    story->report.outcome = OUTCOME_TIMEOUT;
    story->report.stage = STAGE_CONNECT;
    story->report.error = slice_of("nobody answers");
    story->report.seen = NULL;
    struct probe_record *record = story_end(story, NULL);
    assert_words(record->host, "www.example.org");
    assert_words(record->sni, "www.example.org");
    assert_words(record->protocol, "tls");
    assert_words(record->error, "nobody answers");
    assert_int_equal(record->port, 8443);
    assert_ip(&record->address, "2001:db8::7");
    assert_int_equal(record->address_count, 2);
    assert_ip(&record->addresses[0], "192.0.2.7");
    assert_ip(&record->addresses[1], "2001:db8::7");
    assert_int_equal(record->time_ms, NOW_MS - 42);
    assert_int_equal(record->plan, PLAN_HANDSHAKE);
    assert_int_equal(record->attempt, 3);
    assert_int_equal(record->outcome, OUTCOME_TIMEOUT);
    assert_int_equal(record->stage, STAGE_CONNECT);
    assert_int_equal(record->timing.dns_us, 1);
    assert_int_equal(record->timing.connect_us, 2);
    assert_int_equal(record->timing.starttls_us, -1);
    assert_int_equal(record->timing.handshake_us, 4);
    assert_int_equal(record->timing.total_us, 5);
    assert_false(record->has_tls || record->has_certificate || record->has_trust);
    assert_false(record->has_days_left);
    assert_int_equal(record->status, STATUS_ERROR);
    assert_int_equal(record->findings, 0);
    record_put(&record->head);
}

/* No name was sent, so none is told; the address stands for the host. */
static void test_address_target(void **state) {
    (void)state;
    struct chain chain = chain_new();
    static const struct {
        const char *address;
        bool matches;
    } TARGETS[] = {{"192.0.2.7", true}, {"192.0.2.8", false}, {"::ffff:192.0.2.7", false}};

    for (size_t i = 0; i < sizeof TARGETS / sizeof TARGETS[0]; i++) {
        struct story *story = story_new();
        story_names(story, "");
        story->target.address = story->report.address = address_of(TARGETS[i].address);
        story->report.address_count = 0;
        story->report.addresses = NULL;
        story_shows(story, chain.leaf.der);
        struct probe_record *record = story_end(story, NULL);
        assert_words(record->host, TARGETS[i].address);
        assert_int_equal(record->sni.len, 0);
        assert_int_equal(record->address_count, 0);
        assert_true(record->trust.name_checked);
        assert_int_equal(record->trust.name_matches, TARGETS[i].matches);
        assert_words(record->trust.matched_name, TARGETS[i].matches ? TARGETS[i].address : "");
        assert_int_equal(record->findings, TARGETS[i].matches ? 0 : BIT(FINDING_NAME_MISMATCH));
        record_put(&record->head);
    }
    chain_free(&chain);
}

static void test_long_error(void **state) {
    (void)state;
    char words[LIMIT_ERROR_TEXT_BYTES * 2];
    struct story *story = story_new();

    memset(words, 'w', sizeof words);
    story->report.error = (struct slice){(const uint8_t *)words, sizeof words};
    struct probe_record *record = story_end(story, NULL);
    assert_int_equal(record->error.len, LIMIT_ERROR_TEXT_BYTES);
    record_put(&record->head);
}

static void test_conversation(void **state) {
    (void)state;
    struct story *story = story_new();

    story->seen.ocsp_stapled = story->seen.key_proven = true;
    story->seen.sct_count = 2;
    memcpy(story->seen.alpn, "h2", 2);
    story->seen.alpn_len = 2;
    struct probe_record *record = story_end(story, NULL);
    assert_true(record->has_tls);
    assert_int_equal(record->tls.version, 0x0304);
    assert_int_equal(record->tls.cipher, 0x1301);
    assert_int_equal(record->tls.group, 29);
    assert_words(record->tls.alpn, "h2");
    assert_true(record->tls.ocsp_stapled && record->tls.key_proven);
    assert_false(record->tls.alert_received);
    assert_int_equal(record->tls.sct_count, 2);
    record_put(&record->head);
}

static void test_alert(void **state) {
    (void)state;
    struct story *story = story_new();

    story->seen = (struct tls_observation){.alert_received = true, .alert = 40};
    story->report.outcome = OUTCOME_TLS_ALERT;
    story->report.stage = STAGE_HANDSHAKE;
    struct probe_record *record = story_end(story, NULL);
    assert_true(record->has_tls && record->tls.alert_received);
    assert_int_equal(record->tls.alert, 40);
    assert_false(record->tls.client_certificate_known);
    assert_int_equal(record->status, STATUS_ERROR);
    record_put(&record->head);

    story = story_new(); /* a conversation that began and showed nothing */
    story->seen = (struct tls_observation){0};
    story->report.outcome = OUTCOME_RESET;
    record = story_end(story, NULL);
    assert_false(record->has_tls);
    record_put(&record->head);
}

/* TLS 1.3 asks before the certificate, older versions behind it. */
static void test_client_certificate(void **state) {
    (void)state;
    static const struct {
        enum plan plan;
        uint16_t version;
        enum outcome outcome;
        bool certificate, requested, known;
    } CASES[] = {
        {PLAN_HANDSHAKE, 0x0303, OUTCOME_OK, true, false, true},
        {PLAN_HANDSHAKE, 0x0303, OUTCOME_TIMEOUT, true, false, false},
        {PLAN_HANDSHAKE, 0x0303, OUTCOME_TLS_ALERT, true, true, true},
        {PLAN_HANDSHAKE, 0x0304, OUTCOME_TIMEOUT, true, false, true},
        {PLAN_HANDSHAKE, 0x0304, OUTCOME_TIMEOUT, false, false, false},
        {PLAN_HANDSHAKE, 0x0304, OUTCOME_TIMEOUT, false, true, true},
        {PLAN_GRAB, 0x0304, OUTCOME_OK, true, false, true},
        {PLAN_GRAB, 0x0304, OUTCOME_OK, true, true, true},
        {PLAN_GRAB, 0x0303, OUTCOME_OK, true, false, false},
        {PLAN_GRAB, 0x0300, OUTCOME_OK, true, false, false},
    };
    struct chain chain = chain_new();

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct story *story = story_new();
        story->report.plan = CASES[i].plan;
        story->report.outcome = CASES[i].outcome;
        story->seen.version = CASES[i].version;
        story->seen.client_certificate_requested = CASES[i].requested;
        if (CASES[i].certificate)
            story_shows(story, chain.leaf.der);
        struct probe_record *record = story_end(story, NULL);
        if (record->tls.client_certificate_known != CASES[i].known)
            fail_msg("case %zu", i);
        assert_int_equal(record->tls.client_certificate_requested, CASES[i].requested);
        assert_int_equal(record->findings >> FINDING_CLIENT_CERTIFICATE_REQUESTED & 1,
                         CASES[i].requested);
        record_put(&record->head);
    }
    chain_free(&chain);
}

static void test_trusted(void **state) {
    (void)state;
    struct chain chain = chain_new();
    struct story *story = story_new();
    uint8_t sha256[CERTIFICATE_SHA256_BYTES];

    story_shows(story, chain.leaf.der);
    story_shows(story, chain.intermediate.der);
    struct probe_record *record = story_end(story, chain.trust.checker);
    assert_true(record->has_certificate);
    assert_true(slice_equal(record->certificate.der, chain.leaf.der));
    assert_words(record->certificate.subject, "CN=www.example.org");
    assert_words(record->certificate.issuer_cn, "Middle");
    assert_int_equal(record->certificate.ip_address_count, 1);
    assert_ip(&record->certificate.ip_addresses[0], "192.0.2.7");
    assert_int_equal(record->chain_count, 1);
    assert_true(record->chain[0].readable);
    assert_true(slice_equal(record->chain[0].der, chain.intermediate.der));
    assert_words(record->chain[0].subject, "CN=Middle");
    assert_words(record->chain[0].issuer, "CN=Root");
    assert_int_equal(record->chain[0].not_after, MINT_AFTER);
    certificate_sha256(chain.intermediate.der, sha256);
    assert_memory_equal(record->chain[0].fingerprint_sha256, sha256, sizeof sha256);
    assert_true(record->has_trust && record->trust.chain_checked && record->trust.trusted);
    assert_true(record->trust.name_checked && record->trust.name_matches);
    assert_words(record->trust.matched_name, "www.example.org");
    assert_int_equal(record->trust.error.len, 0);
    assert_int_equal(record->trust.chain_not_after, MINT_AFTER);
    assert_int_equal(record->earliest_not_after, MINT_AFTER);
    /* 365 days and the last second, less the half second that has passed */
    double left = 365 + (double)0.5 / (double)86400;
    assert_true(record->days_left > left - 1e-7 && record->days_left < left + 1e-7);
    assert_int_equal(record->status, STATUS_OK);
    assert_int_equal(record->findings, 0);
    record_put(&record->head);
    chain_free(&chain);
}

static void test_unseen_parts(void **state) {
    (void)state;
    struct chain chain = chain_new();
    struct story *story = story_new();

    story->settings.unseen_parts = PART_FINGERPRINT_SHA1 | PART_TBS_SHA256 | PART_SPKI_SHA256;
    story_shows(story, chain.leaf.der);
    struct probe_record *record = story_end(story, chain.trust.checker);
    const struct certificate_fields *fields = &record->certificate;
    assert_true(record->has_certificate && fields->has_fingerprint_sha256);
    assert_false(fields->has_fingerprint_sha1 || fields->has_tbs_sha256 || fields->has_spki_sha256);
    assert_words(fields->subject, "CN=www.example.org");
    record_put(&record->head);
    chain_free(&chain);
}

static void test_untrusted(void **state) {
    (void)state;
    struct chain chain = chain_new();
    struct story *story = story_new();

    story_names(story, "other.example.org");
    story_shows(story, chain.leaf.der); /* and no intermediate */
    struct probe_record *record = story_end(story, chain.trust.checker);
    assert_true(record->trust.chain_checked);
    assert_false(record->trust.trusted || record->trust.name_matches);
    assert_words(record->trust.error, "unknown_issuer");
    assert_int_equal(record->trust.matched_name.len, 0);
    assert_int_equal(record->trust.chain_not_after, 0);
    assert_int_equal(record->findings, BIT(FINDING_UNTRUSTED) | BIT(FINDING_NAME_MISMATCH) |
                                           BIT(FINDING_INCOMPLETE_CHAIN));
    assert_int_equal(record->status, STATUS_OK); /* which is of the dates alone */
    record_put(&record->head);
    chain_free(&chain);
}

/* Nobody verified the chain: not trusted, and not untrusted either. The name is matched anyhow. */
static void test_unverified(void **state) {
    (void)state;
    struct chain chain = chain_new();

    for (int grab = 0; grab < 2; grab++) {
        struct story *story = story_new();
        story->report.plan = grab ? PLAN_GRAB : PLAN_HANDSHAKE;
        story->report.fallback = grab;
        story_shows(story, chain.leaf.der);
        struct probe_record *record = story_end(story, grab ? chain.trust.checker : NULL);
        assert_true(record->has_trust);
        assert_false(record->trust.chain_checked || record->trust.trusted);
        assert_int_equal(record->trust.error.len, 0);
        assert_true(record->trust.name_checked && record->trust.name_matches);
        assert_int_equal(record->plan, grab ? PLAN_GRAB : PLAN_HANDSHAKE);
        assert_int_equal(record->findings, grab ? BIT(FINDING_HANDSHAKE_FALLBACK) : 0);
        record_put(&record->head);
    }
    chain_free(&chain);
}

static void test_chain_dates(void **state) {
    (void)state;
    struct chain chain = chain_new();
    struct minted ending = mint(&(struct mint_order){.subject = "Ending",
                                                     .issuer = &chain.root,
                                                     .not_after = MINT_NOW + 86400,
                                                     .extensions = {MINT_CA, MINT_SIGNS}});
    struct story *story = story_new();

    story_shows(story, chain.leaf.der);
    story_shows(story, chain.intermediate.der);
    story_shows(story, slice_of("no certificate"));
    story_shows(story, ending.der); /* sent for nothing, but sent */
    struct probe_record *record = story_end(story, chain.trust.checker);
    assert_int_equal(record->chain_count, 3);
    assert_true(record->chain[0].readable && record->chain[2].readable);
    assert_false(record->chain[1].readable);
    assert_words(record->chain[1].der, "no certificate");
    assert_int_equal(record->chain[1].subject.len, 0);
    assert_int_equal(record->earliest_not_after, MINT_NOW + 86400);
    assert_true(record->trust.trusted);
    assert_int_equal(record->trust.chain_not_after, MINT_AFTER);
    assert_int_equal(record->findings,
                     BIT(FINDING_CHAIN_UNREADABLE) | BIT(FINDING_CHAIN_EXPIRES_SOONER));
    assert_int_equal(record->status, STATUS_OK);
    record_put(&record->head);
    mint_free(&ending);
    chain_free(&chain);
}

/* The leaf's bytes and the reason stay; an outcome that says more than "failed" stays too. */
static void test_unparsable(void **state) {
    (void)state;
    static const struct {
        enum outcome before, after;
    } OUTCOMES[] = {{OUTCOME_OK, OUTCOME_CERTIFICATE_UNPARSABLE},
                    {OUTCOME_TLS_FAILED, OUTCOME_CERTIFICATE_UNPARSABLE},
                    {OUTCOME_TIMEOUT, OUTCOME_TIMEOUT},
                    {OUTCOME_TLS_ALERT, OUTCOME_TLS_ALERT}};
    struct chain chain = chain_new();

    for (size_t i = 0; i < sizeof OUTCOMES / sizeof OUTCOMES[0]; i++) {
        struct story *story = story_new();
        story->report.outcome = OUTCOMES[i].before;
        story_shows(story, BYTES("\x30\x03\x02\x01\x05"));
        story_shows(story, chain.intermediate.der);
        struct probe_record *record = story_end(story, chain.trust.checker);
        assert_int_equal(record->outcome, OUTCOMES[i].after);
        assert_false(record->has_certificate || record->has_trust || record->has_days_left);
        assert_true(slice_equal(record->unparsable_der, BYTES("\x30\x03\x02\x01\x05")));
        assert_true(record->error.len > 0);
        assert_int_equal(record->status, STATUS_ERROR);
        assert_int_equal(record->findings, 0);
        record_put(&record->head);
    }
    chain_free(&chain);
}

/* The findings of a leaf that issues itself. */
static uint64_t findings_of(struct slice der) {
    struct story *story = story_new();

    story_shows(story, der);
    struct probe_record *record = story_end(story, NULL);
    uint64_t findings = record->findings & ~BIT(FINDING_SELF_SIGNED);
    record_put(&record->head);
    return findings;
}

static void test_strength(void **state) {
    (void)state;
    static const char SAN[] = "subjectAltName=DNS:www.example.org";
    struct minted good = mint(
        &(struct mint_order){.subject = "Good", .key_kind = MINT_RSA_2048, .extensions = {SAN}});
    struct minted short_key = mint(
        &(struct mint_order){.subject = "Short", .key_kind = MINT_RSA_1024, .extensions = {SAN}});
    struct minted old_hash =
        mint(&(struct mint_order){.subject = "Old", .digest = EVP_sha1(), .extensions = {SAN}});
    struct minted nameless = mint(&(struct mint_order){.subject = "www.example.org"});

    assert_int_equal(findings_of(good.der), 0);
    assert_int_equal(findings_of(short_key.der), BIT(FINDING_WEAK_KEY));
    assert_int_equal(findings_of(old_hash.der), BIT(FINDING_WEAK_SIGNATURE));
    assert_int_equal(findings_of(nameless.der),
                     BIT(FINDING_NO_SUBJECT_ALT_NAME) | BIT(FINDING_NAME_MISMATCH));
    mint_free(&good);
    mint_free(&short_key);
    mint_free(&old_hash);
    mint_free(&nameless);
}

/* What a file holds: no server, no address, no name unless somebody says one; and a CA's
 * certificate is judged as what it is. */
static void test_file(void **state) {
    (void)state;
    struct chain chain = chain_new();
    const struct {
        struct slice der;
        bool is_file;
        uint64_t findings;
    } cases[] = {
        {chain.leaf.der, true, 0},
        {chain.intermediate.der, true, BIT(FINDING_NO_KEY_IDENTIFIER)},
        {chain.root.der, true, BIT(FINDING_NO_KEY_IDENTIFIER) | BIT(FINDING_SELF_SIGNED)},
        {chain.intermediate.der, false,
         BIT(FINDING_NO_KEY_IDENTIFIER) | BIT(FINDING_NO_SUBJECT_ALT_NAME) |
             BIT(FINDING_UNTRUSTED)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct story *story = story_new();
        bool is_file = cases[i].is_file;
        story_names(story, "");
        story->report.path = slice_of(is_file ? "/etc/x.pem" : "");
        story_shows(story, cases[i].der);
        if (is_file)
            story_shows(story, chain.intermediate.der);
        struct probe_record *record = story_end(story, chain.trust.checker);
        if (is_file) {
            assert_words(record->host, "/etc/x.pem");
            assert_words(record->protocol, "file");
            assert_true(record->port == 0 && record->address.family == ADDRESS_NONE);
            assert_false(record->trust.name_checked);
        }
        assert_true(record->trust.chain_checked);
        assert_int_equal(record->trust.trusted, is_file);
        assert_int_equal(record->findings, cases[i].findings);
        record_put(&record->head);
    }
    chain_free(&chain);
}

/* Each lint is one finding, and weighs nothing. */
static void test_lints(void **state) {
    (void)state;
    struct chain chain = chain_new();
    static const struct {
        const char *extensions[3];
        uint64_t findings;
    } CASES[] = {
        {{"subjectAltName=DNS:www.example.org", AUTHORITY_KEY}, 0},
        {{"subjectAltName=DNS:www.example.org"}, BIT(FINDING_NO_KEY_IDENTIFIER)},
        {{"subjectAltName=DNS:www.example.org,DNS:a_b.example.org", AUTHORITY_KEY},
         BIT(FINDING_UNDERSCORE_IN_NAME)},
        {{"subjectAltName=DNS:www.example.org", AUTHORITY_KEY,
          "extendedKeyUsage=serverAuth,anyExtendedKeyUsage"},
         BIT(FINDING_ODD_EXTENDED_KEY_USAGE)},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const char *const *extensions = CASES[i].extensions;
        struct minted leaf =
            mint(&(struct mint_order){.subject = "www.example.org",
                                      .issuer = &chain.root,
                                      .extensions = {extensions[0], extensions[1], extensions[2]}});
        struct story *story = story_new();
        story_shows(story, leaf.der);
        struct probe_record *record = story_end(story, chain.trust.checker);
        assert_int_equal(record->findings, CASES[i].findings);
        assert_true(record->trust.trusted);
        assert_int_equal(record->status, STATUS_OK);
        record_put(&record->head);
        mint_free(&leaf);
    }
    chain_free(&chain);
}

/* A chain that only a weak key of an issuer keeps from being trusted says so. */
static void test_weak_issuer(void **state) {
    (void)state;
    struct minted root = mint_root("Weak", MINT_RSA_1024);
    struct minted leaf = mint_two_names(&root, 0);
    struct fixture trust = fixture_open(ROOTS(&root));
    struct story *story = story_new();

    story_shows(story, leaf.der);
    struct probe_record *record = story_end(story, trust.checker);
    assert_words(record->trust.error, "weak_key");
    assert_int_equal(record->findings, BIT(FINDING_UNTRUSTED) | BIT(FINDING_WEAK_KEY));
    record_put(&record->head);
    fixture_close(&trust);
    mint_free(&leaf);
    mint_free(&root);
}

/* subjectAltName with a SEQUENCE that ends behind the extension, and with one that does not. */
static void test_unreadable_extension(void **state) {
    (void)state;
    static const struct {
        struct slice names;
        bool unreadable;
    } CASES[] = {{{(const uint8_t *)"\x30\x03\x82\x01x", 5}, false},
                 {{(const uint8_t *)"\x30\x09\x82\x01x", 5}, true}};

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t extension[4096], space[8192];
        struct certificate_parts parts = usual_parts();
        parts.extensions = build_extension(BYTES("\x55\x1d\x11"), CASES[i].names, extension);
        uint64_t findings = findings_of(build_certificate(&parts, space));
        assert_int_equal(findings >> FINDING_EXTENSION_UNREADABLE & 1, CASES[i].unreadable);
    }
}

static void test_common_name(void **state) {
    (void)state;
    struct minted nameless = mint(&(struct mint_order){.subject = "www.example.org"});

    for (int allowed = 0; allowed < 2; allowed++) {
        struct story *story = story_new();
        story->settings.allow_common_name = allowed;
        story_shows(story, nameless.der);
        struct probe_record *record = story_end(story, NULL);
        assert_int_equal(record->trust.name_matches, allowed);
        assert_words(record->trust.matched_name, allowed ? "www.example.org" : "");
        record_put(&record->head);
    }
    mint_free(&nameless);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_address_target),
        cmocka_unit_test(test_long_error),
        cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_alert),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_unseen_parts),
        cmocka_unit_test(test_untrusted),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_lints),
        cmocka_unit_test(test_unverified),
        cmocka_unit_test(test_chain_dates),
        cmocka_unit_test(test_unparsable),
        cmocka_unit_test(test_strength),
        cmocka_unit_test(test_weak_issuer),
        cmocka_unit_test(test_unreadable_extension),
        cmocka_unit_test(test_common_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
