#include "tests/sim/scenario.h"

#include "engine/base/buffer.h"
#include "engine/io/wheel.h"
#include "engine/starttls/dialogue.h"
#include "tests/sim/sim_dialogue.h"

#include <errno.h>
#include <stdio.h>

const char *const SCENARIO_EXCLUDED[2] = {"10.66.0.0/16", "2001:db8:66::/48"};

uint64_t sim_scaled(struct random *random, uint64_t from, uint64_t to) {
    uint64_t octaves = 0;

    while (from << (octaves + 1) <= to)
        octaves++;
    uint64_t low = from << random_below(random, octaves + 1);
    uint64_t high = low * 2 - 1 < to ? low * 2 - 1 : to;
    return sim_between(random, low, high);
}

/* --- Names --- */

static uint32_t name_addresses(uint32_t name) {
    return 1 + name % SCENARIO_NAME_ADDRESSES_MAX;
}

/* Each sixth address may be excluded, and all of each sixteenth name. */
static void write_address(struct buffer *out, struct random *random, uint32_t name) {
    bool excluded = name % 16 == 5 || random_below(random, 6) == 0;
    uint32_t net = excluded ? 66 : 1 + name % 32, host = (uint32_t)random_below(random, 65536);

    if (random_below(random, 2))
        buffer_add_format(out, "10.%u.%u.%u", net, host >> 8, host & 255);
    else
        buffer_add_format(out, "2001:db8:%u::%x", net, host + 1);
}

void scenario_write_hosts(struct buffer *out) {
    struct random random;

    random_init(&random, 1);
    for (uint32_t name = 0; name < SCENARIO_NAMES; name++)
        for (uint32_t i = 0; i < name_addresses(name); i++) {
            write_address(out, &random, name);
            buffer_add_format(out, " n%u.sim.test\n", name);
        }
}

/* --- Targets --- */

static uint8_t draw_protocol(struct random *random) {
    uint16_t port;

    return (uint8_t)dialogue_by_name(
        slice_of(sim_dialogues[random_below(random, SIM_DIALOGUES)].name), &port);
}

static void draw_targets(struct scenario *scenario, struct random *random) {
    uint32_t kind = (uint32_t)random_below(random, 100);
    uint32_t names_permille = (uint32_t)random_below(random, 3) * 500;
    uint32_t hosts = (uint32_t)sim_scaled(random, 1, 512);
    uint32_t clear_permille = sim_chance(random, 250) ? 500 : 0;

    scenario->target_count =
        (uint32_t)(kind < 55   ? sim_between(random, 1, 8)
                   : kind < 90 ? sim_between(random, 9, 40)
                               : sim_between(random, 41, SCENARIO_TARGETS_MAX));
    for (uint32_t i = 0; i < scenario->target_count; i++) {
        struct target *target = &scenario->targets[i];
        *target = (struct target){.ticket = i + 1, .port = (uint16_t)(SCENARIO_PORT_FIRST + i)};
        if (sim_chance(random, clear_permille))
            target->protocol = draw_protocol(random);
        if (sim_chance(random, names_permille))
            target->name_len = (uint8_t)snprintf(
                target->name, sizeof target->name, "n%u%s.sim.test",
                (unsigned)random_below(random, SCENARIO_NAMES), sim_chance(random, 30) ? "." : "");
        if (target->name_len && sim_chance(random, 800))
            continue;
        uint32_t host = (uint32_t)random_below(random, hosts);
        target->address = (struct address){
            .family = ADDRESS_V4, .bytes = {10, 99, (uint8_t)(host / 16), (uint8_t)(host % 16)}};
    }
}

bool scenario_name_is_bad(const struct target *target) {
    return strstr(target->name, "..") != NULL;
}

/* --- The machine's troubles --- */

static void draw_lack(struct scenario_trouble *trouble, struct random *random) {
    static const int ERRORS[] = {EMFILE, ENFILE, EADDRNOTAVAIL, ENOBUFS, ENOMEM, EAGAIN};

    trouble->lack_from_ns = random_below(random, 200 * SIM_MS);
    trouble->lack_to_ns = trouble->lack_from_ns + sim_scaled(random, SIM_MS, 4 * SIM_SECOND);
    trouble->lack_error = ERRORS[random_below(random, sizeof ERRORS / sizeof ERRORS[0])];
}

static void draw_memory(struct scenario_trouble *trouble, struct random *random) {
    if (sim_chance(random, 600)) {
        trouble->refuse_at = sim_scaled(random, 1, 512);
        if (sim_chance(random, 400))
            trouble->refuse_step = sim_scaled(random, 20, 400);
        return;
    }
    trouble->scarce_from_ns = random_below(random, 20 * SIM_MS);
    trouble->scarce_to_ns = trouble->scarce_from_ns + sim_scaled(random, SIM_MS, 2 * SIM_SECOND);
    trouble->scarce_bytes = random_below(random, 2) ? 0 : sim_scaled(random, 64, 1 << 20);
}

