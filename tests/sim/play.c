#include "tests/sim/play.h"

#include "engine/base/address_set.h"
#include "engine/dns/resolver.h"
#include "engine/probe/caps.h"
#include "engine/tls/grab.h"
#include "engine/tls/handshake.h"
#include "tests/sim/check.h"
#include "tests/sim/sim_files.h"
#include "tests/sim/sim_memory.h"

#include <inttypes.h>
#include <stdlib.h>

enum { STEPS_MAX = 5 * 1000 * 1000 }; /* more, and it never ends */

/* A scenario that is played. */
struct play {
    const struct scenario *scenario;
    struct sim_world world;
    struct check check;
    struct prober_settings settings;
    struct prober *prober;
    uint32_t next; /* target */
};

/* --- The theatre ------------------------------------------------------------------------------ */

static void must(bool ok) {
    if (!ok)
        abort();
}

void theatre_init(struct theatre *theatre) {
    const struct tls_grab_options options = {0};
    struct buffer hosts;
    struct failure failure;

    sim_pki_init(&theatre->pki);
    buffer_init(&hosts);
    scenario_write_hosts(&hosts);
    struct sim_file file = sim_file_new(buffer_slice(&hosts));
    theatre->hosts = resolver_hosts_new(file.path);
    sim_file_remove(&file);
    buffer_deinit(&hosts);
    theatre->client = tls_client_new(NULL);
    theatre->profile = tls_grab_profile_new(&options);
    must(theatre->hosts && theatre->client && theatre->profile);
    must(address_set_open(&theatre->excluded, NULL, &failure) == ERROR_NONE);
    for (size_t i = 0; i < sizeof SCENARIO_EXCLUDED / sizeof SCENARIO_EXCLUDED[0]; i++)
        must(address_set_add_text(theatre->excluded, slice_of(SCENARIO_EXCLUDED[i]), &failure) ==
             ERROR_NONE);
}

void theatre_deinit(struct theatre *theatre) {
    address_set_free(theatre->excluded);
    tls_grab_profile_free(theatre->profile);
    tls_client_free(theatre->client);
    resolver_hosts_free(theatre->hosts);
    sim_pki_deinit(&theatre->pki);
}

/* --- A play --------------------------------------------------------------------------------- */

static void publish(void *owner, struct probe_record *record) {
    struct play *play = owner;
    bool charged = sim_memory_charge(false);

    check_record(&play->check, record);
    record_put(&record->head);
    sim_memory_charge(charged);
}

static void settle_memory(struct play *play) {
    const struct scenario_trouble *trouble = &play->scenario->trouble;
    uint64_t now_ns = play->world.now_ns;
    bool scarce = now_ns >= trouble->scarce_from_ns && now_ns < trouble->scarce_to_ns;

    if (scarce && !sim_memory.scarce)
        sim_memory.available = trouble->scarce_bytes;
    sim_memory.scarce = scarce;
}

static void cancel(struct play *play) {
    sim_note(&play->world, "cancel", 0, 0, 0);
    play->check.cancelled = play->check.over = true;
    sim_memory_charge(true);
    prober_cancel(play->prober);
    sim_memory_charge(false);
}

/* As a worker does: as many targets as there is room for, or none of those that are left. */
static void take_targets(struct play *play) {
    const struct scenario *scenario = play->scenario;

    while (play->next < scenario->target_count &&
           (play->check.cancelled || prober_has_room(play->prober))) {
        const struct target *target = &scenario->targets[play->next];
        sim_note(&play->world, "start", play->next, target->name_len, 0);
        check_started(&play->check, play->next++);
        sim_memory_charge(true);
        if (play->check.cancelled)
            prober_refuse(play->prober, target);
        else
            prober_start(play->prober, target);
        sim_memory_charge(false);
    }
}

static void run(struct play *play) {
    const struct scenario *scenario = play->scenario;

    while (play->next < scenario->target_count || prober_busy(play->prober)) {
        settle_memory(play);
        if (play->world.now_ns >= scenario->cancel_ns && !play->check.cancelled)
            cancel(play);
        take_targets(play);
        if (sim_chance(&play->world.random, 20))
            prober_wake(play->prober);
        bool room = play->next < scenario->target_count && prober_has_room(play->prober);
        sim_memory_charge(true);
        enum error error = prober_step(play->prober, room ? 0 : scenario->wait_ms);
        sim_memory_charge(false);
        SIM_MUST(&play->world, error == ERROR_NONE, "a step fails: %s", error_text(error));
        SIM_MUST(&play->world, play->world.steps < STEPS_MAX,
                 "no end: %u of %u targets begun, %u busy", play->next, scenario->target_count,
                 prober_busy(play->prober));
        check_stepped(&play->check);
    }
    check_ended(&play->check);
}

struct prober_settings theatre_settings(const struct theatre *theatre,
                                        const struct scenario *scenario, struct sim_world *world) {
    struct prober_settings settings = scenario->probe;

    settings.io = &sim_io_backend;
    settings.io_context = world;
    settings.hosts = theatre->hosts;
    settings.client = theatre->client;
    settings.profile = theatre->profile;
    settings.roots = theatre->pki.roots;
    settings.dns_servers = "192.0.2.53"; /* never asked */
    settings.excluded = scenario->excludes ? theatre->excluded : NULL;
    if (scenario->per_host || scenario->per_network) {
        settings.caps = caps_new(scenario->per_host, scenario->per_network);
        must(settings.caps != NULL);
    }
    return settings;
}

uint64_t play(const struct theatre *theatre, const struct scenario *scenario, bool print,
              bool leaks) {
    struct play *play = calloc(1, sizeof *play);
    struct failure failure = {0};
    uint64_t blocks = sim_memory.blocks;

    play->scenario = scenario;
    sim_memory_reset();
    play->settings = theatre_settings(theatre, scenario, &play->world);
    sim_world_init(&play->world, scenario, &theatre->pki, &play->check, print);
    check_init(&play->check, &play->world, play->settings.excluded);
    struct prober_config config = {&play->settings, scenario->seed, publish, play};
    sim_memory.refuse_at = scenario->trouble.refuse_at;
    sim_memory.refuse_step = scenario->trouble.refuse_step;
    sim_memory_charge(true);
    enum error error = prober_open(&play->prober, &config, &failure);
    sim_memory_charge(false);
    play->check.prober = play->prober;
    if (error == ERROR_NONE)
        run(play);
    else
        SIM_MUST(&play->world, sim_memory.refused && failure.code, "it cannot be opened: %s",
                 failure.text);
    prober_close(play->prober);
    check_deinit(&play->check);
    caps_free(play->settings.caps);
    SIM_MUST(&play->world, !leaks || sim_memory.blocks == blocks,
             "%" PRId64 " blocks are allocated more than before",
             (int64_t)(sim_memory.blocks - blocks));
    uint64_t trace = play->world.trace;
    free(play);
    return trace;
}
