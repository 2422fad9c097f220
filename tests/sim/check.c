#include "tests/sim/check.h"

#include "engine/base/address_set.h"
#include "engine/probe/caps.h"
#include "engine/probe/slot.h"
#include "tests/sim/sim_memory.h"

#include <inttypes.h>
#include <stdlib.h>

void check_init(struct check *check, struct sim_world *world, const struct address_set *excluded) {
    *check = (struct check){
        .world = world, .excluded = excluded, .handshakes = world->scenario->handshakes};
}

void check_deinit(struct check *check) {
    for (uint32_t i = 0; i < check->world->scenario->target_count; i++) {
        for (struct met *met = check->fates[i].met, *next; met; met = next) {
            next = met->next;
            free(met);
        }
    }
}

struct met *check_meet(struct check *check, uint32_t target, const struct address *address) {
    struct fate *fate = &check->fates[target];

    for (struct met *met = fate->met; met; met = met->next)
        if (address_equal(&met->address, address))
            return met;
    struct met *met = malloc(sizeof *met);
    *met = (struct met){.next = fate->met, .address = *address};
    persona_draw(&met->persona, check->world->scenario, target, address, &check->handshakes);
    fate->met = met;
    sim_note(check->world, "meets", target,
             met->persona.service | (uint64_t)met->persona.server << 8,
             met->persona.fault | (uint64_t)met->persona.fault_at << 8);
    return met;
}

/* --- The wire ------------------------------------------------------------------------------- */

static bool same_network(const struct address *a, const struct address *b) {
    return a->family == b->family &&
           memcmp(a->bytes, b->bytes, a->family == ADDRESS_V4 ? 3 : 6) == 0;
}

static void check_caps(const struct check *check, const struct address *address) {
    const struct scenario *scenario = check->world->scenario;
    uint32_t host = 0, network = 0;

    for (uint32_t i = 0; i < check->open_count; i++) {
        host += address_equal(&check->open[i].address, address);
        network += same_network(&check->open[i].address, address);
    }
    CHECK(!scenario->per_host || host < scenario->per_host,
          "%u connections to one host, at most %u", host + 1, scenario->per_host);
    CHECK(!scenario->per_network || network < scenario->per_network,
          "%u connections to one network, at most %u", network + 1, scenario->per_network);
}

/* A leaky bucket holds if, and only if, no window of time sees more than its share and a burst. */
static void check_pace(struct check *check) {
    uint64_t interval_ns = check->world->scenario->probe.connect_interval_ns;
    uint64_t now_ns = check->world->now_ns, leaked_ns = now_ns - check->filled_ns;

    check->level_ns = check->level_ns > leaked_ns ? check->level_ns - leaked_ns : 0;
    check->level_ns += interval_ns;
    check->filled_ns = now_ns;
    CHECK(check->level_ns <= interval_ns + RATE_BURST_MS * SIM_MS,
          "connections are ahead of the pace by %.3f ms",
          (double)(check->level_ns - interval_ns) / 1e6);
}

struct met *check_connecting(struct check *check, uint32_t target, const struct address *address) {
    const struct scenario *scenario = check->world->scenario;
    struct fate *fate = &check->fates[target];

    CHECK(!check->over, "target %u connects after the end was asked for", target);
    CHECK(!fate->ended, "target %u connects after its last record", target);
    CHECK(check->open_count < scenario->probe.slots, "more connections than slots");
    CHECK(!check->excluded || scenario->targets[target].address.family != ADDRESS_NONE ||
              !address_set_contains(check->excluded, address),
          "target %u connects to an excluded address", target);
    check_caps(check, address);
    check_pace(check);
    check->open[check->open_count++] =
        (struct open_connection){.target = target, .address = *address};
    check->counts.connections++;
    if (fate->lacked)
        fate->clock_ns = check->world->now_ns;
    fate->lacked = fate->send_failed = false;
    fate->connect_ns = check->world->now_ns;
    fate->converse_ns = fate->hello_ns = 0;
    return check_meet(check, target, address);
}

