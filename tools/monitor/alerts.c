#include "tools/monitor/alerts.h"

#include <assert.h>

enum { S_PER_DAY = 86400, SHORT_LIFE_DAYS = 30 };
#define MS_PER_DAY INT64_C(86400000)
#define TOLD_NONE  INT64_MAX

/* --- Rules --- */

static void add_day(struct alert_rules *rules, int32_t day) {
    uint32_t at = 0;

    while (at < rules->day_count && rules->days[at] > day)
        at++;
    if (at < rules->day_count && rules->days[at] == day)
        return;
    assert(rules->day_count < ALERT_THRESHOLDS);
    memmove(&rules->days[at + 1], &rules->days[at],
            (rules->day_count - at) * sizeof rules->days[0]);
    rules->days[at] = day;
    rules->day_count++;
}

void alert_rules_init(struct alert_rules *rules, const int32_t *days, uint32_t day_count,
                      int32_t warn_days, int32_t crit_days) {
    *rules = (struct alert_rules){
        .warn_days = warn_days, .crit_days = crit_days, .failures = ALERT_FAILURES};
    add_day(rules, warn_days);
    add_day(rules, crit_days);
    for (uint32_t i = 0; i < day_count && rules->day_count < ALERT_THRESHOLDS; i++)
        add_day(rules, days[i]);
}

/* The rules in seconds, for a certificate that lives so long. */
struct limits {
    int64_t all[ALERT_THRESHOLDS]; /* falling */
    uint32_t count;
    int64_t warn, crit;
};

static struct limits limits_for(const struct alert_rules *rules, const struct alert_sight *sight) {
    double life = (double)sight->not_after - (double)sight->not_before + 1;
    struct limits limits = {.warn = (int64_t)rules->warn_days * S_PER_DAY,
                            .crit = (int64_t)rules->crit_days * S_PER_DAY};

    if (rules->defaults && life < SHORT_LIFE_DAYS * S_PER_DAY) {
        limits.warn = limits.all[0] = life > 0 ? (int64_t)(life / 3) : 0;
        limits.crit = limits.all[1] = life > 0 ? (int64_t)(life / 10) : 0;
        limits.count = 2;
        return limits;
    }
    for (; limits.count < rules->day_count; limits.count++)
        limits.all[limits.count] = (int64_t)rules->days[limits.count] * S_PER_DAY;
    return limits;
}

/* The last second of validity is `not_after` itself. Years beyond all sense are cut. */
static int64_t ms_left(int64_t not_after, int64_t now_ms) {
    const int64_t most = INT64_MAX / 4000;
    int64_t end = not_after > most ? most : not_after < -most ? -most : not_after;

    return (end + 1) * 1000 - now_ms;
}

double alert_days_left(int64_t not_after, int64_t now_ms) {
    return (double)ms_left(not_after, now_ms) / (double)MS_PER_DAY;
}

static bool is_within(int64_t left_ms, int64_t limit_s) {
    return left_ms <= limit_s * 1000;
}

enum status alert_status(const struct alert_rules *rules, const struct alert_sight *sight,
                         int64_t now_ms) {
    struct limits limits = limits_for(rules, sight);
    int64_t left_ms = ms_left(sight->not_after, now_ms);

    if (!sight->has_certificate)
        return STATUS_ERROR;
    if (left_ms <= 0 || sight->not_before > now_ms / 1000 || is_within(left_ms, limits.crit))
        return STATUS_CRITICAL;
    return is_within(left_ms, limits.warn) ? STATUS_WARNING : STATUS_OK;
}

/* --- Changes --- */

struct step {
    struct alert_state *state;
    const struct alert_rules *rules;
    const struct alert_sight *sight;
    int64_t now_ms;
    bool is_first;    /* no certificate was seen before */
    bool is_awaited;  /* expiry would be over, and is told when it is plain that it stays so */
    uint64_t current; /* the first bytes of the fingerprint */
    struct alert_change before; /* what a change says of the certificate before */
    struct alert_change *out;
    uint32_t count;
};

