#include "tools/monitor/schedule_internal.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/starttls/dialogue.h"
#include "ingest/target_parse.h"
#include "tools/monitor/tables.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void schedule_wait(struct schedule *schedule, uint64_t wait_ms) {
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&schedule->changed, &schedule->lock, &until);
}

/* ---------------------------------------------------------------------------------------------
 * Targets
 * ------------------------------------------------------------------------------------------- */

static enum error find_place(const struct schedule *schedule, const struct monitor_target *from,
                             uint32_t *place, struct failure *failure) {
    uint32_t site;
    enum error error = target_check_via(from, schedule->fleet != NULL, failure);

    if (!error)
        error = fleet_site_find(schedule->fleet, from->via, from->ca_file, &site, failure);
    if (!error)
        *place = PLACE_POOL + 1 + site;
    return error;
}

enum error schedule_make_target(const struct schedule *schedule, const struct monitor_target *from,
                                struct target *out, uint32_t *place, struct failure *failure) {
    *out = (struct target){.port = from->port};
    *place = PLACE_POOL;
    if (!from->is_cidr && !address_parse(slice_of(from->host), &out->address)) {
        enum error error = target_set_name(out, slice_of(from->host), failure);
        if (error)
            return error;
        if (from->connect_address[0])
            address_parse(slice_of(from->connect_address), &out->address);
    }
    if (from->protocol[0]) {
        uint16_t usual;
        int protocol = dialogue_by_name(slice_of(from->protocol), &usual);
        if (protocol < 0)
            return failure_set(failure, ERROR_USAGE, "%s: there is no protocol %s", from->host,
                               from->protocol);
        out->protocol = (uint8_t)protocol;
    } else {
        out->protocol = dialogue_by_port(from->port);
    }
    if (from->via[0])
        return find_place(schedule, from, place, failure);
    if (!from->ca_file[0])
        return ERROR_NONE;
    out->roots = schedule->config.roots(schedule->config.owner, from->ca_file, failure);
    return out->roots ? ERROR_NONE : failure->code;
}

static int64_t interval_of(const struct schedule *schedule, const struct entry *entry) {
    return entry->interval_ms ? entry->interval_ms : schedule->interval_ms;
}

/* A tenth sooner or later. */
static int64_t with_jitter(struct schedule *schedule, int64_t interval_ms) {
    int64_t tenth = interval_ms / 10;

    return interval_ms - tenth +
           (int64_t)random_below(&schedule->random, (uint64_t)(2 * tenth) + 1);
}

/* While the targets are read. */
struct loading {
    struct schedule *schedule;
    struct failure failure; /* of the last target that cannot be probed */
};

static void trouble(struct schedule *schedule, const struct failure *failure) {
    if (schedule->config.on_trouble)
        schedule->config.on_trouble(schedule->config.owner, failure);
}

static bool fill(struct entry *entry, const struct monitor_target *from,
                 const struct target *target, uint32_t place) {
    struct failure ignored;

    entry->place = place;
    entry->interval_ms = from->interval_s * 1000;
    entry->is_block = from->is_cidr;
    entry->target = *target;
    entry->count = 1;
    if (!from->is_cidr)
        return true;
    if (cidr_parse(slice_of(from->host), &entry->block, &ignored))
        return false;
    entry->count = (uint64_t)entry->block.last_offset + 1;
    return true;
}

void schedule_forget_scans(struct schedule *schedule, struct entry *entry) {
    for (uint32_t i = 0; i < SCANS; i++)
        if (entry->scans >> i & 1)
            schedule->scans[i].progress.done++;
    entry->scans = 0;
}

/* With the lock: what goes on in the fleet, perhaps for ever, is not the entry's any more. */
static void recall(struct entry *entry) {
    struct job *job = entry->job;

    if (!entry->is_running || job->place == PLACE_POOL)
        return;
    job->entry = NULL;
    job->is_left = true;
    job->is_cut = job->handed < job->count;
    job->count = job->handed;
    entry->is_running = entry->is_stuck = false;
}