static struct open_connection *connection_of(struct check *check, uint32_t target) {
    for (uint32_t i = 0; i < check->open_count; i++)
        if (check->open[i].target == target)
            return &check->open[i];
    sim_fail(check->world, "target %u has no connection", target);
}

void check_connected(struct check *check, uint32_t target, int error, bool lacking) {
    struct fate *fate = &check->fates[target];

    if (!error)
        connection_of(check, target)->number = ++check->connected;
    if (!lacking)
        return;
    fate->lacked = true;
    fate->lacks++;
    fate->clock_ns = check->world->now_ns;
}

/* Conversations are for those first who have waited longest. */
void check_conversing(struct check *check, uint32_t target) {
    struct fate *fate = &check->fates[target];
    struct open_connection *own = connection_of(check, target);

    if (fate->converse_ns)
        return;
    fate->converse_ns = check->world->now_ns;
    own->converses = true;
    for (uint32_t i = 0; i < check->open_count; i++) {
        const struct open_connection *other = &check->open[i];
        CHECK(other->converses || !other->number || other->number > own->number,
              "target %u overtakes target %u, which waits", target, other->target);
    }
}

void check_greeted(struct check *check, uint32_t target) {
    struct fate *fate = &check->fates[target];

    if (!fate->hello_ns)
        fate->hello_ns = check->world->now_ns;
}

void check_send_failed(struct check *check, uint32_t target) {
    check->fates[target].send_failed = true;
}

void check_received(struct check *check, size_t len) {
    check->counts.bytes_received += len;
}

void check_closing(struct check *check, uint32_t target, bool connecting) {
    const struct prober_settings *settings = &check->world->scenario->probe;
    const struct fate *fate = &check->fates[target];
    uint64_t now_ns = check->world->now_ns, slack_ns = check_slack_ns(check);
    struct open_connection *own = connection_of(check, target);

    *own = check->open[--check->open_count];
    CHECK(!connecting ||
              now_ns - fate->connect_ns <= settings->connect_timeout_ms * SIM_MS + slack_ns,
          "target %u waited %.3f ms for a connection", target,
          (double)(now_ns - fate->connect_ns) / 1e6);
    CHECK(!fate->converse_ns || fate->hello_ns ||
              now_ns - fate->converse_ns <= settings->starttls_timeout_ms * SIM_MS + slack_ns,
          "target %u spoke in the clear for %.3f ms", target,
          (double)(now_ns - fate->converse_ns) / 1e6);
    CHECK(!fate->hello_ns ||
              now_ns - fate->hello_ns <= settings->handshake_timeout_ms * SIM_MS + slack_ns,
          "target %u spoke TLS for %.3f ms", target, (double)(now_ns - fate->hello_ns) / 1e6);
}

/* --- The sweep ------------------------------------------------------------------------------ */

void check_started(struct check *check, uint32_t target) {
    CHECK(check->cancelled || !check->prober->in_state[SLOT_PAUSED],
          "target %u starts while the machine lacks what others need", target);
    check->fates[target].clock_ns = check->world->now_ns;
    check->counts.started++;
}

static bool has_deadline(const struct slot *slot) {
    return slot->state != SLOT_FREE && slot->state != SLOT_CLOSING;
}

