#include "tools/trawl/progress.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static uint64_t wrong(const struct prober_statistics *probe) {
    return probe->statuses[STATUS_CRITICAL] + probe->statuses[STATUS_WARNING];
}

void progress_show(const struct pool_statistics *statistics, uint64_t total, double seconds) {
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

void progress_summary(const struct sweep_result *result) {
    const struct prober_statistics *probe = &result->statistics.probe;
    uint64_t done = probe->finished - probe->further;

    fprintf(stderr, "%llu targets in %.1f s (%.0f/s), %llu records%s\n", (unsigned long long)done,
            result->seconds, result->seconds > 0 ? (double)done / result->seconds : 0,
            (unsigned long long)probe->finished, result->interrupted ? ", interrupted" : "");
    for (int i = 0; i < OUTCOME_COUNT; i++)
        if (probe->outcomes[i])
            fprintf(stderr, "  %8llu  %s\n", (unsigned long long)probe->outcomes[i],
                    outcome_name((enum outcome)i));
    summary_findings(probe);
    if (result->bad_lines)
        fprintf(stderr, "%llu lines of the input were no targets\n",
                (unsigned long long)result->bad_lines);
    if (result->excluded)
        fprintf(stderr, "%llu targets were excluded\n", (unsigned long long)result->excluded);
    if (result->done_before)
        fprintf(stderr, "%llu targets had been done before\n",
                (unsigned long long)result->done_before);
    if (result->records_lost)
        fprintf(stderr, "%llu records could not be written\n",
                (unsigned long long)result->records_lost);
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

static void stats_text(const struct sweep_result *result, struct buffer *out) {
    const struct prober_statistics *probe = &result->statistics.probe;
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"targets", probe->started},
        {"records", probe->finished},
        {"further_records", probe->further},
        {"cancelled", probe->outcomes[OUTCOME_CANCELLED]},
        {"records_lost", result->records_lost},
        {"bad_lines", result->bad_lines},
        {"excluded", result->excluded},
        {"done_before", result->done_before},
        {"connections", probe->connections},
        {"bytes_received", probe->bytes_received},
        {"back_pressure", probe->back_pressure},
        {"held", probe->held},
    };

    buffer_add_format(out, "{\n  \"seconds\": %.3f", result->seconds);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        buffer_add_format(out, ",\n  \"%s\": %llu", numbers[i].name,
                          (unsigned long long)numbers[i].value);
    add_counts(out, "outcomes", probe->outcomes, OUTCOME_COUNT, outcome_at);
    add_counts(out, "statuses", probe->statuses, STATUS_COUNT, status_at);
    add_counts(out, "findings", probe->findings, FINDING_COUNT, finding_at);
    buffer_add_text(out, "\n}\n");
}

enum error progress_write_stats(const struct sweep_result *result, const char *path,
                                struct failure *failure) {
    struct buffer text;
    char partial[4096];

    buffer_init(&text);
    stats_text(result, &text);
    snprintf(partial, sizeof partial, "%s.partial", path);
    FILE *file = fopen(partial, "we");
    bool ok = file && fwrite(text.ptr, 1, text.len, file) == text.len;
    if (file && fclose(file) != 0)
        ok = false;
    ok = ok && rename(partial, path) == 0;
    buffer_deinit(&text);
    if (ok)
        return ERROR_NONE;
    enum error error = (enum error)errno;
    if (file)
        unlink(partial);
    return failure_set(failure, error, "%s cannot be written: %s", path, error_text(error));
}
