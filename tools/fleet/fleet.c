#include "tools/fleet/fleet.h"

#include "engine/base/clock.h"
#include "engine/base/spec_options.h"
#include "engine/nats/login_options.h"

#include <errno.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MS UINT64_C(1000000)

enum {
    TIMEOUT_MS = 2000,  /* of an answer; calls are repeated */
    PATIENCE_MS = 2000, /* for any of the servers to be there, and for its JetStream */
    PEERS_MS = 10000,   /* for all nodes of a cluster that starts */
    PAUSE_MS = 100,
    REPLICAS_USUAL = 3,
    REPLICAS_MAX = 5, /* JetStream's own bound */
    DEDUPE_MS = 10 * 60 * 1000,
    PAYLOAD_USUAL = 1 << 20, /* nats-server's default */
};

struct settings {
    struct nats_login login;
    uint64_t replicas;
};

struct fleet {
    char *via;
    struct nats_url url;
    struct settings settings; /* points into the URL's options */
    struct nats_link *link;
    uint32_t replicas;
    size_t payload_max;
    char prefix[FLEET_NAME_MAX + 1];
};

static const struct option_spec options[] = {
    NATS_LOGIN_OPTIONS(struct settings),
    {.name = "replicas",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .summary = "of what is made: on how many servers (3, or 1 where there are not so many)",
     .offset = offsetof(struct settings, replicas),
     .minimum = 1,
     .maximum = REPLICAS_MAX},
    {.name = NULL},
};

/* ---------------------------------------------------------------------------------------------
 * Connecting
 * ------------------------------------------------------------------------------------------- */

static bool is_name(const char *name) {
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    return len > 0 && len <= FLEET_NAME_MAX && !name[len];
}

static enum error read_via(struct fleet *fleet, struct failure *failure) {
    enum error error;

    if (!nats_url_takes(slice_of(fleet->via)))
        return failure_set(failure, ERROR_USAGE,
                           "a fleet is named by its NATS servers: nats://HOST:PORT,HOST:PORT/NAME");
    if ((error = nats_url_init(&fleet->url, fleet->via, failure)) ||
        (error = spec_options_parse(options, fleet->url.options, &fleet->settings, failure)))
        return error;
    const char *name = fleet->url.path ? fleet->url.path : "trawl";
    if (!is_name(name))
        return failure_set(
            failure, ERROR_USAGE,
            "%.200s: the name of a fleet is up to %d letters, digits, \"-\" and \"_\"",
            fleet->url.name, FLEET_NAME_MAX);
    snprintf(fleet->prefix, sizeof fleet->prefix, "%s", name);
    return ERROR_NONE;
}

static enum error open_link(struct fleet *fleet, const char *client, struct failure *failure) {
    struct nats_link_config config = {
        .url = &fleet->url,
        .login = &fleet->settings.login,
        .client = client,
        .timeout_ms = TIMEOUT_MS,
    };

    return nats_link_open(&fleet->link, &config, failure);
}

/* A copy of all that does not change; without a link. */
static enum error make(struct fleet **out, const char *via, struct failure *failure) {
    struct fleet *fleet = calloc(1, sizeof *fleet);

    *out = fleet;
    if (!fleet || !(fleet->via = strdup(via)))
        return failure_set(failure, ERROR_MEMORY, "no memory for a fleet");
    return read_via(fleet, failure);
}

/* A node that is not known yet is waited for: fewer replicas would stay. */
static enum error prepare_in_time(struct fleet *fleet, const struct nats_stream_wish *wish,
                                  struct nats_stream_state *state, struct failure *failure) {
    const struct timespec pause = {.tv_nsec = PAUSE_MS * (long)MS};
    uint64_t until_ns = clock_monotonic_ns() + PEERS_MS * MS;
    enum error error;

    while ((error = nats_stream_prepare(fleet->link, wish, NATS_LINK_PATIENCE_MS, state,
                                        failure)) == ERROR_LIMIT &&
           clock_monotonic_ns() < until_ns)
        (void)nanosleep(&pause, NULL);
    return error;
}

/* `state` may be NULL. */
static enum error prepare_stream(struct fleet *fleet, struct nats_stream_wish wish,
                                 struct nats_stream_state *state, struct failure *failure) {
    bool is_chosen = fleet->settings.replicas > 0;

    wish.create = true;
    wish.replicas = is_chosen ? fleet->settings.replicas : fleet->replicas;
    enum error error = prepare_in_time(fleet, &wish, state, failure);
    if ((error != ERROR_LIMIT && error != (enum error)ENOTSUP) || is_chosen)
        return error;
    wish.replicas = 1;
    return nats_stream_prepare(fleet->link, &wish, NATS_LINK_PATIENCE_MS, state, failure);
}

enum error fleet_prepare_stream(struct fleet *fleet, struct nats_stream_wish wish,
                                struct failure *failure) {
    return prepare_stream(fleet, wish, NULL, failure);
}

/* The stream of work tells how often things are replicated here; the first to come makes it. */
static enum error prepare_queue(struct fleet *fleet, struct failure *failure) {
    char name[FLEET_SUBJECT_MAX], subject[FLEET_SUBJECT_MAX];
    struct nats_stream_state state;

