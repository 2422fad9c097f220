/* What the schedule knows of targets: a row each, found by key, and a heap by due time. Part of
 * schedule.c; the owner locks. */
#ifndef TOOLS_MONITOR_SCHEDULE_ENTRIES_H
#define TOOLS_MONITOR_SCHEDULE_ENTRIES_H

#include "engine/probe/target.h"
#include "tools/monitor/targets.h"

enum { ENTRY_NOWHERE = UINT32_MAX, ENTRY_AT_ONCE = 0 };

struct job;

struct entry {
    int64_t key, updated_ms;
    int64_t due_ms;      /* since 1970; ENTRY_AT_ONCE: before all others */
    int64_t interval_ms; /* 0: that of the settings */
    struct target target;
    uint32_t place;  /* where it is probed */
    struct job *job; /* while it runs */
    struct cidr_block block;
    uint64_t count; /* addresses: 1 but for a block */
    bool is_block, is_enabled, is_running, is_gone;
    bool is_changed;  /* while it runs, which is as it was before */
    bool is_stuck;    /* while it runs: nobody answers */
    bool is_seen;     /* in the reading of targets under way */
    uint64_t scans;   /* bits: those that wait for it */
    uint32_t heap_at; /* ENTRY_NOWHERE while it runs, or is not enabled */
};

struct entries {
    struct entry **rows; /* by key, which only grow */
    struct entry **heap;
    uint32_t count, heap_count, capacity;
};

void entries_deinit(struct entries *entries);

/* NULL when there is none. */
struct entry *entries_find(const struct entries *entries, int64_t key);

/* A zeroed row with this key, at its place. NULL when there is no memory. */
struct entry *entries_add(struct entries *entries, int64_t key);

/* Frees all rows for which `is_dead` holds. */
void entries_sweep(struct entries *entries, bool (*is_dead)(const struct entry *entry));

/* Puts it into the heap, or moves it there, by its due time. */
void entries_schedule(struct entries *entries, struct entry *entry);
void entries_unschedule(struct entries *entries, struct entry *entry);

/* The one that is due first; NULL when none is scheduled. */
struct entry *entries_first(const struct entries *entries);

/* How many of the heap were due before `ms`; those that are asked for at once do not count. */
uint64_t entries_due_before(const struct entries *entries, int64_t ms);

#endif
