#include "tools/fleet/worker.h"

#include "engine/base/clock.h"
#include "engine/queue/wake.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

enum {
    LIST_MS = 1000,       /* between two looks at the bucket of jobs … */
    LIST_IDLE_MS = 250,   /* … and when there is nothing to do */
    ASK_MIN_MS = 20,      /* between two looks for shards where there were none … */
    ASK_MAX_MS = 1000,    /* … and when that has been so for long */
    SLICE_MS = 20 * 1000, /* how long a job keeps its place while others wait for one */
    RETRY_MS = 30 * 1000, /* after a run that could not be begun, or that failed */
    ODD_MS = 60 * 1000,   /* before what is no shard, or of a newer version, is given out again */
    IDLE_MS = 100,        /* between two rounds without anything to do … */
    AWAY_MS = 200,        /* … or when the cluster is away */
    TAKE_MAX = 16,
    DELIVERIES_ODD = 8, /* a shard that comes more often is worth a word */
    ODD_JOBS_MAX = 64,  /* that were told of */
};

/* A shard in hand: a message of the queue. */
struct held {
    struct held *next;
    struct nats_pulled *message;
    uint64_t extended_ns;
    bool stored; /* all its pages are: to be acknowledged */
};

/* A job that is to be done, as far as this worker is concerned. */
struct service {
    struct service *next;
    struct worker *worker;
    struct job job;
    struct nats_pull *pull; /* of its shards; NULL before it is needed */
    struct job_options options;
    void *token;              /* of the maker, while there is a run */
    struct run_config config; /* likewise */
    struct run *run;          /* NULL for none */
    struct held *held;
    uint32_t held_count;
    uint64_t ask_ns, pause_ms;   /* when shards are asked for again; how long it was */
    uint64_t begun_ns, ended_ns; /* its run */
    bool listed, finishing, refused, odd_shard;
};

struct worker {
    struct worker_config config;
    struct jobs *jobs;
    struct service *services;
    struct wake wake;                  /* what runs have to tell */
    uint64_t list_ns;                  /* when the bucket is looked at again */
    uint64_t busy_ns;                  /* when there was something to do */
    bool finishing, now, away, failed; /* failed: in this round */
    char work_stream[FLEET_SUBJECT_MAX];
    char odd_jobs[ODD_JOBS_MAX][JOB_ID_BYTES];
    uint32_t odd_count;
    struct worker_statistics over; /* of runs that are */
};

/* ---------------------------------------------------------------------------------------------
 * What is said
 * ------------------------------------------------------------------------------------------- */

