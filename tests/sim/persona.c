#include "tests/sim/persona.h"

#include <errno.h>

#define BIT(outcome) (UINT32_C(1) << (outcome))

enum {
    OK = BIT(OUTCOME_OK),
    FAILED = BIT(OUTCOME_TLS_FAILED),
    ALERT = BIT(OUTCOME_TLS_ALERT),
    LARGE = BIT(OUTCOME_TOO_LARGE),
    NO_TLS = BIT(OUTCOME_PROTOCOL_ERROR),
    UNPARSABLE = BIT(OUTCOME_CERTIFICATE_UNPARSABLE),
    RESET = BIT(OUTCOME_RESET),
    UNREACHABLE = BIT(OUTCOME_UNREACHABLE),
    NO_STARTTLS = BIT(OUTCOME_STARTTLS_REFUSED),
};

/* What comes of a service without faults, by plan; 0: it keeps the client waiting. */
struct expectation {
    uint32_t handshake, grab;
    bool has_leaf;
    uint8_t weights[MOOD_COUNT];
};

static const struct expectation expectations[SERVICE_COUNT] = {
    [SERVICE_REAL] = {OK, OK, true, {60, 40, 8, 2}},
    /* The handshake is refused, and the grab that follows gets the certificate. */
    [SERVICE_SSL30] = {OK, OK, true, {4, 3, 2, 0}},
    [SERVICE_TLS10] = {FAILED, OK, true, {4, 3, 2, 0}},
    [SERVICE_TLS12] = {FAILED, OK, true, {20, 8, 4, 2}},
    [SERVICE_TLS13] = {OK, OK, true, {20, 8, 4, 2}},
    [SERVICE_SMALL_RECORDS] = {FAILED, OK, true, {4, 3, 3, 0}},
    [SERVICE_LONG_CHAIN] = {FAILED, OK, true, {1, 1, 1, 0}},
    [SERVICE_HUGE_CHAIN] = {LARGE, LARGE, false, {0, 1, 1, 0}},
    [SERVICE_UNPARSABLE] = {UNPARSABLE, UNPARSABLE, false, {0, 3, 3, 0}},
    [SERVICE_ALERT] = {ALERT, ALERT, false, {1, 4, 4, 0}},
    [SERVICE_NO_PROTOCOL] = {ALERT, ALERT, false, {1, 3, 3, 0}},
    [SERVICE_CLOSE_NOTIFY] = {ALERT, ALERT, false, {0, 2, 2, 0}},
    [SERVICE_HTTP] = {NO_TLS, NO_TLS, false, {1, 4, 4, 0}},
    [SERVICE_GREETING] = {NO_TLS, NO_TLS, false, {0, 3, 3, 0}},
    [SERVICE_NOISE] = {FAILED | LARGE | ALERT, FAILED | LARGE | ALERT, false, {0, 2, 4, 0}},
    [SERVICE_ECHO] = {FAILED, FAILED, false, {0, 2, 2, 0}},
    [SERVICE_WARNINGS] = {FAILED, LARGE, false, {0, 1, 3, 0}},
    [SERVICE_CIPHER_CHANGES] = {FAILED, FAILED, false, {0, 1, 3, 0}},
    [SERVICE_DATA] = {FAILED, FAILED, false, {0, 1, 3, 0}},
    [SERVICE_EMPTY_RECORDS] = {FAILED, FAILED, false, {0, 1, 3, 0}},
    [SERVICE_HELLO_REQUESTS] = {FAILED, FAILED, false, {0, 1, 3, 0}},
    [SERVICE_GIANT_MESSAGE] = {LARGE, LARGE, false, {0, 1, 3, 0}},
    [SERVICE_RETRIES] = {FAILED, FAILED, false, {0, 2, 3, 0}},
    [SERVICE_LONG_COOKIE] = {LARGE, LARGE, false, {0, 1, 2, 0}},
    [SERVICE_SILENCE] = {0, 0, false, {1, 4, 10, 40}},
};

static enum service draw_service(struct random *random, enum scenario_mood mood, bool clear) {
    uint64_t sum = 0;

