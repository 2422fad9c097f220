/* The ledger when others follow logs, too: a position is safe when everybody was told of what
 * stands before it; what another is about to tell waits; who may not tell at the moment asks anew.
 */
#include "tests/unit/watch/ledger_fixture.h"

static _Atomic uint64_t safe;     /* the last position of the log */
static _Atomic uint32_t held_off; /* times that nobody might be told */
static atomic_bool is_elsewhere[256], may_not_tell, is_told[256];
static const struct ct_source feed_log = {.has_log_id = true, .log_id = {3}};

static void on_safe(void *owner, const struct ct_source *source,
                    const struct saved_position *position) {
    (void)owner;
    assert_memory_equal(source->log_id, feed_log.log_id, sizeof source->log_id);
    assert_true(slice_is(position->saved, "tree"));
    atomic_store(&safe, position->committed);
}

static enum error add_alert(void *owner, const struct ct_record *record, bool *delivered,
                            struct failure *failure) {
    uint8_t number = record->issuance_id[0];

    if (atomic_load(&is_elsewhere[number]))
        return (enum error)EAGAIN;
    if (atomic_load(&is_told[number])) {
        *delivered = true;
        return ERROR_NONE;
    }
    return fake_add_alert(owner, record, delivered, failure);
}

static bool may_tell(void *owner) {
    (void)owner;
    bool may = !atomic_load(&may_not_tell);
    atomic_fetch_add(&held_off, !may);
    return may;
}

static const struct ledger_database shared = {
    .is_known = fake_is_known,
    .add_alert = add_alert,
    .set_delivered = fake_set_delivered,
    .check = fake_check,
    .may_tell = may_tell,
    .name = "the cluster",
};

static int setup(void **unused) {
    (void)unused;
    fake = (struct fake_database){.mutex = PTHREAD_MUTEX_INITIALIZER};
    atomic_store(&safe, 0);
    atomic_store(&held_off, 0);
    atomic_store(&may_not_tell, false);
    for (int i = 0; i < 256; i++) {
        atomic_store(&is_elsewhere[i], false);
        atomic_store(&is_told[i], false);
    }
    return 0;
}

static struct rig rig_of(int64_t grace_ms) {
    return (struct rig){
        .sink_count = 1, .grace_ms = grace_ms, .database = &shared, .on_safe = on_safe};
}

static void position(struct rig *rig, uint64_t committed) {
    struct log_position at = {committed, committed, committed, slice_of("tree")};

    ledger_position(rig->ledger, &feed_log, &at);
}

static void test_safe_when_told(void **unused) {
    (void)unused;
    struct rig rig = rig_of(0);

    rig_open(&rig);
    position(&rig, 10); /* nothing stands before it */
    AWAIT(&rig, atomic_load(&safe) == 10);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    position(&rig, 20);
    struct batch *batch = take(&rig, 0);
    assert_int_equal(atomic_load(&safe), 10);
    answer(&rig, 0, batch, false);
    AWAIT(&rig, atomic_load(&safe) == 20);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    position(&rig, 30);
    batch = take(&rig, 0);
    position(&rig, 40);
    commit(&rig, 3, CT_UPDATE_PRECERT);
    position(&rig, 50);
    struct batch *next = take(&rig, 0);
    assert_int_equal(atomic_load(&safe), 20);
    answer(&rig, 0, batch, false); /* what came close together may have but the last position */
    AWAIT(&rig, now.delivered == 2);
    assert_true(atomic_load(&safe) < 50);
    answer(&rig, 0, next, false);
    AWAIT(&rig, atomic_load(&safe) == 50);
    OK(rig_end(&rig, false));
}

/* Within its grace, at the end of the run: it is left to who goes on from before it. */
static void test_end_within_grace(void **unused) {
    (void)unused;
    struct rig rig = rig_of(3600 * 1000);

    rig_open(&rig);
    position(&rig, 10);
    AWAIT(&rig, atomic_load(&safe) == 10);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    position(&rig, 20);
    AWAIT(&rig, now.pending == 1);
    OK(rig_end(&rig, false));
    assert_int_equal(atomic_load(&safe), 10);
}

static void test_elsewhere(void **unused) {
    (void)unused;
    struct rig rig = rig_of(0);

    for (int i = 1; i <= 100; i++)
        atomic_store(&is_elsewhere[i], true);
    rig_open(&rig);
    for (uint8_t i = 1; i <= 102; i++)
        commit(&rig, i, CT_UPDATE_PRECERT);
    position(&rig, 10);
    expect(&rig, 0, "101 suspicious", false); /* the others hold nobody up */
    expect(&rig, 0, "102 suspicious", false);
    AWAIT(&rig, now.delivered == 2 && now.untold == 100);
    assert_int_equal(atomic_load(&safe), 0);
    for (int i = 1; i <= 100; i++) {
        atomic_store(&is_told[i], i != 7); /* it was told there; of one the teller is gone */
        atomic_store(&is_elsewhere[i], false);
    }
    expect(&rig, 0, "7 suspicious", false);
    AWAIT(&rig, atomic_load(&safe) == 10);
    expect_nothing(&rig, 0);
    OK(rig_end(&rig, false));
    assert_int_equal(atomic_load(&rig.troubles), 0);
}

static void test_may_not_tell(void **unused) {
    (void)unused;
    struct rig rig = rig_of(0);

    atomic_store(&may_not_tell, true);
    rig_open(&rig);
    commit(&rig, 1, CT_UPDATE_PRECERT);
    commit(&rig, 2, CT_UPDATE_PRECERT);
    position(&rig, 10);
    AWAIT(&rig, fake_alerts() == 2 && atomic_load(&held_off));
    expect_nothing(&rig, 0);
    atomic_store(&is_told[1], true); /* somebody else was sooner */
    atomic_store(&may_not_tell, false);
    expect(&rig, 0, "2 suspicious", false);
    AWAIT(&rig, atomic_load(&safe) == 10);
    expect_nothing(&rig, 0);
    OK(rig_end(&rig, false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_safe_when_told, setup),
        cmocka_unit_test_setup(test_end_within_grace, setup),
        cmocka_unit_test_setup(test_elsewhere, setup),
        cmocka_unit_test_setup(test_may_not_tell, setup),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
