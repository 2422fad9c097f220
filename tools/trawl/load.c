#include "tools/trawl/load.h"

#include "engine/base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { PROGRESS_MS = 250 };

/* What one worker saw; read by others when it has ended. */
struct seen {
    struct load_latency latency;
    _Atomic uint64_t outcomes[OUTCOME_COUNT];
};

struct load {
    const struct load_config *config;
    struct pool *pool;
    struct seen *seen; /* one a worker */
    uint32_t workers;
    uint64_t begin_ns;     /* connections due before it are of the warm-up */
    _Atomic uint64_t done; /* those that count */
    _Atomic bool over;
    pthread_t feeder, main_thread;
};

/* --- What comes of it --- */

static void record_span(struct histogram *histogram, int64_t span_us) {
    if (span_us >= 0)
        histogram_record(histogram, (uint64_t)span_us);
}

/* When the connection of a record was to begin. In an open loop its ticket says when it was due; in
 * a closed one it began as soon as it could. */
static uint64_t due_of(const struct load *load, const struct probe_record *record,
                       uint64_t now_ns) {
    return load->config->rate ? record->head.ticket
                              : now_ns - (uint64_t)record->timing.total_us * 1000;
}

static void see(void *owner, uint32_t worker, const struct probe_record *record) {
    struct load *load = owner;
    struct seen *seen = &load->seen[worker];
    uint64_t now_ns = clock_monotonic_ns(), due_ns = due_of(load, record, now_ns);

    if (record->outcome == OUTCOME_CANCELLED || due_ns < load->begin_ns || atomic_load(&load->over))
        return;
    uint64_t number = atomic_fetch_add(&load->done, 1) + 1;
    if (load->config->count && number > load->config->count)
        return;
    atomic_fetch_add_explicit(&seen->outcomes[record->outcome], 1, memory_order_relaxed);
    if (record->outcome == OUTCOME_OK) {
        record_span(&seen->latency.connect, record->timing.connect_us);
        record_span(&seen->latency.handshake, record->timing.handshake_us);
        record_span(&seen->latency.total, (int64_t)((now_ns - due_ns) / 1000));
    }
    if (number == load->config->count)
        pthread_kill(load->main_thread, SIGUSR1);
}

static void collect(const struct load *load, struct load_result *result) {
    histogram_init(&result->latency.connect);
    histogram_init(&result->latency.handshake);
    histogram_init(&result->latency.total);
    for (uint32_t i = 0; i < load->workers; i++) {
        struct seen *seen = &load->seen[i];
        histogram_merge(&result->latency.connect, &seen->latency.connect);
        histogram_merge(&result->latency.handshake, &seen->latency.handshake);
        histogram_merge(&result->latency.total, &seen->latency.total);
        for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
            result->outcomes[outcome] += atomic_load(&seen->outcomes[outcome]);
    }
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        result->done += result->outcomes[outcome];
}

/* --- The feeder --- */

static void sleep_until(uint64_t due_ns) {
    struct timespec due = {.tv_sec = (time_t)(due_ns / 1000000000),
                           .tv_nsec = (long)(due_ns % 1000000000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

/* The times at which connections are due begin anew when the warm-up is over, so that what a server
 * was late with then is not held against it. */
static void *feed(void *owner) {
    struct load *load = owner;
    const struct load_config *config = load->config;
    struct target target = config->target;
    uint64_t start_ns = clock_monotonic_ns(), sent = 0;

    while (!atomic_load(&load->over)) {
        if (config->rate) {
            uint64_t now_ns = clock_monotonic_ns();
            if (start_ns < load->begin_ns && now_ns >= load->begin_ns) {
                start_ns = load->begin_ns;
                sent = 0;
            }
            target.ticket = start_ns + sent++ * UINT64_C(1000000000) / config->rate;
            if (target.ticket > now_ns)
                sleep_until(target.ticket);
        }
        if (pool_submit(load->pool, &target) != ERROR_NONE)
            break;
    }
    pool_finish(load->pool);
    return NULL;
}

/* --- The run --- */

static double cpu_seconds(void) {
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void show(const struct load *load, double seconds) {
    if (!load->config->console->line || seconds <= 0)
        return;
    console_clear(load->config->console);
    uint64_t done = atomic_load(&load->done);
    fprintf(stderr, "%llu done · %.0f/s · %.0f of %.0f s", (unsigned long long)done,
            (double)done / seconds, seconds, (double)load->config->duration_ms / 1e3);
}

/* Until the time is over, the count is reached, or a signal comes. */
static void watch(struct load *load, const sigset_t *signals, uint64_t begin_ns,
                  struct load_result *result) {
    struct timespec tick = {.tv_nsec = PROGRESS_MS * 1000000L};
    uint64_t end_ns = begin_ns + load->config->duration_ms * UINT64_C(1000000);
    bool begun = false;
    double cpu_before = 0;

    for (;;) {
        uint64_t now_ns = clock_monotonic_ns();
        if (!begun && now_ns >= begin_ns) {
            cpu_before = cpu_seconds();
            begun = true;
        }
        if (now_ns >= end_ns ||
            (load->config->count && atomic_load(&load->done) >= load->config->count))
            break;
        uint64_t left_ns = (begun ? end_ns : begin_ns) - now_ns;
        if (left_ns < (uint64_t)tick.tv_nsec)
            tick.tv_nsec = (long)left_ns;
        int signal = sigtimedwait(signals, NULL, &tick);
        tick.tv_nsec = PROGRESS_MS * 1000000L;
        if (signal == SIGINT || signal == SIGTERM) {
            result->interrupted = true;
            break;
        }
        if (begun)
            show(load, (double)(now_ns - begin_ns) / 1e9);
    }
    atomic_store(&load->over, true);
    uint64_t now_ns = clock_monotonic_ns();
    result->seconds = now_ns > begin_ns ? (double)(now_ns - begin_ns) / 1e9 : 0;
    result->cpu_seconds = begun ? cpu_seconds() - cpu_before : 0;
}

static enum error run(struct load *load, struct load_result *result, struct failure *failure) {
    struct pool_config config = {
        .workers = load->config->workers,
        .probe = load->config->probe,
        .observer = {see, load},
    };
    sigset_t signals, before;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    uint64_t begin_ns = clock_monotonic_ns() + load->config->warmup_ms * UINT64_C(1000000);
    load->begin_ns = begin_ns;
    load->main_thread = pthread_self();
    enum error error = pool_start(&load->pool, &config, failure);
    if (error == ERROR_NONE) {
        if (pthread_create(&load->feeder, NULL, feed, load) != 0)
            abort();
        watch(load, &signals, begin_ns, result);
        pool_stop(load->pool);
        pthread_join(load->feeder, NULL);
        pool_join(load->pool);
        pool_free(load->pool);
    }
    console_clear(load->config->console);
    sigaddset(&before, SIGUSR1); /* one that came late would end the program */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

enum error load_run(const struct load_config *config, struct load_result *result,
                    struct failure *failure) {
    struct load load = {.config = config, .workers = config->workers};

    memset(result, 0, sizeof *result);
    load.seen = calloc(load.workers, sizeof *load.seen);
    if (!load.seen)
        return failure_set(failure, ERROR_MEMORY, "no memory for the figures");
    for (uint32_t i = 0; i < load.workers; i++) {
        histogram_init(&load.seen[i].latency.connect);
        histogram_init(&load.seen[i].latency.handshake);
        histogram_init(&load.seen[i].latency.total);
    }
    enum error error = run(&load, result, failure);
    if (error == ERROR_NONE)
        collect(&load, result);
    free(load.seen);
    return error;
}