    for (int i = 0; i < SERVICE_COUNT; i++)
        sum += expectations[i].weights[mood];
    uint64_t at = random_below(random, sum);
    for (int i = 0;; i++) {
        if (at < expectations[i].weights[mood])
            return clear && i == SERVICE_GREETING ? SERVICE_HTTP : (enum service)i;
        at -= expectations[i].weights[mood];
    }
}

/* A while that is over long before a deadline, or close to it on either side, or long after. */
static uint64_t draw_while(struct random *random, uint32_t deadline_ms, bool *brisk) {
    uint64_t deadline_ns = deadline_ms * SIM_MS, around_ns = 20 * SIM_MS;
    uint32_t kind = (uint32_t)random_below(random, 100);

    if (kind < 80)
        return sim_scaled(random, 1000, 5 * SIM_MS);
    *brisk = false;
    if (kind < 92)
        return sim_scaled(random, 1000, deadline_ns);
    return (deadline_ns > around_ns ? deadline_ns - around_ns : 0) +
           random_below(random, 2 * around_ns);
}

static void draw_connect(struct persona *persona, const struct scenario *scenario,
                         struct random *random) {
    static const uint32_t ACCEPTED_PERMILLE[MOOD_COUNT] = {980, 800, 800, 150};
    static const struct {
        int error;
        enum outcome outcome;
    } REFUSALS[] = {
        {ECONNREFUSED, OUTCOME_REFUSED},    {EHOSTUNREACH, OUTCOME_UNREACHABLE},
        {ENETUNREACH, OUTCOME_UNREACHABLE}, {ECONNRESET, OUTCOME_RESET},
        {EPERM, OUTCOME_BLOCKED},           {EACCES, OUTCOME_BLOCKED},
        {ETIMEDOUT, OUTCOME_TIMEOUT},
    };

    persona->connect_ns = draw_while(random, scenario->probe.connect_timeout_ms, &persona->brisk);
    if (sim_chance(random, 50)) {
        persona->welcomes = 1;
        persona->brisk = false;
    }
    if (sim_chance(random, ACCEPTED_PERMILLE[scenario->mood]))
        return;
    persona->outcomes = 0;
    persona->brisk = false;
    persona->never_answers = sim_chance(random, 400);
    size_t at = random_below(random, sizeof REFUSALS / sizeof REFUSALS[0]);
    if (persona->never_answers)
        return;
    persona->connect_error = REFUSALS[at].error;
    persona->outcomes = BIT(REFUSALS[at].outcome);
}

static void draw_pace(struct persona *persona, const struct scenario *scenario,
                      struct random *random) {
    uint32_t kind = (uint32_t)random_below(random, 100);

    persona->think_ns = draw_while(random, scenario->probe.handshake_timeout_ms, &persona->brisk);
    persona->piece = 8192;
    persona->gap_ns = sim_scaled(random, 1000, 100 * 1000);
    persona->even = sim_chance(random, 500);
    if (kind < 45) {
        persona->even = true;
    } else if (kind < 75) {
        persona->piece = (uint32_t)sim_scaled(random, 16, 4096);
    } else if (kind < 90) {
        persona->dribble = (uint32_t)sim_scaled(random, 1, 600);
    } else if (kind < 95) {
        persona->piece = (uint32_t)sim_scaled(random, 64, 4096);
        persona->gap_ns = sim_scaled(random, SIM_MS, SIM_SECOND);
        persona->brisk = false;
    } else {
        persona->piece = 1; /* a byte a second */
        persona->gap_ns = SIM_SECOND;
        persona->brisk = false;
    }
}

