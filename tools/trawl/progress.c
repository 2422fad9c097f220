#include "tools/trawl/progress.h"

#include "tools/trawl/stats_file.h"

#include <stdio.h>

static uint64_t wrong(const struct prober_statistics *probe) {
    return probe->statuses[STATUS_CRITICAL] + probe->statuses[STATUS_WARNING];
}

void progress_show(const struct pool_statistics *statistics, uint64_t total, double seconds,
                   uint64_t waiting) {
    const struct prober_statistics *probe = &statistics->probe;
    uint64_t done = probe->finished - probe->further;
    double rate = seconds > 0 ? (double)done / seconds : 0;

    fprintf(stderr, "\r\033[K%llu", (unsigned long long)done);
    if (total)
        fprintf(stderr, " of %llu", (unsigned long long)total);
    fprintf(stderr, " done · %.0f/s · %llu with certificate · %llu expiring or expired · %llu busy",
            rate, (unsigned long long)(probe->statuses[STATUS_OK] + wrong(probe)),
            (unsigned long long)wrong(probe), (unsigned long long)probe->busy);
    if (total > done && rate > 0)
        fprintf(stderr, " · %.0f s left", (double)(total - done) / rate);
    if (waiting)
        fprintf(stderr, " · %llu wait for outputs", (unsigned long long)waiting);
}

static void summary_findings(const struct prober_statistics *probe) {
    bool any = false;

    for (int i = 0; i < FINDING_COUNT; i++) {
        if (!probe->findings[i])
            continue;
        if (!any)
            fputs("what is wrong or worth a look:\n", stderr);
        any = true;
        fprintf(stderr, "  %8llu  %-28s %s\n", (unsigned long long)probe->findings[i],
                finding_name((enum finding)i), finding_summary((enum finding)i));
    }
}

/* How much of the verifying had been done before. */
static void summary_trust(const struct trust_statistics *trust) {
    uint64_t issuers = trust->signatures_checked + trust->signatures_remembered;
    uint64_t spared = trust->checks ? trust->verdicts_remembered * 100 / trust->checks : 0;

    if (!trust->checks)
        return;
    fprintf(stderr, "%llu chains verified, %llu%% of them known already",
            (unsigned long long)trust->checks, (unsigned long long)spared);
    if (issuers)
        fprintf(stderr, "; %llu signatures, %llu more remembered",
                (unsigned long long)trust->signatures_checked,
                (unsigned long long)trust->signatures_remembered);
    fputs("\n", stderr);
}

static void summary_count(uint64_t count, const char *words) {
    if (count)
        fprintf(stderr, "%llu %s\n", (unsigned long long)count, words);
}

static void summary_fleet(const struct sweep_fleet *fleet) {
    summary_count(fleet->unreadable, "targets could not be understood by a worker");
    summary_count(fleet->oversize, "targets have records that are too large for the cluster");
    summary_count(fleet->lost, "targets were lost by the cluster");
    summary_count(fleet->again, "pages were lost by the cluster, and their targets probed again");
    summary_count(fleet->malformed, "messages of the job could not be read");
    summary_count(fleet->duplicates, "pages of records came twice, and were written once");
    if (fleet->workers.len)
        fprintf(stderr, "workers:\n%.*s", (int)fleet->workers.len,
                (const char *)fleet->workers.ptr);
}

void progress_outcomes(const struct prober_statistics *probe) {
    for (int i = 0; i < OUTCOME_COUNT; i++)
        if (probe->outcomes[i])
            fprintf(stderr, "  %8llu  %s\n", (unsigned long long)probe->outcomes[i],
                    outcome_name((enum outcome)i));
}

void progress_summary(const struct sweep_result *result) {
    const struct prober_statistics *probe = &result->statistics.probe;
    uint64_t done = probe->finished - probe->further;

    fprintf(stderr, "%llu targets in %.1f s (%.0f/s), %llu records%s\n", (unsigned long long)done,
            result->seconds, result->seconds > 0 ? (double)done / result->seconds : 0,
            (unsigned long long)probe->finished, result->interrupted ? ", interrupted" : "");
    progress_outcomes(probe);
    summary_trust(&probe->trust);
    summary_findings(probe);
    summary_count(result->bad_lines, "lines of the input were no targets");
    summary_count(result->excluded, "targets were excluded");
    summary_count(result->done_before, "targets had been done before");
    summary_count(result->records_refused, "records were refused by an output");
    summary_count(result->records_left_out, "records were left out by filters (only=)");
    summary_count(result->readers_left, "readers of a socket left before the end");
    summary_count(result->records_lost, "records could not be written");
    summary_fleet(&result->fleet);
    if (result->outputs.len)
        fprintf(stderr, "outputs:\n%.*s", (int)result->outputs.len,
                (const char *)result->outputs.ptr);
}