/* With the lock. What the pool has keeps running as it was, and is due at once when it ends. */
static enum error put_target(struct schedule *schedule, const struct monitor_target *from,
                             const struct target *target, uint32_t place, struct failure *failure) {
    struct entry *entry = entries_find(&schedule->entries, from->key);

    if (!entry && !(entry = entries_add(&schedule->entries, from->key)))
        return failure_set(failure, ERROR_MEMORY, "no memory for the targets");
    entry->is_seen = true;
    entry->is_gone = false;
    recall(entry);
    entry->is_enabled = target && fill(entry, from, target, place);
    entry->updated_ms = from->updated_ms;
    entry->is_changed = entry->is_running;
    if (!entry->is_enabled) {
        entries_unschedule(&schedule->entries, entry);
        if (!entry->is_running)
            schedule_forget_scans(schedule, entry);
    } else if (!entry->is_running && !schedule->config.only_on_demand) {
        entry->due_ms = clock_unix_ms();
        entries_schedule(&schedule->entries, entry);
    }
    return ERROR_NONE;
}

/* The rows of entries change on this thread only, so it may look without the lock. */
static enum error take_target(void *context, const struct monitor_target *from,
                              struct failure *failure) {
    struct loading *loading = context;
    struct schedule *schedule = loading->schedule;
    struct entry *entry = entries_find(&schedule->entries, from->key);
    struct target target;
    struct failure why = {0};
    uint32_t place = PLACE_POOL;

    if (entry && entry->updated_ms == from->updated_ms) {
        entry->is_seen = true;
        return ERROR_NONE;
    }
    bool is_fine =
        from->enabled && schedule_make_target(schedule, from, &target, &place, &why) == ERROR_NONE;
    if (why.code)
        loading->failure = why;
    pthread_mutex_lock(&schedule->lock);
    enum error error = put_target(schedule, from, is_fine ? &target : NULL, place, failure);
    pthread_mutex_unlock(&schedule->lock);
    return error;
}

/* At the start: what was probed lately is not due yet. */
static enum error take_last_check(void *context, const struct sql_value *values, uint32_t count,
                                  struct failure *failure) {
    struct schedule *schedule = context;
    struct entry *entry = entries_find(&schedule->entries, row_integer(&values[0]));

    (void)count, (void)failure;
    if (!entry || entry->heap_at == ENTRY_NOWHERE || row_integer(&values[1]) <= 0)
        return ERROR_NONE;
    int64_t interval_ms = with_jitter(schedule, interval_of(schedule, entry)),
            now = clock_unix_ms();
    int64_t due_ms = row_integer(&values[1]) + interval_ms;
    entry->due_ms = due_ms < now ? now : due_ms > now + interval_ms ? now + interval_ms : due_ms;
    entries_schedule(&schedule->entries, entry);
    return ERROR_NONE;
}

static bool is_dead(const struct entry *entry) {
    return entry->is_gone && !entry->is_running;
}

/* With the lock. */
static void sweep_gone(struct schedule *schedule) {
    for (uint32_t i = 0; i < schedule->entries.count; i++) {
        struct entry *entry = schedule->entries.rows[i];
        entry->is_gone = !entry->is_seen;
        if (entry->is_gone) {
            recall(entry);
            entries_unschedule(&schedule->entries, entry);
            schedule_forget_scans(schedule, entry);
        }
    }
    entries_sweep(&schedule->entries, is_dead);
}

/* Most of it without the lock, on which the workers wait: there may be many targets. */
static enum error load(struct schedule *schedule, bool is_first, struct failure *failure) {
    static const struct sql_statement last_checks = {
        .text = "SELECT target, last_check FROM monitor_summary"};
    struct loading loading = {.schedule = schedule};

