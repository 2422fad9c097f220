/* The alert machine: scenarios of what an endpoint shows, day by day, and what is told. After each
 * result the state goes through its bytes, as when the monitor is started anew. */
#include "tools/monitor/alerts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY_MS      INT64_C(86400000)
#define BEGIN_MS    (INT64_C(20000) * DAY_MS)
#define STEPS_MAX   32
#define ARRAY(list) (sizeof(list) / sizeof(list)[0])

/* Days count from the beginning of the scenario. */
static const struct {
    char letter;
    double from, until;
    const char *issuer;
    uint8_t key;
    uint64_t names;
} CERTIFICATES[] = {
    {'A', 10, 100, "One", 1, 1},   {'B', 90, 190, "One", 2, 1},
    {'C', 90, 190, "Other", 3, 1}, /* another issuer */
    {'D', 90, 190, "One", 4, 2},   /* other names */
    {'E', 10, 100, "One", 5, 1},   /* another key, the same end */
    {'F', 60, 103, "One", 6, 1},   /* a renewal that ends soon */
    {'S', 0, 6, "One", 7, 1},      /* lives for six days */
    {'T', 4, 10, "One", 8, 1},
};

struct step {
    double day;
    const char *sees;  /* a certificate, "t" untrusted, "n" for other names; "-" none; ">50": from
                          now on warned of 50 days before */
    const char *tells; /* event:step, with a blank between two */
};

struct scenario {
    const char *name;
    bool is_discovered, is_chosen; /* an address of a block; days that somebody chose */
    struct step steps[STEPS_MAX];
};

