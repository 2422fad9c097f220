#include "tools/trawl/via_internal.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

enum {
    SHOW_MS = 250,
    ASK_MS = 2000,   /* the cluster, how far it is */
    IDLE_MS = 10000, /* without a worker until that is told */
    WAIT_MS = 100,   /* for pages, when there is nothing else to do */
    LOOK_MS = 10,    /* for what the outputs do */
    DRAIN_S = 10,    /* what the outputs are given after an interruption */
    BUFFER_BYTES = 256 * 1024 * 1024,
    ATTEMPTS_MAX = 3, /* to have done again what the cluster has lost */
};

/* --- What is heard --- */

static void signals_of(sigset_t *out) {
    sigemptyset(out);
    sigaddset(out, SIGINT);
    sigaddset(out, SIGTERM);
}

/* True when an interruption came within `wait_ms`. */
static bool interrupted_within(uint32_t wait_ms) {
    struct timespec wait = {.tv_nsec = (long)(wait_ms * MS)};
    sigset_t signals;

    signals_of(&signals);
    return sigtimedwait(&signals, NULL, &wait) > 0;
}

static void say_failure(const struct via *via, const struct failure *failure) {
    console_say(&via->console, failure->text);
}

/* What is wrong now may pass; each streak of it is told once. */
static void hear_trouble(struct via *via, enum error error, const struct failure *failure) {
    if (error && !via->is_troubled)
        say_failure(via, failure);
    if (!error && via->is_troubled)
        console_say(&via->console, "the cluster answers again");
    via->is_troubled = error != ERROR_NONE;
}

static void stop(struct via *via, enum via_end end, const struct failure *why) {
    say_failure(via, why);
    via->end = end;
}

static void on_bad_line(void *owner, const struct failure *failure) {
    struct via *via = owner;

    console_say_bad_line(&via->console, via->bad_lines++, failure->text);
}

static void on_cutter_trouble(void *owner, const struct failure *failure, bool final) {
    struct via *via = owner;

    say_failure(via, failure);
    if (final)
        atomic_store(&via->cutter_failed, true);
}

static bool is_known(void *owner, uint64_t page) {
    const struct via *via = owner;

    return checkpoint_is_done(via->checkpoint, page + 1) ||
           (via->job.state == JOB_RUNNING && page >= via->job.pages);
}

static bool on_wait(void *owner, const struct failure *who) {
    struct via *via = owner;
    char text[sizeof who->text + 96];

    if (!via->told_idle) {
        snprintf(text, sizeof text, "%s; waiting for %.0f s to see whether it is alive", who->text,
                 (double)collector_lease_ms(&via->job) / 1e3);
        console_say(&via->console, text);
    }
    via->told_idle = true;
    return !interrupted_within(0);
}

static void on_odd(void *owner, const struct failure *failure) {
    const struct via *via = owner;
    struct collector_statistics statistics;

    collector_statistics(via->collector, &statistics);
    if (statistics.malformed == 1)
        say_failure(via, failure);
}

/* --- Pages on their way to the outputs --- */

static void add_target(const struct via *via, uint32_t output, const struct page_target *target) {
    struct batch *batch = via->relay.open[output];
    int rendering = via->rendering_of[output];

    if (target->fate != PAGE_PROBED)
        return;
    if (rendering < 0) {
        batch->records++;
        return;
    }
    if (via->relay.outlets[output].encoding->encoder)
        buffer_add_slice(&batch->bytes, target->renderings[rendering].bytes);
    batch->records += target->renderings[rendering].records;
    batch->left_out += target->renderings[rendering].left_out;
}

/* An output that has it from an earlier run gets nothing but the ticket. */
static void add_page(const struct via *via, const struct collected_page *page) {
    for (uint32_t i = 0; i < via->relay.count; i++) {
        if (checkpoint_is_written(via->checkpoint, i, page->page + 1))
            continue;
        for (uint32_t k = 0; k < page->count; k++)
            add_target(via, i, &page->targets[k]);
    }
}

