#include "tools/monitor/schedule_internal.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <stdlib.h>

enum { RELOAD_WAIT_MS = 10 * 1000 };

void schedule_reload(struct schedule *schedule) {
    pthread_mutex_lock(&schedule->lock);
    schedule->reloads_asked++;
    pthread_cond_broadcast(&schedule->changed);
    pthread_mutex_unlock(&schedule->lock);
}

void schedule_room(struct schedule *schedule) {
    pthread_mutex_lock(&schedule->lock);
    pthread_cond_broadcast(&schedule->changed);
    pthread_mutex_unlock(&schedule->lock);
}

void schedule_set_interval(struct schedule *schedule, int64_t interval_ms) {
    pthread_mutex_lock(&schedule->lock);
    schedule->interval_ms = interval_ms;
    int64_t latest_ms = clock_unix_ms() + interval_ms;
    for (uint32_t i = 0; i < schedule->entries.count; i++) {
        struct entry *entry = schedule->entries.rows[i];
        if (entry->heap_at == ENTRY_NOWHERE || entry->interval_ms || entry->due_ms <= latest_ms)
            continue;
        entry->due_ms = latest_ms;
        entries_schedule(&schedule->entries, entry);
    }
    pthread_cond_broadcast(&schedule->changed);
    pthread_mutex_unlock(&schedule->lock);
}

/* With the lock. */
static void scan_entry(struct schedule *schedule, struct scan *scan, struct entry *entry) {
    uint64_t bit = UINT64_C(1) << (scan - schedule->scans);

    if (!entry || !entry->is_enabled || entry->is_gone || entry->scans & bit)
        return;
    entry->scans |= bit;
    scan->progress.total++;
    if (entry->is_stuck) /* nobody answers: it is not waited for */
        schedule_forget_scans(schedule, entry);
    if (entry->is_running)
        return;
    entry->due_ms = ENTRY_AT_ONCE;
    entries_schedule(&schedule->entries, entry);
}

/* With the lock: who adds a target and scans at once means that target too. */
static void await_reload(struct schedule *schedule) {
    uint64_t asked = schedule->reloads_asked, now_ns,
             until_ns = clock_monotonic_ns() + RELOAD_WAIT_MS * UINT64_C(1000000);

    while (schedule->reloads_done < asked && !schedule->is_stopping &&
           (now_ns = clock_monotonic_ns()) < until_ns)
        schedule_wait(schedule, (until_ns - now_ns) / 1000000 + 1);
}

static enum error scan(void *owner, const int64_t *keys, uint32_t count, uint64_t *id,
                       struct failure *failure) {
    struct schedule *schedule = owner;
    enum error error = ERROR_NONE;

    pthread_mutex_lock(&schedule->lock);
    await_reload(schedule);
    struct scan *scan = &schedule->scans[schedule->scan_count % SCANS];
    if (scan->id && !scan->progress.finished) {
        error = failure_set(failure, ERROR_LIMIT, "%d scans are under way: wait for one of them",
                            SCANS);
    } else {
        *scan = (struct scan){.id = ++schedule->scan_count, .progress.started_ms = clock_unix_ms()};
        for (uint32_t i = 0; i < count; i++)
            scan_entry(schedule, scan, entries_find(&schedule->entries, keys[i]));
        for (uint32_t i = 0; !count && i < schedule->entries.count; i++)
            scan_entry(schedule, scan, schedule->entries.rows[i]);
        *id = scan->id;
        pthread_cond_broadcast(&schedule->changed);
    }
    pthread_mutex_unlock(&schedule->lock);
    return error;
}

/* With the lock; NULL when it is forgotten. */
static struct scan *find_scan(struct schedule *schedule, uint64_t id) {
    struct scan *scan = id ? &schedule->scans[(id - 1) % SCANS] : NULL;
    return scan && scan->id == id ? scan : NULL;
}

static bool progress(void *owner, uint64_t id, struct api_scan *out) {
    struct schedule *schedule = owner;

    pthread_mutex_lock(&schedule->lock);
    const struct scan *scan = find_scan(schedule, id);
    if (scan)
        *out = scan->progress;
    pthread_mutex_unlock(&schedule->lock);
    return scan;
}

