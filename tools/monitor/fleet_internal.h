/* What the files of the fleet's probes share: fleet_probes.c is the thread, and what others ask of
 * it; fleet_site.c one label's job. */
#ifndef TOOLS_MONITOR_FLEET_INTERNAL_H
#define TOOLS_MONITOR_FLEET_INTERNAL_H

#include "engine/nats/publisher.h"
#include "engine/nats/pull.h"
#include "engine/queue/wake.h"
#include "tools/fleet/jobs.h"
#include "tools/fleet/page.h"
#include "tools/fleet/shard.h"
#include "tools/monitor/fleet_probes.h"
#include "tools/monitor/fleet_record.h"
#include "tools/monitor/targets.h"

#include <pthread.h>
#include <stdatomic.h>

/* A target that is not in a shard yet. */
struct fleet_waiting {
    struct fleet_waiting *next;
    uint64_t number;
    char spec[FLEET_SPEC_BYTES];
};

_Static_assert((int)PAGE_TARGETS <= (int)FLEET_TOLD_AT_ONCE, "a shard is told of at once");

enum shard_state { SHARD_MADE, SHARD_OFFERED, SHARD_STORED };

/* Up to a page of targets, so that they are answered with one message. */
struct fleet_shard {
    struct fleet_shard *next;
    enum shard_state state;
    struct buffer body;
    uint64_t first; /* of the job's numbers */
    uint64_t made_ns;
    int64_t made_ms;
    uint32_t count, left;
    bool is_told;                   /* that nobody answers */
    uint64_t numbers[PAGE_TARGETS]; /* of the owner; 0: answered */
};

struct fleet_site {
    struct fleet_probes *fleet;
    char label[TARGET_VIA_BYTES], ca_file[TARGET_PATH_BYTES];

    /* With the lock. */
    struct fleet_waiting *waiting, **waiting_end;
    uint32_t waiting_count, under_way;
    uint64_t waiting_ns; /* since when the first waits */
    bool is_used;

    /* The thread's. */
    bool is_open;
    struct job job;
    char subject[FLEET_SUBJECT_MAX], stream[FLEET_SUBJECT_MAX];
    struct nats_pull *pull;
    struct nats_publisher *publisher;
    struct fleet_shard *shards, **shards_end; /* not answered, the oldest first */
    uint64_t last_first;
    uint64_t heard_ns, retry_ns, drained_ns, described_ns;
    uint64_t targets, stored; /* of this job: in shards that are stored; such shards */
    bool is_silent;           /* and that is told */
    bool is_answered;         /* likewise */
};

struct fleet_probes {
    struct fleet_probes_config config;
    struct fleet_owner owner;
    char by[JOB_BY_BYTES], title[64];
    const char *identity; /* of the store: the end of `by` */
    struct wake wake;
    pthread_t thread;
    bool is_started;
    atomic_bool is_stopping;

    pthread_mutex_t lock;
    struct fleet_site *sites[FLEET_SITES_MAX]; /* only grow */
    uint32_t site_count;
    struct fleet_statistics statistics; /* the counts of them */

    /* The thread's. */
    struct fleet *link; /* NULL: not connected yet */
    struct jobs *jobs;
    bool is_clean; /* of what an earlier start has left */
    uint64_t retry_ns;
    enum error trouble; /* the last that was told, until a round is without any */
    bool is_failing;    /* in this round */
    struct page_message page;
};

/* Tells what is new trouble. ERROR_NONE: there is none. */
void fleet_trouble(struct fleet_probes *fleet, enum error error, const struct failure *failure);
void fleet_count(struct fleet_probes *fleet, uint64_t *counter, uint64_t more);

/* A round of a site, which waits for results for `wait_ms` at most. True: there may be some. */
bool fleet_site_step(struct fleet_site *site, uint32_t wait_ms);

/* Ends its job in the cluster, when there is one. What is under way stays so. */
enum error fleet_site_end(struct fleet_site *site);
/* All that is under way is given back without a record. */
void fleet_site_give_up(struct fleet_site *site);

#endif