static void add_counts(struct buffer *out, const char *name, const uint64_t *counts, int count,
                       const char *(*name_of)(int)) {
    buffer_add_format(out, ",\n  \"%s\": {", name);
    for (int i = 0, first = 1; i < count; i++)
        if (counts[i]) {
            buffer_add_format(out, "%s\"%s\": %llu", first ? "" : ", ", name_of(i),
                              (unsigned long long)counts[i]);
            first = 0;
        }
    buffer_add_text(out, "}");
}

static const char *outcome_at(int i) {
    return outcome_name((enum outcome)i);
}

static const char *status_at(int i) {
    return status_name((enum status)i);
}

static const char *finding_at(int i) {
    return finding_name((enum finding)i);
}

static void add_group(struct buffer *out, const char *name, const struct stats_number *numbers,
                      size_t count) {
    buffer_add_format(out, ",\n  \"%s\": {", name);
    for (size_t i = 0; i < count; i++)
        buffer_add_format(out, "%s\"%s\": %llu", i ? ", " : "", numbers[i].name,
                          (unsigned long long)numbers[i].value);
    buffer_add_text(out, "}");
}

static void add_trust(struct buffer *out, const struct trust_statistics *trust) {
    const struct stats_number numbers[] = {
        {"checks", trust->checks},
        {"verdicts_remembered", trust->verdicts_remembered},
        {"certificates_parsed", trust->certificates_parsed},
        {"certificates_remembered", trust->certificates_remembered},
        {"signatures_checked", trust->signatures_checked},
        {"signatures_remembered", trust->signatures_remembered},
        {"paths_validated", trust->paths_validated},
    };

    add_group(out, "trust", numbers, sizeof numbers / sizeof numbers[0]);
}

static void add_fetched(struct buffer *out, const struct fetcher_statistics *fetched) {
    const struct stats_number numbers[] = {
        {"questions", fetched->questions}, {"remembered", fetched->remembered},
        {"requests", fetched->requests},   {"failures", fetched->failures},
        {"bytes", fetched->bytes},         {"memory_bytes", fetched->memory_bytes},
    };

    add_group(out, "fetched", numbers, sizeof numbers / sizeof numbers[0]);
}

void progress_add_probes(struct buffer *out, const struct prober_statistics *probe) {
    add_counts(out, "outcomes", probe->outcomes, OUTCOME_COUNT, outcome_at);
    add_counts(out, "statuses", probe->statuses, STATUS_COUNT, status_at);
    add_counts(out, "findings", probe->findings, FINDING_COUNT, finding_at);
    add_trust(out, &probe->trust);
}

static void stats_text(const struct sweep_result *result, struct buffer *out) {
    const struct prober_statistics *probe = &result->statistics.probe;
    const struct stats_number numbers[] = {
        {"targets", probe->started},
        {"records", probe->finished},
        {"further_records", probe->further},
        {"cancelled", probe->outcomes[OUTCOME_CANCELLED]},
        {"records_lost", result->records_lost},
        {"records_refused", result->records_refused},
        {"records_left_out", result->records_left_out},
        {"readers_left", result->readers_left},
        {"bad_lines", result->bad_lines},
        {"excluded", result->excluded},
        {"done_before", result->done_before},
        {"connections", probe->connections},
        {"bytes_received", probe->bytes_received},
        {"back_pressure", probe->back_pressure},
        {"held", probe->held},
    };

    stats_file_begin(out, result->seconds, numbers, sizeof numbers / sizeof numbers[0]);
    progress_add_probes(out, probe);
    add_fetched(out, &result->fetched);
    buffer_add_slice(out, buffer_slice(&result->fleet.stats));
    stats_file_end(out, buffer_slice(&result->outputs_stats));
}

enum error progress_write_stats(const struct sweep_result *result, const char *path,
                                struct failure *failure) {
    struct buffer text;

    buffer_init(&text);
    stats_text(result, &text);
    enum error error = stats_file_write(path, buffer_slice(&text), failure);
    buffer_deinit(&text);
    return error;
}