static void wait_for_scan(void *owner, uint64_t id, uint32_t wait_ms) {
    struct schedule *schedule = owner;
    uint64_t until_ns = clock_monotonic_ns() + wait_ms * UINT64_C(1000000), now_ns;

    pthread_mutex_lock(&schedule->lock);
    while (!schedule->is_stopping && (now_ns = clock_monotonic_ns()) < until_ns) {
        const struct scan *scan = find_scan(schedule, id);
        if (!scan || scan->progress.finished)
            break;
        schedule_wait(schedule, (until_ns - now_ns) / 1000000 + 1);
    }
    pthread_mutex_unlock(&schedule->lock);
}

static int64_t next_check(void *owner, int64_t key) {
    struct schedule *schedule = owner;

    pthread_mutex_lock(&schedule->lock);
    const struct entry *entry = entries_find(&schedule->entries, key);
    int64_t due_ms = entry && entry->is_running                 ? clock_unix_ms()
                     : entry && entry->heap_at != ENTRY_NOWHERE ? entry->due_ms
                                                                : 0;
    pthread_mutex_unlock(&schedule->lock);
    return due_ms;
}

static uint64_t overdue_of(struct schedule *schedule) {
    return entries_due_before(&schedule->entries, clock_unix_ms() - schedule->interval_ms);
}

static uint64_t overdue(void *owner) {
    struct schedule *schedule = owner;

    pthread_mutex_lock(&schedule->lock);
    uint64_t count = overdue_of(schedule);
    pthread_mutex_unlock(&schedule->lock);
    return count;
}

static enum error probe(void *owner, const struct monitor_target *target, uint32_t wait_ms,
                        struct probe_record **out, struct failure *failure) {
    struct schedule *schedule = owner;
    struct job *job = calloc(1, sizeof *job);
    uint64_t until_ns = clock_monotonic_ns() + wait_ms * UINT64_C(1000000), now_ns;

    if (!job)
        return failure_set(failure, ERROR_MEMORY, "no memory");
    job->count = 1;
    enum error error =
        target->is_cidr || target->ca_file[0]
            ? failure_set(failure, ERROR_USAGE, "one server at a time")
            : schedule_make_target(schedule, target, &job->target, &job->place, failure);
    if (error) {
        free(job);
        return error;
    }
    pthread_mutex_lock(&schedule->lock);
    schedule_append(job, &schedule->probes_end);
    pthread_cond_broadcast(&schedule->changed);
    while (!job->is_over && !schedule->is_stopping && (now_ns = clock_monotonic_ns()) < until_ns)
        schedule_wait(schedule, (until_ns - now_ns) / 1000000 + 1);
    *out = job->record;
    job->record = NULL;
    if (job->is_over)
        free(job);
    else
        job->is_left = true;
    pthread_mutex_unlock(&schedule->lock);
    return *out ? ERROR_NONE
                : failure_set(failure, (enum error)ETIMEDOUT, "the probe takes too long");
}

struct api_schedule schedule_api(struct schedule *schedule) {
    return (struct api_schedule){
        .owner = schedule,
        .scan = scan,
        .progress = progress,
        .wait = wait_for_scan,
        .next_check = next_check,
        .probe = probe,
        .overdue = overdue,
    };
}

void schedule_statistics(struct schedule *schedule, struct schedule_statistics *out) {
    *out = (struct schedule_statistics){0};
    pthread_mutex_lock(&schedule->lock);
    for (uint32_t i = 0; i < schedule->entries.count; i++) {
        out->targets++;
        out->blocks += schedule->entries.rows[i]->is_block;
    }
    out->running = schedule->running;
    out->overdue = overdue_of(schedule);
    out->probes = schedule->probed;
    pthread_mutex_unlock(&schedule->lock);
}

bool schedule_fleet_statistics(struct schedule *schedule, struct fleet_statistics *out) {
    if (schedule->fleet)
        fleet_probes_statistics(schedule->fleet, out);
    return schedule->fleet != NULL;
}

void schedule_probe_statistics(struct schedule *schedule, struct prober_statistics *out) {
    struct pool_statistics statistics;

    pool_statistics(schedule->pool, &statistics);
    *out = statistics.probe;
}