    pthread_mutex_lock(&schedule->lock);
    uint64_t asked = schedule->reloads_asked;
    pthread_mutex_unlock(&schedule->lock);
    for (uint32_t i = 0; i < schedule->entries.count; i++)
        schedule->entries.rows[i]->is_seen = false;
    enum error error = tables_each_target(schedule->database, take_target, &loading, failure);
    if (!error && is_first) /* nobody else is there yet */
        error = database_query(schedule->database, &last_checks, NULL, take_last_check, schedule,
                               failure);
    pthread_mutex_lock(&schedule->lock);
    if (!error) { /* else it is not known who is gone */
        sweep_gone(schedule);
        schedule->reloads_done = asked;
    }
    pthread_cond_broadcast(&schedule->changed);
    pthread_mutex_unlock(&schedule->lock);
    if (!error && (schedule->fleet || is_first))
        schedule_use_sites(schedule);
    if (loading.failure.code)
        trouble(schedule, &loading.failure);
    return error;
}

/* ---------------------------------------------------------------------------------------------
 * Records
 * ------------------------------------------------------------------------------------------- */

/* With the lock. */
static void end_job(struct schedule *schedule, struct job *job) {
    struct entry *entry = job->entry;

    schedule->running--;
    if (!entry) {
        job->is_over = true;
        if (job->is_left) {
            if (job->record)
                record_put(&job->record->head);
            free(job);
        }
        return;
    }
    free(job);
    entry->is_running = entry->is_stuck = false;
    schedule_forget_scans(schedule, entry);
    if (entry->is_gone || !entry->is_enabled || schedule->config.only_on_demand)
        return;
    entry->due_ms = clock_unix_ms();
    if (!entry->is_changed)
        entry->due_ms += with_jitter(schedule, interval_of(schedule, entry));
    entry->is_changed = false;
    entries_schedule(&schedule->entries, entry);
}

static void tell_ledger(struct schedule *schedule, const struct job *job,
                        struct probe_record *record) {
    char endpoint[ADDRESS_TEXT_MAX] = "";

    if (job->is_block || probe_record_part(record))
        address_format(&record->address, endpoint);
    struct monitor_result result = {
        .target = job->entry->key, .endpoint = endpoint, .agent = "", .record = record};
    monitor_ledger_result(schedule->config.ledger, &result);
}

void schedule_land(struct schedule *schedule, uint64_t number, struct probe_record *record,
                   bool is_last) {
    pthread_mutex_lock(&schedule->lock);
    struct job **flight = &schedule->flights[number % FLIGHTS], *job = *flight;
    assert(job);
    schedule->probed += record != NULL;
    if (record && job->entry) {
        tell_ledger(schedule, job, record);
    } else if (record && !job->record && record->outcome != OUTCOME_CANCELLED) {
        record_get(&record->head);
        job->record = record;
    }
    if (is_last) {
        *flight = NULL;
        bool is_awaited = schedule->awaits_flight || !job->entry || job->entry->scans;
        if (++job->done == job->count && !job->is_cut)
            end_job(schedule, job);
        if (is_awaited)
            pthread_cond_broadcast(&schedule->changed);
    }
    pthread_mutex_unlock(&schedule->lock);
}

/* On a worker's thread. The number of the target that the record is of is that of its flight. */
static void see(void *owner, uint32_t worker, const struct probe_record *seen) {
    struct probe_record *record = (struct probe_record *)seen; /* to be counted, not changed */

    (void)worker;
    schedule_land(owner, probe_record_number(seen), record,
                  seen->head.ticket || seen->outcome == OUTCOME_CANCELLED);
}

/* ---------------------------------------------------------------------------------------------
 * Handing out
 * ------------------------------------------------------------------------------------------- */

static struct job *take_first(struct job **list, struct job ***end) {
    struct job *job = *list;

    *list = job->next;
    if (!*list)
        *end = list;
    return job;
}

