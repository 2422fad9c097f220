/* The schedule's side of the fleet: records that come back, and labels that nobody answers for. */
#include "tools/monitor/schedule_internal.h"
#include "tools/monitor/tables.h"

#include <string.h>

/* --- What the fleet tells --- */

static void see(void *owner, uint64_t number, struct probe_record *record, bool is_last) {
    schedule_land(owner, number, record, is_last);
}

struct unanswered {
    int64_t keys[FLEET_TOLD_AT_ONCE];
    uint32_t count;
    const char *why, *label, *silence;
};

static enum error write_unanswered(struct ledger_write *write, void *context,
                                   struct failure *failure) {
    const struct unanswered *what = context;
    enum error error = monitor_write_unanswered(write, what->keys, what->count, what->why, failure);

    if (!error && what->label)
        error = monitor_write_workers(write, what->label, what->silence, failure);
    return error;
}

/* No scan waits for what nobody answers. Each target once, though a block has many numbers. */
static void find_keys(struct schedule *schedule, const uint64_t *numbers, uint32_t count,
                      struct unanswered *out) {
    pthread_mutex_lock(&schedule->lock);
    for (uint32_t i = 0; i < count; i++) {
        const struct job *job = schedule->flights[numbers[i] % FLIGHTS];
        if (!job || !job->entry)
            continue;
        job->entry->is_stuck = out->label != NULL;
        if (out->label)
            schedule_forget_scans(schedule, job->entry);
        if (!out->count || out->keys[out->count - 1] != job->entry->key)
            out->keys[out->count++] = job->entry->key;
    }
    pthread_cond_broadcast(&schedule->changed);
    pthread_mutex_unlock(&schedule->lock);
}

static bool unanswered(void *owner, const uint64_t *numbers, uint32_t count, const char *why,
                       const char *label, const char *silence) {
    struct schedule *schedule = owner;
    struct unanswered what = {.why = why, .label = label, .silence = silence};
    struct failure ignored;

    find_keys(schedule, numbers, count, &what);
    return monitor_ledger_call(schedule->config.ledger, write_unanswered, &what, &ignored) ==
           ERROR_NONE;
}

static enum error write_answered(struct ledger_write *write, void *context,
                                 struct failure *failure) {
    return monitor_write_workers(write, context, NULL, failure);
}

static bool answered(void *owner, const char *label) {
    struct schedule *schedule = owner;
    struct failure ignored;

    return monitor_ledger_call(schedule->config.ledger, write_answered, (void *)(uintptr_t)label,
                               &ignored) == ERROR_NONE;
}

static void on_room(void *owner) {
    schedule_room(owner);
}

static void on_trouble(void *owner, const struct failure *failure) {
    const struct schedule *schedule = owner;

    if (schedule->config.on_trouble)
        schedule->config.on_trouble(schedule->config.owner, failure);
}

/* --- Labels in use --- */

struct labels {
    const char *items[FLEET_SITES_MAX];
    uint32_t count;
};

static enum error write_labels(struct ledger_write *write, void *context, struct failure *failure) {
    const struct labels *labels = context;
    return monitor_write_labels(write, labels->items, labels->count, failure);
}

void schedule_use_sites(struct schedule *schedule) {
    bool used[FLEET_SITES_MAX] = {false};
    struct labels labels = {.count = 0};
    struct failure failure;

    pthread_mutex_lock(&schedule->lock);
    for (uint32_t i = 0; i < schedule->entries.count; i++) {
        const struct entry *entry = schedule->entries.rows[i];
        if (entry->place != PLACE_POOL && entry->is_enabled && !entry->is_gone)
            used[entry->place - 1] = true;
    }
    pthread_mutex_unlock(&schedule->lock);
    if (schedule->fleet) {
        fleet_sites_use(schedule->fleet, used);
        labels.count = fleet_labels(schedule->fleet, labels.items);
    }
    if (monitor_ledger_call(schedule->config.ledger, write_labels, &labels, &failure))
        on_trouble(schedule, &failure);
}

/* --- Its beginning --- */

struct identity {
    char text[TABLES_IDENTITY_BYTES];
};

static enum error read_identity(struct ledger_write *write, void *context,
                                struct failure *failure) {
    return tables_identity(write->database, ((struct identity *)context)->text, failure);
}

enum error schedule_open_fleet(struct schedule *schedule, struct failure *failure) {
    const struct fleet_owner owner = {.owner = schedule,
                                      .see = see,
                                      .unanswered = unanswered,
                                      .answered = answered,
                                      .on_room = on_room,
                                      .on_trouble = on_trouble};
    struct identity identity;

    if (!schedule->config.fleet)
        return ERROR_NONE;
    enum error error =
        monitor_ledger_call(schedule->config.ledger, read_identity, &identity, failure);
    return error ? error
                 : fleet_probes_open(&schedule->fleet, schedule->config.fleet, identity.text,
                                     &owner, failure);
}
