#include "tools/trawl/sweep.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/dns/resolver.h"
#include "engine/io/io.h"
#include "engine/tls/grab.h"
#include "engine/tls/handshake.h"
#include "engine/x509/trust.h"
#include "ingest/ports.h"
#include "ingest/source.h"
#include "sinks/runner.h"
#include "tools/trawl/progress.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUTPUTS_MAX = 16,
    OUTPUT_RING_BATCHES = 64,
    SLOTS_MAX = 8192,        /* of a worker, when chosen by itself */
    CONVERSATIONS_MAX = 512, /* of a worker: more of them only miss the cache */
    OTHER_DESCRIPTORS = 128, /* for files, rings and DNS */
    BAD_LINES_SHOWN = 20,
    PROGRESS_MS = 250,
    DRAIN_S = 10, /* what a dead sink is given after an interruption */
};

struct output {
    struct sink *sink;
    struct batch_queue *queue;
    struct sink_runner *runner;
};

struct sweep {
    const struct scan_settings *settings;
    const struct option_list *specs;
    struct sweep_result *result;
    struct port_list ports;
    struct source_context source_context;
    struct field_selection fields;
    struct pool_config config;
    struct pool *pool;
    struct tls_client *client;
    struct tls_grab_profile *profile;
    struct trust_store *roots;
    struct resolver_hosts *hosts;
    struct output outputs[OUTPUTS_MAX];
    struct pool_outlet outlets[OUTPUTS_MAX];
    uint32_t output_count, runner_count;
    pthread_t feeder, main_thread;
    bool show_progress;
    _Atomic uint64_t total, bad_lines;
    _Atomic bool fed, source_failed;
    _Atomic bool in_trouble; /* a sink waits for room or for the other side */
};

/* --- Words on standard error, from any thread --- */

static void say(const struct sweep *sweep, const char *text) {
    flockfile(stderr);
    if (sweep->show_progress)
        progress_clear();
    fprintf(stderr, "trawl: %s\n", text);
    funlockfile(stderr);
}

/* --- The feeder's thread: sources to pool --- */

static void bad_line(struct sweep *sweep, const struct failure *failure) {
    uint64_t before = atomic_fetch_add(&sweep->bad_lines, 1);

    if (before < BAD_LINES_SHOWN)
        say(sweep, failure->text);
    else if (before == BAD_LINES_SHOWN)
        say(sweep, "more lines are no targets: they are counted, and no longer shown");
}

/* False when the sweep is to end. */
static bool feed_source(struct sweep *sweep, struct source *source) {
    struct failure failure = {0};
    struct target target;

    for (;;) {
        switch (source_next(source, &target, &failure)) {
        case SOURCE_TARGET:
            if (pool_submit(sweep->pool, &target) != ERROR_NONE)
                return false;
            break;
        case SOURCE_BAD_LINE:
            bad_line(sweep, &failure);
            break;
        case SOURCE_END:
            return true;
        case SOURCE_FAILED:
            say(sweep, failure.text);
            atomic_store(&sweep->source_failed, true);
            return true;
        case SOURCE_STOPPED:
            return false;
        }
    }
}

static void feed_all(struct sweep *sweep) {
    bool go_on = true;

    for (uint32_t i = 0; go_on && i < sweep->specs->count; i++) {
        struct failure failure = {0};
        struct source *source;
        if (source_open(&source, &sweep->source_context, sweep->specs->items[i], &failure) !=
            ERROR_NONE) {
            say(sweep, failure.text);
            atomic_store(&sweep->source_failed, true);
            continue;
        }
        go_on = feed_source(sweep, source);
        source_close(source);
    }
}

static void *feeder_run(void *owner) {
    struct sweep *sweep = owner;

    feed_all(sweep);
    pool_finish(sweep->pool);
    pool_join(sweep->pool);
    atomic_store(&sweep->fed, true);
    pthread_kill(sweep->main_thread, SIGUSR1);
    return NULL;
}

/* Every argument is opened once before the sweep begins, so that a wrong one ends it before it has
 * done anything; the sum of what they will give is the progress line's total. */
static enum error check_specs(struct sweep *sweep, struct failure *failure) {
    uint64_t sum = 0;
    bool known = true;

    for (uint32_t i = 0; i < sweep->specs->count; i++) {
        struct source *source;
        const char *spec = sweep->specs->items[i];
        if (strcmp(spec, "-") == 0 || strncmp(spec, "@", 1) == 0) {
            known = false;
            if (spec[0] == '@' && access(spec + 1, R_OK) != 0)
                return failure_set(failure, (enum error)errno, "%s cannot be read: %s", spec + 1,
                                   error_text((enum error)errno));
            continue;
        }
        enum error error = source_open(&source, &sweep->source_context, spec, failure);
        if (error != ERROR_NONE)
            return error;
        uint64_t total = source_total(source);
        known = known && total && !__builtin_add_overflow(sum, total, &sum);
        source_close(source);
    }
    atomic_store(&sweep->total, known ? sum : 0);
    return ERROR_NONE;
}