static uint64_t short_id(const uint8_t fingerprint[32]) {
    uint64_t id;
    memcpy(&id, fingerprint, sizeof id);
    return id;
}

static void tell(struct step *step, enum alert_topic topic, enum alert_event event,
                 enum alert_step kind, enum severity severity) {
    struct alert_change *change = &step->out[step->count++];

    *change = step->before;
    change->topic = topic;
    change->event = event;
    change->step = kind;
    change->severity = severity;
    if (step->sight->has_certificate)
        change->days_left = alert_days_left(step->sight->not_after, step->now_ms);
}

/* What is wrong, or right again, about a topic: whether it opens or resolves now. */
static bool opens(struct step *step, enum alert_topic topic) {
    struct alert_state *state = step->state;

    state->topics[topic].good = 0;
    if (state->topics[topic].is_open)
        return false;
    if (state->topics[topic].calm >= ALERT_FLAP_RESULTS)
        state->topics[topic].flaps = 0;
    else if (state->topics[topic].flaps < UINT8_MAX)
        state->topics[topic].flaps++;
    state->topics[topic].is_open = true;
    return true;
}

static bool resolves(struct step *step, enum alert_topic topic) {
    struct alert_state *state = step->state;

    if (!state->topics[topic].is_open) {
        if (state->topics[topic].calm < ALERT_FLAP_RESULTS)
            state->topics[topic].calm++;
        return false;
    }
    if (++state->topics[topic].good < (state->topics[topic].flaps ? ALERT_CALM : 1))
        return false;
    state->topics[topic].is_open = false;
    state->topics[topic].good = state->topics[topic].calm = 0;
    return true;
}

/* A topic that is wrong or is not. */
static void step_plain(struct step *step, enum alert_topic topic, bool is_wrong,
                       enum alert_event wrong, enum alert_event right, enum severity severity) {
    bool *is_given = &step->state->topics[topic].is_given;

    if (!is_wrong) {
        *is_given = false;
        if (resolves(step, topic))
            tell(step, topic, right, ALERT_RESOLVE, SEVERITY_INFO);
        return;
    }
    if (step->is_first && step->rules->is_discovered && step->sight->has_certificate)
        *is_given = true;
    if (!*is_given && opens(step, topic))
        tell(step, topic, wrong, ALERT_OPEN, severity);
}

static void step_reachable(struct step *step) {
    struct alert_state *state = step->state;
    bool failed = !step->sight->has_certificate && step->sight->outcome != OUTCOME_OK;

    if (!failed)
        state->failures = 0;
    else if (state->failures < UINT16_MAX)
        state->failures++;
    if (step->rules->is_discovered && !state->has_certificate && failed)
        return;
    if (failed && state->failures < step->rules->failures &&
        !state->topics[ALERT_UNREACHABLE].is_open)
        return;
    step_plain(step, ALERT_UNREACHABLE, failed, EVENT_TLS_UNREACHABLE, EVENT_TLS_REACHABLE,
               SEVERITY_CRITICAL);
}

/* --- Expiry --- */

static void tell_expiry(struct step *step, enum alert_step kind, int64_t crossed, bool expired,
                        const struct limits *limits) {
    int64_t left_ms = ms_left(step->sight->not_after, step->now_ms);
    enum severity severity = expired || is_within(left_ms, limits->crit) ? SEVERITY_CRITICAL
                             : is_within(left_ms, limits->warn)          ? SEVERITY_WARNING
                                                                         : SEVERITY_INFO;

    tell(step, ALERT_EXPIRY, expired ? EVENT_TLS_EXPIRED : EVENT_TLS_EXPIRY, kind, severity);
    step->out[step->count - 1].threshold_days =
        crossed == TOLD_NONE ? 0 : (double)crossed / (double)S_PER_DAY;
    step->state->told_s = crossed;
    step->state->told_expired = expired;
    step->state->told_certificate = step->current;
}

