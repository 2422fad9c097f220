/* From the options of a job to the probes of a worker: the worker_maker of `trawl worker`. */
#ifndef TOOLS_TRAWL_WORKER_JOB_H
#define TOOLS_TRAWL_WORKER_JOB_H

#include "tools/fleet/worker.h"
#include "tools/trawl/worker_settings.h"

/* All that is the worker's own say in it; outlives what is made. */
struct worker_means {
    const struct worker_settings *settings;
    const struct worker_policy *policy;
    uint32_t workers;     /* threads */
    uint32_t concurrency; /* connections */
    int io;               /* index in scan_io */
};

/* Finds out what this machine can, with one message where that is less than the best. */
enum error worker_means_init(struct worker_means *means, const struct worker_settings *settings,
                             const struct worker_policy *policy, struct failure *failure)
    __attribute__((warn_unused_result));

/* `owner` is a const struct worker_means. */
enum error worker_job_make(void *owner, const struct job_options *options, struct run_config *out,
                           void **token, struct failure *failure)
    __attribute__((warn_unused_result));
void worker_job_unmake(void *owner, void *token);

#endif
