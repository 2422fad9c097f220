/* A ledger between a feed and sinks that the test plays, with a database by script. The test waits
 * for what should come; nothing here is about speed. */
#ifndef TESTS_UNIT_WATCH_LEDGER_FIXTURE_H
#define TESTS_UNIT_WATCH_LEDGER_FIXTURE_H

#include "engine/base/clock.h"
#include "tests/unit/sinks/scratch.h"
#include "tests/unit/watch/faulty_vfs.h"
#include "tools/watch/ledger.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { SINKS_MAX = 3, ALERTS_MAX = 2048, RING_BATCHES = 64, HANG_MS = 120 * 1000, WAIT_MS = 10 };

#define OK(call) assert_int_equal(call, ERROR_NONE)

/* --- A database by script --- */

struct fake_alert {
    uint8_t number;
    bool delivered;
    enum ct_verdict verdict;
};

struct fake_database {
    pthread_mutex_t mutex;
    bool is_down, refuses;  /* every call fails; add_alert can never take what it is given */
    bool knows[256];        /* certificates, by the number of the issuance */
    bool knows_finals[256]; /* the final certificate, not its precertificate */
    struct fake_alert alerts[ALERTS_MAX];
    uint32_t alert_count, lookups, prunes;
};

static struct fake_database fake;

static inline void fake_lock(void) {
    pthread_mutex_lock(&fake.mutex);
}

static inline void fake_unlock(void) {
    pthread_mutex_unlock(&fake.mutex);
}

static inline enum error fake_down(struct failure *failure) {
    return fake.is_down ? failure_set(failure, (enum error)ECONNREFUSED, "the database is down")
                        : ERROR_NONE;
}

static inline enum error fake_is_known(void *owner, const struct ct_record *record,
                                       enum ct_known_by *by, struct failure *failure) {
    uint8_t number = record->issuance_id[0];
    (void)owner;

    fake_lock();
    enum error error = fake_down(failure);
    fake.lookups++;
    if (!error &&
        (fake.knows[number] || (fake.knows_finals[number] && record->update == CT_UPDATE_X509)))
        *by = CT_KNOWN_FINGERPRINT;
    fake_unlock();
    return error;
}

static inline struct fake_alert *fake_find(uint8_t number) {
    for (uint32_t i = 0; i < fake.alert_count; i++)
        if (fake.alerts[i].number == number)
            return &fake.alerts[i];
    return NULL;
}

static inline enum error fake_add_alert(void *owner, const struct ct_record *record,
                                        bool *delivered, struct failure *failure) {
    uint8_t number = record->issuance_id[0];
    (void)owner;

    fake_lock();
    enum error error = fake_down(failure);
    if (!error && fake.refuses)
        error = failure_set(failure, (enum error)EINVAL, "the database wants no such thing");
    const struct fake_alert *alert = fake_find(number);
    *delivered = !error && alert && alert->delivered;
    if (!error && !alert)
        fake.alerts[fake.alert_count++] = (struct fake_alert){number, false, record->verdict};
    fake_unlock();
    return error;
}

static inline enum error fake_set_delivered(void *owner, const struct ct_record *record,
                                            struct failure *failure) {
    (void)owner;
    fake_lock();
    enum error error = fake_down(failure);
    struct fake_alert *alert = fake_find(record->issuance_id[0]);
    if (!error && alert)
        alert->delivered = true;
    fake_unlock();
    return error;
}

static inline enum error fake_prune(void *owner, int64_t before_ms, bool *more,
                                    struct failure *failure) {
    (void)owner, (void)before_ms;
    fake_lock();
    *more = fake.prunes++ == 0;
    enum error error = fake_down(failure);
    fake_unlock();
    return error;
}

static inline enum error fake_check(void *owner, struct failure *failure) {
    (void)owner;
    fake_lock();
    enum error error = fake_down(failure);
    fake_unlock();
    return error;
}

static const struct ledger_database fake_interface = {
    .is_known = fake_is_known,
    .add_alert = fake_add_alert,
    .set_delivered = fake_set_delivered,
    .prune = fake_prune,
    .check = fake_check,
};