static void append_feeding(struct schedule *schedule, struct job *job) {
    struct feeding *feeding = &schedule->places[job->place];

    schedule->running++;
    feeding->count++;
    schedule_append(job, &feeding->end);
}

/* With the lock. Without memory it is due again a little later. */
static void begin_entry(struct schedule *schedule, struct entry *entry) {
    struct job *job = calloc(1, sizeof *job);

    if (!job) {
        entry->due_ms = clock_unix_ms() + RETRY_MS;
        entries_schedule(&schedule->entries, entry);
        return;
    }
    entries_unschedule(&schedule->entries, entry);
    entry->is_running = true;
    entry->job = job;
    *job = (struct job){.entry = entry,
                        .place = entry->place,
                        .target = entry->target,
                        .block = entry->block,
                        .is_block = entry->is_block,
                        .count = entry->count};
    if (job->is_block)
        permutation_init(&job->order, job->count, random_u64(&schedule->random));
    append_feeding(schedule, job);
}

/* With the lock: all that is due, as far as there is room in the pool. What is for the fleet may
 * wait for long, and holds nothing else back. */
static void begin_due(struct schedule *schedule) {
    struct entry *entry;
    int64_t now = clock_unix_ms();

    while (schedule->probes)
        append_feeding(schedule, take_first(&schedule->probes, &schedule->probes_end));
    while (schedule->places[PLACE_POOL].count < JOBS_FEEDING &&
           (entry = entries_first(&schedule->entries)) != NULL && entry->due_ms <= now)
        begin_entry(schedule, entry);
}

static void set_address(const struct job *job, struct target *target) {
    if (job->is_block)
        target->address = cidr_address(&job->block, permutation_at(&job->order, job->handed));
}

/* With the lock: the next number whose flight is over; 0 when there is none. Some of the fleet's
 * may take for ever. */
static uint64_t free_number(const struct schedule *schedule) {
    for (uint64_t i = 1; i <= FLIGHTS; i++)
        if (!schedule->flights[(schedule->numbers + i) % FLIGHTS])
            return schedule->numbers + i;
    return 0;
}

/* To where its job goes. */
static bool submit(struct schedule *schedule, uint32_t place, const struct target *target) {
    if (place == PLACE_POOL)
        return pool_submit(schedule->pool, target) == ERROR_NONE;
    if (!fleet_site_give(schedule->fleet, place - 1, target->number, target))
        schedule_land(schedule, target->number, NULL, true); /* due again */
    return true;
}

/* With the lock, which is given up while the workers have no room. False when it is to end. */
static bool hand_out(struct schedule *schedule, struct job *job) {
    struct target target = job->target;
    uint32_t place = job->place;
    uint64_t number;

    while (!(number = free_number(schedule)) && !schedule->is_stopping) {
        schedule->awaits_flight = true;
        schedule_wait(schedule, IDLE_MS);
    }
    schedule->awaits_flight = false;
    if (schedule->is_stopping)
        return false;
    schedule->numbers = number;
    schedule->flights[number % FLIGHTS] = job;
    set_address(job, &target);
    target.number = target.ticket = number;
    job->handed++; /* the job may be over, and gone, when the lock is taken again */
    pthread_mutex_unlock(&schedule->lock);
    bool is_taken = submit(schedule, place, &target);
    pthread_mutex_lock(&schedule->lock);
    return is_taken;
}

/* With the lock: the next place that has room for jobs of its own; NULL for none. */
static struct feeding *next_place(struct schedule *schedule) {
    for (uint32_t i = 0; i < PLACES; i++) {
        uint32_t place = schedule->turn = (schedule->turn + 1) % PLACES;
        if (schedule->places[place].first &&
            (place == PLACE_POOL || fleet_site_has_room(schedule->fleet, place - 1)))
            return &schedule->places[place];
    }
    return NULL;
}

/* With the lock: one turn of the first job. The list holds it as long as something of it is left,
 * and it cannot be over before. */
