#include "tools/monitor/fleet_internal.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    RETRY_MS = 5000,
    IDLE_MS = 1000,
    ANSWERS_MS = 100, /* how long an answer is waited for, before others have their turn */
    BEGIN_MS = 50,    /* until targets that have just come may leave */
};

#define FORGET_MS INT64_C(86400000) /* jobs of the past are listed so long */

void fleet_trouble(struct fleet_probes *fleet, enum error error, const struct failure *failure) {
    if (!error)
        return;
    if (error != fleet->trouble)
        fleet->owner.on_trouble(fleet->owner.owner, failure);
    fleet->trouble = error;
    fleet->is_failing = true;
}

void fleet_count(struct fleet_probes *fleet, uint64_t *counter, uint64_t more) {
    pthread_mutex_lock(&fleet->lock);
    *counter += more;
    pthread_mutex_unlock(&fleet->lock);
}

/* --- The thread --- */

static enum error connect_to(struct fleet_probes *fleet, struct failure *failure) {
    enum error error = ERROR_NONE;

    if (!fleet->link)
        error = fleet_open(&fleet->link, fleet->config.via, "trawl monitor", failure);
    if (!error && !fleet->jobs)
        error = jobs_open(&fleet->jobs, fleet->link, failure);
    return error;
}

static void ignore_odd(void *owner, const char *id, const struct failure *failure) {
    (void)owner, (void)id, (void)failure;
}

/* On whatever machine it was. */
static bool is_ours(const struct fleet_probes *fleet, const struct job *job) {
    size_t len = strlen(job->by), tail = strlen(fleet->identity);

    return len >= tail && strcmp(job->by + len - tail, fleet->identity) == 0;
}

/* Ends what an earlier start of this monitor has left. */
static enum error clean(struct fleet_probes *fleet, struct failure *failure) {
    struct job *list = NULL;
    uint32_t count = 0;
    enum error error = jobs_list(fleet->jobs, &list, &count, ignore_odd, NULL, failure);

    for (uint32_t i = 0; i < count && !error; i++)
        if (is_ours(fleet, &list[i]) &&
            (list[i].state == JOB_CUTTING || list[i].state == JOB_RUNNING))
            error = jobs_end(fleet->jobs, list[i].id, JOB_DONE, failure);
    free(list);
    return error ? error : jobs_forget(fleet->jobs, clock_unix_ms() - FORGET_MS, failure);
}

static void connect_if_due(struct fleet_probes *fleet, uint64_t now_ns) {
    struct failure failure = {0};

    if (fleet->is_clean || now_ns < fleet->retry_ns)
        return;
    enum error error = connect_to(fleet, &failure);
    if (!error)
        error = clean(fleet, &failure);
    fleet->is_clean = !error;
    fleet->retry_ns = now_ns + RETRY_MS * UINT64_C(1000000);
    fleet_trouble(fleet, error, &failure);
}

/* All sites once; how many of them have targets under way. */
static uint32_t step_all(struct fleet_probes *fleet, uint32_t wait_ms) {
    uint32_t busy = 0, silent = 0, closed = 0;

    pthread_mutex_lock(&fleet->lock);
    uint32_t count = fleet->site_count;
    pthread_mutex_unlock(&fleet->lock);
    for (uint32_t i = 0; i < count && !atomic_load(&fleet->is_stopping); i++) {
        struct fleet_site *site = fleet->sites[i];
        pthread_mutex_lock(&fleet->lock);
        bool is_used = site->is_used;
        pthread_mutex_unlock(&fleet->lock);
        if (is_used) {
            busy += fleet_site_step(site, wait_ms);
            silent += site->is_silent;
            closed += !site->is_open;
        } else {
            (void)!fleet_site_end(site);
            fleet_site_give_up(site);
            site->is_silent = site->is_answered = false;
        }
    }
    pthread_mutex_lock(&fleet->lock);
    fleet->statistics.silent = silent;
    pthread_mutex_unlock(&fleet->lock);
    if (!closed && fleet->is_clean && !fleet->is_failing)
        fleet->trouble = ERROR_NONE;
    return busy;
}

static bool has_waiting(struct fleet_probes *fleet) {
    bool any = false;

    pthread_mutex_lock(&fleet->lock);
    for (uint32_t i = 0; i < fleet->site_count; i++)
        any |= fleet->sites[i]->waiting_count != 0;
    pthread_mutex_unlock(&fleet->lock);
    return any;
}

static void *run(void *context) {
    struct fleet_probes *fleet = context;
    uint32_t busy = 0;

    while (!atomic_load(&fleet->is_stopping)) {
        uint32_t ticket = wake_ticket(&fleet->wake);
        connect_if_due(fleet, clock_monotonic_ns());
        busy = step_all(fleet, busy ? ANSWERS_MS / busy : 0);
        if (!busy || fleet->is_failing) /* else it has waited for answers */
            wake_wait(&fleet->wake, ticket, busy || has_waiting(fleet) ? BEGIN_MS : IDLE_MS);
        fleet->is_failing = false;
    }
    for (uint32_t i = 0; i < fleet->site_count; i++)
        if (fleet_site_end(fleet->sites[i]))
            break;
    return NULL;
}

/* --- Beginning and end --- */