/* A copy, as the other thread may be at work. */
static inline struct fake_alert fake_alert(uint32_t i) {
    fake_lock();
    struct fake_alert alert = fake.alerts[i];
    fake_unlock();
    return alert;
}

static inline uint32_t fake_alerts(void) {
    fake_lock();
    uint32_t count = fake.alert_count;
    fake_unlock();
    return count;
}

static inline void fake_set(bool *what, bool to) {
    fake_lock();
    *what = to;
    fake_unlock();
}

/* --- The ledger and its ends --- */

static void encode_number(const struct encoding *encoding, const struct record *record,
                          struct buffer *out) {
    const struct ct_record *entry = ct_record_of(record);
    (void)encoding;
    buffer_add_format(out, "%u %s", entry->issuance_id[0], ct_verdict_name(entry->verdict));
}

static const struct encoder number_encoder = {.name = "number", .encode = encode_number};
static const struct encoding number_encoding = {.encoder = &number_encoder};

struct rig {
    const char *path; /* of the state; NULL for one in memory */
    uint32_t sink_count;
    bool every_entry;
    int64_t grace_ms;
    const struct ledger_database *database;
    struct inventory *inventory;
    uint32_t pages_max;
    void (*on_safe)(void *rig, const struct ct_source *source,
                    const struct saved_position *position);

    struct watch_state *state;
    struct saved_sink sinks[SINKS_MAX];
    struct batch_queue *queues[SINKS_MAX];
    struct pool_outlet outlets[SINKS_MAX];
    struct ledger *ledger;
    struct failure failure; /* of the end */
    _Atomic uint32_t troubles, recoveries, rooms;
    char last_trouble[FAILURE_TEXT_MAX]; /* read it when the ledger has ended */
};

static inline void on_trouble(void *owner, const struct failure *failure) {
    struct rig *rig = owner;

    memcpy(rig->last_trouble, failure->text, sizeof rig->last_trouble);
    atomic_fetch_add(&rig->troubles, 1);
}

static inline void on_recovered(void *owner, const char *what) {
    struct rig *rig = owner;

    assert_non_null(what);
    atomic_fetch_add(&rig->recoveries, 1);
}

static inline void on_room(void *owner) {
    atomic_fetch_add(&((struct rig *)owner)->rooms, 1);
}

static inline void rig_open(struct rig *rig) {
    static const char *const names[SINKS_MAX] = {"first", "second", "third"};
    struct failure failure;

    OK(watch_state_open(&rig->state, rig->path, &failure));
    for (uint32_t i = 0; i < rig->sink_count; i++) {
        OK(watch_state_use_sink(rig->state, names[i], &rig->sinks[i], &failure));
        rig->queues[i] = batch_queue_new(1, RING_BATCHES);
        assert_non_null(rig->queues[i]);
        rig->outlets[i] = (struct pool_outlet){&number_encoding, rig->queues[i], NULL};
    }
    struct ledger_config config = {
        .state = rig->state,
        .inventory = rig->inventory,
        .database = rig->database,
        .outlets = rig->outlets,
        .sinks = rig->sinks,
        .outlet_count = rig->sink_count,
        .pages_max = rig->pages_max ? rig->pages_max : 64,
        .every_entry = rig->every_entry,
        .grace_ms = rig->grace_ms,
        .retention_ms = 3600 * 1000,
        .cleanup_ms = 3600 * 1000,
        .refresh_ms = 50,
        .save_ms = 1,
        .retry_ms = 20,
        .on_trouble = on_trouble,
        .on_recovered = on_recovered,
        .on_room = on_room,
        .on_safe = rig->on_safe,
        .owner = rig,
    };
    OK(ledger_open(&rig->ledger, &config, &failure));
    OK(ledger_start(rig->ledger, &failure));
}

/* As after a crash: nothing is finished, and what the sinks still have is gone. */
static inline void rig_drop(struct rig *rig) {
    ledger_close(rig->ledger);
    for (uint32_t i = 0; i < rig->sink_count; i++)
        batch_queue_free(rig->queues[i]);
    watch_state_close(rig->state);
}