static bool feed(struct schedule *schedule, struct feeding *feeding) {
    struct job *job = take_first(&feeding->first, &feeding->end);
    uint64_t left = job->count - job->handed;
    uint64_t turn = left < TURN_ADDRESSES ? left : TURN_ADDRESSES;

    for (uint64_t i = 0; i < turn; i++)
        if (!hand_out(schedule, job)) { /* not all of it will be done, so it is still there */
            schedule_append(job, &feeding->end);
            return false;
        }
    if (turn < left)
        schedule_append(job, &feeding->end);
    else
        feeding->count--;
    if (left)
        return true;
    job->is_cut = false;
    if (job->done == job->count)
        end_job(schedule, job);
    return true;
}

/* --- Scans --- */

/* All of its results, probed and written. */
static bool is_over(struct schedule *schedule, struct scan *scan) {
    const struct monitor_ledger *ledger = schedule->config.ledger;

    if (!scan->is_probed && scan->progress.done >= scan->progress.total) {
        scan->is_probed = true;
        scan->results = monitor_ledger_handed(ledger);
    }
    return scan->is_probed && monitor_ledger_has_settled(ledger, scan->results);
}

/* With the lock. */
static void tell_scans(struct schedule *schedule) {
    char body[128];

    for (uint32_t i = 0; i < SCANS; i++) {
        struct scan *scan = &schedule->scans[i];
        if (!scan->id || scan->progress.finished)
            continue;
        scan->progress.finished = is_over(schedule, scan);
        if (scan->told_done == scan->progress.done && !scan->progress.finished)
            continue;
        scan->told_done = scan->progress.done;
        int len = snprintf(body, sizeof body, "{\"id\":%ju,\"total\":%ju,\"done\":%ju}",
                           (uintmax_t)scan->id, (uintmax_t)scan->progress.total,
                           (uintmax_t)scan->progress.done);
        if (schedule->config.hub)
            events_publish_live(schedule->config.hub, "scan",
                                (struct slice){(const uint8_t *)body, (size_t)len});
        pthread_cond_broadcast(&schedule->changed);
    }
}

/* Until scans are to be looked at again. */
static int64_t scans_ms(const struct schedule *schedule) {
    int64_t wait_ms = IDLE_MS;

    for (uint32_t i = 0; i < SCANS; i++) {
        const struct scan *scan = &schedule->scans[i];
        if (!scan->id || scan->progress.finished)
            continue;
        if (scan->is_probed)
            return WRITING_MS;
        wait_ms = SCAN_TOLD_MS;
    }
    return wait_ms;
}

/* --- The thread --- */

/* With the lock: how long there is nothing to do. */
static uint64_t idle_ms(const struct schedule *schedule, int64_t now) {
    const struct entry *first = entries_first(&schedule->entries);
    int64_t wait_ms = scans_ms(schedule);

    if (schedule_must_reload(schedule) && RELOAD_MS < wait_ms)
        wait_ms = RELOAD_MS;
    if (first && first->due_ms - now < wait_ms)
        wait_ms = first->due_ms - now;
    return wait_ms > 0 ? (uint64_t)wait_ms : 1;
}

/* The more targets there are, the longer it takes, and the rarer it is. */
static void reload_if_due(struct schedule *schedule) {
    struct failure failure;
    int64_t begun_ms = clock_unix_ms();

    pthread_mutex_lock(&schedule->lock);
    bool is_due = schedule_must_reload(schedule) &&
                  llabs(begun_ms - schedule->loaded_ms) >= schedule->load_pause_ms;
    pthread_mutex_unlock(&schedule->lock);
    if (!is_due)
        return;
    enum error error = load(schedule, false, &failure);
    schedule->loaded_ms = clock_unix_ms();
    int64_t pause_ms = 2 * (schedule->loaded_ms - begun_ms);
    schedule->load_pause_ms = error ? RETRY_MS : pause_ms < RELOAD_MS ? RELOAD_MS : pause_ms;
    if (error)
        trouble(schedule, &failure);
}