static void say(const struct worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct worker *worker, const char *format, ...) {
    char text[FAILURE_TEXT_MAX + 256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    worker->config.say(worker->config.owner, text);
}

/* What keeps the cluster from answering: told once, until it is back. */
static void tell_away(struct worker *worker, const struct failure *failure) {
    if (!worker->away)
        say(worker, "%s; going on when that is over", failure->text);
    worker->away = worker->failed = true;
}

static void tell_back(struct worker *worker) {
    if (worker->away)
        say(worker, "%.200s answers again", fleet_shown(worker->config.fleet));
    worker->away = false;
}

static void refuse(struct service *service, const struct failure *failure) {
    if (!service->refused)
        say(service->worker, "job %s is left to others: %s", service->job.id, failure->text);
    service->refused = true;
}

/* Of a newer version, say: told once each. */
static void on_odd_job(void *owner, const char *id, const struct failure *failure) {
    struct worker *worker = owner;

    for (uint32_t i = 0; i < worker->odd_count; i++)
        if (strcmp(worker->odd_jobs[i], id) == 0)
            return;
    if (worker->odd_count == ODD_JOBS_MAX)
        return;
    snprintf(worker->odd_jobs[worker->odd_count++], JOB_ID_BYTES, "%s", id);
    say(worker, "job %s is left to others: %s", id, failure->text);
}

static void on_trouble(void *owner, const struct failure *failure, bool final) {
    const struct service *service = owner;

    say(service->worker, final ? "job %s: %s; its shards are given back" : "job %s waits: %s",
        service->job.id, failure->text);
}

static void on_news(void *owner) {
    wake_signal(&((struct service *)owner)->worker->wake);
}

/* ---------------------------------------------------------------------------------------------
 * Shards in hand
 * ------------------------------------------------------------------------------------------- */

static void drop(struct service *service, struct held *held) {
    struct held **at = &service->held;

    while (*at != held)
        at = &(*at)->next;
    *at = held->next;
    service->held_count--;
    free(held);
}

static void give_back(struct service *service, struct held *held, uint64_t delay_ms) {
    service->worker->over.shards_given_back++;
    nats_pulled_return(held->message, delay_ms);
    drop(service, held);
}

static void give_back_all(struct service *service) {
    while (service->held)
        give_back(service, service->held, 0);
}

/* What its run has done, or given up. */
static void collect(struct service *service) {
    struct held *held;
    bool stored;

    while (service->run && (held = run_take_done(service->run, &stored))) {
        if (stored)
            held->stored = true;
        else
            give_back(service, held, 0);
    }
}

/* False when the cluster does not answer: then later. */
static bool acknowledge(struct service *service) {
    struct worker *worker = service->worker;
    struct held *next;

    for (struct held *held = service->held; held; held = next) {
        struct failure failure;
        next = held->next;
        if (!held->stored)
            continue;
        enum error error = nats_pulled_done(held->message, true, &failure);
        if (error && error != (enum error)ENOENT) {
            tell_away(worker, &failure);
            return false;
        }
        if (error) /* the job has ended */
            nats_pulled_forget(held->message);
        else
            worker->over.shards_done++;
        drop(service, held);
    }
    return true;
}

static void extend(struct service *service, uint64_t now_ns) {
    for (struct held *held = service->held; held; held = held->next) {
        if (now_ns - held->extended_ns < service->job.lease_ms * MS / 3 ||
            nats_pulled_extend(held->message) != ERROR_NONE)
            continue;
        held->extended_ns = now_ns;
    }
}

/* One that is in hand already was given out again, since its lease was lost: from now on it is held
 * by the new message. */
static bool was_held(struct service *service, struct nats_pulled *message, uint64_t now_ns) {
    uint64_t sequence = nats_pulled_sequence(message);

    for (struct held *held = service->held; held; held = held->next)
        if (nats_pulled_sequence(held->message) == sequence) {
            nats_pulled_forget(held->message);
            held->message = message;
            held->extended_ns = now_ns;
            return true;
        }
    return false;
}

/* A shard that kills its workers is not probed any more. */
static bool is_probed(const struct service *service, const struct nats_pulled *message) {
    uint64_t deliveries = nats_pulled_deliveries(message);
    bool probed = deliveries <= JOBS_DELIVERIES_MAX;

    if (!probed || deliveries % DELIVERIES_ODD == 0)
        say(service->worker, "job %s: shard %llu comes for the %lluth time%s", service->job.id,
            (unsigned long long)nats_pulled_sequence(message), (unsigned long long)deliveries,
            probed ? "" : ": its targets are left out");
    return probed;
}

/* Takes the message over. */
static void hold(struct service *service, struct nats_pulled *message, uint64_t now_ns) {
    struct held *held = calloc(1, sizeof *held);
    struct failure failure = {.text = "no memory for a shard"};

    if (held) {
        held->message = message;
        held->extended_ns = now_ns;
        held->next = service->held;
        service->held = held;
        service->held_count++;
        if (run_give(service->run, nats_pulled_body(message), is_probed(service, message), held,
                     &failure) == ERROR_NONE)
            return;
        give_back(service, held, ODD_MS);
    } else {
        nats_pulled_return(message, ODD_MS);
    }
    if (!service->odd_shard)
        say(service->worker, "job %s: a shard is left to others: %s", service->job.id,
            failure.text);
    service->odd_shard = true;
}

/* ---------------------------------------------------------------------------------------------
 * Runs
 * ------------------------------------------------------------------------------------------- */

static uint32_t count_runs(const struct worker *worker) {
    uint32_t count = 0;

    for (const struct service *service = worker->services; service; service = service->next)
        count += service->run != NULL;
    return count;
}

static void add_statistics(const struct run *run, struct worker_statistics *out) {
    struct run_statistics statistics;
    const uint64_t *from = (const uint64_t *)&statistics.probe;
    uint64_t *to = (uint64_t *)&out->probe;

    run_statistics(run, &statistics);
    out->targets_done += statistics.targets_done;
    out->pages_stored += statistics.pages_stored;
    out->bytes_stored += statistics.bytes_stored;
    for (size_t i = 0; i < sizeof statistics.probe / sizeof *from; i++)
        to[i] += from[i];
}

static void finish_run(struct service *service, bool now) {
    if (!service->run)
        return;
    run_finish(service->run, now);
    service->finishing = true;
}

/* After run_finish. Waits for its threads. */
static void close_run(struct service *service) {
    struct worker *worker = service->worker;

    if (!service->run)
        return;
    collect(service);
    add_statistics(service->run, &worker->over);
    run_close(service->run);
    service->run = NULL;
    service->ended_ns = clock_monotonic_ns();
    service->ask_ns = 0;
    service->finishing = false;
    worker->config.maker.unmake(worker->config.maker.owner, service->token);
    job_options_deinit(&service->options);
    struct held *next;
    for (struct held *held = service->held; held; held = next) {
        next = held->next;
        if (!held->stored) /* the run never saw it */
            give_back(service, held, 0);
    }
}

static enum error begin(struct service *service, struct failure *failure) {
    struct worker *worker = service->worker;
    const struct worker_maker *maker = &worker->config.maker;

    service->config = (struct run_config){0};
    enum error error =
        maker->make(maker->owner, &service->options, &service->config, &service->token, failure);
    if (error)
        return error;
    service->config.fleet = worker->config.fleet;
    service->config.job = &service->job;
    service->config.options = &service->options;
    service->config.worker = worker->config.name;
    service->config.on_trouble = on_trouble;
    service->config.on_news = on_news;
    service->config.owner = service;
    error = run_start(&service->run, &service->config, failure);
    if (error)
        maker->unmake(maker->owner, service->token);
    return error;
}

static bool is_for_good(enum error error) {
    return error == ERROR_UNSUPPORTED || error == ERROR_INPUT || error == ERROR_USAGE;
}

static void start_run(struct service *service) {
    struct worker *worker = service->worker;
    struct failure failure;

    job_options_init(&service->options);
    enum error error = jobs_get_options(worker->jobs, &service->job, &service->options, &failure);
    if (!error)
        error = begin(service, &failure);
    if (!error) {
        service->begun_ns = clock_monotonic_ns();
        service->ask_ns = 0;
        worker->over.jobs++;
        return;
    }
    job_options_deinit(&service->options);
    service->ask_ns = clock_monotonic_ns() + RETRY_MS * MS;
    if (error == (enum error)ENOENT) /* it has just ended */
        return;
    if (is_for_good(error))
        refuse(service, &failure);
    else if (error == (enum error)ENOTCONN)
        tell_away(worker, &failure);
    else
        say(worker, "job %s cannot be begun: %s; trying again", service->job.id, failure.text);
}

/* The worker's connections and its pace, for those that have something to do. */
static void share_out(struct worker *worker) {
    const struct worker_config *config = &worker->config;
    uint32_t runs = 0;

    for (struct service *service = worker->services; service; service = service->next)
        runs += service->run && service->held_count;
    runs = runs ? runs : 1;
    for (struct service *service = worker->services; service; service = service->next) {
        if (!service->run)
            continue;
        uint32_t share = config->concurrency / runs;
        uint64_t interval_ns =
            config->rate ? UINT64_C(1000000000) * service->config.workers * runs / config->rate : 0;
        run_set_share(service->run, share ? share : 1, interval_ns);
    }
}

/* ---------------------------------------------------------------------------------------------
 * Which jobs there are
 * ------------------------------------------------------------------------------------------- */

static bool serves(const struct worker *worker, const struct job *job) {
    const struct worker_config *config = &worker->config;

    if (job->state != JOB_CUTTING && job->state != JOB_RUNNING)
        return false;
    if (!job->label[0])
        return !config->only_labels;
    for (uint32_t i = 0; i < config->labels->count; i++)
        if (strcmp(config->labels->items[i], job->label) == 0)
            return true;
    return false;
}

static void add_service(struct worker *worker, const struct job *job) {
    struct service **at = &worker->services;

    while (*at && strcmp((*at)->job.id, job->id) != 0)
        at = &(*at)->next;
    if (!*at && (*at = calloc(1, sizeof **at))) { /* oldest first */
        (*at)->worker = worker;
        (*at)->job = *job;
    }
    if (*at)
        (*at)->listed = true;
}

/* Looks at the bucket; runs of jobs that have ended end. False when the cluster does not answer. */
static bool list_jobs(struct worker *worker) {
    struct failure failure;
    struct job *jobs;
    uint32_t count;

    if (jobs_list(worker->jobs, &jobs, &count, on_odd_job, worker, &failure) != ERROR_NONE) {
        tell_away(worker, &failure);
        return false;
    }
    for (struct service *service = worker->services; service; service = service->next)
        service->listed = false;
    for (uint32_t i = 0; i < count; i++)
        if (serves(worker, &jobs[i]))
            add_service(worker, &jobs[i]);
    free(jobs);
    for (struct service *service = worker->services; service; service = service->next)
        if (!service->listed)
            finish_run(service, true);
    return true;
}

/* Those that have ended, and of which nothing is in hand. */
static void remove_services(struct worker *worker) {
    for (struct service **at = &worker->services; *at;) {
        struct service *service = *at;
        if (service->listed || service->run || service->held) {
            at = &service->next;
            continue;
        }
        *at = service->next;
        nats_pull_close(service->pull);
        free(service);
    }
}

/* ---------------------------------------------------------------------------------------------
 * Which shards are taken
 * ------------------------------------------------------------------------------------------- */

/* Nothing was there: less and less often. */
static void ask_later(struct service *service, uint64_t now_ns) {
    uint64_t pause_ms = service->pause_ms ? 2 * service->pause_ms : ASK_MIN_MS;

    service->pause_ms = pause_ms < ASK_MAX_MS ? pause_ms : ASK_MAX_MS;
    service->ask_ns = now_ns + service->pause_ms * MS;
}

/* What went wrong in a call about this job; ENOENT: it has just ended. */
static void pass_over(struct service *service, enum error error, const struct failure *failure) {
    ask_later(service, clock_monotonic_ns());
    if (error == (enum error)ENOENT)
        service->worker->list_ns = 0;
    else
        tell_away(service->worker, failure);
}

/* Asks for shards; what there is. False when there is none, or no answer. */
static bool ask(struct service *service, struct nats_pulled **out, uint32_t wanted,
                uint32_t *count) {
    struct failure failure;
    enum error error = ERROR_NONE;

    *count = 0;
    if (!service->pull)
        error = jobs_open_work(service->worker->jobs, service->job.id, &service->pull, &failure);
    if (!error)
        error = nats_pull_take(service->pull, out, wanted, count, 0, &failure);
    if (error)
        pass_over(service, error, &failure);
    else if (*count)
        service->pause_ms = 0;
    else
        ask_later(service, clock_monotonic_ns());
    return *count;
}

/* True when some came. */
static bool take(struct service *service, uint32_t wanted) {
    struct nats_pulled *messages[TAKE_MAX];
    uint32_t count;

    if (!ask(service, messages, wanted < TAKE_MAX ? wanted : TAKE_MAX, &count))
        return false;
    uint64_t now_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < count; i++)
        if (!was_held(service, messages[i], now_ns))
            hold(service, messages[i], now_ns);
    return true;
}

