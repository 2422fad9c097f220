/* Between jobs.c and jobs_list.c. */
#ifndef TOOLS_FLEET_JOBS_INTERNAL_H
#define TOOLS_FLEET_JOBS_INTERNAL_H

#include "engine/nats/kv.h"
#include "tools/fleet/jobs.h"

#define JOBS_COLLECTOR "collector" /* the consumer of each results stream */

struct jobs {
    struct fleet *fleet;
    struct nats_link *link;
    struct nats_kv *bucket;
    char work_stream[FLEET_SUBJECT_MAX];
    /* As of the last list: nothing is read again that cannot have changed. */
    struct job *known; /* oldest first */
    uint32_t known_count;
    bool is_complete; /* all that there is, when `version` is still that of the bucket */
    struct nats_kv_version version;
};

static inline bool jobs_has_ended(const struct job *job) {
    return job->state == JOB_DONE || job->state == JOB_CANCELLED;
}

/* All but the descriptor; what is not there is fine. */
enum error jobs_remove_queues(struct jobs *jobs, const char *id, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