/* --- Sinks --- */

static void stop(struct sweep *sweep) {
    uint64_t one = 1;
    ssize_t written = write(sweep->source_context.stop_fd, &one, sizeof one);
    (void)written; /* an eventfd takes it */
    pool_stop(sweep->pool);
}

static void on_gone(void *owner) {
    stop(owner);
}

static void on_trouble(void *owner, const struct failure *failure, bool final) {
    struct sweep *sweep = owner;
    atomic_store(&sweep->in_trouble, !final);
    say(sweep, failure->text);
    if (final)
        stop(sweep);
    else
        say(sweep, "the sweep waits until it can be written");
}

static void on_recovered(void *owner) {
    struct sweep *sweep = owner;
    atomic_store(&sweep->in_trouble, false);
    say(sweep, "writing works again");
}

static uint16_t terminal_columns(void) {
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static const struct encoder *chosen_encoder(const struct scan_settings *settings,
                                            const char *spec) {
    if (settings->print)
        return encoder_by_name(slice_of(settings->print));
    if (settings->format != FORMAT_BY_OUTPUT)
        return encoder_by_name(slice_of(scan_formats[settings->format]));
    bool terminal = strcmp(spec, "-") == 0 && isatty(STDOUT_FILENO);
    return terminal && !settings->fields ? encoder_by_name(slice_of("table")) : NULL;
}

static enum error open_output(struct sweep *sweep, const char *spec, struct failure *failure) {
    const struct scan_settings *settings = sweep->settings;
    struct output *output = &sweep->outputs[sweep->output_count];
    struct sink_config config = {
        .spec = spec,
        .encoder = chosen_encoder(settings, spec),
        .fields = &sweep->fields,
        .rotate_bytes = settings->rotate_bytes,
        .rotate_seconds = (uint32_t)((settings->rotate_ms + 999) / 1000),
        .gzip = settings->gzip,
        .append = settings->append,
        .terminal_columns = terminal_columns(),
        .color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
    };
    enum error error = sink_open(&output->sink, &config, failure);
    if (error != ERROR_NONE)
        return error;
    output->queue = batch_queue_new(sweep->config.workers, OUTPUT_RING_BATCHES);
    sweep->outlets[sweep->output_count] =
        (struct pool_outlet){&output->sink->encoding, output->queue};
    sweep->output_count++;
    return output->queue ? ERROR_NONE : failure_set(failure, ERROR_MEMORY, "no memory for a queue");
}

static enum error open_outputs(struct sweep *sweep, struct failure *failure) {
    const struct option_list *outputs = &sweep->settings->outputs;
    enum error error = outputs->count ? ERROR_NONE : open_output(sweep, "-", failure);

    if (outputs->count > OUTPUTS_MAX)
        return failure_set(failure, ERROR_USAGE, "at most %d outputs (-o)", OUTPUTS_MAX);
    for (uint32_t i = 0; error == ERROR_NONE && i < outputs->count; i++)
        error = open_output(sweep, outputs->items[i], failure);
    return error;
}

static enum error start_sinks(struct sweep *sweep, struct failure *failure) {
    struct sink_runner_hooks hooks = {on_gone, on_trouble, on_recovered, sweep};
    enum error error = ERROR_NONE;

    for (; sweep->runner_count < sweep->output_count; sweep->runner_count++) {
        struct output *output = &sweep->outputs[sweep->runner_count];
        error = sink_runner_start(&output->runner, output->sink, output->queue, &hooks, failure);
        if (error != ERROR_NONE)
            break;
    }
    return error;
}

/* The queues are closed: either by the workers, or here when there never were any. */
static void join_sinks(struct sweep *sweep) {
    for (uint32_t i = 0; i < sweep->runner_count; i++) {
        struct sink_totals totals = {0};
        sink_runner_join(sweep->outputs[i].runner, &totals);
        sweep->outputs[i].sink = NULL;
        bool gone = totals.failure.code == ERROR_GONE;
        sweep->result->records_lost += gone ? 0 : totals.records_lost;
        sweep->result->sink_failed |= totals.failure.code != ERROR_NONE && !gone;
    }
}

/* --- Set-up --- */

/* What a process of this user may have open, raised as far as it goes. */
static uint64_t raise_descriptors(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

static enum error choose_slots(struct sweep *sweep, struct failure *failure) {
    uint64_t descriptors = raise_descriptors(), workers = sweep->config.workers;
    uint64_t room = descriptors > 2 * OTHER_DESCRIPTORS ? descriptors - OTHER_DESCRIPTORS : 0;
    uint64_t wanted = sweep->settings->concurrency;
    uint64_t slots = wanted ? (wanted + workers - 1) / workers : SLOTS_MAX;

    if (!room)
        return failure_set(failure, ERROR_LIMIT,
                           "only %llu descriptors are allowed: raise the limit (ulimit -n)",
                           (unsigned long long)descriptors);
    if (slots > room / workers)
        slots = room / workers;
    sweep->config.probe.slots = (uint32_t)slots;
    sweep->config.probe.conversations =
        (uint32_t)(slots < CONVERSATIONS_MAX ? slots : CONVERSATIONS_MAX);
    return ERROR_NONE;
}

/* True when the kernel has no route to the IPv6 internet; connecting a datagram socket sends
 * nothing. */
static bool lacks_ipv6(void) {
    struct address address = {.family = ADDRESS_V6, .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
    struct sockaddr_storage storage;
    uint32_t len = address_to_sockaddr(&address, 53, &storage);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool lacks = fd < 0 || connect(fd, (struct sockaddr *)&storage, len) != 0;

    if (fd >= 0)
        close(fd);
    return lacks;
}

static enum error parse_threshold(const char *text, const char *option, struct judge_threshold *out,
                                  struct failure *failure) {
    char *end;

    errno = 0;
    out->value = strtod(text, &end);
    out->percent = *end == '%';
    if (end == text || errno || (*end && strcmp(end, "%") != 0 && strcmp(end, "d") != 0) ||
        !(out->value >= 0 && out->value <= (out->percent ? 100 : 100000)))
        return failure_set(failure, ERROR_USAGE, "%s '%s' is neither days (14) nor percent (25%%)",
                           option, text);
    return ERROR_NONE;
}

static enum error set_policy(struct sweep *sweep, struct failure *failure) {
    const struct scan_settings *settings = sweep->settings;
    struct judge_policy *policy = &sweep->config.probe.policy;
    enum error error = ERROR_NONE;

    *policy = judge_policy_default();
    policy->defaults = !settings->warn && !settings->critical;
    if (settings->warn)
        error = parse_threshold(settings->warn, "--warn", &policy->warning, failure);
    if (error == ERROR_NONE && settings->critical)
        error = parse_threshold(settings->critical, "--critical", &policy->critical, failure);
    return error;
}

static enum error set_probe(struct sweep *sweep, struct failure *failure) {
    const struct scan_settings *settings = sweep->settings;
    struct prober_settings *probe = &sweep->config.probe;
    struct tls_grab_options grab = {
        .signatures = (enum tls_signature_wish)settings->sigalgs,
        .random_share = settings->grab_share != 0,
    };

    probe->io = &io_uring_backend;
    probe->plan = settings->plan ? PLAN_GRAB : PLAN_HANDSHAKE;
    probe->all_addresses = settings->addresses != 0;
    probe->allow_common_name = settings->allow_cn;
    probe->prefer_v4 = lacks_ipv6();
    probe->dns_servers = settings->resolver;
    probe->dns_timeout_ms = (uint32_t)settings->dns_timeout_ms;
    probe->connect_timeout_ms = (uint32_t)settings->connect_timeout_ms;
    probe->handshake_timeout_ms = (uint32_t)settings->handshake_timeout_ms;
    probe->total_timeout_ms = (uint32_t)settings->timeout_ms;
    probe->hosts = sweep->hosts = resolver_hosts_new(NULL);
    probe->client = sweep->client = tls_client_new();
    probe->profile = sweep->profile = tls_grab_profile_new(&grab);
    if (!sweep->hosts || !sweep->client || !sweep->profile)
        return failure_set(failure, ERROR_MEMORY, "no memory for the TLS client");
    if (settings->no_verify || probe->plan == PLAN_GRAB)
        return ERROR_NONE;
    enum error error = trust_store_open(&sweep->roots, settings->ca_file, failure);
    probe->roots = sweep->roots;
    return error;
}

static enum error set_up(struct sweep *sweep, struct failure *failure) {
    const struct scan_settings *settings = sweep->settings;
    enum error error;

    sweep->config.workers =
        settings->workers ? (uint32_t)settings->workers : pool_default_workers();
    sweep->config.outlets = sweep->outlets;
    sweep->source_context = (struct source_context){
        .ports = &sweep->ports,
        .protocols = &protocol_lookup_tls,
        .seed = settings->seed ? settings->seed : random_seed(),
        .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    if (settings->print && strcmp(settings->print, "names") != 0)
        return failure_set(failure, ERROR_USAGE, "--print knows 'names' only, not '%s'",
                           settings->print);
    if ((error = ports_parse(&sweep->ports, slice_of(settings->ports), &protocol_lookup_tls,
                             failure)) ||
        (error = check_specs(sweep, failure)) || (error = set_policy(sweep, failure)) ||
        (error = choose_slots(sweep, failure)) || (error = set_probe(sweep, failure)) ||
        (error =
             field_selection_init(&sweep->fields, &probe_record_kind, settings->fields, failure)))
        return error;
    error = open_outputs(sweep, failure);
    sweep->config.outlet_count = sweep->output_count;
    return error;
}

static void tear_down(struct sweep *sweep) {
    if (sweep->pool)
        pool_free(sweep->pool);
    for (uint32_t i = 0; i < sweep->output_count; i++) {
        if (sweep->outputs[i].sink)
            sink_close(sweep->outputs[i].sink);
        batch_queue_free(sweep->outputs[i].queue);
    }
    field_selection_deinit(&sweep->fields);
    ports_free(&sweep->ports);
    tls_client_free(sweep->client);
    tls_grab_profile_free(sweep->profile);
    trust_store_close(sweep->roots);
    resolver_hosts_free(sweep->hosts);
    if (sweep->source_context.stop_fd >= 0)
        close(sweep->source_context.stop_fd);
}

/* --- The main thread while it runs --- */

static void on_interrupt(struct sweep *sweep, uint32_t times) {
    if (times == 1) {
        sweep->result->interrupted = true;
        stop(sweep);
        return;
    }
    for (uint32_t i = 0; i < sweep->runner_count; i++)
        sink_runner_abandon(sweep->outputs[i].runner);
}

static void watch(struct sweep *sweep, const sigset_t *signals, uint64_t started_ns) {
    struct timespec tick = {.tv_nsec = PROGRESS_MS * 1000000L};
    uint64_t interrupted_ns = 0;
    uint32_t times = 0;

    while (!atomic_load(&sweep->fed)) {
        int signal = sigtimedwait(signals, NULL, &tick);
        uint64_t now_ns = clock_monotonic_ns();
        if (signal == SIGINT || signal == SIGTERM) {
            on_interrupt(sweep, ++times);
            interrupted_ns = now_ns;
        }
        if (times == 1 && now_ns - interrupted_ns > DRAIN_S * UINT64_C(1000000000))
            on_interrupt(sweep, ++times);
        if (sweep->show_progress) {
            struct pool_statistics statistics;
            pool_statistics(sweep->pool, &statistics);
            progress_show(&statistics, atomic_load(&sweep->total),
                          (double)(now_ns - started_ns) / 1e9);
        }
    }
}

/* All is probed; a sink that waits for room holds the end until it gets it or the user gives up. */
static void wait_out_trouble(struct sweep *sweep, const sigset_t *signals) {
    struct timespec tick = {.tv_nsec = PROGRESS_MS * 1000000L};

    while (atomic_load(&sweep->in_trouble) && !sweep->result->interrupted) {
        int signal = sigtimedwait(signals, NULL, &tick);
        sweep->result->interrupted = signal == SIGINT || signal == SIGTERM;
    }
    for (uint32_t i = 0; sweep->result->interrupted && i < sweep->runner_count; i++)
        if (atomic_load(&sweep->in_trouble))
            sink_runner_abandon(sweep->outputs[i].runner);
}

static enum error run(struct sweep *sweep, struct failure *failure) {
    sigset_t signals, before;
    uint64_t started_ns = clock_monotonic_ns();
    enum error error;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    sweep->main_thread = pthread_self();
    error = pool_start(&sweep->pool, &sweep->config, failure);
    if (error == ERROR_NONE && (error = start_sinks(sweep, failure)) == ERROR_NONE) {
        if (pthread_create(&sweep->feeder, NULL, feeder_run, sweep) != 0)
            abort();
        watch(sweep, &signals, started_ns);
        pthread_join(sweep->feeder, NULL);
        wait_out_trouble(sweep, &signals);
    } else if (sweep->pool) {
        pool_stop(sweep->pool);
        pool_join(sweep->pool);
    }
    join_sinks(sweep);
    if (sweep->show_progress)
        progress_clear();
    sweep->result->seconds = (double)(clock_monotonic_ns() - started_ns) / 1e9;
    if (sweep->pool)
        pool_statistics(sweep->pool, &sweep->result->statistics);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
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
    sweep->source_context.stop_fd = -1;
    sweep->show_progress = !settings->quiet && isatty(STDERR_FILENO);
    enum error error = set_up(sweep, failure);
    if (error == ERROR_NONE)
        error = run(sweep, failure);
    result->bad_lines = atomic_load(&sweep->bad_lines);
    result->source_failed = atomic_load(&sweep->source_failed);
    tear_down(sweep);
    free(sweep);
    return error;
}

enum exit_code sweep_exit_code(const struct sweep_result *result) {
    if (result->source_failed || result->sink_failed)
        return EXIT_FAILED;
    if (result->interrupted)
        return EXIT_INTERRUPTED;
    return result->bad_lines ? EXIT_BAD_INPUT : EXIT_DONE;
}