/* Begins a run with its first shard: whether there is one only asking tells, since a shard whose
 * worker has died counts as under way until somebody asks. */
static bool begin_with_shard(struct service *service) {
    struct nats_pulled *message;
    uint32_t count;

    if (!ask(service, &message, 1, &count))
        return false;
    start_run(service);
    if (service->run)
        hold(service, message, clock_monotonic_ns());
    else
        nats_pulled_return(message, 0);
    return service->run;
}

/* The run that is to make room: one without work, or, for work that is certain, the one that had
 * its place longest. */
static struct service *in_the_way(struct worker *worker, bool certain, uint64_t now_ns) {
    struct service *found = NULL;

    for (struct service *service = worker->services; service; service = service->next) {
        if (!service->run)
            continue;
        if (service->finishing)
            return NULL; /* there soon is room */
        if (!service->held_count)
            return service;
        if (certain && now_ns - service->begun_ns > SLICE_MS * MS &&
            (!found || service->begun_ns < found->begun_ns))
            found = service;
    }
    return found;
}

/* Of the jobs that have no run, but perhaps work, the one that has waited longest. */
static struct service *next_without_run(struct worker *worker, uint64_t now_ns) {
    struct service *found = NULL;

    for (struct service *service = worker->services; service; service = service->next)
        if (service->listed && !service->run && !service->refused && service->ask_ns <= now_ns &&
            (!found || service->ended_ns < found->ended_ns))
            found = service;
    return found;
}