static void step_expiry(struct step *step) {
    struct alert_state *state = step->state;
    struct limits limits = limits_for(step->rules, step->sight);
    int64_t left_ms = ms_left(step->sight->not_after, step->now_ms), crossed = TOLD_NONE;
    bool expired = left_ms <= 0;

    for (uint32_t i = 0; i < limits.count; i++)
        if (is_within(left_ms, limits.all[i]))
            crossed = limits.all[i];
    if (crossed == TOLD_NONE && !expired) {
        if (resolves(step, ALERT_EXPIRY)) {
            bool renewed = state->told_certificate != step->current;
            tell(step, ALERT_EXPIRY, renewed ? EVENT_TLS_RENEWED : EVENT_TLS_EXPIRY, ALERT_RESOLVE,
                 SEVERITY_INFO);
        }
        step->is_awaited = state->topics[ALERT_EXPIRY].is_open;
        return;
    }
    uint8_t good = state->topics[ALERT_EXPIRY].good;
    if (opens(step, ALERT_EXPIRY)) {
        tell_expiry(step, ALERT_OPEN, crossed, expired, &limits);
    } else if ((expired && !state->told_expired) ||
               (!state->told_expired && crossed < state->told_s)) {
        tell_expiry(step, ALERT_UPDATE, crossed, expired, &limits);
    } else if (state->told_certificate != step->current &&
               (crossed > state->told_s || expired != state->told_expired)) {
        /* Replaced, by one that ends later but soon: what it crosses next is news, once it is plain
           that it stays. */
        state->topics[ALERT_EXPIRY].good = ++good;
        if (good >= ALERT_CALM) {
            state->told_s = crossed;
            state->told_expired = expired;
            state->told_certificate = step->current;
        }
    }
}

/* --- Another certificate --- */

static void remember(struct alert_state *state, uint64_t certificate, int64_t seen_ms) {
    uint32_t at = 0;

    while (at < state->recent_count && state->recent[at].certificate != certificate)
        at++;
    if (at == state->recent_count && at < ALERT_RECENT)
        state->recent_count++;
    else if (at == ALERT_RECENT)
        at--;
    memmove(&state->recent[1], &state->recent[0], at * sizeof state->recent[0]);
    state->recent[0].certificate = certificate;
    state->recent[0].seen_ms = seen_ms;
}

/* Whether one returns that was served within the last day, and that was told. */
static bool is_known_return(struct step *step) {
    struct alert_state *state = step->state;
    bool returns = false;

    for (uint32_t i = 0; i < state->recent_count; i++)
        returns |= state->recent[i].certificate == step->current &&
                   step->now_ms - state->recent[i].seen_ms < MS_PER_DAY;
    if (!returns)
        return false;
    if (step->now_ms - state->returned_ms >= MS_PER_DAY)
        state->returns = 0;
    state->returned_ms = step->now_ms;
    if (state->returns < UINT8_MAX)
        state->returns++;
    return state->returns > 1;
}

static bool is_known(const uint8_t spki[32]) {
    static const uint8_t zeros[32];
    return memcmp(spki, zeros, sizeof zeros) != 0;
}

static uint32_t differences(const struct alert_state *state, const struct alert_sight *sight) {
    uint32_t differs = ALERT_DIFFERS_FINGERPRINT;

    if (state->issuer_id != sight->issuer_id)
        differs |= ALERT_DIFFERS_ISSUER;
    if (state->names != sight->names)
        differs |= ALERT_DIFFERS_NAMES;
    if (is_known(state->spki) && is_known(sight->spki) &&
        memcmp(state->spki, sight->spki, sizeof state->spki) != 0)
        differs |= ALERT_DIFFERS_KEY;
    return differs;
}

