/* Prometheus' text: engine/record/prometheus.h, with the verdict of the check. */
#include "tools/trawl/check_verdict.h"

#include "engine/record/prometheus.h"

#include <stdlib.h>

static void write_metrics(const struct check_answer *answer, struct buffer *out) {
    struct prometheus_sight *sights = calloc(answer->count, sizeof *sights);
    struct buffer *subjects = calloc(answer->count, sizeof *subjects);

    if (!sights || !subjects) {
        out->failed = true;
        free(sights);
        free(subjects);
        return;
    }
    for (uint32_t i = 0; i < answer->count; i++) {
        buffer_init(&subjects[i]);
        check_add_subject(answer->records[i], &subjects[i]);
        out->failed |= subjects[i].failed;
        sights[i] = (struct prometheus_sight){
            .record = answer->records[i],
            .target = buffer_slice(&subjects[i]),
            .verdict = check_verdict(answer->records[i], answer->ignored),
        };
    }
    prometheus_add(sights, answer->count, out);
    for (uint32_t i = 0; i < answer->count; i++)
        buffer_deinit(&subjects[i]);
    free(subjects);
    free(sights);
}

const struct check_form check_prometheus = {
    .name = "prometheus",
    .write = write_metrics,
    .exit_failure = CHECK_NOT_FIXED,
};
