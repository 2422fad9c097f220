/* How much one server of yours can take, and how long it lets people wait. */
#include "ingest/source.h"
#include "tools/trawl/command.h"
#include "tools/trawl/load.h"
#include "tools/trawl/probe_setup.h"
#include "tools/trawl/resolve.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONCURRENCY = 64, DURATION_MS = 10000, WARMUP_MS = 1000, NO_END_MS = 86400000 };

struct bench_settings {
    struct scan_settings scan; /* of the probes */
    uint64_t duration_ms, warmup_ms, count;
    bool json;
};

#define SCAN(name)  offsetof(struct bench_settings, scan.name)
#define FIELD(name) offsetof(struct bench_settings, name)
static const char load[] = "Load", how[] = "How it connects", out[] = "Output";

static const struct option_spec options[] = {
    {"concurrency", 'c', OPTION_NUMBER, "N", "connections at once", load, SCAN(concurrency), 1,
     1000000, NULL, NULL},
    {"rate", 'r', OPTION_NUMBER, "N", "new connections a second, whatever the server does", load,
     SCAN(rate), 1, 10000000, NULL, "each when one before it has ended"},
    {"duration", 'd', OPTION_SECONDS, "TIME", "how long", load, FIELD(duration_ms), 100, NO_END_MS,
     NULL, "10s, or until --count"},
    {"count", 'n', OPTION_NUMBER, "N", "connections in all", load, FIELD(count), 1, 0, NULL,
     "as many as there is time for"},
    {"warmup", 0, OPTION_SECONDS, "TIME", "before anything is counted", load, FIELD(warmup_ms), 0,
     NO_END_MS, NULL, NULL},
    {"workers", 0, OPTION_NUMBER, "N", "threads", load, SCAN(workers), 1, 256, NULL, "one a core"},
    {"plan", 0, OPTION_CHOICE, "PLAN",
     "handshake: complete; grab: up to the certificate, without public-key work on our side", how,
     SCAN(plan), 0, 0, scan_plans, NULL},
    {"tls-min", 0, OPTION_TEXT, "VERSION", "lowest TLS version of a handshake: 1.2", how,
     SCAN(tls_min), 0, 0, NULL, "1.0"},
    {"tls-max", 0, OPTION_TEXT, "VERSION", "highest TLS version of a handshake", how, SCAN(tls_max),
     0, 0, NULL, "1.3"},
    {"groups", 0, OPTION_TEXT, "LIST", "key exchange: X25519,P-256,P-384", how, SCAN(groups), 0, 0,
     NULL, "as in a scan"},
    {"timeout", 0, OPTION_SECONDS, "TIME", "for a connection as a whole", how, SCAN(timeout_ms),
     100, 3600000, NULL, NULL},
    {"io", 0, OPTION_CHOICE, "KIND", "how to talk to the kernel", how, SCAN(io), 0, 0, scan_io,
     NULL},
    {"json", 0, OPTION_FLAG, NULL, "the figures as one JSON object", out, FIELD(json), 0, 0, NULL,
     NULL},
    {"quiet", 'q', OPTION_FLAG, NULL, "no progress", out, SCAN(quiet), 0, 0, NULL, NULL},
    {0},
};

static void settings_init(struct bench_settings *settings) {
    *settings = (struct bench_settings){.warmup_ms = WARMUP_MS};
    scan_settings_init(&settings->scan);
    settings->scan.concurrency = CONCURRENCY;
    settings->scan.no_verify = true;
}

static const char usage[] =
    "trawl bench TARGET [OPTION ...]\n\n"
    "Connects to one server of yours again and again, and tells how many TLS handshakes a second "
    "it\n"
    "does and how long they take. TARGET is host:port or host@address:port.\n\n";

static const char more[] =
    "\nWithout --rate the generator waits for the server: when the server stalls, it asks less, "
    "and\n"
    "what people would have waited meanwhile is not in the figures (coordinated omission). With\n"
    "--rate connections are due at fixed times, and latency counts from when one was due.\n"
    "\nExit status: 0 done, 1 failure or no handshake succeeded, 2 wrong usage, 130 interrupted.\n"
    "\nExamples:\n"
    "  trawl bench localhost:8443 -c 256 -d 30\n"
    "  trawl bench www.example.com@192.0.2.7:443 --rate 500 --tls-min 1.3 --json\n";

static void help(struct buffer *text) {
    struct bench_settings settings;

    settings_init(&settings);
    buffer_add_text(text, usage);
    option_help(options, &settings, 100, text);
    buffer_add_text(text, more);
    scan_settings_deinit(&settings.scan);
}

/* --- The target --- */

/* One look-up before, so that DNS is not what is measured. */
static enum error resolve(struct target *target, struct failure *failure) {
    const char *why = target->address.family == ADDRESS_NONE ? resolve_name(target) : NULL;