static const struct scenario SCENARIOS[] = {
    {"each threshold once, whoever scans how often", .steps = {{69.9, "A", ""},
                                                               {70, "A", "tls_expiry:open"},
                                                               {70, "A", ""},
                                                               {80, "A", ""},
                                                               {86, "A", "tls_expiry:update"},
                                                               {90, "A", ""},
                                                               {93, "A", "tls_expiry:update"},
                                                               {97, "A", "tls_expiry:update"},
                                                               {98.9, "A", ""},
                                                               {99, "A", "tls_expiry:update"},
                                                               {99.9, "A", ""},
                                                               {100.5, "A", "tls_expired:update"},
                                                               {101, "A", ""},
                                                               {130, "A", ""}}},
    {"several thresholds at once are one notice",
     .steps = {{60, "A", ""}, {98, "A", "tls_expiry:open"}, {98.1, "A", ""}}},
    {"expired at the first sight", .steps = {{100.5, "A", "tls_expired:open"}, {101, "A", ""}}},
    {"a renewal recovers once, and is not told twice", .steps = {{80, "A", "tls_expiry:open"},
                                                                 {95, "B", "tls_renewed:resolve"},
                                                                 {96, "B", ""},
                                                                 {160, "B", "tls_expiry:open"}}},
    {"a renewal without an alert is told",
     .steps = {{60, "A", ""}, {91, "B", "tls_renewed:tell"}, {92, "B", ""}}},
    {"another issuer, other names, another key", .steps = {{60, "A", ""},
                                                           {61, "E", "tls_changed:tell"},
                                                           {91, "C", "tls_changed:tell"},
                                                           {92, "D", "tls_changed:tell"},
                                                           {92.1, "D", ""}}},
    {"a renewal by another issuer is a change, too",
     .steps = {{80, "A", "tls_expiry:open"}, {95, "C", "tls_renewed:resolve tls_changed:tell"}}},
    {"renewed, but not for long: its own thresholds are told",
     .steps = {{96, "A", "tls_expiry:open"},
               {97, "A", "tls_expiry:update"},
               {97.1, "F", "tls_renewed:tell"},
               {97.2, "F", ""},
               {97.3, "F", ""},
               {97.4, "F", ""},
               {100.1, "F", "tls_expiry:update"},
               {102.1, "F", "tls_expiry:update"}}},
    {"two servers behind a name take turns",
     .steps = {{95, "A", "tls_expiry:open"},
               {95.1, "B", "tls_renewed:resolve"},
               {95.2, "A", "tls_expiry:open tls_changed:tell"},
               {95.3, "B", ""},
               {95.4, "A", ""},
               {95.5, "B", ""},
               {95.6, "B", ""},
               {95.7, "A", ""},
               {95.8, "B", ""},
               {95.9, "B", ""},
               {96, "B", "tls_renewed:resolve"},
               {96.1, "B", ""}}},
    {"one that comes back after days is told again", .steps = {{60, "A", ""},
                                                               {61, "E", "tls_changed:tell"},
                                                               {64, "E", ""},
                                                               {66, "A", "tls_changed:tell"}}},
    {"unreachable after two failures in a row, back after one result",
     .steps = {{1, "A", ""},
               {2, "-", ""},
               {3, "A", ""},
               {4, "-", ""},
               {5, "-", "tls_unreachable:open"},
               {6, "-", ""},
               {7, "A", "tls_reachable:resolve"},
               {8, "A", ""}}},
    {"never reachable", .steps = {{1, "-", ""}, {2, "-", "tls_unreachable:open"}, {3, "-", ""}}},
    {"up and down: told three times, then only when it stays up",
     .steps = {{1, "-", ""},
               {1.1, "-", "tls_unreachable:open"},
               {1.2, "A", "tls_reachable:resolve"},
               {1.3, "-", ""},
               {1.4, "-", "tls_unreachable:open"},
               {1.5, "A", ""},
               {1.6, "-", ""},
               {1.7, "-", ""},
               {1.8, "A", ""},
               {1.9, "A", ""},
               {2.0, "A", "tls_reachable:resolve"}}},
    {"trust breaks and is mended", .steps = {{1, "A", ""},
                                             {2, "At", "tls_trust_broken:open"},
                                             {3, "At", ""},
                                             {4, "-", ""},
                                             {5, "A", "tls_trusted:resolve"}}},
    {"untrusted from the start is told once",
     .steps = {{1, "At", "tls_trust_broken:open"}, {2, "At", ""}}},
    {"names", .steps = {{1, "An", "tls_name_mismatch:open"},
                        {2, "An", ""},
                        {3, "A", "tls_name_matches:resolve"}}},
    {"everything at once", .steps = {{1, "-", ""},
                                     {2, "-", "tls_unreachable:open"},
                                     {95, "Atn",
                                      "tls_reachable:resolve tls_expiry:open tls_trust_broken:open "
                                      "tls_name_mismatch:open"}}},
    {"an address of a block: what was so from the start is not told, dead ones are not missed",
     .is_discovered = true,
     .steps = {{1, "-", ""},
               {2, "-", ""},
               {3, "-", ""},
               {4, "Atn", ""},
               {5, "Atn", ""},
               {6, "A", ""},
               {7, "At", "tls_trust_broken:open"},
               {8, "-", ""},
               {9, "-", "tls_unreachable:open"}}},
    {"raised thresholds alert while inside",
     .steps = {{55, "A", ""}, {55.1, "A>50", "tls_expiry:open"}, {55.2, "A", ""}}},
    {"lowered thresholds resolve, and that is no renewal",
     .steps = {{55, "A>50", "tls_expiry:open"}, {55.1, "A>14", "tls_expiry:resolve"}}},
    {"a clock that goes back",
     .steps = {{70.5, "A", "tls_expiry:open"}, {69.8, "A", ""}, {69.9, "A", ""}, {70.6, "A", ""}}},
    {"a clock that was wrong by years", .steps = {{1, "A", ""},
                                                  {500, "A", "tls_expired:open"},
                                                  {1.1, "A", "tls_expiry:resolve"},
                                                  {2, "A", ""}}},
    {"a short life is judged by its parts", .steps = {{1, "S", ""},
                                                      {3.9, "S", ""},
                                                      {4.1, "S", "tls_expiry:open"},
                                                      {5, "T", "tls_renewed:resolve"}}},
    {"unless somebody chose the days", .is_chosen = true,
     .steps = {{1, "S", "tls_expiry:open"}, {3.1, "S", "tls_expiry:update"}}},
    {"an outage does not forget what was told", .steps = {{80, "A", "tls_expiry:open"},
                                                          {81, "-", ""},
                                                          {82, "-", "tls_unreachable:open"},
                                                          {83, "A", "tls_reachable:resolve"},
                                                          {86.5, "A", "tls_expiry:update"}}},
};

