#include "tools/trawl/watch_progress.h"

#include "engine/base/buffer.h"
#include "tools/trawl/stats_file.h"

#include <stdio.h>

/* How far all logs together are behind their heads. */
static uint64_t behind(const struct watch_feeds *feeds) {
    uint64_t entries = 0;

    for (uint32_t i = 0; i < watch_feeds_count(feeds); i++) {
        struct feed_statistics feed;
        watch_feeds_statistics(feeds, i, &feed);
        if (feed.head > feed.committed)
            entries += feed.head - feed.committed;
    }
    return entries;
}

void watch_progress_show(const struct watch_result *result, const struct watch_feeds *feeds,
                         double seconds, uint64_t waiting) {
    uint64_t left = behind(feeds);
    double rate = seconds > 0 ? (double)result->committed / seconds : 0;

    fprintf(stderr, "\r\033[K%llu entries · %.0f/s · %llu matched",
            (unsigned long long)result->committed, rate,
            (unsigned long long)result->decoded.matched);
    if (result->ledger.verdicts[CT_VERDICT_SUSPICIOUS])
        fprintf(stderr, " · %llu suspicious",
                (unsigned long long)result->ledger.verdicts[CT_VERDICT_SUSPICIOUS]);
    if (left)
        fprintf(stderr, " · %llu behind", (unsigned long long)left);
    if (result->gaps + result->lost)
        fprintf(stderr, " · %llu missing", (unsigned long long)(result->gaps + result->lost));
    if (waiting)
        fprintf(stderr, " · %llu wait for outputs", (unsigned long long)waiting);
}

void watch_summary(const struct watch_result *result) {
    fprintf(stderr, "%llu entries in %.1f s (%.0f/s), %llu matched%s\n",
            (unsigned long long)result->committed, result->seconds,
            result->seconds > 0 ? (double)result->committed / result->seconds : 0,
            (unsigned long long)result->decoded.matched,
            result->interrupted ? ", interrupted" : "");
    for (int i = CT_VERDICT_INFO; i < CT_VERDICTS; i++)
        if (result->ledger.verdicts[i])
            fprintf(stderr, "  %8llu  %s\n", (unsigned long long)result->ledger.verdicts[i],
                    ct_verdict_name((enum ct_verdict)i));
    if (result->gaps)
        fprintf(stderr, "%llu entries were left out by feeds\n", (unsigned long long)result->gaps);
    if (result->lost)
        fprintf(stderr, "%llu messages were lost\n", (unsigned long long)result->lost);
    if (result->records_refused)
        fprintf(stderr, "%llu times an output refused a record\n",
                (unsigned long long)result->records_refused);
    if (result->records_left_out)
        fprintf(stderr, "%llu records were left out by filters (only=)\n",
                (unsigned long long)result->records_left_out);
    if (result->ledger.untold)
        fprintf(stderr, "%llu alerts have not reached every output\n",
                (unsigned long long)result->ledger.untold);
    if (result->records_lost)
        fprintf(stderr, "%llu records could not be written\n",
                (unsigned long long)result->records_lost);
    if (result->outputs.len)
        fprintf(stderr, "outputs:\n%.*s", (int)result->outputs.len,
                (const char *)result->outputs.ptr);
}

static void stats_text(const struct watch_result *result, struct buffer *out) {
    const struct stats_number numbers[] = {
        {"entries", result->committed},
        {"certificates", result->decoded.certificates},
        {"precertificates", result->decoded.precertificates},
        {"malformed", result->decoded.malformed},
        {"unbound", result->decoded.unbound},
        {"names", result->decoded.names},
        {"matched", result->decoded.matched},
        {"heartbeats", result->decoded.heartbeats},
        {"pages", result->decoded.pages},
        {"bytes", result->decoded.bytes},
        {"gaps", result->gaps},
        {"lost", result->lost},
        {"hits", result->ledger.hits},
        {"repeated", result->ledger.repeated},
        {"delivered", result->ledger.delivered},
        {"records_lost", result->records_lost},
        {"records_refused", result->records_refused},
        {"records_left_out", result->records_left_out},
        {"untold", result->ledger.untold},
    };

    stats_file_begin(out, result->seconds, numbers, sizeof numbers / sizeof numbers[0]);
    buffer_add_text(out, ",\n  \"verdicts\": {");
    for (int i = CT_VERDICT_INFO; i < CT_VERDICTS; i++)
        buffer_add_format(out, "%s\"%s\": %llu", i > CT_VERDICT_INFO ? ", " : "",
                          ct_verdict_name((enum ct_verdict)i),
                          (unsigned long long)result->ledger.verdicts[i]);
    buffer_add_text(out, "}");
    stats_file_end(out, buffer_slice(&result->outputs_stats));
}

enum error watch_write_stats(const struct watch_result *result, const char *path,
                             struct failure *failure) {
    struct buffer text;

    buffer_init(&text);
    stats_text(result, &text);
    enum error error = stats_file_write(path, buffer_slice(&text), failure);
    buffer_deinit(&text);
    return error;
}