    return why ? failure_set(failure, ERROR_INPUT, "%s: %s", target->name, why) : ERROR_NONE;
}

static enum error read_target(const char *spec, struct target *target, struct failure *failure) {
    struct port_list ports;
    struct source *source;
    struct target second;
    enum error error = ports_parse(&ports, slice_of("443"), &protocol_lookup_all, failure);

    if (error != ERROR_NONE)
        return error;
    struct source_context context = {
        .ports = &ports, .protocols = &protocol_lookup_all, .stop_fd = -1};
    error = source_open(&source, &context, spec, failure);
    if (error == ERROR_NONE) {
        struct failure none;
        if (source_next(source, target, failure) != SOURCE_TARGET ||
            source_next(source, &second, &none) == SOURCE_TARGET)
            error =
                failure_set(failure, ERROR_USAGE, "'%s' is not one server: give host:port", spec);
        source_close(source);
    }
    ports_free(&ports);
    return error == ERROR_NONE ? resolve(target, failure) : error;
}

/* --- What is printed --- */

static const struct {
    const char *name;
    double percent;
} percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};

enum { PERCENTILES = sizeof percentiles / sizeof percentiles[0] };

struct figures {
    const struct bench_settings *settings;
    const struct target *target;
    const struct load_result *result;
    uint64_t concurrency; /* as far as this machine and whole workers allow */
    char address[ADDRESS_TEXT_MAX];
    double rate, cpu_us;
    struct {
        const char *name;
        const struct histogram *histogram;
    } stages[3];
};

static struct figures figures_of(const struct bench_settings *settings,
                                 const struct load_config *config,
                                 const struct load_result *result) {
    uint64_t ok = result->outcomes[OUTCOME_OK];
    struct figures figures = {
        .settings = settings,
        .target = &config->target,
        .result = result,
        .concurrency = (uint64_t)config->workers * config->probe.slots,
        .rate = result->seconds > 0 ? (double)ok / result->seconds : 0,
        .cpu_us = result->done ? result->cpu_seconds * 1e6 / (double)result->done : 0,
        .stages = {{"connect", &result->latency.connect},
                   {"handshake", &result->latency.handshake},
                   {"total", &result->latency.total}},
    };
    address_format(&config->target.address, figures.address);
    return figures;
}

static void print_human(const struct figures *figures, struct buffer *text) {
    const struct load_result *result = figures->result;
    const struct scan_settings *scan = &figures->settings->scan;

    buffer_add_format(text, "%.0f %ss/s to %s port %u: %llu in %.1f s, %s\n", figures->rate,
                      scan_plans[scan->plan], figures->address, figures->target->port,
                      (unsigned long long)result->outcomes[OUTCOME_OK], result->seconds,
                      scan->rate ? "at a fixed rate" : "each after the one before it");
    buffer_add_format(text, "\n%-10s %10s %10s %10s", "ms", "mean", "min", "max");
    for (size_t i = 0; i < PERCENTILES; i++)
        buffer_add_format(text, " %10s", percentiles[i].name);
    for (size_t i = 0; i < 3; i++) {
        const struct histogram *histogram = figures->stages[i].histogram;
        buffer_add_format(text, "\n%-10s %10.2f %10.2f %10.2f", figures->stages[i].name,
                          histogram_mean(histogram) / 1e3, (double)histogram_min(histogram) / 1e3,
                          (double)histogram_max(histogram) / 1e3);
        for (size_t k = 0; k < PERCENTILES; k++)
            buffer_add_format(text, " %10.2f",
                              (double)histogram_percentile(histogram, percentiles[k].percent) /
                                  1e3);
    }
    buffer_add_text(text, "\n\n");
    for (int i = 0; i < OUTCOME_COUNT; i++)
        if (result->outcomes[i] && i != OUTCOME_OK)
            buffer_add_format(text, "%llu ended with %s\n", (unsigned long long)result->outcomes[i],
                              outcome_name((enum outcome)i));
    buffer_add_format(text, "%.0f µs of this machine's CPU a connection\n", figures->cpu_us);
    if (!scan->rate)
        buffer_add_text(text,
                        "A closed loop: while the server stalled, nothing was asked of it, and "
                        "nobody's waiting\nwas counted (coordinated omission). --rate measures "
                        "that.\n");
    else if (figures->rate < 0.95 * (double)scan->rate)
        buffer_add_format(text,
                          "The rate asked for, %llu/s, was not reached: latencies hold the wait of "
                          "those that were late.\n",
                          (unsigned long long)scan->rate);
}