static void see(struct alert_sight *sight, const struct step *step, uint64_t id) {
    *sight = (struct alert_sight){.id = id,
                                  .time_ms = BEGIN_MS + (int64_t)(step->day * (double)DAY_MS),
                                  .outcome = OUTCOME_REFUSED,
                                  .error = slice_of("connection refused")};
    for (size_t i = 0; i < ARRAY(CERTIFICATES); i++)
        if (CERTIFICATES[i].letter == step->sees[0]) {
            sight->outcome = OUTCOME_OK;
            sight->has_certificate = true;
            sight->fingerprint[0] = (uint8_t)CERTIFICATES[i].letter;
            sight->spki[0] = CERTIFICATES[i].key;
            sight->names = CERTIFICATES[i].names;
            sight->issuer = sight->issuer_cn = slice_of(CERTIFICATES[i].issuer);
            sight->subject = sight->subject_cn = slice_of("www.example.org");
            sight->issuer_id = (uint64_t)CERTIFICATES[i].issuer[1];
            sight->not_before = BEGIN_MS / 1000 + (int64_t)(CERTIFICATES[i].from * 86400);
            sight->not_after = BEGIN_MS / 1000 + (int64_t)(CERTIFICATES[i].until * 86400) - 1;
        }
    assert_true(sight->has_certificate || step->sees[0] == '-');
    sight->trust_known = sight->name_known = sight->has_certificate;
    sight->is_trusted = !strchr(step->sees, 't');
    sight->name_matches = !strchr(step->sees, 'n');
    sight->trust_error = slice_of(sight->is_trusted ? "" : "unknown_issuer");
}

static void restart(struct alert_state *state) {
    uint8_t packed[ALERT_STATE_BYTES_MAX];
    struct alert_state back;
    size_t len = alert_state_pack(state, packed);

    assert_true(len > 0);
    assert_true(alert_state_unpack((struct slice){packed, len}, &back));
    assert_false(alert_state_unpack((struct slice){packed, len - 1}, &back));
    assert_true(alert_state_unpack((struct slice){packed, len}, state));
}

static const char *const STEP_NAMES[] = {"open", "update", "resolve", "tell"};

static void play(const struct scenario *scenario) {
    static const int32_t days[] = {1, 7, 30, 14};
    struct alert_rules rules;
    struct alert_state state;
    int32_t warn = 14;

    alert_state_init(&state);
    for (uint64_t i = 0; i < STEPS_MAX && scenario->steps[i].sees; i++) {
        const struct step *step = &scenario->steps[i];
        struct alert_change changes[ALERT_ENDPOINT_TOPICS];
        struct alert_sight sight;
        char told[512] = "";

        const char *raised = strchr(step->sees, '>');
        warn = raised ? atoi(raised + 1) : warn;
        alert_rules_init(&rules, days, ARRAY(days), warn, 3);
        rules.defaults = !scenario->is_chosen;
        rules.is_discovered = scenario->is_discovered;
        see(&sight, step, i + 1);
        uint32_t count = alerts_step(&state, &rules, &sight, sight.time_ms, changes);
        for (uint32_t j = 0; j < count; j++)
            snprintf(told + strlen(told), sizeof told - strlen(told), "%s%s:%s", j ? " " : "",
                     alert_event_name(changes[j].event), STEP_NAMES[changes[j].step]);
        if (strcmp(told, step->tells) != 0)
            fail_msg("%s: at day %.1f, seeing %s, it told \"%s\" instead of \"%s\"", scenario->name,
                     step->day, step->sees, told, step->tells);
        restart(&state);
    }
}

static void test_scenarios(void **context) {
    (void)context;
    for (size_t i = 0; i < ARRAY(SCENARIOS); i++)
        play(&SCENARIOS[i]);
}

/* --- What does not count --- */

