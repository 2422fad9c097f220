#include "tools/monitor/config_targets.h"

#include "tools/monitor/tables.h"

#include <stdlib.h>
#include <string.h>

struct applying {
    const struct monitor_settings *settings;
    struct monitor_target *known; /* of the store, from a config */
    uint32_t known_count, known_capacity;
    const struct monitor_target **wanted; /* of the settings, sorted */
    struct config_changes changes;
};

/* What makes two rows the same target: from another network it is another one. */
static int compare_identity(const struct monitor_target *a, const struct monitor_target *b) {
    int order = strcmp(a->host, b->host);

    if (!order)
        order = (a->port > b->port) - (a->port < b->port);
    if (!order)
        order = strcmp(a->protocol, b->protocol);
    if (!order)
        order = strcmp(a->connect_address, b->connect_address);
    return order ? order : strcmp(a->via, b->via);
}

static int by_identity(const void *a, const void *b) {
    return compare_identity(a, b);
}

static int by_identity_of(const void *a, const void *b) {
    return compare_identity(*(const struct monitor_target *const *)a,
                            *(const struct monitor_target *const *)b);
}

static bool says_the_same(const struct monitor_target *a, const struct monitor_target *b) {
    return strcmp(a->label, b->label) == 0 && strcmp(a->tags, b->tags) == 0 &&
           a->warn_days == b->warn_days && a->crit_days == b->crit_days &&
           a->has_thresholds == b->has_thresholds && a->threshold_count == b->threshold_count &&
           memcmp(a->thresholds, b->thresholds, a->threshold_count * sizeof *a->thresholds) == 0 &&
           strcmp(a->ca_file, b->ca_file) == 0 && a->dane == b->dane &&
           a->interval_s == b->interval_s && a->enabled == b->enabled;
}

static enum error collect(void *context, const struct monitor_target *target,
                          struct failure *failure) {
    struct applying *applying = context;

    if (target->source != TARGET_FROM_CONFIG)
        return ERROR_NONE;
    if (applying->known_count == applying->known_capacity) {
        uint32_t capacity = applying->known_capacity ? 2 * applying->known_capacity : 64;
        void *more = realloc(applying->known, capacity * sizeof *applying->known);
        if (!more)
            return failure_set(failure, ERROR_MEMORY, "no memory for the targets");
        applying->known = more;
        applying->known_capacity = capacity;
    }
    applying->known[applying->known_count++] = *target;
    return ERROR_NONE;
}

static enum error add(struct ledger_write *write, const struct monitor_target *wanted,
                      struct failure *failure) {
    struct monitor_target target = *wanted;

    return tables_add_target(write->database, &target, write->now_ms, failure);
}

static enum error change(struct ledger_write *write, const struct monitor_target *known,
                         const struct monitor_target *wanted, struct failure *failure) {
    struct monitor_target target = *wanted;

    target.key = known->key;
    memcpy(target.id, known->id, sizeof target.id);
    target.created_ms = known->created_ms;
    return tables_update_target(write->database, &target, write->now_ms, failure);
}

/* Both are sorted; of targets that the settings name twice the first counts. */
static enum error merge(struct ledger_write *write, struct applying *applying,
                        struct failure *failure) {
    uint32_t count = applying->settings->target_count, k = 0, w = 0;
    enum error error = ERROR_NONE;

    while (!error && (k < applying->known_count || w < count)) {
        const struct monitor_target *known = k < applying->known_count ? &applying->known[k] : NULL;
        const struct monitor_target *wanted = w < count ? applying->wanted[w] : NULL;
        int order = !known ? 1 : !wanted ? -1 : compare_identity(known, wanted);

        if (order < 0) {
            error = tables_delete_target(write->database, known->key, failure);
            applying->changes.removed++;
            k++;
            continue;
        }
        if (order > 0) {
            error = add(write, wanted, failure);
            applying->changes.added++;
        } else {
            if (!says_the_same(known, wanted)) {
                error = change(write, known, wanted, failure);
                applying->changes.changed++;
            }
            k++;
        }
        while (++w < count && compare_identity(applying->wanted[w], wanted) == 0)
            ;
    }
    return error;
}

static enum error apply(struct ledger_write *write, void *context, struct failure *failure) {
    struct applying *applying = context;

    applying->known_count = 0;
    applying->changes = (struct config_changes){0};
    enum error error = tables_each_target(write->database, collect, applying, failure);
    if (error)
        return error;
    if (applying->known_count)
        qsort(applying->known, applying->known_count, sizeof *applying->known, by_identity);
    error = merge(write, applying, failure);
    if (applying->changes.added || applying->changes.changed || applying->changes.removed)
        monitor_write_target_changed(write, 0);
    return error;
}

enum error config_targets_apply(struct monitor_ledger *ledger,
                                const struct monitor_settings *settings, struct config_changes *out,
                                struct failure *failure) {
    struct applying applying = {.settings = settings};
    uint32_t count = settings->target_count;
    enum error error = ERROR_MEMORY;

    applying.wanted = calloc(count ? count : 1, sizeof *applying.wanted);
    if (applying.wanted) {
        for (uint32_t i = 0; i < count; i++)
            applying.wanted[i] = &settings->targets[i];
        qsort(applying.wanted, count, sizeof *applying.wanted, by_identity_of);
        error = monitor_ledger_call(ledger, apply, &applying, failure);
    } else {
        failure_set(failure, error, "no memory for the targets");
    }
    free(applying.known);
    free(applying.wanted);
    *out = applying.changes;
    return error;
}
