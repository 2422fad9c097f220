#include "tests/sim/check.h"

#include "engine/base/address_set.h"
#include "tests/sim/sim_memory.h"

#include <inttypes.h>

enum { LACKS_MAX = 300 }; /* more often than that, and the address is to blame */

static bool is_named(const struct target *target) {
    return target->address.family == ADDRESS_NONE;
}

static uint32_t allowed_addresses(const struct check *check, const struct probe_record *record) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < record->address_count; i++)
        count += !check->excluded || !address_set_contains(check->excluded, &record->addresses[i]);
    return count;
}

/* The record is the target's own, and tells of an address it may have. */
static void check_identity(struct check *check, const struct target *target,
                           const struct probe_record *record) {
    struct met *met = check_meet(check, (uint32_t)target->ticket - 1, &record->address);
    bool listed = false;

    CHECK(!met->told, "two records of one address");
    met->told = true;

    CHECK(slice_equal(record->sni, target_name(target)), "a record with another's name");
    CHECK(record->host.len > 0 && (!target->name_len || slice_equal(record->host, record->sni)),
          "a record with another's host");
    if (!is_named(target)) {
        CHECK(address_equal(&record->address, &target->address), "a record of another's address");
        return;
    }
    for (uint32_t i = 0; i < record->address_count; i++)
        listed = listed || address_equal(&record->addresses[i], &record->address);
    CHECK(listed || (record->address.family == ADDRESS_NONE && record->address_count == 0),
          "a record of an address that the name does not have");
    CHECK(allowed_addresses(check, record) == record->address_count,
          "a record lists an excluded address");
}

/* Its last record, and none after it, gives back the ticket of a target that was not cancelled. */
static void check_order(const struct check *check, struct fate *fate, const struct target *target,
                        const struct probe_record *record) {
    bool all = check->world->scenario->probe.all_addresses;
    bool cancelled = record->outcome == OUTCOME_CANCELLED;

    CHECK(!fate->ended, "a record after the last");
    fate->records++;
    fate->ended = cancelled || record->head.ticket != 0;
    CHECK(!cancelled || (check->cancelled && record->head.ticket == 0), "cancelled by nobody");
    CHECK(record->head.ticket == 0 || record->head.ticket == target->ticket, "another's ticket");
    CHECK(fate->ended || all, "a first record that is not the last");
    CHECK(!fate->ended || check->cancelled || !all || fate->records == record->address_count ||
              (fate->records == 1 && record->address_count == 0),
          "%u records of %u addresses", fate->records, record->address_count);
}

/* What it waited for was late by then. */
static bool is_timeout_due(const struct check *check, const struct fate *fate) {
    const struct prober_settings *settings = &check->world->scenario->probe;
    uint64_t now_ns = check->world->now_ns;

    if (now_ns - fate->clock_ns + check_slack_ns(check) >= settings->total_timeout_ms * SIM_MS)
        return true;
    if (fate->hello_ns)
        return now_ns - fate->hello_ns >= settings->handshake_timeout_ms * SIM_MS;
    if (fate->converse_ns)
        return now_ns - fate->converse_ns >= settings->starttls_timeout_ms * SIM_MS;
    return now_ns - fate->connect_ns >= settings->connect_timeout_ms * SIM_MS;
}

static bool is_plausible(struct check *check, const struct fate *fate, uint32_t target,
                         const struct probe_record *record) {
    const struct persona *persona = &check_meet(check, target, &record->address)->persona;
    bool in_time = persona->brisk && scenario_is_calm(check->world->scenario);

    if (record->outcome == OUTCOME_CANCELLED)
        return true;
    if (in_time)
        return persona->expected >> record->outcome & 1;
    if (record->outcome == OUTCOME_TIMEOUT && !fate->send_failed && is_timeout_due(check, fate))
        return true;
    if (record->outcome == OUTCOME_UNREACHABLE && fate->lacks > LACKS_MAX)
        return true;
    return persona->outcomes >> record->outcome & 1;
}

/* What comes of a target that has no address to connect to. */
static bool is_nowhere(const struct check *check, uint32_t target,
                       const struct probe_record *record) {
    bool bad = scenario_name_is_bad(&check->world->scenario->targets[target]);

    return record->address.family == ADDRESS_NONE &&
           record->outcome == (bad ? OUTCOME_DNS_FAILED : OUTCOME_BLOCKED) &&
           (bad || check->excluded);
}

static void check_outcome(struct check *check, const struct fate *fate, uint32_t target,
                          const struct probe_record *record) {
    if (is_nowhere(check, target, record) || is_plausible(check, fate, target, record))
        return;
    CHECK(scenario_lacks_memory(check->world->scenario), "%s is no outcome of target %u: %.*s",
          outcome_name(record->outcome), target, (int)record->error.len, record->error.ptr);
    check->spoilt++; /* by one of the allocations that were refused */
}

/* The certificate is that of the server, and was judged as it should be. */
static void check_certificate(struct check *check, uint32_t target,
                              const struct probe_record *record) {
    const struct scenario *scenario = check->world->scenario;

    CHECK(record->outcome != OUTCOME_OK || record->has_certificate, "OK without a certificate");
    if (!record->has_certificate)
        return;
    const struct persona *persona = &check_meet(check, target, &record->address)->persona;
    if (!persona->has_leaf)
        return;
    CHECK(memcmp(record->certificate.fingerprint_sha256,
                 check->world->pki->fingerprints[persona->leaf], 32) == 0,
          "target %u has another's certificate", target);
    if (scenario_lacks_memory(scenario) || scenario->trouble.jump_ms)
        return;
    CHECK(record->trust.trusted || !record->trust.chain_checked, "target %u is not trusted: %.*s",
          target, (int)record->trust.error.len, record->trust.error.ptr);
    const struct target *own = &scenario->targets[target];
    bool matches = own->name_len && !scenario_name_is_bad(own);
    CHECK(record->trust.name_matches == matches, "target %u: the name should %s", target,
          matches ? "match" : "not match");
    CHECK(record->status == STATUS_OK, "target %u: status %s", target, status_name(record->status));
}

void check_record(struct check *check, const struct probe_record *record) {
    const struct scenario *scenario = check->world->scenario;
    uint32_t at = (uint32_t)record->port - SCENARIO_PORT_FIRST;
    uint64_t now_ns = check->world->now_ns;
    uint64_t most_ns = scenario->probe.total_timeout_ms * SIM_MS + 2 * check_slack_ns(check) +
                       scenario->trouble.close_ns;

    sim_note(check->world, outcome_name(record->outcome), at, record->stage,
             (uint64_t)record->plan << 32 | record->attempt);
    CHECK(at < scenario->target_count, "a record of the strange port %u", record->port);
    struct fate *fate = &check->fates[at];
    const struct target *target = &scenario->targets[at];
    check_identity(check, target, record);
    check_order(check, fate, target, record);
    CHECK(check->starts_unseen || now_ns - fate->clock_ns <= most_ns, "target %u took %.3f ms", at,
          (double)(now_ns - fate->clock_ns) / 1e6);
    check_outcome(check, fate, at, record);
    check_certificate(check, at, record);
    fate->clock_ns = now_ns; /* that of the next address */
    check->counts.finished++;
    check->counts.further += fate->records > 1;
    check->counts.outcomes[record->outcome]++;
    check->counts.statuses[record->status]++;
    for (int i = 0; i < FINDING_COUNT; i++)
        check->counts.findings[i] += record->findings >> i & 1;
}
