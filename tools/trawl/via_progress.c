#include "tools/trawl/via_internal.h"

#include "engine/base/clock.h"
#include "engine/record/json.h"
#include "tools/trawl/stats_file.h"

#include <stdio.h>

enum { WORKERS_SHOWN = 3 };

/* --- Rates: since the older of two samples, which are at least VIA_RATE_MS apart --- */

static void take_sample(struct via_sample *sample, const struct collector_statistics *statistics) {
    sample->at_ns = clock_monotonic_ns();
    sample->targets = statistics->targets;
    for (uint32_t i = 0; i < statistics->worker_count; i++)
        sample->of_worker[i] = statistics->workers[i].targets;
}

static double rate_of(uint64_t now, uint64_t then, double seconds) {
    return seconds > 0 && now > then ? (double)(now - then) / seconds : 0;
}

static void show_workers(const struct via *via, const struct collector_statistics *statistics,
                         double seconds) {
    bool shown[COLLECTOR_WORKERS_MAX] = {false};
    uint32_t active = 0;

    for (uint32_t i = 0; i < statistics->worker_count; i++)
        active += statistics->workers[i].targets > via->old.of_worker[i];
    fprintf(stderr, " · %u workers", active);
    for (uint32_t n = 0; n < WORKERS_SHOWN && n < active; n++) {
        uint32_t best = COLLECTOR_WORKERS_MAX;
        uint64_t most = 0;
        for (uint32_t i = 0; i < statistics->worker_count; i++) {
            uint64_t more = statistics->workers[i].targets - via->old.of_worker[i];
            if (!shown[i] && more > most) {
                best = i;
                most = more;
            }
        }
        if (best == COLLECTOR_WORKERS_MAX)
            return;
        shown[best] = true;
        fprintf(stderr, "%s %.20s %.0f/s", n ? "," : ":", statistics->workers[best].name,
                rate_of(most, 0, seconds));
    }
}

/* Targets of earlier runs are known by their pages. */
static uint64_t targets_done(const struct via *via, const struct collector_statistics *statistics) {
    uint64_t before = (via->pages_done - statistics->pages) * PAGE_TARGETS;

    return statistics->targets + before;
}

void via_progress_show(struct via *via) {
    struct collector_statistics statistics;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t total = via->job.state == JOB_RUNNING ? via->job.targets : via->total;

    if (!via->console.line)
        return;
    collector_statistics(via->collector, &statistics);
    if (!via->old.at_ns)
        via->old.at_ns = via->recent.at_ns = via->started_ns;
    if (now_ns - via->recent.at_ns > VIA_RATE_MS * UINT64_C(1000000)) {
        via->old = via->recent;
        take_sample(&via->recent, &statistics);
    }
    double seconds = (double)(now_ns - via->old.at_ns) / 1e9;
    double rate = rate_of(statistics.targets, via->old.targets, seconds);
    uint64_t done = targets_done(via, &statistics), waiting = outputs_waiting(via->outputs);

    fprintf(stderr, "\r\033[K%llu", (unsigned long long)done);
    if (total)
        fprintf(stderr, " of %llu", (unsigned long long)total);
    fprintf(stderr, " done · %.0f/s", rate);
    if (total > done && rate > 0)
        fprintf(stderr, " · %.0f s left", (double)(total - done) / rate);
    show_workers(via, &statistics, seconds);
    if (via->queues.pages_waiting)
        fprintf(stderr, " · %llu pages wait", (unsigned long long)via->queues.pages_waiting);
    if (waiting)
        fprintf(stderr, " · %llu wait for outputs", (unsigned long long)waiting);
}

/* --- The end --- */

static void describe_workers(const struct collector_statistics *statistics, struct buffer *words,
                             struct buffer *json) {
    buffer_add_text(json, ", \"workers\": [");
    for (uint32_t i = 0; i < statistics->worker_count; i++) {
        const struct collector_worker *worker = &statistics->workers[i];
        if (worker->targets)
            buffer_add_format(words, "  %8llu  targets by %s\n",
                              (unsigned long long)worker->targets, worker->name);
        buffer_add_text(json, i ? ", {\"name\": " : "{\"name\": ");
        json_add_text(slice_of(worker->name), json);
        buffer_add_format(json, ", \"targets\": %llu}", (unsigned long long)worker->targets);
    }
    buffer_add_byte(json, ']');
}

static void describe_fleet(struct sweep_fleet *fleet,
                           const struct collector_statistics *statistics) {
    struct buffer *out = &fleet->stats;
    const struct stats_number numbers[] = {
        {"pages", fleet->pages},         {"bytes", fleet->bytes}, {"duplicates", fleet->duplicates},
        {"malformed", fleet->malformed}, {"again", fleet->again}, {"unreadable", fleet->unreadable},
        {"oversize", fleet->oversize},   {"lost", fleet->lost},
    };

    buffer_add_format(out, ",\n  \"fleet\": {\"job\": \"%s\"", fleet->job);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        buffer_add_format(out, ", \"%s\": %llu", numbers[i].name,
                          (unsigned long long)numbers[i].value);
    describe_workers(statistics, &fleet->workers, out);
    buffer_add_byte(out, '}');
}

void via_progress_result(struct via *via) {
    struct sweep_result *result = via->result;
    struct sweep_fleet *fleet = &result->fleet;
    struct prober_statistics *probe = &result->statistics.probe;
    struct collector_statistics statistics;

    collector_statistics(via->collector, &statistics);
    uint64_t probed = statistics.fates[PAGE_PROBED];
    probe->started = probed;
    probe->finished = statistics.records > probed ? statistics.records : probed;
    probe->further = probe->finished - probed;
    memcpy(probe->outcomes, statistics.outcomes, sizeof statistics.outcomes);
    memcpy(probe->statuses, statistics.statuses, sizeof statistics.statuses);
    result->excluded = statistics.fates[PAGE_EXCLUDED];
    memcpy(fleet->job, via->job.id, sizeof fleet->job);
    fleet->pages = statistics.pages;
    fleet->bytes = statistics.bytes;
    fleet->duplicates = statistics.duplicates;
    fleet->malformed = statistics.malformed;
    fleet->again = via->again;
    fleet->unreadable = statistics.fates[PAGE_UNREADABLE];
    fleet->oversize = statistics.fates[PAGE_OVERSIZE];
    describe_fleet(fleet, &statistics);
}

void via_progress_tell_left(const struct via *via) {
    const char *shown = fleet_shown(via->fleet);
    char text[2 * FAILURE_TEXT_MAX];

    if (via->job.state == JOB_CUTTING && !via->cut.is_done)
        snprintf(text, sizeof text,
                 "job %s has only the first %llu targets: where it was begun with --checkpoint, "
                 "the same command goes on; else `trawl scan --via %.100s --attach %s` with the "
                 "same outputs collects what there is, and `trawl jobs %.100s cancel %s` ends it",
                 via->job.id, (unsigned long long)via->job.targets, shown, via->job.id, shown,
                 via->job.id);
    else if (via->settings->checkpoint && !via->settings->attach)
        snprintf(text, sizeof text,
                 "job %s goes on without this trawl: run the same command again to collect the "
                 "rest, or `trawl jobs %.100s cancel %s` to end it",
                 via->job.id, shown, via->job.id);
    else
        snprintf(text, sizeof text,
                 "job %s goes on without this trawl: `trawl scan --via %.100s --attach %s` with "
                 "the same outputs collects the rest, `trawl jobs %.100s cancel %s` ends it",
                 via->job.id, shown, via->job.id, shown, via->job.id);
    console_say(&via->console, text);
}