    fleet_work_stream(fleet, name);
    fleet_work_subject(fleet, "*", subject);
    fleet->replicas = REPLICAS_USUAL;
    struct nats_stream_wish wish = {
        .name = name,
        .subject = subject,
        .dedupe_ms = DEDUPE_MS,
        .keeps = true,
    };
    enum error error = prepare_stream(fleet, wish, &state, failure);
    if (!error)
        fleet->replicas =
            (uint32_t)(fleet->settings.replicas ? fleet->settings.replicas : state.replicas);
    return error;
}

/* A cluster that is about to start, or to elect a leader, is waited for a bit. */
static enum error reach(struct fleet *fleet, struct failure *failure) {
    const struct timespec pause = {.tv_nsec = PAUSE_MS * (long)MS};
    uint64_t until_ns = clock_monotonic_ns() + PATIENCE_MS * MS;
    enum error error;

    for (;;) {
        bool is_there = !(error = nats_link_ready(fleet->link, failure));
        if (is_there)
            error = prepare_queue(fleet, failure);
        if ((is_there || error != (enum error)ENOTCONN) && error != ERROR_UNSUPPORTED)
            return error;
        if (clock_monotonic_ns() >= until_ns)
            break;
        (void)nanosleep(&pause, NULL);
    }
    if (error == ERROR_UNSUPPORTED)
        return error;
    return failure_set(failure, error,
                       "no NATS server answers at %.200s: is one running there (nats-server -js), "
                       "and does the firewall let us through?",
                       fleet->url.name);
}

enum error fleet_open(struct fleet **out, const char *via, const char *client,
                      struct failure *failure) {
    struct fleet *fleet;
    enum error error = make(&fleet, via, failure);

    *out = NULL;
    if (!error)
        error = open_link(fleet, client, failure);
    if (!error)
        error = reach(fleet, failure);
    if (error) {
        fleet_close(fleet);
        return error;
    }
    int64_t payload_max = natsConnection_GetMaxPayload(nats_link_connection(fleet->link));
    fleet->payload_max = payload_max > 0 ? (size_t)payload_max : PAYLOAD_USUAL;
    *out = fleet;
    return ERROR_NONE;
}

enum error fleet_open_again(struct fleet **out, const struct fleet *fleet, const char *client,
                            struct failure *failure) {
    struct fleet *again;
    enum error error = make(&again, fleet->via, failure);

    *out = NULL;
    if (!error)
        error = open_link(again, client, failure);
    if (error) {
        fleet_close(again);
        return error;
    }
    again->replicas = fleet->replicas;
    again->payload_max = fleet->payload_max;
    *out = again;
    return ERROR_NONE;
}

void fleet_close(struct fleet *fleet) {
    if (!fleet)
        return;
    nats_link_close(fleet->link);
    nats_url_deinit(&fleet->url);
    if (fleet->via)
        OPENSSL_cleanse(fleet->via, strlen(fleet->via));
    free(fleet->via);
    free(fleet);
}

/* ---------------------------------------------------------------------------------------------
 * What it is, and what lies there
 * ------------------------------------------------------------------------------------------- */

struct nats_link *fleet_link(struct fleet *fleet) {
    return fleet->link;
}

const char *fleet_prefix(const struct fleet *fleet) {
    return fleet->prefix;
}

const char *fleet_shown(const struct fleet *fleet) {
    return fleet->url.name;
}

uint32_t fleet_replicas(const struct fleet *fleet) {
    return fleet->replicas;
}

size_t fleet_payload_max(const struct fleet *fleet) {
    return fleet->payload_max;
}

void fleet_work_stream(const struct fleet *fleet, char out[FLEET_SUBJECT_MAX]) {
    snprintf(out, FLEET_SUBJECT_MAX, "%s-work", fleet->prefix);
}

void fleet_work_subject(const struct fleet *fleet, const char *job, char out[FLEET_SUBJECT_MAX]) {
    snprintf(out, FLEET_SUBJECT_MAX, "%s.work.%s", fleet->prefix, job);
}

void fleet_results_stream(const struct fleet *fleet, const char *job, char out[FLEET_SUBJECT_MAX]) {
    snprintf(out, FLEET_SUBJECT_MAX, "%s-results-%s", fleet->prefix, job);
}

void fleet_results_subject(const struct fleet *fleet, const char *job,
                           char out[FLEET_SUBJECT_MAX]) {
    snprintf(out, FLEET_SUBJECT_MAX, "%s.results.%s", fleet->prefix, job);
}

void fleet_jobs_bucket(const struct fleet *fleet, char out[FLEET_SUBJECT_MAX]) {
    snprintf(out, FLEET_SUBJECT_MAX, "%s-jobs", fleet->prefix);
}

void fleet_leases_bucket(const struct fleet *fleet, char out[FLEET_SUBJECT_MAX]) {
    snprintf(out, FLEET_SUBJECT_MAX, "%s-leases", fleet->prefix);
}
