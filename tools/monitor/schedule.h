/* The schedule: which target is probed when. A thread that hands targets to the workers as they are
 * due, and gives their records to the ledger.
 *
 *     store ── targets ──▶ heap by due time ──▶ pool, or fleet ── records ──▶ ledger
 *                              ▲      ▲                  │
 *                     interval │      └ "scan now"       └ the last record of a target: due again
 *
 * A target is due an interval after it was probed last, a tenth of that sooner or later, so that
 * many do not meet; after a restart too, for the last time stands in the store. Blocks are visited
 * in a random order, a few addresses in turn with what else is due, and are due again when all
 * their addresses are done. Nothing is handed out while the ledger is full.
 *
 * What a target has as `via` is probed by workers of the fleet. Those that nobody answers for stay
 * under way; their summaries and an alert say so, and no scan waits for them. */
#ifndef TOOLS_MONITOR_SCHEDULE_H
#define TOOLS_MONITOR_SCHEDULE_H

#include "engine/probe/prober.h"
#include "tools/monitor/api.h"
#include "tools/monitor/fleet_probes.h"

struct schedule;

struct schedule_config {
    const char *url; /* of the store, from which targets are read */
    struct monitor_ledger *ledger;
    struct event_hub *hub; /* is told how scans go on; may be NULL */
    struct prober_settings probe;
    uint32_t workers;
    int64_t interval_ms; /* of targets that have none of their own */
    bool only_on_demand; /* nothing is due by itself: for a single run */
    /* The roots of a target's ca_file; on the schedule's thread. NULL with `failure` filled: the
     * target is not probed. */
    const struct trust_store *(*roots)(void *owner, const char *ca_file, struct failure *failure);
    /* On the schedule's thread: targets cannot be read, or one cannot be probed. */
    void (*on_trouble)(void *owner, const struct failure *failure);
    void *owner;
    const struct fleet_probes_config *fleet; /* NULL: there is none */
};

/* Reads the targets and starts the threads. */
enum error schedule_open(struct schedule **out, const struct schedule_config *config,
                         struct failure *failure) __attribute__((warn_unused_result));
/* What is under way is broken off. Before the ledger is closed. NULL is fine. */
void schedule_close(struct schedule *schedule);

/* Targets changed in the store; the ledger has room again. Any thread. */
void schedule_reload(struct schedule *schedule);
void schedule_room(struct schedule *schedule);

/* SIGHUP: of targets that have no interval of their own. Any thread. */
void schedule_set_interval(struct schedule *schedule, int64_t interval_ms);

/* What the API asks of it. */
struct api_schedule schedule_api(struct schedule *schedule);

struct schedule_statistics {
    uint64_t targets, blocks; /* that are watched; blocks of them */
    uint64_t running;         /* targets under way */
    uint64_t overdue;         /* more than an interval past due */
    uint64_t probes;          /* records so far */
};
void schedule_statistics(struct schedule *schedule, struct schedule_statistics *out);
void schedule_probe_statistics(struct schedule *schedule, struct prober_statistics *out);
/* False: there is no fleet. */
bool schedule_fleet_statistics(struct schedule *schedule, struct fleet_statistics *out);

#endif
