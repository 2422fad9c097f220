/* What a record makes of the answers that a fetcher gives: the answers are made here. */
#include "tests/unit/x509/mint.h"

#include "engine/probe/fetching.h"
#include "engine/x509/trust.h"

#define AIA          "authorityInfoAccess=caIssuers;URI:http://ca.test/"
#define BIT(finding) (UINT64_C(1) << (finding))

/* root <- upper <- lower <- leaf; all but the root name where their issuers are. */
struct fixture {
    struct minted root, upper, lower, leaf;
    struct trust_store *store;
    struct trust_checker *checker;
    struct prober_settings settings;
};

static struct minted make(const char *name, const struct minted *issuer, bool ca) {
    return mint(&(struct mint_order){
        .subject = name, .issuer = issuer, .extensions = {ca ? MINT_CA : MINT_SERVER, AIA "x"}});
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    char path[] = "/tmp/trawl-fetching-XXXXXX";

    assert_non_null(f);
    close(mkstemp(path));
    f->root = mint_root("Root", MINT_P256);
    f->upper = make("Upper", &f->root, true);
    f->lower = make("Lower", &f->upper, true);
    f->leaf = make("leaf", &f->lower, false);
    mint_write(path, &f->root);
    assert_int_equal(trust_store_open(&f->store, path, NULL), ERROR_NONE);
    unlink(path);
    f->checker = trust_checker_new(f->store);
    assert_non_null(f->checker);
    f->settings = (struct prober_settings){
        .fetcher = (struct fetcher *)f, /* never called */
        .fetch_issuers = true,
    };
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;

    trust_checker_free(f->checker);
    trust_store_close(f->store);
    mint_free(&f->root);
    mint_free(&f->upper);
    mint_free(&f->lower);
    mint_free(&f->leaf);
    free(f);
    return 0;
}

/* The record of a handshake that showed the leaf and `others`. */
static struct probe_record *record_of(struct fixture *f, const struct minted *const *others) {
    struct probe_record *record = probe_record_new(4096);
    struct slice chain[4] = {f->leaf.der};
    struct certificate certificate;
    uint32_t count = 1;

    assert_non_null(record);
    assert_int_equal(certificate_decode(f->leaf.der, &certificate), CERTIFICATE_OK);
    record->has_certificate =
        certificate_fields_fill(&certificate, &record->head.memory, &record->certificate);
    struct chain_link *links = arena_take(&record->head.memory, 3 * sizeof *links);
    for (; *others; others++) {
        links[count - 1] = (struct chain_link){.der = (*others)->der};
        chain[count++] = (*others)->der;
    }
    record->chain = links;
    record->chain_count = count - 1;
    struct trust_verdict verdict = trust_check(f->checker, chain, count, MINT_NOW);
    record->has_trust = record->trust.chain_checked = true;
    record->trust.trusted = verdict.error == TRUST_OK;
    record->trust.issuer_missing = count == 1;
    if (verdict.error)
        record->trust.error = slice_of(trust_error_name(verdict.error));
    record->protocol = slice_of("tls");
    judge_record(record, &(struct judge_policy){0}, MINT_NOW * 1000);
    return record;
}

#define SENT(...) ((const struct minted *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static struct fetching *begin(struct fixture *f, struct probe_record *record) {
    struct fetching *fetching = fetching_new(record, &f->settings, f->checker, MINT_NOW);
    assert_non_null(fetching);
    return fetching;
}

/* The next question must be about `certificate`. */
static struct fetch_question *expect(struct fetching *fetching, enum fetch_kind kind,
                                     const struct minted *certificate,
                                     const struct minted *issuer) {
    struct fetch_question *question = fetching_next(fetching);

    assert_non_null(question);
    assert_int_equal(question->kind, kind);
    assert_true(slice_equal(question->certificate.der, certificate->der));
    if (issuer)
        assert_true(slice_equal(question->issuer.der, issuer->der));
    fetching->question = question;
    return question;
}

static void give_issuer(struct fetching *fetching, const struct minted *about,
                        const struct minted *answer) {
    struct fetch_question *question = expect(fetching, FETCH_ISSUERS, about, NULL);

    if (answer)
        buffer_add_slice(&question->issuers, answer->der);
    fetching_take(fetching, question);
}