/* The prober's own books. The time of who is held back does not run. */
void check_stepped(struct check *check) {
    const struct prober *prober = check->prober;
    uint64_t now_ns = check->world->now_ns;
    uint64_t late_ns = check_slack_ns(check) + check->world->scenario->trouble.close_ns;
    uint32_t busy = 0, held = 0, paused = 0, waiting = 0, conversing = 0;

    for (uint32_t i = 0; i < prober->settings->slots; i++) {
        const struct slot *slot = &prober->slots[i];
        uint32_t target = slot->target.port - (uint32_t)SCENARIO_PORT_FIRST;
        busy += slot->state != SLOT_FREE;
        held += slot->state == SLOT_HELD;
        paused += slot->state == SLOT_PAUSED;
        waiting += slot->state == SLOT_WAITING;
        conversing += slot->conversation != NULL;
        if (slot->state == SLOT_HELD)
            check->fates[target].clock_ns = now_ns;
        CHECK(!has_deadline(slot) || wheel_armed(&slot->timer), "target %u has no deadline",
              target);
        CHECK(!has_deadline(slot) || now_ns <= slot->hard_ns + late_ns,
              "target %u is over its time", target);
        CHECK(slot->state == SLOT_FREE || !check->fates[target].ended ||
                  (slot->state == SLOT_CLOSING && !slot->again),
              "target %u goes on after its last record", target);
    }
    CHECK(busy == prober->busy && busy == prober->statistics.busy, "%u of %u slots are busy", busy,
          prober->busy);
    CHECK(held == prober->in_state[SLOT_HELD] && paused == prober->in_state[SLOT_PAUSED] &&
              waiting == prober->in_state[SLOT_WAITING],
          "%u held, %u paused, %u waiting", held, paused, waiting);
    CHECK(conversing == prober->statistics.handshakes, "%u conversations", conversing);
    CHECK(!waiting || conversing == prober->settings->conversations,
          "%u targets wait while a conversation is free", waiting);
}

/* All that was taken from the caps was given back. */
static void check_caps_empty(const struct check *check, const struct address *address) {
    const struct scenario *scenario = check->world->scenario;
    uint32_t host = scenario->per_host ? scenario->per_host : UINT32_MAX;
    uint32_t network = scenario->per_network ? scenario->per_network : UINT32_MAX;
    uint32_t cap = host < network ? host : network, count = 0;

    if (!check->prober->settings->caps)
        return;
    while (count <= cap && caps_take(check->prober->settings->caps, address))
        count++;
    CHECK(count == cap, "%u connections to one host are allowed at the end, not %u", count, cap);
    while (count--)
        caps_give(check->prober->settings->caps, address);
}

void check_ended(struct check *check) {
    const struct scenario *scenario = check->world->scenario;
    const struct prober_statistics *expected = &check->counts;
    struct prober_statistics counts = {0};
    uint64_t lacks = 0;

    for (uint32_t i = 0; i < scenario->target_count; i++) {
        CHECK(check->fates[i].ended, "target %u has no last record", i);
        lacks += check->fates[i].lacks;
        for (const struct met *met = check->fates[i].met; met; met = met->next)
            check_caps_empty(check, &met->address);
    }
    CHECK(check->spoilt <= sim_memory.refused,
          "%" PRIu64 " allocations refused have spoilt %" PRIu64 " records", sim_memory.refused,
          check->spoilt);
    CHECK(check->open_count == 0, "%u connections are open at the end", check->open_count);
    prober_statistics_add(check->prober, &counts);
    CHECK(counts.started == scenario->target_count && counts.started == expected->started,
          "%" PRIu64 " targets started", counts.started);
    CHECK(counts.finished == expected->finished && counts.further == expected->further &&
              counts.finished == counts.started + counts.further,
          "%" PRIu64 " records, %" PRIu64 " of them further ones", counts.finished, counts.further);
    CHECK(counts.connections == expected->connections &&
              counts.bytes_received == expected->bytes_received,
          "%" PRIu64 " connections, %" PRIu64 " bytes", counts.connections, counts.bytes_received);
    CHECK(counts.back_pressure <= lacks, "%" PRIu64 " times back pressure", counts.back_pressure);
    CHECK(counts.busy == 0 && counts.handshakes == 0, "something is busy at the end");
    for (int i = 0; i < OUTCOME_COUNT; i++)
        CHECK(counts.outcomes[i] == expected->outcomes[i], "%s: %" PRIu64 " counted",
              outcome_name((enum outcome)i), counts.outcomes[i]);
    for (int i = 0; i < STATUS_COUNT; i++)
        CHECK(counts.statuses[i] == expected->statuses[i], "%s: %" PRIu64 " counted",
              status_name((enum status)i), counts.statuses[i]);
    for (int i = 0; i < FINDING_COUNT; i++)
        CHECK(counts.findings[i] == expected->findings[i], "%s: %" PRIu64 " counted",
              finding_name((enum finding)i), counts.findings[i]);
}
