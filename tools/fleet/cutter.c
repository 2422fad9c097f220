#include "tools/fleet/cutter.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/nats/publisher.h"
#include "tools/fleet/cut.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

enum {
    WINDOW = 16,               /* shards under way */
    ACKNOWLEDGEMENT_MS = 5000, /* until a shard is sent again */
    MESSAGE_MARGIN = 4096,     /* below the server's bound: subject and headers */
    TICK_MS = 250,             /* how often a source that waits is interrupted */
    SLOW_MS = 1000,            /* how long a shard waits for more targets */
    CHANGE_MS = 300,           /* between two changes of the descriptor */
    STEP_MS = 100,
    END_MS = 2000, /* what is under way when it is stopped has so long */
};

struct shipment { /* a shard under way */
    struct buffer body;
    struct cut_shard shard;
    bool is_stored;
};

struct cutter {
    struct cutter_config config;
    struct source_context sources;
    char job[JOB_ID_BYTES];
    pthread_t thread;
    atomic_bool stop;
    int ticks; /* a timer, readable when a source that waits is to look up */

    struct fleet *fleet;
    struct jobs *jobs;
    struct nats_publisher *publisher;
    char subject[FLEET_SUBJECT_MAX], stream[FLEET_SUBJECT_MAX];
    struct shipment shipments[WINDOW];
    uint64_t first, next; /* numbers of shipments: the oldest under way, the one to come */
    struct cut cut;
    uint64_t begun_ns;         /* when the shard at hand got its first target */
    uint64_t changed_ns;       /* when the descriptor was brought up to date ... */
    struct cutter_totals told; /* ... to this */
    enum error trouble;        /* that was told last */
    bool gave_up;              /* by itself */
    bool is_over, is_ended;    /* somebody has ended the job, or (over) finished its shards */

    pthread_mutex_t lock;
    struct cutter_totals totals; /* under the lock */
};

/* ---------------------------------------------------------------------------------------------
 * Totals and trouble
 * ------------------------------------------------------------------------------------------- */

void cutter_totals(const struct cutter *cutter, struct cutter_totals *out) {
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&cutter->lock;

    pthread_mutex_lock(lock);
    *out = cutter->totals;
    pthread_mutex_unlock(lock);
}

static void add_totals(struct cutter *cutter, const struct cutter_totals *more) {
    pthread_mutex_lock(&cutter->lock);
    cutter->totals.targets += more->targets;
    cutter->totals.pages += more->pages;
    cutter->totals.shards += more->shards;
    cutter->totals.bad_lines += more->bad_lines;
    cutter->totals.is_done |= more->is_done;
    cutter->totals.failed |= more->failed;
    pthread_mutex_unlock(&cutter->lock);
}

static void tell_bad_line(struct cutter *cutter, const struct failure *failure) {
    add_totals(cutter, &(struct cutter_totals){.bad_lines = 1});
    cutter->config.on_bad_line(cutter->config.owner, failure);
}

static void tell_failed(struct cutter *cutter, const struct failure *failure, bool final) {
    add_totals(cutter, &(struct cutter_totals){.failed = true});
    cutter->gave_up |= final;
    cutter->config.on_trouble(cutter->config.owner, failure, final);
}

/* What may pass is told once, until it has passed. */
static void tell_trouble(struct cutter *cutter, enum error error, const struct failure *failure) {
    if (error && error != cutter->trouble)
        cutter->config.on_trouble(cutter->config.owner, failure, false);
    cutter->trouble = error;
}

static bool is_stopped(struct cutter *cutter) {
    struct pollfd wait = {.fd = cutter->config.sources->stop_fd, .events = POLLIN};

    return atomic_load(&cutter->stop) || (wait.fd >= 0 && poll(&wait, 1, 0) > 0);
}

/* ---------------------------------------------------------------------------------------------
 * The descriptor
 * ------------------------------------------------------------------------------------------- */

struct change {
    struct cutter_totals totals;
    bool is_whole;        /* all is in the queue */
    enum job_state state; /* as it was found */
};