/* After step_expiry, which tells of a renewal that was waited for. */
static void step_change(struct step *step) {
    const struct alert_sight *sight = step->sight;
    struct alert_state *state = step->state;

    if (step->is_first || step->current == short_id(state->fingerprint))
        return;
    bool was_told = is_known_return(step), was_awaited = step->is_awaited;
    uint32_t differs = step->before.differs;
    bool renewed = sight->not_after > state->not_after &&
                   !(differs & (ALERT_DIFFERS_ISSUER | ALERT_DIFFERS_NAMES));

    for (uint32_t i = 0; i < step->count; i++)
        was_awaited |= step->out[i].event == EVENT_TLS_RENEWED;
    remember(state, short_id(state->fingerprint), state->time_ms);
    if (was_told || (renewed && was_awaited))
        return;
    tell(step, ALERT_CHANGE, renewed ? EVENT_TLS_RENEWED : EVENT_TLS_CHANGED, ALERT_TELL,
         renewed ? SEVERITY_INFO : SEVERITY_WARNING);
}

static void keep_certificate(struct alert_state *state, const struct alert_sight *sight) {
    struct slice issuer =
        slice_first(sight->issuer_cn.len ? sight->issuer_cn : sight->issuer, ALERT_ISSUER_BYTES);

    state->has_certificate = true;
    memcpy(state->fingerprint, sight->fingerprint, sizeof state->fingerprint);
    memcpy(state->spki, sight->spki, sizeof state->spki);
    state->names = sight->names;
    state->issuer_id = sight->issuer_id;
    state->not_before = sight->not_before;
    state->not_after = sight->not_after;
    state->issuer_len = (uint8_t)issuer.len;
    if (issuer.len)
        memcpy(state->issuer_cn, issuer.ptr, issuer.len);
}

/* --- A result --- */

/* Nothing comes from the future; an agent's clock may be ahead. */
static int64_t time_of(const struct alert_sight *sight, int64_t now_ms) {
    return sight->time_ms < now_ms ? sight->time_ms : now_ms;
}

bool alert_is_old(const struct alert_state *state, const struct alert_sight *sight,
                  int64_t now_ms) {
    if (state->time_ms == 0)
        return false;
    if (sight->id && sight->id == state->last_id)
        return true;
    return time_of(sight, now_ms) < state->time_ms && now_ms >= state->time_ms;
}

static void note_before(struct step *step) {
    const struct alert_state *state = step->state;

    step->before = (struct alert_change){.old_not_after = state->not_after,
                                         .old_issuer_len = state->issuer_len};
    memcpy(step->before.old_fingerprint, state->fingerprint, sizeof state->fingerprint);
    memcpy(step->before.old_issuer_cn, state->issuer_cn, sizeof state->issuer_cn);
    if (step->sight->has_certificate && step->current != short_id(state->fingerprint))
        step->before.differs = differences(state, step->sight);
}

uint32_t alerts_step(struct alert_state *state, const struct alert_rules *rules,
                     const struct alert_sight *sight, int64_t now_ms,
                     struct alert_change out[ALERT_ENDPOINT_TOPICS]) {
    bool went_back = now_ms < state->time_ms && state->time_ms - now_ms < MS_PER_DAY;
    struct step step = {.state = state,
                        .rules = rules,
                        .sight = sight,
                        .now_ms = went_back ? state->time_ms : now_ms,
                        .is_first = !state->has_certificate,
                        .current = short_id(sight->fingerprint),
                        .out = out};

    if (sight->outcome == OUTCOME_CANCELLED || alert_is_old(state, sight, now_ms))
        return 0;
    note_before(&step);
    step_reachable(&step);
    if (sight->has_certificate) {
        step_expiry(&step);
        step_change(&step);
        if (sight->trust_known)
            step_plain(&step, ALERT_TRUST, !sight->is_trusted, EVENT_TLS_TRUST_BROKEN,
                       EVENT_TLS_TRUSTED, step.is_first ? SEVERITY_WARNING : SEVERITY_CRITICAL);
        if (sight->name_known)
            step_plain(&step, ALERT_NAME, !sight->name_matches, EVENT_TLS_NAME_MISMATCH,
                       EVENT_TLS_NAME_MATCHES,
                       step.is_first ? SEVERITY_WARNING : SEVERITY_CRITICAL);
        keep_certificate(state, sight);
    }
    state->time_ms = went_back ? state->time_ms : time_of(sight, now_ms);
    state->last_id = sight->id;
    return step.count;
}