/* A page that has no room in the checkpoint's window comes again, when it has moved on. */
static void hand_on(struct via *via, const struct collected_page *page) {
    struct relay_unit unit = {page->page + 1, page->token, page->bytes};
    struct failure failure = {0};

    if (!checkpoint_has_room(via->checkpoint, unit.ticket)) {
        collector_settle(via->collector, page->token, false);
        return;
    }
    enum error error = relay_begin(&via->relay, &failure);
    if (!error) {
        add_page(via, page);
        error = relay_commit(&via->relay, unit, &failure);
    }
    if (!error)
        return;
    relay_cancel(&via->relay);
    collector_settle(via->collector, page->token, false);
    stop(via, VIA_STOPPED, &failure);
}

static void settle(struct via *via) {
    struct relay_unit unit;

    while (relay_take_done(&via->relay, &unit)) {
        collector_settle(via->collector, unit.item, true);
        via->pages_done++;
    }
}

static void take_page(struct via *via) {
    bool busy = via->relay.committed != via->relay.taken;
    struct collected_page page;
    struct failure failure = {0};
    bool found;
    enum error error =
        collector_next(via->collector, &page, &found, busy ? LOOK_MS : WAIT_MS, &failure);

    if (error == ERROR_STOPPED || error == (enum error)ENOENT) {
        stop(via, error == ERROR_STOPPED ? VIA_STOPPED : VIA_ENDED, &failure);
        return;
    }
    hear_trouble(via, error, &failure);
    if (found)
        hand_on(via, &page);
    else if (error && interrupted_within(WAIT_MS))
        via->interrupts++;
}

/* While the outputs are full. */
static void wait_for_outputs(struct via *via) {
    struct failure failure = {0};

    if (collector_keep(via->collector, &failure) == ERROR_STOPPED)
        stop(via, VIA_STOPPED, &failure);
    else if (interrupted_within(LOOK_MS))
        via->interrupts++;
}

/* --- How far it is --- */

/* Nothing is queued or under way, here or there, for so long. */
static bool is_quiet(const struct via *via, const struct collector_statistics *statistics,
                     uint64_t time_ms) {
    const struct job_progress *queues = &via->queues;

    return !queues->shards_waiting && !queues->shards_under_way && !queues->pages_waiting &&
           queues->pages_under_way <= statistics->messages_held &&
           via->relay.committed == via->relay.taken &&
           clock_monotonic_ns() - statistics->last_ns > time_ms * MS &&
           clock_monotonic_ns() - via->worked_ns > time_ms * MS;
}

static void tell_missing(struct via *via) {
    char text[256];

    if (via->job.state != JOB_RUNNING)
        snprintf(text, sizeof text,
                 "job %s was not cut to its end: what was in the queue is collected, %llu targets",
                 via->job.id, (unsigned long long)via->job.targets);
    else
        snprintf(
            text, sizeof text,
            "%llu pages of up to %d targets never came, and nothing is under way any more: the "
            "cluster has lost them",
            (unsigned long long)via->missing, PAGE_TARGETS);
    console_say(&via->console, text);
}

static bool is_missing(void *owner, uint64_t page) {
    return !is_known(owner, page);
}

/* The job stays ours meanwhile. */
static bool goes_on(void *owner) {
    struct via *via = owner;
    struct failure failure = {0};

    via->interrupts += interrupted_within(0);
    if (collector_keep(via->collector, &failure) == ERROR_STOPPED)
        stop(via, VIA_STOPPED, &failure);
    return !via->interrupts && via->end == VIA_GOES_ON;
}

/* False when there is nothing that could be done again. */
static bool probe_again(struct via *via) {
    const struct jobs_missing missing = {is_missing, goes_on, via};
    struct failure failure = {0};
    uint64_t pages;
    char text[160];
    enum error error =
        jobs_again(via->jobs, via->job.id, via->attempts + 1, &missing, &pages, &failure);

    if (error == ERROR_STOPPED)
        return true;
    hear_trouble(via, error, &failure);
    if (error)
        return true;
    if (!via->attempts++ && pages) {
        snprintf(text, sizeof text,
                 "%llu pages that the cluster had acknowledged never came: their targets are "
                 "probed again",
                 (unsigned long long)pages);
        console_say(&via->console, text);
    }
    via->again += pages;
    via->worked_ns = clock_monotonic_ns();
    return pages > 0;
}

/* A shard is acknowledged when all its pages are stored, and a page when it is collected: so what
 * is missing when all is quiet has another collector, if there was one, or the cluster has lost it:
 * then it is done again. */
