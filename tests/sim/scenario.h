/* What one seed stands for: who is probed, how, and what goes wrong. Drawn from the seed alone; the
 * peers behind the addresses are drawn from it as they are met (persona.h). Times are of the
 * simulation's clock, which starts at 0. */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include "engine/base/random.h"
#include "engine/probe/prober.h"

enum {
    SCENARIO_TARGETS_MAX = 200,
    SCENARIO_SLOTS_MAX = 64,
    SCENARIO_PORT_FIRST =
        1000, /* every target has a port of its own, so that it can be told by it */
    SCENARIO_NAMES = 256,
    SCENARIO_NAME_ADDRESSES_MAX = 8,
};

static const uint64_t SIM_MS = 1000000, SIM_SECOND = 1000000000, SIM_NEVER = UINT64_MAX;

/* What most of the peers are like. */
enum scenario_mood { MOOD_GOOD, MOOD_MIXED, MOOD_HOSTILE, MOOD_DEAD, MOOD_COUNT };

/* The machine's own troubles; all zero is none. */
struct scenario_trouble {
    uint64_t lack_from_ns, lack_to_ns; /* no connection can be made in between … */
    int lack_error;                    /* … but fails with this errno */
    uint32_t descriptors;              /* sockets open at once at most, EMFILE behind it; 0: all */
    bool closes_at_once;               /* as epoll does; else what is in flight delays it … */
    uint64_t close_ns;                 /* … by up to so long */
    bool shuffles;                     /* completions of one step come in any order */
    bool gathers;                      /* the loop is late, and finds several of them */
    uint32_t stall_permille;           /* steps after which the thread gets no processor … */
    uint64_t stall_ns;                 /* … for up to so long */
    uint64_t receive_ns;               /* receives wait up to so long for a buffer */
    uint64_t jump_at_ns;               /* of the wall clock … */
    int64_t jump_ms;                   /* … by so much */
    uint64_t refuse_at, refuse_step;   /* allocations that fail, see sim_memory.h */
    uint64_t scarce_from_ns, scarce_to_ns; /* no memory in between … */
    size_t scarce_bytes;                   /* … but this */
};

struct scenario {
    uint64_t seed;
    enum scenario_mood mood;
    struct prober_settings probe; /* but for its pointers, those of `world` */
    uint32_t per_host, per_network;
    bool excludes;
    uint32_t wait_ms;    /* of a step */
    uint64_t cancel_ns;  /* SIM_NEVER for never */
    uint32_t handshakes; /* servers that make real handshakes; the others make none */
    struct scenario_trouble trouble;
    uint32_t target_count;
    struct target targets[SCENARIO_TARGETS_MAX]; /* ticket: the index and one */
};

void scenario_draw(struct scenario *scenario, uint64_t seed);

/* How long after a deadline the prober may take notice: a tick of the wheel, a step, and what keeps
 * it from running. */
uint64_t scenario_slack_ns(const struct scenario *scenario);

/* A name that cannot be one: the only names that the hosts table lacks, so that nobody is asked. */
bool scenario_name_is_bad(const struct target *target);

/* Nothing but the peers can keep a target from an OK. */
bool scenario_is_calm(const struct scenario *scenario);
bool scenario_lacks_memory(const struct scenario *scenario);

/* The hosts table: line by line the addresses of all names, the same for every seed. Addresses in
 * SCENARIO_EXCLUDED are those that may be excluded. */
struct buffer;
void scenario_write_hosts(struct buffer *out);
extern const char *const SCENARIO_EXCLUDED[2];

/* --- Chances --- */

static inline bool sim_chance(struct random *random, uint32_t permille) {
    return random_below(random, 1000) < permille;
}

/* Both ends included. */
static inline uint64_t sim_between(struct random *random, uint64_t from, uint64_t to) {
    return from + random_below(random, to - from + 1);
}

/* Every order of magnitude is as likely as another; `from` is not 0. */
uint64_t sim_scaled(struct random *random, uint64_t from, uint64_t to);

#endif