static bool change_job(void *owner, struct job *job) {
    struct change *change = owner;

    change->state = job->state;
    if (job->state != JOB_CUTTING)
        return false;
    job->targets = change->totals.targets;
    job->pages = change->totals.pages;
    job->shards = change->totals.shards;
    job->left_out = change->totals.bad_lines;
    if (change->is_whole)
        job->state = JOB_RUNNING;
    return true;
}

/* False when it could not be done at the moment. */
static bool change_descriptor(struct cutter *cutter, bool is_whole) {
    struct change change = {.is_whole = is_whole};
    struct failure failure;
    struct job job;

    cutter_totals(cutter, &change.totals);
    enum error error = jobs_change(cutter->jobs, cutter->job, change_job, &change, &job, &failure);
    cutter->changed_ns = clock_monotonic_ns();
    if (error == (enum error)ENOENT || (!error && change.state != JOB_CUTTING)) {
        cutter->is_over = true;
        cutter->is_ended = error || change.state != JOB_RUNNING;
        return true;
    }
    tell_trouble(cutter, error, &failure);
    if (!error)
        cutter->told = change.totals;
    return !error;
}

static void change_when_due(struct cutter *cutter) {
    struct cutter_totals now;

    cutter_totals(cutter, &now);
    bool differs = now.shards != cutter->told.shards || now.bad_lines != cutter->told.bad_lines;
    if (differs && clock_monotonic_ns() - cutter->changed_ns >= CHANGE_MS * MS)
        (void)change_descriptor(cutter, false);
}

/* What was published while somebody ended the job would stay in the queue for ever. */
static void remove_rest(struct cutter *cutter) {
    struct failure failure;

    if (jobs_end(cutter->jobs, cutter->job, JOB_CANCELLED, &failure) &&
        failure.code != (enum error)ENOENT)
        tell_trouble(cutter, failure.code, &failure);
}

/* ---------------------------------------------------------------------------------------------
 * Shards on their way
 * ------------------------------------------------------------------------------------------- */

/* Only what is stored without a gap before it counts: the next cutter goes on behind that. */
static void on_stored(void *context, void *item, struct slice body, const struct failure *refusal) {
    struct cutter *cutter = context;
    struct shipment *shipment = item;

    (void)body;
    buffer_deinit(&shipment->body);
    if (refusal) {
        tell_failed(cutter, refusal, true);
        return;
    }
    shipment->is_stored = true;
    while (cutter->first < cutter->next && cutter->shipments[cutter->first % WINDOW].is_stored) {
        const struct cut_shard *shard = &cutter->shipments[cutter->first++ % WINDOW].shard;
        add_totals(cutter, &(struct cutter_totals){
                               .targets = shard->targets, .pages = shard->pages, .shards = 1});
    }
}

/* A round; false when the cutter is to end. */
static bool step(struct cutter *cutter, uint32_t wait_ms) {
    struct failure failure;
    enum error error = nats_publisher_step(cutter->publisher, wait_ms, &failure);

    tell_trouble(cutter, error, &failure);
    if (!error)
        change_when_due(cutter);
    return !cutter->gave_up && !cutter->is_over && !is_stopped(cutter);
}

/* Publishes the shard at hand, if there is one; false when the cutter is to end. */
static bool ship(struct cutter *cutter) {
    char id[NATS_ID_MAX];

    if (!cutter->cut.shard.count)
        return true;
    while (cutter->next - cutter->first == WINDOW)
        if (!step(cutter, STEP_MS))
            return false;
    struct shipment *shipment = &cutter->shipments[cutter->next % WINDOW];
    *shipment = (struct shipment){0};
    shipment->shard = cut_finish(&cutter->cut, &shipment->body);
    if (shipment->body.failed) {
        struct failure failure;
        failure_set(&failure, ERROR_MEMORY, "no memory for a shard");
        tell_failed(cutter, &failure, true);
        return false;
    }
    cutter->next++;
    snprintf(id, sizeof id, "%s.s%" PRIu64, cutter->job, shipment->shard.first);
    nats_publisher_add(cutter->publisher, buffer_slice(&shipment->body), id, shipment);
    return step(cutter, 0);
}