enum error fleet_probes_open(struct fleet_probes **out, const struct fleet_probes_config *config,
                             const char *identity, const struct fleet_owner *owner,
                             struct failure *failure) {
    struct fleet_probes *fleet = calloc(1, sizeof *fleet);
    char host[32] = "";

    if (!fleet)
        return failure_set(failure, ERROR_MEMORY, "no memory for the fleet");
    fleet->config = *config;
    fleet->owner = *owner;
    pthread_mutex_init(&fleet->lock, NULL);
    gethostname(host, sizeof host - 1);
    snprintf(fleet->title, sizeof fleet->title, "monitor %s", host);
    fleet->identity = fleet->by + snprintf(fleet->by, sizeof fleet->by, "monitor %s ", host);
    snprintf(fleet->by + strlen(fleet->by), sizeof fleet->by - strlen(fleet->by), "%s", identity);
    enum error error = connect_to(fleet, failure);
    bool is_away = error == (enum error)ENOTCONN || error == (enum error)ETIMEDOUT;
    if (is_away && !config->must_connect) {
        fleet_trouble(fleet, error, failure);
        error = ERROR_NONE;
    }
    if (!error)
        error = thread_start(&fleet->thread, "fleet", run, fleet, failure);
    fleet->is_started = !error;
    if (error) {
        fleet_probes_close(fleet);
        return error;
    }
    *out = fleet;
    return ERROR_NONE;
}

void fleet_probes_close(struct fleet_probes *fleet) {
    if (!fleet)
        return;
    atomic_store(&fleet->is_stopping, true);
    wake_signal(&fleet->wake);
    if (fleet->is_started)
        pthread_join(fleet->thread, NULL);
    for (uint32_t i = 0; i < fleet->site_count; i++) {
        fleet_site_give_up(fleet->sites[i]);
        free(fleet->sites[i]);
    }
    jobs_close(fleet->jobs);
    fleet_close(fleet->link);
    pthread_mutex_destroy(&fleet->lock);
    free(fleet);
}

/* --- Sites --- */

static struct fleet_site *new_site(struct fleet_probes *fleet, const char *label,
                                   const char *ca_file) {
    struct fleet_site *site = calloc(1, sizeof *site);

    if (!site)
        return NULL;
    site->fleet = fleet;
    site->waiting_end = &site->waiting;
    site->shards_end = &site->shards;
    snprintf(site->label, sizeof site->label, "%s", label);
    snprintf(site->ca_file, sizeof site->ca_file, "%s", ca_file);
    return site;
}

enum error fleet_site_find(struct fleet_probes *fleet, const char *label, const char *ca_file,
                           uint32_t *out, struct failure *failure) {
    enum error error = ERROR_NONE;
    uint32_t i = 0;

    pthread_mutex_lock(&fleet->lock);
    while (i < fleet->site_count && (strcmp(fleet->sites[i]->label, label) != 0 ||
                                     strcmp(fleet->sites[i]->ca_file, ca_file) != 0))
        i++;
    if (i == FLEET_SITES_MAX)
        error = failure_set(failure, ERROR_LIMIT,
                            "via %s: more than %d labels, or roots of theirs, at once", label,
                            FLEET_SITES_MAX);
    else if (i == fleet->site_count && !(fleet->sites[i] = new_site(fleet, label, ca_file)))
        error = failure_set(failure, ERROR_MEMORY, "no memory for a label");
    else if (i == fleet->site_count)
        fleet->site_count++;
    pthread_mutex_unlock(&fleet->lock);
    *out = i;
    return error;
}

void fleet_sites_use(struct fleet_probes *fleet, const bool used[FLEET_SITES_MAX]) {
    uint32_t count = 0;

    pthread_mutex_lock(&fleet->lock);
    for (uint32_t i = 0; i < fleet->site_count; i++) {
        fleet->sites[i]->is_used = used[i];
        count += used[i];
    }
    fleet->statistics.sites = count;
    pthread_mutex_unlock(&fleet->lock);
    wake_signal(&fleet->wake);
}

uint32_t fleet_labels(struct fleet_probes *fleet, const char *out[FLEET_SITES_MAX]) {
    uint32_t count = 0;

    pthread_mutex_lock(&fleet->lock);
    for (uint32_t i = 0; i < fleet->site_count; i++)
        if (fleet->sites[i]->is_used)
            out[count++] = fleet->sites[i]->label;
    pthread_mutex_unlock(&fleet->lock);
    return count;
}

bool fleet_site_has_room(struct fleet_probes *fleet, uint32_t site) {
    pthread_mutex_lock(&fleet->lock);
    bool has_room = fleet->sites[site]->under_way < FLEET_SITE_TARGETS;
    pthread_mutex_unlock(&fleet->lock);
    return has_room;
}

bool fleet_site_give(struct fleet_probes *fleet, uint32_t index, uint64_t number,
                     const struct target *target) {
    struct fleet_waiting *waiting = malloc(sizeof *waiting);

    if (!waiting)
        return false;
    waiting->next = NULL;
    waiting->number = number;
    fleet_spec(target, waiting->spec);
    pthread_mutex_lock(&fleet->lock);
    struct fleet_site *site = fleet->sites[index];
    if (!site->waiting)
        site->waiting_ns = clock_monotonic_ns();
    *site->waiting_end = waiting;
    site->waiting_end = &waiting->next;
    site->waiting_count++;
    site->under_way++;
    fleet->statistics.under_way++;
    fleet->statistics.given++;
    pthread_mutex_unlock(&fleet->lock);
    wake_signal(&fleet->wake);
    return true;
}

void fleet_probes_statistics(struct fleet_probes *fleet, struct fleet_statistics *out) {
    pthread_mutex_lock(&fleet->lock);
    *out = fleet->statistics;
    pthread_mutex_unlock(&fleet->lock);
}
