/* What a record says of TLSA records, for every way in which they come. */
#include "engine/probe/dane_report.h"

#include "tests/unit/x509/trust_fixture.h"

#include "engine/probe/judge.h"
#include "engine/record/dane_fields.h"

enum { SHA256_BYTES = 32, FULL_BYTES = 300 };

#define BIT(bit) (UINT64_C(1) << (bit))

struct scene {
    struct minted root, leaf;
    struct fixture trust;
    struct slice chain[1];
    struct probe_record *record;
};

static void open_scene(struct scene *scene) {
    scene->root = mint_root("Root", MINT_P256);
    scene->leaf = mint_leaf("leaf.example", &scene->root, MINT_P256);
    scene->trust = fixture_open(ROOTS(&scene->root));
    scene->chain[0] = scene->leaf.der;
    scene->record = probe_record_new(0);
    assert_non_null(scene->record);
    scene->record->protocol = slice_of("tls");
    scene->record->has_certificate = scene->record->has_trust = true;
    scene->record->trust.chain_checked = scene->record->trust.trusted = true;
    scene->record->trust.name_checked = scene->record->trust.name_matches = true;
    scene->record->certificate.not_before = MINT_BEFORE;
    scene->record->certificate.not_after = scene->record->earliest_not_after = MINT_AFTER;
}

static void close_scene(struct scene *scene) {
    record_put(&scene->record->head);
    fixture_close(&scene->trust);
    mint_free(&scene->leaf);
    mint_free(&scene->root);
}

static struct slice digest_of(const struct minted *made, uint8_t *digest) {
    certificate_sha256(made->der, digest);
    return (struct slice){digest, SHA256_BYTES};
}

/* The record with what it says then, judged; `answer` is given up. */
static const struct dane_fields *report(struct scene *scene, struct tlsa_answer *answer) {
    struct judge_policy policy = judge_policy_default();

    assert_true(dane_report(scene->record, answer, (struct slice_list){scene->chain, 1},
                            scene->trust.checker, MINT_NOW));
    tlsa_answer_deinit(answer);
    scene->record->findings = 0;
    judge_record(scene->record, &policy, MINT_NOW * 1000);
    return scene->record->dane;
}

static struct tlsa_answer answer_with(uint8_t usage, struct slice data, bool secure) {
    struct tlsa tlsa = {usage, DANE_CERT, data.len == SHA256_BYTES ? DANE_SHA2_256 : DANE_FULL,
                        data};
    struct tlsa_answer answer = {.set = tlsa_set_new(&tlsa, 1), .secure = secure};

    assert_non_null(answer.set);
    return answer;
}

static void expect(struct scene *scene, struct tlsa_answer answer, enum dane_status status,
                   bool compared, uint64_t findings) {
    const struct dane_fields *dane = report(scene, &answer);

    assert_int_equal(dane->status, status);
    assert_int_equal(dane->compared, compared);
    assert_int_equal(scene->record->findings, findings);
}

static void test_statuses(void **state) {
    (void)state;
    const uint64_t mismatch = BIT(FINDING_DANE_MISMATCH), insecure = BIT(FINDING_DANE_INSECURE);
    struct scene scene;
    uint8_t right_bytes[SHA256_BYTES], wrong_bytes[SHA256_BYTES];

    open_scene(&scene);
    struct slice right = digest_of(&scene.leaf, right_bytes),
                 wrong = digest_of(&scene.root, wrong_bytes);
    expect(&scene, answer_with(3, right, true), DANE_STATUS_MATCHED, true, 0);
    expect(&scene, answer_with(3, wrong, true), DANE_STATUS_MISMATCHED, true, mismatch);
    expect(&scene, answer_with(3, right, false), DANE_STATUS_INSECURE, true, insecure);
    expect(&scene, answer_with(3, wrong, false), DANE_STATUS_INSECURE, true, insecure | mismatch);
    expect(&scene, answer_with(9, right, true), DANE_STATUS_UNUSABLE, true, 0);
    expect(&scene, (struct tlsa_answer){.secure = true}, DANE_STATUS_ABSENT, false, 0);
    expect(&scene, (struct tlsa_answer){0}, DANE_STATUS_ABSENT, false, 0);
    expect(&scene, (struct tlsa_answer){.error = "broken"}, DANE_STATUS_FAILED, false,
           BIT(FINDING_DANE_FAILED));
    assert_true(slice_is(scene.record->dane->error, "broken"));
    scene.record->has_certificate = false;
    expect(&scene, answer_with(3, right, true), DANE_STATUS_OPEN, false, 0);
    expect(&scene, answer_with(3, right, false), DANE_STATUS_INSECURE, false, insecure);
    assert_int_equal(scene.record->dane->count, 1);
    close_scene(&scene);
}

/* Usage 1 counts where the chain was verified, and never for SMTP. */
static void test_pkix(void **state) {
    (void)state;
    struct scene scene;
    uint8_t bytes[SHA256_BYTES];

    open_scene(&scene);
    struct slice right = digest_of(&scene.leaf, bytes);
    expect(&scene, answer_with(1, right, true), DANE_STATUS_MATCHED, true, 0);
    scene.record->protocol = slice_of("smtp");
    expect(&scene, answer_with(1, right, true), DANE_STATUS_UNUSABLE, true, 0);
    expect(&scene, answer_with(3, right, true), DANE_STATUS_MATCHED, true, 0);
    scene.record->protocol = slice_of("imap");
    scene.record->trust.chain_checked = false;
    expect(&scene, answer_with(1, right, true), DANE_STATUS_UNUSABLE, true, 0);
    close_scene(&scene);
}

/* The record keeps what it shows, whatever becomes of the answer. */
static void test_what_is_shown(void **state) {
    (void)state;
    struct scene scene;

    open_scene(&scene);
    assert_true(scene.leaf.der.len > FULL_BYTES);
    expect(&scene, answer_with(3, scene.leaf.der, true), DANE_STATUS_MATCHED, true, 0);
    const struct dane_fields *dane = scene.record->dane;
    assert_int_equal(dane->count, 1);
    assert_int_equal(dane->matches[0], DANE_MATCHES);
    assert_int_equal(dane->records[0].usage, 3);
    assert_int_equal(dane->records[0].matching_type, DANE_FULL);
    assert_int_equal(dane->records[0].data.len, DANE_DATA_SHOWN_BYTES);
    assert_memory_equal(dane->records[0].data.ptr, scene.leaf.der.ptr, DANE_DATA_SHOWN_BYTES);
    close_scene(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_pkix),
        cmocka_unit_test(test_what_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