static void print_json(const struct figures *figures, struct buffer *text) {
    const struct load_result *result = figures->result;
    const struct scan_settings *scan = &figures->settings->scan;

    buffer_add_format(
        text,
        "{\"ip\": \"%s\", \"port\": %u, \"sni\": \"%s\", \"plan\": \"%s\", \"loop\": \"%s\", "
        "\"concurrency\": %llu, \"rate_wanted\": %llu, \"seconds\": %.3f, "
        "\"connections\": %llu, \"ok\": %llu, \"ok_per_second\": %.1f, "
        "\"client_cpu_us\": %.1f",
        figures->address, figures->target->port, figures->target->name, scan_plans[scan->plan],
        scan->rate ? "open" : "closed", (unsigned long long)figures->concurrency,
        (unsigned long long)scan->rate, result->seconds, (unsigned long long)result->done,
        (unsigned long long)result->outcomes[OUTCOME_OK], figures->rate, figures->cpu_us);
    for (size_t i = 0; i < 3; i++) {
        const struct histogram *histogram = figures->stages[i].histogram;
        buffer_add_format(text, ", \"%s_us\": {\"mean\": %.1f, \"min\": %llu, \"max\": %llu",
                          figures->stages[i].name, histogram_mean(histogram),
                          (unsigned long long)histogram_min(histogram),
                          (unsigned long long)histogram_max(histogram));
        for (size_t k = 0; k < PERCENTILES; k++)
            buffer_add_format(
                text, ", \"%s\": %llu", percentiles[k].name,
                (unsigned long long)histogram_percentile(histogram, percentiles[k].percent));
        buffer_add_text(text, "}");
    }
    buffer_add_text(text, ", \"outcomes\": {");
    for (int i = 0, first = 1; i < OUTCOME_COUNT; i++)
        if (result->outcomes[i]) {
            buffer_add_format(text, "%s\"%s\": %llu", first ? "" : ", ",
                              outcome_name((enum outcome)i),
                              (unsigned long long)result->outcomes[i]);
            first = 0;
        }
    buffer_add_text(text, "}}\n");
}

/* --- The command --- */

/* Every connection converses at once. */
static struct load_config config_of(const struct bench_settings *settings,
                                    const struct probe_setup *setup, const struct target *target,
                                    const struct console *console) {
    struct load_config config = {
        .workers = setup->workers,
        .probe = setup->probe,
        .target = *target,
        .duration_ms = settings->duration_ms ? settings->duration_ms
                       : settings->count     ? NO_END_MS
                                             : DURATION_MS,
        .warmup_ms = settings->warmup_ms,
        .count = settings->count,
        .rate = settings->scan.rate,
        .console = console,
    };
    config.probe.conversations = config.probe.slots;
    config.probe.connect_interval_ns = 0; /* the load has a pace of its own */
    return config;
}

static enum exit_code measure(const struct bench_settings *settings,
                              const struct load_config *config) {
    struct load_result *result = malloc(sizeof *result);
    struct failure failure = {0};
    struct buffer text;

    if (!result)
        abort();
    if (load_run(config, result, &failure) != ERROR_NONE) {
        free(result);
        return command_failed(&failure);
    }
    struct figures figures = figures_of(settings, config, result);
    buffer_init(&text);
    if (settings->json)
        print_json(&figures, &text);
    else
        print_human(&figures, &text);
    command_print(&text);
    enum exit_code code = result->interrupted            ? EXIT_INTERRUPTED
                          : result->outcomes[OUTCOME_OK] ? EXIT_DONE
                                                         : EXIT_FAILED;
    free(result);
    return code;
}

static enum exit_code bench(const struct bench_settings *settings, const char *spec) {
    struct console console = {.line = !settings->scan.quiet && isatty(STDERR_FILENO)};
    struct probe_setup setup = {0};
    struct failure failure = {0};
    struct target target;
    enum exit_code code;

    if (read_target(spec, &target, &failure) == ERROR_NONE &&
        probe_setup_init(&setup, &settings->scan, &console, &failure) == ERROR_NONE) {
        struct load_config config = config_of(settings, &setup, &target, &console);
        code = measure(settings, &config);
    } else {
        code = command_failed(&failure);
    }
    probe_setup_deinit(&setup);
    return code;
}

static enum exit_code run(int argc, char *const argv[]) {
    struct bench_settings settings;
    struct option_list targets;
    struct failure failure = {0};
    enum exit_code code;

    settings_init(&settings);
    option_list_init(&targets);
    if (option_parse(options, argc, argv, &settings, &targets, &failure) == ERROR_NONE &&
        targets.count != 1)
        failure_set(&failure, ERROR_USAGE,
                    "bench takes one server, host:port; `trawl help bench` tells more");
    code =
        failure.code != ERROR_NONE ? command_failed(&failure) : bench(&settings, targets.items[0]);
    option_list_deinit(&targets);
    scan_settings_deinit(&settings.scan);
    return code;
}

static void copy_options(struct option_spec table[COMMAND_OPTIONS_MAX]) {
    command_copy_options(options, table);
}

const struct command command_bench = {
    .name = "bench",
    .summary = "handshakes a second and latencies of one server of yours",
    .run = run,
    .help = help,
    .options = copy_options,
};