static void judge(struct via *via) {
    struct collector_statistics statistics;
    bool is_cut = via->job.state == JOB_RUNNING;

    if (via->cutter && !is_cut && !atomic_load(&via->cutter_failed))
        return;
    collector_statistics(via->collector, &statistics);
    if (is_cut && statistics.others) {
        if (is_quiet(via, &statistics, ASK_MS))
            via->end = VIA_COMPLETE;
        return;
    }
    /* Who cut it has gone, or he would collect. */
    if (!is_quiet(via, &statistics, is_cut ? via->job.lease_ms + ASK_MS : ASK_MS))
        return;
    if (is_cut && via->attempts < ATTEMPTS_MAX && probe_again(via))
        return;
    via->missing = is_cut ? via->job.pages - via->pages_done : 0;
    tell_missing(via);
    via->end = VIA_INCOMPLETE;
}

static void tell_idle(struct via *via, uint64_t now_ns) {
    char text[FAILURE_TEXT_MAX];

    if (via->told_idle || !via->queues.shards_waiting || now_ns - via->worked_ns < IDLE_MS * MS)
        return;
    snprintf(
        text, sizeof text,
        "no worker has taken anything for %d s: start some with `trawl worker %.150s%s%s`; one "
        "that runs and leaves this job to others says why on its standard error",
        IDLE_MS / 1000, fleet_shown(via->fleet), via->job.label[0] ? " --label " : "",
        via->job.label);
    console_say(&via->console, text);
    via->told_idle = true;
}

static void ask(struct via *via) {
    struct collector_statistics statistics;
    struct failure failure = {0};
    struct job job;
    enum error error = jobs_get(via->jobs, via->job.id, &job, &failure);

    if (!error)
        via->job = job;
    if (error == (enum error)ENOENT || (!error && job.state > JOB_RUNNING)) {
        failure_set(&failure, ERROR_STOPPED, "job %s was cancelled, or has ended", via->job.id);
        stop(via, VIA_ENDED, &failure);
        return;
    }
    if (!error)
        error = jobs_progress(via->jobs, via->job.id, &via->queues, &failure);
    hear_trouble(via, error, &failure);
    if (error)
        return;
    uint64_t now_ns = clock_monotonic_ns();
    collector_statistics(via->collector, &statistics);
    if (via->queues.shards_under_way)
        via->worked_ns = now_ns;
    else if (statistics.last_ns > via->worked_ns)
        via->worked_ns = statistics.last_ns;
    tell_idle(via, now_ns);
    judge(via);
}

static bool is_cut_now(struct via *via) {
    bool before = via->cut.is_done;

    if (via->cutter)
        cutter_totals(via->cutter, &via->cut);
    return via->cut.is_done && !before;
}

static void look_around(struct via *via) {
    uint64_t now_ns = clock_monotonic_ns();

    if (now_ns >= via->next_show_ns) {
        via_progress_show(via);
        via->next_show_ns = now_ns + SHOW_MS * MS;
    }
    if (is_cut_now(via) || now_ns >= via->next_ask_ns) {
        ask(via);
        via->next_ask_ns = clock_monotonic_ns() + ASK_MS * MS;
    }
}

static void collect(struct via *via) {
    while (via->end == VIA_GOES_ON) {
        settle(via);
        if (relay_has_room(&via->relay))
            take_page(via);
        else
            wait_for_outputs(via);
        if (interrupted_within(0))
            via->interrupts++;
        if (via->end != VIA_GOES_ON)
            return;
        if (via->interrupts)
            via->end = VIA_INTERRUPTED;
        else if (atomic_load(&via->is_dead))
            via->end = VIA_DEAD;
        else if (via->job.state == JOB_RUNNING && via->pages_done >= via->job.pages)
            via->end = VIA_COMPLETE;
        else
            look_around(via);
    }
}

/* --- Its end, from left to right --- */

static void stop_cutter(struct via *via) {
    uint64_t one = 1;

    if (!via->cutter)
        return;
    if (via->end != VIA_COMPLETE) {
        ssize_t written = write(via->sources.stop_fd, &one, sizeof one);
        (void)written; /* an eventfd takes it */
        cutter_stop(via->cutter);
    }
    cutter_join(via->cutter, &via->cut);
    via->cutter = NULL;
    if (via->cut.targets > via->job.targets)
        via->job.targets = via->cut.targets;
    via->result->bad_lines = via->cut.bad_lines;
    via->result->source_failed = via->cut.failed || atomic_load(&via->cutter_failed);
}