static void draw_fault(struct persona *persona, struct random *random, uint32_t permille) {
    static const uint32_t OUTCOMES[] = {
        [FAULT_NONE] = 0,
        [FAULT_END] = FAILED,
        [FAULT_RESET] = RESET,
        [FAULT_STALL] = 0,
        [FAULT_DAMAGE] = OK | FAILED | ALERT | LARGE | NO_TLS | UNPARSABLE,
    };
    static const uint32_t IN_THE_CLEAR[] = {
        [FAULT_NONE] = 0,  [FAULT_END] = NO_TLS,         [FAULT_RESET] = 0,
        [FAULT_STALL] = 0, [FAULT_DAMAGE] = NO_STARTTLS,
    };

    if (!sim_chance(random, permille))
        return;
    persona->brisk = false;
    persona->fault = (uint8_t)sim_between(random, FAULT_END, FAULT_DAMAGE);
    persona->fault_at = (uint32_t)(sim_chance(random, 300)   ? random_below(random, 16)
                                   : sim_chance(random, 500) ? random_below(random, 300)
                                                             : random_below(random, 4500));
    persona->damage = sim_chance(random, 500) ? (uint8_t)(1 << random_below(random, 8))
                                              : (uint8_t)sim_between(random, 1, 255);
    persona->unbidden = persona->fault_at == 0 && sim_chance(random, 500);
    persona->fault_error = ECONNRESET;
    persona->outcomes |= OUTCOMES[persona->fault];
    if (persona->dialogue)
        persona->outcomes |= IN_THE_CLEAR[persona->fault];
    if (persona->fault == FAULT_DAMAGE)
        persona->has_leaf = false;
    if (persona->fault == FAULT_RESET && sim_chance(random, 200)) {
        persona->fault_error = EHOSTUNREACH;
        persona->outcomes |= UNREACHABLE;
    }
}

static void draw_send_fault(struct persona *persona, struct random *random) {
    static const int ERRORS[] = {EPIPE, ECONNRESET, EAGAIN};

    if (!sim_chance(random, 30))
        return;
    persona->brisk = false;
    persona->send_fails = (uint32_t)sim_between(random, 1, 2);
    persona->send_error = ERRORS[random_below(random, sizeof ERRORS / sizeof ERRORS[0])];
    persona->outcomes |= persona->send_error == EAGAIN ? UNREACHABLE : RESET;
}

static uint64_t seed_of(const struct scenario *scenario, uint32_t target,
                        const struct address *address) {
    uint64_t seed = (scenario->seed ^ (uint64_t)target << 40) + address->family;

    for (size_t i = 0; i < sizeof address->bytes; i++)
        seed = (seed ^ address->bytes[i]) * UINT64_C(0x100000001b3);
    return seed;
}

void persona_draw(struct persona *persona, const struct scenario *scenario, uint32_t target,
                  const struct address *address, uint32_t *handshakes) {
    static const uint32_t FAULT_PERMILLE[MOOD_COUNT] = {20, 300, 400, 100};
    struct random random;

    random_init(&random, seed_of(scenario, target, address));
    const struct sim_dialogue *dialogue = sim_dialogue_of(scenario->targets[target].protocol);
    enum service service = draw_service(&random, scenario->mood, dialogue != NULL);
    if (service == SERVICE_REAL && *handshakes == 0)
        service = SERVICE_TLS12;
    else if (service == SERVICE_REAL)
        --*handshakes;
    const struct expectation *expectation = &expectations[service];
    bool grab = scenario->probe.plan == PLAN_GRAB;
    *persona = (struct persona){
        .dialogue = dialogue,
        .refuses = dialogue && sim_chance(&random, 100),
        .service = (uint8_t)service,
        .server = (uint8_t)random_below(&random, SIM_SERVER_COUNT),
        .leaf = (uint8_t)random_below(&random, SIM_LEAVES),
        .expected = grab ? expectation->grab : expectation->handshake,
        .has_leaf = expectation->has_leaf,
    };
    persona->brisk = persona->has_leaf || persona->refuses;
    if (service == SERVICE_REAL && persona->server == SIM_SERVER_TLS12_ASKS && !grab)
        persona->expected = ALERT;
    if (persona->refuses)
        persona->expected = NO_STARTTLS;
    /* A handshake that was refused tells, too, when the grab behind it comes to nothing. */
    persona->outcomes = persona->expected | (grab ? 0 : (uint32_t)FAILED);
    draw_pace(persona, scenario, &random);
    draw_fault(persona, &random, FAULT_PERMILLE[scenario->mood]);
    draw_send_fault(persona, &random);
    draw_connect(persona, scenario, &random);
}