static void give_status(struct fetching *fetching, const struct minted *about,
                        const struct minted *issuer, enum revocation_status status) {
    struct fetch_question *question = expect(fetching, FETCH_REVOCATION, about, issuer);

    question->revocation = (struct revocation){
        .status = (uint8_t)status,
        .reason = status == REVOCATION_REVOKED,
        .error = status == REVOCATION_UNKNOWN ? question->error : NULL,
    };
    strcpy(question->url, "http://ca.test/crl");
    strcpy(question->error, "HTTP status 404");
    fetching_take(fetching, question);
}

static struct probe_record *end(struct fetching *fetching) {
    assert_null(fetching_next(fetching));
    return fetching_end(fetching);
}

static void finds_the_way_up(void **state) {
    struct fixture *f = *state;
    struct fetching *fetching = begin(f, record_of(f, SENT()));

    give_issuer(fetching, &f->leaf, &f->lower);
    give_issuer(fetching, &f->lower, &f->upper);
    struct probe_record *record = end(fetching);
    assert_true(record->trust.trusted);
    assert_int_equal(record->trust.error.len, 0);
    assert_int_equal(record->trust.chain_not_after, MINT_AFTER);
    assert_int_equal(record->trust.fetched_issuers, 2);
    assert_true(record->findings & BIT(FINDING_INCOMPLETE_CHAIN));
    assert_false(record->findings & BIT(FINDING_UNTRUSTED));
    record_put(&record->head);
}

static void gives_up_where_nothing_new_comes(void **state) {
    struct fixture *f = *state;
    const struct minted *const answers[] = {NULL, &f->leaf};

    for (size_t i = 0; i < 2; i++) {
        struct fetching *fetching = begin(f, record_of(f, SENT()));
        give_issuer(fetching, &f->leaf, answers[i]);
        struct probe_record *record = end(fetching);
        assert_false(record->trust.trusted);
        assert_int_equal(record->trust.fetched_issuers, 0);
        assert_true(record->findings & BIT(FINDING_INCOMPLETE_CHAIN));
        assert_true(record->findings & BIT(FINDING_UNTRUSTED));
        record_put(&record->head);
    }
}

static void stops_at_four(void **state) {
    struct fixture *f = *state;
    struct minted above[6], first = mint_root("Above 5", MINT_P256);

    above[5] = first;
    for (int i = 4; i >= 0; i--) {
        char name[16];
        snprintf(name, sizeof name, "Above %d", i);
        above[i] = make(name, &above[i + 1], true);
    }
    struct minted leaf = f->leaf;
    f->leaf = make("leaf", &above[0], false);
    struct fetching *fetching = begin(f, record_of(f, SENT()));
    give_issuer(fetching, &f->leaf, &above[0]);
    for (int i = 0; i < 3; i++)
        give_issuer(fetching, &above[i], &above[i + 1]);
    struct probe_record *record = end(fetching);
    assert_int_equal(record->trust.fetched_issuers, 4);
    assert_false(record->trust.trusted);
    record_put(&record->head);
    mint_free(&f->leaf);
    f->leaf = leaf;
    for (size_t i = 0; i < 6; i++)
        mint_free(&above[i]);
}

static void asks_for_nothing_that_is_not_needed(void **state) {
    struct fixture *f = *state;
    struct probe_record *record = record_of(f, SENT(&f->lower, &f->upper));

    assert_true(record->trust.trusted);
    assert_null(fetching_new(record, &f->settings, f->checker, MINT_NOW));
    assert_false(record->has_revocation);
    record->trust.trusted = false;
    record->trust.error = slice_of(trust_error_name(TRUST_EXPIRED));
    assert_null(fetching_new(record, &f->settings, f->checker, MINT_NOW));
    record->trust.error = slice_of(trust_error_name(TRUST_UNKNOWN_ISSUER));
    record->trust.chain_checked = false;
    assert_null(fetching_new(record, &f->settings, f->checker, MINT_NOW));
    record->trust.chain_checked = true;
    f->settings.fetch_issuers = false;
    f->settings.check_revocation = true;
    assert_null(fetching_new(record, &f->settings, f->checker, MINT_NOW));
    assert_true(record->has_revocation); /* and it says that nothing was looked at */
    assert_int_equal(record->revocation.status, REVOCATION_UNCHECKED);
    assert_true(record->revocation.error.len > 0);
    f->settings.fetch_issuers = true;
    f->settings.check_revocation = false;
    record_put(&record->head);
}