/* The regular end; sinks have taken what there was, or it is abandoned. */
static inline enum error rig_end(struct rig *rig, bool abandon) {
    ledger_stop(rig->ledger);
    if (abandon)
        ledger_abandon(rig->ledger);
    enum error error = ledger_finish(rig->ledger, &rig->failure);
    rig_drop(rig);
    return error;
}

static inline struct ledger_statistics statistics_of(const struct rig *rig) {
    struct ledger_statistics statistics;

    ledger_statistics(rig->ledger, &statistics);
    return statistics;
}

/* Waits until it is so; fails when it never is. */
#define AWAIT(rig, condition)                                                                      \
    do {                                                                                           \
        uint64_t until_ns = clock_monotonic_ns() + HANG_MS * UINT64_C(1000000);                    \
        for (struct ledger_statistics now = statistics_of(rig); (void)now, !(condition);           \
             now = statistics_of(rig)) {                                                           \
            if (clock_monotonic_ns() > until_ns)                                                   \
                fail_msg("this never came: %s", #condition);                                       \
            usleep(2000);                                                                          \
        }                                                                                          \
    } while (0)

/* --- A feed --- */

static const struct ct_source feed_source = {.name = {(const uint8_t *)"feed", 4}};

static inline struct ct_record *record_new(uint8_t number, enum ct_update update) {
    struct ct_record *record = ct_record_new(256);
    static struct slice entry = {(const uint8_t *)"example.org", 11};

    assert_non_null(record);
    record->update = update;
    record->time_ms = record->seen_ms = clock_unix_ms();
    record->has_certificate = true;
    memset(record->issuance_id, number, sizeof record->issuance_id);
    record->certificate.has_tbs_sha256 = true;
    memset(record->certificate.tbs_sha256, number, sizeof record->certificate.tbs_sha256);
    record->certificate.not_after = record->time_ms / 1000 + 86400;
    record->matched_entries = (struct slice_list){&entry, 1};
    return record;
}

static inline struct page *page_of(const struct ct_source *source) {
    struct page *page = page_new(source, PAGE_FEED);

    assert_non_null(page);
    return page;
}

static inline void commit_record(struct rig *rig, struct ct_record *record) {
    struct page *page = page_of(&feed_source);
    uint64_t until_ns = clock_monotonic_ns() + HANG_MS * UINT64_C(1000000);

    assert_true(page_add_record(page, record));
    while (!ledger_commit(rig->ledger, page)) {
        assert_true(clock_monotonic_ns() < until_ns);
        usleep(1000);
    }
}

static inline void commit(struct rig *rig, uint8_t number, enum ct_update update) {
    commit_record(rig, record_new(number, update));
}

/* --- Sinks --- */

static inline struct batch *take(struct rig *rig, uint32_t sink) {
    struct batch *batch = NULL;
    uint64_t until_ns = clock_monotonic_ns() + HANG_MS * UINT64_C(1000000);

    while (batch_queue_pop(rig->queues[sink], WAIT_MS, &batch) != BATCH_POPPED)
        if (clock_monotonic_ns() > until_ns)
            fail_msg("sink %u gets nothing", sink);
    return batch;
}

static inline void answer(struct rig *rig, uint32_t sink, struct batch *batch, bool refused) {
    size_t count;
    const uint64_t *tickets = batch_tickets(batch, &count);

    ledger_written(rig->ledger, sink, tickets, count, (struct sink_position){0}, refused);
    batch_free(batch);
}

/* The next alert of a sink is this one; written, or refused. */
static inline void expect(struct rig *rig, uint32_t sink, const char *alert, bool refused) {
    struct batch *batch = take(rig, sink);

    assert_true(slice_is(buffer_slice(&batch->bytes), alert));
    answer(rig, sink, batch, refused);
}

static inline void expect_nothing(struct rig *rig, uint32_t sink) {
    struct batch *batch;

    assert_int_equal(batch_queue_pop(rig->queues[sink], 0, &batch), BATCH_TIMEOUT);
}

#endif