/* Begins a run for a job that has shards, or makes room for it. True when it did the first. */
static bool begin_next(struct worker *worker, uint64_t now_ns) {
    struct service *service = next_without_run(worker, now_ns);
    struct nats_consumer_state state;
    struct failure failure;

    if (!service)
        return false;
    if (count_runs(worker) < WORKER_RUNS_MAX)
        return begin_with_shard(service);
    enum error error = nats_consumer_state(fleet_link(worker->config.fleet), worker->work_stream,
                                           service->job.id, &state, &failure);
    if (error) {
        pass_over(service, error, &failure);
        return false;
    }
    struct service *other =
        state.waiting || state.under_way ? in_the_way(worker, state.waiting > 0, now_ns) : NULL;
    if (other)
        finish_run(other, false);
    ask_later(service, now_ns);
    return false;
}

/* In turn, a few shards each. True when some were taken. */
static bool take_shards(struct worker *worker, uint64_t now_ns) {
    bool any = begin_next(worker, now_ns);

    for (struct service *service = worker->services; service; service = service->next) {
        if (!service->run || !service->listed || service->finishing || service->ask_ns > now_ns)
            continue;
        uint32_t wanted = run_wants(service->run);
        any |= wanted && take(service, wanted);
    }
    return any;
}

/* ---------------------------------------------------------------------------------------------
 * Rounds
 * ------------------------------------------------------------------------------------------- */