static void draw_trouble(struct scenario *scenario, struct random *random) {
    struct scenario_trouble *trouble = &scenario->trouble;

    trouble->closes_at_once = sim_chance(random, 300);
    trouble->close_ns =
        sim_chance(random, 800) ? 100 * 1000 : sim_scaled(random, SIM_MS, SIM_SECOND);
    trouble->shuffles = sim_chance(random, 500);
    trouble->gathers = sim_chance(random, 300);
    if (sim_chance(random, 200)) {
        trouble->stall_permille = (uint32_t)sim_between(random, 1, 100);
        trouble->stall_ns = sim_scaled(random, SIM_MS, 200 * SIM_MS);
    }
    if (sim_chance(random, 150))
        trouble->receive_ns = sim_scaled(random, SIM_MS / 10, 50 * SIM_MS);
    if (sim_chance(random, 150))
        draw_lack(trouble, random);
    if (trouble->lack_error && scenario->target_count <= 8 && sim_chance(random, 100))
        trouble->lack_to_ns = SIM_NEVER;
    if (sim_chance(random, 100))
        trouble->descriptors = (uint32_t)sim_between(random, 1, scenario->probe.slots);
    if (sim_chance(random, 100)) {
        trouble->jump_at_ns = random_below(random, SIM_SECOND);
        trouble->jump_ms = (int64_t)random_below(random, UINT64_C(1) << 42) - (INT64_C(1) << 41);
    }
    if (sim_chance(random, 200))
        draw_memory(trouble, random);
}

/* --- The sweep --- */

static void draw_settings(struct scenario *scenario, struct random *random) {
    struct prober_settings *probe = &scenario->probe;

    probe->plan = sim_chance(random, 500) ? PLAN_GRAB : PLAN_HANDSHAKE;
    probe->slots = (uint32_t)sim_scaled(random, 1, SCENARIO_SLOTS_MAX);
    probe->conversations = (uint32_t)sim_between(random, 1, probe->slots);
    probe->dns_timeout_ms = (uint32_t)sim_scaled(random, 50, 5000);
    probe->connect_timeout_ms = (uint32_t)sim_scaled(random, 20, 5000);
    probe->starttls_timeout_ms = (uint32_t)sim_scaled(random, 20, 5000);
    probe->handshake_timeout_ms = (uint32_t)sim_scaled(random, 20, 10000);
    probe->total_timeout_ms = (uint32_t)sim_scaled(random, 50, 20000);
    probe->all_addresses = sim_chance(random, 300);
    probe->prefer_v4 = sim_chance(random, 300);
    probe->policy = judge_policy_default();
    if (sim_chance(random, 250))
        probe->connect_interval_ns = sim_scaled(random, 10000, 200 * SIM_MS);
    if (sim_chance(random, 250)) {
        scenario->per_host = (uint32_t)random_below(random, 4);
        scenario->per_network = (uint32_t)random_below(random, 6);
    }
    scenario->excludes = sim_chance(random, 400);
}

void scenario_draw(struct scenario *scenario, uint64_t seed) {
    static const uint32_t WAITS_MS[] = {1, 8, 8, 8, 20, 50};
    struct random random;

    *scenario = (struct scenario){.seed = seed, .cancel_ns = SIM_NEVER};
    random_init(&random, seed);
    scenario->mood = (enum scenario_mood)random_below(&random, MOOD_COUNT);
    scenario->wait_ms = WAITS_MS[random_below(&random, sizeof WAITS_MS / sizeof WAITS_MS[0])];
    scenario->handshakes = (uint32_t)random_below(&random, 16);
    draw_targets(scenario, &random);
    draw_settings(scenario, &random);
    if (sim_chance(&random, 700))
        draw_trouble(scenario, &random);
    else
        scenario->trouble.closes_at_once = sim_chance(&random, 500);
    if (sim_chance(&random, 250))
        scenario->cancel_ns = sim_scaled(&random, 1000, 4 * SIM_SECOND);
}

uint64_t scenario_slack_ns(const struct scenario *scenario) {
    const struct scenario_trouble *trouble = &scenario->trouble;

    return (WHEEL_TICK_MS + scenario->wait_ms + 1) * SIM_MS + trouble->stall_ns;
}

bool scenario_lacks_memory(const struct scenario *scenario) {
    return scenario->trouble.refuse_at || scenario->trouble.scarce_to_ns;
}

bool scenario_is_calm(const struct scenario *scenario) {
    const struct scenario_trouble *trouble = &scenario->trouble;
    const struct prober_settings *probe = &scenario->probe;

    return !trouble->stall_ns && !trouble->receive_ns && !trouble->lack_error &&
           !trouble->descriptors && trouble->close_ns <= SIM_MS &&
           !scenario_lacks_memory(scenario) && scenario->cancel_ns == SIM_NEVER &&
           scenario->wait_ms <= 8 && probe->slots == probe->conversations &&
           probe->connect_timeout_ms >= 500 && probe->starttls_timeout_ms >= 500 &&
           probe->handshake_timeout_ms >= 500 && probe->total_timeout_ms >= 2000;
}
