#include "tools/trawl/sweep.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/x509/certificate.h"
#include "tools/trawl/anchors.h"
#include "tools/trawl/checkpoint.h"
#include "tools/trawl/console.h"
#include "tools/trawl/feeder.h"
#include "tools/trawl/local.h"
#include "tools/trawl/outputs.h"
#include "tools/trawl/probe_setup.h"
#include "tools/trawl/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PROGRESS_MS = 250,
    PATIENCE_S = 1, /* after an interruption, until the user is told what is waited for */
    DRAIN_S = 10,   /* what the sinks are given after an interruption */
    SHARD_SEED = 1, /* every shard must see the same order */
};

struct sweep {
    const struct scan_settings *settings;
    const struct option_list *specs;
    struct sweep_result *result;
    struct console console;
    struct port_list ports;
    struct source_context sources;
    struct source_roots roots; /* reads into `anchors` */
    struct anchors anchors;
    struct buffer password; /* of PKCS#12 files */
    struct feeder_config feeder_config;
    struct probe_setup setup;
    struct checkpoint *checkpoint;
    struct outputs *outputs;
    struct pool *pool;
    struct feeder *feeder;
    pthread_t main_thread;
    uint64_t total; /* 0: not known */
};

/* --- What ends it --- */

static void stop(void *owner) {
    struct sweep *sweep = owner;
    uint64_t one = 1;
    ssize_t written = write(sweep->sources.stop_fd, &one, sizeof one);

    (void)written; /* an eventfd takes it */
    pool_stop(sweep->pool);
}

static void on_done(void *owner) {
    pthread_kill(((struct sweep *)owner)->main_thread, SIGUSR1);
}

/* --- What the checkpoint has to do with the outputs --- */

static struct sink_position position_of(void *owner, uint32_t number) {
    return checkpoint_position(((struct sweep *)owner)->checkpoint, number);
}

static void on_written(void *owner, uint32_t number, const uint64_t *tickets, size_t count,
                       struct sink_position position) {
    checkpoint_mark(((struct sweep *)owner)->checkpoint, number, tickets, count, position);
}

/* --- Set-up --- */

/* "2/5" */
static enum error parse_shard(const struct scan_settings *settings, struct feeder_config *out,
                              struct failure *failure) {
    int end = 0;

    if (!settings->shard)
        return ERROR_NONE;
    if (sscanf(settings->shard, "%u/%u%n", &out->shard_number, &out->shard_count, &end) != 2 ||
        settings->shard[end] || out->shard_number < 1 || out->shard_number > out->shard_count)
        return failure_set(failure, ERROR_USAGE,
                           "--shard '%s' is not like 2/5, the second of five shards",
                           settings->shard);
    return ERROR_NONE;
}