static void *run(void *context) {
    struct schedule *schedule = context;

    for (bool goes_on = true; goes_on;) {
        reload_if_due(schedule);
        pthread_mutex_lock(&schedule->lock);
        bool is_full = monitor_ledger_is_full(schedule->config.ledger);
        struct feeding *feeding = NULL;
        tell_scans(schedule);
        if (!is_full)
            begin_due(schedule);
        if (schedule->is_stopping)
            goes_on = false;
        else if (!is_full && (feeding = next_place(schedule)) != NULL)
            goes_on = feed(schedule, feeding);
        else
            schedule_wait(schedule, is_full ? SCAN_TOLD_MS : idle_ms(schedule, clock_unix_ms()));
        pthread_mutex_unlock(&schedule->lock);
    }
    return NULL;
}

/* ---------------------------------------------------------------------------------------------
 * Beginning and end
 * ------------------------------------------------------------------------------------------- */

static enum error init(struct schedule *schedule, struct failure *failure) {
    pthread_condattr_t attributes;
    struct database_config database = {.url = schedule->config.url,
                                       .application = "trawl monitor: schedule"};

    pthread_mutex_init(&schedule->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&schedule->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    random_init(&schedule->random, random_seed());
    for (uint32_t i = 0; i < PLACES; i++)
        schedule->places[i].end = &schedule->places[i].first;
    schedule->probes_end = &schedule->probes;
    schedule->interval_ms = schedule->config.interval_ms;
    return database_open(&schedule->database, &database, failure);
}

static enum error start(struct schedule *schedule, struct failure *failure) {
    struct pool_config pool = {
        .workers = schedule->config.workers,
        .probe = schedule->config.probe,
        .observer = {see, schedule},
    };
    enum error error = schedule_open_fleet(schedule, failure);

    if (!error)
        error = load(schedule, true, failure);
    if (!error)
        error = pool_start(&schedule->pool, &pool, failure);
    if (!error)
        error = thread_start(&schedule->thread, "schedule", run, schedule, failure);
    schedule->is_started = !error;
    return error;
}

enum error schedule_open(struct schedule **out, const struct schedule_config *config,
                         struct failure *failure) {
    struct schedule *schedule = calloc(1, sizeof *schedule);

    if (!schedule)
        return failure_set(failure, ERROR_MEMORY, "no memory for the schedule");
    schedule->config = *config;
    enum error error = init(schedule, failure);
    if (!error)
        error = start(schedule, failure);
    if (error) {
        schedule_close(schedule);
        return error;
    }
    *out = schedule;
    return ERROR_NONE;
}

static void free_jobs(struct job *job) {
    while (job) {
        struct job *next = job->next;
        if (job->record)
            record_put(&job->record->head);
        free(job);
        job = next;
    }
}

void schedule_close(struct schedule *schedule) {
    if (!schedule)
        return;
    pthread_mutex_lock(&schedule->lock);
    schedule->is_stopping = true;
    pthread_cond_broadcast(&schedule->changed);
    pthread_mutex_unlock(&schedule->lock);
    if (schedule->pool)
        pool_stop(schedule->pool);
    if (schedule->is_started)
        pthread_join(schedule->thread, NULL);
    fleet_probes_close(schedule->fleet);
    if (schedule->pool) {
        pool_finish(schedule->pool);
        pool_join(schedule->pool);
        pool_free(schedule->pool);
    }
    for (uint32_t i = 0; i < PLACES; i++)
        free_jobs(schedule->places[i].first);
    free_jobs(schedule->probes);
    entries_deinit(&schedule->entries);
    database_close(schedule->database);
    pthread_cond_destroy(&schedule->changed);
    pthread_mutex_destroy(&schedule->lock);
    free(schedule);
}
