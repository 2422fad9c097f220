/* What the files of the schedule share: schedule.c is its thread, schedule_api.c what others ask of
 * it. */
#ifndef TOOLS_MONITOR_SCHEDULE_INTERNAL_H
#define TOOLS_MONITOR_SCHEDULE_INTERNAL_H

#include "engine/base/random.h"
#include "engine/pool/pool.h"
#include "ingest/permutation.h"
#include "tools/monitor/schedule.h"
#include "tools/monitor/schedule_entries.h"

#include <pthread.h>

enum {
    FLIGHTS = 1 << 16, /* targets under way at once; a power of two */
    SCANS = 64,        /* that are remembered: a bit each in entry.scans */
    JOBS_FEEDING = 256,
    TURN_ADDRESSES = 64, /* of a block, until it is another's turn */
    IDLE_MS = 1000,
    SCAN_TOLD_MS = 250,
    WRITING_MS = 5,  /* between two looks whether the last results of a scan are written */
    RELOAD_MS = 200, /* between two readings of all targets */
    RETRY_MS = 5000,
};

/* One target or block on its way through the workers. */
struct job {
    struct job *next;    /* in the list of those that are still handed out */
    struct entry *entry; /* NULL for a probe that somebody waits for */
    uint32_t place;
    struct target target; /* of one that is no block */
    struct cidr_block block;
    bool is_block;
    struct permutation order;
    uint64_t count, handed, done;
    bool is_cut; /* nothing more of it is to be handed out, and it is still among those that feed */
    /* Of a probe. */
    struct probe_record *record;
    bool is_over, is_left; /* the record is there; nobody waits any more */
};

/* Where probes go: the pool is the first, sites of the fleet are the others. */
enum { PLACE_POOL = 0, PLACES = 1 + FLEET_SITES_MAX };
_Static_assert(2 * FLEET_SITES_MAX * FLEET_SITE_TARGETS <= FLIGHTS, "the pool has half of them");

/* Jobs of which not all is handed out. */
struct feeding {
    struct job *first, **end;
    uint32_t count;
};

struct scan {
    uint64_t id;              /* 0: never used */
    struct api_scan progress; /* finished when its results are written, too */
    uint64_t told_done;
    bool is_probed;   /* all of it; then */
    uint64_t results; /* that the ledger had been handed by then */
};

struct schedule {
    struct schedule_config config;
    struct pool *pool;
    struct fleet_probes *fleet; /* NULL: there is none */
    struct database *database;  /* the thread's */
    struct random random;
    pthread_t thread;
    bool is_started;
    int64_t loaded_ms, load_pause_ms; /* of the last reading: its end, and how long there is none */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* for the thread, and for those who wait for a scan or a probe */
    struct entries entries;
    struct feeding places[PLACES];
    uint32_t turn;                    /* the place that was fed last */
    struct job *probes, **probes_end; /* asked for, not begun */
    struct job *flights[FLIGHTS];     /* by number; NULL when it is free */
    uint64_t numbers;                 /* given out */
    struct scan scans[SCANS];
    uint64_t scan_count;
    uint64_t running, probed;
    int64_t interval_ms;
    uint64_t reloads_asked, reloads_done; /* the last one that was asked for before a reading */
    bool awaits_flight;                   /* the thread waits until a number is free */
    bool is_stopping;
};

/* With the lock, which is given up meanwhile. */
void schedule_wait(struct schedule *schedule, uint64_t wait_ms);

/* What a probe needs to know of a row of monitor_targets, and its place. Its roots only on the
 * schedule's thread. */
enum error schedule_make_target(const struct schedule *schedule, const struct monitor_target *from,
                                struct target *out, uint32_t *place, struct failure *failure);

/* With the lock: nobody waits for it any more. */
void schedule_forget_scans(struct schedule *schedule, struct entry *entry);

/* A record of flight `number`, or NULL; `is_last`: the flight is over. Any thread, without the
 * lock.
 */
void schedule_land(struct schedule *schedule, uint64_t number, struct probe_record *record,
                   bool is_last);

/* --- schedule_fleet.c --- */

enum error schedule_open_fleet(struct schedule *schedule, struct failure *failure)
    __attribute__((warn_unused_result));
/* After a reading of the targets, on the schedule's thread or before it runs: which sites they use.
 */
void schedule_use_sites(struct schedule *schedule);

/* With the lock. */
static inline bool schedule_must_reload(const struct schedule *schedule) {
    return schedule->reloads_done < schedule->reloads_asked;
}

static inline void schedule_append(struct job *job, struct job ***end) {
    job->next = NULL;
    **end = job;
    *end = &job->next;
}

#endif