/* Until every output is through. A second interruption, or one that takes too long after the first,
 * ends the waiting; what is not written by then comes again. */
static void drain(struct via *via) {
    uint64_t interrupted_ns = via->interrupts ? clock_monotonic_ns() : 0;
    bool closed = false, told = false;
    struct failure failure;

    while (!closed || outputs_running(via->outputs)) {
        closed = closed || relay_end(&via->relay);
        settle(via);
        if (interrupted_within(LOOK_MS)) {
            via->interrupts++;
            interrupted_ns = interrupted_ns ? interrupted_ns : clock_monotonic_ns();
        }
        uint64_t waited_ns = interrupted_ns ? clock_monotonic_ns() - interrupted_ns : 0;
        if (waited_ns > 1000 * MS && !told) {
            console_say(&via->console, "waiting for the outputs to take what has come; interrupt "
                                       "again to give it up");
            told = true;
        }
        if (via->interrupts > 1 || waited_ns > DRAIN_S * 1000 * MS)
            outputs_abandon(via->outputs);
        (void)!collector_keep(via->collector, &failure);
    }
}

static void join_outputs(struct via *via) {
    struct sweep_result *result = via->result;
    struct outputs_totals totals;
    struct relay_unit unit;

    outputs_join(via->outputs, &totals);
    settle(via);
    while (relay_take_any(&via->relay, &unit))
        collector_settle(via->collector, unit.item, false);
    /* What was not written comes again, as long as there is the job. */
    bool comes_again = via->end == VIA_INTERRUPTED || via->end == VIA_DEAD;
    result->records_lost = comes_again ? 0 : totals.records_lost;
    result->records_refused = totals.records_refused;
    result->records_left_out = totals.records_left_out;
    result->readers_left = totals.readers_left;
    result->sink_failed = totals.failed || totals.records_refused || totals.records_dead;
    result->reader_left = totals.left;
    outputs_summary(via->outputs, &result->outputs);
    outputs_stats(via->outputs, &result->outputs_stats);
    /* A file that could not be completed is completed by the next collector. */
    if (via->end == VIA_COMPLETE && (totals.failed || totals.records_lost || totals.left))
        via->end = VIA_DEAD;
}

/* Nobody needs the job any more: all that there was is written. */
static void end_job(struct via *via) {
    struct failure failure = {0};

    if (jobs_end(via->jobs, via->job.id, JOB_DONE, &failure) != ERROR_NONE)
        say_failure(via, &failure);
    checkpoint_remove(via->checkpoint);
}

/* Targets that are not of this run: done before, or given up. */
static void count_others(struct via *via) {
    struct sweep_result *result = via->result;
    const struct sweep_fleet *fleet = &result->fleet;
    uint64_t of_this_run =
        result->statistics.probe.started + result->excluded + fleet->unreadable + fleet->oversize;
    uint64_t others = via->job.targets > of_this_run ? via->job.targets - of_this_run : 0;
    uint64_t missing = via->missing * PAGE_TARGETS;

    result->fleet.lost = missing < others ? missing : others;
    result->done_before = others - result->fleet.lost;
}

static void conclude(struct via *via) {
    struct sweep_result *result = via->result;
    bool is_over =
        via->end == VIA_COMPLETE || (via->end == VIA_INCOMPLETE && via->job.state == JOB_RUNNING);

    result->interrupted = via->end == VIA_INTERRUPTED;
    result->fleet.failed =
        via->end == VIA_INCOMPLETE || via->end == VIA_STOPPED || via->end == VIA_ENDED;
    if (is_over) {
        count_others(via);
        end_job(via);
    } else if (via->end == VIA_ENDED) {
        checkpoint_remove(via->checkpoint);
    } else if (via->end != VIA_STOPPED) {
        via_progress_tell_left(via);
    }
}

/* --- The run --- */