/* What a run probes one after the other has one id each, and the same when it is repeated. */
static void test_ids_of_a_run(void **unused) {
    (void)unused;
    static const struct {
        uint64_t run, number;
        uint16_t part;
    } probes[] = {{7, 1, 0}, {7, 2, 0}, {7, 1, 1}, {8, 1, 0}, {7, 1, 0}};
    uint64_t ids[ARRAY(probes)];

    for (size_t i = 0; i < ARRAY(probes); i++) {
        struct probe_record *record = probe_record_new(sizeof *record);
        struct alert_sight sight;
        assert_non_null(record);
        probe_record_identify(record, probes[i].run, probes[i].number, probes[i].part);
        alert_sight_init(&sight, record);
        ids[i] = sight.id;
        record_put(&record->head);
    }
    for (size_t i = 0; i < ARRAY(probes); i++)
        for (size_t j = 0; j < i; j++)
            assert_int_equal(ids[i] == ids[j], i == 4 && j == 0);
}

static void test_repeated_and_old(void **context) {
    struct alert_change changes[ALERT_ENDPOINT_TOPICS];
    struct alert_rules rules;
    struct alert_state state;
    struct alert_sight sight;

    (void)context;
    alert_rules_init(&rules, NULL, 0, 14, 3);
    alert_state_init(&state);
    see(&sight, &(struct step){90, "A", ""}, 7);
    assert_int_equal(alerts_step(&state, &rules, &sight, sight.time_ms, changes), 1);
    assert_true(alert_is_old(&state, &sight, sight.time_ms));
    /* A spool that is replayed: seen before, told later. */
    see(&sight, &(struct step){89, "B", ""}, 6);
    assert_true(alert_is_old(&state, &sight, BEGIN_MS + 91 * DAY_MS));
    assert_int_equal(alerts_step(&state, &rules, &sight, BEGIN_MS + 91 * DAY_MS, changes), 0);
    assert_int_equal(state.fingerprint[0], 'A');
    /* One of an agent whose clock is ahead. */
    see(&sight, &(struct step){400, "A", ""}, 8);
    assert_int_equal(alerts_step(&state, &rules, &sight, BEGIN_MS + 91 * DAY_MS, changes), 0);
    see(&sight, &(struct step){92, "B", ""}, 9);
    assert_int_equal(alerts_step(&state, &rules, &sight, BEGIN_MS + 92 * DAY_MS, changes), 1);
    /* One that was cancelled says nothing. */
    see(&sight, &(struct step){93, "-", ""}, 10);
    sight.outcome = OUTCOME_CANCELLED;
    assert_int_equal(alerts_step(&state, &rules, &sight, BEGIN_MS + 93 * DAY_MS, changes), 0);
    assert_int_equal(state.failures, 0);
}

static void test_state_refuses(void **context) {
    uint8_t packed[ALERT_STATE_BYTES_MAX];
    struct alert_state state, full;

    (void)context;
    alert_state_init(&full);
    full.has_certificate = true;
    full.issuer_len = ALERT_ISSUER_BYTES;
    full.recent_count = ALERT_RECENT;
    full.failures = 65535;
    full.told_s = INT64_MAX;
    size_t len = alert_state_pack(&full, packed);
    assert_true(len > 0);
    for (size_t cut = 0; cut < len; cut++)
        assert_false(alert_state_unpack((struct slice){packed, cut}, &state));
    assert_true(alert_state_unpack((struct slice){packed, len}, &state));
    assert_memory_equal(&state, &full, sizeof full);
    packed[0]++;
    assert_false(alert_state_unpack((struct slice){packed, len}, &state));
}

/* Whatever stands there, nothing is read beyond it. */
static void test_state_of_noise(void **context) {
    uint8_t noise[ALERT_STATE_BYTES_MAX];
    uint64_t seed = 1;

    (void)context;
    for (int round = 0; round < 20000; round++) {
        struct alert_state state;
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)((seed = seed * UINT64_C(6364136223846793005) + 1) >> 56);
        noise[0] = 1;
        (void)!alert_state_unpack((struct slice){noise, seed % sizeof noise}, &state);
        assert_true(state.issuer_len <= ALERT_ISSUER_BYTES && state.recent_count <= ALERT_RECENT);
    }
}

/* --- Words --- */

static void assert_words(const struct buffer *words, const char *expected) {
    assert_false(words->failed);
    assert_int_equal(words->len, strlen(expected));
    assert_memory_equal(words->ptr, expected, words->len);
}