static void describe_file(const char *path, struct buffer *out) {
    struct stat status;

    if (stat(path, &status) == 0)
        buffer_add_format(out, " size %lld changed %lld.%ld", (long long)status.st_size,
                          (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    buffer_add_byte(out, '\n');
}

static void describe_list(const char *what, const struct option_list *list, struct buffer *out) {
    for (uint32_t i = 0; i < list->count; i++) {
        buffer_add_format(out, "%s %s", what, list->items[i]);
        describe_file(list->items[i][0] == '@' ? list->items[i] + 1 : "", out);
    }
}

void sweep_describe(const struct scan_settings *settings, const struct option_list *specs,
                    struct buffer *out) {
    describe_list("target", specs, out);
    describe_list("exclude", &settings->exclude, out);
    buffer_add_format(out, "ports %s shard %s seed %llu input %d\n", settings->ports,
                      settings->shard ? settings->shard : "", (unsigned long long)settings->seed,
                      settings->input_format);
    outputs_describe(&settings->output, out);
}

static bool identify(const struct sweep *sweep, struct checkpoint_identity *out) {
    struct buffer text;

    buffer_init(&text);
    sweep_describe(sweep->settings, sweep->specs, &text);
    certificate_sha256(buffer_slice(&text), out->digest);
    bool ok = !text.failed;
    buffer_deinit(&text);
    return ok;
}

static enum error open_checkpoint(struct sweep *sweep, struct failure *failure) {
    struct checkpoint_identity identity = {.seed = sweep->sources.seed,
                                           .run = sweep->setup.probe.run,
                                           .sinks = outputs_count(&sweep->settings->output)};
    char text[128];

    if (!sweep->settings->checkpoint)
        return ERROR_NONE;
    if (identity.sinks > CHECKPOINT_SINKS_MAX || !identify(sweep, &identity))
        return failure_set(failure, ERROR_USAGE, "too many outputs (-o) for a checkpoint");
    enum error error =
        checkpoint_open(&sweep->checkpoint, sweep->settings->checkpoint, &identity, failure);
    if (error != ERROR_NONE)
        return error;
    sweep->sources.seed = identity.seed;
    sweep->setup.probe.run = identity.run;
    uint64_t done = checkpoint_done_before(sweep->checkpoint);
    if (done) {
        snprintf(text, sizeof text, "going on with a sweep of which %llu targets are done",
                 (unsigned long long)done);
        console_say(&sweep->console, text);
    }
    return ERROR_NONE;
}

static bool verifies(const struct scan_settings *settings) {
    return !settings->no_verify && settings->plan != PLAN_GRAB;
}

static enum error read_password(struct sweep *sweep, struct failure *failure) {
    const char *path = sweep->settings->password_file;

    if (!path)
        return ERROR_NONE;
    enum error error = local_read_password(path, &sweep->password, failure);
    sweep->feeder_config.password = (const char *)sweep->password.ptr;
    return error;
}

static void set_sources(struct sweep *sweep) {
    const struct scan_settings *settings = sweep->settings;

    sweep->sources = (struct source_context){
        .ports = &sweep->ports,
        .protocols = &protocol_lookup_all,
        .format = settings->input_format,
        .seed = settings->seed    ? settings->seed
                : settings->shard ? SHARD_SEED
                                  : random_seed(),
        .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .roots = verifies(settings) ? &sweep->roots : NULL,
        .no_files = settings->checkpoint ? "certificates in files are no part of a sweep with "
                                           "--checkpoint: sweep them apart"
                                         : NULL,
    };
    sweep->roots = (struct source_roots){anchors_open, &sweep->anchors};
    sweep->feeder_config = (struct feeder_config){
        .specs = sweep->specs,
        .sources = &sweep->sources,
        .console = &sweep->console,
    };
}

static enum error set_up(struct sweep *sweep, struct failure *failure) {
    const struct scan_settings *settings = sweep->settings;
    struct feeder_config *feeder = &sweep->feeder_config;
    enum error error;

    set_sources(sweep);
    if ((error = parse_shard(settings, feeder, failure)) ||
        (error = ports_parse(&sweep->ports, slice_of(settings->ports), &protocol_lookup_all,
                             failure)) ||
        (error = read_password(sweep, failure)) ||
        (error = feeder_check(feeder, &sweep->total, failure)) ||
        (error = probe_setup_init(&sweep->setup, settings, &sweep->console, failure)) ||
        (error = open_checkpoint(sweep, failure)))
        return error;
    feeder->excluded = sweep->setup.excluded;
    feeder->checkpoint = sweep->checkpoint;
    struct outputs_config outputs = {
        .settings = &settings->output,
        .kind = &probe_record_kind,
        .console = &sweep->console,
        .producers = sweep->setup.workers,
        .resumable = sweep->checkpoint != NULL,
        .position = position_of,
        .on_written = sweep->checkpoint ? on_written : NULL,
        .on_dead = stop,
        .on_done = on_done,
        .owner = sweep,
    };
    return outputs_open(&sweep->outputs, &outputs, failure);
}

static void tear_down(struct sweep *sweep) {
    if (sweep->pool)
        pool_free(sweep->pool);
    outputs_close(sweep->outputs);
    checkpoint_close(sweep->checkpoint);
    probe_setup_deinit(&sweep->setup);
    anchors_deinit(&sweep->anchors);
    buffer_deinit(&sweep->password);
    ports_free(&sweep->ports);
    if (sweep->sources.stop_fd >= 0)
        close(sweep->sources.stop_fd);
}

/* --- The main thread while it runs --- */

static void interrupt(struct sweep *sweep, uint32_t times) {
    if (times == 1) {
        sweep->result->interrupted = true;
        stop(sweep);
    } else {
        outputs_abandon(sweep->outputs);
    }
}

static void show_progress(struct sweep *sweep, double seconds) {
    struct pool_statistics statistics;

    if (!sweep->console.line)
        return;
    pool_statistics(sweep->pool, &statistics);
    uint64_t left_out = feeder_left_out(sweep->feeder);
    progress_show(&statistics, sweep->total > left_out ? sweep->total - left_out : 0, seconds,
                  outputs_waiting(sweep->outputs));
}

/* Until every sink has completed what the workers gave it. A second signal, or a sink that is not
 * through some time after the first, ends the waiting for sinks. */
static void watch(struct sweep *sweep, const sigset_t *signals, uint64_t started_ns) {
    struct timespec tick = {.tv_nsec = PROGRESS_MS * 1000000L};
    uint64_t interrupted_ns = 0;
    uint32_t times = 0;
    bool told = false;

    while (outputs_running(sweep->outputs)) {
        int signal = sigtimedwait(signals, NULL, &tick);
        uint64_t now_ns = clock_monotonic_ns();
        if (signal == SIGINT || signal == SIGTERM) {
            interrupt(sweep, ++times);
            interrupted_ns = now_ns;
        }
        if (times == 1 && now_ns - interrupted_ns > PATIENCE_S * UINT64_C(1000000000) && !told) {
            console_say(&sweep->console, "waiting for the outputs to take what is done; interrupt "
                                         "again to give it up");
            told = true;
        }
        if (times == 1 && now_ns - interrupted_ns > DRAIN_S * UINT64_C(1000000000))
            interrupt(sweep, ++times);
        show_progress(sweep, (double)(now_ns - started_ns) / 1e9);
    }
}

static enum error start(struct sweep *sweep, struct failure *failure) {
    struct pool_config config = {
        .workers = sweep->setup.workers,
        .probe = sweep->setup.probe,
        .outlets = outputs_outlets(sweep->outputs),
        .outlet_count = outputs_count(&sweep->settings->output),
    };
    enum error error;

    if ((error = pool_start(&sweep->pool, &config, failure)) ||
        (error = outputs_start(sweep->outputs, failure)))
        return error;
    return feeder_start(&sweep->feeder, &sweep->feeder_config, sweep->pool, failure);
}

/* From left to right: sources, workers, sinks. */
static void join(struct sweep *sweep) {
    struct sweep_result *result = sweep->result;
    struct feeder_totals feeder = {0};
    struct outputs_totals outputs;

    if (sweep->feeder)
        feeder_join(sweep->feeder, &feeder);
    if (sweep->pool)
        pool_join(sweep->pool);
    outputs_join(sweep->outputs, &outputs);
    if (sweep->pool)
        pool_statistics(sweep->pool, &result->statistics);
    if (sweep->setup.fetcher)
        result->fetched = fetcher_statistics(sweep->setup.fetcher);
    result->bad_lines = feeder.bad_lines;
    result->excluded = feeder.excluded;
    result->done_before = feeder.done_before;
    result->source_failed = feeder.failed;
    result->records_lost = outputs.records_lost;
    result->records_refused = outputs.records_refused;
    result->records_left_out = outputs.records_left_out;
    result->readers_left = outputs.readers_left;
    result->sink_failed = outputs.failed || outputs.records_refused || outputs.records_dead;
    outputs_summary(sweep->outputs, &result->outputs);
    outputs_stats(sweep->outputs, &result->outputs_stats);
    result->reader_left = outputs.left;
}

static enum error run(struct sweep *sweep, struct failure *failure) {
    sigset_t signals, before;
    uint64_t started_ns = clock_monotonic_ns();

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    sweep->main_thread = pthread_self();
    enum error error = start(sweep, failure);
    if (error == ERROR_NONE)
        watch(sweep, &signals, started_ns);
    else if (sweep->pool)
        pool_stop(sweep->pool);
    join(sweep);
    console_clear(&sweep->console);
    sweep->result->seconds = (double)(clock_monotonic_ns() - started_ns) / 1e9;
    sigaddset(&before, SIGUSR1);      /* one that came late would end the program */
    if (sweep->result->interrupted) { /* so would another, before it has said how it ended */
        sigaddset(&before, SIGINT);
        sigaddset(&before, SIGTERM);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static bool is_complete(const struct sweep_result *result) {
    return !result->interrupted && !result->source_failed && !result->sink_failed &&
           !result->reader_left && !result->records_lost && !result->records_refused &&
           !result->statistics.probe.outcomes[OUTCOME_CANCELLED];
}

enum error sweep_run(const struct scan_settings *settings, const struct option_list *specs,
                     struct sweep_result *result, struct failure *failure) {
    struct sweep *sweep = calloc(1, sizeof *sweep);

    *result = (struct sweep_result){0};
    if (!sweep)
        return failure_set(failure, ERROR_MEMORY, "no memory");
    sweep->settings = settings;
    sweep->specs = specs;
    sweep->result = result;
    sweep->sources.stop_fd = -1;
    buffer_init(&sweep->password);
    sweep->console.line = !settings->quiet && isatty(STDERR_FILENO);
    enum error error = set_up(sweep, failure);
    if (error == ERROR_NONE)
        error = run(sweep, failure);
    bool begun = error == ERROR_NONE;
    if (sweep->checkpoint &&
        (begun ? is_complete(result) : checkpoint_done_before(sweep->checkpoint) == 0))
        checkpoint_remove(sweep->checkpoint);
    tear_down(sweep);
    free(sweep);
    return error;
}

void sweep_result_deinit(struct sweep_result *result) {
    buffer_deinit(&result->outputs);
    buffer_deinit(&result->outputs_stats);
    buffer_deinit(&result->fleet.workers);
    buffer_deinit(&result->fleet.stats);
}

enum exit_code sweep_exit_code(const struct sweep_result *result) {
    if (result->source_failed || result->sink_failed || result->fleet.failed)
        return EXIT_FAILED;
    if (result->interrupted)
        return EXIT_INTERRUPTED;
    return result->bad_lines ? EXIT_BAD_INPUT : EXIT_DONE;
}