static void tells_the_worst_of_the_path(void **state) {
    static const struct {
        enum revocation_status leaf, lower, upper; /* UNCHECKED: not asked any more */
        enum revocation_status whole;
        uint8_t depth;
    } cases[] = {
        {REVOCATION_GOOD, REVOCATION_GOOD, REVOCATION_GOOD, REVOCATION_GOOD, 0},
        {REVOCATION_REVOKED, REVOCATION_UNCHECKED, REVOCATION_UNCHECKED, REVOCATION_REVOKED, 0},
        {REVOCATION_UNKNOWN, REVOCATION_REVOKED, REVOCATION_UNCHECKED, REVOCATION_REVOKED, 1},
        {REVOCATION_GOOD, REVOCATION_UNKNOWN, REVOCATION_STALE, REVOCATION_UNKNOWN, 1},
        {REVOCATION_STALE, REVOCATION_GOOD, REVOCATION_UNKNOWN, REVOCATION_UNKNOWN, 2},
        {REVOCATION_UNKNOWN, REVOCATION_UNKNOWN, REVOCATION_UNKNOWN, REVOCATION_UNKNOWN, 0},
    };
    struct fixture *f = *state;

    f->settings.check_revocation = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fetching *fetching = begin(f, record_of(f, SENT(&f->lower, &f->upper)));
        give_status(fetching, &f->leaf, &f->lower, cases[i].leaf);
        if (cases[i].lower)
            give_status(fetching, &f->lower, &f->upper, cases[i].lower);
        if (cases[i].upper)
            give_status(fetching, &f->upper, &f->root, cases[i].upper);
        struct probe_record *record = end(fetching);
        assert_int_equal(record->revocation.status, cases[i].whole);
        assert_int_equal(record->revocation.depth, cases[i].depth);
        assert_int_equal(record->revocation.error.len > 0, cases[i].whole == REVOCATION_UNKNOWN);
        assert_int_equal((record->findings & BIT(FINDING_REVOKED)) != 0,
                         cases[i].whole == REVOCATION_REVOKED);
        assert_int_equal((record->findings & BIT(FINDING_REVOCATION_UNKNOWN)) != 0,
                         cases[i].whole == REVOCATION_UNKNOWN);
        assert_int_equal(record->status == STATUS_CRITICAL, cases[i].whole == REVOCATION_REVOKED);
        record_put(&record->head);
    }
    f->settings.check_revocation = false;
}

/* Issuers first, then the CRLs of the path that they made. */
static void does_one_after_the_other(void **state) {
    struct fixture *f = *state;

    f->settings.check_revocation = true;
    struct fetching *fetching = begin(f, record_of(f, SENT(&f->lower)));
    give_issuer(fetching, &f->lower, &f->upper);
    give_status(fetching, &f->leaf, &f->lower, REVOCATION_GOOD);
    struct fetch_question *late = expect(fetching, FETCH_REVOCATION, &f->lower, &f->upper);
    fetching_give_up(fetching, "it took too long");
    struct probe_record *record = fetching_end(fetching);
    fetch_question_free(late);
    assert_true(record->trust.trusted);
    assert_int_equal(record->revocation.status, REVOCATION_UNKNOWN);
    assert_int_equal(record->revocation.depth, 1);
    assert_true(slice_is(record->revocation.error, "it took too long"));
    record_put(&record->head);

    fetching = begin(f, record_of(f, SENT(&f->lower)));
    late = expect(fetching, FETCH_ISSUERS, &f->lower, NULL);
    fetching_give_up(fetching, "it took too long");
    record = fetching_end(fetching);
    fetch_question_free(late);
    assert_false(record->trust.trusted);
    assert_int_equal(record->revocation.status, REVOCATION_UNCHECKED);
    record_put(&record->head);
    f->settings.check_revocation = false;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_way_up),
        cmocka_unit_test(gives_up_where_nothing_new_comes),
        cmocka_unit_test(stops_at_four),
        cmocka_unit_test(asks_for_nothing_that_is_not_needed),
        cmocka_unit_test(tells_the_worst_of_the_path),
        cmocka_unit_test(does_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