/* Waits until all is stored; false when the cutter is to end before. */
static bool drain(struct cutter *cutter) {
    while (cutter->first < cutter->next)
        if (!step(cutter, STEP_MS))
            return false;
    return true;
}

/* ---------------------------------------------------------------------------------------------
 * What sources give
 * ------------------------------------------------------------------------------------------- */

/* False when the cutter is to end. */
static bool take_target(struct cutter *cutter, struct source *source, const struct target *target) {
    struct failure failure;

    if (!cutter->cut.shard.count)
        cutter->begun_ns = clock_monotonic_ns();
    enum error error = cut_take(&cutter->cut, source, target, &failure);
    if (error == ERROR_USAGE)
        tell_bad_line(cutter, &failure);
    else if (error)
        tell_failed(cutter, &failure, true);
    return !cutter->gave_up && (!cut_is_full(&cutter->cut) || ship(cutter));
}

/* The source waited, and was interrupted. False when the cutter is to end. */
static bool tick(struct cutter *cutter, const struct source *source) {
    bool is_late = clock_monotonic_ns() - cutter->begun_ns >= SLOW_MS * MS;
    uint64_t expired;

    if (read(cutter->ticks, &expired, sizeof expired) < 0 && errno != EAGAIN)
        return false;
    /* From a file the same shards come every time, so that a second cutter makes no others. */
    return source->waits && is_late && !ship(cutter) ? false : step(cutter, 0);
}

/* All of a source; false when the cutter is to end. */
static bool cut_source(struct cutter *cutter, struct source *source) {
    struct failure failure = {0};
    struct target target;
    bool go_on = true;

    while (go_on) {
        switch (source_next(source, &target, &failure)) {
        case SOURCE_TARGET:
            go_on = take_target(cutter, source, &target);
            break;
        case SOURCE_FILE: /* no_files has refused it */
        case SOURCE_BAD_LINE:
            tell_bad_line(cutter, &failure);
            break;
        case SOURCE_STOPPED:
            go_on = tick(cutter, source);
            break;
        case SOURCE_FAILED:
            tell_failed(cutter, &failure, false);
            return true;
        case SOURCE_END:
            return true;
        }
    }
    return false;
}

/* False when the cutter is to end before all is cut. */
static bool cut_all(struct cutter *cutter) {
    const struct option_list *specs = cutter->config.specs;
    bool go_on = true;

    for (uint32_t i = 0; i < specs->count && go_on; i++) {
        struct failure failure = {0};
        struct source *source;
        if (source_open(&source, &cutter->sources, specs->items[i], &failure)) {
            tell_failed(cutter, &failure, false);
            continue;
        }
        go_on = cut_source(cutter, source);
        source_close(source);
    }
    return go_on && ship(cutter) && drain(cutter);
}

/* ---------------------------------------------------------------------------------------------
 * The thread
 * ------------------------------------------------------------------------------------------- */

static void finish(struct cutter *cutter) {
    while (!change_descriptor(cutter, true) && !is_stopped(cutter))
        (void)poll(NULL, 0, STEP_MS);
    if (!cutter->is_over && !cutter->trouble)
        add_totals(cutter, &(struct cutter_totals){.is_done = true});
}

/* In the middle: the next cutter goes on where the descriptor says. */
static void leave(struct cutter *cutter) {
    uint64_t until_ns = clock_monotonic_ns() + END_MS * MS;
    struct failure failure;
    enum error error = ERROR_NONE;

    while (cutter->first < cutter->next && !cutter->gave_up && clock_monotonic_ns() < until_ns)
        error = nats_publisher_step(cutter->publisher, STEP_MS, &failure);
    if (!error)
        (void)change_descriptor(cutter, false);
}

static void *run(void *context) {
    struct cutter *cutter = context;

    if (cut_all(cutter))
        finish(cutter);
    else if (!cutter->is_over)
        leave(cutter);
    if (cutter->is_ended)
        remove_rest(cutter);
    return NULL;
}

static void set_ticks(struct cutter *cutter, uint64_t first_ns) {
    struct itimerspec often = {
        .it_interval = {.tv_nsec = TICK_MS * (long)MS},
        .it_value = {.tv_nsec = (long)first_ns},
    };

    (void)timerfd_settime(cutter->ticks, 0, &often, NULL);
}

