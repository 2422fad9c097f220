/* A ledger over a store in a scratch folder, results made up, and a second look at its tables. */
#ifndef TESTS_UNIT_MONITOR_LEDGER_FIXTURE_H
#define TESTS_UNIT_MONITOR_LEDGER_FIXTURE_H

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "tests/unit/sinks/scratch.h"
#include "tools/monitor/ledger.h"
#include "tools/monitor/tables.h"

#include <string.h>

enum { HANG_MS = 120 * 1000 };
#define DAY_S    INT64_C(86400)
#define OK(call) assert_int_equal(call, ERROR_NONE)
#define ARRAY(x) (sizeof(x) / sizeof(x)[0])

static struct monitor_ledger *ledger;
static struct event_hub *hub;
static struct database *look;
static struct failure trouble;
static char store_url[128];

static const int32_t usual_days[] = {30, 14, 7, 1};
static const struct ledger_channel usual_channels[] = {{"loud", SEVERITY_INFO, 0},
                                                       {"grave", SEVERITY_CRITICAL, 0}};

static inline void on_trouble(void *owner, const struct failure *failure) {
    (void)owner;
    trouble = *failure;
}

static inline struct ledger_config usual_config(void) {
    return (struct ledger_config){.url = store_url,
                                  .threshold_days = usual_days,
                                  .threshold_count = ARRAY(usual_days),
                                  .channels = usual_channels,
                                  .channel_count = ARRAY(usual_channels),
                                  .forget_ms = 20,
                                  .on_trouble = on_trouble};
}

static inline void open_ledger(void) {
    struct ledger_config config = usual_config();
    struct failure failure = {0};

    if (monitor_ledger_open(&ledger, &config, &hub, &failure))
        fail_msg("%s", failure.text);
    OK(database_open(&look, &(struct database_config){.url = store_url, .existing = true}, NULL));
}

static inline void close_ledger(void) {
    database_close(look);
    OK(monitor_ledger_close(ledger, NULL));
    event_hub_close(hub);
    ledger = NULL;
    hub = NULL;
}

static inline int setup(void **state) {
    int error = scratch_setup(state);
    snprintf(store_url, sizeof store_url, "sqlite:%s", scratch_path("trawl.db"));
    if (!error)
        open_ledger();
    return error;
}

static inline int teardown(void **state) {
    if (ledger)
        close_ledger();
    return scratch_teardown(state);
}

static inline int64_t count(const char *text) {
    struct sql_statement statement = {.text = text, .once = true};
    struct failure failure = {0};
    int64_t number = -1;

    if (database_number(look, &statement, NULL, &number, &failure))
        fail_msg("%s: %s", text, failure.text);
    return number;
}

/* --- Targets --- */

struct adding {
    struct monitor_target *targets;
    uint32_t count;
};

static inline enum error add(struct ledger_write *write, void *context, struct failure *failure) {
    struct adding *adding = context;
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < adding->count && !error; i++) {
        error = tables_add_target(write->database, &adding->targets[i], write->now_ms, failure);
        monitor_write_target_changed(write, adding->targets[i].key);
    }
    return error;
}

static inline int64_t add_target(const char *host, bool is_cidr) {
    struct monitor_target target;

    target_init(&target, TARGET_FROM_API);
    snprintf(target.host, sizeof target.host, "%s", host);
    target.is_cidr = is_cidr;
    OK(monitor_ledger_call(ledger, add, &(struct adding){&target, 1}, NULL));
    return target.key;
}

/* --- Results --- */

static int64_t last_ms, first_ms; /* of all results: certificates' dates hang on it */

/* What a probe saw: `certificate` 0 for none, else which; it has so many days left. */
static inline struct probe_record *make_record(const char *host, uint8_t certificate, double days) {
    struct probe_record *record = probe_record_new(1024);
    struct certificate_fields *fields = &record->certificate;

    assert_non_null(record);
    record->host = arena_copy(&record->head.memory, slice_of(host));
    record->port = 443;
    record->protocol = slice_of("tls");
    record->plan = PLAN_HANDSHAKE;
    record->attempt = 1;
    /* Two of the same moment would be the same result. */
    record->time_ms = last_ms = clock_unix_ms() > last_ms ? clock_unix_ms() : last_ms;
    for (size_t i = 0; i < sizeof record->id; i++)
        record->id[i] = (uint8_t)random_seed();
    record->timing = (struct probe_timing){-1, -1, -1, -1, 1234};
    record->outcome = certificate ? OUTCOME_OK : OUTCOME_REFUSED;
    record->stage = certificate ? STAGE_DONE : STAGE_CONNECT;
    if (!certificate) {
        record->error = slice_of("connection refused");
        return record;
    }
    record->has_certificate = fields->has_validity = fields->has_fingerprint_sha256 = true;
    fields->der = arena_copy(&record->head.memory, (struct slice){&certificate, 1});
    fields->fingerprint_sha256[0] = certificate;
    fields->subject = slice_of("CN=www.example.org");
    fields->subject_cn = slice_of("www.example.org");
    fields->issuer = slice_of("CN=Example CA 7,O=Example Trust");
    fields->issuer_cn = slice_of("Example CA 7");
    fields->issuer_o = slice_of("Example Trust");
    first_ms = first_ms ? first_ms : clock_unix_ms();
    fields->not_after = first_ms / 1000 + (int64_t)(days * (double)DAY_S);
    fields->not_before = fields->not_after - 90 * DAY_S;
    fields->lifetime_days = 90;
    fields->key_type = slice_of("ec-p256");
    fields->signature_algorithm = slice_of("ecdsa-with-SHA256");
    return record;
}

static inline void give_record(int64_t target, const char *endpoint, const char *agent,
                               struct probe_record *record) {
    assert_true(
        monitor_ledger_result(ledger, &(struct monitor_result){target, endpoint, agent, record}));
    record_put(&record->head);
}

static inline void give(int64_t target, uint8_t certificate, double days) {
    give_record(target, "", "", make_record("www.example.org", certificate, days));
}

static inline void flush(void) {
    OK(monitor_ledger_flush(ledger, HANG_MS));
}

#endif