static enum error open_collector(struct via *via, struct failure *failure) {
    struct collector_config config = {
        .fleet = via->fleet,
        .jobs = via->jobs,
        .job = &via->job,
        .renderings = via->options.rendering_count,
        .identity = via->identity,
        .is_known = is_known,
        .on_wait = on_wait,
        .on_odd = on_odd,
        .owner = via,
    };

    return collector_open(&via->collector, &config, failure);
}

static enum error start(struct via *via, struct failure *failure) {
    struct cutter_config cutter = {
        .fleet = via->fleet,
        .job = via->job.id,
        .specs = via->specs,
        .sources = &via->sources,
        .total = via->total,
        .on_bad_line = on_bad_line,
        .on_trouble = on_cutter_trouble,
        .owner = via,
    };
    uint64_t buffer_bytes = via->settings->buffer_bytes;
    enum error error = ERROR_NONE;

    /* The lease of a job that is there already comes before its outputs are touched. */
    if (!via->is_new && (error = open_collector(via, failure)))
        return error;
    if ((error = via_job_open_outputs(via, failure)))
        return error;
    if (via->is_new &&
        ((error = jobs_submit(via->jobs, &via->job, &via->options,
                              buffer_bytes ? buffer_bytes : BUFFER_BYTES, failure)) ||
         (error = open_collector(via, failure))))
        return error;
    if ((error = outputs_start(via->outputs, failure)))
        return error;
    via->told_idle = false;
    if (via->job.state == JOB_CUTTING && !via->settings->attach)
        error = cutter_start(&via->cutter, &cutter, failure);
    return error;
}

static void greet(const struct via *via) {
    char text[FAILURE_TEXT_MAX];

    if (via->settings->quiet)
        return;
    if (via->pages_done)
        snprintf(text, sizeof text, "going on with job %s, of which about %llu targets are done",
                 via->job.id, (unsigned long long)(via->pages_done * PAGE_TARGETS));
    else
        snprintf(text, sizeof text, "job %s is with the fleet at %.200s", via->job.id,
                 fleet_shown(via->fleet));
    console_say(&via->console, text);
}

/* What was begun in vain is taken back. */
static void give_up(struct via *via) {
    struct failure ignored;
    struct outputs_totals totals;

    stop_cutter(via);
    if (via->outputs && relay_end(&via->relay))
        outputs_join(via->outputs, &totals);
    if (via->is_new)
        (void)!jobs_end(via->jobs, via->job.id, JOB_CANCELLED, &ignored);
}

static enum error run(struct via *via, struct failure *failure) {
    sigset_t signals, before;

    signals_of(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    via->started_ns = via->worked_ns = clock_monotonic_ns();
    enum error error = start(via, failure);
    if (error) {
        give_up(via);
    } else {
        greet(via);
        collect(via);
        stop_cutter(via);
        drain(via);
        join_outputs(via);
        via_progress_result(via);
    }
    collector_close(via->collector);
    via->collector = NULL;
    console_clear(&via->console);
    if (!error)
        conclude(via);
    via->result->seconds = (double)(clock_monotonic_ns() - via->started_ns) / 1e9;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void tear_down(struct via *via, enum error error) {
    collector_close(via->collector);
    relay_deinit(&via->relay);
    outputs_close(via->outputs);
    /* One that nothing was done with is of no use. */
    if (via->checkpoint && error && checkpoint_done_before(via->checkpoint) == 0)
        checkpoint_remove(via->checkpoint);
    checkpoint_close(via->checkpoint);
    job_options_deinit(&via->options);
    jobs_close(via->jobs);
    fleet_close(via->fleet);
    ports_free(&via->ports);
    if (via->sources.stop_fd >= 0)
        close(via->sources.stop_fd);
}

enum error via_run(const struct scan_settings *settings, const struct option_list *specs,
                   struct sweep_result *result, struct failure *failure) {
    struct via *via = calloc(1, sizeof *via);

    *result = (struct sweep_result){0};
    if (!via)
        return failure_set(failure, ERROR_MEMORY, "no memory");
    via->settings = settings;
    via->specs = specs;
    via->result = result;
    via->sources.stop_fd = -1;
    via->console.line = !settings->quiet && isatty(STDERR_FILENO);
    job_options_init(&via->options);
    enum error error = via_job_prepare(via, failure);
    if (!error)
        error = run(via, failure);
    tear_down(via, error);
    free(via);
    return error;
}