/* Sources see the ticks in place of the descriptor that stops them, which is looked at then. */
static enum error open_sources(struct cutter *cutter, struct failure *failure) {
    cutter->sources = *cutter->config.sources;
    cutter->ticks = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (cutter->ticks < 0)
        return failure_set(failure, (enum error)errno, "no timer for the sources: %s",
                           error_text((enum error)errno));
    set_ticks(cutter, TICK_MS * MS);
    cutter->sources.stop_fd = cutter->ticks;
    if (!cutter->sources.no_files)
        cutter->sources.no_files =
            "certificates in files of this machine are no targets of a fleet";
    return ERROR_NONE;
}

/* Takes over what an earlier cutter did. */
static enum error open_job(struct cutter *cutter, struct failure *failure) {
    const struct cutter_config *config = &cutter->config;
    size_t payload;
    struct job job;
    enum error error;

    if ((error = fleet_open_again(&cutter->fleet, config->fleet, "trawl cutter", failure)) ||
        (error = jobs_open(&cutter->jobs, cutter->fleet, failure)) ||
        (error = jobs_get(cutter->jobs, cutter->job, &job, failure)))
        return error;
    if (job.state != JOB_CUTTING)
        return failure_set(failure, ERROR_USAGE, "the job %s has all of its targets, or has ended",
                           cutter->job);
    cutter->sources.seed = job.seed;
    cutter->totals = cutter->told =
        (struct cutter_totals){.targets = job.targets, .pages = job.pages, .shards = job.shards};
    payload = fleet_payload_max(cutter->fleet);
    cut_init(&cutter->cut, &cutter->sources,
             config->shard_targets || !config->total ? config->shard_targets
                                                     : cut_shard_targets(config->total),
             payload > 2 * MESSAGE_MARGIN ? payload - MESSAGE_MARGIN : payload / 2, job.pages,
             job.targets);
    fleet_work_subject(cutter->fleet, cutter->job, cutter->subject);
    fleet_work_stream(cutter->fleet, cutter->stream);
    struct nats_publisher_config publisher = {
        .link = fleet_link(cutter->fleet),
        .subject = cutter->subject,
        .stream = cutter->stream,
        .window = WINDOW,
        .timeout_ms = ACKNOWLEDGEMENT_MS,
        .done = on_stored,
        .context = cutter,
    };
    return nats_publisher_open(&cutter->publisher, &publisher, failure);
}

static void close_cutter(struct cutter *cutter) {
    nats_publisher_close(cutter->publisher);
    jobs_close(cutter->jobs);
    fleet_close(cutter->fleet);
    for (uint64_t i = 0; i < WINDOW; i++)
        buffer_deinit(&cutter->shipments[i].body);
    cut_deinit(&cutter->cut);
    if (cutter->ticks >= 0)
        close(cutter->ticks);
    pthread_mutex_destroy(&cutter->lock);
    free(cutter);
}

enum error cutter_start(struct cutter **out, const struct cutter_config *config,
                        struct failure *failure) {
    struct cutter *cutter = calloc(1, sizeof *cutter);
    enum error error;

    *out = NULL;
    if (!cutter)
        return failure_set(failure, ERROR_MEMORY, "no memory for the sources");
    cutter->config = *config;
    cutter->ticks = -1;
    pthread_mutex_init(&cutter->lock, NULL);
    snprintf(cutter->job, sizeof cutter->job, "%s", config->job);
    if ((error = open_sources(cutter, failure)) || (error = open_job(cutter, failure)) ||
        (error = thread_start(&cutter->thread, "cutter", run, cutter, failure))) {
        close_cutter(cutter);
        return error;
    }
    *out = cutter;
    return ERROR_NONE;
}

void cutter_stop(struct cutter *cutter) {
    atomic_store(&cutter->stop, true);
    set_ticks(cutter, 1);
}

void cutter_join(struct cutter *cutter, struct cutter_totals *totals) {
    pthread_join(cutter->thread, NULL);
    *totals = cutter->totals;
    close_cutter(cutter);
}