static void test_words(void **context) {
    static const struct {
        double days;
        enum alert_event event;
        const char *title;
    } cases[] = {
        {6.4, EVENT_TLS_EXPIRY, "Mail (mail.example.org:25): certificate expires in 6 days"},
        {1.9, EVENT_TLS_EXPIRY, "Mail (mail.example.org:25): certificate expires in 45 hours"},
        {0.01, EVENT_TLS_EXPIRY,
         "Mail (mail.example.org:25): certificate expires in less than an hour"},
        {-0.5, EVENT_TLS_EXPIRED, "Mail (mail.example.org:25): certificate expired 12 hours ago"},
        {-3.2, EVENT_TLS_EXPIRED, "Mail (mail.example.org:25): certificate expired 3 days ago"},
    };
    struct alert_place place = {
        .host = slice_of("mail.example.org"), .port = 25, .label = slice_of("Mail")};
    struct buffer out;

    (void)context;
    buffer_init(&out);
    for (size_t i = 0; i < ARRAY(cases); i++) {
        struct alert_change change = {.event = cases[i].event, .days_left = cases[i].days};
        out.len = 0;
        alert_add_title(&change, &place, &out);
        assert_words(&out, cases[i].title);
    }
    place = (struct alert_place){.host = slice_of("2001:db8::1"), .port = 443, .label = {NULL, 0}};
    struct alert_change change = {.event = EVENT_TLS_CHANGED,
                                  .differs = ALERT_DIFFERS_ISSUER | ALERT_DIFFERS_KEY,
                                  .old_issuer_cn = "Old CA",
                                  .old_issuer_len = 6,
                                  .old_not_after = 86400};
    struct alert_sight sight;
    see(&sight, &(struct step){0, "A", ""}, 1);
    out.len = 0;
    alert_add_title(&change, &place, &out);
    assert_words(&out, "[2001:db8::1]:443: certificate changed: issuer, key");
    out.len = 0;
    alert_add_message(&change, &sight, &out);
    assert_words(&out, "The certificate of www.example.org, issued by One, is valid until "
                       "2025-01-11T23:59:59Z. The one before, issued by Old CA, was valid until "
                       "1970-01-02T00:00:00Z.");
    out.len = 0;
    sight.issuer = slice_of("a\"\x1b\n");
    alert_add_details(&change, &sight, &place, &out);
    buffer_add_byte(&out, 0);
    assert_non_null(strstr((char *)out.ptr, "\"differs\":[\"issuer\",\"key\"]"));
    assert_non_null(strstr((char *)out.ptr, "\"issuer\":\"a\\\"\\u001b\\n\""));
    buffer_deinit(&out);
    for (int i = 0; i < ALERT_EVENTS; i++)
        assert_int_equal(alert_event_by_name(slice_of(alert_event_name((enum alert_event)i))), i);
}

static void test_status(void **context) {
    struct alert_rules rules;
    struct alert_sight sight;

    (void)context;
    alert_rules_init(&rules, NULL, 0, 14, 3);
    see(&sight, &(struct step){0, "A", ""}, 1);
    struct {
        double day;
        enum status status;
    } cases[] = {{50, STATUS_OK},         {85.99, STATUS_OK},    {86, STATUS_WARNING},
                 {96.99, STATUS_WARNING}, {97, STATUS_CRITICAL}, {100.1, STATUS_CRITICAL},
                 {300, STATUS_CRITICAL},  {9.9, STATUS_CRITICAL}}; /* not valid yet */
    for (size_t i = 0; i < ARRAY(cases); i++)
        assert_int_equal(
            alert_status(&rules, &sight, BEGIN_MS + (int64_t)(cases[i].day * (double)DAY_MS)),
            cases[i].status);
    sight.not_after = INT64_MAX;
    assert_int_equal(alert_status(&rules, &sight, BEGIN_MS + 50 * DAY_MS), STATUS_OK);
    sight.not_after = INT64_MIN;
    assert_int_equal(alert_status(&rules, &sight, BEGIN_MS + 50 * DAY_MS), STATUS_CRITICAL);
    sight.has_certificate = false;
    assert_int_equal(alert_status(&rules, &sight, BEGIN_MS), STATUS_ERROR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_of_a_run),     cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_repeated_and_old), cmocka_unit_test(test_state_refuses),
        cmocka_unit_test(test_state_of_noise),   cmocka_unit_test(test_words),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