static void close_runs(struct worker *worker) {
    for (struct service *service = worker->services; service; service = service->next) {
        collect(service);
        if (!service->run || !run_is_over(service->run))
            continue;
        bool failed = !service->finishing;
        close_run(service);
        if (failed)
            service->ask_ns = clock_monotonic_ns() + RETRY_MS * MS;
    }
}

static bool has_work(const struct worker *worker) {
    for (const struct service *service = worker->services; service; service = service->next)
        if (service->held || service->finishing)
            return true;
    return false;
}

/* What needs the cluster. True when something new was taken. */
static bool talk(struct worker *worker, uint64_t now_ns) {
    bool any = false, answers = true;

    worker->failed = false;
    for (struct service *service = worker->services; service; service = service->next)
        extend(service, now_ns);
    for (struct service *service = worker->services; answers && service; service = service->next)
        answers = acknowledge(service);
    if (answers && now_ns >= worker->list_ns) {
        answers = list_jobs(worker);
        worker->list_ns = now_ns + (has_work(worker) ? LIST_MS : LIST_IDLE_MS) * MS;
    }
    if (answers && !worker->finishing)
        any = take_shards(worker, now_ns);
    if (!worker->failed)
        tell_back(worker);
    return any;
}

static bool is_over(const struct worker *worker, uint64_t now_ns) {
    const struct worker_config *config = &worker->config;

    if (worker->finishing)
        return !count_runs(worker) && (worker->now || !has_work(worker));
    return config->idle_exit_ms && now_ns - worker->busy_ns > config->idle_exit_ms * MS;
}

bool worker_step(struct worker *worker, uint32_t wait_ms) {
    struct failure failure;
    uint32_t ticket = wake_ticket(&worker->wake);
    bool any = false;

    close_runs(worker);
    if (nats_link_ready(fleet_link(worker->config.fleet), &failure) == ERROR_NONE)
        any = talk(worker, clock_monotonic_ns());
    else
        tell_away(worker, &failure);
    remove_services(worker);
    share_out(worker);
    uint64_t now_ns = clock_monotonic_ns();
    if (has_work(worker))
        worker->busy_ns = now_ns;
    if (is_over(worker, now_ns))
        return false;
    uint32_t most_ms = worker->away ? AWAY_MS : has_work(worker) ? ASK_MIN_MS : IDLE_MS;
    if (!any)
        wake_wait(&worker->wake, ticket, wait_ms < most_ms ? wait_ms : most_ms);
    return true;
}

void worker_finish(struct worker *worker, bool now) {
    worker->finishing = true;
    worker->now |= now;
    for (struct service *service = worker->services; service; service = service->next)
        finish_run(service, now);
}

/* ---------------------------------------------------------------------------------------------
 * Beginning and end
 * ------------------------------------------------------------------------------------------- */

enum error worker_open(struct worker **out, const struct worker_config *config,
                       struct failure *failure) {
    struct worker *worker = calloc(1, sizeof *worker);

    *out = NULL;
    if (!worker)
        return failure_set(failure, ERROR_MEMORY, "no memory for a worker");
    worker->config = *config;
    worker->busy_ns = clock_monotonic_ns();
    fleet_work_stream(config->fleet, worker->work_stream);
    enum error error = jobs_open(&worker->jobs, config->fleet, failure);
    if (error) {
        worker_close(worker);
        return error;
    }
    *out = worker;
    return ERROR_NONE;
}

void worker_close(struct worker *worker) {
    if (!worker)
        return;
    worker_finish(worker, true);
    for (struct service *service = worker->services; service; service = service->next) {
        service->listed = false;
        close_run(service);
        give_back_all(service);
    }
    remove_services(worker);
    jobs_close(worker->jobs);
    free(worker);
}

void worker_statistics(const struct worker *worker, struct worker_statistics *out) {
    *out = worker->over;
    for (const struct service *service = worker->services; service; service = service->next) {
        out->shards_in_hand += service->held_count;
        out->runs += service->run != NULL;
        if (service->run)
            add_statistics(service->run, out);
    }
}
